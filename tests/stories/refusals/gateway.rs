//! A shop whose payment gateway is somebody else's: not there at first, then taking wrong amounts, then declining.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Json;
use axum::extract::Query;
use axum::routing::get;
use kit::context::Context;
use kit::database::Sql;
use kit::values;
use pg_simulator::{Mode, PERMILLE, Profile};
use proto::order::v1::PlaceOrderRequest;
use proto::payment::v1::{CardType, SyncPaymentRequest, TokenizeCardRequest};
use serde_json::{Value, json};
use support::client::card_order;
use support::engine::quiet_port;
use support::gateway::Gateway;
use support::wait::eventually;
use support::{Buyer, Engine, TestShop, reason};
use tokio::net::TcpListener;
use tonic::Status;

use super::Reached;
use super::orders::{pay, request};

/// Payments that may wait for the gateway.
const QUEUE_MAX: i64 = 10_000;
const KEY: &str = "20261124:TR:000001";

pub async fn refuses(engine: Engine, reached: &mut Reached) {
    let address = SocketAddr::from(([127, 0, 0, 1], quiet_port()));
    let shop = TestShop::start_with(engine, |config| config.gateway = format!("http://{address}")).await;
    shop.stock(&[("book", 1_000, 100)]).await;
    let mina = shop.buyer("mina");
    let request = PlaceOrderRequest {
        card_token: card(&mina).await,
        ..card_order(&[("book", 1)])
    };
    let order_id = mina.place(request).await.unwrap().order_id;
    is_not_there(&mina, &order_id, reached).await;
    takes_nothing(&shop, &mina, &order_id, address, reached).await;
    takes_wrong_amounts(&shop, &mina, &order_id, address, reached).await;
    declines(&mina, &order_id, address, reached).await;
    has_a_long_queue(&shop, &mina, reached).await;
    shop.end().await;
}

/// A card whose fate is the gateway's to throw.
async fn card(mina: &Buyer) -> String {
    let request = TokenizeCardRequest {
        card_type: CardType::Kb.into(),
        card_number: "1234-5678-9012-3456".to_owned(),
        ..Default::default()
    };
    mina.cards()
        .tokenize_card(request)
        .await
        .unwrap()
        .into_inner()
        .card_token
}

/// Has the gateway asked about an attempt; tells why that has ended, if it has.
async fn sync(mina: &Buyer, order_id: &str, attempt: i32) -> Result<String, Status> {
    let request = SyncPaymentRequest {
        order_id: order_id.to_owned(),
        attempt,
        ..Default::default()
    };
    let answer = mina.payments().sync_payment(mina.for_me(request)).await?;
    Ok(answer.into_inner().payment.unwrap().reason)
}

/// Has the gateway asked until an attempt has ended; tells why, as the order shows it.
async fn ended(mina: &Buyer, order_id: &str, attempt: i32, between: impl Fn()) -> String {
    eventually(format!("attempt {attempt} of {order_id} has ended"), async || {
        let outcome = sync(mina, order_id, attempt).await;
        if outcome.as_ref().is_ok_and(|reason| !reason.is_empty()) {
            return Ok(());
        }
        between();
        Err(outcome)
    })
    .await;
    let order = mina.until(order_id, |order| order.attempt == attempt && !order.payment_open);
    order.await.payment_reason
}

async fn is_not_there(mina: &Buyer, order_id: &str, reached: &mut Reached) {
    let again = pay(mina, order_id, "test-approve").await;
    reached.by(
        "PAYMENT_IN_PROGRESS",
        &[("order_id", order_id), ("attempt", "1")],
        again,
    );
    let asked = eventually("the attempt is sent", async || match sync(mina, order_id, 1).await {
        // not requested yet
        Err(status) if reason(&status) == "PAYMENT_NOT_FOUND" => Err("not requested"),
        Ok(_) => Err("not sent"),
        refused => Ok(refused),
    })
    .await;
    reached.by("GATEWAY_UNAVAILABLE", &[], asked);
}

/// It answers every payment with an error, and its book stays empty: half a minute after the last try that is proof.
async fn takes_nothing(shop: &TestShop, mina: &Buyer, order_id: &str, address: SocketAddr, reached: &mut Reached) {
    let behaviour = Profile::Calm.behaviour().with(Mode::ServerError, PERMILLE);
    let mut gateway = Gateway::at(address);
    gateway.start(behaviour).await;
    let ended = ended(mina, order_id, 1, || shop.clock.advance(Duration::from_secs(31)));
    reached.as_the_end("PAYMENT_NOT_CHARGED", &ended.await);
    gateway.stop().await;
}

async fn takes_wrong_amounts(
    shop: &TestShop,
    mina: &Buyer,
    order_id: &str,
    address: SocketAddr,
    reached: &mut Reached,
) {
    let behaviour = Profile::Calm.behaviour().with(Mode::WrongAmount, PERMILLE);
    let mut gateway = Gateway::at(address);
    gateway.start(behaviour).await;
    pay(mina, order_id, &card(mina).await).await.unwrap();
    reached.as_the_end("PAYMENT_AMOUNT_CONFLICT", &ended(mina, order_id, 2, || {}).await);
    // what was taken has gone back
    shop.at_rest().await;
    gateway.stop().await;
}

/// A gateway of the same contract with reasons of its own.
async fn declines(mina: &Buyer, order_id: &str, address: SocketAddr, reached: &mut Reached) {
    async fn accept() -> Json<Value> {
        let data = json!({ "transactionKey": KEY, "status": "PENDING", "reason": null });
        Json(json!({ "meta": { "result": "SUCCESS" }, "data": data }))
    }
    async fn book(Query(query): Query<HashMap<String, String>>) -> Json<Value> {
        let transaction = json!({
            "transactionKey": KEY, "status": "FAILED", "reason": "stolen", "amount": 1_000, "cancelledAmount": 0,
        });
        let data = json!({ "orderId": query["orderId"], "transactions": [transaction] });
        Json(json!({ "meta": { "result": "SUCCESS" }, "data": data }))
    }
    let listener = TcpListener::bind(address).await.unwrap();
    let routes = axum::Router::new().route("/api/v1/payments", get(book).post(accept));
    let gateway = tokio::spawn(axum::serve(listener, routes).into_future());
    pay(mina, order_id, "test-approve").await.unwrap();
    reached.as_the_end("PAYMENT_DECLINED", &ended(mina, order_id, 3, || {}).await);
    gateway.abort();
}

async fn has_a_long_queue(shop: &TestShop, mina: &Buyer, reached: &mut Reached) {
    let queued = format!(
        "INSERT INTO payments (order_id, attempt, user_id, amount, card_token, last_four, state, reason, captured,
            refunded, transaction_key, posts, repeatable, closed, version, created_at, updated_at, hinted, lease_token,
            leased_until)
        WITH RECURSIVE numbers(number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < {QUEUE_MAX})
        SELECT 'queued-' || number, 1, 'mina', 1, 'test-approve', '0001', 'QUEUED', '', 0, 0, '', 0, FALSE, FALSE, 1, 0, 0,
            FALSE, 0, 0 FROM numbers"
    );
    run(shop, &queued).await;
    let metadata = [("waiting", "10000")];
    reached.by(
        "PAYMENT_QUEUE_FULL",
        &metadata,
        request(mina, "more", 1, 1, "test-approve").await,
    );
    run(shop, "DELETE FROM payments WHERE order_id LIKE 'queued-%'").await;
}

async fn run(shop: &TestShop, sql: &str) {
    let context = Context::background("test", &shop.clock);
    let transaction = shop.shop().tables().payment.begin_bare(&context).await.unwrap();
    transaction.run(sql, values![]).await.unwrap();
    transaction.commit_quietly().await.unwrap();
}
