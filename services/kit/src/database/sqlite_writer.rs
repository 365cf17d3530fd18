//! The one writer of a SQLite file: lent to one command at a time, as a savepoint of a group that commits as one.
//!
//! A member that has done its part gives the connection to whoever waits and stands in line again; when its turn comes
//! and the group is still open, it commits for all. Nobody waiting means its turn comes at once.

use std::sync::Arc;

use sea_orm::{
    DatabaseConnection, DatabaseTransaction, DbErr, RuntimeErr, SqliteTransactionMode, TransactionOptions,
    TransactionTrait,
};
use tokio::sync::{Mutex, OwnedMutexGuard, watch};

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
    pub(super) async fn lend(&self) -> Result<Loan, DbErr> {
        let mut group = self.open.clone().lock_owned().await;
        if group
            .as_ref()
            .is_some_and(|group| group.members >= self.commands_per_commit)
        {
            commit(&mut group).await;
        }
        if group.is_none() {
            let options = TransactionOptions {
                sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
                ..Default::default()
            };
            let transaction = self.connection.begin_with_options(options).await?;
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
    pub(super) async fn commit(self) -> Result<(), DbErr> {
        let Self {
            savepoint,
            mut group,
            line,
        } = self;
        savepoint.commit().await?;
        let Some(open) = group.as_mut() else {
            return Err(lost("no open group"));
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
            commit(&mut group).await;
        }
        let told = outcome.borrow().clone();
        match told {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => Err(lost(&error)),
            None => Err(lost("the group ended without an answer")),
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
    DbErr::Conn(RuntimeErr::Internal(format!(
        "the outcome of the commit is not known: {reason}"
    )))
}
