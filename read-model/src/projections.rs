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
use kit::context::Context;
use kit::crash_point;
use kit::database::{Database, Sql, VALUES_MAX, WriteTransaction, placeholders, tuples};
use kit::dead_letter::line::Addressee;
use kit::refusal::Failure;
use kit::retries::Retries;
use kit::{Value, dead_letter, pause, values};
use proto::event::v1::Event;
use sea_orm::{ConnectionTrait, FromQueryResult};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::journal::{self, BATCH_EVENTS_MAX, Journal, Journaled};

/// The generation that is built and read.
pub(crate) const GENERATION: i32 = 1;
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
    async fn apply(&self, transaction: &WriteTransaction, generation: i32, events: &[&Event]) -> Result<(), Failure>;
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
    pub async fn run(&self, stop: CancellationToken) {
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
            if pause::is_paused(self.database.reader(), self.projection.name()).await? {
                return Ok(());
            }
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
            self.follow(&events, position, reached, stop).await?;
        }
        Ok(())
    }

    /// Commits a batch, if it can be as one; a batch that fails is tried in halves, until what fails is alone and set aside.
    async fn follow(&self, events: &[Journaled], from: i64, to: i64, stop: &CancellationToken) -> Result<(), Failure> {
        let mut position = from;
        // the next piece is the last
        let mut pieces = vec![(events, to)];
        while let Some((events, to)) = pieces.pop() {
            if stop.is_cancelled() {
                return Ok(());
            }
            let outcome = match events {
                [_, _, ..] => self.commit(events, position, to).await.map_err(|failure| (failure, 1)),
                _ => Retries::VIEWS.run(|| self.commit(events, position, to)).await,
            };
            match (outcome, events) {
                (Ok(()), _) => {}
                (Err((failure, _)), _) if failure.spares_the_event() => return Err(failure),
                (Err((failure, attempts)), [event]) => self.set_aside(event, &failure, attempts, position, to).await?,
                (Err((failure, _)), []) => return Err(failure),
                (Err((failure, _)), _) => {
                    tracing::warn!(projection = self.projection.name(), events = events.len(), %failure, "a batch failed");
                    let (first, second) = events.split_at(events.len() / 2);
                    pieces.push((second, to));
                    pieces.push((first, first.last().map_or(position, |last| last.position)));
                    continue;
                }
            }
            position = to;
            self.applied.send_modify(|count| *count = count.wrapping_add(1));
        }
        Ok(())
    }

    /// Commits the effects of events together with the position behind them. What is unreadable is a dead letter, and what
    /// is behind a dead letter of its subject waits there.
    async fn commit(&self, events: &[Journaled], from: i64, to: i64) -> Result<(), Failure> {
        let name = self.projection.name();
        let transaction = self.begin().await?;
        if !advance(&transaction, name, from, to).await? {
            return transaction.rollback().await;
        }
        let deliveries = || events.iter().map(|event| &event.delivery);
        let mut held = dead_letter::held_subjects(&*transaction, name, deliveries()).await?;
        let mut readable = Vec::with_capacity(events.len());
        for delivery in deliveries() {
            if held.contains(&delivery.subject) {
                dead_letter::hold(&transaction, name, delivery).await?;
                continue;
            }
            match delivery.event() {
                Ok(event) => readable.push(event),
                Err(unreadable) => {
                    let failure = anyhow::Error::from(unreadable).into();
                    dead_letter::bury(&transaction, name, delivery, &failure, 1).await?;
                    held.insert(delivery.subject.clone());
                }
            }
        }
        if !readable.is_empty() {
            self.projection.apply(&transaction, GENERATION, &readable).await?;
        }
        transaction.commit_quietly().await
    }

    async fn set_aside(
        &self,
        event: &Journaled,
        failure: &Failure,
        attempts: u32,
        from: i64,
        to: i64,
    ) -> Result<(), Failure> {
        let name = self.projection.name();
        let transaction = self.begin().await?;
        if !advance(&transaction, name, from, to).await? {
            return transaction.rollback().await;
        }
        dead_letter::bury(&transaction, name, &event.delivery, failure, attempts).await?;
        transaction.commit_quietly().await
    }

    async fn begin(&self) -> Result<WriteTransaction, Failure> {
        self.database
            .begin_bare(&Context::background(self.database.owner(), self.database.clock()))
            .await
    }
}

#[async_trait]
impl Addressee for Applier {
    fn name(&self) -> &'static str {
        self.projection.name()
    }

    fn database(&self) -> &Database {
        &self.database
    }

    fn retries(&self) -> Retries {
        Retries::VIEWS
    }

    /// Whoever applies events moves the position first.
    async fn lock(&self, transaction: &WriteTransaction, _subject: &str) -> Result<(), Failure> {
        let sql = format!(
            "SELECT position FROM projection_positions WHERE name = $1 AND generation = $2{}",
            transaction.for_update()
        );
        let position: Option<Position> = transaction
            .find(&sql, values![self.projection.name(), GENERATION])
            .await?;
        position.map(drop).ok_or_else(|| anyhow::anyhow!("no position").into())
    }

    async fn apply(&self, transaction: &WriteTransaction, event: &Event) -> Result<(), Failure> {
        self.projection.apply(transaction, GENERATION, &[event]).await
    }

    /// The position is behind it already.
    async fn pass_over(&self, _transaction: &WriteTransaction, _event_id: &str) -> Result<(), Failure> {
        Ok(())
    }

    fn committed(&self) {
        self.applied.send_modify(|count| *count = count.wrapping_add(1));
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
