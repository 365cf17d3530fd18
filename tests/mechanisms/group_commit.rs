//! Many writers at once: each sees its own outcome, and nothing of one that gave up stays.

use kit::database::Sql;
use kit::values;
use support::Engine;

use crate::{context, database};

#[derive(sea_orm::FromQueryResult)]
struct Count {
    count: i64,
}

async fn count(database: &kit::database::Database) -> i64 {
    let row: Option<Count> = database
        .reader()
        .find("SELECT count(*) AS count FROM things", vec![])
        .await
        .unwrap();
    row.unwrap().count
}

async fn is_there(database: &kit::database::Database, id: &str) -> bool {
    let sql = "SELECT count(*) AS count FROM things WHERE id = $1";
    let row: Option<Count> = database.reader().find(sql, values![id]).await.unwrap();
    row.unwrap().count == 1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_acknowledged_is_there_and_what_was_undone_is_not() {
    for engine in Engine::BOTH {
        let (database, _folder) = database(engine).await;
        let writers = (0..300).map(|number| {
            let database = database.clone();
            tokio::spawn(async move {
                let transaction = database.begin_write(&context(&database)).await.unwrap();
                let id = format!("thing-{number}");
                transaction
                    .run("INSERT INTO things VALUES ($1, 1, 0)", values![id.as_str()])
                    .await
                    .unwrap();
                match number % 3 {
                    0 => {
                        transaction.commit_quietly().await.unwrap();
                        assert!(is_there(&database, &id).await, "{engine:?}: {id} is not there yet");
                    }
                    1 => transaction.rollback().await.unwrap(),
                    // dropped in the middle, as when a rule refuses
                    _ => drop(transaction),
                }
            })
        });
        for writer in writers.collect::<Vec<_>>() {
            writer.await.unwrap();
        }
        assert_eq!(count(&database).await, 100, "{engine:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_fails_spoils_only_its_own_command() {
    for engine in Engine::BOTH {
        let (database, _folder) = database(engine).await;
        let writers = (0..60).map(|number| {
            let database = database.clone();
            tokio::spawn(async move {
                let transaction = database.begin_write(&context(&database)).await.unwrap();
                // every second one repeats an id that is taken
                let id = if number % 2 == 0 {
                    format!("own-{number}")
                } else {
                    "own-0".to_owned()
                };
                match transaction
                    .run("INSERT INTO things VALUES ($1, 1, 0)", values![id])
                    .await
                {
                    Ok(_) => transaction.commit_quietly().await.is_ok(),
                    Err(_) => transaction.rollback().await.is_err(),
                }
            })
        });
        let mut kept = 0;
        for writer in writers.collect::<Vec<_>>() {
            kept += i64::from(writer.await.unwrap());
        }
        assert_eq!(count(&database).await, kept, "{engine:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_that_gives_up_while_it_waits_strands_nobody() {
    let (database, _folder) = database(Engine::Sqlite).await;
    for round in 0..200 {
        let impatient = {
            let database = database.clone();
            tokio::spawn(async move {
                let transaction = database.begin_write(&context(&database)).await.unwrap();
                transaction
                    .run("INSERT INTO things VALUES ($1, 1, 0)", values![format!("gone-{round}")])
                    .await
                    .unwrap();
                transaction.commit_quietly().await.unwrap();
            })
        };
        let patient = {
            let database = database.clone();
            tokio::spawn(async move {
                let transaction = database.begin_write(&context(&database)).await.unwrap();
                transaction
                    .run("INSERT INTO things VALUES ($1, 1, 0)", values![format!("kept-{round}")])
                    .await
                    .unwrap();
                transaction.commit_quietly().await.unwrap();
            })
        };
        for _ in 0..round % 20 {
            tokio::task::yield_now().await;
        }
        impatient.abort();
        tokio::time::timeout(std::time::Duration::from_secs(10), patient)
            .await
            .expect("nobody waits for ever")
            .unwrap();
    }
    let sql = "SELECT count(*) AS count FROM things WHERE id LIKE 'kept-%'";
    let kept: Option<Count> = database.reader().find(sql, vec![]).await.unwrap();
    assert_eq!(
        kept.unwrap().count,
        200,
        "what was acknowledged is there, whoever gave up"
    );
}
