//! The order service: orders, and the checkout that takes stock, coupon, points and money for each, or gives them back.

mod checkout;
mod grpc;
mod order;
mod reactions;

use std::sync::Arc;
use std::time::Duration;

use kit::bus::Consumer;
use kit::database::{Database, Migration};
use kit::dead_letter::line::Addressee;
use kit::in_process::Connection;
use kit::inbox::Inbox;
use kit::money::Currency;
use kit::refusal::Reason;
use kit::server::REQUEST_BYTES_MAX;
use proto::order::v1::checkout_service_server::CheckoutServiceServer;
use proto::order::v1::order_service_server::OrderServiceServer;
use tokio::sync::Notify;
use tonic::service::RoutesBuilder;

use checkout::services::Services;

pub use checkout::CheckoutRefusal;
pub use checkout::overview::{Stuck, page_sql as stuck_checkouts_sql};
pub use order::OrderRefusal;
pub use reactions::{CONSUMER, FACTS};

/// The tables of this service.
pub const MIGRATIONS: &[Migration] = kit::migrations!(
    "../../migrations/order",
    [
        "m20261124_000001_create_orders",
        "m20261129_000002_add_checkouts_under_way_since"
    ]
);

/// The reasons of this service.
pub const REASONS: &[&[Reason]] = &[OrderRefusal::REASONS, CheckoutRefusal::REASONS];

/// What can be set.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long an order may await its payment; it never expires while an attempt to pay is undecided.
    pub expires_after: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            expires_after: Duration::from_secs(15 * 60),
        }
    }
}

/// The order service; clones share it.
#[derive(Clone, Debug)]
pub struct Orders {
    database: Database,
    currency: Currency,
    services: Services,
    settings: Settings,
    wake: Arc<Notify>,
}

impl Orders {
    /// A service on its own tables, which reaches the stock, coupon, point and payment services through `connection`.
    #[must_use]
    pub fn new(database: Database, currency: Currency, connection: Connection, settings: Settings) -> Self {
        let services = Services::new(&connection, currency.clone());
        Self {
            database,
            currency,
            services,
            settings,
            wake: Arc::default(),
        }
    }

    /// Adds `OrderService` and `CheckoutService`.
    pub fn routes(&self, routes: &mut RoutesBuilder) {
        routes
            .add_service(OrderServiceServer::new(self.clone()).max_decoding_message_size(REQUEST_BYTES_MAX))
            .add_service(CheckoutServiceServer::new(self.clone()).max_decoding_message_size(REQUEST_BYTES_MAX));
    }

    /// Who is to hear of events.
    #[must_use]
    pub fn consumers(&self) -> Vec<Arc<dyn Consumer>> {
        vec![self.inbox()]
    }

    /// Who can be given events again.
    #[must_use]
    pub fn addressees(&self) -> Vec<Arc<dyn Addressee>> {
        vec![self.inbox()]
    }

    fn inbox(&self) -> Arc<Inbox<Self>> {
        Arc::new(Inbox::new(self.database.clone(), self.clone()))
    }
}
