//! The outbox: events are rows of the change they tell of, and leave through the relay.

pub mod overview;
mod relay;

use prost::Message;
use proto::event::v1::Event;
use proto::event::v1::event::Fact;
use sea_orm::{ConnectionTrait, FromQueryResult};
use uuid::Uuid;

use crate::clock::to_proto;
use crate::context::Context;
use crate::database::{Sql, VALUES_MAX, WriteTransaction, tuples};
use crate::refusal::Failure;
use crate::values;

pub use relay::Relay;

/// How long a published row is kept.
pub const OUTBOX_RETENTION_DAYS: i64 = 7;
/// The version of the envelope and the facts that this build writes.
pub const SCHEMA_VERSION: i32 = 1;

/// Buckets of subjects on PostgreSQL; a relay holds a lease on each that it works on.
const BUCKETS: i64 = 16;
/// Values of one row.
const COLUMNS: usize = 8;

#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) event_id: Uuid,
    event: Event,
}

/// Tells of `fact` about the aggregate `subject` (`<kind>/<id>`), which just got `version`.
///
/// The row is written at the commit, after the row lock of the aggregate, so that sequence rises with version.
pub fn append(transaction: &WriteTransaction, subject: &str, version: i64, fact: Fact) {
    tell(transaction, transaction.context(), subject, version, None, fact);
}

/// As [`append`], for a fact of another moment than the command's.
pub fn append_at(
    transaction: &WriteTransaction,
    subject: &str,
    version: i64,
    occurred_at: jiff::Timestamp,
    fact: Fact,
) {
    tell(
        transaction,
        transaction.context(),
        subject,
        version,
        Some(occurred_at),
        fact,
    );
}

/// As [`append`], for one of several commands that share the transaction: the event has that command's circumstances.
/// Returns the event's id, for the revision of that command's answer.
pub fn append_for(transaction: &WriteTransaction, context: &Context, subject: &str, version: i64, fact: Fact) -> Uuid {
    tell(transaction, context, subject, version, None, fact)
}

fn tell(
    transaction: &WriteTransaction,
    context: &Context,
    subject: &str,
    version: i64,
    occurred_at: Option<jiff::Timestamp>,
    fact: Fact,
) -> Uuid {
    let event_id = Uuid::now_v7();
    let event = Event {
        event_id: event_id.to_string(),
        r#type: fact.name().to_owned(),
        schema_version: SCHEMA_VERSION,
        occurred_at: Some(to_proto(occurred_at.unwrap_or(context.now))),
        recorded_at: Some(to_proto(context.now)),
        source: transaction.database().owner().to_owned(),
        subject: subject.to_owned(),
        version,
        actor: context.caller.actor().to_owned(),
        on_behalf_of: context.caller.on_behalf_of().unwrap_or_default().to_owned(),
        correlation_id: context.correlation_id.clone(),
        causation_id: context.causation_id.clone(),
        traceparent: context.traceparent.clone(),
        fact: Some(fact),
    };
    transaction.tell(Told { event_id, event });
    event_id
}

pub(crate) async fn write(transaction: &WriteTransaction, told: Vec<Told>) -> Result<(), Failure> {
    let postgres = transaction.database().is_postgres();
    let now = transaction.context().now.as_microsecond();
    for rows in told.chunks(VALUES_MAX / COLUMNS) {
        let sql = format!(
            "INSERT INTO outbox (id, aggregatetype, aggregateid, version, type, payload, bucket, recorded_at) VALUES {}",
            tuples(rows.len(), COLUMNS)
        );
        let mut values = Vec::with_capacity(rows.len() * COLUMNS);
        for Told { event, .. } in rows {
            let kind = event.subject.split('/').next().unwrap_or_default();
            values.extend(values![
                event.event_id.as_str(),
                kind,
                event.subject.as_str(),
                event.version,
                event.r#type.as_str(),
                event.encode_to_vec(),
                bucket(&event.subject, postgres),
                now,
            ]);
        }
        transaction.run(&sql, values).await?;
    }
    Ok(())
}

#[derive(FromQueryResult)]
struct Id {
    id: String,
}

/// The id of the last event of an aggregate, for a command that found nothing to change.
///
/// # Errors
/// A database failure.
pub async fn last_event_of(connection: &impl ConnectionTrait, subject: &str) -> Result<Option<Uuid>, Failure> {
    let sql = "SELECT id FROM outbox WHERE aggregateid = $1 ORDER BY version DESC LIMIT 1";
    let row: Option<Id> = connection.find(sql, values![subject]).await?;
    Ok(row.and_then(|row| row.id.parse().ok()))
}

/// FNV-1a: stable between builds, unlike the standard library's hashers.
fn bucket(subject: &str, postgres: bool) -> i64 {
    if !postgres {
        return 0;
    }
    let hash = subject.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    i64::try_from(hash % BUCKETS.unsigned_abs()).unwrap_or_default()
}
