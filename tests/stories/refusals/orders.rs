//! Orders and what pays for them, with a gateway that answers.

use std::time::Duration;

use proto::order::v1::{CancelOrderRequest, Order, PayOrderRequest, PlaceOrderRequest};
use proto::payment::v1::payment_admin_service_client::PaymentAdminServiceClient;
use proto::payment::v1::{
    CloseAttemptRequest, RefundPaymentRequest, RequestPaymentRequest, Resolution, ResolvePaymentRequest,
    SyncPaymentRequest,
};
use proto::readmodel::v1::{GetOrderRequest, OrderState};
use support::client::{card_order, point_order};
use support::shop::money;
use support::{Buyer, TestShop};
use tonic::Status;

use super::Reached;

/// Order ids that no order has.
const NONE: &str = "none";

async fn cancel(buyer: &Buyer, order_id: &str) -> Result<(), Status> {
    let request = CancelOrderRequest {
        order_id: order_id.to_owned(),
        ..Default::default()
    };
    buyer.orders().cancel_order(request).await.map(drop)
}

pub async fn pay(buyer: &Buyer, order_id: &str, card_token: &str) -> Result<(), Status> {
    let request = PayOrderRequest {
        order_id: order_id.to_owned(),
        card_token: card_token.to_owned(),
        ..Default::default()
    };
    buyer.orders().pay_order(request).await.map(drop)
}

pub async fn request(buyer: &Buyer, order_id: &str, attempt: i32, amount: i64, card: &str) -> Result<(), Status> {
    let request = RequestPaymentRequest {
        order_id: order_id.to_owned(),
        attempt,
        amount: Some(money(amount)),
        card_token: card.to_owned(),
        ..Default::default()
    };
    buyer.payments().request_payment(buyer.for_me(request)).await.map(drop)
}

async fn refund(buyer: &Buyer, order_id: &str, refund_id: &str, amount: i64) -> Result<(), Status> {
    let request = RefundPaymentRequest {
        order_id: order_id.to_owned(),
        attempt: 1,
        refund_id: refund_id.to_owned(),
        amount: Some(money(amount)),
        why: "torn".to_owned(),
        ..Default::default()
    };
    buyer.payments().refund_payment(buyer.for_me(request)).await.map(drop)
}

/// An order of one piece at 1,000.
async fn placed(buyer: &Buyer, card_token: &str) -> Order {
    let request = PlaceOrderRequest {
        card_token: card_token.to_owned(),
        ..card_order(&[("book", 1)])
    };
    buyer.place(request).await.unwrap()
}

pub async fn refuses(shop: &TestShop, reached: &mut Reached) {
    shop.stock(&[("book", 1_000, 100), ("dear", 1_000_000_000_000_000, 100)])
        .await;
    let mina = &shop.buyer("mina");
    bills(mina, reached).await;
    payments(shop, mina, reached).await;

    // the clock goes on for all that comes after
    let declined = placed(mina, "test-limit").await.order_id;
    mina.until(&declined, |order| order.attempt == 1 && !order.payment_open)
        .await;
    shop.clock.advance(Duration::from_secs(15 * 60));
    mina.until(&declined, |order| order.state() == OrderState::Expired)
        .await;
    let expired = cancel(mina, &declined).await;
    reached.by("ORDER_EXPIRED", &[("order_id", &declined)], expired);
}

async fn bills(mina: &Buyer, reached: &mut Reached) {
    reached.by("ORDER_NOT_FOUND", &[("order_id", NONE)], cancel(mina, NONE).await);
    let unseen = GetOrderRequest {
        order_id: NONE.to_owned(),
        ..Default::default()
    };
    let unseen = mina.orders_seen().get_order(unseen).await;
    reached.by("ORDER_NOT_FOUND", &[("order_id", NONE)], unseen);
    let changed = PlaceOrderRequest {
        expected_total: Some(money(999)),
        ..card_order(&[("book", 1)])
    };
    let metadata = [("total", "1000"), ("expected", "999")];
    reached.by("ORDER_TOTAL_CHANGED", &metadata, mina.place(changed).await);
    let much = mina.place(point_order(&[("book", 1)], 1_001)).await;
    reached.by("POINTS_EXCEED_TOTAL", &[("points", "1001"), ("total", "1000")], much);
    let cardless = mina.place(point_order(&[("book", 1)], 0)).await;
    reached.by("CARD_TOKEN_MISSING", &[("card", "1000")], cardless);
    reached.by("AMOUNT_OVERFLOW", &[], mina.place(card_order(&[("dear", 2)])).await);

    let request_id = uuid::Uuid::now_v7().to_string();
    let named = |quantity| PlaceOrderRequest {
        request_id: request_id.clone(),
        ..card_order(&[("book", quantity)])
    };
    mina.place(named(1)).await.unwrap();
    reached.by(
        "REQUEST_ID_REUSED",
        &[("request_id", &request_id)],
        mina.place(named(2)).await,
    );
}

async fn payments(shop: &TestShop, mina: &Buyer, reached: &mut Reached) {
    let sync = SyncPaymentRequest {
        order_id: NONE.to_owned(),
        attempt: 1,
        ..Default::default()
    };
    let unknown = mina.payments().sync_payment(mina.for_me(sync)).await;
    reached.by("PAYMENT_NOT_FOUND", &[("order_id", NONE), ("attempt", "1")], unknown);
    let nothing = request(mina, NONE, 1, 0, "test-approve").await;
    reached.by("PAYMENT_AMOUNT_ZERO", &[], nothing);
    reached.by("CARD_TOKEN_NOT_FOUND", &[], request(mina, NONE, 1, 1, NONE).await);

    let paid = placed(mina, "test-approve").await.order_id;
    mina.until(&paid, |order| order.state() == OrderState::Paid).await;
    let attempt = [("order_id", paid.as_str()), ("attempt", "1")];
    let differs = request(mina, &paid, 1, 999, "test-approve").await;
    reached.by("PAYMENT_DIFFERS", &attempt, differs);
    let again = pay(mina, &paid, "test-approve").await;
    reached.by("ORDER_NOT_PAYABLE", &[("order_id", &paid), ("state", "PAID")], again);
    let more = refund(mina, &paid, "more", 1_001).await;
    reached.by(
        "REFUND_EXCEEDS_CAPTURE",
        &[("captured", "1000"), ("refunded", "0")],
        more,
    );
    let resolve = ResolvePaymentRequest {
        order_id: paid.clone(),
        attempt: 1,
        resolution: Resolution::Refund.into(),
        why: "torn".to_owned(),
        ..Default::default()
    };
    let pays = PaymentAdminServiceClient::new(shop.connected().as_admin())
        .resolve_payment(resolve)
        .await;
    reached.by("PAYMENT_PAYS_ORDER", &attempt, pays);
    cancel(mina, &paid).await.unwrap();
    mina.until(&paid, |order| order.state() == OrderState::Cancelled).await;
    let refund_id = format!("{paid}-1");
    let differs = refund(mina, &paid, &refund_id, 999).await;
    reached.by("REFUND_DIFFERS", &[("refund_id", &refund_id)], differs);

    for (card_token, reason) in [
        ("test-limit", "PAYMENT_LIMIT_EXCEEDED"),
        ("test-invalid", "PAYMENT_CARD_INVALID"),
    ] {
        let declined = placed(mina, card_token).await.order_id;
        let ended = mina.until(&declined, |order| !order.payment_reason.is_empty()).await;
        reached.as_the_end(reason, &ended.payment_reason);
        let uncaptured = refund(mina, &declined, "refund", 1).await;
        let attempt = [("order_id", declined.as_str()), ("attempt", "1")];
        reached.by("PAYMENT_NOT_CAPTURED", &attempt, uncaptured);
        let close = CloseAttemptRequest {
            order_id: declined.clone(),
            attempt: 2,
            ..Default::default()
        };
        mina.payments().close_attempt(mina.for_me(close)).await.unwrap();
        let closed = request(mina, &declined, 2, 1_000, "test-approve").await;
        let attempt = [("order_id", declined.as_str()), ("attempt", "2")];
        reached.by("PAYMENT_CLOSED", &attempt, closed);
    }
}
