//! Projections follow the journal: each applies the facts it wants in batches, and commits its position with its effects.

pub(crate) mod brands;
pub(crate) mod campaigns;
pub(crate) mod coupons;
pub(crate) mod orders;
pub(crate) mod point_entries;
pub(crate) mod product_listing;
pub(crate) mod product_popularity;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kit::bus::Delivery;
use kit::context::Context;
use kit::crash_point;
use kit::database::{Database, Sql, VALUES_MAX, WriteTransaction, placeholders, tuples};
use kit::refusal::Failure;
use kit::{Value, dead_letter, values};
use sea_orm::{ConnectionTrait, FromQueryResult};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::journal::{self, BATCH_EVENTS_MAX, Journal, Journaled};

/// The generation that is built and read.
pub(crate) const GENERATION: i32 = 1;
/// Retries of a batch of the class "views".
const TRIES_MAX: u32 = 3;
const RETRY_DELAY: Duration = Duration::from_millis(100);
const POLL: Duration = Duration::from_millis(250);
const PAUSE_AFTER_OUTAGE: Duration = Duration::from_millis(500);

/// What one view makes of events. The file that implements it owns its tables.
#[async_trait]
pub(crate) trait Projection: Debug + Send + Sync + 'static {
    /// A constant, never renamed.
    fn name(&self) -> &'static str;
    /// The facts it wants.
    fn facts(&self) -> &'static [&'static str];
    /// Applies a batch in order; an older version never overwrites a newer one.
    async fn apply(&self, transaction: &WriteTransaction, generation: i32, events: &[Journaled])
    -> Result<(), Failure>;
}

/// The facts that the projection of this name wants.
pub(crate) fn facts(name: &str) -> &'static [&'static str] {
    let named = all().into_iter().find(|projection| projection.name() == name);
    named.map_or(&[], |projection| projection.facts())
}

/// All projections.
pub(crate) fn all() -> Vec<Arc<dyn Projection>> {
    vec![
        Arc::new(brands::Brands),
        Arc::new(product_listing::ProductListing),
        Arc::new(product_popularity::ProductPopularity),
        Arc::new(orders::Orders),
        Arc::new(coupons::Coupons),
        Arc::new(campaigns::Campaigns),
        Arc::new(point_entries::PointEntries),
    ]
}

/// Carries one projection along the journal.
#[derive(Debug)]
pub(crate) struct Applier {
    pub database: Database,
    pub journal: Journal,
    pub projection: Arc<dyn Projection>,
    /// Changes after every batch of any projection.
    pub applied: Arc<watch::Sender<u64>>,
}

#[derive(FromQueryResult)]
struct Position {
    position: i64,
}

impl Applier {
    /// Follows the journal until told to stop.
    pub async fn run(self, stop: CancellationToken) {
        let mut appended = self.journal.appended();
        loop {
            appended.mark_unchanged();
            let name = self.projection.name();
            let outcome = crash_point::during(|| format!("{name} projection"), self.catch_up(&stop)).await;
            let pause = match &outcome {
                Ok(()) => POLL,
                Err(failure) => {
                    tracing::warn!(projection = self.projection.name(), %failure, "projection pauses");
                    PAUSE_AFTER_OUTAGE
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                _ = appended.changed(), if outcome.is_ok() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn catch_up(&self, stop: &CancellationToken) -> Result<(), Failure> {
        while !stop.is_cancelled() {
            let position = position(&self.database, self.projection.name()).await?;
            // read before the batch: everything up to here is either in it or not wanted
            let head = journal::head(self.database.reader()).await?;
            if head == position {
                return Ok(());
            }
            let events = journal::after(self.database.reader(), position, self.projection.facts()).await?;
            let full = events.len() == BATCH_EVENTS_MAX;
            let reached = match events.last() {
                Some(last) if full => last.position,
                last => last.map_or(head, |last| last.position.max(head)),
            };
            self.apply(events, position, reached).await?;
            self.applied.send_modify(|count| *count = count.wrapping_add(1));
        }
        Ok(())
    }

    async fn apply(&self, events: Vec<Journaled>, from: i64, reached: i64) -> Result<(), Failure> {
        let deliveries: Vec<Delivery> = events.iter().map(delivery).collect();
        let refs: Vec<&Delivery> = deliveries.iter().collect();
        let mut held = dead_letter::held_subjects(self.database.reader(), self.projection.name(), &refs).await?;
        if held.is_empty() {
            for attempt in 1..=TRIES_MAX {
                match self.commit(&events, from, reached).await {
                    Ok(()) => return Ok(()),
                    Err(failure) if failure.is_outage() || failure.lost_a_race() => return Err(failure),
                    Err(failure) => {
                        tracing::warn!(projection = self.projection.name(), attempt, %failure, "a batch failed")
                    }
                }
                tokio::time::sleep(RETRY_DELAY).await;
            }
        }
        // one by one: what cannot be applied is kept, and later events of its subject wait behind it
        let mut position = from;
        for (event, delivery) in events.into_iter().zip(&deliveries) {
            let (next, subject) = (event.position, event.event.subject.clone());
            let outcome = if held.contains(&subject) {
                self.set_aside(delivery, None, position, next).await.map(|()| true)
            } else {
                match self.commit(std::slice::from_ref(&event), position, next).await {
                    Ok(()) => Ok(false),
                    Err(failure) if failure.is_outage() || failure.lost_a_race() => Err(failure),
                    Err(failure) => self
                        .set_aside(delivery, Some(failure), position, next)
                        .await
                        .map(|()| true),
                }
            };
            if outcome? {
                held.insert(subject);
            }
            position = next;
        }
        self.commit(&[], position, reached).await
    }

    /// Commits the effects of events together with the position behind them.
    async fn commit(&self, events: &[Journaled], from: i64, to: i64) -> Result<(), Failure> {
        let transaction = self.begin().await?;
        if !advance(&transaction, self.projection.name(), from, to).await? {
            return transaction.rollback().await;
        }
        if !events.is_empty() {
            self.projection.apply(&transaction, GENERATION, events).await?;
        }
        transaction.commit_quietly().await
    }

    async fn set_aside(
        &self,
        delivery: &Delivery,
        failure: Option<Failure>,
        from: i64,
        to: i64,
    ) -> Result<(), Failure> {
        let transaction = self.begin().await?;
        if !advance(&transaction, self.projection.name(), from, to).await? {
            return transaction.rollback().await;
        }
        match failure {
            Some(failure) => {
                dead_letter::bury(
                    &transaction,
                    self.projection.name(),
                    delivery,
                    &failure,
                    TRIES_MAX as usize,
                )
                .await?
            }
            None => dead_letter::hold(&transaction, self.projection.name(), delivery).await?,
        }
        transaction.commit_quietly().await
    }

    async fn begin(&self) -> Result<WriteTransaction, Failure> {
        self.database
            .begin_bare(&Context::background(self.database.owner(), self.database.clock()))
            .await
    }
}

fn delivery(event: &Journaled) -> Delivery {
    Delivery {
        event: event.event.clone(),
        bytes: event.bytes.clone(),
    }
}

/// How far a projection has followed.
pub(crate) async fn position(database: &Database, name: &str) -> Result<i64, Failure> {
    let sql = "SELECT position FROM projection_positions WHERE name = $1 AND generation = $2";
    let row: Option<Position> = database.reader().find(sql, values![name, GENERATION]).await?;
    Ok(row.map_or(0, |row| row.position))
}

/// Moves the position; `false`: another applier has moved it, and has done the work.
async fn advance(transaction: &WriteTransaction, name: &str, from: i64, to: i64) -> Result<bool, Failure> {
    let sql = "INSERT INTO projection_positions (name, generation, position) VALUES ($1, $2, $4)
        ON CONFLICT (name, generation) DO UPDATE SET position = excluded.position WHERE projection_positions.position = $3";
    Ok(transaction.run(sql, values![name, GENERATION, from, to]).await? == 1)
}

/// The rows of these ids, read in statements of bounded size: `select` without its condition, `key` the column of the ids.
pub(crate) async fn by_ids<R: FromQueryResult>(
    connection: &impl ConnectionTrait,
    select: &str,
    key: &str,
    generation: i32,
    ids: &[&str],
) -> Result<Vec<R>, Failure> {
    let mut rows = Vec::with_capacity(ids.len());
    for ids in ids.chunks(VALUES_MAX) {
        let sql = format!(
            "{select} WHERE generation = $1 AND {key} IN ({})",
            placeholders(2, ids.len())
        );
        let values = values![generation]
            .into_iter()
            .chain(ids.iter().map(|id| Value::from(*id)))
            .collect();
        rows.extend(connection.list(&sql, values).await?);
    }
    Ok(rows)
}

/// Writes rows whole, in statements of bounded size: `columns` begins with the `keys` that name a row.
pub(crate) async fn upsert(
    transaction: &WriteTransaction,
    table: &str,
    columns: &[&str],
    keys: usize,
    rows: Vec<Vec<Value>>,
) -> Result<(), Failure> {
    let set = columns[keys..]
        .iter()
        .map(|column| format!("{column} = excluded.{column}"))
        .collect::<Vec<_>>()
        .join(", ");
    let on_conflict = if set.is_empty() {
        "NOTHING".to_owned()
    } else {
        format!("UPDATE SET {set}")
    };
    for rows in rows.chunks(VALUES_MAX / columns.len()) {
        let sql = format!(
            "INSERT INTO {table} ({}) VALUES {} ON CONFLICT ({}) DO {on_conflict}",
            columns.join(", "),
            tuples(rows.len(), columns.len()),
            columns[..keys].join(", "),
        );
        transaction.run(&sql, rows.iter().flatten().cloned().collect()).await?;
    }
    Ok(())
}
