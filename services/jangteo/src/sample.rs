//! The sample of the first embedded start: a catalogue, open campaigns, likes by a power law, and points for Mina.

use anyhow::Context;
use jiff::{Span, Timestamp};
use kit::clock::to_proto;
use kit::money::Currency;
use proto::catalog::v1::like_service_client::LikeServiceClient;
use proto::catalog::v1::product_service_client::ProductServiceClient;
use proto::catalog::v1::{ImportProductsRequest, ImportRow, LikeProductRequest};
use proto::coupon::v1::{CampaignKind, CampaignScope, OpenCampaignRequest};
use proto::payment::v1::ChargePointsRequest;
use proto::payment::v1::point_service_client::PointServiceClient;
use proto::readmodel::v1::ListProductsRequest;
use proto::readmodel::v1::product_query_service_client::ProductQueryServiceClient;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;

use crate::client::Connected;
use crate::import::open;

const PRODUCTS: usize = 2_000;
const BRANDS: usize = 50;
const LIKERS: usize = 40;
const ROWS_PER_MESSAGE: usize = 500;
const LIKES_AT_ONCE: usize = 64;
/// The sample is the same on every machine.
const SEED: u64 = 20_261_124;

const ADJECTIVES: &[&str] = &[
    "Quiet", "Bright", "Plain", "Warm", "Sturdy", "Light", "Soft", "Deep", "Early", "Round",
];
const NOUNS: &[&str] = &[
    "Kettle", "Lamp", "Chair", "Bowl", "Jacket", "Notebook", "Backpack", "Radio", "Blanket", "Knife", "Teapot",
    "Umbrella",
];
const PLACES: &[&str] = &[
    "Hanok", "Namsan", "Jeju", "Seorae", "Bukchon", "Ikseon", "Mapo", "Yeonnam", "Seongsu", "Hongdae",
];
const WORKSHOPS: &[&str] = &["Works", "Studio", "Goods", "House", "Makers"];

/// Stocks a shop that has no product yet; tells whether it did.
///
/// # Errors
/// When the shop refuses; the next start tries again what is missing.
pub async fn stock(shop: &Connected, currency: &Currency, now: Timestamp) -> anyhow::Result<bool> {
    let listing = ListProductsRequest {
        page_size: 1,
        ..Default::default()
    };
    let listed = ProductQueryServiceClient::new(shop.as_customer("sample"))
        .list_products(listing)
        .await?
        .into_inner();
    if !listed.products.is_empty() {
        return Ok(false);
    }
    let products = products(currency);
    let ids: Vec<String> = products.iter().map(|row| row.product_id.clone()).collect();
    let messages: Vec<ImportProductsRequest> = products
        .chunks(ROWS_PER_MESSAGE)
        .map(|rows| ImportProductsRequest {
            rows: rows.to_vec(),
            ..Default::default()
        })
        .collect();
    ProductServiceClient::new(shop.as_admin())
        .import_products(tokio_stream::iter(messages))
        .await
        .context("sample products")?;
    for campaign in campaigns(currency, now) {
        open(&shop.as_admin(), campaign).await?;
    }
    charge(shop, currency).await?;
    like(shop, &ids).await?;
    Ok(true)
}

fn products(currency: &Currency) -> Vec<ImportRow> {
    let mut random = StdRng::seed_from_u64(SEED);
    let brands: Vec<(String, String)> = (0..BRANDS)
        .map(|number| {
            let name = format!(
                "{} {}",
                PLACES[number % PLACES.len()],
                WORKSHOPS[number / PLACES.len() % WORKSHOPS.len()]
            );
            (crate::real_data::brand_id(&name), name)
        })
        .collect();
    (1..=PRODUCTS)
        .map(|number| {
            let (brand_id, brand_name) = &brands[random.random_range(0..BRANDS)];
            let noun = NOUNS[random.random_range(0..NOUNS.len())];
            let name = format!(
                "{} {noun} No. {number}",
                ADJECTIVES[random.random_range(0..ADJECTIVES.len())]
            );
            // one in twenty is sold out from the start
            let stock = if random.random_range(0..20) == 0 {
                0
            } else {
                random.random_range(5..=500)
            };
            ImportRow {
                product_id: format!("p{number:04}"),
                brand_id: brand_id.clone(),
                brand_name: brand_name.clone(),
                description: format!("{name}, made by {brand_name}."),
                name,
                category: noun.to_ascii_uppercase(),
                price: Some(currency.money(i64::from(random.random_range(5_u16..=300)) * 100 - 1)),
                stock,
                ..Default::default()
            }
        })
        .collect()
}

fn campaigns(currency: &Currency, now: Timestamp) -> Vec<OpenCampaignRequest> {
    let (from, until) = (
        Some(to_proto(now - Span::new().hours(1))),
        Some(to_proto(now + Span::new().hours(24 * 365))),
    );
    let window = OpenCampaignRequest {
        applies_to: CampaignScope::All.into(),
        per_user_limit: 1,
        issue_from: from,
        issue_until: until,
        valid_from: from,
        valid_until: until,
        ..Default::default()
    };
    vec![
        OpenCampaignRequest {
            campaign_id: "welcome".to_owned(),
            name: "Welcome".to_owned(),
            kind: CampaignKind::Fixed.into(),
            discount_amount: Some(currency.money(500)),
            ..window.clone()
        },
        OpenCampaignRequest {
            campaign_id: "ten-percent".to_owned(),
            name: "Ten percent, at most 20.00".to_owned(),
            kind: CampaignKind::Percent.into(),
            discount_percent: 10,
            maximum_discount: Some(currency.money(2_000)),
            minimum_order_amount: Some(currency.money(5_000)),
            per_user_limit: 3,
            ..window.clone()
        },
        OpenCampaignRequest {
            campaign_id: "first-hundred".to_owned(),
            name: "For the first hundred".to_owned(),
            kind: CampaignKind::Fixed.into(),
            discount_amount: Some(currency.money(1_000)),
            total_quantity: 100,
            ..window
        },
    ]
}

async fn charge(shop: &Connected, currency: &Currency) -> anyhow::Result<()> {
    let mut request = tonic::Request::new(ChargePointsRequest {
        amount: Some(currency.money(5_000)),
        funding_reference: "sample-mina".to_owned(),
        ..Default::default()
    });
    request.metadata_mut().insert(
        "x-on-behalf-of",
        tonic::metadata::AsciiMetadataValue::from_static("mina"),
    );
    PointServiceClient::new(shop.as_service())
        .charge_points(request)
        .await
        .context("sample points")?;
    Ok(())
}

/// The product of rank r is liked about 1/r as often as the first.
async fn like(shop: &Connected, ids: &[String]) -> anyhow::Result<()> {
    let mut random = StdRng::seed_from_u64(SEED + 1);
    let mut running = JoinSet::new();
    for (rank, id) in ids.iter().enumerate() {
        let likers = LIKERS / (rank + 1) + usize::from(random.random_range(0..10) == 0);
        for liker in 0..likers {
            let client = shop.as_customer(&format!("sample-{liker}"));
            let request = LikeProductRequest {
                product_id: id.clone(),
                ..Default::default()
            };
            running.spawn(async move { LikeServiceClient::new(client).like_product(request).await.map(drop) });
            if running.len() >= LIKES_AT_ONCE
                && let Some(ended) = running.join_next().await
            {
                ended??;
            }
        }
    }
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    Ok(())
}
