//! Money: points by double entry, sealed cards, and payments through a gateway that may say anything or nothing.
//!
//! Owns the tables `point_accounts`, `point_holds`, `point_fundings`, `point_entries`, `card_tokens`, `payments`,
//! `payment_journal` and `refunds`. Reacts to no facts of others.

mod callbacks;
mod card;
mod card_gateway;
mod grpc;
mod payment;
mod point;

use std::sync::Arc;
use std::time::Duration;

use kit::database::{Database, Migration};
use kit::money::Currency;
use kit::refusal::Reason;
use kit::server::REQUEST_BYTES_MAX;
use proto::payment::v1::card_service_server::CardServiceServer;
use proto::payment::v1::payment_service_server::PaymentServiceServer;
use proto::payment::v1::point_service_server::PointServiceServer;
use tokio::sync::Notify;
use tonic::service::RoutesBuilder;

use card::Vault;
use card_gateway::{CardGateway, HttpGateway};

/// The schema of this owner.
pub const MIGRATIONS: &[Migration] = kit::migrations!(
    "../../migrations/payment",
    ["m20261124_000001_create_points", "m20261124_000002_create_payments"]
);

/// Every reason with which this service refuses.
pub const REASONS: &[&[Reason]] = &[
    point::PointRefusal::REASONS,
    card::CardRefusal::REASONS,
    payment::PaymentRefusal::REASONS,
];

/// What can be set.
#[derive(Clone)]
pub struct Settings {
    /// Where the gateway is, such as `http://127.0.0.1:8082`.
    pub gateway_url: String,
    /// Where our callback port is, as the gateway reaches it.
    pub callback_url: String,
    /// The part of the callback path that nobody can guess.
    pub callback_secret: String,
    /// Keys that card numbers are sealed with: the first seals, all open.
    pub card_keys: Vec<[u8; 32]>,
    /// Whether the tokens of the gateway simulator's cards of fixed fate are accepted.
    pub test_cards: bool,
    /// Time to connect to the gateway.
    pub connect_within: Duration,
    /// Time for one answer of the gateway.
    pub answer_within: Duration,
    /// Calls to the gateway at once.
    pub calls_max: usize,
    /// POSTs of one attempt.
    pub posts_max: i32,
    /// Before the second POST; doubled before each further one.
    pub post_pause: Duration,
    /// From a POST to the first look-up, where no callback came before.
    pub first_look: Duration,
    /// Between look-ups in the first hour.
    pub look_every: Duration,
    /// How long after the last POST an absence in the gateway's book is proof.
    pub proven_after: Duration,
}

impl Settings {
    /// The settings of the contract, for this gateway.
    #[must_use]
    pub fn new(gateway_url: String, callback_url: String, callback_secret: String, card_keys: Vec<[u8; 32]>) -> Self {
        Self {
            gateway_url,
            callback_url,
            callback_secret,
            card_keys,
            test_cards: false,
            connect_within: Duration::from_secs(1),
            answer_within: Duration::from_secs(3),
            calls_max: 30,
            posts_max: 3,
            post_pause: Duration::from_millis(500),
            first_look: Duration::from_secs(10),
            look_every: Duration::from_secs(15),
            proven_after: Duration::from_secs(30),
        }
    }
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Settings({}, …)", self.gateway_url)
    }
}

/// The service; clones share it.
#[derive(Clone, Debug)]
pub struct Payments {
    database: Database,
    currency: Currency,
    gateway: Arc<dyn CardGateway>,
    vault: Vault,
    settings: Arc<Settings>,
    wake: Arc<Notify>,
}

impl Payments {
    /// The service on its own tables, for a shop of one currency.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(database: Database, currency: Currency, settings: Settings) -> anyhow::Result<Self> {
        let callback = format!("{}/callbacks/{}", settings.callback_url, settings.callback_secret);
        let gateway = HttpGateway::new(
            settings.gateway_url.clone(),
            callback,
            settings.connect_within,
            settings.answer_within,
        )?;
        let vault = Vault::new(settings.card_keys.clone());
        let (settings, wake) = (Arc::new(settings), Arc::default());
        Ok(Self {
            database,
            currency,
            gateway: Arc::new(gateway),
            vault,
            settings,
            wake,
        })
    }

    /// Adds `PointService`, `CardService` and `PaymentService`.
    pub fn routes(&self, routes: &mut RoutesBuilder) {
        routes
            .add_service(PointServiceServer::new(self.clone()).max_decoding_message_size(REQUEST_BYTES_MAX))
            .add_service(CardServiceServer::new(self.clone()).max_decoding_message_size(REQUEST_BYTES_MAX))
            .add_service(PaymentServiceServer::new(self.clone()).max_decoding_message_size(REQUEST_BYTES_MAX));
    }
}
