//! The journal: every event once, at a gapless position, as it was received. All that is read follows from it.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use kit::bus::{Consumer, Delivery};
use kit::clock::from_proto;
use kit::context::Context;
use kit::database::{Database, Sql, VALUES_MAX, placeholders, tuples};
use kit::refusal::Failure;
use kit::{Value, values};
use sea_orm::{ConnectionTrait, FromQueryResult};
use tokio::sync::watch;

/// Events that a projection takes at once.
pub(crate) const BATCH_EVENTS_MAX: usize = 2_000;

/// Values of one row.
const COLUMNS: usize = 10;

/// Appends what the bus brings.
#[derive(Clone, Debug)]
pub(crate) struct Journal {
    database: Database,
    appended: Arc<watch::Sender<i64>>,
}

/// An event with its place in the journal.
#[derive(Debug)]
pub(crate) struct Journaled {
    pub position: i64,
    pub delivery: Delivery,
}

const EVENT: &str = "position, event_id, subject, version, type, bytes";

#[derive(FromQueryResult)]
struct Row {
    position: i64,
    event_id: String,
    subject: String,
    version: i64,
    r#type: String,
    bytes: Vec<u8>,
}

impl From<Row> for Journaled {
    fn from(row: Row) -> Self {
        Self {
            position: row.position,
            delivery: Delivery::new(row.event_id, row.subject, row.version, row.r#type, row.bytes),
        }
    }
}

#[derive(FromQueryResult)]
struct Head {
    position: i64,
}

#[derive(FromQueryResult)]
struct Id {
    event_id: String,
}

impl Journal {
    pub fn new(database: Database) -> Self {
        Self {
            database,
            appended: Arc::new(watch::Sender::new(0)),
        }
    }

    /// Changes after every append.
    pub fn appended(&self) -> watch::Receiver<i64> {
        self.appended.subscribe()
    }
}

#[async_trait]
impl Consumer for Journal {
    fn name(&self) -> &'static str {
        "read-model.journal"
    }

    async fn consume(&self, deliveries: &[Delivery]) -> Result<(), Failure> {
        let context = Context::background(self.database.owner(), self.database.clock());
        let transaction = self.database.begin_bare(&context).await?;
        // the one lock under which positions are given
        let sql = format!(
            "SELECT position FROM journal_head WHERE id = 1{}",
            transaction.for_update()
        );
        let head: Option<Head> = transaction.find(&sql, vec![]).await?;
        let head = head.ok_or_else(|| anyhow::anyhow!("the journal has no head"))?.position;

        let mut known = HashSet::new();
        for deliveries in deliveries.chunks(VALUES_MAX) {
            let sql = format!(
                "SELECT event_id FROM event_journal WHERE event_id IN ({})",
                placeholders(1, deliveries.len())
            );
            let ids = deliveries
                .iter()
                .map(|delivery| Value::from(delivery.event_id.as_str()));
            let rows: Vec<Id> = transaction.list(&sql, ids.collect()).await?;
            known.extend(rows.into_iter().map(|row| row.event_id));
        }
        let fresh: Vec<&Delivery> = deliveries
            .iter()
            .filter(|delivery| known.insert(delivery.event_id.clone()))
            .collect();
        if fresh.is_empty() {
            return transaction.rollback().await;
        }
        let mut last = head;
        for fresh in fresh.chunks(VALUES_MAX / COLUMNS) {
            let sql = format!(
                "INSERT INTO event_journal (position, event_id, type, source, subject, version, correlation_id, actor,
                    occurred_at, bytes) VALUES {}",
                tuples(fresh.len(), COLUMNS)
            );
            let rows = (last + 1..)
                .zip(fresh)
                .flat_map(|(position, delivery)| row(position, delivery, context.now));
            transaction.run(&sql, rows.collect()).await?;
            last += i64::try_from(fresh.len()).unwrap_or(i64::MAX);
        }
        transaction
            .run("UPDATE journal_head SET position = $1 WHERE id = 1", values![last])
            .await?;
        transaction.commit_quietly().await?;
        self.appended.send_replace(last);
        Ok(())
    }
}

/// What only the envelope knows is left empty where there is none; such an event occurred when it came.
fn row(position: i64, delivery: &Delivery, now: Timestamp) -> Vec<Value> {
    let event = delivery.envelope().cloned().unwrap_or_default();
    let occurred_at = event.occurred_at.as_ref().map_or(now, from_proto);
    // PostgreSQL has no text with a NUL in it
    let text = |text: &str| Value::from(text.replace('\0', ""));
    values![
        position,
        delivery.event_id.as_str(),
        delivery.r#type.as_str(),
        text(&event.source),
        delivery.subject.as_str(),
        delivery.version,
        text(&event.correlation_id),
        text(&event.actor),
        occurred_at.as_microsecond(),
        delivery.bytes.clone(),
    ]
}

/// The last position.
pub(crate) async fn head(connection: &impl ConnectionTrait) -> Result<i64, Failure> {
    let head: Option<Head> = connection
        .find("SELECT position FROM journal_head WHERE id = 1", vec![])
        .await?;
    Ok(head.map_or(0, |head| head.position))
}

/// The next events of these types behind a position. Positions are given under one lock, so nothing is committed behind it later.
pub(crate) async fn after(
    connection: &impl ConnectionTrait,
    position: i64,
    types: &[&str],
) -> Result<Vec<Journaled>, Failure> {
    let sql = format!(
        "SELECT {EVENT} FROM event_journal WHERE position > $1 AND type IN ({}) ORDER BY position LIMIT {BATCH_EVENTS_MAX}",
        placeholders(2, types.len())
    );
    let mut values = values![position];
    values.extend(types.iter().map(|name| Value::from(*name)));
    let rows: Vec<Row> = connection.list(&sql, values).await?;
    Ok(rows.into_iter().map(Journaled::from).collect())
}

/// The events of a subject behind a version, in order.
pub(crate) async fn of_subject(
    connection: &impl ConnectionTrait,
    subject: &str,
    version: i64,
) -> Result<Vec<Journaled>, Failure> {
    let sql =
        format!("SELECT {EVENT} FROM event_journal WHERE subject = $1 AND version > $2 ORDER BY position LIMIT 100");
    let rows: Vec<Row> = connection.list(&sql, values![subject, version]).await?;
    Ok(rows.into_iter().map(Journaled::from).collect())
}

/// What an auditor looks for; empty texts look for anything.
#[derive(Debug, Default)]
pub(crate) struct Search<'a> {
    pub correlation_id: &'a str,
    pub subject: &'a str,
    pub actor: &'a str,
    pub occurred_after: Option<i64>,
    pub occurred_before: Option<i64>,
    pub behind: i64,
    pub limit: u32,
}

/// Events that fit, newest first.
pub(crate) async fn search(connection: &impl ConnectionTrait, search: &Search<'_>) -> Result<Vec<Journaled>, Failure> {
    let mut sql = format!("SELECT {EVENT} FROM event_journal WHERE position < $1");
    let mut values = values![search.behind];
    let texts = [
        ("correlation_id", search.correlation_id),
        ("subject", search.subject),
        ("actor", search.actor),
    ];
    for (column, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
        values.push(Value::from(text));
        sql.push_str(&format!(" AND {column} = ${}", values.len()));
    }
    let times = [(">", search.occurred_after), ("<", search.occurred_before)];
    for (comparison, time) in times
        .into_iter()
        .filter_map(|(comparison, time)| Some((comparison, time?)))
    {
        values.push(Value::from(time));
        sql.push_str(&format!(" AND occurred_at {comparison} ${}", values.len()));
    }
    sql.push_str(&format!(" ORDER BY position DESC LIMIT {}", search.limit));
    let rows: Vec<Row> = connection.list(&sql, values).await?;
    Ok(rows.into_iter().map(Journaled::from).collect())
}
