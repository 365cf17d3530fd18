//! Amounts: `{currency_code, minor_units}` on the wire, a checked `i64` of minor units inside.

use proto::money::v1::Money;

use crate::refusals;

refusals! {
    /// Why an amount of money is not one we can work with.
    pub enum MoneyRefusal {
        /// The shop works in one currency, and this is another.
        CurrencyNotSupported { currency_code: String, expected: String } => InvalidArgument "CURRENCY_NOT_SUPPORTED",
            en "currency {currency_code} is not supported, use {expected}",
            ko "{currency_code} 통화는 사용할 수 없습니다. {expected}만 지원합니다",
        /// A sum or a multiple of amounts does not fit into 63 bits.
        Overflow {} => InvalidArgument "AMOUNT_OVERFLOW",
            en "the sum of the amounts is too large",
            ko "금액의 합이 너무 큽니다",
    }
}

/// The one currency of the shop, an ISO 4217 code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Currency(String);

impl Currency {
    /// A currency from its code of three capital letters; `None` for anything else.
    #[must_use]
    pub fn new(code: &str) -> Option<Self> {
        (code.len() == 3 && code.bytes().all(|letter| letter.is_ascii_uppercase())).then(|| Self(code.to_owned()))
    }

    /// The ISO 4217 code.
    #[must_use]
    pub fn code(&self) -> &str {
        &self.0
    }

    /// Minor units as an amount on the wire.
    #[must_use]
    pub fn money(&self, minor_units: i64) -> Money {
        Money {
            currency_code: self.0.clone(),
            minor_units,
        }
    }

    /// The minor units of an amount, which the contract's bounds keep from being negative; an absent one is zero.
    ///
    /// # Errors
    /// `CURRENCY_NOT_SUPPORTED` for another currency.
    pub fn minor_units(&self, money: Option<&Money>) -> Result<i64, MoneyRefusal> {
        let Some(money) = money else { return Ok(0) };
        if money.currency_code != self.0 {
            let currency_code = money.currency_code.clone();
            return Err(MoneyRefusal::CurrencyNotSupported {
                currency_code,
                expected: self.0.clone(),
            });
        }
        Ok(money.minor_units)
    }
}

/// The sum of amounts in minor units.
///
/// # Errors
/// `AMOUNT_OVERFLOW` where it does not fit.
pub fn sum(amounts: impl IntoIterator<Item = i64>) -> Result<i64, MoneyRefusal> {
    amounts
        .into_iter()
        .try_fold(0_i64, i64::checked_add)
        .ok_or(MoneyRefusal::Overflow {})
}

/// A unit price times a quantity, in minor units.
///
/// # Errors
/// `AMOUNT_OVERFLOW` where it does not fit.
pub fn times(unit_price: i64, quantity: i64) -> Result<i64, MoneyRefusal> {
    unit_price.checked_mul(quantity).ok_or(MoneyRefusal::Overflow {})
}
