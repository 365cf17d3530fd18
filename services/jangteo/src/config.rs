//! The configuration: defaults of the embedded shop, then `jangteo.toml`, then `JANGTEO_…`, then the command line.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use figment::Figment;
use figment::providers::{Env, Format, Serialized, Toml};
use kit::database::{Location, SQLITE_COMMANDS_PER_COMMIT};
use kit::money::Currency;
use kit::refusal::Locale;
use serde::{Deserialize, Serialize};

/// The file read from the working folder, if there is one.
pub const FILE: &str = "jangteo.toml";

/// The value of `notifications` without a service that carries messages.
const LOG: &str = "log";

/// Everything that can be set. Each key is also a variable: `JANGTEO_LISTEN`, `JANGTEO_GATEWAY`, …
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where gRPC is served.
    pub listen: SocketAddr,
    /// Where the payment gateway calls back.
    pub callbacks_listen: SocketAddr,
    /// Where the gateway simulator of this process listens, if `gateway` names a profile.
    pub gateway_listen: SocketAddr,
    /// The folder of the embedded databases, keys and the simulator's book.
    pub data_folder: PathBuf,
    /// `postgres://…` keeps all tables there, one schema an owner; absent: SQLite files in `data_folder`.
    pub database_url: Option<String>,
    /// The most commands that share one COMMIT of a SQLite file, 1 or more.
    pub sqlite_commands_per_commit: usize,
    /// The one currency, ISO 4217.
    pub currency: String,
    /// `calm`, `seed` or `hostile` starts a simulator in this process; `http://…` is a gateway elsewhere.
    pub gateway: String,
    /// Whether the card tokens `test-approve`, `test-limit`, … are accepted.
    pub test_cards: bool,
    /// Seconds until an unpaid order expires, 1 or more.
    pub order_expires_seconds: u32,
    /// Seconds for which work belongs to the process that took it, 2 or more: so long it lies when that process has died.
    pub lease_seconds: u32,
    /// Seconds from asking the gateway for a payment to the first look-up, where no callback came before.
    pub gateway_first_look_seconds: u32,
    /// Seconds between look-ups in a payment's first hour.
    pub gateway_look_every_seconds: u32,
    /// Seconds after which the gateway's not knowing of a payment is proof that it will never charge it.
    pub gateway_proven_after_seconds: u32,
    /// Seconds between two checks of the ledger that the shop makes by itself; 0: it makes none.
    pub ledger_check_seconds: u32,
    /// The running shop that commands talk to, such as `http://127.0.0.1:50051`; absent: the one on `listen`, started for the
    /// command if none answers there.
    pub endpoint: Option<String>,
    /// `log` tells messages to users to the log alone; `http://…` is the service that carries them.
    pub notifications: String,
    /// The language of messages, `ko-KR` or `en-US`.
    pub notifications_locale: String,
    /// Whether an empty shop is left empty instead of being stocked with the sample.
    pub empty: bool,
    /// What is logged, in the form of `tracing_subscriber::EnvFilter`.
    pub log: String,
    /// `pretty` or `json`.
    pub log_format: LogFormat,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// For machines.
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 50_051)),
            callbacks_listen: SocketAddr::from(([127, 0, 0, 1], 8_081)),
            gateway_listen: SocketAddr::from(([127, 0, 0, 1], 8_082)),
            data_folder: PathBuf::from(".jangteo"),
            database_url: None,
            sqlite_commands_per_commit: SQLITE_COMMANDS_PER_COMMIT,
            currency: "USD".to_owned(),
            gateway: "calm".to_owned(),
            test_cards: true,
            order_expires_seconds: 15 * 60,
            lease_seconds: 10,
            gateway_first_look_seconds: 10,
            gateway_look_every_seconds: 15,
            gateway_proven_after_seconds: 30,
            ledger_check_seconds: 60,
            endpoint: None,
            notifications: LOG.to_owned(),
            notifications_locale: Locale::default().tag().to_owned(),
            empty: false,
            log: "info,sqlx=warn".to_owned(),
            log_format: LogFormat::Pretty,
        }
    }
}

impl Config {
    /// Reads the file and the environment.
    ///
    /// # Errors
    /// When a key is unknown or a value does not fit.
    pub fn load(file: &Path) -> anyhow::Result<Self> {
        let figment = Figment::from(Serialized::defaults(Self::default()))
            .merge(Toml::file(file))
            .merge(Env::prefixed("JANGTEO_").only(KEYS));
        let config: Self = figment
            .extract()
            .with_context(|| format!("configuration ({} and JANGTEO_*)", file.display()))?;
        Ok(config)
    }

    /// Refuses what cannot work or is not safe.
    ///
    /// # Errors
    /// A sentence for each.
    pub fn check(&self) -> anyhow::Result<()> {
        ensure!(
            Currency::new(&self.currency).is_some(),
            "currency must be three capital letters, got {:?}",
            self.currency
        );
        ensure!(
            self.listen.ip().is_loopback(),
            "callers say themselves who they are (dev auth), so the shop may only listen on a loopback address, not on {}",
            self.listen
        );
        let least = [
            ("order_expires_seconds", self.order_expires_seconds, 1),
            ("lease_seconds", self.lease_seconds, 2),
            ("gateway_first_look_seconds", self.gateway_first_look_seconds, 1),
            ("gateway_look_every_seconds", self.gateway_look_every_seconds, 1),
            ("gateway_proven_after_seconds", self.gateway_proven_after_seconds, 1),
        ];
        for (name, seconds, least) in least {
            ensure!(seconds >= least, "{name} must be {least} or more");
        }
        ensure!(
            self.sqlite_commands_per_commit >= 1,
            "sqlite_commands_per_commit must be 1 or more"
        );
        self.notifications().map(drop)
    }

    /// How messages reach users.
    ///
    /// # Errors
    /// A sentence on what does not fit.
    pub fn notifications(&self) -> anyhow::Result<notification::Settings> {
        let channel_url = Some(self.notifications.clone()).filter(|url| url != LOG);
        ensure!(
            channel_url.as_ref().is_none_or(|url| url.starts_with("http://")),
            "notifications must be log or http://…, got {:?}",
            self.notifications
        );
        let locale = Locale::from_accept_language(&self.notifications_locale);
        ensure!(
            locale.tag() == self.notifications_locale,
            "notifications_locale must be ko-KR or en-US, got {:?}",
            self.notifications_locale
        );
        Ok(notification::Settings::new(channel_url, locale))
    }

    /// Where an owner's tables are.
    #[must_use]
    pub fn location(&self, owner: &str) -> Location {
        match &self.database_url {
            Some(url) => Location::Postgres(url.clone()),
            None => Location::Sqlite {
                path: self.data_folder.join(format!("{owner}.db")),
                commands_per_commit: self.sqlite_commands_per_commit,
            },
        }
    }
}

/// Variables that are ours but not of the configuration (`JANGTEO_DATA`, `JANGTEO_TEST_…`) are left alone.
const KEYS: &[&str] = &[
    "listen",
    "callbacks_listen",
    "gateway_listen",
    "data_folder",
    "database_url",
    "sqlite_commands_per_commit",
    "currency",
    "gateway",
    "test_cards",
    "order_expires_seconds",
    "lease_seconds",
    "gateway_first_look_seconds",
    "gateway_look_every_seconds",
    "gateway_proven_after_seconds",
    "ledger_check_seconds",
    "endpoint",
    "notifications",
    "notifications_locale",
    "empty",
    "log",
    "log_format",
];
