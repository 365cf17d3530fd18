//! The rows of stock; several are always locked in the order of their products.

use kit::database::{Sql, WriteTransaction, placeholders, tuples};
use kit::refusal::Failure;
use kit::{Value, values};
use sea_orm::{ConnectionTrait, FromQueryResult};

use super::Level;
use crate::ROWS_PER_STATEMENT_MAX;

#[derive(FromQueryResult)]
struct LevelRow {
    product_id: String,
    on_hand: i64,
    reserved: i64,
    sold: i64,
    received: i64,
    adjusted: i64,
    version: i64,
}

impl From<LevelRow> for Level {
    fn from(row: LevelRow) -> Self {
        Self {
            product_id: row.product_id,
            on_hand: row.on_hand,
            reserved: row.reserved,
            sold: row.sold,
            received: row.received,
            adjusted: row.adjusted,
            version: row.version,
        }
    }
}

/// The levels of these products, read without a lock.
pub(crate) async fn levels(connection: &impl ConnectionTrait, product_ids: &[&str]) -> Result<Vec<Level>, Failure> {
    list(connection, product_ids, "").await
}

/// The levels of these products, which are sorted, locked in this order.
pub(crate) async fn lock_levels(transaction: &WriteTransaction, product_ids: &[&str]) -> Result<Vec<Level>, Failure> {
    list(&**transaction, product_ids, transaction.for_update()).await
}

async fn list(connection: &impl ConnectionTrait, product_ids: &[&str], lock: &str) -> Result<Vec<Level>, Failure> {
    let mut levels = Vec::with_capacity(product_ids.len());
    for product_ids in product_ids.chunks(ROWS_PER_STATEMENT_MAX) {
        let sql = format!(
            "SELECT product_id, on_hand, reserved, sold, received, adjusted, version FROM stock_levels
            WHERE product_id IN ({}) ORDER BY product_id{lock}",
            placeholders(1, product_ids.len()),
        );
        let values = product_ids.iter().map(|id| Value::from(*id)).collect();
        let rows: Vec<LevelRow> = connection.list(&sql, values).await?;
        levels.extend(rows.into_iter().map(Level::from));
    }
    Ok(levels)
}

/// Saves levels that are locked, many in one statement.
pub(crate) async fn save_levels(transaction: &WriteTransaction, levels: &[Level]) -> Result<(), Failure> {
    for levels in levels.chunks(ROWS_PER_STATEMENT_MAX) {
        // bare parameters would be texts to PostgreSQL
        let row = |row: usize| {
            let numbers = (2..=7).map(|column| format!("CAST(${} AS BIGINT)", row * 7 + column));
            format!("(${}, {})", row * 7 + 1, numbers.collect::<Vec<_>>().join(", "))
        };
        let sql = format!(
            "WITH change (product_id, on_hand, reserved, sold, received, adjusted, version) AS (VALUES {})
            UPDATE stock_levels SET on_hand = change.on_hand, reserved = change.reserved, sold = change.sold,
                received = change.received, adjusted = change.adjusted, version = change.version
            FROM change WHERE stock_levels.product_id = change.product_id",
            (0..levels.len()).map(row).collect::<Vec<_>>().join(", ")
        );
        transaction
            .run(&sql, levels.iter().flat_map(values_of).collect())
            .await?;
    }
    Ok(())
}

/// Stores new levels, many in one statement.
pub(crate) async fn insert_levels(transaction: &WriteTransaction, levels: &[Level]) -> Result<(), Failure> {
    for levels in levels.chunks(ROWS_PER_STATEMENT_MAX) {
        let sql = format!(
            "INSERT INTO stock_levels (product_id, on_hand, reserved, sold, received, adjusted, version) VALUES {}",
            tuples(levels.len(), 7)
        );
        transaction
            .run(&sql, levels.iter().flat_map(values_of).collect())
            .await?;
    }
    Ok(())
}

fn values_of(level: &Level) -> Vec<Value> {
    values![
        level.product_id.as_str(),
        level.on_hand,
        level.reserved,
        level.sold,
        level.received,
        level.adjusted,
        level.version,
    ]
}
