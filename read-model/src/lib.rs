//! The read model: a journal of all events, the views that follow it, and the queries that read only those.

mod grpc;
mod journal;
mod projections;
mod queries;
mod waiting;

use std::collections::BTreeMap;
use std::sync::Arc;

use kit::bus::Consumer;
use kit::database::{Database, Migration};
use kit::dead_letter::line::Addressee;
use kit::money::Currency;
use kit::refusal::{Failure, Reason};
use kit::server::REQUEST_BYTES_MAX;
use proto::readmodel::v1::audit_service_server::AuditServiceServer;
use proto::readmodel::v1::coupon_query_service_server::CouponQueryServiceServer;
use proto::readmodel::v1::order_query_service_server::OrderQueryServiceServer;
use proto::readmodel::v1::point_query_service_server::PointQueryServiceServer;
use proto::readmodel::v1::product_query_service_server::ProductQueryServiceServer;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::service::RoutesBuilder;

use journal::Journal;
use projections::Applier;

/// A page of products as the database is asked for it, for whoever reads its plan.
pub mod listing {
    pub use crate::projections::product_listing::Question;
    pub use crate::queries::products::page_sql;
}

/// The schema of this owner.
pub const MIGRATIONS: &[Migration] = kit::migrations!(
    "../migrations/read-model",
    ["m20261124_000001_create_journal", "m20261124_000002_create_projections"]
);

/// Every reason with which queries refuse.
pub const REASONS: &[&[Reason]] = &[queries::NotFound::REASONS, waiting::ViewRefusal::REASONS];

/// Every projection by its name, with the facts that it follows.
pub fn projections() -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    let all = projections::all().into_iter();
    all.map(|projection| (projection.name(), projection.facts()))
}

/// The read model; clones share it.
#[derive(Clone, Debug)]
pub struct ReadModel {
    database: Database,
    currency: Currency,
    journal: Journal,
    /// Changes after every batch of any projection.
    applied: Arc<watch::Sender<u64>>,
    stop: CancellationToken,
}

impl ReadModel {
    /// A read model on its own tables.
    #[must_use]
    pub fn new(database: Database, currency: Currency) -> Self {
        let journal = Journal::new(database.clone());
        Self {
            database,
            currency,
            journal,
            applied: Arc::new(watch::Sender::new(0)),
            stop: CancellationToken::new(),
        }
    }

    /// Adds all query services and `AuditService`.
    pub fn routes(&self, routes: &mut RoutesBuilder) {
        routes
            .add_service(ProductQueryServiceServer::new(self.clone()).max_decoding_message_size(REQUEST_BYTES_MAX))
            .add_service(OrderQueryServiceServer::new(self.clone()).max_decoding_message_size(REQUEST_BYTES_MAX))
            .add_service(CouponQueryServiceServer::new(self.clone()).max_decoding_message_size(REQUEST_BYTES_MAX))
            .add_service(PointQueryServiceServer::new(self.clone()).max_decoding_message_size(REQUEST_BYTES_MAX))
            .add_service(AuditServiceServer::new(self.clone()).max_decoding_message_size(REQUEST_BYTES_MAX));
    }

    /// Who is to hear of events.
    #[must_use]
    pub fn consumers(&self) -> Vec<Arc<dyn Consumer>> {
        vec![Arc::new(self.journal.clone())]
    }

    /// Who can be given events again.
    pub fn addressees(&self) -> impl Iterator<Item = Arc<dyn Addressee>> {
        self.appliers().map(|applier| Arc::new(applier) as Arc<dyn Addressee>)
    }

    fn appliers(&self) -> impl Iterator<Item = Applier> {
        projections::all().into_iter().map(|projection| Applier {
            database: self.database.clone(),
            journal: self.journal.clone(),
            projection,
            applied: self.applied.clone(),
        })
    }

    /// The position that each projection has reached, by its name, and the journal's last.
    ///
    /// # Errors
    /// A database failure.
    pub async fn positions(&self) -> Result<(BTreeMap<&'static str, i64>, i64), Failure> {
        let mut positions = BTreeMap::new();
        for (name, _) in projections() {
            positions.insert(name, projections::position(&self.database, name).await?);
        }
        Ok((positions, journal::head(self.database.reader()).await?))
    }

    /// Carries all projections along the journal until told to stop; watches end then, too.
    pub async fn run(self, stop: CancellationToken) {
        let appliers: Vec<Applier> = self.appliers().collect();
        let appliers = appliers.iter().map(|applier| applier.run(stop.clone()));
        let ended = async {
            stop.cancelled().await;
            self.stop.cancel();
        };
        tokio::join!(futures::future::join_all(appliers), ended);
    }
}
