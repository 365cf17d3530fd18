//! The checkout where it does not run straight: refused, replayed, overtaken by a cancellation, cut off.

use std::time::Duration;

use proto::order::v1::{CancelOrderRequest, Order, OrderState, PayOrderRequest, PlaceOrderRequest};
use proto::readmodel::v1::GetPointBalanceRequest;
use support::client::{card_order, point_order};
use support::shop::money;
use support::{Engine, TestShop, reason, story};
use tonic::Code;
use tonic_types::StatusExt;

fn with_request_id(request: PlaceOrderRequest) -> PlaceOrderRequest {
    PlaceOrderRequest {
        request_id: uuid::Uuid::now_v7().to_string(),
        ..request
    }
}

fn cancel(order: &Order) -> CancelOrderRequest {
    CancelOrderRequest {
        order_id: order.order_id.clone(),
        ..Default::default()
    }
}

fn pay(order: &Order, card_token: &str) -> PayOrderRequest {
    PayOrderRequest {
        order_id: order.order_id.clone(),
        card_token: card_token.to_owned(),
        ..Default::default()
    }
}

story! {
    async fn a_refusal_is_replayed_even_when_it_would_no_longer_be_one(shop: TestShop) {
        shop.stock(&[("a", 1_000, 5)]).await;
        let mina = shop.buyer("mina");
        let request = with_request_id(point_order(&[("a", 1)], 1_000));
        let refused = mina.place(request.clone()).await.unwrap_err();
        assert_eq!(reason(&refused), "POINTS_INSUFFICIENT");
        mina.charge(1_000).await;
        let replayed = mina.place(request.clone()).await.unwrap_err();
        assert_eq!((replayed.code(), replayed.message(), replayed.details()), (refused.code(), refused.message(), refused.details()));
        let other = PlaceOrderRequest { points: None, ..request };
        assert_eq!(reason(&mina.place(other).await.unwrap_err()), "REQUEST_ID_REUSED");
        assert_eq!(mina.place(point_order(&[("a", 1)], 1_000)).await.unwrap().state(), OrderState::Paid);
    }
}

story! {
    async fn the_first_answer_comes_again_also_after_the_order_went_on(shop: TestShop) {
        shop.stock(&[("a", 1_000, 5)]).await;
        let mina = shop.buyer("mina");
        let request = with_request_id(card_order(&[("a", 1)]));
        let first = mina.place(request.clone()).await.unwrap();
        mina.until(&first.order_id, |order| order.paid_at.is_some()).await;
        assert_eq!(mina.place(request).await.unwrap(), first);
    }
}

story! {
    async fn a_bill_that_points_and_card_do_not_cover_exactly_is_refused(shop: TestShop) {
        shop.stock(&[("a", 1_000, 5), ("dear", 1_000_000_000_000_000, 5)]).await;
        let mina = shop.buyer("mina");
        mina.charge(5_000).await;
        let refused = [
            (point_order(&[("a", 1)], 1_001), Code::FailedPrecondition, "POINTS_EXCEED_TOTAL"),
            (point_order(&[("a", 1)], 999), Code::InvalidArgument, "CARD_TOKEN_MISSING"),
            (card_order(&[("dear", 2)]), Code::InvalidArgument, "AMOUNT_OVERFLOW"),
        ];
        for (request, code, expected) in refused {
            let status = mina.place(request).await.unwrap_err();
            assert_eq!((status.code(), reason(&status).as_str()), (code, expected));
        }
        let status = mina.place(PlaceOrderRequest { expected_total: Some(money(999)), ..card_order(&[("a", 1)]) }).await.unwrap_err();
        let info = status.get_details_error_info().unwrap();
        assert_eq!((info.metadata["total"].as_str(), info.metadata["expected"].as_str()), ("1000", "999"));
        shop.at_rest().await;
        let balance = mina.points_seen().get_point_balance(GetPointBalanceRequest::default()).await.unwrap().into_inner();
        assert_eq!((balance.available, balance.held), (Some(money(5_000)), Some(money(0))));
    }
}

story! {
    async fn an_unknown_card_ends_the_attempt_and_another_pays(shop: TestShop) {
        shop.stock(&[("a", 1_000, 5)]).await;
        let mina = shop.buyer("mina");
        let order = mina.place(PlaceOrderRequest { card_token: "no-such-card".to_owned(), ..card_order(&[("a", 1)]) }).await.unwrap();
        let ended = mina.until(&order.order_id, |order| order.attempt == 1 && !order.payment_open).await;
        assert_eq!((ended.attempt, ended.payment_reason.as_str()), (1, "CARD_TOKEN_NOT_FOUND"));
        mina.orders().pay_order(pay(&order, "test-approve")).await.unwrap();
        let paid = mina.until(&order.order_id, |order| order.paid_at.is_some()).await;
        assert_eq!((paid.attempt, paid.payment_reason.as_str()), (2, ""));
        let late = mina.orders().pay_order(pay(&order, "test-approve")).await.unwrap_err();
        assert_eq!(reason(&late), "ORDER_NOT_PAYABLE");
        assert_eq!(late.get_details_error_info().unwrap().metadata["state"], "PAID");
    }
}

story! {
    async fn an_order_cancelled_at_once_keeps_nobodys_money(shop: TestShop) {
        shop.stock(&[("a", 1_000, 100)]).await;
        let mina = shop.buyer("mina");
        // the card is charged before, while, or after the order is cancelled
        for wait in [0, 2, 5, 10, 20, 50] {
            let order = mina.place(card_order(&[("a", 1)])).await.unwrap();
            tokio::time::sleep(Duration::from_millis(wait)).await;
            let cancelled = mina.orders().cancel_order(cancel(&order)).await.unwrap().into_inner().order.unwrap();
            assert!(matches!(cancelled.state(), OrderState::Cancelled | OrderState::Refunding));
            let again = mina.orders().cancel_order(cancel(&order)).await.unwrap().into_inner().order.unwrap();
            assert!(matches!(again.state(), OrderState::Cancelled | OrderState::Refunding));
        }
        shop.at_rest().await;
        mina.place(card_order(&[("a", 100)])).await.unwrap();
    }
}

story! {
    async fn an_expired_order_can_neither_be_paid_nor_cancelled(shop: TestShop) {
        shop.stock(&[("a", 1_000, 5)]).await;
        let mina = shop.buyer("mina");
        let order = mina.place(PlaceOrderRequest { card_token: "test-limit".to_owned(), ..card_order(&[("a", 1)]) }).await.unwrap();
        mina.until(&order.order_id, |order| order.attempt == 1 && !order.payment_open).await;
        shop.clock.advance(Duration::from_secs(15 * 60));
        mina.until(&order.order_id, |order| order.ended_at.is_some()).await;
        let late = mina.orders().pay_order(pay(&order, "test-approve")).await.unwrap_err();
        assert_eq!(late.get_details_error_info().unwrap().metadata["state"], "EXPIRED");
        assert_eq!(reason(&mina.orders().cancel_order(cancel(&order)).await.unwrap_err()), "ORDER_EXPIRED");
    }
}

/// A service that does not answer delays the order; it goes on after a restart, and its request gets its answer.
async fn an_order_that_was_cut_off_goes_on_after_a_restart(engine: Engine) {
    let mut shop = TestShop::start(engine).await;
    shop.stock(&[("a", 1_000, 5)]).await;
    shop.buyer("mina").charge(1_000).await;
    let request = with_request_id(point_order(&[("a", 1)], 1_000));
    shop.shop().tables().catalog.close().await;
    let delayed = shop.buyer("mina").place(request.clone()).await.unwrap_err();
    assert_eq!(
        (delayed.code(), reason(&delayed).as_str()),
        (Code::Unavailable, "CHECKOUT_DELAYED")
    );
    assert!(delayed.get_details_retry_info().is_some());
    let waiting = shop.buyer("mina").place(request.clone()).await.unwrap_err();
    assert_eq!(
        (waiting.code(), reason(&waiting).as_str()),
        (Code::Aborted, "REQUEST_IN_PROGRESS")
    );
    shop.restart().await;
    shop.at_rest().await;
    let placed = shop.buyer("mina").place(request).await.unwrap();
    assert_eq!(placed.state(), OrderState::Paid);
    shop.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_was_cut_off_goes_on_after_a_restart_sqlite() {
    an_order_that_was_cut_off_goes_on_after_a_restart(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_was_cut_off_goes_on_after_a_restart_postgres() {
    an_order_that_was_cut_off_goes_on_after_a_restart(Engine::Postgres).await;
}
