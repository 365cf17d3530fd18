//! The coupons of a user, newest first.

use std::collections::BTreeMap;

use async_trait::async_trait;
use kit::clock::from_proto;
use kit::database::{Sql, WriteTransaction};
use kit::refusal::Failure;
use kit::values;
use proto::event::v1 as event;
use proto::event::v1::Event;
use proto::event::v1::event::Fact;
use sea_orm::{ConnectionTrait, FromQueryResult};

use super::{Projection, by_ids, upsert};

#[derive(Debug)]
pub(crate) struct Coupons;

/// A coupon as it is stored; it is used while it names an order.
#[derive(Clone, Debug, FromQueryResult)]
pub(crate) struct Row {
    pub coupon_id: String,
    pub user_id: String,
    pub campaign_id: String,
    pub order_id: String,
    pub valid_from: i64,
    pub valid_until: i64,
    pub issued_at: i64,
    pub version: i64,
}

const COLUMNS: &str = "coupon_id, user_id, campaign_id, order_id, valid_from, valid_until, issued_at, version";

#[async_trait]
impl Projection for Coupons {
    fn name(&self) -> &'static str {
        "coupons"
    }

    fn facts(&self) -> &'static [&'static str] {
        &["CouponIssued", "CouponRedeemed", "CouponRestored"]
    }

    async fn apply(&self, transaction: &WriteTransaction, generation: i32, events: &[&Event]) -> Result<(), Failure> {
        let mut told: BTreeMap<String, Row> = BTreeMap::new();
        for event in events {
            let (Some(Fact::CouponIssued(event::CouponIssued { coupon: Some(coupon) }))
            | Some(Fact::CouponRedeemed(event::CouponRedeemed {
                coupon: Some(coupon), ..
            }))
            | Some(Fact::CouponRestored(event::CouponRestored {
                coupon: Some(coupon), ..
            }))) = &event.fact
            else {
                continue;
            };
            let at = |time: &Option<prost_types::Timestamp>| {
                time.as_ref().map(from_proto).unwrap_or_default().as_microsecond()
            };
            let row = Row {
                coupon_id: coupon.coupon_id.clone(),
                user_id: coupon.user_id.clone(),
                campaign_id: coupon.campaign_id.clone(),
                order_id: coupon.order_id.clone(),
                valid_from: at(&coupon.valid_from),
                valid_until: at(&coupon.valid_until),
                issued_at: at(&coupon.issued_at),
                version: event.version,
            };
            if told.get(&row.coupon_id).is_none_or(|known| known.version < row.version) {
                told.insert(row.coupon_id.clone(), row);
            }
        }
        let ids: Vec<&str> = told.keys().map(String::as_str).collect();
        let known = versions(transaction, generation, &ids).await?;
        let newer = told
            .into_values()
            .filter(|row| known.get(&row.coupon_id).is_none_or(|known| *known < row.version));
        let rows = newer.map(|row| {
            values![
                generation,
                row.coupon_id,
                row.user_id,
                row.campaign_id,
                row.order_id,
                row.valid_from,
                row.valid_until,
                row.issued_at,
                row.version
            ]
        });
        let columns = [
            "generation",
            "coupon_id",
            "user_id",
            "campaign_id",
            "order_id",
            "valid_from",
            "valid_until",
            "issued_at",
            "version",
        ];
        upsert(transaction, "coupons", &columns, 2, rows.collect()).await
    }
}

async fn versions(
    transaction: &WriteTransaction,
    generation: i32,
    ids: &[&str],
) -> Result<BTreeMap<String, i64>, Failure> {
    let select = format!("SELECT {COLUMNS} FROM coupons");
    let rows: Vec<Row> = by_ids(&**transaction, &select, "coupon_id", generation, ids).await?;
    Ok(rows.into_iter().map(|row| (row.coupon_id, row.version)).collect())
}

/// Which coupons of a wallet are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    All,
    Issued,
    Redeemed,
    Expired,
}

/// A user's coupons, newest first, behind a (time, id).
pub(crate) async fn list(
    connection: &impl ConnectionTrait,
    generation: i32,
    user_id: &str,
    (which, now): (Which, i64),
    behind: Option<(i64, &str)>,
    limit: u32,
) -> Result<Vec<Row>, Failure> {
    let condition = match which {
        Which::All => "CAST($5 AS BIGINT) IS NOT NULL",
        Which::Issued => "order_id = '' AND valid_until > $5",
        Which::Redeemed => "order_id <> '' AND CAST($5 AS BIGINT) IS NOT NULL",
        Which::Expired => "order_id = '' AND valid_until <= $5",
    };
    let (issued_at, coupon_id) = behind.unwrap_or((i64::MAX, ""));
    let sql = format!(
        "SELECT {COLUMNS} FROM coupons WHERE generation = $1 AND user_id = $2 AND (issued_at, coupon_id) < ($3, $4)
            AND {condition} ORDER BY issued_at DESC, coupon_id DESC LIMIT {limit}"
    );
    Ok(connection
        .list(&sql, values![generation, user_id, issued_at, coupon_id, now])
        .await?)
}
