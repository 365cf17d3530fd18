//! The rules of a payment attempt: how it stands, what an order may still ask of it, and what is shown of it.

pub(crate) mod close_attempt;
mod drive_payment;
mod gateway_rules;
pub(crate) mod get_payment;
pub(crate) mod list_payments;
pub(crate) mod reconcile_day;
mod reconciliation;
pub(crate) mod records;
pub(crate) mod refund_payment;
pub(crate) mod request_payment;
pub(crate) mod resolve_payment;
mod return_money;
pub(crate) mod store;
pub(crate) mod sync_payment;

use jiff::Timestamp;
use kit::clock::to_proto;
use kit::money::Currency;
use kit::refusals;
use proto::event::v1 as event;
use proto::event::v1::event::Fact;
use proto::payment::v1 as contract;

pub use gateway_rules::Pace;

refusals! {
    /// Why a rule of payments said no.
    pub enum PaymentRefusal {
        /// There is no such attempt.
        NotFound { order_id: String, attempt: i32 } => NotFound "PAYMENT_NOT_FOUND",
            en "order {order_id} has no attempt {attempt}",
            ko "주문 {order_id} 의 결제 시도 {attempt} 을(를) 찾을 수 없습니다",
        /// Nothing is no amount to take or to give back.
        AmountZero {} => InvalidArgument "PAYMENT_AMOUNT_ZERO",
            en "the amount must be 1 or more",
            ko "금액은 1 이상이어야 합니다", field "amount",
        /// The order has given the attempt up.
        Closed { order_id: String, attempt: i32 } => FailedPrecondition "PAYMENT_CLOSED",
            en "attempt {attempt} of order {order_id} was closed",
            ko "주문 {order_id} 의 결제 시도 {attempt} 은(는) 취소되었습니다",
        /// The attempt was requested with another amount or card.
        Differs { order_id: String, attempt: i32 } => AlreadyExists "PAYMENT_DIFFERS",
            en "attempt {attempt} of order {order_id} was requested differently",
            ko "주문 {order_id} 의 결제 시도 {attempt} 의 내용이 다릅니다",
        /// Too many payments wait for the gateway.
        QueueFull { waiting: i64 } => ResourceExhausted "PAYMENT_QUEUE_FULL",
            en "{waiting} payments wait for the gateway already, try again later",
            ko "결제 대기 건수({waiting})가 너무 많습니다. 잠시 후 다시 시도해 주세요", retry 5_000,
        /// The attempt took no money.
        NotCaptured { order_id: String, attempt: i32 } => FailedPrecondition "PAYMENT_NOT_CAPTURED",
            en "attempt {attempt} of order {order_id} took no money",
            ko "주문 {order_id} 의 결제 시도 {attempt} 은(는) 승인되지 않았습니다",
        /// More would go back than was taken.
        RefundExceedsCapture { captured: i64, refunded: i64 } => FailedPrecondition "REFUND_EXCEEDS_CAPTURE",
            en "{captured} were taken and {refunded} of it are refunded or promised",
            ko "승인 금액은 {captured}, 환불되었거나 예정된 금액은 {refunded} 입니다",
        /// The refund was asked for with another amount.
        RefundDiffers { refund_id: String } => AlreadyExists "REFUND_DIFFERS",
            en "refund {refund_id} is of another amount",
            ko "환불 {refund_id} 의 금액이 다릅니다",
        /// What it took pays an order; it goes back with all that the order took, or not at all.
        PaysOrder { order_id: String, attempt: i32 } => FailedPrecondition "PAYMENT_PAYS_ORDER",
            en "attempt {attempt} pays order {order_id}, compensate its checkout instead",
            ko "결제 시도 {attempt} 은(는) 주문 {order_id} 의 결제입니다. 주문을 취소해 주세요",
        /// The gateway does not answer.
        GatewayUnavailable {} => Unavailable "GATEWAY_UNAVAILABLE",
            en "the payment gateway does not answer",
            ko "결제 게이트웨이가 응답하지 않습니다", retry 10_000,
    }
}

refusals! {
    /// Why an attempt ended without paying, as its `reason`; no call is refused with these.
    pub enum PaymentEnd {
        /// The card's limit does not allow it.
        LimitExceeded {} => FailedPrecondition "PAYMENT_LIMIT_EXCEEDED",
            en "the card's limit is exceeded",
            ko "카드 한도를 초과했습니다",
        /// The card is not valid.
        CardInvalid {} => FailedPrecondition "PAYMENT_CARD_INVALID",
            en "the card is not valid",
            ko "유효하지 않은 카드입니다",
        /// The gateway said no for a reason of its own.
        Declined {} => FailedPrecondition "PAYMENT_DECLINED",
            en "the payment was declined",
            ko "결제가 거절되었습니다",
        /// It is proven that the gateway took nothing.
        NotCharged {} => Unavailable "PAYMENT_NOT_CHARGED",
            en "the gateway took no payment",
            ko "결제가 처리되지 않았습니다",
        /// The gateway took another amount than was asked for.
        AmountConflict {} => Internal "PAYMENT_AMOUNT_CONFLICT",
            en "another amount was taken; it goes back",
            ko "다른 금액이 승인되어 환불됩니다",
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

/// One attempt to take money for an order; the order numbers its attempts. Amounts are minor units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Payment {
    pub(crate) order_id: String,
    pub(crate) attempt: i32,
    pub(crate) user_id: String,
    pub(crate) amount: i64,
    pub(crate) card_token: String,
    pub(crate) last_four: String,
    pub(crate) state: State,
    pub(crate) reason: String,
    pub(crate) captured: i64,
    pub(crate) refunded: i64,
    /// The transaction that captured; empty before.
    pub(crate) transaction_key: String,
    /// POSTs, each counted before its first byte.
    pub(crate) posts: i32,
    pub(crate) last_post_at: Option<Timestamp>,
    /// The last POST stored nothing, as the gateway says.
    pub(crate) repeatable: bool,
    /// No POST may follow.
    pub(crate) closed: bool,
    /// Since when a cancellation is without an answer.
    pub(crate) cancelling_since: Option<Timestamp>,
    pub(crate) version: i64,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    /// When the driver goes on; `None`: nothing is open.
    pub(crate) next_at: Option<Timestamp>,
}

/// Money that was promised to go back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refund {
    pub(crate) refund_id: String,
    /// Minor units.
    pub(crate) amount: i64,
    pub(crate) why: String,
    pub(crate) done: bool,
}

impl State {
    pub(crate) const ALL: [Self; 12] = [
        Self::Queued,
        Self::Requested,
        Self::Pending,
        Self::Unknown,
        Self::Captured,
        Self::Declined,
        Self::NotCharged,
        Self::Conflicted,
        Self::Refunding,
        Self::PartiallyRefunded,
        Self::Refunded,
        Self::Closed,
    ];

    /// Whether it is still open if money is taken.
    pub(crate) fn is_open(self) -> bool {
        matches!(self, Self::Queued | Self::Requested | Self::Pending | Self::Unknown)
    }

    /// Whether money was taken that pays the order, even if it has gone back.
    pub(crate) fn has_captured(self) -> bool {
        matches!(
            self,
            Self::Captured | Self::Refunding | Self::PartiallyRefunded | Self::Refunded
        )
    }

    fn shown(self) -> contract::PaymentState {
        match self {
            Self::Queued => contract::PaymentState::Queued,
            Self::Requested => contract::PaymentState::Requested,
            Self::Pending => contract::PaymentState::Pending,
            Self::Unknown => contract::PaymentState::Unknown,
            Self::Captured => contract::PaymentState::Captured,
            Self::Declined => contract::PaymentState::Declined,
            Self::NotCharged => contract::PaymentState::NotCharged,
            Self::Conflicted => contract::PaymentState::Conflicted,
            Self::Refunding => contract::PaymentState::Refunding,
            Self::PartiallyRefunded => contract::PaymentState::PartiallyRefunded,
            Self::Refunded => contract::PaymentState::Refunded,
            Self::Closed => contract::PaymentState::Closed,
        }
    }
}

impl Payment {
    /// An attempt of an order that waits for its turn at the gateway.
    pub(crate) fn queued(order_id: String, attempt: i32, user_id: String, amount: i64, now: Timestamp) -> Self {
        Self {
            order_id,
            attempt,
            user_id,
            amount,
            card_token: String::new(),
            last_four: String::new(),
            state: State::Queued,
            reason: String::new(),
            captured: 0,
            refunded: 0,
            transaction_key: String::new(),
            posts: 0,
            last_post_at: None,
            repeatable: false,
            closed: false,
            cancelling_since: None,
            version: 1,
            created_at: now,
            updated_at: now,
            next_at: Some(now),
        }
    }

    /// What refuses a request that is still on its way.
    pub(crate) fn tombstone(order_id: String, attempt: i32, user_id: String, now: Timestamp) -> Self {
        let queued = Self::queued(order_id, attempt, user_id, 0, now);
        Self {
            state: State::Closed,
            closed: true,
            next_at: None,
            ..queued
        }
    }

    /// The id of this attempt at the gateway.
    pub(crate) fn gateway_id(&self) -> String {
        format!("{}.{}", self.order_id, self.attempt)
    }

    /// The subject of its facts.
    pub(crate) fn subject(&self) -> String {
        format!("payment/{}", self.gateway_id())
    }

    /// Asks for the same attempt once more; `Ok` means already so.
    pub(crate) fn request_again(&self, user_id: &str, amount: i64, card_token: &str) -> Result<(), PaymentRefusal> {
        let (order_id, attempt) = (self.order_id.clone(), self.attempt);
        if self.closed {
            return Err(PaymentRefusal::Closed { order_id, attempt });
        }
        let same = self.user_id == user_id && self.amount == amount && self.card_token == card_token;
        if same {
            Ok(())
        } else {
            Err(PaymentRefusal::Differs { order_id, attempt })
        }
    }

    /// The order gives it up: nothing is sent any more, and what was not sent ends here.
    pub(crate) fn close(&mut self) {
        self.closed = true;
        if self.state == State::Queued {
            self.state = State::NotCharged;
            "PAYMENT_CLOSED".clone_into(&mut self.reason);
            self.next_at = None;
        }
    }

    /// Promises a refund; `false` means promised before.
    pub(crate) fn promise(
        &mut self,
        refund: &Refund,
        refunds: &[Refund],
        now: Timestamp,
    ) -> Result<bool, PaymentRefusal> {
        if let Some(earlier) = refunds.iter().find(|earlier| earlier.refund_id == refund.refund_id) {
            let refund_id = refund.refund_id.clone();
            let same = earlier.amount == refund.amount;
            return if same {
                Ok(false)
            } else {
                Err(PaymentRefusal::RefundDiffers { refund_id })
            };
        }
        if !self.state.has_captured() {
            let (order_id, attempt) = (self.order_id.clone(), self.attempt);
            return Err(PaymentRefusal::NotCaptured { order_id, attempt });
        }
        let promised: i64 = refunds.iter().map(|refund| refund.amount).sum();
        if refund.amount > self.captured - promised {
            return Err(PaymentRefusal::RefundExceedsCapture {
                captured: self.captured,
                refunded: promised,
            });
        }
        self.state = State::Refunding;
        self.next_at = Some(now);
        Ok(true)
    }

    /// Whether what it took is to go back, or has: what pays an order goes back with the order.
    pub(crate) fn owes_its_capture(&self) -> Result<(), PaymentRefusal> {
        let (order_id, attempt) = (self.order_id.clone(), self.attempt);
        match self.state {
            State::Conflicted | State::Refunding | State::Refunded => Ok(()),
            State::Captured | State::PartiallyRefunded => Err(PaymentRefusal::PaysOrder { order_id, attempt }),
            _ => Err(PaymentRefusal::NotCaptured { order_id, attempt }),
        }
    }

    /// The money of a refund is back.
    pub(crate) fn refund(&mut self, amount: i64, others_due: bool) {
        self.refunded += amount;
        self.state = match (self.refunded == self.captured, others_due) {
            (true, _) => State::Refunded,
            (false, true) => State::Refunding,
            (false, false) => State::PartiallyRefunded,
        };
    }

    /// As the contract shows it.
    pub(crate) fn shown(&self, currency: &Currency) -> contract::Payment {
        contract::Payment {
            order_id: self.order_id.clone(),
            attempt: self.attempt,
            user_id: self.user_id.clone(),
            amount: Some(currency.money(self.amount)),
            captured: Some(currency.money(self.captured)),
            refunded: Some(currency.money(self.refunded)),
            state: self.state.shown().into(),
            reason: self.reason.clone(),
            card_last_four: self.last_four.clone(),
            created_at: Some(to_proto(self.created_at)),
            updated_at: Some(to_proto(self.updated_at)),
        }
    }

    /// As facts tell it.
    pub(crate) fn told(&self, currency: &Currency) -> event::PaymentSnapshot {
        event::PaymentSnapshot {
            order_id: self.order_id.clone(),
            attempt: self.attempt,
            user_id: self.user_id.clone(),
            amount: Some(currency.money(self.amount)),
            captured: Some(currency.money(self.captured)),
            refunded: Some(currency.money(self.refunded)),
            reason: self.reason.clone(),
            card_last_four: self.last_four.clone(),
        }
    }

    /// The fact of having come into its state; refunds have facts of their own, and some states tell nobody.
    pub(crate) fn fact(&self, currency: &Currency) -> Option<Fact> {
        let payment = Some(self.told(currency));
        match self.state {
            State::Queued => Some(Fact::PaymentRequested(event::PaymentRequested { payment })),
            State::Pending => Some(Fact::PaymentPending(event::PaymentPending { payment })),
            State::Captured => Some(Fact::PaymentCaptured(event::PaymentCaptured { payment })),
            State::Declined => Some(Fact::PaymentDeclined(event::PaymentDeclined { payment })),
            State::NotCharged => Some(Fact::PaymentNotCharged(event::PaymentNotCharged { payment })),
            State::Conflicted => Some(Fact::PaymentConflicted(event::PaymentConflicted { payment })),
            State::Closed => Some(Fact::PaymentClosed(event::PaymentClosed { payment })),
            State::Requested | State::Unknown | State::Refunding | State::PartiallyRefunded | State::Refunded => None,
        }
    }
}

#[cfg(test)]
mod tests;
