//! Moves stock for one order or for a batch of them, in one transaction.

use std::collections::HashMap;

use kit::context::Context;
use kit::database::WriteTransaction;
use kit::outbox;
use kit::refusal::Failure;
use kit::revision::Revision;
use uuid::Uuid;

use super::books::{Ask, Verdict};
use super::{Line, store, subject};

/// What one order asks for, with the circumstances of its command.
#[derive(Debug)]
pub(crate) struct Command {
    pub context: Context,
    pub order_id: String,
    pub ask: Ask,
}

/// What an order is answered.
#[derive(Debug)]
pub(crate) struct Moved {
    /// What it reserved, if that was what it asked for.
    pub lines: Vec<Line>,
    pub revision: String,
}

/// Judges each command, in the order given, and writes what was granted. Others' refusals do no harm to a command; an
/// error is the error of all of them.
pub(crate) async fn move_stock(
    transaction: &WriteTransaction,
    commands: &[Command],
) -> Result<Vec<Result<Moved, Failure>>, Failure> {
    let opened = store::open(transaction, commands).await?;
    let mut books = opened.books.clone();
    let judged: Vec<_> = commands
        .iter()
        .map(|command| books.judge(&command.order_id, &command.ask))
        .collect();
    store::save(transaction, &opened, &books).await?;

    let mut last: HashMap<&str, Uuid> = HashMap::new();
    let mut answers = Vec::with_capacity(commands.len());
    for (command, verdict) in commands.iter().zip(judged) {
        answers.push(match verdict {
            Ok(verdict) => Ok(tell(transaction, command, verdict, &mut last).await?),
            Err(failure) => Err(failure),
        });
    }
    Ok(answers)
}

async fn tell<'a>(
    transaction: &WriteTransaction,
    command: &'a Command,
    Verdict { lines, told }: Verdict,
    last: &mut HashMap<&'a str, Uuid>,
) -> Result<Moved, Failure> {
    let mut revision = Revision::default();
    if told.is_empty() {
        let event = match last.get(command.order_id.as_str()) {
            Some(event) => Some(*event),
            None => outbox::last_event_of(&**transaction, &subject(&command.order_id)).await?,
        };
        event.into_iter().for_each(|event| revision.add(event));
    }
    for (subject, version, fact) in told {
        let event = outbox::append_for(transaction, &command.context, &subject, version, fact);
        revision.add(event);
        last.insert(&command.order_id, event);
    }
    let revision = revision.seal(transaction.database().signer());
    Ok(Moved { lines, revision })
}
