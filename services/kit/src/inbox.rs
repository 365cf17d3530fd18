//! The inbox of a write service's consumer: an event's effect and its mark commit in one transaction, once.

use std::collections::BTreeMap;
use std::fmt::Debug;

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt};
use proto::event::v1::Event;
use sea_orm::FromQueryResult;

use crate::bus::{Consumer, Delivery};
use crate::database::{Database, Sql, WriteTransaction};
use crate::dead_letter::line::Addressee;
use crate::dead_letter::{self, UNSETTLED};
use crate::pause::PAUSED;
use crate::refusal::Failure;
use crate::retries::Retries;
use crate::{crash_point, values};

/// Longer than topic and outbox, so that no redelivery finds its mark gone.
pub const INBOX_RETENTION_DAYS: i64 = 30;

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
    /// How often an event is tried.
    fn retries(&self) -> Retries {
        Retries::MONEY
    }
    /// Runs after an effect is durable: wake whoever goes on from it.
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

    async fn receive(&self, delivery: &Delivery) -> Result<(), Failure> {
        let transaction = self.database.begin_bare(&delivery.context(&self.database)).await?;
        if !self.mark_unless_held(&transaction, delivery).await? {
            // it was handled before, or waits behind a dead letter; whoever has the lock knows whether it still has to wait
            self.lock(&transaction, &delivery.subject).await?;
            if self.is_marked(&transaction, &delivery.event_id).await? {
                return transaction.rollback().await;
            }
            if !self.mark_unless_held(&transaction, delivery).await? {
                dead_letter::hold(&transaction, self.reactions.consumer(), delivery).await?;
                return transaction.commit_quietly().await;
            }
        }
        let event = delivery.event().map_err(anyhow::Error::from)?;
        self.reactions.react(&transaction, event).await?;
        transaction.commit_quietly().await?;
        self.reactions.committed();
        Ok(())
    }

    /// Receives an event, or keeps it as a dead letter.
    async fn receive_or_bury(&self, delivery: &Delivery) -> Result<(), Failure> {
        let name = || format!("{} {}", self.reactions.consumer(), delivery.r#type);
        let receive = || crash_point::during(name, self.receive(delivery));
        match self.reactions.retries().run(receive).await {
            Ok(()) => Ok(()),
            // the relay brings the batch again
            Err((failure, _)) if failure.spares_the_event() => Err(failure),
            Err((failure, attempts)) => {
                let transaction = self.database.begin_bare(&delivery.context(&self.database)).await?;
                dead_letter::bury(&transaction, self.reactions.consumer(), delivery, &failure, attempts).await?;
                transaction.commit_quietly().await
            }
        }
    }

    /// The events of one subject, in order; behind a dead one the others wait.
    async fn consume_subject(&self, deliveries: Vec<&Delivery>) -> Result<(), Failure> {
        for delivery in deliveries {
            self.receive_or_bury(delivery).await?;
        }
        Ok(())
    }

    /// `false`: the event has its mark already, a dead letter holds its subject, or the consumer is paused.
    async fn mark_unless_held(&self, transaction: &WriteTransaction, delivery: &Delivery) -> Result<bool, Failure> {
        let sql = format!(
            "INSERT INTO inbox (consumer, event_id, handled_at) SELECT $1, $2, $3
            WHERE NOT EXISTS (SELECT 1 FROM dead_letters WHERE consumer = $1 AND subject = $4 AND {UNSETTLED})
                AND NOT {PAUSED}
            ON CONFLICT DO NOTHING"
        );
        let values = values![
            self.reactions.consumer(),
            delivery.event_id.as_str(),
            transaction.context().now.as_microsecond(),
            delivery.subject.as_str(),
        ];
        Ok(transaction.run(&sql, values).await? == 1)
    }

    /// `false`: it has its mark already.
    async fn mark(&self, transaction: &WriteTransaction, event_id: &str) -> Result<bool, Failure> {
        let sql = "INSERT INTO inbox (consumer, event_id, handled_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
        let now = transaction.context().now.as_microsecond();
        let values = values![self.reactions.consumer(), event_id, now];
        Ok(transaction.run(sql, values).await? == 1)
    }

    async fn is_marked(&self, transaction: &WriteTransaction, event_id: &str) -> Result<bool, Failure> {
        let sql = "SELECT event_id FROM inbox WHERE consumer = $1 AND event_id = $2";
        let mark: Option<Mark> = transaction
            .find(sql, values![self.reactions.consumer(), event_id])
            .await?;
        Ok(mark.is_some())
    }
}

#[derive(FromQueryResult)]
#[expect(dead_code, reason = "only whether there is one matters")]
struct Mark {
    event_id: String,
}

#[async_trait]
impl<R: Reactions> Consumer for Inbox<R> {
    fn name(&self) -> &'static str {
        self.reactions.consumer()
    }

    async fn consume(&self, deliveries: &[Delivery]) -> Result<(), Failure> {
        let mut subjects: BTreeMap<&str, Vec<&Delivery>> = BTreeMap::new();
        for delivery in deliveries {
            if self.reactions.facts().contains(&delivery.r#type.as_str()) {
                subjects.entry(&delivery.subject).or_default().push(delivery);
            }
        }
        let subjects = subjects.into_values();
        let work: Vec<_> = subjects.map(|deliveries| self.consume_subject(deliveries)).collect();
        futures::stream::iter(work)
            .buffer_unordered(SUBJECTS_AT_ONCE_MAX)
            .try_collect()
            .await
    }
}

#[async_trait]
impl<R: Reactions> Addressee for Inbox<R> {
    fn name(&self) -> &'static str {
        self.reactions.consumer()
    }

    fn database(&self) -> &Database {
        &self.database
    }

    fn retries(&self) -> Retries {
        self.reactions.retries()
    }

    async fn lock(&self, transaction: &WriteTransaction, subject: &str) -> Result<(), Failure> {
        // SQLite has one writer, and this transaction is it
        if self.database.is_postgres() {
            let line = format!("{} {subject}", self.reactions.consumer());
            let sql = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))";
            transaction.run(sql, values![line]).await?;
        }
        Ok(())
    }

    async fn apply(&self, transaction: &WriteTransaction, event: &Event) -> Result<(), Failure> {
        if self.mark(transaction, &event.event_id).await? {
            self.reactions.react(transaction, event).await?;
        }
        Ok(())
    }

    async fn pass_over(&self, transaction: &WriteTransaction, event_id: &str) -> Result<(), Failure> {
        self.mark(transaction, event_id).await.map(drop)
    }

    fn committed(&self) {
        self.reactions.committed();
    }
}
