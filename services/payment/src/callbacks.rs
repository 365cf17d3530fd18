//! What the gateway calls: a hint from a stranger, which makes us ask the gateway and is otherwise not believed.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use kit::crash_point;
use kit::refusal::Failure;
use serde::Deserialize;

use crate::Payments;
use crate::payment::store;

const BODY_BYTES_MAX: usize = 64 * 1024;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Hint {
    order_id: String,
}

impl Payments {
    /// The routes of the callback port: `POST /callbacks/{secret}`, bodies up to 64 KiB.
    pub fn callbacks(&self) -> Router {
        Router::new()
            .route("/callbacks/{secret}", post(receive))
            .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
            .with_state(self.clone())
    }
}

async fn receive(State(payments): State<Payments>, Path(secret): Path<String>, body: Bytes) -> StatusCode {
    // digests: how long a comparison of them takes tells a guesser nothing
    let digest = |secret: &str| payments.vault.digest(secret.as_bytes());
    if digest(&secret) != digest(&payments.settings.callback_secret) {
        return StatusCode::NOT_FOUND;
    }
    let hint = serde_json::from_slice::<Hint>(&body).ok();
    let attempt = hint.as_ref().and_then(|hint| hint.order_id.rsplit_once('.'));
    let attempt = attempt.and_then(|(order_id, attempt)| Some((order_id, attempt.parse::<i32>().ok()?)));
    let Some((order_id, attempt)) = attempt else {
        return StatusCode::BAD_REQUEST;
    };
    match crash_point::during(|| "callback".to_owned(), hinted(&payments, order_id, attempt)).await {
        Ok(()) => StatusCode::OK,
        Err(failure) => {
            tracing::warn!(%failure, "a callback is made up for by the next look-up");
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}

async fn hinted(payments: &Payments, order_id: &str, attempt: i32) -> Result<(), Failure> {
    let transaction = payments.database.begin_bare(&payments.context()).await?;
    store::hint(&transaction, order_id, attempt).await?;
    transaction.commit_quietly().await?;
    payments.wake.notify_one();
    Ok(())
}
