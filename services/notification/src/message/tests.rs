//! The rules of messages, by themselves.

use proto::event::v1::CouponSnapshot;
use proto::money::v1::Money;

use super::*;

fn order(state: OrderState, attempt: i32) -> Option<OrderSnapshot> {
    Some(OrderSnapshot {
        order_id: "o1".to_owned(),
        user_id: "mina".to_owned(),
        state: state.into(),
        total: Some(Money {
            currency_code: "USD".to_owned(),
            minor_units: 1_234,
        }),
        attempt,
        payment_reason: "PAYMENT_LIMIT_EXCEEDED".to_owned(),
        ..Default::default()
    })
}

fn said(fact: &Fact) -> Option<String> {
    let notice = decide(fact)?;
    assert_eq!(notice.user_id, "mina");
    Some(notice.template.fill(Locale::English, &notice.variables))
}

fn message() -> Message {
    let event = Event {
        event_id: "e1".to_owned(),
        ..Default::default()
    };
    let notice = Notice {
        template: Template::OrderPaid,
        user_id: "mina".to_owned(),
        variables: Vec::new(),
    };
    Message::of(&event, notice, Channel::Alimtalk, Locale::Korean, Timestamp::UNIX_EPOCH)
}

#[test]
fn every_fact_that_is_worth_a_message_fills_all_its_blanks() {
    let coupon = CouponSnapshot {
        campaign_id: "welcome".to_owned(),
        user_id: "mina".to_owned(),
        valid_until: Some(prost_types::Timestamp::default()),
        ..Default::default()
    };
    let facts = [
        Fact::OrderAwaitingPayment(event::OrderAwaitingPayment {
            order: order(OrderState::AwaitingPayment, 1),
        }),
        Fact::OrderPaid(event::OrderPaid {
            order: order(OrderState::Paid, 0),
        }),
        Fact::OrderPaymentEnded(event::OrderPaymentEnded {
            order: order(OrderState::AwaitingPayment, 1),
        }),
        Fact::OrderCancelled(event::OrderCancelled {
            order: order(OrderState::Cancelled, 1),
        }),
        Fact::OrderExpired(event::OrderExpired {
            order: order(OrderState::Expired, 1),
        }),
        Fact::CouponIssued(event::CouponIssued { coupon: Some(coupon) }),
    ];
    assert_eq!(facts.each_ref().map(Fact::name).as_slice(), FACTS);
    for fact in &facts {
        let text = said(fact).unwrap_or_default();
        assert!(
            !text.is_empty() && !text.contains(['{', '}']),
            "{}: {text}",
            fact.name()
        );
        for locale in [Locale::English, Locale::Korean] {
            let notice = decide(fact);
            assert!(notice.is_some_and(|notice| !notice.template.fill(locale, &notice.variables).contains('{')));
        }
    }
    let paid = said(&facts[1]);
    assert_eq!(paid.as_deref(), Some("Your order o1 of 12.34 USD is paid. Thank you!"));
}

#[test]
fn what_was_refused_before_it_was_placed_is_told_to_nobody_else() {
    let facts = [
        Fact::OrderCancelled(event::OrderCancelled {
            order: order(OrderState::Cancelled, 0),
        }),
        Fact::OrderExpired(event::OrderExpired {
            order: order(OrderState::Expired, 0),
        }),
        Fact::OrderPlaced(event::OrderPlaced {
            order: order(OrderState::Placed, 0),
        }),
    ];
    assert_eq!(facts.each_ref().map(decide), [None, None, None]);
}

#[test]
fn a_payment_that_ended_with_its_order_is_no_news() {
    let ended = Fact::OrderPaymentEnded(event::OrderPaymentEnded {
        order: order(OrderState::Cancelled, 1),
    });
    assert_eq!(decide(&ended), None);
}

#[test]
fn pauses_grow_to_their_limit_and_then_the_message_is_given_up() {
    let pace = Pace {
        attempts_max: 4,
        pause_first: Duration::from_secs(1),
        pause_max: Duration::from_secs(3),
    };
    let (mut message, busy) = (
        message(),
        Outcome::NotNow {
            said: "HTTP 503".to_owned(),
        },
    );
    let now = Timestamp::UNIX_EPOCH;
    for (attempt, seconds) in [(1, 1), (2, 2), (3, 3)] {
        message.attempts = attempt;
        assert_eq!(message.tried(&busy, now, &pace, 100), None);
        assert_eq!(
            (message.state, message.next_at),
            (State::Pending, Some(now + Duration::from_secs(seconds)))
        );
    }
    message.attempts = 4;
    let told = message.tried(&busy, now, &pace, 100);
    assert!(matches!(told, Some(Fact::MessageFailed(_))), "{told:?}");
    assert_eq!(
        (message.state, message.next_at, message.version),
        (State::Failed, None, 2)
    );
}

#[test]
fn what_was_refused_is_not_tried_again() {
    let mut message = message();
    message.attempts = 1;
    let refused = Outcome::Refused {
        said: "HTTP 400".to_owned(),
    };
    let told = message.tried(&refused, Timestamp::UNIX_EPOCH, &Pace::default(), 100);
    assert!(matches!(told, Some(Fact::MessageFailed(_))), "{told:?}");
    let told = message.tried(&Outcome::Taken, Timestamp::UNIX_EPOCH, &Pace::default(), 100);
    assert!(matches!(told, Some(Fact::MessageSent(_))), "{told:?}");
    assert_eq!(
        (message.state, message.version, message.said.as_str()),
        (State::Sent, 3, "")
    );
}
