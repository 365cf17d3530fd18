//! Waiting for a state, and never for a time.

use std::fmt::{Debug, Display};
use std::time::{Duration, Instant};

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
    loop {
        match look().await {
            Ok(found) => return found,
            Err(seen) => assert!(Instant::now() < end, "{what}: not within {patience:?}, but {seen:#?}"),
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Waits until it is so.
pub async fn until(what: impl Display, mut is_so: impl AsyncFnMut() -> bool) {
    eventually(what, async || if is_so().await { Ok(()) } else { Err("otherwise") }).await;
}
