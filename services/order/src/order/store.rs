//! The rows of orders and their lines.

use std::collections::HashMap;

use jiff::Timestamp;
use kit::clock::from_microseconds;
use kit::database::{Sql, WriteTransaction, placeholders, tuples};
use kit::money::Currency;
use kit::refusal::Failure;
use kit::{Value, outbox, values};
use proto::order::v1::OrderState;
use sea_orm::{ConnectionTrait, FromQueryResult};

use super::{Bill, Change, Line, Order, message, state_name};

#[derive(FromQueryResult)]
struct OrderRow {
    order_id: String,
    user_id: String,
    state: String,
    version: i64,
    subtotal: i64,
    discount: i64,
    total: i64,
    points: i64,
    card: i64,
    coupon_id: String,
    card_token: String,
    attempt: i32,
    attempt_open: bool,
    payment_reason: String,
    placed_at: i64,
    expires_at: Option<i64>,
    paid_at: Option<i64>,
    ended_at: Option<i64>,
    why: String,
}

#[derive(FromQueryResult)]
struct LineRow {
    order_id: String,
    product_id: String,
    name: String,
    brand_id: String,
    unit_price: i64,
    quantity: i64,
    subtotal: i64,
    discount: i64,
}

/// The subject of an order's events.
pub(crate) fn subject(order_id: &str) -> String {
    format!("order/{order_id}")
}

/// The order with its lines.
pub(crate) async fn find(connection: &impl ConnectionTrait, order_id: &str) -> Result<Option<Order>, Failure> {
    Ok(list(connection, &[order_id]).await?.pop())
}

/// Those of the orders that exist, with their lines.
pub(crate) async fn list(connection: &impl ConnectionTrait, order_ids: &[&str]) -> Result<Vec<Order>, Failure> {
    if order_ids.is_empty() {
        return Ok(Vec::new());
    }
    let wanted = placeholders(1, order_ids.len());
    let values: Vec<Value> = order_ids.iter().map(|id| Value::from(*id)).collect();
    let sql = format!("SELECT * FROM orders WHERE order_id IN ({wanted})");
    let rows: Vec<OrderRow> = connection.list(&sql, values.clone()).await?;
    let sql = format!("SELECT * FROM order_lines WHERE order_id IN ({wanted}) ORDER BY order_id, position");
    let mut lines: HashMap<String, Vec<Line>> = HashMap::new();
    for row in connection.list::<LineRow>(&sql, values).await? {
        let LineRow {
            order_id,
            product_id,
            name,
            brand_id,
            unit_price,
            quantity,
            subtotal,
            discount,
        } = row;
        let line = Line {
            product_id,
            name,
            brand_id,
            unit_price,
            quantity,
            subtotal,
            discount,
        };
        lines.entry(order_id).or_default().push(line);
    }
    rows.into_iter().map(|row| from_row(row, &mut lines)).collect()
}

fn from_row(row: OrderRow, lines: &mut HashMap<String, Vec<Line>>) -> Result<Order, Failure> {
    let state = OrderState::from_str_name(&format!("ORDER_STATE_{}", row.state));
    let state = state.ok_or_else(|| anyhow::anyhow!("order {} is in an unknown state {}", row.order_id, row.state))?;
    let OrderRow {
        subtotal,
        discount,
        total,
        points,
        card,
        ..
    } = row;
    Ok(Order {
        lines: lines.remove(&row.order_id).unwrap_or_default(),
        state,
        bill: Bill {
            subtotal,
            discount,
            total,
            points,
            card,
        },
        order_id: row.order_id,
        user_id: row.user_id,
        version: row.version,
        coupon_id: row.coupon_id,
        card_token: row.card_token,
        attempt: row.attempt,
        attempt_open: row.attempt_open,
        payment_reason: row.payment_reason,
        placed_at: from_microseconds(row.placed_at),
        expires_at: row.expires_at.map(from_microseconds),
        paid_at: row.paid_at.map(from_microseconds),
        ended_at: row.ended_at.map(from_microseconds),
        why: row.why,
    })
}

/// Stores a new order with its lines, and tells of it.
pub(crate) async fn insert(transaction: &WriteTransaction, currency: &Currency, order: &Order) -> Result<(), Failure> {
    let sql = "INSERT INTO orders (order_id, user_id, state, version, subtotal, discount, total, points, card,
            coupon_id, card_token, attempt, attempt_open, payment_reason, placed_at, expires_at, why)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)";
    let Bill {
        subtotal,
        discount,
        total,
        points,
        card,
    } = order.bill;
    let mut values = values![
        order.order_id.as_str(),
        order.user_id.as_str(),
        state_name(order.state),
        order.version
    ];
    values.extend(values![
        subtotal,
        discount,
        total,
        points,
        card,
        order.coupon_id.as_str(),
        order.card_token.as_str()
    ]);
    values.extend(values![
        order.attempt,
        order.attempt_open,
        order.payment_reason.as_str()
    ]);
    values.extend(values![
        order.placed_at.as_microsecond(),
        microseconds(order.expires_at),
        order.why.as_str()
    ]);
    transaction.run(sql, values).await?;
    save_lines(transaction, order).await?;
    tell(transaction, currency, order, Change::Placed);
    Ok(())
}

/// Stores a changed order, provided it is the one that was read, and tells of the change.
pub(crate) async fn save(
    transaction: &WriteTransaction,
    currency: &Currency,
    order: &Order,
    change: Change,
) -> Result<(), Failure> {
    let sql = "UPDATE orders SET state = $3, version = $2 + 1, subtotal = $4, discount = $5, total = $6, points = $7,
            card = $8, card_token = $9, attempt = $10, attempt_open = $11, payment_reason = $12, expires_at = $13,
            paid_at = $14, ended_at = $15, why = $16
        WHERE order_id = $1 AND version = $2";
    let Bill {
        subtotal,
        discount,
        total,
        points,
        card,
    } = order.bill;
    let mut values = values![order.order_id.as_str(), order.version - 1, state_name(order.state)];
    values.extend(values![
        subtotal,
        discount,
        total,
        points,
        card,
        order.card_token.as_str(),
        order.attempt
    ]);
    values.extend(values![
        order.attempt_open,
        order.payment_reason.as_str(),
        microseconds(order.expires_at)
    ]);
    values.extend(values![
        microseconds(order.paid_at),
        microseconds(order.ended_at),
        order.why.as_str()
    ]);
    if transaction.run(sql, values).await? == 0 {
        return Err(anyhow::anyhow!("order {} changed under its lock", order.order_id).into());
    }
    tell(transaction, currency, order, change);
    Ok(())
}

/// Stores the lines as they are now.
pub(crate) async fn save_lines(transaction: &WriteTransaction, order: &Order) -> Result<(), Failure> {
    let sql = format!(
        "INSERT INTO order_lines (order_id, position, product_id, name, brand_id, unit_price, quantity, subtotal, discount)
        VALUES {}
        ON CONFLICT (order_id, position) DO UPDATE SET name = excluded.name, brand_id = excluded.brand_id,
            unit_price = excluded.unit_price, subtotal = excluded.subtotal, discount = excluded.discount",
        tuples(order.lines.len(), 9)
    );
    let mut values = Vec::with_capacity(order.lines.len() * 9);
    for (position, line) in (1_i32..).zip(&order.lines) {
        values.extend(values![
            order.order_id.as_str(),
            position,
            line.product_id.as_str(),
            line.name.as_str()
        ]);
        values.extend(values![
            line.brand_id.as_str(),
            line.unit_price,
            line.quantity,
            line.subtotal,
            line.discount
        ]);
    }
    transaction.run(&sql, values).await?;
    Ok(())
}

fn tell(transaction: &WriteTransaction, currency: &Currency, order: &Order, change: Change) {
    let fact = message::fact(change, order, currency);
    outbox::append(transaction, &subject(&order.order_id), order.version, fact);
}

fn microseconds(time: Option<Timestamp>) -> Option<i64> {
    time.map(Timestamp::as_microsecond)
}
