//! The figures of the contract's gateway: how many POSTs it takes, how many payments are paid with three of them, and that
//! its normal state opens no breaker. `JANGTEO_POSTS` says over how many POSTs.

use std::time::Duration;

use futures::{StreamExt, stream};
use pg_simulator::{Behaviour, Profile};

use crate::service::Service;
use crate::setting;
use support::Engine;

/// Payments under way at once: fed as they end, so that first, second and third tries mix as they do in a shop.
const AT_ONCE: usize = 60;
const SPEED: u32 = 50;

/// Whether `seen` of `of` lies within three standard deviations of a share: |seen − np| ≤ 3 √(np(1 − p)).
#[expect(clippy::cast_precision_loss, reason = "counts of thousands")]
fn agrees(what: &str, seen: usize, of: usize, share: f64) {
    let (seen, of) = (seen as f64, of as f64);
    let sigma = (of * share * (1.0 - share)).sqrt();
    let off = (seen - of * share) / sigma;
    println!(
        "{what}: {:.4} of {of}, expected {share:.4} ± {:.4}: {off:+.2} σ",
        seen / of,
        sigma / of
    );
    assert!(off.abs() <= 3.0, "{what}: {seen} of {of} is {off:.2} σ from {share}");
}

/// A POST is taken with p = 0.6, independently. A payment has up to three, so it is
/// - taken with 1 − 0.4³ = 0.936, paid with 0.7 of that = 0.6552, and
/// - posted 1 + 0.4 + 0.16 = 1.56 times on average.
///
/// The breaker judges a payment's call with all its tries, so a call fails with 0.4³ = 0.064, and the breaker opens when 12 of
/// the last 20 have: P(X ≥ 12), X ~ Bin(20, 0.064), is about C(20, 12) 0.064¹² ≈ 6 · 10⁻¹⁰ a call, and for the first
/// ten P(X ≥ 6) ≈ 1.1 · 10⁻⁵. Over 13,000 calls that is 2 · 10⁻⁵ openings expected, and none within three standard deviations.
/// (Were each POST judged, of which 0.4 fail, it would open every hundred POSTs or so: 200 times.) Look-ups never fail.
async fn figures_of_the_seed(engine: Engine) {
    let posts = setting("JANGTEO_POSTS", 1_500);
    let payments = (posts * 100).div_ceil(156);
    let behaviour = Behaviour {
        speed: SPEED,
        ..Profile::Seed.behaviour()
    };
    let service = Service::start_with(engine, behaviour, |settings| {
        settings.queue_max = 10_000;
        settings.answer_within = Duration::from_secs(3);
        settings.breaker = kit::breaker::Settings::default();
        settings.pace.proven_after = Duration::from_secs(4);
    })
    .await;
    let service = &service;
    stream::iter(0..payments)
        .for_each_concurrent(AT_ONCE, async |number| {
            let order_id = format!("order-{number}");
            let card = service.token("1234-5678-9012-3456").await;
            service.request(&order_id, &card, 1_000).await.unwrap();
            // its tries are over
            service
                .until_row(&order_id, |row| !matches!(row.state.as_str(), "QUEUED" | "REQUESTED"))
                .await;
        })
        .await;
    service.all_at_rest(Duration::from_secs(120)).await;

    let (rows, taken) = (service.rows().await, service.book().transactions().len());
    let posts: usize = rows.iter().map(|row| usize::try_from(row.posts).unwrap()).sum();
    let of_state = |state| rows.iter().filter(|row| row.state == state).count();
    println!("{engine:?}: {payments} payments, {posts} POSTs");
    agrees("taken, of POSTs", taken, posts, 0.6);
    agrees(
        "paid, of payments",
        of_state("CAPTURED"),
        payments,
        0.7 * (1.0 - 0.4_f64.powi(3)),
    );
    agrees(
        "declined, of payments",
        of_state("DECLINED"),
        payments,
        0.3 * (1.0 - 0.4_f64.powi(3)),
    );
    agrees(
        "not charged, of payments",
        of_state("NOT_CHARGED"),
        payments,
        0.4_f64.powi(3),
    );
    let openings = service.payments.breaker_openings();
    println!("breaker openings: {openings:?}, expected 0.00002");
    assert_eq!(openings, (0, 0), "{engine:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_figures_of_the_seed_are_what_the_probabilities_say_on_sqlite() {
    figures_of_the_seed(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_figures_of_the_seed_are_what_the_probabilities_say_on_postgres() {
    figures_of_the_seed(Engine::Postgres).await;
}
