//! What the gateway's words make of an attempt: when it may be asked, what its book proves, and what must go back.

use std::time::Duration;

use jiff::Timestamp;
use kit::refusal::Refusal;

use super::{Payment, PaymentEnd, Refund, State};
use crate::card_gateway::{Answer, Decline, Standing, Transaction};

/// Part of an attempt's age that passes between two look-ups, once `look_every` is less.
const LOOKS_PER_AGE: u32 = 240;
/// The longest pause between two look-ups.
const LOOK_PAUSE_MAX: Duration = Duration::from_secs(600);

/// How often and how long the gateway is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pace {
    /// POSTs of one attempt.
    pub posts_max: i32,
    /// Before the second POST; doubled before each further one, ±20 %.
    pub post_pause: Duration,
    /// From a POST to the first look-up, where no callback came before.
    pub first_look: Duration,
    /// Between look-ups in the first hour; later they grow with the attempt's age.
    pub look_every: Duration,
    /// How long after the last POST an absence in the gateway's book is proof.
    pub proven_after: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            posts_max: 3,
            post_pause: Duration::from_millis(500),
            first_look: Duration::from_secs(10),
            look_every: Duration::from_secs(15),
            proven_after: Duration::from_secs(30),
        }
    }
}

/// What to do once the book was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// Ask for the payment again: the gateway said that it took nothing, and its book agrees.
    Post,
    /// Give back what is owed, then wait for `next_at`.
    GiveBack,
}

/// Money that must go back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owed {
    pub(super) transaction_key: String,
    /// Minor units still to be cancelled; 0 when the gateway did it already.
    pub(super) amount: i64,
    /// The refund it is for; `None` for a capture that pays nothing.
    pub(super) refund: Option<Refund>,
}

impl Payment {
    /// A POST is about to leave; whatever happens to it, it was counted.
    pub(super) fn begin_post(&mut self, now: Timestamp, pace: &Pace) {
        self.state = State::Requested;
        self.posts += 1;
        self.last_post_at = Some(now);
        self.repeatable = false;
        self.next_at = Some(now + pace.first_look);
    }

    /// Whether the POST that is about to leave is the last of its call.
    pub(super) fn is_last_try(&self, pace: &Pace) -> bool {
        self.posts >= pace.posts_max
    }

    /// A POST was answered, or not. `spread_percent` of the pause before another one is kept to.
    pub(super) fn posted(&mut self, answer: &Answer, now: Timestamp, pace: &Pace, spread_percent: u32) {
        if self.state != State::Requested {
            return;
        }
        match answer {
            Answer::Accepted { .. } => {
                self.state = State::Pending;
                self.next_at = Some(now + pace.first_look);
            }
            Answer::NotTaken { .. } | Answer::NotReached if !self.is_last_try(pace) => {
                self.repeatable = true;
                let doubled = pace.post_pause * 2_u32.pow(self.posts.clamp(1, 8).unsigned_abs() - 1);
                self.next_at = Some(now + doubled * spread_percent / 100);
            }
            // a plain no is believed like everything else: once the book agrees
            _ => {
                self.state = State::Unknown;
                self.next_at = Some(self.next_look(now, pace));
            }
        }
    }

    /// The card's number is gone: what was not sent never will be.
    pub(super) fn lose_card(&mut self, now: Timestamp, pace: &Pace) {
        self.close();
        self.repeatable = false;
        if self.state.is_open() {
            self.unread(now, pace);
        } else {
            "CARD_TOKEN_NOT_FOUND".clone_into(&mut self.reason);
        }
    }

    /// The book could not be read.
    pub(super) fn unread(&mut self, now: Timestamp, pace: &Pace) {
        // a POST that was cut off by a crash
        if self.state == State::Requested && !self.repeatable {
            self.state = State::Unknown;
        }
        self.next_at = Some(self.next_look(now, pace));
    }

    /// The book was read at `asked_at`; what it proves is so, and the rest is asked again later.
    pub(super) fn read(
        &mut self,
        book: &[Transaction],
        refunds: &[Refund],
        asked_at: Timestamp,
        now: Timestamp,
        pace: &Pace,
    ) -> Then {
        if self.state.is_open() && self.repeatable && book.is_empty() && !self.closed {
            return Then::Post;
        }
        self.repeatable = false;
        let proven = self.is_proven(book, asked_at, pace);
        if self.state.is_open() {
            self.judge(book, proven);
        }
        // a no that comes early may be taken back as an early absence may
        let early_no = self.state == State::Declined && !self.is_long_ago(asked_at, pace);
        let at_rest = proven && !early_no && !self.state.is_open() && refunds.iter().all(|refund| refund.done);
        let settled = at_rest && self.surplus(book).next().is_none();
        self.next_at = (!settled).then(|| self.next_look(now, pace));
        Then::GiveBack
    }

    fn judge(&mut self, book: &[Transaction], proven: bool) {
        let taken = |transaction: &&Transaction| transaction.standing == Standing::Success;
        let right = book
            .iter()
            .filter(taken)
            .find(|transaction| transaction.amount == self.amount);
        let declined = book.iter().rev().find_map(|transaction| match transaction.standing {
            Standing::Failed(decline) => Some(decline),
            Standing::Pending | Standing::Success => None,
        });
        if let Some(taken) = right.or_else(|| book.iter().find(taken)) {
            self.state = if right.is_some() {
                State::Captured
            } else {
                State::Conflicted
            };
            self.captured = taken.amount;
            self.transaction_key.clone_from(&taken.transaction_key);
        } else if book.iter().any(|transaction| transaction.standing == Standing::Pending) {
            self.state = State::Pending;
        } else if !proven {
            self.state = State::Unknown;
        } else if declined.is_some() {
            self.state = State::Declined;
        } else {
            self.state = State::NotCharged;
        }
        let end = match (self.state, declined) {
            (State::Declined, Some(Decline::LimitExceeded)) => PaymentEnd::LimitExceeded {},
            (State::Declined, Some(Decline::InvalidCard)) => PaymentEnd::CardInvalid {},
            (State::Declined, _) => PaymentEnd::Declined {},
            (State::NotCharged, _) => PaymentEnd::NotCharged {},
            (State::Conflicted, _) => PaymentEnd::AmountConflict {},
            _ => return,
        };
        end.reason().reason.clone_into(&mut self.reason);
    }

    /// Whether nothing can turn up in the book that is not in it: every POST is accounted for, or was long ago.
    fn is_proven(&self, book: &[Transaction], asked_at: Timestamp, pace: &Pace) -> bool {
        let pending = book.iter().any(|transaction| transaction.standing == Standing::Pending);
        let accounted_for = self.posts == 1 && !book.is_empty();
        !pending && (accounted_for || self.is_long_ago(asked_at, pace))
    }

    fn is_long_ago(&self, asked_at: Timestamp, pace: &Pace) -> bool {
        self.last_post_at
            .is_none_or(|posted| asked_at >= posted + pace.proven_after)
    }

    /// When to look again: soon at first, later with growing pauses, and once right when an absence becomes proof.
    fn next_look(&self, now: Timestamp, pace: &Pace) -> Timestamp {
        let began = self.last_post_at.unwrap_or(self.created_at);
        let age = Duration::try_from(now.duration_since(began)).unwrap_or_default();
        let pause = if age < pace.first_look {
            pace.first_look
        } else {
            pace.look_every.max((age / LOOKS_PER_AGE).min(LOOK_PAUSE_MAX))
        };
        let proof_at = began + pace.proven_after;
        let next = now + pause;
        if now < proof_at { next.min(proof_at) } else { next }
    }

    /// Captures that pay nothing, and what of them has not gone back; 0 where only our row does not know that it has.
    pub(super) fn surplus<'a>(&'a self, book: &'a [Transaction]) -> impl Iterator<Item = (&'a Transaction, i64)> {
        book.iter().filter_map(|transaction| {
            let taken = transaction.standing == Standing::Success && !self.state.is_open();
            let ours = transaction.transaction_key == self.transaction_key;
            let pays = self.state.has_captured() && ours;
            let left = transaction.amount - transaction.cancelled;
            let unnoted = ours && self.refunded < self.captured;
            (taken && !pays && (left > 0 || unnoted)).then_some((transaction, left))
        })
    }

    /// What must go back, as the book stands: what the gateway cancelled already is not cancelled again.
    pub(super) fn owed(&self, book: &[Transaction], refunds: &[Refund]) -> Vec<Owed> {
        let surplus = self.surplus(book).map(|(transaction, amount)| Owed {
            transaction_key: transaction.transaction_key.clone(),
            amount,
            refund: None,
        });
        let mut owed: Vec<Owed> = surplus.collect();
        let paid_by = book
            .iter()
            .find(|transaction| transaction.transaction_key == self.transaction_key);
        if let Some(paid_by) = paid_by.filter(|_| self.state.has_captured()) {
            let mut cancelled = paid_by.cancelled - self.refunded;
            for refund in refunds.iter().filter(|refund| !refund.done) {
                let already = cancelled.clamp(0, refund.amount);
                cancelled -= already;
                let (transaction_key, amount) = (paid_by.transaction_key.clone(), refund.amount - already);
                owed.push(Owed {
                    transaction_key,
                    amount,
                    refund: Some(refund.clone()),
                });
            }
        }
        owed
    }

    /// Whether a cancellation may be sent: none is without an answer, or it would be in the book by now.
    pub(super) fn may_cancel(&self, asked_at: Timestamp, pace: &Pace) -> bool {
        self.cancelling_since
            .is_none_or(|since| asked_at >= since + pace.proven_after)
    }
}
