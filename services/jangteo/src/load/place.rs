//! `jangteo load --place`: orders of one line each, paid by points, of products that nobody else wants.

use std::sync::Arc;

use anyhow::{Context, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use kit::money::Currency;
use proto::catalog::v1::product_service_client::ProductServiceClient;
use proto::catalog::v1::{ImportProductsRequest, ImportRow};
use proto::order::v1::order_service_client::OrderServiceClient;
use proto::order::v1::{LineToOrder, PlaceOrderRequest};
use proto::payment::v1::ChargePointsRequest;
use proto::payment::v1::point_service_client::PointServiceClient;
use tonic::Request;

use super::{Pace, Report, at_pace, persistently, reason};
use crate::client::Connected;

const PRODUCTS: usize = 10_000;
const BUYERS: usize = 1_000;
const PRICE: i64 = 100;
/// More of everything than any load takes.
const PLENTY: i64 = 1_000_000_000;
const ROWS_PER_MESSAGE: usize = 500;

/// Stocks the shop with what is ordered, and places so many orders.
///
/// # Errors
/// When the shop refuses what it is stocked with, or gives no answer to a call however often it is repeated.
pub async fn place(shop: Arc<Connected>, currency: &Currency, orders: usize, pace: &Pace) -> anyhow::Result<Report> {
    stock(&shop, currency).await?;
    give_points(&shop, currency).await?;
    let points = Some(currency.money(PRICE));
    at_pace("orders", (0..orders).collect(), pace, move |number, _| {
        let (shop, points) = (shop.clone(), points.clone());
        async move {
            let request = PlaceOrderRequest {
                // neighbours in time are no neighbours in the table
                lines: vec![LineToOrder {
                    product_id: product(number.wrapping_mul(7_919) % PRODUCTS),
                    quantity: 1,
                }],
                points,
                request_id: uuid::Uuid::now_v7().to_string(),
                ..Default::default()
            };
            let client = shop.as_customer(&buyer(number % BUYERS));
            let placed = persistently(|| async {
                let answer = OrderServiceClient::new(client.clone())
                    .place_order(request.clone())
                    .await;
                answer.map(drop)
            });
            Ok(placed.await?.map_err(|status| reason(&status)))
        }
    })
    .await
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
