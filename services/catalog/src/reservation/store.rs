//! The rows of reservations and their lines, and the books that a batch is judged by.
//!
//! Locks are taken in one order, so that no two batches wait for each other: orders by id, then stock by product.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use kit::database::{Sql, WriteTransaction, placeholders, tuples};
use kit::refusal::Failure;
use kit::{Value, values};
use sea_orm::FromQueryResult;

use super::books::{Ask, Books};
use super::move_stock::Command;
use super::{Line, Reservation, State};
use crate::ROWS_PER_STATEMENT_MAX;
use crate::product::store as products;
use crate::stock::{Wish, store as stock};

/// The books as they were opened, and the orders whose first row they wrote.
#[derive(Debug)]
pub(crate) struct Opened {
    pub books: Books,
    claims: BTreeMap<String, State>,
}

#[derive(FromQueryResult)]
struct OrderId {
    order_id: String,
}

#[derive(FromQueryResult)]
struct ReservationRow {
    order_id: String,
    state: String,
    version: i64,
}

#[derive(FromQueryResult)]
struct LineRow {
    order_id: String,
    product_id: String,
    quantity: i64,
    name: String,
    brand_id: String,
    unit_price: i64,
}

/// Locks all that the commands may change.
pub(crate) async fn open(transaction: &WriteTransaction, commands: &[Command]) -> Result<Opened, Failure> {
    let claims = claim(transaction, commands).await?;
    let orders: BTreeSet<&str> = commands.iter().map(|command| command.order_id.as_str()).collect();
    let known: Vec<&str> = orders
        .into_iter()
        .filter(|order| !claims.contains_key(*order))
        .collect();
    let reservations = lock(transaction, &known).await?;

    let wanted = commands.iter().filter_map(|command| match &command.ask {
        Ask::Reserve(lines) if claims.contains_key(&command.order_id) => Some(lines),
        _ => None,
    });
    let wanted: BTreeSet<&str> = wanted.flatten().map(|line| line.product_id.as_str()).collect();
    let held = reservations.values().flat_map(|reservation| &reservation.lines);
    let touched: BTreeSet<&str> = held
        .map(|line| line.product_id.as_str())
        .chain(wanted.iter().copied())
        .collect();

    let levels = stock::lock_levels(transaction, &touched.into_iter().collect::<Vec<_>>()).await?;
    // read behind the lock, so that a price changed just before is seen
    let products = products::list(&**transaction, &wanted.into_iter().collect::<Vec<_>>()).await?;
    let books = Books {
        levels: levels
            .into_iter()
            .map(|level| (level.product_id.clone(), level))
            .collect(),
        products: products
            .into_iter()
            .map(|product| (product.product_id.clone(), product))
            .collect(),
        reservations,
    };
    Ok(Opened { books, claims })
}

/// Writes the rows of orders that have none yet and may get one. A concurrent twin waits here, and then finds ours.
async fn claim(transaction: &WriteTransaction, commands: &[Command]) -> Result<BTreeMap<String, State>, Failure> {
    let mut claims: BTreeMap<&str, State> = BTreeMap::new();
    for command in commands {
        let state = match command.ask {
            Ask::Reserve(_) => State::Reserved,
            Ask::Fulfil(Wish::Release) => State::Released,
            Ask::Fulfil(Wish::Commit | Wish::Return) => continue,
        };
        claims.entry(&command.order_id).or_insert(state);
    }
    if claims.is_empty() {
        return Ok(BTreeMap::new());
    }
    let sql = format!(
        "INSERT INTO reservations (order_id, state, version) VALUES {} ON CONFLICT DO NOTHING RETURNING order_id",
        tuples(claims.len(), 3)
    );
    let values = claims
        .iter()
        .flat_map(|(order_id, state)| values![*order_id, state.name(), 1_i64]);
    let written: Vec<OrderId> = transaction.list(&sql, values.collect()).await?;
    let written = written.into_iter().filter_map(|OrderId { order_id }| {
        let state = *claims.get(order_id.as_str())?;
        Some((order_id, state))
    });
    Ok(written.collect())
}

async fn lock(transaction: &WriteTransaction, orders: &[&str]) -> Result<BTreeMap<String, Reservation>, Failure> {
    if orders.is_empty() {
        return Ok(BTreeMap::new());
    }
    let wanted = placeholders(1, orders.len());
    let values: Vec<Value> = orders.iter().map(|order| Value::from(*order)).collect();
    let sql = format!(
        "SELECT order_id, state, version FROM reservations WHERE order_id IN ({wanted}) ORDER BY order_id{}",
        transaction.for_update()
    );
    let rows: Vec<ReservationRow> = transaction.list(&sql, values.clone()).await?;
    let sql = format!(
        "SELECT order_id, product_id, quantity, name, brand_id, unit_price FROM reservation_lines
        WHERE order_id IN ({wanted}) ORDER BY order_id, position, product_id"
    );
    let mut lines: HashMap<String, Vec<Line>> = HashMap::new();
    for row in transaction.list::<LineRow>(&sql, values).await? {
        let LineRow {
            order_id,
            product_id,
            quantity,
            name,
            brand_id,
            unit_price,
        } = row;
        let line = Line {
            product_id,
            quantity,
            name,
            brand_id,
            unit_price,
        };
        lines.entry(order_id).or_default().push(line);
    }
    let reservations = rows.into_iter().map(|row| {
        let state = State::from_name(&row.state);
        let state = state.ok_or_else(|| anyhow::anyhow!("reservation {} is {}", row.order_id, row.state))?;
        let lines = lines.remove(&row.order_id).unwrap_or_default();
        Ok((
            row.order_id,
            Reservation {
                state,
                version: row.version,
                lines,
            },
        ))
    });
    reservations.collect()
}

/// Writes what differs from what was opened.
pub(crate) async fn save(transaction: &WriteTransaction, opened: &Opened, books: &Books) -> Result<(), Failure> {
    let levels = books
        .levels
        .values()
        .filter(|level| opened.books.levels.get(&level.product_id) != Some(level));
    stock::save_levels(transaction, &levels.cloned().collect::<Vec<_>>()).await?;

    let (mut changed, mut fresh) = (Vec::new(), Vec::new());
    for (order_id, reservation) in &books.reservations {
        let before = match opened.claims.get(order_id) {
            Some(state) => {
                fresh.push((order_id.as_str(), reservation.lines.as_slice()));
                Some((*state, 1))
            }
            None => opened
                .books
                .reservations
                .get(order_id)
                .map(|known| (known.state, known.version)),
        };
        if before != Some((reservation.state, reservation.version)) {
            changed.push((order_id.as_str(), reservation));
        }
    }
    let unused = opened
        .claims
        .keys()
        .filter(|order| !books.reservations.contains_key(*order));
    unclaim(transaction, &unused.map(String::as_str).collect::<Vec<_>>()).await?;
    update(transaction, &changed).await?;
    insert_lines(transaction, &fresh).await
}

/// Takes away the rows of orders that were refused.
async fn unclaim(transaction: &WriteTransaction, orders: &[&str]) -> Result<(), Failure> {
    if orders.is_empty() {
        return Ok(());
    }
    let sql = format!(
        "DELETE FROM reservations WHERE order_id IN ({})",
        placeholders(1, orders.len())
    );
    transaction
        .run(&sql, orders.iter().map(|order| Value::from(*order)).collect())
        .await?;
    Ok(())
}

async fn update(transaction: &WriteTransaction, changed: &[(&str, &Reservation)]) -> Result<(), Failure> {
    if changed.is_empty() {
        return Ok(());
    }
    let row = |row: usize| format!("(${}, ${}, CAST(${} AS BIGINT))", row * 3 + 1, row * 3 + 2, row * 3 + 3);
    let sql = format!(
        "WITH change (order_id, state, version) AS (VALUES {})
        UPDATE reservations SET state = change.state, version = change.version
        FROM change WHERE reservations.order_id = change.order_id",
        (0..changed.len()).map(row).collect::<Vec<_>>().join(", ")
    );
    let values = changed
        .iter()
        .flat_map(|(order, to)| values![*order, to.state.name(), to.version]);
    transaction.run(&sql, values.collect()).await?;
    Ok(())
}

async fn insert_lines(transaction: &WriteTransaction, fresh: &[(&str, &[Line])]) -> Result<(), Failure> {
    let rows = fresh
        .iter()
        .flat_map(|(order, lines)| (1_i32..).zip(*lines).map(|(position, line)| (*order, position, line)));
    let rows: Vec<(&str, i32, &Line)> = rows.collect();
    for rows in rows.chunks(ROWS_PER_STATEMENT_MAX) {
        let sql = format!(
            "INSERT INTO reservation_lines (order_id, position, product_id, quantity, name, brand_id, unit_price)
            VALUES {}",
            tuples(rows.len(), 7)
        );
        let mut values = Vec::with_capacity(rows.len() * 7);
        for (order, position, line) in rows {
            values.extend(values![*order, *position, line.product_id.as_str(), line.quantity]);
            values.extend(values![line.name.as_str(), line.brand_id.as_str(), line.unit_price]);
        }
        transaction.run(&sql, values).await?;
    }
    Ok(())
}
