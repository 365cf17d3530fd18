//! Orders of a user, newest first, each with all its lines.

use std::collections::BTreeMap;

use async_trait::async_trait;
use kit::clock::from_proto;
use kit::database::{Sql, WriteTransaction, placeholders};
use kit::refusal::Failure;
use kit::{Value, values};
use prost::Message;
use proto::event::v1 as event;
use proto::event::v1::event::Fact;
use proto::event::v1::{Event, OrderSnapshot};
use proto::readmodel::v1::{OrderDetail, OrderLine};
use sea_orm::{ConnectionTrait, FromQueryResult};

use super::{Projection, by_ids, upsert};

#[derive(Debug)]
pub(crate) struct Orders;

#[derive(FromQueryResult)]
struct Version {
    order_id: String,
    version: i64,
}

/// An order as it is stored.
#[derive(Clone, Debug, FromQueryResult)]
pub(crate) struct Row {
    pub user_id: String,
    pub placed_at: i64,
    detail: Vec<u8>,
}

impl Row {
    /// The order as the contract shows it.
    pub fn detail(&self) -> Result<OrderDetail, Failure> {
        Ok(OrderDetail::decode(self.detail.as_slice()).map_err(anyhow::Error::from)?)
    }
}

#[async_trait]
impl Projection for Orders {
    fn name(&self) -> &'static str {
        "orders"
    }

    fn facts(&self) -> &'static [&'static str] {
        &[
            "OrderPlaced",
            "OrderAwaitingPayment",
            "OrderPaymentOpened",
            "OrderPaymentEnded",
            "OrderPaid",
            "OrderRefunding",
            "OrderCancelled",
            "OrderExpired",
        ]
    }

    async fn apply(&self, transaction: &WriteTransaction, generation: i32, events: &[&Event]) -> Result<(), Failure> {
        let mut told: BTreeMap<&str, (i64, &OrderSnapshot)> = BTreeMap::new();
        for event in events {
            let Some(order) = snapshot(event) else { continue };
            if told
                .get(order.order_id.as_str())
                .is_none_or(|(version, _)| *version < event.version)
            {
                told.insert(&order.order_id, (event.version, order));
            }
        }
        let ids: Vec<&str> = told.keys().copied().collect();
        let select = "SELECT order_id, version FROM orders";
        let known: Vec<Version> = by_ids(&**transaction, select, "order_id", generation, &ids).await?;
        let known: BTreeMap<String, i64> = known.into_iter().map(|row| (row.order_id, row.version)).collect();
        let newer = told
            .into_iter()
            .filter(|(id, (version, _))| known.get(*id).is_none_or(|known| known < version));
        let rows = newer.map(|(order_id, (version, order))| {
            let placed_at = order
                .placed_at
                .as_ref()
                .map(from_proto)
                .unwrap_or_default()
                .as_microsecond();
            let detail = shown(order, version).encode_to_vec();
            values![
                generation,
                order_id,
                order.user_id.as_str(),
                order.state,
                placed_at,
                version,
                detail
            ]
        });
        let columns = [
            "generation",
            "order_id",
            "user_id",
            "state",
            "placed_at",
            "version",
            "detail",
        ];
        upsert(transaction, "orders", &columns, 2, rows.collect()).await
    }
}

/// The order that a fact tells.
pub(crate) fn snapshot(event: &Event) -> Option<&OrderSnapshot> {
    match event.fact.as_ref()? {
        Fact::OrderPlaced(event::OrderPlaced { order })
        | Fact::OrderAwaitingPayment(event::OrderAwaitingPayment { order })
        | Fact::OrderPaymentOpened(event::OrderPaymentOpened { order })
        | Fact::OrderPaymentEnded(event::OrderPaymentEnded { order })
        | Fact::OrderPaid(event::OrderPaid { order })
        | Fact::OrderRefunding(event::OrderRefunding { order })
        | Fact::OrderCancelled(event::OrderCancelled { order })
        | Fact::OrderExpired(event::OrderExpired { order }) => order.as_ref(),
        _ => None,
    }
}

/// An order as the contract shows it; the states have the same numbers in both.
pub(crate) fn shown(order: &OrderSnapshot, version: i64) -> OrderDetail {
    let line = |line: &event::OrderLineSnapshot| OrderLine {
        product_id: line.product_id.clone(),
        name: line.name.clone(),
        brand_id: line.brand_id.clone(),
        unit_price: line.unit_price.clone(),
        quantity: line.quantity,
        subtotal: line.subtotal.clone(),
        discount: line.discount.clone(),
    };
    OrderDetail {
        order_id: order.order_id.clone(),
        state: order.state,
        lines: order.lines.iter().map(line).collect(),
        subtotal: order.subtotal.clone(),
        discount: order.discount.clone(),
        total: order.total.clone(),
        points: order.points.clone(),
        card: order.card.clone(),
        coupon_id: order.coupon_id.clone(),
        attempt: order.attempt,
        payment_open: order.payment_open,
        payment_reason: order.payment_reason.clone(),
        placed_at: order.placed_at,
        expires_at: order.expires_at,
        paid_at: order.paid_at,
        ended_at: order.ended_at,
        why: order.why.clone(),
        version,
    }
}

/// One order.
pub(crate) async fn find(
    connection: &impl ConnectionTrait,
    generation: i32,
    order_id: &str,
) -> Result<Option<Row>, Failure> {
    let sql = "SELECT user_id, placed_at, detail FROM orders WHERE generation = $1 AND order_id = $2";
    Ok(connection.find(sql, values![generation, order_id]).await?)
}

/// Which orders a user wants to see.
#[derive(Debug)]
pub(crate) struct Filter<'a> {
    pub user_id: &'a str,
    pub states: &'a [i32],
    pub placed_after: i64,
    pub placed_before: i64,
    pub behind: Option<(i64, &'a str)>,
    pub limit: u32,
}

/// A user's orders, newest first.
pub(crate) async fn list(
    connection: &impl ConnectionTrait,
    generation: i32,
    filter: Filter<'_>,
) -> Result<Vec<Row>, Failure> {
    let (placed_at, order_id) = filter.behind.unwrap_or((i64::MAX, ""));
    let mut values = values![
        generation,
        filter.user_id,
        placed_at,
        order_id,
        filter.placed_after,
        filter.placed_before
    ];
    let mut states = String::new();
    if !filter.states.is_empty() {
        states = format!(
            " AND state IN ({})",
            placeholders(values.len() + 1, filter.states.len())
        );
        values.extend(filter.states.iter().map(|state| Value::from(*state)));
    }
    let sql = format!(
        "SELECT user_id, placed_at, detail FROM orders
        WHERE generation = $1 AND user_id = $2 AND (placed_at, order_id) < ($3, $4)
            AND placed_at > $5 AND placed_at < $6{states}
        ORDER BY placed_at DESC, order_id DESC LIMIT {}",
        filter.limit
    );
    Ok(connection.list(&sql, values).await?)
}
