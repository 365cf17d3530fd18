//! The RPCs: request → query → response, nothing else.

use async_trait::async_trait;
use futures::stream::BoxStream;
use kit::edge;
use kit::refusal::status;
use proto::readmodel::v1::audit_service_server::AuditService;
use proto::readmodel::v1::coupon_query_service_server::CouponQueryService;
use proto::readmodel::v1::order_query_service_server::OrderQueryService;
use proto::readmodel::v1::point_query_service_server::PointQueryService;
use proto::readmodel::v1::product_query_service_server::ProductQueryService;
use proto::readmodel::v1::*;
use tonic::{Request, Response, Status};

use crate::ReadModel;
use crate::queries::audit::list_events;
use crate::queries::coupons::{list_campaigns, list_coupons};
use crate::queries::orders::{get_order, list_orders};
use crate::queries::points::{get_point_balance, list_point_entries};
use crate::queries::products::{
    batch_get_likes, batch_get_products, get_brand, get_product, list_brands, list_liked_products, list_products,
};

#[async_trait]
impl ProductQueryService for ReadModel {
    async fn list_products(
        &self,
        request: Request<ListProductsRequest>,
    ) -> Result<Response<ListProductsResponse>, Status> {
        edge::query(request, self.clone(), list_products).await
    }

    async fn get_product(&self, request: Request<GetProductRequest>) -> Result<Response<GetProductResponse>, Status> {
        edge::query(request, self.clone(), get_product).await
    }

    async fn batch_get_products(
        &self,
        request: Request<BatchGetProductsRequest>,
    ) -> Result<Response<BatchGetProductsResponse>, Status> {
        edge::query(request, self.clone(), batch_get_products).await
    }

    async fn batch_get_likes(
        &self,
        request: Request<BatchGetLikesRequest>,
    ) -> Result<Response<BatchGetLikesResponse>, Status> {
        edge::query(request, self.clone(), batch_get_likes).await
    }

    async fn list_liked_products(
        &self,
        request: Request<ListLikedProductsRequest>,
    ) -> Result<Response<ListLikedProductsResponse>, Status> {
        edge::query(request, self.clone(), list_liked_products).await
    }

    async fn list_brands(&self, request: Request<ListBrandsRequest>) -> Result<Response<ListBrandsResponse>, Status> {
        edge::query(request, self.clone(), list_brands).await
    }

    async fn get_brand(&self, request: Request<GetBrandRequest>) -> Result<Response<GetBrandResponse>, Status> {
        edge::query(request, self.clone(), get_brand).await
    }
}

#[async_trait]
impl OrderQueryService for ReadModel {
    type WatchOrderStream = BoxStream<'static, Result<WatchOrderResponse, Status>>;

    async fn get_order(&self, request: Request<GetOrderRequest>) -> Result<Response<GetOrderResponse>, Status> {
        edge::query(request, self.clone(), get_order).await
    }

    async fn list_orders(&self, request: Request<ListOrdersRequest>) -> Result<Response<ListOrdersResponse>, Status> {
        edge::query(request, self.clone(), list_orders).await
    }

    async fn watch_order(
        &self,
        request: Request<WatchOrderRequest>,
    ) -> Result<Response<Self::WatchOrderStream>, Status> {
        let locale = edge::locale(request.metadata());
        let context = edge::context(&request)?;
        edge::check(request.get_ref(), locale)?;
        let watched = self.watch(&context, locale, request.into_inner()).await;
        watched.map(Response::new).map_err(|failure| status(failure, locale))
    }
}

#[async_trait]
impl CouponQueryService for ReadModel {
    async fn list_coupons(
        &self,
        request: Request<ListCouponsRequest>,
    ) -> Result<Response<ListCouponsResponse>, Status> {
        edge::query(request, self.clone(), list_coupons).await
    }

    async fn list_campaigns(
        &self,
        request: Request<ListCampaignsRequest>,
    ) -> Result<Response<ListCampaignsResponse>, Status> {
        edge::query(request, self.clone(), list_campaigns).await
    }
}

#[async_trait]
impl PointQueryService for ReadModel {
    async fn get_point_balance(
        &self,
        request: Request<GetPointBalanceRequest>,
    ) -> Result<Response<GetPointBalanceResponse>, Status> {
        edge::query(request, self.clone(), get_point_balance).await
    }

    async fn list_point_entries(
        &self,
        request: Request<ListPointEntriesRequest>,
    ) -> Result<Response<ListPointEntriesResponse>, Status> {
        edge::query(request, self.clone(), list_point_entries).await
    }
}

#[async_trait]
impl AuditService for ReadModel {
    async fn list_events(&self, request: Request<ListEventsRequest>) -> Result<Response<ListEventsResponse>, Status> {
        edge::query(request, self.clone(), list_events).await
    }
}
