//! The rows of refunds that are due: captures that go back to their cards.

use kit::database::{Sql, WriteTransaction, placeholders};
use kit::refusal::Failure;
use kit::{Value, values};
use sea_orm::{ConnectionTrait, FromQueryResult};

use crate::order::Order;

/// A capture that goes back to its card.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub(crate) struct Refund {
    pub order_id: String,
    pub attempt: i32,
    pub refund_id: String,
    pub amount: i64,
}

impl Refund {
    /// The refund of an attempt has one id, however often it is found to be due.
    pub fn new(order: &Order, attempt: i32, amount: i64) -> Self {
        let order_id = order.order_id.clone();
        Self {
            refund_id: format!("{order_id}-{attempt}"),
            order_id,
            attempt,
            amount,
        }
    }
}

/// Notes that an attempt's money goes back; noted twice, it goes back once.
pub(crate) async fn insert(transaction: &WriteTransaction, refund: &Refund) -> Result<(), Failure> {
    let sql = "INSERT INTO refunds_due (order_id, attempt, refund_id, amount, requested, done)
        VALUES ($1, $2, $3, $4, FALSE, FALSE) ON CONFLICT (order_id, attempt) DO NOTHING";
    let values = values![
        refund.order_id.as_str(),
        refund.attempt,
        refund.refund_id.as_str(),
        refund.amount
    ];
    transaction.run(sql, values).await?;
    Ok(())
}

/// The refunds of these orders that the payment service was not asked for yet.
pub(crate) async fn to_request(connection: &impl ConnectionTrait, order_ids: &[&str]) -> Result<Vec<Refund>, Failure> {
    let sql = format!(
        "SELECT order_id, attempt, refund_id, amount FROM refunds_due WHERE order_id IN ({}) AND NOT requested ORDER BY attempt",
        placeholders(1, order_ids.len())
    );
    Ok(connection
        .list(&sql, order_ids.iter().map(|id| Value::from(*id)).collect())
        .await?)
}

/// The payment service has stored the refund, and will make it.
pub(crate) async fn mark_requested(transaction: &WriteTransaction, refund: &Refund) -> Result<(), Failure> {
    let sql = "UPDATE refunds_due SET requested = TRUE WHERE order_id = $1 AND attempt = $2";
    transaction
        .run(sql, values![refund.order_id.as_str(), refund.attempt])
        .await?;
    Ok(())
}

/// The money of a refund is back.
pub(crate) async fn mark_done(transaction: &WriteTransaction, order_id: &str, refund_id: &str) -> Result<(), Failure> {
    let sql = "UPDATE refunds_due SET done = TRUE WHERE order_id = $1 AND refund_id = $2";
    transaction.run(sql, values![order_id, refund_id]).await?;
    Ok(())
}

/// Whether a refund of the order is still under way.
pub(crate) async fn open(transaction: &WriteTransaction, order_id: &str) -> Result<bool, Failure> {
    let sql = "SELECT COUNT(*) AS refunds FROM refunds_due WHERE order_id = $1 AND NOT done";
    let open: Option<Open> = transaction.find(sql, values![order_id]).await?;
    Ok(open.is_some_and(|open| open.refunds > 0))
}

#[derive(FromQueryResult)]
struct Open {
    refunds: i64,
}
