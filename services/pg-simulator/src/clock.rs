//! The simulator's own clock, in UTC: a gateway does not share its caller's.

use jiff::Timestamp;

#[allow(
    clippy::disallowed_methods,
    reason = "this is the one place where the simulator looks at a clock"
)]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}
