//! UpdateBrand: another name.

use kit::context::Context;
use kit::outbox;
use kit::refusal::Failure;
use proto::catalog::v1::{UpdateBrandRequest, UpdateBrandResponse};
use proto::event::v1::BrandUpdated;
use proto::event::v1::event::Fact;

use super::{BrandRefusal, store};
use crate::Catalog;

pub(crate) async fn update_brand(
    state: Catalog,
    context: Context,
    request: UpdateBrandRequest,
) -> Result<UpdateBrandResponse, Failure> {
    let transaction = state.database.begin_write(&context).await?;
    let brand = store::find(&transaction, &request.brand_id).await?;
    let mut brand = brand.ok_or(BrandRefusal::NotFound {
        brand_id: request.brand_id,
    })?;
    if brand.rename(request.name, &request.etag, context.now)? {
        if !store::save(&transaction, &brand).await? {
            return Err(BrandRefusal::NameTaken { name: brand.name }.into());
        }
        let told = BrandUpdated { brand: brand.told() };
        outbox::append(&transaction, &brand.subject(), brand.version, Fact::BrandUpdated(told));
    } else {
        transaction.mention(&brand.subject()).await?;
    }
    transaction
        .commit(UpdateBrandResponse {
            brand: Some(brand.shown()),
            revision: String::new(),
        })
        .await
}
