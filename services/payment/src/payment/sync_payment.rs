//! SyncPayment: ask the gateway now instead of when it is due.

use kit::context::Context;
use kit::refusal::Failure;
use proto::payment::v1::{SyncPaymentRequest, SyncPaymentResponse};

use super::{PaymentRefusal, store};
use crate::Payments;

pub(crate) async fn sync_payment(
    state: Payments,
    context: Context,
    request: SyncPaymentRequest,
) -> Result<SyncPaymentResponse, Failure> {
    let transaction = state.database.begin_write(&context).await?;
    let (order_id, attempt) = (request.order_id, request.attempt);
    let known = store::lock(&transaction, &order_id, attempt).await?;
    let payment = known.ok_or_else(|| PaymentRefusal::NotFound {
        order_id: order_id.clone(),
        attempt,
    })?;
    store::hint(&transaction, &order_id, attempt).await?;
    transaction.mention(&payment.subject()).await?;
    let payment = payment.shown(&state.currency);
    let answer = transaction
        .commit(SyncPaymentResponse {
            payment,
            revision: String::new(),
        })
        .await?;
    state.wake.notify_one();
    Ok(answer)
}
