//! What a coupon takes off a basket, and how it falls on the lines.

use std::collections::HashSet;

use kit::money::{self, Currency, MoneyRefusal};
use proto::coupon::v1::DiscountableLine;

/// How a discount is reckoned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Discount {
    /// So many minor units.
    Fixed(i64),
    /// 1 to 100 percent, rounded down, at most `maximum` minor units.
    Percent { percent: i32, maximum: Option<i64> },
}

impl Discount {
    /// The discount on an eligible subtotal, both in minor units; never more than that.
    #[must_use]
    pub(crate) fn on(self, subtotal: i64) -> i64 {
        match self {
            Self::Fixed(amount) => amount.min(subtotal),
            Self::Percent { percent, maximum } => {
                let part = share(subtotal, i64::from(percent), 100).0;
                part.min(maximum.unwrap_or(i64::MAX))
            }
        }
    }
}

/// The lines of an order, as far as a discount concerns them.
#[derive(Debug)]
pub(crate) struct Basket {
    pub(crate) lines: Vec<Line>,
    /// Of all lines, in minor units; so the sum of any of them fits, too.
    pub(crate) subtotal: i64,
}

/// A line of a basket.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) product_id: String,
    pub(crate) brand_id: String,
    /// Price times quantity, in minor units.
    pub(crate) amount: i64,
}

impl Basket {
    /// Reads the lines of a request.
    ///
    /// # Errors
    /// `CURRENCY_NOT_SUPPORTED`, `AMOUNT_OVERFLOW`.
    pub(crate) fn new(lines: Vec<DiscountableLine>, currency: &Currency) -> Result<Self, MoneyRefusal> {
        let line = |line: DiscountableLine| {
            let amount = currency.minor_units(line.amount.as_ref())?;
            Ok(Line {
                product_id: line.product_id,
                brand_id: line.brand_id,
                amount,
            })
        };
        let lines = lines.into_iter().map(line).collect::<Result<Vec<_>, MoneyRefusal>>()?;
        let subtotal = money::sum(lines.iter().map(|line| line.amount))?;
        Ok(Self { lines, subtotal })
    }
}

/// Which products and brands of a basket one selective campaign is for.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    pub(crate) products: HashSet<String>,
    pub(crate) brands: HashSet<String>,
}

impl Selection {
    /// Whether this line is among them, by its product or its brand.
    #[must_use]
    pub(crate) fn holds(&self, line: &Line) -> bool {
        self.products.contains(&line.product_id) || self.brands.contains(&line.brand_id)
    }
}

/// Spreads `discount` over `amounts` by largest remainder, ties to the earlier one; all in minor units.
///
/// `discount` is at most the sum of `amounts`; then no part is more than its amount.
#[must_use]
pub(crate) fn spread(discount: i64, amounts: &[i64]) -> Vec<i64> {
    let subtotal: i64 = amounts.iter().sum();
    if subtotal == 0 {
        return vec![0; amounts.len()];
    }
    let (mut parts, remainders): (Vec<i64>, Vec<i64>) =
        amounts.iter().map(|amount| share(discount, *amount, subtotal)).unzip();
    let left = discount - parts.iter().sum::<i64>();

    let mut by_remainder: Vec<usize> = (0..amounts.len()).collect();
    by_remainder.sort_by_key(|index| std::cmp::Reverse(remainders[*index]));
    for index in by_remainder.into_iter().take(usize::try_from(left).unwrap_or(0)) {
        parts[index] += 1;
    }
    parts
}

/// `total × part / whole` rounded down, and the remainder. `part ≤ whole`, so both fit.
fn share(total: i64, part: i64, whole: i64) -> (i64, i64) {
    let (product, whole) = (i128::from(total) * i128::from(part), i128::from(whole));
    let fits = "part is at most whole";
    (
        i64::try_from(product / whole).expect(fits),
        i64::try_from(product % whole).expect(fits),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_is_rounded_down_and_stops_at_its_maximum() {
        let ten = Discount::Percent {
            percent: 10,
            maximum: None,
        };
        assert_eq!(ten.on(99), 9);
        assert_eq!(ten.on(0), 0);
        assert_eq!(
            Discount::Percent {
                percent: 10,
                maximum: Some(5)
            }
            .on(99),
            5
        );
        assert_eq!(
            Discount::Percent {
                percent: 100,
                maximum: None
            }
            .on(i64::MAX),
            i64::MAX
        );
    }

    #[test]
    fn no_discount_is_more_than_what_it_is_on() {
        for subtotal in 0..300 {
            for kind in (1..=100)
                .map(|percent| Discount::Percent { percent, maximum: None })
                .chain((1..300).map(Discount::Fixed))
            {
                let discount = kind.on(subtotal);
                assert!((0..=subtotal).contains(&discount), "{kind:?} on {subtotal}");
            }
        }
    }

    #[test]
    fn parts_sum_to_the_discount_and_none_is_more_than_its_amount_nor_a_unit_off() {
        for first in 0..9_i64 {
            for second in 0..9_i64 {
                for third in 0..9_i64 {
                    let amounts = [first, second, third];
                    let subtotal: i64 = amounts.iter().sum();
                    for discount in 0..=subtotal {
                        let parts = spread(discount, &amounts);
                        assert_eq!(parts.iter().sum::<i64>(), discount, "{amounts:?}");
                        for (part, amount) in parts.iter().zip(amounts) {
                            assert!((0..=amount).contains(part), "{discount} over {amounts:?}: {parts:?}");
                            assert!(
                                (part * subtotal - discount * amount).abs() < subtotal.max(1),
                                "{amounts:?}: {parts:?}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn what_rounding_leaves_goes_to_the_largest_remainder_and_of_equals_to_the_earlier_line() {
        assert_eq!(spread(1, &[5, 5]), [1, 0]);
        assert_eq!(spread(2, &[3, 3, 4]), [1, 0, 1]);
        assert_eq!(spread(5, &[2, 3, 5, 0]), [1, 2, 2, 0]);
    }

    #[test]
    fn the_largest_amounts_of_the_contract_do_not_overflow() {
        const AMOUNT_MAX: i64 = 1_000_000_000_000_000;
        let amounts = vec![AMOUNT_MAX; 200];
        let subtotal = AMOUNT_MAX * 200;
        assert_eq!(spread(subtotal, &amounts), amounts);
        let parts = spread(subtotal - 1, &amounts);
        assert_eq!(parts.iter().sum::<i64>(), subtotal - 1);
        assert_eq!((parts[198], parts[199]), (AMOUNT_MAX, AMOUNT_MAX - 1));
    }
}
