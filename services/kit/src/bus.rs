//! The bus between the relay and the consumers; in one process, delivery is done when every consumer has committed.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use futures::future::try_join_all;
use proto::event::v1::Event;

use crate::crash_point;
use crate::refusal::Failure;

/// An event on its way, with its bytes as they were received.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The decoded envelope.
    pub event: Event,
    /// The same, as stored and sent.
    pub bytes: Vec<u8>,
}

/// Takes events in batches. It returns when their effects are committed, or stored to be tried again later.
#[async_trait]
pub trait Consumer: Debug + Send + Sync + 'static {
    /// A constant, never renamed.
    fn name(&self) -> &'static str;
    /// Takes a batch, whose events of one subject are in version order.
    ///
    /// # Errors
    /// When nothing could be stored, not even for later; the batch comes again.
    async fn consume(&self, deliveries: &[Delivery]) -> Result<(), Failure>;
}

/// How events travel.
#[derive(Clone, Debug)]
pub enum Bus {
    /// Straight to the consumers of this process.
    InProcess(Arc<Vec<Arc<dyn Consumer>>>),
}

impl Bus {
    /// A bus to the consumers of this process.
    #[must_use]
    pub fn in_process(consumers: Vec<Arc<dyn Consumer>>) -> Self {
        Self::InProcess(Arc::new(consumers))
    }

    /// Returns when the events are safe with everyone who is to have them.
    ///
    /// # Errors
    /// When one consumer could not take them; they are published again, and consumers know repeated ones.
    pub async fn publish(&self, deliveries: &[Delivery]) -> Result<(), Failure> {
        match self {
            Self::InProcess(consumers) => {
                let consumed = consumers.iter().map(|consumer| {
                    let name = || consumer.name().to_owned();
                    crash_point::during(name, consumer.consume(deliveries))
                });
                try_join_all(consumed).await?;
                Ok(())
            }
        }
    }
}
