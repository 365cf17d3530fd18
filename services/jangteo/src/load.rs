//! `jangteo load`: work for a shop, planned by rate, with latencies counted from the planned start.

pub mod place;
pub mod replay;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use hdrhistogram::Histogram;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::import::progress;

/// Tries of one call whose outcome is not known, with one `request_id`.
const TRIES_MAX: u32 = 10;

/// How fast the work comes.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Pieces of work a second.
    pub rate: f64,
    /// Pieces under way at once at most.
    pub in_flight_max: usize,
}

/// What came of it.
#[derive(Debug, serde::Serialize)]
pub struct Report {
    /// What was done.
    pub what: &'static str,
    /// Pieces that were done.
    pub done: u64,
    /// Pieces that were refused, by reason.
    pub refused: BTreeMap<String, u64>,
    /// Seconds from the first to the last.
    pub seconds: f64,
    /// Latencies: `from plan to end` of a piece, and those of single calls from when they were made.
    pub latencies: BTreeMap<&'static str, Figures>,
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refused: u64 = self.refused.values().sum();
        #[expect(clippy::cast_precision_loss, reason = "shown without digits")]
        let rate = (self.done + refused) as f64 / self.seconds;
        writeln!(
            formatter,
            "{:<18} {} done, {refused} refused in {:.1} s, {rate:.0} a second",
            self.what, self.done, self.seconds
        )?;
        for (reason, times) in &self.refused {
            writeln!(formatter, "{:<18} {times} × {reason}", "")?;
        }
        for (what, figures) in &self.latencies {
            let Figures {
                p50_ms,
                p99_ms,
                p999_ms,
                max_ms,
                ..
            } = figures;
            writeln!(
                formatter,
                "{what:<18} p50 {p50_ms:.1} ms, p99 {p99_ms:.1} ms, p99.9 {p999_ms:.1} ms, max {max_ms:.1} ms"
            )?;
        }
        Ok(())
    }
}

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

/// Latencies by kind of call, in microseconds, up to a minute.
#[derive(Debug, Default)]
pub(crate) struct Latencies(Mutex<BTreeMap<&'static str, Histogram<u64>>>);

impl Latencies {
    /// Counts one call.
    pub async fn record(&self, what: &'static str, latency: Duration) {
        let microseconds = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        let mut histograms = self.0.lock().await;
        let histogram = histograms
            .entry(what)
            .or_insert_with(|| Histogram::new_with_bounds(1, 60_000_000, 3).expect("the bounds are in order"));
        histogram.saturating_record(microseconds.max(1));
    }

    async fn figures(&self) -> BTreeMap<&'static str, Figures> {
        let histograms = self.0.lock().await;
        histograms
            .iter()
            .map(|(what, histogram)| (*what, figures(histogram)))
            .collect()
    }
}

fn figures(histogram: &Histogram<u64>) -> Figures {
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

/// Does each piece of work at its planned time, or as soon as fewer are under way than may be; a refusal is an answer, too.
pub(crate) async fn at_pace<W, F>(
    what: &'static str,
    work: Vec<W>,
    pace: &Pace,
    mut piece: impl FnMut(W, Arc<Latencies>) -> F,
) -> anyhow::Result<Report>
where
    F: Future<Output = anyhow::Result<Result<(), String>>> + Send + 'static,
{
    let latencies = Arc::new(Latencies::default());
    let in_flight = Arc::new(Semaphore::new(pace.in_flight_max));
    let bar = progress(what, work.len());
    let (mut done, mut refused) = (0, BTreeMap::<String, u64>::new());
    let mut count = |outcome: Result<(), String>| match outcome {
        Ok(()) => done += 1,
        Err(reason) => *refused.entry(reason).or_default() += 1,
    };

    let started = Instant::now();
    let mut running = tokio::task::JoinSet::new();
    for (number, one) in work.into_iter().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "a plan to the microsecond")]
        let planned = started + Duration::from_secs_f64(number as f64 / pace.rate);
        tokio::time::sleep_until(planned).await;
        let held = in_flight.clone().acquire_owned().await?;
        let (doing, latencies) = (piece(one, latencies.clone()), latencies.clone());
        running.spawn(async move {
            let _held = held;
            let outcome = doing.await?;
            latencies.record("from plan to end", planned.elapsed()).await;
            anyhow::Ok(outcome)
        });
        while let Some(ended) = running.try_join_next() {
            count(ended??);
            bar.inc(1);
        }
    }
    while let Some(ended) = running.join_next().await {
        count(ended??);
        bar.inc(1);
    }
    bar.finish();
    Ok(Report {
        what,
        done,
        refused,
        seconds: started.elapsed().as_secs_f64(),
        latencies: latencies.figures().await,
    })
}

/// Repeats a call while its outcome is not known; it must carry a `request_id` or be harmless to repeat.
pub(crate) async fn persistently<T, F: Future<Output = Result<T, Status>>>(
    call: impl Fn() -> F,
) -> anyhow::Result<Result<T, Status>> {
    for attempt in 1..=TRIES_MAX {
        match call().await {
            Err(status)
                if matches!(
                    status.code(),
                    Code::Unavailable | Code::Aborted | Code::DeadlineExceeded | Code::Cancelled | Code::Unknown
                ) =>
            {
                tokio::time::sleep(Duration::from_millis(100) * 2_u32.pow(attempt.min(6))).await;
            }
            answer => return Ok(answer),
        }
    }
    bail!("no answer after {TRIES_MAX} tries")
}

/// The reason of a refusal.
pub(crate) fn reason(status: &Status) -> String {
    status
        .get_details_error_info()
        .map_or_else(|| format!("{:?}", status.code()), |info| info.reason)
}
