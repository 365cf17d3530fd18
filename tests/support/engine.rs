//! The two engines: SQLite files in a temporary folder, and a private PostgreSQL for this test process.

use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use kit::database::{Location, SQLITE_COMMANDS_PER_COMMIT};
use sea_orm::ConnectionTrait;
use tempfile::TempDir;

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
    let server = server();
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
    SERVER.get_or_init(start)
}

#[expect(clippy::zombie_processes, reason = "it ends with this process, and not before")]
/// Starts PostgreSQL under a shell that waits for our end of a pipe to close, however this process ends.
fn start() -> String {
    let binaries = binaries();
    let port = quiet_port();
    let script = format!(
        r#"set -eu
        folder=$(mktemp -d)
        trap 'kill -INT $server 2>/dev/null || true; wait $server 2>/dev/null || true; rm -rf "$folder"' EXIT
        {binaries}/initdb -D "$folder/data" -A trust -U postgres -E UTF8 --locale=C >"$folder/initdb.log" 2>&1
        {binaries}/postgres -D "$folder/data" -p {port} -k "$folder" -c listen_addresses=127.0.0.1 -c max_connections=800 \
            -c fsync=off -c shared_buffers=256MB >"$folder/log" 2>&1 </dev/null &
        server=$!
        read -r _ || true"#
    );
    let root = Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|output| output.stdout.starts_with(b"0\n"));
    let mut command = if root {
        Command::new("runuser")
    } else {
        Command::new("bash")
    };
    if root {
        command.args(["-u", "postgres", "--", "bash"]);
    }
    let mut child = command
        .args(["-c", &script])
        .current_dir("/tmp")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    // the pipe stays open as long as this process lives
    std::mem::forget(child.stdin.take());

    let patience = Instant::now() + Duration::from_secs(60);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(
            child.try_wait().unwrap().is_none(),
            "PostgreSQL ended at its start ({binaries})"
        );
        assert!(Instant::now() < patience, "PostgreSQL did not start within 60 s");
        std::thread::sleep(Duration::from_millis(50));
    }
    format!("postgres://postgres@127.0.0.1:{port}")
}

fn binaries() -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/postgres-bin");
    let output = Command::new(script).output().unwrap();
    assert!(
        output.status.success(),
        "no PostgreSQL 14 or newer: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
