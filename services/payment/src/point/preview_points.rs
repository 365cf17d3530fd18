//! Says what a user could spend.

use kit::context::Context;
use kit::refusal::Failure;
use proto::payment::v1::{PreviewPointsRequest, PreviewPointsResponse};

use super::store;
use crate::Payments;

pub(crate) async fn preview_points(
    state: Payments,
    context: Context,
    _request: PreviewPointsRequest,
) -> Result<PreviewPointsResponse, Failure> {
    let balance = store::balance(state.database.reader(), context.user()?).await?;
    Ok(PreviewPointsResponse {
        available: Some(state.currency.money(balance.available)),
        held: Some(state.currency.money(balance.held)),
    })
}
