//! The catalogue: brands and products, their stock, who likes them, and what people look at.
//!
//! Owns the tables `brands`, `products`, `stock_levels`, `reservations`, `reservation_lines` and `likes`. Reacts to no
//! facts of others.

mod behaviour;
mod brand;
mod grpc;
mod like;
mod product;
mod reservation;
mod stock;

use kit::database::{Database, Migration};
use kit::money::Currency;
use kit::refusal::Reason;
use kit::server::{IMPORT_BYTES_MAX, REQUEST_BYTES_MAX};
use proto::catalog::v1::behaviour_service_server::BehaviourServiceServer;
use proto::catalog::v1::like_service_server::LikeServiceServer;
use proto::catalog::v1::product_service_server::ProductServiceServer;
use proto::catalog::v1::stock_service_server::StockServiceServer;
use reservation::lanes::Lanes;
use tonic::service::RoutesBuilder;

/// The schema of this owner.
pub const MIGRATIONS: &[Migration] = kit::migrations!(
    "../../migrations/catalog",
    [
        "m20261124_000001_create_products",
        "m20261124_000002_add_reservation_lines_position"
    ]
);

/// Every reason with which this service refuses.
pub const REASONS: &[&[Reason]] = &[
    brand::BrandRefusal::REASONS,
    product::ProductRefusal::REASONS,
    stock::StockRefusal::REASONS,
    reservation::ReservationRefusal::REASONS,
];

/// Rows or keys of one statement; SQLite finds the place of a named value in time that grows with their number.
const ROWS_PER_STATEMENT_MAX: usize = 100;

/// The service; clones share its database and its lanes.
#[derive(Clone, Debug)]
pub struct Catalog {
    database: Database,
    currency: Currency,
    lanes: Lanes,
}

impl Catalog {
    /// The service on its own tables, for a shop of one currency. Must be called within a Tokio runtime.
    #[must_use]
    pub fn new(database: Database, currency: Currency) -> Self {
        let lanes = Lanes::open(database.clone());
        Self {
            database,
            currency,
            lanes,
        }
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
