//! Campaigns and coupons: who may take one, what it is good for, and how it comes back.

use jangteo::client::Client;
use proto::coupon::v1::campaign_service_client::CampaignServiceClient;
use proto::coupon::v1::coupon_service_client::CouponServiceClient;
use proto::coupon::v1::{
    AddCampaignProductsRequest, AddCampaignProductsResponse, CampaignKind, CampaignScope, CampaignStatus,
    CloseCampaignRequest, DiscountableLine, OpenCampaignRequest, PreviewCouponsRequest, RedeemCouponRequest,
    RedeemCouponResponse, RestoreCouponRequest,
};
use support::client::Buyer;
use support::shop::money;
use support::{TestShop, reason, story};
use tonic::Status;

/// The coupon service as the checkout calls it.
pub struct Checkout {
    buyer: Buyer,
    coupons: CouponServiceClient<Client>,
}

impl Checkout {
    pub fn of(shop: &TestShop, buyer: &Buyer) -> Self {
        let coupons = CouponServiceClient::new(shop.connected().as_service());
        Self {
            buyer: buyer.clone(),
            coupons,
        }
    }

    pub async fn redeem(
        &self,
        coupon_id: &str,
        order_id: &str,
        lines: &[(&str, &str, i64)],
    ) -> Result<RedeemCouponResponse, Status> {
        let request = RedeemCouponRequest {
            coupon_id: coupon_id.to_owned(),
            order_id: order_id.to_owned(),
            lines: discountable(lines),
            ..Default::default()
        };
        let answer = self
            .coupons
            .clone()
            .redeem_coupon(self.buyer.for_me(request))
            .await?
            .into_inner();
        Ok(RedeemCouponResponse {
            revision: String::new(),
            ..answer
        })
    }

    pub async fn restore(&self, coupon_id: &str, order_id: &str) {
        let request = RestoreCouponRequest {
            coupon_id: coupon_id.to_owned(),
            order_id: order_id.to_owned(),
            ..Default::default()
        };
        self.coupons
            .clone()
            .restore_coupon(self.buyer.for_me(request))
            .await
            .unwrap();
    }
}

fn discountable(lines: &[(&str, &str, i64)]) -> Vec<DiscountableLine> {
    let line = |(product_id, brand_id, amount): &(&str, &str, i64)| DiscountableLine {
        product_id: (*product_id).to_owned(),
        brand_id: (*brand_id).to_owned(),
        amount: Some(money(*amount)),
    };
    lines.iter().map(line).collect()
}

pub fn products(numbers: std::ops::Range<i64>) -> Vec<String> {
    numbers.map(|number| format!("product-{number}")).collect()
}

pub async fn add(shop: &TestShop, messages: &[(&str, Vec<String>)]) -> Result<AddCampaignProductsResponse, Status> {
    let message = |(campaign_id, product_ids): &(&str, Vec<String>)| AddCampaignProductsRequest {
        campaign_id: (*campaign_id).to_owned(),
        product_ids: product_ids.clone(),
        ..Default::default()
    };
    let messages: Vec<_> = messages.iter().map(message).collect();
    let mut campaigns = CampaignServiceClient::new(shop.connected().as_admin());
    Ok(campaigns
        .add_campaign_products(tokio_stream::iter(messages))
        .await?
        .into_inner())
}

pub const LINES: &[(&str, &str, i64)] = &[("a", "x", 1_000), ("b", "y", 500)];

story! {
    /// Redeemed twice, given back twice, given back before it was ever had: each order keeps its first outcome.
    async fn a_restored_coupon_serves_another_order_and_never_the_first_again(shop: TestShop) {
        shop.open_campaign("once", 500, |_| {}).await;
        let mina = shop.buyer("mina");
        let checkout = Checkout::of(&shop, &mina);
        let coupon_id = mina.issue("once").await.unwrap().coupon_id;

        let answer = checkout.redeem(&coupon_id, "a", LINES).await.unwrap();
        let parts: Vec<_> = answer.line_discounts.iter().map(|part| part.discount.clone().unwrap()).collect();
        assert_eq!((answer.discount.clone(), parts), (Some(money(500)), vec![money(333), money(167)]));
        assert_eq!(checkout.redeem(&coupon_id, "a", &[("c", "z", 1)]).await.unwrap(), answer, "the first answer again");
        let other = checkout.redeem(&coupon_id, "b", LINES).await.unwrap_err();
        assert_eq!(reason(&other), "COUPON_ALREADY_REDEEMED");

        checkout.restore(&coupon_id, "c").await;
        checkout.restore(&coupon_id, "a").await;
        checkout.restore(&coupon_id, "a").await;
        for gone in ["a", "c"] {
            assert_eq!(reason(&checkout.redeem(&coupon_id, gone, LINES).await.unwrap_err()), "COUPON_RESTORED");
        }
        checkout.redeem(&coupon_id, "b", LINES).await.unwrap();
        checkout.restore(&coupon_id, "a").await;
        let d = checkout.redeem(&coupon_id, "d", LINES).await.unwrap_err();
        assert_eq!(reason(&d), "COUPON_ALREADY_REDEEMED", "a gave back what b has");
        checkout.restore(&coupon_id, "b").await;
    }
}

story! {
    async fn redeeming_and_restoring_at_once_leaves_the_coupon_unused(shop: TestShop) {
        shop.open_campaign("once", 500, |_| {}).await;
        let mina = shop.buyer("mina");
        let checkout = Checkout::of(&shop, &mina);
        let coupon_id = mina.issue("once").await.unwrap().coupon_id;
        for number in 0..50 {
            let order_id = format!("order-{number}");
            let redeem = checkout.redeem(&coupon_id, &order_id, LINES);
            let (redeemed, ()) = tokio::join!(redeem, checkout.restore(&coupon_id, &order_id));
            if let Err(status) = redeemed {
                assert_eq!(reason(&status), "COUPON_RESTORED");
            }
            assert_eq!(reason(&checkout.redeem(&coupon_id, &order_id, LINES).await.unwrap_err()), "COUPON_RESTORED");
        }
    }
}

story! {
    async fn a_coupon_of_another_user_does_not_exist(shop: TestShop) {
        shop.open_campaign("once", 500, |_| {}).await;
        let coupon_id = shop.buyer("mina").issue("once").await.unwrap().coupon_id;
        let juno = Checkout::of(&shop, &shop.buyer("juno"));
        for coupon_id in [coupon_id.as_str(), "unknown"] {
            let refused = juno.redeem(coupon_id, "a", LINES).await.unwrap_err();
            assert_eq!((refused.code(), reason(&refused).as_str()), (tonic::Code::NotFound, "COUPON_NOT_FOUND"));
            juno.restore(coupon_id, "a").await;
        }
        let mina = Checkout::of(&shop, &shop.buyer("mina"));
        mina.redeem(&coupon_id, "b", LINES).await.unwrap();
        juno.restore(&coupon_id, "b").await;
        let other = mina.redeem(&coupon_id, "c", LINES).await.unwrap_err();
        assert_eq!(reason(&other), "COUPON_ALREADY_REDEEMED", "juno cannot give back what mina's order has");
        mina.restore(&coupon_id, "b").await;
    }
}

story! {
    async fn a_preview_says_what_redeeming_would_say(shop: TestShop) {
        shop.open_campaign("some", 500, |campaign| {
            campaign.kind = CampaignKind::Percent.into();
            campaign.discount_amount = None;
            campaign.discount_percent = 10;
            campaign.maximum_discount = Some(money(90));
            campaign.minimum_order_amount = Some(money(1_000));
            campaign.applies_to = CampaignScope::Selected.into();
            campaign.brand_ids = vec!["y".to_owned()];
        }).await;
        add(&shop, &[("some", vec!["p".to_owned()])]).await.unwrap();
        shop.open_campaign("later", 500, |campaign| {
            campaign.valid_from = Some(kit::clock::to_proto(shop.clock.now() + jiff::Span::new().hours(1)));
        }).await;
        let mina = shop.buyer("mina");
        let checkout = Checkout::of(&shop, &mina);
        let some = mina.issue("some").await.unwrap().coupon_id;
        let later = mina.issue("later").await.unwrap().coupon_id;

        let baskets: [&[(&str, &str, i64)]; 4] = [
            &[("p", "n", 400), ("n", "y", 200), ("m", "n", 400)],
            &[("p", "n", 99_999)],
            &[("p", "n", 999)],
            &[("m", "n", 5_000)],
        ];
        for (number, lines) in baskets.into_iter().enumerate() {
            let request = mina.for_me(PreviewCouponsRequest { lines: discountable(lines) });
            let previews = checkout.coupons.clone().preview_coupons(request).await.unwrap().into_inner().coupons;
            let ids: Vec<_> = previews.iter().map(|preview| preview.coupon.as_ref().unwrap().coupon_id.as_str()).collect();
            assert_eq!(ids, [later.as_str(), some.as_str()], "the newest first");
            for preview in previews {
                let coupon_id = preview.coupon.unwrap().coupon_id;
                let order_id = format!("order-{number}");
                match checkout.redeem(&coupon_id, &order_id, lines).await {
                    Ok(answer) => {
                        assert_eq!((preview.discount, preview.line_discounts), (answer.discount, answer.line_discounts));
                        checkout.restore(&coupon_id, &order_id).await;
                    }
                    Err(status) => assert_eq!(preview.refusal_reason, reason(&status)),
                }
            }
        }
        let refused = checkout.redeem(&some, "minimum", baskets[2]).await.unwrap_err();
        assert_eq!(reason(&refused), "COUPON_MINIMUM_NOT_REACHED");
        let refused = checkout.redeem(&some, "eligible", baskets[3]).await.unwrap_err();
        assert_eq!(reason(&refused), "COUPON_NOT_APPLICABLE");
        let refused = checkout.redeem(&later, "early", LINES).await.unwrap_err();
        assert_eq!(reason(&refused), "COUPON_NOT_YET_VALID");
    }
}

story! {
    async fn coupons_are_issued_within_the_window_and_used_within_the_validity(shop: TestShop) {
        shop.open_campaign("once", 500, |_| {}).await;
        let tomorrow = |hours: i64| Some(kit::clock::to_proto(shop.clock.now() + jiff::Span::new().hours(hours)));
        shop.open_campaign("tomorrow", 500, |campaign| {
            campaign.issue_from = tomorrow(24);
            campaign.issue_until = tomorrow(48);
        }).await;
        let mina = shop.buyer("mina");
        let coupon_id = mina.issue("once").await.unwrap().coupon_id;
        let refused = |campaign: &'static str| {
            let mina = mina.clone();
            async move { reason(&mina.issue(campaign).await.unwrap_err()) }
        };
        assert_eq!(refused("nowhere").await, "CAMPAIGN_NOT_FOUND");
        assert_eq!(refused("tomorrow").await, "CAMPAIGN_NOT_STARTED");
        shop.clock.advance(std::time::Duration::from_secs(24 * 3_600));
        assert_eq!(refused("once").await, "CAMPAIGN_ENDED");
        let late = Checkout::of(&shop, &mina).redeem(&coupon_id, "late", LINES).await.unwrap_err();
        assert_eq!(reason(&late), "COUPON_EXPIRED");
    }
}

story! {
    async fn a_closed_campaign_issues_nothing_more(shop: TestShop) {
        shop.open_campaign("race", 500, |_| {}).await;
        let takers: Vec<_> = (0..200).map(|number| shop.buyer(&format!("taker-{number}"))).collect();
        let mut campaigns = CampaignServiceClient::new(shop.connected().as_admin());
        let request = CloseCampaignRequest { campaign_id: "race".to_owned(), ..Default::default() };
        let issues = futures::future::join_all(takers.iter().map(|taker| taker.issue("race")));
        let (outcomes, closed) = tokio::join!(issues, campaigns.close_campaign(request.clone()));

        let closed = closed.unwrap().into_inner().campaign.unwrap();
        let issued = outcomes.iter().filter(|outcome| outcome.is_ok()).count() as i64;
        assert_eq!((closed.status(), closed.issued), (CampaignStatus::Closed, issued));
        assert_eq!(campaigns.close_campaign(request).await.unwrap().into_inner().campaign, Some(closed));
        for refused in outcomes.into_iter().filter_map(Result::err) {
            assert_eq!(reason(&refused), "CAMPAIGN_CLOSED");
        }
    }
}

story! {
    async fn a_campaign_takes_products_once_each_and_up_to_its_limit(shop: TestShop) {
        let selective = |campaign: &mut OpenCampaignRequest| campaign.applies_to = CampaignScope::Selected.into();
        shop.open_campaign("some", 500, selective).await;
        shop.open_campaign("all", 500, |_| {}).await;
        let counts = |answer: AddCampaignProductsResponse| (answer.added, answer.product_count);

        let overlapping = [("some", products(0..1_000)), ("some", products(500..1_500))];
        assert_eq!(counts(add(&shop, &overlapping).await.unwrap()), (1_500, 1_500));
        assert_eq!(counts(add(&shop, &overlapping).await.unwrap()), (0, 1_500));
        let rest: Vec<_> = (2..20).map(|lot| ("some", products(lot * 1_000..(lot + 1) * 1_000))).collect();
        assert_eq!(counts(add(&shop, &rest).await.unwrap()), (18_000, 19_500));
        let one_too_many = [("some", products(30_000..30_501))];
        assert_eq!(reason(&add(&shop, &one_too_many).await.unwrap_err()), "CAMPAIGN_FULL");
        assert_eq!(counts(add(&shop, &[("some", products(30_000..30_500))]).await.unwrap()), (500, 20_000));

        let refused = [
            (vec![("nowhere", products(0..1))], "CAMPAIGN_NOT_FOUND"),
            (vec![("all", products(0..1))], "CAMPAIGN_NOT_SELECTIVE"),
            (vec![("some", products(0..1)), ("all", products(0..1))], "CAMPAIGN_MIXED"),
            (vec![], "FIELDS_INVALID"),
            (vec![("some", products(0..1_001))], "FIELDS_INVALID"),
        ];
        for (messages, expected) in refused {
            assert_eq!(reason(&add(&shop, &messages).await.unwrap_err()), expected);
        }
        let request = CloseCampaignRequest { campaign_id: "some".to_owned(), ..Default::default() };
        CampaignServiceClient::new(shop.connected().as_admin()).close_campaign(request).await.unwrap();
        assert_eq!(reason(&add(&shop, &[("some", products(0..1))]).await.unwrap_err()), "CAMPAIGN_CLOSED");
    }
}

story! {
    async fn a_campaign_is_opened_once_and_its_terms_must_fit_together(shop: TestShop) {
        let mut campaigns = CampaignServiceClient::new(shop.connected().as_admin());
        let terms = shop.campaign("once", 500);
        let contradiction = OpenCampaignRequest { issue_until: terms.issue_from, ..terms.clone() };
        assert_eq!(reason(&campaigns.open_campaign(contradiction).await.unwrap_err()), "CAMPAIGN_TERMS_INVALID");
        campaigns.open_campaign(terms.clone()).await.unwrap();
        let again = campaigns.open_campaign(terms).await.unwrap_err();
        assert_eq!((again.code(), reason(&again).as_str()), (tonic::Code::AlreadyExists, "CAMPAIGN_ALREADY_EXISTS"));
    }
}
