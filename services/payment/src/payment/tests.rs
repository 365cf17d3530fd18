//! What the rules of an attempt make of the gateway's words, in every order in which they can come.

use std::time::Duration;

use super::gateway_rules::{Owed, Then};
use super::*;
use crate::card_gateway::{Answer, Decline, Standing, Transaction};

fn after(seconds: u64) -> Timestamp {
    Timestamp::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn queued() -> Payment {
    Payment::queued("order".to_owned(), 1, "mina".to_owned(), 100, after(0))
}

/// An attempt whose last POST of so many left at second 0.
fn posted(posts: i32) -> Payment {
    let mut payment = queued();
    for _ in 0..posts {
        payment.begin_post(after(0), &Pace::default());
    }
    payment
}

fn transaction(key: &str, standing: Standing, amount: i64) -> Transaction {
    Transaction {
        transaction_key: key.to_owned(),
        standing,
        amount,
        cancelled: 0,
    }
}

fn failed(key: &str) -> Transaction {
    transaction(key, Standing::Failed(Decline::LimitExceeded), 100)
}

fn read(payment: &mut Payment, book: &[Transaction], second: u64) -> Then {
    payment.read(book, &[], after(second), after(second), &Pace::default())
}

fn captured() -> Payment {
    let mut payment = posted(1);
    read(&mut payment, &[transaction("a", Standing::Success, 100)], 1);
    payment
}

fn refund(refund_id: &str, amount: i64) -> Refund {
    Refund {
        refund_id: refund_id.to_owned(),
        amount,
        why: "cancelled".to_owned(),
        done: false,
    }
}

fn not_taken() -> Answer {
    Answer::NotTaken {
        said: "HTTP 500".to_owned(),
    }
}

fn unknown() -> Answer {
    Answer::Unknown {
        said: "no answer in time".to_owned(),
    }
}

#[test]
fn each_post_is_counted_before_it_is_sent() {
    let payment = posted(1);
    assert_eq!(
        (payment.state, payment.posts, payment.last_post_at),
        (State::Requested, 1, Some(after(0)))
    );
}

#[test]
fn a_post_is_repeated_only_after_a_clear_no_and_an_empty_book() {
    for answer in [not_taken(), Answer::NotReached] {
        let mut payment = posted(1);
        payment.posted(&answer, after(1), &Pace::default(), 100);
        assert_eq!(payment.next_at, Some(after(1) + Duration::from_millis(500)));
        let mut stored = payment.clone();
        assert_eq!(read(&mut payment, &[], 2), Then::Post);
        assert_eq!(
            read(&mut stored, &[transaction("a", Standing::Pending, 100)], 2),
            Then::GiveBack
        );
        assert_eq!((stored.state, stored.repeatable), (State::Pending, false));
    }
    for answer in [
        unknown(),
        Answer::Rejected {
            said: "HTTP 400".to_owned(),
        },
    ] {
        let mut payment = posted(1);
        payment.posted(&answer, after(1), &Pace::default(), 100);
        assert_eq!(read(&mut payment, &[], 2), Then::GiveBack);
        assert_eq!(payment.state, State::Unknown);
    }
}

#[test]
fn the_pause_doubles_and_the_end_of_the_tries_is_unknown() {
    let mut payment = posted(2);
    payment.posted(&not_taken(), after(1), &Pace::default(), 120);
    assert_eq!(payment.next_at, Some(after(1) + Duration::from_millis(1_200)));
    let mut payment = posted(3);
    payment.posted(&not_taken(), after(1), &Pace::default(), 100);
    assert_eq!((payment.state, payment.repeatable), (State::Unknown, false));
    assert_eq!(read(&mut payment, &[], 29), Then::GiveBack);
    assert_eq!(payment.state, State::Unknown);
}

#[test]
fn a_gateway_that_was_down_for_an_hour_is_asked_again_and_paid() {
    let mut payment = posted(1);
    payment.posted(&Answer::NotReached, after(1), &Pace::default(), 100);
    payment.unread(after(2), &Pace::default());
    assert_eq!(payment.state, State::Requested);
    assert_eq!(read(&mut payment, &[], 3_600), Then::Post);
}

#[test]
fn a_post_cut_off_by_a_crash_is_unknown() {
    let mut payment = posted(1);
    payment.unread(after(11), &Pace::default());
    assert_eq!(payment.state, State::Unknown);
    assert_eq!(
        read(&mut payment, &[transaction("a", Standing::Success, 100)], 12),
        Then::GiveBack
    );
    assert_eq!(payment.state, State::Captured);
}

#[test]
fn an_empty_answer_is_proof_only_when_asked_thirty_seconds_after_the_last_post() {
    let mut payment = posted(1);
    read(&mut payment, &[], 29);
    assert_eq!((payment.state, payment.next_at), (State::Unknown, Some(after(30))));
    // asked before, answered after: no proof
    payment.read(&[], &[], after(29), after(33), &Pace::default());
    assert_eq!(payment.state, State::Unknown);
    read(&mut payment, &[], 30);
    assert_eq!(
        (payment.state, payment.reason.as_str()),
        (State::NotCharged, "PAYMENT_NOT_CHARGED")
    );
    assert_eq!(payment.next_at, None);
}

#[test]
fn declined_only_when_every_post_is_accounted_for() {
    let mut once = posted(1);
    read(&mut once, &[failed("a")], 1);
    assert_eq!(
        (once.state, once.reason.as_str()),
        (State::Declined, "PAYMENT_LIMIT_EXCEEDED")
    );
    let mut twice = posted(2);
    read(&mut twice, &[failed("a"), failed("b")], 29);
    assert_eq!(twice.state, State::Unknown);
    read(&mut twice, &[failed("a"), failed("b")], 30);
    assert_eq!(twice.state, State::Declined);
}

#[test]
fn an_early_decline_is_told_at_once_and_looked_at_again_until_it_stands() {
    let mut payment = posted(1);
    read(&mut payment, &[failed("a")], 3);
    assert!(payment.state == State::Declined && payment.next_at.is_some());
    let mut taken_back = payment.clone();
    read(&mut payment, &[failed("a")], 30);
    assert_eq!(payment.next_at, None);
    let book = [transaction("a", Standing::Success, 100)];
    read(&mut taken_back, &book, 13);
    assert_eq!(
        (taken_back.state, taken_back.owed(&book, &[]).len()),
        (State::Declined, 1)
    );
}

#[test]
fn a_conflicting_capture_that_went_back_without_an_answer_is_noted() {
    let mut book = [transaction("a", Standing::Success, 99)];
    let mut payment = posted(1);
    read(&mut payment, &book, 1);
    book[0].cancelled = 99;
    read(&mut payment, &book, 40);
    assert_eq!(payment.owed(&book, &[])[0].amount, 0);
    assert!(payment.next_at.is_some());
    payment.refunded = payment.captured;
    read(&mut payment, &book, 50);
    assert_eq!((payment.owed(&book, &[]), payment.next_at), (vec![], None));
}

#[test]
fn nothing_is_proven_while_a_transaction_is_pending() {
    let book = [failed("a"), transaction("b", Standing::Pending, 100)];
    let mut payment = posted(2);
    read(&mut payment, &book, 3_600);
    assert_eq!(payment.state, State::Pending);
    let mut paid = posted(2);
    read(
        &mut paid,
        &[transaction("a", Standing::Success, 100), book[1].clone()],
        3_600,
    );
    assert!(paid.state == State::Captured && paid.next_at.is_some());
}

#[test]
fn an_attempt_posted_twice_is_looked_up_after_its_end_until_proven() {
    let book = [transaction("a", Standing::Success, 100)];
    let mut payment = posted(2);
    read(&mut payment, &book, 1);
    assert!(payment.state == State::Captured && payment.next_at.is_some());
    read(&mut payment, &book, 30);
    assert_eq!(payment.next_at, None);
    assert_eq!(captured().next_at, None);
}

#[test]
fn of_two_captures_one_pays_and_the_other_goes_back_once() {
    let mut book = [
        transaction("a", Standing::Success, 100),
        transaction("b", Standing::Success, 100),
    ];
    let mut payment = posted(2);
    read(&mut payment, &book, 31);
    let surplus = Owed {
        transaction_key: "b".to_owned(),
        amount: 100,
        refund: None,
    };
    assert_eq!(payment.owed(&book, &[]), [surplus]);
    assert!(payment.next_at.is_some());
    book[1].cancelled = 100;
    read(&mut payment, &book, 40);
    assert_eq!((payment.owed(&book, &[]), payment.next_at), (vec![], None));
}

#[test]
fn a_late_success_pays_nothing_and_goes_back() {
    let mut payment = posted(1);
    read(&mut payment, &[], 30);
    let book = [transaction("late", Standing::Success, 100)];
    read(&mut payment, &book, 60);
    assert_eq!((payment.state, payment.captured), (State::NotCharged, 0));
    assert_eq!(payment.owed(&book, &[]).len(), 1);
    assert!(payment.next_at.is_some());
}

#[test]
fn a_capture_of_another_amount_is_never_kept() {
    let book = [transaction("a", Standing::Success, 99)];
    let mut payment = posted(1);
    read(&mut payment, &book, 1);
    assert_eq!(
        (payment.state, payment.reason.as_str()),
        (State::Conflicted, "PAYMENT_AMOUNT_CONFLICT")
    );
    assert_eq!(payment.owed(&book, &[])[0].amount, 99);
    assert!(payment.promise(&refund("r", 99), &[], after(2)).is_err());
}

#[test]
fn an_answer_to_a_state_that_is_gone_changes_nothing() {
    let mut payment = captured();
    payment.posted(
        &Answer::Accepted {
            transaction_key: "a".to_owned(),
        },
        after(9),
        &Pace::default(),
        100,
    );
    payment.posted(&not_taken(), after(9), &Pace::default(), 100);
    assert_eq!(payment, captured());
}

#[test]
fn a_closed_attempt_is_not_posted_and_not_requested_again() {
    let mut waiting = queued();
    waiting.close();
    assert_eq!(
        (waiting.state, waiting.reason.as_str(), waiting.next_at),
        (State::NotCharged, "PAYMENT_CLOSED", None)
    );
    assert!(waiting.request_again("mina", 100, "").is_err());

    let mut sent = posted(1);
    sent.posted(&not_taken(), after(1), &Pace::default(), 100);
    sent.close();
    assert_eq!(read(&mut sent, &[], 2), Then::GiveBack);
    assert_eq!(sent.state, State::Unknown);
    read(&mut sent, &[], 30);
    assert_eq!(sent.state, State::NotCharged);
}

#[test]
fn a_request_repeated_is_the_same_only_with_the_same_amount_and_card() {
    let payment = queued();
    assert!(payment.request_again("mina", 100, "").is_ok());
    for (user_id, amount, card_token) in [("jun", 100, ""), ("mina", 101, ""), ("mina", 100, "other")] {
        let differs = PaymentRefusal::Differs {
            order_id: "order".to_owned(),
            attempt: 1,
        };
        assert_eq!(payment.request_again(user_id, amount, card_token), Err(differs));
    }
}

#[test]
fn refunds_never_exceed_the_capture_and_one_id_refunds_once() {
    let mut payment = captured();
    assert_eq!(payment.promise(&refund("r1", 60), &[], after(2)), Ok(true));
    let promised = [refund("r1", 60)];
    assert_eq!(payment.promise(&refund("r1", 60), &promised, after(2)), Ok(false));
    let differs = PaymentRefusal::RefundDiffers {
        refund_id: "r1".to_owned(),
    };
    assert_eq!(payment.promise(&refund("r1", 61), &promised, after(2)), Err(differs));
    let exceeds = PaymentRefusal::RefundExceedsCapture {
        captured: 100,
        refunded: 60,
    };
    assert_eq!(payment.promise(&refund("r2", 41), &promised, after(2)), Err(exceeds));
    assert_eq!(payment.promise(&refund("r2", 40), &promised, after(2)), Ok(true));
    payment.refund(60, true);
    assert_eq!(payment.state, State::Refunding);
    payment.refund(40, false);
    assert_eq!(payment.state, State::Refunded);
    let mut unpaid = posted(1);
    assert!(unpaid.promise(&refund("r", 1), &[], after(2)).is_err());
}

#[test]
fn what_the_gateway_cancelled_already_is_not_cancelled_again() {
    let payment = captured();
    let refunds = [refund("r1", 60), refund("r2", 30)];
    let amounts = |cancelled| {
        let book = [Transaction {
            cancelled,
            ..transaction("a", Standing::Success, 100)
        }];
        payment
            .owed(&book, &refunds)
            .iter()
            .map(|owed| owed.amount)
            .collect::<Vec<_>>()
    };
    assert_eq!(amounts(0), [60, 30]);
    assert_eq!(amounts(60), [0, 30]);
    assert_eq!(amounts(75), [0, 15]);
    assert_eq!(amounts(90), [0, 0]);
}

#[test]
fn a_cancellation_without_an_answer_is_waited_out() {
    let payment = Payment {
        cancelling_since: Some(after(10)),
        ..captured()
    };
    assert!(!payment.may_cancel(after(39), &Pace::default()));
    assert!(payment.may_cancel(after(40), &Pace::default()));
    assert!(captured().may_cancel(after(1), &Pace::default()));
}

#[test]
fn look_ups_come_soon_then_every_fifteen_seconds_and_after_an_hour_more_rarely() {
    let next = |second: u64| {
        let mut payment = posted(1);
        payment.unread(after(second), &Pace::default());
        payment.next_at.unwrap().duration_since(after(second)).as_secs()
    };
    assert_eq!(
        [next(0), next(10), next(20), next(60), next(3_600)],
        [10, 15, 10, 15, 15]
    );
    assert_eq!([next(7_200), next(86_400), next(864_000)], [30, 360, 600]);
}
