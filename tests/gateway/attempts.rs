//! Attempts on a steady gateway: cards of every fate, closing, asking now, callbacks of strangers.

use futures::future::join_all;
use pg_simulator::Profile;
use proto::payment::v1::{CloseAttemptRequest, PaymentState, RequestPaymentRequest, SyncPaymentRequest};

use crate::service::{QUEUE_MAX, SECRET, Service, reason, won};
use support::Engine;

fn close(order_id: &str) -> CloseAttemptRequest {
    CloseAttemptRequest {
        order_id: order_id.to_owned(),
        attempt: 1,
        ..Default::default()
    }
}

fn sync(order_id: &str) -> SyncPaymentRequest {
    SyncPaymentRequest {
        order_id: order_id.to_owned(),
        attempt: 1,
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_test_card_meets_its_fate_and_the_book_agrees() {
    for engine in Engine::BOTH {
        let service = Service::start(engine, Profile::Calm.behaviour()).await;
        let fates = [
            ("approve", "CAPTURED", "", 1_000),
            ("limit", "DECLINED", "PAYMENT_LIMIT_EXCEEDED", 0),
            ("invalid", "DECLINED", "PAYMENT_CARD_INVALID", 0),
            ("captured-timeout", "CAPTURED", "", 1_000),
            ("lost-callback", "CAPTURED", "", 1_000),
        ];
        for (fate, ..) in fates {
            let payment = service
                .request(&format!("o-{fate}"), &format!("test-{fate}"), 1_000)
                .await
                .unwrap();
            assert_eq!(payment.state(), PaymentState::Queued);
        }
        for (fate, state, reason, captured) in fates {
            let id = format!("o-{fate}");
            let row = service.at_rest(&id).await;
            let seen = (row.state.as_str(), row.reason.as_str(), row.captured, row.posts);
            assert_eq!(seen, (state, reason, captured, 1), "{engine:?} {fate}");
            assert_eq!(service.kept(&format!("{id}.1")), captured, "{engine:?} {fate}");
        }
        let facts = service.facts("o-approve").await;
        assert_eq!(
            facts,
            ["PaymentRequested", "PaymentPending", "PaymentCaptured"],
            "{engine:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_request_many_times_at_once_is_one_payment() {
    for engine in Engine::BOTH {
        let service = Service::start(engine, Profile::Calm.behaviour()).await;
        let requests = (0..20).map(|_| service.request("order", "test-approve", 500));
        for answer in join_all(requests).await {
            answer.unwrap();
        }
        service.at_rest("order").await;
        assert_eq!(service.book().transactions().len(), 1, "{engine:?}");
        assert_eq!(
            reason(service.request("order", "test-approve", 501).await),
            "PAYMENT_DIFFERS"
        );
        assert_eq!(
            reason(service.request("order", "test-limit", 500).await),
            "PAYMENT_DIFFERS"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_attempt_closed_before_it_is_requested_or_sent_is_never_sent() {
    for engine in Engine::BOTH {
        let mut service = Service::idle(engine).await;
        let tombstone = service
            .service()
            .close_attempt(service.mina(close("early")))
            .await
            .unwrap()
            .into_inner();
        assert_eq!(tombstone.payment.unwrap().state(), PaymentState::Closed);
        assert_eq!(
            reason(service.request("early", "test-approve", 100).await),
            "PAYMENT_CLOSED"
        );
        assert_eq!(service.facts("early").await, ["PaymentClosed"]);

        service.request("queued", "test-approve", 100).await.unwrap();
        for _ in 0..2 {
            let closed = service
                .service()
                .close_attempt(service.mina(close("queued")))
                .await
                .unwrap()
                .into_inner();
            assert_eq!(closed.payment.unwrap().state(), PaymentState::NotCharged);
        }
        assert_eq!(
            reason(service.request("queued", "test-approve", 100).await),
            "PAYMENT_CLOSED"
        );
        assert_eq!(service.facts("queued").await, ["PaymentRequested", "PaymentNotCharged"]);

        service.start_gateway(Profile::Calm.behaviour()).await;
        service.run();
        service.request("paid", "test-approve", 100).await.unwrap();
        service.until("paid", "CAPTURED").await;
        let closed = service
            .service()
            .close_attempt(service.mina(close("paid")))
            .await
            .unwrap()
            .into_inner();
        assert_eq!(closed.payment.unwrap().state(), PaymentState::Captured);
        assert_eq!(service.book().transactions().len(), 1, "{engine:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asking_now_tells_what_the_gateway_knows_or_that_it_does_not_answer() {
    for engine in Engine::BOTH {
        let mut service = Service::start(engine, Profile::Calm.behaviour()).await;
        assert_eq!(
            reason(service.service().sync_payment(service.mina(sync("none"))).await),
            "PAYMENT_NOT_FOUND"
        );
        service.request("order", "test-lost-callback", 100).await.unwrap();
        service.until("order", "PENDING").await;
        service.decided("order.1").await;
        let answer = service
            .service()
            .sync_payment(service.mina(sync("order")))
            .await
            .unwrap()
            .into_inner();
        assert_eq!(answer.payment.unwrap().state(), PaymentState::Captured, "{engine:?}");

        service.request("timeout", "test-captured-timeout", 100).await.unwrap();
        service.until("timeout", "REQUESTED").await;
        service.stop_gateway().await;
        let answer = service.service().sync_payment(service.mina(sync("timeout"))).await;
        assert_eq!(reason(answer), "GATEWAY_UNAVAILABLE", "{engine:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callback_is_a_hint_and_a_forged_one_has_no_effect() {
    for engine in Engine::BOTH {
        let service = Service::idle(engine).await;
        service.request("order", "test-approve", 100).await.unwrap();
        let forged = r#"{"transactionKey":"x","orderId":"order.1","amount":100,"status":"SUCCESS"}"#;
        let call = async |secret: &str, body: String| {
            let url = format!("http://{}/callbacks/{secret}", service.callbacks);
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            client.post(url).body(body).send().await.unwrap().status().as_u16()
        };
        assert_eq!(call("guessed", forged.to_owned()).await, 404);
        assert_eq!(call(SECRET, forged.to_owned()).await, 200);
        assert_eq!(call(SECRET, r#"{"orderId":"nobody.7"}"#.to_owned()).await, 200);
        for garbage in ["", "{}", r#"{"orderId":"no-attempt"}"#, r#"{"orderId":"order.x"}"#] {
            assert_eq!(call(SECRET, garbage.to_owned()).await, 400, "{garbage}");
        }
        assert_eq!(call(SECRET, " ".repeat(64 * 1024 + 1)).await, 413);
        assert_eq!(service.row("order").await.state, "QUEUED");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_requested_says_why() {
    let service = Service::idle(Engine::Sqlite).await;
    assert_eq!(
        reason(service.request("order", "unknown", 100).await),
        "CARD_TOKEN_NOT_FOUND"
    );
    assert_eq!(
        reason(service.request("order", "test-approve", 0).await),
        "PAYMENT_AMOUNT_ZERO"
    );
    let mut dollars = won(100);
    dollars.as_mut().unwrap().currency_code = "USD".to_owned();
    let request = RequestPaymentRequest {
        order_id: "order".to_owned(),
        attempt: 1,
        amount: dollars,
        card_token: "test-approve".to_owned(),
        ..Default::default()
    };
    assert_eq!(
        reason(service.service().request_payment(service.mina(request)).await),
        "CURRENCY_NOT_SUPPORTED"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_is_full_takes_no_more_but_answers_for_what_it_has() {
    for engine in Engine::BOTH {
        let service = Service::idle(engine).await;
        for number in 0..QUEUE_MAX {
            service
                .request(&format!("order-{number}"), "test-approve", 100)
                .await
                .unwrap();
        }
        assert_eq!(
            reason(service.request("more", "test-approve", 100).await),
            "PAYMENT_QUEUE_FULL",
            "{engine:?}"
        );
        service.request("order-0", "test-approve", 100).await.unwrap();
    }
}
