//! The rows of an order and its checkout, as `order.rs` and `leases.rs` have them, and what facts do to them
//! (`reactions.rs`).

use crate::Defect;
use crate::payment::{Fact, Told};
use crate::protocol::{Checkouts, State};

/// How an order stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OrderState {
    /// PLACED.
    #[default]
    Placed,
    /// AWAITING_PAYMENT.
    AwaitingPayment,
    /// PAID.
    Paid,
    /// REFUNDING.
    Refunding,
    /// CANCELLED.
    Cancelled,
    /// EXPIRED.
    Expired,
}

/// The order's row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Order {
    /// How it stands.
    pub state: OrderState,
    /// The last attempt to pay, from 1; 0 before.
    pub attempt: u8,
    /// It is not known to have ended.
    pub attempt_open: bool,
    /// `paid_at` is set.
    pub paid: bool,
}

/// What a checkout does next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// TAKE.
    #[default]
    Take,
    /// PAY.
    Pay,
    /// AWAIT.
    Await,
    /// SETTLE.
    Settle,
    /// REST.
    Rest,
}

/// Where a checkout goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// FORWARD.
    #[default]
    Forward,
    /// UNDO.
    Undo,
}

/// When a worker goes on: `next_at`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Due {
    /// As soon as one is free.
    #[default]
    Now,
    /// When the order's time is up.
    AtExpiry,
    /// Not before something happens.
    Never,
}

/// The checkout's row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Checkout {
    /// What is next.
    pub step: Step,
    /// Where to.
    pub direction: Direction,
    /// When.
    pub due: Due,
    /// `leased_until` lies ahead.
    pub leased: bool,
}

/// A row of `refunds_due`, for an attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RefundDue {
    /// The row is there.
    pub noted: bool,
    /// The payment service was asked.
    pub requested: bool,
    /// The money is back.
    pub done: bool,
}

impl Order {
    /// Whether its time is up; never while an attempt is open.
    pub(crate) fn is_overdue(&self, time_up: bool) -> bool {
        matches!(self.state, OrderState::Placed | OrderState::AwaitingPayment) && !self.attempt_open && time_up
    }

    /// Whether nothing may change it any more.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.state, OrderState::Cancelled | OrderState::Expired)
    }

    /// The attempt ended without money; `false` if that is known, or it is not the last one.
    fn end_attempt(&mut self, attempt: u8, defect: Option<Defect>) -> bool {
        let last = self.attempt == attempt || defect == Some(Defect::AnyAttempt);
        let ends = self.attempt_open && last;
        self.attempt_open &= !ends;
        ends
    }

    fn pay(&mut self) {
        self.state = OrderState::Paid;
        self.attempt_open = false;
        self.paid = true;
    }
}

impl State {
    /// Under a new token: whoever works on the checkout saves no more.
    fn hand_over(&mut self) {
        self.checkout.leased = false;
        for worker in &mut self.workers {
            worker.holds = false;
        }
    }

    /// `CancelOrder`.
    pub(crate) fn cancel_order(&mut self) {
        match self.order.state {
            OrderState::Placed | OrderState::AwaitingPayment => {
                self.order.state = OrderState::Cancelled;
                self.checkout.direction = Direction::Undo;
            }
            OrderState::Paid => {
                self.order.state = OrderState::Refunding;
                // stock that is half committed cannot be returned: a paid order first goes forward to its end
                if self.checkout.step == Step::Rest {
                    self.checkout.step = Step::Settle;
                    self.checkout.direction = Direction::Undo;
                    self.note_refund(self.order.attempt);
                }
            }
            OrderState::Refunding | OrderState::Cancelled | OrderState::Expired => return,
        }
        self.checkout.due = Due::Now;
        self.hand_over();
    }

    /// `PayOrder`, where the order may be paid.
    pub(crate) fn pay_order(&mut self) {
        self.order.attempt += 1;
        self.order.attempt_open = true;
        self.checkout.step = Step::Pay;
        self.checkout.due = Due::Now;
        self.hand_over();
    }

    /// Whether `PayOrder` opens another attempt.
    pub(crate) fn may_pay(&self, attempts_max: u8) -> bool {
        self.order.state == OrderState::AwaitingPayment
            && !self.order.attempt_open
            && !self.order.is_overdue(self.time_up)
            && self.order.attempt < attempts_max
    }

    /// Notes that an attempt's money goes back; noted twice, it goes back once.
    pub(crate) fn note_refund(&mut self, attempt: u8) {
        self.refunds[usize::from(attempt) - 1].noted = true;
    }

    /// Whether a refund is noted that is not done.
    pub(crate) fn has_open_refund(&self) -> bool {
        self.refunds.iter().any(|refund| refund.noted && !refund.done)
    }

    /// A fact of an attempt arrives, for the first time or once more. The inbox applies each once; the protocol is to
    /// hold without it.
    pub(crate) fn react(&mut self, attempt: u8, fact: Fact, model: &Checkouts) {
        match fact {
            Fact::Captured => self.react_to_capture(attempt, model.defect),
            Fact::Ended => self.react_to_end(attempt, model.defect),
            Fact::Refunded | Fact::ConflictRefunded => self.react_to_refund(attempt, fact),
        }
    }

    /// The pivot: the order is paid by this very attempt, or the money goes back.
    fn react_to_capture(&mut self, attempt: u8, defect: Option<Defect>) {
        let last = self.order.attempt == attempt;
        let awaits = match defect {
            Some(Defect::LateCapturePays) => self.order.state != OrderState::Paid,
            _ => self.order.state == OrderState::AwaitingPayment,
        };
        if awaits && last && self.order.attempt_open {
            self.order.pay();
            self.checkout.step = Step::Settle;
            if defect == Some(Defect::LateCapturePays) {
                self.checkout.direction = Direction::Forward;
            }
        } else if last && self.order.paid {
            return;
        } else {
            if self.order.has_ended() {
                self.order.end_attempt(attempt, defect);
            }
            if defect != Some(Defect::LateCaptureIsKept) {
                self.note_refund(attempt);
            }
        }
        self.checkout.due = Due::Now;
        self.hand_over();
    }

    /// No money was taken: the order may be paid by another attempt until its time is up.
    fn react_to_end(&mut self, attempt: u8, defect: Option<Defect>) {
        if !self.order.end_attempt(attempt, defect) || self.order.state != OrderState::AwaitingPayment {
            return;
        }
        self.checkout.step = Step::Await;
        self.checkout.due = Due::AtExpiry;
        self.hand_over();
    }

    /// An order that waits for its refund goes on.
    fn react_to_refund(&mut self, attempt: u8, fact: Fact) {
        let refund = &mut self.refunds[usize::from(attempt) - 1];
        // the refund of another amount has an id that nobody noted
        refund.done |= refund.noted && fact == Fact::Refunded;
        if self.checkout.direction == Direction::Forward || self.checkout.step == Step::Rest {
            return;
        }
        self.checkout.due = Due::Now;
        self.hand_over();
    }

    /// The relay brings a fact; `None` if it has none to bring, or not yet.
    pub(crate) fn deliver(&mut self, attempt: usize, of_refund: bool, again: bool, model: &Checkouts) -> Option<()> {
        let row = &mut self.attempts[attempt];
        // facts of one attempt come in order
        let told = match (of_refund, row.end) {
            (true, Told::Waiting(_)) => return None,
            (true, _) => &mut row.back,
            (false, _) => &mut row.end,
        };
        let fact = match *told {
            Told::Waiting(fact) if !again => fact,
            Told::Delivered(fact) if again => fact,
            _ => return None,
        };
        *told = Told::Delivered(fact);
        self.react(attempt as u8 + 1, fact, model);
        Some(())
    }
}
