//! The texts of all messages, in every language: one table, and how its blanks are filled.

use kit::refusal::Locale;
use proto::money::v1::Money;

/// What a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Template {
    OrderPlaced,
    OrderPaid,
    OrderCancelled,
    OrderExpired,
    PaymentDeclined,
    CouponIssued,
}

/// A template in every language. Its id is never renamed: the channel's service knows it by that.
struct Text {
    template: Template,
    id: &'static str,
    english: &'static str,
    korean: &'static str,
}

const TEXTS: &[Text] = &[
    Text {
        template: Template::OrderPlaced,
        id: "order-placed",
        english: "We have your order {order_id} of {total}. Its payment is on its way.",
        korean: "주문이 접수되었습니다. 주문번호 {order_id}, 금액 {total}. 결제를 진행하고 있습니다.",
    },
    Text {
        template: Template::OrderPaid,
        id: "order-paid",
        english: "Your order {order_id} of {total} is paid. Thank you!",
        korean: "결제가 완료되었습니다. 주문번호 {order_id}, 금액 {total}. 감사합니다!",
    },
    Text {
        template: Template::OrderCancelled,
        id: "order-cancelled",
        english: "Your order {order_id} of {total} is cancelled. What was paid goes back.",
        korean: "주문이 취소되었습니다. 주문번호 {order_id}, 금액 {total}. 결제하신 금액은 환불됩니다.",
    },
    Text {
        template: Template::OrderExpired,
        id: "order-expired",
        english: "Your order {order_id} of {total} was not paid in time and has ended.",
        korean: "결제 기한이 지나 주문이 종료되었습니다. 주문번호 {order_id}, 금액 {total}.",
    },
    Text {
        template: Template::PaymentDeclined,
        id: "payment-declined",
        english: "Your order {order_id} of {total} could not be paid. You may pay with another card.",
        korean: "주문 {order_id} 의 결제 {total} 이(가) 완료되지 않았습니다. 다른 카드로 다시 결제해 주세요.",
    },
    Text {
        template: Template::CouponIssued,
        id: "coupon-issued",
        english: "You have a new coupon of {campaign_id}, valid until {valid_until}.",
        korean: "{campaign_id} 쿠폰이 발급되었습니다. 유효기간은 {valid_until} 까지입니다.",
    },
];

/// Currencies of ISO 4217 whose minor unit is not a hundredth: how many decimals they have.
const DECIMALS: &[(&str, usize)] = &[
    ("BHD", 3),
    ("CLP", 0),
    ("IQD", 3),
    ("ISK", 0),
    ("JOD", 3),
    ("JPY", 0),
    ("KRW", 0),
    ("KWD", 3),
    ("OMR", 3),
    ("PYG", 0),
    ("TND", 3),
    ("UGX", 0),
    ("VND", 0),
    ("XAF", 0),
    ("XOF", 0),
    ("XPF", 0),
];
const DECIMALS_OF_OTHERS: usize = 2;

impl Template {
    /// Its id at the channel's service.
    pub(crate) fn id(self) -> &'static str {
        self.text().map_or("", |text| text.id)
    }

    /// The template of this id.
    pub(crate) fn from_id(id: &str) -> Option<Self> {
        TEXTS.iter().find(|text| text.id == id).map(|text| text.template)
    }

    /// The text in a language, its blanks filled.
    pub(crate) fn fill(self, locale: Locale, variables: &[(String, String)]) -> String {
        let text = self.text().map_or("", |text| match locale {
            Locale::English => text.english,
            Locale::Korean => text.korean,
        });
        let fill = |text: String, (name, value): &(String, String)| text.replace(&format!("{{{name}}}"), value);
        variables.iter().fold(text.to_owned(), fill)
    }

    fn text(self) -> Option<&'static Text> {
        TEXTS.iter().find(|text| text.template == self)
    }
}

/// An amount as people read it, such as `222.98 USD` or `22298 KRW`.
pub(crate) fn amount(money: Option<&Money>) -> String {
    let Some(money) = money else { return String::new() };
    let code = money.currency_code.as_str();
    let known = DECIMALS.iter().find(|(known, _)| *known == code);
    let decimals = known.map_or(DECIMALS_OF_OTHERS, |(_, decimals)| *decimals);
    let digits = format!("{:0>width$}", money.minor_units.unsigned_abs(), width = decimals + 1);
    let (whole, part) = digits.split_at(digits.len() - decimals);
    let (sign, point) = (
        if money.minor_units < 0 { "-" } else { "" },
        if part.is_empty() { "" } else { "." },
    );
    format!("{sign}{whole}{point}{part} {code}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn money(code: &str, minor_units: i64) -> Money {
        Money {
            currency_code: code.to_owned(),
            minor_units,
        }
    }

    #[test]
    fn an_amount_has_the_decimals_of_its_currency() {
        for (code, minor_units, expected) in [
            ("USD", 22_298, "222.98 USD"),
            ("USD", 5, "0.05 USD"),
            ("USD", -5, "-0.05 USD"),
            ("KRW", 22_298, "22298 KRW"),
            ("KWD", 1_000, "1.000 KWD"),
            ("USD", i64::MIN, "-92233720368547758.08 USD"),
        ] {
            assert_eq!(amount(Some(&money(code, minor_units))), expected);
        }
    }

    #[test]
    fn every_template_has_its_text_in_every_language_with_the_same_blanks() {
        let blanks = |text: &str| -> Vec<String> {
            let mut names: Vec<_> = text
                .split('{')
                .skip(1)
                .map(|rest| rest.split('}').next().unwrap_or_default().to_owned())
                .collect();
            names.sort();
            names
        };
        for text in TEXTS {
            assert_eq!(
                Template::from_id(text.id),
                Some(text.template),
                "{} is there twice",
                text.id
            );
            assert_eq!(text.template.id(), text.id);
            assert_eq!(blanks(text.english), blanks(text.korean), "{}", text.id);
        }
    }
}
