//! RegisterBrand, and the brands that an import names for the first time.

use std::collections::{BTreeMap, HashMap};

use kit::context::Context;
use kit::database::WriteTransaction;
use kit::id::new_id;
use kit::outbox;
use kit::refusal::Failure;
use proto::catalog::v1::{RegisterBrandRequest, RegisterBrandResponse};
use proto::event::v1::BrandRegistered;
use proto::event::v1::event::Fact;

use super::{Brand, BrandRefusal, store};
use crate::Catalog;

pub(crate) async fn register_brand(
    state: Catalog,
    context: Context,
    request: RegisterBrandRequest,
) -> Result<RegisterBrandResponse, Failure> {
    let brand_id = if request.brand_id.is_empty() {
        new_id()
    } else {
        request.brand_id
    };
    let transaction = state.database.begin_write(&context).await?;
    if store::find(&transaction, &brand_id).await?.is_some() {
        return Err(BrandRefusal::AlreadyExists { brand_id }.into());
    }
    let brand = Brand::new(brand_id, request.name, context.now);
    if store::insert(&transaction, std::slice::from_ref(&brand))
        .await?
        .is_empty()
    {
        return Err(BrandRefusal::NameTaken { name: brand.name }.into());
    }
    tell(&transaction, &brand);
    transaction
        .commit(RegisterBrandResponse {
            brand: Some(brand.shown()),
            revision: String::new(),
        })
        .await
}

/// Registers the brands (id → name) that are not known; tells which cannot be, because another has the name.
pub(crate) async fn register_missing(
    transaction: &WriteTransaction,
    brands: &BTreeMap<&str, &str>,
) -> Result<HashMap<String, BrandRefusal>, Failure> {
    let ids: Vec<&str> = brands.keys().copied().collect();
    let names: Vec<&str> = brands.values().copied().collect();
    let known = store::like(transaction, &ids, &names).await?;
    let missing = brands
        .iter()
        .filter(|(id, _)| !known.iter().any(|brand| brand.brand_id == **id));
    let now = transaction.context().now;
    let missing: Vec<Brand> = missing
        .map(|(id, name)| Brand::new((*id).to_owned(), (*name).to_owned(), now))
        .collect();
    let stored = store::insert(transaction, &missing).await?;
    let (registered, refused): (Vec<Brand>, Vec<Brand>) =
        missing.into_iter().partition(|brand| stored.contains(&brand.brand_id));
    registered.iter().for_each(|brand| tell(transaction, brand));
    Ok(refused
        .into_iter()
        .map(|brand| (brand.brand_id, BrandRefusal::NameTaken { name: brand.name }))
        .collect())
}

fn tell(transaction: &WriteTransaction, brand: &Brand) {
    let told = BrandRegistered { brand: brand.told() };
    outbox::append(
        transaction,
        &brand.subject(),
        brand.version,
        Fact::BrandRegistered(told),
    );
}
