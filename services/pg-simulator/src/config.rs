//! Every rate and delay of the gateway, and the three profiles that set them.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::ensure;
use serde::{Deserialize, Serialize};

/// A rate of one, in the unit of every rate here.
pub const PERMILLE: u16 = 1_000;

/// What [`crate::serve`] needs to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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

    /// # Errors
    /// Rates of one die that sum to more than 1000, a delay that ends before it begins, a limit or speed of zero.
    pub fn check(&self) -> anyhow::Result<()> {
        let Behaviour {
            reply_delay_ms,
            decision_delay_ms,
            faults,
            ..
        } = &self.behaviour;
        for (name, delay) in [
            ("reply_delay_ms", reply_delay_ms),
            ("decision_delay_ms", decision_delay_ms),
        ] {
            ensure!(
                delay.min <= delay.max,
                "{name}: min {} is above max {}",
                delay.min,
                delay.max
            );
        }
        let reply_rates = [
            self.behaviour.server_error_permille,
            faults.hang_permille,
            faults.server_error_stored_permille,
            faults.captured_timeout_permille,
            faults.slow_body_permille,
            faults.reset_body_permille,
            faults.malformed_body_permille,
        ];
        let callback_rates = [
            faults.callback_twice_permille,
            faults.callback_lost_permille,
            faults.callback_late_permille,
            faults.callback_forged_permille,
            faults.callback_before_reply_permille,
        ];
        let verdict_rates = [
            self.behaviour.limit_exceeded_permille,
            self.behaviour.invalid_card_permille,
        ];
        for (die, rates) in [
            ("reply", reply_rates.as_slice()),
            ("callback", &callback_rates),
            ("verdict", &verdict_rates),
            ("amount", &[faults.wrong_amount_permille]),
        ] {
            let sum: u64 = rates.iter().copied().map(u64::from).sum();
            ensure!(
                sum <= u64::from(PERMILLE),
                "the rates of the {die} sum to {sum}, above {PERMILLE} permille"
            );
        }
        ensure!(self.behaviour.speed >= 1, "speed must be at least 1");
        ensure!(
            self.behaviour.callbacks_in_flight_max >= 1,
            "callbacks_in_flight_max must be at least 1"
        );
        Ok(())
    }
}

/// A set of rates and delays to start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
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
    pub fn behaviour(self) -> Behaviour {
        let calm = Behaviour {
            reply_delay_ms: DelayMs { min: 0, max: 0 },
            decision_delay_ms: DelayMs { min: 5, max: 20 },
            server_error_permille: 0,
            limit_exceeded_permille: 0,
            invalid_card_permille: 0,
            speed: 1,
            callback_timeout_ms: 2_000,
            callbacks_in_flight_max: 256,
            faults: Faults::none(),
        };
        let seed = Behaviour {
            reply_delay_ms: DelayMs { min: 100, max: 500 },
            decision_delay_ms: DelayMs { min: 1_000, max: 5_000 },
            server_error_permille: 400,
            limit_exceeded_permille: 200,
            invalid_card_permille: 100,
            ..calm.clone()
        };
        match self {
            Self::Calm => calm,
            Self::Seed => seed,
            Self::Hostile => Behaviour {
                faults: Faults::each(20),
                ..seed
            },
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
            _ => anyhow::bail!("unknown profile {name:?}: calm, seed or hostile"),
        }
    }
}

/// Rates (permille of what they speak of) and delays (milliseconds).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Behaviour {
    /// From a valid POST to its answer.
    pub reply_delay_ms: DelayMs,
    /// From the acceptance to the decision.
    pub decision_delay_ms: DelayMs,
    /// POSTs that are answered HTTP 500 and stored nowhere.
    pub server_error_permille: u16,
    /// Accepted payments that fail because the limit is exceeded.
    pub limit_exceeded_permille: u16,
    /// Accepted payments that fail because the card is invalid.
    pub invalid_card_permille: u16,
    /// Divides every delay here (not `callback_timeout_ms`); 1 is real time.
    pub speed: u32,
    /// Connect and answer of a callback; then it is given up.
    pub callback_timeout_ms: u64,
    /// Callbacks on their way at once; others wait.
    pub callbacks_in_flight_max: usize,
    /// What the contract does not promise, but gateways do.
    pub faults: Faults,
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

/// Rates of the faults, in permille of the POSTs; one fault of a reply and one of a callback may meet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Faults {
    /// No answer, nothing stored.
    pub hang_permille: u16,
    /// Answered HTTP 500 as if nothing were stored, but it is.
    pub server_error_stored_permille: u16,
    /// Approved, but no answer.
    pub captured_timeout_permille: u16,
    /// Stored; the body of the answer drips for `hang_ms`.
    pub slow_body_permille: u16,
    /// Stored; the connection is cut in the middle of the body.
    pub reset_body_permille: u16,
    /// Stored; the answer's JSON ends in the middle.
    pub malformed_body_permille: u16,
    /// The callback comes twice.
    pub callback_twice_permille: u16,
    /// The callback never comes.
    pub callback_lost_permille: u16,
    /// The callback comes `callback_late_ms` after the decision.
    pub callback_late_permille: u16,
    /// A callback claims SUCCESS while nothing is decided; the true one follows.
    pub callback_forged_permille: u16,
    /// Decided and called back before the POST is answered.
    pub callback_before_reply_permille: u16,
    /// The gateway books another amount than asked.
    pub wrong_amount_permille: u16,
    /// How long an answer that never comes keeps its connection.
    pub hang_ms: u64,
    /// See `callback_late_permille`.
    pub callback_late_ms: u64,
}

impl Faults {
    /// Every rate zero.
    pub fn none() -> Self {
        Self::each(0)
    }

    /// Every rate alike.
    pub fn each(permille: u16) -> Self {
        Self {
            hang_permille: permille,
            server_error_stored_permille: permille,
            captured_timeout_permille: permille,
            slow_body_permille: permille,
            reset_body_permille: permille,
            malformed_body_permille: permille,
            callback_twice_permille: permille,
            callback_lost_permille: permille,
            callback_late_permille: permille,
            callback_forged_permille: permille,
            callback_before_reply_permille: permille,
            wrong_amount_permille: permille,
            hang_ms: 60_000,
            callback_late_ms: 60_000,
        }
    }
}
