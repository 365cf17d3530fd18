//! A payment with everything that is known of it.

use kit::context::Context;
use kit::refusal::Failure;
use proto::payment::v1::{GetPaymentRequest, GetPaymentResponse, PaymentRefund};

use super::{PaymentRefusal, records, store};
use crate::Payments;

pub(crate) async fn get_payment(
    state: Payments,
    _: Context,
    request: GetPaymentRequest,
) -> Result<GetPaymentResponse, Failure> {
    let GetPaymentRequest { order_id, attempt } = request;
    let payment = store::find(&state.database, &order_id, attempt).await?;
    let payment = payment.ok_or(PaymentRefusal::NotFound { order_id, attempt })?;
    let refunds = store::refunds(state.database.reader(), &payment).await?;
    let refunds = refunds.into_iter().map(|refund| PaymentRefund {
        refund_id: refund.refund_id,
        amount: Some(state.currency.money(refund.amount)),
        why: refund.why,
        done: refund.done,
    });
    Ok(GetPaymentResponse {
        payment: Some(payment.record(&state.currency)),
        journal: records::journal(&state.database, &payment).await?,
        refunds: refunds.collect(),
    })
}
