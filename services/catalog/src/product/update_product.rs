//! UpdateProduct: changes what the mask names.

use kit::context::Context;
use kit::database::WriteTransaction;
use kit::edge::RequestFault;
use kit::outbox;
use kit::refusal::Failure;
use proto::catalog::v1::{UpdateProductRequest, UpdateProductResponse};
use proto::event::v1::event::Fact;
use proto::event::v1::{ProductSnapshot, ProductUpdated};

use super::{Product, ProductRefusal, store, subject};
use crate::Catalog;
use crate::stock::{Level, store as stock};

/// The fields a mask may name; an empty mask names all that are filled.
const PATHS: &[&str] = &["name", "description", "category", "image_url"];

pub(crate) async fn update_product(
    state: Catalog,
    context: Context,
    request: UpdateProductRequest,
) -> Result<UpdateProductResponse, Failure> {
    let mask = request.update_mask.clone().unwrap_or_default().paths;
    if let Some(path) = mask.iter().find(|path| !PATHS.contains(&path.as_str())) {
        return Err(ProductRefusal::FieldMaskInvalid { path: path.clone() }.into());
    }
    // a product always has a name
    if mask.iter().any(|path| path == "name") && request.name.is_empty() {
        return Err(RequestFault::FieldsInvalid {
            fields: "name".to_owned(),
        }
        .into());
    }
    let transaction = state.database.begin_write(&context).await?;
    let (mut product, mut level) = store::lock(&transaction, &request.product_id).await?;
    product.check_etag(&request.etag)?;
    let change = |product: &mut Product| {
        let set = |path: &str, field: &mut String, value: &String| {
            let named = if mask.is_empty() {
                !value.is_empty()
            } else {
                mask.iter().any(|named| named == path)
            };
            if named {
                field.clone_from(value);
            }
        };
        set("name", &mut product.name, &request.name);
        set("description", &mut product.description, &request.description);
        set("category", &mut product.category, &request.category);
        set("image_url", &mut product.image_url, &request.image_url);
    };
    if product.edit(change, context.now)? {
        let fact = |product| Fact::ProductUpdated(ProductUpdated { product });
        save(&state, &transaction, &product, &mut level, fact).await?;
    } else {
        transaction.mention(&subject(&product.product_id)).await?;
    }
    let shown = product.shown(&state.currency);
    transaction
        .commit(UpdateProductResponse {
            product: Some(shown),
            revision: String::new(),
        })
        .await
}

/// Saves an edited product and tells of it under the version of its stock, which is the aggregate's.
pub(super) async fn save(
    state: &Catalog,
    transaction: &WriteTransaction,
    product: &Product,
    level: &mut Level,
    fact: impl FnOnce(Option<ProductSnapshot>) -> Fact,
) -> Result<(), Failure> {
    level.version += 1;
    stock::save_levels(transaction, std::slice::from_ref(level)).await?;
    store::save(transaction, product).await?;
    let told = fact(product.told(level, &state.currency));
    outbox::append(transaction, &subject(&product.product_id), level.version, told);
    Ok(())
}
