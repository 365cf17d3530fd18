//! The payment service against the gateway simulator: what the simulator's book says is the truth.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod attempts;
mod callbacks;
mod canaries;
mod cards;
mod hang;
mod hostile;
mod operators;
mod points;
mod protocol;
mod refunds;
mod seed;
mod service;
mod unsteady;

/// How much of it: so many as the variable says, or as many as CI has the time for.
#[expect(
    clippy::disallowed_methods,
    reason = "how much a test does is no setting of the shop"
)]
fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}
