//! The RPCs: request → command → response, nothing else.

use async_trait::async_trait;
use kit::edge;
use kit::refusal::status;
use proto::coupon::v1::campaign_service_server::CampaignService;
use proto::coupon::v1::coupon_service_server::CouponService;
use proto::coupon::v1::*;
use tonic::{Request, Response, Status, Streaming};

use crate::Coupons;
use crate::campaign::CampaignRefusal;
use crate::campaign::add_campaign_products::add_campaign_products;
use crate::campaign::close_campaign::close_campaign;
use crate::campaign::open_campaign::open_campaign;
use crate::coupon::issue_coupon::issue_coupon;
use crate::coupon::preview_coupons::preview_coupons;
use crate::coupon::redeem_coupon::redeem_coupon;
use crate::coupon::restore_coupon::restore_coupon;

#[async_trait]
impl CampaignService for Coupons {
    async fn open_campaign(
        &self,
        request: Request<OpenCampaignRequest>,
    ) -> Result<Response<OpenCampaignResponse>, Status> {
        edge::command(request, self.clone(), open_campaign).await
    }

    async fn add_campaign_products(
        &self,
        request: Request<Streaming<AddCampaignProductsRequest>>,
    ) -> Result<Response<AddCampaignProductsResponse>, Status> {
        self.add_message_by_message(request).await
    }

    async fn close_campaign(
        &self,
        request: Request<CloseCampaignRequest>,
    ) -> Result<Response<CloseCampaignResponse>, Status> {
        edge::command(request, self.clone(), close_campaign).await
    }
}

#[async_trait]
impl CouponService for Coupons {
    async fn issue_coupon(
        &self,
        request: Request<IssueCouponRequest>,
    ) -> Result<Response<IssueCouponResponse>, Status> {
        edge::command(request, self.clone(), issue_coupon).await
    }

    async fn redeem_coupon(
        &self,
        request: Request<RedeemCouponRequest>,
    ) -> Result<Response<RedeemCouponResponse>, Status> {
        edge::command(request, self.clone(), redeem_coupon).await
    }

    async fn restore_coupon(
        &self,
        request: Request<RestoreCouponRequest>,
    ) -> Result<Response<RestoreCouponResponse>, Status> {
        edge::command(request, self.clone(), restore_coupon).await
    }

    async fn preview_coupons(
        &self,
        request: Request<PreviewCouponsRequest>,
    ) -> Result<Response<PreviewCouponsResponse>, Status> {
        edge::query(request, self.clone(), preview_coupons).await
    }
}

impl Coupons {
    /// Each message is a command of its own; the last answer, with all that was added, is the answer of the stream: its
    /// revision names the campaign's last event, which the earlier ones come before.
    async fn add_message_by_message(
        &self,
        request: Request<Streaming<AddCampaignProductsRequest>>,
    ) -> Result<Response<AddCampaignProductsResponse>, Status> {
        let (mut metadata, extensions, mut messages) = request.into_parts();
        // it would name all messages alike; their own request_id tells them apart
        metadata.remove("idempotency-key");
        let locale = edge::locale(&metadata);
        let command = |message| {
            let request = Request::from_parts(metadata.clone(), extensions.clone(), message);
            edge::command(request, self.clone(), add_campaign_products)
        };
        // an empty stream is refused like an empty message
        let first = messages.message().await?.unwrap_or_default();
        let expected = first.campaign_id.clone();
        let mut answer = command(first).await?;
        while let Some(message) = messages.message().await? {
            if message.campaign_id != expected {
                let refusal = CampaignRefusal::Mixed {
                    campaign_id: message.campaign_id,
                    expected,
                };
                return Err(status(refusal.into(), locale));
            }
            let added = answer.get_ref().added;
            answer = command(message).await?;
            answer.get_mut().added += added;
        }
        Ok(answer)
    }
}
