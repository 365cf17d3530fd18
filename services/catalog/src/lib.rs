//! The catalogue: brands and products, their stock, who likes them, and what people look at.
//!
//! Owns the tables `brands`, `products`, `stock_levels`, `reservations`, `reservation_lines` and `likes`. Reacts to no
//! facts of others.

mod behaviour;
mod brand;
mod grpc;
mod like;
mod product;
mod stock;

use kit::database::{Database, Migration};
use kit::money::Currency;
use kit::refusal::Reason;
use kit::server::{IMPORT_BYTES_MAX, REQUEST_BYTES_MAX};
use proto::catalog::v1::behaviour_service_server::BehaviourServiceServer;
use proto::catalog::v1::like_service_server::LikeServiceServer;
use proto::catalog::v1::product_service_server::ProductServiceServer;
use proto::catalog::v1::stock_service_server::StockServiceServer;
use tonic::service::RoutesBuilder;

/// The schema of this owner.
pub const MIGRATIONS: &[Migration] = kit::migrations!("../../migrations/catalog", ["m20261124_000001_create_products"]);

/// Every reason with which this service refuses.
pub const REASONS: &[&[Reason]] = &[
    brand::BrandRefusal::REASONS,
    product::ProductRefusal::REASONS,
    stock::StockRefusal::REASONS,
];

/// The service; clones share its database.
#[derive(Clone, Debug)]
pub struct Catalog {
    database: Database,
    currency: Currency,
}

impl Catalog {
    /// The service on its own tables, for a shop of one currency.
    #[must_use]
    pub fn new(database: Database, currency: Currency) -> Self {
        Self { database, currency }
    }

    /// Adds `ProductService`, `StockService`, `LikeService` and `BehaviourService`.
    pub fn routes(&self, routes: &mut RoutesBuilder) {
        routes
            // ImportProducts takes larger messages; a product's own fields are bounded far below
            .add_service(ProductServiceServer::new(self.clone()).max_decoding_message_size(IMPORT_BYTES_MAX))
            .add_service(StockServiceServer::new(self.clone()).max_decoding_message_size(REQUEST_BYTES_MAX))
            .add_service(LikeServiceServer::new(self.clone()).max_decoding_message_size(REQUEST_BYTES_MAX))
            .add_service(BehaviourServiceServer::new(self.clone()).max_decoding_message_size(REQUEST_BYTES_MAX));
    }
}
