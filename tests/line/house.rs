//! All services on either engine, with a line between orders and the others; workers and drivers run when a test says so.

use futures::TryStreamExt;
use jangteo::ledger::{Ledger, Tables};
use kit::bus::Bus;
use kit::clock::Clock;
use kit::context::Context;
use kit::database::{Database, Migration, Sql};
use kit::edge::outgoing;
use kit::in_process::Connection;
use kit::money::Currency;
use kit::outbox::Relay;
use kit::signing::Signer;
use kit::values;
use order::Orders;
use payment::Payments;
use pg_simulator::{BOOK_FILE, Behaviour, Config, read_book};
use proto::catalog::v1::ImportProductsRequest;
use proto::catalog::v1::product_service_client::ProductServiceClient;
use proto::coupon::v1::IssueCouponRequest;
use proto::coupon::v1::campaign_service_client::CampaignServiceClient;
use proto::coupon::v1::coupon_service_client::CouponServiceClient;
use proto::operations::v1::CheckRequest;
use proto::operations::v1::ledger_service_client::LedgerServiceClient;
use proto::order::v1::order_service_client::OrderServiceClient;
use proto::order::v1::{CancelOrderRequest, Order, PlaceOrderRequest};
use proto::payment::v1::ChargePointsRequest;
use proto::payment::v1::point_service_client::PointServiceClient;
use support::Engine;
use support::shop::{campaign, money, row};
use support::wait::eventually;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::{Request, Status};

use crate::bad_line::Line;

/// A shop whose only customer is mina.
pub struct House {
    pub tables: Tables,
    pub line: Line,
    orders: Orders,
    payments: Payments,
    connection: Connection,
    clock: Clock,
    folder: TempDir,
    stop: CancellationToken,
}

/// A process that goes on with checkouts.
pub struct Worker {
    stop: CancellationToken,
    running: JoinHandle<()>,
}

#[derive(sea_orm::FromQueryResult)]
struct Text {
    text: String,
}

#[derive(sea_orm::FromQueryResult)]
struct Count {
    count: i64,
}

impl House {
    pub async fn build(engine: Engine, gateway: Behaviour) -> Self {
        let folder = TempDir::new().unwrap();
        let (clock, currency, stop) = (
            Clock::default(),
            Currency::new("USD").unwrap(),
            CancellationToken::new(),
        );
        let tables = open(engine, &folder, &clock).await;
        let payments = payments(&tables, &currency, &folder, gateway, &stop).await;
        let mut routes = Routes::builder();
        catalog::Catalog::new(tables.catalog.clone(), currency.clone()).routes(&mut routes);
        coupon::Coupons::new(tables.coupon.clone(), currency.clone()).routes(&mut routes);
        payments.routes(&mut routes);
        let line = Line::default();
        let called_by = |caller, routes| Connection::InProcess {
            routes,
            caller,
            clock: clock.clone(),
        };
        let others = called_by("order", line.to(routes.clone().routes()));
        let orders = Orders::new(
            tables.order.clone(),
            currency.clone(),
            others,
            order::Settings::default(),
        );
        let read_model = read_model::ReadModel::new(tables.read_model.clone(), currency);
        orders.routes(&mut routes);
        Ledger::new(tables.clone(), Some(folder.path().join(BOOK_FILE))).routes(&mut routes);

        let consumers = orders.consumers().into_iter().chain(read_model.consumers());
        let bus = Bus::in_process(consumers.collect());
        for database in tables.writers() {
            tokio::spawn(Relay::new(database.clone(), bus.clone()).run(stop.clone()));
        }
        tokio::spawn(read_model.run(stop.clone()));
        let connection = called_by("test", routes.routes());
        Self {
            tables,
            line,
            orders,
            payments,
            connection,
            clock,
            folder,
            stop,
        }
    }

    /// Stocks five of product `a` at 1 000, and gives mina 5 000 points.
    pub async fn stock(&self) {
        let rows = ImportProductsRequest {
            rows: vec![row("a", 1_000, 5)],
            ..Default::default()
        };
        let request = self.mina(tokio_stream::iter([rows]));
        let mut products = ProductServiceClient::new(self.connection.clone());
        assert_eq!(products.import_products(request).await.unwrap().into_inner().refused, 0);
        let charge = ChargePointsRequest {
            amount: Some(money(5_000)),
            funding_reference: "first".to_owned(),
            ..Default::default()
        };
        let mut points = PointServiceClient::new(self.connection.clone());
        points.charge_points(self.mina(charge)).await.unwrap();
    }

    /// A coupon of mina's that takes off 100.
    pub async fn coupon(&self) -> String {
        let terms = campaign(self.clock.now(), "off", 100);
        let mut campaigns = CampaignServiceClient::new(self.connection.clone());
        campaigns.open_campaign(self.mina(terms)).await.unwrap();
        let request = IssueCouponRequest {
            campaign_id: "off".to_owned(),
            ..Default::default()
        };
        let mut coupons = CouponServiceClient::new(self.connection.clone());
        let issued = coupons.issue_coupon(self.mina(request)).await.unwrap().into_inner();
        issued.coupon.unwrap().coupon_id
    }

    pub fn start_worker(&self) -> Worker {
        let stop = self.stop.child_token();
        let running = tokio::spawn(self.orders.clone().run(stop.clone()));
        Worker { stop, running }
    }

    pub fn start_driver(&self) {
        tokio::spawn(self.payments.run(self.stop.clone()));
    }

    pub async fn place(&self, order: PlaceOrderRequest) -> Result<Order, Status> {
        let mut orders = OrderServiceClient::new(self.connection.clone());
        let answer = orders.place_order(self.mina(order)).await?;
        Ok(answer.into_inner().order.unwrap())
    }

    pub async fn cancel(&self, order_id: &str) -> Order {
        let request = CancelOrderRequest {
            order_id: order_id.to_owned(),
            ..Default::default()
        };
        let mut orders = OrderServiceClient::new(self.connection.clone());
        let answer = orders.cancel_order(self.mina(request)).await.unwrap();
        answer.into_inner().order.unwrap()
    }

    fn mina<M>(&self, message: M) -> Request<M> {
        outgoing(&Context::background("test", &self.clock).for_user("mina"), message)
    }

    /// The one text that a statement on an owner's tables gives for an order.
    pub async fn text(&self, database: &Database, sql: &str, order_id: &str) -> String {
        let row: Option<Text> = database.reader().find(sql, values![order_id]).await.unwrap();
        row.map(|row| row.text).unwrap_or_default()
    }

    pub async fn count(&self, database: &Database, sql: &str) -> i64 {
        let row: Option<Count> = database.reader().find(sql, vec![]).await.unwrap();
        row.unwrap().count
    }

    pub async fn order_state(&self, order_id: &str) -> String {
        let sql = "SELECT state AS text FROM orders WHERE order_id = $1";
        self.text(&self.tables.order, sql, order_id).await
    }

    pub async fn step(&self, order_id: &str) -> String {
        let sql = "SELECT step AS text FROM checkouts WHERE order_id = $1";
        self.text(&self.tables.order, sql, order_id).await
    }

    pub async fn payment_state(&self, order_id: &str) -> String {
        let sql = "SELECT state AS text FROM payments WHERE order_id = $1";
        self.text(&self.tables.payment, sql, order_id).await
    }

    /// Waits until what is read is so.
    pub async fn until<F: Future<Output = String>>(&self, read: impl Fn() -> F, wanted: &str) {
        eventually(wanted, async || {
            let seen = read().await;
            if seen == wanted { Ok(()) } else { Err(seen) }
        })
        .await;
    }

    /// Transactions of an order in the gateway's book.
    pub fn charged(&self, order_id: &str) -> usize {
        let book = read_book(self.folder.path().join(BOOK_FILE)).unwrap();
        book.of_order(&format!("{order_id}.1")).count()
    }

    /// What orders hold: pieces, points, coupons.
    pub async fn held(&self) -> (i64, i64, i64) {
        let sum = |column: &str, table: &str| {
            format!("SELECT CAST(COALESCE(SUM({column}), 0) AS BIGINT) AS count FROM {table}")
        };
        let coupons = "SELECT COUNT(*) AS count FROM coupons WHERE order_id IS NOT NULL";
        (
            self.count(&self.tables.catalog, &sum("reserved", "stock_levels")).await,
            self.count(&self.tables.payment, &sum("held", "point_accounts")).await,
            self.count(&self.tables.coupon, coupons).await,
        )
    }

    /// Waits until every invariant of the ledger holds and nothing is under way, then ends.
    pub async fn end(self) {
        eventually("the house is at rest", async || {
            let mut ledger = LedgerServiceClient::new(self.connection.clone());
            let answers = ledger.check(CheckRequest {}).await.unwrap().into_inner();
            let mut broken: Vec<_> = answers.try_collect().await.unwrap();
            broken.retain(|invariant| !invariant.holds);
            if broken.is_empty() { Ok(()) } else { Err(broken) }
        })
        .await;
        self.stop.cancel();
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Worker {
    /// Takes no more checkouts, and goes on with those it has.
    pub fn takes_no_more(&self) {
        self.stop.cancel();
    }

    /// Returns when it is through with what it had.
    pub async fn ended(self) {
        self.stop.cancel();
        self.running.await.unwrap();
    }
}

async fn open(engine: Engine, folder: &TempDir, clock: &Clock) -> Tables {
    let open = async |owner: &'static str, migrations: &[Migration]| {
        let (location, signer) = (engine.location(folder, owner).await, Signer::new(vec![7; 32], None));
        let opened = Database::open(owner, &location, migrations, clock.clone(), signer).await;
        opened.unwrap()
    };
    Tables {
        catalog: open("catalog", catalog::MIGRATIONS).await,
        coupon: open("coupon", coupon::MIGRATIONS).await,
        order: open("order", order::MIGRATIONS).await,
        payment: open("payment", payment::MIGRATIONS).await,
        notification: open("notification", notification::MIGRATIONS).await,
        read_model: open("read_model", read_model::MIGRATIONS).await,
    }
}

async fn payments(
    tables: &Tables,
    currency: &Currency,
    folder: &TempDir,
    behaviour: Behaviour,
    stop: &CancellationToken,
) -> Payments {
    let gateway = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let callbacks = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = |listener: &TcpListener| format!("http://{}", listener.local_addr().unwrap());
    let settings = payment::Settings {
        test_cards: true,
        ..payment::Settings::new(url(&gateway), url(&callbacks), "secret".to_owned(), vec![[3; 32]])
    };
    let payments = Payments::new(tables.payment.clone(), currency.clone(), settings).unwrap();
    let config = Config {
        data: folder.path().to_owned(),
        seed: 11,
        behaviour,
    };
    tokio::spawn(pg_simulator::serve(config, gateway, stop.clone()));
    tokio::spawn(axum::serve(callbacks, payments.callbacks()).into_future());
    payments
}
