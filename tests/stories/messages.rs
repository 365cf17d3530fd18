//! What users are told of their orders and coupons, whatever becomes of the service that carries it.

pub mod channel;

use std::time::Duration;

use kit::context::Context;
use kit::database::Sql;
use kit::values;
use proto::operations::v1::dead_letter_service_client::DeadLetterServiceClient;
use proto::operations::v1::{DeadLetterFilter, RedriveDeadLettersRequest};
use proto::order::v1::{CancelOrderRequest, PlaceOrderRequest};
use proto::readmodel::v1::OrderState;
use support::client::{card_order, point_order};
use support::wait::until;
use support::{Engine, TestShop};

use channel::{Answer, Channel};

/// Longer than the first pauses of a message.
const A_WHILE: Duration = Duration::from_secs(60);
/// Longer than any pause.
const LONG: Duration = Duration::from_secs(800);

async fn shop(engine: Engine, channel: &Channel) -> TestShop {
    let shop = TestShop::start_with(engine, |config| config.notifications = channel.url()).await;
    shop.stock(&[("a", 1_000, 100)]).await;
    shop.open_campaign("off", 100, |_| {}).await;
    shop
}

#[derive(Debug, PartialEq, Eq, sea_orm::FromQueryResult)]
struct Letter {
    reason_class: String,
    state: String,
    error: String,
}

async fn letters(shop: &TestShop) -> Vec<Letter> {
    let sql = "SELECT reason_class, state, error FROM dead_letters WHERE consumer = $1 ORDER BY sequence";
    let reader = shop.shop().tables().notification.reader();
    reader.list(sql, values![notification::SENDER]).await.unwrap()
}

/// How many letters of the sender were given to it again.
async fn redrive(shop: &TestShop) -> i64 {
    let request = RedriveDeadLettersRequest {
        filter: Some(DeadLetterFilter {
            consumer: notification::SENDER.to_owned(),
            ..Default::default()
        }),
        why: "the channel was told".to_owned(),
        ..Default::default()
    };
    let mut letters = DeadLetterServiceClient::new(shop.connected().as_admin());
    letters
        .redrive_dead_letters(request)
        .await
        .unwrap()
        .into_inner()
        .applied
}

/// All events of all owners are unpublished, as after a relay that lost its memory.
async fn publish_all_again(shop: &TestShop) {
    for database in shop.shop().tables().writers() {
        let transaction = database
            .begin_bare(&Context::background("test", &shop.clock))
            .await
            .unwrap();
        transaction
            .run("UPDATE outbox SET published_at = NULL", vec![])
            .await
            .unwrap();
        transaction.commit_quietly().await.unwrap();
    }
    for database in shop.shop().tables().writers() {
        let sql = "SELECT id FROM outbox WHERE published_at IS NULL LIMIT 1";
        until(format!("{} has published", database.owner()), async || {
            database.reader().find::<Id>(sql, vec![]).await.unwrap().is_none()
        })
        .await;
    }
}

#[derive(sea_orm::FromQueryResult)]
#[expect(dead_code, reason = "only whether there is one matters")]
struct Id {
    id: String,
}

fn cancel(order_id: &str) -> CancelOrderRequest {
    CancelOrderRequest {
        order_id: order_id.to_owned(),
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_fact_gives_its_message_once_however_often_it_is_told() {
    for engine in Engine::BOTH {
        let channel = Channel::start().await;
        let shop = shop(engine, &channel).await;
        let (mina, jun, sora) = (shop.buyer("mina"), shop.buyer("jun"), shop.buyer("sora"));

        mina.issue("off").await.unwrap();
        let paid = mina.place(card_order(&[("a", 2)])).await.unwrap().order_id;
        mina.until(&paid, |order| order.state() == OrderState::Paid).await;
        mina.orders().cancel_order(cancel(&paid)).await.unwrap();
        mina.until(&paid, |order| order.state() == OrderState::Cancelled).await;

        jun.charge(1_000).await;
        jun.place(point_order(&[("a", 1)], 1_000)).await.unwrap();
        // told to its caller, and to nobody else
        jun.place(card_order(&[("a", 9_000)])).await.unwrap_err();

        let declined = PlaceOrderRequest {
            card_token: "test-limit".to_owned(),
            ..card_order(&[("a", 1)])
        };
        let unpaid = sora.place(declined).await.unwrap().order_id;
        shop.at_rest().await;
        shop.clock.advance(Duration::from_secs(16 * 60));
        sora.until(&unpaid, |order| order.state() == OrderState::Expired).await;
        shop.at_rest().await;

        let told = || [channel.taken("mina"), channel.taken("jun"), channel.taken("sora")];
        let expected = [
            vec!["coupon-issued", "order-cancelled", "order-paid", "order-placed"],
            vec!["order-paid"],
            vec!["order-expired", "order-placed", "payment-declined"],
        ];
        assert_eq!(told(), expected, "{engine:?}");
        let requests = channel.requests();
        for _ in 0..3 {
            publish_all_again(&shop).await;
            shop.at_rest().await;
        }
        assert_eq!(channel.requests(), requests, "{engine:?}");

        let said = channel.asked("mina");
        let text = said
            .iter()
            .find(|asked| asked.template == "order-paid")
            .map(|asked| asked.text.clone());
        assert_eq!(
            text,
            Some(format!("Your order {paid} of 20.00 USD is paid. Thank you!")),
            "{engine:?}"
        );
        shop.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_fails_is_asked_again_under_the_same_key_until_it_takes_the_message() {
    let faults = [
        ("status-500", Answer::Status(500)),
        ("status-503", Answer::Status(503)),
        ("status-429", Answer::Status(429)),
        ("busy", Answer::Code("BUSY")),
        ("garbage", Answer::Garbage),
        ("reset", Answer::Reset),
        ("taken-reset", Answer::TakeAndReset),
        ("hang", Answer::Hang),
        ("taken-hang", Answer::TakeAndHang),
    ];
    for engine in Engine::BOTH {
        let channel = Channel::start().await;
        let shop = shop(engine, &channel).await;
        for (user, fault) in faults {
            channel.say(user, fault);
            shop.buyer(user).issue("off").await.unwrap();
        }
        for (user, _) in faults {
            channel.until_asked(user, 1).await;
        }
        channel.say_to_all(Answer::Take);
        shop.clock.advance(A_WHILE);
        for (user, fault) in faults {
            let asked = channel.until_asked(user, 2).await;
            assert!(
                asked.iter().all(|again| *again == asked[0]),
                "{engine:?}: {fault:?}: {asked:?}"
            );
        }
        shop.at_rest().await;
        for (user, fault) in faults {
            assert_eq!(channel.taken(user), ["coupon-issued"], "{engine:?}: {fault:?}");
        }
        assert_eq!(letters(&shop).await, [], "{engine:?}");
        shop.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_for_good_or_too_often_is_a_dead_letter_and_is_sent_once_that_is_redriven() {
    for engine in Engine::BOTH {
        let channel = Channel::start().await;
        let shop = shop(engine, &channel).await;
        channel.say("blocked", Answer::Code("RECIPIENT_BLOCKED"));
        shop.buyer("blocked").issue("off").await.unwrap();
        shop.at_rest().await;
        assert_eq!(channel.asked("blocked").len(), 1, "{engine:?}");

        channel.say("down", Answer::Status(503));
        shop.buyer("down").issue("off").await.unwrap();
        for times in 1..=12 {
            channel.until_asked("down", times).await;
            shop.clock.advance(LONG);
        }
        shop.at_rest().await;
        assert_eq!(channel.asked("down").len(), 12, "{engine:?}");
        let letters = letters(&shop).await;
        let told: Vec<_> = letters
            .iter()
            .map(|letter| (letter.reason_class.as_str(), letter.state.as_str()))
            .collect();
        assert_eq!(told, [("REFUSED", "DEAD"), ("UNAVAILABLE", "DEAD")], "{engine:?}");
        assert!(letters[0].error.contains("HTTP 200 RECIPIENT_BLOCKED"), "{letters:?}");

        // not cured yet: the same letter is dead again
        assert_eq!(redrive(&shop).await, 2, "{engine:?}");
        channel.until_asked("blocked", 2).await;
        until("a letter is dead again", async || {
            self::letters(&shop).await.iter().any(|letter| letter.state == "DEAD")
        })
        .await;

        channel.say_to_all(Answer::Take);
        redrive(&shop).await;
        shop.clock.advance(LONG);
        for user in ["blocked", "down"] {
            let asked = channel.asked(user);
            assert!(asked.iter().all(|again| *again == asked[0]), "{engine:?}: {asked:?}");
        }
        shop.at_rest().await;
        for user in ["blocked", "down"] {
            assert_eq!(channel.taken(user), ["coupon-issued"], "{engine:?}");
        }
        assert!(
            self::letters(&shop)
                .await
                .iter()
                .all(|letter| letter.state == "REDRIVEN"),
            "{engine:?}"
        );
        shop.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_are_placed_and_paid_while_the_channel_hangs() {
    for engine in Engine::BOTH {
        let channel = Channel::start().await;
        let shop = shop(engine, &channel).await;
        channel.say_to_all(Answer::Hang);
        let mina = shop.buyer("mina");
        // more messages than are handed over at once
        for _ in 0..20 {
            let order = mina.place(card_order(&[("a", 1)])).await.unwrap();
            mina.until(&order.order_id, |order| order.state() == OrderState::Paid)
                .await;
        }
        assert_eq!(channel.taken("mina"), Vec::<String>::new(), "{engine:?}");
        channel.say_to_all(Answer::Take);
        shop.clock.advance(A_WHILE);
        shop.at_rest().await;
        assert_eq!(channel.taken("mina").len(), 40, "{engine:?}");
        shop.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_cut_off_between_sending_and_saving_is_sent_again_under_the_same_key() {
    for engine in Engine::BOTH {
        let channel = Channel::start().await;
        let mut shop = shop(engine, &channel).await;
        channel.say("mina", Answer::TakeAndHang);
        shop.buyer("mina").issue("off").await.unwrap();
        channel.until_asked("mina", 1).await;
        shop.restart().await;
        channel.say_to_all(Answer::Take);
        let asked = channel.until_asked("mina", 2).await;
        assert_eq!(asked[0], asked[1], "{engine:?}");
        shop.at_rest().await;
        assert_eq!(channel.taken("mina"), ["coupon-issued"], "{engine:?}");
        shop.end().await;
    }
}
