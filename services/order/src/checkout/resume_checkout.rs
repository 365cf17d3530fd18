//! An operator makes a checkout go on now, whoever had it.

use kit::context::Context;
use kit::database::{Sql, WriteTransaction};
use kit::refusal::Failure;
use kit::{outbox, values};
use proto::event::v1::CheckoutResumed;
use proto::event::v1::event::Fact;
use proto::order::v1::{ResumeCheckoutRequest, ResumeCheckoutResponse};
use sea_orm::FromQueryResult;

use super::{Checkout, leases, overview};
use crate::Orders;

#[derive(FromQueryResult)]
struct Resumed {
    resumptions: i64,
}

pub(crate) async fn resume_checkout(
    orders: Orders,
    context: Context,
    request: ResumeCheckoutRequest,
) -> Result<ResumeCheckoutResponse, Failure> {
    let transaction = orders.database.begin_write(&context).await?;
    let (_, mut checkout) = orders.lock(&transaction, &request.order_id).await?;
    if checkout.at_rest(context.now) {
        transaction.mention(&subject(&checkout)).await?;
    } else {
        tell(&transaction, &checkout, request.why).await?;
        checkout.next_at = Some(context.now);
        leases::hand_over(&transaction, &checkout).await?;
    }
    let checkout = Some(overview::find(&transaction, &checkout.order_id).await?.into());
    let answer = transaction
        .commit(ResumeCheckoutResponse {
            checkout,
            revision: String::new(),
        })
        .await?;
    orders.wake.notify_one();
    Ok(answer)
}

/// The order is what it was, so this is a fact of the checkout alone.
async fn tell(transaction: &WriteTransaction, checkout: &Checkout, why: String) -> Result<(), Failure> {
    let found = overview::find(transaction, &checkout.order_id).await?;
    let sql = "UPDATE checkouts SET resumptions = resumptions + 1 WHERE order_id = $1 RETURNING resumptions";
    let resumed: Option<Resumed> = transaction.find(sql, values![checkout.order_id.as_str()]).await?;
    let version = resumed.map_or(1, |resumed| resumed.resumptions);
    let fact = CheckoutResumed {
        order_id: checkout.order_id.clone(),
        step: checkout.step.name().to_owned(),
        tries: found.tries,
        last_error: found.last_error,
        why,
    };
    outbox::append(transaction, &subject(checkout), version, Fact::CheckoutResumed(fact));
    Ok(())
}

fn subject(checkout: &Checkout) -> String {
    format!("checkout/{}", checkout.order_id)
}
