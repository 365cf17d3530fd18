//! Killed at random under load, again and again, the shop loses nothing that it acknowledged and does nothing twice.

use std::time::{Duration, Instant};

use support::Engine;
use tokio::sync::watch;

use crate::crowd::Crowd;
use crate::process::Place;
use crate::{at_rest, setting};

/// A process lives for so long, evenly spread.
const LIFE_MS: std::ops::Range<u64> = 200..2_500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_random_on_sqlite_the_shop_loses_nothing() {
    killed_at_random(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_random_on_postgres_the_shop_loses_nothing() {
    killed_at_random(Engine::Postgres).await;
}

async fn killed_at_random(engine: Engine) {
    let place = Place::new(engine).await;
    let mut shop = place.start(None).await;
    let (sender, addresses) = watch::channel(shop.address.clone());
    let crowd = Crowd::gather(&addresses).await;
    let (begun, kills) = (Instant::now(), setting("JANGTEO_KILLS", 5));
    for _ in 0..kills {
        tokio::time::sleep(Duration::from_millis(rand::random_range(LIFE_MS))).await;
        shop.kill().await;
        shop = place.start(None).await;
        sender.send_replace(shop.address.clone());
    }
    let since = Instant::now();
    let placed = crowd.leave().await;
    let took = at_rest(shop.address.as_deref().unwrap(), since).await;
    println!(
        "{engine:?}: killed {kills} times at random in {:.0?}, {placed} orders placed, 0 violations; at rest {took:.1?} after the last",
        since - begun
    );
    assert!(placed > 0);
    shop.kill().await;
}
