//! Dead letters as an operator asks for them.

use proto::operations::v1::{DeadLetter, DeadLetterFilter};
use sea_orm::{ConnectionTrait, FromQueryResult};

use super::{ReasonClass, State, UNSETTLED, class_name, state_name};
use crate::bus::Delivery;
use crate::clock::{from_microseconds, from_proto, to_proto};
use crate::database::Sql;
use crate::refusal::Failure;
use crate::{Value, values};

const COLUMNS: &str = "sequence, consumer, event_id, subject, version, type, reason_class, error, attempts, state,
    first_at, last_at, redriven_at, settled_at, operator, why";

/// A row, without the bytes of its event.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Letter {
    /// Unique in its owner's tables, and rising.
    pub sequence: i64,
    /// Who could not handle it.
    pub consumer: String,
    /// The event.
    pub event_id: String,
    /// The event's aggregate.
    pub subject: String,
    version: i64,
    r#type: String,
    reason_class: String,
    error: String,
    attempts: i32,
    state: String,
    first_at: i64,
    last_at: i64,
    redriven_at: Option<i64>,
    settled_at: Option<i64>,
    operator: String,
    why: String,
}

impl Letter {
    /// Where it stands.
    #[must_use]
    pub fn state(&self) -> State {
        State::from_str_name(&format!("DEAD_LETTER_STATE_{}", self.state)).unwrap_or_default()
    }

    /// Its name among the letters of all owners.
    #[must_use]
    pub fn id(&self, owner: &str) -> String {
        format!("{owner}-{}", self.sequence)
    }

    /// The letter as it is told.
    #[must_use]
    pub fn shown(self, owner: &str) -> DeadLetter {
        let at = |microseconds: i64| to_proto(from_microseconds(microseconds));
        let class = ReasonClass::from_str_name(&format!("REASON_CLASS_{}", self.reason_class));
        DeadLetter {
            letter_id: self.id(owner),
            owner: owner.to_owned(),
            state: self.state().into(),
            consumer: self.consumer,
            event_id: self.event_id,
            r#type: self.r#type,
            subject: self.subject,
            version: self.version,
            reason_class: class.unwrap_or_default().into(),
            error: self.error,
            attempts: self.attempts,
            first_at: Some(at(self.first_at)),
            last_at: Some(at(self.last_at)),
            redriven_at: self.redriven_at.map(at),
            settled_at: self.settled_at.map(at),
            operator: self.operator,
            why: self.why,
        }
    }

    /// The event as it was received.
    ///
    /// # Errors
    /// A database failure, or the letter is gone.
    pub async fn delivery(&self, connection: &impl ConnectionTrait) -> Result<Delivery, Failure> {
        let sql = "SELECT payload FROM dead_letters WHERE sequence = $1";
        let row: Option<Payload> = connection.find(sql, values![self.sequence]).await?;
        let bytes = row
            .ok_or_else(|| anyhow::anyhow!("dead letter {} is gone", self.sequence))?
            .payload;
        let (event_id, subject) = (self.event_id.clone(), self.subject.clone());
        Ok(Delivery::new(
            event_id,
            subject,
            self.version,
            self.r#type.clone(),
            bytes,
        ))
    }
}

#[derive(FromQueryResult)]
struct Payload {
    payload: Vec<u8>,
}

/// One letter.
///
/// # Errors
/// A database failure.
pub async fn find(connection: &impl ConnectionTrait, sequence: i64) -> Result<Option<Letter>, Failure> {
    let sql = format!("SELECT {COLUMNS} FROM dead_letters WHERE sequence = $1");
    Ok(connection.find(&sql, values![sequence]).await?)
}

/// The first of the letters of a subject that hold it.
///
/// # Errors
/// A database failure.
pub async fn first(
    connection: &impl ConnectionTrait,
    consumer: &str,
    subject: &str,
) -> Result<Option<Letter>, Failure> {
    Ok(line(connection, consumer, subject, 1).await?.pop())
}

/// The letters of a subject that hold it, in order of version.
///
/// # Errors
/// A database failure.
pub async fn line(
    connection: &impl ConnectionTrait,
    consumer: &str,
    subject: &str,
    limit: u32,
) -> Result<Vec<Letter>, Failure> {
    let sql = format!(
        "SELECT {COLUMNS} FROM dead_letters WHERE consumer = $1 AND subject = $2 AND {UNSETTLED}
        ORDER BY version, sequence LIMIT {limit}"
    );
    Ok(connection.list(&sql, values![consumer, subject]).await?)
}

/// Letters that fit, oldest first, behind a sequence.
///
/// # Errors
/// A database failure.
pub async fn list(
    connection: &impl ConnectionTrait,
    filter: &DeadLetterFilter,
    behind: i64,
    limit: u32,
) -> Result<Vec<Letter>, Failure> {
    let mut sql = format!("SELECT {COLUMNS} FROM dead_letters WHERE sequence > $1");
    let mut values = values![behind];
    let state = match filter.state() {
        State::Unspecified => "",
        state => state_name(state),
    };
    let texts = [
        ("consumer", filter.consumer.as_str()),
        ("subject", filter.subject.as_str()),
        ("state", state),
        ("reason_class", class_name(filter.reason_class())),
    ];
    for (column, text) in texts.into_iter().filter(|(_, text)| !text.is_empty()) {
        values.push(Value::from(text));
        sql.push_str(&format!(" AND {column} = ${}", values.len()));
    }
    for (comparison, time) in [(">=", &filter.first_after), ("<", &filter.first_before)] {
        let Some(time) = time else { continue };
        values.push(Value::from(from_proto(time).as_microsecond()));
        sql.push_str(&format!(" AND first_at {comparison} ${}", values.len()));
    }
    sql.push_str(&format!(" ORDER BY sequence LIMIT {limit}"));
    Ok(connection.list(&sql, values).await?)
}

/// How many letters of one kind there are.
#[derive(Clone, Debug, FromQueryResult)]
pub struct Count {
    /// Who could not handle them.
    pub consumer: String,
    reason_class: String,
    state: String,
    /// How many.
    pub letters: i64,
    /// When the oldest became one, in microseconds since 1970.
    pub oldest_at: i64,
}

impl Count {
    /// Why they are dead.
    #[must_use]
    pub fn class(&self) -> ReasonClass {
        ReasonClass::from_str_name(&format!("REASON_CLASS_{}", self.reason_class)).unwrap_or_default()
    }

    /// Where they stand.
    #[must_use]
    pub fn state(&self) -> State {
        State::from_str_name(&format!("DEAD_LETTER_STATE_{}", self.state)).unwrap_or_default()
    }
}

/// Counts by consumer, class and state.
///
/// # Errors
/// A database failure.
pub async fn count(connection: &impl ConnectionTrait) -> Result<Vec<Count>, Failure> {
    let sql = "SELECT consumer, reason_class, state, COUNT(*) AS letters, MIN(first_at) AS oldest_at FROM dead_letters
        GROUP BY consumer, reason_class, state ORDER BY consumer, state, reason_class";
    Ok(connection.list(sql, values![]).await?)
}

/// Letters that were given to their consumers again since a time, and those of them that were applied.
#[derive(Clone, Copy, Debug, Default, FromQueryResult)]
pub struct Redriven {
    /// Given again.
    pub redriven: i64,
    /// Applied.
    pub applied: i64,
}

/// How re-drives went since a time in microseconds since 1970.
///
/// # Errors
/// A database failure.
pub async fn redriven(connection: &impl ConnectionTrait, since: i64) -> Result<Redriven, Failure> {
    let sql = "SELECT COUNT(*) AS redriven, COUNT(CASE WHEN state = 'REDRIVEN' THEN 1 END) AS applied FROM dead_letters
        WHERE redriven_at >= $1";
    Ok(connection.find(sql, values![since]).await?.unwrap_or_default())
}
