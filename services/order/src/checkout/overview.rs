//! Checkouts as an operator sees them, each beside its order.

use kit::clock::{from_microseconds, to_proto};
use kit::database::{Database, Sql, WriteTransaction};
use kit::refusal::Failure;
use kit::{Value, values};
use proto::order::v1 as contract;
use proto::order::v1::OrderState;
use sea_orm::FromQueryResult;

use super::{Direction, Step};

/// A checkout beside what an operator must know of its order.
#[derive(FromQueryResult)]
pub(crate) struct Row {
    pub order_id: String,
    user_id: String,
    state: String,
    step: String,
    direction: String,
    pub tries: i32,
    pub last_error: String,
    last_error_at: Option<i64>,
    pub under_way_since: Option<i64>,
    next_at: Option<i64>,
    leased_until: Option<i64>,
    attempt: i32,
    attempt_open: bool,
    correlation_id: String,
}

/// What counts as stuck, and where the page begins.
#[derive(Clone, Copy, Debug)]
pub struct Stuck<'a> {
    /// Not at rest since this moment or before, in microseconds since 1970.
    pub since: i64,
    /// Or failed so often.
    pub tries: i32,
    /// Behind the (under way since, order id) of the page before.
    pub behind: Option<(i64, &'a str)>,
    /// Rows at most.
    pub limit: u32,
}

/// The statement of a page of what is stuck; `clock` is an expression for the database's own time.
#[must_use]
pub fn page_sql(clock: &str, stuck: Stuck<'_>) -> (String, Vec<Value>) {
    let (since, order_id) = stuck.behind.unwrap_or((i64::MIN, ""));
    let sql = format!(
        "{} WHERE c.under_way_since IS NOT NULL AND (c.under_way_since, c.order_id) > ($1, $2)
            AND (c.under_way_since <= $3 OR c.tries >= $4)
        ORDER BY c.under_way_since, c.order_id LIMIT {}",
        select(clock),
        stuck.limit
    );
    (sql, values![since, order_id, stuck.since, stuck.tries])
}

/// A page of what is stuck, those first that are under way the longest.
pub(crate) async fn list(database: &Database, stuck: Stuck<'_>) -> Result<Vec<Row>, Failure> {
    let (sql, values) = page_sql(database.now_sql(), stuck);
    Ok(database.reader().list(&sql, values).await?)
}

/// One checkout, as it is in this transaction.
pub(crate) async fn find(transaction: &WriteTransaction, order_id: &str) -> Result<Row, Failure> {
    let sql = format!("{} WHERE c.order_id = $1", select(transaction.database().now_sql()));
    let row: Option<Row> = transaction.find(&sql, values![order_id]).await?;
    Ok(row.ok_or_else(|| anyhow::anyhow!("order {order_id} has no checkout"))?)
}

fn select(clock: &str) -> String {
    format!(
        "SELECT c.order_id, o.user_id, o.state, c.step, c.direction, c.tries, c.last_error, c.last_error_at,
            c.under_way_since, c.next_at, CASE WHEN c.leased_until > {clock} THEN c.leased_until END AS leased_until,
            o.attempt, o.attempt_open, c.correlation_id
        FROM checkouts c JOIN orders o ON o.order_id = c.order_id"
    )
}

impl From<Row> for contract::Checkout {
    fn from(row: Row) -> Self {
        let time = |microseconds: Option<i64>| microseconds.map(|time| to_proto(from_microseconds(time)));
        let state = OrderState::from_str_name(&format!("ORDER_STATE_{}", row.state));
        let step = Step::from_name(&row.step).map_or(contract::CheckoutStep::Unspecified, shown_step);
        let direction = match Direction::from_name(&row.direction) {
            Some(Direction::Forward) => contract::CheckoutDirection::Forward,
            Some(Direction::Undo) => contract::CheckoutDirection::Undo,
            None => contract::CheckoutDirection::Unspecified,
        };
        Self {
            order_id: row.order_id,
            user_id: row.user_id,
            order_state: state.unwrap_or(OrderState::Unspecified).into(),
            step: step.into(),
            direction: direction.into(),
            tries: row.tries,
            last_error: row.last_error,
            last_error_at: time(row.last_error_at),
            under_way_since: time(row.under_way_since),
            next_try_at: time(row.next_at),
            leased_until: time(row.leased_until),
            attempt: row.attempt,
            payment_open: row.attempt_open,
            correlation_id: row.correlation_id,
        }
    }
}

fn shown_step(step: Step) -> contract::CheckoutStep {
    match step {
        Step::Take => contract::CheckoutStep::Take,
        Step::Pay => contract::CheckoutStep::Pay,
        Step::Await => contract::CheckoutStep::Await,
        Step::Settle => contract::CheckoutStep::Settle,
        Step::Rest => contract::CheckoutStep::Rest,
    }
}
