//! HideProduct, ShowProduct and DiscontinueProduct: whether a product is shown and sold.

use kit::context::Context;
use kit::database::WriteTransaction;
use kit::refusal::Failure;
use proto::catalog::v1::{
    DiscontinueProductRequest, DiscontinueProductResponse, HideProductRequest, HideProductResponse, Product as Shown,
    ShowProductRequest, ShowProductResponse,
};
use proto::event::v1::event::Fact;
use proto::event::v1::{ProductDiscontinued, ProductHidden, ProductShown};

use super::update_product::save;
use super::{Status, store, subject};
use crate::Catalog;

pub(crate) async fn hide_product(
    state: Catalog,
    context: Context,
    request: HideProductRequest,
) -> Result<HideProductResponse, Failure> {
    let transaction = state.database.begin_write(&context).await?;
    let product = Some(set(&state, &transaction, &request.product_id, Status::Hidden).await?);
    transaction
        .commit(HideProductResponse {
            product,
            revision: String::new(),
        })
        .await
}

pub(crate) async fn show_product(
    state: Catalog,
    context: Context,
    request: ShowProductRequest,
) -> Result<ShowProductResponse, Failure> {
    let transaction = state.database.begin_write(&context).await?;
    let product = Some(set(&state, &transaction, &request.product_id, Status::Available).await?);
    transaction
        .commit(ShowProductResponse {
            product,
            revision: String::new(),
        })
        .await
}

pub(crate) async fn discontinue_product(
    state: Catalog,
    context: Context,
    request: DiscontinueProductRequest,
) -> Result<DiscontinueProductResponse, Failure> {
    let transaction = state.database.begin_write(&context).await?;
    let product = Some(set(&state, &transaction, &request.product_id, Status::Discontinued).await?);
    transaction
        .commit(DiscontinueProductResponse {
            product,
            revision: String::new(),
        })
        .await
}

async fn set(
    state: &Catalog,
    transaction: &WriteTransaction,
    product_id: &str,
    status: Status,
) -> Result<Shown, Failure> {
    let (mut product, mut level) = store::lock(transaction, product_id).await?;
    if product.set_status(status, transaction.context().now)? {
        let fact = |product| match status {
            Status::Hidden => Fact::ProductHidden(ProductHidden { product }),
            Status::Available => Fact::ProductShown(ProductShown { product }),
            Status::Discontinued => Fact::ProductDiscontinued(ProductDiscontinued { product }),
        };
        save(state, transaction, &product, &mut level, fact).await?;
    } else {
        transaction.mention(&subject(product_id)).await?;
    }
    Ok(product.shown(&state.currency))
}
