//! Waiting for a state, and never for a time.

use std::fmt::{Debug, Display};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

/// How long a test waits for a state before it fails.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Looks until there is something; fails with what was seen last where it does not come in time.
pub async fn eventually<T, S: Debug>(what: impl Display, look: impl AsyncFnMut() -> Result<T, S>) -> T {
    within(PATIENCE, what, look).await
}

/// As [`eventually`], with another patience.
pub async fn within<T, S: Debug>(
    patience: Duration,
    what: impl Display,
    mut look: impl AsyncFnMut() -> Result<T, S>,
) -> T {
    let end = Instant::now() + patience;
    let mut seen = None;
    // a look that does not end is bounded, too
    while let Ok(looked) = timeout_at(end, look()).await {
        match looked {
            Ok(found) => return found,
            Err(other) => seen = Some(other),
        }
        sleep(LOOK_AGAIN).await;
    }
    panic!("{what}: not within {patience:?}, but {seen:#?}")
}

/// Waits until it is so.
pub async fn until(what: impl Display, mut is_so: impl AsyncFnMut() -> bool) {
    eventually(what, async || if is_so().await { Ok(()) } else { Err("otherwise") }).await;
}
