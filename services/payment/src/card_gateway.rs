//! The port to the payment gateway: what it can be asked, and what its answers mean.

mod http;

use async_trait::async_trait;

pub(crate) use http::HttpGateway;

/// A payment to be asked for. Its number is shown to nobody.
pub(crate) struct Charge<'a> {
    /// `<order>.<attempt>`.
    pub order_id: &'a str,
    pub card_type: &'a str,
    pub card_number: &'a str,
    pub amount: i64,
}

/// What came of asking for a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The gateway works on it.
    Accepted { transaction_key: String },
    /// The gateway will never take this one, and has stored nothing.
    Rejected { message: String },
    /// The gateway says that it stored nothing, or was not reached.
    NotTaken { message: String },
    /// Nobody knows.
    Unknown { message: String },
}

/// How a transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Pending,
    Success,
    Failed,
}

/// A transaction in the gateway's book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Transaction {
    pub transaction_key: String,
    pub standing: Standing,
    pub reason: String,
    pub amount: i64,
    pub cancelled: i64,
}

/// A gateway. No call is made while a transaction or a connection of the database is held.
#[async_trait]
pub(crate) trait CardGateway: std::fmt::Debug + Send + Sync + 'static {
    /// Asks for a payment. Not idempotent: each accepted call is a transaction of its own.
    async fn charge(&self, charge: Charge<'_>) -> Answer;
    /// All transactions of an order id; none if it knows none. `Err`: nobody knows.
    async fn look_up(&self, order_id: &str) -> Result<Vec<Transaction>, String>;
    /// Gives money of a transaction back. `Err`: nobody knows, look it up.
    async fn cancel(&self, transaction_key: &str, amount: i64) -> Result<(), String>;
}
