//! Callbacks are hints from strangers: true, forged, early, of other orders or in floods, they change nothing but when the
//! gateway is asked.

use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use pg_simulator::{Mode, PERMILLE, Profile};
use proto::payment::v1::{ChargePointsRequest, PreviewPointsRequest};
use reqwest::Client;
use serde_json::{Value, json};

use crate::service::{SECRET, Service, won};
use support::Engine;
use support::wait::until;

const FLOOD: usize = 10_000;
/// No call waits so long that a flood could be why.
const CALL_WITHIN: Duration = Duration::from_secs(3);

struct Stranger {
    client: Client,
    url: String,
}

impl Stranger {
    fn of(service: &Service) -> Self {
        let client = Client::builder().no_proxy().build().unwrap();
        let url = format!("http://{}/callbacks/{SECRET}", service.callbacks);
        Self { client, url }
    }

    async fn says(&self, callback: &Value) -> u16 {
        let answer = self.client.post(&self.url).json(callback).send().await;
        answer.unwrap().status().as_u16()
    }
}

fn success(order_id: &str, transaction_key: &str) -> Value {
    json!({
        "transactionKey": transaction_key, "orderId": order_id, "cardType": "KB", "cardNo": "1234-5678-9012-3456",
        "amount": 1_000, "status": "SUCCESS", "reason": null,
    })
}

/// A service with a payment in every state that a stranger may lie about.
async fn with_payments(engine: Engine) -> Service {
    let service = Service::start(engine, Profile::Calm.behaviour()).await;
    for (order_id, card) in [
        ("paid", "test-approve"),
        ("declined", "test-limit"),
        ("back", "test-approve"),
    ] {
        service.request(order_id, card, 1_000).await.unwrap();
    }
    service.until("back", "CAPTURED").await;
    service.refund("back", "all", 1_000).await.unwrap();
    service.until("back", "REFUNDED").await;
    service.all_at_rest(Duration::from_secs(60)).await;
    service.control(&[("card:1111-2222-3333-0005", "hang")]).await;
    service.request("nothing", "test-lost-callback", 1_000).await.unwrap();
    service.until("nothing", "NOT_CHARGED").await;
    service
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_but_the_gateways_own_word_changes_a_payment() {
    for engine in Engine::BOTH {
        let service = with_payments(engine).await;
        service.all_at_rest(Duration::from_secs(60)).await;
        let (before, stranger) = (service.rows().await, Stranger::of(&service));
        let book = service.book();
        let others = book.of_order("paid.1").next().unwrap().transaction_key.clone();
        for order_id in ["paid.1", "declined.1", "back.1", "nothing.1", "nobody.1", "paid.2"] {
            for key in ["forged", &others, ""] {
                assert_eq!(
                    stranger.says(&success(order_id, key)).await,
                    200,
                    "{engine:?} {order_id} {key}"
                );
            }
        }
        service.all_at_rest(Duration::from_secs(60)).await;
        assert_eq!(service.rows().await, before, "{engine:?}");
        assert_eq!(service.book().money_by_order(), book.money_by_order(), "{engine:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gateways_forged_callbacks_pay_nothing() {
    for engine in Engine::BOTH {
        let liar = Profile::Calm
            .behaviour()
            .with(Mode::CallbackForged, PERMILLE)
            .with(Mode::InvalidCard, PERMILLE);
        let service = Service::start(engine, liar).await;
        let card = service.token("1234-5678-9012-3456").await;
        service.request("order", &card, 1_000).await.unwrap();
        let row = service.at_rest("order").await;
        assert_eq!((row.state.as_str(), row.captured), ("DECLINED", 0), "{engine:?}");
    }
}

/// A payment's row is stored, its POST counted, before the first byte leaves: no true callback can be earlier than that. One
/// that overtakes the answer to its POST finds the driver at work, and makes it look again when it is through.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callback_that_comes_first_is_not_lost() {
    for engine in Engine::BOTH {
        let early = Profile::Calm.behaviour().with(Mode::CallbackBeforeReply, PERMILLE);
        let service = Service::start_with(engine, early, |settings| {
            // only the callback can be why it is looked up so soon
            settings.pace.first_look = Duration::from_secs(600);
        })
        .await;
        let stranger = Stranger::of(&service);
        assert_eq!(stranger.says(&success("order.1", "forged")).await, 200);
        let card = service.token("1234-5678-9012-3456").await;
        service.request("order", &card, 1_000).await.unwrap();
        let row = service.until("order", "CAPTURED").await;
        assert_eq!((row.captured, service.kept("order.1")), (1_000, 1_000), "{engine:?}");
    }
}

/// A capture that nobody knows of any more is found by its callback, however late.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callback_of_a_capture_after_the_proof_of_absence_gives_the_money_back() {
    for engine in Engine::BOTH {
        let late = pg_simulator::Behaviour {
            store_late_ms: 3_000,
            ..Profile::Calm.behaviour()
        };
        let service = Service::start(engine, late.with(Mode::StoredLate, PERMILLE)).await;
        let card = service.token("1234-5678-9012-3456").await;
        service.request("order", &card, 1_000).await.unwrap();
        service.until("order", "NOT_CHARGED").await;
        service.decided("order.1").await;
        until("the money goes back", async || service.kept("order.1") == 0).await;
        service.all_at_rest(Duration::from_secs(60)).await;
        assert_eq!(service.row("order").await.state, "NOT_CHARGED");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_callbacks_is_turned_away_changes_nothing_and_keeps_no_call_waiting() {
    for engine in Engine::BOTH {
        let service = with_payments(engine).await;
        service.all_at_rest(Duration::from_secs(60)).await;
        let (before, stranger) = (service.rows().await, Stranger::of(&service));
        let flood = stream::iter(0..FLOOD)
            .map(|number| {
                let order_id = ["paid.1", "declined.1", "back.1", "nothing.1", "nobody.1"][number % 5];
                let callback = success(order_id, &format!("forged-{number}"));
                let stranger = &stranger;
                async move { stranger.says(&callback).await }
            })
            .buffer_unordered(64)
            .collect::<Vec<u16>>();
        let calls = async {
            let mut slowest = Duration::ZERO;
            for number in 0..50 {
                let begun = Instant::now();
                let charge = ChargePointsRequest {
                    amount: won(10),
                    funding_reference: format!("flood-{number}"),
                    ..Default::default()
                };
                service.points().charge_points(service.mina(charge)).await.unwrap();
                let preview = service.mina(PreviewPointsRequest::default());
                service.points().preview_points(preview).await.unwrap();
                slowest = slowest.max(begun.elapsed());
            }
            slowest
        };
        let (answers, slowest) = tokio::join!(flood, calls);
        let of = |status| answers.iter().filter(|answer| **answer == status).count();
        println!(
            "{engine:?}: of {FLOOD} callbacks {} passed, {} were turned away; the slowest call took {slowest:.1?}",
            of(200),
            of(429)
        );
        assert_eq!(of(200) + of(429), FLOOD, "{engine:?}");
        assert!(slowest < CALL_WITHIN, "{engine:?}: a call took {slowest:?}");
        service.all_at_rest(Duration::from_secs(60)).await;
        assert_eq!(service.rows().await, before, "{engine:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callbacks_beyond_the_rate_are_answered_429_and_made_up_for() {
    let service = Service::start_with(Engine::Sqlite, Profile::Calm.behaviour(), |settings| {
        settings.callbacks_per_second_max = 1;
    })
    .await;
    let stranger = Stranger::of(&service);
    let mut answers = Vec::new();
    for _ in 0..20 {
        answers.push(stranger.says(&success("nobody.1", "forged")).await);
    }
    assert!(answers.contains(&200) && answers.contains(&429), "{answers:?}");
    for number in 0..5 {
        service
            .request(&format!("order-{number}"), "test-approve", 1_000)
            .await
            .unwrap();
    }
    for number in 0..5 {
        service.until(&format!("order-{number}"), "CAPTURED").await;
    }
}
