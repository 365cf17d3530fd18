//! kill −9: at every point before and after a commit, a publication or a call outside, and at random moments under load.
//!
//! `JANGTEO_CRASH_TIMES` (default 1) is at how many passings of each point a process is killed, `JANGTEO_KILLS` (default 5)
//! how often at random. Both engines each.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

#[macro_use]
mod caller;
mod points;
mod process;
mod random;
mod scenario;

use std::time::{Duration, Instant};

use jangteo::client::Connected;
use jangteo::config::Config;
use jangteo::ledger;

/// How long after the last fault a shop may be on its way to rest: 60 s, and 30 more where a 404 is waited out.
const AT_REST: Duration = Duration::from_secs(90);

/// Waits until all invariants hold and nothing is under way; tells how long that took.
async fn at_rest(address: &str, since: Instant) -> Duration {
    let shop = Connected::open(Some(address), &Config::default()).await.unwrap();
    loop {
        let broken: Vec<_> = ledger::check(&shop)
            .await
            .unwrap()
            .into_iter()
            .filter(|invariant| !invariant.holds)
            .collect();
        if broken.is_empty() {
            return since.elapsed();
        }
        assert!(since.elapsed() < AT_REST, "not at rest after {AT_REST:?}: {broken:#?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[expect(clippy::disallowed_methods, reason = "settings of the test, not of the shop")]
fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}
