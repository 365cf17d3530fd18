//! The terms of a campaign as a request states them, checked against each other.

use kit::clock::{from_microseconds, from_proto};
use kit::money::Currency;
use kit::refusal::Failure;
use proto::coupon::v1::{CampaignKind, CampaignScope, OpenCampaignRequest};

use super::{Campaign, CampaignRefusal, Window};
use crate::discount::Discount;

impl Campaign {
    /// A new campaign of the terms of the request, which is within its bounds.
    ///
    /// # Errors
    /// `CAMPAIGN_TERMS_INVALID`, or an amount we cannot work with.
    pub(crate) fn open(campaign_id: String, terms: &OpenCampaignRequest, currency: &Currency) -> Result<Self, Failure> {
        let selective = terms.applies_to() == CampaignScope::Selected;
        if !selective && !terms.brand_ids.is_empty() {
            return Err(CampaignRefusal::TermsInvalid { field: "brand_ids" }.into());
        }
        Ok(Self {
            campaign_id,
            name: terms.name.clone(),
            discount: discount(terms, currency)?,
            minimum_order_amount: currency.minor_units(terms.minimum_order_amount.as_ref())?,
            selective,
            product_count: 0,
            quantity: Some(terms.total_quantity).filter(|quantity| *quantity > 0),
            per_user_limit: terms.per_user_limit,
            issue: window(terms.issue_from.as_ref(), terms.issue_until.as_ref(), "issue_until")?,
            validity: window(terms.valid_from.as_ref(), terms.valid_until.as_ref(), "valid_until")?,
            open: true,
            issued: 0,
            version: 1,
        })
    }
}

fn discount(terms: &OpenCampaignRequest, currency: &Currency) -> Result<Discount, Failure> {
    let invalid = |field| Err(CampaignRefusal::TermsInvalid { field }.into());
    let amount = currency.minor_units(terms.discount_amount.as_ref())?;
    let maximum = currency.minor_units(terms.maximum_discount.as_ref())?;
    match terms.kind() {
        CampaignKind::Fixed if amount < 1 => invalid("discount_amount"),
        CampaignKind::Fixed if terms.discount_percent != 0 => invalid("discount_percent"),
        CampaignKind::Fixed if terms.maximum_discount.is_some() => invalid("maximum_discount"),
        CampaignKind::Fixed => Ok(Discount::Fixed(amount)),
        CampaignKind::Percent if terms.discount_percent < 1 => invalid("discount_percent"),
        CampaignKind::Percent if terms.discount_amount.is_some() => invalid("discount_amount"),
        CampaignKind::Percent if terms.maximum_discount.is_some() && maximum < 1 => invalid("maximum_discount"),
        CampaignKind::Percent => {
            let maximum = terms.maximum_discount.as_ref().map(|_| maximum);
            Ok(Discount::Percent {
                percent: terms.discount_percent,
                maximum,
            })
        }
        CampaignKind::Unspecified => invalid("kind"),
    }
}

/// Whole microseconds, as databases and the clock have them.
fn window(
    from: Option<&prost_types::Timestamp>,
    until: Option<&prost_types::Timestamp>,
    field: &'static str,
) -> Result<Window, CampaignRefusal> {
    let instant = |time| from_microseconds(from_proto(time).as_microsecond());
    match (from.map(instant), until.map(instant)) {
        (Some(from), Some(until)) if from < until => Ok(Window { from, until }),
        _ => Err(CampaignRefusal::TermsInvalid { field }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn won() -> Currency {
        Currency::new("KRW").unwrap()
    }

    fn at(second: i64) -> prost_types::Timestamp {
        prost_types::Timestamp {
            seconds: second,
            nanos: 0,
        }
    }

    /// Issues from 10 to 20, valid from 10 to 30.
    fn terms() -> OpenCampaignRequest {
        OpenCampaignRequest {
            name: "Welcome".to_owned(),
            kind: CampaignKind::Fixed.into(),
            discount_amount: Some(won().money(500)),
            applies_to: CampaignScope::All.into(),
            total_quantity: 2,
            per_user_limit: 1,
            issue_from: Some(at(10)),
            issue_until: Some(at(20)),
            valid_from: Some(at(10)),
            valid_until: Some(at(30)),
            ..Default::default()
        }
    }

    fn open(terms: &OpenCampaignRequest) -> Result<Campaign, Option<String>> {
        Campaign::open("welcome".to_owned(), terms, &won()).map_err(|failure| failure.reason())
    }

    #[test]
    fn terms_that_contradict_each_other_are_refused() {
        let percent = OpenCampaignRequest {
            kind: CampaignKind::Percent.into(),
            discount_percent: 10,
            discount_amount: None,
            ..terms()
        };
        assert!(open(&percent).is_ok());
        let contradictions = [
            OpenCampaignRequest {
                discount_amount: None,
                ..terms()
            },
            OpenCampaignRequest {
                discount_amount: Some(won().money(0)),
                ..terms()
            },
            OpenCampaignRequest {
                discount_percent: 10,
                ..terms()
            },
            OpenCampaignRequest {
                maximum_discount: Some(won().money(1)),
                ..terms()
            },
            OpenCampaignRequest {
                issue_until: Some(at(10)),
                ..terms()
            },
            OpenCampaignRequest {
                valid_until: Some(at(9)),
                ..terms()
            },
            OpenCampaignRequest {
                brand_ids: vec!["7".to_owned()],
                ..terms()
            },
            OpenCampaignRequest {
                discount_percent: 0,
                ..percent.clone()
            },
            OpenCampaignRequest {
                discount_amount: Some(won().money(1)),
                ..percent.clone()
            },
            OpenCampaignRequest {
                maximum_discount: Some(won().money(0)),
                ..percent
            },
        ];
        for terms in contradictions {
            assert_eq!(
                open(&terms),
                Err(Some("CAMPAIGN_TERMS_INVALID".to_owned())),
                "{terms:?}"
            );
        }
    }
}
