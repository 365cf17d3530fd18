//! What a command knows besides its message: who asked, when, and what it belongs to.

use std::time::Instant;

use jiff::Timestamp;
use uuid::Uuid;

use crate::caller::{Caller, CallerRefusal};
use crate::clock::Clock;
use crate::id::new_id;
use crate::refusal::Locale;

/// The circumstances of one command or query.
#[derive(Clone, Debug)]
pub struct Context {
    /// Who asks.
    pub caller: Caller,
    /// The time of the command; every rule uses this one.
    pub now: Timestamp,
    /// Ties together all that one request of the outside set in motion.
    pub correlation_id: String,
    /// The event that caused this, if one did.
    pub causation_id: String,
    /// W3C trace context, empty where none came.
    pub traceparent: String,
    /// The language the caller reads.
    pub locale: Locale,
    /// When the caller stops waiting, if it said so.
    pub deadline: Option<Instant>,
    /// The key under which a repeated command gets its first answer again.
    pub idempotency: Option<IdempotencyKey>,
}

/// What makes two commands the same command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// The full path of the RPC.
    pub method: String,
    /// Chosen by the caller, one for each thing it wants done.
    pub request_id: Uuid,
    /// A digest of the message, so that another wish under the same id is noticed.
    pub fingerprint: Vec<u8>,
}

impl Context {
    /// The circumstances of work that a service does by itself.
    #[must_use]
    pub fn background(service: &str, clock: &Clock) -> Self {
        Self {
            caller: Caller::service(service, None),
            now: clock.now(),
            correlation_id: new_id(),
            causation_id: String::new(),
            traceparent: String::new(),
            locale: Locale::default(),
            deadline: None,
            idempotency: None,
        }
    }

    /// The same circumstances for work that belongs to `user`.
    #[must_use]
    pub fn for_user(mut self, user: &str) -> Self {
        self.caller = Caller::new(
            self.caller.role(),
            self.caller.actor().to_owned(),
            Some(user.to_owned()),
        );
        self
    }

    /// The user whose things this is about.
    ///
    /// # Errors
    /// `USER_MISSING` where nobody is named.
    pub fn user(&self) -> Result<&str, CallerRefusal> {
        self.caller.user()
    }
}
