//! One owner's database, on SQLite or PostgreSQL: readers, and write transactions that carry their events with them.

mod migration;
mod reader;
mod sql;
mod sqlite_writer;
mod trouble;
mod write_transaction;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use sea_orm::sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use sea_orm::{ConnectOptions, DatabaseConnection, TransactionOptions, TransactionTrait};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::context::Context;
use crate::crash_point;
use crate::refusal::Failure;
use crate::signing::Signer;

pub use migration::Migration;
pub use reader::Reader;
pub use sql::{Sql, VALUES_MAX, placeholders, tuples};
use sqlite_writer::SqliteWriter;
pub(crate) use trouble::{Trouble, is_undone, trouble};
pub use write_transaction::WriteTransaction;

/// Commands that share one COMMIT of a SQLite file, unless set otherwise.
pub const SQLITE_COMMANDS_PER_COMMIT: usize = 64;
/// Readers a SQLite file has at once.
const SQLITE_READERS_MAX: u32 = 4;
/// Connections one owner holds to PostgreSQL, readers and writers together.
const POSTGRES_CONNECTIONS_MAX: u32 = 16;
/// How long a command waits for a connection before it is told that the database is unavailable.
const ACQUIRE_SECONDS_MAX: u64 = 5;

/// How long work belongs to the process that took it, unless set otherwise.
pub const LEASE: Duration = Duration::from_secs(10);

/// What a PostgreSQL session bounds, unless the URL says otherwise: `…?options[lock_timeout]=2s`.
const POSTGRES_DEFAULTS: [(&str, &str); 3] = [
    ("statement_timeout", "30s"),
    ("lock_timeout", "10s"),
    ("idle_in_transaction_session_timeout", "60s"),
];

/// Where an owner keeps its tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A file of its own.
    Sqlite {
        /// The file, made if it is not there.
        path: PathBuf,
        /// The most commands that share one COMMIT, 1 or more.
        commands_per_commit: usize,
    },
    /// A schema of its own, named after the owner, in the database behind this URL.
    Postgres(String),
}

/// A handle to the tables of one owner; clones share it.
#[derive(Clone, Debug)]
pub struct Database {
    owner: &'static str,
    reader: Reader,
    writer: Writer,
    clock: Clock,
    signer: Signer,
    lease: Duration,
    commits: Arc<watch::Sender<u64>>,
}

#[derive(Clone, Debug)]
enum Writer {
    Sqlite(Arc<SqliteWriter>),
    Postgres(DatabaseConnection),
}

impl Database {
    /// Opens the tables of `owner` and brings them up to date with kit's and the owner's migrations.
    ///
    /// # Errors
    /// When the database cannot be reached or a migration fails.
    pub async fn open(
        owner: &'static str,
        location: &Location,
        migrations: &[Migration],
        clock: Clock,
        signer: Signer,
    ) -> anyhow::Result<Self> {
        let (writer, reader) = match location {
            Location::Sqlite {
                path,
                commands_per_commit,
            } => open_sqlite(path, *commands_per_commit).await?,
            Location::Postgres(url) => open_postgres(owner, url).await?,
        };
        let database = Self {
            owner,
            reader: Reader::new(reader),
            writer,
            clock,
            signer,
            lease: LEASE,
            commits: Arc::new(watch::Sender::new(0)),
        };
        let migrated = migration::migrate(&database, migrations);
        crash_point::during(|| format!("migrate {owner}"), migrated)
            .await
            .with_context(|| format!("migrate {owner}"))?;
        Ok(database)
    }

    /// The same tables, where work belongs for so long to the process that took it; the same in every process.
    #[must_use]
    pub fn with_lease(self, lease: Duration) -> Self {
        Self { lease, ..self }
    }

    /// How long work belongs to the process that took it: so long it lies after that process has died.
    #[must_use]
    pub fn lease(&self) -> Duration {
        self.lease
    }

    /// The owner of these tables, also the `source` of their events.
    #[must_use]
    pub fn owner(&self) -> &'static str {
        self.owner
    }

    /// For reading what is committed; never for deciding what to write.
    #[must_use]
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// The clock of this process.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Signs revisions and page tokens.
    #[must_use]
    pub fn signer(&self) -> &Signer {
        &self.signer
    }

    /// Whether this is PostgreSQL.
    #[must_use]
    pub fn is_postgres(&self) -> bool {
        matches!(self.writer, Writer::Postgres(_))
    }

    /// Changes after every commit that told of something.
    #[must_use]
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.commits.subscribe()
    }

    /// An SQL expression for the database's own time in microseconds since 1970.
    #[must_use]
    pub fn now_sql(&self) -> &'static str {
        if self.is_postgres() {
            "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
        } else {
            "CAST(unixepoch('subsec') * 1000000 AS INTEGER)"
        }
    }

    /// An SQL expression for the end of a lease that is taken now.
    #[must_use]
    pub fn lease_end_sql(&self, lease: Duration) -> String {
        format!("{} + {}", self.now_sql(), lease.as_micros())
    }

    /// Begins the transaction of a command, and claims its `request_id` if it has one.
    ///
    /// # Errors
    /// `Failure::Answered` when the same command was answered before; `REQUEST_ID_REUSED` and `REQUEST_IN_PROGRESS`
    /// as their names say; a database failure.
    pub async fn begin_write(&self, context: &Context) -> Result<WriteTransaction, Failure> {
        let transaction = self.begin_bare(context).await?;
        match crate::idempotency::claim(&transaction, context).await {
            Ok(()) => Ok(transaction),
            // the first may be of the same group: its answer is given again only once it is durable
            Err(failure @ Failure::Answered(_)) => {
                transaction.commit_quietly().await?;
                Err(failure)
            }
            Err(failure) => {
                transaction.rollback().await?;
                Err(failure)
            }
        }
    }

    /// Begins a write transaction that belongs to no request.
    ///
    /// # Errors
    /// A database failure.
    pub async fn begin_bare(&self, context: &Context) -> Result<WriteTransaction, Failure> {
        match &self.writer {
            Writer::Sqlite(writer) => Ok(WriteTransaction::in_group(self, context, writer.lend().await?)),
            Writer::Postgres(connection) => {
                // it changes nothing yet, so that a dead connection is no reason to give up
                let begin = || connection.begin_with_options(TransactionOptions::default());
                let transaction = trouble::on_a_live_connection(begin).await?;
                Ok(WriteTransaction::alone(self, context, transaction))
            }
        }
    }

    /// Ends all connections.
    pub async fn close(&self) {
        let writer = match &self.writer {
            Writer::Sqlite(writer) => writer.connection().clone(),
            Writer::Postgres(connection) => connection.clone(),
        };
        for connection in [self.reader.pool().clone(), writer] {
            if let Err(error) = connection.close().await {
                tracing::debug!(%error, owner = self.owner, "close");
            }
        }
    }
}

async fn open_sqlite(
    path: &std::path::Path,
    commands_per_commit: usize,
) -> anyhow::Result<(Writer, DatabaseConnection)> {
    let url = format!("sqlite://{}?mode=rwc", path.display());
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(1)
        .min_connections(1)
        .sqlx_logging(false)
        .test_before_acquire(false);
    options.idle_timeout(None).max_lifetime(None);
    options.map_sqlx_sqlite_opts(|options| {
        options
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(ACQUIRE_SECONDS_MAX))
            .foreign_keys(false)
            .pragma("wal_autocheckpoint", "4000")
    });
    let writer = sea_orm::Database::connect(options.clone())
        .await
        .with_context(|| format!("open {}", path.display()))?;
    options
        .max_connections(SQLITE_READERS_MAX)
        .acquire_timeout(Duration::from_secs(ACQUIRE_SECONDS_MAX));
    options.map_sqlx_sqlite_opts(|options| {
        options
            .read_only(true)
            .busy_timeout(Duration::from_secs(ACQUIRE_SECONDS_MAX))
    });
    let reader = sea_orm::Database::connect(options).await?;
    let writer = SqliteWriter::new(writer, commands_per_commit);
    Ok((Writer::Sqlite(Arc::new(writer)), reader))
}

async fn open_postgres(owner: &str, url: &str) -> anyhow::Result<(Writer, DatabaseConnection)> {
    let mut options = ConnectOptions::new(url.to_owned());
    options
        .sqlx_logging(false)
        .test_before_acquire(false)
        .acquire_timeout(Duration::from_secs(ACQUIRE_SECONDS_MAX));
    options.max_connections(1);
    let bare = sea_orm::Database::connect(options.clone())
        .await
        .with_context(|| format!("PostgreSQL does not answer at {}", place(url)))?;
    sea_orm::ConnectionTrait::execute_unprepared(&bare, &format!("CREATE SCHEMA IF NOT EXISTS \"{owner}\"")).await?;
    bare.close().await?;

    options
        .max_connections(POSTGRES_CONNECTIONS_MAX)
        .set_application_name(format!("jangteo-{owner}"));
    let search_path = format!("\"{owner}\"");
    options.map_sqlx_postgres_opts(move |options| {
        let given = options.get_options().unwrap_or_default().to_owned();
        let defaults = POSTGRES_DEFAULTS.iter().filter(|(name, _)| !given.contains(name));
        options
            .options([("search_path", search_path.as_str())])
            .options(defaults.copied())
    });
    let connection = sea_orm::Database::connect(options).await?;
    Ok((Writer::Postgres(connection.clone()), connection))
}

/// Host and port of a URL, without its secrets.
fn place(url: &str) -> &str {
    let behind_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = behind_scheme.split(['/', '?']).next().unwrap_or_default();
    authority.rsplit_once('@').map_or(authority, |(_, place)| place)
}
