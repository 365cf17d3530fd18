//! What can be changed while the gateway runs, and what cannot.

use pg_simulator::control;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{CARD, Gateway, Shop, calm, folder};

fn settings(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}

#[tokio::test]
async fn rates_delays_profiles_and_the_fates_of_cards_change_while_it_runs() {
    let (folder, shop) = (folder(), Shop::open().await);
    let gateway = Gateway::start(folder.path(), calm()).await;
    let pay = async |order_id: &str| gateway.pay(&shop.payment(order_id, CARD, 10)).await.0;
    assert_eq!(pay("order-1.1").await, StatusCode::OK);

    let shown = control::send(&gateway.base, &settings(&[("server_error", "1000")]))
        .await
        .unwrap();
    assert_eq!(shown["behaviour"]["rates"]["server_error"], 1_000);
    assert_eq!(pay("order-2.1").await, StatusCode::INTERNAL_SERVER_ERROR);

    let card = format!("card:{CARD}");
    control::send(&gateway.base, &settings(&[(&card, "limit_exceeded+callback_lost")]))
        .await
        .unwrap();
    let key = gateway.accept(&shop.payment("order-3.1", CARD, 10)).await;
    assert_eq!(gateway.decided(&key).await["reason"], "limit exceeded");

    // the profile goes first, wherever it stands, and forgets the card
    let slow = settings(&[("hang", "1000"), ("hang_ms", "1"), ("profile", "calm")]);
    control::send(&gateway.base, &slow).await.unwrap();
    assert_eq!(pay("order-4.1").await, StatusCode::GATEWAY_TIMEOUT);
    control::send(&gateway.base, &settings(&[("profile", "calm")]))
        .await
        .unwrap();
    assert_eq!(pay("order-5.1").await, StatusCode::OK);
    shop.until_called(2).await;
    gateway.stop().await;
    assert_eq!(shop.callbacks().len(), 2);
}

#[tokio::test]
async fn what_does_not_fit_is_refused_and_changes_nothing() {
    let folder = folder();
    let gateway = Gateway::start(folder.path(), calm()).await;
    let show = async || -> Value {
        let shown = gateway
            .client
            .get(format!("{}/control", gateway.base))
            .send()
            .await
            .unwrap();
        shown.json::<Value>().await.unwrap()["behaviour"].clone()
    };
    let before = show().await;
    for body in [
        json!({"speed": 10, "unheard_of": 1}),
        json!({"hang": 700, "redirect": 400}),
        json!({"speed": 0}),
        json!({"card:1": "hang"}),
        json!([1]),
    ] {
        let answer = gateway
            .client
            .post(format!("{}/control", gateway.base))
            .json(&body)
            .send()
            .await
            .unwrap();
        assert!(answer.status().is_client_error(), "{body}");
    }
    assert!(
        control::send(&gateway.base, &settings(&[("unheard_of", "1")]))
            .await
            .is_err()
    );
    assert_eq!(show().await, before);
    gateway.stop().await;
}

#[tokio::test]
async fn calls_are_counted_while_they_are_open() {
    let (folder, shop) = (folder(), Shop::open().await);
    let gateway = Gateway::start(folder.path(), calm()).await;
    control::send(&gateway.base, &settings(&[("hang", "1000"), ("hang_ms", "100")]))
        .await
        .unwrap();
    let payments: Vec<_> = (0..7)
        .map(|n| shop.payment(&format!("order-{n}.1"), CARD, 10))
        .collect();
    futures::future::join_all(payments.iter().map(|payment| gateway.pay(payment))).await;
    let shown = gateway
        .client
        .get(format!("{}/control", gateway.base))
        .send()
        .await
        .unwrap();
    let shown: Value = shown.json().await.unwrap();
    assert_eq!(shown["calls"], json!({"now": 0, "most": 7}));
    gateway.stop().await;
}
