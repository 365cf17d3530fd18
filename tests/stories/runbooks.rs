//! Every runbook is followed, command by command, by somebody whose shop is in that very state.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use pg_simulator::Profile;
use proto::catalog::v1::LikeProductRequest;
use proto::operations::v1::dead_letter_service_client::DeadLetterServiceClient;
use proto::operations::v1::outbox_service_client::OutboxServiceClient;
use proto::operations::v1::{
    DeadLetter, DeadLetterState, ListDeadLettersRequest, ListOutboxesRequest, Outbox, ReasonClass,
};
use proto::order::v1::PlaceOrderRequest;
use proto::payment::v1::payment_admin_service_client::PaymentAdminServiceClient;
use proto::payment::v1::{GetPaymentRequest, ListPaymentsRequest, PaymentState};
use proto::readmodel::v1::OrderState;
use sea_orm::ConnectionTrait;
use support::client::card_order;
use support::gateway::Gateway;
use support::shop::impatient;
use support::wait::{PATIENCE, until};
use support::{Engine, TestShop};
use tempfile::TempDir;

/// Those that a test below follows.
const FOLLOWED: &[&str] = &[
    "stuck-payment",
    "gateway-down",
    "ledger-imbalance",
    "growing-outbox",
    "poison-event",
];
/// Which every runbook has, in this order.
const SECTIONS: &[&str] = &["Symptom", "Look", "Decide", "Mend", "Verify"];

/// Commands that stand together, and the exit code that the last of them has.
struct Block {
    section: String,
    commands: String,
    exits: i32,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/runbooks")
}

fn blocks(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let (mut section, mut inside) = (String::new(), false);
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            title.clone_into(&mut section);
        } else if let Some(fence) = line.strip_prefix("```") {
            if !inside {
                let exits = fence
                    .strip_prefix("sh")
                    .unwrap_or_else(|| panic!("not to be run: {line}"));
                let exits = exits
                    .trim()
                    .strip_prefix("exits ")
                    .map_or(0, |code| code.parse().unwrap());
                let section = section.clone();
                blocks.push(Block {
                    section,
                    commands: String::new(),
                    exits,
                });
            }
            inside = !inside;
        } else if let Some(block) = blocks.last_mut().filter(|_| inside) {
            block.commands.push_str(line);
            block.commands.push('\n');
        }
    }
    blocks
}

/// Somebody at night, with a runbook and a shell.
struct Operator {
    runbook: &'static str,
    blocks: Vec<Block>,
    shop: String,
    /// What the runbook's commands name.
    named: Vec<(&'static str, String)>,
    home: TempDir,
}

impl Operator {
    fn new(runbook: &'static str, shop: &TestShop, named: &[(&'static str, &str)]) -> Self {
        let home = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_shop-of-its-own"), home.path().join("jangteo")).unwrap();
        let text = std::fs::read_to_string(folder().join(runbook).with_extension("md")).unwrap();
        Self {
            runbook,
            blocks: blocks(&text),
            shop: format!("http://{}", shop.shop().address),
            named: named
                .iter()
                .map(|(name, value)| (*name, (*value).to_owned()))
                .chain([("DAY", shop.clock.now().strftime("%Y-%m-%d").to_string())])
                .collect(),
            home,
        }
    }

    /// Runs the commands of a section; what they printed.
    async fn follow(&self, section: &str) -> String {
        let mut printed = String::new();
        let blocks: Vec<&Block> = self.blocks.iter().filter(|block| block.section == section).collect();
        assert!(!blocks.is_empty(), "{}: {section} has no commands", self.runbook);
        for block in blocks {
            let path = format!("{}:/usr/bin:/bin", self.home.path().display());
            let shell = tokio::process::Command::new("sh")
                .args(["-euc", &block.commands])
                .current_dir(self.home.path())
                .env("PATH", path)
                .env("JANGTEO_ENDPOINT", &self.shop)
                .env("JANGTEO_LOG", "error")
                .envs(self.named.iter().map(|(name, value)| (name, value)))
                .stdin(Stdio::null())
                .kill_on_drop(true)
                .output();
            let output = tokio::time::timeout(PATIENCE * 2, shell).await.unwrap().unwrap();
            let (out, err) = (
                String::from_utf8(output.stdout).unwrap(),
                String::from_utf8_lossy(&output.stderr),
            );
            let runbook = self.runbook;
            assert_eq!(
                output.status.code(),
                Some(block.exits),
                "{runbook}: {}\n{out}\n{err}",
                block.commands
            );
            printed.push_str(&out);
        }
        printed
    }
}

#[test]
fn every_runbook_has_its_sections_and_is_followed() {
    let mut runbooks = BTreeSet::new();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if name == "README" {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let sections: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        assert_eq!(sections, SECTIONS, "{name}");
        runbooks.insert(name);
    }
    assert_eq!(runbooks, FOLLOWED.iter().map(|name| (*name).to_owned()).collect());
}

async fn payment_state(shop: &TestShop, order_id: &str) -> Option<PaymentState> {
    let request = GetPaymentRequest {
        order_id: order_id.to_owned(),
        attempt: 1,
    };
    let found = PaymentAdminServiceClient::new(shop.connected().as_admin())
        .get_payment(request)
        .await;
    Some(found.ok()?.into_inner().payment?.payment?.state())
}

fn by(card_token: &str) -> PlaceOrderRequest {
    PlaceOrderRequest {
        card_token: card_token.to_owned(),
        ..card_order(&[("a", 1)])
    }
}

/// The callback was lost, and the gateway was away when it was asked.
async fn a_payment_is_stuck(engine: Engine) {
    let mut gateway = Gateway::away();
    gateway.start(Profile::Calm.behaviour()).await;
    let shop = TestShop::start_with(engine, |config| config.gateway = gateway.url()).await;
    shop.stock(&[("a", 1_000, 5)]).await;
    let mina = shop.buyer("mina");
    let order_id = mina.place(by("test-lost-callback")).await.unwrap().order_id;
    until("the gateway has it", async || {
        payment_state(&shop, &order_id).await == Some(PaymentState::Pending)
    })
    .await;
    gateway.stop().await;
    shop.clock.advance(Duration::from_secs(120));

    let operator = Operator::new("stuck-payment", &shop, &[("ORDER", &order_id)]);
    assert!(operator.follow("Look").await.contains(&order_id));
    gateway.start(Profile::Calm.behaviour()).await;
    assert!(operator.follow("Mend").await.contains("CAPTURED"));
    assert!(!operator.follow("Verify").await.contains(&order_id));
    mina.until(&order_id, |order| order.state() == OrderState::Paid).await;
    shop.end().await;
}

async fn the_gateway_is_down(engine: Engine) {
    let mut gateway = Gateway::away();
    let shop = TestShop::start_with(engine, |config| config.gateway = gateway.url()).await;
    shop.stock(&[("a", 1_000, 5)]).await;
    let mina = shop.buyer("mina");
    let mut orders = Vec::new();
    for _ in 0..3 {
        orders.push(mina.place(by("test-approve")).await.unwrap().order_id);
    }
    until("its payment was tried", async || {
        payment_state(&shop, &orders[0]).await == Some(PaymentState::Requested)
    })
    .await;

    let operator = Operator::new("gateway-down", &shop, &[("ORDER", &orders[0])]);
    let seen = operator.follow("Look").await;
    assert!(orders.iter().all(|order_id| seen.contains(order_id)), "{seen}");
    gateway.start(Profile::Calm.behaviour()).await;
    operator.follow("Mend").await;
    // what was sent twice is looked at until nothing more can turn up
    until("nothing is looked at any more", async || {
        shop.clock.advance(Duration::from_secs(2));
        let request = ListPaymentsRequest::default();
        let open = PaymentAdminServiceClient::new(shop.connected().as_admin())
            .list_payments(request)
            .await;
        open.unwrap().into_inner().payments.is_empty()
    })
    .await;
    let seen = operator.follow("Verify").await;
    assert!(orders.iter().all(|order_id| !seen.contains(order_id)), "{seen}");
    for order_id in &orders {
        mina.until(order_id, |order| order.state() == OrderState::Paid).await;
    }
    shop.end().await;
}

/// A POST of an attempt that was declined long ago reaches the gateway only now, and nobody hears of it.
async fn the_ledger_does_not_add_up(engine: Engine) {
    let shop = TestShop::start(engine).await;
    shop.stock(&[("a", 1_000, 5)]).await;
    let mina = shop.buyer("mina");
    let order_id = mina.place(by("test-limit")).await.unwrap().order_id;
    mina.until(&order_id, |order| order.attempt == 1 && !order.payment_open)
        .await;
    shop.at_rest().await;
    let body = format!(
        r#"{{"orderId":"{order_id}.1","cardType":"KB","cardNo":"1111-2222-3333-0001","amount":1000,"callbackUrl":"http://127.0.0.1:9/"}}"#
    );
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/api/v1/payments", shop.shop().gateway);
    let stored = client
        .post(url)
        .header("x-user-id", "jangteo")
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(stored.status().as_u16(), 200);
    until("the gateway has taken it", async || {
        let checked = jangteo::ledger::check(shop.connected()).await.unwrap();
        checked
            .iter()
            .any(|invariant| invariant.name == "gateway-book-agrees" && !invariant.holds)
    })
    .await;

    let operator = Operator::new("ledger-imbalance", &shop, &[("ORDER", &order_id)]);
    let seen = operator.follow("Look").await;
    assert!(
        seen.contains("FAIL  gateway-book-agrees") && seen.contains(&order_id),
        "{seen}"
    );
    assert!(operator.follow("Mend").await.contains("SURPLUS_REFUND"));
    operator.follow("Verify").await;
    shop.end().await;
}

async fn outboxes(shop: &TestShop) -> Vec<Outbox> {
    let mut outboxes = OutboxServiceClient::new(shop.connected().as_admin());
    let listed = outboxes.list_outboxes(ListOutboxesRequest {}).await;
    listed.unwrap().into_inner().outboxes
}

async fn letter(shop: &TestShop, is_it: impl Fn(&DeadLetter) -> bool) -> Option<DeadLetter> {
    let mut letters = DeadLetterServiceClient::new(shop.connected().as_admin());
    let listed = letters.list_dead_letters(ListDeadLettersRequest::default()).await;
    listed.unwrap().into_inner().letters.into_iter().find(is_it)
}

/// Somebody left a session open that holds the database of the one who tells buyers.
async fn an_outbox_grows(engine: Engine) {
    let shop = TestShop::start_with(engine, impatient).await;
    shop.stock(&[("a", 1_000, 5)]).await;
    shop.at_rest().await;
    let forgotten = shop.stranger("notification").await;
    let hold = match engine {
        Engine::Sqlite => "BEGIN IMMEDIATE",
        Engine::Postgres => "BEGIN; LOCK TABLE notification.inbox IN EXCLUSIVE MODE",
    };
    forgotten.execute_unprepared(hold).await.unwrap();
    let mina = shop.buyer("mina");
    let order_id = mina.place(by("test-approve")).await.unwrap().order_id;
    let waits = async |owner: &str| {
        outboxes(&shop)
            .await
            .iter()
            .any(|one| one.owner == owner && one.unpublished > 0)
    };
    assert!(waits("order").await, "nothing is marked that somebody has not got");

    let operator = Operator::new("growing-outbox", &shop, &[]);
    let seen = operator.follow("Look").await;
    assert!(
        seen.contains("UNPUBLISHED") && seen.contains("notification.policy"),
        "{seen}"
    );
    assert!(waits("order").await, "it went on without what stops it being mended");
    forgotten.execute_unprepared("ROLLBACK").await.unwrap();
    operator.follow("Mend").await;
    operator.follow("Verify").await;
    until("nothing waits", async || {
        outboxes(&shop).await.iter().all(|one| one.unpublished == 0)
    })
    .await;
    mina.until(&order_id, |order| order.state() == OrderState::Paid).await;
    shop.end().await;
}

/// A table is not there that a view writes to, and somebody wrote to an outbox by hand.
async fn an_event_cannot_be_handled(engine: Engine) {
    let shop = TestShop::start(engine).await;
    shop.stock(&[("a", 1_000, 5)]).await;
    shop.at_rest().await;
    let (views, catalog) = (shop.stranger("read_model").await, shop.stranger("catalog").await);
    let of = |owner: &str, table: &str| match engine {
        Engine::Sqlite => table.to_owned(),
        Engine::Postgres => format!("{owner}.{table}"),
    };
    let rename = |from: &str, to: &str| format!("ALTER TABLE {} RENAME TO {to}", of("read_model", from));
    views
        .execute_unprepared(&rename("product_likes", "likes_away"))
        .await
        .unwrap();
    let (outbox, bytes) = match engine {
        Engine::Sqlite => (of("catalog", "outbox"), "X'ffff'"),
        Engine::Postgres => (of("catalog", "outbox"), r"'\xffff'::bytea"),
    };
    let by_hand = format!(
        "INSERT INTO {outbox} (id, aggregatetype, aggregateid, version, type, payload, bucket, recorded_at)
            VALUES ('by-hand', 'product', 'product/by-hand', 1, 'ProductRegistered', {bytes}, 0, 0)"
    );
    catalog.execute_unprepared(&by_hand).await.unwrap();
    let mut likes = shop.buyer("mina").likes();
    let request = LikeProductRequest {
        product_id: "a".to_owned(),
        ..Default::default()
    };
    likes.like_product(request.clone()).await.unwrap();
    let liked = |letter: &DeadLetter| letter.r#type == "ProductLiked" && letter.state() == DeadLetterState::Dead;
    let none = |letter: &DeadLetter| letter.reason_class() == ReasonClass::Undecodable;
    until("both are put aside", async || {
        letter(&shop, liked).await.is_some() && letter(&shop, none).await.is_some()
    })
    .await;
    let (dead, none) = (letter(&shop, liked).await.unwrap(), letter(&shop, none).await.unwrap());

    let named = [
        ("LETTER", &*dead.letter_id),
        ("CONSUMER", &*dead.consumer),
        ("CLASS", "internal"),
        ("NO_EVENT", &*none.subject),
    ];
    let operator = Operator::new("poison-event", &shop, &named);
    let seen = operator.follow("Look").await;
    assert!(
        seen.contains(&dead.letter_id) && seen.contains("product_likes") && seen.contains("UNDECODABLE"),
        "{seen}"
    );
    operator.follow("Decide").await;
    views
        .execute_unprepared(&rename("likes_away", "product_likes"))
        .await
        .unwrap();
    assert!(operator.follow("Mend").await.contains("applied"));
    let seen = operator.follow("Verify").await;
    assert!(!seen.contains(" DEAD ") && !seen.contains("WAITING"), "{seen}");
    shop.end().await;
}

macro_rules! on_both_engines {
    ($($state:ident)*) => {$(
        mod $state {
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                super::$state(Engine::Sqlite).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                super::$state(Engine::Postgres).await;
            }
        }
    )*};
}

on_both_engines! {
    a_payment_is_stuck
    the_gateway_is_down
    the_ledger_does_not_add_up
    an_outbox_grows
    an_event_cannot_be_handled
}
