//! An operator finds what is stuck and why, and has it go on or back.

use std::time::Duration;

use jangteo::client::Client;
use kit::context::Context;
use kit::database::{Database, Sql};
use kit::values;
use proto::event::v1::Event;
use proto::event::v1::event::Fact;
use proto::order::v1::checkout_service_client::CheckoutServiceClient;
use proto::order::v1::*;
use proto::readmodel::v1::audit_service_client::AuditServiceClient;
use proto::readmodel::v1::{ListEventsRequest, OrderState as Seen};
use support::client::card_order;
use support::wait::eventually;
use support::{Buyer, TestShop, reason, story};
use tonic::Status;

fn checkouts(shop: &TestShop) -> CheckoutServiceClient<Client> {
    CheckoutServiceClient::new(shop.connected().as_admin())
}

async fn stuck(shop: &TestShop, request: ListStuckCheckoutsRequest) -> Vec<Checkout> {
    let page = checkouts(shop).list_stuck_checkouts(request).await.unwrap();
    page.into_inner().checkouts
}

/// Those that have failed so often.
fn failed(tries_at_least: i32) -> ListStuckCheckoutsRequest {
    ListStuckCheckoutsRequest {
        older_than_seconds: 1_000_000,
        tries_at_least,
        ..Default::default()
    }
}

async fn resume(shop: &TestShop, order_id: &str) -> Result<Checkout, Status> {
    let request = ResumeCheckoutRequest {
        order_id: order_id.to_owned(),
        why: "the catalogue is back".to_owned(),
        ..Default::default()
    };
    Ok(checkouts(shop)
        .resume_checkout(request)
        .await?
        .into_inner()
        .checkout
        .unwrap())
}

async fn compensate(shop: &TestShop, order_id: &str) -> Result<Checkout, Status> {
    let request = CompensateCheckoutRequest {
        order_id: order_id.to_owned(),
        why: "sold by mistake".to_owned(),
        ..Default::default()
    };
    Ok(checkouts(shop)
        .compensate_checkout(request)
        .await?
        .into_inner()
        .checkout
        .unwrap())
}

/// What the audit knows of an aggregate, the newest first.
async fn audit(shop: &TestShop, subject: String) -> Vec<Event> {
    let request = ListEventsRequest {
        subject,
        actor: "operator".to_owned(),
        ..Default::default()
    };
    let events = AuditServiceClient::new(shop.connected().as_admin())
        .list_events(request)
        .await;
    let events = events.unwrap().into_inner().events;
    events.into_iter().filter_map(|journaled| journaled.event).collect()
}

async fn run(database: &Database, sql: &str) {
    let context = Context::background("test", database.clock());
    let transaction = database.begin_bare(&context).await.unwrap();
    transaction.run(sql, values![]).await.unwrap();
    transaction.commit_quietly().await.unwrap();
}

/// Stock can be neither sold nor given back any more.
async fn break_stock(shop: &TestShop) {
    run(
        &shop.shop().tables().catalog,
        "ALTER TABLE reservations RENAME TO reservations_away",
    )
    .await;
}

async fn mend_stock(shop: &TestShop) {
    run(
        &shop.shop().tables().catalog,
        "ALTER TABLE reservations_away RENAME TO reservations",
    )
    .await;
}

/// An order that awaits another card.
async fn declined(mina: &Buyer) -> String {
    let request = PlaceOrderRequest {
        card_token: "test-limit".to_owned(),
        ..card_order(&[("a", 1)])
    };
    let order_id = mina.place(request).await.unwrap().order_id;
    mina.until(&order_id, |order| order.attempt == 1 && !order.payment_open)
        .await;
    order_id
}

async fn pay(mina: &Buyer, order_id: &str) {
    let request = PayOrderRequest {
        order_id: order_id.to_owned(),
        card_token: "test-approve".to_owned(),
        ..Default::default()
    };
    mina.orders().pay_order(request).await.unwrap();
    mina.until(order_id, |order| order.state() == Seen::Paid).await;
}

async fn until_stuck(shop: &TestShop, count: usize) -> Vec<Checkout> {
    eventually(format!("{count} are stuck"), async || {
        let found = stuck(shop, failed(1)).await;
        if found.len() == count { Ok(found) } else { Err(found) }
    })
    .await
}

story! {
    async fn a_stuck_checkout_is_listed_with_what_failed_and_goes_on_when_it_is_resumed(shop: TestShop) {
        shop.stock(&[("a", 1_000, 5)]).await;
        let mina = shop.buyer("mina");
        let order_id = declined(&mina).await;
        assert_eq!(stuck(&shop, ListStuckCheckoutsRequest { older_than_seconds: 1, ..failed(1) }).await, []);

        break_stock(&shop).await;
        pay(&mina, &order_id).await;
        let found = until_stuck(&shop, 1).await.pop().unwrap();
        assert_eq!((&found.order_id, &found.user_id, found.order_state()), (&order_id, &mina.name, OrderState::Paid));
        assert_eq!((found.step(), found.direction()), (CheckoutStep::Settle, CheckoutDirection::Forward));
        assert_eq!(found.last_error, "commit_stock: INTERNAL: internal error");
        assert!(found.tries >= 1 && found.last_error_at.is_some() && found.under_way_since.is_some(), "{found:?}");
        // young as it is, only its failures give it away
        assert_eq!(stuck(&shop, ListStuckCheckoutsRequest { tries_at_least: 1_000, ..Default::default() }).await, []);
        shop.clock.advance(Duration::from_secs(61));
        let old = stuck(&shop, ListStuckCheckoutsRequest { tries_at_least: 1_000, ..Default::default() }).await;
        assert_eq!(old.len(), 1, "{old:?}");

        // what is resumed too early is stuck again
        let (first, second) = tokio::join!(resume(&shop, &order_id), resume(&shop, &order_id));
        assert_eq!((first.unwrap().tries, second.unwrap().tries), (0, 0));
        until_stuck(&shop, 1).await;

        mend_stock(&shop).await;
        resume(&shop, &order_id).await.unwrap();
        shop.at_rest().await;
        assert_eq!(stuck(&shop, ListStuckCheckoutsRequest { older_than_seconds: 1, ..failed(1) }).await, []);
        let at_rest = resume(&shop, &order_id).await.unwrap();
        assert_eq!((at_rest.step(), at_rest.next_try_at), (CheckoutStep::Rest, None));

        let told = audit(&shop, format!("checkout/{order_id}")).await;
        let versions: Vec<i64> = told.iter().map(|event| event.version).collect();
        assert_eq!(versions, [3, 2, 1]);
        let Some(Fact::CheckoutResumed(fact)) = &told[2].fact else { panic!("{told:?}") };
        assert_eq!((fact.why.as_str(), fact.step.as_str()), ("the catalogue is back", "SETTLE"));
        assert_eq!(fact.last_error, "commit_stock: INTERNAL: internal error");
    }
}

story! {
    async fn pages_of_what_is_stuck_show_each_once_and_serve_no_other_question(shop: TestShop) {
        shop.stock(&[("a", 1_000, 5)]).await;
        let mina = shop.buyer("mina");
        let orders = [declined(&mina).await, declined(&mina).await, declined(&mina).await];
        break_stock(&shop).await;
        for order_id in &orders {
            pay(&mina, order_id).await;
        }
        until_stuck(&shop, 3).await;
        let mut seen = Vec::new();
        let mut request = ListStuckCheckoutsRequest { page_size: 1, ..failed(1) };
        loop {
            let page = checkouts(&shop).list_stuck_checkouts(request.clone()).await.unwrap().into_inner();
            seen.extend(page.checkouts.into_iter().map(|checkout| checkout.order_id));
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
        }
        assert_eq!(seen, orders, "the oldest first");
        let foreign = ListStuckCheckoutsRequest { tries_at_least: 2, ..request };
        let refused = checkouts(&shop).list_stuck_checkouts(foreign).await.unwrap_err();
        assert_eq!(reason(&refused), "PAGE_TOKEN_INVALID");
        mend_stock(&shop).await;
        for order_id in &orders {
            resume(&shop, order_id).await.unwrap();
        }
    }
}

story! {
    async fn an_operator_has_an_order_give_back_what_it_took(shop: TestShop) {
        shop.stock(&[("a", 1_000, 3)]).await;
        let mina = shop.buyer("mina");
        let unpaid = declined(&mina).await;
        let compensated = compensate(&shop, &unpaid).await.unwrap();
        assert_eq!((compensated.order_state(), compensated.direction()), (OrderState::Cancelled, CheckoutDirection::Undo));
        let paid = declined(&mina).await;
        pay(&mina, &paid).await;
        shop.at_rest().await;
        assert_eq!(compensate(&shop, &paid).await.unwrap().order_state(), OrderState::Refunding);

        shop.at_rest().await;
        // one that is stuck behind the pivot goes forward first
        let half = declined(&mina).await;
        break_stock(&shop).await;
        pay(&mina, &half).await;
        until_stuck(&shop, 1).await;
        let forward = compensate(&shop, &half).await.unwrap();
        assert_eq!((forward.order_state(), forward.direction()), (OrderState::Refunding, CheckoutDirection::Forward));
        mend_stock(&shop).await;
        resume(&shop, &half).await.unwrap();
        shop.at_rest().await;

        for order_id in [&unpaid, &paid, &half] {
            mina.until(order_id, |order| order.state() == Seen::Cancelled).await;
            assert_eq!(compensate(&shop, order_id).await.unwrap().order_state(), OrderState::Cancelled);
            let told = audit(&shop, format!("order/{order_id}")).await;
            let why = told.iter().find_map(|event| match &event.fact {
                Some(Fact::OrderCancelled(fact)) => fact.order.as_ref(),
                Some(Fact::OrderRefunding(fact)) => fact.order.as_ref(),
                _ => None,
            });
            assert_eq!(why.unwrap().why, "sold by mistake");
        }
        // everything is there again
        mina.place(card_order(&[("a", 3)])).await.unwrap();

        let expired = {
            shop.stock(&[("b", 1_000, 1)]).await;
            let request = PlaceOrderRequest { card_token: "test-limit".to_owned(), ..card_order(&[("b", 1)]) };
            mina.place(request).await.unwrap().order_id
        };
        mina.until(&expired, |order| order.attempt == 1 && !order.payment_open).await;
        shop.at_rest().await;
        shop.clock.advance(Duration::from_secs(15 * 60));
        mina.until(&expired, |order| order.state() == Seen::Expired).await;
        assert_eq!(reason(&compensate(&shop, &expired).await.unwrap_err()), "ORDER_EXPIRED");
        assert_eq!(reason(&compensate(&shop, "none").await.unwrap_err()), "ORDER_NOT_FOUND");
        assert_eq!(reason(&resume(&shop, "none").await.unwrap_err()), "ORDER_NOT_FOUND");
    }
}
