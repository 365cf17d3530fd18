//! The rows of products.

use kit::clock::from_microseconds;
use kit::database::{Sql, WriteTransaction, placeholders, tuples};
use kit::refusal::Failure;
use kit::{Value, values};
use sea_orm::{ConnectionTrait, FromQueryResult};

use super::{Product, ProductRefusal, Status};
use crate::ROWS_PER_STATEMENT_MAX;
use crate::stock::{Level, store as stock};

#[derive(FromQueryResult)]
struct Row {
    product_id: String,
    brand_id: String,
    name: String,
    description: String,
    category: String,
    image_url: String,
    price: i64,
    status: String,
    edit: i64,
    created_at: i64,
    updated_at: i64,
}

impl From<Row> for Product {
    fn from(row: Row) -> Self {
        Self {
            status: Status::from_name(&row.status),
            created_at: from_microseconds(row.created_at),
            updated_at: from_microseconds(row.updated_at),
            product_id: row.product_id,
            brand_id: row.brand_id,
            name: row.name,
            description: row.description,
            category: row.category,
            image_url: row.image_url,
            price: row.price,
            edit: row.edit,
        }
    }
}

const COLUMNS: &str =
    "product_id, brand_id, name, description, category, image_url, price, status, edit, created_at, updated_at";

/// These products, as far as there are any.
pub(crate) async fn list(connection: &impl ConnectionTrait, product_ids: &[&str]) -> Result<Vec<Product>, Failure> {
    let mut products = Vec::with_capacity(product_ids.len());
    for product_ids in product_ids.chunks(ROWS_PER_STATEMENT_MAX) {
        let sql = format!(
            "SELECT {COLUMNS} FROM products WHERE product_id IN ({})",
            placeholders(1, product_ids.len())
        );
        let values = product_ids.iter().map(|id| Value::from(*id)).collect();
        let rows: Vec<Row> = connection.list(&sql, values).await?;
        products.extend(rows.into_iter().map(Product::from));
    }
    Ok(products)
}

/// The product and its stock, whose lock holds both.
pub(crate) async fn lock(transaction: &WriteTransaction, product_id: &str) -> Result<(Product, Level), Failure> {
    let level = stock::lock_levels(transaction, &[product_id]).await?.pop();
    let product = list(&**transaction, &[product_id]).await?.pop();
    Ok(product.zip(level).ok_or_else(|| ProductRefusal::NotFound {
        product_id: product_id.to_owned(),
    })?)
}

/// Stores new products; returns the ids of those that were not there.
pub(crate) async fn insert(transaction: &WriteTransaction, products: &[Product]) -> Result<Vec<String>, Failure> {
    let mut stored = Vec::with_capacity(products.len());
    for products in products.chunks(ROWS_PER_STATEMENT_MAX) {
        let sql = format!(
            "INSERT INTO products ({COLUMNS}) VALUES {} ON CONFLICT DO NOTHING RETURNING product_id",
            tuples(products.len(), 11)
        );
        let rows: Vec<Id> = transaction.list(&sql, products.iter().flat_map(row).collect()).await?;
        stored.extend(rows.into_iter().map(|row| row.product_id));
    }
    Ok(stored)
}

/// Saves a product that is locked.
pub(crate) async fn save(transaction: &WriteTransaction, product: &Product) -> Result<(), Failure> {
    let sql =
        "UPDATE products SET brand_id = $2, name = $3, description = $4, category = $5, image_url = $6, price = $7,
        status = $8, edit = $9, updated_at = $11 WHERE product_id = $1 AND created_at = $10";
    transaction.run(sql, row(product)).await?;
    Ok(())
}

fn row(product: &Product) -> Vec<Value> {
    values![
        product.product_id.as_str(),
        product.brand_id.as_str(),
        product.name.as_str(),
        product.description.as_str(),
        product.category.as_str(),
        product.image_url.as_str(),
        product.price,
        product.status.name(),
        product.edit,
        product.created_at.as_microsecond(),
        product.updated_at.as_microsecond(),
    ]
}

#[derive(FromQueryResult)]
struct Id {
    product_id: String,
}
