//! The bus between the relay and the consumers; in one process, delivery is done when every consumer has committed.

use std::fmt::Debug;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use futures::future::try_join_all;
use prost::{DecodeError, Message};
use proto::event::v1::Event;

use crate::caller::Caller;
use crate::context::Context;
use crate::crash_point;
use crate::database::Database;
use crate::refusal::Failure;

/// An event on its way: what its sender's columns say of it, and its bytes as they were received.
///
/// Whoever passes it on or chooses by its type asks the columns; the bytes are decoded once, by the first who wants to know
/// more, so that what cannot be decoded stops nobody else.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The same at every delivery.
    pub event_id: String,
    /// The aggregate it is about.
    pub subject: String,
    /// The aggregate's version after it.
    pub version: i64,
    /// The name of the fact.
    pub r#type: String,
    /// The encoded envelope.
    pub bytes: Vec<u8>,
    decoded: OnceLock<Result<Event, DecodeError>>,
}

/// Why the bytes of an event say nothing to this build.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// They are no envelope, or that of another event.
    #[error("undecodable: {0}")]
    Undecodable(String),
    /// They are an envelope, whose fact is none that this build knows by the event's type.
    #[error("no known fact of type {0}, schema version {1}")]
    UnknownType(String, i32),
}

impl Delivery {
    /// An event of these columns and bytes, whatever the bytes may be.
    #[must_use]
    pub fn new(event_id: String, subject: String, version: i64, r#type: String, bytes: Vec<u8>) -> Self {
        Self {
            event_id,
            subject,
            version,
            r#type,
            bytes,
            decoded: OnceLock::new(),
        }
    }

    /// The envelope, where the bytes are one; its fact may be of a type that this build does not know.
    ///
    /// # Errors
    /// [`Unreadable::Undecodable`].
    pub fn envelope(&self) -> Result<&Event, Unreadable> {
        let decoded = self.decoded.get_or_init(|| Event::decode(self.bytes.as_slice()));
        let event = decoded
            .as_ref()
            .map_err(|error| Unreadable::Undecodable(error.to_string()))?;
        if (event.event_id.as_str(), event.subject.as_str(), event.version)
            != (self.event_id.as_str(), self.subject.as_str(), self.version)
        {
            return Err(Unreadable::Undecodable("the envelope is another event's".to_owned()));
        }
        Ok(event)
    }

    /// The event with a fact of its type. What a newer schema added to the fact is not seen.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn event(&self) -> Result<&Event, Unreadable> {
        let event = self.envelope()?;
        match &event.fact {
            Some(fact) if fact.name() == self.r#type => Ok(event),
            _ => Err(Unreadable::UnknownType(self.r#type.clone(), event.schema_version)),
        }
    }

    /// The circumstances of what follows from it in the tables of `database`: its user's, its correlation, and it the cause.
    #[must_use]
    pub fn context(&self, database: &Database) -> Context {
        let mut context = Context::background(database.owner(), database.clock());
        context.causation_id.clone_from(&self.event_id);
        if let Ok(event) = self.envelope() {
            let user = if event.on_behalf_of.is_empty() {
                &event.actor
            } else {
                &event.on_behalf_of
            };
            context.caller = Caller::service(database.owner(), Some(user.clone()));
            context.correlation_id.clone_from(&event.correlation_id);
            context.traceparent.clone_from(&event.traceparent);
        }
        context
    }
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
