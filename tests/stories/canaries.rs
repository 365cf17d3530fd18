//! Card numbers go into the whole shop, rightly and wrongly, and come out nowhere.

use proto::operations::v1::dead_letter_service_client::DeadLetterServiceClient;
use proto::operations::v1::{GetDeadLetterRequest, ListDeadLettersRequest};
use proto::order::v1::{CancelOrderRequest, PayOrderRequest, PlaceOrderRequest};
use proto::payment::v1::payment_admin_service_client::PaymentAdminServiceClient;
use proto::payment::v1::{CardType, CloseAttemptRequest, GetPaymentRequest, TokenizeCardRequest};
use proto::readmodel::v1::audit_service_client::AuditServiceClient;
use proto::readmodel::v1::{ListEventsRequest, OrderState};
use support::canary::{Log, clean, files_are_clean, number, status_is_clean, tables_are_clean};
use support::client::card_order;
use support::{Buyer, Engine, TestShop, reason};

async fn token(buyer: &Buyer, number: &str) -> String {
    let request = TokenizeCardRequest {
        card_type: CardType::Kb.into(),
        card_number: number.to_owned(),
        ..Default::default()
    };
    buyer
        .cards()
        .tokenize_card(request)
        .await
        .unwrap()
        .into_inner()
        .card_token
}

fn by(card_token: &str) -> PlaceOrderRequest {
    PlaceOrderRequest {
        card_token: card_token.to_owned(),
        ..card_order(&[("a", 1)])
    }
}

/// Somebody takes the number itself for its token.
async fn a_number_is_no_token(mina: &Buyer, order_id: &str) {
    for number in [number(3), number(3).replace('-', "")] {
        let placed = mina.place(by(&number)).await.unwrap_err();
        let request = PayOrderRequest {
            order_id: order_id.to_owned(),
            card_token: number,
            ..Default::default()
        };
        let paid = mina.orders().pay_order(request).await.unwrap_err();
        for refused in [placed, paid] {
            assert_eq!(reason(&refused), "FIELDS_INVALID");
            status_is_clean(&refused);
        }
    }
}

/// What an operator is shown of it all.
async fn operators_see_none(shop: &TestShop, orders: &[String]) {
    let request = ListEventsRequest {
        page_size: 100,
        ..Default::default()
    };
    let events = AuditServiceClient::new(shop.connected().as_admin())
        .list_events(request)
        .await
        .unwrap()
        .into_inner();
    assert!(events.events.len() > 10);
    clean("the audit", format!("{events:?}").as_bytes());
    for order_id in orders {
        let request = GetPaymentRequest {
            order_id: order_id.clone(),
            attempt: 1,
        };
        let payment = PaymentAdminServiceClient::new(shop.connected().as_admin())
            .get_payment(request)
            .await
            .unwrap();
        clean("a payment's journal", format!("{payment:?}").as_bytes());
    }
    let mut letters = DeadLetterServiceClient::new(shop.connected().as_admin());
    let listed = letters.list_dead_letters(ListDeadLettersRequest::default()).await;
    for letter in listed.unwrap().into_inner().letters {
        let request = GetDeadLetterRequest {
            letter_id: letter.letter_id,
        };
        let shown = letters.get_dead_letter(request).await.unwrap().into_inner();
        clean("a dead letter", &shown.payload);
        clean("a dead letter", format!("{shown:?}").as_bytes());
    }
}

#[tokio::test]
async fn a_card_number_is_nowhere_in_the_shop_but_sealed() {
    // one thread, so that the log of all tasks is this one
    let (log, _logging) = Log::keep();
    for engine in Engine::BOTH {
        let shop = TestShop::start(engine).await;
        shop.stock(&[("a", 1_000, 100)]).await;
        let mina = shop.buyer("mina");
        let mut orders = Vec::new();
        for index in 0..3 {
            let card = token(&mina, &number(index)).await;
            let order = mina.place(by(&card)).await.unwrap();
            mina.until(&order.order_id, |order| order.state() == OrderState::Paid)
                .await;
            orders.push(order.order_id);
        }
        a_number_is_no_token(&mina, &orders[0]).await;
        let request = CancelOrderRequest {
            order_id: orders[0].clone(),
            ..Default::default()
        };
        mina.orders().cancel_order(request).await.unwrap();
        mina.until(&orders[0], |order| order.state() == OrderState::Cancelled)
            .await;
        // of an order that nobody placed: a dead letter
        let request = CloseAttemptRequest {
            order_id: "ghost".to_owned(),
            attempt: 1,
            ..Default::default()
        };
        mina.payments().close_attempt(mina.for_me(request)).await.unwrap();
        // sealed and never used
        token(&mina, &number(4)).await;
        shop.at_rest().await;
        operators_see_none(&shop, &orders).await;
        files_are_clean(&shop.config.data_folder);
        if engine == Engine::Postgres {
            tables_are_clean(&shop.shop().tables().payment).await;
        }
        shop.end().await;
    }
    log.is_clean("dead letter");
}
