//! Every fault, alone and always, seen from the shop.

use std::time::{Duration, Instant};

use pg_simulator::{Behaviour, Mode, PERMILLE, Status, test_cards};
use reqwest::StatusCode;
use serde_json::json;

use crate::support::{CARD, Gateway, Shop, calm, folder, until};

fn with(mode: Mode) -> Behaviour {
    let behaviour = Behaviour {
        hang_ms: 300,
        callback_late_ms: 150,
        store_late_ms: 150,
        contradiction_ms: 150,
        ..calm()
    };
    behaviour.with(mode, PERMILLE)
}

#[tokio::test]
async fn a_server_error_of_the_contract_stores_nothing() {
    let (folder, shop) = (folder(), Shop::open().await);
    let gateway = Gateway::start(folder.path(), with(Mode::ServerError)).await;
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
    let gateway = Gateway::start(folder.path(), with(Mode::ServerErrorStored)).await;
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
    let gateway = Gateway::start(folder.path(), with(Mode::Hang)).await;
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
    for mode in [Mode::MalformedBody, Mode::ResetBody] {
        let (folder, shop) = (folder(), Shop::open().await);
        let gateway = Gateway::start(folder.path(), with(mode)).await;
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
    let gateway = Gateway::start(folder.path(), with(Mode::SlowBody)).await;
    let asked = Instant::now();
    gateway.accept(&shop.payment("order-1.1", CARD, 10)).await;
    assert!(asked.elapsed() >= Duration::from_millis(250));
    gateway.stop().await;
}

#[tokio::test]
async fn a_callback_comes_twice() {
    let (folder, shop) = (folder(), Shop::open().await);
    let gateway = Gateway::start(folder.path(), with(Mode::CallbackTwice)).await;
    gateway.accept(&shop.payment("order-1.1", CARD, 10)).await;
    let received = shop.until_called(2).await;
    assert_eq!(received[0], received[1]);
    gateway.stop().await;
}

#[tokio::test]
async fn a_callback_never_comes() {
    let (folder, shop) = (folder(), Shop::open().await);
    let gateway = Gateway::start(folder.path(), with(Mode::CallbackLost)).await;
    let key = gateway.accept(&shop.payment("order-1.1", CARD, 10)).await;
    assert_eq!(gateway.decided(&key).await["status"], "SUCCESS");
    gateway.stop().await;
    assert!(shop.callbacks().is_empty());
}

#[tokio::test]
async fn a_callback_comes_late() {
    let (folder, shop) = (folder(), Shop::open().await);
    let gateway = Gateway::start(folder.path(), with(Mode::CallbackLate)).await;
    let asked = Instant::now();
    gateway.accept(&shop.payment("order-1.1", CARD, 10)).await;
    shop.until_called(1).await;
    assert!(asked.elapsed() >= Duration::from_millis(150));
    gateway.stop().await;
}

#[tokio::test]
async fn a_forged_callback_claims_success_before_the_true_one() {
    let (folder, shop) = (folder(), Shop::open().await);
    let behaviour = with(Mode::CallbackForged).with(Mode::InvalidCard, PERMILLE);
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
    let gateway = Gateway::start(folder.path(), with(Mode::CallbackBeforeReply)).await;
    gateway.accept(&shop.payment("order-1.1", CARD, 10)).await;
    assert_eq!(shop.callbacks().len(), 1);
    gateway.stop().await;
}

#[tokio::test]
async fn the_gateway_may_book_another_amount_but_never_none() {
    let (folder, shop) = (folder(), Shop::open().await);
    let gateway = Gateway::start(folder.path(), with(Mode::WrongAmount)).await;
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

#[tokio::test]
async fn what_is_stored_late_is_unknown_at_first() {
    let (folder, shop) = (folder(), Shop::open().await);
    let gateway = Gateway::start(folder.path(), with(Mode::StoredLate)).await;
    let payment = shop.payment("order-1.1", CARD, 10);
    let call = gateway.post("/api/v1/payments", &payment);
    assert!(tokio::time::timeout(Duration::from_millis(50), call).await.is_err());
    assert_eq!(gateway.get("?orderId=order-1.1").await.0, StatusCode::NOT_FOUND);
    assert_eq!(shop.until_called(1).await[0]["status"], "SUCCESS");
    assert_eq!(gateway.get("?orderId=order-1.1").await.0, StatusCode::OK);
    gateway.stop().await;
}

#[tokio::test]
async fn a_redirect_leads_to_paying_twice_and_a_bad_gateway_repeats_what_it_was_sent() {
    let (folder, shop) = (folder(), Shop::open().await);
    let gateway = Gateway::start(folder.path(), with(Mode::Redirect)).await;
    let payment = shop.payment("order-1.1", CARD, 10);
    // the client of the tests follows, ten times
    assert!(gateway.post("/api/v1/payments", &payment).await.is_err());
    assert_eq!(gateway.book().of_order("order-1.1").count(), 11);
    gateway.stop().await;

    let gateway = Gateway::start(folder.path(), with(Mode::BadGateway)).await;
    let answer = gateway.post("/api/v1/payments", &payment).await.unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
    assert!(answer.text().await.unwrap().contains(CARD));
    gateway.stop().await;
}

#[tokio::test]
async fn a_huge_body_is_ten_megabytes_and_true() {
    let (folder, shop) = (folder(), Shop::open().await);
    let gateway = Gateway::start(folder.path(), with(Mode::HugeBody)).await;
    let payment = shop.payment("order-1.1", CARD, 10);
    let body = gateway
        .post("/api/v1/payments", &payment)
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    assert!(body.len() > 10_000_000);
    let answer: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(answer["data"]["status"], "PENDING");
    gateway.stop().await;
}

#[tokio::test]
async fn look_ups_contradict_the_book_and_each_other() {
    for (mode, told) in [
        (Mode::ShownLate, &["", "SUCCESS"][..]),
        (Mode::ShownFailedFirst, &["FAILED", "SUCCESS"]),
        (Mode::ShownPendingAgain, &["SUCCESS", "PENDING", "SUCCESS"]),
    ] {
        let (folder, shop) = (folder(), Shop::open().await);
        let gateway = Gateway::start(folder.path(), with(mode)).await;
        let key = gateway.accept(&shop.payment("order-1.1", CARD, 10)).await;
        shop.until_called(1).await;
        assert_eq!(gateway.book().transaction(&key).unwrap().status(), Status::Success);
        let mut seen: Vec<String> = Vec::new();
        until(async || {
            let (_, answer) = gateway.get("?orderId=order-1.1").await;
            let status = answer["data"]["transactions"][0]["status"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            if seen.last() != Some(&status) {
                seen.push(status);
            }
            (seen.len() == told.len()).then_some(())
        })
        .await;
        assert_eq!(seen, told, "{mode:?}");
        gateway.stop().await;
    }
}

#[tokio::test]
async fn look_ups_fail_in_every_way() {
    let (folder, shop) = (folder(), Shop::open().await);
    let gateway = Gateway::start(folder.path(), calm()).await;
    gateway.accept(&shop.payment("order-1.1", CARD, 10)).await;
    gateway.stop().await;
    for (mode, status) in [
        (Mode::LookUpHang, StatusCode::GATEWAY_TIMEOUT),
        (Mode::LookUpError, StatusCode::INTERNAL_SERVER_ERROR),
        (Mode::LookUpMalformed, StatusCode::OK),
        (Mode::LookUpReset, StatusCode::OK),
        (Mode::LookUpHuge, StatusCode::OK),
        (Mode::LookUpSlow, StatusCode::OK),
    ] {
        let gateway = Gateway::start(folder.path(), with(mode)).await;
        let url = format!("{}/api/v1/payments?orderId=order-1.1", gateway.base);
        let answer = gateway
            .client
            .get(url)
            .header("X-USER-ID", "mina")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), status, "{mode:?}");
        let whole = answer.json::<serde_json::Value>().await.is_ok();
        assert_eq!(
            whole,
            !matches!(mode, Mode::LookUpMalformed | Mode::LookUpReset),
            "{mode:?}"
        );
        gateway.stop().await;
    }
}

#[tokio::test]
async fn cancellations_lose_their_answer_or_their_effect() {
    for (mode, done) in [
        (Mode::CancelTimeoutDone, true),
        (Mode::CancelTimeoutNotDone, false),
        (Mode::CancelErrorDone, true),
        (Mode::CancelMalformedNotDone, false),
    ] {
        let (folder, shop) = (folder(), Shop::open().await);
        let gateway = Gateway::start(folder.path(), with(mode)).await;
        let key = gateway.accept(&shop.payment("order-1.1", CARD, 10)).await;
        gateway.decided(&key).await;
        let path = format!("/api/v1/payments/{key}/cancel");
        let answer = gateway.post(&path, &json!({"amount": 4})).await.unwrap();
        assert!(answer.json::<serde_json::Value>().await.is_err() || mode != Mode::CancelMalformedNotDone);
        let cancelled = gateway.book().money_by_order()["order-1.1"].cancelled;
        assert_eq!(cancelled, if done { 4 } else { 0 }, "{mode:?}");
        gateway.stop().await;
    }
}
