//! A database in trouble: what a command may be told of it, and what it does not even notice.

use std::time::{Duration, Instant};

use futures::future::join_all;
use kit::clock::Clock;
use kit::database::{Database, Location, Sql};
use kit::refusal::Failure;
use kit::signing::Signer;
use kit::values;
use sea_orm::{ConnectionTrait, DatabaseConnection};
use support::Engine;
use tempfile::TempDir;

use crate::{TABLES, context};

/// As many as there are connections.
const AT_ONCE: usize = 16;
/// Longer than a command waits for its turn and then for the lock itself.
const BOUND: Duration = Duration::from_secs(20);

/// A database, and a session of somebody else's on it.
async fn shared(engine: Engine) -> (Database, DatabaseConnection, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let location = engine.location(&folder, "things").await;
    let signer = Signer::new(vec![7; 32], None);
    let database = Database::open("things", &location, TABLES, Clock::default(), signer)
        .await
        .unwrap();
    let url = match location {
        Location::Sqlite { path, .. } => format!("sqlite://{}", path.display()),
        Location::Postgres(url) => url,
    };
    let mut options = sea_orm::ConnectOptions::new(url);
    options.max_connections(1);
    (database, sea_orm::Database::connect(options).await.unwrap(), folder)
}

async fn insert(database: &Database, id: &str) -> Result<(), Failure> {
    let transaction = database.begin_write(&context(database)).await?;
    transaction
        .run("INSERT INTO things VALUES ($1, 1, 0)", values![id])
        .await?;
    transaction.commit_quietly().await
}

async fn count(database: &Database) -> Result<i64, Failure> {
    #[derive(sea_orm::FromQueryResult)]
    struct Count {
        count: i64,
    }
    let row: Option<Count> = database
        .reader()
        .find("SELECT count(*) AS count FROM things", vec![])
        .await?;
    Ok(row.unwrap().count)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_notices_that_the_connections_of_the_pool_are_dead() {
    let (database, other, _folder) = shared(Engine::Postgres).await;
    for round in 0..5 {
        // all of the pool are in use at once, and then at rest
        let begun = join_all((0..AT_ONCE).map(async |_| database.begin_bare(&context(&database)).await)).await;
        join_all(begun.into_iter().map(|begun| begun.unwrap().rollback())).await;
        let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()";
        other.execute_unprepared(end).await.unwrap();

        let ids: Vec<String> = (0..AT_ONCE).map(|number| format!("{round}-{number}")).collect();
        let (inserted, counted) = tokio::join!(
            join_all(ids.iter().map(|id| insert(&database, id))),
            join_all(ids.iter().map(|_| count(&database)))
        );
        inserted.into_iter().for_each(|inserted| inserted.unwrap());
        assert!(counted.into_iter().all(|counted| counted.is_ok()));
    }
    assert_eq!(count(&database).await.unwrap(), 5 * AT_ONCE as i64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_is_not_answered_is_neither_done_nor_undone() {
    let (database, other, _folder) = shared(Engine::Postgres).await;
    let at_the_commit = async |deed: &str| {
        let sql = format!(
            "DROP TRIGGER IF EXISTS fail ON things.things;
            CREATE OR REPLACE FUNCTION things.fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {deed}; RETURN NULL; END $$;
            CREATE CONSTRAINT TRIGGER fail AFTER INSERT ON things.things DEFERRABLE INITIALLY DEFERRED
                FOR EACH ROW EXECUTE FUNCTION things.fail()"
        );
        other.execute_unprepared(&sql).await.unwrap();
        insert(&database, "thing").await.unwrap_err()
    };
    let refused = at_the_commit("RAISE EXCEPTION 'no' USING ERRCODE = '40001'").await;
    assert!(
        refused.lost_a_race() && refused.may_run_again(&context(&database)),
        "{refused}"
    );

    let ended = at_the_commit("PERFORM pg_terminate_backend(pg_backend_pid())").await;
    assert!(matches!(ended, Failure::Unknown(_)) && ended.is_outage(), "{ended}");
    assert!(!ended.may_run_again(&context(&database)), "{ended}");
    assert_eq!(count(&database).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lock_of_another_process_is_waited_for_and_no_longer() {
    let (database, other, _folder) = shared(Engine::Sqlite).await;
    other.execute_unprepared("BEGIN IMMEDIATE").await.unwrap();
    let begun = Instant::now();
    let ids: Vec<String> = (0..AT_ONCE).map(|number| number.to_string()).collect();
    for outcome in join_all(ids.iter().map(|id| insert(&database, id))).await {
        let failure = outcome.unwrap_err();
        assert!(failure.is_outage(), "{failure}");
    }
    assert!(begun.elapsed() < BOUND, "{:?}", begun.elapsed());
    assert_eq!(count(&database).await.unwrap(), 0, "readers go on");
    other.execute_unprepared("ROLLBACK").await.unwrap();
    insert(&database, "late").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_undoes_the_whole_group_leaves_a_writer_that_works() {
    let (database, other, _folder) = shared(Engine::Sqlite).await;
    // as a full disk does
    let full = "CREATE TRIGGER full BEFORE INSERT ON things WHEN new.id LIKE 'large%' BEGIN SELECT RAISE(ROLLBACK, 'full'); END";
    other.execute_unprepared(full).await.unwrap();
    let ids: Vec<String> = (0..AT_ONCE)
        .map(|number| format!("{}-{number}", if number % 4 == 3 { "large" } else { "small" }))
        .collect();
    let outcomes = join_all(ids.iter().map(|id| insert(&database, id))).await;
    let acknowledged = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let unknown = outcomes
        .iter()
        .filter(|outcome| matches!(outcome, Err(Failure::Unknown(_))));
    let (kept, unknown) = (count(&database).await.unwrap(), unknown.count());
    let possible = acknowledged as i64..=(acknowledged + unknown) as i64;
    assert!(possible.contains(&kept), "{kept} of {possible:?}");
    insert(&database, "small").await.unwrap();
    assert_eq!(count(&database).await.unwrap(), kept + 1);
}
