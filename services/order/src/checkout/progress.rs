//! Where a checkout stands, and what a process that goes on with it holds.

use std::time::Duration;

use jiff::Timestamp;
use kit::context::Context;
use kit::database::Database;

use super::refunds::Refund;
use crate::order::Order;

/// Pauses before a checkout is tried again: the first, doubled with each further one, up to the last.
const PAUSE_MS: u64 = 500;
const PAUSE_MS_MAX: u64 = 15_000;

/// What is to be done next. The table of steps is at the top of `checkout.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Take,
    Pay,
    Await,
    Settle,
    Rest,
}

impl Step {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Take, "TAKE"),
        (Self::Pay, "PAY"),
        (Self::Await, "AWAIT"),
        (Self::Settle, "SETTLE"),
        (Self::Rest, "REST"),
    ];

    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(_, known)| *known == name)
            .map(|(step, _)| *step)
    }
}

/// Turns at most once, to `Undo`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Forward,
    Undo,
}

impl Direction {
    pub fn name(self) -> &'static str {
        match self {
            Self::Forward => "FORWARD",
            Self::Undo => "UNDO",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Forward, Self::Undo]
            .into_iter()
            .find(|direction| direction.name() == name)
    }
}

/// A checkout as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checkout {
    pub order_id: String,
    pub step: Step,
    pub direction: Direction,
    pub lease_token: i64,
    pub next_at: Option<Timestamp>,
    /// Since when it is not at rest, as it was saved last.
    pub under_way_since: Option<Timestamp>,
    pub tries: i32,
    pub expected_total: Option<i64>,
    pub correlation_id: String,
    pub traceparent: String,
    pub request_id: Option<String>,
    pub payment_refusal: String,
}

impl Checkout {
    /// The checkout of an order that was just placed.
    pub fn begun(order: &Order, expected_total: Option<i64>, context: &Context) -> Self {
        Self {
            order_id: order.order_id.clone(),
            step: Step::Take,
            direction: Direction::Forward,
            lease_token: 1,
            next_at: Some(context.now),
            under_way_since: Some(context.now),
            tries: 0,
            expected_total,
            correlation_id: context.correlation_id.clone(),
            traceparent: context.traceparent.clone(),
            request_id: context.idempotency.as_ref().map(|key| key.request_id.to_string()),
            payment_refusal: String::new(),
        }
    }

    /// Goes on with `step` at that time, or when something happens.
    pub fn go_on(&mut self, step: Step, next_at: Option<Timestamp>) {
        self.step = step;
        self.next_at = next_at;
        self.tries = 0;
    }

    /// Whether nothing is to be done, nor waited for from another service, before the order's time is up.
    pub fn at_rest(&self, now: Timestamp) -> bool {
        match (self.step, self.direction) {
            (Step::Rest, _) => self.next_at.is_none(),
            // what is due at once is a refund, or the end of the order's time
            (Step::Await, Direction::Forward) => self.next_at.is_some_and(|at| at > now),
            _ => false,
        }
    }
}

/// When a checkout that failed `tries` times before is tried again, spread by ±20 %.
pub(crate) fn next_try(tries: i32, now: Timestamp) -> Timestamp {
    let doubled = PAUSE_MS << tries.clamp(0, 5);
    let spread = u64::from(rand::random_range(80..=120_u8));
    now + Duration::from_millis(doubled.min(PAUSE_MS_MAX) * spread / 100)
}

/// A checkout under this process's lease, with its order as it was when the lease was taken.
#[derive(Debug)]
pub(crate) struct Held {
    pub checkout: Checkout,
    pub order: Order,
    pub refunds: Vec<Refund>,
    pub context: Context,
}

impl Held {
    /// What another process began, or this one in another call.
    pub fn resumed(database: &Database, checkout: Checkout, order: Order, refunds: Vec<Refund>) -> Self {
        let mut context = Context::background(database.owner(), database.clock()).for_user(&order.user_id);
        context.correlation_id.clone_from(&checkout.correlation_id);
        context.traceparent.clone_from(&checkout.traceparent);
        Self {
            checkout,
            order,
            refunds,
            context,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_what_they_name() {
        for (step, name) in Step::ALL {
            assert_eq!(Step::from_name(name), Some(step));
            assert_eq!(step.name(), name);
        }
        for direction in [Direction::Forward, Direction::Undo] {
            assert_eq!(Direction::from_name(direction.name()), Some(direction));
        }
    }

    #[test]
    fn pauses_grow_and_stay_bounded() {
        let pause = |tries| next_try(tries, Timestamp::UNIX_EPOCH).as_millisecond();
        assert!((400..=600).contains(&pause(0)));
        assert!((800..=1_200).contains(&pause(1)));
        assert!((12_000..=18_000).contains(&pause(i32::MAX)));
    }
}
