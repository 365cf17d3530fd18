//! The RPCs: request → command → response, nothing else.

use async_trait::async_trait;
use kit::edge;
use proto::catalog::v1::behaviour_service_server::BehaviourService;
use proto::catalog::v1::like_service_server::LikeService;
use proto::catalog::v1::product_service_server::ProductService;
use proto::catalog::v1::stock_service_server::StockService;
use proto::catalog::v1::*;
use tonic::{Request, Response, Status, Streaming};

use crate::Catalog;
use crate::behaviour::record;
use crate::brand::register_brand::register_brand;
use crate::brand::update_brand::update_brand;
use crate::like::like_product::like_product;
use crate::like::like_product::unlike_product;
use crate::product::change_price::change_price;
use crate::product::import_products::{add, import_products};
use crate::product::register_product::register_product;
use crate::product::set_status::discontinue_product;
use crate::product::set_status::hide_product;
use crate::product::set_status::show_product;
use crate::product::update_product::update_product;
use crate::reservation::commit_stock::commit_stock;
use crate::reservation::release_stock::release_stock;
use crate::reservation::reserve_stock::reserve_stock;
use crate::reservation::return_stock::return_stock;
use crate::stock::adjust_stock::adjust_stock;
use crate::stock::preview_stock::preview_stock;
use crate::stock::restock::restock;

#[async_trait]
impl ProductService for Catalog {
    async fn register_brand(
        &self,
        request: Request<RegisterBrandRequest>,
    ) -> Result<Response<RegisterBrandResponse>, Status> {
        edge::command(request, self.clone(), register_brand).await
    }

    async fn update_brand(
        &self,
        request: Request<UpdateBrandRequest>,
    ) -> Result<Response<UpdateBrandResponse>, Status> {
        edge::command(request, self.clone(), update_brand).await
    }

    async fn register_product(
        &self,
        request: Request<RegisterProductRequest>,
    ) -> Result<Response<RegisterProductResponse>, Status> {
        edge::command(request, self.clone(), register_product).await
    }

    async fn update_product(
        &self,
        request: Request<UpdateProductRequest>,
    ) -> Result<Response<UpdateProductResponse>, Status> {
        edge::command(request, self.clone(), update_product).await
    }

    async fn change_price(
        &self,
        request: Request<ChangePriceRequest>,
    ) -> Result<Response<ChangePriceResponse>, Status> {
        edge::command(request, self.clone(), change_price).await
    }

    async fn hide_product(
        &self,
        request: Request<HideProductRequest>,
    ) -> Result<Response<HideProductResponse>, Status> {
        edge::command(request, self.clone(), hide_product).await
    }

    async fn show_product(
        &self,
        request: Request<ShowProductRequest>,
    ) -> Result<Response<ShowProductResponse>, Status> {
        edge::command(request, self.clone(), show_product).await
    }

    async fn discontinue_product(
        &self,
        request: Request<DiscontinueProductRequest>,
    ) -> Result<Response<DiscontinueProductResponse>, Status> {
        edge::command(request, self.clone(), discontinue_product).await
    }

    async fn import_products(
        &self,
        request: Request<Streaming<ImportProductsRequest>>,
    ) -> Result<Response<ImportProductsResponse>, Status> {
        let (mut metadata, extensions, mut messages) = request.into_parts();
        // it would name every message alike; each has a request id of its own
        metadata.remove("idempotency-key");
        let mut imported = ImportProductsResponse::default();
        while let Some(message) = messages.message().await? {
            let message = Request::from_parts(metadata.clone(), extensions.clone(), message);
            let applied = edge::command(message, self.clone(), import_products).await?;
            add(&mut imported, applied.into_inner());
        }
        Ok(Response::new(imported))
    }
}

#[async_trait]
impl StockService for Catalog {
    async fn restock(&self, request: Request<RestockRequest>) -> Result<Response<RestockResponse>, Status> {
        edge::command(request, self.clone(), restock).await
    }

    async fn adjust_stock(
        &self,
        request: Request<AdjustStockRequest>,
    ) -> Result<Response<AdjustStockResponse>, Status> {
        edge::command(request, self.clone(), adjust_stock).await
    }

    async fn reserve_stock(
        &self,
        request: Request<ReserveStockRequest>,
    ) -> Result<Response<ReserveStockResponse>, Status> {
        edge::command(request, self.clone(), reserve_stock).await
    }

    async fn commit_stock(
        &self,
        request: Request<CommitStockRequest>,
    ) -> Result<Response<CommitStockResponse>, Status> {
        edge::command(request, self.clone(), commit_stock).await
    }

    async fn release_stock(
        &self,
        request: Request<ReleaseStockRequest>,
    ) -> Result<Response<ReleaseStockResponse>, Status> {
        edge::command(request, self.clone(), release_stock).await
    }

    async fn return_stock(
        &self,
        request: Request<ReturnStockRequest>,
    ) -> Result<Response<ReturnStockResponse>, Status> {
        edge::command(request, self.clone(), return_stock).await
    }

    async fn preview_stock(
        &self,
        request: Request<PreviewStockRequest>,
    ) -> Result<Response<PreviewStockResponse>, Status> {
        edge::query(request, self.clone(), preview_stock).await
    }
}

#[async_trait]
impl LikeService for Catalog {
    async fn like_product(
        &self,
        request: Request<LikeProductRequest>,
    ) -> Result<Response<LikeProductResponse>, Status> {
        edge::command(request, self.clone(), like_product).await
    }

    async fn unlike_product(
        &self,
        request: Request<UnlikeProductRequest>,
    ) -> Result<Response<UnlikeProductResponse>, Status> {
        edge::command(request, self.clone(), unlike_product).await
    }
}

#[async_trait]
impl BehaviourService for Catalog {
    async fn record(&self, request: Request<RecordRequest>) -> Result<Response<RecordResponse>, Status> {
        edge::command(request, self.clone(), record).await
    }
}
