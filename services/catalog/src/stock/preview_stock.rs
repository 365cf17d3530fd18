//! PreviewStock: what ReserveStock would say now; changes nothing.

use kit::context::Context;
use kit::refusal::{Failure, Reason, Refusal};
use proto::catalog::v1::{PreviewStockRequest, PreviewStockResponse, StockLine, StockPreview};

use super::{Level, merge, store};
use crate::Catalog;
use crate::product::{Product, ProductRefusal, store as products};

pub(crate) async fn preview_stock(
    state: Catalog,
    _context: Context,
    request: PreviewStockRequest,
) -> Result<PreviewStockResponse, Failure> {
    let wanted = merge(request.lines)?;
    let ids: Vec<&str> = wanted.iter().map(|line| line.product_id.as_str()).collect();
    let products = products::list(state.database.reader(), &ids).await?;
    let levels = store::levels(state.database.reader(), &ids).await?;
    let lines = wanted.into_iter().map(|StockLine { product_id, quantity }| {
        let product = products.iter().find(|product| product.product_id == product_id);
        let level = levels.iter().find(|level| level.product_id == product_id);
        let Some((product, level)) = product.zip(level) else {
            let refusal = ProductRefusal::NotFound {
                product_id: product_id.clone(),
            };
            let refusal_reason = refusal.reason().reason.to_owned();
            return StockPreview {
                product_id,
                quantity,
                refusal_reason,
                ..StockPreview::default()
            };
        };
        let refused = refused(product, level, quantity);
        StockPreview {
            product_id,
            quantity,
            name: product.name.clone(),
            brand_id: product.brand_id.clone(),
            unit_price: Some(state.currency.money(product.price)),
            available: level.on_hand,
            refusal_reason: refused.map(|row| row.reason.to_owned()).unwrap_or_default(),
        }
    });
    Ok(PreviewStockResponse { lines: lines.collect() })
}

fn refused(product: &Product, level: &Level, quantity: i64) -> Option<&'static Reason> {
    if let Err(refusal) = product.status.check_on_sale(&product.product_id) {
        return Some(refusal.reason());
    }
    let refusal = level.clone().reserve(quantity).err()?;
    Some(refusal.reason())
}
