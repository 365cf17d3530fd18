//! Campaigns and coupons.

use jiff::ToSpan;
use proto::coupon::v1::campaign_service_client::CampaignServiceClient;
use proto::coupon::v1::{CampaignScope, CloseCampaignRequest, OpenCampaignRequest};
use support::TestShop;
use support::shop::money;

use super::{ANY, Reached};
use crate::coupons::{Checkout, LINES, add, products};

type Campaign = OpenCampaignRequest;

pub async fn refuses(shop: &TestShop, reached: &mut Reached) {
    campaigns(shop, reached).await;
    coupons(shop, reached).await;
}

async fn campaigns(shop: &TestShop, reached: &mut Reached) {
    let at = |hours: i64| Some(kit::clock::to_proto(shop.clock.now() + hours.hours()));
    let of = |campaign_id| [("campaign_id", campaign_id)];
    let (mina, mut admin) = (
        shop.buyer("mina"),
        CampaignServiceClient::new(shop.connected().as_admin()),
    );
    let some = |campaign: &mut Campaign| campaign.applies_to = CampaignScope::Selected.into();
    shop.open_campaign("some", 500, some).await;
    let again = admin.open_campaign(shop.campaign("some", 500)).await;
    reached.by("CAMPAIGN_ALREADY_EXISTS", &of("some"), again);
    let terms = Campaign {
        discount_percent: 10,
        ..shop.campaign("contradictory", 500)
    };
    let contradictory = admin.open_campaign(terms).await;
    reached.by(
        "CAMPAIGN_TERMS_INVALID",
        &[("field", "discount_percent")],
        contradictory,
    );

    reached.by("CAMPAIGN_NOT_FOUND", &of("none"), mina.issue("none").await);
    shop.open_campaign("tomorrow", 500, |campaign| campaign.issue_from = at(1))
        .await;
    let metadata = [("campaign_id", "tomorrow"), ("issue_from", ANY)];
    reached.by("CAMPAIGN_NOT_STARTED", &metadata, mina.issue("tomorrow").await);
    shop.open_campaign("yesterday", 500, |campaign| {
        (campaign.issue_from, campaign.issue_until) = (at(-2), at(-1));
    })
    .await;
    let metadata = [("campaign_id", "yesterday"), ("issue_until", ANY)];
    reached.by("CAMPAIGN_ENDED", &metadata, mina.issue("yesterday").await);

    let mixed = add(shop, &[("some", products(0..1)), ("all", products(0..1))]).await;
    reached.by("CAMPAIGN_MIXED", &[("campaign_id", "all"), ("expected", "some")], mixed);
    let full: Vec<_> = (0..21)
        .map(|lot| ("some", products(lot * 1_000..(lot + 1) * 1_000)))
        .collect();
    let full = add(shop, &full).await;
    reached.by("CAMPAIGN_FULL", &[("campaign_id", "some"), ("maximum", "20000")], full);
    shop.open_campaign("all", 500, |_| {}).await;
    let all = add(shop, &[("all", products(0..1))]).await;
    reached.by("CAMPAIGN_NOT_SELECTIVE", &of("all"), all);
    let request = CloseCampaignRequest {
        campaign_id: "all".to_owned(),
        ..Default::default()
    };
    admin.close_campaign(request).await.unwrap();
    reached.by("CAMPAIGN_CLOSED", &of("all"), mina.issue("all").await);
}

async fn coupons(shop: &TestShop, reached: &mut Reached) {
    let at = |hours: i64| Some(kit::clock::to_proto(shop.clock.now() + hours.hours()));
    let (mina, jun) = (shop.buyer("mina"), shop.buyer("jun"));
    let checkout = Checkout::of(shop, &mina);
    let issue = async |campaign: &str| mina.issue(campaign).await.unwrap().coupon_id;

    shop.open_campaign("one", 500, |campaign| campaign.total_quantity = 1)
        .await;
    let coupon_id = issue("one").await;
    reached.by("COUPON_SOLD_OUT", &[("campaign_id", "one")], jun.issue("one").await);
    shop.open_campaign("each", 500, |_| {}).await;
    issue("each").await;
    let metadata = [("campaign_id", "each"), ("limit", "1")];
    reached.by("COUPON_LIMIT_REACHED", &metadata, mina.issue("each").await);

    let unknown = checkout.redeem("none", "o", LINES).await;
    reached.by("COUPON_NOT_FOUND", &[("coupon_id", "none")], unknown);
    checkout.redeem(&coupon_id, "o", LINES).await.unwrap();
    let other = checkout.redeem(&coupon_id, "other", LINES).await;
    reached.by("COUPON_ALREADY_REDEEMED", &[("coupon_id", &coupon_id)], other);
    checkout.restore(&coupon_id, "o").await;
    let again = checkout.redeem(&coupon_id, "o", LINES).await;
    reached.by(
        "COUPON_RESTORED",
        &[("coupon_id", &coupon_id), ("order_id", "o")],
        again,
    );

    shop.open_campaign("later", 500, |campaign| campaign.valid_from = at(1))
        .await;
    let later = issue("later").await;
    let early = checkout.redeem(&later, "o", LINES).await;
    reached.by(
        "COUPON_NOT_YET_VALID",
        &[("coupon_id", &later), ("valid_from", ANY)],
        early,
    );
    shop.open_campaign("stale", 500, |campaign| {
        (campaign.valid_from, campaign.valid_until) = (at(-2), at(-1));
    })
    .await;
    let stale = issue("stale").await;
    let late = checkout.redeem(&stale, "o", LINES).await;
    reached.by("COUPON_EXPIRED", &[("coupon_id", &stale), ("valid_until", ANY)], late);

    shop.open_campaign("brand", 500, |campaign| {
        campaign.applies_to = CampaignScope::Selected.into();
        campaign.brand_ids = vec!["other".to_owned()];
    })
    .await;
    let brand = checkout.redeem(&issue("brand").await, "o", LINES).await;
    reached.by("COUPON_NOT_APPLICABLE", &[("campaign_id", "brand")], brand);
    shop.open_campaign("big", 500, |campaign| {
        campaign.minimum_order_amount = Some(money(1_501))
    })
    .await;
    let small = checkout.redeem(&issue("big").await, "o", LINES).await;
    let metadata = [("minimum", "1501"), ("subtotal", "1500")];
    reached.by("COUPON_MINIMUM_NOT_REACHED", &metadata, small);
}
