//! Cancels an order; its checkout then gives back what it took, at once or when it has come to its end.

use kit::context::Context;
use kit::refusal::Failure;
use proto::order::v1::{CancelOrderRequest, CancelOrderResponse};

use super::{Change, message, store};
use crate::Orders;
use crate::checkout::{Direction, Step, leases, refund_payment};

pub(crate) async fn cancel_order(
    orders: Orders,
    context: Context,
    request: CancelOrderRequest,
) -> Result<CancelOrderResponse, Failure> {
    let transaction = orders.database.begin_write(&context).await?;
    let (mut order, mut checkout) = orders.lock(&transaction, &request.order_id).await?;
    match order.cancel(&request.why, context.now)? {
        Some(change) => {
            store::save(&transaction, &orders.currency, &order, change).await?;
            match change {
                // stock that is half committed cannot be returned: a paid order first goes forward to its end
                Change::Refunding if checkout.step != Step::Rest => {}
                Change::Refunding => {
                    checkout.step = Step::Settle;
                    checkout.direction = Direction::Undo;
                    refund_payment(&transaction, &order).await?;
                }
                _ => checkout.direction = Direction::Undo,
            }
            checkout.next_at = Some(context.now);
            leases::hand_over(&transaction, &checkout).await?;
        }
        None => transaction.mention(&store::subject(&order.order_id)).await?,
    }
    let order = Some(message::answer(&order, &orders.currency));
    let answer = transaction
        .commit(CancelOrderResponse {
            order,
            revision: String::new(),
        })
        .await?;
    orders.wake.notify_one();
    Ok(answer)
}
