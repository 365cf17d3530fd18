//! What an operator sees of events on their way, and does about them.

use std::process::Output;

use proto::operations::v1::consumer_service_client::ConsumerServiceClient;
use proto::operations::v1::{EventConsumer, ListConsumersRequest};
use proto::readmodel::v1::{ListProductsRequest, OrderState};
use serde_json::Value;
use support::client::card_order;
use support::wait::until;
use support::{Engine, TestShop, story};
use tokio::process::Command;

use crate::messages::channel::Channel;

/// Runs the program against the shop, as an operator would.
async fn jangteo(shop: &TestShop, arguments: &[&str]) -> Output {
    let endpoint = format!("http://{}", shop.shop().address);
    let mut command = Command::new(env!("CARGO_BIN_EXE_shop-of-its-own"));
    command.args(arguments).args(["--endpoint", &endpoint, "--json"]);
    command.env("JANGTEO_LOG", "error").output().await.unwrap()
}

/// What it prints, one object a line.
async fn printed(shop: &TestShop, arguments: &[&str]) -> Vec<Value> {
    let output = jangteo(shop, arguments).await;
    let (out, err) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{arguments:?}: {err}");
    out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn consumer(shop: &TestShop, name: &str) -> EventConsumer {
    let mut consumers = ConsumerServiceClient::new(shop.connected().as_admin());
    let listed = consumers
        .list_consumers(ListConsumersRequest {})
        .await
        .unwrap()
        .into_inner();
    listed
        .consumers
        .into_iter()
        .find(|consumer| consumer.consumer == name)
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_paused_consumer_holds_nobody_loses_nothing_and_goes_on_when_it_is_resumed() {
    for engine in Engine::BOTH {
        let channel = Channel::start().await;
        let mut shop = TestShop::start_with(engine, |config| config.notifications = channel.url()).await;
        shop.stock(&[("a", 1_000, 100)]).await;
        let mina = shop.buyer("mina");
        let paused = printed(
            &shop,
            &["consumers", "pause", "notification.policy", "--why", "a typo in a text"],
        )
        .await;
        assert_eq!(
            (&paused[0]["paused"], &paused[0]["why"]),
            (&true.into(), &"a typo in a text".into()),
            "{engine:?}"
        );
        let first = mina.place(card_order(&[("a", 1)])).await.unwrap().order_id;
        mina.until(&first, |order| order.state() == OrderState::Paid).await;
        until("what came is kept", async || {
            consumer(&shop, "notification.policy").await.waiting == 2
        })
        .await;

        shop.restart().await;
        let mina = shop.buyer("mina");
        let second = mina.place(card_order(&[("a", 1)])).await.unwrap().order_id;
        mina.until(&second, |order| order.state() == OrderState::Paid).await;
        until("what came is kept", async || {
            consumer(&shop, "notification.policy").await.waiting == 4
        })
        .await;
        assert_eq!(channel.requests(), 0, "{engine:?}");

        printed(
            &shop,
            &["consumers", "resume", "notification.policy", "--why", "corrected"],
        )
        .await;
        until("nothing waits", async || {
            consumer(&shop, "notification.policy").await.waiting == 0
        })
        .await;
        shop.at_rest().await;
        assert_eq!(
            channel.taken("mina"),
            ["order-paid", "order-paid", "order-placed", "order-placed"],
            "{engine:?}"
        );
        shop.end().await;
    }
}

story! {
    async fn a_paused_projection_stays_where_it_is_and_the_others_go_on(shop: TestShop) {
        let products = async || {
            let answer = shop.buyer("mina").products_seen().list_products(ListProductsRequest::default()).await;
            answer.unwrap().into_inner().products.len()
        };
        shop.stock(&[("a", 1_000, 1)]).await;
        shop.at_rest().await;
        printed(&shop, &["consumers", "pause", "product_listing", "--why", "a look at the table"]).await;
        shop.stock(&[("b", 1_000, 1)]).await;
        until("the others have it", async || {
            let listing = consumer(&shop, "product_listing").await;
            listing.lag > 0 && consumer(&shop, "brands").await.lag == 0
        }).await;
        assert_eq!(products().await, 1);
        printed(&shop, &["consumers", "resume", "product_listing", "--why", "seen"]).await;
        until("the listing has it", async || products().await == 2).await;
    }
}

story! {
    async fn events_that_are_published_again_have_no_second_effect(shop: TestShop) {
        shop.stock(&[("a", 1_000, 100)]).await;
        let mina = shop.buyer("mina");
        let order_id = mina.place(card_order(&[("a", 2)])).await.unwrap().order_id;
        mina.until(&order_id, |order| order.state() == OrderState::Paid).await;
        shop.at_rest().await;
        let subject = format!("order/{order_id}");
        let republish = ["outbox", "republish", "order", "--subject", &subject, "--why", "a reader lost them"];
        let counted = printed(&shop, &[&republish[..], &["--dry-run"]].concat()).await;
        assert_eq!((&counted[0]["events"], &counted[0]["more"]), (&3.into(), &false.into()), "{counted:?}");
        let cut = printed(&shop, &[&republish[..], &["--dry-run", "--limit", "2"]].concat()).await;
        assert_eq!((&cut[0]["events"], &cut[0]["more"]), (&2.into(), &true.into()), "{cut:?}");
        let events = async || printed(&shop, &["events", "--subject", &subject]).await.len();
        let before = events().await;
        let again = printed(&shop, &republish).await;
        assert_eq!(again[0]["events"], 3);
        until("all is published", async || {
            printed(&shop, &["outbox", "status"]).await.iter().all(|outbox| outbox["unpublished"] == 0)
        }).await;
        shop.at_rest().await;
        assert_eq!((before, events().await), (3, 3));
    }
}

story! {
    async fn events_are_found_by_what_they_belong_to_newest_first(shop: TestShop) {
        shop.stock(&[("a", 1_000, 100)]).await;
        let mina = shop.buyer("mina");
        let order_id = mina.place(card_order(&[("a", 1)])).await.unwrap().order_id;
        mina.until(&order_id, |order| order.state() == OrderState::Paid).await;
        shop.at_rest().await;
        let subject = format!("order/{order_id}");
        let of_order = printed(&shop, &["events", "--subject", &subject]).await;
        let types: Vec<&str> = of_order.iter().map(|event| event["type"].as_str().unwrap()).collect();
        assert_eq!(types, ["OrderPaid", "OrderAwaitingPayment", "OrderPlaced"]);
        let correlation_id = of_order[2]["correlation_id"].as_str().unwrap();
        let together = printed(&shop, &["events", "--correlation-id", correlation_id]).await;
        for expected in ["StockReserved", "OrderAwaitingPayment", "MessageSent"] {
            assert!(together.iter().any(|event| event["type"] == expected), "{expected}: {together:#?}");
        }
        assert_eq!(printed(&shop, &["events", "--limit", "3"]).await.len(), 3);
        assert!(printed(&shop, &["events", "--before", "2020-01-01T00:00:00Z"]).await.is_empty());
        let refused = jangteo(&shop, &["outbox", "republish", "nobody", "--first", "1", "--why", "x"]).await;
        assert!(!refused.status.success(), "{}", String::from_utf8_lossy(&refused.stderr));
    }
}
