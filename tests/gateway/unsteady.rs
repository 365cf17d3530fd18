//! A gateway that fails, hangs, lies and dies: no order is charged twice, and no money is kept that pays nothing.

use futures::future::join_all;
use pg_simulator::{Behaviour, Profile};

use crate::service::Service;
use support::Engine;
use support::wait::until;

const PAYMENTS: usize = 40;

/// Requests many payments, waits until all are at rest, and holds every one against the gateway's book.
async fn pay_and_compare(service: &Service, what: &str) {
    let requests = (0..PAYMENTS).map(async |number| {
        let card = service.token("1234-5678-9012-3456").await;
        service.request(&format!("order-{number}"), &card, 1_000).await.unwrap();
    });
    join_all(requests).await;
    let mut captured = 0;
    for number in 0..PAYMENTS {
        let row = service.at_rest(&format!("order-{number}")).await;
        let kept = service.kept(&format!("order-{number}.1"));
        match row.state.as_str() {
            "CAPTURED" => {
                captured += 1;
                assert_eq!((row.captured, kept), (1_000, 1_000), "{what} order-{number}");
            }
            "CONFLICTED" => assert_eq!((row.captured - row.refunded, kept), (0, 0), "{what} order-{number}"),
            "DECLINED" | "NOT_CHARGED" => assert_eq!(kept, 0, "{what} order-{number} {}", row.state),
            state => panic!("{what} order-{number} rests as {state}"),
        }
    }
    assert!(
        captured > PAYMENTS / 3,
        "{what}: only {captured} of {PAYMENTS} were captured"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forty_percent_of_posts_fail_and_every_payment_ends_as_the_book_says() {
    for engine in Engine::BOTH {
        let behaviour = Behaviour {
            speed: 20,
            ..Profile::Seed.behaviour()
        };
        let service = Service::start(engine, behaviour).await;
        pay_and_compare(&service, &format!("{engine:?} seed")).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_at_once_charges_nobody_twice() {
    for engine in Engine::BOTH {
        let behaviour = Behaviour {
            speed: 20,
            hang_ms: 40_000,
            callback_late_ms: 2_000,
            ..Profile::Hostile.behaviour()
        };
        let service = Service::start(engine, behaviour).await;
        pay_and_compare(&service, &format!("{engine:?} hostile")).await;
    }
}

/// Calls that find no gateway before it is back: more than open the breaker.
const VAIN: i64 = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_gateway_down_payments_wait_and_are_paid_when_it_is_back() {
    for engine in Engine::BOTH {
        let mut service = Service::idle(engine).await;
        service.run();
        for number in 0..30 {
            service
                .request(&format!("order-{number}"), "test-approve", 100)
                .await
                .unwrap();
        }
        until("the gateway was asked in vain", async || {
            service.asked_in_vain().await >= VAIN
        })
        .await;
        service.start_gateway(Profile::Calm.behaviour()).await;
        for number in 0..30 {
            let row = service.until(&format!("order-{number}"), "CAPTURED").await;
            assert!(
                row.posts <= 2,
                "{engine:?} order-{number} was posted {} times",
                row.posts
            );
        }
        assert_eq!(service.book().transactions().len(), 30, "{engine:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_dies_and_comes_back_loses_no_payment() {
    for engine in Engine::BOTH {
        let slow = Behaviour {
            decision_delay_ms: pg_simulator::DelayMs { min: 300, max: 300 },
            ..Profile::Calm.behaviour()
        };
        let mut service = Service::start(engine, slow.clone()).await;
        service.request("order", "test-approve", 100).await.unwrap();
        service.until("order", "PENDING").await;
        service.stop_gateway().await;
        until("it was asked how it went", async || service.asked_in_vain().await >= 2).await;
        service.start_gateway(slow).await;
        service.until("order", "CAPTURED").await;
        assert_eq!(service.kept("order.1"), 100, "{engine:?}");
    }
}
