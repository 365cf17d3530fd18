//! RequestPayment: stores an attempt; the driver asks the gateway behind the answer.

use kit::context::Context;
use kit::outbox;
use kit::refusal::Failure;
use proto::event::v1::PaymentRequested;
use proto::event::v1::event::Fact;
use proto::payment::v1::{RequestPaymentRequest, RequestPaymentResponse};

use super::{Payment, PaymentRefusal, State, store};
use crate::Payments;
use crate::card::{CardRefusal, TEST_CARDS, last_four, store as cards};

pub(crate) async fn request_payment(
    state: Payments,
    context: Context,
    request: RequestPaymentRequest,
) -> Result<RequestPaymentResponse, Failure> {
    let amount = state.currency.minor_units(request.amount.as_ref())?;
    let user_id = context.user()?.to_owned();
    let transaction = state.database.begin_write(&context).await?;
    let (order_id, attempt) = (request.order_id, request.attempt);
    if let Some(known) = store::lock(&transaction, &order_id, attempt).await? {
        if known.state == State::Closed {
            return Err(PaymentRefusal::Closed { order_id, attempt }.into());
        }
        if known.amount != amount || known.card_token != request.card_token || known.user_id != user_id {
            return Err(PaymentRefusal::Differs { order_id, attempt }.into());
        }
        transaction.mention(&known.subject()).await?;
        let payment = known.shown(&state.currency);
        return transaction
            .commit(RequestPaymentResponse {
                payment,
                revision: String::new(),
            })
            .await;
    }
    let payment = Payment {
        last_four: state.digits(&context, &user_id, &request.card_token).await?,
        order_id,
        attempt,
        user_id,
        amount,
        card_token: request.card_token,
        ..Payment::new(State::Queued, context.now)
    };
    if !store::insert(&transaction, &payment, Some(context.now)).await? {
        return Err(anyhow::anyhow!("attempt {} was stored at the same time", payment.gateway_id()).into());
    }
    let told = PaymentRequested {
        payment: payment.told(&state.currency),
    };
    outbox::append(
        &transaction,
        &payment.subject(),
        payment.version,
        Fact::PaymentRequested(told),
    );
    let shown = payment.shown(&state.currency);
    let answer = transaction
        .commit(RequestPaymentResponse {
            payment: shown,
            revision: String::new(),
        })
        .await?;
    state.wake.notify_one();
    Ok(answer)
}

impl Payments {
    /// The last four digits of a card that this user may pay with.
    async fn digits(&self, context: &Context, user_id: &str, token: &str) -> Result<String, Failure> {
        if let Some((_, number)) = TEST_CARDS
            .iter()
            .find(|(known, _)| self.settings.test_cards && *known == token)
        {
            return Ok(last_four(number));
        }
        let card = cards::find(self.database.reader(), token).await?;
        let usable = card.filter(|card| {
            card.user_id == user_id && card.sealed.is_some() && card.expires_at > context.now.as_microsecond()
        });
        Ok(usable.ok_or(CardRefusal::TokenNotFound {})?.last_four)
    }
}
