//! A refusal is a rule that said no, a failure everything else; only here does either become a `tonic::Status`.

pub mod registry;
mod status;

use std::fmt::Debug;
use std::time::Duration;

use sea_orm::DbErr;

use crate::context::Context;
use crate::database::{self, Trouble};

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
    /// The database did not do its part; nothing was changed.
    Database(DbErr),
    /// The database did not say what became of a commit: the change was made whole, or not at all.
    Unknown(DbErr),
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
    /// The failure of a commit.
    pub(crate) fn of_commit(error: DbErr) -> Self {
        if database::is_undone(&error) {
            Self::Database(error)
        } else {
            Self::Unknown(error)
        }
    }

    /// Whether the database rolled this back because of others, so that the same command may just be run again.
    #[must_use]
    pub fn lost_a_race(&self) -> bool {
        matches!(self, Self::Database(error) if database::trouble(error) == Some(Trouble::Contended))
    }

    /// Whether an event that failed so is as good as untried: the database was in trouble, or others held the same rows.
    #[must_use]
    pub fn spares_the_event(&self) -> bool {
        self.is_outage() || self.lost_a_race()
    }

    /// Whether the database, rather than the command, is in trouble.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        match self {
            Self::Database(error) => matches!(database::trouble(error), Some(Trouble::Broken | Trouble::Outage)),
            Self::Unknown(_) => true,
            _ => false,
        }
    }

    /// Whether the same command may be run again without a second effect. After a commit of unknown outcome that takes
    /// a `request_id`, under which the second run finds what the first has done.
    #[must_use]
    pub fn may_run_again(&self, context: &Context) -> bool {
        match self {
            Self::Database(error) => database::trouble(error).is_some(),
            Self::Unknown(_) => context.idempotency.is_some(),
            _ => false,
        }
    }

    /// The same failure, for another of those who shared the transaction.
    #[must_use]
    pub fn shared(&self) -> Self {
        match self {
            Self::Database(error) => Self::Database(error.clone()),
            Self::Unknown(error) => Self::Unknown(error.clone()),
            failure => Self::Internal(anyhow::anyhow!("shared: {failure}")),
        }
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
            Self::Unknown(error) => write!(formatter, "the outcome of the commit is not known: {error}"),
            Self::Internal(error) => write!(formatter, "internal: {error:#}"),
        }
    }
}
