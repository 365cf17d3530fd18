//! The one place where the time is read; everything behind the edge gets `now` as an argument.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;

/// Tells the time: the system's, or one that a test moves forward.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    ahead_microseconds: Arc<AtomicI64>,
}

impl Clock {
    /// The present moment, whole microseconds, as databases and events keep it.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the edge where time enters")]
    pub fn now(&self) -> Timestamp {
        from_microseconds(Timestamp::now().as_microsecond() + self.ahead_microseconds.load(Ordering::Relaxed))
    }

    /// Moves this clock, and all its clones, forward.
    pub fn advance(&self, by: Duration) {
        let microseconds = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        self.ahead_microseconds.fetch_add(microseconds, Ordering::Relaxed);
    }
}

/// A time as a database column holds it: microseconds since 1970-01-01T00:00:00Z.
#[must_use]
pub fn from_microseconds(microseconds: i64) -> Timestamp {
    Timestamp::from_microsecond(microseconds).unwrap_or(Timestamp::MAX)
}

/// The time on the wire.
#[must_use]
pub fn to_proto(time: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: time.as_second(),
        nanos: time.subsec_nanosecond(),
    }
}

/// The time from the wire; out of range becomes the nearest that fits.
#[must_use]
pub fn from_proto(time: &prost_types::Timestamp) -> Timestamp {
    Timestamp::new(time.seconds, time.nanos).unwrap_or(if time.seconds < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}
