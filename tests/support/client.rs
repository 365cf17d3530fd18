//! A buyer: a user of the shop with a client of each service.

use jangteo::client::{Client, Connected};
use proto::catalog::v1::like_service_client::LikeServiceClient;
use proto::coupon::v1::coupon_service_client::CouponServiceClient;
use proto::coupon::v1::{Coupon, IssueCouponRequest};
use proto::order::v1::order_service_client::OrderServiceClient;
use proto::order::v1::{LineToOrder, Order, PlaceOrderRequest};
use proto::payment::v1::ChargePointsRequest;
use proto::payment::v1::card_service_client::CardServiceClient;
use proto::payment::v1::payment_service_client::PaymentServiceClient;
use proto::payment::v1::point_service_client::PointServiceClient;
use proto::readmodel::v1::coupon_query_service_client::CouponQueryServiceClient;
use proto::readmodel::v1::order_query_service_client::OrderQueryServiceClient;
use proto::readmodel::v1::point_query_service_client::PointQueryServiceClient;
use proto::readmodel::v1::product_query_service_client::ProductQueryServiceClient;
use proto::readmodel::v1::{GetOrderRequest, OrderDetail};
use tonic::{Request, Status};
use tonic_types::StatusExt;

use crate::shop::money;
use crate::wait::eventually;

/// A user and what it can do.
#[derive(Clone, Debug)]
pub struct Buyer {
    pub name: String,
    client: Client,
    service: Client,
}

impl Buyer {
    pub fn new(shop: &Connected, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            client: shop.as_customer(name),
            service: shop.as_service(),
        }
    }

    pub fn orders(&self) -> OrderServiceClient<Client> {
        OrderServiceClient::new(self.client.clone())
    }

    pub fn likes(&self) -> LikeServiceClient<Client> {
        LikeServiceClient::new(self.client.clone())
    }

    pub fn coupons(&self) -> CouponServiceClient<Client> {
        CouponServiceClient::new(self.client.clone())
    }

    pub fn cards(&self) -> CardServiceClient<Client> {
        CardServiceClient::new(self.client.clone())
    }

    pub fn products_seen(&self) -> ProductQueryServiceClient<Client> {
        ProductQueryServiceClient::new(self.client.clone())
    }

    pub fn orders_seen(&self) -> OrderQueryServiceClient<Client> {
        OrderQueryServiceClient::new(self.client.clone())
    }

    pub fn coupons_seen(&self) -> CouponQueryServiceClient<Client> {
        CouponQueryServiceClient::new(self.client.clone())
    }

    pub fn points_seen(&self) -> PointQueryServiceClient<Client> {
        PointQueryServiceClient::new(self.client.clone())
    }

    /// Gets points, as a service would charge them.
    pub async fn charge(&self, amount: i64) {
        let request = ChargePointsRequest {
            amount: Some(money(amount)),
            funding_reference: uuid::Uuid::now_v7().to_string(),
            ..Default::default()
        };
        self.points().charge_points(self.for_me(request)).await.unwrap();
    }

    /// The point service, called as a service on behalf of whoever [`Buyer::for_me`] names.
    pub fn points(&self) -> PointServiceClient<Client> {
        PointServiceClient::new(self.service.clone())
    }

    /// The payment service, called as a service.
    pub fn payments(&self) -> PaymentServiceClient<Client> {
        PaymentServiceClient::new(self.service.clone())
    }

    /// A request that a service makes for this user.
    pub fn for_me<M>(&self, message: M) -> Request<M> {
        let mut request = Request::new(message);
        request
            .metadata_mut()
            .insert("x-on-behalf-of", self.name.parse().unwrap());
        request
    }

    pub async fn issue(&self, campaign: &str) -> Result<Coupon, Status> {
        let request = IssueCouponRequest {
            campaign_id: campaign.to_owned(),
            ..Default::default()
        };
        Ok(self.coupons().issue_coupon(request).await?.into_inner().coupon.unwrap())
    }

    pub async fn place(&self, request: PlaceOrderRequest) -> Result<Order, Status> {
        Ok(self.orders().place_order(request).await?.into_inner().order.unwrap())
    }

    /// The order as the read model shows it once it holds all the events of `revision`.
    pub async fn see(&self, order_id: &str, revision: &str) -> proto::readmodel::v1::GetOrderResponse {
        let request = GetOrderRequest {
            order_id: order_id.to_owned(),
            revision: revision.to_owned(),
        };
        self.orders_seen().get_order(request).await.unwrap().into_inner()
    }

    /// Waits until the read model shows the order so.
    pub async fn until(&self, order_id: &str, is_so: impl Fn(&OrderDetail) -> bool) -> OrderDetail {
        eventually(format!("order {order_id}"), async || {
            let request = GetOrderRequest {
                order_id: order_id.to_owned(),
                ..Default::default()
            };
            let seen = self.orders_seen().get_order(request).await.ok();
            match seen.and_then(|answer| answer.into_inner().order) {
                Some(order) if is_so(&order) => Ok(order),
                seen => Err(seen),
            }
        })
        .await
    }
}

/// An order of these lines, paid by the card that always approves.
pub fn card_order(lines: &[(&str, i64)]) -> PlaceOrderRequest {
    PlaceOrderRequest {
        lines: lines_of(lines),
        card_token: "test-approve".to_owned(),
        ..Default::default()
    }
}

/// An order of these lines, paid by points.
pub fn point_order(lines: &[(&str, i64)], points: i64) -> PlaceOrderRequest {
    PlaceOrderRequest {
        lines: lines_of(lines),
        points: Some(money(points)),
        ..Default::default()
    }
}

fn lines_of(lines: &[(&str, i64)]) -> Vec<LineToOrder> {
    lines
        .iter()
        .map(|(product_id, quantity)| LineToOrder {
            product_id: (*product_id).to_owned(),
            quantity: *quantity,
        })
        .collect()
}

/// The stable reason in an error's details.
pub fn reason(status: &Status) -> String {
    status
        .get_details_error_info()
        .map_or_else(|| format!("{status:?}"), |info| info.reason)
}
