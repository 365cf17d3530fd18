//! ReturnStock: what an order bought comes back to the shelf.

use kit::context::Context;
use kit::refusal::Failure;
use proto::catalog::v1::{ReturnStockRequest, ReturnStockResponse};

use super::books::Ask;
use super::move_stock::Command;
use crate::Catalog;
use crate::stock::Wish;

pub(crate) async fn return_stock(
    state: Catalog,
    context: Context,
    request: ReturnStockRequest,
) -> Result<ReturnStockResponse, Failure> {
    let ask = Ask::Fulfil(Wish::Return);
    let command = Command {
        context,
        order_id: request.order_id,
        ask,
    };
    state.lanes.run(command, |_| ReturnStockResponse::default()).await
}
