//! ReserveStock: takes all the lines of an order off the shelf, or none.

use kit::context::Context;
use kit::database::WriteTransaction;
use kit::outbox;
use kit::refusal::Failure;
use proto::catalog::v1::{ReserveStockRequest, ReserveStockResponse, ReservedLine};
use proto::event::v1::event::Fact;
use proto::event::v1::{ReservationLine, StockCause, StockReserved};

use super::store::{self, Line};
use super::{Level, ReservationState, StockRefusal, merge};
use crate::Catalog;
use crate::product::{ProductRefusal, Status, subject};

/// Answers with the name and price of each product as they were when the order reserved it, also when it asks again.
pub(crate) async fn reserve_stock(
    state: Catalog,
    context: Context,
    request: ReserveStockRequest,
) -> Result<ReserveStockResponse, Failure> {
    let order_id = request.order_id;
    let wanted = merge(request.lines.into_iter().map(|line| (line.product_id, line.quantity)))?;
    let transaction = state.database.begin_write(&context).await?;
    if !store::claim(&transaction, &order_id, ReservationState::Reserved).await? {
        let lines = known(&transaction, &order_id).await?;
        if store::quantities(&lines) != wanted {
            return Err(StockRefusal::ReservationDiffers { order_id }.into());
        }
        transaction.mention(&reservation(&order_id)).await?;
        return transaction.commit(answer(&state, lines)).await;
    }

    let ids: Vec<&str> = wanted.keys().map(String::as_str).collect();
    let offers = store::lock_offers(&transaction, &ids).await?;
    let (mut levels, mut lines) = (Vec::new(), Vec::new());
    for (product_id, quantity) in &wanted {
        let offer = offers.iter().find(|offer| offer.product_id == *product_id);
        let offer = offer.ok_or_else(|| ProductRefusal::NotFound {
            product_id: product_id.clone(),
        })?;
        Status::from_name(&offer.status).check_on_sale(product_id)?;
        let mut level = offer.level();
        level.reserve(*quantity)?;
        levels.push(level);
        lines.push(Line {
            product_id: product_id.clone(),
            quantity: *quantity,
            name: offer.name.clone(),
            brand_id: offer.brand_id.clone(),
            unit_price: offer.price,
        });
    }
    store::save_levels(&transaction, &levels).await?;
    store::insert_lines(&transaction, &order_id, &lines).await?;
    tell_levels(&transaction, &levels, StockCause::Reserved, &order_id);
    let told = StockReserved {
        order_id: order_id.clone(),
        lines: told_lines(&lines),
    };
    outbox::append(&transaction, &reservation(&order_id), 1, Fact::StockReserved(told));
    transaction.commit(answer(&state, lines)).await
}

/// What the order reserved before, unless it gave it back or has gone on.
async fn known(transaction: &WriteTransaction, order_id: &str) -> Result<Vec<Line>, Failure> {
    let order = || order_id.to_owned();
    match store::lock(transaction, order_id).await? {
        Some((ReservationState::Reserved, _)) => store::lines(&**transaction, order_id).await,
        Some((ReservationState::Committed, _)) => Err(StockRefusal::ReservationCommitted { order_id: order() }.into()),
        Some((ReservationState::Returned, _)) => Err(StockRefusal::ReservationReturned { order_id: order() }.into()),
        Some((ReservationState::Released, _)) => Err(StockRefusal::ReservationReleased { order_id: order() }.into()),
        None => Err(anyhow::anyhow!("the reservation of {order_id} is there and is not").into()),
    }
}

fn answer(state: &Catalog, lines: Vec<Line>) -> ReserveStockResponse {
    let lines = lines.into_iter().map(|line| ReservedLine {
        product_id: line.product_id,
        quantity: line.quantity,
        name: line.name,
        brand_id: line.brand_id,
        unit_price: Some(state.currency.money(line.unit_price)),
    });
    ReserveStockResponse {
        lines: lines.collect(),
        revision: String::new(),
    }
}

/// The subject of an order's reservation.
pub(super) fn reservation(order_id: &str) -> String {
    format!("reservation/{order_id}")
}

/// One fact for each product whose level changed.
pub(super) fn tell_levels(transaction: &WriteTransaction, levels: &[Level], cause: StockCause, order_id: &str) {
    for level in levels {
        let told = Fact::StockLevelChanged(level.told(cause, order_id, ""));
        outbox::append(transaction, &subject(&level.product_id), level.version, told);
    }
}

/// The lines as facts tell them.
pub(super) fn told_lines(lines: &[Line]) -> Vec<ReservationLine> {
    let line = |line: &Line| ReservationLine {
        product_id: line.product_id.clone(),
        quantity: line.quantity,
    };
    lines.iter().map(line).collect()
}
