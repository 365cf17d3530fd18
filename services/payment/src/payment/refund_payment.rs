//! Promises that captured money goes back; the driver sees to it.

use kit::context::Context;
use kit::outbox;
use kit::refusal::Failure;
use proto::event::v1::PaymentRefunding;
use proto::event::v1::event::Fact;
use proto::payment::v1::{RefundPaymentRequest, RefundPaymentResponse};

use super::{PaymentRefusal, Refund, store};
use crate::Payments;

pub(crate) async fn refund_payment(
    state: Payments,
    context: Context,
    request: RefundPaymentRequest,
) -> Result<RefundPaymentResponse, Failure> {
    let transaction = state.database.begin_write(&context).await?;
    let amount = state.currency.minor_units(request.amount.as_ref())?;
    if amount == 0 {
        return Err(PaymentRefusal::AmountZero {}.into());
    }

    let RefundPaymentRequest {
        order_id,
        attempt,
        refund_id,
        why,
        ..
    } = request;
    let known = store::lock(&transaction, &order_id, attempt).await?;
    let mut payment = known.ok_or(PaymentRefusal::NotFound { order_id, attempt })?;
    let refunds = store::refunds(&*transaction, &payment).await?;
    let refund = Refund {
        refund_id,
        amount,
        why,
        done: false,
    };
    if payment.promise(&refund, &refunds, context.now)? {
        payment.version += 1;
        payment.updated_at = context.now;
        store::insert_refund(&transaction, &payment, &refund).await?;
        store::save(&transaction, &payment).await?;
        let fact = PaymentRefunding {
            payment: Some(payment.told(&state.currency)),
            refund_id: refund.refund_id,
            amount: Some(state.currency.money(amount)),
            why: refund.why,
        };
        outbox::append(
            &transaction,
            &payment.subject(),
            payment.version,
            Fact::PaymentRefunding(fact),
        );
    } else {
        transaction.mention(&payment.subject()).await?;
    }
    let payment = Some(payment.shown(&state.currency));
    let answer = transaction
        .commit(RefundPaymentResponse {
            payment,
            revision: String::new(),
        })
        .await?;
    state.wake.notify_one();
    Ok(answer)
}
