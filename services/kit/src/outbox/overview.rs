//! The outbox as an operator sees it: what waits, who publishes, and events that leave once more.

use proto::operations::v1::{Outbox, OutboxLease};
use sea_orm::FromQueryResult;

use crate::clock::{from_microseconds, to_proto};
use crate::database::{Database, Sql, VALUES_MAX, WriteTransaction, placeholders};
use crate::dead_letter::line::Operator;
use crate::refusal::Failure;
use crate::{Value, refusals, values};

const MICROSECONDS_PER_MINUTE: i64 = 60_000_000;

refusals! {
    /// Why no event is published again.
    pub enum OutboxRefusal {
        /// There is no such outbox, or it is not one of this process.
        NotFound { owner: String } => NotFound "OUTBOX_NOT_FOUND",
            en "there is no outbox of {owner} here",
            ko "{owner} 의 아웃박스를 찾을 수 없습니다",
        /// Neither a subject, nor sequences, nor times are named.
        Unbounded {} => InvalidArgument "REPUBLICATION_UNBOUNDED",
            en "name a subject, sequences or times of the events",
            ko "다시 발행할 이벤트의 대상, 순번 또는 시각을 지정해야 합니다",
    }
}

#[derive(FromQueryResult)]
struct Waiting {
    unpublished: i64,
    oldest_at: Option<i64>,
}

#[derive(FromQueryResult)]
struct Left {
    published: i64,
    last_sequence: Option<i64>,
}

#[derive(FromQueryResult)]
struct LeaseRow {
    bucket: i32,
    holder: String,
    token: i64,
    expires_at: i64,
}

#[derive(FromQueryResult)]
struct Sequence {
    sequence: i64,
}

/// How the outbox of `database` stands.
///
/// # Errors
/// A database failure.
pub async fn overview(database: &Database) -> Result<Outbox, Failure> {
    let reader = database.reader();
    let at = |microseconds| to_proto(from_microseconds(microseconds));
    let sql = "SELECT COUNT(*) AS unpublished, MIN(recorded_at) AS oldest_at FROM outbox WHERE published_at IS NULL";
    let waiting: Option<Waiting> = reader.find(sql, vec![]).await?;
    let sql = format!(
        "SELECT (SELECT COUNT(*) FROM outbox WHERE published_at > {} - {MICROSECONDS_PER_MINUTE}) AS published,
            (SELECT MAX(sequence) FROM outbox) AS last_sequence",
        database.now_sql()
    );
    let left: Option<Left> = reader.find(&sql, vec![]).await?;
    let sql = "SELECT bucket, holder, token, expires_at FROM outbox_leases ORDER BY bucket";
    let leases: Vec<LeaseRow> = reader.list(sql, vec![]).await?;
    let leases = leases.into_iter().map(|lease| OutboxLease {
        bucket: lease.bucket,
        holder: lease.holder,
        token: lease.token,
        expires_at: Some(at(lease.expires_at)),
    });
    Ok(Outbox {
        owner: database.owner().to_owned(),
        unpublished: waiting.as_ref().map_or(0, |waiting| waiting.unpublished),
        oldest_unpublished_at: waiting.and_then(|waiting| waiting.oldest_at).map(at),
        published_per_minute: left.as_ref().map_or(0, |left| left.published),
        last_sequence: left.and_then(|left| left.last_sequence).unwrap_or_default(),
        leases: leases.collect(),
    })
}

/// Which events leave once more; what is given must all fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Of this aggregate; empty for all.
    pub subject: String,
    /// Of this sequence or later.
    pub first_sequence: Option<i64>,
    /// Of this sequence or earlier.
    pub last_sequence: Option<i64>,
    /// Written then or later, in microseconds since 1970.
    pub recorded_after: Option<i64>,
    /// Written before that.
    pub recorded_before: Option<i64>,
}

/// The events that were found, in order of sequence.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// How many.
    pub events: usize,
    /// The first of them.
    pub first_sequence: i64,
    /// The last of them.
    pub last_sequence: i64,
    /// Whether there are more.
    pub more: bool,
}

/// Makes published events unpublished, at most `limit`, so that the relay takes them again in their order; who wished it
/// and why is kept. Consumers know repeated events. A dry run only finds them.
///
/// # Errors
/// `REPUBLICATION_UNBOUNDED`; a database failure.
pub async fn republish(
    transaction: &WriteTransaction,
    wanted: &Wanted,
    limit: usize,
    dry_run: bool,
    operator: &Operator,
) -> Result<Found, Failure> {
    if *wanted == Wanted::default() {
        return Err(OutboxRefusal::Unbounded {}.into());
    }
    let mut sequences = find(transaction, wanted, limit + 1).await?;
    let more = sequences.len() > limit;
    sequences.truncate(limit);
    let (Some(first), Some(last)) = (sequences.first().copied(), sequences.last().copied()) else {
        return Ok(Found::default());
    };
    let found = Found {
        events: sequences.len(),
        first_sequence: first,
        last_sequence: last,
        more,
    };
    if dry_run {
        return Ok(found);
    }
    for sequences in sequences.chunks(VALUES_MAX) {
        let sql = format!(
            "UPDATE outbox SET published_at = NULL WHERE sequence IN ({})",
            placeholders(1, sequences.len())
        );
        transaction
            .run(&sql, sequences.iter().map(|sequence| Value::from(*sequence)).collect())
            .await?;
    }
    let sql = "INSERT INTO outbox_republications (at, operator, why, events, first_sequence, last_sequence)
        VALUES ($1, $2, $3, $4, $5, $6)";
    let values = values![
        transaction.context().now.as_microsecond(),
        operator.name.as_str(),
        operator.why.as_str(),
        i64::try_from(found.events).unwrap_or(i64::MAX),
        first,
        last,
    ];
    transaction.run(sql, values).await?;
    Ok(found)
}

async fn find(transaction: &WriteTransaction, wanted: &Wanted, limit: usize) -> Result<Vec<i64>, Failure> {
    let mut sql = "SELECT sequence FROM outbox WHERE published_at IS NOT NULL".to_owned();
    let mut values = Vec::new();
    if !wanted.subject.is_empty() {
        values.push(Value::from(wanted.subject.as_str()));
        sql.push_str(" AND aggregateid = $1");
    }
    let bounds = [
        ("sequence >=", wanted.first_sequence),
        ("sequence <=", wanted.last_sequence),
        ("recorded_at >=", wanted.recorded_after),
        ("recorded_at <", wanted.recorded_before),
    ];
    for (comparison, bound) in bounds {
        let Some(bound) = bound else { continue };
        values.push(Value::from(bound));
        sql.push_str(&format!(" AND {comparison} ${}", values.len()));
    }
    sql.push_str(&format!(" ORDER BY sequence LIMIT {limit}"));
    let rows: Vec<Sequence> = transaction.list(&sql, values).await?;
    Ok(rows.into_iter().map(|row| row.sequence).collect())
}
