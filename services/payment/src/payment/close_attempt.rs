//! An attempt that was not sent never will be; of any other, how it stands.

use kit::context::Context;
use kit::database::WriteTransaction;
use kit::outbox;
use kit::refusal::Failure;
use proto::payment::v1::{CloseAttemptRequest, CloseAttemptResponse};

use super::{Payment, store};
use crate::Payments;
use crate::card::store as cards;

pub(crate) async fn close_attempt(
    state: Payments,
    context: Context,
    request: CloseAttemptRequest,
) -> Result<CloseAttemptResponse, Failure> {
    let transaction = state.database.begin_write(&context).await?;
    let user_id = context.user()?.to_owned();
    let tombstone = Payment::tombstone(request.order_id, request.attempt, user_id, context.now);
    if store::insert(&transaction, &tombstone).await? {
        tell(&state, &transaction, &tombstone);
        return transaction.commit(answer(&state, &tombstone)).await;
    }

    let known = store::lock(&transaction, &tombstone.order_id, tombstone.attempt).await?;
    let known = known.unwrap_or(tombstone);
    let mut payment = known.clone();
    payment.close();
    if payment.state == known.state {
        transaction.mention(&payment.subject()).await?;
    } else {
        payment.version += 1;
        payment.updated_at = context.now;
        tell(&state, &transaction, &payment);
    }
    if payment != known {
        store::save(&transaction, &payment).await?;
        cards::forget(&transaction, &payment.card_token).await?;
    }
    transaction.commit(answer(&state, &payment)).await
}

fn tell(state: &Payments, transaction: &WriteTransaction, payment: &Payment) {
    if let Some(fact) = payment.fact(&state.currency) {
        outbox::append(transaction, &payment.subject(), payment.version, fact);
    }
}

fn answer(state: &Payments, payment: &Payment) -> CloseAttemptResponse {
    CloseAttemptResponse {
        payment: Some(payment.shown(&state.currency)),
        revision: String::new(),
    }
}
