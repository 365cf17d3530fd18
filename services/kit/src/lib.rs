//! The mechanisms that every service uses; no word of the shop's business is in here.
//!
//! A command walks `edge` → the service's verb → [`database::WriteTransaction`] → [`outbox`]; an event walks
//! [`outbox::Relay`] → [`bus`] → [`inbox`] or the journal of the read model.

pub mod breaker;
pub mod bus;
pub mod caller;
pub mod clock;
pub mod context;
pub mod crash_point;
pub mod database;
pub mod dead_letter;
pub mod edge;
pub mod id;
pub mod idempotency;
pub mod in_process;
pub mod inbox;
pub mod money;
pub mod outbox;
pub mod page_token;
pub mod pause;
pub mod refusal;
pub mod retention;
pub mod retries;
pub mod revision;
pub mod server;
pub mod signing;

/// A value bound to a statement.
pub use sea_orm::Value;

/// The rows of the registry that belong to the mechanisms.
pub const REASONS: &[&[refusal::Reason]] = &[
    caller::CallerRefusal::REASONS,
    dead_letter::DeadLetterRefusal::REASONS,
    edge::RequestFault::REASONS,
    idempotency::RequestRefusal::REASONS,
    outbox::overview::OutboxRefusal::REASONS,
    pause::ConsumerRefusal::REASONS,
    money::MoneyRefusal::REASONS,
    page_token::PageRefusal::REASONS,
    revision::RevisionRefusal::REASONS,
    server::OverloadRefusal::REASONS,
    server::TransportRefusal::REASONS,
    refusal::Fault::REASONS,
];
