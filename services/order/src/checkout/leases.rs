//! The rows of checkouts and who holds them: every save asks for the lease it was begun under.

use jiff::Timestamp;
use kit::clock::from_microseconds;
use kit::context::Context;
use kit::database::{Database, Sql, WriteTransaction};
use kit::refusal::Failure;
use kit::values;
use sea_orm::{ConnectionTrait, FromQueryResult};

use super::progress::next_try;
use super::{Checkout, Direction, Step};

/// Whether a save keeps the lease, because the same process goes on at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lease {
    Keep,
    Release,
}

#[derive(FromQueryResult)]
struct Row {
    order_id: String,
    step: String,
    direction: String,
    lease_token: i64,
    next_at: Option<i64>,
    under_way_since: Option<i64>,
    tries: i32,
    expected_total: Option<i64>,
    correlation_id: String,
    traceparent: String,
    request_id: Option<String>,
    payment_refusal: String,
}

const COLUMNS: &str =
    "order_id, step, direction, lease_token, next_at, under_way_since, tries, expected_total, correlation_id, traceparent,
    request_id, payment_refusal";

/// What PlaceOrder was told, where it came with a `request_id`, or will be told.
#[derive(Debug, FromQueryResult)]
pub(crate) struct Outcome {
    step: String,
    direction: String,
    /// An encoded `PlaceOrderResponse`.
    pub answer: Option<Vec<u8>>,
    /// An encoded `google.rpc.Status`.
    pub refusal: Option<Vec<u8>>,
}

impl Outcome {
    /// Whether the checkout gives back, or gave back, what it took.
    pub fn turned(&self) -> bool {
        self.direction == Direction::Undo.name()
    }

    /// Whether nothing is left to do.
    pub fn at_rest(&self) -> bool {
        self.step == Step::Rest.name()
    }
}

impl TryFrom<Row> for Checkout {
    type Error = Failure;

    fn try_from(row: Row) -> Result<Self, Failure> {
        let known = Step::from_name(&row.step).zip(Direction::from_name(&row.direction));
        let (step, direction) =
            known.ok_or_else(|| anyhow::anyhow!("checkout {} is at {} {}", row.order_id, row.direction, row.step))?;
        Ok(Self {
            order_id: row.order_id,
            step,
            direction,
            lease_token: row.lease_token,
            next_at: row.next_at.map(from_microseconds),
            under_way_since: row.under_way_since.map(from_microseconds),
            tries: row.tries,
            expected_total: row.expected_total,
            correlation_id: row.correlation_id,
            traceparent: row.traceparent,
            request_id: row.request_id,
            payment_refusal: row.payment_refusal,
        })
    }
}

/// Stores a new checkout, leased by this process.
pub(crate) async fn insert(transaction: &WriteTransaction, checkout: &Checkout) -> Result<(), Failure> {
    let sql = format!(
        "INSERT INTO checkouts (order_id, step, direction, lease_token, leased_until, next_at, tries, expected_total,
            correlation_id, traceparent, request_id, payment_refusal, under_way_since)
        VALUES ($1, $2, $3, $4, {}, $5, $6, $7, $8, $9, $10, $11, $12)",
        lease_end(transaction.database())
    );
    let mut values = values![
        checkout.order_id.as_str(),
        checkout.step.name(),
        checkout.direction.name(),
        checkout.lease_token
    ];
    values.extend(values![next_at(checkout), checkout.tries, checkout.expected_total]);
    values.extend(values![
        checkout.correlation_id.as_str(),
        checkout.traceparent.as_str(),
        checkout.request_id.clone()
    ]);
    values.extend(values![
        checkout.payment_refusal.as_str(),
        under_way_since(transaction, checkout)
    ]);
    transaction.run(&sql, values).await?;
    Ok(())
}

/// How `Take` ended, if it did.
pub(crate) async fn outcome(connection: &impl ConnectionTrait, order_id: &str) -> Result<Option<Outcome>, Failure> {
    let sql = "SELECT step, direction, answer, refusal FROM checkouts WHERE order_id = $1";
    Ok(connection.find(sql, values![order_id]).await?)
}

/// Keeps PlaceOrder's answer, to be replayed.
pub(crate) async fn keep_answer(transaction: &WriteTransaction, order_id: &str, answer: &[u8]) -> Result<(), Failure> {
    transaction
        .run(
            "UPDATE checkouts SET answer = $2 WHERE order_id = $1",
            values![order_id, answer.to_vec()],
        )
        .await?;
    Ok(())
}

/// Keeps PlaceOrder's refusal, to be replayed.
pub(crate) async fn keep_refusal(
    transaction: &WriteTransaction,
    order_id: &str,
    refusal: &[u8],
) -> Result<(), Failure> {
    transaction
        .run(
            "UPDATE checkouts SET refusal = $2 WHERE order_id = $1",
            values![order_id, refusal.to_vec()],
        )
        .await?;
    Ok(())
}

/// The checkout, and with it the order, held still until the transaction ends.
pub(crate) async fn lock(transaction: &WriteTransaction, order_id: &str) -> Result<Option<Checkout>, Failure> {
    let sql = format!(
        "SELECT {COLUMNS} FROM checkouts WHERE order_id = $1{}",
        transaction.for_update()
    );
    let row: Option<Row> = transaction.find(&sql, values![order_id]).await?;
    row.map(Checkout::try_from).transpose()
}

/// Gives a locked checkout something else to do, at once: under a new token, so that whoever works on it saves no more.
pub(crate) async fn hand_over(transaction: &WriteTransaction, checkout: &Checkout) -> Result<(), Failure> {
    let sql =
        "UPDATE checkouts SET step = $2, direction = $3, next_at = $4, payment_refusal = $5, under_way_since = $6,
            tries = 0, lease_token = lease_token + 1, leased_until = 0
        WHERE order_id = $1";
    let mut values = values![
        checkout.order_id.as_str(),
        checkout.step.name(),
        checkout.direction.name()
    ];
    values.extend(values![
        next_at(checkout),
        checkout.payment_refusal.as_str(),
        under_way_since(transaction, checkout)
    ]);
    transaction.run(sql, values).await?;
    Ok(())
}

/// Saves what was done under the lease, which was taken in the direction `from`. `false`: somebody else has it now.
pub(crate) async fn save(
    transaction: &WriteTransaction,
    checkout: &Checkout,
    from: Direction,
    lease: Lease,
) -> Result<bool, Failure> {
    let until = match lease {
        Lease::Keep => lease_end(transaction.database()),
        Lease::Release => "0".to_owned(),
    };
    let sql = format!(
        "UPDATE checkouts SET step = $4, direction = $5, next_at = $6, payment_refusal = $7, under_way_since = $8,
            tries = 0, leased_until = {until}
        WHERE order_id = $1 AND lease_token = $2 AND direction = $3"
    );
    let mut values = values![
        checkout.order_id.as_str(),
        checkout.lease_token,
        from.name(),
        checkout.step.name()
    ];
    values.extend(values![
        checkout.direction.name(),
        next_at(checkout),
        checkout.payment_refusal.as_str(),
        under_way_since(transaction, checkout)
    ]);
    Ok(transaction.run(&sql, values).await? == 1)
}

/// Gives the lease back, to be tried again after a pause; where it stands is what was saved last.
pub(crate) async fn postpone(
    database: &Database,
    context: &Context,
    checkout: &Checkout,
    error: &str,
) -> Result<(), Failure> {
    let sql = "UPDATE checkouts SET tries = $3 + 1, next_at = $4, last_error = $5, last_error_at = $6, leased_until = 0
        WHERE order_id = $1 AND lease_token = $2";
    let next_at = next_try(checkout.tries, context.now).as_microsecond();
    let mut values = values![
        checkout.order_id.as_str(),
        checkout.lease_token,
        checkout.tries,
        next_at
    ];
    values.extend(values![error, context.now.as_microsecond()]);
    let transaction = database.begin_bare(context).await?;
    transaction.run(sql, values).await?;
    transaction.commit_quietly().await
}

/// Takes the lease of checkouts that are due, at most `limit`.
pub(crate) async fn take(database: &Database, context: &Context, limit: usize) -> Result<Vec<Checkout>, Failure> {
    let (clock, now) = (database.now_sql(), context.now.as_microsecond());
    let due = format!("SELECT order_id FROM checkouts WHERE next_at <= $1 AND leased_until < {clock} ORDER BY next_at");
    let idle: Option<OrderId> = database.reader().find(&format!("{due} LIMIT 1"), values![now]).await?;
    if idle.is_none() {
        return Ok(Vec::new());
    }
    let transaction = database.begin_bare(context).await?;
    // others that lease at the same time take other rows
    let skip = if database.is_postgres() {
        " FOR UPDATE SKIP LOCKED"
    } else {
        ""
    };
    let sql = format!(
        "WITH due AS ({due} LIMIT {limit}{skip})
        UPDATE checkouts SET lease_token = lease_token + 1, leased_until = {}
        WHERE order_id IN (SELECT order_id FROM due) RETURNING {COLUMNS}",
        lease_end(database)
    );
    let rows: Vec<Row> = transaction.list(&sql, values![now]).await?;
    transaction.commit_quietly().await?;
    rows.into_iter().map(Checkout::try_from).collect()
}

#[derive(FromQueryResult)]
#[expect(dead_code, reason = "only whether there is one matters")]
struct OrderId {
    order_id: String,
}

fn lease_end(database: &Database) -> String {
    database.lease_end_sql(database.lease())
}

fn next_at(checkout: &Checkout) -> Option<i64> {
    checkout.next_at.map(Timestamp::as_microsecond)
}

/// What is stored: the moment at which it left its rest, kept from one save to the next.
fn under_way_since(transaction: &WriteTransaction, checkout: &Checkout) -> Option<i64> {
    let now = transaction.context().now;
    let since = checkout.under_way_since.unwrap_or(now);
    (!checkout.at_rest(now)).then(|| since.as_microsecond())
}
