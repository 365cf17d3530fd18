//! The check that runs by itself, and cries out only for what will not heal.
//!
//! A shop at work is read table by table, a moment apart, while orders are on their way: much of what a check finds then is
//! only not at rest yet. So a violation counts when the same thing breaks the same invariant in two rounds in a row and
//! nothing about it was under way in either. A round reads all tables, so it waits at least `every` after the last one
//! and so long that checking takes at most a twentieth of the time; two never run at once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use kit::refusal::Failure;
use sea_orm::FromQueryResult;
use tokio_util::sync::CancellationToken;

use super::{Ledger, NOT_PUBLISHED, Outcome, SAMPLES_MAX, all};

/// Between two rounds, so much of what the last one took.
const REST_PER_ROUND: u32 = 19;

/// What a round came to.
#[derive(Clone, Debug)]
pub struct Round {
    /// Rounds so far, this one included.
    pub number: u64,
    /// When it ended.
    pub ended_at: Timestamp,
    /// How long it took.
    pub took: Duration,
    /// What does not add up and will not by itself.
    pub alarms: Vec<Alarm>,
}

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// Its name.
    pub invariant: String,
    /// Its figure.
    pub figure: String,
    /// Things for which it does not hold, at least 1.
    pub violations: usize,
    /// Some of them.
    pub samples: Vec<String>,
}

/// What has to be quiet before a violation means anything.
enum Quiet {
    /// Nothing: one statement reads it all at once.
    Always,
    /// The order that it is of.
    Order,
    /// It only says that something is under way.
    Never,
}

fn quiet(invariant: &str) -> Quiet {
    match invariant {
        "payments-at-rest" | "checkouts-at-rest" | "views-hold-all" => Quiet::Never,
        "stock-follows-orders" | "payments-follow-orders" | "points-follow-orders" | "gateway-book-agrees" => {
            Quiet::Order
        }
        _ => Quiet::Always,
    }
}

#[derive(FromQueryResult)]
struct Id {
    id: String,
}

impl Ledger {
    /// Checks every so often until told to stop.
    pub(crate) async fn watch(self, every: Duration, stop: CancellationToken) {
        let mut suspects = BTreeSet::new();
        let (mut number, mut pause) = (0, every);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            let began = Instant::now();
            let outcomes = tokio::select! {
                () = stop.cancelled() => return,
                outcomes = self.round() => outcomes,
            };
            let took = began.elapsed();
            pause = every.max(took * REST_PER_ROUND);
            let outcomes = match outcomes {
                Ok(outcomes) => outcomes,
                Err(failure) => {
                    tracing::warn!(%failure, "the ledger is checked in the next round");
                    continue;
                }
            };
            let alarms = alarms(&outcomes, &suspects);
            for alarm in &alarms {
                let Alarm {
                    invariant,
                    figure,
                    violations,
                    samples,
                } = alarm;
                tracing::error!(invariant, figure, violations, ?samples, "the ledger does not add up");
            }
            suspects = outcomes.into_iter().flat_map(named).collect();
            number += 1;
            let ended_at = self.tables.order.clock().now();
            self.last.send_replace(Some(Arc::new(Round {
                number,
                ended_at,
                took,
                alarms,
            })));
        }
    }

    /// All invariants, without what is under way.
    async fn round(&self) -> Result<Vec<Outcome>, Failure> {
        let mut outcomes = Vec::new();
        for check in self.checks() {
            outcomes.push(check.await?);
        }
        let under_way = self.orders_under_way().await?;
        for outcome in &mut outcomes {
            match quiet(&outcome.name) {
                Quiet::Always => outcome.violations.retain(|what| !what.ends_with(NOT_PUBLISHED)),
                Quiet::Order => outcome.violations.retain(|order_id| !under_way.contains(order_id)),
                Quiet::Never => outcome.violations.clear(),
            }
        }
        Ok(outcomes)
    }

    async fn orders_under_way(&self) -> Result<BTreeSet<String>, Failure> {
        let checkouts = "SELECT order_id AS id FROM checkouts WHERE under_way_since IS NOT NULL";
        let mut ids: Vec<Id> = all(&self.tables.order, checkouts).await?;
        let payments = "SELECT order_id AS id FROM payments WHERE next_at IS NOT NULL";
        ids.extend(all::<Id>(&self.tables.payment, payments).await?);
        Ok(ids.into_iter().map(|row| row.id).collect())
    }
}

/// What broke in the round before as well.
fn alarms(outcomes: &[Outcome], suspects: &BTreeSet<(String, String)>) -> Vec<Alarm> {
    let alarm = |outcome: &Outcome| {
        let again = |what: &&String| suspects.contains(&(outcome.name.clone(), (*what).clone()));
        let again: Vec<String> = outcome.violations.iter().filter(again).cloned().collect();
        (!again.is_empty()).then(|| Alarm {
            invariant: outcome.name.clone(),
            figure: outcome.figure.clone(),
            violations: again.len(),
            samples: again.into_iter().take(SAMPLES_MAX).collect(),
        })
    };
    outcomes.iter().filter_map(alarm).collect()
}

fn named(outcome: Outcome) -> impl Iterator<Item = (String, String)> {
    let Outcome { name, violations, .. } = outcome;
    violations.into_iter().map(move |what| (name.clone(), what))
}
