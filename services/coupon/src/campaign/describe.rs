//! A campaign as answers and events show it.

use kit::clock::to_proto;
use kit::money::Currency;
use proto::coupon::v1::{self, CampaignKind, CampaignScope, CampaignStatus};
use proto::event::v1::{CampaignKind as ToldKind, CampaignSnapshot};

use super::Campaign;
use crate::discount::Discount;

impl Campaign {
    /// The campaign on the wire.
    #[must_use]
    pub(crate) fn message(&self, brand_ids: Vec<String>, currency: &Currency) -> v1::Campaign {
        let told = self.snapshot(brand_ids, currency);
        let kind = match self.discount {
            Discount::Fixed(_) => CampaignKind::Fixed,
            Discount::Percent { .. } => CampaignKind::Percent,
        };
        let applies_to = if self.selective {
            CampaignScope::Selected
        } else {
            CampaignScope::All
        };
        let status = if self.open {
            CampaignStatus::Open
        } else {
            CampaignStatus::Closed
        };
        v1::Campaign {
            campaign_id: told.campaign_id,
            name: told.name,
            kind: kind.into(),
            discount_amount: told.discount_amount,
            discount_percent: told.discount_percent,
            maximum_discount: told.maximum_discount,
            minimum_order_amount: told.minimum_order_amount,
            applies_to: applies_to.into(),
            brand_ids: told.brand_ids,
            product_count: self.product_count,
            total_quantity: told.total_quantity,
            per_user_limit: told.per_user_limit,
            issue_from: told.issue_from,
            issue_until: told.issue_until,
            valid_from: told.valid_from,
            valid_until: told.valid_until,
            status: status.into(),
            issued: self.issued,
        }
    }

    /// The campaign in an event.
    #[must_use]
    pub(crate) fn snapshot(&self, brand_ids: Vec<String>, currency: &Currency) -> CampaignSnapshot {
        let (kind, amount, percent, maximum) = match self.discount {
            Discount::Fixed(amount) => (ToldKind::Fixed, Some(amount), 0, None),
            Discount::Percent { percent, maximum } => (ToldKind::Percent, None, percent, maximum),
        };
        let minimum = Some(self.minimum_order_amount).filter(|minimum| *minimum > 0);
        CampaignSnapshot {
            campaign_id: self.campaign_id.clone(),
            name: self.name.clone(),
            kind: kind.into(),
            discount_amount: amount.map(|amount| currency.money(amount)),
            discount_percent: percent,
            maximum_discount: maximum.map(|maximum| currency.money(maximum)),
            minimum_order_amount: minimum.map(|minimum| currency.money(minimum)),
            selective: self.selective,
            brand_ids,
            total_quantity: self.quantity.unwrap_or(0),
            per_user_limit: self.per_user_limit,
            issue_from: Some(to_proto(self.issue.from)),
            issue_until: Some(to_proto(self.issue.until)),
            valid_from: Some(to_proto(self.validity.from)),
            valid_until: Some(to_proto(self.validity.until)),
            open: self.open,
        }
    }
}
