//! Payments as an operator sees them: pages by state and age, the pages of a day, and the journal of one.

use jiff::Timestamp;
use kit::clock::{from_microseconds, to_proto};
use kit::database::{Database, Sql};
use kit::money::Currency;
use kit::page_token::PageRefusal;
use kit::refusal::Failure;
use kit::{Value, values};
use proto::payment::v1 as contract;
use sea_orm::FromQueryResult;

use super::Payment;
use super::store::{COLUMNS, Row};

/// Entries of the journal that are shown.
const ENTRIES_MAX: u32 = 200;

/// Where a page begins: behind this time, order and attempt.
pub type Position<'a> = (i64, &'a str, i32);

/// Which payments a page is of.
#[derive(Clone, Copy, Debug)]
pub enum Which<'a> {
    /// Those in a state that changed before a moment, in microseconds since 1970.
    InState(&'a str, i64),
    /// Those not at rest that changed before a moment.
    Open(i64),
    /// Those created from the one moment on and before the other.
    Created(i64, i64),
}

/// The statement of a page, the oldest first.
#[must_use]
pub fn page_sql(which: Which<'_>, behind: Option<Position<'_>>, limit: u32) -> (String, Vec<Value>) {
    let (time, order_id, attempt) = behind.unwrap_or((i64::MIN, "", 0));
    let (column, filter, mut values) = match which {
        Which::InState(state, before) => ("updated_at", "state = $1 AND updated_at < $2", values![state, before]),
        Which::Open(before) => ("updated_at", "next_at IS NOT NULL AND updated_at < $1", values![before]),
        Which::Created(from, before) => (
            "created_at",
            "created_at >= $1 AND created_at < $2",
            values![from, before],
        ),
    };
    let first = values.len() + 1;
    let sql = format!(
        "SELECT {COLUMNS} FROM payments WHERE {filter} AND ({column}, order_id, attempt) > (${first}, ${}, ${})
        ORDER BY {column}, order_id, attempt LIMIT {limit}",
        first + 1,
        first + 2
    );
    values.extend(values![time, order_id, attempt]);
    (sql, values)
}

pub(super) async fn list(
    database: &Database,
    which: Which<'_>,
    behind: Option<Position<'_>>,
    limit: u32,
) -> Result<Vec<Payment>, Failure> {
    let (sql, values) = page_sql(which, behind, limit);
    let rows: Vec<Row> = database.reader().list(&sql, values).await?;
    rows.into_iter().map(Payment::try_from).collect()
}

/// The position that a page token holds as (time, `<order>.<attempt>`).
pub(super) fn position(held: Option<&(i64, String)>) -> Result<Option<Position<'_>>, PageRefusal> {
    let Some((time, id)) = held else { return Ok(None) };
    let parts = id
        .rsplit_once('.')
        .and_then(|(order_id, attempt)| Some((order_id, attempt.parse().ok()?)));
    let (order_id, attempt) = parts.ok_or(PageRefusal::TokenInvalid {})?;
    Ok(Some((*time, order_id, attempt)))
}

#[derive(FromQueryResult)]
struct Entry {
    at: i64,
    asked: String,
    said: String,
    actor: String,
    why: String,
}

/// What was asked about a payment and what was said, in order; the last of it where it is much.
pub(super) async fn journal(
    database: &Database,
    payment: &Payment,
) -> Result<Vec<contract::PaymentJournalEntry>, Failure> {
    let sql = format!(
        "SELECT at, asked, said, actor, why FROM (SELECT sequence, at, asked, said, actor, why FROM payment_journal
            WHERE order_id = $1 AND attempt = $2 ORDER BY sequence DESC LIMIT {ENTRIES_MAX}) AS latest ORDER BY sequence"
    );
    let values = values![payment.order_id.as_str(), payment.attempt];
    let entries: Vec<Entry> = database.reader().list(&sql, values).await?;
    let shown = |entry: Entry| contract::PaymentJournalEntry {
        at: Some(to_proto(from_microseconds(entry.at))),
        asked: entry.asked,
        said: entry.said,
        actor: entry.actor,
        why: entry.why,
    };
    Ok(entries.into_iter().map(shown).collect())
}

impl Payment {
    /// With what only an operator needs to know.
    pub(super) fn record(&self, currency: &Currency) -> contract::PaymentRecord {
        let time = |time: Option<Timestamp>| time.map(to_proto);
        contract::PaymentRecord {
            payment: Some(self.shown(currency)),
            posts: self.posts,
            last_post_at: time(self.last_post_at),
            next_look_at: time(self.next_at),
            transaction_key: self.transaction_key.clone(),
            closed: self.closed,
            cancelling_since: time(self.cancelling_since),
        }
    }
}
