//! An operator has the gateway asked now, or its money given back.

use kit::context::Context;
use kit::outbox;
use kit::refusal::Failure;
use proto::event::v1::PaymentResolved;
use proto::event::v1::event::Fact;
use proto::payment::v1::{Resolution, ResolvePaymentRequest, ResolvePaymentResponse};

use super::sync_payment::ask;
use super::{PaymentRefusal, State, store};
use crate::Payments;

pub(crate) async fn resolve_payment(
    state: Payments,
    context: Context,
    request: ResolvePaymentRequest,
) -> Result<ResolvePaymentResponse, Failure> {
    let resolution = request.resolution();
    let ResolvePaymentRequest {
        order_id, attempt, why, ..
    } = request;
    let not_found = || PaymentRefusal::NotFound {
        order_id: order_id.clone(),
        attempt,
    };
    let payment = store::find(&state.database, &order_id, attempt)
        .await?
        .ok_or_else(not_found)?;
    if resolution == Resolution::Refund {
        payment.owes_its_capture()?;
    }
    // what its book proves is done at once, whatever was wanted; what was never sent is in no book
    if payment.posts > 0 {
        ask(&state, &context, &order_id, attempt).await?;
    }

    let transaction = state.database.begin_write(&context).await?;
    let mut payment = store::lock(&transaction, &order_id, attempt)
        .await?
        .ok_or_else(not_found)?;
    if payment.state == State::Queued {
        payment.next_at = Some(context.now);
    }
    payment.version += 1;
    store::save(&transaction, &payment).await?;
    let resolution = resolution.as_str_name().trim_start_matches("RESOLUTION_").to_owned();
    let asked = format!("resolve {resolution}");
    store::note_why(&transaction, &payment, &asked, payment.state.name(), &why).await?;
    let fact = PaymentResolved {
        payment: Some(payment.told(&state.currency)),
        resolution,
        why,
    };
    outbox::append(
        &transaction,
        &payment.subject(),
        payment.version,
        Fact::PaymentResolved(fact),
    );
    let payment = Some(payment.record(&state.currency));
    let answer = transaction
        .commit(ResolvePaymentResponse {
            payment,
            revision: String::new(),
        })
        .await?;
    state.wake.notify_one();
    Ok(answer)
}
