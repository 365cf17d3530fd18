//! The two engines: SQLite files in a temporary folder, and a private PostgreSQL for this test process.

use std::sync::OnceLock;

use kit::database::{Location, SQLITE_COMMANDS_PER_COMMIT};
use sea_orm::ConnectionTrait;
use tempfile::TempDir;

use crate::postgres::Postgres;

/// Where a test keeps its tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    pub const BOTH: [Self; 2] = [Self::Sqlite, Self::Postgres];

    /// A place that nobody else uses: a file in `folder`, or a new database.
    pub async fn location(self, folder: &TempDir, owner: &str) -> Location {
        match self {
            Self::Sqlite => Location::Sqlite {
                path: folder.path().join(format!("{owner}.db")),
                commands_per_commit: SQLITE_COMMANDS_PER_COMMIT,
            },
            Self::Postgres => Location::Postgres(new_database().await),
        }
    }
}

/// The URL of a new, empty database on the private PostgreSQL.
pub async fn new_database() -> String {
    new_database_on(server()).await
}

/// The URL of a new, empty database on the server behind this URL.
pub async fn new_database_on(server: &str) -> String {
    let name = format!("t{}", uuid::Uuid::now_v7().simple());
    let maintenance = sea_orm::Database::connect(format!("{server}/postgres")).await.unwrap();
    maintenance
        .execute_unprepared(&format!("CREATE DATABASE {name}"))
        .await
        .unwrap();
    maintenance.close().await.unwrap();
    format!("{server}/{name}")
}

/// A free port, below those that the system hands out: no listener that takes any port comes between.
pub fn quiet_port() -> u16 {
    let free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    std::iter::repeat_with(|| rand::random_range(15_000..30_000))
        .find(free)
        .unwrap()
}

fn server() -> &'static str {
    static SERVER: OnceLock<String> = OnceLock::new();
    SERVER.get_or_init(|| {
        let server = Postgres::start();
        let url = server.url();
        // it ends with this process, and not before
        std::mem::forget(server);
        url
    })
}
