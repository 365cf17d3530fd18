//! Events that a consumer could not handle, and those of the same subject that wait behind them.

use std::collections::HashSet;

use sea_orm::{ConnectionTrait, FromQueryResult};

use crate::bus::Delivery;
use crate::database::{Sql, VALUES_MAX, WriteTransaction, placeholders};
use crate::refusal::Failure;
use crate::values;

/// Why an event is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReasonClass {
    /// A rule refused what the event asks for.
    Refused,
    /// What it takes was not there, for all the attempts.
    Unavailable,
    /// Anything else.
    Internal,
}

impl ReasonClass {
    /// The class of a failure.
    #[must_use]
    pub fn of(failure: &Failure) -> Self {
        match failure {
            Failure::Refused(_) => Self::Refused,
            Failure::Passed(status) if status.code() == tonic::Code::Unavailable => Self::Unavailable,
            _ => Self::Internal,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Refused => "REFUSED",
            Self::Unavailable => "UNAVAILABLE",
            Self::Internal => "INTERNAL",
        }
    }
}

#[derive(FromQueryResult)]
struct Subject {
    subject: String,
}

/// Of these events' subjects, those whose events must wait for this consumer.
///
/// # Errors
/// A database failure.
pub async fn held_subjects(
    connection: &impl ConnectionTrait,
    consumer: &str,
    deliveries: &[&Delivery],
) -> Result<HashSet<String>, Failure> {
    let dead = "FROM dead_letters WHERE consumer = $1 AND state IN ('DEAD', 'WAITING', 'INVESTIGATING')";
    let any: Option<Subject> = connection
        .find(&format!("SELECT subject {dead} LIMIT 1"), values![consumer])
        .await?;
    let mut held = HashSet::new();
    // as good as always there is none
    if any.is_none() {
        return Ok(held);
    }
    for deliveries in deliveries.chunks(VALUES_MAX) {
        let sql = format!(
            "SELECT DISTINCT subject {dead} AND subject IN ({})",
            placeholders(2, deliveries.len())
        );
        let subjects = deliveries
            .iter()
            .map(|delivery| crate::Value::from(delivery.event.subject.as_str()));
        let values = values![consumer].into_iter().chain(subjects).collect();
        let rows: Vec<Subject> = connection.list(&sql, values).await?;
        held.extend(rows.into_iter().map(|row| row.subject));
    }
    Ok(held)
}

/// Keeps an event that could not be handled after `attempts`.
///
/// # Errors
/// A database failure.
pub async fn bury(
    transaction: &WriteTransaction,
    consumer: &str,
    delivery: &Delivery,
    failure: &Failure,
    attempts: usize,
) -> Result<(), Failure> {
    tracing::error!(consumer, event_id = %delivery.event.event_id, subject = %delivery.event.subject, %failure, "dead letter");
    store(
        transaction,
        consumer,
        delivery,
        ReasonClass::of(failure).name(),
        &failure.to_string(),
        attempts,
        "DEAD",
    )
    .await
}

/// Keeps an event behind an earlier one of its subject.
///
/// # Errors
/// A database failure.
pub async fn hold(transaction: &WriteTransaction, consumer: &str, delivery: &Delivery) -> Result<(), Failure> {
    store(
        transaction,
        consumer,
        delivery,
        "REFUSED",
        "waits behind an earlier event of its subject",
        0,
        "WAITING",
    )
    .await
}

async fn store(
    transaction: &WriteTransaction,
    consumer: &str,
    delivery: &Delivery,
    class: &str,
    error: &str,
    attempts: usize,
    state: &str,
) -> Result<(), Failure> {
    let now = transaction.context().now.as_microsecond();
    let sql = "INSERT INTO dead_letters
        (consumer, event_id, subject, version, payload, reason_class, error, attempts, state, first_at, last_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $10) ON CONFLICT (consumer, event_id) DO NOTHING";
    let event = &delivery.event;
    let values = values![
        consumer,
        event.event_id.as_str(),
        event.subject.as_str(),
        event.version,
        delivery.bytes.clone(),
        class,
        error,
        i64::try_from(attempts).unwrap_or(i64::MAX),
        state,
        now,
    ];
    transaction.run(sql, values).await?;
    Ok(())
}
