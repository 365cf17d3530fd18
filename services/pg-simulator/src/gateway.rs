//! What becomes of a payment: a table of contents, and what its verbs share.

mod accept_payment;
mod cancel_payment;
mod decide_payment;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::book::{Keeper, Transaction};
use crate::callback::Callbacks;
use crate::config::{Behaviour, Config};
use crate::contract::Refusal;

pub(crate) use accept_payment::Receipt;

/// Payments that are being accepted or wait for their decision or callback; more are answered 503.
const IN_FLIGHT_MAX: usize = 100_000;

/// The gateway, shared by all calls.
pub(crate) struct Gateway {
    behaviour: Behaviour,
    seed: u64,
    keeper: Keeper,
    callbacks: Callbacks,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Gateway {
    /// `stop` ends everything that waits; what is PENDING then is decided after the next start.
    pub fn new(config: Config, keeper: Keeper, stop: CancellationToken) -> anyhow::Result<Self> {
        let callbacks = Callbacks::new(&config.behaviour)?;
        let Config { seed, behaviour, .. } = config;
        Ok(Self {
            behaviour,
            seed,
            keeper,
            callbacks,
            tasks: TaskTracker::new(),
            stop,
        })
    }

    /// # Errors
    /// Unknown key.
    pub async fn find_transaction(&self, transaction_key: &str) -> Result<Transaction, Refusal> {
        self.keeper
            .read(|book| book.transaction(transaction_key).cloned())
            .await?
            .ok_or(Refusal::NotFound)
    }

    /// # Errors
    /// No transaction of this order id.
    pub async fn find_order(&self, order_id: &str) -> Result<Vec<Transaction>, Refusal> {
        let found: Vec<_> = self
            .keeper
            .read(|book| book.of_order(order_id).cloned().collect())
            .await?;
        if found.is_empty() {
            Err(Refusal::NotFound)
        } else {
            Ok(found)
        }
    }

    /// Waits until nothing is in the middle of a change; to be called after `stop`.
    pub async fn finish(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// A time that nobody is expected to wait for, as slow bodies and answers that never come take.
    pub fn hang(&self) -> Duration {
        self.scaled(self.behaviour.faults.hang_ms)
    }

    /// Runs to its end whether or not a caller waits, but not beyond `stop`.
    fn spawn<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<Option<T>> {
        self.tasks.spawn(self.stop.clone().run_until_cancelled_owned(work))
    }

    fn scaled(&self, delay_ms: u64) -> Duration {
        Duration::from_millis(delay_ms) / self.behaviour.speed
    }
}
