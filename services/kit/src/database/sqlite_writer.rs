//! The one writer of a SQLite file: lent to one command at a time, as a savepoint of a group that commits as one.
//!
//! A member that has done its part gives the connection to whoever waits and stands in line again; when its turn comes
//! and the group is still open, it commits for all. Nobody waiting means its turn comes at once.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::{
    ConnAcquireErr, DatabaseConnection, DatabaseTransaction, DbErr, RuntimeErr, SqliteTransactionMode, SqlxError,
    TransactionOptions, TransactionTrait,
};
use tokio::sync::{Mutex, OwnedMutexGuard, watch};

use super::{ACQUIRE_SECONDS_MAX, trouble};
use crate::refusal::Failure;

/// How long a command waits for its turn.
const TURN_MAX: Duration = Duration::from_secs(ACQUIRE_SECONDS_MAX);

#[derive(Debug)]
pub(super) struct SqliteWriter {
    connection: DatabaseConnection,
    commands_per_commit: usize,
    // a fair lock: commands are served in the order they came
    open: Arc<Mutex<Option<Group>>>,
}

#[derive(Debug)]
struct Group {
    transaction: DatabaseTransaction,
    members: usize,
    outcome: watch::Sender<Option<Result<(), String>>>,
}

/// The connection, for the time of one command.
#[derive(Debug)]
pub(super) struct Loan {
    pub(super) savepoint: DatabaseTransaction,
    group: OwnedMutexGuard<Option<Group>>,
    line: Arc<Mutex<Option<Group>>>,
}

impl SqliteWriter {
    pub(super) fn new(connection: DatabaseConnection, commands_per_commit: usize) -> Self {
        Self {
            connection,
            commands_per_commit,
            open: Arc::new(Mutex::new(None)),
        }
    }

    pub(super) fn connection(&self) -> &DatabaseConnection {
        &self.connection
    }

    /// Waits for its turn and begins a savepoint.
    ///
    /// The wait is bounded: behind a lock of another process everyone would stand for as long as all before it together.
    pub(super) async fn lend(self: &Arc<Self>) -> Result<Loan, DbErr> {
        let turn = tokio::time::timeout(TURN_MAX, self.open.clone().lock_owned()).await;
        let group = turn.map_err(|_| DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))?;
        let writer = Arc::clone(self);
        // to its end, also when the command gives up: a BEGIN that nobody waits for is undone by sea-orm and by sqlx, and the
        // second time takes the whole group with it
        let joined = tokio::spawn(async move { writer.join(group).await });
        joined.await.map_err(|error| lost(&error.to_string()))?
    }

    /// Begins a savepoint in the open group, or in a new one.
    async fn join(&self, mut group: OwnedMutexGuard<Option<Group>>) -> Result<Loan, DbErr> {
        if group
            .as_ref()
            .is_some_and(|group| group.members >= self.commands_per_commit)
        {
            commit(&mut group).await;
        }
        if group.is_none() {
            let begun = match self.begin().await {
                // after a statement that undid the whole group, as on a full disk, the connection counts a transaction
                // that is no longer there
                Err(error) if trouble(&error).is_none() => {
                    self.renew().await?;
                    self.begin().await
                }
                begun => begun,
            };
            let transaction = begun?;
            *group = Some(Group {
                transaction,
                members: 0,
                outcome: watch::Sender::new(None),
            });
        }
        let savepoint = savepoint(&group).await?;
        Ok(Loan {
            savepoint,
            group,
            line: self.open.clone(),
        })
    }

    async fn begin(&self) -> Result<DatabaseTransaction, DbErr> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..Default::default()
        };
        self.connection.begin_with_options(options).await
    }

    /// Closes the connection; the pool opens another.
    async fn renew(&self) -> Result<(), DbErr> {
        let broken = |error: SqlxError| DbErr::Conn(RuntimeErr::SqlxError(error.into()));
        let connection = self.connection.get_sqlite_connection_pool().acquire().await;
        connection.map_err(broken)?.close().await.map_err(broken)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a savepoint inside the immediate transaction of the group"
)]
async fn savepoint(group: &OwnedMutexGuard<Option<Group>>) -> Result<DatabaseTransaction, DbErr> {
    match group.as_ref() {
        Some(group) => group.transaction.begin().await,
        None => Err(lost("no open group")),
    }
}

impl Loan {
    /// Keeps what the command did and returns when the group has committed.
    pub(super) async fn commit(self) -> Result<(), Failure> {
        let Self {
            savepoint,
            mut group,
            line,
        } = self;
        savepoint.commit().await?;
        let Some(open) = group.as_mut() else {
            return Err(lost("no open group").into());
        };
        open.members += 1;
        let mut outcome = open.outcome.subscribe();
        drop(group);

        let turn = tokio::select! {
            biased;
            _ = outcome.wait_for(Option::is_some) => None,
            group = line.lock_owned() => Some(group),
        };
        // still ours to commit, unless somebody did while we stood in line
        if let Some(mut group) = turn
            && outcome.borrow().is_none()
        {
            // to its end, also when this command gives up: the others wait for the outcome
            let committed = tokio::spawn(async move { commit(&mut group).await });
            committed
                .await
                .map_err(|error| Failure::Unknown(lost(&error.to_string())))?;
        }
        let told = outcome.borrow().clone();
        match told {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => Err(Failure::Unknown(lost(&error))),
            None => Err(Failure::Unknown(lost("the group ended without an answer"))),
        }
    }

    /// Undoes what the command did; the group goes on.
    pub(super) async fn rollback(self) -> Result<(), DbErr> {
        let Self {
            savepoint, mut group, ..
        } = self;
        savepoint.rollback().await?;
        if group.as_ref().is_some_and(|group| group.members == 0) {
            // nobody else is in it, and nobody need find an open transaction later
            if let Some(group) = group.take() {
                group.transaction.rollback().await?;
            }
        }
        Ok(())
    }
}

async fn commit(group: &mut OwnedMutexGuard<Option<Group>>) {
    if let Some(group) = group.take() {
        let result = group.transaction.commit().await.map_err(|error| error.to_string());
        group.outcome.send_replace(Some(result));
    }
}

fn lost(reason: &str) -> DbErr {
    DbErr::Conn(RuntimeErr::Internal(reason.to_owned()))
}
