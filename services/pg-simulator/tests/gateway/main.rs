//! The gateway over real HTTP: its contract, its faults, its restarts.

#![allow(clippy::unwrap_used, reason = "this is a test from end to end, its helpers too")]

mod contract;
mod control;
mod faults;
mod restart;
mod support;
