//! What an operator does about payments: looks, asks, gives back, and compares a day with the gateway's book.

use kit::context::Context;
use kit::database::Sql;
use kit::values;
use pg_simulator::Profile;
use proto::payment::v1::*;
use support::Engine;
use support::wait::{eventually, until};
use tonic::Status;

use crate::service::{Service, reason, won};

/// A number whose fate the gateway decides by the simulator's profile, which approves.
const CARD: &str = "1234-5678-9012-3456";

async fn card(service: &Service) -> String {
    let request = TokenizeCardRequest {
        card_type: CardType::Kb.into(),
        card_number: CARD.to_owned(),
        ..Default::default()
    };
    let tokenized = service.cards().tokenize_card(service.mina(request)).await;
    tokenized.unwrap().into_inner().card_token
}

async fn reconcile_from(service: &Service, page_token: &str) -> Result<ReconcileDayResponse, Status> {
    let request = ReconcileDayRequest {
        day: Some(kit::clock::to_proto(service.database.clock().now())),
        page_token: page_token.to_owned(),
        why: "every night".to_owned(),
        ..Default::default()
    };
    Ok(service.admin().reconcile_day(request).await?.into_inner())
}

/// All pages of today: how many agree, how many are open, and what was found.
async fn reconcile(service: &Service) -> (i32, i32, Vec<Discrepancy>) {
    let (mut agreeing, mut open, mut found, mut token) = (0, 0, Vec::new(), String::new());
    loop {
        let page = reconcile_from(service, &token).await.unwrap();
        agreeing += page.agreeing;
        open += page.open;
        found.extend(page.discrepancies);
        if page.next_page_token.is_empty() {
            return (agreeing, open, found);
        }
        token = page.next_page_token;
    }
}

async fn show(service: &Service, order_id: &str) -> GetPaymentResponse {
    let request = GetPaymentRequest {
        order_id: order_id.to_owned(),
        attempt: 1,
    };
    service.admin().get_payment(request).await.unwrap().into_inner()
}

async fn resolve(service: &Service, order_id: &str, resolution: Resolution) -> Result<PaymentRecord, Status> {
    let request = ResolvePaymentRequest {
        order_id: order_id.to_owned(),
        attempt: 1,
        resolution: resolution.into(),
        why: "the buyer waits".to_owned(),
        ..Default::default()
    };
    Ok(service
        .admin()
        .resolve_payment(request)
        .await?
        .into_inner()
        .payment
        .unwrap())
}

async fn list(service: &Service, state: PaymentState) -> Vec<String> {
    let request = ListPaymentsRequest {
        state: state.into(),
        ..Default::default()
    };
    let page = service.admin().list_payments(request).await.unwrap().into_inner();
    let ids = page.payments.into_iter().filter_map(|record| record.payment);
    ids.map(|payment| payment.order_id).collect()
}

/// A POST that was sent long ago and reaches the gateway only now; nobody is called back.
async fn store_late(service: &Service, gateway_id: &str, amount: i64) {
    let body = format!(
        r#"{{"orderId":"{gateway_id}","cardType":"KB","cardNo":"{CARD}","amount":{amount},"callbackUrl":"http://127.0.0.1:9/"}}"#
    );
    post(service, "", body).await;
    until(format!("{gateway_id} is decided"), async || {
        service
            .book()
            .of_order(gateway_id)
            .all(|stored| stored.verdict.is_some())
    })
    .await;
}

async fn post(service: &Service, path: &str, body: String) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/api/v1/payments{path}", service.gateway_url());
    let posted = client
        .post(url)
        .header("x-user-id", "jangteo")
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(posted.status().as_u16(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_stored_after_its_absence_was_proof_goes_back_once() {
    for engine in Engine::BOTH {
        let mut service = Service::idle(engine).await;
        service.run();
        let number = card(&service).await;
        service.request("late-order", &number, 1_000).await.unwrap();
        service.until("late-order", "REQUESTED").await;
        // given up by its order, it is not sent again
        let close = CloseAttemptRequest {
            order_id: "late-order".to_owned(),
            attempt: 1,
            ..Default::default()
        };
        service.service().close_attempt(service.mina(close)).await.unwrap();
        service.start_gateway(Profile::Calm.behaviour()).await;
        service.until("late-order", "NOT_CHARGED").await;
        service.request("declined", "test-limit", 700).await.unwrap();
        service.request("captured", "test-approve", 500).await.unwrap();
        service.request("faultless", "test-approve", 300).await.unwrap();
        for order_id in ["late-order", "declined", "captured", "faultless"] {
            service.at_rest(order_id).await;
        }
        assert_eq!(reconcile(&service).await, (4, 0, vec![]), "{engine:?}");

        let late = [("late-order", 1_000), ("declined", 700), ("captured", 500)];
        for (order_id, amount) in late {
            store_late(&service, &format!("{order_id}.1"), amount).await;
        }
        assert_eq!(service.kept("late-order.1"), 1_000);
        let (agreeing, open, found) = reconcile(&service).await;
        assert_eq!((agreeing, open), (1, 0), "{engine:?}");
        let told = found
            .iter()
            .map(|found| (found.order_id.as_str(), found.kind(), found.amount.clone()));
        let expected = late.map(|(order_id, amount)| (order_id, DiscrepancyKind::SurplusRefunded, won(amount)));
        assert_eq!(told.collect::<Vec<_>>(), expected, "{engine:?}");
        let kept = ["late-order.1", "declined.1", "captured.1", "faultless.1"].map(|id| service.kept(id));
        assert_eq!(kept, [0, 0, 500, 300], "{engine:?}");

        for order_id in ["late-order", "declined", "captured"] {
            service.at_rest(order_id).await;
        }
        assert_eq!(service.row("late-order").await.state, "NOT_CHARGED");
        assert_eq!(
            reconcile(&service).await,
            (4, 0, vec![]),
            "{engine:?}: a second run finds nothing to do"
        );
        assert!(
            service
                .facts("late-order")
                .await
                .contains(&"PaymentReconciled".to_owned())
        );
        let journal = show(&service, "late-order").await.journal;
        let noted = journal.iter().find(|entry| entry.asked == "reconcile").unwrap();
        assert_eq!((noted.actor.as_str(), noted.why.as_str()), ("order", "every night"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_gateway_gave_back_by_itself_is_told_and_left() {
    for engine in Engine::BOTH {
        let service = Service::start(engine, Profile::Calm.behaviour()).await;
        service.request("captured", "test-approve", 500).await.unwrap();
        service.at_rest("captured").await;
        let key = show(&service, "captured").await.payment.unwrap().transaction_key;
        post(&service, &format!("/{key}/cancel"), r#"{"amount":200}"#.to_owned()).await;
        for _ in 0..2 {
            let (_, _, found) = reconcile(&service).await;
            let told: Vec<_> = found.iter().map(|found| (found.kind(), found.amount.clone())).collect();
            assert_eq!(told, [(DiscrepancyKind::Differs, won(300))], "{engine:?}");
        }
        assert_eq!(service.row("captured").await.state, "CAPTURED");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_is_compared_page_by_page_and_not_without_a_gateway() {
    for engine in Engine::BOTH {
        let mut service = Service::start(engine, Profile::Calm.behaviour()).await;
        let now = service.database.clock().now().as_microsecond();
        let never_sent = format!(
            "INSERT INTO payments (order_id, attempt, user_id, amount, card_token, last_four, state, reason, captured,
                refunded, transaction_key, posts, repeatable, closed, version, created_at, updated_at, hinted,
                lease_token, leased_until)
            WITH RECURSIVE numbers(number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers WHERE number < 250)
            SELECT 'never-sent-' || number, 1, 'mina', 1, 'test-approve', '0001', 'CLOSED', '', 0, 0, '', 0, FALSE, TRUE,
                1, {now}, {now}, FALSE, 0, 0 FROM numbers"
        );
        let transaction = service
            .database
            .begin_bare(&Context::background("test", service.database.clock()))
            .await
            .unwrap();
        transaction.run(&never_sent, values![]).await.unwrap();
        transaction.commit_quietly().await.unwrap();
        service.request("captured", "test-approve", 500).await.unwrap();
        service.at_rest("captured").await;
        assert_eq!(reconcile(&service).await, (251, 0, vec![]), "{engine:?}");
        assert_eq!(reason(reconcile_from(&service, "forged").await), "PAGE_TOKEN_INVALID");

        service.stop_gateway().await;
        let (mut told, mut token) = (0, String::new());
        loop {
            match reconcile_from(&service, &token).await {
                Ok(page) => {
                    told += page.agreeing;
                    token = page.next_page_token;
                    assert!(!token.is_empty(), "{engine:?}");
                }
                refused => {
                    assert_eq!(reason(refused), "GATEWAY_UNAVAILABLE", "{engine:?}");
                    break;
                }
            }
        }
        service.start_gateway(Profile::Calm.behaviour()).await;
        // the breaker may be open for a moment
        let rest = eventually("the gateway is asked again", async || {
            let page = reconcile_from(&service, &token).await;
            page.map_err(|refused| assert_eq!(reason(Err::<(), _>(refused)), "GATEWAY_UNAVAILABLE", "{engine:?}"))
        })
        .await;
        assert_eq!(
            (told + rest.agreeing, rest.next_page_token.as_str()),
            (251, ""),
            "{engine:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stuck_payment_is_listed_shown_and_asked_about_now() {
    for engine in Engine::BOTH {
        let mut service = Service::start(engine, Profile::Calm.behaviour()).await;
        service.request("stuck-order", "test-lost-callback", 500).await.unwrap();
        service.until("stuck-order", "PENDING").await;
        service.decided("stuck-order.1").await;
        service.stop_gateway().await;
        assert_eq!(
            list(&service, PaymentState::Unspecified).await,
            ["stuck-order"],
            "{engine:?}"
        );
        assert_eq!(
            list(&service, PaymentState::Pending).await,
            ["stuck-order"],
            "{engine:?}"
        );
        assert_eq!(list(&service, PaymentState::Captured).await, [""; 0], "{engine:?}");
        let unavailable = resolve(&service, "stuck-order", Resolution::Ask).await;
        assert_eq!(reason(unavailable), "GATEWAY_UNAVAILABLE", "{engine:?}");
        let unpaid = resolve(&service, "stuck-order", Resolution::Refund).await;
        assert_eq!(reason(unpaid), "PAYMENT_NOT_CAPTURED", "{engine:?}");

        service.start_gateway(Profile::Calm.behaviour()).await;
        let resolved = eventually("the gateway is asked again", async || {
            let resolved = resolve(&service, "stuck-order", Resolution::Ask).await;
            resolved.map_err(|refused| assert_eq!(reason(Err::<(), _>(refused)), "GATEWAY_UNAVAILABLE", "{engine:?}"))
        })
        .await;
        assert_eq!(resolved.payment.unwrap().state(), PaymentState::Captured, "{engine:?}");
        assert_eq!(resolved.next_look_at, None, "{engine:?}");
        assert_eq!(list(&service, PaymentState::Unspecified).await, [""; 0], "{engine:?}");
        assert!(
            service
                .facts("stuck-order")
                .await
                .contains(&"PaymentResolved".to_owned())
        );
        let shown = show(&service, "stuck-order").await;
        let asked: Vec<&str> = shown.journal.iter().map(|entry| entry.asked.as_str()).collect();
        assert!(
            asked.starts_with(&["POST", "POST"]) && asked.contains(&"resolve ASK"),
            "{asked:?}"
        );
        let payment = shown.payment.unwrap();
        assert_eq!(payment.payment.unwrap().card_last_four, "0005");

        // its money is an order's, and goes back with the order alone
        let pays = resolve(&service, "stuck-order", Resolution::Refund).await;
        assert_eq!(reason(pays), "PAYMENT_PAYS_ORDER", "{engine:?}");
        assert_eq!(
            reason(resolve(&service, "none", Resolution::Ask).await),
            "PAYMENT_NOT_FOUND"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn payments_are_listed_by_state_and_age_page_by_page() {
    for engine in Engine::BOTH {
        let service = Service::start(engine, Profile::Calm.behaviour()).await;
        for number in 0..5 {
            service
                .request(&format!("order-{number}"), "test-limit", 100)
                .await
                .unwrap();
            service.at_rest(&format!("order-{number}")).await;
        }
        let mut request = ListPaymentsRequest {
            state: PaymentState::Declined.into(),
            page_size: 2,
            ..Default::default()
        };
        let mut seen = Vec::new();
        loop {
            let page = service
                .admin()
                .list_payments(request.clone())
                .await
                .unwrap()
                .into_inner();
            let payments = page.payments.into_iter().filter_map(|record| record.payment);
            seen.extend(payments.map(|payment| payment.order_id));
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
        }
        assert_eq!(
            seen,
            ["order-0", "order-1", "order-2", "order-3", "order-4"],
            "{engine:?}"
        );
        request.older_than_seconds = 60;
        assert_eq!(
            reason(service.admin().list_payments(request.clone()).await),
            "PAGE_TOKEN_INVALID"
        );
        request.page_token.clear();
        assert_eq!(
            service
                .admin()
                .list_payments(request)
                .await
                .unwrap()
                .into_inner()
                .payments,
            []
        );
    }
}
