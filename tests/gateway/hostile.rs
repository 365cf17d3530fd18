//! Each way in which a gateway can fail, by itself and all of them mixed: nobody is charged twice, what is kept pays, and
//! nothing stays open. `JANGTEO_PAYMENTS` says how many payments a mode makes, `JANGTEO_MODES` how many modes run at once.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use payment::{Pace, Settings};
use pg_simulator::{Behaviour, Mode, Profile, Status};

use crate::service::{Row, Service};
use crate::setting;
use support::Engine;

const AMOUNT: i64 = 1_000;
const PART: i64 = 300;
/// Requests under way at once.
const REQUESTS_AT_ONCE: usize = 8;

/// The contract's minutes as seconds: what the gateway stores late or contradicts is over by the time of proof.
fn hurried(settings: &mut Settings) {
    settings.queue_max = 1_000_000;
    settings.answer_within = Duration::from_millis(500);
    settings.breaker.open_for = Duration::from_millis(100);
    settings.pace = Pace {
        posts_max: 3,
        post_pause: Duration::from_millis(30),
        first_look: Duration::from_millis(400),
        look_every: Duration::from_millis(800),
        proven_after: Duration::from_secs(4),
    };
}

/// A quick gateway that declines a quarter.
fn quick() -> Behaviour {
    let quick = Behaviour {
        callback_late_ms: 1_000,
        store_late_ms: 800,
        contradiction_ms: 600,
        ..Profile::Calm.behaviour()
    };
    quick.with(Mode::LimitExceeded, 150).with(Mode::InvalidCard, 100)
}

/// What became of the payments of a run.
#[derive(Debug, Default)]
struct Figures {
    states: BTreeMap<String, usize>,
    posts: i64,
    transactions: usize,
    captures: usize,
    given_back: usize,
}

/// One attempt against the gateway's book: at most one capture is kept, it is what our row says, and it pays in full or not
/// at all.
fn compare(service: &Service, row: &Row, book: &pg_simulator::Book, figures: &mut Figures) {
    let transactions: Vec<_> = book.of_order(&format!("{}.1", row.order_id)).collect();
    let captures: Vec<_> = transactions
        .iter()
        .filter(|transaction| transaction.status() == Status::Success)
        .collect();
    let kept = captures.iter().map(|capture| capture.amount - capture.cancelled_amount);
    let (kept, kept_captures) = (kept.clone().sum::<i64>(), kept.filter(|kept| *kept > 0).count());
    let expected = match row.state.as_str() {
        "CAPTURED" => AMOUNT,
        "PARTIALLY_REFUNDED" => AMOUNT - PART,
        "REFUNDED" | "CONFLICTED" | "DECLINED" | "NOT_CHARGED" => 0,
        _ => i64::MIN,
    };
    let ours = row.captured - row.refunded;
    assert!(
        kept == expected && ours == expected && kept_captures <= 1,
        "{} keeps {kept} of {transactions:?}, and we have {row:?}",
        service.folder.path().display()
    );
    let posts = usize::try_from(row.posts).unwrap();
    assert!(
        transactions.len() <= posts,
        "more transactions than POSTs: {transactions:?} {row:?}"
    );
    *figures.states.entry(row.state.clone()).or_default() += 1;
    figures.posts += i64::from(row.posts);
    figures.transactions += transactions.len();
    figures.captures += captures.len();
    figures.given_back += captures
        .iter()
        .filter(|capture| capture.cancelled_amount == capture.amount)
        .count();
}

/// Pays, gives some of it back, and holds every payment against the book; returns how often each mode happened.
async fn survives(engine: Engine, name: &str, behaviour: Behaviour, payments: usize) -> BTreeMap<String, u64> {
    let started = Instant::now();
    let service = Service::start_with(engine, behaviour, hurried).await;
    let patience = Duration::from_secs(120) + Duration::from_millis(200) * u32::try_from(payments).unwrap();
    let service = &service;
    stream::iter(0..payments)
        .for_each_concurrent(REQUESTS_AT_ONCE, async |number| {
            let card = service.token("1234-5678-9012-3456").await;
            service
                .request(&format!("order-{number}"), &card, AMOUNT)
                .await
                .unwrap();
        })
        .await;
    service.all_at_rest(patience).await;

    let captured = service.rows().await.into_iter().filter(|row| row.state == "CAPTURED");
    let captured: Vec<_> = captured.map(|row| row.order_id).collect();
    stream::iter(captured.iter().step_by(2).enumerate())
        .for_each_concurrent(REQUESTS_AT_ONCE, async |(number, order_id)| {
            service.refund(order_id, "part", PART).await.unwrap();
            if number % 2 == 0 {
                service.refund(order_id, "rest", AMOUNT - PART).await.unwrap();
            }
        })
        .await;
    service.all_at_rest(patience).await;

    let (rows, book, mut figures) = (service.rows().await, service.book(), Figures::default());
    assert_eq!(rows.len(), payments);
    for row in &rows {
        compare(service, row, &book, &mut figures);
    }
    let shown = service.control(&[]).await;
    let happened: BTreeMap<String, u64> = serde_json::from_value(shown["happened"].clone()).unwrap();
    let times = happened.get(name).copied().unwrap_or_else(|| happened.values().sum());
    let (charges, look_ups) = service.payments.breaker_openings();
    println!(
        "{engine:?} {name}, {times} times: {payments} payments {:?}; {} POSTs, {} transactions, {} captures of which {} went back; breakers \
        opened {charges} + {look_ups} times; {:.1?}",
        figures.states,
        figures.posts,
        figures.transactions,
        figures.captures,
        figures.given_back,
        started.elapsed()
    );
    happened
}

async fn each_alone(engine: Engine) {
    let payments = setting("JANGTEO_PAYMENTS", 12);
    stream::iter(Mode::ALL)
        .for_each_concurrent(setting("JANGTEO_MODES", 6), async |mode| {
            let happened = survives(engine, mode.name(), quick().with(*mode, 500), payments).await;
            let times = happened.get(mode.name()).copied().unwrap_or_default();
            assert!(times > 0, "{mode:?} never happened");
        })
        .await;
}

async fn all_mixed(engine: Engine) {
    let payments = setting("JANGTEO_PAYMENTS", 12) * 5;
    let mixed = quick().with_every_fault(25).with(Mode::ServerError, 200);
    let happened = survives(engine, "all mixed", mixed, payments).await;
    println!("{engine:?} all mixed: {happened:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_mode_alone_charges_nobody_twice_and_leaves_nothing_open_on_sqlite() {
    each_alone(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_mode_alone_charges_nobody_twice_and_leaves_nothing_open_on_postgres() {
    each_alone(Engine::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_modes_mixed_charge_nobody_twice_and_leave_nothing_open_on_sqlite() {
    all_mixed(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_modes_mixed_charge_nobody_twice_and_leave_nothing_open_on_postgres() {
    all_mixed(Engine::Postgres).await;
}
