//! What the gateway calls: a hint from a stranger, which makes us ask the gateway and is otherwise not believed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use kit::crash_point;
use kit::refusal::Failure;
use serde::Deserialize;

use crate::Payments;
use crate::payment::store;

const BODY_BYTES_MAX: usize = 64 * 1024;
/// How long a callback may take to arrive and be noted.
const CALLBACK_WITHIN: Duration = Duration::from_secs(5);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Hint {
    order_id: String,
    #[serde(default)]
    transaction_key: String,
}

/// Lets so many callbacks a second pass, and as many at once after a quiet second. What is turned away costs time, no money:
/// the payment is looked up all the same.
struct Gate {
    per_second: f64,
    state: Mutex<(f64, Instant)>,
}

impl Gate {
    fn new(per_second: u32) -> Self {
        let per_second = f64::from(per_second);
        Self {
            per_second,
            state: Mutex::new((per_second, Instant::now())),
        }
    }

    fn passes(&self, now: Instant) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (left, since) = *state;
        let gained = now.saturating_duration_since(since).as_secs_f64() * self.per_second;
        let left = (left + gained).min(self.per_second);
        let passes = left >= 1.0;
        *state = (if passes { left - 1.0 } else { left }, now);
        passes
    }
}

impl Payments {
    /// The routes of the callback port: `POST /callbacks/{secret}`, bodies up to 64 KiB,
    /// [`Settings::callbacks_per_second_max`](crate::Settings::callbacks_per_second_max) a second, 429 beyond.
    pub fn callbacks(&self) -> Router {
        let gate = Arc::new(Gate::new(self.settings.callbacks_per_second_max));
        Router::new()
            .route("/callbacks/{secret}", post(receive))
            .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
            .layer(middleware::from_fn_with_state(gate, bounded))
            .with_state(self.clone())
    }
}

async fn bounded(State(gate): State<Arc<Gate>>, request: Request, next: Next) -> Response {
    if !gate.passes(Instant::now()) {
        return StatusCode::TOO_MANY_REQUESTS.into_response();
    }
    let answer = tokio::time::timeout(CALLBACK_WITHIN, next.run(request)).await;
    answer.unwrap_or_else(|_| StatusCode::REQUEST_TIMEOUT.into_response())
}

async fn receive(State(payments): State<Payments>, Path(secret): Path<String>, body: Bytes) -> StatusCode {
    // digests: how long a comparison of them takes tells a guesser nothing
    let digest = |secret: &str| payments.vault.digest(secret.as_bytes());
    if digest(&secret) != digest(&payments.settings.callback_secret) {
        return StatusCode::NOT_FOUND;
    }
    let hint = serde_json::from_slice::<Hint>(&body).ok();
    let Some((hint, order_id, attempt)) = hint.as_ref().and_then(|hint| {
        let (order_id, attempt) = hint.order_id.rsplit_once('.')?;
        Some((hint, order_id, attempt.parse::<i32>().ok()?))
    }) else {
        return StatusCode::BAD_REQUEST;
    };
    let hinted = hinted(&payments, order_id, attempt, &hint.transaction_key);
    match crash_point::during(|| "callback".to_owned(), hinted).await {
        Ok(()) => StatusCode::OK,
        Err(failure) => {
            tracing::warn!(%failure, "a callback is made up for by the next look-up");
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}

async fn hinted(payments: &Payments, order_id: &str, attempt: i32, transaction_key: &str) -> Result<(), Failure> {
    let transaction = payments.database.begin_bare(&payments.context()).await?;
    store::hint(&transaction, order_id, attempt, transaction_key).await?;
    transaction.commit_quietly().await?;
    payments.wake.notify_one();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_a_second_pass_and_no_more() {
        let (gate, now) = (Gate::new(10), Instant::now());
        let passing = |now| (0..100).filter(|_| gate.passes(now)).count();
        assert_eq!(passing(now), 10);
        assert_eq!(passing(now + Duration::from_millis(500)), 5);
        assert_eq!(passing(now + Duration::from_secs(3_600)), 10);
        assert_eq!(passing(now), 0);
    }
}
