//! HTTP in, HTTP out: the paths of the contract, and the answers that are broken on purpose.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures::{StreamExt, stream};

use crate::contract::{Accepted, CancelRequest, OrderDetail, PaymentRequest, Refusal, TransactionDetail, success};
use crate::control::{self, Calls, Control};
use crate::gateway::Gateway;
use crate::mode::Breakage;

/// Largest request body.
const BODY_BYTES_MAX: usize = 16 * 1024;
/// Blanks before a huge body, in pieces of 64 KiB: 10 MB.
const HUGE_PIECES: usize = 160;
const HUGE_PIECE: &[u8] = &[b' '; 64 * 1024];
/// Where nothing is known. A redirected POST or cancellation goes to its own path, where it would be done once more.
const NOWHERE: &str = "/api/v1/payments?orderId=nobody.1";
/// From the first half of a body to the cut.
const RESET_PAUSE: Duration = Duration::from_millis(20);

pub(crate) fn router(gateway: Arc<Gateway>) -> Router {
    let calls = Arc::<Calls>::default();
    let api = Router::new()
        .route("/payments", post(post_payment).get(get_order))
        .route("/payments/{transaction_key}", get(get_transaction))
        .route("/payments/{transaction_key}/cancel", post(post_cancel))
        .layer(middleware::from_fn(require_user))
        .layer(middleware::from_fn_with_state(calls.clone(), control::count));
    let control = Router::new()
        .route("/control", get(control::show).post(control::change))
        .with_state(Control {
            gateway: gateway.clone(),
            calls,
        });
    Router::new()
        .nest("/api/v1", api)
        .merge(control)
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
    let answer = gateway.clone().accept_payment(PaymentRequest::parse(&body)?).await?;
    let text = success(Accepted::of(&answer.truth));
    let echo = || String::from_utf8_lossy(&body).into_owned();
    Ok(answered(&gateway, answer.breakage, text, "/api/v1/payments", echo))
}

async fn get_order(
    State(gateway): State<Arc<Gateway>>,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Response, Refusal> {
    let order_id = query.get("orderId").ok_or(Refusal::Invalid("orderId is required"))?;
    let answer = gateway.find_order(order_id).await?;
    let text = success(OrderDetail::of(order_id, &answer.truth));
    Ok(answered(&gateway, answer.breakage, text, NOWHERE, String::new))
}

async fn get_transaction(
    State(gateway): State<Arc<Gateway>>,
    Path(transaction_key): Path<String>,
) -> Result<Response, Refusal> {
    let answer = gateway.find_transaction(&transaction_key).await?;
    let text = success(TransactionDetail::of(&answer.truth));
    Ok(answered(&gateway, answer.breakage, text, NOWHERE, String::new))
}

async fn post_cancel(
    State(gateway): State<Arc<Gateway>>,
    Path(transaction_key): Path<String>,
    body: Bytes,
) -> Result<Response, Refusal> {
    let CancelRequest { amount } =
        serde_json::from_slice(&body).map_err(|_| Refusal::Invalid("the body must be {\"amount\": integer}"))?;
    let answer = gateway.cancel_payment(&transaction_key, amount).await?;
    let text = success(TransactionDetail::of(&answer.truth));
    let here = format!("/api/v1/payments/{transaction_key}/cancel");
    Ok(answered(&gateway, answer.breakage, text, &here, String::new))
}

/// The true answer, or what has become of it on its way.
fn answered(
    gateway: &Gateway,
    breakage: Option<Breakage>,
    text: String,
    location: &str,
    echo: impl FnOnce() -> String,
) -> Response {
    match breakage {
        Some(Breakage::Slow) => json(dripping(text, gateway.hang())),
        Some(Breakage::Reset) => json(cut_off(text)),
        Some(Breakage::Malformed) => json(first_half(text)),
        Some(Breakage::Huge) => json(huge(text)),
        Some(Breakage::Redirect) => (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, location.to_owned())]).into_response(),
        Some(Breakage::Echo) => (StatusCode::BAD_GATEWAY, format!("cannot handle {}", echo())).into_response(),
        Some(Breakage::Silence | Breakage::Error) | None => json(text),
    }
}

fn json(body: impl Into<Body>) -> Response {
    ([(CONTENT_TYPE, "application/json")], body.into()).into_response()
}

fn first_half(mut text: String) -> String {
    text.truncate(text.len() / 2);
    text
}

/// The text, at the end of what nobody should read.
fn huge(text: String) -> Body {
    let blanks = stream::iter(0..HUGE_PIECES).map(|_| Ok::<_, std::io::Error>(Bytes::from_static(HUGE_PIECE)));
    Body::from_stream(blanks.chain(stream::once(async { Ok(Bytes::from(text)) })))
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
