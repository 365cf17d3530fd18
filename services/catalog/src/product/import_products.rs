//! ImportProducts: many products and their brands, a transaction for each message of the stream.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use kit::context::Context;
use kit::database::WriteTransaction;
use kit::outbox;
use kit::refusal::{Failure, Fault, Refusal, sentence};
use proto::catalog::v1::{ImportProductsRequest, ImportProductsResponse, ImportRow, RowOutcome, RowRefusal};
use proto::event::v1::event::Fact;
use proto::event::v1::{ProductRegistered, ProductUpdated, StockCause};

use super::{Product, Status, store, subject};
use crate::Catalog;
use crate::brand::BrandRefusal;
use crate::brand::register_brand::name_brands;
use crate::stock::{Level, store as stock};

/// Refused rows that are told one by one.
const REFUSALS_MAX: usize = 1_000;

/// A product of the message, as it stands after the rows so far.
struct Item {
    product: Product,
    level: Level,
    stored: bool,
    changed: bool,
}

/// Adds the answer of one message to that of those before it.
pub(crate) fn add(imported: &mut ImportProductsResponse, mut message: ImportProductsResponse) {
    let before = i64::try_from(imported.outcomes.len()).unwrap_or(i64::MAX);
    message.refusals.iter_mut().for_each(|refusal| refusal.row += before);
    imported.created += message.created;
    imported.updated += message.updated;
    imported.unchanged += message.unchanged;
    imported.refused += message.refused;
    imported.outcomes.extend(message.outcomes);
    let room = REFUSALS_MAX.saturating_sub(imported.refusals.len());
    imported.refusals.extend(message.refusals.into_iter().take(room));
    imported.revision = message.revision;
}

/// Applies one message of the stream.
pub(crate) async fn import_products(
    state: Catalog,
    context: Context,
    request: ImportProductsRequest,
) -> Result<ImportProductsResponse, Failure> {
    let transaction = state.database.begin_write(&context).await?;
    let brands: BTreeMap<&str, &str> = request
        .rows
        .iter()
        .map(|row| (row.brand_id.as_str(), row.brand_name.as_str()))
        .collect();
    let taken = name_brands(&transaction, &brands).await?;
    let mut items = open(&transaction, &request.rows).await?;

    let mut answer = ImportProductsResponse::default();
    for (number, row) in (0..).zip(request.rows) {
        let product_id = row.product_id.clone();
        match apply(&state, &transaction, &taken, &mut items, row) {
            Ok(outcome) => count(&mut answer, outcome),
            // a refusal is the row's own affair
            Err(Failure::Refused(refusal)) => {
                count(&mut answer, RowOutcome::Refused);
                answer.refusals.push(told(number, product_id, refusal.as_ref()));
            }
            Err(failure) => return Err(failure),
        }
    }
    save(&transaction, &items).await?;
    if answer.created + answer.updated == 0
        && let Some(item) = items.values().next()
    {
        transaction.mention(&subject(&item.product.product_id)).await?;
    }
    transaction.commit(answer).await
}

async fn open(transaction: &WriteTransaction, rows: &[ImportRow]) -> Result<BTreeMap<String, Item>, Failure> {
    let ids: BTreeSet<&str> = rows.iter().map(|row| row.product_id.as_str()).collect();
    let ids: Vec<&str> = ids.into_iter().collect();
    let levels = stock::lock_levels(transaction, &ids).await?;
    let products = store::list(&**transaction, &ids).await?;
    let mut products: HashMap<String, Product> = products
        .into_iter()
        .map(|product| (product.product_id.clone(), product))
        .collect();
    let items = levels.into_iter().filter_map(|level| {
        let product = products.remove(&level.product_id)?;
        Some((
            level.product_id.clone(),
            Item {
                product,
                level,
                stored: true,
                changed: false,
            },
        ))
    });
    Ok(items.collect())
}

fn apply(
    state: &Catalog,
    transaction: &WriteTransaction,
    taken: &HashMap<String, BrandRefusal>,
    items: &mut BTreeMap<String, Item>,
    row: ImportRow,
) -> Result<RowOutcome, Failure> {
    if let Some(refusal) = taken.get(&row.brand_id) {
        return Err(refusal.clone().into());
    }
    let price = state.currency.minor_units(row.price.as_ref())?;
    let Some(item) = items.get_mut(&row.product_id) else {
        let item = register(state, transaction, price, row)?;
        items.insert(item.product.product_id.clone(), item);
        return Ok(RowOutcome::Created);
    };
    let edit = |product: &mut Product| {
        product.brand_id = row.brand_id;
        product.name = row.name;
        product.description = row.description;
        product.category = row.category;
        product.image_url = row.image_url;
        product.price = price;
    };
    if !item.product.edit(edit, transaction.context().now)? {
        return Ok(RowOutcome::Unchanged);
    }
    item.changed = true;
    item.level.version += 1;
    let told = ProductUpdated {
        product: item.product.told(&item.level, &state.currency),
    };
    outbox::append(
        transaction,
        &subject(&row.product_id),
        item.level.version,
        Fact::ProductUpdated(told),
    );
    Ok(RowOutcome::Updated)
}

fn register(state: &Catalog, transaction: &WriteTransaction, price: i64, row: ImportRow) -> Result<Item, Failure> {
    let now = transaction.context().now;
    let subject = subject(&row.product_id);
    let mut level = Level {
        version: 1,
        ..Level::empty(row.product_id.clone())
    };
    let product = Product {
        product_id: row.product_id,
        brand_id: row.brand_id,
        name: row.name,
        description: row.description,
        category: row.category,
        image_url: row.image_url,
        price,
        status: Status::Available,
        edit: 1,
        created_at: now,
        updated_at: now,
    };
    let registered = ProductRegistered {
        product: product.told(&level, &state.currency),
    };
    if row.stock > 0 {
        level.restock(row.stock)?;
    }
    outbox::append(transaction, &subject, 1, Fact::ProductRegistered(registered));
    if level.version > 1 {
        let told = level.told(StockCause::Restocked, "", "");
        outbox::append(transaction, &subject, level.version, Fact::StockLevelChanged(told));
    }
    Ok(Item {
        product,
        level,
        stored: false,
        changed: false,
    })
}

async fn save(transaction: &WriteTransaction, items: &BTreeMap<String, Item>) -> Result<(), Failure> {
    let fresh = items.values().filter(|item| !item.stored);
    let (products, levels): (Vec<Product>, Vec<Level>) =
        fresh.map(|item| (item.product.clone(), item.level.clone())).unzip();
    if store::insert(transaction, &products).await?.len() != products.len() {
        // somebody registered one of them since they were looked for
        return Err(Fault::Contended {}.into());
    }
    stock::insert_levels(transaction, &levels).await?;

    let changed: Vec<&Item> = items.values().filter(|item| item.stored && item.changed).collect();
    for item in &changed {
        store::save(transaction, &item.product).await?;
    }
    stock::save_levels(
        transaction,
        &changed.iter().map(|item| item.level.clone()).collect::<Vec<_>>(),
    )
    .await
}

fn count(answer: &mut ImportProductsResponse, outcome: RowOutcome) {
    match outcome {
        RowOutcome::Created => answer.created += 1,
        RowOutcome::Updated => answer.updated += 1,
        RowOutcome::Unchanged => answer.unchanged += 1,
        RowOutcome::Refused | RowOutcome::Unspecified => answer.refused += 1,
    }
    answer.outcomes.push(outcome.into());
}

fn told(row: i64, product_id: String, refusal: &dyn Refusal) -> RowRefusal {
    let reason = refusal.reason().reason.to_owned();
    RowRefusal {
        row,
        product_id,
        reason,
        message: sentence(refusal),
    }
}
