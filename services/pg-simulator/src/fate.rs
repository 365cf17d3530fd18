//! The dice: what happens to a POST, decided by (seed, order id, how many POSTs of that order came before) and nothing else.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::book::Verdict;
use crate::config::{Behaviour, DelayMs, PERMILLE};
use crate::test_cards;

/// All that is decided about one POST before it is handled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fate {
    pub reply_delay_ms: u64,
    pub reply: Reply,
    pub decision_delay_ms: u64,
    pub verdict: Verdict,
    pub callback: CallbackFate,
    pub wrong_amount: bool,
}

/// How the caller of the POST is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reply {
    Faithful,
    ServerErrorNothingStored,
    HangNothingStored,
    ServerErrorStored,
    CapturedTimeout,
    SlowBody,
    ResetBody,
    MalformedBody,
}

/// What becomes of the callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CallbackFate {
    Once,
    Twice,
    Lost,
    Late,
    Forged,
    BeforeReply,
}

impl Fate {
    /// `post` counts the POSTs of this order, from 0.
    pub fn of(behaviour: &Behaviour, seed: u64, order_id: &str, post: u32, card_no: &str) -> Self {
        let dice = Dice::throw(seed, order_id, post);
        let thrown = Self::thrown(behaviour, &dice);
        match fixed(card_no) {
            Some((reply, verdict, callback)) => Self {
                reply,
                verdict,
                callback,
                wrong_amount: false,
                ..thrown
            },
            None => thrown,
        }
    }

    fn thrown(behaviour: &Behaviour, dice: &Dice) -> Self {
        let faults = &behaviour.faults;
        let reply = dice.pick(
            0,
            &[
                (behaviour.server_error_permille, Reply::ServerErrorNothingStored),
                (faults.hang_permille, Reply::HangNothingStored),
                (faults.server_error_stored_permille, Reply::ServerErrorStored),
                (faults.captured_timeout_permille, Reply::CapturedTimeout),
                (faults.slow_body_permille, Reply::SlowBody),
                (faults.reset_body_permille, Reply::ResetBody),
                (faults.malformed_body_permille, Reply::MalformedBody),
            ],
            Reply::Faithful,
        );
        let verdict = dice.pick(
            1,
            &[
                (behaviour.limit_exceeded_permille, Verdict::LimitExceeded),
                (behaviour.invalid_card_permille, Verdict::InvalidCard),
            ],
            Verdict::Approved,
        );
        let callback = dice.pick(
            2,
            &[
                (faults.callback_twice_permille, CallbackFate::Twice),
                (faults.callback_lost_permille, CallbackFate::Lost),
                (faults.callback_late_permille, CallbackFate::Late),
                (faults.callback_forged_permille, CallbackFate::Forged),
                (faults.callback_before_reply_permille, CallbackFate::BeforeReply),
            ],
            CallbackFate::Once,
        );
        Self {
            reply,
            verdict: if reply == Reply::CapturedTimeout {
                Verdict::Approved
            } else {
                verdict
            },
            callback,
            wrong_amount: dice.pick(3, &[(faults.wrong_amount_permille, true)], false),
            reply_delay_ms: dice.between(4, behaviour.reply_delay_ms),
            decision_delay_ms: dice.between(5, behaviour.decision_delay_ms),
        }
    }
}

fn fixed(card_no: &str) -> Option<(Reply, Verdict, CallbackFate)> {
    let fate = match card_no {
        test_cards::APPROVE => (Reply::Faithful, Verdict::Approved, CallbackFate::Once),
        test_cards::LIMIT => (Reply::Faithful, Verdict::LimitExceeded, CallbackFate::Once),
        test_cards::INVALID => (Reply::Faithful, Verdict::InvalidCard, CallbackFate::Once),
        test_cards::CAPTURED_TIMEOUT => (Reply::CapturedTimeout, Verdict::Approved, CallbackFate::Once),
        test_cards::LOST_CALLBACK => (Reply::Faithful, Verdict::Approved, CallbackFate::Lost),
        _ => return None,
    };
    Some(fate)
}

/// Eight dice from one digest: SHA-256 is the same in every version and on every machine.
struct Dice([u32; 8]);

impl Dice {
    fn throw(seed: u64, order_id: &str, post: u32) -> Self {
        let mut hash = Sha256::new();
        hash.update(seed.to_be_bytes());
        hash.update(post.to_be_bytes());
        hash.update(order_id.as_bytes());
        let digest = hash.finalize();
        let mut dice = [0; 8];
        for (die, bytes) in dice.iter_mut().zip(digest.chunks_exact(4)) {
            *die = bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte));
        }
        Self(dice)
    }

    /// The face whose share of the permille the die falls into.
    fn pick<T: Copy>(&self, die: usize, faces: &[(u16, T)], otherwise: T) -> T {
        let roll = self.0[die] % u32::from(PERMILLE);
        let mut edge = 0;
        for &(permille, face) in faces {
            edge += u32::from(permille);
            if roll < edge {
                return face;
            }
        }
        otherwise
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
        let accepted: Vec<_> = all.iter().filter(|fate| fate.reply == Reply::Faithful).collect();
        let verdicts = |verdict| accepted.iter().filter(|fate| fate.verdict == verdict).count();

        assert!(fits(all.len() - accepted.len(), all.len(), 40));
        assert!(fits(verdicts(Verdict::Approved), accepted.len(), 70));
        assert!(fits(verdicts(Verdict::LimitExceeded), accepted.len(), 20));
        assert!(fits(verdicts(Verdict::InvalidCard), accepted.len(), 10));
        assert!(all.iter().all(|fate| (100..=500).contains(&fate.reply_delay_ms)));
        assert!(all.iter().all(|fate| (1_000..=5_000).contains(&fate.decision_delay_ms)));
        assert!(
            all.iter()
                .all(|fate| fate.callback == CallbackFate::Once && !fate.wrong_amount)
        );
    }

    #[test]
    fn every_fault_happens_in_the_hostile_profile() {
        let all = fates(1, 3_000, &Profile::Hostile.behaviour());
        for reply in [
            Reply::HangNothingStored,
            Reply::ServerErrorStored,
            Reply::CapturedTimeout,
            Reply::SlowBody,
            Reply::ResetBody,
            Reply::MalformedBody,
        ] {
            assert!(all.iter().any(|fate| fate.reply == reply), "{reply:?}");
        }
        for callback in [
            CallbackFate::Twice,
            CallbackFate::Lost,
            CallbackFate::Late,
            CallbackFate::Forged,
            CallbackFate::BeforeReply,
        ] {
            assert!(all.iter().any(|fate| fate.callback == callback), "{callback:?}");
        }
        assert!(all.iter().any(|fate| fate.wrong_amount));
    }

    #[test]
    fn no_dice_decide_about_a_card_of_fixed_fate() {
        let behaviour = Profile::Hostile.behaviour();
        for post in 0..300 {
            let fate = Fate::of(&behaviour, 3, "order-1.1", post, test_cards::APPROVE);
            assert_eq!((fate.reply, fate.verdict), (Reply::Faithful, Verdict::Approved));
            assert_eq!((fate.callback, fate.wrong_amount), (CallbackFate::Once, false));
        }
    }
}
