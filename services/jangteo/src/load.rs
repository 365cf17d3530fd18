//! `jangteo load`: work for a shop, planned by rate, with latencies counted from the planned start.

pub mod replay;

use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::sync::Mutex;

/// Latencies of one kind of call, in microseconds, up to a minute.
#[derive(Debug)]
pub struct Latencies(Mutex<Histogram<u64>>);

/// The figures of one kind of call.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Figures {
    /// How many.
    pub count: u64,
    /// Milliseconds that half of them stayed within.
    pub p50_ms: f64,
    /// Milliseconds that 99 % stayed within.
    pub p99_ms: f64,
    /// Milliseconds that 99.9 % stayed within.
    pub p999_ms: f64,
    /// The slowest, in milliseconds.
    pub max_ms: f64,
}

impl Default for Latencies {
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(1, 60_000_000, 3).expect("the bounds are in order");
        Self(Mutex::new(histogram))
    }
}

impl Latencies {
    /// Counts one call.
    pub async fn record(&self, latency: Duration) {
        let microseconds = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.0.lock().await.saturating_record(microseconds.max(1));
    }

    /// The figures so far.
    pub async fn figures(&self) -> Figures {
        let histogram = self.0.lock().await;
        #[expect(clippy::cast_precision_loss, reason = "shown with two digits")]
        let milliseconds = |microseconds: u64| microseconds as f64 / 1_000.0;
        let at = |quantile: f64| milliseconds(histogram.value_at_quantile(quantile));
        Figures {
            count: histogram.len(),
            p50_ms: at(0.5),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: milliseconds(histogram.max()),
        }
    }
}
