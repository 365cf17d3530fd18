//! RegisterProduct: a new product, on sale and without stock.

use kit::context::Context;
use kit::id::new_id;
use kit::outbox;
use kit::refusal::Failure;
use proto::catalog::v1::{RegisterProductRequest, RegisterProductResponse};
use proto::event::v1::ProductRegistered;
use proto::event::v1::event::Fact;

use super::{Product, ProductRefusal, Status, store, subject};
use crate::Catalog;
use crate::brand::{BrandRefusal, store as brands};
use crate::stock::{Level, store as stock};

pub(crate) async fn register_product(
    state: Catalog,
    context: Context,
    request: RegisterProductRequest,
) -> Result<RegisterProductResponse, Failure> {
    let price = state.currency.minor_units(request.price.as_ref())?;
    let transaction = state.database.begin_write(&context).await?;
    if brands::find(&transaction, &request.brand_id).await?.is_none() {
        return Err(BrandRefusal::NotFound {
            brand_id: request.brand_id,
        }
        .into());
    }
    let product = Product {
        product_id: if request.product_id.is_empty() {
            new_id()
        } else {
            request.product_id
        },
        brand_id: request.brand_id,
        name: request.name,
        description: request.description,
        category: request.category,
        image_url: request.image_url,
        price,
        status: Status::Available,
        edit: 1,
        created_at: context.now,
        updated_at: context.now,
    };
    if store::insert(&transaction, std::slice::from_ref(&product))
        .await?
        .is_empty()
    {
        return Err(ProductRefusal::AlreadyExists {
            product_id: product.product_id,
        }
        .into());
    }
    let level = Level {
        version: 1,
        ..Level::empty(product.product_id.clone())
    };
    stock::insert_levels(&transaction, std::slice::from_ref(&level)).await?;
    let told = ProductRegistered {
        product: product.told(&level, &state.currency),
    };
    outbox::append(
        &transaction,
        &subject(&product.product_id),
        1,
        Fact::ProductRegistered(told),
    );
    let shown = product.shown(&state.currency);
    transaction
        .commit(RegisterProductResponse {
            product: Some(shown),
            revision: String::new(),
        })
        .await
}
