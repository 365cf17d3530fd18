//! The rows of brands.

use kit::clock::from_microseconds;
use kit::database::{Sql, WriteTransaction, placeholders, tuples};
use kit::refusal::Failure;
use kit::{Value, values};
use sea_orm::FromQueryResult;

use super::{Brand, BrandRefusal};

#[derive(FromQueryResult)]
struct Row {
    brand_id: String,
    name: String,
    version: i64,
    created_at: i64,
    updated_at: i64,
}

impl From<Row> for Brand {
    fn from(row: Row) -> Self {
        Self {
            brand_id: row.brand_id,
            name: row.name,
            version: row.version,
            created_at: from_microseconds(row.created_at),
            updated_at: from_microseconds(row.updated_at),
        }
    }
}

const COLUMNS: &str = "brand_id, name, version, created_at, updated_at";

/// One brand, locked.
pub(crate) async fn find(transaction: &WriteTransaction, brand_id: &str) -> Result<Option<Brand>, Failure> {
    let sql = format!(
        "SELECT {COLUMNS} FROM brands WHERE brand_id = $1{}",
        transaction.for_update()
    );
    let row: Option<Row> = transaction.find(&sql, values![brand_id]).await?;
    Ok(row.map(Brand::from))
}

/// The brands that have one of these ids or names.
pub(crate) async fn like(transaction: &WriteTransaction, ids: &[&str], names: &[&str]) -> Result<Vec<Brand>, Failure> {
    let sql = format!(
        "SELECT {COLUMNS} FROM brands WHERE brand_id IN ({}) OR name IN ({})",
        placeholders(1, ids.len()),
        placeholders(ids.len() + 1, names.len())
    );
    let values = ids.iter().chain(names).map(|text| Value::from(*text));
    let rows: Vec<Row> = transaction.list(&sql, values.collect()).await?;
    Ok(rows.into_iter().map(Brand::from).collect())
}

/// Stores new brands; an id or a name that is taken leaves its row out. Returns the ids that were stored.
pub(crate) async fn insert(transaction: &WriteTransaction, brands: &[Brand]) -> Result<Vec<String>, Failure> {
    if brands.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "INSERT INTO brands ({COLUMNS}) VALUES {} ON CONFLICT DO NOTHING RETURNING brand_id",
        tuples(brands.len(), 5)
    );
    let values = brands.iter().flat_map(|brand| {
        values![
            brand.brand_id.as_str(),
            brand.name.as_str(),
            brand.version,
            brand.created_at.as_microsecond(),
            brand.updated_at.as_microsecond()
        ]
    });
    let rows: Vec<Id> = transaction.list(&sql, values.collect()).await?;
    Ok(rows.into_iter().map(|row| row.brand_id).collect())
}

/// Saves a renamed brand that is locked.
pub(crate) async fn save(transaction: &WriteTransaction, brand: &Brand) -> Result<(), Failure> {
    let sql = "UPDATE brands SET name = $2, version = $3, updated_at = $4
        WHERE brand_id = $1 AND NOT EXISTS (SELECT 1 FROM brands other WHERE other.name = $2)";
    let values = values![
        brand.brand_id.as_str(),
        brand.name.as_str(),
        brand.version,
        brand.updated_at.as_microsecond()
    ];
    if transaction.run(sql, values).await? == 0 {
        return Err(BrandRefusal::NameTaken {
            name: brand.name.clone(),
        }
        .into());
    }
    Ok(())
}

#[derive(FromQueryResult)]
struct Id {
    brand_id: String,
}
