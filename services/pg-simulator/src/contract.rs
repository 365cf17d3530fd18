//! The JSON of the contract: the request and its validation, the envelope of every answer, the callback.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use crate::book::{Status, Transaction};

/// Shortest order id, characters.
const ORDER_ID_CHARS_MIN: usize = 6;
/// Longest order id, characters.
const ORDER_ID_CHARS_MAX: usize = 128;
/// Longest callback address, bytes.
const CALLBACK_URL_BYTES_MAX: usize = 2_048;
const CARD_TYPES: [&str; 3] = ["SAMSUNG", "KB", "HYUNDAI"];

/// Body of `POST /api/v1/payments`, valid once [`PaymentRequest::parse`] gave it.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct PaymentRequest {
    pub order_id: String,
    pub card_type: String,
    pub card_no: String,
    pub amount: i64,
    pub callback_url: String,
}

/// Body of `POST /api/v1/payments/{transactionKey}/cancel`.
#[derive(Debug, Deserialize)]
pub(crate) struct CancelRequest {
    pub amount: i64,
}

/// Why a call is not answered with data; becomes the FAIL envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// HTTP 400.
    Invalid(&'static str),
    /// HTTP 404.
    NotFound,
    /// HTTP 500: the one of the contract, and the one that lies about what it stored.
    ServerError,
    /// HTTP 503: too many payments in flight, or shutting down.
    Busy,
    /// HTTP 504, after a time that no caller waits for.
    Silence,
    /// HTTP 500: the disk refuses; the process is about to end.
    BookLost,
}

#[derive(Serialize)]
struct Envelope<T> {
    meta: Meta,
    data: Option<T>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Meta {
    result: &'static str,
    error_code: Option<&'static str>,
    message: Option<&'static str>,
}

/// Answer to an accepted payment.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Accepted<'a> {
    transaction_key: &'a str,
    status: Status,
    reason: Option<&'static str>,
}

/// A transaction as a look-up or cancel shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TransactionDetail<'a> {
    transaction_key: &'a str,
    order_id: &'a str,
    card_type: &'a str,
    card_no: String,
    amount: i64,
    cancelled_amount: i64,
    status: Status,
    reason: Option<&'static str>,
}

/// All transactions of an order id.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrderDetail<'a> {
    order_id: &'a str,
    transactions: Vec<TransactionSummary<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TransactionSummary<'a> {
    transaction_key: &'a str,
    status: Status,
    reason: Option<&'static str>,
    amount: i64,
    cancelled_amount: i64,
}

/// Body of the callback.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Callback<'a> {
    transaction_key: &'a str,
    order_id: &'a str,
    card_type: &'a str,
    card_no: &'a str,
    amount: i64,
    status: Status,
    reason: Option<&'static str>,
}

impl PaymentRequest {
    /// # Errors
    /// The first field that breaks the contract.
    pub fn parse(body: &[u8]) -> Result<Self, Refusal> {
        let request: Self = serde_json::from_slice(body).map_err(|_| Refusal::Invalid("the body is not a payment"))?;
        let rules = [
            (
                (ORDER_ID_CHARS_MIN..=ORDER_ID_CHARS_MAX).contains(&request.order_id.chars().count()),
                "orderId must have 6 to 128 characters",
            ),
            (
                CARD_TYPES.contains(&request.card_type.as_str()),
                "cardType must be SAMSUNG, KB or HYUNDAI",
            ),
            (
                is_card_no(&request.card_no),
                "cardNo must have the form dddd-dddd-dddd-dddd",
            ),
            (request.amount >= 1, "amount must be a positive integer"),
            (
                is_http_url(&request.callback_url),
                "callbackUrl must be an http:// address",
            ),
        ];
        match rules.iter().find(|(kept, _)| !kept) {
            Some((_, message)) => Err(Refusal::Invalid(message)),
            None => Ok(request),
        }
    }

    pub fn card_last_four(&self) -> &str {
        self.card_no.rsplit('-').next().unwrap_or_default()
    }
}

impl Refusal {
    fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Invalid(message) => (StatusCode::BAD_REQUEST, "BAD_REQUEST", message),
            Self::NotFound => (StatusCode::NOT_FOUND, "NOT_FOUND", "no such payment"),
            Self::ServerError => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "INTERNAL_ERROR",
                "the gateway is unstable, try again later",
            ),
            Self::Busy => (
                StatusCode::SERVICE_UNAVAILABLE,
                "UNAVAILABLE",
                "the gateway takes no payment now",
            ),
            Self::Silence => (StatusCode::GATEWAY_TIMEOUT, "TIMEOUT", "the gateway did not answer"),
            Self::BookLost => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "BOOK_LOST",
                "the gateway cannot write its book",
            ),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, error_code, message) = self.parts();
        let meta = Meta {
            result: "FAIL",
            error_code: Some(error_code),
            message: Some(message),
        };
        (status, Json(Envelope::<()> { meta, data: None })).into_response()
    }
}

/// The SUCCESS envelope as text.
pub(crate) fn success(data: impl Serialize) -> String {
    let meta = Meta {
        result: "SUCCESS",
        error_code: None,
        message: None,
    };
    serde_json::to_string(&Envelope { meta, data: Some(data) }).expect("plain structs of text and numbers serialise")
}

impl<'a> Accepted<'a> {
    pub fn of(transaction: &'a Transaction) -> Self {
        // The contract answers PENDING, also when the decision has overtaken the answer.
        Self {
            transaction_key: &transaction.transaction_key,
            status: Status::Pending,
            reason: None,
        }
    }
}

impl<'a> TransactionDetail<'a> {
    pub fn of(transaction: &'a Transaction) -> Self {
        Self {
            transaction_key: &transaction.transaction_key,
            order_id: &transaction.order_id,
            card_type: &transaction.card_type,
            card_no: masked(&transaction.card_last_four),
            amount: transaction.amount,
            cancelled_amount: transaction.cancelled_amount,
            status: transaction.status(),
            reason: transaction.reason(),
        }
    }
}

impl<'a> OrderDetail<'a> {
    pub fn of(order_id: &'a str, transactions: &'a [Transaction]) -> Self {
        let summary = |transaction: &'a Transaction| TransactionSummary {
            transaction_key: &transaction.transaction_key,
            status: transaction.status(),
            reason: transaction.reason(),
            amount: transaction.amount,
            cancelled_amount: transaction.cancelled_amount,
        };
        Self {
            order_id,
            transactions: transactions.iter().map(summary).collect(),
        }
    }
}

impl<'a> Callback<'a> {
    pub fn of(transaction: &'a Transaction, card_no: &'a str) -> Self {
        Self {
            transaction_key: &transaction.transaction_key,
            order_id: &transaction.order_id,
            card_type: &transaction.card_type,
            card_no,
            amount: transaction.amount,
            status: transaction.status(),
            reason: transaction.reason(),
        }
    }

    /// The same, but claiming SUCCESS.
    pub fn forged(transaction: &'a Transaction, card_no: &'a str) -> Self {
        Self {
            status: Status::Success,
            reason: None,
            ..Self::of(transaction, card_no)
        }
    }
}

/// A card number of which only the last four digits are known.
pub(crate) fn masked(card_last_four: &str) -> String {
    format!("****-****-****-{card_last_four}")
}

/// Whether it has the form of a card number.
pub(crate) fn is_card_no(text: &str) -> bool {
    let groups: Vec<_> = text.split('-').collect();
    groups.len() == 4
        && groups
            .iter()
            .all(|group| group.len() == 4 && group.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_http_url(text: &str) -> bool {
    text.len() <= CALLBACK_URL_BYTES_MAX
        && reqwest::Url::parse(text).is_ok_and(|url| url.scheme() == "http" && url.has_host())
}
