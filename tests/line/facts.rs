//! Facts of payments, and what the order service stores with having heard them.

use std::time::{Duration, Instant};

use kit::context::Context;
use kit::database::Sql;
use pg_simulator::{DelayMs, Profile};
use support::Engine;
use support::client::card_order;

use crate::house::House;

/// How long nothing may be seen to come before something else.
const WATCHED: Duration = Duration::from_secs(1);

/// PostgreSQL alone: SQLite has no second writer that could hold the first one up in the middle.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn that_a_capture_goes_back_is_stored_with_the_mark_of_its_fact() {
    let mut slow = Profile::Calm.behaviour();
    slow.decision_delay_ms = DelayMs { min: 500, max: 500 };
    let house = House::build(Engine::Postgres, slow).await;
    house.stock().await;
    house.start_driver();
    house.start_worker();
    let order_id = house.place(card_order(&[("a", 1)])).await.unwrap().order_id;
    house.until(|| house.payment_state(&order_id), "PENDING").await;
    house.cancel(&order_id).await;

    let order = &house.tables.order;
    let context = Context::background("order", order.clock());
    let transaction = order.begin_bare(&context).await.unwrap();
    transaction
        .run("LOCK TABLE refunds_due IN SHARE MODE", vec![])
        .await
        .unwrap();
    let waiting = "SELECT CASE WHEN COUNT(*) > 0 THEN 'waits' ELSE 'nobody waits' END AS text FROM pg_locks
        WHERE NOT granted AND relation = 'refunds_due'::regclass AND $1 <> ''";
    house.until(|| house.text(order, waiting, &order_id), "waits").await;
    let watched = Instant::now() + WATCHED;
    while Instant::now() < watched {
        let marked = house.count(order, "SELECT COUNT(*) AS count FROM inbox").await;
        assert_eq!(marked, 0, "the fact is marked as heard, and its refund is not stored");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    transaction.rollback().await.unwrap();
    house.until(|| house.payment_state(&order_id), "REFUNDED").await;
    house.end().await;
}
