//! What the contract promises while nothing fails.

use pg_simulator::{Mode, Money, PERMILLE, test_cards};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{CARD, Gateway, Shop, calm, folder, undecided};

#[tokio::test]
async fn a_payment_is_pending_then_decided_and_the_shop_is_called_once() {
    let (folder, shop) = (folder(), Shop::open().await);
    let gateway = Gateway::start(folder.path(), calm()).await;

    let (status, answer) = gateway.pay(&shop.payment("order-1.1", CARD, 1_500)).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        answer["meta"],
        json!({"result": "SUCCESS", "errorCode": null, "message": null})
    );
    let key = answer["data"]["transactionKey"].as_str().unwrap().to_owned();
    assert_eq!(
        answer["data"],
        json!({"transactionKey": key, "status": "PENDING", "reason": null})
    );
    let parts: Vec<_> = key.split(':').collect();
    assert!(
        parts[0].len() == 8 && parts[0].bytes().all(|byte| byte.is_ascii_digit()),
        "{key}"
    );
    assert_eq!(parts[1], "TR");
    assert!(
        parts[2].len() == 6 && parts[2].bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{key}"
    );

    assert_eq!(
        gateway.decided(&key).await,
        json!({
            "transactionKey": key, "orderId": "order-1.1", "cardType": "KB", "cardNo": "****-****-****-3456",
            "amount": 1_500, "cancelledAmount": 0, "status": "SUCCESS", "reason": null,
        })
    );
    assert_eq!(
        shop.until_called(1).await,
        [json!({
            "transactionKey": key, "orderId": "order-1.1", "cardType": "KB", "cardNo": CARD,
            "amount": 1_500, "status": "SUCCESS", "reason": null,
        })]
    );
    gateway.stop().await;
    assert_eq!(shop.callbacks().len(), 1);
}

#[tokio::test]
async fn each_accepted_post_is_a_transaction_of_its_own() {
    let (folder, shop) = (folder(), Shop::open().await);
    let gateway = Gateway::start(folder.path(), undecided()).await;
    let payment = shop.payment("order-1.1", CARD, 1_500);
    let keys = [gateway.accept(&payment).await, gateway.accept(&payment).await];
    assert_ne!(keys[0], keys[1]);

    let row = |key: &str| json!({"transactionKey": key, "status": "PENDING", "reason": null, "amount": 1_500, "cancelledAmount": 0});
    let (status, answer) = gateway.get("?orderId=order-1.1").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        answer["data"],
        json!({"orderId": "order-1.1", "transactions": [row(&keys[0]), row(&keys[1])]})
    );
    gateway.stop().await;
}

#[tokio::test]
async fn what_breaks_the_contract_is_refused_with_its_message_and_not_stored() {
    let (folder, shop) = (folder(), Shop::open().await);
    let gateway = Gateway::start(folder.path(), calm()).await;
    let order_id = "orderId must have 6 to 128 characters";
    let card_type = "cardType must be SAMSUNG, KB or HYUNDAI";
    let card_no = "cardNo must have the form dddd-dddd-dddd-dddd";
    let amount = "amount must be a positive integer";
    let callback_url = "callbackUrl must be an http:// address";
    let cases: &[(&str, Value, &str)] = &[
        ("orderId", json!("12345"), order_id),
        ("orderId", json!("x".repeat(129)), order_id),
        ("cardType", json!("VISA"), card_type),
        ("cardNo", json!("1234-5678-9012-345"), card_no),
        ("cardNo", json!("1234567890123456"), card_no),
        ("cardNo", json!("1234-5678-9012-345٣"), card_no),
        ("amount", json!(0), amount),
        ("amount", json!(-1), amount),
        ("amount", json!(1.5), "the body is not a payment"),
        ("amount", json!(u64::MAX), "the body is not a payment"),
        ("callbackUrl", json!("https://shop.example/x"), callback_url),
        ("callbackUrl", json!("/callbacks"), callback_url),
    ];
    for (field, value, message) in cases {
        let mut payment = shop.payment("order-1.1", CARD, 1_500);
        payment[field] = value.clone();
        let (status, answer) = gateway.pay(&payment).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{field} {value}");
        let meta = json!({"result": "FAIL", "errorCode": "BAD_REQUEST", "message": message});
        assert_eq!(answer, json!({"meta": meta, "data": null}));
    }
    assert!(gateway.book().transactions().is_empty());
    gateway.stop().await;
}

#[tokio::test]
async fn a_call_without_a_user_is_refused_but_health_needs_none() {
    let folder = folder();
    let gateway = Gateway::start(folder.path(), calm()).await;
    let bare = async |path: &str| {
        gateway
            .client
            .get(format!("{}{path}", gateway.base))
            .send()
            .await
            .unwrap()
    };
    assert_eq!(bare("/health").await.status(), StatusCode::OK);
    let refused = bare("/api/v1/payments?orderId=order-1.1").await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    let answer: Value = refused.json().await.unwrap();
    assert_eq!(answer["meta"]["message"], "the X-USER-ID header is required");
    gateway.stop().await;
}

#[tokio::test]
async fn the_unknown_is_404() {
    let folder = folder();
    let gateway = Gateway::start(folder.path(), calm()).await;
    for path in ["/20260101:TR:000000", "?orderId=order-1.1"] {
        let (status, answer) = gateway.get(path).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert_eq!(answer["meta"]["errorCode"], "NOT_FOUND");
    }
    let (status, _) = gateway.cancel("20260101:TR:000000", 1).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    gateway.stop().await;
}

#[tokio::test]
async fn a_capture_is_cancelled_in_parts_and_never_beyond_itself() {
    let (folder, shop) = (folder(), Shop::open().await);
    let gateway = Gateway::start(folder.path(), calm()).await;
    let key = gateway.accept(&shop.payment("order-1.1", CARD, 1_000)).await;
    gateway.decided(&key).await;

    let (status, answer) = gateway.cancel(&key, 400).await;
    assert_eq!(
        (status, &answer["data"]["cancelledAmount"]),
        (StatusCode::OK, &json!(400))
    );
    for amount in [601, 0, -400, i64::MAX] {
        assert_eq!(gateway.cancel(&key, amount).await.0, StatusCode::BAD_REQUEST);
    }
    let (status, answer) = gateway.cancel(&key, 600).await;
    assert_eq!(
        (status, &answer["data"]["cancelledAmount"]),
        (StatusCode::OK, &json!(1_000))
    );
    assert_eq!(answer["data"]["status"], "SUCCESS");
    assert_eq!(gateway.cancel(&key, 1).await.0, StatusCode::BAD_REQUEST);

    let book = gateway.book();
    assert_eq!(
        book.money_by_order()["order-1.1"],
        Money {
            captured: 1_000,
            cancelled: 1_000
        }
    );
    gateway.stop().await;
}

#[tokio::test]
async fn a_hundred_cancels_at_once_give_back_no_more_than_there_is() {
    let (folder, shop) = (folder(), Shop::open().await);
    let gateway = Gateway::start(folder.path(), calm()).await;
    let key = gateway.accept(&shop.payment("order-1.1", CARD, 1_000)).await;
    gateway.decided(&key).await;

    let answers = futures::future::join_all((0..100).map(|_| gateway.cancel(&key, 30))).await;
    assert_eq!(
        answers.iter().filter(|(status, _)| *status == StatusCode::OK).count(),
        33
    );
    assert_eq!(gateway.book().money_by_order()["order-1.1"].cancelled, 990);
    gateway.stop().await;
}

#[tokio::test]
async fn only_success_can_be_cancelled() {
    let (folder, shop) = (folder(), Shop::open().await);
    let gateway = Gateway::start(folder.path(), undecided()).await;
    let pending = gateway.accept(&shop.payment("order-1.1", CARD, 1_000)).await;
    assert_eq!(gateway.cancel(&pending, 1).await.0, StatusCode::BAD_REQUEST);
    gateway.stop().await;

    let gateway = Gateway::start(folder.path(), calm().with(Mode::LimitExceeded, PERMILLE)).await;
    let failed = gateway.accept(&shop.payment("order-2.1", CARD, 1_000)).await;
    let transaction = gateway.decided(&failed).await;
    assert_eq!(
        (&transaction["status"], &transaction["reason"]),
        (&json!("FAILED"), &json!("limit exceeded"))
    );
    assert_eq!(gateway.cancel(&failed, 1).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(gateway.book().money_by_order()["order-2.1"], Money::default());
    gateway.stop().await;
}

#[tokio::test]
async fn cards_of_fixed_fate_keep_it_whatever_the_dice_say() {
    let (folder, shop) = (folder(), Shop::open().await);
    let dice = calm().with(Mode::ServerError, PERMILLE);
    let gateway = Gateway::start(folder.path(), dice).await;
    assert_eq!(
        gateway.pay(&shop.payment("order-0.1", CARD, 10)).await.0,
        StatusCode::INTERNAL_SERVER_ERROR
    );

    for (card_no, status, reason) in [
        (test_cards::APPROVE, "SUCCESS", json!(null)),
        (test_cards::LIMIT, "FAILED", json!("limit exceeded")),
        (test_cards::INVALID, "FAILED", json!("invalid card")),
        (test_cards::LOST_CALLBACK, "SUCCESS", json!(null)),
    ] {
        let key = gateway.accept(&shop.payment("order-1.1", card_no, 10)).await;
        let transaction = gateway.decided(&key).await;
        assert_eq!(
            (&transaction["status"], &transaction["reason"]),
            (&json!(status), &reason),
            "{card_no}"
        );
    }
    let called: Vec<_> = shop
        .until_called(3)
        .await
        .iter()
        .map(|callback| callback["cardNo"].clone())
        .collect();
    gateway.stop().await;
    assert_eq!(shop.callbacks().len(), 3);
    assert!(!called.contains(&json!(test_cards::LOST_CALLBACK)));
}
