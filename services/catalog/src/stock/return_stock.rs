//! ReturnStock: what an order bought comes back to the shelf.

use kit::context::Context;
use kit::outbox;
use kit::refusal::Failure;
use proto::catalog::v1::{ReturnStockRequest, ReturnStockResponse};
use proto::event::v1::event::Fact;
use proto::event::v1::{StockCause, StockReturned};

use super::Wish;
use super::commit_stock::fulfil;
use super::reserve_stock::{reservation, told_lines};
use crate::Catalog;

pub(crate) async fn return_stock(
    state: Catalog,
    context: Context,
    request: ReturnStockRequest,
) -> Result<ReturnStockResponse, Failure> {
    let order_id = request.order_id;
    let transaction = state.database.begin_write(&context).await?;
    if let Some((lines, version)) = fulfil(&transaction, &order_id, Wish::Return, StockCause::Returned).await? {
        let told = StockReturned {
            order_id: order_id.clone(),
            lines: told_lines(&lines),
        };
        outbox::append(
            &transaction,
            &reservation(&order_id),
            version,
            Fact::StockReturned(told),
        );
    }
    transaction.commit(ReturnStockResponse::default()).await
}
