//! Which plans the engines make for the pages of a shop of 100,000 products. Budgets F1 and F2.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod operators;

use std::time::Instant;

use kit::clock::Clock;
use kit::context::Context;
use kit::database::{Database, Sql};
use kit::signing::Signer;
use kit::{Value, values};
use proto::readmodel::v1::ProductSort;
use read_model::listing::{Question, page_sql};
use sea_orm::sqlx::Row;
use sea_orm::{ConnectionTrait, FromQueryResult, Statement};
use serde_json::Value as Json;
use support::Engine;
use support::wait::PATIENCE;
use tempfile::TempDir;

const PRODUCTS: u32 = 100_000;
/// Products that are not on sale keep their likes: every eleventh.
const WITH_UNLISTED: u32 = PRODUCTS * 11 / 10;
/// Rows written by one statement; a divisor of all.
const PART: usize = 10_000;
const SKIP_MAX: u32 = 10_000;
/// What a page of 20 asks for: one more tells of a next page.
const LIMIT: u32 = 21;
/// Shared buffers that a page may touch when all is vacuumed.
const BUFFERS_MAX: i64 = 8;
/// The same when one row in a hundred has changed since.
const BUFFERS_MAX_SINCE: i64 = 30;

/// A page, and the statement that reads it.
struct Page {
    sort: ProductSort,
    question: Question<'static>,
    behind: Option<(i64, String)>,
    sql: String,
    values: Vec<Value>,
}

impl Page {
    fn new(sort: ProductSort, question: Question<'static>, behind: Option<(i64, String)>) -> Self {
        let last = behind.as_ref().map(|(key, product_id)| (*key, product_id.as_str()));
        let (sql, values) = page_sql(sort, question, last);
        Self {
            sort,
            question,
            behind,
            sql,
            values,
        }
    }

    fn name(&self) -> String {
        format!("{:?} {:?} behind {:?}", self.sort, self.question, self.behind)
    }
}

#[derive(FromQueryResult)]
struct Count {
    count: i64,
}

#[derive(FromQueryResult)]
struct Step {
    detail: String,
}

#[derive(FromQueryResult)]
struct Visible {
    visible: bool,
}

#[tokio::test]
async fn every_page_on_sqlite_is_a_range_of_one_covering_index() {
    let (database, _folder) = stocked(Engine::Sqlite).await;
    for page in pages(&database).await {
        let plan: Vec<Step> = database
            .reader()
            .list(&format!("EXPLAIN QUERY PLAN {}", page.sql), page.values.clone())
            .await
            .unwrap();
        let plan: Vec<String> = plan.into_iter().map(|step| step.detail).collect();
        let [step] = plan.as_slice() else {
            panic!("{}: {plan:#?}", page.name());
        };
        // a second table and a temporary B-tree would be a second step
        let covered = step.starts_with("SEARCH ") && step.contains(" USING COVERING INDEX ");
        let of_brand = step.contains("brand_id=?") != page.question.brand_id.is_empty();
        let behind = step.contains(",product_id)") == page.behind.is_some();
        let in_stock = step.contains("_in_stock ") == page.question.in_stock_only;
        assert!(covered && of_brand && behind && in_stock, "{}: {step}", page.name());
    }
    database.close().await;
}

#[tokio::test]
async fn every_page_on_postgres_is_a_range_of_one_covering_index_in_few_buffers() {
    let (database, _folder) = stocked(Engine::Postgres).await;
    vacuum(&database).await;
    let pages = pages(&database).await;
    for page in &pages {
        let (scan, buffers) = index_only_scan(&database, page).await;
        let name = page.name();
        assert_eq!(scan["Heap Fetches"], 0, "{name}: {scan:#}");
        assert!(page.question.skip > 0 || buffers <= BUFFERS_MAX, "{name}: {buffers}");
    }
    change_one_in_a_hundred(&database).await;
    for page in &pages {
        let (_, buffers) = index_only_scan(&database, page).await;
        let name = page.name();
        assert!(
            page.question.skip > 0 || buffers <= BUFFERS_MAX_SINCE,
            "{name}: {buffers}"
        );
    }
    database.close().await;
}

/// The one scan under the limit of a page, which throws nothing away, and the shared buffers it touched.
async fn index_only_scan(database: &Database, page: &Page) -> (Json, i64) {
    let plan = explain(database, page).await;
    let name = page.name();
    assert_eq!(plan["Node Type"], "Limit", "{name}: {plan:#}");
    let [scan] = plan["Plans"].as_array().unwrap().as_slice() else {
        panic!("{name}: {plan:#}");
    };
    assert_eq!(scan["Node Type"], "Index Only Scan", "{name}: {plan:#}");
    assert!(scan["Plans"].is_null() && scan["Filter"].is_null(), "{name}: {plan:#}");
    let conditions = scan["Index Cond"].as_str().unwrap();
    let of_brand = conditions.contains("brand_id = ") != page.question.brand_id.is_empty();
    let behind = conditions.contains("product_id) ") == page.behind.is_some();
    let in_stock = scan["Index Name"].as_str().unwrap().ends_with("_in_stock") == page.question.in_stock_only;
    assert!(of_brand && behind && in_stock, "{name}: {plan:#}");
    let buffers = ["Shared Hit Blocks", "Shared Read Blocks"].map(|kind| plan[kind].as_i64().unwrap());
    (scan.clone(), buffers.iter().sum())
}

/// Every order of every filter: the first page, one in the middle, the last one, and one at a number.
async fn pages(database: &Database) -> Vec<Page> {
    let sorts = [
        ProductSort::Latest,
        ProductSort::PriceAsc,
        ProductSort::PriceDesc,
        ProductSort::LikesDesc,
    ];
    let mut pages = Vec::new();
    for sort in sorts {
        for (brand_id, in_stock_only) in [("", false), ("", true), ("b7", false), ("b7", true)] {
            let rows = |skip, limit| Question {
                generation: 1,
                brand_id,
                in_stock_only,
                skip,
                limit,
            };
            let count = count(database, sort, rows(0, PRODUCTS)).await;
            pages.push(Page::new(sort, rows(0, LIMIT), None));
            for before in [count / 2, count - 10] {
                let last = last_of(database, sort, rows(before - 1, 1)).await;
                pages.push(Page::new(sort, rows(0, LIMIT), Some(last)));
            }
            pages.push(Page::new(sort, rows(SKIP_MAX.min(count / 2), LIMIT), None));
        }
    }
    pages
}

async fn count(database: &Database, sort: ProductSort, question: Question<'_>) -> u32 {
    let (sql, values) = page_sql(sort, question, None);
    let sql = format!("SELECT COUNT(*) AS count FROM ({sql}) AS listed");
    let row: Option<Count> = database.reader().find(&sql, values).await.unwrap();
    row.unwrap().count.try_into().unwrap()
}

/// The (key, id) of the one row that a question is about.
async fn last_of(database: &Database, sort: ProductSort, question: Question<'_>) -> (i64, String) {
    let key = match sort {
        ProductSort::Latest | ProductSort::Unspecified => "created_at",
        ProductSort::PriceAsc | ProductSort::PriceDesc => "price",
        ProductSort::LikesDesc => "like_count",
    };
    let (sql, values) = page_sql(sort, question, None);
    let statement = Statement::from_sql_and_values(database.reader().get_database_backend(), sql, values);
    let row = database.reader().query_one_raw(statement).await.unwrap().unwrap();
    (row.try_get("", key).unwrap(), row.try_get("", "product_id").unwrap())
}

/// A read model of 100,000 products of 600 brands, most of them with few likes and a few with very many.
async fn stocked(engine: Engine) -> (Database, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let location = engine.location(&folder, "read_model").await;
    let (clock, signer) = (Clock::default(), Signer::new(vec![7; 32], None));
    let database = Database::open("read_model", &location, read_model::MIGRATIONS, clock.clone(), signer)
        .await
        .unwrap();
    let listed =
        "1, 'p' || CAST(1000000 + i AS TEXT), 'b' || CAST(i % 600 AS TEXT), 'A fine thing, number ' || CAST(i AS TEXT),
        'https://images.example/things/' || CAST(i AS TEXT) || '.jpg', CAST(i * 7919 % 5000 AS BIGINT), i % 7 <> 0,
        CAST(i AS BIGINT) * 61000000";
    let tables = [
        ("product_listing", "", "", "WHERE i % 11 <> 0"),
        (
            "product_popularity",
            ", like_count, listed, version",
            ", CAST(40000 / (i * 7919 % 110017 + 1) AS BIGINT), i % 11 <> 0, 1",
            "",
        ),
    ];
    let transaction = database.begin_bare(&Context::background("test", &clock)).await.unwrap();
    for (table, columns, more, condition) in tables {
        // in parts, so that none is near the time a statement may take
        for first in (1..=WITH_UNLISTED).step_by(PART) {
            let last = first as usize + PART - 1;
            let sql = format!(
                "INSERT INTO {table} (generation, product_id, brand_id, name, image_url, price, in_stock, created_at{columns})
                WITH RECURSIVE numbers (i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM numbers WHERE i < {last})
                SELECT {listed}{more} FROM numbers {condition}"
            );
            transaction.run(&sql, values![]).await.unwrap();
        }
    }
    transaction.commit_quietly().await.unwrap();
    (database, folder)
}

/// Vacuums until every page of the tables is known to be visible to all: a snapshot older than the rows may still be open.
async fn vacuum(database: &Database) {
    let patience = Instant::now() + PATIENCE;
    loop {
        database
            .reader()
            .execute_unprepared("VACUUM ANALYZE product_listing, product_popularity")
            .await
            .unwrap();
        let sql = "SELECT bool_and(relallvisible = relpages) AS visible FROM pg_class
            WHERE oid IN ('product_listing'::regclass, 'product_popularity'::regclass)";
        let row: Option<Visible> = database.reader().find(sql, values![]).await.unwrap();
        if row.is_some_and(|row| row.visible) {
            return;
        }
        assert!(Instant::now() < patience, "not vacuumed after {PATIENCE:?}");
    }
}

async fn change_one_in_a_hundred(database: &Database) {
    let context = Context::background("test", database.clock());
    let transaction = database.begin_bare(&context).await.unwrap();
    for change in [
        "UPDATE product_listing SET price = price + 1 WHERE hashtext(product_id) % 100 = 0",
        "UPDATE product_popularity SET like_count = like_count + 1 WHERE hashtext(product_id) % 100 = 0",
    ] {
        transaction.run(change, values![]).await.unwrap();
    }
    transaction.commit_quietly().await.unwrap();
}

/// The outermost node of a page's plan, as it was executed.
async fn explain(database: &Database, page: &Page) -> Json {
    let sql = format!("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {}", page.sql);
    let statement = Statement::from_sql_and_values(database.reader().get_database_backend(), sql, page.values.clone());
    let row = database.reader().query_one_raw(statement).await.unwrap().unwrap();
    // a column of type JSON, which the driver does not take for a text by itself
    let plan: String = row.try_as_pg_row().unwrap().try_get_unchecked("QUERY PLAN").unwrap();
    let plan: Json = serde_json::from_str(&plan).unwrap();
    plan[0]["Plan"].clone()
}
