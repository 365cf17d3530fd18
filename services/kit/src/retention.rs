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

const SWEPT: &[(&str, &str, &str, i64)] = &[
    (
        "requests",
        "(caller, method, request_id)",
        "created_at",
        REQUEST_RETENTION_DAYS,
    ),
    ("outbox", "(sequence)", "published_at", OUTBOX_RETENTION_DAYS),
    ("inbox", "(consumer, event_id)", "handled_at", INBOX_RETENTION_DAYS),
    ("dead_letters", "(sequence)", "settled_at", DEAD_LETTER_RETENTION_DAYS),
];

/// Sweeps until told to stop.
pub async fn run(database: Database, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(PERIOD) => {}
        }
        let swept = crash_point::during(|| "retention".to_owned(), sweep(&database)).await;
        if let Err(failure) = swept {
            tracing::warn!(owner = database.owner(), %failure, "retention waits for the next round");
        }
    }
}

/// Sweeps once.
///
/// # Errors
/// A database failure; what was swept stays swept.
pub async fn sweep(database: &Database) -> Result<(), Failure> {
    for (table, key, column, days) in SWEPT {
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
