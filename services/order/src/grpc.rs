//! The RPCs of orders and checkouts: request, command, response.

use kit::edge::{command, query};
use proto::order::v1::checkout_service_server::CheckoutService;
use proto::order::v1::order_service_server::OrderService;
use proto::order::v1::*;
use tonic::{Request, Response, Status};

use crate::Orders;
use crate::checkout::compensate_checkout::compensate_checkout;
use crate::checkout::list_stuck_checkouts::list_stuck_checkouts;
use crate::checkout::resume_checkout::resume_checkout;
use crate::order::cancel_order::cancel_order;
use crate::order::pay_order::pay_order;
use crate::order::place_order::place_order;
use crate::order::preview_order::preview_order;

#[tonic::async_trait]
impl OrderService for Orders {
    async fn preview_order(
        &self,
        request: Request<PreviewOrderRequest>,
    ) -> Result<Response<PreviewOrderResponse>, Status> {
        query(request, self.clone(), preview_order).await
    }

    async fn place_order(&self, request: Request<PlaceOrderRequest>) -> Result<Response<PlaceOrderResponse>, Status> {
        command(request, self.clone(), place_order).await
    }

    async fn pay_order(&self, request: Request<PayOrderRequest>) -> Result<Response<PayOrderResponse>, Status> {
        command(request, self.clone(), pay_order).await
    }

    async fn cancel_order(
        &self,
        request: Request<CancelOrderRequest>,
    ) -> Result<Response<CancelOrderResponse>, Status> {
        command(request, self.clone(), cancel_order).await
    }
}

#[tonic::async_trait]
impl CheckoutService for Orders {
    async fn list_stuck_checkouts(
        &self,
        request: Request<ListStuckCheckoutsRequest>,
    ) -> Result<Response<ListStuckCheckoutsResponse>, Status> {
        query(request, self.clone(), list_stuck_checkouts).await
    }

    async fn resume_checkout(
        &self,
        request: Request<ResumeCheckoutRequest>,
    ) -> Result<Response<ResumeCheckoutResponse>, Status> {
        command(request, self.clone(), resume_checkout).await
    }

    async fn compensate_checkout(
        &self,
        request: Request<CompensateCheckoutRequest>,
    ) -> Result<Response<CompensateCheckoutResponse>, Status> {
        command(request, self.clone(), compensate_checkout).await
    }
}
