//! The shop in one process: every role, its databases, the relays between them, and the server in front.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow};
use kit::bus::{Bus, Consumer};
use kit::clock::Clock;
use kit::database::{Database, Migration};
use kit::in_process::Connection;
use kit::money::Currency;
use kit::outbox::Relay;
use kit::server::{self, Identity};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::service::Routes;

use crate::config::Config;
use crate::consumers::Consumers;
use crate::data_folder::DataFolder;
use crate::dead_letters::DeadLetters;
use crate::gateway;
use crate::ledger::{Ledger, Tables};
use crate::outboxes::Outboxes;

/// A running shop. Dropped, it stops at some time; [`Shop::stop`] waits for it.
#[derive(Debug)]
pub struct Shop {
    /// Where gRPC is served.
    pub address: SocketAddr,
    /// Where the payment gateway calls back.
    pub callbacks: SocketAddr,
    /// The base URL of the payment gateway.
    pub gateway: String,
    tables: Tables,
    ledger: Ledger,
    stop: CancellationToken,
    tasks: TaskTracker,
    _folder: DataFolder,
}

impl Shop {
    /// Starts every role and returns when the shop answers.
    ///
    /// # Errors
    /// When the configuration is refused, a port or the data folder is taken, or a database cannot be opened.
    pub async fn start(config: &Config, clock: Clock) -> anyhow::Result<Self> {
        config.check()?;
        let currency = Currency::new(&config.currency).ok_or_else(|| anyhow!("currency {:?}", config.currency))?;
        let folder = DataFolder::open(&config.data_folder)?;
        let listener = listen("gRPC", config.listen).await?;
        let callbacks = listen("callbacks", config.callbacks_listen).await?;
        let (address, callbacks_address) = (listener.local_addr()?, callbacks.local_addr()?);
        let tables = open_tables(config, &folder, &clock).await?;
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();

        let gateway = gateway::start(config, &folder, &stop, &tasks).await?;
        let keys = folder.keys();
        let callback_url = format!("http://{callbacks_address}");
        let settings = payment::Settings::new(
            gateway.clone(),
            callback_url,
            keys.callback_secret(),
            vec![keys.cards()],
        );
        let settings = payment::Settings {
            test_cards: config.test_cards,
            pace: payment::Pace {
                first_look: seconds(config.gateway_first_look_seconds),
                look_every: seconds(config.gateway_look_every_seconds),
                proven_after: seconds(config.gateway_proven_after_seconds),
                ..payment::Pace::default()
            },
            ..settings
        };
        let catalog = catalog::Catalog::new(tables.catalog.clone(), currency.clone());
        let coupons = coupon::Coupons::new(tables.coupon.clone(), currency.clone());
        let payments = payment::Payments::new(tables.payment.clone(), currency.clone(), settings)?;
        let notifications = notification::Notifications::new(tables.notification.clone(), config.notifications()?)?;
        let read_model = read_model::ReadModel::new(tables.read_model.clone(), currency.clone());

        let mut inner = Routes::builder();
        catalog.routes(&mut inner);
        coupons.routes(&mut inner);
        payments.routes(&mut inner);
        let called_by_order = Connection::InProcess {
            routes: inner.clone().routes(),
            caller: "order",
            clock: clock.clone(),
        };
        let expires_after = seconds(config.order_expires_seconds);
        let order_settings = order::Settings { expires_after };
        let orders = order::Orders::new(tables.order.clone(), currency.clone(), called_by_order, order_settings);
        orders.routes(&mut inner);
        read_model.routes(&mut inner);
        let book = gateway::is_ours(config).then(|| folder.book());
        let addressees = orders.addressees().into_iter().chain(notifications.addressees());
        let addressees: Vec<_> = addressees.chain(read_model.addressees()).collect();
        DeadLetters::new(addressees.clone()).routes(&mut inner);
        Consumers::new(addressees.clone(), read_model.clone()).routes(&mut inner);
        Outboxes::new(tables.writers()).routes(&mut inner);
        let ledger = Ledger::new(tables.clone(), book);
        ledger.routes(&mut inner);

        let consumers = [orders.consumers(), notifications.consumers(), read_model.consumers()];
        let consumers: Vec<Arc<dyn Consumer>> = consumers.into_iter().flatten().collect();
        let bus = Bus::in_process(consumers);
        for database in tables.writers() {
            tasks.spawn(Relay::new(database.clone(), bus.clone()).run(stop.child_token()));
        }
        for database in tables.all() {
            let also = if database.owner() == "notification" {
                notification::SWEPT
            } else {
                &[]
            };
            tasks.spawn(kit::retention::run(database.clone(), also, stop.child_token()));
        }
        tasks.spawn(kit::dead_letter::line::go_on(addressees, stop.child_token()));
        tasks.spawn(payments.clone().run(stop.child_token()));
        tasks.spawn(orders.run(stop.child_token()));
        tasks.spawn(notifications.run(stop.child_token()));
        tasks.spawn(read_model.run(stop.child_token()));
        if config.ledger_check_seconds > 0 {
            let every = Duration::from_secs(config.ledger_check_seconds.into());
            tasks.spawn(ledger.clone().watch(every, stop.child_token()));
        }
        tasks.spawn(serve_callbacks(callbacks, payments.callbacks(), stop.child_token()));

        let stack = server::Settings {
            identity: Identity::Dev,
            clock,
            calls_in_flight_max: server::CALLS_IN_FLIGHT_MAX,
        };
        let services = services();
        let health = server::operations(&mut inner, &services).await?;
        let routes = server::stack(inner.routes(), &stack);
        let served = server::serve(listener, routes, health, services, stop.clone());
        tasks.spawn(async move {
            if let Err(error) = served.await {
                tracing::error!("the gRPC server broke: {error:#}");
            }
        });
        tasks.close();
        Ok(Self {
            address,
            callbacks: callbacks_address,
            gateway,
            tables,
            ledger,
            stop,
            tasks,
            _folder: folder,
        })
    }

    /// The databases of all owners, for those who check them from outside.
    #[must_use]
    pub fn tables(&self) -> &Tables {
        &self.tables
    }

    /// The ledger, which checks itself.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Opens every owner's tables, brings them up to date, and closes them.
    ///
    /// # Errors
    /// When the data folder is in use, or a database cannot be opened.
    pub async fn migrate(config: &Config) -> anyhow::Result<()> {
        let folder = DataFolder::open(&config.data_folder)?;
        let tables = open_tables(config, &folder, &Clock::default()).await?;
        for database in tables.all() {
            database.close().await;
        }
        Ok(())
    }

    /// Drains, stops, and returns when nothing of it runs any more.
    pub async fn stop(self) {
        self.stop.cancel();
        if tokio::time::timeout(server::DRAIN * 2, self.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!("some work did not end in time; it goes on at the next start");
        }
        for database in self.tables.all() {
            database.close().await;
        }
    }
}

/// The proto services of this process, by their full names.
#[must_use]
pub fn services() -> Vec<String> {
    let mut names: Vec<String> = proto::METHODS
        .iter()
        .filter_map(|method| method.path.split('/').nth(1))
        .map(str::to_owned)
        .collect();
    names.dedup();
    names
}

/// Every row of the registry of reasons, of every crate.
#[must_use]
pub fn reasons() -> Vec<&'static kit::refusal::Reason> {
    let all = [
        kit::REASONS,
        catalog::REASONS,
        coupon::REASONS,
        order::REASONS,
        payment::REASONS,
        read_model::REASONS,
    ];
    all.into_iter().flatten().copied().flatten().collect()
}

async fn open_tables(config: &Config, folder: &DataFolder, clock: &Clock) -> anyhow::Result<Tables> {
    let open = async |owner: &'static str, migrations: &[Migration]| {
        let location = config.location(owner);
        Database::open(owner, &location, migrations, clock.clone(), folder.keys().signer())
            .await
            .map(|database| database.with_lease(seconds(config.lease_seconds)))
            .with_context(|| format!("open {owner}"))
    };
    let (catalog, coupon, order, payment, notification, read_model) = tokio::try_join!(
        open("catalog", catalog::MIGRATIONS),
        open("coupon", coupon::MIGRATIONS),
        open("order", order::MIGRATIONS),
        open("payment", payment::MIGRATIONS),
        open("notification", notification::MIGRATIONS),
        open("read_model", read_model::MIGRATIONS),
    )?;
    Ok(Tables {
        catalog,
        coupon,
        order,
        payment,
        notification,
        read_model,
    })
}

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}

async fn listen(what: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("listen for {what} on {address}"))
}

async fn serve_callbacks(listener: TcpListener, routes: axum::Router, stop: CancellationToken) {
    if let Err(error) = axum::serve(listener, routes)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
    {
        tracing::error!("the callback server broke: {error}");
    }
}
