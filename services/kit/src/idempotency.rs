//! `request_id`: the row commits with the effect, so that a repeated command gets its first answer and no second effect.

use prost::Message;
use sea_orm::FromQueryResult;
use sha2::{Digest, Sha256};

use crate::context::{Context, IdempotencyKey};
use crate::database::{Sql, WriteTransaction};
use crate::refusal::Failure;
use crate::{refusals, values};

/// How long an answer is kept.
pub const REQUEST_RETENTION_DAYS: i64 = 7;

refusals! {
    /// Why a `request_id` does not lead to an answer.
    pub enum RequestRefusal {
        /// The id was used before for another wish.
        Reused { request_id: String } => AlreadyExists "REQUEST_ID_REUSED",
            en "request id {request_id} was used for another request",
            ko "요청 ID {request_id} 은(는) 이미 다른 요청에 사용되었습니다",
        /// The same request is still being worked on.
        InProgress { request_id: String } => Aborted "REQUEST_IN_PROGRESS",
            en "request {request_id} is still in progress",
            ko "요청 {request_id} 을(를) 처리하고 있습니다", retry 200,
    }
}

#[derive(FromQueryResult)]
struct Row {
    fingerprint: Vec<u8>,
    answer: Option<Vec<u8>>,
}

/// The digest that tells one wish from another.
#[must_use]
pub fn fingerprint<M: Message>(message: &M) -> Vec<u8> {
    Sha256::digest(message.encode_to_vec()).to_vec()
}

/// Claims the key for this transaction; a concurrent twin waits here until the first has ended.
pub(crate) async fn claim(transaction: &WriteTransaction, context: &Context) -> Result<(), Failure> {
    let Some(key) = &context.idempotency else { return Ok(()) };
    let sql = "INSERT INTO requests (caller, method, request_id, fingerprint, created_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
    let mut values = key_values(context, key);
    values.extend(values![key.fingerprint.clone(), context.now.as_microsecond()]);
    if transaction.run(sql, values).await? == 1 {
        return Ok(());
    }
    let sql = "SELECT fingerprint, answer FROM requests WHERE caller = $1 AND method = $2 AND request_id = $3";
    let row: Option<Row> = transaction.find(sql, key_values(context, key)).await?;
    let request_id = key.request_id.to_string();
    Err(match row {
        Some(row) if row.fingerprint != key.fingerprint => RequestRefusal::Reused { request_id }.into(),
        Some(Row {
            answer: Some(answer), ..
        }) => Failure::Answered(answer),
        // the first is a process of several transactions that is not through, or was swept away this instant
        Some(_) | None => RequestRefusal::InProgress { request_id }.into(),
    })
}

/// Stores the answer under the key; without a key there is nothing to store.
///
/// # Errors
/// A database failure.
pub async fn complete(transaction: &WriteTransaction, context: &Context, answer: &[u8]) -> Result<(), Failure> {
    let Some(key) = &context.idempotency else { return Ok(()) };
    let sql = "UPDATE requests SET answer = $4 WHERE caller = $1 AND method = $2 AND request_id = $3";
    let mut values = key_values(context, key);
    values.extend(values![answer.to_vec()]);
    transaction.run(sql, values).await?;
    Ok(())
}

fn key_values(context: &Context, key: &IdempotencyKey) -> Vec<crate::Value> {
    let caller = format!(
        "{}/{}",
        context.caller.actor(),
        context.caller.on_behalf_of().unwrap_or_default()
    );
    values![caller, key.method.as_str(), key.request_id.to_string()]
}
