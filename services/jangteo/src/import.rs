//! `jangteo import`: a catalogue and its campaigns from CSV files, through the same RPCs that anyone has.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use kit::money::Currency;
use proto::catalog::v1::product_service_client::ProductServiceClient;
use proto::catalog::v1::{ImportProductsRequest, ImportProductsResponse, ImportRow};
use proto::coupon::v1::campaign_service_client::CampaignServiceClient;
use proto::coupon::v1::{AddCampaignProductsRequest, CampaignKind, CampaignScope, OpenCampaignRequest};
use tonic::Code;

use crate::client::Client;
use crate::real_data::{BasketRow, CampaignProductRow, CampaignRow, ProductRow, brand_id, months, rows};

const ROWS_PER_MESSAGE: usize = 500;
const PRODUCTS_PER_MESSAGE: usize = 1_000;
/// Issues of one campaign's coupon to one user, as many as the contract allows.
const PER_USER_LIMIT: i64 = 1_000;

/// What an import did.
#[derive(Debug, Default)]
pub struct Imported {
    /// The catalogue's answer.
    pub products: ImportProductsResponse,
    /// Campaigns opened; those that were open before are not counted.
    pub campaigns_opened: u64,
    /// Pairs of campaign and product sent.
    pub campaign_products: u64,
}

/// Imports a folder. Dates are shifted by whole weeks so that the last basket is in this week, unless `keep_dates`.
///
/// # Errors
/// When a file or the shop refuses; what was imported before stays, and the import can be repeated.
pub async fn import(
    folder: &Path,
    client: &Client,
    currency: &Currency,
    keep_dates: bool,
    now: Timestamp,
) -> anyhow::Result<Imported> {
    let products = import_products(folder, client, currency).await?;
    let weeks = if keep_dates { 0 } else { weeks_to_shift(folder, now)? };
    let (campaigns_opened, campaign_products) = import_campaigns(folder, client, currency, weeks).await?;
    Ok(Imported {
        products,
        campaigns_opened,
        campaign_products,
    })
}

async fn import_products(
    folder: &Path,
    client: &Client,
    currency: &Currency,
) -> anyhow::Result<ImportProductsResponse> {
    let rows: Vec<ProductRow> = rows(folder, "products")?;
    let brands: BTreeMap<String, &str> = rows
        .iter()
        .map(|row| (brand_id(&row.brand), row.brand.as_str()))
        .collect();
    let clash = rows
        .iter()
        .find(|row| brands.get(&brand_id(&row.brand)) != Some(&row.brand.as_str()));
    ensure!(
        clash.is_none(),
        "two brand names give the same id: {:?}",
        clash.map(|row| &row.brand)
    );

    let bar = progress("products", rows.len());
    let sent = bar.clone();
    let messages: Vec<ImportProductsRequest> = rows
        .chunks(ROWS_PER_MESSAGE)
        .map(|rows| ImportProductsRequest {
            rows: rows.iter().map(|row| to_import(row, currency)).collect(),
            request_id: String::new(),
        })
        .collect();
    let messages = tokio_stream::iter(
        messages
            .into_iter()
            .inspect(move |message| sent.inc(message.rows.len() as u64)),
    );
    let response = ProductServiceClient::new(client.clone())
        .import_products(messages)
        .await
        .context("ImportProducts")?;
    bar.finish();
    Ok(response.into_inner())
}

fn to_import(row: &ProductRow, currency: &Currency) -> ImportRow {
    ImportRow {
        product_id: row.product_id.clone(),
        brand_id: brand_id(&row.brand),
        brand_name: row.brand.clone(),
        name: row.name.clone(),
        category: row.category.clone(),
        price: Some(currency.money(row.price)),
        stock: row.stock,
        ..Default::default()
    }
}

async fn import_campaigns(
    folder: &Path,
    client: &Client,
    currency: &Currency,
    weeks: i64,
) -> anyhow::Result<(u64, u64)> {
    let campaigns: Vec<CampaignRow> = rows(folder, "campaigns")?;
    let mut pairs: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in rows::<CampaignProductRow>(folder, "campaign_products")? {
        pairs.entry(row.campaign).or_default().push(row.product_id);
    }
    let bar = progress("campaigns", campaigns.len());
    let (mut opened, mut sent) = (0, 0);
    for campaign in &campaigns {
        opened += u64::from(open(client, to_open(campaign, currency, weeks)?).await?);
        if let Some(products) = pairs.get(&campaign.campaign) {
            sent += add_products(client, &campaign.campaign, products).await?;
        }
        bar.inc(1);
    }
    bar.finish();
    Ok((opened, sent))
}

fn to_open(row: &CampaignRow, currency: &Currency, weeks: i64) -> anyhow::Result<OpenCampaignRequest> {
    let from = midnight(row.starts_on, weeks)?;
    let until = midnight(row.ends_on.tomorrow()?, weeks)?;
    Ok(OpenCampaignRequest {
        campaign_id: row.campaign.clone(),
        name: format!("{} {}", row.campaign_type, row.campaign),
        kind: CampaignKind::Fixed.into(),
        discount_amount: Some(currency.money(row.amount)),
        applies_to: CampaignScope::Selected.into(),
        per_user_limit: PER_USER_LIMIT,
        issue_from: Some(from),
        issue_until: Some(until),
        valid_from: Some(from),
        valid_until: Some(until),
        ..Default::default()
    })
}

/// Opens a campaign; tells whether it was not open before.
///
/// # Errors
/// Any refusal but that it exists.
pub async fn open(client: &Client, request: OpenCampaignRequest) -> anyhow::Result<bool> {
    match CampaignServiceClient::new(client.clone()).open_campaign(request).await {
        Ok(_) => Ok(true),
        Err(status) if status.code() == Code::AlreadyExists => Ok(false),
        Err(status) => Err(status).context("OpenCampaign"),
    }
}

/// Tells a campaign its products.
///
/// # Errors
/// Any refusal.
pub async fn add_products(client: &Client, campaign_id: &str, products: &[String]) -> anyhow::Result<u64> {
    let messages = products
        .chunks(PRODUCTS_PER_MESSAGE)
        .map(|products| AddCampaignProductsRequest {
            campaign_id: campaign_id.to_owned(),
            product_ids: products.to_vec(),
            ..Default::default()
        });
    let messages = tokio_stream::iter(messages.collect::<Vec<_>>());
    CampaignServiceClient::new(client.clone())
        .add_campaign_products(messages)
        .await
        .context("AddCampaignProducts")?;
    Ok(products.len() as u64)
}

fn weeks_to_shift(folder: &Path, now: Timestamp) -> anyhow::Result<i64> {
    let Some(month) = months(folder)?.pop() else {
        return Ok(0);
    };
    let baskets: Vec<BasketRow> = rows(folder, &format!("baskets-{month}"))?;
    let Some(last) = baskets.iter().map(|row| row.placed_at.date()).max() else {
        return Ok(0);
    };
    let days = (now.to_zoned_datetime(TimeZone::UTC).date() - last).get_days();
    Ok(i64::from(days).div_euclid(7))
}

fn midnight(date: Date, weeks: i64) -> anyhow::Result<prost_types::Timestamp> {
    let shifted = date.checked_add(Span::new().try_weeks(weeks)?)?;
    Ok(kit::clock::to_proto(
        shifted.to_zoned_datetime(TimeZone::UTC)?.timestamp(),
    ))
}

/// A bar on standard error while a person is looking; nothing otherwise.
pub(crate) fn progress(what: &'static str, length: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:>12} [{bar:40}] {pos}/{len} {per_sec} {eta}");
    let bar = ProgressBar::new(length as u64).with_message(what);
    bar.enable_steady_tick(Duration::from_millis(200));
    style.map_or(bar.clone(), |style| bar.with_style(style))
}
