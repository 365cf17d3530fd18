//! The gateway is gone or hangs: orders are accepted all the same, nothing else notices, and all are paid when it is back.

use std::time::Duration;

use pg_simulator::{Profile, test_cards};
use proto::order::v1 as order;
use proto::readmodel::v1::{ListProductsRequest, OrderState};
use support::client::card_order;
use support::gateway::Gateway;
use support::wait::{PATIENCE, within};
use support::{Buyer, Engine, TestShop};

/// Rounds of half a minute by the shop's clock.
const ROUNDS: usize = 20;
const PRICE: i64 = 1_000;

/// Orders and looks around as buyers do; returns the order, which awaits its payment.
async fn buy(mina: &Buyer) -> String {
    let order = mina.place(card_order(&[("book", 1)])).await.unwrap();
    assert_eq!(order.state(), order::OrderState::AwaitingPayment);
    let listed = mina.products_seen().list_products(ListProductsRequest::default()).await;
    assert_eq!(listed.unwrap().into_inner().products.len(), 1);
    order.order_id
}

async fn orders_are_accepted_throughout_and_paid_when_it_is_back(engine: Engine, hangs: bool) {
    let mut gateway = Gateway::away();
    let shop = TestShop::start_with(engine, |config| {
        config.gateway = gateway.url();
        config.order_expires_seconds = 3_600;
    })
    .await;
    shop.stock(&[("book", PRICE, 1_000)]).await;
    shop.at_rest().await;
    let mina = shop.buyer("mina");
    if hangs {
        let mut behaviour = Profile::Calm.behaviour();
        behaviour.set(&format!("card:{}", test_cards::APPROVE), "hang").unwrap();
        gateway.start(behaviour).await;
    }

    let mut orders = Vec::new();
    for _ in 0..ROUNDS {
        orders.push(buy(&mina).await);
        shop.clock.advance(Duration::from_secs(30));
    }
    // ten minutes later nothing is paid, and nothing was given up
    for order_id in &orders {
        let order = mina.until(order_id, |order| order.state() != OrderState::Placed).await;
        assert_eq!(order.state(), OrderState::AwaitingPayment, "{order:?}");
    }
    if hangs {
        assert!(gateway.book().transactions().is_empty());
        gateway.stop().await;
    }

    gateway.start(Profile::Calm.behaviour()).await;
    for order_id in &orders {
        let rests = within(PATIENCE * 2, format!("{order_id} is paid, or at rest"), async || {
            let order = mina.until(order_id, |_| true).await;
            // an attempt that hung is proven to have taken nothing: the order is at rest, to be paid anew
            let rests = hangs && order.state() == OrderState::AwaitingPayment && !order.payment_open;
            if order.state() == OrderState::Paid || rests {
                return Ok(rests);
            }
            shop.clock.advance(Duration::from_millis(500));
            Err(order)
        })
        .await;
        let kept = gateway
            .book()
            .money_by_order()
            .get(format!("{order_id}.1").as_str())
            .copied();
        let kept = kept.map_or(0, |money| money.captured - money.cancelled);
        assert_eq!(kept, if rests { 0 } else { i128::from(PRICE) }, "{order_id}");
    }
    shop.end().await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_for_ten_minutes_every_order_is_paid_when_the_gateway_is_back_sqlite() {
    orders_are_accepted_throughout_and_paid_when_it_is_back(Engine::Sqlite, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_for_ten_minutes_every_order_is_paid_when_the_gateway_is_back_postgres() {
    orders_are_accepted_throughout_and_paid_when_it_is_back(Engine::Postgres, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_gateway_hangs_orders_are_accepted_and_later_paid_or_at_rest_sqlite() {
    orders_are_accepted_throughout_and_paid_when_it_is_back(Engine::Sqlite, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_gateway_hangs_orders_are_accepted_and_later_paid_or_at_rest_postgres() {
    orders_are_accepted_throughout_and_paid_when_it_is_back(Engine::Postgres, true).await;
}
