//! The rules of a payment attempt, as `services/payment/src/payment.rs` and `gateway_rules.rs` have them. Times are
//! reduced to what the rules ask of them: whether 30 s have passed since the last POST, or since a cancellation.

use crate::Defect;
use crate::gateway::{Book, Transaction, Verdict};
use crate::holding::No;

/// POSTs that a payment attempt may make.
const POSTS_MAX: u8 = crate::gateway::POSTS as u8;

/// How an attempt stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PaymentState {
    /// There is no row.
    #[default]
    Absent,
    /// QUEUED.
    Queued,
    /// REQUESTED.
    Requested,
    /// PENDING.
    Pending,
    /// UNKNOWN.
    Unknown,
    /// CAPTURED.
    Captured,
    /// DECLINED.
    Declined,
    /// NOT_CHARGED.
    NotCharged,
    /// CONFLICTED.
    Conflicted,
    /// REFUNDING.
    Refunding,
    /// REFUNDED.
    Refunded,
    /// CLOSED: the tombstone that refuses a late request.
    Closed,
}

/// Something that was begun and has no answer yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Since {
    /// It was not begun, or is answered.
    #[default]
    Never,
    /// Less than 30 s ago.
    Recently,
    /// 30 s ago or more.
    LongAgo,
}

/// A refund that the order asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Promise {
    /// It was not asked for.
    #[default]
    None,
    /// It is to be made.
    Open,
    /// The money is back.
    Done,
}

/// What the payment service tells of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fact {
    /// PaymentCaptured.
    Captured,
    /// PaymentDeclined, PaymentNotCharged, PaymentConflicted, PaymentClosed.
    Ended,
    /// PaymentRefunded, of the refund that the order asked for.
    Refunded,
    /// PaymentRefunded, of a capture of another amount.
    ConflictRefunded,
}

/// A fact on its way to the order service, which gets it at least once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Told {
    /// There is none.
    #[default]
    Nothing,
    /// In the outbox.
    Waiting(Fact),
    /// Applied at least once.
    Delivered(Fact),
}

/// What a POST was answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Answer {
    /// 200.
    Accepted,
    /// The contract's 500, or no connection.
    NotTaken,
    /// A timeout, a reset, anything else.
    Unknown,
}

/// What follows from a look-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// Another POST.
    Post,
    /// Give back what is owed.
    GiveBack,
}

/// The row of an attempt, with its facts in the outbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Attempt {
    /// How it stands.
    pub state: PaymentState,
    /// POSTs, each counted before its first byte.
    pub posts: u8,
    /// The time of the last POST.
    pub posted: Since,
    /// The last POST stored nothing, as the gateway says.
    pub repeatable: bool,
    /// No POST may follow.
    pub closed: bool,
    /// The transaction that captured.
    pub paid_by: Option<u8>,
    /// A cancellation without an answer.
    pub cancelling: Since,
    /// The refund of the attempt.
    pub refund: Promise,
    /// `next_at` is set: a driver goes on.
    pub due: bool,
    /// Somebody changed the row while a driver had it.
    pub hinted: bool,
    /// `leased_until` lies ahead.
    pub leased: bool,
    /// How the attempt ended.
    pub end: Told,
    /// That its money went back.
    pub back: Told,
}

impl PaymentState {
    /// Whether it is still open if money is taken.
    pub(crate) fn is_open(self) -> bool {
        matches!(self, Self::Queued | Self::Requested | Self::Pending | Self::Unknown)
    }

    fn has_captured(self) -> bool {
        matches!(self, Self::Captured | Self::Refunding | Self::Refunded)
    }
}

impl Attempt {
    /// `RequestPayment`.
    pub(crate) fn request(&mut self) -> Result<(), No> {
        if self.state == PaymentState::Absent {
            self.state = PaymentState::Queued;
            self.due = true;
        }
        if self.closed { Err(No) } else { Ok(()) }
    }

    /// `CloseAttempt`: what was not sent never will be.
    pub(crate) fn close(&mut self, defect: Option<Defect>) {
        match self.state {
            PaymentState::Absent => {
                self.end = Told::Waiting(Fact::Ended);
                if defect == Some(Defect::NoTombstone) {
                    return;
                }
                self.state = PaymentState::Closed;
            }
            PaymentState::Queued => {
                self.state = PaymentState::NotCharged;
                self.due = false;
                self.hinted = true;
                self.end = Told::Waiting(Fact::Ended);
            }
            _ if !self.closed => self.hinted = true,
            _ => {}
        }
        self.closed = true;
    }

    /// `RefundPayment`.
    pub(crate) fn promise(&mut self) -> Result<(), No> {
        if self.refund != Promise::None {
            return Ok(());
        }
        if !self.state.has_captured() {
            return Err(No);
        }
        self.refund = Promise::Open;
        self.state = PaymentState::Refunding;
        self.due = true;
        self.hinted = true;
        Ok(())
    }

    /// A POST is about to leave; whatever happens to it, it was counted.
    pub(crate) fn begin_post(&mut self) {
        self.state = PaymentState::Requested;
        self.posts += 1;
        self.posted = Since::Recently;
        self.repeatable = false;
        self.due = true;
    }

    /// A POST was answered, or not.
    pub(crate) fn posted(&mut self, answer: Answer, defect: Option<Defect>) {
        if self.state != PaymentState::Requested {
            return;
        }
        match answer {
            Answer::Accepted => self.state = PaymentState::Pending,
            Answer::NotTaken if self.posts < POSTS_MAX => self.repeatable = true,
            Answer::Unknown if defect == Some(Defect::TimeoutIsFailure) => {
                self.state = PaymentState::NotCharged;
                self.due = false;
                self.end = Told::Waiting(Fact::Ended);
            }
            Answer::NotTaken | Answer::Unknown => self.state = PaymentState::Unknown,
        }
    }

    /// The book was read, when the last POST was so long ago; what it proves is so.
    pub(crate) fn read(&mut self, book: &Book, posted: Since, defect: Option<Defect>) -> Then {
        let open = self.state.is_open();
        if open && self.repeatable && listed(book).next().is_none() && !self.closed {
            return Then::Post;
        }
        self.repeatable = false;
        let proven = self.is_proven(book, posted, defect);
        if open {
            self.judge(book, proven);
        }
        let early_no = self.state == PaymentState::Declined && posted == Since::Recently;
        let at_rest = proven && !early_no && !self.state.is_open() && self.refund != Promise::Open;
        self.due = !(at_rest && self.surplus(book, defect) == 0);
        Then::GiveBack
    }

    fn judge(&mut self, book: &Book, proven: bool) {
        let position = |wanted: &dyn Fn(&Transaction) -> bool| book.iter().position(wanted);
        let right = position(&|transaction| transaction.is_taken() && !transaction.wrong);
        let taken = right.or_else(|| position(&|transaction| transaction.is_taken()));
        self.state = if taken.is_some() {
            self.paid_by = taken.map(|index| index as u8);
            if right.is_some() {
                PaymentState::Captured
            } else {
                PaymentState::Conflicted
            }
        } else if listed(book).any(|transaction| transaction.verdict == Verdict::Pending) {
            PaymentState::Pending
        } else if !proven {
            PaymentState::Unknown
        } else if listed(book).next().is_some() {
            PaymentState::Declined
        } else {
            PaymentState::NotCharged
        };
        self.end = match self.state {
            PaymentState::Captured => Told::Waiting(Fact::Captured),
            state if state.is_open() => self.end,
            _ => Told::Waiting(Fact::Ended),
        };
    }

    fn is_proven(&self, book: &Book, posted: Since, defect: Option<Defect>) -> bool {
        let pending = listed(book).any(|transaction| transaction.verdict == Verdict::Pending);
        let accounted_for = self.posts == 1 && listed(book).next().is_some();
        let long_ago = posted != Since::Recently || defect == Some(Defect::AbsenceIsProof);
        !pending && (accounted_for || long_ago)
    }

    /// Captures that pay nothing and have not gone back, as a set of transactions.
    fn surplus(&self, book: &Book, defect: Option<Defect>) -> u8 {
        if self.state.is_open() || defect == Some(Defect::SecondCaptureIsKept) {
            return 0;
        }
        set_of(book, |index, transaction| {
            let pays = self.state.has_captured() && self.paid_by == Some(index);
            transaction.is_kept() && !pays
        })
    }

    /// What must go back, as the book stands, as a set of transactions.
    pub(crate) fn owed(&self, book: &Book, defect: Option<Defect>) -> u8 {
        let refund = match self.paid_by {
            Some(paid_by) if self.refund == Promise::Open => 1 << paid_by,
            _ => 0,
        };
        self.surplus(book, defect) | refund
    }

    /// What was owed is back.
    pub(crate) fn given_back(&mut self, transaction: u8) {
        if self.paid_by != Some(transaction) {
            return;
        }
        if self.state.has_captured() {
            self.refund = Promise::Done;
            self.state = PaymentState::Refunded;
            self.back = Told::Waiting(Fact::Refunded);
        } else {
            self.back = Told::Waiting(Fact::ConflictRefunded);
        }
    }

    /// Whether a fact waits for its delivery.
    pub(crate) fn has_news(&self) -> bool {
        [self.end, self.back]
            .iter()
            .any(|told| matches!(told, Told::Waiting(_)))
    }
}

/// The transactions that a look-up shows.
fn listed(book: &Book) -> impl Iterator<Item = &Transaction> {
    book.iter().filter(|transaction| transaction.is_listed())
}

/// The transactions that the book shows as given back.
pub(crate) fn cancelled(book: &Book) -> u8 {
    set_of(book, |_, transaction| transaction.cancelled > 0)
}

fn set_of(book: &Book, wanted: impl Fn(u8, &Transaction) -> bool) -> u8 {
    let numbered = (0..).zip(book);
    numbered
        .filter(|(index, transaction)| wanted(*index, transaction))
        .fold(0, |set, (index, _)| set | 1 << index)
}
