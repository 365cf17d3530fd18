//! What becomes of a payment: a table of contents, and what its verbs share.

mod accept_payment;
mod cancel_payment;
mod decide_payment;
mod show_payments;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::book::Keeper;
use crate::callback::Callbacks;
use crate::config::{Behaviour, Config};
use crate::contract::Refusal;
use crate::mode::{Breakage, Mode};

/// Payments that are being accepted or wait for their decision or callback; more are answered 503.
const IN_FLIGHT_MAX: usize = 100_000;

/// The gateway, shared by all calls.
pub(crate) struct Gateway {
    behaviour: RwLock<Arc<Behaviour>>,
    happened: Mutex<BTreeMap<Mode, u64>>,
    seed: u64,
    keeper: Keeper,
    callbacks: Callbacks,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// What is answered, and how that breaks.
pub(crate) struct Answer<T> {
    pub truth: T,
    pub breakage: Option<Breakage>,
}

impl Gateway {
    /// `stop` ends everything that waits; what is PENDING then is decided after the next start.
    pub fn new(config: Config, keeper: Keeper, stop: CancellationToken) -> anyhow::Result<Self> {
        let callbacks = Callbacks::new(&config.behaviour)?;
        let Config { seed, behaviour, .. } = config;
        Ok(Self {
            behaviour: RwLock::new(Arc::new(behaviour)),
            happened: Mutex::default(),
            seed,
            keeper,
            callbacks,
            tasks: TaskTracker::new(),
            stop,
        })
    }

    /// What is in force now.
    pub fn behaviour(&self) -> Arc<Behaviour> {
        self.behaviour.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is in force from now on; what was accepted before keeps its fate.
    pub fn behave(&self, behaviour: Behaviour) {
        *self.behaviour.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(behaviour);
    }

    /// How often each mode has happened since the start.
    pub fn happened(&self) -> MutexGuard<'_, BTreeMap<Mode, u64>> {
        self.happened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn happens(&self, modes: impl IntoIterator<Item = Mode>) {
        for mode in modes {
            *self.happened().entry(mode).or_default() += 1;
        }
    }

    /// Waits until nothing is in the middle of a change; to be called after `stop`.
    pub async fn finish(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// A time that nobody is expected to wait for, as slow bodies and answers that never come take.
    pub fn hang(&self) -> Duration {
        self.scaled(self.behaviour().hang_ms)
    }

    /// How the answer to a call breaks; a silent one is over when this returns.
    async fn breakage<T>(&self, mode: Option<Mode>, truth: T) -> Result<Answer<T>, Refusal> {
        let breakage = mode.and_then(Mode::breakage);
        match breakage {
            Some(Breakage::Silence) => {
                tokio::time::sleep(self.hang()).await;
                Err(Refusal::Silence)
            }
            Some(Breakage::Error) => Err(Refusal::ServerError),
            _ => Ok(Answer { truth, breakage }),
        }
    }

    /// Runs to its end whether or not a caller waits, but not beyond `stop`.
    fn spawn<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<Option<T>> {
        self.tasks.spawn(self.stop.clone().run_until_cancelled_owned(work))
    }

    fn scaled(&self, delay_ms: u64) -> Duration {
        Duration::from_millis(delay_ms) / self.behaviour().speed
    }
}
