//! An operator has an order give back what it took, as its user could by cancelling it.

use kit::context::Context;
use kit::refusal::Failure;
use proto::order::v1::{CompensateCheckoutRequest, CompensateCheckoutResponse};

use super::overview;
use crate::Orders;

pub(crate) async fn compensate_checkout(
    orders: Orders,
    context: Context,
    request: CompensateCheckoutRequest,
) -> Result<CompensateCheckoutResponse, Failure> {
    let transaction = orders.database.begin_write(&context).await?;
    let (mut order, checkout) = orders.lock(&transaction, &request.order_id).await?;
    orders.cancel(&transaction, &mut order, checkout, &request.why).await?;
    let checkout = Some(overview::find(&transaction, &order.order_id).await?.into());
    let answer = transaction
        .commit(CompensateCheckoutResponse {
            checkout,
            revision: String::new(),
        })
        .await?;
    orders.wake.notify_one();
    Ok(answer)
}
