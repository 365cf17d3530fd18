//! The evening: an order that nobody pays until its time is up, and which then gives back what it took.

use proto::coupon::v1 as coupon;
use proto::order::v1 as order;
use proto::readmodel::v1 as view;
use support::shop::money;
use view::OrderState;

use super::{Scenario, by_card};

impl Scenario {
    /// Lets an order of everything expire, whatever happens to the shop meanwhile, and checks what came of it.
    pub async fn let_expire(&self) {
        self.open().await;
        let issued: coupon::IssueCouponResponse = call!(
            self.mina,
            "coupon.v1.CouponService" / IssueCoupon,
            coupon::IssueCouponRequest {
                campaign_id: "spring".to_owned(),
                ..Default::default()
            }
        )
        .unwrap();
        let request = order::PlaceOrderRequest {
            coupon_id: issued.coupon.unwrap().coupon_id,
            points: Some(money(200)),
            ..by_card("lamp", 1, "test-limit")
        };
        // an order that was still to be taken when its time was up has told its buyer nothing but that
        if let Ok(placed) = self.place(request).await {
            self.see(&placed, OrderState::Expired).await;
        }
        self.until("one expired order", async || {
            let request = view::ListOrdersRequest::default();
            let orders: view::ListOrdersResponse =
                call!(self.mina, "readmodel.v1.OrderQueryService" / ListOrders, request).unwrap();
            assert!(orders.orders.len() <= 1, "{:#?}", orders.orders);
            orders.orders.iter().any(|order| order.state() == OrderState::Expired)
        })
        .await;
        self.points_are_back().await;
        self.until("the lamp is back", async || {
            self.product("lamp").await.is_some_and(|seen| seen.available == 100)
        })
        .await;
        let usable = view::ListCouponsRequest::default();
        self.until("the coupon is back", async || {
            let coupons: view::ListCouponsResponse = call!(
                self.mina,
                "readmodel.v1.CouponQueryService" / ListCoupons,
                usable.clone()
            )
            .unwrap();
            coupons
                .coupons
                .iter()
                .all(|coupon| coupon.state() == view::CouponState::Issued)
        })
        .await;
    }
}
