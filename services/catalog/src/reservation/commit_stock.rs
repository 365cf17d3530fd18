//! CommitStock: what an order reserved is sold.

use kit::context::Context;
use kit::refusal::Failure;
use proto::catalog::v1::{CommitStockRequest, CommitStockResponse};

use super::books::Ask;
use super::move_stock::Command;
use crate::Catalog;
use crate::stock::Wish;

pub(crate) async fn commit_stock(
    state: Catalog,
    context: Context,
    request: CommitStockRequest,
) -> Result<CommitStockResponse, Failure> {
    let ask = Ask::Fulfil(Wish::Commit);
    let command = Command {
        context,
        order_id: request.order_id,
        ask,
    };
    state.lanes.run(command, |_| CommitStockResponse::default()).await
}
