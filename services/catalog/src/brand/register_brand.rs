//! RegisterBrand, and the brands that an import names for the first time.

use std::collections::{BTreeMap, HashMap};

use kit::context::Context;
use kit::database::WriteTransaction;
use kit::id::new_id;
use kit::outbox;
use kit::refusal::Failure;
use proto::catalog::v1::{RegisterBrandRequest, RegisterBrandResponse};
use proto::event::v1::event::Fact;
use proto::event::v1::{BrandRegistered, BrandUpdated};

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

/// Registers the brands (id → name) that are not known and renames those called otherwise; tells which cannot be, because
/// another has the name.
pub(crate) async fn name_brands(
    transaction: &WriteTransaction,
    brands: &BTreeMap<&str, &str>,
) -> Result<HashMap<String, BrandRefusal>, Failure> {
    let now = transaction.context().now;
    let mut missing = brands.clone();
    let mut refused = HashMap::new();
    for known in store::lock(transaction, &brands.keys().copied().collect::<Vec<_>>()).await? {
        let name = missing.remove(known.brand_id.as_str()).unwrap_or_default();
        if let Err(refusal) = call(transaction, known.clone(), name).await? {
            refused.insert(known.brand_id, refusal);
        }
    }
    let missing = missing
        .into_iter()
        .map(|(id, name)| Brand::new(id.to_owned(), name.to_owned(), now));
    let missing: Vec<Brand> = missing.collect();
    let stored = store::insert(transaction, &missing).await?;
    let (registered, left): (Vec<Brand>, Vec<Brand>) =
        missing.into_iter().partition(|brand| stored.contains(&brand.brand_id));
    registered.iter().for_each(|brand| tell(transaction, brand));

    // the id may have been registered by somebody else just now: then all is well
    let left_ids: Vec<&str> = left.iter().map(|brand| brand.brand_id.as_str()).collect();
    let known = store::lock(transaction, &left_ids).await?;
    let taken = left
        .into_iter()
        .filter(|brand| known.iter().all(|known| known.brand_id != brand.brand_id));
    refused.extend(taken.map(|brand| (brand.brand_id, BrandRefusal::NameTaken { name: brand.name })));
    Ok(refused)
}

async fn call(
    transaction: &WriteTransaction,
    mut brand: Brand,
    name: &str,
) -> Result<Result<(), BrandRefusal>, Failure> {
    if !brand.rename(name.to_owned(), "", transaction.context().now)? {
        return Ok(Ok(()));
    }
    if !store::save(transaction, &brand).await? {
        return Ok(Err(BrandRefusal::NameTaken { name: brand.name }));
    }
    let told = BrandUpdated { brand: brand.told() };
    outbox::append(transaction, &brand.subject(), brand.version, Fact::BrandUpdated(told));
    Ok(Ok(()))
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
