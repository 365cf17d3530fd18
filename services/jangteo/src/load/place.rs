//! `jangteo load --place`: orders of one line each, paid by points or a card, of products that nobody else wants.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use kit::money::Currency;
use proto::catalog::v1::like_service_client::LikeServiceClient;
use proto::catalog::v1::product_service_client::ProductServiceClient;
use proto::catalog::v1::{ImportProductsRequest, ImportRow, LikeProductRequest};
use proto::order::v1::order_service_client::OrderServiceClient;
use proto::order::v1::{LineToOrder, PlaceOrderRequest};
use proto::payment::v1::ChargePointsRequest;
use proto::payment::v1::point_service_client::PointServiceClient;
use proto::readmodel::v1::product_query_service_client::ProductQueryServiceClient;
use proto::readmodel::v1::{BatchGetProductsRequest, GetProductRequest};
use tokio::time::Instant;
use tonic::Request;

use super::{Latencies, Pace, Report, at_pace, persistently, reason};
use crate::client::{Client, Connected};

const PRODUCTS: usize = 10_000;
const BUYERS: usize = 1_000;
const PRICE: i64 = 100;
/// More of everything than any load takes.
const PLENTY: i64 = 1_000_000_000;
const ROWS_PER_MESSAGE: usize = 500;
const PRODUCTS_PER_LOOK: usize = 100;
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// How long views may take to hold what was imported.
const SEEN_MAX: Duration = Duration::from_secs(60);

/// Stocks the shop with what is ordered, and places so many orders: paid by points, or by `card`, where a buyer also looks at
/// the product and likes it.
///
/// # Errors
/// When the shop refuses what it is stocked with, or gives no answer to a call however often it is repeated.
pub async fn place(
    shop: Arc<Connected>,
    currency: &Currency,
    orders: usize,
    card: Option<String>,
    pace: &Pace,
) -> anyhow::Result<Report> {
    stock(&shop, currency).await?;
    give_points(&shop, currency).await?;
    if card.is_some() {
        until_seen(&shop).await?;
    }
    let points = card.is_none().then(|| currency.money(PRICE));
    at_pace("orders", (0..orders).collect(), pace, move |number, latencies| {
        let (shop, points, card) = (shop.clone(), points.clone(), card.clone());
        async move {
            // neighbours in time are no neighbours in the table
            let product_id = product(number.wrapping_mul(7_919) % PRODUCTS);
            let client = shop.as_customer(&buyer(number % BUYERS));
            if card.is_some() {
                look_around(&client, &product_id, &latencies).await?;
            }
            let request = PlaceOrderRequest {
                lines: vec![LineToOrder {
                    product_id,
                    quantity: 1,
                }],
                points,
                card_token: card.unwrap_or_default(),
                request_id: uuid::Uuid::now_v7().to_string(),
                ..Default::default()
            };
            let begun = Instant::now();
            let placed = persistently(|| async {
                let answer = OrderServiceClient::new(client.clone())
                    .place_order(request.clone())
                    .await;
                answer.map(drop)
            });
            let placed = placed.await?;
            latencies.record("PlaceOrder", begun.elapsed()).await;
            Ok(placed.map_err(|status| reason(&status)))
        }
    })
    .await
}

async fn look_around(client: &Client, product_id: &str, latencies: &Latencies) -> anyhow::Result<()> {
    let product_id = product_id.to_owned();
    let begun = Instant::now();
    let look = GetProductRequest {
        product_id: product_id.clone(),
        ..Default::default()
    };
    ProductQueryServiceClient::new(client.clone()).get_product(look).await?;
    latencies.record("other calls", begun.elapsed()).await;

    let begun = Instant::now();
    let like = LikeProductRequest {
        product_id,
        ..Default::default()
    };
    LikeServiceClient::new(client.clone()).like_product(like).await?;
    latencies.record("other calls", begun.elapsed()).await;
    Ok(())
}

async fn stock(shop: &Connected, currency: &Currency) -> anyhow::Result<()> {
    let row = |number| ImportRow {
        product_id: product(number),
        brand_id: "load".to_owned(),
        brand_name: "Load".to_owned(),
        name: format!("Load {number}"),
        price: Some(currency.money(PRICE)),
        stock: PLENTY,
        ..Default::default()
    };
    let rows: Vec<ImportRow> = (0..PRODUCTS).map(row).collect();
    let messages: Vec<ImportProductsRequest> = rows
        .chunks(ROWS_PER_MESSAGE)
        .map(|rows| ImportProductsRequest {
            rows: rows.to_vec(),
            ..Default::default()
        })
        .collect();
    let mut client = ProductServiceClient::new(shop.as_admin());
    let imported = client.import_products(tokio_stream::iter(messages)).await?.into_inner();
    ensure!(
        imported.refused == 0,
        "products were refused: {:?}",
        imported.refusals.first()
    );
    Ok(())
}

/// Waits until whoever looks at a product finds it.
async fn until_seen(shop: &Connected) -> anyhow::Result<()> {
    let mut client = ProductQueryServiceClient::new(shop.as_customer(&buyer(0)));
    let end = Instant::now() + SEEN_MAX;
    let numbers: Vec<usize> = (0..PRODUCTS).collect();
    for numbers in numbers.chunks(PRODUCTS_PER_LOOK) {
        let request = BatchGetProductsRequest {
            product_ids: numbers.iter().map(|number| product(*number)).collect(),
            ..Default::default()
        };
        loop {
            let seen = client.batch_get_products(request.clone()).await?.into_inner();
            if seen.products.len() == numbers.len() {
                break;
            }
            ensure!(
                Instant::now() < end,
                "products are not seen {SEEN_MAX:?} after their import"
            );
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
    Ok(())
}

async fn give_points(shop: &Connected, currency: &Currency) -> anyhow::Result<()> {
    let give = |number| {
        let funding = ChargePointsRequest {
            amount: Some(currency.money(PLENTY)),
            // given once, however often load is put on the shop
            funding_reference: format!("load-{number}"),
            ..Default::default()
        };
        async move {
            let mut request = Request::new(funding);
            request.metadata_mut().insert("x-on-behalf-of", buyer(number).parse()?);
            let mut client = PointServiceClient::new(shop.as_service());
            client.charge_points(request).await.context("ChargePoints")?;
            anyhow::Ok(())
        }
    };
    stream::iter(0..BUYERS)
        .map(give)
        .buffer_unordered(32)
        .try_collect()
        .await
}

fn product(number: usize) -> String {
    format!("load-{number:05}")
}

fn buyer(number: usize) -> String {
    format!("load-{number}")
}
