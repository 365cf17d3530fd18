//! The RPCs: request → command → response, nothing else.

use async_trait::async_trait;
use kit::edge;
use proto::payment::v1::card_service_server::CardService;
use proto::payment::v1::payment_admin_service_server::PaymentAdminService;
use proto::payment::v1::payment_service_server::PaymentService;
use proto::payment::v1::point_service_server::PointService;
use proto::payment::v1::*;
use tonic::{Request, Response, Status};

use crate::Payments;
use crate::card::tokenize_card::tokenize_card;
use crate::payment::close_attempt::close_attempt;
use crate::payment::get_payment::get_payment;
use crate::payment::list_payments::list_payments;
use crate::payment::reconcile_day::reconcile_day;
use crate::payment::refund_payment::refund_payment;
use crate::payment::request_payment::request_payment;
use crate::payment::resolve_payment::resolve_payment;
use crate::payment::sync_payment::sync_payment;
use crate::point::charge_points::charge_points;
use crate::point::hold_points::hold_points;
use crate::point::preview_points::preview_points;
use crate::point::refund_points::refund_points;
use crate::point::release_points::release_points;
use crate::point::settle_points::settle_points;

#[async_trait]
impl PointService for Payments {
    async fn charge_points(
        &self,
        request: Request<ChargePointsRequest>,
    ) -> Result<Response<ChargePointsResponse>, Status> {
        edge::command(request, self.clone(), charge_points).await
    }

    async fn hold_points(&self, request: Request<HoldPointsRequest>) -> Result<Response<HoldPointsResponse>, Status> {
        edge::command(request, self.clone(), hold_points).await
    }

    async fn settle_points(
        &self,
        request: Request<SettlePointsRequest>,
    ) -> Result<Response<SettlePointsResponse>, Status> {
        edge::command(request, self.clone(), settle_points).await
    }

    async fn release_points(
        &self,
        request: Request<ReleasePointsRequest>,
    ) -> Result<Response<ReleasePointsResponse>, Status> {
        edge::command(request, self.clone(), release_points).await
    }

    async fn refund_points(
        &self,
        request: Request<RefundPointsRequest>,
    ) -> Result<Response<RefundPointsResponse>, Status> {
        edge::command(request, self.clone(), refund_points).await
    }

    async fn preview_points(
        &self,
        request: Request<PreviewPointsRequest>,
    ) -> Result<Response<PreviewPointsResponse>, Status> {
        edge::query(request, self.clone(), preview_points).await
    }
}

#[async_trait]
impl CardService for Payments {
    async fn tokenize_card(
        &self,
        request: Request<TokenizeCardRequest>,
    ) -> Result<Response<TokenizeCardResponse>, Status> {
        edge::command(request, self.clone(), tokenize_card).await
    }
}

#[async_trait]
impl PaymentService for Payments {
    async fn request_payment(
        &self,
        request: Request<RequestPaymentRequest>,
    ) -> Result<Response<RequestPaymentResponse>, Status> {
        edge::command(request, self.clone(), request_payment).await
    }

    async fn close_attempt(
        &self,
        request: Request<CloseAttemptRequest>,
    ) -> Result<Response<CloseAttemptResponse>, Status> {
        edge::command(request, self.clone(), close_attempt).await
    }

    async fn refund_payment(
        &self,
        request: Request<RefundPaymentRequest>,
    ) -> Result<Response<RefundPaymentResponse>, Status> {
        edge::command(request, self.clone(), refund_payment).await
    }

    async fn sync_payment(
        &self,
        request: Request<SyncPaymentRequest>,
    ) -> Result<Response<SyncPaymentResponse>, Status> {
        edge::command(request, self.clone(), sync_payment).await
    }
}

#[async_trait]
impl PaymentAdminService for Payments {
    async fn list_payments(
        &self,
        request: Request<ListPaymentsRequest>,
    ) -> Result<Response<ListPaymentsResponse>, Status> {
        edge::query(request, self.clone(), list_payments).await
    }

    async fn get_payment(&self, request: Request<GetPaymentRequest>) -> Result<Response<GetPaymentResponse>, Status> {
        edge::query(request, self.clone(), get_payment).await
    }

    async fn resolve_payment(
        &self,
        request: Request<ResolvePaymentRequest>,
    ) -> Result<Response<ResolvePaymentResponse>, Status> {
        edge::command(request, self.clone(), resolve_payment).await
    }

    async fn reconcile_day(
        &self,
        request: Request<ReconcileDayRequest>,
    ) -> Result<Response<ReconcileDayResponse>, Status> {
        edge::command(request, self.clone(), reconcile_day).await
    }
}
