//! The mechanisms of kit on both engines, without a shop around them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod dead_letters;
mod group_commit;
mod inbox;
mod outbox;
mod pauses;
mod request_id;
mod trouble;
mod write_transaction;

use kit::clock::Clock;
use kit::context::Context;
use kit::database::{Database, Migration};
use kit::signing::Signer;
use support::Engine;
use tempfile::TempDir;

const TABLES: &[Migration] = &[Migration {
    name: "m20261124_000001_create_things",
    sql: "CREATE TABLE things (id TEXT PRIMARY KEY, version BIGINT NOT NULL, amount BIGINT NOT NULL)",
}];

/// A database with one table, `things`, and the folder it lives in.
async fn database(engine: Engine) -> (Database, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let location = engine.location(&folder, "things").await;
    let signer = Signer::new(vec![7; 32], None);
    let database = Database::open("things", &location, TABLES, Clock::default(), signer)
        .await
        .unwrap();
    (database, folder)
}

fn context(database: &Database) -> Context {
    Context::background("things", database.clock())
}
