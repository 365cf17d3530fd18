//! The rules of a coupon: whose it is, when it can be used, and by which order.

pub(crate) mod issue_coupon;
pub(crate) mod preview_coupons;
pub(crate) mod redeem_coupon;
pub(crate) mod restore_coupon;
mod store;

use jiff::Timestamp;
use kit::clock::to_proto;
use kit::refusals;
use proto::coupon::v1::{self, CouponState, RedeemCouponResponse};
use proto::event::v1::CouponSnapshot;

use crate::campaign::{Campaign, Window};

refusals! {
    /// Why a coupon is not given out or not taken.
    pub(crate) enum CouponRefusal {
        /// All coupons of the campaign were given out.
        SoldOut { campaign_id: String } => FailedPrecondition "COUPON_SOLD_OUT",
            en "all coupons of campaign {campaign_id} are given out",
            ko "캠페인 {campaign_id} 의 쿠폰이 모두 소진되었습니다",
        /// The user has as many coupons of the campaign as one user may have.
        LimitReached { campaign_id: String, limit: i64 } => FailedPrecondition "COUPON_LIMIT_REACHED",
            en "campaign {campaign_id} gives a user at most {limit} coupons",
            ko "캠페인 {campaign_id} 의 쿠폰은 한 명당 최대 {limit} 장까지 받을 수 있습니다",
        /// There is no such coupon, or it is another user's.
        NotFound { coupon_id: String } => NotFound "COUPON_NOT_FOUND",
            en "coupon {coupon_id} does not exist",
            ko "쿠폰 {coupon_id} 을(를) 찾을 수 없습니다",
        /// Another order uses the coupon.
        AlreadyRedeemed { coupon_id: String } => FailedPrecondition "COUPON_ALREADY_REDEEMED",
            en "coupon {coupon_id} is used by another order",
            ko "쿠폰 {coupon_id} 은(는) 다른 주문에 사용되었습니다",
        /// The order gave the coupon back before, perhaps without ever having had it.
        Restored { coupon_id: String, order_id: String } => FailedPrecondition "COUPON_RESTORED",
            en "order {order_id} gave coupon {coupon_id} back and cannot use it again",
            ko "주문 {order_id} 은(는) 쿠폰 {coupon_id} 을(를) 반환하여 다시 사용할 수 없습니다",
        /// The coupon is not valid yet.
        NotYetValid { coupon_id: String, valid_from: Timestamp } => FailedPrecondition "COUPON_NOT_YET_VALID",
            en "coupon {coupon_id} is valid from {valid_from}",
            ko "쿠폰 {coupon_id} 은(는) {valid_from} 부터 사용할 수 있습니다",
        /// The coupon is no longer valid.
        Expired { coupon_id: String, valid_until: Timestamp } => FailedPrecondition "COUPON_EXPIRED",
            en "coupon {coupon_id} was valid until {valid_until}",
            ko "쿠폰 {coupon_id} 은(는) {valid_until} 에 만료되었습니다",
        /// The campaign is for none of the order's lines.
        NotApplicable { campaign_id: String } => FailedPrecondition "COUPON_NOT_APPLICABLE",
            en "campaign {campaign_id} is for none of the products of the order",
            ko "캠페인 {campaign_id} 은(는) 주문 상품에 적용할 수 없습니다",
        /// The subtotal of the order, in minor units, is below the campaign's minimum.
        MinimumNotReached { minimum: i64, subtotal: i64 } => FailedPrecondition "COUPON_MINIMUM_NOT_REACHED",
            en "the order's subtotal of {subtotal} is below the minimum of {minimum}",
            ko "주문 금액 {subtotal} 이(가) 최소 주문 금액 {minimum} 보다 적습니다",
    }
}

/// A coupon of one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Coupon {
    pub(crate) coupon_id: String,
    pub(crate) campaign_id: String,
    pub(crate) user_id: String,
    /// The order that uses it now.
    pub(crate) order_id: Option<String>,
    pub(crate) validity: Window,
    pub(crate) issued_at: Timestamp,
    pub(crate) version: i64,
}

/// What an order did with a coupon.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Redemption {
    /// It uses the coupon, and was answered so.
    Redeemed(RedeemCouponResponse),
    /// It gave the coupon back, or gave it up before it had it; for good.
    Restored,
}

impl Coupon {
    /// A coupon of the campaign for a user.
    #[must_use]
    pub(crate) fn issue(coupon_id: String, campaign: &Campaign, user_id: &str, now: Timestamp) -> Self {
        Self {
            coupon_id,
            campaign_id: campaign.campaign_id.clone(),
            user_id: user_id.to_owned(),
            order_id: None,
            validity: campaign.validity,
            issued_at: now,
            version: 1,
        }
    }

    /// Whether an order that has had nothing to do with it yet may use it at `now`.
    ///
    /// # Errors
    /// `COUPON_ALREADY_REDEEMED`, `COUPON_NOT_YET_VALID`, `COUPON_EXPIRED`.
    pub(crate) fn check_usable(&self, now: Timestamp) -> Result<(), CouponRefusal> {
        let coupon_id = self.coupon_id.clone();
        let Window {
            from: valid_from,
            until: valid_until,
        } = self.validity;
        if self.order_id.is_some() {
            Err(CouponRefusal::AlreadyRedeemed { coupon_id })
        } else if now < valid_from {
            Err(CouponRefusal::NotYetValid { coupon_id, valid_from })
        } else if now >= valid_until {
            Err(CouponRefusal::Expired { coupon_id, valid_until })
        } else {
            Ok(())
        }
    }

    /// Lets an order use it; `earlier` is what that order did with it before. Returns the first answer where it has it
    /// already.
    ///
    /// # Errors
    /// `COUPON_RESTORED`, and those of [`Coupon::check_usable`].
    pub(crate) fn redeem(
        &mut self,
        order_id: &str,
        earlier: Option<Redemption>,
        now: Timestamp,
    ) -> Result<Option<RedeemCouponResponse>, CouponRefusal> {
        match earlier {
            Some(Redemption::Redeemed(answer)) => return Ok(Some(answer)),
            Some(Redemption::Restored) => {
                let (coupon_id, order_id) = (self.coupon_id.clone(), order_id.to_owned());
                return Err(CouponRefusal::Restored { coupon_id, order_id });
            }
            None => self.check_usable(now)?,
        }
        self.order_id = Some(order_id.to_owned());
        self.version += 1;
        Ok(None)
    }

    /// Takes it back from an order, or makes sure that the order never gets it. What another order has stays its own.
    pub(crate) fn restore(&mut self, order_id: &str) {
        self.order_id.take_if(|current| current == order_id);
        self.version += 1;
    }

    /// Whether it can be used at `now`.
    #[must_use]
    pub(crate) fn state(&self, now: Timestamp) -> CouponState {
        match self.order_id {
            Some(_) => CouponState::Redeemed,
            None if now >= self.validity.until => CouponState::Expired,
            None => CouponState::Issued,
        }
    }

    /// What its events are about.
    #[must_use]
    pub(crate) fn subject(&self) -> String {
        format!("coupon/{}", self.coupon_id)
    }

    /// The coupon on the wire.
    #[must_use]
    pub(crate) fn message(&self, now: Timestamp) -> v1::Coupon {
        v1::Coupon {
            coupon_id: self.coupon_id.clone(),
            campaign_id: self.campaign_id.clone(),
            user_id: self.user_id.clone(),
            state: self.state(now).into(),
            valid_from: Some(to_proto(self.validity.from)),
            valid_until: Some(to_proto(self.validity.until)),
            order_id: self.order_id.clone().unwrap_or_default(),
            issued_at: Some(to_proto(self.issued_at)),
        }
    }

    /// The coupon in an event.
    #[must_use]
    pub(crate) fn snapshot(&self) -> CouponSnapshot {
        CouponSnapshot {
            coupon_id: self.coupon_id.clone(),
            campaign_id: self.campaign_id.clone(),
            user_id: self.user_id.clone(),
            valid_from: Some(to_proto(self.validity.from)),
            valid_until: Some(to_proto(self.validity.until)),
            issued_at: Some(to_proto(self.issued_at)),
            order_id: self.order_id.clone().unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    /// Valid from 10 to 20.
    fn coupon() -> Coupon {
        Coupon {
            coupon_id: "c".to_owned(),
            campaign_id: "welcome".to_owned(),
            user_id: "mina".to_owned(),
            order_id: None,
            validity: Window {
                from: at(10),
                until: at(20),
            },
            issued_at: at(5),
            version: 1,
        }
    }

    #[test]
    fn a_coupon_is_usable_within_its_validity() {
        let coupon = coupon();
        assert!(matches!(
            coupon.check_usable(at(9)),
            Err(CouponRefusal::NotYetValid { .. })
        ));
        assert_eq!(coupon.check_usable(at(10)), Ok(()));
        assert_eq!(coupon.check_usable(at(19)), Ok(()));
        assert!(matches!(
            coupon.check_usable(at(20)),
            Err(CouponRefusal::Expired { .. })
        ));
        assert_eq!(
            (coupon.state(at(19)), coupon.state(at(20))),
            (CouponState::Issued, CouponState::Expired)
        );
    }

    #[test]
    fn one_order_uses_it_and_gets_its_answer_again_even_after_it_expired() {
        let mut coupon = coupon();
        assert_eq!(coupon.redeem("a", None, at(10)), Ok(None));
        assert_eq!((coupon.order_id.as_deref(), coupon.version), (Some("a"), 2));
        assert!(matches!(
            coupon.redeem("b", None, at(11)),
            Err(CouponRefusal::AlreadyRedeemed { .. })
        ));

        let answer = RedeemCouponResponse::default();
        let again = coupon.redeem("a", Some(Redemption::Redeemed(answer.clone())), at(99));
        assert_eq!((again, coupon.version), (Ok(Some(answer)), 2));
        assert_eq!(coupon.state(at(99)), CouponState::Redeemed);
    }

    #[test]
    fn restored_from_one_order_it_serves_another_and_never_the_first_again() {
        let mut coupon = coupon();
        assert_eq!(coupon.redeem("a", None, at(10)), Ok(None));
        coupon.restore("a");
        assert_eq!((coupon.order_id.as_deref(), coupon.version), (None, 3));
        let late = coupon.redeem("a", Some(Redemption::Restored), at(10));
        assert!(matches!(late, Err(CouponRefusal::Restored { .. })));
        assert_eq!(coupon.redeem("b", None, at(10)), Ok(None));
        coupon.restore("a");
        assert_eq!(
            coupon.order_id.as_deref(),
            Some("b"),
            "what b has is not given back by a"
        );
    }

    #[test]
    fn given_back_too_late_it_is_expired() {
        let mut coupon = coupon();
        assert_eq!(coupon.redeem("a", None, at(19)), Ok(None));
        coupon.restore("a");
        assert_eq!(coupon.state(at(20)), CouponState::Expired);
    }
}
