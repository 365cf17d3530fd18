//! Takes the lease of checkouts that are due and goes on with them, side by side with other instances.

use std::collections::HashMap;
use std::time::Duration;

use kit::context::Context;
use kit::crash_point;
use kit::refusal::Failure;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Held, leases, refunds};
use crate::Orders;
use crate::order::store as orders;

/// Checkouts that one process works on at once.
const AT_ONCE_MAX: usize = 128;
/// With more than these under way no others are taken: a lease is a commit, and shall be worth it.
const AT_ONCE_ENOUGH: usize = AT_ONCE_MAX / 2;
/// How long a due checkout may go unnoticed where nobody woke the worker.
const POLL: Duration = Duration::from_millis(500);
/// How long running work may take to end when the service stops; what is cut off goes on at the next start.
const DRAIN: Duration = Duration::from_secs(5);

impl Orders {
    /// Carries checkouts on until told to stop.
    pub async fn run(self, stop: CancellationToken) {
        let mut running = JoinSet::new();
        loop {
            let free = AT_ONCE_MAX - running.len();
            let leased = crash_point::during(|| "checkout worker".to_owned(), self.take_due(free)).await;
            let leased = leased.unwrap_or_else(|failure| {
                tracing::warn!(%failure, "checkouts wait for the database");
                Vec::new()
            });
            for mut held in leased {
                let orders = self.clone();
                let (direction, step) = (held.checkout.direction, held.checkout.step);
                let name = move || format!("checkout {} {}", direction.name(), step.name());
                running.spawn(crash_point::during(name, async move {
                    if let Err(failure) = orders.advance(&mut held).await {
                        orders.postpone(&held, &failure).await;
                    }
                }));
            }
            let full = running.len() > AT_ONCE_ENOUGH;
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(_) = running.join_next(), if full => {}
                () = self.wake.notified(), if !full => {}
                () = tokio::time::sleep(POLL) => {}
            }
            while running.try_join_next().is_some() {}
        }
        let drained = async { while running.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN, drained).await.is_err() {
            tracing::warn!("checkouts were still running; they go on at the next start");
        }
    }

    /// What is due and not held by another, under a fresh lease.
    async fn take_due(&self, limit: usize) -> Result<Vec<Held>, Failure> {
        let context = Context::background(self.database.owner(), self.database.clock());
        let checkouts = leases::take(&self.database, &context, limit).await?;
        if checkouts.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<&str> = checkouts.iter().map(|checkout| checkout.order_id.as_str()).collect();
        let reader = self.database.reader();
        let mut due = refunds::to_request(reader, &ids).await?;
        let orders = orders::list(reader, &ids)
            .await?
            .into_iter()
            .map(|order| (order.order_id.clone(), order));
        let mut orders: HashMap<_, _> = orders.collect();
        let held = checkouts.into_iter().filter_map(|checkout| {
            let order = orders.remove(&checkout.order_id)?;
            let due = due.extract_if(.., |refund| refund.order_id == order.order_id).collect();
            Some(Held::resumed(&self.database, checkout, order, due))
        });
        Ok(held.collect())
    }
}
