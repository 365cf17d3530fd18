//! The driver: takes attempts that are due under a lease, asks the gateway, and stores what its words make of them.
//!
//! Nothing of the database is held during a call. Each POST is counted and stored before its first byte leaves; after a
//! crash it counts as one whose outcome nobody knows. Every save asks for the lease and for the state it was asked in.

use std::time::Duration;

use jiff::Timestamp;
use kit::context::Context;
use kit::database::WriteTransaction;
use kit::outbox;
use kit::refusal::Failure;
use proto::event::v1 as event;
use proto::event::v1::event::Fact;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::store::{self, Held, Refund, Then};
use super::{Payment, State, Verdict};
use crate::Payments;
use crate::card::{TEST_CARDS, store as cards};
use crate::card_gateway::{Answer, Charge, Transaction};

/// How long a due payment may go unnoticed where nobody woke the driver.
const POLL: Duration = Duration::from_millis(500);
/// How long running calls may take to end when the service stops; what is cut off counts as unknown.
const DRAIN: Duration = Duration::from_secs(5);
/// Between two sweeps of numbers that have served.
const FORGET_EVERY: Duration = Duration::from_secs(600);

impl Payments {
    /// Drives payments until told to stop.
    pub async fn run(self, stop: CancellationToken) {
        let mut running = JoinSet::new();
        let mut forget = tokio::time::interval(FORGET_EVERY);
        loop {
            // the bulkhead: so many calls are open at once, the others wait as rows
            let free = self.settings.calls_max - running.len();
            let leased = if free == 0 {
                Ok(Vec::new())
            } else {
                store::lease(&self.database, &self.context(), free).await
            };
            let leased = leased.unwrap_or_else(|failure| {
                tracing::warn!(%failure, "payments wait for the database");
                Vec::new()
            });
            for held in leased {
                let payments = self.clone();
                running.spawn(async move {
                    let id = held.payment.gateway_id();
                    if let Err(failure) = payments.drive(held).await {
                        // its lease runs out, and it is looked up again
                        tracing::warn!(payment = id, %failure, "payment goes on later");
                    }
                });
            }
            let full = running.len() >= self.settings.calls_max;
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(_) = running.join_next(), if full => {}
                () = self.wake.notified(), if !full => {}
                _ = forget.tick() => self.forget_cards().await,
                () = tokio::time::sleep(POLL) => {}
            }
            while running.try_join_next().is_some() {}
        }
        let drained = async { while running.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN, drained).await.is_err() {
            tracing::warn!("calls to the gateway were still open; they are looked up at the next start");
        }
    }

    async fn drive(&self, held: Held) -> Result<(), Failure> {
        if held.payment.state == State::Queued {
            self.post(held).await
        } else {
            self.look(held).await
        }
    }

    /// Asks for the payment; again only where the gateway says that it took nothing, and its book agrees.
    async fn post(&self, mut held: Held) -> Result<(), Failure> {
        let Some((card_type, number)) = self.card(&held.payment).await? else {
            held.payment.state = State::NotCharged;
            "CARD_TOKEN_NOT_FOUND".clone_into(&mut held.payment.reason);
            return self
                .save(
                    &mut held,
                    State::Queued,
                    Then::Rest,
                    "card",
                    "the number is no longer there",
                )
                .await
                .map(drop);
        };
        let id = held.payment.gateway_id();
        loop {
            let asked_in = held.payment.state;
            held.payment.state = State::Requested;
            held.payment.posts += 1;
            held.payment.last_post_at = self.database.clock().now();
            if !self.save(&mut held, asked_in, Then::GoOn, "POST", "").await? {
                return Ok(());
            }
            let charge = Charge {
                order_id: &id,
                card_type: &card_type,
                card_number: &number,
                amount: held.payment.amount,
            };
            let answer = self.gateway.charge(charge).await;
            let said = match answer {
                Answer::Accepted { transaction_key } => {
                    held.payment.state = State::Pending;
                    let then = Then::At(self.database.clock().now() + self.settings.first_look);
                    return self
                        .save(&mut held, State::Requested, then, "POST", &transaction_key)
                        .await
                        .map(drop);
                }
                Answer::Rejected { message } if held.payment.posts == 1 => {
                    held.payment.state = State::NotCharged;
                    "GATEWAY_REFUSED".clone_into(&mut held.payment.reason);
                    return self
                        .save(&mut held, State::Requested, Then::Rest, "POST", &message)
                        .await
                        .map(drop);
                }
                Answer::NotTaken { message } if held.payment.posts < self.settings.posts_max => {
                    match self.gateway.look_up(&id).await {
                        Ok(book) if book.is_empty() => {
                            tokio::time::sleep(self.pause(held.payment.posts)).await;
                            continue;
                        }
                        _ => message,
                    }
                }
                Answer::Rejected { message } | Answer::NotTaken { message } | Answer::Unknown { message } => message,
            };
            held.payment.state = State::Unknown;
            let then = Then::At(self.database.clock().now() + self.settings.first_look);
            return self
                .save(&mut held, State::Requested, then, "POST", &said)
                .await
                .map(drop);
        }
    }

    /// Reads the gateway's book and settles what it says: the outcome, surplus money, refunds that are due.
    async fn look(&self, mut held: Held) -> Result<(), Failure> {
        let asked_at = self.database.clock().now();
        let asked_in = held.payment.state;
        held.payment.looks += 1;
        let book = match self.gateway.look_up(&held.payment.gateway_id()).await {
            Ok(book) => book,
            Err(said) => {
                // a POST that was cut off by a crash
                if asked_in == State::Requested {
                    held.payment.state = State::Unknown;
                }
                let then = Then::At(asked_at + self.next_look(&held.payment, asked_at));
                return self.save(&mut held, asked_in, then, "look-up", &said).await.map(drop);
            }
        };
        if asked_in.is_open() {
            self.apply(&mut held.payment, &book, asked_at);
        }
        if !self
            .save(&mut held, asked_in, Then::GoOn, "look-up", &described(&book))
            .await?
        {
            return Ok(());
        }
        let settled = self.give_back_surplus(&held, &book).await? & self.give_back_refunds(&mut held, &book).await?;
        let proven_after = self.settings.proven_after;
        let then = match held.payment.state {
            state if state.is_open() => Then::At(asked_at + self.next_look(&held.payment, asked_at)),
            _ if !settled => Then::At(asked_at + self.next_look(&held.payment, asked_at)),
            _ if held.payment.look_again(&book, asked_at, proven_after) => {
                Then::At((held.payment.last_post_at + proven_after).max(asked_at + self.settings.first_look))
            }
            _ => Then::Rest,
        };
        let state = held.payment.state;
        self.save(&mut held, state, then, "", "").await.map(drop)
    }

    fn apply(&self, payment: &mut Payment, book: &[Transaction], asked_at: Timestamp) {
        match payment.judge(book, asked_at, self.settings.proven_after) {
            Verdict::Captured(taken) => {
                payment.state = State::Captured;
                payment.captured = taken.amount;
                payment.transaction_key = taken.transaction_key;
                payment.reason.clear();
            }
            Verdict::Conflicted(taken) => {
                tracing::error!(
                    payment = payment.gateway_id(),
                    taken = taken.amount,
                    "the gateway took another amount; it goes back"
                );
                payment.state = State::Conflicted;
                payment.transaction_key = taken.transaction_key;
                "AMOUNT_CONFLICT".clone_into(&mut payment.reason);
            }
            Verdict::Declined { reason } => {
                payment.state = State::Declined;
                payment.reason = reason;
            }
            Verdict::NotCharged => {
                payment.state = State::NotCharged;
                "NEVER_ARRIVED".clone_into(&mut payment.reason);
            }
            Verdict::Pending => payment.state = State::Pending,
            Verdict::Open => payment.state = State::Unknown,
        }
    }

    /// Money that pays nothing goes back; tells whether all of it did.
    async fn give_back_surplus(&self, held: &Held, book: &[Transaction]) -> Result<bool, Failure> {
        let mut all = true;
        for (surplus, amount) in held.payment.surplus(book).filter(|_| !held.payment.state.is_open()) {
            tracing::error!(
                payment = held.payment.gateway_id(),
                amount,
                "a capture that pays nothing goes back"
            );
            let outcome = self.gateway.cancel(&surplus.transaction_key, amount).await;
            all &= outcome.is_ok();
            let said = outcome.err().unwrap_or_default();
            let transaction = self.database.begin_bare(&self.context()).await?;
            store::note(
                &transaction,
                &held.payment,
                &format!("cancel {} {amount}", surplus.transaction_key),
                &said,
            )
            .await?;
            transaction.commit_quietly().await?;
        }
        Ok(all)
    }

    /// Refunds that were promised: what the book shows as cancelled already is not cancelled again.
    async fn give_back_refunds(&self, held: &mut Held, book: &[Transaction]) -> Result<bool, Failure> {
        let refunds = store::refunds(self.database.reader(), &held.payment.order_id, held.payment.attempt).await?;
        let (done, mut due): (Vec<Refund>, Vec<Refund>) = refunds.into_iter().partition(|refund| refund.done);
        let key = held.payment.transaction_key.clone();
        let Some(paid_by) = book.iter().find(|transaction| transaction.transaction_key == key) else {
            return Ok(due.is_empty());
        };
        let mut cancelled = paid_by.cancelled;
        let mut promised: i64 = done.iter().map(|refund| refund.amount).sum();
        while !due.is_empty() {
            let refund = due.remove(0);
            promised += refund.amount;
            if cancelled < promised {
                if let Err(said) = self.gateway.cancel(&key, promised - cancelled).await {
                    tracing::warn!(
                        refund = refund.refund_id,
                        said,
                        "a refund is looked up before it is tried again"
                    );
                    return Ok(false);
                }
                cancelled = promised;
            }
            let asked_in = held.payment.state;
            held.payment.refund(refund.amount, !due.is_empty());
            if !self.save_refund(held, asked_in, &refund).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn save_refund(&self, held: &mut Held, asked_in: State, refund: &Refund) -> Result<bool, Failure> {
        let context = self.context().for_user(&held.payment.user_id);
        let transaction = self.database.begin_bare(&context).await?;
        held.payment.version += 1;
        held.payment.updated_at = context.now;
        if !store::save_asked(&transaction, held, asked_in, Then::GoOn).await? {
            return Ok(false);
        }
        store::refund_done(&transaction, &refund.refund_id).await?;
        store::note(
            &transaction,
            &held.payment,
            &format!("refund {}", refund.refund_id),
            "done",
        )
        .await?;
        let told = event::PaymentRefunded {
            payment: held.payment.told(&self.currency),
            refund_id: refund.refund_id.clone(),
            amount: Some(self.currency.money(refund.amount)),
        };
        outbox::append(
            &transaction,
            &held.payment.subject(),
            held.payment.version,
            Fact::PaymentRefunded(told),
        );
        transaction.commit_quietly().await?;
        Ok(true)
    }

    /// Saves what was learned, with its fact if the state is another now. `false`: somebody else has the attempt.
    async fn save(
        &self,
        held: &mut Held,
        asked_in: State,
        then: Then,
        asked: &str,
        said: &str,
    ) -> Result<bool, Failure> {
        let context = self.context().for_user(&held.payment.user_id);
        let transaction = self.database.begin_bare(&context).await?;
        let fact = if held.payment.state == asked_in {
            None
        } else {
            self.fact(&held.payment)
        };
        held.payment.version += i64::from(fact.is_some());
        held.payment.updated_at = context.now;
        if !store::save_asked(&transaction, held, asked_in, then).await? {
            return Ok(false);
        }
        if let Some(fact) = fact {
            outbox::append(&transaction, &held.payment.subject(), held.payment.version, fact);
        }
        if !asked.is_empty() {
            store::note(&transaction, &held.payment, asked, said).await?;
        }
        commit(transaction).await
    }

    fn fact(&self, payment: &Payment) -> Option<Fact> {
        let payment_told = payment.told(&self.currency);
        match payment.state {
            State::Pending => Some(Fact::PaymentPending(event::PaymentPending { payment: payment_told })),
            State::Captured => Some(Fact::PaymentCaptured(event::PaymentCaptured { payment: payment_told })),
            State::Declined => Some(Fact::PaymentDeclined(event::PaymentDeclined { payment: payment_told })),
            State::NotCharged => Some(Fact::PaymentNotCharged(event::PaymentNotCharged {
                payment: payment_told,
            })),
            State::Conflicted => Some(Fact::PaymentConflicted(event::PaymentConflicted {
                payment: payment_told,
            })),
            _ => None,
        }
    }

    /// Type and number of the card, while they are there.
    async fn card(&self, payment: &Payment) -> Result<Option<(String, String)>, Failure> {
        if let Some((_, number)) = TEST_CARDS.iter().find(|(token, _)| *token == payment.card_token) {
            return Ok(Some(("KB".to_owned(), (*number).to_owned())));
        }
        let card = cards::find(self.database.reader(), &payment.card_token).await?;
        let Some((card_type, sealed)) = card.and_then(|card| Some((card.card_type, card.sealed?))) else {
            return Ok(None);
        };
        Ok(Some((card_type, self.vault.open(&payment.card_token, &sealed)?)))
    }

    async fn forget_cards(&self) {
        let forgotten = async {
            let transaction = self.database.begin_bare(&self.context()).await?;
            cards::forget(&transaction).await?;
            transaction.commit_quietly().await
        };
        if let Err(failure) = forgotten.await {
            tracing::warn!(%failure, "card numbers are forgotten in the next round");
        }
    }

    /// Before the next POST: doubled each time, spread by ±20 %.
    fn pause(&self, posts: i32) -> Duration {
        let doubled = self.settings.post_pause * 2_u32.pow(posts.clamp(1, 8).unsigned_abs() - 1);
        doubled * u32::from(rand::random_range(80..=120_u8)) / 100
    }

    /// Until the next look-up: short in the first hour, then longer and longer.
    fn next_look(&self, payment: &Payment, now: Timestamp) -> Duration {
        let age = Duration::try_from(now.duration_since(payment.created_at)).unwrap_or_default();
        self.settings.look_every.max(age / 60).min(Duration::from_secs(3_600))
    }
}

async fn commit(transaction: WriteTransaction) -> Result<bool, Failure> {
    transaction.commit_quietly().await?;
    Ok(true)
}

fn described(book: &[Transaction]) -> String {
    let transactions = book
        .iter()
        .map(|transaction| format!("{} {:?}", transaction.transaction_key, transaction.standing));
    transactions.collect::<Vec<_>>().join(", ")
}

impl Payments {
    fn context(&self) -> Context {
        Context::background(self.database.owner(), self.database.clock())
    }
}
