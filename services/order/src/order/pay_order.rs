//! Opens another attempt to pay an order, with another card.

use kit::context::Context;
use kit::refusal::Failure;
use proto::order::v1::{PayOrderRequest, PayOrderResponse};

use super::{message, store};
use crate::Orders;
use crate::checkout::{Step, leases};

pub(crate) async fn pay_order(
    orders: Orders,
    context: Context,
    request: PayOrderRequest,
) -> Result<PayOrderResponse, Failure> {
    let transaction = orders.database.begin_write(&context).await?;
    let (mut order, mut checkout) = orders.lock_own(&transaction, &request.order_id).await?;
    let change = order.open_attempt(request.card_token, context.now)?;
    store::save(&transaction, &orders.currency, &order, change).await?;
    checkout.go_on(Step::Pay, Some(context.now));
    leases::hand_over(&transaction, &checkout).await?;
    let order = Some(message::answer(&order, &orders.currency));
    let answer = transaction
        .commit(PayOrderResponse {
            order,
            revision: String::new(),
        })
        .await?;
    orders.wake.notify_one();
    Ok(answer)
}
