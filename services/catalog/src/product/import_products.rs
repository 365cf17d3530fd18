//! ImportProducts: many products and their brands, a transaction for each message of the stream.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use kit::context::Context;
use kit::database::WriteTransaction;
use kit::edge;
use kit::outbox;
use kit::refusal::{Failure, Refusal, status};
use proto::catalog::v1::{ImportProductsRequest, ImportProductsResponse, ImportRow, RowOutcome, RowRefusal};
use proto::event::v1::event::Fact;
use proto::event::v1::{ProductRegistered, ProductUpdated, StockCause};
use tonic::{Request, Response, Status, Streaming};

use super::update_product::save;
use super::{Product, ProductRefusal, Status as Sale, store, subject};
use crate::Catalog;
use crate::brand::register_brand::register_missing;
use crate::stock::{Level, store as stock};

/// Refused rows that are told one by one.
const REFUSALS_MAX: usize = 1_000;

impl Catalog {
    /// Applies the stream message by message; what was applied before a failure stays, and the stream can be sent again.
    pub(crate) async fn import_message_by_message(
        &self,
        request: Request<Streaming<ImportProductsRequest>>,
    ) -> Result<Response<ImportProductsResponse>, Status> {
        let locale = edge::locale(request.metadata());
        let context = edge::context(&request)?;
        let mut messages = request.into_inner();
        let mut imported = ImportProductsResponse::default();
        while let Some(message) = messages.message().await? {
            edge::check(&message, locale)?;
            let context = Context {
                now: self.database.clock().now(),
                ..context.clone()
            };
            let (state, rows) = (self.clone(), message.rows);
            // a task of its own: a caller that leaves does not stop a message half-way
            let applied = tokio::spawn(async move { import_rows(&state, &context, rows).await });
            let applied = applied
                .await
                .unwrap_or_else(|error| Err(Failure::Internal(error.into())));
            add(&mut imported, applied.map_err(|failure| status(failure, locale))?);
        }
        Ok(Response::new(imported))
    }
}

/// Adds the answer of one message to that of those before it.
fn add(imported: &mut ImportProductsResponse, mut message: ImportProductsResponse) {
    let before = i64::try_from(imported.outcomes.len()).unwrap_or(i64::MAX);
    message.refusals.iter_mut().for_each(|refusal| refusal.row += before);
    imported.created += message.created;
    imported.updated += message.updated;
    imported.unchanged += message.unchanged;
    imported.refused += message.refused;
    imported.outcomes.extend(message.outcomes);
    let room = REFUSALS_MAX - imported.refusals.len();
    imported.refusals.extend(message.refusals.into_iter().take(room));
    imported.revision = message.revision;
}

async fn import_rows(
    state: &Catalog,
    context: &Context,
    rows: Vec<ImportRow>,
) -> Result<ImportProductsResponse, Failure> {
    let transaction = state.database.begin_bare(context).await?;
    let brands: BTreeMap<&str, &str> = rows
        .iter()
        .map(|row| (row.brand_id.as_str(), row.brand_name.as_str()))
        .collect();
    let taken = register_missing(&transaction, &brands).await?;
    let ids: BTreeSet<&str> = rows.iter().map(|row| row.product_id.as_str()).collect();
    let ids: Vec<&str> = ids.into_iter().collect();
    let levels = stock::lock_levels(&transaction, &ids).await?;
    let mut levels: HashMap<String, Level> = levels
        .into_iter()
        .map(|level| (level.product_id.clone(), level))
        .collect();
    let known = store::list(&*transaction, &ids).await?;
    let mut known: HashMap<String, Product> = known
        .into_iter()
        .map(|product| (product.product_id.clone(), product))
        .collect();

    let mut answer = ImportProductsResponse::default();
    let mut fresh: Vec<(Product, Level)> = Vec::new();
    for (number, row) in rows.into_iter().enumerate() {
        let product_id = row.product_id.clone();
        let refused = taken.get(&row.brand_id).map(|refusal| Failure::from(refusal.clone()));
        let outcome = match (refused, known.get_mut(&product_id), levels.get_mut(&product_id)) {
            (Some(refusal), _, _) => Err(refusal),
            (None, Some(product), Some(level)) => change(state, &transaction, product, level, row).await,
            (None, _, _) => match register(state, context, row) {
                Ok(registered)
                    if fresh
                        .iter()
                        .any(|(product, _)| product.product_id == registered.0.product_id) =>
                {
                    Err(ProductRefusal::AlreadyExists {
                        product_id: product_id.clone(),
                    }
                    .into())
                }
                Ok(registered) => {
                    fresh.push(registered);
                    Ok(RowOutcome::Created)
                }
                Err(failure) => Err(failure),
            },
        };
        count(&mut answer, number, &product_id, outcome)?;
    }
    insert(state, &transaction, fresh).await?;
    transaction.commit(answer).await
}

fn register(state: &Catalog, context: &Context, row: ImportRow) -> Result<(Product, Level), Failure> {
    let price = state.currency.minor_units(row.price.as_ref())?;
    let mut level = Level {
        version: 1,
        ..Level::empty(row.product_id.clone())
    };
    if row.stock > 0 {
        level.restock(row.stock)?;
    }
    let product = Product {
        product_id: row.product_id,
        brand_id: row.brand_id,
        name: row.name,
        description: row.description,
        category: row.category,
        image_url: row.image_url,
        price,
        status: Sale::Available,
        edit: 1,
        created_at: context.now,
        updated_at: context.now,
    };
    Ok((product, level))
}

async fn insert(state: &Catalog, transaction: &WriteTransaction, fresh: Vec<(Product, Level)>) -> Result<(), Failure> {
    let (products, levels): (Vec<Product>, Vec<Level>) = fresh.into_iter().unzip();
    let inserted = store::insert(transaction, &products).await?;
    if inserted.len() != products.len() {
        // somebody registered one of them since it was looked for; the message can be sent again
        return Err(anyhow::anyhow!("products of this message were registered at the same time").into());
    }
    stock::insert_levels(transaction, &levels).await?;
    for (product, level) in products.iter().zip(&levels) {
        let subject = subject(&product.product_id);
        let empty = Level {
            version: 1,
            ..Level::empty(product.product_id.clone())
        };
        let told = ProductRegistered {
            product: product.told(&empty, &state.currency),
        };
        outbox::append(transaction, &subject, 1, Fact::ProductRegistered(told));
        if level.version > 1 {
            let told = level.told(StockCause::Restocked, "", "");
            outbox::append(transaction, &subject, level.version, Fact::StockLevelChanged(told));
        }
    }
    Ok(())
}

async fn change(
    state: &Catalog,
    transaction: &WriteTransaction,
    product: &mut Product,
    level: &mut Level,
    row: ImportRow,
) -> Result<RowOutcome, Failure> {
    let price = state.currency.minor_units(row.price.as_ref())?;
    let edit = |product: &mut Product| {
        product.brand_id = row.brand_id;
        product.name = row.name;
        product.description = row.description;
        product.category = row.category;
        product.image_url = row.image_url;
        product.price = price;
    };
    if !product.edit(edit, transaction.context().now)? {
        return Ok(RowOutcome::Unchanged);
    }
    let fact = |product| Fact::ProductUpdated(ProductUpdated { product });
    save(state, transaction, product, level, fact).await?;
    Ok(RowOutcome::Updated)
}

/// Notes what became of a row; only a refusal is the row's own affair.
fn count(
    answer: &mut ImportProductsResponse,
    number: usize,
    product_id: &str,
    outcome: Result<RowOutcome, Failure>,
) -> Result<(), Failure> {
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(Failure::Refused(refusal)) => {
            answer.refusals.push(told(number, product_id, refusal.as_ref()));
            RowOutcome::Refused
        }
        Err(failure) => return Err(failure),
    };
    match outcome {
        RowOutcome::Created => answer.created += 1,
        RowOutcome::Updated => answer.updated += 1,
        RowOutcome::Unchanged => answer.unchanged += 1,
        RowOutcome::Refused | RowOutcome::Unspecified => answer.refused += 1,
    }
    answer.outcomes.push(outcome.into());
    Ok(())
}

fn told(number: usize, product_id: &str, refusal: &dyn Refusal) -> RowRefusal {
    RowRefusal {
        row: i64::try_from(number).unwrap_or(i64::MAX),
        product_id: product_id.to_owned(),
        reason: refusal.reason().reason.to_owned(),
        message: kit::refusal::sentence(refusal),
    }
}
