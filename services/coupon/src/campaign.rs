//! The rules of a campaign: when it issues, what it is for, what its coupons give.

pub(crate) mod add_campaign_products;
pub(crate) mod close_campaign;
mod describe;
pub(crate) mod open_campaign;
pub(crate) mod store;
mod terms;

use jiff::Timestamp;
use kit::money::Currency;
use kit::refusal::Failure;
use kit::refusals;
use proto::coupon::v1::{LineDiscount, RedeemCouponResponse};

use crate::coupon::CouponRefusal;
use crate::discount::{Basket, Discount, Selection, spread};

/// Products one campaign can be for.
pub(crate) const CAMPAIGN_PRODUCTS_MAX: i64 = 20_000;

refusals! {
    /// Why a campaign does not do what is asked of it.
    pub(crate) enum CampaignRefusal {
        /// Another campaign has this id.
        AlreadyExists { campaign_id: String } => AlreadyExists "CAMPAIGN_ALREADY_EXISTS",
            en "campaign {campaign_id} exists already",
            ko "캠페인 {campaign_id} 이(가) 이미 있습니다",
        /// The terms contradict each other; `field` is the one that does not fit the rest.
        TermsInvalid { field: &'static str } => InvalidArgument "CAMPAIGN_TERMS_INVALID",
            en "{field} does not fit the other terms of the campaign",
            ko "{field} 값이 캠페인의 다른 조건과 맞지 않습니다",
        /// There is no such campaign.
        NotFound { campaign_id: String } => NotFound "CAMPAIGN_NOT_FOUND",
            en "campaign {campaign_id} does not exist",
            ko "캠페인 {campaign_id} 을(를) 찾을 수 없습니다",
        /// The campaign was closed.
        Closed { campaign_id: String } => FailedPrecondition "CAMPAIGN_CLOSED",
            en "campaign {campaign_id} is closed",
            ko "캠페인 {campaign_id} 은(는) 종료되었습니다",
        /// Its issue window has not begun.
        NotStarted { campaign_id: String, issue_from: Timestamp } => FailedPrecondition "CAMPAIGN_NOT_STARTED",
            en "campaign {campaign_id} issues from {issue_from}",
            ko "캠페인 {campaign_id} 은(는) {issue_from} 부터 발급됩니다",
        /// Its issue window is over.
        Ended { campaign_id: String, issue_until: Timestamp } => FailedPrecondition "CAMPAIGN_ENDED",
            en "campaign {campaign_id} issued until {issue_until}",
            ko "캠페인 {campaign_id} 의 발급 기간이 {issue_until} 에 끝났습니다",
        /// The campaign is for all products, so none can be added.
        NotSelective { campaign_id: String } => FailedPrecondition "CAMPAIGN_NOT_SELECTIVE",
            en "campaign {campaign_id} is for all products",
            ko "캠페인 {campaign_id} 은(는) 모든 상품에 적용됩니다",
        /// The campaign would be for more products than a campaign can be.
        Full { campaign_id: String, maximum: i64 } => FailedPrecondition "CAMPAIGN_FULL",
            en "campaign {campaign_id} takes at most {maximum} products",
            ko "캠페인 {campaign_id} 에는 상품을 최대 {maximum} 개까지 추가할 수 있습니다",
        /// A message of a stream names another campaign than the first did.
        Mixed { campaign_id: String, expected: String } => InvalidArgument "CAMPAIGN_MIXED",
            en "every message of the stream must name campaign {expected}, got {campaign_id}",
            ko "스트림의 모든 메시지는 캠페인 {expected} 을(를) 지정해야 합니다: {campaign_id}", field "campaign_id",
    }
}

/// A stretch of time, `[from, until)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) from: Timestamp,
    pub(crate) until: Timestamp,
}

/// A campaign: its terms, fixed when it is opened, and how far it has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Campaign {
    pub(crate) campaign_id: String,
    pub(crate) name: String,
    pub(crate) discount: Discount,
    /// Least subtotal of the whole basket, in minor units; 0 for none.
    pub(crate) minimum_order_amount: i64,
    /// Whether it is for some products or brands only.
    pub(crate) selective: bool,
    pub(crate) product_count: i64,
    /// Coupons in all, if limited.
    pub(crate) quantity: Option<i64>,
    pub(crate) per_user_limit: i64,
    pub(crate) issue: Window,
    pub(crate) validity: Window,
    pub(crate) open: bool,
    pub(crate) issued: i64,
    pub(crate) version: i64,
}

impl Campaign {
    /// Whether it gives out a coupon at `now`, as far as this reading of its row can tell.
    ///
    /// # Errors
    /// `CAMPAIGN_CLOSED`, `CAMPAIGN_NOT_STARTED`, `CAMPAIGN_ENDED`, `COUPON_SOLD_OUT`.
    pub(crate) fn check_issues(&self, now: Timestamp) -> Result<(), Failure> {
        let campaign_id = self.campaign_id.clone();
        if !self.open {
            return Err(CampaignRefusal::Closed { campaign_id }.into());
        }
        if now < self.issue.from {
            return Err(CampaignRefusal::NotStarted {
                campaign_id,
                issue_from: self.issue.from,
            }
            .into());
        }
        if now >= self.issue.until {
            return Err(CampaignRefusal::Ended {
                campaign_id,
                issue_until: self.issue.until,
            }
            .into());
        }
        if self.quantity.is_some_and(|quantity| self.issued >= quantity) {
            return Err(CouponRefusal::SoldOut { campaign_id }.into());
        }
        Ok(())
    }

    /// Whether products can be added to it.
    ///
    /// # Errors
    /// `CAMPAIGN_CLOSED`, `CAMPAIGN_NOT_SELECTIVE`.
    pub(crate) fn check_takes_products(&self) -> Result<(), CampaignRefusal> {
        let campaign_id = self.campaign_id.clone();
        match (self.open, self.selective) {
            (false, _) => Err(CampaignRefusal::Closed { campaign_id }),
            (true, false) => Err(CampaignRefusal::NotSelective { campaign_id }),
            (true, true) => Ok(()),
        }
    }

    /// Counts products that were added.
    ///
    /// # Errors
    /// `CAMPAIGN_FULL`.
    pub(crate) fn add_products(&mut self, count: i64) -> Result<(), CampaignRefusal> {
        if self.product_count + count > CAMPAIGN_PRODUCTS_MAX {
            let campaign_id = self.campaign_id.clone();
            return Err(CampaignRefusal::Full {
                campaign_id,
                maximum: CAMPAIGN_PRODUCTS_MAX,
            });
        }
        self.product_count += count;
        self.version += 1;
        Ok(())
    }

    /// Ends the issue; tells whether it was open.
    #[must_use]
    pub(crate) fn close(&mut self) -> bool {
        let changes = self.open;
        self.open = false;
        self.version += i64::from(changes);
        changes
    }

    /// What a valid coupon of it gives on the basket.
    ///
    /// # Errors
    /// `COUPON_NOT_APPLICABLE`, `COUPON_MINIMUM_NOT_REACHED`.
    pub(crate) fn quote(
        &self,
        basket: &Basket,
        selection: &Selection,
        currency: &Currency,
    ) -> Result<RedeemCouponResponse, CouponRefusal> {
        let eligible: Vec<_> = basket
            .lines
            .iter()
            .filter(|line| !self.selective || selection.holds(line))
            .collect();
        if eligible.is_empty() {
            return Err(CouponRefusal::NotApplicable {
                campaign_id: self.campaign_id.clone(),
            });
        }
        if basket.subtotal < self.minimum_order_amount {
            let (minimum, subtotal) = (self.minimum_order_amount, basket.subtotal);
            return Err(CouponRefusal::MinimumNotReached { minimum, subtotal });
        }
        let amounts: Vec<i64> = eligible.iter().map(|line| line.amount).collect();
        let discount = self.discount.on(amounts.iter().sum());
        let line_discounts = eligible
            .iter()
            .zip(spread(discount, &amounts))
            .map(|(line, part)| LineDiscount {
                product_id: line.product_id.clone(),
                discount: Some(currency.money(part)),
            });
        Ok(RedeemCouponResponse {
            discount: Some(currency.money(discount)),
            line_discounts: line_discounts.collect(),
            revision: String::new(),
        })
    }

    /// What its events are about.
    #[must_use]
    pub(crate) fn subject(&self) -> String {
        format!("campaign/{}", self.campaign_id)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proto::coupon::v1::DiscountableLine;

    use super::*;

    fn won() -> Currency {
        Currency::new("KRW").unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn window(from: i64, until: i64) -> Window {
        Window {
            from: at(from),
            until: at(until),
        }
    }

    /// 500 off; two coupons, issued from 10 to 20.
    fn campaign() -> Campaign {
        Campaign {
            campaign_id: "welcome".to_owned(),
            name: "Welcome".to_owned(),
            discount: Discount::Fixed(500),
            minimum_order_amount: 0,
            selective: false,
            product_count: 0,
            quantity: Some(2),
            per_user_limit: 1,
            issue: window(10, 20),
            validity: window(10, 30),
            open: true,
            issued: 0,
            version: 1,
        }
    }

    fn selective() -> Campaign {
        Campaign {
            selective: true,
            ..campaign()
        }
    }

    fn basket(lines: &[(&str, &str, i64)]) -> Basket {
        let line = |(product_id, brand_id, amount): &(&str, &str, i64)| DiscountableLine {
            product_id: (*product_id).to_owned(),
            brand_id: (*brand_id).to_owned(),
            amount: Some(won().money(*amount)),
        };
        Basket::new(lines.iter().map(line).collect(), &won()).unwrap()
    }

    fn parts(answer: &RedeemCouponResponse) -> Vec<(&str, i64)> {
        let units = |part: &LineDiscount| part.discount.as_ref().unwrap().minor_units;
        let parts = answer.line_discounts.iter();
        parts.map(|part| (part.product_id.as_str(), units(part))).collect()
    }

    #[test]
    fn a_campaign_issues_within_its_window_while_open_and_coupons_are_left() {
        let refused = |campaign: &Campaign, second| {
            let refused = campaign.check_issues(at(second));
            refused.err().and_then(|failure| failure.reason()).unwrap_or_default()
        };
        let mut campaign = campaign();
        assert_eq!(refused(&campaign, 9), "CAMPAIGN_NOT_STARTED");
        assert_eq!(refused(&campaign, 10), "");
        assert_eq!(refused(&campaign, 19), "");
        assert_eq!(refused(&campaign, 20), "CAMPAIGN_ENDED");
        campaign.issued = 2;
        assert_eq!(refused(&campaign, 10), "COUPON_SOLD_OUT");
        campaign.quantity = None;
        assert_eq!(refused(&campaign, 10), "");
        assert!(campaign.close());
        assert!(!campaign.close(), "closing twice is closing once");
        assert_eq!(campaign.version, 2);
        assert_eq!(refused(&campaign, 10), "CAMPAIGN_CLOSED");
    }

    #[test]
    fn products_are_added_to_an_open_selective_campaign_up_to_the_limit() {
        let mut campaign = selective();
        assert_eq!(campaign.check_takes_products(), Ok(()));
        assert_eq!(campaign.add_products(CAMPAIGN_PRODUCTS_MAX), Ok(()));
        assert!(matches!(campaign.add_products(1), Err(CampaignRefusal::Full { .. })));
        assert_eq!((campaign.product_count, campaign.version), (CAMPAIGN_PRODUCTS_MAX, 2));

        assert!(campaign.close());
        let refused = campaign.check_takes_products().unwrap_err();
        assert!(matches!(refused, CampaignRefusal::Closed { .. }));
        let refused = self::campaign().check_takes_products().unwrap_err();
        assert!(matches!(refused, CampaignRefusal::NotSelective { .. }));
    }

    #[test]
    fn only_eligible_lines_get_a_part() {
        let basket = basket(&[("a", "x", 300), ("b", "y", 100), ("c", "z", 900)]);
        let selection = Selection {
            products: ["a".to_owned()].into(),
            brands: ["y".to_owned()].into(),
        };
        let answer = selective().quote(&basket, &selection, &won()).unwrap();
        assert_eq!(answer.discount, Some(won().money(400)), "no more than they cost");
        assert_eq!(parts(&answer), [("a", 300), ("b", 100)]);

        let nothing = Selection::default();
        let refused = selective().quote(&basket, &nothing, &won()).unwrap_err();
        assert!(matches!(refused, CouponRefusal::NotApplicable { .. }));
        let everything = campaign().quote(&basket, &nothing, &won()).unwrap();
        assert_eq!(parts(&everything), [("a", 115), ("b", 39), ("c", 346)]);
    }

    #[test]
    fn the_minimum_is_on_the_whole_basket() {
        let campaign = Campaign {
            minimum_order_amount: 1_000,
            ..selective()
        };
        let selection = Selection {
            products: ["a".to_owned()].into(),
            brands: HashSet::new(),
        };
        let enough = basket(&[("a", "x", 600), ("b", "y", 400)]);
        let answer = campaign.quote(&enough, &selection, &won()).unwrap();
        assert_eq!(parts(&answer), [("a", 500)]);

        let less = basket(&[("a", "x", 600), ("b", "y", 399)]);
        let refused = campaign.quote(&less, &selection, &won()).unwrap_err();
        let (minimum, subtotal) = (1_000, 999);
        assert_eq!(refused, CouponRefusal::MinimumNotReached { minimum, subtotal });
    }
}
