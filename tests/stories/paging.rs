//! Paging while the shop goes on: what keeps its place is shown once, whatever is registered and liked around it.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use jangteo::client::Client;
use proto::catalog::v1::product_service_client::ProductServiceClient;
use proto::catalog::v1::{LikeProductRequest, RegisterProductRequest, UnlikeProductRequest};
use proto::readmodel::v1::{ListProductsRequest, ProductSort};
use support::shop::money;
use support::{Buyer, TestShop, story};
use tokio::sync::mpsc;

const STANDING: usize = 120;
/// Products that are liked and unliked while others page.
const MOVING: usize = 12;
/// Enough to carry a product from the last by likes to the first, and back.
const FANS: usize = 5;
const PAGE_SIZE: i32 = 10;

story! {
    async fn what_keeps_its_place_is_on_one_page_while_products_are_registered_and_liked(shop: TestShop) {
        let fans: Vec<Buyer> = (0..FANS).map(|fan| shop.buyer(&format!("fan-{fan}"))).collect();
        let mut registered = stock(&shop, &fans).await;
        for sort in [ProductSort::LikesDesc, ProductSort::Latest, ProductSort::PriceAsc, ProductSort::PriceDesc] {
            // room for one: while a page is read the next change is made, and none beyond it
            let (changes, mut changed) = mpsc::channel(1);
            let catalogue = ProductServiceClient::new(shop.connected().as_admin());
            let stirring = tokio::spawn(stir(catalogue, fans.clone(), sort, changes));
            let shown = pages(&shop.buyer("mina"), sort, &mut changed).await;
            drop(changed);

            let keeps_its_place = |id: &&String| sort != ProductSort::LikesDesc || !id.starts_with("moving-");
            let mut times: BTreeMap<&String, usize> = BTreeMap::new();
            for id in shown.iter().filter(keeps_its_place) {
                *times.entry(id).or_default() += 1;
            }
            let repeated: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
            let skipped: Vec<_> = registered.iter().filter(keeps_its_place).filter(|id| !times.contains_key(id)).collect();
            assert!(repeated.is_empty() && skipped.is_empty(), "{sort:?}: repeated {repeated:?}, skipped {skipped:?}");
            registered.extend(stirring.await.unwrap());
            // the next round expects all of these, whichever view it reads
            shop.at_rest().await;
        }
    }
}

/// Products of few prices and few likes, so that most places are decided by the id.
async fn stock(shop: &TestShop, fans: &[Buyer]) -> BTreeSet<String> {
    let standing = (0..STANDING).map(|number| (format!("m{number:03}"), 1_000 + (number as i64 % 7), 1));
    let moving = (0..MOVING).map(|number| (format!("moving-{number:02}"), 1_003, 1));
    let products: Vec<(String, i64, i64)> = standing.chain(moving).collect();
    let rows = products.iter().map(|(id, price, stock)| (id.as_str(), *price, *stock));
    shop.stock(&rows.collect::<Vec<_>>()).await;
    let likes = (0..STANDING).flat_map(|number| {
        let fans = &fans[..number % FANS];
        fans.iter().map(move |fan| like(fan, format!("m{number:03}")))
    });
    join_all(likes).await;
    shop.at_rest().await;
    products.into_iter().map(|(id, ..)| id).collect()
}

/// All pages in this order, each asked for after a further change, which it shows.
async fn pages(buyer: &Buyer, sort: ProductSort, changed: &mut mpsc::Receiver<String>) -> Vec<String> {
    let mut shown = Vec::new();
    let mut request = ListProductsRequest {
        sort: sort.into(),
        page_size: PAGE_SIZE,
        ..Default::default()
    };
    loop {
        request.revision = changed.recv().await.unwrap();
        let page = buyer.products_seen().list_products(request.clone()).await.unwrap();
        let page = page.into_inner();
        shown.extend(page.products.into_iter().map(|product| product.product_id));
        if page.next_page_token.is_empty() {
            return shown;
        }
        request.page_token = page.next_page_token;
    }
}

/// Registers products before, among and behind the others, and lets one rise to the most liked or fall, until nobody pages.
async fn stir(
    catalogue: ProductServiceClient<Client>,
    fans: Vec<Buyer>,
    sort: ProductSort,
    changes: mpsc::Sender<String>,
) -> Vec<String> {
    let mut registered = Vec::new();
    for round in 0.. {
        let letter = ["a", "m050", "z"][round % 3];
        let new = [("cheap", 1), ("equal", 1_003), ("dear", 9_999)]
            .map(|(name, price)| (format!("{letter}-{sort:?}-{round}-{name}"), price));
        let registering = new.iter().map(|(id, price)| register(&catalogue, id, *price));
        let moving = format!("moving-{:02}", round / 2 % MOVING);
        let moves = fans.iter().map(|fan| {
            let product_id = moving.clone();
            async move {
                match round % 2 {
                    0 => like(fan, product_id).await,
                    _ => unlike(fan, product_id).await,
                }
            }
        });
        join_all(registering).await;
        let revision = join_all(moves).await.pop().unwrap();
        registered.extend(new.map(|(id, _)| id));
        if changes.send(revision).await.is_err() {
            break;
        }
    }
    registered
}

async fn register(catalogue: &ProductServiceClient<Client>, product_id: &str, price: i64) {
    let request = RegisterProductRequest {
        product_id: product_id.to_owned(),
        brand_id: "house".to_owned(),
        name: product_id.to_owned(),
        price: Some(money(price)),
        ..Default::default()
    };
    catalogue.clone().register_product(request).await.unwrap();
}

async fn like(fan: &Buyer, product_id: String) -> String {
    let request = LikeProductRequest {
        product_id,
        ..Default::default()
    };
    fan.likes().like_product(request).await.unwrap().into_inner().revision
}

async fn unlike(fan: &Buyer, product_id: String) -> String {
    let request = UnlikeProductRequest {
        product_id,
        ..Default::default()
    };
    fan.likes().unlike_product(request).await.unwrap().into_inner().revision
}
