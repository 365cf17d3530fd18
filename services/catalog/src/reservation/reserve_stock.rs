//! ReserveStock: takes all the lines of an order off the shelf, or none.

use kit::context::Context;
use kit::refusal::Failure;
use proto::catalog::v1::{ReserveStockRequest, ReserveStockResponse, ReservedLine};

use super::Line;
use super::books::Ask;
use super::move_stock::Command;
use crate::Catalog;
use crate::stock::merge;

/// Answers with the name and price of each product as they were when the order reserved it, also when it asks again.
pub(crate) async fn reserve_stock(
    state: Catalog,
    context: Context,
    request: ReserveStockRequest,
) -> Result<ReserveStockResponse, Failure> {
    let ask = Ask::Reserve(merge(request.lines)?);
    let command = Command {
        context,
        order_id: request.order_id,
        ask,
    };
    let line = |line: Line| ReservedLine {
        product_id: line.product_id,
        quantity: line.quantity,
        name: line.name,
        brand_id: line.brand_id,
        unit_price: Some(state.currency.money(line.unit_price)),
    };
    let answer = |lines: Vec<Line>| ReserveStockResponse {
        lines: lines.into_iter().map(line).collect(),
        revision: String::new(),
    };
    state.lanes.run(command, answer).await
}
