//! Campaigns and their coupons: opening, issuing first come first served, use by orders, return.
//!
//! Owns the tables `campaigns`, `campaign_products`, `campaign_brands`, `campaign_takers`, `coupons` and
//! `redemptions`. Reacts to no facts of others.

mod campaign;
mod coupon;
mod discount;
mod grpc;

use kit::database::{Database, Migration};
use kit::money::Currency;
use kit::refusal::Reason;
use kit::server::REQUEST_BYTES_MAX;
use proto::coupon::v1::campaign_service_server::CampaignServiceServer;
use proto::coupon::v1::coupon_service_server::CouponServiceServer;
use tonic::service::RoutesBuilder;

/// The schema of this owner.
pub const MIGRATIONS: &[Migration] = kit::migrations!(
    "../../migrations/coupon",
    ["m20261124_000001_create_campaigns", "m20261124_000002_create_coupons"]
);

/// Every reason with which this service refuses.
pub const REASONS: &[&[Reason]] = &[campaign::CampaignRefusal::REASONS, coupon::CouponRefusal::REASONS];

/// The service; clones share its database.
#[derive(Clone, Debug)]
pub struct Coupons {
    database: Database,
    currency: Currency,
}

impl Coupons {
    /// The service on its own tables, for a shop of one currency.
    #[must_use]
    pub fn new(database: Database, currency: Currency) -> Self {
        Self { database, currency }
    }

    /// Adds `CampaignService` and `CouponService`.
    pub fn routes(&self, routes: &mut RoutesBuilder) {
        routes
            .add_service(CampaignServiceServer::new(self.clone()).max_decoding_message_size(REQUEST_BYTES_MAX))
            .add_service(CouponServiceServer::new(self.clone()).max_decoding_message_size(REQUEST_BYTES_MAX));
    }
}
