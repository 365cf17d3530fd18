//! The payment service against the gateway simulator: what the simulator's book says is the truth.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod attempts;
mod cards;
mod operators;
mod points;
mod protocol;
mod refunds;
mod service;
mod unsteady;
