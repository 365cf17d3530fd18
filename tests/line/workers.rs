//! Several workers of one checkout, one of which stands still in the middle of a call.

use pg_simulator::Profile;
use support::Engine;
use support::client::card_order;

use crate::bad_line::Fault;
use crate::house::House;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_stalled_over_the_pivot_saves_nothing() {
    for engine in Engine::BOTH {
        let house = House::build(engine, Profile::Calm.behaviour()).await;
        house.stock().await;
        house.start_driver();
        let held = house.line.breaks(Fault::AnswerHeld, "RequestPayment", 1);
        let stalled = house.start_worker();
        let order_id = house.place(card_order(&[("a", 1)])).await.unwrap().order_id;
        held.met().await;
        stalled.takes_no_more();
        house.until(|| house.order_state(&order_id), "PAID").await;
        assert_eq!(house.step(&order_id).await, "SETTLE", "{engine:?}");
        held.let_through();
        stalled.ended().await;
        assert_eq!(
            house.step(&order_id).await,
            "SETTLE",
            "{engine:?}: a worker of the step before moved it back"
        );
        house.start_worker();
        house.until(|| house.step(&order_id), "REST").await;
        house.end().await;
    }
}
