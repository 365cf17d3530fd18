//! Stores an attempt; the driver asks the gateway behind the answer.

use kit::context::Context;
use kit::outbox;
use kit::refusal::Failure;
use proto::payment::v1::{RequestPaymentRequest, RequestPaymentResponse};

use super::{Payment, PaymentRefusal, store};
use crate::Payments;
use crate::card::{CardRefusal, store as cards};

pub(crate) async fn request_payment(
    state: Payments,
    context: Context,
    request: RequestPaymentRequest,
) -> Result<RequestPaymentResponse, Failure> {
    let transaction = state.database.begin_write(&context).await?;
    let user_id = context.user()?;
    let amount = state.currency.minor_units(request.amount.as_ref())?;
    if amount == 0 {
        return Err(PaymentRefusal::AmountZero {}.into());
    }

    let RequestPaymentRequest {
        order_id,
        attempt,
        card_token,
        ..
    } = request;
    let mut earlier = store::lock(&transaction, &order_id, attempt).await?;
    if earlier.is_none() {
        let waiting = store::waiting(&transaction, state.settings.queue_max).await?;
        if waiting >= state.settings.queue_max {
            return Err(PaymentRefusal::QueueFull { waiting }.into());
        }
        let last_four = match state.test_card(&card_token) {
            Some(number) => number.last_four(),
            // locked: a number that an attempt is about to need is not forgotten
            None => match cards::lock(&transaction, &card_token).await? {
                Some(card) if card.is_usable(user_id, context.now) => card.last_four,
                _ => return Err(CardRefusal::TokenNotFound {}.into()),
            },
        };
        let queued = Payment::queued(order_id.clone(), attempt, user_id.to_owned(), amount, context.now);
        let payment = Payment {
            card_token: card_token.clone(),
            last_four,
            ..queued
        };
        if store::insert(&transaction, &payment).await? {
            if let Some(fact) = payment.fact(&state.currency) {
                outbox::append(&transaction, &payment.subject(), payment.version, fact);
            }
            let answer = transaction.commit(answer(&state, &payment)).await?;
            state.wake.notify_one();
            return Ok(answer);
        }
        // a twin was faster
        earlier = store::lock(&transaction, &order_id, attempt).await?;
    }

    let earlier = earlier.ok_or_else(|| anyhow::anyhow!("attempt {order_id}.{attempt} is there and is not"))?;
    earlier.request_again(user_id, amount, &card_token)?;
    transaction.mention(&earlier.subject()).await?;
    transaction.commit(answer(&state, &earlier)).await
}

fn answer(state: &Payments, payment: &Payment) -> RequestPaymentResponse {
    RequestPaymentResponse {
        payment: Some(payment.shown(&state.currency)),
        revision: String::new(),
    }
}
