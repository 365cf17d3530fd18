//! The rows of card tokens.

use kit::database::{Sql, WriteTransaction};
use kit::refusal::Failure;
use kit::values;
use sea_orm::{ConnectionTrait, FromQueryResult};

/// A card as it is stored.
#[derive(FromQueryResult)]
pub(crate) struct Card {
    pub user_id: String,
    pub card_type: String,
    pub sealed: Option<Vec<u8>>,
    pub last_four: String,
    pub expires_at: i64,
}

pub(crate) async fn insert(transaction: &WriteTransaction, token: &str, card: &Card) -> Result<(), Failure> {
    let sql = "INSERT INTO card_tokens (card_token, user_id, card_type, sealed, last_four, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6)";
    let values = values![
        token,
        card.user_id.as_str(),
        card.card_type.as_str(),
        card.sealed.clone(),
        card.last_four.as_str(),
        card.expires_at
    ];
    transaction.run(sql, values).await?;
    Ok(())
}

pub(crate) async fn find(connection: &impl ConnectionTrait, token: &str) -> Result<Option<Card>, Failure> {
    let sql = "SELECT user_id, card_type, sealed, last_four, expires_at FROM card_tokens WHERE card_token = $1";
    Ok(connection.find(sql, values![token]).await?)
}

/// Forgets numbers whose day is over, unless an attempt that is not final needs them.
pub(crate) async fn forget(transaction: &WriteTransaction) -> Result<u64, Failure> {
    let sql = "UPDATE card_tokens SET sealed = NULL WHERE sealed IS NOT NULL AND expires_at < $1 AND NOT EXISTS
        (SELECT 1 FROM payments WHERE payments.card_token = card_tokens.card_token AND payments.state IN ('QUEUED', 'REQUESTED'))";
    Ok(transaction
        .run(sql, values![transaction.context().now.as_microsecond()])
        .await?)
}
