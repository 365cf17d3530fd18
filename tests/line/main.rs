//! The order service on a bad line to the others: calls that come late, are lost, or whose answer is held back.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bad_line;
mod facts;
mod house;
mod steps;
mod workers;
