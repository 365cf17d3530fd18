//! What SQLite plans for every page but those of products: one range of one index, already in order.

use std::sync::Mutex;

use async_trait::async_trait;
use kit::clock::Clock;
use kit::database::{Database, Location};
use kit::signing::Signer;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement};

use crate::journal::{self, Search};
use crate::projections::coupons::Which;
use crate::projections::orders::Filter;
use crate::projections::{brands, campaigns, coupons, orders, point_entries, product_popularity};

/// A connection that keeps the plan of every query and gives no rows.
struct Explained {
    database: Database,
    plans: Mutex<Vec<String>>,
}

#[async_trait]
impl ConnectionTrait for Explained {
    fn get_database_backend(&self) -> DbBackend {
        self.database.reader().get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.database.reader().execute_raw(statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.database.reader().execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.query_all_raw(statement).await.map(|_| None)
    }

    async fn query_all_raw(&self, mut statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        statement.sql.insert_str(0, "EXPLAIN QUERY PLAN ");
        let mut steps = Vec::new();
        for row in self.database.reader().query_all_raw(statement).await? {
            steps.push(row.try_get::<String>("", "detail")?);
        }
        self.plans.lock().unwrap().push(steps.join("; "));
        Ok(Vec::new())
    }
}

impl Explained {
    async fn open(folder: &tempfile::TempDir) -> Self {
        let location = Location::Sqlite {
            path: folder.path().join("read_model.db"),
            commands_per_commit: 1,
        };
        let signer = Signer::new(vec![7; 32], None);
        let database = Database::open("read_model", &location, crate::MIGRATIONS, Clock::default(), signer);
        Self {
            database: database.await.unwrap(),
            plans: Mutex::default(),
        }
    }

    /// Of the queries since the last look, the plans that are not a range of one index in its order.
    fn unordered(&self) -> Vec<String> {
        let plans = std::mem::take(&mut *self.plans.lock().unwrap());
        assert!(!plans.is_empty());
        let ordered =
            |plan: &String| plan.starts_with("SEARCH ") && !plan.contains("SCAN ") && !plan.contains("TEMP B-TREE");
        plans.into_iter().filter(|plan| !ordered(plan)).collect()
    }
}

/// The first page, and one behind a (key, id).
const BEHIND: [Option<(i64, &str)>; 2] = [None, Some((7, "7"))];

#[tokio::test]
async fn a_users_pages_are_ranges_of_one_index_in_its_order() {
    let folder = tempfile::tempdir().unwrap();
    let explained = Explained::open(&folder).await;
    for behind in BEHIND {
        product_popularity::liked_by(&explained, 1, "mina", behind, 21)
            .await
            .unwrap();
        point_entries::list(&explained, 1, "mina", behind.map(|(version, _)| version), 21)
            .await
            .unwrap();
        for which in [Which::All, Which::Issued, Which::Redeemed, Which::Expired] {
            coupons::list(&explained, 1, "mina", (which, 7), behind, 21)
                .await
                .unwrap();
        }
        for states in [&[][..], &[1], &[1, 2]] {
            let filter = Filter {
                user_id: "mina",
                states,
                placed_after: 1,
                placed_before: 9,
                behind,
                limit: 21,
            };
            orders::list(&explained, 1, filter).await.unwrap();
        }
    }
    assert_eq!(explained.unordered(), [""; 0]);
}

#[tokio::test]
async fn pages_of_brands_and_campaigns_are_ranges_of_one_index_in_its_order() {
    let folder = tempfile::tempdir().unwrap();
    let explained = Explained::open(&folder).await;
    for behind in BEHIND {
        brands::list(&explained, 1, behind.map(|(_, id)| (id, id)), 21)
            .await
            .unwrap();
        for of in [None, Some(("product", "brand"))] {
            for open_only in [false, true] {
                campaigns::list(&explained, 1, of, open_only, behind, 21).await.unwrap();
            }
        }
    }
    assert_eq!(explained.unordered(), [""; 0]);
}

#[tokio::test]
async fn pages_of_the_journal_are_ranges_of_one_index_in_its_order() {
    let folder = tempfile::tempdir().unwrap();
    let explained = Explained::open(&folder).await;
    for (correlation_id, subject, actor) in [
        ("", "", ""),
        ("c", "", ""),
        ("", "s", ""),
        ("", "", "a"),
        ("c", "s", "a"),
    ] {
        for time in [None, Some(7)] {
            let search = Search {
                correlation_id,
                subject,
                actor,
                occurred_after: time,
                occurred_before: time,
                behind: 7,
                limit: 21,
            };
            journal::search(&explained, &search).await.unwrap();
        }
    }
    assert_eq!(explained.unordered(), [""; 0]);
}
