//! ResolveDeadLetter: a dead letter is passed over, and those behind it go on. InvestigateDeadLetter: somebody looks into it.

use kit::context::Context;
use kit::dead_letter::line::{self, Driven, drive};
use kit::refusal::Failure;
use proto::operations::v1::{
    InvestigateDeadLetterRequest, InvestigateDeadLetterResponse, ResolveDeadLetterRequest, ResolveDeadLetterResponse,
};

use super::{DeadLetters, operator};

pub(super) async fn resolve(
    state: DeadLetters,
    context: Context,
    request: ResolveDeadLetterRequest,
) -> Result<ResolveDeadLetterResponse, Failure> {
    let (addressee, letter) = state.find_addressed(&request.letter_id).await?;
    let operator = operator(&context, request.why);
    let transaction = addressee.database().begin_write(&context).await?;
    line::resolve(addressee, &transaction, &letter, &operator).await?;
    let answer = transaction.commit(ResolveDeadLetterResponse::default()).await?;
    loop {
        match drive(addressee, &letter.subject, None, &operator).await {
            Ok(Some(Driven { failure: None, .. })) => {}
            Ok(_) => return Ok(answer),
            // it is resolved all the same, and the line is found again
            Err(failure) => {
                tracing::warn!(consumer = addressee.name(), %failure, "a line of dead letters waits");
                return Ok(answer);
            }
        }
    }
}

pub(super) async fn investigate(
    state: DeadLetters,
    context: Context,
    request: InvestigateDeadLetterRequest,
) -> Result<InvestigateDeadLetterResponse, Failure> {
    let (addressee, letter) = state.find_addressed(&request.letter_id).await?;
    let operator = operator(&context, request.why);
    let transaction = addressee.database().begin_write(&context).await?;
    line::investigate(addressee, &transaction, &letter, &operator).await?;
    transaction.commit(InvestigateDeadLetterResponse::default()).await
}
