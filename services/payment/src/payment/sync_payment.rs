//! Asks the gateway now instead of when it is due.

use std::time::Duration;

use kit::context::Context;
use kit::refusal::Failure;
use proto::payment::v1::{SyncPaymentRequest, SyncPaymentResponse};
use tokio::time::Instant;

use super::drive_payment::Asked;
use super::{PaymentRefusal, State, store};
use crate::Payments;

/// How long to wait for a driver that is asking at this very moment.
const LEASE_WAIT: Duration = Duration::from_secs(4);
const LEASE_POLL: Duration = Duration::from_millis(50);

pub(crate) async fn sync_payment(
    state: Payments,
    context: Context,
    request: SyncPaymentRequest,
) -> Result<SyncPaymentResponse, Failure> {
    let (order_id, attempt) = (request.order_id, request.attempt);
    let not_found = || PaymentRefusal::NotFound {
        order_id: order_id.clone(),
        attempt,
    };
    let payment = store::find(&state.database, &order_id, attempt)
        .await?
        .ok_or_else(not_found)?;
    if payment.state != State::Queued && payment.next_at.is_some() {
        ask(&state, &context, &order_id, attempt).await?;
    }

    let transaction = state.database.begin_write(&context).await?;
    let payment = store::lock(&transaction, &order_id, attempt)
        .await?
        .ok_or_else(not_found)?;
    transaction.mention(&payment.subject()).await?;
    let payment = Some(payment.shown(&state.currency));
    transaction
        .commit(SyncPaymentResponse {
            payment,
            revision: String::new(),
        })
        .await
}

/// Takes the attempt from its driver, asks, and does what the book proves.
pub(super) async fn ask(state: &Payments, context: &Context, order_id: &str, attempt: i32) -> Result<(), Failure> {
    let patience = Instant::now() + LEASE_WAIT;
    let lease = loop {
        if let Some(lease) = store::lease_one(&state.database, context, order_id, attempt).await? {
            break lease;
        }
        if Instant::now() >= patience {
            return Err(PaymentRefusal::GatewayUnavailable {}.into());
        }
        tokio::time::sleep(LEASE_POLL).await;
    };
    match state.look(&lease).await? {
        Asked::Answered => Ok(()),
        Asked::InVain => Err(PaymentRefusal::GatewayUnavailable {}.into()),
    }
}
