//! What a database error says of the work that met it: run it again, wait, or look for the fault in the work itself.

use std::time::{Duration, Instant};

use sea_orm::{DbErr, RuntimeErr, SqlxError};

use super::{ACQUIRE_SECONDS_MAX, POSTGRES_CONNECTIONS_MAX};

/// Before the second try on another connection; grows with each.
const PAUSE: Duration = Duration::from_millis(5);
/// Until when another try may begin.
const AGAIN_WITHIN: Duration = Duration::from_secs(ACQUIRE_SECONDS_MAX);

/// What kept the database from doing its part. The transaction it happened in is rolled back, unless it was in its commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// This connection is dead, which says nothing of others.
    Broken,
    /// Not reached, shutting down, full, or too slow.
    Outage,
    /// Others changed the same things at the same time, or held them for too long.
    Contended,
}

/// The trouble behind an error; `None`: the work itself is at fault.
pub(crate) fn trouble(error: &DbErr) -> Option<Trouble> {
    match error {
        DbErr::ConnectionAcquire(_) | DbErr::Conn(RuntimeErr::Internal(_)) => Some(Trouble::Outage),
        DbErr::Conn(RuntimeErr::SqlxError(cause)) => Some(of(cause).unwrap_or(Trouble::Outage)),
        DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause)) => of(cause),
        _ => None,
    }
}

/// Whether a commit that failed so is known to have kept nothing. Anything else may come from a commit that was done.
pub(crate) fn is_undone(error: &DbErr) -> bool {
    let (DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause))) = error else {
        return false;
    };
    // transaction rollback, but for "completion unknown"; a constraint that was deferred to the commit
    let undone = |code: &str| (code.starts_with("40") && code != "40003") || code.starts_with("23");
    code(cause).is_some_and(|code| code.len() == SQLSTATE_LENGTH && undone(&code))
}

/// Does what changes nothing on one connection after another until one is alive: after a restart of the server, all
/// that the pool kept are dead, and are noticed one by one.
pub(super) async fn on_a_live_connection<T, F>(mut work: impl FnMut() -> F) -> Result<T, DbErr>
where
    F: Future<Output = Result<T, DbErr>>,
{
    let (begun, mut tried) = (Instant::now(), 0);
    loop {
        let outcome = work().await;
        let trouble = outcome.as_ref().err().and_then(trouble);
        let again = matches!(trouble, Some(Trouble::Broken | Trouble::Contended));
        if !again || tried >= POSTGRES_CONNECTIONS_MAX || begun.elapsed() >= AGAIN_WITHIN {
            return outcome;
        }
        tokio::time::sleep(PAUSE * tried).await;
        tried += 1;
    }
}

const SQLSTATE_LENGTH: usize = 5;

fn code(cause: &SqlxError) -> Option<String> {
    let error = cause.as_database_error()?;
    error.code().map(std::borrow::Cow::into_owned)
}

fn of(cause: &SqlxError) -> Option<Trouble> {
    match cause {
        SqlxError::Io(_) | SqlxError::Protocol(_) | SqlxError::WorkerCrashed | SqlxError::BeginFailed => {
            Some(Trouble::Broken)
        }
        SqlxError::PoolTimedOut | SqlxError::PoolClosed => Some(Trouble::Outage),
        _ => of_code(&code(cause)?),
    }
}

fn of_code(code: &str) -> Option<Trouble> {
    if code.len() != SQLSTATE_LENGTH {
        // the low byte of SQLite's result code: BUSY, LOCKED, NOMEM, IOERR, FULL, CANTOPEN
        let primary = code.parse::<u32>().ok()? & 0xff;
        return matches!(primary, 5 | 6 | 7 | 10 | 13 | 14).then_some(Trouble::Outage);
    }
    match (&code[..2], code) {
        // the session was ended: by an administrator, a crash, a shutdown, or for being idle
        (_, "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "25P04") | ("08", _) => Some(Trouble::Broken),
        // resources, intervention such as statement_timeout, the system; or a server that takes no writes any more
        ("53" | "57" | "58", _) | (_, "25006") => Some(Trouble::Outage),
        // serialization failure, deadlock; lock_timeout
        ("40", _) | (_, "55P03") => Some(Trouble::Contended),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_the_two_engines_are_not_mixed_up() {
        assert_eq!(of_code("40P01"), Some(Trouble::Contended));
        assert_eq!(of_code("57014"), Some(Trouble::Outage));
        assert_eq!(of_code("57P01"), Some(Trouble::Broken));
        assert_eq!(of_code("23505"), None);
        // SQLITE_BUSY and one of its kinds; SQLITE_CONSTRAINT_COMMITHOOK, which looks like a class of PostgreSQL's
        assert_eq!(of_code("5"), Some(Trouble::Outage));
        assert_eq!(of_code("517"), Some(Trouble::Outage));
        assert_eq!(of_code("531"), None);
    }
}
