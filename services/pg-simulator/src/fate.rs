//! The dice: what happens to a call, decided by (seed, what it is about, how many such calls came before) and nothing else.

use sha2::{Digest, Sha256};

use crate::book::Verdict;
use crate::config::{Behaviour, DelayMs, PERMILLE};
use crate::mode::{Die, Mode};

/// All that is decided about one POST before it is handled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fate {
    pub reply_delay_ms: u64,
    pub decision_delay_ms: u64,
    /// At most one of each die; a card of fixed fate may hold some of look-ups and cancellations, too.
    pub modes: Vec<Mode>,
}

impl Fate {
    /// `post` counts the POSTs of this order, from 0.
    pub fn of(behaviour: &Behaviour, seed: u64, order_id: &str, post: u32, card_no: &str) -> Self {
        let dice = Dice::throw(seed, order_id, post);
        let thrown = || Die::OF_POST.into_iter().filter_map(|die| dice.pick(behaviour, die));
        let fixed = behaviour.cards.get(card_no).cloned();
        Self {
            modes: fixed.unwrap_or_else(|| thrown().collect()),
            reply_delay_ms: dice.between(4, behaviour.reply_delay_ms),
            decision_delay_ms: dice.between(5, behaviour.decision_delay_ms),
        }
    }

    pub fn has(&self, mode: Mode) -> bool {
        self.modes.contains(&mode)
    }

    /// How the POST is answered; `None`: truly.
    pub fn reply(&self) -> Option<Mode> {
        self.modes.iter().copied().find(|mode| mode.die() == Die::Reply)
    }

    /// What departs from a plain yes once the payment is stored.
    pub fn of_stored(&self) -> impl Iterator<Item = Mode> {
        let elsewhere = |mode: &Mode| matches!(mode.die(), Die::Reply | Die::LookUp | Die::Cancel);
        self.modes.iter().copied().filter(move |mode| !elsewhere(mode))
    }

    pub fn verdict(&self) -> Verdict {
        if self.has(Mode::CapturedTimeout) {
            Verdict::Approved
        } else if self.has(Mode::LimitExceeded) {
            Verdict::LimitExceeded
        } else if self.has(Mode::InvalidCard) {
            Verdict::InvalidCard
        } else {
            Verdict::Approved
        }
    }
}

/// What happens to a look-up or a cancellation; `call` counts those about this `id`, from 0. A card's fixed fate is that of
/// the first one.
pub(crate) fn of_call(behaviour: &Behaviour, seed: u64, die: Die, id: &str, call: u32, fixed: &[Mode]) -> Option<Mode> {
    let fixed = fixed.iter().copied().find(|mode| mode.die() == die);
    match fixed {
        Some(mode) => (call == 0).then_some(mode),
        None => Dice::throw(seed, id, call).pick(behaviour, die),
    }
}

/// Eight dice from one digest: SHA-256 is the same in every version and on every machine.
struct Dice([u32; 8]);

impl Dice {
    fn throw(seed: u64, id: &str, call: u32) -> Self {
        let mut hash = Sha256::new();
        hash.update(seed.to_be_bytes());
        hash.update(call.to_be_bytes());
        hash.update(id.as_bytes());
        let digest = hash.finalize();
        let mut dice = [0; 8];
        for (die, bytes) in dice.iter_mut().zip(digest.chunks_exact(4)) {
            *die = bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte));
        }
        Self(dice)
    }

    /// The mode whose share of the permille the die falls into.
    fn pick(&self, behaviour: &Behaviour, die: Die) -> Option<Mode> {
        let number = match die {
            Die::Reply => 0,
            Die::Verdict => 1,
            Die::Callback => 2,
            Die::Amount => 3,
            Die::Shown => 6,
            Die::LookUp | Die::Cancel => 7,
        };
        let roll = self.0[number] % u32::from(PERMILLE);
        let mut edge = 0;
        die.modes().find(|mode| {
            edge += u32::from(behaviour.rate(*mode));
            roll < edge
        })
    }

    fn between(&self, die: usize, delay: DelayMs) -> u64 {
        let span = delay.max.saturating_sub(delay.min).saturating_add(1);
        delay.min + u64::from(self.0[die]) % span
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Profile;
    use crate::test_cards;

    const CARD: &str = "1234-5678-9012-3456";

    fn fates(seed: u64, count: u32, behaviour: &Behaviour) -> Vec<Fate> {
        (0..count)
            .map(|n| Fate::of(behaviour, seed, &format!("order-{n}.1"), n % 3, CARD))
            .collect()
    }

    /// Whether `seen` of `of` is within three standard deviations of the rate.
    fn fits(seen: usize, of: usize, percent: usize) -> bool {
        let off = (100 * seen).abs_diff(percent * of);
        off * off <= 9 * of * percent * (100 - percent)
    }

    #[test]
    fn the_same_seed_gives_the_same_fates_and_another_seed_others() {
        let behaviour = Profile::Hostile.behaviour();
        assert_eq!(fates(7, 500, &behaviour), fates(7, 500, &behaviour));
        assert_ne!(fates(7, 500, &behaviour), fates(8, 500, &behaviour));
    }

    #[test]
    fn the_seed_profile_has_the_figures_of_the_contract() {
        let behaviour = Profile::Seed.behaviour();
        let all = fates(42, 6_000, &behaviour);
        let accepted: Vec<_> = all.iter().filter(|fate| fate.reply().is_none()).collect();
        let verdicts = |verdict| accepted.iter().filter(|fate| fate.verdict() == verdict).count();

        assert!(fits(all.len() - accepted.len(), all.len(), 40));
        assert!(fits(verdicts(Verdict::Approved), accepted.len(), 70));
        assert!(fits(verdicts(Verdict::LimitExceeded), accepted.len(), 20));
        assert!(fits(verdicts(Verdict::InvalidCard), accepted.len(), 10));
        assert!(all.iter().all(|fate| (100..=500).contains(&fate.reply_delay_ms)));
        assert!(all.iter().all(|fate| (1_000..=5_000).contains(&fate.decision_delay_ms)));
        assert!(all.iter().flat_map(|fate| &fate.modes).all(|mode| mode.is_lawful()));
    }

    #[test]
    fn every_fault_happens_in_the_hostile_profile() {
        let behaviour = Profile::Hostile.behaviour();
        behaviour.check().unwrap();
        let posts = fates(1, 3_000, &behaviour);
        let calls =
            |die| (0..1_000).filter_map(move |call| of_call(&Profile::Hostile.behaviour(), 1, die, "o.1", call, &[]));
        let seen: Vec<Mode> = posts.into_iter().flat_map(|fate| fate.modes).collect();
        let seen: Vec<Mode> = seen
            .into_iter()
            .chain(calls(Die::LookUp))
            .chain(calls(Die::Cancel))
            .collect();
        for mode in Mode::ALL {
            assert!(seen.contains(mode), "{mode:?}");
        }
    }

    #[test]
    fn no_dice_decide_about_a_card_of_fixed_fate() {
        let behaviour = Profile::Hostile.behaviour();
        for post in 0..300 {
            let fate = Fate::of(&behaviour, 3, "order-1.1", post, test_cards::APPROVE);
            assert_eq!((fate.modes.as_slice(), fate.verdict()), (&[][..], Verdict::Approved));
        }
    }

    #[test]
    fn a_fixed_fate_of_look_ups_or_cancellations_is_that_of_the_first() {
        let behaviour = Profile::Calm.behaviour();
        let fixed = [Mode::CancelTimeoutNotDone];
        let fates = (0..3).map(|call| of_call(&behaviour, 0, Die::Cancel, "key", call, &fixed));
        assert_eq!(
            fates.collect::<Vec<_>>(),
            [Some(Mode::CancelTimeoutNotDone), None, None]
        );
    }
}
