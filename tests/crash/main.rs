//! kill −9: at every point before and after a commit, a publication or a call outside, and at random moments under load;
//! and a database that fails under a shop that lives.
//!
//! `JANGTEO_CRASH_TIMES` is how often a process is killed at each point, at one passing after the other, on both engines;
//! without it once, on one of the two. `JANGTEO_CRASH_POINTS` is a part of the names of the points that are meant, or all.
//! `JANGTEO_KILLS` (default 5) is how often at random, on both engines; `JANGTEO_OUTAGES` (default 2) how often PostgreSQL
//! fails in each way.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

#[macro_use]
mod caller;
mod crowd;
mod outages;
mod points;
mod process;
mod proxy;
mod random;
mod scenario;

use std::fmt::Debug;
use std::str::FromStr;
use std::time::{Duration, Instant};

use jangteo::client::Connected;
use jangteo::config::Config;
use jangteo::ledger;
use proto::operations::v1::CheckResponse;

/// How long after the last fault a shop may be on its way to rest: 60 s, and 30 more where a 404 is waited out.
const AT_REST: Duration = Duration::from_secs(90);

/// Waits until all invariants hold and nothing is under way; tells how long that took.
async fn at_rest(address: &str, since: Instant) -> Duration {
    let shop = Connected::open(Some(address), &Config::default()).await.unwrap();
    loop {
        // a database that is short of time may not let it finish
        let broken: Vec<CheckResponse> = match ledger::check(&shop).await {
            Ok(checked) => checked.into_iter().filter(|invariant| !invariant.holds).collect(),
            Err(status) => vec![CheckResponse {
                name: status.to_string(),
                ..Default::default()
            }],
        };
        if broken.is_empty() {
            return since.elapsed();
        }
        assert!(since.elapsed() < AT_REST, "not at rest after {AT_REST:?}: {broken:#?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[expect(clippy::disallowed_methods, reason = "settings of the test, not of the shop")]
fn setting<T: FromStr<Err: Debug>>(name: &str, default: T) -> T {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}
