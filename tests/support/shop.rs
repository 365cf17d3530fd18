//! A shop of its own for every test: real server, real databases, a gateway that answers at once, and a clock to turn.

use jangteo::client::Connected;
use jangteo::config::Config;
use jangteo::ledger;
use jangteo::shop::Shop;
use jiff::Timestamp;
use kit::clock::Clock;
use proto::catalog::v1::product_service_client::ProductServiceClient;
use proto::catalog::v1::{ImportProductsRequest, ImportRow};
use proto::coupon::v1::campaign_service_client::CampaignServiceClient;
use proto::coupon::v1::{CampaignKind, CampaignScope, OpenCampaignRequest};
use proto::money::v1::Money;
use sea_orm::{ConnectOptions, DatabaseConnection};
use tempfile::TempDir;

use crate::client::Buyer;
use crate::engine::{Engine, new_database};
use crate::wait::eventually;

/// A running shop, stocked by the test.
#[derive(Debug)]
pub struct TestShop {
    pub engine: Engine,
    pub clock: Clock,
    pub config: Config,
    connected: Connected,
    shop: Option<Shop>,
    _folder: TempDir,
}

impl TestShop {
    pub async fn start(engine: Engine) -> Self {
        Self::start_with(engine, |_| {}).await
    }

    /// A shop whose configuration the test has changed.
    pub async fn start_with(engine: Engine, change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let any = "127.0.0.1:0".parse().unwrap();
        let mut config = Config {
            listen: any,
            callbacks_listen: any,
            gateway_listen: any,
            data_folder: folder.path().to_owned(),
            empty: true,
            ..Config::default()
        };
        if engine == Engine::Postgres {
            config.database_url = Some(new_database().await);
        }
        change(&mut config);
        let clock = Clock::default();
        let shop = Shop::start(&config, clock.clone()).await.unwrap();
        let connected = Connected::open(Some(&format!("http://{}", shop.address)), &config)
            .await
            .unwrap();
        Self {
            engine,
            clock,
            config,
            connected,
            shop: Some(shop),
            _folder: folder,
        }
    }

    /// Stops the shop and starts it again on the same data.
    pub async fn restart(&mut self) {
        self.shop.take().unwrap().stop().await;
        let shop = Shop::start(&self.config, self.clock.clone()).await.unwrap();
        self.connected = Connected::open(Some(&format!("http://{}", shop.address)), &self.config)
            .await
            .unwrap();
        self.shop = Some(shop);
    }

    pub fn shop(&self) -> &Shop {
        self.shop.as_ref().unwrap()
    }

    /// A session of somebody else with the owner's tables.
    pub async fn stranger(&self, owner: &str) -> DatabaseConnection {
        let file = || {
            format!(
                "sqlite://{}",
                self.config.data_folder.join(format!("{owner}.db")).display()
            )
        };
        let mut options = ConnectOptions::new(self.config.database_url.clone().unwrap_or_else(file));
        options.max_connections(1);
        sea_orm::Database::connect(options).await.unwrap()
    }

    pub fn connected(&self) -> &Connected {
        &self.connected
    }

    pub fn buyer(&self, name: &str) -> Buyer {
        Buyer::new(&self.connected, name)
    }

    /// Registers products by id, price in minor units and pieces, all of brand `house`.
    pub async fn stock(&self, products: &[(&str, i64, i64)]) {
        let rows: Vec<ImportRow> = products
            .iter()
            .map(|(id, price, stock)| row(id, *price, *stock))
            .collect();
        let messages: Vec<_> = rows
            .chunks(500)
            .map(|rows| ImportProductsRequest {
                rows: rows.to_vec(),
                ..Default::default()
            })
            .collect();
        let client = &mut ProductServiceClient::new(self.connected.as_admin());
        let response = client
            .import_products(tokio_stream::iter(messages))
            .await
            .unwrap()
            .into_inner();
        assert_eq!(response.refused, 0, "{:?}", response.refusals);
    }

    /// As [`campaign`], from now on.
    pub fn campaign(&self, id: &str, amount: i64) -> OpenCampaignRequest {
        campaign(self.clock.now(), id, amount)
    }

    /// Opens such a campaign; the test changes the rest.
    pub async fn open_campaign(&self, id: &str, amount: i64, change: impl FnOnce(&mut OpenCampaignRequest)) {
        let mut request = self.campaign(id, amount);
        change(&mut request);
        CampaignServiceClient::new(self.connected.as_admin())
            .open_campaign(request)
            .await
            .unwrap();
    }

    /// Waits until every invariant of the ledger holds, which includes that nothing is under way.
    pub async fn at_rest(&self) {
        eventually("the shop is at rest", async || {
            let mut broken = ledger::check(&self.connected).await.unwrap();
            broken.retain(|invariant| !invariant.holds);
            if broken.is_empty() { Ok(()) } else { Err(broken) }
        })
        .await;
    }

    /// The end of every story: at rest, all invariants hold, and the shop stops.
    pub async fn end(mut self) {
        self.at_rest().await;
        self.shop.take().unwrap().stop().await;
    }
}

/// Has PostgreSQL give up a lock that is not had at once, where a test holds one.
pub fn impatient(config: &mut Config) {
    let url = config.database_url.take();
    config.database_url = url.map(|url| format!("{url}?options[lock_timeout]=200ms"));
}

/// An amount in the shop's currency.
pub fn money(minor_units: i64) -> Money {
    Money {
        currency_code: "USD".to_owned(),
        minor_units,
    }
}

/// The terms of a campaign of a fixed amount, open and valid for a day.
pub fn campaign(now: Timestamp, id: &str, amount: i64) -> OpenCampaignRequest {
    let at = |hours: i64| Some(kit::clock::to_proto(now + jiff::Span::new().hours(hours)));
    OpenCampaignRequest {
        campaign_id: id.to_owned(),
        name: id.to_owned(),
        kind: CampaignKind::Fixed.into(),
        discount_amount: Some(money(amount)),
        applies_to: CampaignScope::All.into(),
        per_user_limit: 1,
        issue_from: at(-1),
        issue_until: at(24),
        valid_from: at(-1),
        valid_until: at(24),
        ..Default::default()
    }
}

/// A product of brand `house`, as it is imported.
pub fn row(id: &str, price: i64, stock: i64) -> ImportRow {
    ImportRow {
        product_id: id.to_owned(),
        brand_id: "house".to_owned(),
        brand_name: "House".to_owned(),
        name: format!("Product {id}"),
        category: "THINGS".to_owned(),
        price: Some(money(price)),
        stock,
        ..Default::default()
    }
}
