//! Lanes: commands that move stock wait in one of a few, and each lane takes all that wait as one transaction.
//!
//! A hot product's row is so written once for many orders. A lane that is idle takes a command at once, alone.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use kit::context::Context;
use kit::crash_point;
use kit::database::Database;
use kit::refusal::Failure;
use prost::Message;
use proto::Revised;
use tokio::sync::{mpsc, oneshot};

use super::Line;
use super::books::Ask;
use super::move_stock::{Command, Moved, move_stock};

/// Lanes of one process.
const LANES: usize = 4;
/// Commands that share a transaction.
const BATCH_COMMANDS_MAX: usize = 100;
/// Commands that wait in one lane; more wait outside of it.
const LANE_COMMANDS_MAX: usize = 1_024;

/// The lanes of one database; they end when the last clone is dropped.
#[derive(Clone, Debug)]
pub(crate) struct Lanes {
    database: Database,
    lanes: Arc<[mpsc::Sender<Waiting>]>,
}

#[derive(Debug)]
struct Waiting {
    command: Command,
    answer: oneshot::Sender<Result<Moved, Failure>>,
}

impl Lanes {
    /// Opens the lanes, within a Tokio runtime.
    pub fn open(database: Database) -> Self {
        let lanes = (0..LANES).map(|_| {
            let (sender, waiting) = mpsc::channel(LANE_COMMANDS_MAX);
            tokio::spawn(serve(database.clone(), waiting));
            sender
        });
        Self {
            lanes: lanes.collect(),
            database,
        }
    }

    /// Runs a command with others that wait; one with a `request_id` alone, because its row commits with its answer.
    pub async fn run<R: Message + Revised>(
        &self,
        command: Command,
        answer: impl FnOnce(Vec<Line>) -> R,
    ) -> Result<R, Failure> {
        if command.context.idempotency.is_some() {
            let transaction = self.database.begin_write(&command.context).await?;
            let moved = only(move_stock(&transaction, std::slice::from_ref(&command)).await?)?;
            transaction.include(&moved.revision);
            return transaction.commit(answer(moved.lines)).await;
        }
        let (sender, receiver) = oneshot::channel();
        let lane = &self.lanes[lane_of(&command)];
        let sent = lane
            .send(Waiting {
                command,
                answer: sender,
            })
            .await;
        sent.map_err(|_| anyhow::anyhow!("the lane is closed"))?;
        let moved = receiver.await.map_err(|_| anyhow::anyhow!("the lane broke"))??;
        let mut answer = answer(moved.lines);
        answer.set_revision(moved.revision);
        Ok(answer)
    }
}

/// Orders that begin with the same product meet in the same lane.
fn lane_of(command: &Command) -> usize {
    let first = match &command.ask {
        Ask::Reserve(lines) => lines.iter().map(|line| line.product_id.as_str()).min(),
        Ask::Fulfil(_) => None,
    };
    let mut hasher = DefaultHasher::new();
    first.unwrap_or(&command.order_id).hash(&mut hasher);
    usize::try_from(hasher.finish() % LANES as u64).unwrap_or_default()
}

async fn serve(database: Database, mut waiting: mpsc::Receiver<Waiting>) {
    let mut batch = Vec::with_capacity(BATCH_COMMANDS_MAX);
    while waiting.recv_many(&mut batch, BATCH_COMMANDS_MAX).await > 0 {
        let (commands, answers): (Vec<_>, Vec<_>) =
            batch.drain(..).map(|waiting| (waiting.command, waiting.answer)).unzip();
        // a task of its own: a panic breaks one batch and not the lane
        let first = match &commands[0].ask {
            Ask::Reserve(_) => "Reserve".to_owned(),
            Ask::Fulfil(wish) => format!("{wish:?}"),
        };
        let work = settle(database.clone(), commands, answers);
        let done = tokio::spawn(crash_point::during(move || format!("stock lane {first}"), work));
        if let Err(error) = done.await {
            tracing::error!(%error, "a batch of stock commands broke");
        }
    }
}

async fn settle(database: Database, commands: Vec<Command>, answers: Vec<oneshot::Sender<Result<Moved, Failure>>>) {
    let outcomes = match together(&database, &commands).await {
        Ok(outcomes) => outcomes,
        Err(failure) if failure.is_outage() => {
            tracing::warn!(%failure, commands = commands.len(), "a batch met an outage");
            commands.iter().map(|_| Err(failure.shared())).collect()
        }
        Err(failure) if commands.len() == 1 => vec![Err(failure)],
        Err(failure) => {
            // whichever command is to blame, the others shall not suffer from it
            tracing::info!(%failure, commands = commands.len(), "a batch is taken apart");
            let mut outcomes = Vec::with_capacity(commands.len());
            for command in &commands {
                let alone = together(&database, std::slice::from_ref(command)).await;
                outcomes.push(alone.and_then(only));
            }
            outcomes
        }
    };
    for (answer, outcome) in answers.into_iter().zip(outcomes) {
        // an error here says that the caller's task is gone, which is no concern of the others
        let _ = answer.send(outcome);
    }
}

async fn together(database: &Database, commands: &[Command]) -> Result<Vec<Result<Moved, Failure>>, Failure> {
    let context = Context::background(database.owner(), database.clock());
    let transaction = database.begin_bare(&context).await?;
    let outcomes = move_stock(&transaction, commands).await?;
    if outcomes.iter().all(Result::is_err) {
        transaction.rollback().await?;
    } else {
        transaction.commit_quietly().await?;
    }
    Ok(outcomes)
}

fn only(mut outcomes: Vec<Result<Moved, Failure>>) -> Result<Moved, Failure> {
    outcomes
        .pop()
        .unwrap_or_else(|| Err(anyhow::anyhow!("a command without an outcome").into()))
}
