//! Points, as the checkout holds, settles and gives them back.

use proto::payment::v1::*;
use support::shop::money;
use support::{Buyer, TestShop};
use tonic::Status;

use super::Reached;

/// The most points a user can have.
const BALANCE_MAX: i64 = 1_000_000_000_000_000;

async fn charge(buyer: &Buyer, amount: i64, funding_reference: &str) -> Result<(), Status> {
    let request = ChargePointsRequest {
        amount: Some(money(amount)),
        funding_reference: funding_reference.to_owned(),
        ..Default::default()
    };
    buyer.points().charge_points(buyer.for_me(request)).await.map(drop)
}

async fn hold(buyer: &Buyer, order_id: &str, amount: i64) -> Result<(), Status> {
    let request = HoldPointsRequest {
        order_id: order_id.to_owned(),
        amount: Some(money(amount)),
        ..Default::default()
    };
    buyer.points().hold_points(buyer.for_me(request)).await.map(drop)
}

async fn settle(buyer: &Buyer, order_id: &str) -> Result<(), Status> {
    let request = SettlePointsRequest {
        order_id: order_id.to_owned(),
        ..Default::default()
    };
    buyer.points().settle_points(buyer.for_me(request)).await.map(drop)
}

async fn release(buyer: &Buyer, order_id: &str) -> Result<(), Status> {
    let request = ReleasePointsRequest {
        order_id: order_id.to_owned(),
        ..Default::default()
    };
    buyer.points().release_points(buyer.for_me(request)).await.map(drop)
}

async fn refund(buyer: &Buyer, order_id: &str) -> Result<(), Status> {
    let request = RefundPointsRequest {
        order_id: order_id.to_owned(),
        ..Default::default()
    };
    buyer.points().refund_points(buyer.for_me(request)).await.map(drop)
}

pub async fn refuses(shop: &TestShop, reached: &mut Reached) {
    let saver = &shop.buyer("saver");
    let of = |order_id| [("order_id", order_id)];
    reached.by("POINTS_AMOUNT_ZERO", &[], charge(saver, 0, "nothing").await);
    charge(saver, 100, "salary").await.unwrap();
    let twice = charge(saver, 200, "salary").await;
    reached.by("FUNDING_REFERENCE_USED", &[("funding_reference", "salary")], twice);
    let more = charge(saver, BALANCE_MAX, "lottery").await;
    reached.by("POINTS_OVERFLOW", &[("maximum", "1000000000000000")], more);
    let metadata = [("requested", "101"), ("available", "100")];
    reached.by("POINTS_INSUFFICIENT", &metadata, hold(saver, "dear", 101).await);

    reached.by("POINTS_HOLD_NOT_FOUND", &of("none"), settle(saver, "none").await);
    hold(saver, "o", 10).await.unwrap();
    reached.by("POINTS_HOLD_DIFFERS", &of("o"), hold(saver, "o", 11).await);
    reached.by("POINTS_NOT_SETTLED", &of("o"), refund(saver, "o").await);
    settle(saver, "o").await.unwrap();
    reached.by("POINTS_SETTLED", &of("o"), release(saver, "o").await);
    refund(saver, "o").await.unwrap();
    reached.by("POINTS_REFUNDED", &of("o"), settle(saver, "o").await);
    release(saver, "late").await.unwrap();
    reached.by("POINTS_RELEASED", &of("late"), hold(saver, "late", 10).await);
}
