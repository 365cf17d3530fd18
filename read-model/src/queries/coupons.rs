//! A user's wallet, and the campaigns there are.

use std::collections::BTreeMap;

use kit::clock::{from_microseconds, to_proto};
use kit::context::Context;
use kit::page_token::{self, page_size};
use kit::refusal::Failure;
use proto::readmodel::v1::*;

use super::NotFound;
use crate::ReadModel;
use crate::projections::coupons::{self, Row, Which};
use crate::projections::{campaigns, product_listing};

pub(crate) async fn list_coupons(
    state: ReadModel,
    context: Context,
    request: ListCouponsRequest,
) -> Result<ListCouponsResponse, Failure> {
    state
        .await_revision(&context, &request.revision, &["coupons", "campaigns"])
        .await?;
    let user_id = context.user()?;
    let which = match request.state() {
        CouponState::Unspecified => Which::All,
        CouponState::Issued => Which::Issued,
        CouponState::Redeemed => Which::Redeemed,
        CouponState::Expired => Which::Expired,
    };
    let page = format!("ListCoupons|{user_id}|{which:?}");
    let behind = page_token::behind(state.database.signer(), &page, &request.page_token)?;
    let behind = behind.as_ref().map(|(key, id)| (*key, id.as_str()));
    let size = page_size(request.page_size);
    let (reader, generation) = (state.database.reader(), state.generation());
    let now = context.now.as_microsecond();
    let mut rows = coupons::list(reader, generation, user_id, (which, now), behind, size + 1).await?;
    let next_page_token = page_token::next(state.database.signer(), &page, &mut rows, size, |row| {
        (row.issued_at, row.coupon_id.clone())
    });
    let ids: std::collections::BTreeSet<&str> = rows.iter().map(|row| row.campaign_id.as_str()).collect();
    let known = campaigns::find(reader, generation, &ids.into_iter().collect::<Vec<_>>()).await?;
    let known = known.iter().map(|row| Ok((row.campaign_id.clone(), row.entry()?)));
    let known = known.collect::<Result<BTreeMap<_, _>, Failure>>()?;
    let entries = rows.into_iter().map(|row| {
        let campaign = known.get(&row.campaign_id).cloned().unwrap_or_default();
        entry(row, campaign, now)
    });
    Ok(ListCouponsResponse {
        coupons: entries.collect(),
        next_page_token,
    })
}

fn entry(row: Row, campaign: CampaignEntry, now: i64) -> CouponEntry {
    let state = match (row.order_id.is_empty(), row.valid_until > now) {
        (false, _) => CouponState::Redeemed,
        (true, true) => CouponState::Issued,
        (true, false) => CouponState::Expired,
    };
    let at = |microseconds: i64| Some(to_proto(from_microseconds(microseconds)));
    CouponEntry {
        coupon_id: row.coupon_id,
        campaign_id: row.campaign_id,
        campaign_name: campaign.name,
        kind: campaign.kind,
        discount_amount: campaign.discount_amount,
        discount_percent: campaign.discount_percent,
        maximum_discount: campaign.maximum_discount,
        minimum_order_amount: campaign.minimum_order_amount,
        state: state.into(),
        valid_from: at(row.valid_from),
        valid_until: at(row.valid_until),
        order_id: row.order_id,
        issued_at: at(row.issued_at),
    }
}

pub(crate) async fn list_campaigns(
    state: ReadModel,
    context: Context,
    request: ListCampaignsRequest,
) -> Result<ListCampaignsResponse, Failure> {
    state
        .await_revision(&context, &request.revision, &["campaigns", "product_listing"])
        .await?;
    let (reader, generation) = (state.database.reader(), state.generation());
    let product_id = request.product_id.as_str();
    let brand_id = match product_id {
        "" => None,
        product_id => {
            let known = product_listing::details(reader, generation, &[product_id])
                .await?
                .remove(product_id);
            Some(
                known
                    .ok_or_else(|| NotFound::Product {
                        product_id: product_id.to_owned(),
                    })?
                    .product
                    .brand_id,
            )
        }
    };
    let of = brand_id.as_deref().map(|brand_id| (product_id, brand_id));
    let page = format!("ListCampaigns|{product_id}|{}", request.open_only);
    let behind = page_token::behind(state.database.signer(), &page, &request.page_token)?;
    let behind = behind.as_ref().map(|(key, id)| (*key, id.as_str()));
    let size = page_size(request.page_size);
    let mut rows = campaigns::list(reader, generation, of, request.open_only, behind, size + 1).await?;
    let next_page_token = page_token::next(state.database.signer(), &page, &mut rows, size, |row| {
        (row.issue_from, row.campaign_id.clone())
    });
    let campaigns = rows.iter().map(campaigns::Row::entry).collect::<Result<Vec<_>, _>>()?;
    Ok(ListCampaignsResponse {
        campaigns,
        next_page_token,
    })
}
