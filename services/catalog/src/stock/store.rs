//! The rows of stock and reservations; several are always locked in the order of their ids.

use std::collections::BTreeMap;

use kit::database::{Sql, WriteTransaction, placeholders, tuples};
use kit::refusal::Failure;
use kit::{Value, values};
use sea_orm::{ConnectionTrait, FromQueryResult};

use super::{Level, ReservationState};

/// A product as an order sees it.
#[derive(Debug, FromQueryResult)]
pub(crate) struct Offer {
    pub product_id: String,
    pub name: String,
    pub brand_id: String,
    pub price: i64,
    pub status: String,
    pub on_hand: i64,
    pub reserved: i64,
    pub sold: i64,
    pub received: i64,
    pub adjusted: i64,
    pub version: i64,
}

/// A line of a reservation with the name and price of its moment.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub(crate) struct Line {
    pub product_id: String,
    pub quantity: i64,
    pub name: String,
    pub brand_id: String,
    pub unit_price: i64,
}

#[derive(FromQueryResult)]
struct ReservationRow {
    state: String,
    version: i64,
}

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

const LEVEL: &str = "s.on_hand, s.reserved, s.sold, s.received, s.adjusted, s.version";

impl Offer {
    /// The stock in it.
    pub fn level(&self) -> Level {
        Level {
            product_id: self.product_id.clone(),
            on_hand: self.on_hand,
            reserved: self.reserved,
            sold: self.sold,
            received: self.received,
            adjusted: self.adjusted,
            version: self.version,
        }
    }
}

/// The products of an order, in the order of their ids, read without a lock.
pub(crate) async fn offers(connection: &impl ConnectionTrait, product_ids: &[&str]) -> Result<Vec<Offer>, Failure> {
    find_offers(connection, product_ids, "").await
}

/// The same, their stock locked until the transaction ends.
pub(crate) async fn lock_offers(transaction: &WriteTransaction, product_ids: &[&str]) -> Result<Vec<Offer>, Failure> {
    let lock = if transaction.database().is_postgres() {
        " FOR UPDATE OF s"
    } else {
        ""
    };
    find_offers(&**transaction, product_ids, lock).await
}

async fn find_offers(
    connection: &impl ConnectionTrait,
    product_ids: &[&str],
    lock: &str,
) -> Result<Vec<Offer>, Failure> {
    let sql = format!(
        "SELECT p.product_id, p.name, p.brand_id, p.price, p.status, {LEVEL}
        FROM stock_levels s JOIN products p ON p.product_id = s.product_id
        WHERE s.product_id IN ({}) ORDER BY s.product_id{lock}",
        placeholders(1, product_ids.len())
    );
    Ok(connection
        .list(&sql, product_ids.iter().map(|id| Value::from(*id)).collect())
        .await?)
}

/// The levels of these products, locked in the order of their ids.
pub(crate) async fn lock_levels(transaction: &WriteTransaction, product_ids: &[&str]) -> Result<Vec<Level>, Failure> {
    let sql = format!(
        "SELECT s.product_id, {LEVEL} FROM stock_levels s WHERE s.product_id IN ({}) ORDER BY s.product_id{}",
        placeholders(1, product_ids.len()),
        transaction.for_update()
    );
    let rows: Vec<LevelRow> = transaction
        .list(&sql, product_ids.iter().map(|id| Value::from(*id)).collect())
        .await?;
    let levels = rows.into_iter().map(|row| Level {
        product_id: row.product_id,
        on_hand: row.on_hand,
        reserved: row.reserved,
        sold: row.sold,
        received: row.received,
        adjusted: row.adjusted,
        version: row.version,
    });
    Ok(levels.collect())
}

/// Saves levels that are locked, all in one statement.
pub(crate) async fn save_levels(transaction: &WriteTransaction, levels: &[Level]) -> Result<(), Failure> {
    if levels.is_empty() {
        return Ok(());
    }
    let rows = (0..levels.len()).map(|row| {
        let number = |column: usize| row * 7 + column;
        // the first row tells PostgreSQL the types of all
        format!(
            "(${}, CAST(${} AS BIGINT), CAST(${} AS BIGINT), CAST(${} AS BIGINT), CAST(${} AS BIGINT), CAST(${} AS BIGINT), CAST(${} AS BIGINT))",
            number(1), number(2), number(3), number(4), number(5), number(6), number(7)
        )
    });
    let sql = format!(
        "WITH change (product_id, on_hand, reserved, sold, received, adjusted, version) AS (VALUES {})
        UPDATE stock_levels SET on_hand = change.on_hand, reserved = change.reserved, sold = change.sold,
            received = change.received, adjusted = change.adjusted, version = change.version
        FROM change WHERE stock_levels.product_id = change.product_id",
        rows.collect::<Vec<_>>().join(", ")
    );
    let values = levels.iter().flat_map(|level| {
        values![
            level.product_id.as_str(),
            level.on_hand,
            level.reserved,
            level.sold,
            level.received,
            level.adjusted,
            level.version
        ]
    });
    transaction.run(&sql, values.collect()).await?;
    Ok(())
}

/// Stores new levels, all in one statement.
pub(crate) async fn insert_levels(transaction: &WriteTransaction, levels: &[Level]) -> Result<(), Failure> {
    if levels.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "INSERT INTO stock_levels (product_id, on_hand, reserved, sold, received, adjusted, version) VALUES {}",
        tuples(levels.len(), 7)
    );
    let values = levels.iter().flat_map(|level| {
        values![
            level.product_id.as_str(),
            level.on_hand,
            level.reserved,
            level.sold,
            level.received,
            level.adjusted,
            level.version
        ]
    });
    transaction.run(&sql, values.collect()).await?;
    Ok(())
}

/// Claims the order's reservation; `false` if there is one already. A concurrent twin waits here.
pub(crate) async fn claim(
    transaction: &WriteTransaction,
    order_id: &str,
    state: ReservationState,
) -> Result<bool, Failure> {
    let sql = "INSERT INTO reservations (order_id, state, version) VALUES ($1, $2, 1) ON CONFLICT DO NOTHING";
    Ok(transaction.run(sql, values![order_id, state.name()]).await? == 1)
}

/// The order's reservation, locked, with its version.
pub(crate) async fn lock(
    transaction: &WriteTransaction,
    order_id: &str,
) -> Result<Option<(ReservationState, i64)>, Failure> {
    let sql = format!(
        "SELECT state, version FROM reservations WHERE order_id = $1{}",
        transaction.for_update()
    );
    let Some(row) = transaction.find::<ReservationRow>(&sql, values![order_id]).await? else {
        return Ok(None);
    };
    let state = ReservationState::from_name(&row.state);
    let state = state.ok_or_else(|| anyhow::anyhow!("reservation {order_id} is {}", row.state))?;
    Ok(Some((state, row.version)))
}

/// Saves where a locked reservation stands; returns its new version.
pub(crate) async fn save(
    transaction: &WriteTransaction,
    order_id: &str,
    state: ReservationState,
) -> Result<i64, Failure> {
    let version = transaction.next_version("reservations", "order_id", order_id).await?;
    transaction
        .run(
            "UPDATE reservations SET state = $2 WHERE order_id = $1",
            values![order_id, state.name()],
        )
        .await?;
    Ok(version)
}

/// Stores the lines of a new reservation.
pub(crate) async fn insert_lines(
    transaction: &WriteTransaction,
    order_id: &str,
    lines: &[Line],
) -> Result<(), Failure> {
    let sql = format!(
        "INSERT INTO reservation_lines (order_id, product_id, quantity, name, brand_id, unit_price) VALUES {}",
        tuples(lines.len(), 6)
    );
    let values = lines.iter().flat_map(|line| {
        values![
            order_id,
            line.product_id.as_str(),
            line.quantity,
            line.name.as_str(),
            line.brand_id.as_str(),
            line.unit_price
        ]
    });
    transaction.run(&sql, values.collect()).await?;
    Ok(())
}

/// The lines of a reservation, in the order of their products.
pub(crate) async fn lines(connection: &impl ConnectionTrait, order_id: &str) -> Result<Vec<Line>, Failure> {
    let sql = "SELECT product_id, quantity, name, brand_id, unit_price FROM reservation_lines
        WHERE order_id = $1 ORDER BY product_id";
    Ok(connection.list(sql, values![order_id]).await?)
}

/// Quantities by product.
pub(crate) fn quantities(lines: &[Line]) -> BTreeMap<String, i64> {
    lines
        .iter()
        .map(|line| (line.product_id.clone(), line.quantity))
        .collect()
}
