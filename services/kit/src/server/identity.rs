//! Who is calling, and whether the method is for them: deny by default, by the table that the contracts generate.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::HeaderMap;
use proto::{METHODS, Method};

use super::deadline::Deadline;
use crate::caller::{Caller, CallerRefusal, Role};
use crate::clock::Clock;
use crate::edge::{Arrival, correlation_id};

/// How callers prove who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// They say so: user in `x-user-id`, role in `x-role` (default customer). For loopback addresses only.
    Dev,
}

#[derive(Clone, Debug)]
pub(super) struct Gate {
    identity: Identity,
    clock: Clock,
    methods: Arc<HashMap<&'static str, &'static Method>>,
}

impl Gate {
    pub(super) fn new(identity: Identity, clock: Clock) -> Self {
        let methods = METHODS.iter().map(|method| (method.path, method)).collect();
        Self {
            identity,
            clock,
            methods: Arc::new(methods),
        }
    }
}

pub(super) async fn admit(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    // the path alone: whatever follows a `?` reaches the handler all the same
    let path = request.uri().path().to_owned();
    let Some(method) = gate.methods.get(path.as_str()) else {
        // health, reflection, and what does not exist
        return next.run(request).await;
    };
    let caller = match gate.identity {
        Identity::Dev => self_declared(request.headers()),
    };
    let admitted = caller.and_then(|caller| allowed(method, caller));
    let caller = match admitted {
        Ok(caller) => caller,
        Err(refusal) => return super::turned_away(refusal.into(), request.headers()),
    };
    let arrival = Arrival {
        caller,
        correlation_id: correlation_id(text(request.headers(), "x-correlation-id")),
        method: path,
        deadline: request.extensions().get::<Deadline>().map(|deadline| deadline.0),
        clock: gate.clock.clone(),
    };
    request.extensions_mut().insert(arrival);
    next.run(request).await
}

fn self_declared(headers: &HeaderMap) -> Result<Caller, CallerRefusal> {
    let user = id(headers, "x-user-id");
    let on_behalf_of = id(headers, "x-on-behalf-of");
    let role = match text(headers, "x-role").unwrap_or("customer") {
        "customer" => Role::Customer,
        "gateway" => Role::Gateway,
        "service" => Role::Service,
        "admin" => Role::Admin,
        _ => return Err(CallerRefusal::IdentityMissing {}),
    };
    let actor = user.ok_or(CallerRefusal::IdentityMissing {})?;
    let on_behalf_of = on_behalf_of.filter(|_| role != Role::Customer);
    Ok(Caller::new(role, actor, on_behalf_of))
}

fn allowed(method: &Method, caller: Caller) -> Result<Caller, CallerRefusal> {
    if method.roles.contains(&caller.role()) {
        return Ok(caller);
    }
    let role = caller
        .role()
        .as_str_name()
        .trim_start_matches("ROLE_")
        .to_ascii_lowercase();
    Err(CallerRefusal::RoleNotAllowed {
        role,
        method: method.path.trim_start_matches('/').to_owned(),
    })
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn id(headers: &HeaderMap, name: &str) -> Option<String> {
    let valid = |id: &&str| {
        (1..=64).contains(&id.len())
            && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    text(headers, name).filter(valid).map(str::to_owned)
}
