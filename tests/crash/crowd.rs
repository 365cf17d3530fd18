//! Buyers who go on buying whatever becomes of the shop, and find all their orders at the end.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use proto::order::v1 as order;
use proto::payment::v1 as payment;
use proto::readmodel::v1 as view;
use support::client::card_order;
use support::shop::money;
use support::wait::{eventually, within};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::caller::Caller;

const BUYERS: usize = 12;
const PRODUCTS: usize = 20;
/// How long a crowd may stand still before the shop counts as broken.
const PATIENCE: Duration = Duration::from_secs(90);

/// The buyers of a shop.
pub struct Crowd {
    open: Arc<AtomicBool>,
    placed: Arc<AtomicUsize>,
    buyers: JoinSet<(Caller, HashSet<String>)>,
}

impl Crowd {
    /// Stocks the shop and lets them in.
    pub async fn gather(addresses: &watch::Receiver<Option<String>>) -> Self {
        stock(&Caller::new(addresses, "operator", "admin")).await;
        let (open, placed) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicUsize::new(0)));
        let mut buyers = JoinSet::new();
        for number in 0..BUYERS {
            let (addresses, open, placed) = (addresses.clone(), open.clone(), placed.clone());
            buyers.spawn(async move { buy(&addresses, number, &open, &placed).await });
        }
        Self { open, placed, buyers }
    }

    /// Returns when as many orders as there are buyers were placed from now on; tells how long that took.
    pub async fn goes_on(&self) -> Duration {
        let (since, from) = (Instant::now(), self.placed.load(Ordering::Relaxed));
        within(PATIENCE, "orders are placed again", async || {
            let placed = self.placed.load(Ordering::Relaxed) - from;
            if placed < BUYERS { Err(placed) } else { Ok(()) }
        })
        .await;
        since.elapsed()
    }

    /// Closes the shop to them; returns how many orders they placed, once each has found all of its own and no other.
    pub async fn leave(self) -> usize {
        self.open.store(false, Ordering::Relaxed);
        let mut placed = 0;
        for (buyer, acknowledged) in self.buyers.join_all().await {
            eventually("what is listed is what was placed", async || {
                let listed = listed(&buyer).await;
                let (lost, extra) = (&acknowledged - &listed, &listed - &acknowledged);
                if lost.is_empty() && extra.is_empty() {
                    Ok(())
                } else {
                    Err(format!("lost: {lost:?}, nobody asked for: {extra:?}"))
                }
            })
            .await;
            placed += acknowledged.len();
        }
        placed
    }
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

/// Buys until the shop closes; returns what was acknowledged.
async fn buy(
    addresses: &watch::Receiver<Option<String>>,
    number: usize,
    open: &AtomicBool,
    all_placed: &AtomicUsize,
) -> (Caller, HashSet<String>) {
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
        // a query knows no trouble of its own: it is answered, or asks to be made again
        let page: view::ListProductsResponse = call!(
            buyer,
            "readmodel.v1.ProductQueryService" / ListProducts,
            view::ListProductsRequest::default()
        )
        .unwrap();
        assert!(page.products.len() <= PRODUCTS);
        acknowledged.insert(placed);
        all_placed.fetch_add(1, Ordering::Relaxed);
    }
    (buyer, acknowledged)
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
