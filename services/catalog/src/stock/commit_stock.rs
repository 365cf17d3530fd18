//! CommitStock: what an order reserved is sold.

use kit::context::Context;
use kit::database::WriteTransaction;
use kit::outbox;
use kit::refusal::Failure;
use proto::catalog::v1::{CommitStockRequest, CommitStockResponse};
use proto::event::v1::event::Fact;
use proto::event::v1::{StockCause, StockCommitted};

use super::reserve_stock::{reservation, tell_levels, told_lines};
use super::store::{self, Line};
use super::{StockRefusal, Wish};
use crate::Catalog;

pub(crate) async fn commit_stock(
    state: Catalog,
    context: Context,
    request: CommitStockRequest,
) -> Result<CommitStockResponse, Failure> {
    let order_id = request.order_id;
    let transaction = state.database.begin_write(&context).await?;
    if let Some((lines, version)) = fulfil(&transaction, &order_id, Wish::Commit, StockCause::Committed).await? {
        let told = StockCommitted {
            order_id: order_id.clone(),
            lines: told_lines(&lines),
        };
        outbox::append(
            &transaction,
            &reservation(&order_id),
            version,
            Fact::StockCommitted(told),
        );
    }
    transaction.commit(CommitStockResponse::default()).await
}

/// Moves the pieces of a reservation; `None` if that was done before. Returns its lines and its new version.
pub(super) async fn fulfil(
    transaction: &WriteTransaction,
    order_id: &str,
    wish: Wish,
    cause: StockCause,
) -> Result<Option<(Vec<Line>, i64)>, Failure> {
    let known = store::lock(transaction, order_id).await?;
    let (state, _) = known.ok_or_else(|| StockRefusal::ReservationNotFound {
        order_id: order_id.to_owned(),
    })?;
    let Some(next) = state.after(wish, order_id)? else {
        transaction.mention(&reservation(order_id)).await?;
        return Ok(None);
    };
    let lines = store::lines(&**transaction, order_id).await?;
    let ids: Vec<&str> = lines.iter().map(|line| line.product_id.as_str()).collect();
    let mut levels = store::lock_levels(transaction, &ids).await?;
    for (level, line) in levels.iter_mut().zip(&lines) {
        level.fulfil(wish, line.quantity);
    }
    store::save_levels(transaction, &levels).await?;
    let version = store::save(transaction, order_id, next).await?;
    tell_levels(transaction, &levels, cause, order_id);
    Ok(Some((lines, version)))
}
