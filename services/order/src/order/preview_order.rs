//! Shows what PlaceOrder would do with these lines, this coupon and these points; changes nothing.

use kit::context::Context;
use kit::money::{Currency, MoneyRefusal};
use kit::refusal::{Failure, Refusal};
use proto::catalog::v1::StockPreview;
use proto::coupon::v1::CouponPreview;
use proto::order::v1::{PreviewLine, PreviewOrderRequest, PreviewOrderResponse, WalletCoupon};

use super::{Bill, Line, merge};
use crate::Orders;

pub(crate) async fn preview_order(
    orders: Orders,
    context: Context,
    request: PreviewOrderRequest,
) -> Result<PreviewOrderResponse, Failure> {
    let Orders { currency, services, .. } = &orders;
    let points = currency.minor_units(request.points.as_ref())?;
    let mut lines = merge(request.lines.into_iter().map(|line| (line.product_id, line.quantity)));
    let (stock, balance) = tokio::try_join!(
        services.preview_stock(&context, &lines),
        services.preview_points(&context)
    )?;
    let available = currency.minor_units(balance.available.as_ref())?;

    let priced = price(&mut lines, &stock, currency);
    let known: Vec<Line> = lines.iter().filter(|line| !line.brand_id.is_empty()).cloned().collect();
    let judged = priced.is_ok() && !known.is_empty();
    let coupons = if judged {
        services.preview_coupons(&context, &known).await?
    } else {
        Vec::new()
    };
    let chosen = coupons.iter().find(|preview| {
        preview
            .coupon
            .as_ref()
            .is_some_and(|coupon| coupon.coupon_id == request.coupon_id)
    });
    for part in chosen.iter().flat_map(|preview| &preview.line_discounts) {
        let discount = currency.minor_units(part.discount.as_ref())?;
        lines
            .iter_mut()
            .filter(|line| line.product_id == part.product_id)
            .for_each(|line| line.discount = discount);
    }
    let bill = priced.and_then(|()| Bill::of(&lines, points));

    // in the order in which PlaceOrder would come upon them
    let refusals = [
        refusal_of_stock(&stock),
        bill.as_ref().err().map(|refusal| refusal.reason().reason),
        refusal_of_coupon(&request.coupon_id, chosen),
        bill.as_ref().ok().and_then(|bill| refusal_of_points(bill, available)),
    ];
    let refusal_reason = refusals.into_iter().flatten().next().unwrap_or_default().to_owned();
    let bill = bill.unwrap_or_default();
    let money = |minor_units: i64| Some(currency.money(minor_units));
    Ok(PreviewOrderResponse {
        lines: lines
            .iter()
            .zip(&stock)
            .map(|(line, stock)| preview_line(line, stock, currency))
            .collect(),
        subtotal: money(bill.subtotal),
        discount: money(bill.discount),
        total: money(bill.total),
        points: money(bill.points.min(bill.total)),
        card: money(bill.card.max(0)),
        points_available: money(available),
        refusal_reason,
        coupons: coupons.into_iter().map(wallet_coupon).collect(),
    })
}

/// Prices what is known of the products.
fn price(lines: &mut [Line], stock: &[StockPreview], currency: &Currency) -> Result<(), MoneyRefusal> {
    for (line, product) in lines.iter_mut().zip(stock) {
        let unit_price = currency.minor_units(product.unit_price.as_ref())?;
        line.price(product.name.clone(), product.brand_id.clone(), unit_price)?;
    }
    Bill::of(lines, 0).map(drop)
}

/// ReserveStock takes lines in the order of their products' ids, and tells of the first it cannot have.
fn refusal_of_stock(stock: &[StockPreview]) -> Option<&str> {
    let refused = stock.iter().filter(|line| !line.refusal_reason.is_empty());
    refused
        .min_by_key(|line| &line.product_id)
        .map(|line| line.refusal_reason.as_str())
}

fn refusal_of_coupon<'a>(coupon_id: &str, chosen: Option<&'a CouponPreview>) -> Option<&'a str> {
    match chosen {
        Some(preview) => Some(preview.refusal_reason.as_str()).filter(|reason| !reason.is_empty()),
        None => (!coupon_id.is_empty()).then_some("COUPON_NOT_FOUND"),
    }
}

fn refusal_of_points(bill: &Bill, available: i64) -> Option<&'static str> {
    match bill.agree(None, true) {
        Err(refusal) => Some(refusal.reason().reason),
        Ok(()) => (bill.points > available).then_some("POINTS_INSUFFICIENT"),
    }
}

fn preview_line(line: &Line, stock: &StockPreview, currency: &Currency) -> PreviewLine {
    PreviewLine {
        product_id: line.product_id.clone(),
        name: line.name.clone(),
        brand_id: line.brand_id.clone(),
        unit_price: stock.unit_price.clone(),
        quantity: line.quantity,
        available: stock.available,
        subtotal: Some(currency.money(line.subtotal)),
        discount: Some(currency.money(line.discount)),
        refusal_reason: stock.refusal_reason.clone(),
    }
}

fn wallet_coupon(preview: CouponPreview) -> WalletCoupon {
    let coupon = preview.coupon.unwrap_or_default();
    WalletCoupon {
        coupon_id: coupon.coupon_id,
        campaign_id: coupon.campaign_id,
        campaign_name: preview.campaign_name,
        valid_until: coupon.valid_until,
        discount: preview.discount,
        refusal_reason: preview.refusal_reason,
    }
}
