//! A payment service of one's own, with a gateway of its own, on either engine.

use std::net::SocketAddr;
use std::time::Duration;

use kit::clock::Clock;
use kit::context::Context;
use kit::database::{Database, Sql};
use kit::edge::outgoing;
use kit::in_process::Connection;
use kit::money::Currency;
use kit::signing::Signer;
use kit::values;
use payment::{Pace, Payments, Settings};
use pg_simulator::{BOOK_FILE, Behaviour, Book, Config, control, read_book};
use proto::money::v1::Money;
use proto::payment::v1::card_service_client::CardServiceClient;
use proto::payment::v1::payment_admin_service_client::PaymentAdminServiceClient;
use proto::payment::v1::payment_service_client::PaymentServiceClient;
use proto::payment::v1::point_service_client::PointServiceClient;
use proto::payment::v1::{
    CardType, Payment, RefundPaymentRequest, RefundPaymentResponse, RequestPaymentRequest, TokenizeCardRequest,
};
use serde_json::Value;
use support::Engine;
use support::engine::quiet_port;
use support::wait::{eventually, until, within};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status};
use tonic_types::StatusExt;

/// Part of the callback path.
pub const SECRET: &str = "unguessable";
/// Payments that may wait for the gateway.
pub const QUEUE_MAX: i64 = 60;

pub struct Service {
    pub payments: Payments,
    pub database: Database,
    pub folder: TempDir,
    pub callbacks: SocketAddr,
    connection: Connection,
    clock: Clock,
    gateway_address: SocketAddr,
    gateway: Option<(CancellationToken, JoinHandle<anyhow::Result<()>>)>,
    stop: CancellationToken,
}

const COLUMNS: &str = "order_id, state, reason, captured, refunded, posts, next_at";

#[derive(Debug, PartialEq, Eq, sea_orm::FromQueryResult)]
pub struct Row {
    pub order_id: String,
    pub state: String,
    pub reason: String,
    pub captured: i64,
    pub refunded: i64,
    pub posts: i32,
    pub next_at: Option<i64>,
}

#[derive(sea_orm::FromQueryResult)]
struct Count {
    count: i64,
}

#[derive(sea_orm::FromQueryResult)]
struct Type {
    r#type: String,
}

/// The pace of the contract, hurried.
pub fn pace() -> Pace {
    Pace {
        posts_max: 3,
        post_pause: Duration::from_millis(30),
        first_look: Duration::from_millis(400),
        look_every: Duration::from_millis(400),
        proven_after: Duration::from_millis(1_500),
    }
}

impl Service {
    /// A running service and its gateway.
    pub async fn start(engine: Engine, behaviour: Behaviour) -> Self {
        Self::start_with(engine, behaviour, |_| {}).await
    }

    /// A running service whose settings the test has changed, and its gateway.
    pub async fn start_with(engine: Engine, behaviour: Behaviour, change: impl FnOnce(&mut Settings)) -> Self {
        let mut service = Self::idle_with(engine, change).await;
        service.start_gateway(behaviour).await;
        service.run();
        service
    }

    /// A service whose driver does not run, without a gateway.
    pub async fn idle(engine: Engine) -> Self {
        Self::idle_with(engine, |_| {}).await
    }

    /// Such a service, whose settings the test has changed.
    pub async fn idle_with(engine: Engine, change: impl FnOnce(&mut Settings)) -> Self {
        let folder = TempDir::new().unwrap();
        let (clock, signer) = (Clock::default(), Signer::new(vec![7; 32], None));
        let location = engine.location(&folder, "payment").await;
        let database = Database::open("payment", &location, payment::MIGRATIONS, clock.clone(), signer)
            .await
            .unwrap();
        let callback_listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let callbacks = callback_listener.local_addr().unwrap();
        let gateway_address = SocketAddr::from(([127, 0, 0, 1], quiet_port()));
        let (gateway_url, callback_url) = (format!("http://{gateway_address}"), format!("http://{callbacks}"));
        let mut settings = Settings {
            test_cards: true,
            queue_max: QUEUE_MAX,
            answer_within: Duration::from_millis(600),
            pace: pace(),
            breaker: kit::breaker::Settings {
                open_for: Duration::from_millis(500),
                ..Default::default()
            },
            ..Settings::new(gateway_url, callback_url, SECRET.to_owned(), vec![[3; 32]])
        };
        change(&mut settings);
        let payments = Payments::new(database.clone(), Currency::new("KRW").unwrap(), settings).unwrap();
        tokio::spawn(axum::serve(callback_listener, payments.callbacks()).into_future());
        let mut routes = tonic::service::Routes::builder();
        payments.routes(&mut routes);
        let connection = Connection::InProcess {
            routes: routes.routes(),
            caller: "order",
            clock: clock.clone(),
        };
        let (gateway, stop) = (None, CancellationToken::new());
        Self {
            payments,
            database,
            folder,
            callbacks,
            connection,
            clock,
            gateway_address,
            gateway,
            stop,
        }
    }

    pub fn run(&self) {
        tokio::spawn(self.payments.run(self.stop.clone()));
    }

    pub async fn start_gateway(&mut self, behaviour: Behaviour) {
        let config = Config {
            data: self.folder.path().to_owned(),
            seed: 11,
            behaviour,
        };
        let listener = TcpListener::bind(self.gateway_address).await.unwrap();
        let stop = CancellationToken::new();
        let server = tokio::spawn(pg_simulator::serve(config, listener, stop.clone()));
        self.gateway = Some((stop, server));
        let book = self.folder.path().join(BOOK_FILE);
        until("the gateway has opened its book", async || book.exists()).await;
    }

    pub async fn stop_gateway(&mut self) {
        let (stop, server) = self.gateway.take().unwrap();
        stop.cancel();
        server.await.unwrap().unwrap();
    }

    /// Changes what the gateway does from now on; returns what its control port shows.
    pub async fn control(&self, settings: &[(&str, &str)]) -> Value {
        let owned = settings
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let owned: Vec<_> = owned.collect();
        control::send(&format!("http://{}", self.gateway_address), &owned)
            .await
            .unwrap()
    }

    /// What the gateway really did.
    pub fn book(&self) -> Book {
        read_book(self.folder.path().join(BOOK_FILE)).unwrap()
    }

    /// Minor units that the gateway has kept for an order id of its own.
    pub fn kept(&self, gateway_id: &str) -> i64 {
        let book = self.book();
        let money = book.money_by_order().get(gateway_id).copied().unwrap_or_default();
        i64::try_from(money.captured - money.cancelled).unwrap()
    }

    pub fn mina<M>(&self, message: M) -> Request<M> {
        self.user("mina", message)
    }

    pub fn user<M>(&self, user_id: &str, message: M) -> Request<M> {
        outgoing(&Context::background("order", &self.clock).for_user(user_id), message)
    }

    pub fn cards(&self) -> CardServiceClient<Connection> {
        CardServiceClient::new(self.connection.clone())
    }

    pub fn service(&self) -> PaymentServiceClient<Connection> {
        PaymentServiceClient::new(self.connection.clone())
    }

    pub fn admin(&self) -> PaymentAdminServiceClient<Connection> {
        PaymentAdminServiceClient::new(self.connection.clone())
    }

    /// Where the gateway is, while it is.
    pub fn gateway_url(&self) -> String {
        format!("http://{}", self.gateway_address)
    }

    pub fn points(&self) -> PointServiceClient<Connection> {
        PointServiceClient::new(self.connection.clone())
    }

    pub async fn request(&self, order_id: &str, card_token: &str, amount: i64) -> Result<Payment, Status> {
        let request = RequestPaymentRequest {
            order_id: order_id.to_owned(),
            attempt: 1,
            amount: won(amount),
            card_token: card_token.to_owned(),
            ..Default::default()
        };
        let answer = self.service().request_payment(self.mina(request)).await?;
        Ok(answer.into_inner().payment.unwrap())
    }

    /// The token of a card of no fixed fate, unless the gateway was told one.
    pub async fn token(&self, card_number: &str) -> String {
        let request = TokenizeCardRequest {
            card_type: CardType::Kb.into(),
            card_number: card_number.to_owned(),
            ..Default::default()
        };
        let answer = self.cards().tokenize_card(self.mina(request)).await;
        answer.unwrap().into_inner().card_token
    }

    pub async fn refund(&self, order_id: &str, refund_id: &str, amount: i64) -> Result<RefundPaymentResponse, Status> {
        let request = RefundPaymentRequest {
            order_id: order_id.to_owned(),
            attempt: 1,
            refund_id: refund_id.to_owned(),
            amount: won(amount),
            why: "the order was cancelled".to_owned(),
            ..Default::default()
        };
        let answer = self.service().refund_payment(self.mina(request)).await?;
        Ok(answer.into_inner())
    }

    /// All attempts.
    pub async fn rows(&self) -> Vec<Row> {
        let sql = format!("SELECT {COLUMNS} FROM payments ORDER BY order_id");
        self.database.reader().list(&sql, values![]).await.unwrap()
    }

    /// Waits until nothing is open of any attempt.
    pub async fn all_at_rest(&self, patience: Duration) {
        within(patience, "no attempt is open", async || {
            let rows = self.rows().await;
            let mut open = rows.iter().filter(|row| row.next_at.is_some());
            match open.next() {
                None => Ok(()),
                Some(one) => Err(format!("{} of {} are, such as {one:?}", open.count() + 1, rows.len())),
            }
        })
        .await;
    }

    pub async fn row(&self, order_id: &str) -> Row {
        let sql = format!("SELECT {COLUMNS} FROM payments WHERE order_id = $1");
        self.database
            .reader()
            .find(&sql, values![order_id])
            .await
            .unwrap()
            .unwrap()
    }

    /// The attempt once it is in this state.
    pub async fn until(&self, order_id: &str, state: &str) -> Row {
        self.until_row(order_id, |row| row.state == state).await
    }

    /// The attempt once nothing of it is open.
    pub async fn at_rest(&self, order_id: &str) -> Row {
        self.until_row(order_id, |row| row.next_at.is_none()).await
    }

    pub async fn until_row(&self, order_id: &str, is_so: impl Fn(&Row) -> bool) -> Row {
        eventually(order_id, async || {
            let row = self.row(order_id).await;
            if is_so(&row) { Ok(row) } else { Err(row) }
        })
        .await
    }

    /// Waits until the gateway has decided what it was asked under this id.
    pub async fn decided(&self, gateway_id: &str) {
        until(format!("{gateway_id} is decided"), async || {
            self.book()
                .of_order(gateway_id)
                .any(|transaction| transaction.verdict.is_some())
        })
        .await;
    }

    /// How often the gateway was asked of any attempt, and did not answer.
    pub async fn asked_in_vain(&self) -> i64 {
        let sql = "SELECT CAST(COUNT(*) AS BIGINT) AS count FROM payment_journal WHERE said LIKE '%not reached%'";
        let found: Option<Count> = self.database.reader().find(sql, values![]).await.unwrap();
        found.unwrap().count
    }

    /// Takes an attempt from its driver, as another driver would, for good; `false` if its POST is not under way.
    pub async fn take_away(&self, order_id: &str) -> bool {
        let context = Context::background("payment", &self.clock);
        let transaction = self.database.begin_bare(&context).await.unwrap();
        let sql = "UPDATE payments SET lease_token = lease_token + 1, leased_until = leased_until + 3600000000
            WHERE order_id = $1 AND state = 'REQUESTED'";
        let taken = transaction.run(sql, values![order_id]).await.unwrap();
        transaction.commit_quietly().await.unwrap();
        taken == 1
    }

    /// The facts told of an attempt, in order.
    pub async fn facts(&self, order_id: &str) -> Vec<String> {
        let sql = "SELECT type FROM outbox WHERE aggregateid = $1 ORDER BY version";
        let subject = format!("payment/{order_id}.1");
        let rows: Vec<Type> = self.database.reader().list(sql, values![subject]).await.unwrap();
        rows.into_iter().map(|row| row.r#type).collect()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some((stop, _)) = &self.gateway {
            stop.cancel();
        }
    }
}

pub fn won(minor_units: i64) -> Option<Money> {
    Some(Money {
        currency_code: "KRW".to_owned(),
        minor_units,
    })
}

pub fn reason<T: std::fmt::Debug>(answer: Result<T, Status>) -> String {
    answer.unwrap_err().get_details_error_info().unwrap().reason
}
