//! The tables of campaigns.

use std::collections::HashMap;

use kit::clock::from_microseconds;
use kit::database::{Sql, WriteTransaction, placeholders, tuples};
use kit::refusal::Failure;
use kit::{Value, values};
use sea_orm::{ConnectionTrait, FromQueryResult};

use super::{Campaign, Window};
use crate::discount::{Basket, Discount, Selection};

const COLUMNS: &str = "campaign_id, name, kind, discount_amount, discount_percent, maximum_discount, \
    minimum_order_amount, selective, product_count, quantity, per_user_limit, issue_from, issue_until, \
    valid_from, valid_until, open, issued, version";

#[derive(FromQueryResult)]
struct Row {
    campaign_id: String,
    name: String,
    kind: String,
    discount_amount: Option<i64>,
    discount_percent: Option<i32>,
    maximum_discount: Option<i64>,
    minimum_order_amount: i64,
    selective: bool,
    product_count: i64,
    quantity: Option<i64>,
    per_user_limit: i64,
    issue_from: i64,
    issue_until: i64,
    valid_from: i64,
    valid_until: i64,
    open: bool,
    issued: i64,
    version: i64,
}

/// Stores a new campaign with its brands; tells whether its id was free.
pub(super) async fn insert(
    transaction: &WriteTransaction,
    campaign: &Campaign,
    brand_ids: &[String],
) -> Result<bool, Failure> {
    let (kind, amount, percent, maximum) = match campaign.discount {
        Discount::Fixed(amount) => ("FIXED", Some(amount), None, None),
        Discount::Percent { percent, maximum } => ("PERCENT", None, Some(percent), maximum),
    };
    let values = values![
        campaign.campaign_id.as_str(),
        campaign.name.as_str(),
        kind,
        amount,
        percent,
        maximum,
        campaign.minimum_order_amount,
        campaign.selective,
        campaign.product_count,
        campaign.quantity,
        campaign.per_user_limit,
        campaign.issue.from.as_microsecond(),
        campaign.issue.until.as_microsecond(),
        campaign.validity.from.as_microsecond(),
        campaign.validity.until.as_microsecond(),
        campaign.open,
        campaign.issued,
        campaign.version,
    ];
    let row = tuples(1, values.len());
    let sql = format!("INSERT INTO campaigns ({COLUMNS}) VALUES {row} ON CONFLICT DO NOTHING");
    if transaction.run(&sql, values).await? == 0 {
        return Ok(false);
    }
    if !brand_ids.is_empty() {
        let rows = tuples(brand_ids.len(), 2);
        let sql = format!("INSERT INTO campaign_brands (campaign_id, brand_id) VALUES {rows}");
        transaction.run(&sql, pairs(&campaign.campaign_id, brand_ids)).await?;
    }
    Ok(true)
}

/// The campaign as it is at this moment.
pub(crate) async fn find(connection: &impl ConnectionTrait, campaign_id: &str) -> Result<Option<Campaign>, Failure> {
    let sql = format!("SELECT {COLUMNS} FROM campaigns WHERE campaign_id = $1");
    let row: Option<Row> = connection.find(&sql, values![campaign_id]).await?;
    row.map(Campaign::try_from).transpose()
}

/// The campaign, which nobody else changes until this transaction ends.
pub(super) async fn lock(transaction: &WriteTransaction, campaign_id: &str) -> Result<Option<Campaign>, Failure> {
    let lock = transaction.for_update();
    let sql = format!("SELECT {COLUMNS} FROM campaigns WHERE campaign_id = $1{lock}");
    let row: Option<Row> = transaction.find(&sql, values![campaign_id]).await?;
    row.map(Campaign::try_from).transpose()
}

/// Those campaigns, by id.
pub(crate) async fn list(
    connection: &impl ConnectionTrait,
    campaign_ids: &[&str],
) -> Result<HashMap<String, Campaign>, Failure> {
    if campaign_ids.is_empty() {
        return Ok(HashMap::new());
    }
    let ids = placeholders(1, campaign_ids.len());
    let sql = format!("SELECT {COLUMNS} FROM campaigns WHERE campaign_id IN ({ids})");
    let rows: Vec<Row> = connection.list(&sql, texts(campaign_ids.iter().copied())).await?;
    rows.into_iter()
        .map(|row| Ok((row.campaign_id.clone(), Campaign::try_from(row)?)))
        .collect()
}

/// Stores what changes in the life of a campaign; its row is locked.
pub(super) async fn save(transaction: &WriteTransaction, campaign: &Campaign) -> Result<(), Failure> {
    let sql = "UPDATE campaigns SET open = $2, product_count = $3, version = $4 WHERE campaign_id = $1";
    let values = values![
        campaign.campaign_id.as_str(),
        campaign.open,
        campaign.product_count,
        campaign.version
    ];
    transaction.run(sql, values).await?;
    Ok(())
}

/// Counts one more coupon given out; tells whether the campaign still had one to give.
pub(crate) async fn count_issue(transaction: &WriteTransaction, campaign_id: &str) -> Result<bool, Failure> {
    let sql = "UPDATE campaigns SET issued = issued + 1 \
        WHERE campaign_id = $1 AND open AND (quantity IS NULL OR issued < quantity)";
    Ok(transaction.run(sql, values![campaign_id]).await? == 1)
}

/// Counts one more coupon of a user; tells whether the limit, at least 1, allowed it.
pub(crate) async fn count_taker(
    transaction: &WriteTransaction,
    campaign: &Campaign,
    user_id: &str,
) -> Result<bool, Failure> {
    let sql = "INSERT INTO campaign_takers (campaign_id, user_id, issued) VALUES ($1, $2, 1) \
        ON CONFLICT (campaign_id, user_id) DO UPDATE SET issued = campaign_takers.issued + 1 \
        WHERE campaign_takers.issued < $3";
    let values = values![campaign.campaign_id.as_str(), user_id, campaign.per_user_limit];
    Ok(transaction.run(sql, values).await? == 1)
}

#[derive(FromQueryResult)]
struct ProductId {
    product_id: String,
}

/// Adds products and returns those that were not there before.
pub(super) async fn insert_products(
    transaction: &WriteTransaction,
    campaign_id: &str,
    product_ids: &[String],
) -> Result<Vec<String>, Failure> {
    let rows = tuples(product_ids.len(), 2);
    let sql = format!(
        "INSERT INTO campaign_products (campaign_id, product_id) VALUES {rows} ON CONFLICT DO NOTHING RETURNING product_id"
    );
    let fresh: Vec<ProductId> = transaction.list(&sql, pairs(campaign_id, product_ids)).await?;
    Ok(fresh.into_iter().map(|row| row.product_id).collect())
}

#[derive(FromQueryResult)]
struct BrandId {
    brand_id: String,
}

/// The brands a campaign is for, in order of id.
pub(super) async fn brand_ids(connection: &impl ConnectionTrait, campaign_id: &str) -> Result<Vec<String>, Failure> {
    let sql = "SELECT brand_id FROM campaign_brands WHERE campaign_id = $1 ORDER BY brand_id";
    let rows: Vec<BrandId> = connection.list(sql, values![campaign_id]).await?;
    Ok(rows.into_iter().map(|row| row.brand_id).collect())
}

#[derive(FromQueryResult)]
struct Selected {
    campaign_id: String,
    product_id: Option<String>,
    brand_id: Option<String>,
}

/// What of the basket each of the selective campaigns is for, in one statement; those that are for nothing are absent.
pub(crate) async fn selections<'a>(
    connection: &impl ConnectionTrait,
    campaigns: impl Iterator<Item = &'a Campaign>,
    basket: &Basket,
) -> Result<HashMap<String, Selection>, Failure> {
    let campaign_ids: Vec<&str> = campaigns
        .filter(|campaign| campaign.selective)
        .map(|campaign| campaign.campaign_id.as_str())
        .collect();
    if campaign_ids.is_empty() {
        return Ok(HashMap::new());
    }
    let campaigns = placeholders(1, campaign_ids.len());
    let products = placeholders(1 + campaign_ids.len(), basket.lines.len());
    let brands = placeholders(1 + campaign_ids.len() + basket.lines.len(), basket.lines.len());
    let sql = format!(
        "SELECT campaign_id, product_id, NULL AS brand_id FROM campaign_products \
            WHERE campaign_id IN ({campaigns}) AND product_id IN ({products}) \
        UNION ALL \
        SELECT campaign_id, NULL AS product_id, brand_id FROM campaign_brands \
            WHERE campaign_id IN ({campaigns}) AND brand_id IN ({brands})"
    );
    let product_ids = basket.lines.iter().map(|line| line.product_id.as_str());
    let brand_ids = basket.lines.iter().map(|line| line.brand_id.as_str());
    let values = texts(campaign_ids.into_iter().chain(product_ids).chain(brand_ids));
    let rows: Vec<Selected> = connection.list(&sql, values).await?;
    let mut selections: HashMap<String, Selection> = HashMap::new();
    for row in rows {
        let selection = selections.entry(row.campaign_id).or_default();
        selection.products.extend(row.product_id);
        selection.brands.extend(row.brand_id);
    }
    Ok(selections)
}

impl TryFrom<Row> for Campaign {
    type Error = Failure;

    fn try_from(row: Row) -> Result<Self, Failure> {
        let discount = match (row.kind.as_str(), row.discount_amount, row.discount_percent) {
            ("FIXED", Some(amount), None) => Discount::Fixed(amount),
            ("PERCENT", None, Some(percent)) => Discount::Percent {
                percent,
                maximum: row.maximum_discount,
            },
            _ => return Err(anyhow::anyhow!("the row of campaign {} contradicts itself", row.campaign_id).into()),
        };
        let window = |from, until| Window {
            from: from_microseconds(from),
            until: from_microseconds(until),
        };
        Ok(Self {
            campaign_id: row.campaign_id,
            name: row.name,
            discount,
            minimum_order_amount: row.minimum_order_amount,
            selective: row.selective,
            product_count: row.product_count,
            quantity: row.quantity,
            per_user_limit: row.per_user_limit,
            issue: window(row.issue_from, row.issue_until),
            validity: window(row.valid_from, row.valid_until),
            open: row.open,
            issued: row.issued,
            version: row.version,
        })
    }
}

fn pairs(campaign_id: &str, ids: &[String]) -> Vec<Value> {
    ids.iter().flat_map(|id| values![campaign_id, id.as_str()]).collect()
}

fn texts<'a>(ids: impl Iterator<Item = &'a str>) -> Vec<Value> {
    ids.map(Value::from).collect()
}
