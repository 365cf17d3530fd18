//! `jangteo load --replay`: a real shop's baskets as orders of today, each household paying with a card of its own.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

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
use tokio::sync::{Mutex, Semaphore};
use tokio::time::Instant;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use uuid::Uuid;

use super::{Figures, Latencies};
use crate::client::Connected;
use crate::import::{add_products, open, progress};
use crate::real_data::{BasketRow, CampaignProductRow, CampaignRow, RedemptionRow, months, rows};

/// Tries of one call whose outcome is not known, with one `request_id`.
const TRIES_MAX: u32 = 10;

/// What to play.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Months to play, such as `2017-01`; empty for all.
    pub months: Vec<String>,
    /// Baskets to play at most.
    pub orders_max: usize,
    /// Baskets a second.
    pub rate: f64,
    /// Baskets under way at once at most.
    pub in_flight_max: usize,
}

/// What came of it.
#[derive(Debug, serde::Serialize)]
pub struct Report {
    /// Orders acknowledged.
    pub placed: u64,
    /// Orders refused, by reason.
    pub refused: BTreeMap<String, u64>,
    /// Seconds from the first to the last.
    pub seconds: f64,
    /// Latency of a basket from its planned start: card token, coupon if any, PlaceOrder.
    pub basket: Figures,
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refused: u64 = self.refused.values().sum();
        #[expect(clippy::cast_precision_loss, reason = "shown without digits")]
        let rate = (self.placed + refused) as f64 / self.seconds;
        let Figures {
            p50_ms,
            p99_ms,
            p999_ms,
            max_ms,
            ..
        } = self.basket;
        writeln!(
            formatter,
            "orders      {} placed, {refused} refused in {:.1} s, {rate:.0} a second",
            self.placed, self.seconds
        )?;
        for (reason, times) in &self.refused {
            writeln!(formatter, "            {times} × {reason}")?;
        }
        writeln!(
            formatter,
            "basket      p50 {p50_ms:.1} ms, p99 {p99_ms:.1} ms, p99.9 {p999_ms:.1} ms, max {max_ms:.1} ms"
        )
    }
}

#[derive(Debug)]
struct Basket {
    id: String,
    household: String,
    lines: Vec<LineToOrder>,
    campaign: Option<String>,
}

#[derive(Debug, Default)]
struct Tally {
    placed: u64,
    refused: BTreeMap<String, u64>,
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
    now: Timestamp,
) -> anyhow::Result<Report> {
    let baskets = baskets(folder, plan)?;
    open_campaigns(folder, &shop, currency, &baskets, now).await?;
    let (latencies, tally) = (Arc::new(Latencies::default()), Arc::new(Mutex::new(Tally::default())));
    let in_flight = Arc::new(Semaphore::new(plan.in_flight_max));
    let bar = progress("orders", baskets.len());

    let started = Instant::now();
    let mut running = tokio::task::JoinSet::new();
    for (number, basket) in baskets.into_iter().enumerate() {
        #[expect(clippy::cast_precision_loss, reason = "a plan to the microsecond")]
        let planned = started + Duration::from_secs_f64(number as f64 / plan.rate);
        tokio::time::sleep_until(planned).await;
        let held = in_flight.clone().acquire_owned().await?;
        let (shop, latencies, tally, bar) = (shop.clone(), latencies.clone(), tally.clone(), bar.clone());
        running.spawn(async move {
            let _held = held;
            let outcome = play(&shop, &basket)
                .await
                .with_context(|| format!("basket {}", basket.id))?;
            latencies.record(planned.elapsed()).await;
            bar.inc(1);
            let mut tally = tally.lock().await;
            match outcome {
                Ok(()) => tally.placed += 1,
                Err(reason) => *tally.refused.entry(reason).or_default() += 1,
            }
            anyhow::Ok(())
        });
        while let Some(ended) = running.try_join_next() {
            ended??;
        }
    }
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    bar.finish();
    let tally = std::mem::take(&mut *tally.lock().await);
    let basket = latencies.figures().await;
    Ok(Report {
        placed: tally.placed,
        refused: tally.refused,
        seconds: started.elapsed().as_secs_f64(),
        basket,
    })
}

/// Issues the basket's coupon if it used one, and places the order; a refusal is an answer, too.
async fn play(shop: &Connected, basket: &Basket) -> anyhow::Result<Result<(), String>> {
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
    let placed = persistently(|| async {
        OrderServiceClient::new(shop.as_customer(&basket.household))
            .place_order(request.clone())
            .await
            .map(drop)
    })
    .await?;
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

/// Repeats a call while its outcome is not known; it must carry a `request_id` or be harmless to repeat.
async fn persistently<T, F: Future<Output = Result<T, Status>>>(
    call: impl Fn() -> F,
) -> anyhow::Result<Result<T, Status>> {
    for attempt in 1..=TRIES_MAX {
        match call().await {
            Err(status)
                if matches!(
                    status.code(),
                    Code::Unavailable | Code::Aborted | Code::DeadlineExceeded | Code::Cancelled | Code::Unknown
                ) =>
            {
                tokio::time::sleep(Duration::from_millis(100) * 2_u32.pow(attempt.min(6))).await;
            }
            answer => return Ok(answer),
        }
    }
    bail!("no answer after {TRIES_MAX} tries")
}

fn reason(status: &Status) -> String {
    status
        .get_details_error_info()
        .map_or_else(|| format!("{:?}", status.code()), |info| info.reason)
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
