//! The rows of payments, refunds and the journal; a driver changes a payment only under its lease.

use jiff::Timestamp;
use kit::clock::from_microseconds;
use kit::context::Context;
use kit::database::{Database, Sql, WriteTransaction};
use kit::refusal::Failure;
use kit::values;
use sea_orm::{ConnectionTrait, FromQueryResult};

use super::{Payment, Refund, State};

pub(super) const COLUMNS: &str = "order_id, attempt, user_id, amount, card_token, last_four, state, reason, captured, refunded,
    transaction_key, posts, last_post_at, repeatable, closed, cancelling_since, version, updated_at, next_at, created_at,
    hinted, lease_token";
/// The columns of [`changing`], behind the key.
const SET_CHANGING: &str = "state = $3, reason = $4, captured = $5, refunded = $6, transaction_key = $7, posts = $8,
    last_post_at = $9, repeatable = $10, closed = $11, cancelling_since = $12, version = $13, updated_at = $14, next_at = $15";

#[derive(FromQueryResult)]
pub(super) struct Row {
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
    last_post_at: Option<i64>,
    repeatable: bool,
    closed: bool,
    cancelling_since: Option<i64>,
    version: i64,
    updated_at: i64,
    next_at: Option<i64>,
    created_at: i64,
    hinted: bool,
    lease_token: i64,
}

#[derive(FromQueryResult)]
struct RefundRow {
    refund_id: String,
    amount: i64,
    why: String,
    done: bool,
}

#[derive(FromQueryResult)]
struct Count {
    count: i64,
}

/// A driver's hold on a payment, and the payment as it was when the driver took it.
#[derive(Clone, Debug)]
pub(super) struct Lease {
    pub(super) payment: Payment,
    token: i64,
}

/// What becomes of the lease when its driver saves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    /// The driver goes on.
    Lease,
    /// The driver is through; somebody goes on at `next_at`, or at once if there was a hint meanwhile.
    Nothing,
}

/// Stores a new attempt; `false` if there is one already. A concurrent twin waits here.
pub(super) async fn insert(transaction: &WriteTransaction, payment: &Payment) -> Result<bool, Failure> {
    let sql = format!(
        "INSERT INTO payments ({COLUMNS}, leased_until) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,
            $14, $15, $16, $17, $18, $19, $20, FALSE, 0, 0) ON CONFLICT DO NOTHING"
    );
    let mut values = values![
        payment.order_id.as_str(),
        payment.attempt,
        payment.user_id.as_str(),
        payment.amount,
        payment.card_token.as_str(),
        payment.last_four.as_str(),
    ];
    values.extend(changing(payment));
    values.extend(values![payment.created_at.as_microsecond()]);
    Ok(transaction.run(&sql, values).await? == 1)
}

/// What may change of an attempt, in the order of the columns.
fn changing(payment: &Payment) -> Vec<kit::Value> {
    values![
        payment.state.name(),
        payment.reason.as_str(),
        payment.captured,
        payment.refunded,
        payment.transaction_key.as_str(),
        payment.posts,
        payment.last_post_at.map(Timestamp::as_microsecond),
        payment.repeatable,
        payment.closed,
        payment.cancelling_since.map(Timestamp::as_microsecond),
        payment.version,
        payment.updated_at.as_microsecond(),
        payment.next_at.map(Timestamp::as_microsecond),
    ]
}

/// The attempt, locked.
pub(super) async fn lock(
    transaction: &WriteTransaction,
    order_id: &str,
    attempt: i32,
) -> Result<Option<Payment>, Failure> {
    let lock = transaction.for_update();
    let sql = format!("SELECT {COLUMNS} FROM payments WHERE order_id = $1 AND attempt = $2{lock}");
    let row: Option<Row> = transaction.find(&sql, values![order_id, attempt]).await?;
    row.map(Payment::try_from).transpose()
}

/// The attempt as it is, for looking at.
pub(super) async fn find(database: &Database, order_id: &str, attempt: i32) -> Result<Option<Payment>, Failure> {
    let sql = format!("SELECT {COLUMNS} FROM payments WHERE order_id = $1 AND attempt = $2");
    let row: Option<Row> = database.reader().find(&sql, values![order_id, attempt]).await?;
    row.map(Payment::try_from).transpose()
}

/// Saves a locked attempt. A driver that has it keeps its lease; once that is given back, somebody goes on at once.
pub(super) async fn save(transaction: &WriteTransaction, payment: &Payment) -> Result<(), Failure> {
    update(transaction, payment, "hinted = TRUE").await
}

/// Saves what a driver learned of an attempt that it has locked under its lease.
pub(super) async fn save_leased(transaction: &WriteTransaction, payment: &Payment, keep: Keep) -> Result<(), Failure> {
    let until = lease_end(transaction.database());
    match keep {
        Keep::Lease => update(transaction, payment, &format!("leased_until = {until}")).await,
        Keep::Nothing => update(transaction, payment, "leased_until = 0").await,
    }
}

async fn update(transaction: &WriteTransaction, payment: &Payment, and: &str) -> Result<(), Failure> {
    let sql = format!("UPDATE payments SET {SET_CHANGING}, {and} WHERE order_id = $1 AND attempt = $2");
    let mut values = values![payment.order_id.as_str(), payment.attempt];
    values.extend(changing(payment));
    transaction.run(&sql, values).await?;
    Ok(())
}

/// The attempt as it is now, locked, if the lease still holds; and whether there was a hint meanwhile.
pub(super) async fn lock_leased(
    transaction: &WriteTransaction,
    lease: &Lease,
) -> Result<Option<(Payment, bool)>, Failure> {
    let lock = transaction.for_update();
    let sql = format!("SELECT {COLUMNS} FROM payments WHERE order_id = $1 AND attempt = $2 AND lease_token = $3{lock}");
    let values = values![lease.payment.order_id.as_str(), lease.payment.attempt, lease.token];
    let row: Option<Row> = transaction.find(&sql, values).await?;
    let Some(row) = row else { return Ok(None) };
    let hinted = row.hinted;
    Ok(Some((row.try_into()?, hinted)))
}

/// Takes the lease of attempts that are due, at most `limit`.
pub(super) async fn lease_due(database: &Database, context: &Context, limit: usize) -> Result<Vec<Lease>, Failure> {
    let (clock, now) = (database.now_sql(), context.now.as_microsecond());
    let due = format!(
        "SELECT order_id, attempt FROM payments WHERE next_at <= $1 AND leased_until < {clock} ORDER BY next_at LIMIT {limit}"
    );
    // nothing is due most of the time, and then no writer is kept waiting
    let any = format!("SELECT CAST(COUNT(*) AS BIGINT) AS count FROM ({due}) AS due");
    let any: Option<Count> = database.reader().find(&any, values![now]).await?;
    if any.is_none_or(|any| any.count == 0) {
        return Ok(Vec::new());
    }
    let transaction = database.begin_bare(context).await?;
    let skip = if database.is_postgres() {
        " FOR UPDATE SKIP LOCKED"
    } else {
        ""
    };
    let sql = format!(
        "{} WHERE (order_id, attempt) IN ({due}{skip}) RETURNING {COLUMNS}",
        take(database)
    );
    let rows: Vec<Row> = transaction.list(&sql, values![now]).await?;
    transaction.commit_quietly().await?;
    rows.into_iter().map(Lease::try_from).collect()
}

/// Takes the lease of one attempt, due or not; `None` while somebody has it.
pub(super) async fn lease_one(
    database: &Database,
    context: &Context,
    order_id: &str,
    attempt: i32,
) -> Result<Option<Lease>, Failure> {
    let clock = database.now_sql();
    let transaction = database.begin_bare(context).await?;
    let sql = format!(
        "{} WHERE order_id = $1 AND attempt = $2 AND leased_until < {clock} RETURNING {COLUMNS}",
        take(database)
    );
    let row: Option<Row> = transaction.find(&sql, values![order_id, attempt]).await?;
    transaction.commit_quietly().await?;
    row.map(Lease::try_from).transpose()
}

fn take(database: &Database) -> String {
    let until = lease_end(database);
    format!("UPDATE payments SET lease_token = lease_token + 1, hinted = FALSE, leased_until = {until}")
}

/// A payment belongs to its driver for longer than other work does: for a look-up and a POST.
fn lease_end(database: &Database) -> String {
    database.lease_end_sql(database.lease() * 3 / 2)
}

/// The gateway called back: ask it soon, unless it speaks of what we know as captured. A stranger may say so; nothing is
/// believed.
pub(crate) async fn hint(
    transaction: &WriteTransaction,
    order_id: &str,
    attempt: i32,
    transaction_key: &str,
) -> Result<(), Failure> {
    let sql = "UPDATE payments SET hinted = TRUE, next_at = $3 WHERE order_id = $1 AND attempt = $2 AND posts > 0
        AND (transaction_key = '' OR transaction_key <> $4)";
    let now = transaction.context().now.as_microsecond();
    transaction
        .run(sql, values![order_id, attempt, now, transaction_key])
        .await?;
    Ok(())
}

/// Payments that wait for the gateway; counts no further than `limit`.
pub(super) async fn waiting(transaction: &WriteTransaction, limit: i64) -> Result<i64, Failure> {
    let sql = "SELECT CAST(COUNT(*) AS BIGINT) AS count
        FROM (SELECT 1 AS one FROM payments WHERE state = 'QUEUED' LIMIT $1) AS queued";
    let row: Option<Count> = transaction.find(sql, values![limit]).await?;
    Ok(row.map_or(0, |row| row.count))
}

/// Notes what was asked of the gateway and what it said.
pub(super) async fn note(
    transaction: &WriteTransaction,
    payment: &Payment,
    asked: &str,
    said: &str,
) -> Result<(), Failure> {
    note_why(transaction, payment, asked, said, "").await
}

/// As [`note`], where somebody had a reason to ask.
pub(super) async fn note_why(
    transaction: &WriteTransaction,
    payment: &Payment,
    asked: &str,
    said: &str,
    why: &str,
) -> Result<(), Failure> {
    let sql = "INSERT INTO payment_journal (order_id, attempt, at, asked, said, actor, why)
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let context = transaction.context();
    let mut values = values![payment.order_id.as_str(), payment.attempt, context.now.as_microsecond()];
    values.extend(values![asked, said, context.caller.actor(), why]);
    transaction.run(sql, values).await?;
    Ok(())
}

/// All refunds of an attempt, in the order of their ids.
pub(super) async fn refunds(connection: &impl ConnectionTrait, payment: &Payment) -> Result<Vec<Refund>, Failure> {
    let sql =
        "SELECT refund_id, amount, why, done FROM refunds WHERE order_id = $1 AND attempt = $2 ORDER BY refund_id";
    let values = values![payment.order_id.as_str(), payment.attempt];
    let rows: Vec<RefundRow> = connection.list(sql, values).await?;
    let refund = |RefundRow {
                      refund_id,
                      amount,
                      why,
                      done,
                  }| Refund {
        refund_id,
        amount,
        why,
        done,
    };
    Ok(rows.into_iter().map(refund).collect())
}

/// Stores a promised refund of a locked attempt.
pub(super) async fn insert_refund(
    transaction: &WriteTransaction,
    payment: &Payment,
    refund: &Refund,
) -> Result<(), Failure> {
    let sql =
        "INSERT INTO refunds (order_id, attempt, refund_id, amount, why, done) VALUES ($1, $2, $3, $4, $5, FALSE)";
    let values = values![
        payment.order_id.as_str(),
        payment.attempt,
        refund.refund_id.as_str(),
        refund.amount,
        refund.why.as_str(),
    ];
    transaction.run(sql, values).await?;
    Ok(())
}

/// The money of a refund is back.
pub(super) async fn finish_refund(
    transaction: &WriteTransaction,
    payment: &Payment,
    refund: &Refund,
) -> Result<(), Failure> {
    let sql = "UPDATE refunds SET done = TRUE WHERE order_id = $1 AND attempt = $2 AND refund_id = $3";
    let values = values![payment.order_id.as_str(), payment.attempt, refund.refund_id.as_str()];
    transaction.run(sql, values).await?;
    Ok(())
}

impl TryFrom<Row> for Payment {
    type Error = Failure;

    fn try_from(row: Row) -> Result<Self, Failure> {
        Ok(Self {
            state: State::from_name(&row.state)?,
            order_id: row.order_id,
            attempt: row.attempt,
            user_id: row.user_id,
            amount: row.amount,
            card_token: row.card_token,
            last_four: row.last_four,
            reason: row.reason,
            captured: row.captured,
            refunded: row.refunded,
            transaction_key: row.transaction_key,
            posts: row.posts,
            last_post_at: row.last_post_at.map(from_microseconds),
            repeatable: row.repeatable,
            closed: row.closed,
            cancelling_since: row.cancelling_since.map(from_microseconds),
            version: row.version,
            created_at: from_microseconds(row.created_at),
            updated_at: from_microseconds(row.updated_at),
            next_at: row.next_at.map(from_microseconds),
        })
    }
}

impl TryFrom<Row> for Lease {
    type Error = Failure;

    fn try_from(row: Row) -> Result<Self, Failure> {
        Ok(Self {
            token: row.lease_token,
            payment: row.try_into()?,
        })
    }
}

impl State {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::Requested => "REQUESTED",
            Self::Pending => "PENDING",
            Self::Unknown => "UNKNOWN",
            Self::Captured => "CAPTURED",
            Self::Declined => "DECLINED",
            Self::NotCharged => "NOT_CHARGED",
            Self::Conflicted => "CONFLICTED",
            Self::Refunding => "REFUNDING",
            Self::PartiallyRefunded => "PARTIALLY_REFUNDED",
            Self::Refunded => "REFUNDED",
            Self::Closed => "CLOSED",
        }
    }

    fn from_name(name: &str) -> Result<Self, Failure> {
        let state = Self::ALL.into_iter().find(|state| state.name() == name);
        state.ok_or_else(|| anyhow::anyhow!("unknown state of a payment: {name}").into())
    }
}
