//! The rows of card tokens.

use jiff::Timestamp;
use kit::database::{Sql, WriteTransaction};
use kit::refusal::Failure;
use kit::values;
use sea_orm::{ConnectionTrait, FromQueryResult};

/// A card as it is stored.
#[derive(FromQueryResult)]
pub(crate) struct Card {
    pub(crate) user_id: String,
    pub(crate) card_type: String,
    pub(crate) sealed: Option<Vec<u8>>,
    pub(crate) last_four: String,
    pub(crate) expires_at: i64,
}

impl Card {
    /// Whether this user may still pay with it.
    pub(crate) fn is_usable(&self, user_id: &str, now: Timestamp) -> bool {
        self.user_id == user_id && self.sealed.is_some() && self.expires_at > now.as_microsecond()
    }
}

const FIND: &str = "SELECT user_id, card_type, sealed, last_four, expires_at FROM card_tokens WHERE card_token = $1";

pub(super) async fn insert(transaction: &WriteTransaction, token: &str, card: &Card) -> Result<(), Failure> {
    let sql = "INSERT INTO card_tokens (card_token, user_id, card_type, sealed, last_four, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6)";
    let values = values![
        token,
        card.user_id.as_str(),
        card.card_type.as_str(),
        card.sealed.clone(),
        card.last_four.as_str(),
        card.expires_at,
    ];
    transaction.run(sql, values).await?;
    Ok(())
}

pub(crate) async fn find(connection: &impl ConnectionTrait, token: &str) -> Result<Option<Card>, Failure> {
    Ok(connection.find(FIND, values![token]).await?)
}

pub(crate) async fn lock(transaction: &WriteTransaction, token: &str) -> Result<Option<Card>, Failure> {
    let sql = format!("{FIND}{}", transaction.for_update());
    Ok(transaction.find(&sql, values![token]).await?)
}

/// Forgets a number, unless an attempt that is still open may need it.
pub(crate) async fn forget(transaction: &WriteTransaction, token: &str) -> Result<(), Failure> {
    // the lock first: the statement after it sees an attempt that was just stored
    if lock(transaction, token).await?.is_none_or(|card| card.sealed.is_none()) {
        return Ok(());
    }
    let sql = "UPDATE card_tokens SET sealed = NULL WHERE card_token = $1 AND NOT EXISTS (SELECT 1 FROM payments
        WHERE payments.card_token = $1 AND payments.state IN ('QUEUED', 'REQUESTED', 'PENDING', 'UNKNOWN'))";
    transaction.run(sql, values![token]).await?;
    Ok(())
}

/// Forgets all numbers whose day is over.
pub(crate) async fn forget_expired(transaction: &WriteTransaction) -> Result<(), Failure> {
    let sql = "UPDATE card_tokens SET sealed = NULL WHERE sealed IS NOT NULL AND expires_at <= $1";
    transaction
        .run(sql, values![transaction.context().now.as_microsecond()])
        .await?;
    Ok(())
}
