//! `jangteo load --replay`: a real shop's baskets as orders of today, each household paying with a card of its own.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, bail};
use jiff::{Span, Timestamp};
use kit::clock::to_proto;
use kit::money::Currency;
use proto::coupon::v1::coupon_service_client::CouponServiceClient;
use proto::coupon::v1::{CampaignKind, CampaignScope, IssueCouponRequest, OpenCampaignRequest};
use proto::order::v1::order_service_client::OrderServiceClient;
use proto::order::v1::{LineToOrder, PlaceOrderRequest};
use proto::payment::v1::card_service_client::CardServiceClient;
use proto::payment::v1::{CardType, TokenizeCardRequest};
use tonic::Status;
use uuid::Uuid;

use super::{Latencies, Pace, Report, at_pace, persistently, reason};
use crate::client::Connected;
use crate::import::{add_products, open};
use crate::real_data::{BasketRow, CampaignProductRow, CampaignRow, RedemptionRow, months, rows};

/// What to play.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Months to play, such as `2017-01`; empty for all.
    pub months: Vec<String>,
    /// Baskets to play at most.
    pub orders_max: usize,
}

#[derive(Debug)]
struct Basket {
    id: String,
    household: String,
    lines: Vec<LineToOrder>,
    campaign: Option<String>,
}

/// Plays the baskets and returns when each has its answer.
///
/// # Errors
/// When the files cannot be read, or the shop gives no answer to a call however often it is repeated.
pub async fn replay(
    folder: &Path,
    shop: Arc<Connected>,
    currency: &Currency,
    plan: &Plan,
    pace: &Pace,
    now: Timestamp,
) -> anyhow::Result<Report> {
    let baskets = baskets(folder, plan)?;
    open_campaigns(folder, &shop, currency, &baskets, now).await?;
    at_pace("orders", baskets, pace, move |basket, latencies| {
        let shop = shop.clone();
        async move {
            let outcome = play(&shop, &basket, &latencies).await;
            outcome.with_context(|| format!("basket {}", basket.id))
        }
    })
    .await
}

/// Issues the basket's coupon if it used one, and places the order; a refusal is an answer, too.
async fn play(shop: &Connected, basket: &Basket, latencies: &Latencies) -> anyhow::Result<Result<(), String>> {
    // a token serves one order: its number is forgotten when the payment has ended
    let card_token = tokenize(shop, &basket.household).await?;
    let coupon_id = match &basket.campaign {
        None => String::new(),
        Some(campaign) => match issue(shop, &basket.household, campaign).await? {
            Ok(coupon_id) => coupon_id,
            Err(status) => return Ok(Err(reason(&status))),
        },
    };
    // derived from the basket: played again, it is refused as REQUEST_ID_REUSED instead of ordered twice
    let request_id = Uuid::new_v5(&Uuid::NAMESPACE_OID, basket.id.as_bytes()).to_string();
    let request = PlaceOrderRequest {
        lines: basket.lines.clone(),
        coupon_id,
        card_token,
        request_id,
        ..Default::default()
    };
    let asked = Instant::now();
    let placed = persistently(|| async {
        OrderServiceClient::new(shop.as_customer(&basket.household))
            .place_order(request.clone())
            .await
            .map(drop)
    })
    .await?;
    latencies.record("PlaceOrder", asked.elapsed()).await;
    Ok(placed.map_err(|status| reason(&status)))
}

async fn tokenize(shop: &Connected, household: &str) -> anyhow::Result<String> {
    let number: u64 = household.parse().unwrap_or_default();
    let card_number = format!(
        "4000-{:04}-{:04}-{:04}",
        number / 10_000 % 10_000,
        number % 10_000,
        4_242
    );
    let request = TokenizeCardRequest {
        card_type: CardType::Kb.into(),
        card_number,
        ..Default::default()
    };
    let answer = persistently(|| async {
        CardServiceClient::new(shop.as_customer(household))
            .tokenize_card(request.clone())
            .await
    })
    .await?;
    Ok(answer.context("TokenizeCard")?.into_inner().card_token)
}

async fn issue(shop: &Connected, household: &str, campaign: &str) -> anyhow::Result<Result<String, Status>> {
    let request = IssueCouponRequest {
        campaign_id: campaign.to_owned(),
        request_id: Uuid::now_v7().to_string(),
    };
    let answer = persistently(|| async {
        CouponServiceClient::new(shop.as_customer(household))
            .issue_coupon(request.clone())
            .await
    })
    .await?;
    Ok(answer.map(|answer| {
        answer
            .into_inner()
            .coupon
            .map(|coupon| coupon.coupon_id)
            .unwrap_or_default()
    }))
}

fn baskets(folder: &Path, plan: &Plan) -> anyhow::Result<Vec<Basket>> {
    let used: HashMap<String, String> = rows::<RedemptionRow>(folder, "redemptions")?
        .into_iter()
        .map(|row| (row.basket_id, row.campaign))
        .collect();
    let mut baskets: Vec<Basket> = Vec::new();
    let known = months(folder)?;
    if let Some(unknown) = plan.months.iter().find(|month| !known.contains(month)) {
        bail!("no baskets of {unknown}; there are {}", known.join(", "));
    }
    for month in known
        .iter()
        .filter(|month| plan.months.is_empty() || plan.months.contains(month))
    {
        for row in rows::<BasketRow>(folder, &format!("baskets-{month}"))? {
            let line = LineToOrder {
                product_id: row.product_id,
                quantity: row.quantity,
            };
            match baskets.last_mut() {
                Some(basket) if basket.id == row.basket_id => basket.lines.push(line),
                _ => baskets.push(Basket {
                    campaign: used.get(&row.basket_id).map(|campaign| copy_id(campaign)),
                    id: row.basket_id,
                    household: row.household_id,
                    lines: vec![line],
                }),
            }
        }
    }
    baskets.truncate(plan.orders_max);
    Ok(baskets)
}

/// The campaigns were open when the baskets were filled; their copies are open today.
async fn open_campaigns(
    folder: &Path,
    shop: &Connected,
    currency: &Currency,
    baskets: &[Basket],
    now: Timestamp,
) -> anyhow::Result<()> {
    let used: std::collections::BTreeSet<&String> =
        baskets.iter().filter_map(|basket| basket.campaign.as_ref()).collect();
    if used.is_empty() {
        return Ok(());
    }
    let mut products: HashMap<String, Vec<String>> = HashMap::new();
    for row in rows::<CampaignProductRow>(folder, "campaign_products")? {
        products.entry(copy_id(&row.campaign)).or_default().push(row.product_id);
    }
    let admin = shop.as_admin();
    let (from, until) = (
        to_proto(now - Span::new().hours(1)),
        to_proto(now + Span::new().hours(24 * 30)),
    );
    for row in rows::<CampaignRow>(folder, "campaigns")? {
        let campaign_id = copy_id(&row.campaign);
        if !used.contains(&campaign_id) {
            continue;
        }
        let request = OpenCampaignRequest {
            campaign_id: campaign_id.clone(),
            name: format!("{} {}", row.campaign_type, row.campaign),
            kind: CampaignKind::Fixed.into(),
            discount_amount: Some(currency.money(row.amount)),
            applies_to: CampaignScope::Selected.into(),
            per_user_limit: 1_000,
            issue_from: Some(from),
            issue_until: Some(until),
            valid_from: Some(from),
            valid_until: Some(until),
            ..Default::default()
        };
        if open(&admin, request).await? {
            add_products(
                &admin,
                &campaign_id,
                products.get(&campaign_id).map_or(&[], Vec::as_slice),
            )
            .await?;
        }
    }
    Ok(())
}

fn copy_id(campaign: &str) -> String {
    format!("replay-{campaign}")
}
