//! Money: points by double entry, sealed cards, and payments through a gateway that may say anything or nothing.
//!
//! Owns the tables `point_accounts`, `point_entries`, `point_holds`, `card_tokens`, `payments`, `payment_journal` and
//! `refunds`. Reacts to no facts of others.

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
use proto::payment::v1::payment_admin_service_server::PaymentAdminServiceServer;
use proto::payment::v1::payment_service_server::PaymentServiceServer;
use proto::payment::v1::point_service_server::PointServiceServer;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tonic::service::RoutesBuilder;

use card::{CardNumber, Vault};
use card_gateway::{HttpGateway, Line};

pub use payment::Pace;
pub use payment::records::{Which, page_sql as payments_sql};

/// The schema of this owner.
pub const MIGRATIONS: &[Migration] = kit::migrations!(
    "../../migrations/payment",
    [
        "m20261124_000001_create_points",
        "m20261124_000002_create_payments",
        "m20261129_000003_add_payments_for_operators"
    ]
);

/// Every reason with which this service refuses.
pub const REASONS: &[&[Reason]] = &[
    point::PointRefusal::REASONS,
    card::CardRefusal::REASONS,
    payment::PaymentRefusal::REASONS,
    payment::PaymentEnd::REASONS,
];

/// What can be set.
#[derive(Clone)]
pub struct Settings {
    /// Where the gateway is, such as `http://127.0.0.1:8082`.
    pub gateway_url: String,
    /// Where our callback port is, as the gateway reaches it.
    pub callback_url: String,
    /// The part of the callback path that nobody can guess; the same for every process of the service.
    pub callback_secret: String,
    /// Keys that card numbers are sealed with: the first seals, all open.
    pub card_keys: Vec<[u8; 32]>,
    /// Whether the tokens of the gateway simulator's cards of fixed fate are accepted.
    pub test_cards: bool,
    /// Time to connect to the gateway.
    pub connect_within: Duration,
    /// Time for one answer of the gateway.
    pub answer_within: Duration,
    /// Calls to the gateway at once; further payments wait as rows.
    pub calls_max: usize,
    /// Payments that wait for the gateway; further ones are refused.
    pub queue_max: i64,
    /// Callbacks a second that are listened to; further ones are answered 429, and made up for by look-ups.
    pub callbacks_per_second_max: u32,
    /// How often and how long the gateway is asked.
    pub pace: Pace,
    /// When it is left alone.
    pub breaker: kit::breaker::Settings,
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
            queue_max: 10_000,
            callbacks_per_second_max: 1_000,
            pace: Pace::default(),
            breaker: kit::breaker::Settings::default(),
        }
    }
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // without the secrets
        write!(formatter, "Settings({}, {:?})", self.gateway_url, self.pace)
    }
}

/// The service; clones share it.
#[derive(Clone, Debug)]
pub struct Payments {
    database: Database,
    currency: Currency,
    line: Arc<Line>,
    vault: Vault,
    settings: Arc<Settings>,
    wake: Arc<Notify>,
}

impl Payments {
    /// The service on its own tables, for a shop of one currency.
    ///
    /// # Errors
    /// When there is no key to seal cards with, or no HTTP client can be made.
    pub fn new(database: Database, currency: Currency, settings: Settings) -> anyhow::Result<Self> {
        let gateway = HttpGateway::new(
            settings.gateway_url.clone(),
            format!("{}/callbacks/{}", settings.callback_url, settings.callback_secret),
            settings.connect_within,
            settings.answer_within,
        )?;
        let line = Arc::new(Line::new(
            Box::new(gateway),
            settings.calls_max,
            settings.breaker.clone(),
        ));
        let vault = Vault::new(&settings.card_keys)?;
        Ok(Self {
            database,
            currency,
            line,
            vault,
            settings: Arc::new(settings),
            wake: Arc::default(),
        })
    }

    /// Adds `PointService`, `CardService`, `PaymentService` and `PaymentAdminService`.
    pub fn routes(&self, routes: &mut RoutesBuilder) {
        routes
            .add_service(PointServiceServer::new(self.clone()).max_decoding_message_size(REQUEST_BYTES_MAX))
            .add_service(CardServiceServer::new(self.clone()).max_decoding_message_size(REQUEST_BYTES_MAX))
            .add_service(PaymentServiceServer::new(self.clone()).max_decoding_message_size(REQUEST_BYTES_MAX))
            .add_service(PaymentAdminServiceServer::new(self.clone()).max_decoding_message_size(REQUEST_BYTES_MAX));
    }

    /// How often the breakers to the gateway have opened since the start: of payments, and of look-ups.
    #[must_use]
    pub fn breaker_openings(&self) -> (u64, u64) {
        self.line.openings()
    }

    /// Drives payments until told to stop, then waits a few seconds for open calls.
    pub fn run(&self, stop: CancellationToken) -> impl Future<Output = ()> + Send + use<> {
        self.clone().drive(stop)
    }

    fn test_card(&self, token: &str) -> Option<CardNumber> {
        CardNumber::of_test_card(token).filter(|_| self.settings.test_cards)
    }
}
