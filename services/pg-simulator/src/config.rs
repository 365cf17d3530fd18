//! Every rate and delay of the gateway, the three profiles that set them, and how one is set by name.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::contract::is_card_no;
use crate::mode::{Die, Mode};
use crate::test_cards;

/// A rate of one, in the unit of every rate here.
pub const PERMILLE: u16 = 1_000;
/// Cards whose fate may be fixed at once.
const CARDS_MAX: usize = 100_000;

/// What [`crate::serve`] needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Folder of the book; created if absent. One process at a time.
    pub data: PathBuf,
    /// The same seed and the same POSTs give the same fates, whatever runs at the same time.
    pub seed: u64,
    /// What happens how often, and how fast.
    pub behaviour: Behaviour,
}

impl Config {
    /// A profile as it is, with seed 0.
    pub fn new(data: impl Into<PathBuf>, profile: Profile) -> Self {
        Self {
            data: data.into(),
            seed: 0,
            behaviour: profile.behaviour(),
        }
    }
}

/// A set of rates and delays to start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Answers at once, approves everything, PENDING for a moment only.
    Calm,
    /// The contract's figures: 40 % of POSTs fail, then 70 % approved, 20 % over the limit, 10 % invalid.
    Seed,
    /// The contract's figures, and 2 % of every fault.
    Hostile,
}

impl Profile {
    /// The rates and delays of this profile.
    #[must_use]
    pub fn behaviour(self) -> Behaviour {
        let calm = Behaviour {
            reply_delay_ms: DelayMs { min: 0, max: 0 },
            decision_delay_ms: DelayMs { min: 5, max: 20 },
            hang_ms: 60_000,
            callback_late_ms: 60_000,
            store_late_ms: 10_000,
            contradiction_ms: 5_000,
            speed: 1,
            callback_timeout_ms: 2_000,
            callbacks_in_flight_max: 256,
            rates: BTreeMap::new(),
            cards: test_cards::ALL
                .iter()
                .map(|(number, fate)| ((*number).to_owned(), fate.to_vec()))
                .collect(),
        };
        let seed = Behaviour {
            reply_delay_ms: DelayMs { min: 100, max: 500 },
            decision_delay_ms: DelayMs { min: 1_000, max: 5_000 },
            ..calm.clone()
        };
        let seed = seed
            .with(Mode::ServerError, 400)
            .with(Mode::LimitExceeded, 200)
            .with(Mode::InvalidCard, 100);
        match self {
            Self::Calm => calm,
            Self::Seed => seed,
            Self::Hostile => seed.with_every_fault(20),
        }
    }
}

impl FromStr for Profile {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> anyhow::Result<Self> {
        match name {
            "calm" => Ok(Self::Calm),
            "seed" => Ok(Self::Seed),
            "hostile" => Ok(Self::Hostile),
            _ => bail!("unknown profile {name:?}: calm, seed or hostile"),
        }
    }
}

/// Rates (permille of what they speak of), delays (milliseconds) and cards of fixed fate. All but the limits of callbacks
/// can be set by name, also at run time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Behaviour {
    /// From a valid POST to its answer.
    pub reply_delay_ms: DelayMs,
    /// From the acceptance to the decision.
    pub decision_delay_ms: DelayMs,
    /// How long an answer that never comes keeps its connection.
    pub hang_ms: u64,
    /// See [`Mode::CallbackLate`].
    pub callback_late_ms: u64,
    /// See [`Mode::StoredLate`].
    pub store_late_ms: u64,
    /// See [`Mode::ShownLate`] and its neighbours.
    pub contradiction_ms: u64,
    /// Divides every delay here (not `callback_timeout_ms`); 1 is real time.
    pub speed: u32,
    /// Connect and answer of a callback; then it is given up. Fixed at the start.
    pub callback_timeout_ms: u64,
    /// Callbacks on their way at once; others wait. Fixed at the start.
    pub callbacks_in_flight_max: usize,
    /// How often each mode happens, in permille of POSTs, look-ups or cancellations; what is absent never does.
    pub rates: BTreeMap<Mode, u16>,
    /// Cards about which no dice decide: their number and all that departs from a plain yes.
    pub cards: BTreeMap<String, Vec<Mode>>,
}

/// A delay drawn evenly from `min` to `max`, both included, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DelayMs {
    /// Shortest.
    pub min: u64,
    /// Longest.
    pub max: u64,
}

impl Behaviour {
    /// The same, with a mode that happens so often.
    #[must_use]
    pub fn with(mut self, mode: Mode, permille: u16) -> Self {
        self.rates.insert(mode, permille);
        self
    }

    /// The same, with every mode that the contract does not know happening so often.
    #[must_use]
    pub fn with_every_fault(mut self, permille: u16) -> Self {
        let faults = Mode::ALL.iter().filter(|mode| !mode.is_lawful());
        self.rates.extend(faults.map(|mode| (*mode, permille)));
        self
    }

    /// How often a mode happens, in permille.
    #[must_use]
    pub fn rate(&self, mode: Mode) -> u16 {
        self.rates.get(&mode).copied().unwrap_or_default()
    }

    /// Sets one thing by name: a mode to its permille, a delay to milliseconds (`MIN-MAX` where it is drawn), `speed`,
    /// `profile` (all rates, delays and cards as that has them), or `card:NUMBER` to modes joined by `+` (nothing but
    /// `approve` for a plain yes, nothing at all to leave it to the dice).
    ///
    /// # Errors
    /// An unknown name, and a value that does not fit it.
    pub fn set(&mut self, name: &str, value: &str) -> anyhow::Result<()> {
        let number = || value.parse().with_context(|| format!("{name}: {value:?} is no number"));
        match name {
            "profile" => {
                let limits = (self.callback_timeout_ms, self.callbacks_in_flight_max);
                *self = value.parse::<Profile>()?.behaviour();
                (self.callback_timeout_ms, self.callbacks_in_flight_max) = limits;
            }
            "reply_delay_ms" => self.reply_delay_ms = value.parse()?,
            "decision_delay_ms" => self.decision_delay_ms = value.parse()?,
            "hang_ms" => self.hang_ms = number()?,
            "callback_late_ms" => self.callback_late_ms = number()?,
            "store_late_ms" => self.store_late_ms = number()?,
            "contradiction_ms" => self.contradiction_ms = number()?,
            "speed" => self.speed = u32::try_from(number()?).context("speed is too high")?,
            _ => match name.strip_prefix("card:") {
                Some(card) => self.fix(card, value)?,
                None => {
                    let permille = u16::try_from(number()?).context("a rate is at most 1000 permille")?;
                    self.rates.insert(name.parse()?, permille);
                }
            },
        }
        Ok(())
    }

    fn fix(&mut self, card: &str, fate: &str) -> anyhow::Result<()> {
        ensure!(
            is_card_no(card),
            "card: {card:?} must have the form dddd-dddd-dddd-dddd"
        );
        if fate.is_empty() {
            self.cards.remove(card);
            return Ok(());
        }
        let modes = fate.split('+').filter(|name| *name != "approve");
        let modes: Vec<Mode> = modes.map(str::parse).collect::<anyhow::Result<_>>()?;
        self.cards.insert(card.to_owned(), modes);
        Ok(())
    }

    /// # Errors
    /// Rates of one die that sum to more than 1000, a delay that ends before it begins, a limit or speed of zero.
    pub fn check(&self) -> anyhow::Result<()> {
        for (name, delay) in [
            ("reply_delay_ms", self.reply_delay_ms),
            ("decision_delay_ms", self.decision_delay_ms),
        ] {
            ensure!(
                delay.min <= delay.max,
                "{name}: min {} is above max {}",
                delay.min,
                delay.max
            );
        }
        for die in Die::OF_POST.into_iter().chain([Die::LookUp, Die::Cancel]) {
            let sum: u64 = die.modes().map(|mode| u64::from(self.rate(mode))).sum();
            let names: Vec<_> = die.modes().map(Mode::name).collect();
            ensure!(
                sum <= u64::from(PERMILLE),
                "{} sum to {sum}, above {PERMILLE} permille",
                names.join(" + ")
            );
        }
        ensure!(self.speed >= 1, "speed must be at least 1");
        ensure!(
            self.callbacks_in_flight_max >= 1,
            "callbacks_in_flight_max must be at least 1"
        );
        ensure!(self.cards.len() <= CARDS_MAX, "at most {CARDS_MAX} cards have a fate");
        Ok(())
    }
}

impl FromStr for DelayMs {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (min, max) = text.split_once('-').unwrap_or((text, text));
        let parsed = min.parse().and_then(|min| Ok(Self { min, max: max.parse()? }));
        parsed.with_context(|| format!("{text:?} is neither milliseconds nor MIN-MAX"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mode_can_be_set_by_its_name_and_be_a_cards_fate() {
        let mut behaviour = Profile::Calm.behaviour();
        for mode in Mode::ALL {
            behaviour.set(mode.name(), "7").unwrap();
            assert_eq!(behaviour.rate(*mode), 7);
            behaviour.set("card:1234-5678-9012-3456", mode.name()).unwrap();
            assert_eq!(behaviour.cards["1234-5678-9012-3456"], [*mode]);
        }
        behaviour.check().unwrap();
        behaviour.set("card:1234-5678-9012-3456", "approve").unwrap();
        assert!(behaviour.cards["1234-5678-9012-3456"].is_empty());
        behaviour.set("card:1234-5678-9012-3456", "").unwrap();
        behaviour.set("profile", "hostile").unwrap();
        assert_eq!(behaviour, Profile::Hostile.behaviour());
    }

    #[test]
    fn delays_are_one_figure_or_two() {
        let mut behaviour = Profile::Calm.behaviour();
        behaviour.set("reply_delay_ms", "5-9").unwrap();
        behaviour.set("decision_delay_ms", "3").unwrap();
        assert_eq!(behaviour.reply_delay_ms, DelayMs { min: 5, max: 9 });
        assert_eq!(behaviour.decision_delay_ms, DelayMs { min: 3, max: 3 });
    }

    #[test]
    fn what_cannot_be_set_is_refused() {
        for (name, value) in [
            ("nothing", "1"),
            ("hang", "x"),
            ("hang", "70000"),
            ("profile", "x"),
            ("reply_delay_ms", "1-"),
            ("card:1", "hang"),
            ("card:1234-5678-9012-3456", "x"),
        ] {
            assert!(Profile::Calm.behaviour().set(name, value).is_err(), "{name}={value}");
        }
        for (name, value) in [("hang", "1001"), ("speed", "0"), ("reply_delay_ms", "2-1")] {
            let mut behaviour = Profile::Calm.behaviour();
            behaviour.set(name, value).unwrap();
            assert!(behaviour.check().is_err(), "{name}={value}");
        }
    }
}
