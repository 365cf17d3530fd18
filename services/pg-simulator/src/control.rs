//! Changes what the gateway does while it runs, and shows what is in force.
//!
//! `GET /control` answers with [`Behaviour`] as JSON, with the calls that are open now and the most that
//! were open at once since the last change, and with how often each mode has happened since the start. `POST /control` takes a JSON object of names and values, as
//! [`Behaviour::set`] describes them, all or none; `profile` is set first:
//!
//! ```text
//! {"profile": "seed", "speed": 10, "hang": 20, "card:1234-5678-9012-3456": "captured_timeout+callback_lost"}
//! ```
//!
//! It answers like `GET`, or 400 with what is wrong. It belongs to whoever can reach the port, which is meant to be this
//! machine. Changes are forgotten when the gateway ends; what was accepted before a change keeps its fate.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, bail};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::config::Behaviour;
use crate::gateway::Gateway;

/// Name of the setting that goes before all others.
const PROFILE: &str = "profile";

/// Calls of the contract that are not answered.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    now: AtomicUsize,
    most: AtomicUsize,
}

/// A call until it is answered, or its caller has gone.
struct Open(Arc<Calls>);

#[derive(Clone)]
pub(crate) struct Control {
    pub gateway: Arc<Gateway>,
    pub calls: Arc<Calls>,
}

/// Counts a call for as long as it is open.
pub(crate) async fn count(State(calls): State<Arc<Calls>>, request: Request, next: Next) -> Response {
    let now = calls.now.fetch_add(1, Ordering::SeqCst) + 1;
    calls.most.fetch_max(now, Ordering::SeqCst);
    let _open = Open(calls);
    next.run(request).await
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

pub(crate) async fn show(State(control): State<Control>) -> Response {
    let (now, most) = (&control.calls.now, &control.calls.most);
    let calls = json!({ "now": now.load(Ordering::SeqCst), "most": most.load(Ordering::SeqCst) });
    let (behaviour, happened) = (control.gateway.behaviour(), control.gateway.happened().clone());
    Json(json!({ "behaviour": *behaviour, "calls": calls, "happened": happened })).into_response()
}

pub(crate) async fn change(State(control): State<Control>, Json(settings): Json<Map<String, Value>>) -> Response {
    let texts = settings.iter().map(|(name, value)| {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        (name.clone(), value)
    });
    let mut behaviour = control.gateway.behaviour().as_ref().clone();
    if let Err(error) = set_all(&mut behaviour, &texts.collect::<Vec<_>>()) {
        return (StatusCode::BAD_REQUEST, format!("{error:#}")).into_response();
    }
    control.gateway.behave(behaviour);
    let now = control.calls.now.load(Ordering::SeqCst);
    control.calls.most.store(now, Ordering::SeqCst);
    show(State(control)).await
}

/// Sets names to values, the profile first, and checks what comes of it.
///
/// # Errors
/// An unknown name, a value that does not fit, and what cannot be together.
pub fn set_all(behaviour: &mut Behaviour, settings: &[(String, String)]) -> anyhow::Result<()> {
    let (profile, others): (Vec<_>, Vec<_>) = settings.iter().partition(|(name, _)| name == PROFILE);
    for (name, value) in profile.into_iter().chain(others) {
        behaviour.set(name, value)?;
    }
    behaviour.check()
}

/// Sets names to values at the gateway behind a base URL, if there are any; returns what `GET /control` shows.
///
/// # Errors
/// When it does not answer, or refuses.
pub async fn send(base: &str, settings: &[(String, String)]) -> anyhow::Result<Value> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let url = format!("{}/control", base.trim_end_matches('/'));
    let settings: Map<String, Value> = settings
        .iter()
        .map(|(name, value)| (name.clone(), Value::from(value.as_str())))
        .collect();
    let request = if settings.is_empty() {
        client.get(&url)
    } else {
        client.post(&url).json(&settings)
    };
    let answer = request.send().await;
    let answer = answer.with_context(|| format!("no gateway simulator answers at {url}"))?;
    if !answer.status().is_success() {
        bail!("{}", answer.text().await?);
    }
    Ok(answer.json().await?)
}
