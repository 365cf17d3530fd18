//! How often a consumer tries what fails, and how long it waits between.

use std::time::Duration;

use crate::dead_letter::{class_of, heals};
use crate::refusal::Failure;

/// Each pause is longer or shorter by up to so much of itself, so that what failed together does not try again together.
const JITTER: f64 = 0.2;

/// Tries of one class of consumers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retries {
    /// Tries in all, 1 or more.
    pub attempts: u32,
    /// The pause between two, before jitter.
    pub delay: Duration,
}

impl Retries {
    /// For messages to people.
    pub const NOTIFICATIONS: Self = Self::new(2, 50);
    /// For views and metrics.
    pub const VIEWS: Self = Self::new(3, 100);
    /// For whatever money depends on.
    pub const MONEY: Self = Self::new(5, 200);

    const fn new(attempts: u32, delay_milliseconds: u64) -> Self {
        Self {
            attempts,
            delay: Duration::from_millis(delay_milliseconds),
        }
    }

    /// Tries until it succeeds, cannot heal, or has been tried often enough. The database being down is no attempt: that
    /// failure is given back at once.
    ///
    /// # Errors
    /// The last failure, and how many attempts were made.
    pub async fn run<T, F>(self, mut attempt: impl FnMut() -> F) -> Result<T, (Failure, u32)>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let mut attempts = 0;
        loop {
            match attempt().await {
                Ok(done) => return Ok(done),
                Err(failure) if failure.is_outage() => return Err((failure, attempts)),
                Err(failure) => {
                    attempts += 1;
                    if attempts >= self.attempts || !heals(class_of(&failure)) {
                        return Err((failure, attempts));
                    }
                }
            }
            tokio::time::sleep(self.pause()).await;
        }
    }

    fn pause(self) -> Duration {
        self.delay.mul_f64(1.0 - JITTER + 2.0 * JITTER * rand::random::<f64>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_differs_from_its_class_by_a_fifth_at_most() {
        let pauses: Vec<Duration> = (0..1_000).map(|_| Retries::MONEY.pause()).collect();
        let (least, most) = (Duration::from_millis(160), Duration::from_millis(240));
        assert!(pauses.iter().all(|pause| (least..=most).contains(pause)));
        assert!(pauses.iter().any(|pause| *pause < Duration::from_millis(180)));
        assert!(pauses.iter().any(|pause| *pause > Duration::from_millis(220)));
    }

    #[tokio::test]
    async fn what_heals_is_tried_as_often_as_its_class_says_and_what_does_not_once() {
        for (retries, times) in [(Retries::NOTIFICATIONS, 2), (Retries::VIEWS, 3), (Retries::MONEY, 5)] {
            let broken = || async { Err::<(), _>(Failure::Internal(anyhow::anyhow!("broken"))) };
            assert_eq!(retries.run(broken).await.unwrap_err().1, times);
            let refused = || async { Err::<(), _>(crate::money::MoneyRefusal::Overflow {}.into()) };
            assert_eq!(retries.run(refused).await.unwrap_err().1, 1);
        }
    }
}
