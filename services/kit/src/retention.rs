//! Rows that have served: answers, published events, inbox marks and settled dead letters are swept away in small steps.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::context::Context;
use crate::crash_point;
use crate::database::{Database, Sql};
use crate::dead_letter::DEAD_LETTER_RETENTION_DAYS;
use crate::idempotency::REQUEST_RETENTION_DAYS;
use crate::inbox::INBOX_RETENTION_DAYS;
use crate::outbox::OUTBOX_RETENTION_DAYS;
use crate::refusal::Failure;
use crate::values;

const PERIOD: Duration = Duration::from_secs(600);
const ROWS_PER_STEP_MAX: u64 = 5_000;
const MICROSECONDS_PER_DAY: i64 = 86_400_000_000;

/// Rows of one table that are swept once a time of theirs is so many days ago.
#[derive(Clone, Copy, Debug)]
pub struct Swept {
    /// The table.
    pub table: &'static str,
    /// The columns that name a row, in brackets.
    pub key: &'static str,
    /// The column with the time, in microseconds since 1970; where it is NULL the row stays.
    pub column: &'static str,
    /// How long a row is kept.
    pub days: i64,
}

/// What every owner has.
const SWEPT: &[Swept] = &[
    Swept {
        table: "requests",
        key: "(caller, method, request_id)",
        column: "created_at",
        days: REQUEST_RETENTION_DAYS,
    },
    Swept {
        table: "outbox",
        key: "(sequence)",
        column: "published_at",
        days: OUTBOX_RETENTION_DAYS,
    },
    Swept {
        table: "inbox",
        key: "(consumer, event_id)",
        column: "handled_at",
        days: INBOX_RETENTION_DAYS,
    },
    Swept {
        table: "dead_letters",
        key: "(sequence)",
        column: "settled_at",
        days: DEAD_LETTER_RETENTION_DAYS,
    },
];

/// Sweeps what every owner has, and what this one has also, until told to stop.
pub async fn run(database: Database, also: &'static [Swept], stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(PERIOD) => {}
        }
        let swept = crash_point::during(|| "retention".to_owned(), sweep(&database, also)).await;
        if let Err(failure) = swept {
            tracing::warn!(owner = database.owner(), %failure, "retention waits for the next round");
        }
    }
}

/// Sweeps once.
///
/// # Errors
/// A database failure; what was swept stays swept.
pub async fn sweep(database: &Database, also: &[Swept]) -> Result<(), Failure> {
    for Swept {
        table,
        key,
        column,
        days,
    } in SWEPT.iter().chain(also)
    {
        let columns = key.trim_matches(['(', ')']);
        let sql = format!(
            "DELETE FROM {table} WHERE {key} IN (SELECT {columns} FROM {table} WHERE {column} < $1 LIMIT {ROWS_PER_STEP_MAX})"
        );
        loop {
            let context = Context::background(database.owner(), database.clock());
            let before = context.now.as_microsecond() - days * MICROSECONDS_PER_DAY;
            let transaction = database.begin_bare(&context).await?;
            let swept = transaction.run(&sql, values![before]).await?;
            transaction.commit_quietly().await?;
            if swept < ROWS_PER_STEP_MAX {
                break;
            }
        }
    }
    Ok(())
}
