//! IssueCoupon.

use kit::context::Context;
use kit::id::new_id;
use kit::outbox;
use kit::refusal::Failure;
use proto::coupon::v1::{IssueCouponRequest, IssueCouponResponse};
use proto::event::v1::CouponIssued;
use proto::event::v1::event::Fact;

use super::{Coupon, CouponRefusal, store};
use crate::Coupons;
use crate::campaign::{self, Campaign, CampaignRefusal};

/// Gives the user a coupon, first come, first served.
pub(crate) async fn issue_coupon(
    state: Coupons,
    context: Context,
    request: IssueCouponRequest,
) -> Result<IssueCouponResponse, Failure> {
    let user_id = context.user()?;
    let transaction = state.database.begin_write(&context).await?;
    let find = async || -> Result<Campaign, Failure> {
        let campaign = campaign::store::find(&*transaction, &request.campaign_id).await?;
        Ok(campaign.ok_or_else(|| CampaignRefusal::NotFound {
            campaign_id: request.campaign_id.clone(),
        })?)
    };
    // most takers of a campaign that is over leave here, without a lock
    let campaign = find().await?;
    campaign.check_issues(context.now)?;

    if !campaign::store::count_taker(&transaction, &campaign, user_id).await? {
        let limit = campaign.per_user_limit;
        return Err(CouponRefusal::LimitReached {
            campaign_id: campaign.campaign_id,
            limit,
        }
        .into());
    }
    let coupon = Coupon::issue(new_id(), &campaign, user_id, context.now);
    store::insert(&transaction, &coupon).await?;
    let told = CouponIssued {
        coupon: Some(coupon.snapshot()),
    };
    outbox::append(
        &transaction,
        &coupon.subject(),
        coupon.version,
        Fact::CouponIssued(told),
    );

    // last, so that the one row everybody wants is held for a moment only
    if !campaign::store::count_issue(&transaction, &campaign.campaign_id).await? {
        find().await?.check_issues(context.now)?;
        return Err(CouponRefusal::SoldOut {
            campaign_id: campaign.campaign_id,
        }
        .into());
    }
    let coupon = Some(coupon.message(context.now));
    transaction
        .commit(IssueCouponResponse {
            coupon,
            revision: String::new(),
        })
        .await
}
