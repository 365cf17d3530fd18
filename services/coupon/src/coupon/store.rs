//! The tables of coupons and of what orders did with them.

use kit::clock::from_microseconds;
use kit::database::{Sql, WriteTransaction};
use kit::refusal::Failure;
use kit::values;
use prost::Message;
use proto::coupon::v1::RedeemCouponResponse;
use sea_orm::{ConnectionTrait, FromQueryResult};

use super::{Coupon, Redemption};
use crate::campaign::Window;

/// Coupons that one look at a wallet shows.
const WALLET_COUPONS_MAX: i64 = 100;

const COLUMNS: &str = "coupon_id, campaign_id, user_id, order_id, valid_from, valid_until, issued_at, version";

#[derive(FromQueryResult)]
struct Row {
    coupon_id: String,
    campaign_id: String,
    user_id: String,
    order_id: Option<String>,
    valid_from: i64,
    valid_until: i64,
    issued_at: i64,
    version: i64,
}

/// Stores a new coupon.
pub(super) async fn insert(transaction: &WriteTransaction, coupon: &Coupon) -> Result<(), Failure> {
    let sql = format!("INSERT INTO coupons ({COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)");
    let values = values![
        coupon.coupon_id.as_str(),
        coupon.campaign_id.as_str(),
        coupon.user_id.as_str(),
        coupon.order_id.clone(),
        coupon.validity.from.as_microsecond(),
        coupon.validity.until.as_microsecond(),
        coupon.issued_at.as_microsecond(),
        coupon.version,
    ];
    transaction.run(&sql, values).await?;
    Ok(())
}

/// The coupon, if it is this user's; nobody else changes it until this transaction ends.
pub(super) async fn lock(
    transaction: &WriteTransaction,
    coupon_id: &str,
    user_id: &str,
) -> Result<Option<Coupon>, Failure> {
    let lock = transaction.for_update();
    let sql = format!("SELECT {COLUMNS} FROM coupons WHERE coupon_id = $1 AND user_id = $2{lock}");
    let row: Option<Row> = transaction.find(&sql, values![coupon_id, user_id]).await?;
    Ok(row.map(Coupon::from))
}

/// The unused coupons of a user, newest first.
pub(super) async fn list_unused(connection: &impl ConnectionTrait, user_id: &str) -> Result<Vec<Coupon>, Failure> {
    let sql = format!(
        "SELECT {COLUMNS} FROM coupons WHERE user_id = $1 AND order_id IS NULL \
            ORDER BY coupon_id DESC LIMIT {WALLET_COUPONS_MAX}"
    );
    let rows: Vec<Row> = connection.list(&sql, values![user_id]).await?;
    Ok(rows.into_iter().map(Coupon::from).collect())
}

/// Stores which order uses the coupon; its row is locked.
pub(super) async fn save(transaction: &WriteTransaction, coupon: &Coupon) -> Result<(), Failure> {
    let sql = "UPDATE coupons SET order_id = $2, version = $3 WHERE coupon_id = $1";
    transaction
        .run(
            sql,
            values![coupon.coupon_id.as_str(), coupon.order_id.clone(), coupon.version],
        )
        .await?;
    Ok(())
}

#[derive(FromQueryResult)]
struct RedemptionRow {
    state: String,
    answer: Option<Vec<u8>>,
}

/// What the order did with the coupon before.
pub(super) async fn find_redemption(
    transaction: &WriteTransaction,
    coupon_id: &str,
    order_id: &str,
) -> Result<Option<Redemption>, Failure> {
    let sql = "SELECT state, answer FROM redemptions WHERE coupon_id = $1 AND order_id = $2";
    let row: Option<RedemptionRow> = transaction.find(sql, values![coupon_id, order_id]).await?;
    row.map(|row| match (row.state.as_str(), row.answer) {
        ("REDEEMED", Some(answer)) => {
            let answer = RedeemCouponResponse::decode(answer.as_slice()).map_err(anyhow::Error::from)?;
            Ok(Redemption::Redeemed(answer))
        }
        ("RESTORED", _) => Ok(Redemption::Restored),
        _ => Err(anyhow::anyhow!("the redemption of coupon {coupon_id} by order {order_id} contradicts itself").into()),
    })
    .transpose()
}

/// Stores that the order uses the coupon, with the answer it gets.
pub(super) async fn insert_redemption(
    transaction: &WriteTransaction,
    coupon_id: &str,
    order_id: &str,
    answer: &RedeemCouponResponse,
) -> Result<(), Failure> {
    let discount = answer.discount.as_ref().map_or(0, |discount| discount.minor_units);
    let sql =
        "INSERT INTO redemptions (coupon_id, order_id, state, discount, answer) VALUES ($1, $2, 'REDEEMED', $3, $4)";
    transaction
        .run(sql, values![coupon_id, order_id, discount, answer.encode_to_vec()])
        .await?;
    Ok(())
}

/// Stores that the order has given the coupon back, or up: it never gets it again.
pub(super) async fn restore_redemption(
    transaction: &WriteTransaction,
    coupon_id: &str,
    order_id: &str,
) -> Result<(), Failure> {
    let sql = "INSERT INTO redemptions (coupon_id, order_id, state, discount) VALUES ($1, $2, 'RESTORED', 0) \
        ON CONFLICT (coupon_id, order_id) DO UPDATE SET state = 'RESTORED'";
    transaction.run(sql, values![coupon_id, order_id]).await?;
    Ok(())
}

/// Keeps an order from a coupon that is not its user's; a redemption that is there stays as it is.
pub(super) async fn insert_tombstone(
    transaction: &WriteTransaction,
    coupon_id: &str,
    order_id: &str,
) -> Result<(), Failure> {
    let sql = "INSERT INTO redemptions (coupon_id, order_id, state, discount) VALUES ($1, $2, 'RESTORED', 0) \
        ON CONFLICT (coupon_id, order_id) DO NOTHING";
    transaction.run(sql, values![coupon_id, order_id]).await?;
    Ok(())
}

impl From<Row> for Coupon {
    fn from(row: Row) -> Self {
        Self {
            coupon_id: row.coupon_id,
            campaign_id: row.campaign_id,
            user_id: row.user_id,
            order_id: row.order_id,
            validity: Window {
                from: from_microseconds(row.valid_from),
                until: from_microseconds(row.valid_until),
            },
            issued_at: from_microseconds(row.issued_at),
            version: row.version,
        }
    }
}
