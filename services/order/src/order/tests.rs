//! The rules of an order, each as a sentence.

use kit::refusal::Refusal;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// Two of a thing at 1 000 and one at 500, placed at 0, expiring at 900.
fn placed(points: i64) -> Order {
    let mut lines = merge([("b".to_owned(), 2), ("a".to_owned(), 1)]);
    lines[0].price("B".to_owned(), "brand".to_owned(), 1_000).unwrap();
    lines[1].price("A".to_owned(), "brand".to_owned(), 500).unwrap();
    Order {
        order_id: "o".to_owned(),
        user_id: "mina".to_owned(),
        state: OrderState::Placed,
        version: 1,
        bill: Bill::of(&lines, points).unwrap(),
        lines,
        coupon_id: String::new(),
        card_token: "card".to_owned(),
        attempt: 0,
        attempt_open: false,
        payment_reason: String::new(),
        placed_at: at(0),
        expires_at: Some(at(900)),
        paid_at: None,
        ended_at: None,
        why: String::new(),
    }
}

fn awaiting() -> Order {
    let mut order = placed(0);
    assert_eq!(order.taken(at(1)), Some(Change::AwaitingPayment));
    order
}

fn paid() -> Order {
    let mut order = awaiting();
    assert_eq!(order.capture(1, at(2)), Capture::Pays(Change::Paid));
    order
}

#[test]
fn a_product_named_twice_is_one_line_where_it_was_first_named() {
    let lines = merge([("b".to_owned(), 2), ("a".to_owned(), 1), ("b".to_owned(), 3)]);
    let named: Vec<(&str, i64)> = lines
        .iter()
        .map(|line| (line.product_id.as_str(), line.quantity))
        .collect();
    assert_eq!(named, [("b", 5), ("a", 1)]);
}

#[test]
fn the_total_is_the_prices_less_the_discount_and_points_and_card_pay_it() {
    let mut order = placed(0);
    order.lines[0].discount = 300;
    let bill = Bill::of(&order.lines, 700).unwrap();
    assert_eq!(
        bill,
        Bill {
            subtotal: 2_500,
            discount: 300,
            total: 2_200,
            points: 700,
            card: 1_500
        }
    );
    assert_eq!(bill.agree(Some(2_200), true), Ok(()));
    assert_eq!(bill.agree(None, true), Ok(()));
}

#[test]
fn a_bill_is_refused_that_is_not_the_one_seen_or_that_nothing_covers() {
    let bill = Bill::of(&placed(0).lines, 2_000).unwrap();
    assert_eq!(
        bill.agree(Some(2_499), true),
        Err(OrderRefusal::TotalChanged {
            total: 2_500,
            expected: 2_499
        })
    );
    assert_eq!(
        bill.agree(None, false),
        Err(OrderRefusal::CardTokenMissing { card: 500 })
    );
    let bill = Bill::of(&placed(0).lines, 2_501).unwrap();
    assert_eq!(
        bill.agree(None, true),
        Err(OrderRefusal::PointsExceedTotal {
            points: 2_501,
            total: 2_500
        })
    );
    let bill = Bill::of(&placed(0).lines, 2_500).unwrap();
    assert_eq!(bill.agree(None, false), Ok(()), "points pay all");
}

#[test]
fn amounts_beyond_what_a_message_may_carry_are_refused_and_never_wrap() {
    let price = |unit_price, quantity| {
        let mut line = Line {
            quantity,
            ..Line::default()
        };
        line.price(String::new(), String::new(), unit_price).map(|()| line)
    };
    assert!(price(AMOUNT_MAX, 1).is_ok());
    assert_eq!(price(AMOUNT_MAX, 2), Err(MoneyRefusal::Overflow {}));
    assert_eq!(price(i64::MAX, 2), Err(MoneyRefusal::Overflow {}));
    let lines = [price(AMOUNT_MAX, 1).unwrap(), price(1, 1).unwrap()];
    assert_eq!(Bill::of(&lines, 0), Err(MoneyRefusal::Overflow {}));
}

#[test]
fn an_order_without_a_card_part_is_paid_when_all_is_taken() {
    let mut order = placed(2_500);
    assert_eq!(order.taken(at(1)), Some(Change::Paid));
    assert_eq!((order.state, order.attempt, order.version), (OrderState::Paid, 0, 2));
    assert_eq!((order.paid_at, order.expires_at), (Some(at(1)), None));
    assert_eq!(order.taken(at(2)), None, "only once");
}

#[test]
fn an_order_with_a_card_part_awaits_its_first_attempt() {
    let order = awaiting();
    assert_eq!(
        (order.state, order.attempt, order.attempt_open, order.version),
        (OrderState::AwaitingPayment, 1, true, 2)
    );
}

#[test]
fn only_the_open_attempt_pays_and_any_other_capture_goes_back() {
    let mut order = awaiting();
    assert_eq!(
        order.capture(2, at(2)),
        Capture::Surplus(None),
        "an attempt that nobody opened"
    );
    assert_eq!(order.capture(1, at(2)), Capture::Pays(Change::Paid));
    assert_eq!(
        order.capture(1, at(3)),
        Capture::Paid,
        "a repeated fact refunds nothing"
    );
    assert_eq!(order.capture(2, at(3)), Capture::Surplus(None));
    assert_eq!(order.version, 3);

    let mut order = awaiting();
    assert_eq!(order.end_attempt(1, "LIMIT"), Some(Change::PaymentEnded));
    assert_eq!(
        order.capture(1, at(2)),
        Capture::Surplus(None),
        "an attempt that had ended"
    );
    assert_eq!(order.open_attempt("other".to_owned(), at(3)), Ok(Change::PaymentOpened));
    assert_eq!(
        order.capture(1, at(4)),
        Capture::Surplus(None),
        "an attempt before the open one"
    );
    assert_eq!(order.capture(2, at(4)), Capture::Pays(Change::Paid));
}

#[test]
fn money_that_comes_after_the_end_goes_back_and_ends_the_attempt() {
    let mut order = awaiting();
    assert_eq!(order.cancel("changed my mind", at(2)), Ok(Some(Change::Cancelled)));
    assert!(order.attempt_open, "what the gateway says is still to come");
    assert_eq!(order.capture(1, at(3)), Capture::Surplus(Some(Change::PaymentEnded)));
    assert_eq!((order.state, order.attempt_open), (OrderState::Cancelled, false));
    assert_eq!(order.capture(1, at(4)), Capture::Surplus(None));
}

#[test]
fn the_capture_that_paid_an_order_stays_its_own_while_that_is_refunded() {
    let mut order = paid();
    assert_eq!(order.cancel("", at(3)), Ok(Some(Change::Refunding)));
    assert_eq!(order.capture(1, at(4)), Capture::Paid, "its refund is due already");
    assert_eq!(order.refunded(at(5)), Some(Change::Cancelled));
    assert_eq!(order.capture(1, at(6)), Capture::Paid);
    assert_eq!(order.refunded(at(7)), None);
}

#[test]
fn another_attempt_needs_an_order_that_awaits_one() {
    let refused = |order: &mut Order, now| {
        order
            .open_attempt("other".to_owned(), at(now))
            .unwrap_err()
            .reason()
            .reason
    };
    let mut order = awaiting();
    assert_eq!(refused(&mut order, 2), "PAYMENT_IN_PROGRESS");
    assert_eq!(order.end_attempt(1, "LIMIT"), Some(Change::PaymentEnded));
    assert_eq!(order.payment_reason, "LIMIT");
    assert_eq!(refused(&mut order, 900), "ORDER_NOT_PAYABLE", "its time is up");
    assert_eq!(
        order.open_attempt("other".to_owned(), at(899)),
        Ok(Change::PaymentOpened)
    );
    assert_eq!(
        (order.attempt, order.payment_reason.as_str(), order.card_token.as_str()),
        (2, "", "other")
    );
    assert_eq!(order.end_attempt(1, "LATE"), None, "a fact of an attempt before");
    for mut order in [placed(0), paid()] {
        assert_eq!(refused(&mut order, 3), "ORDER_NOT_PAYABLE");
    }
}

#[test]
fn cancelling_twice_is_cancelling_once() {
    let mut order = placed(0);
    assert_eq!(order.cancel("first", at(2)), Ok(Some(Change::Cancelled)));
    assert_eq!(order.cancel("second", at(3)), Ok(None));
    assert_eq!(
        (order.why.as_str(), order.ended_at, order.version),
        ("first", Some(at(2)), 2)
    );
    let mut order = paid();
    assert_eq!(order.cancel("", at(3)), Ok(Some(Change::Refunding)));
    assert_eq!(order.cancel("", at(4)), Ok(None));
}

#[test]
fn an_order_expires_at_its_instant_but_never_while_an_attempt_is_open() {
    let mut order = awaiting();
    assert_eq!(order.expire(at(10_000)), None, "the attempt is open");
    assert_eq!(order.end_attempt(1, "LIMIT"), Some(Change::PaymentEnded));
    assert_eq!(order.expire(at(899)), None);
    assert_eq!(order.expire(at(900)), Some(Change::Expired));
    assert_eq!(
        order.cancel("", at(901)),
        Err(OrderRefusal::Expired {
            order_id: "o".to_owned()
        })
    );
    assert_eq!(
        placed(0).expire(at(900)),
        Some(Change::Expired),
        "also one that was never taken"
    );
    assert_eq!(paid().expire(at(10_000)), None);
}
