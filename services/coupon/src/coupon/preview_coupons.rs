//! PreviewCoupons.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use kit::context::Context;
use kit::refusal::{Failure, Refusal};
use proto::coupon::v1::{CouponPreview, PreviewCouponsRequest, PreviewCouponsResponse, RedeemCouponResponse};

use super::{Coupon, CouponRefusal, store};
use crate::Coupons;
use crate::campaign::{self, Campaign};
use crate::discount::{Basket, Selection};

/// Says of every unused coupon of the user what redeeming it would say.
pub(crate) async fn preview_coupons(
    state: Coupons,
    context: Context,
    request: PreviewCouponsRequest,
) -> Result<PreviewCouponsResponse, Failure> {
    let basket = Basket::new(request.lines, &state.currency)?;
    let reader = state.database.reader();
    let coupons = store::list_unused(reader, context.user()?).await?;
    let campaign_ids: BTreeSet<&str> = coupons.iter().map(|coupon| coupon.campaign_id.as_str()).collect();
    let campaigns = campaign::store::list(reader, &campaign_ids.into_iter().collect::<Vec<_>>()).await?;
    let selections = campaign::store::selections(reader, campaigns.values(), &basket).await?;
    let wallet = Wallet {
        campaigns,
        selections,
        basket,
    };

    let coupons = coupons
        .iter()
        .map(|coupon| wallet.preview(coupon, &state, context.now))
        .collect::<Result<_, _>>()?;
    Ok(PreviewCouponsResponse { coupons })
}

struct Wallet {
    campaigns: HashMap<String, Campaign>,
    selections: HashMap<String, Selection>,
    basket: Basket,
}

impl Wallet {
    fn preview(&self, coupon: &Coupon, state: &Coupons, now: Timestamp) -> Result<CouponPreview, Failure> {
        let campaign = self.campaigns.get(&coupon.campaign_id);
        let campaign = campaign.ok_or_else(|| anyhow::anyhow!("coupon {} has no campaign", coupon.coupon_id))?;
        let nothing = Selection::default();
        let selection = self.selections.get(&coupon.campaign_id).unwrap_or(&nothing);
        let quote = || -> Result<RedeemCouponResponse, CouponRefusal> {
            coupon.check_usable(now)?;
            campaign.quote(&self.basket, selection, &state.currency)
        };
        let (answer, refusal_reason) = match quote() {
            Ok(answer) => (answer, String::new()),
            Err(refusal) => (RedeemCouponResponse::default(), refusal.reason().reason.to_owned()),
        };
        Ok(CouponPreview {
            coupon: Some(coupon.message(now)),
            campaign_name: campaign.name.clone(),
            discount: answer.discount,
            line_discounts: answer.line_discounts,
            refusal_reason,
        })
    }
}
