//! The RPCs of orders: request, command, response.

use kit::edge::{command, query};
use proto::order::v1::order_service_server::OrderService;
use proto::order::v1::{
    CancelOrderRequest, CancelOrderResponse, PayOrderRequest, PayOrderResponse, PlaceOrderRequest, PlaceOrderResponse,
    PreviewOrderRequest, PreviewOrderResponse,
};
use tonic::{Request, Response, Status};

use crate::Orders;
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
