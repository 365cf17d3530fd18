//! A day of the shop that passes every command, reaction and step of a checkout, and what must be true at its end.

use std::time::Duration;

use kit::clock::{Clock, to_proto};
use proto::coupon::v1 as coupon;
use proto::order::v1 as order;
use proto::payment::v1 as payment;
use proto::readmodel::v1 as view;
use support::client::{card_order, point_order};
use support::shop::money;
use support::wait::within;
use tokio::sync::watch;
use view::OrderState;

use crate::caller::Caller;

mod dead_letter;
mod evening;
mod opening;
mod operator;

/// Long enough for a lease to run out and a 404 to be waited for.
const PATIENCE: Duration = Duration::from_secs(120);
const POINTS: i64 = 50_000;

/// Everyone who has to do with the shop.
pub struct Scenario {
    admin: Caller,
    service: Caller,
    mina: Caller,
}

impl Scenario {
    pub fn new(addresses: &watch::Receiver<Option<String>>) -> Self {
        Self {
            admin: Caller::new(addresses, "operator", "admin"),
            service: Caller::new(addresses, "mina", "service"),
            mina: Caller::new(addresses, "mina", "customer"),
        }
    }

    /// Does everything once, whatever happens to the shop meanwhile, and checks what came of it.
    pub async fn play(&self) {
        self.open().await;
        let slow = self.place(by_card("lamp", 1, "test-captured-timeout")).await.unwrap();
        self.cancel_while_it_is_charged().await;
        self.cancel_what_is_paid_by_everything().await;
        self.cancel_what_is_paid_by_points().await;
        self.pay_with_another_card().await;
        self.give_up().await;
        self.have_it_compensated().await;
        self.cancel_at_once().await;
        self.be_refused().await;
        self.see_paid(&slow).await;
        let sync = payment::SyncPaymentRequest {
            order_id: slow.clone(),
            attempt: 1,
            ..Default::default()
        };
        done!(self.service, "payment.v1.PaymentService" / SyncPayment, sync);
        self.mend_a_dead_letter().await;
        self.look_after_payments(&slow).await;
        self.pause_and_republish().await;
        self.check().await;
    }

    async fn cancel_what_is_paid_by_everything(&self) {
        let issued: coupon::IssueCouponResponse = call!(
            self.mina,
            "coupon.v1.CouponService" / IssueCoupon,
            coupon::IssueCouponRequest {
                campaign_id: "spring".to_owned(),
                ..Default::default()
            }
        )
        .unwrap();
        let card: payment::TokenizeCardResponse = call!(
            self.mina,
            "payment.v1.CardService" / TokenizeCard,
            payment::TokenizeCardRequest {
                card_type: payment::CardType::Kb.into(),
                card_number: "1111-2222-3333-0001".to_owned(),
                ..Default::default()
            }
        )
        .unwrap();
        let placed = self
            .place(order::PlaceOrderRequest {
                coupon_id: issued.coupon.unwrap().coupon_id,
                points: Some(money(500)),
                ..by_card("lamp", 2, &card.card_token)
            })
            .await
            .unwrap();
        self.see_paid(&placed).await;
        self.cancel(&placed).await;
        self.see(&placed, OrderState::Cancelled).await;
    }

    async fn cancel_what_is_paid_by_points(&self) {
        let placed = self.place(point_order(&[("lamp", 1)], 1_000)).await.unwrap();
        self.see_paid(&placed).await;
        self.cancel(&placed).await;
        self.see(&placed, OrderState::Cancelled).await;
    }

    async fn pay_with_another_card(&self) {
        let placed = self.place(by_card("desk", 1, "test-limit")).await.unwrap();
        self.see_declined(&placed).await;
        self.pay(&placed).await.unwrap();
        self.see_paid(&placed).await;
    }

    async fn give_up(&self) {
        let placed = self
            .place(order::PlaceOrderRequest {
                points: Some(money(700)),
                ..by_card("desk", 1, "test-invalid")
            })
            .await
            .unwrap();
        self.see_declined(&placed).await;
        self.cancel(&placed).await;
        self.see(&placed, OrderState::Cancelled).await;
    }

    /// An operator steps in.
    async fn have_it_compensated(&self) {
        let placed = self.place(by_card("desk", 1, "test-limit")).await.unwrap();
        self.see_declined(&placed).await;
        let (order_id, why) = (placed.clone(), "asked for".to_owned());
        let resume = order::ResumeCheckoutRequest {
            order_id: order_id.clone(),
            why: why.clone(),
            ..Default::default()
        };
        done!(self.admin, "order.v1.CheckoutService" / ResumeCheckout, resume);
        let compensate = order::CompensateCheckoutRequest {
            order_id,
            why,
            ..Default::default()
        };
        done!(self.admin, "order.v1.CheckoutService" / CompensateCheckout, compensate);
        self.see(&placed, OrderState::Cancelled).await;
    }

    async fn look_after_payments(&self, paid: &str) {
        let why = || "every night".to_owned();
        let resolve = payment::ResolvePaymentRequest {
            order_id: paid.to_owned(),
            attempt: 1,
            resolution: payment::Resolution::Ask.into(),
            why: why(),
            ..Default::default()
        };
        done!(self.admin, "payment.v1.PaymentAdminService" / ResolvePayment, resolve);
        let reconcile = payment::ReconcileDayRequest {
            day: Some(to_proto(Clock::default().now())),
            why: why(),
            ..Default::default()
        };
        let reconciled: payment::ReconcileDayResponse =
            call!(self.admin, "payment.v1.PaymentAdminService" / ReconcileDay, reconcile).unwrap();
        assert_eq!(reconciled.discrepancies, []);
    }

    /// Before the gateway has answered; what it took all the same goes back.
    async fn cancel_while_it_is_charged(&self) {
        let placed = self.place(by_card("desk", 1, "test-captured-timeout")).await.unwrap();
        self.cancel(&placed).await;
        self.see(&placed, OrderState::Cancelled).await;
    }

    /// While its card is being charged, or just before, or just after.
    async fn cancel_at_once(&self) {
        let placed = self.place(by_card("desk", 1, "test-approve")).await.unwrap();
        self.cancel(&placed).await;
        self.see(&placed, OrderState::Cancelled).await;
    }

    async fn be_refused(&self) {
        let refused = self.place(by_card("lamp", 10_000, "test-approve")).await;
        assert_eq!(refused.unwrap_err(), "STOCK_INSUFFICIENT");
        let refused = self
            .place(order::PlaceOrderRequest {
                points: Some(money(90_000)),
                ..by_card("lamp", 99, "test-approve")
            })
            .await;
        assert_eq!(refused.unwrap_err(), "POINTS_INSUFFICIENT");
    }

    /// Nothing was done twice, and nothing was lost.
    async fn check(&self) {
        self.until("ten orders, no more", async || {
            let request = view::ListOrdersRequest {
                page_size: 100,
                ..Default::default()
            };
            let orders: view::ListOrdersResponse =
                call!(self.mina, "readmodel.v1.OrderQueryService" / ListOrders, request).unwrap();
            assert!(orders.orders.len() <= 10, "{:#?}", orders.orders);
            orders.orders.len() == 10
        })
        .await;
        let left = |product: &str, available: i64, like_count: i64| (product.to_owned(), available, like_count);
        for expected in [left("lamp", 99, 0), left("desk", 49, 1)] {
            self.until(&format!("{expected:?}"), async || {
                let product = self.product(&expected.0).await;
                product.is_some_and(|seen| (seen.product_id, seen.available, seen.like_count) == expected)
            })
            .await;
        }
        self.points_are_back().await;
    }

    async fn points_are_back(&self) {
        self.until("all points are back", async || {
            let balance: view::GetPointBalanceResponse = call!(
                self.mina,
                "readmodel.v1.PointQueryService" / GetPointBalance,
                view::GetPointBalanceRequest::default()
            )
            .unwrap();
            (
                balance.available.unwrap().minor_units,
                balance.held.unwrap().minor_units,
            ) == (POINTS, 0)
        })
        .await;
    }

    async fn place(&self, request: order::PlaceOrderRequest) -> Result<String, String> {
        let answer: Result<order::PlaceOrderResponse, _> =
            call!(self.mina, "order.v1.OrderService" / PlaceOrder, request);
        answer.map(|answer| answer.order.unwrap().order_id)
    }

    async fn cancel(&self, order_id: &str) {
        done!(
            self.mina,
            "order.v1.OrderService" / CancelOrder,
            order::CancelOrderRequest {
                order_id: order_id.to_owned(),
                ..Default::default()
            }
        );
    }

    async fn pay(&self, order_id: &str) -> Result<order::PayOrderResponse, String> {
        let request = order::PayOrderRequest {
            order_id: order_id.to_owned(),
            card_token: "test-approve".to_owned(),
            ..Default::default()
        };
        call!(self.mina, "order.v1.OrderService" / PayOrder, request)
    }

    /// A payment that was never sent, because of the kill, ends without a charge; its buyer tries again.
    async fn see_paid(&self, order_id: &str) {
        self.until(&format!("order {order_id} is paid"), async || {
            let seen = self.order(order_id).await;
            if seen
                .as_ref()
                .is_some_and(|seen| !seen.payment_open && seen.payment_reason == "PAYMENT_NOT_CHARGED")
            {
                // a no says that this view is behind
                let _ = self.pay(order_id).await;
            }
            seen.is_some_and(|seen| seen.state() == OrderState::Paid)
        })
        .await;
    }

    async fn see(&self, order_id: &str, state: OrderState) {
        let what = format!("order {order_id} is {state:?}");
        self.until(&what, async || {
            self.order(order_id).await.is_some_and(|seen| seen.state() == state)
        })
        .await;
    }

    async fn see_declined(&self, order_id: &str) {
        let what = format!("order {order_id} is declined");
        let declined = async || {
            let seen = self.order(order_id).await;
            seen.is_some_and(|seen| !seen.payment_open && !seen.payment_reason.is_empty())
        };
        self.until(&what, declined).await;
    }

    async fn order(&self, order_id: &str) -> Option<view::OrderDetail> {
        let answer: Result<view::GetOrderResponse, _> = call!(
            self.mina,
            "readmodel.v1.OrderQueryService" / GetOrder,
            view::GetOrderRequest {
                order_id: order_id.to_owned(),
                ..Default::default()
            }
        );
        answer.ok().and_then(|answer| answer.order)
    }

    async fn product(&self, product_id: &str) -> Option<view::ProductDetail> {
        let request = view::GetProductRequest {
            product_id: product_id.to_owned(),
            ..Default::default()
        };
        let answer: Result<view::GetProductResponse, _> =
            call!(self.mina, "readmodel.v1.ProductQueryService" / GetProduct, request);
        answer.ok().and_then(|answer| answer.product)
    }

    async fn until(&self, what: &str, state: impl AsyncFn() -> bool) {
        let look = async || if state().await { Ok(()) } else { Err("otherwise") };
        within(PATIENCE, what, look).await;
    }
}

fn by_card(product: &str, quantity: i64, card: &str) -> order::PlaceOrderRequest {
    order::PlaceOrderRequest {
        card_token: card.to_owned(),
        ..card_order(&[(product, quantity)])
    }
}
