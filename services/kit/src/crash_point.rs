//! Points at which a test ends the process: before and after every commit, every publication and every call outside.
//!
//! They sit where all of these pass ([`WriteTransaction`](crate::database::WriteTransaction), the relay,
//! [`Connection`](crate::in_process::Connection), a service's line to the outside), so no command can be without. A point is named
//! after the work that passes it: `OrderService/PlaceOrder: before commit`.
//!
//! Only with the feature `crash-points`; without it nothing of this is there at run time.

#[cfg(feature = "crash-points")]
pub use armed::{after, before, during};
#[cfg(not(feature = "crash-points"))]
pub use unarmed::{after, before, during};

/// The file to which the names of passed points are appended, one a line.
pub const LOG: &str = "JANGTEO_CRASH_POINTS";
/// Where to end: `<point>#<n>`, the n-th time that it is passed, from 1.
pub const AT: &str = "JANGTEO_CRASH_AT";

#[cfg(not(feature = "crash-points"))]
mod unarmed {
    /// Names the work that `future` does.
    pub fn during<F: Future>(_name: impl FnOnce() -> String, future: F) -> F {
        future
    }

    /// What is named comes next.
    #[inline]
    pub fn before(_what: &str) {}

    /// What is named is done.
    #[inline]
    pub fn after(_what: &str) {}
}

#[cfg(feature = "crash-points")]
#[expect(
    clippy::disallowed_methods,
    reason = "no setting of the shop: only a build for tests knows these"
)]
mod armed {
    use std::collections::HashMap;
    use std::io::Write;
    use std::sync::{LazyLock, Mutex, PoisonError};

    tokio::task_local! {
        static WORK: String;
    }

    #[derive(Default)]
    struct Passed {
        times: HashMap<String, usize>,
        log: Option<std::fs::File>,
    }

    static PASSED: LazyLock<Mutex<Passed>> = LazyLock::new(|| {
        let open = |path| std::fs::File::options().create(true).append(true).open(path).ok();
        Mutex::new(Passed {
            log: std::env::var_os(super::LOG).and_then(open),
            ..Passed::default()
        })
    });
    static AT: LazyLock<Option<(String, usize)>> = LazyLock::new(|| {
        let at = std::env::var(super::AT).ok()?;
        let (point, time) = at.rsplit_once('#')?;
        Some((point.to_owned(), time.parse().ok()?))
    });

    /// Names the work that `future` does.
    pub fn during<F: Future>(name: impl FnOnce() -> String, future: F) -> impl Future<Output = F::Output> {
        WORK.scope(name(), future)
    }

    /// What is named comes next.
    pub fn before(what: &str) {
        pass("before", what);
    }

    /// What is named is done.
    pub fn after(what: &str) {
        pass("after", what);
    }

    fn pass(moment: &str, what: &str) {
        let work = WORK.try_with(Clone::clone);
        let point = format!("{}: {moment} {what}", work.as_deref().unwrap_or("?"));
        let mut passed = PASSED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(log) = &mut passed.log {
            // a log that cannot be written leaves the test without points, which it notices
            let _ = writeln!(log, "{point}");
        }
        let times = passed.times.entry(point.clone()).or_default();
        *times += 1;
        if AT.as_ref().is_some_and(|(at, time)| *at == point && *time == *times) {
            std::process::abort();
        }
    }
}
