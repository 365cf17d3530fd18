//! The line to the gateway: so many calls at once, and none for a while when too many have failed or were slow.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kit::breaker::{Breaker, Call, Settings};
use kit::crash_point;
use tokio::sync::Semaphore;

use super::{Answer, Cancellation, CardGateway, Charge, Transaction};

/// A gateway behind its bulkhead and its breakers.
#[derive(Debug)]
pub(crate) struct Line {
    gateway: Box<dyn CardGateway>,
    places: Semaphore,
    // apart, so that look-ups that work do not hide POSTs that fail
    charges: Mutex<Breaker>,
    others: Mutex<Breaker>,
}

/// No call is made now; ask again after this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LineClosed(pub(crate) Duration);

impl Line {
    pub(crate) fn new(gateway: Box<dyn CardGateway>, calls_max: usize, breaker: Settings) -> Self {
        let (charges, others) = (
            Mutex::new(Breaker::new(breaker.clone())),
            Mutex::new(Breaker::new(breaker)),
        );
        Self {
            gateway,
            places: Semaphore::new(calls_max),
            charges,
            others,
        }
    }

    /// How often the breakers have opened: of charges, and of look-ups.
    pub(crate) fn openings(&self) -> (u64, u64) {
        (locked(&self.charges).openings(), locked(&self.others).openings())
    }

    /// Whether a payment may be asked for now; to be asked before the POST is recorded.
    pub(crate) fn admit_charge(&self) -> Result<(), LineClosed> {
        locked(&self.charges).admit(Instant::now()).map_err(LineClosed)
    }

    /// Asks for a payment that was admitted, unless it waited for its place beyond `leave_by`. The breaker judges the call
    /// with all its tries: a no that is followed by another try is none yet, or the gateway's ordinary unsteadiness would
    /// open it.
    pub(crate) async fn charge(&self, charge: &Charge<'_>, last_try: bool, leave_by: Instant) -> Answer {
        let _place = self.places.acquire().await;
        if Instant::now() > leave_by {
            locked(&self.charges).forget();
            return Answer::NotReached;
        }
        let started = Instant::now();
        crash_point::before("POST");
        let answer = self.gateway.charge(charge).await;
        crash_point::after("POST");
        let failed = match answer {
            Answer::Accepted { .. } | Answer::Rejected { .. } => false,
            Answer::NotTaken { .. } if !last_try => {
                locked(&self.charges).forget();
                return answer;
            }
            Answer::NotTaken { .. } | Answer::NotReached | Answer::Unknown { .. } => true,
        };
        record(&self.charges, "charges", failed, started);
        answer
    }

    /// Reads the gateway's book.
    pub(crate) async fn look_up(&self, order_id: &str) -> Result<Result<Vec<Transaction>, String>, LineClosed> {
        locked(&self.others).admit(Instant::now()).map_err(LineClosed)?;
        let _place = self.places.acquire().await;
        let started = Instant::now();
        crash_point::before("look-up");
        let book = self.gateway.look_up(order_id).await;
        crash_point::after("look-up");
        record(&self.others, "look-ups", book.is_err(), started);
        Ok(book)
    }

    /// Gives money back, unless that waited for its place beyond `leave_by`; called after a look-up that was admitted and
    /// answered.
    pub(crate) async fn cancel(&self, transaction_key: &str, amount: i64, leave_by: Instant) -> Cancellation {
        let _place = self.places.acquire().await;
        if Instant::now() > leave_by {
            let said = "waited too long for its turn".to_owned();
            return Cancellation::NotDone { said };
        }
        crash_point::before("cancel");
        let outcome = self.gateway.cancel(transaction_key, amount).await;
        crash_point::after("cancel");
        outcome
    }
}

fn record(breaker: &Mutex<Breaker>, calls: &str, failed: bool, started: Instant) {
    let now = Instant::now();
    if locked(breaker).record(
        Call {
            failed,
            took: now - started,
        },
        now,
    ) {
        tracing::warn!(calls, "the breaker to the gateway has opened");
    }
}

fn locked(breaker: &Mutex<Breaker>) -> MutexGuard<'_, Breaker> {
    breaker.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_trait::async_trait;

    /// A gateway that takes whatever reaches it.
    #[derive(Debug)]
    struct Open;

    #[async_trait]
    impl CardGateway for Open {
        async fn charge(&self, _: &Charge<'_>) -> Answer {
            let transaction_key = "a".to_owned();
            Answer::Accepted { transaction_key }
        }

        async fn look_up(&self, _: &str) -> Result<Vec<Transaction>, String> {
            Ok(Vec::new())
        }

        async fn cancel(&self, _: &str, _: i64) -> Cancellation {
            Cancellation::Done
        }
    }

    #[tokio::test]
    async fn what_waited_too_long_does_not_leave() {
        let line = Line::new(Box::new(Open), 1, Settings::default());
        let charge = Charge {
            order_id: "order.1",
            card_type: "KB",
            card_number: "1234-5678-9012-3456",
            amount: 100,
        };
        let past = Instant::now();
        let ahead = past + Duration::from_secs(60);
        assert_eq!(line.charge(&charge, false, past).await, Answer::NotReached);
        assert!(matches!(
            line.charge(&charge, false, ahead).await,
            Answer::Accepted { .. }
        ));
        assert!(matches!(
            line.cancel("a", 100, past).await,
            Cancellation::NotDone { .. }
        ));
        assert_eq!(line.cancel("a", 100, ahead).await, Cancellation::Done);
    }
}
