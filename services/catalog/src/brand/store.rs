//! The rows of brands.

use kit::clock::from_microseconds;
use kit::database::{Sql, WriteTransaction, placeholders, tuples};
use kit::refusal::{Failure, Fault};
use kit::{Value, values};
use sea_orm::{FromQueryResult, SqlErr};

use super::Brand;
use crate::ROWS_PER_STATEMENT_MAX;

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

/// Those of the brands that exist, locked in the order of their ids.
pub(crate) async fn lock(transaction: &WriteTransaction, ids: &[&str]) -> Result<Vec<Brand>, Failure> {
    let mut brands = Vec::with_capacity(ids.len());
    for ids in ids.chunks(ROWS_PER_STATEMENT_MAX) {
        let sql = format!(
            "SELECT {COLUMNS} FROM brands WHERE brand_id IN ({}) ORDER BY brand_id{}",
            placeholders(1, ids.len()),
            transaction.for_update()
        );
        let rows: Vec<Row> = transaction
            .list(&sql, ids.iter().map(|id| Value::from(*id)).collect())
            .await?;
        brands.extend(rows.into_iter().map(Brand::from));
    }
    Ok(brands)
}

/// Stores new brands; an id or a name that is taken leaves its row out. Returns the ids that were stored.
pub(crate) async fn insert(transaction: &WriteTransaction, brands: &[Brand]) -> Result<Vec<String>, Failure> {
    let mut stored = Vec::with_capacity(brands.len());
    for brands in brands.chunks(ROWS_PER_STATEMENT_MAX) {
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
        stored.extend(rows.into_iter().map(|row| row.brand_id));
    }
    Ok(stored)
}

/// Saves a renamed brand that is locked; `false` if another has the name.
pub(crate) async fn save(transaction: &WriteTransaction, brand: &Brand) -> Result<bool, Failure> {
    let sql = "UPDATE brands SET name = $2, version = $3, updated_at = $4
        WHERE brand_id = $1 AND NOT EXISTS (SELECT 1 FROM brands other WHERE other.name = $2)";
    let values = values![
        brand.brand_id.as_str(),
        brand.name.as_str(),
        brand.version,
        brand.updated_at.as_microsecond()
    ];
    match transaction.run(sql, values).await {
        Ok(changed) => Ok(changed == 1),
        // somebody took the name since it was looked for, and on PostgreSQL this transaction is over
        Err(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) => {
            Err(Fault::Contended {}.into())
        }
        Err(error) => Err(error.into()),
    }
}

#[derive(FromQueryResult)]
struct Id {
    brand_id: String,
}
