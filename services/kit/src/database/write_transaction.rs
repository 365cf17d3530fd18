//! One command's change: its statements, its events and its `request_id` row commit together or not at all.

use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prost::Message;
use proto::Revised;
use sea_orm::DatabaseTransaction;

use super::sqlite_writer::Loan;
use super::{Database, Sql};
use crate::context::Context;
use crate::crash_point;
use crate::outbox::{self, Told};
use crate::refusal::Failure;
use crate::revision::Revision;
use crate::values;

/// An open write transaction. Dropped without a commit, it leaves nothing behind.
#[derive(Debug)]
pub struct WriteTransaction {
    database: Database,
    context: Context,
    inner: Inner,
    told: Mutex<Vec<Told>>,
    revision: Mutex<Revision>,
}

#[derive(Debug)]
enum Inner {
    Alone(DatabaseTransaction),
    InGroup(Box<Loan>),
}

impl Deref for WriteTransaction {
    type Target = DatabaseTransaction;

    fn deref(&self) -> &DatabaseTransaction {
        match &self.inner {
            Inner::Alone(transaction) => transaction,
            Inner::InGroup(loan) => &loan.savepoint,
        }
    }
}

impl WriteTransaction {
    pub(super) fn alone(database: &Database, context: &Context, transaction: DatabaseTransaction) -> Self {
        Self::new(database, context, Inner::Alone(transaction))
    }

    pub(super) fn in_group(database: &Database, context: &Context, loan: Loan) -> Self {
        Self::new(database, context, Inner::InGroup(Box::new(loan)))
    }

    fn new(database: &Database, context: &Context, inner: Inner) -> Self {
        Self {
            database: database.clone(),
            context: context.clone(),
            inner,
            told: Mutex::default(),
            revision: Mutex::default(),
        }
    }

    /// The circumstances of the command.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The database this writes to.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.database
    }

    pub(crate) fn tell(&self, told: Told) {
        locked(&self.revision).add(told.event_id);
        locked(&self.told).push(told);
    }

    /// Names the last event of an aggregate in the revision, for a command that found nothing to change.
    ///
    /// # Errors
    /// A database failure.
    pub async fn mention(&self, subject: &str) -> Result<(), Failure> {
        if let Some(event_id) = outbox::last_event_of(&**self, subject).await? {
            locked(&self.revision).add(event_id);
        }
        Ok(())
    }

    /// Names the events of another service's answer in the revision; a token that is not ours adds nothing.
    pub fn include(&self, revision: &str) {
        if let Ok(other) = Revision::open(revision, &self.database.signer) {
            locked(&self.revision).extend(&other);
        }
    }

    /// Names what was told and mentioned so far, for an answer that is stored with what it answers.
    #[must_use]
    pub fn revision(&self) -> String {
        locked(&self.revision).seal(&self.database.signer)
    }

    /// Commits with the answer: writes the events and the `request_id` row, sets the answer's revision, and wakes the
    /// relay once all is durable.
    ///
    /// # Errors
    /// A database failure, after which nothing was changed; `Failure::Unknown` when the commit itself was not answered.
    pub async fn commit<R: Message + Revised>(self, mut answer: R) -> Result<R, Failure> {
        answer.set_revision(self.revision());
        crate::idempotency::complete(&self, &self.context, &answer.encode_to_vec()).await?;
        self.commit_quietly().await?;
        Ok(answer)
    }

    /// Commits work that answers nobody.
    ///
    /// # Errors
    /// As [`WriteTransaction::commit`].
    pub async fn commit_quietly(self) -> Result<(), Failure> {
        let told = std::mem::take(&mut *locked(&self.told));
        let woken = !told.is_empty();
        outbox::write(&self, told).await?;
        let commits = Arc::clone(&self.database.commits);
        crash_point::before("commit");
        match self.inner {
            Inner::Alone(transaction) => transaction.commit().await.map_err(Failure::of_commit)?,
            Inner::InGroup(loan) => loan.commit().await?,
        }
        crash_point::after("commit");
        if woken {
            commits.send_modify(|count| *count = count.wrapping_add(1));
        }
        Ok(())
    }

    /// Undoes everything.
    ///
    /// # Errors
    /// A database failure; the transaction is gone all the same.
    pub async fn rollback(self) -> Result<(), Failure> {
        match self.inner {
            Inner::Alone(transaction) => transaction.rollback().await?,
            Inner::InGroup(loan) => loan.rollback().await?,
        }
        Ok(())
    }

    /// Raises the version of an aggregate by one and returns it: `UPDATE <table> SET version = version + 1`.
    ///
    /// # Errors
    /// A database failure, or no such row.
    pub async fn next_version(&self, table: &str, key: &str, id: &str) -> Result<i64, Failure> {
        let sql = format!("UPDATE {table} SET version = version + 1 WHERE {key} = $1 RETURNING version");
        let row: Option<Version> = self.find(&sql, values![id]).await?;
        row.map(|row| row.version)
            .ok_or_else(|| Failure::Internal(anyhow::anyhow!("no row {id} in {table}")))
    }
}

#[derive(sea_orm::FromQueryResult)]
struct Version {
    version: i64,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
