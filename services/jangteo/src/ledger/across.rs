//! Invariants across owners: what one says another must say too, order by order, product by product.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use futures::FutureExt;
use kit::database::{Sql, VALUES_MAX, placeholders};
use kit::dead_letter::UNSETTLED;
use kit::refusal::Failure;
use kit::{Value, values};
use sea_orm::FromQueryResult;

use super::{Check, NOT_PUBLISHED, Outcome, Tables, all, outcome};

/// All checks; the book is the gateway simulator's, where it is ours.
pub(super) fn checks(tables: &Tables, book: Option<&Path>) -> Vec<Check> {
    let mut checks = vec![
        stock_follows_orders(tables.clone()).boxed(),
        payments_follow_orders(tables.clone()).boxed(),
        points_follow_orders(tables.clone()).boxed(),
        journal_is_whole(tables.clone()).boxed(),
        views_hold_all(tables.clone()).boxed(),
        views_equal_owners(tables.clone()).boxed(),
    ];
    if let Some(book) = book {
        checks.push(book_agrees(tables.clone(), book.to_owned()).boxed());
    }
    checks
}

#[derive(FromQueryResult)]
struct Order {
    order_id: String,
    state: String,
    points: i64,
    card: i64,
}

#[derive(FromQueryResult)]
struct Named {
    id: String,
    state: String,
}

#[derive(FromQueryResult)]
struct Amount {
    id: String,
    amount: i64,
}

async fn orders(tables: &Tables) -> Result<Vec<Order>, Failure> {
    all(&tables.order, "SELECT order_id, state, points, card FROM orders").await
}

async fn stock_follows_orders(tables: Tables) -> Result<Outcome, Failure> {
    let reservations: Vec<Named> = all(&tables.catalog, "SELECT order_id AS id, state FROM reservations").await?;
    let reservations: BTreeMap<String, String> = reservations.into_iter().map(|row| (row.id, row.state)).collect();
    let orders = orders(&tables).await?;
    let broken = orders.iter().filter(|order| {
        let reservation = reservations.get(&order.order_id).map(String::as_str);
        !matches!(
            (order.state.as_str(), reservation),
            ("AWAITING_PAYMENT", Some("RESERVED"))
                | ("PAID", Some("COMMITTED"))
                | ("CANCELLED" | "EXPIRED", Some("RELEASED" | "RETURNED"))
        )
    });
    let broken = broken.map(|order| order.order_id.clone()).collect();
    let figure = format!("{} orders, {} reservations", orders.len(), reservations.len());
    let description =
        "an order that awaits payment holds its stock, a paid one has bought it, an ended one holds nothing";
    Ok(outcome("stock-follows-orders", description, figure, broken))
}

async fn payments_follow_orders(tables: Tables) -> Result<Outcome, Failure> {
    let sql =
        "SELECT order_id AS id, CAST(SUM(captured - refunded) AS BIGINT) AS amount FROM payments GROUP BY order_id";
    let net: Vec<Amount> = all(&tables.payment, sql).await?;
    let net: BTreeMap<String, i64> = net.into_iter().map(|row| (row.id, row.amount)).collect();
    let orders = orders(&tables).await?;
    let paid = |order: &Order| if order.state == "PAID" { order.card } else { 0 };
    let broken = orders
        .iter()
        .filter(|order| net.get(&order.order_id).copied().unwrap_or_default() != paid(order));
    let broken = broken.map(|order| order.order_id.clone()).collect();
    let figure = format!(
        "{} = {}",
        net.values().sum::<i64>(),
        orders.iter().map(paid).sum::<i64>()
    );
    let description = "what payments hold of an order is the card part of a paid one, and nothing of any other";
    Ok(outcome("payments-follow-orders", description, figure, broken))
}

async fn points_follow_orders(tables: Tables) -> Result<Outcome, Failure> {
    let holds: Vec<Named> = all(
        &tables.payment,
        "SELECT order_id AS id, state FROM point_holds WHERE amount > 0",
    )
    .await?;
    let holds: BTreeMap<String, String> = holds.into_iter().map(|row| (row.id, row.state)).collect();
    let orders = orders(&tables).await?;
    let broken = orders.iter().filter(|order| {
        let hold = holds.get(&order.order_id).map(String::as_str);
        let fits = match order.state.as_str() {
            "AWAITING_PAYMENT" => hold == (order.points > 0).then_some("HELD"),
            "PAID" => hold == (order.points > 0).then_some("SETTLED"),
            _ => matches!(hold, None | Some("RELEASED" | "REFUNDED")),
        };
        !fits
    });
    let broken = broken.map(|order| order.order_id.clone()).collect();
    let description = "an order that awaits payment holds its points, a paid one has spent them, an ended one neither";
    Ok(outcome(
        "points-follow-orders",
        description,
        format!("{} holds", holds.len()),
        broken,
    ))
}

/// The simulator's book is the ground truth of what cards were charged.
async fn book_agrees(tables: Tables, book: PathBuf) -> Result<Outcome, Failure> {
    let orders = orders(&tables).await?;
    let mut charged: BTreeMap<String, i128> = BTreeMap::new();
    if book.exists() {
        // a large file, and no work for those who answer calls
        let read = tokio::task::spawn_blocking(move || pg_simulator::read_book(&book)).await;
        for (attempt, money) in read.map_err(anyhow::Error::from)??.money_by_order() {
            let order_id = attempt.rsplit('.').next_back().unwrap_or_default();
            *charged.entry(order_id.to_owned()).or_default() += money.captured - money.cancelled;
        }
    }
    let paid: BTreeMap<&str, i128> = orders
        .iter()
        .filter(|order| order.state == "PAID")
        .map(|order| (order.order_id.as_str(), i128::from(order.card)))
        .collect();
    let ids: BTreeSet<&str> = charged.keys().map(String::as_str).chain(paid.keys().copied()).collect();
    let both = |id: &str| {
        (
            charged.get(id).copied().unwrap_or_default(),
            paid.get(id).copied().unwrap_or_default(),
        )
    };
    let broken = ids
        .into_iter()
        .filter(|id| both(id).0 != both(id).1)
        .map(str::to_owned)
        .collect();
    let figure = format!("{} = {}", charged.values().sum::<i128>(), paid.values().sum::<i128>());
    let description =
        "what the gateway's book has charged for an order is the card part of a paid one, and nothing of any other";
    Ok(outcome("gateway-book-agrees", description, figure, broken))
}

/// Looked up in pieces: there are too many events to hold their ids at once.
async fn journal_is_whole(tables: Tables) -> Result<Outcome, Failure> {
    let (mut missing, mut told) = (Vec::new(), 0);
    for database in tables.writers() {
        let mut behind = 0;
        loop {
            let sql = format!(
                "SELECT sequence, id, published_at FROM outbox WHERE sequence > $1 ORDER BY sequence LIMIT {VALUES_MAX}"
            );
            let piece: Vec<Told> = database.reader().list(&sql, values![behind]).await?;
            let Some(last) = piece.last() else { break };
            behind = last.sequence;
            told += piece.len();
            let sql = format!(
                "SELECT event_id AS id FROM event_journal WHERE event_id IN ({})",
                placeholders(1, piece.len())
            );
            let ids = piece.iter().map(|row| Value::from(row.id.as_str())).collect();
            let known: Vec<Id> = tables.read_model.reader().list(&sql, ids).await?;
            let known: BTreeSet<String> = known.into_iter().map(|row| row.id).collect();
            let lost = piece.into_iter().filter(|row| !known.contains(&row.id));
            missing.extend(lost.map(|row| match row.published_at {
                Some(_) => row.id,
                None => row.id + NOT_PUBLISHED,
            }));
        }
    }
    Ok(outcome(
        "journal-is-whole",
        "every event of every outbox is in the journal",
        format!("{told} events"),
        missing,
    ))
}

#[derive(FromQueryResult)]
struct Told {
    sequence: i64,
    id: String,
    published_at: Option<i64>,
}

#[derive(FromQueryResult)]
struct Id {
    id: String,
}

async fn views_hold_all(tables: Tables) -> Result<Outcome, Failure> {
    let sql = "SELECT name AS id, position AS amount FROM projection_positions
        UNION ALL SELECT 'journal' AS id, position AS amount FROM journal_head";
    let positions: Vec<Amount> = all(&tables.read_model, sql).await?;
    let head = positions
        .iter()
        .find(|row| row.id == "journal")
        .map_or(0, |row| row.amount);
    let mut behind: Vec<String> = positions
        .into_iter()
        .filter(|row| row.amount < head)
        .map(|row| row.id)
        .collect();
    for database in tables.all() {
        // a message that no channel takes is nobody's missing entry
        let dead: Vec<Id> = all(
            database,
            &format!("SELECT event_id AS id FROM dead_letters WHERE {UNSETTLED} AND consumer <> 'notification.sender'"),
        )
        .await?;
        behind.extend(dead.into_iter().map(|row| row.id));
    }
    let description =
        "every view has followed the journal to its end, and no event but that of a message is a dead letter";
    Ok(outcome(
        "views-hold-all",
        description,
        format!("position {head}"),
        behind,
    ))
}

async fn views_equal_owners(tables: Tables) -> Result<Outcome, Failure> {
    let mut broken = Vec::new();
    let mut compare = |what: &str, owner: Vec<Amount>, view: Vec<Amount>| {
        let owner: BTreeMap<String, i64> = owner
            .into_iter()
            .filter(|row| row.amount != 0)
            .map(|row| (row.id, row.amount))
            .collect();
        let view: BTreeMap<String, i64> = view
            .into_iter()
            .filter(|row| row.amount != 0)
            .map(|row| (row.id, row.amount))
            .collect();
        let ids: BTreeSet<&String> = owner.keys().chain(view.keys()).collect();
        let value = |of: &BTreeMap<String, i64>, id: &str| of.get(id).copied().unwrap_or_default();
        let differ = ids.into_iter().filter(|id| value(&owner, id) != value(&view, id));
        // with both figures: the same difference a round later is one that nothing works on
        let told = |id: &String| {
            format!(
                "{what} {id}: {} and {} in the view",
                value(&owner, id),
                value(&view, id)
            )
        };
        broken.extend(differ.map(told));
        owner.len()
    };
    let sql = "SELECT product_id AS id, CAST(COUNT(*) AS BIGINT) AS amount FROM likes WHERE liked GROUP BY product_id";
    let liked = all(&tables.catalog, sql).await?;
    let seen = all(
        &tables.read_model,
        "SELECT product_id AS id, like_count AS amount FROM product_popularity",
    )
    .await?;
    let liked = compare("likes of product", liked, seen);
    let versions = all(&tables.order, "SELECT order_id AS id, version AS amount FROM orders").await?;
    let seen = all(
        &tables.read_model,
        "SELECT order_id AS id, version AS amount FROM orders",
    )
    .await?;
    let orders = compare("version of order", versions, seen);
    let versions = all(
        &tables.catalog,
        "SELECT product_id AS id, version AS amount FROM stock_levels",
    )
    .await?;
    let seen = all(
        &tables.read_model,
        "SELECT product_id AS id, version AS amount FROM product_details",
    )
    .await?;
    let products = compare("version of product", versions, seen);
    let versions = all(
        &tables.payment,
        "SELECT user_id AS id, version AS amount FROM point_accounts",
    )
    .await?;
    let sql = "SELECT user_id AS id, CAST(COUNT(*) AS BIGINT) AS amount FROM point_entries GROUP BY user_id";
    let users = compare("movements of user", versions, all(&tables.read_model, sql).await?);
    let figure = format!("{products} products, {liked} of them liked, {orders} orders, {users} point accounts");
    let description = "likes, orders, products and points are in the views as their owners have them";
    Ok(outcome("views-equal-owners", description, figure, broken))
}
