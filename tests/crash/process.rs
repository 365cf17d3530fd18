//! The shop as a process of its own, started on the same data again after it was killed.

use std::path::PathBuf;
use std::process::{ExitStatus, Output, Stdio};
use std::time::Duration;

use support::Engine;
use support::engine::new_database;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// Longer than any start takes.
const START: Duration = Duration::from_secs(60);

/// Where a shop keeps its data, from one process to the next.
pub struct Place {
    folder: TempDir,
    database: Option<String>,
    order_expires: Option<Duration>,
}

impl Place {
    pub async fn new(engine: Engine) -> Self {
        let database = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => Some(new_database().await),
        };
        Self::of(database)
    }

    /// In the database behind this URL.
    pub fn at(url: &str) -> Self {
        Self::of(Some(url.to_owned()))
    }

    fn of(database: Option<String>) -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            database,
            order_expires: None,
        }
    }

    /// The same place, where an unpaid order expires after so many whole seconds.
    pub fn where_orders_expire(self, after: Duration) -> Self {
        Self {
            order_expires: Some(after),
            ..self
        }
    }

    /// The file in which a process notes the points that it passes.
    pub fn points(&self) -> PathBuf {
        self.folder.path().join("points")
    }

    /// Starts a process; `at` is the point at which it ends itself.
    pub async fn start(&self, at: Option<&str>) -> Process {
        let mut child = self.command(at).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = async {
            let mut address = None;
            while let Some(line) = lines.next_line().await.unwrap() {
                match line.split_whitespace().collect::<Vec<_>>().as_slice() {
                    ["gRPC", listening] => address = Some(format!("http://{listening}")),
                    ["ready", ..] => break,
                    _ => {}
                }
            }
            address
        };
        let address = tokio::time::timeout(START, address)
            .await
            .expect("the shop does not start");
        Process { child, address }
    }

    /// Starts a process that does not get far; how it ended, and what it said.
    pub async fn start_in_vain(&self) -> Output {
        let output = self.command(None).output();
        tokio::time::timeout(START, output)
            .await
            .expect("the shop does not give up")
            .unwrap()
    }

    fn command(&self, at: Option<&str>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shop-of-its-own"));
        command
            .args(["all", "--empty", "--data-folder"])
            .arg(self.folder.path().join("data"))
            .env("JANGTEO_LISTEN", "127.0.0.1:0")
            .env("JANGTEO_CALLBACKS_LISTEN", "127.0.0.1:0")
            .env("JANGTEO_GATEWAY_LISTEN", "127.0.0.1:0")
            .env("JANGTEO_LOG", "error")
            // what a killed process held is free again soon, and what the gateway never got is known soon
            .env("JANGTEO_LEASE_SECONDS", "3")
            .env("JANGTEO_GATEWAY_FIRST_LOOK_SECONDS", "2")
            .env("JANGTEO_GATEWAY_LOOK_EVERY_SECONDS", "2")
            .env("JANGTEO_GATEWAY_PROVEN_AFTER_SECONDS", "6")
            .env(kit::crash_point::LOG, self.points())
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        if let Some(url) = &self.database {
            command.args(["--database-url", url]);
        }
        if let Some(after) = self.order_expires {
            command.env("JANGTEO_ORDER_EXPIRES_SECONDS", after.as_secs().to_string());
        }
        if let Some(at) = at {
            command.env(kit::crash_point::AT, at);
        }
        command
    }
}

/// A running shop, killed when it is dropped.
pub struct Process {
    child: Child,
    /// Where it serves; `None`: it ended before it did.
    pub address: Option<String>,
}

impl Process {
    pub async fn ended(&mut self) -> ExitStatus {
        self.child.wait().await.unwrap()
    }

    /// Whether it still runs.
    pub fn lives(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// kill −9.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}
