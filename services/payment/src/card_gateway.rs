//! The port to the payment gateway: what it can be asked, and what its answers mean.

mod http;
mod line;

use async_trait::async_trait;

pub(crate) use http::HttpGateway;
pub(crate) use line::{Line, LineClosed};

/// A payment to be asked for. It has no `Debug`: its number is shown to nobody.
pub(crate) struct Charge<'a> {
    /// `<order>.<attempt>`.
    pub(crate) order_id: &'a str,
    /// SAMSUNG, KB or HYUNDAI.
    pub(crate) card_type: &'a str,
    pub(crate) card_number: &'a str,
    /// Minor units.
    pub(crate) amount: i64,
}

/// What came of asking for a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The gateway works on it.
    Accepted { transaction_key: String },
    /// The gateway found fault with the request itself; it would again.
    Rejected { said: String },
    /// The gateway says that it stored nothing: the contract's 500, or 429.
    NotTaken { said: String },
    /// No connection: nothing was sent.
    NotReached,
    /// Nobody knows.
    Unknown { said: String },
}

/// What came of giving money back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cancellation {
    /// The money is back.
    Done,
    /// It is not: refused, or nothing was sent.
    NotDone { said: String },
    /// Nobody knows.
    Unknown { said: String },
}

/// How a transaction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Pending,
    Success,
    Failed(Decline),
}

/// Why the gateway said no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decline {
    LimitExceeded,
    InvalidCard,
    Other,
}

/// A transaction in the gateway's book. Amounts are minor units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Transaction {
    pub(crate) transaction_key: String,
    pub(crate) standing: Standing,
    pub(crate) amount: i64,
    /// Given back so far.
    pub(crate) cancelled: i64,
}

/// A gateway. No call is made while a transaction or a connection of the database is held.
#[async_trait]
pub(crate) trait CardGateway: std::fmt::Debug + Send + Sync + 'static {
    /// Asks for a payment. Not idempotent: each accepted call is a transaction of its own.
    async fn charge(&self, charge: &Charge<'_>) -> Answer;
    /// All transactions of an order id; none if it knows none. `Err` says why nobody knows.
    async fn look_up(&self, order_id: &str) -> Result<Vec<Transaction>, String>;
    /// Gives money of a transaction back. Not idempotent either.
    async fn cancel(&self, transaction_key: &str, amount: i64) -> Cancellation;
}
