//! Queries: bounds and page tokens here, rows from the projections.

pub(crate) mod audit;
pub(crate) mod coupons;
pub(crate) mod orders;
#[cfg(test)]
mod plans;
pub(crate) mod points;
pub(crate) mod products;

use kit::page_token;
use kit::refusal::Failure;
use kit::refusals;

use crate::ReadModel;

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

impl ReadModel {
    /// The (key, id) behind which a page begins.
    fn page_behind(&self, question: &str, token: &str) -> Result<Option<(i64, String)>, Failure> {
        let Some(key) = page_token::open(self.database.signer(), question, token)? else {
            return Ok(None);
        };
        let parts = key
            .split_once('|')
            .and_then(|(key, id)| Some((key.parse().ok()?, id.to_owned())));
        Ok(Some(parts.ok_or(page_token::PageRefusal::TokenInvalid {})?))
    }

    /// Cuts the row that only shows that there is more, and makes the token of the next page from the last one left.
    fn next_page<T>(
        &self,
        question: &str,
        rows: &mut Vec<T>,
        size: u32,
        key: impl FnOnce(&T) -> (i64, String),
    ) -> String {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        if rows.len() <= size {
            return String::new();
        }
        rows.truncate(size);
        let last = rows.last().map(key);
        last.map_or_else(String::new, |(key, id)| {
            page_token::seal(self.database.signer(), question, &format!("{key}|{id}"))
        })
    }
}
