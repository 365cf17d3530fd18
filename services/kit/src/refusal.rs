//! A refusal is a rule that said no, a failure everything else; only here does either become a `tonic::Status`.

pub mod registry;
mod status;

use std::fmt::Debug;
use std::time::Duration;

use sea_orm::DbErr;

pub use registry::{Kind, Reason};
pub use status::{Fault, Locale, sentence, status};

/// A rule said no. Made by [`refusals!`](crate::refusals), never by hand.
pub trait Refusal: Debug + Send + Sync + 'static {
    /// The row of the registry this refusal belongs to.
    fn reason(&self) -> &'static Reason;
    /// What a program needs to act on it, by name.
    fn metadata(&self) -> Vec<(&'static str, String)>;
    /// How long to wait before trying again, where trying again may help.
    fn retry_after(&self) -> Option<Duration> {
        self.reason().retry_after_milliseconds.map(Duration::from_millis)
    }
}

/// Why a command or a query has no answer of its own.
#[derive(Debug)]
pub enum Failure {
    /// A rule said no; nothing was changed.
    Refused(Box<dyn Refusal>),
    /// The same command was answered before; these are the bytes of that answer.
    Answered(Vec<u8>),
    /// Another service refused or failed; its status goes on as it is.
    Passed(Box<tonic::Status>),
    /// The database did not do its part.
    Database(DbErr),
    /// A failure of our own, told to the log and to nobody else.
    Internal(anyhow::Error),
}

impl<R: Refusal> From<R> for Failure {
    fn from(refusal: R) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

impl From<DbErr> for Failure {
    fn from(error: DbErr) -> Self {
        Self::Database(error)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Internal(error)
    }
}

impl From<tonic::Status> for Failure {
    fn from(status: tonic::Status) -> Self {
        Self::Passed(Box::new(status))
    }
}

impl Failure {
    /// Whether the database rolled this back because of others, so that the same command may just be run again.
    #[must_use]
    pub fn lost_a_race(&self) -> bool {
        let Self::Database(error) = self else { return false };
        // deadlock_detected, serialization_failure
        matches!(crate::database::error_code(error).as_deref(), Some("40P01" | "40001"))
    }

    /// Whether the database, rather than the command, is in trouble.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        let Self::Database(error) = self else { return false };
        crate::database::is_outage(error)
    }

    /// The stable reason of a refusal, also of one that another service gave.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::Refused(refusal) => Some(refusal.reason().reason.to_owned()),
            Self::Passed(status) => status::reason_of(status),
            _ => None,
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(refusal) => write!(formatter, "refused: {}", refusal.reason().reason),
            Self::Answered(_) => write!(formatter, "answered before"),
            Self::Passed(status) => write!(formatter, "passed on: {} {}", status.code(), status.message()),
            Self::Database(error) => write!(formatter, "database: {error}"),
            Self::Internal(error) => write!(formatter, "internal: {error:#}"),
        }
    }
}
