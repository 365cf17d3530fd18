//! ReleaseStock: an order gives back what it reserved, or leaves word that it never may.

use kit::context::Context;
use kit::refusal::Failure;
use proto::catalog::v1::{ReleaseStockRequest, ReleaseStockResponse};

use super::books::Ask;
use super::move_stock::Command;
use crate::Catalog;
use crate::stock::Wish;

pub(crate) async fn release_stock(
    state: Catalog,
    context: Context,
    request: ReleaseStockRequest,
) -> Result<ReleaseStockResponse, Failure> {
    let ask = Ask::Fulfil(Wish::Release);
    let command = Command {
        context,
        order_id: request.order_id,
        ask,
    };
    state.lanes.run(command, |_| ReleaseStockResponse::default()).await
}
