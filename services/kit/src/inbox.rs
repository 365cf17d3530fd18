//! The inbox of a write service's consumer: an event's effect and its mark commit in one transaction, once.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use backon::{BackoffBuilder, ExponentialBuilder};
use futures::{StreamExt, TryStreamExt};
use proto::event::v1::Event;

use crate::bus::{Consumer, Delivery};
use crate::caller::Caller;
use crate::context::Context;
use crate::database::{Database, Sql, WriteTransaction};
use crate::refusal::Failure;
use crate::{crash_point, dead_letter, values};

/// Longer than topic and outbox, so that no redelivery finds its mark gone.
pub const INBOX_RETENTION_DAYS: i64 = 30;

/// Retries of the class "orders, money": 5 from 200 ms.
const ATTEMPTS_MAX: usize = 5;
const RETRY_DELAY_MS: u64 = 200;
/// Subjects whose events are applied side by side, so that their commits can be shared.
const SUBJECTS_AT_ONCE_MAX: usize = 32;

/// What a service does when a fact of others arrives.
#[async_trait]
pub trait Reactions: Debug + Send + Sync + 'static {
    /// The consumer's name: a constant, never renamed.
    fn consumer(&self) -> &'static str;
    /// The facts that matter here.
    fn facts(&self) -> &'static [&'static str];
    /// Applies the fact in the given transaction, which holds its mark already.
    ///
    /// # Errors
    /// Any failure; the event is tried again and then becomes a dead letter.
    async fn react(&self, transaction: &WriteTransaction, event: &Event) -> Result<(), Failure>;
    /// Runs after the effects of a batch are durable: wake whoever goes on from them.
    fn committed(&self) {}
}

/// Feeds events to reactions, each once.
#[derive(Debug)]
pub struct Inbox<R> {
    database: Database,
    reactions: R,
}

impl<R: Reactions> Inbox<R> {
    /// An inbox in the service's own database.
    #[must_use]
    pub fn new(database: Database, reactions: R) -> Self {
        Self { database, reactions }
    }

    async fn apply(&self, delivery: &Delivery) -> Result<(), Failure> {
        let event = &delivery.event;
        let transaction = self.database.begin_bare(&self.context(event)).await?;
        let sql = "INSERT INTO inbox (consumer, event_id, handled_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
        let now = transaction.context().now.as_microsecond();
        let fresh = transaction
            .run(sql, values![self.reactions.consumer(), event.event_id.as_str(), now])
            .await?;
        if fresh == 0 {
            return transaction.rollback().await;
        }
        self.reactions.react(&transaction, event).await?;
        transaction.commit_quietly().await?;
        self.reactions.committed();
        Ok(())
    }

    /// Tries one event until it is handled, or dead; tells whether it was handled.
    async fn apply_or_bury(&self, delivery: &Delivery) -> Result<bool, Failure> {
        let delays = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(RETRY_DELAY_MS))
            .with_factor(1.0)
            .with_jitter();
        let mut delays = delays.with_max_times(ATTEMPTS_MAX - 1).build();
        let mut attempts = 0;
        loop {
            attempts += 1;
            let name = || format!("{} {}", self.name(), delivery.event.r#type);
            let failure = match crash_point::during(name, self.apply(delivery)).await {
                Ok(()) => return Ok(true),
                // the database being down is no attempt: the relay brings the batch again
                Err(failure) if failure.is_outage() => return Err(failure),
                Err(failure) => failure,
            };
            let heals = !matches!(failure, Failure::Refused(_));
            match delays.next() {
                Some(delay) if heals => tokio::time::sleep(delay).await,
                // others held the same rows, again and again: no fault of the event
                _ if failure.lost_a_race() => return Err(failure),
                _ => {
                    self.bury(delivery, &failure, attempts).await?;
                    return Ok(false);
                }
            }
        }
    }

    /// The events of one subject, in order; behind a dead one the others wait.
    async fn consume_subject(&self, deliveries: Vec<Delivery>, mut held: bool) -> Result<(), Failure> {
        for delivery in &deliveries {
            if held {
                self.hold(delivery).await?;
            } else {
                held = !self.apply_or_bury(delivery).await?;
            }
        }
        Ok(())
    }

    async fn bury(&self, delivery: &Delivery, failure: &Failure, attempts: usize) -> Result<(), Failure> {
        let transaction = self.database.begin_bare(&self.context(&delivery.event)).await?;
        dead_letter::bury(&transaction, self.reactions.consumer(), delivery, failure, attempts).await?;
        transaction.commit_quietly().await
    }

    async fn hold(&self, delivery: &Delivery) -> Result<(), Failure> {
        let transaction = self.database.begin_bare(&self.context(&delivery.event)).await?;
        dead_letter::hold(&transaction, self.reactions.consumer(), delivery).await?;
        transaction.commit_quietly().await
    }

    fn context(&self, event: &Event) -> Context {
        let user = if event.on_behalf_of.is_empty() {
            &event.actor
        } else {
            &event.on_behalf_of
        };
        let mut context = Context::background(self.database.owner(), self.database.clock());
        context.caller = Caller::service(self.database.owner(), Some(user.clone()));
        context.correlation_id.clone_from(&event.correlation_id);
        context.causation_id.clone_from(&event.event_id);
        context.traceparent.clone_from(&event.traceparent);
        context
    }
}

#[async_trait]
impl<R: Reactions> Consumer for Inbox<R> {
    fn name(&self) -> &'static str {
        self.reactions.consumer()
    }

    async fn consume(&self, deliveries: &[Delivery]) -> Result<(), Failure> {
        let wanted: Vec<&Delivery> = deliveries
            .iter()
            .filter(|delivery| self.reactions.facts().contains(&delivery.event.r#type.as_str()))
            .collect();
        let held = dead_letter::held_subjects(self.database.reader(), self.name(), &wanted).await?;
        let mut subjects: BTreeMap<String, Vec<Delivery>> = BTreeMap::new();
        for delivery in wanted {
            subjects
                .entry(delivery.event.subject.clone())
                .or_default()
                .push(delivery.clone());
        }
        let work = subjects.into_iter().map(|(subject, deliveries)| {
            let held = held.contains(&subject);
            self.consume_subject(deliveries, held)
        });
        futures::stream::iter(work)
            .buffer_unordered(SUBJECTS_AT_ONCE_MAX)
            .try_collect()
            .await
    }
}
