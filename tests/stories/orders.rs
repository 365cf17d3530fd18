//! The life of an order: priced, paid, declined, paid again, cancelled, expired.

use std::time::Duration;

use proto::order::v1::{CancelOrderRequest, OrderState, PayOrderRequest, PlaceOrderRequest, PreviewOrderRequest};
use support::client::{card_order, point_order};
use support::shop::money;
use support::wait::eventually;
use support::{Buyer, reason, story};
use tonic::Code;
use tonic_types::StatusExt;

type Seen = proto::readmodel::v1::OrderState;

/// Waits until the read model shows the order in this state.
async fn reaches(buyer: &Buyer, order_id: &str, state: Seen) {
    buyer.until(order_id, |order| order.state() == state).await;
}

fn pay(order_id: &str, card_token: &str) -> PayOrderRequest {
    PayOrderRequest {
        order_id: order_id.to_owned(),
        card_token: card_token.to_owned(),
        ..Default::default()
    }
}

fn cancel(order_id: &str) -> CancelOrderRequest {
    CancelOrderRequest {
        order_id: order_id.to_owned(),
        ..Default::default()
    }
}

story! {
    async fn an_order_by_card_is_paid_when_the_gateway_says_so(shop: TestShop) {
        shop.stock(&[("a", 1_000, 5)]).await;
        let mina = shop.buyer("mina");
        let order = mina.place(card_order(&[("a", 2)])).await.unwrap();
        assert_eq!(order.state(), OrderState::AwaitingPayment);
        assert_eq!(order.total, Some(money(2_000)));
        reaches(&mina, &order.order_id, Seen::Paid).await;
    }
}

story! {
    async fn an_order_by_points_is_paid_at_once(shop: TestShop) {
        shop.stock(&[("a", 1_000, 5)]).await;
        let mina = shop.buyer("mina");
        mina.charge(5_000).await;
        let order = mina.place(point_order(&[("a", 2)], 2_000)).await.unwrap();
        assert_eq!(order.state(), OrderState::Paid);
        shop.at_rest().await;
        let balance = mina.points_seen().get_point_balance(proto::readmodel::v1::GetPointBalanceRequest::default()).await;
        assert_eq!(balance.unwrap().into_inner().available, Some(money(3_000)));
    }
}

story! {
    async fn a_declined_card_leaves_the_order_to_be_paid_with_another(shop: TestShop) {
        shop.stock(&[("a", 1_000, 5)]).await;
        let mina = shop.buyer("mina");
        let order = mina.place(PlaceOrderRequest { card_token: "test-limit".to_owned(), ..card_order(&[("a", 1)]) }).await.unwrap();
        eventually("another card is taken", async || {
            let paid = mina.orders().pay_order(pay(&order.order_id, "test-approve")).await;
            paid.map_err(|status| {
                assert_eq!(reason(&status), "PAYMENT_IN_PROGRESS");
                assert!(status.get_details_retry_info().is_some());
            })
        })
        .await;
        reaches(&mina, &order.order_id, Seen::Paid).await;
    }
}

story! {
    async fn a_refusal_of_any_step_leaves_nothing_reserved(shop: TestShop) {
        shop.stock(&[("a", 1_000, 5)]).await;
        shop.open_campaign("big-orders", 100, |campaign| campaign.minimum_order_amount = Some(money(100_000))).await;
        let mina = shop.buyer("mina");
        let coupon_id = mina.issue("big-orders").await.unwrap().coupon_id;
        let refused = [
            (card_order(&[("a", 10_000)]), Code::FailedPrecondition, "STOCK_INSUFFICIENT"),
            (card_order(&[("nothing", 1)]), Code::NotFound, "PRODUCT_NOT_FOUND"),
            (PlaceOrderRequest { coupon_id, ..card_order(&[("a", 1)]) }, Code::FailedPrecondition, "COUPON_MINIMUM_NOT_REACHED"),
            (PlaceOrderRequest { coupon_id: "unknown".to_owned(), ..card_order(&[("a", 1)]) }, Code::NotFound, "COUPON_NOT_FOUND"),
            (point_order(&[("a", 1)], 1_000), Code::FailedPrecondition, "POINTS_INSUFFICIENT"),
            (PlaceOrderRequest { expected_total: Some(money(999)), ..card_order(&[("a", 1)]) }, Code::FailedPrecondition, "ORDER_TOTAL_CHANGED"),
        ];
        for (request, code, expected) in refused {
            let status = mina.place(request).await.unwrap_err();
            assert_eq!((status.code(), reason(&status).as_str()), (code, expected));
        }
        // all five are still there
        shop.at_rest().await;
        mina.place(card_order(&[("a", 5)])).await.unwrap();
    }
}

story! {
    async fn cancelling_a_paid_order_gives_everything_back(shop: TestShop) {
        shop.stock(&[("a", 1_000, 5)]).await;
        shop.open_campaign("off", 100, |_| {}).await;
        let mina = shop.buyer("mina");
        mina.charge(500).await;
        let coupon_id = mina.issue("off").await.unwrap().coupon_id;
        let request = PlaceOrderRequest { coupon_id: coupon_id.clone(), points: Some(money(500)), ..card_order(&[("a", 5)]) };
        let order = mina.place(request.clone()).await.unwrap();
        assert_eq!((order.total, order.card), (Some(money(4_900)), Some(money(4_400))));
        reaches(&mina, &order.order_id, Seen::Paid).await;
        mina.orders().cancel_order(cancel(&order.order_id)).await.unwrap();
        reaches(&mina, &order.order_id, Seen::Cancelled).await;
        shop.at_rest().await;
        // stock, coupon and points serve another order
        let again = mina.place(request).await.unwrap();
        reaches(&mina, &again.order_id, Seen::Paid).await;
        mina.orders().cancel_order(cancel(&order.order_id)).await.unwrap();
    }
}

story! {
    async fn an_unpaid_order_expires_and_gives_everything_back(shop: TestShop) {
        shop.stock(&[("a", 1_000, 5)]).await;
        let mina = shop.buyer("mina");
        let order = mina.place(PlaceOrderRequest { card_token: "test-invalid".to_owned(), ..card_order(&[("a", 5)]) }).await.unwrap();
        shop.at_rest().await;
        shop.clock.advance(Duration::from_secs(16 * 60));
        reaches(&mina, &order.order_id, Seen::Expired).await;
        shop.at_rest().await;
        let late = mina.orders().pay_order(pay(&order.order_id, "test-approve")).await.unwrap_err();
        assert_eq!(late.code(), Code::FailedPrecondition, "{}", reason(&late));
        mina.place(card_order(&[("a", 5)])).await.unwrap();
    }
}

story! {
    async fn anothers_order_answers_as_if_it_did_not_exist(shop: TestShop) {
        shop.stock(&[("a", 1_000, 5)]).await;
        let order = shop.buyer("mina").place(card_order(&[("a", 1)])).await.unwrap();
        let thief = shop.buyer("thief");
        for order_id in [order.order_id.as_str(), "no-such-order"] {
            for status in [
                thief.orders().cancel_order(cancel(order_id)).await.unwrap_err(),
                thief.orders().pay_order(pay(order_id, "test-approve")).await.unwrap_err(),
            ] {
                assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "ORDER_NOT_FOUND"));
            }
        }
    }
}

story! {
    async fn a_preview_shows_what_placing_would_do_and_changes_nothing(shop: TestShop) {
        shop.stock(&[("a", 1_000, 5), ("b", 333, 5)]).await;
        shop.open_campaign("off", 100, |_| {}).await;
        let mina = shop.buyer("mina");
        mina.charge(500).await;
        let coupon_id = mina.issue("off").await.unwrap().coupon_id;
        let order = PlaceOrderRequest { coupon_id: coupon_id.clone(), points: Some(money(500)), ..card_order(&[("a", 2), ("b", 3)]) };
        let preview = PreviewOrderRequest { lines: order.lines.clone(), coupon_id, points: order.points.clone() };
        let shown = mina.orders().preview_order(preview).await.unwrap().into_inner();
        let placed = mina.place(order).await.unwrap();
        assert_eq!((shown.total, shown.discount, shown.card), (placed.total, placed.discount, placed.card));
    }
}

story! {
    async fn a_captured_payment_whose_answer_was_lost_pays_the_order_all_the_same(shop: TestShop) {
        shop.stock(&[("a", 1_000, 5)]).await;
        let mina = shop.buyer("mina");
        let order = mina.place(PlaceOrderRequest { card_token: "test-lost-callback".to_owned(), ..card_order(&[("a", 1)]) }).await.unwrap();
        reaches(&mina, &order.order_id, Seen::Paid).await;
    }
}
