//! The book outlives the process: what was answered is there, what was pending is decided.

use std::fs;
use std::time::Duration;

use pg_simulator::{BOOK_FILE, Behaviour, DelayMs, Status, read_book};
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::support::{CARD, Gateway, Shop, calm, folder, undecided};

#[tokio::test]
async fn what_was_pending_is_decided_after_the_restart_and_the_shop_is_called() {
    let (folder, shop) = (folder(), Shop::open().await);
    let gateway = Gateway::start(folder.path(), undecided()).await;
    let key = gateway.accept(&shop.payment("order-1.1", CARD, 10)).await;
    gateway.stop().await;
    assert_eq!(
        read_book(folder.path().join(BOOK_FILE)).unwrap().transactions()[0].status(),
        Status::Pending
    );

    let gateway = Gateway::start(folder.path(), calm()).await;
    assert_eq!(gateway.decided(&key).await["status"], "SUCCESS");
    let callback = &shop.until_called(1).await[0];
    assert_eq!(
        (&callback["transactionKey"], &callback["status"]),
        (&json!(key), &json!("SUCCESS"))
    );
    assert_eq!(callback["cardNo"], "****-****-****-3456");
    gateway.stop().await;
}

#[tokio::test]
async fn a_restart_changes_nothing_that_was_told() {
    let (folder, shop) = (folder(), Shop::open().await);
    let gateway = Gateway::start(folder.path(), calm()).await;
    let key = gateway.accept(&shop.payment("order-1.1", CARD, 1_000)).await;
    gateway.decided(&key).await;
    let (_, before) = gateway.cancel(&key, 300).await;
    shop.until_called(1).await;
    gateway.stop().await;

    let gateway = Gateway::start(folder.path(), calm()).await;
    assert_eq!(gateway.get(&format!("/{key}")).await.1, before);
    assert_ne!(gateway.accept(&shop.payment("order-2.1", CARD, 1)).await, key);
    gateway.stop().await;
    assert_eq!(
        shop.callbacks()
            .iter()
            .filter(|callback| callback["transactionKey"] == key)
            .count(),
        1
    );
}

#[tokio::test]
async fn the_book_holds_no_card_number() {
    let (folder, shop) = (folder(), Shop::open().await);
    let gateway = Gateway::start(folder.path(), calm()).await;
    let key = gateway.accept(&shop.payment("order-1.1", CARD, 10)).await;
    gateway.decided(&key).await;
    gateway.stop().await;
    let text = fs::read_to_string(folder.path().join(BOOK_FILE)).unwrap();
    assert!(text.contains("\"3456\"") && !text.contains("5678"), "{text}");
}

#[tokio::test]
async fn a_book_torn_at_any_byte_is_read_as_far_as_its_whole_lines() {
    let (folder, shop) = (folder(), Shop::open().await);
    let gateway = Gateway::start(folder.path(), calm()).await;
    for n in 1..=3 {
        let key = gateway.accept(&shop.payment(&format!("order-{n}.1"), CARD, 10)).await;
        gateway.decided(&key).await;
        gateway.cancel(&key, 5).await;
    }
    gateway.stop().await;

    let whole = fs::read(folder.path().join(BOOK_FILE)).unwrap();
    let torn = folder.path().join("torn.jsonl");
    for length in 0..=whole.len() {
        fs::write(&torn, &whole[..length]).unwrap();
        let lines = whole[..length].iter().filter(|byte| **byte == b'\n').count();
        let book = read_book(&torn).unwrap();
        assert_eq!(book.transactions().len(), lines.div_ceil(3), "{length}");
        assert_eq!(
            book.money_by_order()
                .values()
                .map(|money| money.cancelled)
                .sum::<i128>(),
            5 * (lines as i128 / 3)
        );
    }

    fs::write(folder.path().join(BOOK_FILE), &whole[..whole.len() - 7]).unwrap();
    let gateway = Gateway::start(folder.path(), calm()).await;
    let key = gateway.accept(&shop.payment("order-4.1", CARD, 10)).await;
    gateway.decided(&key).await;
    gateway.stop().await;
    assert_eq!(
        read_book(folder.path().join(BOOK_FILE)).unwrap().transactions().len(),
        4
    );
}

#[tokio::test]
async fn a_spoilt_book_stops_the_start() {
    let folder = folder();
    fs::write(folder.path().join(BOOK_FILE), "{\"entry\":\"decided\"}\n").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = pg_simulator::Config {
        data: folder.path().to_owned(),
        seed: 0,
        behaviour: calm(),
    };
    assert!(
        pg_simulator::serve(config, listener, CancellationToken::new())
            .await
            .is_err()
    );
}

#[tokio::test]
async fn two_gateways_cannot_write_one_book() {
    let folder = folder();
    let gateway = Gateway::start(folder.path(), calm()).await;
    gateway.get("?orderId=order-1.1").await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = pg_simulator::Config {
        data: folder.path().to_owned(),
        seed: 0,
        behaviour: calm(),
    };
    assert!(
        pg_simulator::serve(config, listener, CancellationToken::new())
            .await
            .is_err()
    );
    gateway.stop().await;
}

/// The server's runtime is torn down in the middle of its work, as near to a kill as one process gets.
#[test]
fn what_was_answered_survives_the_death_of_the_server() {
    let folder = folder();
    let behaviour = Behaviour {
        decision_delay_ms: DelayMs { min: 1, max: 5 },
        ..calm()
    };
    let mut answered = Vec::new();
    for life in 0..5 {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        answered.extend(runtime.block_on(async {
            let shop = Shop::open().await;
            let gateway = Gateway::start(folder.path(), behaviour.clone()).await;
            let payments: Vec<_> = (0..40)
                .map(|n| shop.payment(&format!("order-{life}-{n}.1"), CARD, 10))
                .collect();
            let keys = futures::future::join_all(payments.iter().map(|payment| gateway.accept(payment))).await;
            let shown =
                futures::future::join_all(keys.iter().map(async |key| gateway.get(&format!("/{key}")).await)).await;
            keys.into_iter().zip(
                shown
                    .into_iter()
                    .map(|(_, answer)| answer["data"]["status"] == "SUCCESS"),
            )
        }));
        // Returns once no task runs; a write already handed to the disk may still end, as after a kill.
        runtime.shutdown_timeout(Duration::from_millis(200));
    }
    let book = read_book(folder.path().join(BOOK_FILE)).unwrap();
    assert_eq!(answered.len(), 200);
    for (key, captured) in answered {
        let transaction = book.transaction(&key).expect("an answered payment is in the book");
        assert!(
            !captured || transaction.status() == Status::Success,
            "{key} was shown as captured"
        );
    }
}
