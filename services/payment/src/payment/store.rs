//! The rows of payments, refunds and the journal; a driver saves only under the lease and the state it asked in.

use jiff::Timestamp;
use kit::clock::from_microseconds;
use kit::context::Context;
use kit::database::{Database, Sql, WriteTransaction};
use kit::refusal::Failure;
use kit::values;
use sea_orm::{ConnectionTrait, FromQueryResult};

use super::{Payment, State};

/// How long a payment belongs to the driver that took it: longer than a POST, its look-up and its pauses.
const LEASE_SECONDS: i64 = 20;

#[derive(FromQueryResult)]
struct Row {
    order_id: String,
    attempt: i32,
    user_id: String,
    amount: i64,
    card_token: String,
    last_four: String,
    state: String,
    reason: String,
    captured: i64,
    refunded: i64,
    transaction_key: String,
    posts: i32,
    last_post_at: i64,
    version: i64,
    created_at: i64,
    updated_at: i64,
    looks: i32,
    lease_token: i64,
}

const COLUMNS: &str = "order_id, attempt, user_id, amount, card_token, last_four, state, reason, captured, refunded,
    transaction_key, posts, last_post_at, version, created_at, updated_at, looks, lease_token";

/// A refund that was promised.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
pub(crate) struct Refund {
    pub refund_id: String,
    pub order_id: String,
    pub attempt: i32,
    pub amount: i64,
    pub done: bool,
}

/// A payment under a driver's lease.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub payment: Payment,
    pub lease_token: i64,
}

impl TryFrom<Row> for Held {
    type Error = Failure;

    fn try_from(row: Row) -> Result<Self, Failure> {
        let state = State::from_name(&row.state);
        let state =
            state.ok_or_else(|| anyhow::anyhow!("payment {}.{} is {}", row.order_id, row.attempt, row.state))?;
        let payment = Payment {
            order_id: row.order_id,
            attempt: row.attempt,
            user_id: row.user_id,
            amount: row.amount,
            card_token: row.card_token,
            last_four: row.last_four,
            state,
            reason: row.reason,
            captured: row.captured,
            refunded: row.refunded,
            transaction_key: row.transaction_key,
            posts: row.posts,
            last_post_at: from_microseconds(row.last_post_at),
            version: row.version,
            created_at: from_microseconds(row.created_at),
            updated_at: from_microseconds(row.updated_at),
            looks: row.looks,
        };
        Ok(Self {
            payment,
            lease_token: row.lease_token,
        })
    }
}

/// Stores a new attempt; `false` if it is there already. A concurrent twin waits here.
pub(crate) async fn insert(
    transaction: &WriteTransaction,
    payment: &Payment,
    next_at: Option<Timestamp>,
) -> Result<bool, Failure> {
    let sql =
        "INSERT INTO payments (order_id, attempt, user_id, amount, card_token, last_four, state, reason, captured,
            refunded, transaction_key, posts, last_post_at, version, created_at, updated_at, next_at, looks, hinted,
            lease_token, leased_until)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, 0, FALSE, 0, 0)
        ON CONFLICT DO NOTHING";
    let mut values = values![
        payment.order_id.as_str(),
        payment.attempt,
        payment.user_id.as_str(),
        payment.amount
    ];
    values.extend(values![
        payment.card_token.as_str(),
        payment.last_four.as_str(),
        payment.state.name()
    ]);
    values.extend(values![
        payment.reason.as_str(),
        payment.captured,
        payment.refunded,
        payment.transaction_key.as_str()
    ]);
    values.extend(values![
        payment.posts,
        payment.last_post_at.as_microsecond(),
        payment.version
    ]);
    values.extend(values![
        payment.created_at.as_microsecond(),
        payment.updated_at.as_microsecond()
    ]);
    values.extend(values![next_at.map(Timestamp::as_microsecond)]);
    Ok(transaction.run(sql, values).await? == 1)
}

/// The attempt, locked.
pub(crate) async fn lock(
    transaction: &WriteTransaction,
    order_id: &str,
    attempt: i32,
) -> Result<Option<Payment>, Failure> {
    let sql = format!(
        "SELECT {COLUMNS} FROM payments WHERE order_id = $1 AND attempt = $2{}",
        transaction.for_update()
    );
    let row: Option<Row> = transaction.find(&sql, values![order_id, attempt]).await?;
    Ok(row.map(Held::try_from).transpose()?.map(|held| held.payment))
}

/// Saves a locked attempt; `next_at`: when the driver goes on with it. A lease on it is void from now on.
pub(crate) async fn save(
    transaction: &WriteTransaction,
    payment: &Payment,
    next_at: Option<Timestamp>,
) -> Result<(), Failure> {
    let sql = "UPDATE payments SET state = $3, reason = $4, captured = $5, refunded = $6, transaction_key = $7, posts = $8,
            last_post_at = $9, version = $10, updated_at = $11, next_at = $12, lease_token = lease_token + 1, leased_until = 0
        WHERE order_id = $1 AND attempt = $2";
    let mut values = values![payment.order_id.as_str(), payment.attempt];
    values.extend(changing(payment));
    values.extend(values![next_at.map(Timestamp::as_microsecond)]);
    transaction.run(sql, values).await?;
    Ok(())
}

fn changing(payment: &Payment) -> Vec<kit::Value> {
    values![
        payment.state.name(),
        payment.reason.as_str(),
        payment.captured,
        payment.refunded,
        payment.transaction_key.as_str(),
        payment.posts,
        payment.last_post_at.as_microsecond(),
        payment.version,
        payment.updated_at.as_microsecond(),
    ]
}

/// When a driver that saves goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// At once: it keeps its lease.
    GoOn,
    /// It gives the lease back, to go on then, or at once if the gateway has called back meanwhile.
    At(Timestamp),
    /// Nothing is open.
    Rest,
}

/// Saves what a driver learned, if the attempt is still as it was when the driver asked. `false`: it is not.
pub(crate) async fn save_asked(
    transaction: &WriteTransaction,
    held: &Held,
    asked_in: State,
    then: Then,
) -> Result<bool, Failure> {
    let payment = &held.payment;
    let now = transaction.context().now.as_microsecond();
    let (next_at, lease) = match then {
        Then::GoOn => (
            "next_at",
            format!("{} + {LEASE_SECONDS} * 1000000", transaction.database().now_sql()),
        ),
        Then::At(_) => (
            "CASE WHEN hinted THEN CAST($15 AS BIGINT) ELSE CAST($16 AS BIGINT) END",
            "0".to_owned(),
        ),
        Then::Rest => ("NULL", "0".to_owned()),
    };
    let sql = format!(
        "UPDATE payments SET state = $3, reason = $4, captured = $5, refunded = $6, transaction_key = $7, posts = $8,
            last_post_at = $9, version = $10, updated_at = $11, looks = $14, next_at = {next_at}, leased_until = {lease}
        WHERE order_id = $1 AND attempt = $2 AND state = $12 AND lease_token = $13"
    );
    let mut values = values![payment.order_id.as_str(), payment.attempt];
    values.extend(changing(payment));
    values.extend(values![asked_in.name(), held.lease_token, payment.looks]);
    if let Then::At(time) = then {
        values.extend(values![now, time.as_microsecond()]);
    }
    Ok(transaction.run(&sql, values).await? == 1)
}

/// Takes the lease of attempts that are due, at most `limit`.
pub(crate) async fn lease(database: &Database, context: &Context, limit: usize) -> Result<Vec<Held>, Failure> {
    let (clock, now) = (database.now_sql(), context.now.as_microsecond());
    let due = format!(
        "SELECT order_id, attempt FROM payments WHERE next_at <= $1 AND leased_until < {clock} ORDER BY next_at"
    );
    let idle: Option<Key> = database.reader().find(&format!("{due} LIMIT 1"), values![now]).await?;
    if idle.is_none() {
        return Ok(Vec::new());
    }
    let transaction = database.begin_bare(context).await?;
    let skip = if database.is_postgres() {
        " FOR UPDATE SKIP LOCKED"
    } else {
        ""
    };
    let sql = format!(
        "UPDATE payments SET lease_token = lease_token + 1, hinted = FALSE, leased_until = {clock} + {LEASE_SECONDS} * 1000000
        WHERE (order_id, attempt) IN ({due} LIMIT {limit}{skip}) RETURNING {COLUMNS}"
    );
    let rows: Vec<Row> = transaction.list(&sql, values![now]).await?;
    transaction.commit_quietly().await?;
    rows.into_iter().map(Held::try_from).collect()
}

/// The gateway called back: ask it soon. A stranger may say so; nothing is believed.
pub(crate) async fn hint(transaction: &WriteTransaction, order_id: &str, attempt: i32) -> Result<bool, Failure> {
    let sql = "UPDATE payments SET hinted = TRUE, next_at = $3
        WHERE order_id = $1 AND attempt = $2 AND state IN ('REQUESTED', 'PENDING', 'UNKNOWN')";
    let now = transaction.context().now.as_microsecond();
    Ok(transaction.run(sql, values![order_id, attempt, now]).await? == 1)
}

/// Notes what was asked and what was said.
pub(crate) async fn note(
    transaction: &WriteTransaction,
    payment: &Payment,
    asked: &str,
    said: &str,
) -> Result<(), Failure> {
    let sql = "INSERT INTO payment_journal (order_id, attempt, at, asked, said) VALUES ($1, $2, $3, $4, $5)";
    let now = transaction.context().now.as_microsecond();
    transaction
        .run(
            sql,
            values![payment.order_id.as_str(), payment.attempt, now, asked, said],
        )
        .await?;
    Ok(())
}

/// All refunds of an attempt, in the order of their ids.
pub(crate) async fn refunds(
    connection: &impl ConnectionTrait,
    order_id: &str,
    attempt: i32,
) -> Result<Vec<Refund>, Failure> {
    let sql = "SELECT refund_id, order_id, attempt, amount, done FROM refunds
        WHERE order_id = $1 AND attempt = $2 ORDER BY refund_id";
    Ok(connection.list(sql, values![order_id, attempt]).await?)
}

/// Promises a refund; otherwise the refund of that id.
pub(crate) async fn promise(transaction: &WriteTransaction, refund: &Refund) -> Result<Option<Refund>, Failure> {
    let sql = "INSERT INTO refunds (refund_id, order_id, attempt, amount, done) VALUES ($1, $2, $3, $4, FALSE)
        ON CONFLICT DO NOTHING";
    let Refund {
        refund_id,
        order_id,
        attempt,
        amount,
        ..
    } = refund;
    let values = values![refund_id.as_str(), order_id.as_str(), *attempt, *amount];
    if transaction.run(sql, values).await? == 1 {
        return Ok(None);
    }
    let sql = "SELECT refund_id, order_id, attempt, amount, done FROM refunds WHERE refund_id = $1";
    Ok(transaction.find(sql, values![refund_id.as_str()]).await?)
}

/// The money of a refund has gone back.
pub(crate) async fn refund_done(transaction: &WriteTransaction, refund_id: &str) -> Result<(), Failure> {
    transaction
        .run(
            "UPDATE refunds SET done = TRUE WHERE refund_id = $1",
            values![refund_id],
        )
        .await?;
    Ok(())
}

#[derive(FromQueryResult)]
#[expect(dead_code, reason = "only whether there is one matters")]
struct Key {
    order_id: String,
}
