//! Consumers that an operator has paused: what comes for them is kept and waits, and nobody else is held.
//!
//! The row is in the consumer's own tables: every instance sees it, it survives restarts, and whoever applies an event asks
//! for it in the transaction of the effect. There is no second place for what waits: a paused consumer's events are kept as
//! the followers of a dead letter are, and go on as those do, in order of version and before new ones.

use sea_orm::{ConnectionTrait, FromQueryResult};

use crate::database::{Sql, WriteTransaction};
use crate::dead_letter::line::Operator;
use crate::refusal::Failure;
use crate::{refusals, values};

refusals! {
    /// Why nothing is done about a consumer.
    pub enum ConsumerRefusal {
        /// There is no such consumer, or it is not one of this process.
        NotFound { consumer: String } => NotFound "CONSUMER_NOT_FOUND",
            en "there is no consumer {consumer} here",
            ko "소비자 {consumer} 을(를) 찾을 수 없습니다",
    }
}

/// Whether the consumer of `$1` is paused, as an SQL condition.
pub const PAUSED: &str = "EXISTS (SELECT 1 FROM consumer_pauses WHERE consumer = $1 AND resumed_at IS NULL)";

/// A consumer that is paused.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub struct Pause {
    /// Who.
    pub consumer: String,
    /// Since when, in microseconds since 1970.
    pub paused_at: i64,
    /// By whom.
    pub paused_by: String,
    /// In the words of whoever paused it.
    pub why: String,
}

/// The consumers of these tables that are paused.
///
/// # Errors
/// A database failure.
pub async fn list(connection: &impl ConnectionTrait) -> Result<Vec<Pause>, Failure> {
    let sql =
        "SELECT consumer, paused_at, paused_by, why FROM consumer_pauses WHERE resumed_at IS NULL ORDER BY consumer";
    Ok(connection.list(sql, vec![]).await?)
}

/// Whether a consumer is paused.
///
/// # Errors
/// A database failure.
pub async fn is_paused(connection: &impl ConnectionTrait, consumer: &str) -> Result<bool, Failure> {
    let sql =
        "SELECT consumer, paused_at, paused_by, why FROM consumer_pauses WHERE consumer = $1 AND resumed_at IS NULL";
    let pause: Option<Pause> = connection.find(sql, values![consumer]).await?;
    Ok(pause.is_some())
}

/// Pauses a consumer of these tables; one that is paused stays so.
///
/// # Errors
/// A database failure.
pub async fn pause(transaction: &WriteTransaction, consumer: &str, operator: &Operator) -> Result<(), Failure> {
    let sql = "INSERT INTO consumer_pauses (consumer, paused_at, paused_by, why, resumed_by, resumed_why)
        VALUES ($1, $2, $3, $4, '', '') ON CONFLICT DO NOTHING";
    let now = transaction.context().now.as_microsecond();
    let values = values![consumer, now, operator.name.as_str(), operator.why.as_str()];
    transaction.run(sql, values).await?;
    Ok(())
}

/// Lets a consumer go on; one that is not paused is left as it is.
///
/// # Errors
/// A database failure.
pub async fn resume(transaction: &WriteTransaction, consumer: &str, operator: &Operator) -> Result<(), Failure> {
    let sql = "UPDATE consumer_pauses SET resumed_at = $2, resumed_by = $3, resumed_why = $4
        WHERE consumer = $1 AND resumed_at IS NULL";
    let now = transaction.context().now.as_microsecond();
    let values = values![consumer, now, operator.name.as_str(), operator.why.as_str()];
    transaction.run(sql, values).await?;
    Ok(())
}
