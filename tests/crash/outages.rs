//! PostgreSQL fails under a shop that lives: nothing is lost, nothing is done twice, and the shop goes on by itself.

use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement, TransactionTrait};
use support::engine::{new_database_on, quiet_port};
use support::postgres::Postgres;
use support::wait::until;
use tokio::sync::watch;

use crate::crowd::Crowd;
use crate::process::Place;
use crate::proxy::Proxy;
use crate::{at_rest, setting};

/// Between an outage that is over and the next.
const CALM_MS: std::ops::Range<u64> = 100..600;
/// How long a server is down: also longer than a command waits for a connection.
const DOWN_MS: std::ops::Range<u64> = 0..6_500;
/// Commits that are lost in one outage.
const COMMITS_LOST: usize = 6;
/// Of so many transactions that write to the tables below, one is refused when it commits.
const COMMITS_PER_REFUSAL: u32 = 7;
/// Tables that everybody wants, of every owner that an order has to do with.
const HOT_TABLES: [&str; 8] = [
    "catalog.stock_levels",
    "catalog.outbox",
    "\"order\".checkouts",
    "\"order\".requests",
    "payment.payments",
    "payment.point_accounts",
    "read_model.journal_head",
    "read_model.projection_positions",
];
const OUTBOXES: [&str; 3] = ["catalog.outbox", "\"order\".outbox", "payment.outbox"];

/// A way to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outage {
    Killed,
    Restarted,
    SessionsEnded,
    LockTimeout,
    StatementTimeout,
    Deadlock,
    SerializationFailure,
    CommitLost,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_costs_time_and_nothing_else() {
    survive(Outage::Killed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_server_costs_time_and_nothing_else() {
    survive(Outage::Restarted).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ended_sessions_are_begun_anew() {
    survive(Outage::SessionsEnded).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waited_too_long_for_a_lock_is_done_later() {
    survive(Outage::LockTimeout).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_took_too_long_is_done_later() {
    survive(Outage::StatementTimeout).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_victim_of_a_deadlock_is_run_again() {
    survive(Outage::Deadlock).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_serialized_is_run_again() {
    survive(Outage::SerializationFailure).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_is_lost_is_done_once_or_not_at_all() {
    survive(Outage::CommitLost).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_database_a_shop_does_not_start_and_says_why() {
    let port = quiet_port();
    let place = Place::at(&format!("postgres://jangteo:secret@127.0.0.1:{port}/shop"));
    let ended = place.start_in_vain().await;
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(
        said.contains(&format!("PostgreSQL does not answer at 127.0.0.1:{port}")),
        "{said}"
    );
    assert!(!said.contains("secret"), "{said}");
}

async fn survive(outage: Outage) {
    let mut site = Site::open(outage).await;
    let place = Place::at(&site.url);
    let mut shop = place.start(None).await;
    let (_sender, addresses) = watch::channel(shop.address.clone());
    let crowd = Crowd::gather(&addresses).await;
    crowd.goes_on().await;
    site.prepare().await;

    let (begun, times) = (Instant::now(), setting("JANGTEO_OUTAGES", 2));
    let mut slowest = Duration::ZERO;
    for _ in 0..times {
        tokio::time::sleep(Duration::from_millis(rand::random_range(CALM_MS))).await;
        let before = site.happened();
        // a lock, say, may meet nobody who wants it
        while site.happened() == before {
            site.fail().await;
            slowest = slowest.max(crowd.goes_on().await);
        }
    }
    let since = Instant::now();
    let placed = crowd.leave().await;
    let took = at_rest(shop.address.as_deref().unwrap(), since).await;
    assert!(shop.lives(), "nobody restarted it");
    shop.kill().await;
    println!(
        "{outage:?}: {times} times, {} failures in {:.0?}, {placed} orders placed, 0 violations; sold again after at most \
         {slowest:.1?}, at rest {took:.1?} after the last",
        site.happened(),
        since - begun,
    );
}

/// A server that fails in one way.
struct Site {
    outage: Outage,
    /// As the shop reaches it.
    url: String,
    server: Postgres,
    proxy: Option<Proxy>,
    /// As the test reaches it; made again after the server ended.
    own_url: String,
    ended: usize,
}

impl Site {
    async fn open(outage: Outage) -> Self {
        let server = tokio::task::spawn_blocking(Postgres::start).await.unwrap();
        let own_url = new_database_on(&server.url()).await;
        let database = own_url.rsplit('/').next().unwrap();
        let mut proxy = None;
        let url = match outage {
            Outage::LockTimeout => format!("{own_url}?options[lock_timeout]=100ms"),
            Outage::StatementTimeout => format!("{own_url}?options[statement_timeout]=1s"),
            Outage::Deadlock => format!("{own_url}?options[deadlock_timeout]=300ms"),
            Outage::SerializationFailure => {
                format!("{own_url}?options[default_transaction_isolation]=repeatable%20read")
            }
            Outage::CommitLost => {
                let way = Proxy::to(server.port()).await;
                let url = format!("postgres://postgres@127.0.0.1:{}/{database}?sslmode=disable", way.port);
                proxy = Some(way);
                url
            }
            Outage::Killed | Outage::Restarted | Outage::SessionsEnded => own_url.clone(),
        };
        Self {
            outage,
            url,
            server,
            proxy,
            own_url,
            ended: 0,
        }
    }

    /// What the outage needs in the shop's tables.
    async fn prepare(&self) {
        if self.outage != Outage::SerializationFailure {
            return;
        }
        // rows also fail to be serialized by themselves; these transactions do so at the commit
        let session = self.session().await;
        let refuse = format!(
            "CREATE SEQUENCE public.commits;
            CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                -- once a transaction, however many rows it has
                IF current_setting('refuse.asked', true) IS DISTINCT FROM pg_current_xact_id()::text THEN
                    PERFORM set_config('refuse.asked', pg_current_xact_id()::text, true);
                    IF nextval('public.commits') % {COMMITS_PER_REFUSAL} = 0 THEN
                        RAISE EXCEPTION 'could not serialize access, at the commit' USING ERRCODE = '40001';
                    END IF;
                END IF;
                RETURN NULL;
            END $$;"
        );
        session.execute_unprepared(&refuse).await.unwrap();
        for table in OUTBOXES.iter().chain(&["read_model.projection_positions"]) {
            let trigger = format!(
                "CREATE CONSTRAINT TRIGGER refuse AFTER INSERT OR UPDATE ON {table} DEFERRABLE INITIALLY DEFERRED
                FOR EACH ROW EXECUTE FUNCTION public.refuse()"
            );
            session.execute_unprepared(&trigger).await.unwrap();
        }
        session.close().await.unwrap();
    }

    /// Fails once, and is well again when this returns.
    async fn fail(&mut self) {
        match self.outage {
            Outage::Killed => self.end(Postgres::kill).await,
            Outage::Restarted => self.end(Postgres::stop).await,
            Outage::SessionsEnded => {
                let session = self.session().await;
                let end =
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'jangteo-%'";
                session.execute_unprepared(end).await.unwrap();
                session.close().await.unwrap();
            }
            Outage::LockTimeout => self.hold_a_table(Duration::from_millis(400)).await,
            Outage::StatementTimeout => self.hold_a_table(Duration::from_millis(2_500)).await,
            Outage::Deadlock => self.cross().await,
            // it fails all the time
            Outage::SerializationFailure => {}
            Outage::CommitLost => {
                let proxy = self.proxy.as_ref().unwrap();
                proxy.lose_answers(COMMITS_LOST);
                proxy.lose_questions(COMMITS_LOST);
            }
        }
    }

    /// How often it has failed so far, by its own account.
    fn happened(&self) -> usize {
        let said = |what| self.server.said(what);
        match self.outage {
            Outage::Killed | Outage::Restarted => self.ended,
            Outage::SessionsEnded => said("terminating connection due to administrator command"),
            Outage::LockTimeout => said("canceling statement due to lock timeout"),
            Outage::StatementTimeout => said("canceling statement due to statement timeout"),
            Outage::Deadlock => said("deadlock detected"),
            Outage::SerializationFailure => said("could not serialize access"),
            Outage::CommitLost => self.proxy.as_ref().unwrap().lost(),
        }
    }

    async fn end(&mut self, end: fn(&mut Postgres)) {
        tokio::task::block_in_place(|| end(&mut self.server));
        tokio::time::sleep(Duration::from_millis(rand::random_range(DOWN_MS))).await;
        tokio::task::block_in_place(|| self.server.start_again());
        self.ended += 1;
    }

    /// Takes a table away for a while, from readers as well.
    #[expect(
        clippy::disallowed_methods,
        reason = "this transaction stands in the way and does nothing else"
    )]
    async fn hold_a_table(&self, time: Duration) {
        let session = self.session().await;
        let transaction = session.begin().await.unwrap();
        let table = HOT_TABLES[rand::random_range(0..HOT_TABLES.len())];
        let lock = format!("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE");
        transaction.execute_unprepared(&lock).await.unwrap();
        tokio::time::sleep(time).await;
        transaction.rollback().await.unwrap();
        session.close().await.unwrap();
    }

    /// Locks products against the order in which orders lock them. The shop notices, the test would not for an hour.
    #[expect(
        clippy::disallowed_methods,
        reason = "this transaction stands in the way and does nothing else"
    )]
    async fn cross(&self) {
        let session = self.session().await;
        session.execute_unprepared("SET deadlock_timeout = '1h'").await.unwrap();
        let transaction = session.begin().await.unwrap();
        let last = "SELECT FROM catalog.stock_levels WHERE product_id = (SELECT max(product_id) FROM catalog.stock_levels) FOR UPDATE";
        transaction.execute_unprepared(last).await.unwrap();
        // an order that has locked other products by now, and wants this one
        let waiting =
            "SELECT 1 AS one FROM pg_locks WHERE NOT granted AND locktype IN ('transactionid', 'tuple') LIMIT 1";
        let waiting = || Statement::from_string(DbBackend::Postgres, waiting);
        let waits = async || transaction.query_one_raw(waiting()).await.unwrap().is_some();
        until("an order waits for the product", waits).await;
        let all = "SELECT FROM catalog.stock_levels ORDER BY product_id FOR UPDATE";
        transaction.execute_unprepared(all).await.unwrap();
        transaction.rollback().await.unwrap();
        session.close().await.unwrap();
    }

    async fn session(&self) -> DatabaseConnection {
        let mut options = sea_orm::ConnectOptions::new(self.own_url.clone());
        options.max_connections(1);
        sea_orm::Database::connect(options).await.unwrap()
    }
}
