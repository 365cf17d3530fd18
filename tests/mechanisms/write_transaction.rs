//! A write transaction: what it read is so until it commits, whoever else writes.

use kit::clock::Clock;
use kit::database::{Database, Sql};
use kit::signing::Signer;
use kit::values;
use support::Engine;

use crate::{TABLES, context};

const WRITERS: i64 = 8;
const ROUNDS: i64 = 25;

#[derive(sea_orm::FromQueryResult)]
struct Amount {
    amount: i64,
}

async fn amount(connection: &impl sea_orm::ConnectionTrait, lock: &str) -> i64 {
    let sql = format!("SELECT amount FROM things WHERE id = 'a'{lock}");
    let thing: Option<Amount> = connection.find(&sql, vec![]).await.unwrap();
    thing.unwrap().amount
}

async fn add_one(database: &Database) {
    let transaction = database.begin_bare(&context(database)).await.unwrap();
    let before = amount(&*transaction, transaction.for_update()).await;
    let sql = "UPDATE things SET amount = $1 WHERE id = 'a'";
    transaction.run(sql, values![before + 1]).await.unwrap();
    transaction.commit_quietly().await.unwrap();
}

/// Two handles on the same tables, as two processes have them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_transaction_read_is_so_until_it_commits() {
    for engine in Engine::BOTH {
        let folder = tempfile::tempdir().unwrap();
        let location = engine.location(&folder, "things").await;
        let signer = Signer::new(vec![7; 32], None);
        let open = || Database::open("things", &location, TABLES, Clock::default(), signer.clone());
        let handles = [open().await.unwrap(), open().await.unwrap()];
        let transaction = handles[0].begin_bare(&context(&handles[0])).await.unwrap();
        transaction
            .run("INSERT INTO things VALUES ('a', 1, 0)", vec![])
            .await
            .unwrap();
        transaction.commit_quietly().await.unwrap();

        let writers = handles.iter().cycle().take(WRITERS.unsigned_abs() as usize).cloned();
        let writers = writers.map(|database| {
            tokio::spawn(async move {
                for _ in 0..ROUNDS {
                    add_one(&database).await;
                }
            })
        });
        for writer in writers.collect::<Vec<_>>() {
            writer.await.unwrap();
        }
        assert_eq!(amount(handles[0].reader(), "").await, WRITERS * ROUNDS, "{engine:?}");
    }
}
