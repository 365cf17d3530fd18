//! The relay: takes unpublished rows in order, gives them to the bus, and marks them once the bus has them.
//!
//! A lease on each bucket keeps relays apart. Rows are chosen by `published_at IS NULL`, never by a cursor, so a row
//! that commits late is late and not lost.

use std::time::Duration;

use sea_orm::FromQueryResult;
use tokio_util::sync::CancellationToken;

use super::BUCKETS;
use crate::bus::{Bus, Delivery};
use crate::context::Context;
use crate::crash_point;
use crate::database::{Database, Sql, VALUES_MAX, placeholders};
use crate::id::new_id;
use crate::refusal::Failure;
use crate::values;

const BATCH_EVENTS_MAX: usize = 2_000;
const POLL: Duration = Duration::from_millis(250);
const PAUSE_AFTER_FAILURE: Duration = Duration::from_millis(200);
/// A lease is renewed when a third of it is over.
const RENEWALS_PER_LEASE: u32 = 3;

/// Publishes the outbox of one owner.
#[derive(Debug)]
pub struct Relay {
    database: Database,
    bus: Bus,
    holder: String,
    leases: Vec<Lease>,
    renewed: Option<tokio::time::Instant>,
}

#[derive(Debug, FromQueryResult)]
struct Lease {
    bucket: i32,
    token: i64,
}

#[derive(FromQueryResult)]
struct Row {
    sequence: i64,
    id: String,
    aggregateid: String,
    version: i64,
    r#type: String,
    payload: Vec<u8>,
}

impl From<Row> for Delivery {
    fn from(row: Row) -> Self {
        Self::new(row.id, row.aggregateid, row.version, row.r#type, row.payload)
    }
}

impl Relay {
    /// A relay that shares the outbox of `database` with other relays.
    #[must_use]
    pub fn new(database: Database, bus: Bus) -> Self {
        Self {
            database,
            bus,
            holder: new_id(),
            leases: Vec::new(),
            renewed: None,
        }
    }

    /// Publishes until told to stop, then gives its leases back.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut commits = self.database.commits();
        loop {
            commits.mark_unchanged();
            let owner = self.database.owner();
            let outcome = crash_point::during(|| format!("{owner} relay"), self.drain(&stop)).await;
            if let Err(failure) = &outcome {
                tracing::warn!(owner = self.database.owner(), %failure, "relay pauses");
            }
            let pause = if outcome.is_err() { PAUSE_AFTER_FAILURE } else { POLL };
            tokio::select! {
                () = stop.cancelled() => break,
                _ = commits.changed(), if outcome.is_ok() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        if let Err(failure) = self.release().await {
            tracing::debug!(owner = self.database.owner(), %failure, "leases run out by themselves");
        }
    }

    /// Publishes all there is now; tells how many events went out.
    ///
    /// # Errors
    /// A database or bus failure; what was not marked goes out again.
    pub async fn drain(&mut self, stop: &CancellationToken) -> Result<usize, Failure> {
        let mut published = 0;
        loop {
            self.hold_leases().await?;
            if self.leases.is_empty() || stop.is_cancelled() {
                return Ok(published);
            }
            let rows = self.unpublished().await?;
            if rows.is_empty() {
                return Ok(published);
            }
            let full = rows.len() == BATCH_EVENTS_MAX;
            let sequences: Vec<i64> = rows.iter().map(|row| row.sequence).collect();
            let deliveries: Vec<Delivery> = rows.into_iter().map(Delivery::from).collect();
            crash_point::before("publish");
            self.bus.publish(&deliveries).await?;
            crash_point::after("publish");
            self.mark(&sequences).await?;
            published += sequences.len();
            if !full {
                return Ok(published);
            }
        }
    }

    async fn hold_leases(&mut self) -> Result<(), Failure> {
        if self
            .renewed
            .is_some_and(|at| at.elapsed() < self.database.lease() / RENEWALS_PER_LEASE)
        {
            return Ok(());
        }
        let started = tokio::time::Instant::now();
        let context = Context::background(self.database.owner(), self.database.clock());
        let transaction = self.database.begin_bare(&context).await?;
        let (now, until) = (
            self.database.now_sql(),
            self.database.lease_end_sql(self.database.lease()),
        );
        let buckets = if self.database.is_postgres() { BUCKETS } else { 1 };
        for bucket in 0..buckets {
            let sql = format!(
                "INSERT INTO outbox_leases (bucket, holder, token, expires_at) VALUES ($1, $2, 1, {until})
                 ON CONFLICT (bucket) DO UPDATE SET expires_at = excluded.expires_at, holder = excluded.holder,
                     token = outbox_leases.token + CASE WHEN outbox_leases.holder = excluded.holder THEN 0 ELSE 1 END
                 WHERE outbox_leases.holder = excluded.holder OR outbox_leases.expires_at < {now}"
            );
            transaction.run(&sql, values![bucket, self.holder.as_str()]).await?;
        }
        let held = transaction
            .list(
                "SELECT bucket, token FROM outbox_leases WHERE holder = $1",
                values![self.holder.as_str()],
            )
            .await?;
        transaction.commit_quietly().await?;
        self.leases = held;
        self.renewed = Some(started);
        Ok(())
    }

    async fn unpublished(&self) -> Result<Vec<Row>, Failure> {
        let held = self
            .leases
            .iter()
            .map(|lease| lease.bucket.to_string())
            .collect::<Vec<_>>()
            .join(", ");
        let sql = format!(
            "SELECT sequence, id, aggregateid, version, type, payload FROM outbox
            WHERE published_at IS NULL AND bucket IN ({held}) ORDER BY sequence LIMIT {BATCH_EVENTS_MAX}"
        );
        Ok(self.database.reader().list(&sql, vec![]).await?)
    }

    /// Marks only under the tokens that were valid when the rows were claimed.
    async fn mark(&self, sequences: &[i64]) -> Result<(), Failure> {
        let context = Context::background(self.database.owner(), self.database.clock());
        let tokens = self
            .leases
            .iter()
            .map(|lease| format!("({}, {})", lease.bucket, lease.token))
            .collect::<Vec<_>>()
            .join(", ");
        let transaction = self.database.begin_bare(&context).await?;
        for sequences in sequences.chunks(VALUES_MAX) {
            let sql = format!(
                "UPDATE outbox SET published_at = {} WHERE sequence IN ({}) AND bucket IN
                    (SELECT bucket FROM outbox_leases WHERE holder = $1 AND (bucket, token) IN (VALUES {tokens}))",
                self.database.now_sql(),
                placeholders(2, sequences.len()),
            );
            let mut values = values![self.holder.as_str()];
            values.extend(sequences.iter().map(|sequence| crate::Value::from(*sequence)));
            transaction.run(&sql, values).await?;
        }
        transaction.commit_quietly().await
    }

    async fn release(&self) -> Result<(), Failure> {
        let context = Context::background(self.database.owner(), self.database.clock());
        let transaction = self.database.begin_bare(&context).await?;
        transaction
            .run(
                "UPDATE outbox_leases SET expires_at = 0 WHERE holder = $1",
                values![self.holder.as_str()],
            )
            .await?;
        transaction.commit_quietly().await
    }
}
