//! The driver of payments, as `drive_payment.rs` and `return_money.rs` have it: one step between two of its saves or calls.

use crate::Defect;
use crate::gateway::{Book, Verdict};
use crate::payment::{Answer, PaymentState, Since, Then, cancelled};
use crate::protocol::{Checkouts, State};

/// What a driver does next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Doing {
    /// It has no payment.
    #[default]
    Nothing,
    /// It took a queued payment and is about to count its POST.
    Begin,
    /// The POST is counted and about to leave.
    Post,
    /// The POST's answer is to be saved.
    SaveAnswer(Answer),
    /// The book was read and what it proves is to be saved; `posted` and `cancelling` are of the moment of asking.
    SaveLook {
        /// The book as it was.
        book: Book,
        /// Whether the last POST was long ago.
        posted: Since,
        /// Whether the last cancellation was long ago.
        cancelling: Since,
    },
    /// That the next of `owed` is back, as the book shows, is to be saved.
    SaveBack,
    /// That the next of `owed` goes back is to be saved.
    BeginCancel,
    /// A cancellation is about to leave.
    Cancel,
    /// Its outcome is to be saved: whether it is known to be done.
    SaveCancel(bool),
}

/// One driver, in one process or another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Driver {
    /// Its next step.
    pub doing: Doing,
    /// Its token is the row's.
    pub holds: bool,
    /// The attempt, from 0.
    pub attempt: u8,
    /// Transactions that must go back.
    pub owed: u8,
    /// Those that the book showed as given back already.
    pub already: u8,
}

/// What the gateway makes of a POST.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stored {
    /// A transaction, at once.
    Now,
    /// A transaction, of another amount.
    Wrong,
    /// A transaction, within 30 s.
    Late,
    /// Nothing.
    Never,
}

/// What the world does to a driver's next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The step is a save.
    Save,
    /// A POST is answered so, and so much of it is stored.
    Posted(Answer, Stored),
    /// A cancellation is done and answered.
    CancelDone,
    /// A cancellation is done, and the answer lost.
    CancelUnanswered,
    /// A cancellation is without an answer and arrives within 30 s.
    CancelLate,
}

impl Driver {
    /// Whether it may change anything without the lease: by a call.
    pub(crate) fn can_act(&self) -> bool {
        matches!(self.doing, Doing::Post | Doing::Cancel)
    }

    fn next_owed(&self) -> Option<u8> {
        (self.owed != 0).then(|| self.owed.trailing_zeros() as u8)
    }
}

impl State {
    /// Whether a driver that takes the attempt now has something to do: its look-up would change the row, or give back.
    /// Look-ups without news are bounded, or they would go on for ever.
    pub(crate) fn is_worth_driving(&self, attempt: usize, defect: Option<Defect>) -> bool {
        let row = self.attempts[attempt];
        let mut looked = row;
        let then = looked.read(&self.book[attempt], row.posted, defect);
        let owed = looked.owed(&self.book[attempt], defect);
        let may_cancel = row.may_cancel(row.cancelling, defect) || owed & cancelled(&self.book[attempt]) != 0;
        row.state == PaymentState::Queued || then == Then::Post || looked != row || (owed != 0 && may_cancel)
    }

    /// `lease_due`, and the call that follows where it is a look-up.
    pub(crate) fn take_attempt(&mut self, attempt: usize) {
        for driver in &mut self.drivers {
            driver.holds &= usize::from(driver.attempt) != attempt;
        }
        let row = &mut self.attempts[attempt];
        row.leased = true;
        row.hinted = false;
        let doing = if row.state == PaymentState::Queued {
            Doing::Begin
        } else {
            Doing::SaveLook {
                book: self.book[attempt],
                posted: row.posted,
                cancelling: row.cancelling,
            }
        };
        if let Some(idle) = self.drivers.iter_mut().find(|driver| driver.doing == Doing::Nothing) {
            *idle = Driver {
                doing,
                holds: true,
                attempt: attempt as u8,
                ..Driver::default()
            };
        }
    }

    /// What may become of a driver's next step, within the faults that are left.
    pub(crate) fn driver_outcomes(&self, index: usize, model: &Checkouts, mut add: impl FnMut(Outcome)) {
        match self.drivers[index].doing {
            Doing::Nothing => {}
            Doing::Post => {
                add(Outcome::Posted(Answer::Accepted, Stored::Now));
                add(Outcome::Posted(Answer::NotTaken, Stored::Never));
                if self.left.gateway > 0 {
                    for stored in [Stored::Now, Stored::Late, Stored::Never] {
                        add(Outcome::Posted(Answer::Unknown, stored));
                    }
                    add(Outcome::Posted(Answer::NotTaken, Stored::Now));
                    add(Outcome::Posted(Answer::NotTaken, Stored::Late));
                    if model.bounds.wrong_amounts {
                        add(Outcome::Posted(Answer::Accepted, Stored::Wrong));
                        add(Outcome::Posted(Answer::Unknown, Stored::Wrong));
                    }
                }
            }
            Doing::Cancel => {
                add(Outcome::CancelDone);
                if self.left.gateway > 0 {
                    add(Outcome::CancelUnanswered);
                    add(Outcome::CancelLate);
                }
            }
            _ => add(Outcome::Save),
        }
    }

    /// The next step of a driver.
    pub(crate) fn drive(&mut self, index: usize, outcome: Outcome, defect: Option<Defect>) {
        let driver = self.drivers[index];
        let attempt = usize::from(driver.attempt);
        if outcome == Outcome::Save && !driver.holds {
            self.drivers[index] = Driver::default();
            return;
        }
        match (driver.doing, outcome) {
            (Doing::Post, Outcome::Posted(answer, stored)) => {
                let honest = matches!(
                    (answer, stored),
                    (Answer::Accepted, Stored::Now) | (Answer::NotTaken, Stored::Never)
                );
                self.left.gateway -= u8::from(!honest);
                self.accept(attempt, stored);
                self.drivers[index].doing = Doing::SaveAnswer(answer);
            }
            (Doing::Cancel, outcome) => self.cancel(index, outcome),
            (Doing::Begin, _) => {
                let row = &mut self.attempts[attempt];
                if row.state == PaymentState::Queued && !row.closed {
                    self.begin_post(index);
                } else {
                    self.end_visit(index);
                }
            }
            (Doing::SaveAnswer(answer), _) => {
                self.attempts[attempt].posted(answer, defect);
                self.end_visit(index);
            }
            (
                Doing::SaveLook {
                    book,
                    posted,
                    cancelling,
                },
                _,
            ) => self.save_look(index, book, posted, cancelling, defect),
            (Doing::BeginCancel, _) => {
                self.attempts[attempt].cancelling = Since::Recently;
                self.attempts[attempt].leased = true;
                self.drivers[index].doing = Doing::Cancel;
            }
            (Doing::SaveBack, _) => {
                if defect == Some(Defect::AnswerOfAnother) {
                    self.attempts[attempt].cancelling = Since::Never;
                }
                self.save_given_back(index);
            }
            (Doing::SaveCancel(true), _) => {
                self.attempts[attempt].cancelling = Since::Never;
                self.save_given_back(index);
            }
            (Doing::SaveCancel(false), _) => self.end_visit(index),
            (Doing::Post | Doing::Nothing, _) => {}
        }
    }

    /// The gateway stores what a POST asked for, or does not.
    fn accept(&mut self, attempt: usize, stored: Stored) {
        let free = self.book[attempt]
            .iter_mut()
            .find(|transaction| transaction.verdict == Verdict::None);
        let Some(free) = free else { return };
        free.wrong = stored == Stored::Wrong;
        free.verdict = match stored {
            Stored::Now | Stored::Wrong => Verdict::Pending,
            Stored::Late => Verdict::OnWire,
            Stored::Never => Verdict::None,
        };
    }

    fn begin_post(&mut self, index: usize) {
        let attempt = usize::from(self.drivers[index].attempt);
        self.attempts[attempt].begin_post();
        self.attempts[attempt].leased = true;
        self.drivers[index].doing = Doing::Post;
    }

    fn save_look(&mut self, index: usize, book: Book, posted: Since, cancelling: Since, defect: Option<Defect>) {
        let row = &mut self.attempts[usize::from(self.drivers[index].attempt)];
        if row.read(&book, posted, defect) == Then::Post {
            return self.begin_post(index);
        }
        let already = cancelled(&book);
        let mut owed = row.owed(&book, defect);
        if !row.may_cancel(cancelling, defect) {
            // what the book does not show as done may be on its way
            owed &= already;
        }
        self.drivers[index].owed = owed;
        self.drivers[index].already = already;
        self.go_on_giving_back(index);
    }

    fn go_on_giving_back(&mut self, index: usize) {
        match self.drivers[index].next_owed() {
            None => self.end_visit(index),
            Some(next) => {
                let already = self.drivers[index].already & (1 << next) != 0;
                self.attempts[usize::from(self.drivers[index].attempt)].leased = true;
                self.drivers[index].doing = if already { Doing::SaveBack } else { Doing::BeginCancel };
            }
        }
    }

    fn cancel(&mut self, index: usize, outcome: Outcome) {
        let driver = self.drivers[index];
        let Some(next) = driver.next_owed() else { return };
        let transaction = &mut self.book[usize::from(driver.attempt)][usize::from(next)];
        if outcome == Outcome::CancelLate {
            transaction.cancel_on_wire = true;
        } else {
            transaction.cancelled += 1;
        }
        self.left.gateway -= u8::from(outcome != Outcome::CancelDone);
        self.drivers[index].doing = Doing::SaveCancel(outcome == Outcome::CancelDone);
    }

    fn save_given_back(&mut self, index: usize) {
        let driver = &mut self.drivers[index];
        let Some(next) = driver.next_owed() else { return };
        driver.owed &= !(1 << next);
        self.attempts[usize::from(driver.attempt)].given_back(next);
        self.go_on_giving_back(index);
    }

    /// Saves with `Keep::Nothing`.
    fn end_visit(&mut self, index: usize) {
        let row = &mut self.attempts[usize::from(self.drivers[index].attempt)];
        row.leased = false;
        row.due |= row.hinted;
        self.drivers[index] = Driver::default();
    }
}

impl crate::payment::Attempt {
    /// Whether a cancellation may be sent: none is without an answer, or it would be in the book by now.
    fn may_cancel(&self, asked: Since, defect: Option<Defect>) -> bool {
        self.cancelling == Since::Never || asked == Since::LongAgo || defect == Some(Defect::CancelledAgainAtOnce)
    }
}
