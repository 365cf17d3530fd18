//! Events that a consumer could not handle, and those of the same subject that wait behind them.
//!
//! The letters of one subject for one consumer are a line in order of version: its first is dead, the others wait. Whoever
//! adds to a line, or takes from it, holds the consumer's lock on the subject ([`Addressee::lock`](line::Addressee::lock)),
//! so that nothing joins a line that has just ended.

pub mod line;
pub mod listing;

use std::collections::HashSet;

use sea_orm::{ConnectionTrait, FromQueryResult};
use tonic::Code;

use crate::bus::{Delivery, Unreadable};
use crate::database::{Sql, VALUES_MAX, WriteTransaction, placeholders};
use crate::refusal::Failure;
use crate::{refusals, values};

pub use proto::operations::v1::{DeadLetterState as State, ReasonClass};

/// How long a letter is kept that is resolved or re-driven.
pub const DEAD_LETTER_RETENTION_DAYS: i64 = 90;

/// The states that hold later events of the subject, as an SQL condition.
pub const UNSETTLED: &str = "state IN ('DEAD', 'WAITING', 'INVESTIGATING')";

refusals! {
    /// Why nothing is done about a dead letter.
    pub enum DeadLetterRefusal {
        /// There is no such dead letter, or its consumer is not one of this process.
        NotFound { letter_id: String } => NotFound "DEAD_LETTER_NOT_FOUND",
            en "there is no dead letter {letter_id} here",
            ko "처리 실패 메시지 {letter_id} 을(를) 찾을 수 없습니다",
        /// It waits behind an earlier one of its subject, which has to be re-driven or resolved.
        Waiting { letter_id: String, behind: String } => FailedPrecondition "DEAD_LETTER_WAITING",
            en "dead letter {letter_id} waits behind {behind}",
            ko "처리 실패 메시지 {letter_id} 은(는) {behind} 뒤에서 대기 중입니다",
        /// It was resolved or re-driven before.
        Settled { letter_id: String, state: String } => FailedPrecondition "DEAD_LETTER_SETTLED",
            en "dead letter {letter_id} is {state} already",
            ko "처리 실패 메시지 {letter_id} 은(는) 이미 {state} 상태입니다",
    }
}

/// The class of a failure.
#[must_use]
pub fn class_of(failure: &Failure) -> ReasonClass {
    let code = match failure {
        Failure::Internal(error) => match error.downcast_ref::<Unreadable>() {
            Some(Unreadable::Undecodable(_)) => return ReasonClass::Undecodable,
            Some(Unreadable::UnknownType(..)) => return ReasonClass::UnknownType,
            None => Code::Internal,
        },
        Failure::Refused(refusal) => refusal.reason().kind.code(),
        Failure::Passed(status) => status.code(),
        Failure::Answered(_) | Failure::Database(_) | Failure::Unknown(_) => Code::Internal,
    };
    match code {
        Code::Unavailable | Code::Aborted | Code::ResourceExhausted => ReasonClass::Unavailable,
        Code::DeadlineExceeded | Code::Cancelled => ReasonClass::Timeout,
        Code::Internal | Code::Unknown | Code::DataLoss | Code::Ok => ReasonClass::Internal,
        _ => ReasonClass::Refused,
    }
}

/// Whether the same event may go through when it is tried again.
#[must_use]
pub fn heals(class: ReasonClass) -> bool {
    matches!(
        class,
        ReasonClass::Timeout | ReasonClass::Unavailable | ReasonClass::Internal
    )
}

/// The name of a class as the table has it; a letter that only waits has none.
#[must_use]
pub fn class_name(class: ReasonClass) -> &'static str {
    match class {
        ReasonClass::Unspecified => "",
        class => class.as_str_name().trim_start_matches("REASON_CLASS_"),
    }
}

/// The name of a state as the table has it.
#[must_use]
pub fn state_name(state: State) -> &'static str {
    state.as_str_name().trim_start_matches("DEAD_LETTER_STATE_")
}

#[derive(FromQueryResult)]
struct Subject {
    subject: String,
}

/// Of these events' subjects, those whose events must wait for this consumer.
///
/// # Errors
/// A database failure.
pub async fn held_subjects<'a>(
    connection: &impl ConnectionTrait,
    consumer: &str,
    deliveries: impl Iterator<Item = &'a Delivery>,
) -> Result<HashSet<String>, Failure> {
    let unsettled = format!("FROM dead_letters WHERE consumer = $1 AND {UNSETTLED}");
    let any: Option<Subject> = connection
        .find(&format!("SELECT subject {unsettled} LIMIT 1"), values![consumer])
        .await?;
    let mut held = HashSet::new();
    // as good as always there is none
    if any.is_none() {
        return Ok(held);
    }
    let subjects: HashSet<&str> = deliveries.map(|delivery| delivery.subject.as_str()).collect();
    let subjects: Vec<&str> = subjects.into_iter().collect();
    for subjects in subjects.chunks(VALUES_MAX) {
        let sql = format!(
            "SELECT DISTINCT subject {unsettled} AND subject IN ({})",
            placeholders(2, subjects.len())
        );
        let subjects = subjects.iter().map(|subject| crate::Value::from(*subject));
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
    attempts: u32,
) -> Result<(), Failure> {
    tracing::error!(consumer, event_id = delivery.event_id, subject = delivery.subject, %failure, "dead letter");
    let class = class_of(failure);
    store(
        transaction,
        consumer,
        delivery,
        class,
        &failure.to_string(),
        attempts,
        State::Dead,
    )
    .await
}

/// Keeps an event behind an earlier one of its subject.
///
/// # Errors
/// A database failure.
pub async fn hold(transaction: &WriteTransaction, consumer: &str, delivery: &Delivery) -> Result<(), Failure> {
    let class = ReasonClass::Unspecified;
    store(transaction, consumer, delivery, class, "", 0, State::Waiting).await
}

/// Buries an event of this owner's own that was handled, where the work that it began has failed since: its mark goes, so
/// that a re-drive handles it again. A letter of it that was settled is dead once more.
///
/// # Errors
/// A database failure, or there is no such event.
pub async fn bury_handled(
    transaction: &WriteTransaction,
    consumer: &str,
    subject: &str,
    version: i64,
    failure: &Failure,
    attempts: u32,
) -> Result<(), Failure> {
    let sql = "SELECT event_id, type, payload FROM dead_letters WHERE consumer = $1 AND subject = $2 AND version = $3
        UNION ALL SELECT id AS event_id, type, payload FROM outbox WHERE aggregateid = $2 AND version = $3";
    let handled: Option<Handled> = transaction.find(sql, values![consumer, subject, version]).await?;
    let handled = handled.ok_or_else(|| anyhow::anyhow!("{subject} has no event of version {version}"))?;
    let Handled {
        event_id,
        r#type,
        payload,
    } = handled;
    let unmark = "DELETE FROM inbox WHERE consumer = $1 AND event_id = $2";
    transaction.run(unmark, values![consumer, event_id.as_str()]).await?;
    let again = "UPDATE dead_letters SET state = 'DEAD', settled_at = NULL, reason_class = $3, error = $4,
            attempts = attempts + $5, last_at = $6
        WHERE consumer = $1 AND event_id = $2 AND settled_at IS NOT NULL";
    let values = values![
        consumer,
        event_id.as_str(),
        class_name(class_of(failure)),
        failure.to_string(),
        i64::from(attempts),
        transaction.context().now.as_microsecond(),
    ];
    if transaction.run(again, values).await? == 1 {
        tracing::error!(consumer, event_id, subject, %failure, "dead letter, again");
        return Ok(());
    }
    let delivery = Delivery::new(event_id, subject.to_owned(), version, r#type, payload);
    bury(transaction, consumer, &delivery, failure, attempts).await
}

#[derive(FromQueryResult)]
struct Handled {
    event_id: String,
    r#type: String,
    payload: Vec<u8>,
}

async fn store(
    transaction: &WriteTransaction,
    consumer: &str,
    delivery: &Delivery,
    class: ReasonClass,
    error: &str,
    attempts: u32,
    state: State,
) -> Result<(), Failure> {
    let now = transaction.context().now.as_microsecond();
    let sql = "INSERT INTO dead_letters
        (consumer, event_id, subject, version, type, payload, reason_class, error, attempts, state, first_at, last_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11) ON CONFLICT (consumer, event_id) DO NOTHING";
    let values = values![
        consumer,
        delivery.event_id.as_str(),
        delivery.subject.as_str(),
        delivery.version,
        delivery.r#type.as_str(),
        delivery.bytes.clone(),
        class_name(class),
        error,
        i64::from(attempts),
        state_name(state),
        now,
    ];
    transaction.run(sql, values).await?;
    Ok(())
}
