//! A line of dead letters goes on: its first is given to its consumer again or passed over, then those that wait behind it.
//!
//! Each step is one transaction: the effect, the mark of the event and the letter's new state. Whoever is interrupted
//! between two steps leaves a line whose first letter waits behind nothing; [`go_on`] finds it.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt};
use proto::event::v1::Event;
use sea_orm::FromQueryResult;
use tokio_util::sync::CancellationToken;

use super::listing::{Letter, find, first};
use super::{DeadLetterRefusal, State, class_name, class_of, state_name};
use crate::context::Context;
use crate::crash_point;
use crate::database::{Database, Sql, WriteTransaction};
use crate::pause;
use crate::refusal::Failure;
use crate::retries::Retries;
use crate::values;

/// How often lines are looked for that nobody goes on with.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// A line that has not moved for so long was left by whoever moved it; a re-drive pauses for 1 s at most.
const LEFT_AFTER_MICROSECONDS: i64 = 10_000_000;
const LINES_MAX: u32 = 100;
/// Lines that go on side by side, so that their commits can be shared.
const LINES_AT_ONCE_MAX: usize = 16;

/// Whom events can be given again.
#[async_trait]
pub trait Addressee: Debug + Send + Sync + 'static {
    /// The consumer's name.
    fn name(&self) -> &'static str;
    /// Where its letters are, and its effects.
    fn database(&self) -> &Database;
    /// How often it tries.
    fn retries(&self) -> Retries;
    /// Until the transaction ends, nobody else adds to, or takes from, the letters of the subject.
    async fn lock(&self, transaction: &WriteTransaction, subject: &str) -> Result<(), Failure>;
    /// Applies the event and marks it as handled; nothing if it is marked already.
    async fn apply(&self, transaction: &WriteTransaction, event: &Event) -> Result<(), Failure>;
    /// Marks as handled an event that is not to be applied.
    async fn pass_over(&self, transaction: &WriteTransaction, event_id: &str) -> Result<(), Failure>;
    /// Runs after an effect is durable.
    fn committed(&self) {}
}

/// Who does something about a letter, and why.
#[derive(Clone, Debug, Default)]
pub struct Operator {
    /// The caller; empty where a line goes on by itself.
    pub name: String,
    /// In its words.
    pub why: String,
}

/// A letter that was given to its consumer again.
#[derive(Debug)]
pub struct Driven {
    /// The letter as it was before.
    pub letter: Letter,
    /// What went wrong; `None`: it was applied.
    pub failure: Option<Failure>,
    /// The revision of the events that the effect told of.
    pub revision: String,
}

/// Gives the first letter of a line to its consumer again: one that waits, or the one of sequence `wanted`. `None`: there
/// is no such first letter.
///
/// # Errors
/// A database failure; the line is as it was.
pub async fn drive(
    addressee: &dyn Addressee,
    subject: &str,
    wanted: Option<i64>,
    operator: &Operator,
) -> Result<Option<Driven>, Failure> {
    let name = addressee.name();
    loop {
        let Some(letter) = first(addressee.database().reader(), name, subject).await? else {
            return Ok(None);
        };
        if letter.state() != State::Waiting && Some(letter.sequence) != wanted {
            return Ok(None);
        }
        // what an operator names is tried all the same, and nothing follows it
        if letter.state() == State::Waiting && pause::is_paused(addressee.database().reader(), name).await? {
            return Ok(None);
        }
        let tried = addressee.retries().run(|| redrive(addressee, &letter, operator)).await;
        let (failure, revision) = match tried {
            // others have gone on with the line meanwhile
            Ok(None) => continue,
            Ok(Some(revision)) => (None, revision),
            Err((failure, _)) if failure.spares_the_event() => return Err(failure),
            Err((failure, attempts)) => {
                note_failure(addressee, &letter, &failure, attempts, operator).await?;
                (Some(failure), String::new())
            }
        };
        addressee.committed();
        return Ok(Some(Driven {
            letter,
            failure,
            revision,
        }));
    }
}

/// The revision of the effect; `None`: the letter is no longer the first of its line.
async fn redrive(addressee: &dyn Addressee, letter: &Letter, operator: &Operator) -> Result<Option<String>, Failure> {
    let database = addressee.database();
    let delivery = letter.delivery(database.reader()).await?;
    let transaction = database.begin_bare(&delivery.context(database)).await?;
    addressee.lock(&transaction, &letter.subject).await?;
    let now_first = first(&*transaction, addressee.name(), &letter.subject).await?;
    if now_first.is_none_or(|now_first| now_first.sequence != letter.sequence) {
        transaction.rollback().await?;
        return Ok(None);
    }
    let event = delivery.event().map_err(anyhow::Error::from)?;
    addressee.apply(&transaction, event).await?;
    settle(&transaction, letter, State::Redriven, operator).await?;
    let revision = transaction.revision();
    transaction.commit_quietly().await?;
    Ok(Some(revision))
}

/// A letter that waited, and was tried in vain, is dead.
async fn note_failure(
    addressee: &dyn Addressee,
    letter: &Letter,
    failure: &Failure,
    attempts: u32,
    operator: &Operator,
) -> Result<(), Failure> {
    tracing::error!(consumer = addressee.name(), event_id = letter.event_id, subject = letter.subject, %failure, "dead letter, again");
    let database = addressee.database();
    let context = Context::background(database.owner(), database.clock());
    let transaction = database.begin_bare(&context).await?;
    let sql =
        "UPDATE dead_letters SET state = CASE WHEN state = 'WAITING' THEN 'DEAD' ELSE state END, reason_class = $2,
            error = $3, attempts = attempts + $4, last_at = $5, redriven_at = $5, operator = $6, why = $7
        WHERE sequence = $1 AND settled_at IS NULL";
    let values = values![
        letter.sequence,
        class_name(class_of(failure)),
        failure.to_string(),
        i64::from(attempts),
        context.now.as_microsecond(),
        operator.name.as_str(),
        operator.why.as_str(),
    ];
    transaction.run(sql, values).await?;
    transaction.commit_quietly().await
}

async fn settle(
    transaction: &WriteTransaction,
    letter: &Letter,
    state: State,
    operator: &Operator,
) -> Result<(), Failure> {
    let redriven = i64::from(state == State::Redriven);
    let sql = "UPDATE dead_letters SET state = $2, settled_at = $3, operator = $4, why = $5, attempts = attempts + $6,
            last_at = CASE WHEN $6 = 1 THEN $3 ELSE last_at END, redriven_at = CASE WHEN $6 = 1 THEN $3 ELSE redriven_at END
        WHERE sequence = $1";
    let values = values![
        letter.sequence,
        state_name(state),
        transaction.context().now.as_microsecond(),
        operator.name.as_str(),
        operator.why.as_str(),
        redriven,
    ];
    transaction.run(sql, values).await?;
    Ok(())
}

/// Passes a dead letter over: its event is never applied, and those behind it go on. Resolved before, it stays so.
///
/// # Errors
/// `DEAD_LETTER_WAITING`, `DEAD_LETTER_SETTLED`, `DEAD_LETTER_NOT_FOUND`; a database failure.
pub async fn resolve(
    addressee: &dyn Addressee,
    transaction: &WriteTransaction,
    letter: &Letter,
    operator: &Operator,
) -> Result<(), Failure> {
    if stands(addressee, transaction, letter, State::Resolved).await? {
        return Ok(());
    }
    addressee.pass_over(transaction, &letter.event_id).await?;
    settle(transaction, letter, State::Resolved, operator).await
}

/// Notes that somebody looks into a dead letter: re-drives of many leave it alone.
///
/// # Errors
/// As [`resolve`].
pub async fn investigate(
    addressee: &dyn Addressee,
    transaction: &WriteTransaction,
    letter: &Letter,
    operator: &Operator,
) -> Result<(), Failure> {
    if stands(addressee, transaction, letter, State::Investigating).await? {
        return Ok(());
    }
    let sql = "UPDATE dead_letters SET state = 'INVESTIGATING', operator = $2, why = $3 WHERE sequence = $1";
    let values = values![letter.sequence, operator.name.as_str(), operator.why.as_str()];
    transaction.run(sql, values).await?;
    Ok(())
}

/// Whether the letter is in the wished state already; refused where it is not the dead one of its line.
async fn stands(
    addressee: &dyn Addressee,
    transaction: &WriteTransaction,
    letter: &Letter,
    wished: State,
) -> Result<bool, Failure> {
    addressee.lock(transaction, &letter.subject).await?;
    let owner = addressee.database().owner();
    let letter_id = letter.id(owner);
    let Some(letter) = find(&**transaction, letter.sequence).await? else {
        return Err(DeadLetterRefusal::NotFound { letter_id }.into());
    };
    match letter.state() {
        state if state == wished => Ok(true),
        State::Dead | State::Investigating => Ok(false),
        State::Waiting => {
            let first = first(&**transaction, addressee.name(), &letter.subject).await?;
            let behind = first.map(|first| first.id(owner)).unwrap_or_default();
            Err(DeadLetterRefusal::Waiting { letter_id, behind }.into())
        }
        state => {
            let state = state_name(state).to_owned();
            Err(DeadLetterRefusal::Settled { letter_id, state }.into())
        }
    }
}

#[derive(FromQueryResult)]
struct Left {
    subject: String,
}

/// Goes on with lines that somebody left in the middle, until told to stop.
pub async fn go_on(addressees: Vec<Arc<dyn Addressee>>, stop: CancellationToken) {
    loop {
        for addressee in &addressees {
            let gone_on = crash_point::during(|| "dead letters".to_owned(), go_on_once(addressee.as_ref())).await;
            if let Err(failure) = gone_on {
                tracing::warn!(consumer = addressee.name(), %failure, "lines of dead letters wait");
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_AGAIN) => {}
        }
    }
}

/// Goes on with the lines of one consumer that nobody has moved for 10 s, unless it is paused.
///
/// # Errors
/// A database failure; the lines are found again.
pub async fn go_on_once(addressee: &dyn Addressee) -> Result<(), Failure> {
    let database = addressee.database();
    let before = database.clock().now().as_microsecond() - LEFT_AFTER_MICROSECONDS;
    let sql = format!(
        "SELECT subject FROM dead_letters WHERE consumer = $1
            AND subject IN (SELECT subject FROM dead_letters WHERE consumer = $1 AND state = 'WAITING')
        GROUP BY subject
        HAVING COUNT(CASE WHEN state IN ('DEAD', 'INVESTIGATING') THEN 1 END) = 0 AND MAX(COALESCE(settled_at, 0)) < $2
        LIMIT {LINES_MAX}"
    );
    loop {
        if pause::is_paused(database.reader(), addressee.name()).await? {
            return Ok(());
        }
        let left: Vec<Left> = database.reader().list(&sql, values![addressee.name(), before]).await?;
        let full = left.len() == LINES_MAX as usize;
        let lines = left.into_iter().map(|Left { subject }| async move {
            let nobody = Operator::default();
            while let Some(Driven { failure: None, .. }) = drive(addressee, &subject, None, &nobody).await? {}
            Ok::<_, Failure>(())
        });
        let lines: Vec<_> = lines.collect();
        futures::stream::iter(lines)
            .buffer_unordered(LINES_AT_ONCE_MAX)
            .try_collect::<()>()
            .await?;
        if !full {
            return Ok(());
        }
    }
}
