//! Every fault, alone and always, seen from the shop.

use std::time::{Duration, Instant};

use pg_simulator::{Behaviour, Faults, Status, test_cards};
use reqwest::StatusCode;
use serde_json::json;

use crate::support::{CARD, Gateway, Shop, calm, folder, until};

fn with(change: impl FnOnce(&mut Faults)) -> Behaviour {
    let mut behaviour = calm();
    behaviour.faults.hang_ms = 300;
    behaviour.faults.callback_late_ms = 150;
    change(&mut behaviour.faults);
    behaviour
}

#[tokio::test]
async fn a_server_error_of_the_contract_stores_nothing() {
    let (folder, shop) = (folder(), Shop::open().await);
    let gateway = Gateway::start(
        folder.path(),
        Behaviour {
            server_error_permille: 1_000,
            ..calm()
        },
    )
    .await;
    let (status, answer) = gateway.pay(&shop.payment("order-1.1", CARD, 10)).await;
    assert_eq!(
        (status, &answer["meta"]["result"]),
        (StatusCode::INTERNAL_SERVER_ERROR, &json!("FAIL"))
    );
    assert_eq!(gateway.get("?orderId=order-1.1").await.0, StatusCode::NOT_FOUND);
    gateway.stop().await;
}

#[tokio::test]
async fn a_server_error_may_have_stored() {
    let (folder, shop) = (folder(), Shop::open().await);
    let gateway = Gateway::start(
        folder.path(),
        with(|faults| faults.server_error_stored_permille = 1_000),
    )
    .await;
    let (status, answer) = gateway.pay(&shop.payment("order-1.1", CARD, 10)).await;
    assert_eq!(
        (status, &answer["meta"]["result"]),
        (StatusCode::INTERNAL_SERVER_ERROR, &json!("FAIL"))
    );
    assert_eq!(shop.until_called(1).await[0]["status"], "SUCCESS");
    gateway.stop().await;
}

#[tokio::test]
async fn a_hanging_gateway_answers_late_and_stores_nothing() {
    let (folder, shop) = (folder(), Shop::open().await);
    let gateway = Gateway::start(folder.path(), with(|faults| faults.hang_permille = 1_000)).await;
    let asked = Instant::now();
    assert_eq!(
        gateway.pay(&shop.payment("order-1.1", CARD, 10)).await.0,
        StatusCode::GATEWAY_TIMEOUT
    );
    assert!(asked.elapsed() >= Duration::from_millis(300));
    assert!(gateway.book().transactions().is_empty());
    gateway.stop().await;
}

#[tokio::test]
async fn a_captured_timeout_takes_the_money_even_if_the_caller_hangs_up() {
    let (folder, shop) = (folder(), Shop::open().await);
    let gateway = Gateway::start(folder.path(), calm()).await;
    let payment = shop.payment("order-1.1", test_cards::CAPTURED_TIMEOUT, 10);
    let call = gateway.post("/api/v1/payments", &payment);
    assert!(tokio::time::timeout(Duration::from_millis(200), call).await.is_err());
    assert_eq!(shop.until_called(1).await[0]["status"], "SUCCESS");
    assert_eq!(gateway.book().money_by_order()["order-1.1"].captured, 10);
    gateway.stop().await;
}

#[tokio::test]
async fn broken_bodies_belong_to_stored_payments() {
    for change in [
        (|faults| faults.malformed_body_permille = 1_000) as fn(&mut Faults),
        |faults| faults.reset_body_permille = 1_000,
    ] {
        let (folder, shop) = (folder(), Shop::open().await);
        let gateway = Gateway::start(folder.path(), with(change)).await;
        let answer = gateway
            .post("/api/v1/payments", &shop.payment("order-1.1", CARD, 10))
            .await;
        assert!(answer.unwrap().json::<serde_json::Value>().await.is_err());
        assert_eq!(shop.until_called(1).await[0]["status"], "SUCCESS");
        gateway.stop().await;
    }
}

#[tokio::test]
async fn a_slow_body_takes_its_time() {
    let (folder, shop) = (folder(), Shop::open().await);
    let gateway = Gateway::start(folder.path(), with(|faults| faults.slow_body_permille = 1_000)).await;
    let asked = Instant::now();
    gateway.accept(&shop.payment("order-1.1", CARD, 10)).await;
    assert!(asked.elapsed() >= Duration::from_millis(250));
    gateway.stop().await;
}

#[tokio::test]
async fn a_callback_comes_twice() {
    let (folder, shop) = (folder(), Shop::open().await);
    let gateway = Gateway::start(folder.path(), with(|faults| faults.callback_twice_permille = 1_000)).await;
    gateway.accept(&shop.payment("order-1.1", CARD, 10)).await;
    let received = shop.until_called(2).await;
    assert_eq!(received[0], received[1]);
    gateway.stop().await;
}

#[tokio::test]
async fn a_callback_never_comes() {
    let (folder, shop) = (folder(), Shop::open().await);
    let gateway = Gateway::start(folder.path(), with(|faults| faults.callback_lost_permille = 1_000)).await;
    let key = gateway.accept(&shop.payment("order-1.1", CARD, 10)).await;
    assert_eq!(gateway.decided(&key).await["status"], "SUCCESS");
    gateway.stop().await;
    assert!(shop.callbacks().is_empty());
}

#[tokio::test]
async fn a_callback_comes_late() {
    let (folder, shop) = (folder(), Shop::open().await);
    let gateway = Gateway::start(folder.path(), with(|faults| faults.callback_late_permille = 1_000)).await;
    let asked = Instant::now();
    gateway.accept(&shop.payment("order-1.1", CARD, 10)).await;
    shop.until_called(1).await;
    assert!(asked.elapsed() >= Duration::from_millis(150));
    gateway.stop().await;
}

#[tokio::test]
async fn a_forged_callback_claims_success_before_the_true_one() {
    let (folder, shop) = (folder(), Shop::open().await);
    let behaviour = Behaviour {
        invalid_card_permille: 1_000,
        ..with(|faults| faults.callback_forged_permille = 1_000)
    };
    let gateway = Gateway::start(folder.path(), behaviour).await;
    gateway.accept(&shop.payment("order-1.1", CARD, 10)).await;
    let claims: Vec<_> = shop
        .until_called(2)
        .await
        .iter()
        .map(|callback| callback["status"].clone())
        .collect();
    assert_eq!(claims, ["SUCCESS", "FAILED"]);
    gateway.stop().await;
}

#[tokio::test]
async fn a_callback_overtakes_the_reply() {
    let (folder, shop) = (folder(), Shop::open().await);
    let gateway = Gateway::start(
        folder.path(),
        with(|faults| faults.callback_before_reply_permille = 1_000),
    )
    .await;
    gateway.accept(&shop.payment("order-1.1", CARD, 10)).await;
    assert_eq!(shop.callbacks().len(), 1);
    gateway.stop().await;
}

#[tokio::test]
async fn the_gateway_may_book_another_amount_but_never_none() {
    let (folder, shop) = (folder(), Shop::open().await);
    let gateway = Gateway::start(folder.path(), with(|faults| faults.wrong_amount_permille = 1_000)).await;
    for amount in [1, 2, i64::MAX] {
        let key = gateway.accept(&shop.payment("order-1.1", CARD, amount)).await;
        let booked = gateway.decided(&key).await["amount"].as_i64().unwrap();
        assert!(booked >= 1 && booked != amount);
    }
    let sum = until(async || Some(gateway.book().money_by_order()["order-1.1"].captured)).await;
    assert_eq!(sum, 2 + 1 + i128::from(i64::MAX - 1));
    assert!(
        gateway
            .book()
            .transactions()
            .iter()
            .all(|transaction| transaction.status() == Status::Success)
    );
    gateway.stop().await;
}
