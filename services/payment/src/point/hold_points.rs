//! Moves points from available to held for an order.

use kit::context::Context;
use kit::outbox;
use kit::refusal::Failure;
use proto::event::v1::PointsHeld;
use proto::event::v1::event::Fact;
use proto::payment::v1::{HoldPointsRequest, HoldPointsResponse};

use super::store::{self, Key};
use super::{Balance, Hold, HoldState, PointRefusal, Step};
use crate::Payments;

pub(crate) async fn hold_points(
    state: Payments,
    context: Context,
    request: HoldPointsRequest,
) -> Result<HoldPointsResponse, Failure> {
    let transaction = state.database.begin_write(&context).await?;
    let user_id = context.user()?;
    let amount = state.currency.minor_units(request.amount.as_ref())?;
    if amount == 0 {
        return Err(PointRefusal::AmountZero {}.into());
    }

    let subject = store::subject(user_id);
    let order_id = request.order_id;
    let hold = Hold {
        order_id: order_id.clone(),
        user_id: user_id.to_owned(),
        amount,
        state: HoldState::Held,
    };
    if !store::insert_hold(&transaction, &hold).await? {
        if let Some(earlier) = store::lock_hold(&transaction, &order_id).await? {
            earlier.hold_again(user_id, amount)?;
        }
        let balance = store::balance(&*transaction, user_id).await?;
        transaction.mention(&subject).await?;
        return transaction.commit(answer(&state, balance)).await;
    }
    let Some(moved) = store::shift(&transaction, user_id, Step::Hold, amount).await? else {
        let balance = store::balance(&*transaction, user_id).await?;
        return Err(PointRefusal::Insufficient {
            requested: amount,
            available: balance.available,
        }
        .into());
    };
    store::enter(&transaction, user_id, Step::Hold, &Key::Order(&order_id), amount).await?;
    let fact = PointsHeld {
        user_id: user_id.to_owned(),
        order_id,
        amount: Some(state.currency.money(amount)),
        available: Some(state.currency.money(moved.available)),
        held: Some(state.currency.money(moved.held)),
    };
    outbox::append(&transaction, &subject, moved.version, Fact::PointsHeld(fact));
    transaction.commit(answer(&state, moved.balance())).await
}

fn answer(state: &Payments, balance: Balance) -> HoldPointsResponse {
    HoldPointsResponse {
        available: Some(state.currency.money(balance.available)),
        held: Some(state.currency.money(balance.held)),
        revision: String::new(),
    }
}
