//! Queries: bounds and page tokens here, rows from the projections.

pub(crate) mod audit;
pub(crate) mod coupons;
pub(crate) mod orders;
#[cfg(test)]
mod plans;
pub(crate) mod points;
pub(crate) mod products;

use kit::refusals;

refusals! {
    /// Why a query has nothing to show.
    pub enum NotFound {
        /// There is no such product, or it is not shown.
        Product { product_id: String } => NotFound "PRODUCT_NOT_FOUND",
            en "there is no product {product_id}",
            ko "상품 {product_id} 을(를) 찾을 수 없습니다",
        /// There is no such brand.
        Brand { brand_id: String } => NotFound "BRAND_NOT_FOUND",
            en "there is no brand {brand_id}",
            ko "브랜드 {brand_id} 을(를) 찾을 수 없습니다",
        /// There is no such order, or it is another user's.
        Order { order_id: String } => NotFound "ORDER_NOT_FOUND",
            en "there is no order {order_id}",
            ko "주문 {order_id} 을(를) 찾을 수 없습니다",
    }
}
