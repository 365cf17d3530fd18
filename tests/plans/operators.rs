//! Which plans the engines make for an operator's pages while very much is under way.

use kit::clock::Clock;
use kit::context::Context;
use kit::database::{Database, Migration, Sql};
use kit::signing::Signer;
use kit::{Value, values};
use order::{Stuck, stuck_checkouts_sql};
use payment::{Which, payments_sql};
use sea_orm::sqlx::Row;
use sea_orm::{ConnectionTrait, FromQueryResult, Statement};
use support::Engine;
use tempfile::TempDir;

/// Rows of each table; every second one is under way.
const ROWS: u32 = 20_000;

#[derive(FromQueryResult)]
struct Step {
    detail: String,
}

/// The tables of an owner, filled by these statements.
async fn filled(
    engine: Engine,
    owner: &'static str,
    migrations: &[Migration],
    statements: &[String],
) -> (Database, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let location = engine.location(&folder, owner).await;
    let signer = Signer::new(vec![7; 32], None);
    let database = Database::open(owner, &location, migrations, Clock::default(), signer)
        .await
        .unwrap();
    let context = Context::background("test", database.clock());
    let transaction = database.begin_bare(&context).await.unwrap();
    for statement in statements {
        transaction.run(statement, values![]).await.unwrap();
    }
    transaction.commit_quietly().await.unwrap();
    database.reader().execute_unprepared("ANALYZE").await.ok();
    (database, folder)
}

/// The plan is a walk along this index in its order.
async fn walks(database: &Database, index: &str, (sql, values): (String, Vec<Value>)) {
    let plan = if database.is_postgres() {
        let statement = Statement::from_sql_and_values(
            database.reader().get_database_backend(),
            format!("EXPLAIN {sql}"),
            values,
        );
        let rows = database.reader().query_all_raw(statement).await.unwrap();
        let line = |row: &sea_orm::QueryResult| row.try_as_pg_row().unwrap().get::<String, _>(0);
        rows.iter().map(line).collect::<Vec<_>>().join("\n")
    } else {
        let steps: Vec<Step> = database
            .reader()
            .list(&format!("EXPLAIN QUERY PLAN {sql}"), values)
            .await
            .unwrap();
        steps.into_iter().map(|step| step.detail).collect::<Vec<_>>().join("\n")
    };
    let along = plan.contains(&format!("USING INDEX {index} ")) || plan.contains(&format!("using {index} "));
    let aside = ["Sort", "Seq Scan", "Bitmap", "SCAN ", "TEMP B-TREE"]
        .iter()
        .any(|other| plan.contains(other));
    assert!(along && !aside, "{sql}\n{plan}");
}

fn numbers(select: &str) -> String {
    format!(
        "WITH RECURSIVE numbers (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < {ROWS}) SELECT {select} FROM numbers"
    )
}

#[tokio::test]
async fn pages_of_stuck_checkouts_are_a_walk_along_one_index() {
    let id = "'order-' || CAST(i AS TEXT)";
    let orders = format!(
        "INSERT INTO orders (order_id, user_id, state, version, subtotal, discount, total, points, card, coupon_id, card_token,
            attempt, attempt_open, payment_reason, placed_at, why) {}",
        numbers(&format!(
            "{id}, 'mina', 'AWAITING_PAYMENT', 1, 1, 0, 1, 0, 1, '', '', 1, i % 2 = 0, '', CAST(i AS BIGINT), ''"
        ))
    );
    let checkouts = format!(
        "INSERT INTO checkouts (order_id, step, direction, lease_token, leased_until, next_at, tries, correlation_id,
            traceparent, payment_refusal, under_way_since) {}",
        numbers(&format!(
            "{id}, 'AWAIT', 'FORWARD', 1, 0, CAST(i AS BIGINT), 0, '', '', '', CASE WHEN i % 2 = 0 THEN CAST(i AS BIGINT) END"
        ))
    );
    for engine in Engine::BOTH {
        let (database, _folder) =
            filled(engine, "order", order::MIGRATIONS, &[orders.clone(), checkouts.clone()]).await;
        for behind in [None, Some((i64::from(ROWS) / 2, "order-7"))] {
            let stuck = Stuck {
                since: i64::from(ROWS),
                tries: 5,
                behind,
                limit: 21,
            };
            walks(
                &database,
                "checkouts_under_way",
                stuck_checkouts_sql(database.now_sql(), stuck),
            )
            .await;
        }
        database.close().await;
    }
}

#[tokio::test]
async fn pages_of_payments_are_a_walk_along_one_index() {
    let payments = format!(
        "INSERT INTO payments (order_id, attempt, user_id, amount, card_token, last_four, state, reason, captured, refunded,
            transaction_key, posts, repeatable, closed, version, created_at, updated_at, next_at, hinted, lease_token,
            leased_until) {}",
        numbers(
            "'order-' || CAST(i AS TEXT), 1, 'mina', 1, '', '', CASE WHEN i % 2 = 0 THEN 'UNKNOWN' ELSE 'DECLINED' END, '', 0, 0,
            '', 1, FALSE, FALSE, 1, CAST(i AS BIGINT), CAST(i AS BIGINT), CASE WHEN i % 2 = 0 THEN CAST(i AS BIGINT) END,
            FALSE, 0, 0"
        )
    );
    let all = i64::from(ROWS);
    for engine in Engine::BOTH {
        let (database, _folder) = filled(engine, "payment", payment::MIGRATIONS, std::slice::from_ref(&payments)).await;
        for behind in [None, Some((all / 2, "order-7", 1))] {
            for (index, which) in [
                ("payments_by_state", Which::InState("DECLINED", all)),
                ("payments_open", Which::Open(all)),
                ("payments_created", Which::Created(1, all)),
            ] {
                walks(&database, index, payments_sql(which, behind, 21)).await;
            }
        }
        database.close().await;
    }
}
