//! The ledger checks itself, and cries out for what does not heal and for nothing else.

use std::sync::Arc;
use std::time::Duration;

use jangteo::ledger::Round;
use kit::context::Context;
use kit::database::{Database, Sql};
use kit::values;
use pg_simulator::Profile;
use support::client::card_order;
use support::gateway::Gateway;
use support::wait::PATIENCE;
use support::{Engine, TestShop};

async fn run(database: &Database, sql: &str) {
    let context = Context::background("test", database.clock());
    let transaction = database.begin_bare(&context).await.unwrap();
    transaction.run(sql, values![]).await.unwrap();
    transaction.commit_quietly().await.unwrap();
}

/// The next round that is so.
async fn round(shop: &TestShop, is_so: impl Fn(&Round) -> bool) -> Arc<Round> {
    let mut rounds = shop.shop().ledger().rounds();
    rounds.mark_unchanged();
    let awaited = async {
        loop {
            rounds.changed().await.unwrap();
            let last = rounds.borrow_and_update().clone();
            if let Some(round) = last.filter(|round| is_so(round)) {
                return round;
            }
        }
    };
    tokio::time::timeout(PATIENCE * 2, awaited).await.unwrap()
}

async fn what_does_not_add_up_is_cried_out_until_it_is_mended(engine: Engine) {
    let shop = TestShop::start_with(engine, |config| config.ledger_check_seconds = 1).await;
    shop.buyer("mina").charge(500).await;
    shop.at_rest().await;
    assert_eq!(round(&shop, |_| true).await.alarms, []);
    let payment = &shop.shop().tables().payment;
    run(payment, "UPDATE point_accounts SET available = available + 1").await;
    let cried = round(&shop, |round| !round.alarms.is_empty()).await;
    let told: Vec<_> = cried
        .alarms
        .iter()
        .map(|alarm| (alarm.invariant.as_str(), alarm.violations))
        .collect();
    assert_eq!(told, [("points-balance", 1)]);
    assert_eq!(
        (cried.alarms[0].figure.as_str(), &cried.alarms[0].samples),
        ("501 available, 0 held", &vec!["mina".to_owned()])
    );
    run(payment, "UPDATE point_accounts SET available = available - 1").await;
    round(&shop, |round| round.alarms.is_empty()).await;
    shop.end().await;
}

/// With the gateway away, orders stay open for many rounds: that is no imbalance.
async fn what_is_only_under_way_is_not_cried_out(engine: Engine) {
    let mut gateway = Gateway::away();
    let shop = TestShop::start_with(engine, |config| {
        config.ledger_check_seconds = 1;
        config.gateway = gateway.url();
    })
    .await;
    shop.stock(&[("a", 1_000, 50)]).await;
    let mina = shop.buyer("mina");
    mina.place(card_order(&[("a", 1)])).await.unwrap();
    let first = round(&shop, |_| true).await.number;
    for _ in 0..4 {
        mina.place(card_order(&[("a", 1)])).await.unwrap();
        let next = round(&shop, |_| true).await;
        assert_eq!(next.alarms, [], "round {}", next.number);
    }
    assert!(round(&shop, |_| true).await.number >= first + 5);
    let checked = jangteo::ledger::check(shop.connected()).await.unwrap();
    assert!(
        checked.iter().any(|invariant| !invariant.holds),
        "something is under way"
    );
    gateway.start(Profile::Calm.behaviour()).await;
    // what the gateway never saw is sent when it is looked up, at the latest after this
    shop.clock.advance(Duration::from_secs(15));
    shop.end().await;
}

macro_rules! on_both_engines {
    ($($story:ident)*) => {$(
        mod $story {
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                super::$story(Engine::Sqlite).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                super::$story(Engine::Postgres).await;
            }
        }
    )*};
}

on_both_engines!(what_does_not_add_up_is_cried_out_until_it_is_mended what_is_only_under_way_is_not_cried_out);
