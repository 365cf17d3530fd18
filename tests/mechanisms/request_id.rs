//! A `request_id` gives one effect and one answer, however often and however close together it comes.

use kit::context::{Context, IdempotencyKey};
use kit::database::{Database, Sql};
use kit::refusal::Failure;
use kit::values;
use proto::catalog::v1::LikeProductResponse;
use support::Engine;
use uuid::Uuid;

use crate::{context, database};

async fn add(database: Database, context: Context, liked: bool) -> Result<LikeProductResponse, Failure> {
    let transaction = database.begin_write(&context).await?;
    transaction
        .run(
            "INSERT INTO things VALUES ($1, 1, 0)",
            values![Uuid::now_v7().to_string()],
        )
        .await?;
    transaction
        .commit(LikeProductResponse {
            liked,
            revision: String::new(),
        })
        .await
}

fn with_key(database: &Database, request_id: Uuid, fingerprint: u8) -> Context {
    let key = IdempotencyKey {
        method: "/things/Add".to_owned(),
        request_id,
        fingerprint: vec![fingerprint],
    };
    Context {
        idempotency: Some(key),
        ..context(database)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_twins_have_one_effect() {
    for engine in Engine::BOTH {
        let (database, _folder) = database(engine).await;
        let request_id = Uuid::now_v7();
        let twins = (0..50).map(|_| tokio::spawn(add(database.clone(), with_key(&database, request_id, 1), true)));
        let mut answered_first = 0;
        for twin in twins.collect::<Vec<_>>() {
            match twin.await.unwrap() {
                Ok(_) => answered_first += 1,
                Err(Failure::Answered(_)) => {}
                Err(failure) => panic!("{engine:?}: {failure}"),
            }
        }
        assert_eq!(answered_first, 1, "{engine:?}");
        let things: Vec<Row> = database.reader().list("SELECT id FROM things", vec![]).await.unwrap();
        assert_eq!(things.len(), 1, "{engine:?}");
        assert!(!things[0].id.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_wish_under_a_used_id_is_refused() {
    for engine in Engine::BOTH {
        let (database, _folder) = database(engine).await;
        let request_id = Uuid::now_v7();
        add(database.clone(), with_key(&database, request_id, 1), true)
            .await
            .unwrap();
        let failure = add(database.clone(), with_key(&database, request_id, 2), true)
            .await
            .unwrap_err();
        assert_eq!(failure.reason().as_deref(), Some("REQUEST_ID_REUSED"), "{engine:?}");
    }
}

#[derive(sea_orm::FromQueryResult)]
struct Row {
    id: String,
}
