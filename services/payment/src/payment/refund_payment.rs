//! RefundPayment: promises that money goes back; the driver sees to it.

use kit::context::Context;
use kit::outbox;
use kit::refusal::Failure;
use proto::event::v1::PaymentRefunding;
use proto::event::v1::event::Fact;
use proto::payment::v1::{RefundPaymentRequest, RefundPaymentResponse};

use super::store::{self, Refund};
use super::{PaymentRefusal, State};
use crate::Payments;

pub(crate) async fn refund_payment(
    state: Payments,
    context: Context,
    request: RefundPaymentRequest,
) -> Result<RefundPaymentResponse, Failure> {
    let amount = state.currency.minor_units(request.amount.as_ref())?;
    let transaction = state.database.begin_write(&context).await?;
    let (order_id, attempt) = (request.order_id, request.attempt);
    let known = store::lock(&transaction, &order_id, attempt).await?;
    let mut payment = known.ok_or_else(|| PaymentRefusal::NotFound {
        order_id: order_id.clone(),
        attempt,
    })?;
    let promised = store::refunds(&*transaction, &order_id, attempt).await?;
    let refund = Refund {
        refund_id: request.refund_id,
        order_id,
        attempt,
        amount,
        done: false,
    };
    match store::promise(&transaction, &refund).await? {
        Some(known)
            if Refund {
                done: false,
                ..known.clone()
            } == refund =>
        {
            transaction.mention(&payment.subject()).await?
        }
        Some(known) => {
            return Err(PaymentRefusal::RefundDiffers {
                refund_id: known.refund_id,
            }
            .into());
        }
        None => {
            payment.check_refund(amount, promised.iter().map(|refund| refund.amount).sum())?;
            payment.state = State::Refunding;
            payment.version += 1;
            payment.updated_at = context.now;
            store::save(&transaction, &payment, Some(context.now)).await?;
            let told = PaymentRefunding {
                payment: payment.told(&state.currency),
                refund_id: refund.refund_id,
                amount: Some(state.currency.money(amount)),
                why: request.why,
            };
            outbox::append(
                &transaction,
                &payment.subject(),
                payment.version,
                Fact::PaymentRefunding(told),
            );
        }
    }
    let payment = payment.shown(&state.currency);
    let answer = transaction
        .commit(RefundPaymentResponse {
            payment,
            revision: String::new(),
        })
        .await?;
    state.wake.notify_one();
    Ok(answer)
}
