//! The rules of a payment attempt: what the gateway's words make of it, and what may still be asked.

pub(crate) mod close_attempt;
pub(crate) mod driver;
pub(crate) mod refund_payment;
pub(crate) mod request_payment;
pub(crate) mod store;
pub(crate) mod sync_payment;

use std::time::Duration;

use jiff::Timestamp;
use kit::clock::to_proto;
use kit::money::Currency;
use kit::refusals;
use proto::event::v1::PaymentSnapshot;
use proto::payment::v1 as contract;

use crate::card_gateway::{Standing, Transaction};

refusals! {
    /// Why a rule of payments said no.
    pub enum PaymentRefusal {
        /// There is no such attempt.
        NotFound { order_id: String, attempt: i32 } => NotFound "PAYMENT_NOT_FOUND",
            en "order {order_id} has no attempt {attempt}",
            ko "주문 {order_id} 의 결제 시도 {attempt} 을(를) 찾을 수 없습니다",
        /// The attempt was closed before it was requested.
        Closed { order_id: String, attempt: i32 } => FailedPrecondition "PAYMENT_CLOSED",
            en "attempt {attempt} of order {order_id} was closed",
            ko "주문 {order_id} 의 결제 시도 {attempt} 은(는) 취소되었습니다",
        /// The attempt was requested with another amount or card.
        Differs { order_id: String, attempt: i32 } => AlreadyExists "PAYMENT_DIFFERS",
            en "attempt {attempt} of order {order_id} was requested differently",
            ko "주문 {order_id} 의 결제 시도 {attempt} 의 내용이 다릅니다",
        /// The attempt took no money.
        NotCaptured { order_id: String, attempt: i32 } => FailedPrecondition "PAYMENT_NOT_CAPTURED",
            en "attempt {attempt} of order {order_id} took no money",
            ko "주문 {order_id} 의 결제 시도 {attempt} 은(는) 승인되지 않았습니다",
        /// More would go back than was taken.
        RefundExceedsCapture { requested: i64, refundable: i64 } => FailedPrecondition "REFUND_EXCEEDS_CAPTURE",
            en "{requested} were to be refunded, {refundable} can be",
            ko "환불 요청액 {requested} 이(가) 환불 가능액 {refundable} 을(를) 초과합니다",
        /// The refund was made of another amount.
        RefundDiffers { refund_id: String } => AlreadyExists "REFUND_DIFFERS",
            en "refund {refund_id} is of another amount or attempt",
            ko "환불 {refund_id} 의 내용이 다릅니다",
    }
}

/// How an attempt stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Queued,
    Requested,
    Pending,
    Unknown,
    Captured,
    Declined,
    NotCharged,
    Conflicted,
    Refunding,
    PartiallyRefunded,
    Refunded,
    Closed,
}

const NAMES: [(State, &str, contract::PaymentState); 12] = [
    (State::Queued, "QUEUED", contract::PaymentState::Queued),
    (State::Requested, "REQUESTED", contract::PaymentState::Requested),
    (State::Pending, "PENDING", contract::PaymentState::Pending),
    (State::Unknown, "UNKNOWN", contract::PaymentState::Unknown),
    (State::Captured, "CAPTURED", contract::PaymentState::Captured),
    (State::Declined, "DECLINED", contract::PaymentState::Declined),
    (State::NotCharged, "NOT_CHARGED", contract::PaymentState::NotCharged),
    (State::Conflicted, "CONFLICTED", contract::PaymentState::Conflicted),
    (State::Refunding, "REFUNDING", contract::PaymentState::Refunding),
    (
        State::PartiallyRefunded,
        "PARTIALLY_REFUNDED",
        contract::PaymentState::PartiallyRefunded,
    ),
    (State::Refunded, "REFUNDED", contract::PaymentState::Refunded),
    (State::Closed, "CLOSED", contract::PaymentState::Closed),
];

/// One attempt to take money for an order; the order numbers its attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Payment {
    pub order_id: String,
    pub attempt: i32,
    pub user_id: String,
    pub amount: i64,
    pub card_token: String,
    pub last_four: String,
    pub state: State,
    pub reason: String,
    pub captured: i64,
    pub refunded: i64,
    pub transaction_key: String,
    pub posts: i32,
    pub last_post_at: Timestamp,
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub looks: i32,
}

/// What the gateway's book says of an attempt whose outcome is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Money was taken by this transaction.
    Captured(Transaction),
    /// Money was taken, but not this amount.
    Conflicted(Transaction),
    /// Every POST is accounted for, and all were declined.
    Declined { reason: String },
    /// No POST ever arrived.
    NotCharged,
    /// The gateway works on it.
    Pending,
    /// Not proven yet.
    Open,
}

impl State {
    pub fn name(self) -> &'static str {
        NAMES[self as usize].1
    }

    pub fn from_name(name: &str) -> Option<Self> {
        NAMES
            .iter()
            .find(|(_, known, _)| *known == name)
            .map(|(state, _, _)| *state)
    }

    /// Whether it is still open if money is taken.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Queued | Self::Requested | Self::Pending | Self::Unknown)
    }

    /// Whether money was taken for the order, even if it has gone back.
    pub fn has_captured(self) -> bool {
        matches!(
            self,
            Self::Captured | Self::Refunding | Self::PartiallyRefunded | Self::Refunded
        )
    }
}

impl Payment {
    /// An attempt of which nothing is known but how it stands.
    pub fn new(state: State, now: Timestamp) -> Self {
        Self {
            order_id: String::new(),
            attempt: 0,
            user_id: String::new(),
            amount: 0,
            card_token: String::new(),
            last_four: String::new(),
            state,
            reason: String::new(),
            captured: 0,
            refunded: 0,
            transaction_key: String::new(),
            posts: 0,
            last_post_at: Timestamp::UNIX_EPOCH,
            version: 1,
            created_at: now,
            updated_at: now,
            looks: 0,
        }
    }

    /// The id of this attempt at the gateway.
    pub fn gateway_id(&self) -> String {
        format!("{}.{}", self.order_id, self.attempt)
    }

    /// The subject of its events.
    pub fn subject(&self) -> String {
        format!("payment/{}", self.gateway_id())
    }

    /// What the book, asked at `asked_at`, says. An absence is proof only if the last POST is so long ago that it would be in it.
    pub fn judge(&self, book: &[Transaction], asked_at: Timestamp, proven_after: Duration) -> Verdict {
        if let Some(taken) = book
            .iter()
            .find(|transaction| transaction.standing == Standing::Success)
        {
            let taken = taken.clone();
            return if taken.amount == self.amount {
                Verdict::Captured(taken)
            } else {
                Verdict::Conflicted(taken)
            };
        }
        if book.iter().any(|transaction| transaction.standing == Standing::Pending) {
            return Verdict::Pending;
        }
        let accounted_for = self.accounts_for(book) || self.proven(asked_at, proven_after);
        match book.last() {
            Some(declined) if accounted_for => Verdict::Declined {
                reason: declined.reason.clone(),
            },
            None if self.proven(asked_at, proven_after) => Verdict::NotCharged,
            _ => Verdict::Open,
        }
    }

    /// Whether an ended attempt must be looked up again, since a POST of it may still turn up in the book.
    pub fn look_again(&self, book: &[Transaction], asked_at: Timestamp, proven_after: Duration) -> bool {
        let pending = book.iter().any(|transaction| transaction.standing == Standing::Pending);
        pending || !(self.accounts_for(book) || self.proven(asked_at, proven_after))
    }

    /// Money in the book that pays nothing, and what of it has not gone back.
    pub fn surplus<'a>(&self, book: &'a [Transaction]) -> impl Iterator<Item = (&'a Transaction, i64)> {
        let (paid_by, captured) = (self.transaction_key.clone(), self.state.has_captured());
        let taken = book
            .iter()
            .filter(|transaction| transaction.standing == Standing::Success);
        taken.filter_map(move |transaction| {
            let pays = captured && transaction.transaction_key == paid_by;
            let left = transaction.amount - transaction.cancelled;
            (!pays && left > 0).then_some((transaction, left))
        })
    }

    /// Refuses a refund of more than is left.
    pub fn check_refund(&self, amount: i64, promised: i64) -> Result<(), PaymentRefusal> {
        if !self.state.has_captured() {
            return Err(PaymentRefusal::NotCaptured {
                order_id: self.order_id.clone(),
                attempt: self.attempt,
            });
        }
        let refundable = self.captured - promised;
        if amount > refundable {
            return Err(PaymentRefusal::RefundExceedsCapture {
                requested: amount,
                refundable,
            });
        }
        Ok(())
    }

    /// Money has gone back.
    pub fn refund(&mut self, amount: i64, others_due: bool) {
        self.refunded += amount;
        self.state = match (self.refunded == self.captured, others_due) {
            (true, _) => State::Refunded,
            (false, true) => State::Refunding,
            (false, false) => State::PartiallyRefunded,
        };
    }

    fn accounts_for(&self, book: &[Transaction]) -> bool {
        i32::try_from(book.len()).is_ok_and(|transactions| transactions >= self.posts) && self.posts > 0
    }

    fn proven(&self, asked_at: Timestamp, after: Duration) -> bool {
        self.posts == 0 || asked_at >= self.last_post_at + after
    }

    /// As the contract shows it.
    pub fn shown(&self, currency: &Currency) -> Option<contract::Payment> {
        Some(contract::Payment {
            order_id: self.order_id.clone(),
            attempt: self.attempt,
            user_id: self.user_id.clone(),
            amount: Some(currency.money(self.amount)),
            captured: Some(currency.money(self.captured)),
            refunded: Some(currency.money(self.refunded)),
            state: NAMES[self.state as usize].2.into(),
            reason: self.reason.clone(),
            card_last_four: self.last_four.clone(),
            created_at: Some(to_proto(self.created_at)),
            updated_at: Some(to_proto(self.updated_at)),
        })
    }

    /// As events tell it.
    pub fn told(&self, currency: &Currency) -> Option<PaymentSnapshot> {
        Some(PaymentSnapshot {
            order_id: self.order_id.clone(),
            attempt: self.attempt,
            user_id: self.user_id.clone(),
            amount: Some(currency.money(self.amount)),
            captured: Some(currency.money(self.captured)),
            refunded: Some(currency.money(self.refunded)),
            reason: self.reason.clone(),
            card_last_four: self.last_four.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROVEN_AFTER: Duration = Duration::from_secs(30);

    fn attempt(posts: i32) -> Payment {
        Payment {
            order_id: "order".to_owned(),
            attempt: 1,
            amount: 100,
            posts,
            ..Payment::new(State::Unknown, Timestamp::UNIX_EPOCH)
        }
    }

    fn transaction(key: &str, standing: Standing, amount: i64) -> Transaction {
        Transaction {
            transaction_key: key.to_owned(),
            standing,
            reason: "limit".to_owned(),
            amount,
            cancelled: 0,
        }
    }

    fn after(seconds: u64) -> Timestamp {
        Timestamp::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn an_empty_answer_proves_nothing_before_the_thirty_seconds_are_over() {
        assert_eq!(attempt(1).judge(&[], after(29), PROVEN_AFTER), Verdict::Open);
        assert_eq!(attempt(1).judge(&[], after(30), PROVEN_AFTER), Verdict::NotCharged);
    }

    #[test]
    fn declined_only_when_every_post_is_accounted_for() {
        let failed = [transaction("a", Standing::Failed, 100)];
        let declined = Verdict::Declined {
            reason: "limit".to_owned(),
        };
        assert_eq!(attempt(1).judge(&failed, after(1), PROVEN_AFTER), declined);
        assert_eq!(attempt(2).judge(&failed, after(1), PROVEN_AFTER), Verdict::Open);
        assert_eq!(attempt(2).judge(&failed, after(30), PROVEN_AFTER), declined);
    }

    #[test]
    fn nothing_is_proven_while_a_transaction_is_pending() {
        let book = [
            transaction("a", Standing::Failed, 100),
            transaction("b", Standing::Pending, 100),
        ];
        assert_eq!(attempt(2).judge(&book, after(60), PROVEN_AFTER), Verdict::Pending);
        assert!(attempt(2).look_again(&book, after(60), PROVEN_AFTER));
    }

    #[test]
    fn a_wrong_amount_is_a_conflict_and_goes_back() {
        let book = [transaction("a", Standing::Success, 99)];
        assert_eq!(
            attempt(1).judge(&book, after(1), PROVEN_AFTER),
            Verdict::Conflicted(book[0].clone())
        );
        let conflicted = Payment {
            state: State::Conflicted,
            transaction_key: "a".to_owned(),
            ..attempt(1)
        };
        assert_eq!(
            conflicted.surplus(&book).map(|(_, left)| left).collect::<Vec<_>>(),
            [99]
        );
    }

    #[test]
    fn of_two_captures_one_pays_and_the_other_goes_back_once() {
        let mut book = [
            transaction("a", Standing::Success, 100),
            transaction("b", Standing::Success, 100),
        ];
        let captured = Payment {
            state: State::Captured,
            transaction_key: "a".to_owned(),
            captured: 100,
            ..attempt(2)
        };
        assert_eq!(
            captured
                .surplus(&book)
                .map(|(surplus, left)| (surplus.transaction_key.as_str(), left))
                .collect::<Vec<_>>(),
            [("b", 100)]
        );
        book[1].cancelled = 100;
        assert_eq!(captured.surplus(&book).count(), 0);
    }

    #[test]
    fn an_attempt_posted_twice_is_looked_up_again_until_proven() {
        let book = [transaction("a", Standing::Success, 100)];
        assert!(attempt(2).look_again(&book, after(29), PROVEN_AFTER));
        assert!(!attempt(2).look_again(&book, after(30), PROVEN_AFTER));
        assert!(!attempt(1).look_again(&book, after(1), PROVEN_AFTER));
    }

    #[test]
    fn refunds_never_exceed_the_capture() {
        let mut captured = Payment {
            state: State::Captured,
            captured: 100,
            ..attempt(1)
        };
        assert!(captured.check_refund(60, 0).is_ok());
        assert!(captured.check_refund(60, 60).is_err());
        captured.refund(60, false);
        assert_eq!(captured.state, State::PartiallyRefunded);
        captured.refund(40, false);
        assert_eq!(captured.state, State::Refunded);
        assert!(attempt(1).check_refund(1, 0).is_err());
    }

    #[test]
    fn names_lead_back_to_what_they_name() {
        for (state, name, _) in NAMES {
            assert_eq!((State::from_name(name), state.name()), (Some(state), name));
        }
    }
}
