//! Steps and their undo, in orders in which they should not come.

use pg_simulator::Profile;
use proto::order::v1::{OrderState, PlaceOrderRequest};
use support::Engine;
use support::client::{card_order, point_order};
use support::shop::money;

use crate::bad_line::Fault;
use crate::house::House;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_arrives_after_its_undo_takes_nothing() {
    for engine in Engine::BOTH {
        for method in ["ReserveStock", "RedeemCoupon", "HoldPoints"] {
            let house = House::build(engine, Profile::Calm.behaviour()).await;
            house.stock().await;
            let coupon_id = house.coupon().await;
            let late = house.line.breaks(Fault::Late, method, usize::MAX);
            let order = PlaceOrderRequest {
                coupon_id,
                ..point_order(&[("a", 1)], 900)
            };
            let delayed = house.place(order.clone()).await.unwrap_err();
            assert_eq!(support::reason(&delayed), "CHECKOUT_DELAYED", "{engine:?} {method}");
            let sql = "SELECT order_id AS text FROM orders WHERE user_id = $1";
            let order_id = house.text(&house.tables.order, sql, "mina").await;
            house.cancel(&order_id).await;
            house.start_worker();
            house.until(|| house.step(&order_id), "REST").await;

            house.line.mend();
            late.let_through();
            late.arrived().await;
            assert_eq!(
                house.held().await,
                (0, 0, 0),
                "{engine:?}: a late {method} took something"
            );
            let again = house.place(order).await.unwrap();
            assert_eq!(again.state(), OrderState::Paid);
            house.end().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn points_are_spent_only_once_the_order_is_paid() {
    for engine in Engine::BOTH {
        let house = House::build(engine, Profile::Calm.behaviour()).await;
        house.stock().await;
        house.start_worker();
        house.start_driver();
        let order = PlaceOrderRequest {
            card_token: "test-limit".to_owned(),
            points: Some(money(400)),
            ..card_order(&[("a", 1)])
        };
        let order_id = house.place(order).await.unwrap().order_id;
        house.until(|| house.payment_state(&order_id), "DECLINED").await;
        let sql = "SELECT state AS text FROM point_holds WHERE order_id = $1";
        let hold = house.text(&house.tables.payment, sql, &order_id).await;
        assert_eq!(hold, "HELD", "{engine:?}: spent by an order that nobody paid");
        house.cancel(&order_id).await;
        house.until(|| house.step(&order_id), "REST").await;
        assert_eq!(house.held().await, (0, 0, 0), "{engine:?}");
        house.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_in_the_queue_is_not_posted_once_its_order_is_over() {
    for engine in Engine::BOTH {
        let house = House::build(engine, Profile::Calm.behaviour()).await;
        house.stock().await;
        house.start_worker();
        let over = house.place(card_order(&[("a", 1)])).await.unwrap().order_id;
        house.until(|| house.payment_state(&over), "QUEUED").await;
        house.cancel(&over).await;
        house.until(|| house.step(&over), "REST").await;
        // what is behind it in the queue is paid
        let next = house.place(card_order(&[("a", 1)])).await.unwrap().order_id;
        house.start_driver();
        house.until(|| house.order_state(&next), "PAID").await;
        assert_eq!((house.charged(&over), house.charged(&next)), (0, 1), "{engine:?}");
        assert_eq!(house.payment_state(&over).await, "NOT_CHARGED", "{engine:?}");
        house.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paid_order_goes_forward_before_it_is_given_back() {
    for engine in Engine::BOTH {
        let house = House::build(engine, Profile::Calm.behaviour()).await;
        house.stock().await;
        let order = house.place(point_order(&[("a", 5)], 5_000)).await.unwrap();
        assert_eq!(order.state(), OrderState::Paid);
        // nobody has settled it yet
        let cancelled = house.cancel(&order.order_id).await;
        assert_eq!(cancelled.state(), OrderState::Refunding);
        house.start_worker();
        house.until(|| house.order_state(&order.order_id), "CANCELLED").await;
        let again = house.place(point_order(&[("a", 5)], 5_000)).await.unwrap();
        assert_eq!(again.state(), OrderState::Paid, "{engine:?}");
        house.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_arrive_twice_count_once() {
    for engine in Engine::BOTH {
        let house = House::build(engine, Profile::Calm.behaviour()).await;
        house.stock().await;
        let coupon_id = house.coupon().await;
        house.line.breaks(Fault::Twice, "*", usize::MAX);
        house.start_worker();
        house.start_driver();
        let order = PlaceOrderRequest {
            coupon_id,
            points: Some(money(400)),
            ..card_order(&[("a", 1)])
        };
        for _ in 0..2 {
            let order_id = house.place(order.clone()).await.unwrap().order_id;
            house.until(|| house.order_state(&order_id), "PAID").await;
            house.cancel(&order_id).await;
            house.until(|| house.order_state(&order_id), "CANCELLED").await;
            assert_eq!(house.charged(&order_id), 1, "{engine:?}");
        }
        house.end().await;
    }
}
