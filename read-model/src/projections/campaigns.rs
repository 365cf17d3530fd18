//! Campaigns, newest first, what each is good for, and how many of its coupons were issued.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use kit::clock::from_proto;
use kit::database::{Sql, WriteTransaction};
use kit::refusal::Failure;
use kit::values;
use prost::Message;
use proto::event::v1 as event;
use proto::event::v1::event::Fact;
use proto::event::v1::{CampaignSnapshot, Event};
use proto::readmodel::v1::CampaignEntry;
use sea_orm::{ConnectionTrait, FromQueryResult};

use super::{Projection, by_ids, upsert};

#[derive(Debug)]
pub(crate) struct Campaigns;

/// A campaign as it is stored.
#[derive(Clone, Debug, FromQueryResult)]
pub(crate) struct Row {
    pub campaign_id: String,
    pub issue_from: i64,
    issued: i64,
    version: i64,
    entry: Vec<u8>,
}

const COLUMNS: &str = "campaign_id, issue_from, issued, version, entry";

impl Row {
    /// The campaign as the contract shows it.
    pub fn entry(&self) -> Result<CampaignEntry, Failure> {
        let entry = CampaignEntry::decode(self.entry.as_slice()).map_err(anyhow::Error::from)?;
        Ok(CampaignEntry {
            issued: self.issued,
            ..entry
        })
    }
}

#[async_trait]
impl Projection for Campaigns {
    fn name(&self) -> &'static str {
        "campaigns"
    }

    fn facts(&self) -> &'static [&'static str] {
        &[
            "CampaignOpened",
            "CampaignClosed",
            "CampaignProductsAdded",
            "CouponIssued",
        ]
    }

    async fn apply(&self, transaction: &WriteTransaction, generation: i32, events: &[&Event]) -> Result<(), Failure> {
        let mut told: BTreeMap<&str, (i64, Option<&CampaignSnapshot>, i64)> = BTreeMap::new();
        let mut scopes: BTreeSet<(String, &str)> = BTreeSet::new();
        for event in events {
            match &event.fact {
                Some(
                    Fact::CampaignOpened(event::CampaignOpened {
                        campaign: Some(campaign),
                    })
                    | Fact::CampaignClosed(event::CampaignClosed {
                        campaign: Some(campaign),
                    }),
                ) => {
                    let known = told.entry(&campaign.campaign_id).or_default();
                    if known.0 < event.version {
                        (known.0, known.1) = (event.version, Some(campaign));
                    }
                    let brands = campaign.brand_ids.iter().map(|brand_id| format!("brand/{brand_id}"));
                    scopes.extend(brands.map(|scope| (scope, campaign.campaign_id.as_str())));
                }
                Some(Fact::CampaignProductsAdded(added)) => {
                    let products = added
                        .product_ids
                        .iter()
                        .map(|product_id| format!("product/{product_id}"));
                    scopes.extend(products.map(|scope| (scope, added.campaign_id.as_str())));
                }
                Some(Fact::CouponIssued(event::CouponIssued { coupon: Some(coupon) })) => {
                    told.entry(&coupon.campaign_id).or_default().2 += 1;
                }
                _ => {}
            }
        }
        let ids: Vec<&str> = told.keys().copied().collect();
        let known: BTreeMap<String, Row> = find(&**transaction, generation, &ids)
            .await?
            .into_iter()
            .map(|row| (row.campaign_id.clone(), row))
            .collect();
        let rows = told.into_iter().map(|(campaign_id, (version, campaign, issued))| {
            let former = known.get(campaign_id);
            let issued = former.map_or(0, |row| row.issued) + issued;
            // a coupon may be told of before its campaign; then the campaign is not open yet
            let entry = match (campaign, former) {
                (Some(campaign), former) if former.is_none_or(|former| former.version < version) => shown(campaign),
                (_, Some(former)) => former.entry()?,
                _ => CampaignEntry {
                    campaign_id: campaign_id.to_owned(),
                    ..CampaignEntry::default()
                },
            };
            let version = version.max(former.map_or(0, |row| row.version));
            let issue_from = entry
                .issue_from
                .as_ref()
                .map(from_proto)
                .unwrap_or_default()
                .as_microsecond();
            let (open, selective) = (entry.open, entry.selective);
            Ok(values![
                generation,
                campaign_id,
                open,
                selective,
                issue_from,
                issued,
                version,
                entry.encode_to_vec()
            ])
        });
        let rows = rows.collect::<Result<Vec<_>, Failure>>()?;
        let columns = [
            "generation",
            "campaign_id",
            "open",
            "selective",
            "issue_from",
            "issued",
            "version",
            "entry",
        ];
        upsert(transaction, "campaigns", &columns, 2, rows).await?;
        let scopes = scopes
            .into_iter()
            .map(|(scope, campaign_id)| values![generation, scope, campaign_id]);
        upsert(
            transaction,
            "campaign_scopes",
            &["generation", "scope", "campaign_id"],
            3,
            scopes.collect(),
        )
        .await
    }
}

/// A campaign as the contract shows it; the kinds have the same numbers in both.
fn shown(campaign: &CampaignSnapshot) -> CampaignEntry {
    CampaignEntry {
        campaign_id: campaign.campaign_id.clone(),
        name: campaign.name.clone(),
        kind: campaign.kind,
        discount_amount: campaign.discount_amount.clone(),
        discount_percent: campaign.discount_percent,
        maximum_discount: campaign.maximum_discount.clone(),
        minimum_order_amount: campaign.minimum_order_amount.clone(),
        selective: campaign.selective,
        total_quantity: campaign.total_quantity,
        issued: 0,
        per_user_limit: campaign.per_user_limit,
        issue_from: campaign.issue_from,
        issue_until: campaign.issue_until,
        valid_from: campaign.valid_from,
        valid_until: campaign.valid_until,
        open: campaign.open,
    }
}

/// These campaigns, as far as there are any.
pub(crate) async fn find(
    connection: &impl ConnectionTrait,
    generation: i32,
    ids: &[&str],
) -> Result<Vec<Row>, Failure> {
    by_ids(
        connection,
        &format!("SELECT {COLUMNS} FROM campaigns"),
        "campaign_id",
        generation,
        ids,
    )
    .await
}

/// Campaigns, newest first, behind a (time, id); of a product and its brand where they are given.
pub(crate) async fn list(
    connection: &impl ConnectionTrait,
    generation: i32,
    of: Option<(&str, &str)>,
    open_only: bool,
    behind: Option<(i64, &str)>,
    limit: u32,
) -> Result<Vec<Row>, Failure> {
    let (issue_from, campaign_id) = behind.unwrap_or((i64::MAX, ""));
    let mut values = values![generation, issue_from, campaign_id];
    let mut conditions = String::new();
    if open_only {
        conditions.push_str(" AND open");
    }
    if let Some((product_id, brand_id)) = of {
        values.extend(values![format!("product/{product_id}"), format!("brand/{brand_id}")]);
        conditions.push_str(
            " AND (NOT selective OR campaign_id IN
                (SELECT campaign_id FROM campaign_scopes WHERE generation = $1 AND scope IN ($4, $5)))",
        );
    }
    let sql = format!(
        "SELECT {COLUMNS} FROM campaigns WHERE generation = $1 AND version > 0 AND (issue_from, campaign_id) < ($2, $3){conditions}
        ORDER BY issue_from DESC, campaign_id DESC LIMIT {limit}"
    );
    Ok(connection.list(&sql, values).await?)
}
