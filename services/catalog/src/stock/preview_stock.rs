//! PreviewStock: what ReserveStock would say now; changes nothing.

use kit::context::Context;
use kit::refusal::{Failure, Refusal};
use proto::catalog::v1::{PreviewStockRequest, PreviewStockResponse, StockPreview};

use super::{merge, store};
use crate::Catalog;
use crate::product::{ProductRefusal, Status};

pub(crate) async fn preview_stock(
    state: Catalog,
    _context: Context,
    request: PreviewStockRequest,
) -> Result<PreviewStockResponse, Failure> {
    let wanted = merge(request.lines.into_iter().map(|line| (line.product_id, line.quantity)))?;
    let ids: Vec<&str> = wanted.keys().map(String::as_str).collect();
    let offers = store::offers(state.database.reader(), &ids).await?;
    let lines = wanted.into_iter().map(|(product_id, quantity)| {
        let Some(offer) = offers.iter().find(|offer| offer.product_id == product_id) else {
            let refusal_reason = ProductRefusal::NotFound {
                product_id: product_id.clone(),
            }
            .reason()
            .reason
            .to_owned();
            return StockPreview {
                product_id,
                quantity,
                refusal_reason,
                ..StockPreview::default()
            };
        };
        let on_sale = Status::from_name(&offer.status)
            .check_on_sale(&product_id)
            .map_err(|refusal| refusal.reason());
        let refused = on_sale
            .and_then(|()| offer.level().reserve(quantity).map_err(|refusal| refusal.reason()))
            .err();
        StockPreview {
            product_id,
            quantity,
            name: offer.name.clone(),
            brand_id: offer.brand_id.clone(),
            unit_price: Some(state.currency.money(offer.price)),
            available: offer.on_hand,
            refusal_reason: refused.map(|reason| reason.reason.to_owned()).unwrap_or_default(),
        }
    });
    Ok(PreviewStockResponse { lines: lines.collect() })
}
