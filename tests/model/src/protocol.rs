//! The protocol as a whole: its state, and all that can happen next.

use stateright::{Model, Property};

use crate::driver::{Doing as DriverDoing, Driver, Outcome};
use crate::gateway::{Book, Verdict};
use crate::holding::Holding;
use crate::order::{Checkout, Direction, Due, Order, OrderState, RefundDue};
use crate::payment::{Attempt, PaymentState, Since};
use crate::worker::{Call, Doing, How, Worker};
use crate::{Bounds, Defect, properties};

/// Attempts to pay that there is room for.
pub const ATTEMPTS: usize = 2;

/// One order, all that belongs to it, and what may still go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// The order's row.
    pub order: Order,
    /// The checkout's row.
    pub checkout: Checkout,
    /// The rows of refunds that are due, by attempt.
    pub refunds: [RefundDue; ATTEMPTS],
    /// Who works on the checkout; sorted, since they are alike.
    pub workers: [Worker; 2],
    /// The stock.
    pub stock: Holding,
    /// The points; a coupon is their like.
    pub points: Holding,
    /// The payment service's rows.
    pub attempts: [Attempt; ATTEMPTS],
    /// Who drives them; sorted.
    pub drivers: [Driver; 2],
    /// The gateway's book, by attempt.
    pub book: [Book; ATTEMPTS],
    /// Calls that arrive later, a bit each.
    pub wire: u16,
    /// The order's time is up.
    pub time_up: bool,
    /// Faults that may still happen.
    pub left: Left,
    /// What was seen on the way and may never be.
    pub broken: Broken,
}

/// Faults that may still happen; the fields are those of [`Bounds`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Left {
    /// See the bounds, as of all that follow.
    pub stalls: u8,
    /// Of calls between services.
    pub calls: u8,
    /// Of calls to the gateway.
    pub gateway: u8,
    /// Of facts.
    pub repeats: u8,
    /// Of look-ups that bring no news.
    pub looks: u8,
    /// Of a service that says no.
    pub refusals: u8,
    /// Whether the user may still cancel.
    pub cancels: bool,
    /// Whether the time may still run out.
    pub expires: bool,
}

/// What no single state shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Broken {
    /// A step that is repeated until it is done was refused.
    pub refused_for_good: bool,
    /// An order that was over became something else.
    pub end_left: bool,
    /// A checkout in UNDO went FORWARD.
    pub turned_back: bool,
}

/// All that can happen next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// A worker takes the checkout, which is due.
    TakeCheckout,
    /// A worker makes its next step.
    Work(u8, How),
    /// The lease of the checkout runs out while its worker goes on.
    LoseCheckout,
    /// A worker's process dies.
    KillWorker(u8),
    /// A driver takes an attempt, which is due; whether there is news in the book.
    TakeAttempt(u8, bool),
    /// A driver makes its next step.
    Drive(u8, Outcome),
    /// The lease of an attempt runs out while its driver goes on.
    LoseAttempt(u8),
    /// A driver's process dies.
    KillDriver(u8),
    /// A call that was given up, or a copy of one, arrives.
    Arrive(Call),
    /// The user cancels the order.
    CancelOrder,
    /// The user pays again.
    PayOrder,
    /// The order's time is up.
    Expire,
    /// A transaction of this attempt is stored, late.
    Store(u8, u8),
    /// The gateway decides a transaction: whether it takes the money.
    Decide(u8, u8, bool),
    /// A cancellation arrives at the gateway, late.
    ArriveCancel(u8, u8),
    /// 30 s have passed since the last POST of an attempt.
    WaitForPost(u8),
    /// 30 s have passed since the last cancellation of an attempt.
    WaitForCancel(u8),
    /// The order service hears how an attempt ended, or that its money is back.
    Tell {
        /// The attempt.
        attempt: u8,
        /// Whether of its refund.
        of_refund: bool,
        /// Whether once more.
        again: bool,
    },
}

/// The model: what may happen, and which mistake is in it.
#[derive(Clone, Copy, Debug)]
pub struct Checkouts {
    /// What may happen.
    pub bounds: Bounds,
    /// The mistake, if any.
    pub defect: Option<Defect>,
}

impl Checkouts {
    /// Whether this mistake is in it.
    pub(crate) fn has(&self, defect: Defect) -> bool {
        self.defect == Some(defect)
    }

    fn start(&self) -> State {
        let placing = Worker {
            doing: Doing::Reserve,
            holds: true,
            ..Worker::default()
        };
        let bounds = self.bounds;
        let mut start = State {
            order: Order::default(),
            checkout: Checkout {
                leased: true,
                ..Checkout::default()
            },
            refunds: Default::default(),
            workers: [placing, Worker::default()],
            stock: Holding::default(),
            points: Holding::default(),
            attempts: Default::default(),
            drivers: Default::default(),
            book: Default::default(),
            wire: 0,
            time_up: false,
            left: Left {
                stalls: bounds.stalls,
                calls: bounds.calls,
                gateway: bounds.gateway,
                repeats: bounds.repeats,
                looks: bounds.looks,
                refusals: bounds.refusals,
                cancels: bounds.cancels,
                expires: bounds.expires,
            },
            broken: Broken::default(),
        };
        start.workers.sort_unstable();
        start
    }

    fn of_workers(&self, state: &State, actions: &mut Vec<Action>) {
        let free = state.workers.iter().any(|worker| worker.doing == Doing::Nothing);
        if state.checkout.due == Due::Now && free && !state.checkout.leased {
            actions.push(Action::TakeCheckout);
        }
        for index in 0..state.workers.len() {
            state.worker_outcomes(index, |how| actions.push(Action::Work(index as u8, how)));
            if state.workers[index].holds && state.left.stalls > 0 {
                actions.push(Action::KillWorker(index as u8));
            }
        }
        if state.checkout.leased && state.left.stalls > 0 {
            actions.push(Action::LoseCheckout);
        }
    }

    fn of_drivers(&self, state: &State, actions: &mut Vec<Action>) {
        let free = state.drivers.iter().any(|driver| driver.doing == DriverDoing::Nothing);
        for attempt in 0..ATTEMPTS {
            let row = &state.attempts[attempt];
            if free && row.due && !row.leased {
                let news = state.is_worth_driving(attempt, self.defect);
                if news || state.left.looks > 0 {
                    actions.push(Action::TakeAttempt(attempt as u8, news));
                }
            }
            if state.attempts[attempt].leased && state.left.stalls > 0 {
                actions.push(Action::LoseAttempt(attempt as u8));
            }
        }
        for index in 0..state.drivers.len() {
            state.driver_outcomes(index, self, |outcome| {
                actions.push(Action::Drive(index as u8, outcome));
            });
            if state.drivers[index].holds && state.left.stalls > 0 {
                actions.push(Action::KillDriver(index as u8));
            }
        }
    }

    fn of_the_gateway(&self, state: &State, actions: &mut Vec<Action>) {
        for attempt in 0..ATTEMPTS {
            let row = &state.attempts[attempt];
            let book = &state.book[attempt];
            let number = attempt as u8;
            for (index, transaction) in (0..).zip(book) {
                match transaction.verdict {
                    Verdict::OnWire => actions.push(Action::Store(number, index)),
                    Verdict::Pending => {
                        actions.push(Action::Decide(number, index, true));
                        actions.push(Action::Decide(number, index, false));
                    }
                    Verdict::None | Verdict::Success | Verdict::Failed => {}
                }
                if transaction.cancel_on_wire {
                    actions.push(Action::ArriveCancel(number, index));
                }
            }
            let doing = |wanted| {
                let mut drivers = state.drivers.iter().filter(|driver| driver.attempt == number);
                drivers.any(|driver| driver.doing == wanted)
            };
            // what was sent is stored, or is lost, by then
            let on_wire = book.iter().any(|transaction| transaction.verdict == Verdict::OnWire);
            let leaves = doing(DriverDoing::Post) && !self.bounds.posts_leave_late;
            if row.due && row.posted == Since::Recently && !on_wire && !leaves {
                actions.push(Action::WaitForPost(number));
            }
            let on_wire = book.iter().any(|transaction| transaction.cancel_on_wire);
            if row.due && row.cancelling == Since::Recently && !on_wire && !doing(DriverDoing::Cancel) {
                actions.push(Action::WaitForCancel(number));
            }
        }
    }

    fn of_others(&self, state: &State, actions: &mut Vec<Action>) {
        let arriving = Call::all().filter(|call| state.wire & (1 << call.bit()) != 0);
        actions.extend(arriving.map(Action::Arrive));
        if state.left.cancels && !state.order.has_ended() {
            actions.push(Action::CancelOrder);
        }
        if state.may_pay(self.bounds.attempts) {
            actions.push(Action::PayOrder);
        }
        if state.left.expires {
            actions.push(Action::Expire);
        }
        for attempt in 0..ATTEMPTS as u8 {
            for of_refund in [false, true] {
                for again in [false, true] {
                    if !again || state.left.repeats > 0 {
                        actions.push(Action::Tell {
                            attempt,
                            of_refund,
                            again,
                        });
                    }
                }
            }
        }
    }

    fn happen(&self, state: &mut State, action: Action) -> Option<()> {
        match action {
            Action::TakeCheckout => state.take_checkout(),
            Action::Work(index, how) => state.work(usize::from(index), how, self),
            Action::LoseCheckout => {
                state.left.stalls -= 1;
                state.checkout.leased = false;
            }
            Action::KillWorker(index) => {
                state.left.stalls -= 1;
                state.checkout.leased = false;
                state.workers[usize::from(index)] = Worker::default();
            }
            Action::TakeAttempt(attempt, news) => {
                state.left.looks -= u8::from(!news);
                state.take_attempt(usize::from(attempt));
            }
            Action::Drive(index, outcome) => state.drive(usize::from(index), outcome, self.defect),
            Action::LoseAttempt(attempt) => {
                state.left.stalls -= 1;
                state.attempts[usize::from(attempt)].leased = false;
            }
            Action::KillDriver(index) => {
                state.left.stalls -= 1;
                let driver = &mut state.drivers[usize::from(index)];
                state.attempts[usize::from(driver.attempt)].leased = false;
                *driver = Driver::default();
            }
            Action::Arrive(call) => {
                state.wire &= !(1 << call.bit());
                // nobody hears a refusal
                let _heard_by_nobody = state.serve(call, self.defect);
            }
            Action::CancelOrder => {
                state.left.cancels = false;
                state.cancel_order();
            }
            Action::PayOrder => state.pay_order(),
            Action::Expire => {
                state.left.expires = false;
                state.time_up = true;
            }
            Action::Store(attempt, index) => {
                state.book[usize::from(attempt)][usize::from(index)].verdict = Verdict::Pending;
            }
            Action::Decide(attempt, index, taken) => {
                let verdict = if taken { Verdict::Success } else { Verdict::Failed };
                state.book[usize::from(attempt)][usize::from(index)].verdict = verdict;
            }
            Action::ArriveCancel(attempt, index) => {
                let transaction = &mut state.book[usize::from(attempt)][usize::from(index)];
                transaction.cancel_on_wire = false;
                transaction.cancelled += 1;
            }
            Action::WaitForPost(attempt) => state.attempts[usize::from(attempt)].posted = Since::LongAgo,
            Action::WaitForCancel(attempt) => state.attempts[usize::from(attempt)].cancelling = Since::LongAgo,
            Action::Tell {
                attempt,
                of_refund,
                again,
            } => {
                state.left.repeats -= u8::from(again);
                state.deliver(usize::from(attempt), of_refund, again, self)?;
            }
        }
        Some(())
    }
}

impl State {
    /// Whether nobody has anything to do, as the rows of all services say, and nobody is about to save under a lease.
    /// Calls may still be on a wire.
    pub fn is_quiet(&self) -> bool {
        let payments = self.attempts.iter().all(|row| !row.due && !row.has_news());
        let saves = self.workers.iter().any(|worker| worker.holds);
        self.checkout.due != Due::Now && payments && !saves
    }

    /// Forgets what makes no difference any more, so that states that have the same future are one.
    fn forget(&mut self, defect: Option<Defect>) {
        let unpaid = matches!(self.order.state, OrderState::Placed | OrderState::AwaitingPayment);
        if self.time_up && self.checkout.due == Due::AtExpiry {
            self.checkout.due = Due::Now;
        }
        self.time_up &= unpaid;
        self.left.expires &= unpaid;
        self.left.cancels &= !self.order.has_ended();
        for worker in &mut self.workers {
            if !worker.holds && !worker.can_act() && defect != Some(Defect::SavesWithoutLease) {
                *worker = Worker::default();
            }
        }
        for driver in &mut self.drivers {
            if !driver.holds && !driver.can_act() {
                *driver = Driver::default();
            }
        }
        for (attempt, row) in (0..).zip(&mut self.attempts) {
            let holds = |driver: &Driver| driver.holds && driver.attempt == attempt;
            row.hinted &= self.drivers.iter().any(holds);
        }
        self.workers.sort_unstable();
        self.drivers.sort_unstable();
    }

    /// An attempt that is open at the payment service, from 1.
    pub(crate) fn open_attempts(&self) -> impl Iterator<Item = u8> {
        let open = |(_, row): &(u8, &Attempt)| row.state.is_open() && row.state != PaymentState::Absent;
        (1..).zip(&self.attempts).filter(open).map(|(number, _)| number)
    }
}

impl Model for Checkouts {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.start()]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.of_workers(state, actions);
        self.of_drivers(state, actions);
        self.of_the_gateway(state, actions);
        self.of_others(state, actions);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut next = *last;
        self.happen(&mut next, action)?;
        next.broken.end_left |= last.order.has_ended() && next.order.state != last.order.state;
        let turned = (last.checkout.direction, next.checkout.direction);
        next.broken.turned_back |= turned == (Direction::Undo, Direction::Forward);
        next.forget(self.defect);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all(&self.bounds)
    }
}
