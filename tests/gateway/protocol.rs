//! The order in which a payment is asked for, noted and believed: what keeps one capture one, however the gateway answers.

use pg_simulator::{DelayMs, Mode, PERMILLE, Profile};
use support::Engine;
use tokio_util::sync::CancellationToken;

use crate::service::{SECRET, Service};

/// Attempts that are made until one is met where it is wanted.
const TRIES: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_post_is_repeated_only_once_the_book_is_seen_to_be_empty() {
    for engine in Engine::BOTH {
        let behaviour = Profile::Calm.behaviour().with(Mode::ServerErrorStored, PERMILLE);
        let service = Service::start(engine, behaviour).await;
        let card = service.token("1234-5678-9012-3456").await;
        service.request("order", &card, 100).await.unwrap();
        let row = service.at_rest("order").await;
        assert_eq!((row.state.as_str(), row.posts), ("CAPTURED", 1), "{engine:?}");
        assert_eq!(service.book().transactions().len(), 1, "{engine:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_post_is_counted_before_it_is_sent() {
    for engine in Engine::BOTH {
        let service = Service::start(engine, Profile::Calm.behaviour()).await;
        service.request("order", "test-captured-timeout", 100).await.unwrap();
        service.decided("order.1").await;
        // the gateway has it, and we wait for an answer that does not come
        assert_eq!(service.row("order").await.posts, 1, "{engine:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_driver_that_lost_its_lease_saves_nothing() {
    for engine in Engine::BOTH {
        let mut service = Service::idle(engine).await;
        service.start_gateway(Profile::Calm.behaviour()).await;
        let stop = CancellationToken::new();
        let driver = tokio::spawn(service.payments.run(stop.clone()));
        let mut taken = None;
        for number in 0..TRIES {
            let id = format!("order-{number}");
            service.request(&id, "test-captured-timeout", 100).await.unwrap();
            service.decided(&format!("{id}.1")).await;
            if service.take_away(&id).await {
                taken = Some(id);
                break;
            }
        }
        let id = taken.expect("no POST was met on its way");
        stop.cancel();
        driver.await.unwrap();
        assert_eq!(service.row(&id).await.state, "REQUESTED", "{engine:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callback_is_believed_only_once_the_gateway_says_the_same() {
    for engine in Engine::BOTH {
        let mut behaviour = Profile::Calm.behaviour();
        behaviour.decision_delay_ms = DelayMs { min: 300, max: 300 };
        let service = Service::start(engine, behaviour).await;
        service.request("order", "test-limit", 100).await.unwrap();
        service.until("order", "PENDING").await;
        let forged = r#"{"transactionKey":"x","orderId":"order.1","amount":100,"status":"SUCCESS"}"#;
        let url = format!("http://{}/callbacks/{SECRET}", service.callbacks);
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = client.post(url).body(forged).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 200);
        let row = service.at_rest("order").await;
        assert_eq!((row.state.as_str(), row.captured), ("DECLINED", 0), "{engine:?}");
    }
}
