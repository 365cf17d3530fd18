//! ReleaseStock: an order gives back what it reserved, or leaves word that it never may.

use kit::context::Context;
use kit::outbox;
use kit::refusal::Failure;
use proto::catalog::v1::{ReleaseStockRequest, ReleaseStockResponse};
use proto::event::v1::event::Fact;
use proto::event::v1::{StockCause, StockReleased};

use super::commit_stock::fulfil;
use super::reserve_stock::{reservation, told_lines};
use super::{ReservationState, Wish, store};
use crate::Catalog;

pub(crate) async fn release_stock(
    state: Catalog,
    context: Context,
    request: ReleaseStockRequest,
) -> Result<ReleaseStockResponse, Failure> {
    let order_id = request.order_id;
    let transaction = state.database.begin_write(&context).await?;
    if store::claim(&transaction, &order_id, ReservationState::Released).await? {
        // the tombstone: a reservation that is still on its way finds the order gone
        let told = StockReleased {
            order_id: order_id.clone(),
            lines: Vec::new(),
            tombstone: true,
        };
        outbox::append(&transaction, &reservation(&order_id), 1, Fact::StockReleased(told));
    } else if let Some((lines, version)) = fulfil(&transaction, &order_id, Wish::Release, StockCause::Released).await? {
        let told = StockReleased {
            order_id: order_id.clone(),
            lines: told_lines(&lines),
            tombstone: false,
        };
        outbox::append(
            &transaction,
            &reservation(&order_id),
            version,
            Fact::StockReleased(told),
        );
    }
    transaction.commit(ReleaseStockResponse::default()).await
}
