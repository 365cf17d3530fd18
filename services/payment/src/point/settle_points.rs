//! Spends what an order holds.

use kit::context::Context;
use kit::outbox;
use kit::refusal::Failure;
use proto::event::v1::PointsSettled;
use proto::event::v1::event::Fact;
use proto::payment::v1::{SettlePointsRequest, SettlePointsResponse};

use super::store;
use super::{Balance, PointRefusal, Step};
use crate::Payments;

pub(crate) async fn settle_points(
    state: Payments,
    context: Context,
    request: SettlePointsRequest,
) -> Result<SettlePointsResponse, Failure> {
    let transaction = state.database.begin_write(&context).await?;
    let order_id = request.order_id;
    let hold = store::lock_hold_of(&transaction, &context, &order_id).await?;
    let hold = hold.ok_or(PointRefusal::HoldNotFound { order_id })?;

    let subject = store::subject(&hold.user_id);
    let Some(next) = hold.settle()? else {
        let balance = store::balance(&*transaction, &hold.user_id).await?;
        transaction.mention(&subject).await?;
        return transaction.commit(answer(&state, balance)).await;
    };
    let moved = store::move_hold(&transaction, &hold, next, Step::Settle).await?;
    let fact = PointsSettled {
        user_id: hold.user_id,
        order_id: hold.order_id,
        amount: Some(state.currency.money(hold.amount)),
        available: Some(state.currency.money(moved.available)),
        held: Some(state.currency.money(moved.held)),
    };
    outbox::append(&transaction, &subject, moved.version, Fact::PointsSettled(fact));
    transaction.commit(answer(&state, moved.balance())).await
}

fn answer(state: &Payments, balance: Balance) -> SettlePointsResponse {
    SettlePointsResponse {
        available: Some(state.currency.money(balance.available)),
        held: Some(state.currency.money(balance.held)),
        revision: String::new(),
    }
}
