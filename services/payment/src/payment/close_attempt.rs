//! CloseAttempt: an attempt that was not posted never will be; of any other, how it stands.

use kit::context::Context;
use kit::outbox;
use kit::refusal::Failure;
use proto::event::v1::event::Fact;
use proto::event::v1::{PaymentClosed, PaymentNotCharged};
use proto::payment::v1::{CloseAttemptRequest, CloseAttemptResponse};

use super::{Payment, State, store};
use crate::Payments;

pub(crate) async fn close_attempt(
    state: Payments,
    context: Context,
    request: CloseAttemptRequest,
) -> Result<CloseAttemptResponse, Failure> {
    let transaction = state.database.begin_write(&context).await?;
    // the tombstone: a request that is still on its way finds the attempt closed
    let tombstone = Payment {
        order_id: request.order_id,
        attempt: request.attempt,
        user_id: context.user()?.to_owned(),
        ..Payment::new(State::Closed, context.now)
    };
    if store::insert(&transaction, &tombstone, None).await? {
        let told = PaymentClosed {
            payment: tombstone.told(&state.currency),
        };
        outbox::append(
            &transaction,
            &tombstone.subject(),
            tombstone.version,
            Fact::PaymentClosed(told),
        );
        let payment = tombstone.shown(&state.currency);
        return transaction
            .commit(CloseAttemptResponse {
                payment,
                revision: String::new(),
            })
            .await;
    }
    let known = store::lock(&transaction, &tombstone.order_id, tombstone.attempt).await?;
    let mut payment = known.ok_or_else(|| anyhow::anyhow!("attempt {} is there and is not", tombstone.gateway_id()))?;
    if payment.state == State::Queued {
        payment.state = State::NotCharged;
        "CLOSED".clone_into(&mut payment.reason);
        payment.version += 1;
        payment.updated_at = context.now;
        store::save(&transaction, &payment, None).await?;
        let told = PaymentNotCharged {
            payment: payment.told(&state.currency),
        };
        outbox::append(
            &transaction,
            &payment.subject(),
            payment.version,
            Fact::PaymentNotCharged(told),
        );
    } else {
        transaction.mention(&payment.subject()).await?;
    }
    let payment = payment.shown(&state.currency);
    transaction
        .commit(CloseAttemptResponse {
            payment,
            revision: String::new(),
        })
        .await
}
