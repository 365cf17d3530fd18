//! Killed at every point, once or several times, the shop goes on where it was.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use futures::{FutureExt, StreamExt, stream};
use support::Engine;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::process::Place;
use crate::scenario::Scenario;
use crate::{at_rest, setting};

/// Shops at once for each core; most of their time they wait, for leases and for answers.
const SHOPS_PER_CORE: usize = 3;
/// How long an order waits for its payment in the evening.
const EVENING: Duration = Duration::from_secs(2);
/// How often a play is repeated whose race went past the point on the other side.
const PLAYS_MAX: usize = 10;
/// Every call that a checkout makes.
const CHECKOUT_CALLS: &str = include_str!("../../services/order/src/checkout/services.rs");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_point_on_sqlite_the_shop_goes_on() {
    killed_at_any_point(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_point_on_postgres_the_shop_goes_on() {
    killed_at_any_point(Engine::Postgres).await;
}

async fn killed_at_any_point(engine: Engine) {
    let day = pass_all(engine, Play::Day).await;
    let mut evening = pass_all(engine, Play::Evening).await;
    evening.retain(|point, _| !day.contains_key(point));
    every_step_has_its_points(&day.keys().chain(evening.keys()).map(String::as_str).collect());
    let times = setting("JANGTEO_CRASH_TIMES", 0);
    let points = [(Play::Day, &day), (Play::Evening, &evening)];
    let points = points
        .into_iter()
        .flat_map(|(play, points)| points.iter().map(move |(point, passed)| (play, point, *passed)));
    // where nobody says how often, the engines share the points
    let ours = |index: usize| times > 0 || index.is_multiple_of(2) == (engine == Engine::Sqlite);
    let wanted = setting("JANGTEO_CRASH_POINTS", String::new());
    let kills: Vec<_> = points
        .enumerate()
        .filter(|(index, (_, point, _))| ours(*index) && point.contains(&wanted))
        .flat_map(|(_, kill)| (0..times.max(1)).map(move |time| (kill, time)))
        .collect();
    let begun = Instant::now();
    let outcomes: Vec<(&str, Option<End>)> = stream::iter(kills)
        .map(async |((play, point, passed), time)| {
            // at each passing in turn, and again from the first where there are fewer
            let passings = (time..).map(|time| time % passed + 1).take(PLAYS_MAX);
            // a panic here fails one point, and the others are still tried
            let end = AssertUnwindSafe(kill_at_one(engine, play, point, passings)).catch_unwind();
            (point.as_str(), end.await.ok())
        })
        .buffer_unordered(SHOPS_PER_CORE * std::thread::available_parallelism().map_or(1, usize::from))
        .collect()
        .await;
    let ended = |wanted: fn(&Option<End>) -> bool| -> Vec<&str> {
        let ended = outcomes.iter().filter(|(_, end)| wanted(end));
        ended.map(|(point, _)| *point).collect()
    };
    let (lost, not_passed) = (ended(Option::is_none), ended(|end| *end == Some(End::NotPassed)));
    let took = outcomes.iter().filter_map(|(_, end)| match end {
        Some(End::AtRest(took)) => Some(*took),
        _ => None,
    });
    println!(
        "{engine:?}: killed {} times, of {} points that there are, in {:.0?}; the slowest was at rest {:.1?} after its restart",
        outcomes.len() - not_passed.len(),
        day.len() + evening.len(),
        begun.elapsed(),
        took.max().unwrap_or_default(),
    );
    println!("not passed this time: {not_passed:?}");
    assert!(lost.is_empty(), "did not survive: {lost:#?}");
    let expected = expected();
    let missed: Vec<_> = not_passed
        .iter()
        .filter(|at| expected.iter().any(|point| point == *at))
        .collect();
    assert!(missed.is_empty(), "always passed, but not this time: {missed:#?}");
}

/// What is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Play {
    /// Everything but what takes an order's time to be up.
    Day,
    /// An order that is not paid in time.
    Evening,
}

impl Play {
    async fn place(self, engine: Engine) -> Place {
        let place = Place::new(engine).await;
        match self {
            Self::Day => place,
            Self::Evening => place.where_orders_expire(EVENING),
        }
    }

    async fn play(self, scenario: &Scenario) {
        match self {
            Self::Day => scenario.play().await,
            Self::Evening => scenario.let_expire().await,
        }
    }
}

/// How a play with a kill in it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// So long after the restart.
    AtRest(Duration),
    /// A point of a race that went the other way this time.
    NotPassed,
}

/// The points of a play without a fault, and how often each was passed.
async fn pass_all(engine: Engine, play: Play) -> BTreeMap<String, usize> {
    let place = play.place(engine).await;
    let shop = place.start(None).await;
    let (_sender, addresses) = watch::channel(shop.address.clone());
    play.play(&Scenario::new(&addresses)).await;
    at_rest(shop.address.as_deref().unwrap(), Instant::now()).await;
    shop.kill().await;
    let mut passed = BTreeMap::new();
    for point in std::fs::read_to_string(place.points()).unwrap().lines() {
        *passed.entry(point.to_owned()).or_default() += 1;
    }
    passed
}

/// Kills at the first of the passings that comes.
async fn kill_at_one(engine: Engine, play: Play, point: &str, passings: impl Iterator<Item = usize>) -> End {
    for passing in passings {
        let end = kill_at(engine, play, &format!("{point}#{passing}")).await;
        if end != End::NotPassed {
            return end;
        }
    }
    End::NotPassed
}

/// A play with one kill −9 in it, which nobody notices at its end.
async fn kill_at(engine: Engine, play: Play, at: &str) -> End {
    let place = play.place(engine).await;
    let (sender, addresses) = watch::channel(None);
    let played = CancellationToken::new();
    let restarted = async {
        let mut first = place.start(Some(at)).await;
        sender.send_replace(first.address.clone());
        tokio::select! {
            () = played.cancelled() => return None,
            _ = first.ended() => {}
        }
        let second = place.start(None).await;
        sender.send_replace(second.address.clone());
        Some((second, Instant::now()))
    };
    let play = async {
        play.play(&Scenario::new(&addresses)).await;
        played.cancel();
    };
    let (restarted, ()) = tokio::join!(restarted, play);
    let Some((shop, since)) = restarted else {
        return End::NotPassed;
    };
    let took = at_rest(shop.address.as_deref().unwrap(), since).await;
    shop.kill().await;
    End::AtRest(took)
}

/// New code cannot do without: whatever commits, publishes or calls passes a point that is named after it.
fn every_step_has_its_points(points: &BTreeSet<&str>) {
    let unnamed: Vec<_> = points.iter().filter(|point| point.starts_with('?')).collect();
    assert!(unnamed.is_empty(), "work without a name: {unnamed:?}");
    let missing: Vec<String> = expected()
        .into_iter()
        .filter(|point| !points.contains(point.as_str()))
        .collect();
    assert!(
        missing.is_empty(),
        "points that the scenario does not pass: {missing:#?}"
    );
    let called = |call: &String| points.iter().any(|point| point.ends_with(&format!(": before {call}")));
    let not_called: Vec<String> = calls_of_checkouts().filter(|call| !called(call)).collect();
    assert!(
        not_called.is_empty(),
        "calls that the scenario does not make: {not_called:?}"
    );
}

/// The commands of other services that a checkout gives, as its source has them.
fn calls_of_checkouts() -> impl Iterator<Item = String> {
    let words: BTreeSet<&str> = CHECKOUT_CALLS
        .split(|letter: char| !(letter.is_alphanumeric() || letter == '_'))
        .collect();
    let commands = proto::METHODS.iter().filter(|method| method.mutates);
    let calls = commands.map(|method| method.path.rsplit('.').next().unwrap().to_owned());
    calls.filter(move |call| words.contains(snake_case(call.split('/').nth(1).unwrap()).as_str()))
}

fn snake_case(name: &str) -> String {
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push('_');
        }
        words.extend(letter.to_lowercase());
    }
    words
}

fn expected() -> Vec<String> {
    let commands = proto::METHODS.iter().filter(|method| method.mutates).map(|method| {
        let name = method.path.rsplit('.').next().unwrap();
        match name {
            // orders move stock in lanes, with others
            "StockService/ReserveStock" => "stock lane Reserve",
            "StockService/CommitStock" => "stock lane Commit",
            "StockService/ReleaseStock" => "stock lane Release",
            "StockService/ReturnStock" => "stock lane Return",
            name => name,
        }
    });
    let mut work: Vec<String> = commands.map(str::to_owned).collect();
    let owners = ["catalog", "coupon", "order", "payment", "notification"];
    work.extend(owners.map(|owner| format!("{owner} relay")));
    work.extend(read_model::projections().map(|(name, _)| format!("{name} projection")));
    let facts = ["PaymentCaptured", "PaymentDeclined", "PaymentRefunded"];
    work.extend(facts.map(|fact| format!("order.checkout {fact}")));
    let news = [
        "OrderAwaitingPayment",
        "OrderPaid",
        "OrderPaymentEnded",
        "OrderCancelled",
        "OrderExpired",
        "CouponIssued",
    ];
    work.extend(news.map(|fact| format!("notification.policy {fact}")));
    let steps = [
        "FORWARD PAY",
        "FORWARD AWAIT",
        "FORWARD SETTLE",
        "UNDO AWAIT",
        "UNDO SETTLE",
    ];
    work.extend(steps.map(|step| format!("checkout {step}")));
    let others = [
        "checkout worker",
        "payment driver",
        "payment QUEUED",
        "callback",
        "notification.sender MessageSendRequested",
        "message sender",
        "message",
        "read-model.journal",
    ];
    work.extend(others.map(str::to_owned));

    let sides = |work: &str, what: &str| ["before", "after"].map(|side| format!("{work}: {side} {what}"));
    let mut points: Vec<String> = work.iter().flat_map(|work| sides(work, "commit")).collect();
    points.extend(
        owners
            .iter()
            .flat_map(|owner| sides(&format!("{owner} relay"), "publish")),
    );
    let calls = [
        ("OrderService/PlaceOrder", "StockService/ReserveStock"),
        ("OrderService/PlaceOrder", "CouponService/RedeemCoupon"),
        ("OrderService/PlaceOrder", "PointService/HoldPoints"),
        ("checkout FORWARD PAY", "PaymentService/RequestPayment"),
        ("checkout FORWARD AWAIT", "StockService/ReleaseStock"),
        ("checkout FORWARD AWAIT", "PointService/ReleasePoints"),
        ("checkout FORWARD SETTLE", "StockService/CommitStock"),
        ("checkout FORWARD SETTLE", "PointService/SettlePoints"),
        ("checkout UNDO SETTLE", "StockService/ReturnStock"),
        ("checkout UNDO SETTLE", "PointService/RefundPoints"),
        ("checkout UNDO SETTLE", "CouponService/RestoreCoupon"),
        ("payment QUEUED", "POST"),
        ("payment UNKNOWN", "look-up"),
        ("payment REFUNDING", "cancel"),
        ("message", "send"),
    ];
    points.extend(calls.iter().flat_map(|(work, call)| sides(work, call)));
    points
}
