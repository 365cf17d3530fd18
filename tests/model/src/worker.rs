//! A worker of checkouts, as `checkout.rs` has it: one step between two of its saves or calls.

use crate::Defect;
use crate::holding::No;
use crate::order::{Checkout, Direction, Due, Order, OrderState, Step};
use crate::protocol::{ATTEMPTS, Checkouts, State};

/// A call to another service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// ReserveStock.
    ReserveStock,
    /// HoldPoints; RedeemCoupon is its like.
    HoldPoints,
    /// CommitStock.
    CommitStock,
    /// SettlePoints.
    SettlePoints,
    /// ReleaseStock.
    ReleaseStock,
    /// ReleasePoints; RestoreCoupon is its like.
    ReleasePoints,
    /// ReturnStock.
    ReturnStock,
    /// RefundPoints.
    RefundPoints,
    /// RequestPayment of an attempt, from 0.
    RequestPayment(u8),
    /// CloseAttempt.
    CloseAttempt(u8),
    /// RefundPayment.
    RefundPayment(u8),
}

/// What the world does to a worker's next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum How {
    /// It is done, and the answer comes.
    Done,
    /// The service refuses for a reason of its own: sold out, too few points, a card that is gone.
    Refused,
    /// It is done, and the answer is lost.
    Unanswered,
    /// It is given up, and arrives later; at the very end is as good as never.
    Late,
    /// It is done, and arrives a second time later.
    Twice,
}

/// What a worker does next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Doing {
    /// It has no checkout.
    #[default]
    Nothing,
    /// It has the lease and is about to read the order.
    Load,
    /// RefundPayment of what is due.
    Refund,
    /// ReserveStock.
    Reserve,
    /// HoldPoints.
    Hold,
    /// The order awaits its payment.
    SaveTaken,
    /// The order is refused: that it turns is to be saved.
    SaveRefused,
    /// RequestPayment.
    Request,
    /// That RequestPayment was refused is to be saved.
    SaveNoPayment,
    /// CloseAttempt of a refused request.
    Close,
    /// SettlePoints.
    SettlePoints,
    /// CommitStock.
    CommitStock,
    /// A settled order that is to be given back turns.
    SaveTurn,
    /// The order was not paid in time: that it turns is to be saved.
    SaveExpired,
    /// CloseAttempt, of an order that is over.
    UndoAttempt,
    /// ReleasePoints or RefundPoints.
    UndoPoints,
    /// ReleaseStock or ReturnStock.
    UndoStock,
    /// A paid order has ended, once its refunds are done.
    SaveRefunded,
    /// Nothing to do until something happens.
    SaveRest(Step),
    /// Something failed: try again later.
    Postpone,
}

/// One worker, in one process or another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Worker {
    /// Its next step.
    pub doing: Doing,
    /// Its token is the row's.
    pub holds: bool,
    /// A call of this step has failed.
    pub failed: bool,
    /// The order as it was read.
    pub order: Order,
    /// The checkout's step as it was taken.
    pub step: Step,
    /// The checkout's direction as it was taken.
    pub direction: Direction,
    /// Attempts whose refund is still to be asked for.
    pub refunds: u8,
}

impl Call {
    /// Its bit in the set of calls on the wire.
    pub(crate) fn bit(self) -> u32 {
        match self {
            Self::ReserveStock => 0,
            Self::HoldPoints => 1,
            Self::CommitStock => 2,
            Self::SettlePoints => 3,
            Self::ReleaseStock => 4,
            Self::ReleasePoints => 5,
            Self::ReturnStock => 6,
            Self::RefundPoints => 7,
            Self::RequestPayment(attempt) => 8 + u32::from(attempt),
            Self::CloseAttempt(attempt) => 10 + u32::from(attempt),
            Self::RefundPayment(attempt) => 12 + u32::from(attempt),
        }
    }

    /// Every call there is.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let plain = [
            Self::ReserveStock,
            Self::HoldPoints,
            Self::CommitStock,
            Self::SettlePoints,
            Self::ReleaseStock,
            Self::ReleasePoints,
            Self::ReturnStock,
            Self::RefundPoints,
        ];
        let of_attempt = |attempt| {
            [
                Self::RequestPayment(attempt),
                Self::CloseAttempt(attempt),
                Self::RefundPayment(attempt),
            ]
        };
        plain.into_iter().chain((0..ATTEMPTS as u8).flat_map(of_attempt))
    }

    fn may_be_refused(self) -> bool {
        matches!(self, Self::ReserveStock | Self::HoldPoints | Self::RequestPayment(_))
    }
}

impl Worker {
    /// The call it is about to make.
    pub(crate) fn call(&self) -> Option<Call> {
        let attempt = || self.order.attempt.saturating_sub(1);
        Some(match self.doing {
            Doing::Refund => Call::RefundPayment(self.next_refund()),
            Doing::Reserve => Call::ReserveStock,
            Doing::Hold => Call::HoldPoints,
            Doing::Request => Call::RequestPayment(attempt()),
            Doing::Close | Doing::UndoAttempt => Call::CloseAttempt(attempt()),
            Doing::SettlePoints => Call::SettlePoints,
            Doing::CommitStock => Call::CommitStock,
            Doing::UndoPoints if self.order.paid => Call::RefundPoints,
            Doing::UndoPoints => Call::ReleasePoints,
            Doing::UndoStock if self.order.paid => Call::ReturnStock,
            Doing::UndoStock => Call::ReleaseStock,
            _ => return None,
        })
    }

    fn next_refund(&self) -> u8 {
        (u8::BITS - 1 - self.refunds.leading_zeros()) as u8
    }

    /// Whether it may change anything without the lease: by a call, now or later.
    pub(crate) fn can_act(&self) -> bool {
        self.doing == Doing::Load || self.call().is_some()
    }

    /// `advance`, behind the refunds.
    fn dispatch(&self, time_up: bool) -> Doing {
        match (self.direction, self.step) {
            (_, Step::Rest) => Doing::SaveRest(Step::Rest),
            (Direction::Undo, _) => self.undo(),
            _ if self.order.is_overdue(time_up) => Doing::SaveExpired,
            (Direction::Forward, Step::Take) => Doing::Reserve,
            (Direction::Forward, Step::Pay) => Doing::Request,
            (Direction::Forward, Step::Await) => Doing::SaveRest(Step::Await),
            (Direction::Forward, Step::Settle) => Doing::SettlePoints,
        }
    }

    /// When a checkout at rest goes on.
    fn due_at_rest(&self) -> Due {
        if self.order.state == OrderState::AwaitingPayment && !self.order.attempt_open {
            Due::AtExpiry
        } else {
            Due::Never
        }
    }

    fn undo(&self) -> Doing {
        if self.order.attempt_open {
            Doing::UndoAttempt
        } else {
            Doing::UndoPoints
        }
    }

    /// What follows a call that was answered with a yes, with a no, or not at all (`None`).
    fn after(&mut self, answer: Option<Result<(), No>>, time_up: bool) {
        let done = answer == Some(Ok(()));
        let refused = answer == Some(Err(No));
        self.doing = match self.doing {
            Doing::Refund if done => {
                self.refunds &= !(1 << self.next_refund());
                if self.refunds == 0 {
                    self.dispatch(time_up)
                } else {
                    Doing::Refund
                }
            }
            Doing::Refund => self.dispatch(time_up),
            Doing::Reserve if done => Doing::Hold,
            Doing::Hold if done => Doing::SaveTaken,
            Doing::Reserve | Doing::Hold if refused => Doing::SaveRefused,
            Doing::Request if refused => Doing::SaveNoPayment,
            Doing::Request | Doing::Close if done => Doing::SaveRest(Step::Await),
            Doing::SettlePoints => {
                self.failed |= !done;
                Doing::CommitStock
            }
            Doing::CommitStock if self.failed || !done => Doing::Postpone,
            Doing::CommitStock if self.order.state == OrderState::Refunding => Doing::SaveTurn,
            Doing::CommitStock => Doing::SaveRest(Step::Rest),
            Doing::UndoAttempt => {
                self.failed |= !done;
                Doing::UndoPoints
            }
            Doing::UndoPoints => {
                self.failed |= !done;
                Doing::UndoStock
            }
            Doing::UndoStock if self.failed || !done => Doing::Postpone,
            Doing::UndoStock if self.order.state == OrderState::Refunding => Doing::SaveRefunded,
            Doing::UndoStock => Doing::SaveRest(Step::Rest),
            _ => Doing::Postpone,
        };
        if self.doing == Doing::Postpone {
            self.failed = false;
        }
    }
}

impl State {
    /// A service does what a call asks for.
    pub(crate) fn serve(&mut self, call: Call, defect: Option<Defect>) -> Result<(), No> {
        match call {
            Call::ReserveStock => self.stock.take(),
            Call::HoldPoints => self.points.take(),
            Call::CommitStock => self.stock.spend(),
            Call::SettlePoints => self.points.spend(),
            Call::ReleaseStock => self.stock.release(defect),
            Call::ReleasePoints => self.points.release(defect),
            Call::ReturnStock => self.stock.give_back(),
            Call::RefundPoints => self.points.give_back(),
            Call::RequestPayment(attempt) => self.attempts[usize::from(attempt)].request(),
            Call::CloseAttempt(attempt) => {
                self.attempts[usize::from(attempt)].close(defect);
                Ok(())
            }
            Call::RefundPayment(attempt) => self.attempts[usize::from(attempt)].promise(),
        }
    }

    /// `leases::take`.
    pub(crate) fn take_checkout(&mut self) {
        for worker in &mut self.workers {
            worker.holds = false;
        }
        self.checkout.leased = true;
        let (step, direction) = (self.checkout.step, self.checkout.direction);
        if let Some(idle) = self.workers.iter_mut().find(|worker| worker.doing == Doing::Nothing) {
            *idle = Worker {
                doing: Doing::Load,
                holds: true,
                step,
                direction,
                ..Worker::default()
            };
        }
    }

    /// What may become of a worker's next step, within the faults that are left.
    pub(crate) fn worker_outcomes(&self, index: usize, mut add: impl FnMut(How)) {
        let worker = &self.workers[index];
        if worker.doing == Doing::Nothing {
            return;
        }
        add(How::Done);
        let Some(call) = worker.call() else { return };
        if call.may_be_refused() && self.left.refusals > 0 {
            add(How::Refused);
        }
        if self.left.calls > 0 {
            add(How::Unanswered);
            add(How::Late);
            add(How::Twice);
        }
    }

    /// The next step of a worker.
    pub(crate) fn work(&mut self, index: usize, how: How, model: &Checkouts) {
        let Some(call) = self.workers[index].call() else {
            return self.save(index, model);
        };
        let answer = match how {
            How::Done => Some(self.serve(call, model.defect)),
            How::Refused => {
                self.left.refusals -= 1;
                Some(self.refuse(call))
            }
            How::Unanswered | How::Late | How::Twice => {
                self.left.calls -= 1;
                if how != How::Unanswered {
                    self.wire |= 1 << call.bit();
                }
                let answer = (how != How::Late).then(|| self.serve(call, model.defect));
                answer.filter(|_| how == How::Twice)
            }
        };
        let worker = &mut self.workers[index];
        if answer == Some(Err(No)) && worker.holds && !call.may_be_refused() {
            self.broken.refused_for_good = true;
        }
        if let (Call::RefundPayment(attempt), Some(Ok(()))) = (call, answer) {
            self.refunds[usize::from(attempt)].requested = true;
        }
        let time_up = self.time_up;
        self.workers[index].after(answer, time_up);
    }

    /// The service says no, unless it said yes before.
    fn refuse(&mut self, call: Call) -> Result<(), No> {
        let taken = match call {
            Call::ReserveStock => self.stock.standing == crate::holding::Standing::Held,
            Call::HoldPoints => self.points.standing == crate::holding::Standing::Held,
            Call::RequestPayment(attempt) => {
                let row = &self.attempts[usize::from(attempt)];
                row.state != crate::payment::PaymentState::Absent && !row.closed
            }
            _ => true,
        };
        if taken { Ok(()) } else { Err(No) }
    }

    /// Whether the row lets this worker save what it began in the direction `from`.
    fn is_leased_by(&self, index: usize, defect: Option<Defect>) -> bool {
        let worker = &self.workers[index];
        let token = worker.holds || defect == Some(Defect::SavesWithoutLease);
        token && self.checkout.direction == worker.direction
    }

    fn save(&mut self, index: usize, model: &Checkouts) {
        let worker = self.workers[index];
        let leased = self.is_leased_by(index, model.defect);
        // the order's row is saved on the version that was read
        let unchanged = self.order == worker.order;
        let next = match worker.doing {
            Doing::Load => {
                self.workers[index].order = self.order;
                self.workers[index].refunds = self.refunds_to_request();
                if self.workers[index].refunds == 0 {
                    self.workers[index].dispatch(self.time_up)
                } else {
                    Doing::Refund
                }
            }
            Doing::SaveTaken if leased && unchanged && worker.order.state == OrderState::Placed => {
                self.order = Order {
                    state: OrderState::AwaitingPayment,
                    attempt: 1,
                    attempt_open: true,
                    ..worker.order
                };
                self.release(Step::Pay, Due::Now);
                Doing::Nothing
            }
            Doing::SaveRefused if worker.order.state == OrderState::Placed && leased && unchanged => {
                self.turn(index, OrderState::Cancelled);
                self.workers[index].undo()
            }
            Doing::SaveExpired if leased && unchanged => {
                self.turn(index, OrderState::Expired);
                self.workers[index].undo()
            }
            Doing::SaveNoPayment if leased => {
                self.checkout.leased = true;
                Doing::Close
            }
            Doing::SaveTurn if leased => {
                self.checkout.leased = true;
                self.checkout.direction = Direction::Undo;
                self.workers[index].direction = Direction::Undo;
                self.note_refund(worker.order.attempt);
                self.workers[index].refunds |= 1 << (worker.order.attempt - 1);
                Doing::Refund
            }
            // a refund that is still to be asked for keeps the checkout due
            Doing::SaveRefunded | Doing::SaveRest(_)
                if worker.refunds != 0 && !model.has(Defect::RestsBeforeItsRefund) =>
            {
                Doing::Postpone
            }
            Doing::SaveRefunded if leased => {
                if self.has_open_refund() {
                    self.release(worker.step, Due::Never);
                } else {
                    self.release(Step::Rest, Due::Never);
                    self.order.state = OrderState::Cancelled;
                }
                self.after_rest(index)
            }
            Doing::SaveRest(step) => {
                if leased {
                    self.release(step, worker.due_at_rest());
                }
                self.after_rest(index)
            }
            Doing::Postpone if worker.holds => {
                self.checkout.due = Due::Now;
                self.checkout.leased = false;
                Doing::Nothing
            }
            _ => Doing::Nothing,
        };
        if next == Doing::Nothing {
            self.workers[index] = Worker::default();
        } else {
            self.workers[index].doing = next;
        }
    }

    fn refunds_to_request(&self) -> u8 {
        let wanted = (0..).zip(&self.refunds);
        wanted
            .filter(|(_, refund)| refund.noted && !refund.requested)
            .fold(0, |set, (attempt, _)| set | 1_u8 << attempt)
    }

    /// Saves with `Lease::Release`.
    fn release(&mut self, step: Step, due: Due) {
        self.checkout = Checkout {
            step,
            due,
            leased: false,
            ..self.checkout
        };
    }

    /// A refund that could not be asked for is tried again later.
    fn after_rest(&self, index: usize) -> Doing {
        if self.workers[index].refunds == 0 {
            Doing::Nothing
        } else {
            Doing::Postpone
        }
    }

    /// The order is over, and its checkout turns for good.
    fn turn(&mut self, index: usize, state: OrderState) {
        self.order.state = state;
        self.checkout.direction = Direction::Undo;
        self.checkout.leased = true;
        self.workers[index].order = self.order;
        self.workers[index].direction = Direction::Undo;
    }
}
