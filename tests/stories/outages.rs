//! A database that is held by others: the wait is bounded, the refusal says that trying again may help, and then it does.

use std::time::{Duration, Instant};

use proto::catalog::v1::LikeProductRequest;
use proto::readmodel::v1::ListProductsRequest;
use sea_orm::ConnectionTrait;
use support::shop::impatient;
use support::{Engine, TestShop, reason};
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// Longer than a command is run again, or waits for its turn and then for the lock itself.
const BOUND: Duration = Duration::from_secs(20);

async fn like(shop: &TestShop) -> Result<(), Status> {
    let request = LikeProductRequest {
        product_id: "chair".to_owned(),
        ..Default::default()
    };
    shop.buyer("mina").likes().like_product(request).await.map(drop)
}

async fn look(shop: &TestShop) -> Result<(), Status> {
    let request = ListProductsRequest::default();
    shop.buyer("mina")
        .products_seen()
        .list_products(request)
        .await
        .map(drop)
}

fn assert_asks_again(status: &Status, code: Code, named: &str) {
    assert_eq!((status.code(), reason(status).as_str()), (code, named), "{status:?}");
    assert!(status.get_details_retry_info().is_some(), "{status:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_finds_the_database_held_by_others_is_told_to_try_again() {
    for engine in Engine::BOTH {
        let shop = TestShop::start_with(engine, impatient).await;
        shop.stock(&[("chair", 1_000, 100)]).await;
        shop.at_rest().await;

        let begun = Instant::now();
        let (catalog, views) = (shop.stranger("catalog").await, shop.stranger("read_model").await);
        let (held, seen) = match engine {
            Engine::Sqlite => {
                catalog.execute_unprepared("BEGIN IMMEDIATE").await.unwrap();
                views.execute_unprepared("BEGIN IMMEDIATE").await.unwrap();
                (like(&shop).await, look(&shop).await)
            }
            Engine::Postgres => {
                let lock = |table| format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE");
                catalog.execute_unprepared(&lock("catalog.likes")).await.unwrap();
                views
                    .execute_unprepared(&lock("read_model.product_listing"))
                    .await
                    .unwrap();
                (like(&shop).await, look(&shop).await)
            }
        };
        assert!(begun.elapsed() < BOUND, "{engine:?}: {:?}", begun.elapsed());
        match engine {
            Engine::Sqlite => {
                assert_asks_again(&held.unwrap_err(), Code::Unavailable, "DATABASE_UNAVAILABLE");
                seen.unwrap();
            }
            Engine::Postgres => {
                assert_asks_again(&held.unwrap_err(), Code::Aborted, "CONTENDED");
                assert_asks_again(&seen.unwrap_err(), Code::Aborted, "CONTENDED");
            }
        }
        catalog.execute_unprepared("ROLLBACK").await.unwrap();
        views.execute_unprepared("ROLLBACK").await.unwrap();
        like(&shop).await.unwrap();
        look(&shop).await.unwrap();
        shop.end().await;
    }
}
