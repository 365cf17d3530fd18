//! Moves what an order holds back to available; where nothing was held, leaves a tombstone that refuses a late hold.

use kit::context::Context;
use kit::database::WriteTransaction;
use kit::outbox;
use kit::refusal::Failure;
use proto::event::v1::PointsReleased;
use proto::event::v1::event::Fact;
use proto::payment::v1::{ReleasePointsRequest, ReleasePointsResponse};

use super::store;
use super::{Balance, Hold, HoldState, Step};
use crate::Payments;

pub(crate) async fn release_points(
    state: Payments,
    context: Context,
    request: ReleasePointsRequest,
) -> Result<ReleasePointsResponse, Failure> {
    let transaction = state.database.begin_write(&context).await?;
    let user_id = context.user()?;
    let tombstone = Hold {
        order_id: request.order_id,
        user_id: user_id.to_owned(),
        amount: 0,
        state: HoldState::Released,
    };
    if store::insert_hold(&transaction, &tombstone).await? {
        let moved = store::shift(&transaction, user_id, Step::Release, 0).await?;
        return tell(&state, transaction, tombstone, moved, true).await;
    }

    let hold = store::lock_hold(&transaction, &tombstone.order_id).await?;
    let hold = hold.unwrap_or(tombstone);
    let Some(next) = hold.release()? else {
        let balance = store::balance(&*transaction, user_id).await?;
        transaction.mention(&store::subject(&hold.user_id)).await?;
        return transaction.commit(answer(&state, balance)).await;
    };
    let moved = store::move_hold(&transaction, &hold, next, Step::Release).await?;
    tell(&state, transaction, hold, Some(moved), false).await
}

async fn tell(
    state: &Payments,
    transaction: WriteTransaction,
    hold: Hold,
    moved: Option<store::Moved>,
    tombstone: bool,
) -> Result<ReleasePointsResponse, Failure> {
    let moved = moved.ok_or_else(|| anyhow::anyhow!("no account of {}", hold.user_id))?;
    let subject = store::subject(&hold.user_id);
    let fact = PointsReleased {
        user_id: hold.user_id,
        order_id: hold.order_id,
        amount: Some(state.currency.money(hold.amount)),
        available: Some(state.currency.money(moved.available)),
        held: Some(state.currency.money(moved.held)),
        tombstone,
    };
    outbox::append(&transaction, &subject, moved.version, Fact::PointsReleased(fact));
    transaction.commit(answer(state, moved.balance())).await
}

fn answer(state: &Payments, balance: Balance) -> ReleasePointsResponse {
    ReleasePointsResponse {
        available: Some(state.currency.money(balance.available)),
        held: Some(state.currency.money(balance.held)),
        revision: String::new(),
    }
}
