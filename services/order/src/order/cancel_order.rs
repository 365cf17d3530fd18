//! Cancels an order; its checkout then gives back what it took, at once or when it has come to its end.

use kit::context::Context;
use kit::database::WriteTransaction;
use kit::refusal::Failure;
use proto::order::v1::{CancelOrderRequest, CancelOrderResponse};

use super::{Change, Order, message, store};
use crate::Orders;
use crate::checkout::{Checkout, Direction, Step, leases, refund_payment};

pub(crate) async fn cancel_order(
    orders: Orders,
    context: Context,
    request: CancelOrderRequest,
) -> Result<CancelOrderResponse, Failure> {
    let transaction = orders.database.begin_write(&context).await?;
    let (mut order, checkout) = orders.lock_own(&transaction, &request.order_id).await?;
    orders.cancel(&transaction, &mut order, checkout, &request.why).await?;
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

impl Orders {
    /// Ends a locked order, or lets it begin to give back; one that is ended is mentioned.
    pub(crate) async fn cancel(
        &self,
        transaction: &WriteTransaction,
        order: &mut Order,
        mut checkout: Checkout,
        why: &str,
    ) -> Result<(), Failure> {
        let now = transaction.context().now;
        let Some(change) = order.cancel(why, now)? else {
            return transaction.mention(&store::subject(&order.order_id)).await;
        };
        store::save(transaction, &self.currency, order, change).await?;
        match change {
            // stock that is half committed cannot be returned: a paid order first goes forward to its end
            Change::Refunding if checkout.step != Step::Rest => {}
            Change::Refunding => {
                checkout.step = Step::Settle;
                checkout.direction = Direction::Undo;
                refund_payment(transaction, order).await?;
            }
            _ => checkout.direction = Direction::Undo,
        }
        checkout.next_at = Some(now);
        leases::hand_over(transaction, &checkout).await
    }
}
