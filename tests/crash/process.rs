//! The shop as a process of its own, started on the same data again after it was killed.

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
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
}

impl Place {
    pub async fn new(engine: Engine) -> Self {
        let database = match engine {
            Engine::Sqlite => None,
            Engine::Postgres => Some(new_database().await),
        };
        Self {
            folder: tempfile::tempdir().unwrap(),
            database,
        }
    }

    /// The file in which a process notes the points that it passes.
    pub fn points(&self) -> PathBuf {
        self.folder.path().join("points")
    }

    /// Starts a process; `at` is the point at which it ends itself.
    pub async fn start(&self, at: Option<&str>) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_shop-of-its-own"));
        command
            .args(["all", "--empty", "--data-folder"])
            .arg(self.folder.path().join("data"))
            .env("JANGTEO_LISTEN", "127.0.0.1:0")
            .env("JANGTEO_CALLBACKS_LISTEN", "127.0.0.1:0")
            .env("JANGTEO_GATEWAY_LISTEN", "127.0.0.1:0")
            .env("JANGTEO_LOG", "error")
            .env(kit::crash_point::LOG, self.points())
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        if let Some(url) = &self.database {
            command.args(["--database-url", url]);
        }
        if let Some(at) = at {
            command.env(kit::crash_point::AT, at);
        }
        let mut child = command.spawn().unwrap();
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

    /// kill −9.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}
