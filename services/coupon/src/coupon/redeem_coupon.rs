//! RedeemCoupon.

use kit::context::Context;
use kit::outbox;
use kit::refusal::Failure;
use proto::coupon::v1::{RedeemCouponRequest, RedeemCouponResponse};
use proto::event::v1::CouponRedeemed;
use proto::event::v1::event::Fact;

use super::{CouponRefusal, store};
use crate::Coupons;
use crate::campaign;
use crate::discount::Basket;

/// Returns the discount, also when this order redeemed the coupon before.
pub(crate) async fn redeem_coupon(
    state: Coupons,
    context: Context,
    request: RedeemCouponRequest,
) -> Result<RedeemCouponResponse, Failure> {
    let RedeemCouponRequest {
        coupon_id,
        order_id,
        lines,
        ..
    } = request;
    let basket = Basket::new(lines, &state.currency)?;
    let transaction = state.database.begin_write(&context).await?;
    let coupon = store::lock(&transaction, &coupon_id, context.user()?).await?;
    let mut coupon = coupon.ok_or(CouponRefusal::NotFound { coupon_id })?;

    let earlier = store::find_redemption(&transaction, &coupon.coupon_id, &order_id).await?;
    if let Some(answer) = coupon.redeem(&order_id, earlier, context.now)? {
        transaction.mention(&coupon.subject()).await?;
        return transaction.commit(answer).await;
    }
    let campaign = campaign::store::find(&*transaction, &coupon.campaign_id).await?;
    let campaign = campaign.ok_or_else(|| anyhow::anyhow!("coupon {} has no campaign", coupon.coupon_id))?;
    let mut selections = campaign::store::selections(&*transaction, [&campaign].into_iter(), &basket).await?;
    let selection = selections.remove(&campaign.campaign_id).unwrap_or_default();
    let answer = campaign.quote(&basket, &selection, &state.currency)?;

    store::save(&transaction, &coupon).await?;
    store::insert_redemption(&transaction, &coupon.coupon_id, &order_id, &answer).await?;
    let told = CouponRedeemed {
        coupon: Some(coupon.snapshot()),
        order_id,
        discount: answer.discount.clone(),
    };
    outbox::append(
        &transaction,
        &coupon.subject(),
        coupon.version,
        Fact::CouponRedeemed(told),
    );
    transaction.commit(answer).await
}
