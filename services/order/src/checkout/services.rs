//! The other services as a checkout calls them: each call bounded in time, and repeated while its outcome is unknown.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use kit::context::Context;
use kit::edge::outgoing;
use kit::in_process::Connection;
use kit::money::Currency;
use kit::refusal::Failure;
use proto::catalog::v1 as catalog;
use proto::catalog::v1::stock_service_client::StockServiceClient;
use proto::coupon::v1 as coupon;
use proto::coupon::v1::coupon_service_client::CouponServiceClient;
use proto::payment::v1 as payment;
use proto::payment::v1::payment_service_client::PaymentServiceClient;
use proto::payment::v1::point_service_client::PointServiceClient;
use tonic::{Code, Response, Status};

use super::refunds::Refund;
use crate::order::{Line, Order};

/// How long one call may take.
const CALL: Duration = Duration::from_secs(2);
/// How often a call is made before the checkout is left for later.
const TRIES_MAX: usize = 3;
const RETRY_DELAY: Duration = Duration::from_millis(100);
/// Metadata of a failed call's status: which call it was.
const CALL_HEADER: &str = "jangteo-call";
/// How long what is kept of a failure may be.
const ERROR_CHARS_MAX: usize = 500;

/// The services a checkout takes from and gives back to.
#[derive(Clone, Debug)]
pub(crate) struct Services {
    stock: StockServiceClient<Connection>,
    coupons: CouponServiceClient<Connection>,
    points: PointServiceClient<Connection>,
    payments: PaymentServiceClient<Connection>,
    currency: Currency,
}

/// One call, made again while nobody knows what became of it.
macro_rules! call {
    ($client:expr, $method:ident, $context:expr, $request:expr) => {{
        let request = $request;
        let send = || {
            let (mut client, request) = ($client.clone(), outgoing($context, request.clone()));
            bounded(async move { client.$method(request).await })
        };
        repeated(stringify!($method), send).await
    }};
}

impl Services {
    pub fn new(connection: &Connection, currency: Currency) -> Self {
        Self {
            stock: StockServiceClient::new(connection.clone()),
            coupons: CouponServiceClient::new(connection.clone()),
            points: PointServiceClient::new(connection.clone()),
            payments: PaymentServiceClient::new(connection.clone()),
            currency,
        }
    }

    pub async fn preview_stock(
        &self,
        context: &Context,
        lines: &[Line],
    ) -> Result<Vec<catalog::StockPreview>, Failure> {
        let request = catalog::PreviewStockRequest {
            lines: stock_lines(lines),
        };
        call!(self.stock, preview_stock, context, request).map(|answer| answer.lines)
    }

    pub async fn preview_coupons(
        &self,
        context: &Context,
        lines: &[Line],
    ) -> Result<Vec<coupon::CouponPreview>, Failure> {
        let request = coupon::PreviewCouponsRequest {
            lines: discountable_lines(lines, &self.currency),
        };
        call!(self.coupons, preview_coupons, context, request).map(|answer| answer.coupons)
    }

    pub async fn preview_points(&self, context: &Context) -> Result<payment::PreviewPointsResponse, Failure> {
        call!(self.points, preview_points, context, payment::PreviewPointsRequest {})
    }

    pub async fn reserve_stock(
        &self,
        context: &Context,
        order: &Order,
    ) -> Result<catalog::ReserveStockResponse, Failure> {
        let lines = stock_lines(&order.lines);
        call!(
            self.stock,
            reserve_stock,
            context,
            catalog::ReserveStockRequest {
                order_id: id(order),
                lines,
                ..Default::default()
            }
        )
    }

    pub async fn release_stock(&self, context: &Context, order: &Order) -> Result<(), Failure> {
        let request = catalog::ReleaseStockRequest {
            order_id: id(order),
            ..Default::default()
        };
        call!(self.stock, release_stock, context, request).map(drop)
    }

    pub async fn commit_stock(&self, context: &Context, order: &Order) -> Result<(), Failure> {
        let request = catalog::CommitStockRequest {
            order_id: id(order),
            ..Default::default()
        };
        call!(self.stock, commit_stock, context, request).map(drop)
    }

    pub async fn return_stock(&self, context: &Context, order: &Order) -> Result<(), Failure> {
        let request = catalog::ReturnStockRequest {
            order_id: id(order),
            ..Default::default()
        };
        call!(self.stock, return_stock, context, request).map(drop)
    }

    pub async fn redeem_coupon(
        &self,
        context: &Context,
        order: &Order,
    ) -> Result<coupon::RedeemCouponResponse, Failure> {
        let lines = discountable_lines(&order.lines, &self.currency);
        let (coupon_id, order_id) = (order.coupon_id.clone(), id(order));
        call!(
            self.coupons,
            redeem_coupon,
            context,
            coupon::RedeemCouponRequest {
                coupon_id,
                order_id,
                lines,
                ..Default::default()
            }
        )
    }

    pub async fn restore_coupon(&self, context: &Context, order: &Order) -> Result<(), Failure> {
        let (coupon_id, order_id) = (order.coupon_id.clone(), id(order));
        let request = coupon::RestoreCouponRequest {
            coupon_id,
            order_id,
            ..Default::default()
        };
        call!(self.coupons, restore_coupon, context, request).map(drop)
    }

    pub async fn hold_points(&self, context: &Context, order: &Order) -> Result<payment::HoldPointsResponse, Failure> {
        let amount = Some(self.currency.money(order.bill.points));
        call!(
            self.points,
            hold_points,
            context,
            payment::HoldPointsRequest {
                order_id: id(order),
                amount,
                ..Default::default()
            }
        )
    }

    pub async fn settle_points(&self, context: &Context, order: &Order) -> Result<(), Failure> {
        let request = payment::SettlePointsRequest {
            order_id: id(order),
            ..Default::default()
        };
        call!(self.points, settle_points, context, request).map(drop)
    }

    pub async fn release_points(&self, context: &Context, order: &Order) -> Result<(), Failure> {
        let request = payment::ReleasePointsRequest {
            order_id: id(order),
            ..Default::default()
        };
        call!(self.points, release_points, context, request).map(drop)
    }

    pub async fn refund_points(&self, context: &Context, order: &Order) -> Result<(), Failure> {
        let request = payment::RefundPointsRequest {
            order_id: id(order),
            ..Default::default()
        };
        call!(self.points, refund_points, context, request).map(drop)
    }

    pub async fn request_payment(&self, context: &Context, order: &Order) -> Result<(), Failure> {
        let request = payment::RequestPaymentRequest {
            order_id: id(order),
            attempt: order.attempt,
            amount: Some(self.currency.money(order.bill.card)),
            card_token: order.card_token.clone(),
            ..Default::default()
        };
        call!(self.payments, request_payment, context, request).map(drop)
    }

    pub async fn close_attempt(&self, context: &Context, order: &Order) -> Result<(), Failure> {
        let request = payment::CloseAttemptRequest {
            order_id: id(order),
            attempt: order.attempt,
            ..Default::default()
        };
        call!(self.payments, close_attempt, context, request).map(drop)
    }

    pub async fn refund_payment(&self, context: &Context, order: &Order, refund: &Refund) -> Result<(), Failure> {
        let why = if order.why.is_empty() {
            "the order was not paid by this payment, or was cancelled"
        } else {
            &order.why
        };
        let request = payment::RefundPaymentRequest {
            order_id: id(order),
            attempt: refund.attempt,
            refund_id: refund.refund_id.clone(),
            amount: Some(self.currency.money(refund.amount)),
            why: why.to_owned(),
            ..Default::default()
        };
        call!(self.payments, refund_payment, context, request).map(drop)
    }
}

fn stock_lines(lines: &[Line]) -> Vec<catalog::StockLine> {
    lines
        .iter()
        .map(|line| catalog::StockLine {
            product_id: line.product_id.clone(),
            quantity: line.quantity,
        })
        .collect()
}

fn discountable_lines(lines: &[Line], currency: &Currency) -> Vec<coupon::DiscountableLine> {
    let line = |line: &Line| coupon::DiscountableLine {
        product_id: line.product_id.clone(),
        brand_id: line.brand_id.clone(),
        amount: Some(currency.money(line.subtotal)),
    };
    lines.iter().map(line).collect()
}

/// Whether the failure is a no. Anything else leaves open what happened, and is asked again.
pub(crate) fn refuses(failure: &Failure) -> bool {
    match failure {
        Failure::Refused(_) => true,
        Failure::Passed(status) => says_no(status),
        Failure::Answered(_) | Failure::Database(_) | Failure::Unknown(_) | Failure::Internal(_) => false,
    }
}

fn says_no(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::FailedPrecondition
            | Code::OutOfRange
            | Code::Unauthenticated
    )
}

/// What kept a checkout from going on, for its operator: which call, and how it failed, in words of ours.
pub(crate) fn described(failure: &Failure) -> String {
    let Failure::Passed(status) = failure else {
        let reason = failure.reason().unwrap_or_else(|| "INTERNAL".to_owned());
        return format!("{reason}: the log says more");
    };
    let call = status.metadata().get(CALL_HEADER).and_then(|call| call.to_str().ok());
    let reason = failure.reason().unwrap_or_else(|| format!("{:?}", status.code()));
    let described = format!("{}: {reason}: {}", call.unwrap_or("calls"), status.message());
    described.chars().take(ERROR_CHARS_MAX).collect()
}

fn id(order: &Order) -> String {
    order.order_id.clone()
}

async fn bounded<R>(call: impl Future<Output = Result<Response<R>, Status>>) -> Result<R, Status> {
    let in_time = tokio::time::timeout(CALL, call).await;
    in_time
        .unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer in time")))
        .map(Response::into_inner)
}

async fn repeated<R, F: Future<Output = Result<R, Status>>>(
    call: &'static str,
    send: impl FnMut() -> F,
) -> Result<R, Failure> {
    let delays = ExponentialBuilder::default()
        .with_min_delay(RETRY_DELAY)
        .with_jitter()
        .with_max_times(TRIES_MAX - 1);
    let outcome = send.retry(delays).when(|status| !says_no(status)).await;
    outcome.map_err(|mut status| {
        if let Ok(call) = call.parse() {
            status.metadata_mut().insert(CALL_HEADER, call);
        }
        status.into()
    })
}
