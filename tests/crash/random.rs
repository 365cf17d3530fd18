//! Killed at random under load, again and again, the shop loses nothing that it acknowledged and does nothing twice.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use proto::order::v1 as order;
use proto::payment::v1 as payment;
use proto::readmodel::v1 as view;
use support::Engine;
use support::client::card_order;
use support::shop::money;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::caller::Caller;
use crate::process::Place;
use crate::{at_rest, setting};

const BUYERS: usize = 12;
const PRODUCTS: usize = 20;
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
    stock(&Caller::new(&addresses, "operator", "admin")).await;

    let open = Arc::new(AtomicBool::new(true));
    let mut buyers = JoinSet::new();
    for number in 0..BUYERS {
        let (addresses, open) = (addresses.clone(), open.clone());
        buyers.spawn(async move { buy(&addresses, number, &open).await });
    }
    let kills = setting("JANGTEO_KILLS", 5);
    for _ in 0..kills {
        tokio::time::sleep(Duration::from_millis(rand::random_range(LIFE_MS))).await;
        shop.kill().await;
        shop = place.start(None).await;
        sender.send_replace(shop.address.clone());
    }
    let since = Instant::now();
    open.store(false, Ordering::Relaxed);
    let placed: usize = buyers.join_all().await.into_iter().sum();
    let took = at_rest(shop.address.as_deref().unwrap(), since).await;
    println!("{engine:?}: {kills} kills, {placed} orders placed; at rest {took:.1?} after the last");
    assert!(placed > 0);
    shop.kill().await;
}

async fn stock(admin: &Caller) {
    use proto::catalog::v1::{ImportProductsRequest, ImportProductsResponse, ImportRow};
    let row = |number: usize| ImportRow {
        product_id: format!("p{number}"),
        brand_id: "house".to_owned(),
        brand_name: "House".to_owned(),
        name: format!("Product {number}"),
        price: Some(money(100)),
        stock: 1_000_000,
        ..Default::default()
    };
    let request = ImportProductsRequest {
        rows: (0..PRODUCTS).map(row).collect(),
        ..Default::default()
    };
    let path = "/jangteo.catalog.v1.ProductService/ImportProducts";
    let imported: ImportProductsResponse = admin.call(path, request).await.unwrap();
    assert_eq!(imported.refused, 0);
}

/// Buys until the shop closes, and finds all its orders at the end: each acknowledged one, and no other.
async fn buy(addresses: &watch::Receiver<Option<String>>, number: usize, open: &AtomicBool) -> usize {
    let name = format!("buyer{number}");
    let (buyer, service) = (
        Caller::new(addresses, &name, "customer"),
        Caller::new(addresses, &name, "service"),
    );
    let funding = payment::ChargePointsRequest {
        amount: Some(money(1_000_000)),
        funding_reference: name,
        ..Default::default()
    };
    let path = "/jangteo.payment.v1.PointService/ChargePoints";
    let _: payment::ChargePointsResponse = service.call(path, funding).await.unwrap();

    let mut acknowledged = HashSet::new();
    while open.load(Ordering::Relaxed) {
        let first = rand::random_range(0..PRODUCTS);
        let second = (first + rand::random_range(1..PRODUCTS)) % PRODUCTS;
        let (first, second) = (format!("p{first}"), format!("p{second}"));
        let request = order::PlaceOrderRequest {
            points: Some(money(rand::random_range(0..=300))),
            ..card_order(&[(&first, 1), (&second, 2)])
        };
        let path = "/jangteo.order.v1.OrderService/PlaceOrder";
        let answer: order::PlaceOrderResponse = buyer.call(path, request).await.unwrap();
        let placed = answer.order.unwrap().order_id;
        if rand::random_ratio(1, 4) {
            let cancel = order::CancelOrderRequest {
                order_id: placed.clone(),
                ..Default::default()
            };
            let path = "/jangteo.order.v1.OrderService/CancelOrder";
            let _: order::CancelOrderResponse = buyer.call(path, cancel).await.unwrap();
        }
        acknowledged.insert(placed);
    }
    let patience = Instant::now() + Duration::from_secs(60);
    loop {
        let listed = listed(&buyer).await;
        if listed == acknowledged {
            return acknowledged.len();
        }
        let (lost, extra) = (&acknowledged - &listed, &listed - &acknowledged);
        assert!(Instant::now() < patience, "lost: {lost:?}, nobody asked for: {extra:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn listed(buyer: &Caller) -> HashSet<String> {
    let (mut listed, mut page_token) = (HashSet::new(), String::new());
    loop {
        let request = view::ListOrdersRequest {
            page_size: 100,
            page_token,
            ..Default::default()
        };
        let path = "/jangteo.readmodel.v1.OrderQueryService/ListOrders";
        let page: view::ListOrdersResponse = buyer.call(path, request).await.unwrap();
        listed.extend(page.orders.into_iter().map(|order| order.order_id));
        if page.next_page_token.is_empty() {
            return listed;
        }
        page_token = page.next_page_token;
    }
}
