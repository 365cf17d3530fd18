//! Refunds: partly, twice, at once, and never more than was taken.

use futures::future::join_all;
use pg_simulator::{Mode, Profile};
use proto::payment::v1::PaymentState;

use crate::service::{Service, reason};
use support::Engine;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partial_refunds_go_back_once_each_and_never_exceed_the_capture() {
    for engine in Engine::BOTH {
        let service = Service::start(engine, Profile::Calm.behaviour()).await;
        assert_eq!(reason(service.refund("order", "r", 1).await), "PAYMENT_NOT_FOUND");
        service.request("order", "test-approve", 1_000).await.unwrap();
        service.until("order", "CAPTURED").await;

        let promised = service.refund("order", "r1", 300).await.unwrap().payment.unwrap();
        assert_eq!(promised.state(), PaymentState::Refunding);
        let row = service.until("order", "PARTIALLY_REFUNDED").await;
        assert_eq!((row.refunded, service.kept("order.1")), (300, 700), "{engine:?}");

        service.refund("order", "r1", 300).await.unwrap();
        assert_eq!(reason(service.refund("order", "r1", 301).await), "REFUND_DIFFERS");
        assert_eq!(
            reason(service.refund("order", "r2", 701).await),
            "REFUND_EXCEEDS_CAPTURE"
        );
        assert_eq!(reason(service.refund("order", "r2", 0).await), "PAYMENT_AMOUNT_ZERO");
        service.refund("order", "r2", 700).await.unwrap();
        service.until("order", "REFUNDED").await;
        assert_eq!(service.at_rest("order").await.refunded, 1_000);
        assert_eq!(service.kept("order.1"), 0, "{engine:?}");
        let told = service.facts("order").await;
        let refunds = [
            "PaymentRefunding",
            "PaymentRefunded",
            "PaymentRefunding",
            "PaymentRefunded",
        ];
        assert_eq!(told[3..], refunds, "{engine:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refunds_promised_while_others_are_under_way_add_up() {
    for engine in Engine::BOTH {
        let service = Service::start(engine, Profile::Calm.behaviour()).await;
        service.request("order", "test-approve", 1_000).await.unwrap();
        service.until("order", "CAPTURED").await;
        let ids: Vec<String> = (0..9).map(|number| format!("r{number}")).collect();
        for answer in join_all(ids.iter().map(|id| service.refund("order", id, 100))).await {
            answer.unwrap();
        }
        let row = service.until("order", "PARTIALLY_REFUNDED").await;
        assert_eq!((row.refunded, service.kept("order.1")), (900, 100), "{engine:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_captured_is_not_refunded() {
    for engine in Engine::BOTH {
        let service = Service::start(engine, Profile::Calm.behaviour()).await;
        service.request("order", "test-limit", 1_000).await.unwrap();
        service.until("order", "DECLINED").await;
        assert_eq!(
            reason(service.refund("order", "r", 1).await),
            "PAYMENT_NOT_CAPTURED",
            "{engine:?}"
        );
    }
}

/// The gateway's word is what counts, and broken JSON is none: not even behind HTTP 200.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_whose_answer_is_lost_or_broken_is_made_once() {
    for engine in Engine::BOTH {
        let service = Service::start(engine, Profile::Calm.behaviour()).await;
        let modes = Mode::ALL.iter().filter(|mode| mode.name().starts_with("cancel_"));
        for (number, mode) in modes.clone().enumerate() {
            let card = format!("1234-5678-9012-{number:04}");
            service.control(&[(&format!("card:{card}"), mode.name())]).await;
            service
                .request(mode.name(), &service.token(&card).await, 1_000)
                .await
                .unwrap();
        }
        for mode in modes {
            let order_id = mode.name();
            service.until(order_id, "CAPTURED").await;
            service.refund(order_id, "part", 300).await.unwrap();
            let row = service.until(order_id, "PARTIALLY_REFUNDED").await;
            let kept = service.kept(&format!("{order_id}.1"));
            assert_eq!((row.refunded, kept), (300, 700), "{engine:?} {mode:?}");
        }
    }
}
