//! ChangePrice: for orders placed from now on.

use kit::context::Context;
use kit::refusal::Failure;
use proto::catalog::v1::{ChangePriceRequest, ChangePriceResponse};
use proto::event::v1::ProductPriceChanged;
use proto::event::v1::event::Fact;

use super::update_product::save;
use super::{store, subject};
use crate::Catalog;

pub(crate) async fn change_price(
    state: Catalog,
    context: Context,
    request: ChangePriceRequest,
) -> Result<ChangePriceResponse, Failure> {
    let price = state.currency.minor_units(request.price.as_ref())?;
    let transaction = state.database.begin_write(&context).await?;
    let (mut product, mut level) = store::lock(&transaction, &request.product_id).await?;
    product.check_etag(&request.etag)?;
    if product.edit(|product| product.price = price, context.now)? {
        let fact = |product| Fact::ProductPriceChanged(ProductPriceChanged { product });
        save(&state, &transaction, &product, &mut level, fact).await?;
    } else {
        transaction.mention(&subject(&product.product_id)).await?;
    }
    let shown = product.shown(&state.currency);
    transaction
        .commit(ChangePriceResponse {
            product: Some(shown),
            revision: String::new(),
        })
        .await
}
