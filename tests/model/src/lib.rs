//! A model of the protocol of checkout and payment: one order, from its placing to its rest, with everything that can
//! get in between. `docs/adr/0006-what-the-model-taught.md` says what is modelled, what is not, and what came of it.
//!
//! Each file follows one of the code's: `order.rs` the rows and the reactions to facts, `worker.rs` the checkout,
//! `payment.rs` the rules of an attempt, `driver.rs` its driver, `holding.rs` stock and points, `gateway.rs` the book.
//! `protocol.rs` puts them together, `properties.rs` says what must be true.

mod driver;
mod gateway;
mod holding;
mod order;
mod payment;
mod properties;
mod protocol;
mod worker;

pub use driver::{Outcome, Stored};
pub use payment::Answer;
pub use properties::{Rest, follow_all};
pub use protocol::{Action, Checkouts, State};
pub use worker::{Call, How};

/// How much may happen to one order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Bounds {
    /// Attempts to pay, 1 or 2.
    pub attempts: u8,
    /// Workers and drivers that die, or that stall and lose their lease.
    pub stalls: u8,
    /// Calls between services that are given up, arrive late or twice, or lose their answer.
    pub calls: u8,
    /// Calls to the gateway that time out, lie, are stored late or cancel late.
    pub gateway: u8,
    /// Facts that are delivered once more and applied again.
    pub repeats: u8,
    /// Look-ups of the gateway's book that bring no news when they are made.
    pub looks: u8,
    /// No's of a service for a reason of its own.
    pub refusals: u8,
    /// The user may cancel.
    pub cancels: bool,
    /// The order's time may run out.
    pub expires: bool,
    /// The gateway may take another amount; counts as a fault of the gateway.
    pub wrong_amounts: bool,
    /// A POST may leave later than 30 s after it was counted. Not promised: what is lost then only the books can tell.
    pub posts_leave_late: bool,
}

/// A mistake to be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Defect {
    /// A checkout is saved by a worker that lost its lease.
    SavesWithoutLease,
    /// An undo that finds nothing leaves nothing behind.
    NoTombstone,
    /// An undo that is repeated gives back again.
    RepeatedStepCounts,
    /// A POST without an answer counts as one that took no money.
    TimeoutIsFailure,
    /// A look-up that finds nothing is believed at once.
    AbsenceIsProof,
    /// A capture of an order that is over stays.
    LateCaptureIsKept,
    /// A capture of an order that is over pays it: its checkout turns a second time.
    LateCapturePays,
    /// A second capture of one attempt stays.
    SecondCaptureIsKept,
    /// The end of an attempt ends whichever is open.
    AnyAttempt,
    /// A cancellation without an answer is repeated at once.
    CancelledAgainAtOnce,
    /// A refund that the book shows as done stands for the answer to the cancellation of another capture.
    AnswerOfAnother,
    /// A checkout comes to rest although a refund is still to be asked for, and only then notes that it failed.
    RestsBeforeItsRefund,
}
