//! Calls beyond what the process can work on are turned away at once; health is always answered.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use tokio::sync::Semaphore;

use crate::refusals;

refusals! {
    /// Why a call is turned away before it is looked at.
    pub enum OverloadRefusal {
        /// As many calls are in flight as the process takes.
        Overloaded {} => Unavailable "OVERLOADED",
            en "the server has all its hands full",
            ko "서버가 혼잡합니다", retry 500,
    }
}

#[derive(Clone, Debug)]
pub(super) struct Limit(Arc<Semaphore>);

impl Limit {
    pub(super) fn new(calls: usize) -> Self {
        Self(Arc::new(Semaphore::new(calls)))
    }
}

pub(super) async fn shed(State(limit): State<Limit>, request: Request, next: Next) -> Response {
    if request.uri().path().starts_with("/grpc.health.") {
        return next.run(request).await;
    }
    match limit.0.try_acquire() {
        Ok(_held) => next.run(request).await,
        Err(_) => super::turned_away(OverloadRefusal::Overloaded {}.into(), request.headers()),
    }
}
