//! RestoreCoupon.

use kit::context::Context;
use kit::outbox;
use kit::refusal::Failure;
use proto::coupon::v1::{RestoreCouponRequest, RestoreCouponResponse};
use proto::event::v1::CouponRestored;
use proto::event::v1::event::Fact;

use super::{Redemption, store};
use crate::Coupons;

/// Gives the coupon back from the order; one that the order never had is kept from it for good.
pub(crate) async fn restore_coupon(
    state: Coupons,
    context: Context,
    request: RestoreCouponRequest,
) -> Result<RestoreCouponResponse, Failure> {
    let RestoreCouponRequest {
        coupon_id, order_id, ..
    } = request;
    let transaction = state.database.begin_write(&context).await?;
    let coupon = store::lock(&transaction, &coupon_id, context.user()?).await?;
    let earlier = store::find_redemption(&transaction, &coupon_id, &order_id).await?;
    let given_back_before = earlier == Some(Redemption::Restored);
    match &coupon {
        Some(_) if given_back_before => {}
        Some(_) => store::restore_redemption(&transaction, &coupon_id, &order_id).await?,
        // nobody gives back what another user's order has
        None => store::insert_tombstone(&transaction, &coupon_id, &order_id).await?,
    }
    match coupon {
        // undoing what never happened succeeds, also for a coupon that does not exist for this user
        None => {}
        Some(coupon) if given_back_before => transaction.mention(&coupon.subject()).await?,
        Some(mut coupon) => {
            coupon.restore(&order_id);
            store::save(&transaction, &coupon).await?;
            let told = CouponRestored {
                coupon: Some(coupon.snapshot()),
                order_id,
                tombstone: earlier.is_none(),
            };
            outbox::append(
                &transaction,
                &coupon.subject(),
                coupon.version,
                Fact::CouponRestored(told),
            );
        }
    }
    transaction
        .commit(RestoreCouponResponse {
            revision: String::new(),
        })
        .await
}
