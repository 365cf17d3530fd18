//! HTTP in, HTTP out: the paths of the contract, and the answers that are broken on purpose.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures::{StreamExt, stream};

use crate::contract::{Accepted, CancelRequest, OrderDetail, PaymentRequest, Refusal, TransactionDetail, success};
use crate::fate::Reply;
use crate::gateway::{Gateway, Receipt};

/// Largest request body.
const BODY_BYTES_MAX: usize = 16 * 1024;
/// From the first half of a body to the cut.
const RESET_PAUSE: Duration = Duration::from_millis(20);

pub(crate) fn router(gateway: Arc<Gateway>) -> Router {
    let api = Router::new()
        .route("/payments", post(post_payment).get(get_order))
        .route("/payments/{transaction_key}", get(get_transaction))
        .route("/payments/{transaction_key}/cancel", post(post_cancel))
        .layer(middleware::from_fn(require_user));
    Router::new()
        .nest("/api/v1", api)
        .route("/health", get(|| async { "ok" }))
        .fallback(|| async { Refusal::NotFound })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(gateway)
}

async fn require_user(request: Request, next: Next) -> Response {
    match request.headers().get("x-user-id") {
        Some(user) if !user.is_empty() => next.run(request).await,
        _ => Refusal::Invalid("the X-USER-ID header is required").into_response(),
    }
}

async fn post_payment(State(gateway): State<Arc<Gateway>>, body: Bytes) -> Result<Response, Refusal> {
    let hang = gateway.hang();
    let Receipt { transaction, reply } = gateway.accept_payment(PaymentRequest::parse(&body)?).await?;
    let text = success(Accepted::of(&transaction));
    Ok(match reply {
        Reply::SlowBody => json(dripping(text, hang)),
        Reply::ResetBody => json(cut_off(text)),
        Reply::MalformedBody => json(first_half(text)),
        _ => json(text),
    })
}

async fn get_order(
    State(gateway): State<Arc<Gateway>>,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Response, Refusal> {
    let order_id = query.get("orderId").ok_or(Refusal::Invalid("orderId is required"))?;
    let transactions = gateway.find_order(order_id).await?;
    Ok(json(success(OrderDetail::of(order_id, &transactions))))
}

async fn get_transaction(
    State(gateway): State<Arc<Gateway>>,
    Path(transaction_key): Path<String>,
) -> Result<Response, Refusal> {
    let transaction = gateway.find_transaction(&transaction_key).await?;
    Ok(json(success(TransactionDetail::of(&transaction))))
}

async fn post_cancel(
    State(gateway): State<Arc<Gateway>>,
    Path(transaction_key): Path<String>,
    body: Bytes,
) -> Result<Response, Refusal> {
    let CancelRequest { amount } =
        serde_json::from_slice(&body).map_err(|_| Refusal::Invalid("the body must be {\"amount\": integer}"))?;
    let transaction = gateway.cancel_payment(&transaction_key, amount).await?;
    Ok(json(success(TransactionDetail::of(&transaction))))
}

fn json(body: impl Into<Body>) -> Response {
    ([(CONTENT_TYPE, "application/json")], body.into()).into_response()
}

fn first_half(mut text: String) -> String {
    text.truncate(text.len() / 2);
    text
}

/// One byte after the other, evenly over `duration`.
fn dripping(text: String, duration: Duration) -> Body {
    let pause = duration / u32::try_from(text.len().max(1)).unwrap_or(u32::MAX);
    let drops = stream::iter(text.into_bytes()).then(move |byte| async move {
        tokio::time::sleep(pause).await;
        Ok::<_, std::io::Error>(Bytes::from(vec![byte]))
    });
    Body::from_stream(drops)
}

/// Half the body, then an error, at which the server drops the connection.
fn cut_off(text: String) -> Body {
    let half = stream::once(async { Ok(Bytes::from(first_half(text))) });
    let cut = stream::once(async {
        // Head and half body leave only if the stream pauses before it breaks.
        tokio::time::sleep(RESET_PAUSE).await;
        Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset))
    });
    Body::from_stream(half.chain(cut))
}
