//! The driver: takes attempts that are due under a lease, asks the gateway, and saves what its words make of them.
//!
//! Nothing of the database is held during a call. Each POST is counted and saved before its first byte leaves; after a
//! crash it counts as one whose outcome nobody knows. Every answer is judged on the row as it then is, under the lease:
//! a driver that stalled changes nothing.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use kit::context::Context;
use kit::crash_point;
use kit::database::WriteTransaction;
use kit::outbox;
use kit::refusal::Failure;
use proto::event::v1::event::Fact;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::gateway_rules::{Pace, Then};
use super::store::{self, Keep, Lease};
use super::{Payment, State};
use crate::Payments;
use crate::card::{CardNumber, store as cards};
use crate::card_gateway::{Answer, Charge, LineClosed, Standing, Transaction};

/// How long a due payment may go unnoticed where nobody woke the driver.
const POLL: Duration = Duration::from_millis(250);
/// How long running calls may take to end when the service stops; what is cut off counts as unknown.
const DRAIN: Duration = Duration::from_secs(5);
/// Between two sweeps of numbers whose day is over.
const FORGET_EVERY: Duration = Duration::from_secs(600);

/// An attempt under its driver's lease, locked, on its way from one state to the next.
pub(super) struct Change {
    pub(super) transaction: WriteTransaction,
    pub(super) payment: Payment,
    pub(super) now: Timestamp,
    before: State,
    hinted: bool,
}

/// Whether the gateway answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Answered,
    InVain,
}

impl Payments {
    pub(crate) async fn drive(self, stop: CancellationToken) {
        let mut running = JoinSet::new();
        let mut forget = tokio::time::interval(FORGET_EVERY);
        loop {
            let free = self.settings.calls_max - running.len();
            let leased = crash_point::during(|| "payment driver".to_owned(), self.lease_due(free)).await;
            for lease in leased {
                let payments = self.clone();
                let state = lease.payment.state;
                running.spawn(crash_point::during(
                    move || format!("payment {}", state.name()),
                    async move {
                        let id = lease.payment.gateway_id();
                        if let Err(failure) = payments.go_on(&lease).await {
                            // its lease runs out, and it is looked up again
                            tracing::warn!(payment = id, %failure, "payment goes on later");
                        }
                    },
                ));
            }
            let full = running.len() >= self.settings.calls_max;
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(_) = running.join_next(), if full => {}
                () = self.wake.notified(), if !full => {}
                _ = forget.tick() => crash_point::during(|| "cards".to_owned(), self.forget_cards()).await,
                () = tokio::time::sleep(POLL) => {}
            }
            while running.try_join_next().is_some() {}
        }
        let drained = async { while running.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN, drained).await.is_err() {
            tracing::warn!("calls to the gateway were still open; they are looked up at the next start");
        }
    }

    async fn lease_due(&self, free: usize) -> Vec<Lease> {
        if free == 0 {
            return Vec::new();
        }
        let leased = store::lease_due(&self.database, &self.context(), free).await;
        leased.unwrap_or_else(|failure| {
            tracing::warn!(%failure, "payments wait for the database");
            Vec::new()
        })
    }

    async fn go_on(&self, lease: &Lease) -> Result<(), Failure> {
        if lease.payment.state == State::Queued {
            return self.post(lease, None).await;
        }
        self.look(lease).await.map(drop)
    }

    /// Counts a POST, sends it, and saves its answer. `read`: the change in which the book was found empty.
    async fn post(&self, lease: &Lease, read: Option<Change>) -> Result<(), Failure> {
        let pace = &self.settings.pace;
        let change = match read {
            Some(change) => Some(change),
            None => self.change(lease).await?,
        };
        let Some(mut change) = change else { return Ok(()) };
        let may_post = matches!(change.payment.state, State::Queued | State::Requested) && !change.payment.closed;
        if !may_post {
            return self.save(change, Keep::Nothing, "", "").await.map(drop);
        }
        let Some((card_type, number)) = self.card(&change.transaction, &change.payment).await? else {
            change.payment.lose_card(change.now, pace);
            return self
                .save(change, Keep::Nothing, "card", "the number is no longer there")
                .await
                .map(drop);
        };
        if let Err(LineClosed(wait)) = self.line.admit_charge() {
            change.payment.next_at = Some(change.now + wait);
            return self.save(change, Keep::Nothing, "", "").await.map(drop);
        }
        let leave_by = pace.leave_by();
        change.payment.begin_post(change.now, pace);
        let payment = self.save(change, Keep::Lease, "POST", "").await?;

        let id = payment.gateway_id();
        let charge = Charge {
            order_id: &id,
            card_type: &card_type,
            card_number: number.digits(),
            amount: payment.amount,
        };
        let answer = self.line.charge(&charge, payment.is_last_try(pace), leave_by).await;

        let Some(mut change) = self.change(lease).await? else {
            return Ok(());
        };
        change
            .payment
            .posted(&answer, change.now, pace, rand::random_range(80..=120));
        self.save(change, Keep::Nothing, "POST", &answer.described())
            .await
            .map(drop)
    }

    /// Reads the gateway's book and does what follows: an end, another POST, money that goes back.
    pub(super) async fn look(&self, lease: &Lease) -> Result<Asked, Failure> {
        let pace = &self.settings.pace;
        let asked_at = self.database.clock().now();
        let book = self.line.look_up(&lease.payment.gateway_id()).await;
        let Some(mut change) = self.change(lease).await? else {
            return Ok(Asked::InVain);
        };
        let book = match book {
            Ok(Ok(book)) => book,
            Ok(Err(said)) => {
                change.payment.unread(change.now, pace);
                self.save(change, Keep::Nothing, "look-up", &said).await?;
                return Ok(Asked::InVain);
            }
            Err(LineClosed(wait)) => {
                change.payment.next_at = Some(change.now + wait);
                self.save(change, Keep::Nothing, "", "").await?;
                return Ok(Asked::InVain);
            }
        };
        let refunds = store::refunds(&*change.transaction, &change.payment).await?;
        if change.payment.read(&book, &refunds, asked_at, change.now, pace) == Then::Post {
            self.post(lease, Some(change)).await?;
            return Ok(Asked::Answered);
        }
        let mut owed = change.payment.owed(&book, &refunds);
        if !change.payment.may_cancel(asked_at, pace) {
            // what the book does not show as done may be on its way
            owed.retain(|owed| owed.amount == 0);
        }
        let keep = if owed.is_empty() { Keep::Nothing } else { Keep::Lease };
        self.save(change, keep, "look-up", &described(&book)).await?;
        self.give_back(lease, owed).await?;
        Ok(Asked::Answered)
    }

    /// The attempt as it is now, to be changed under the lease; `None`: somebody else has it.
    pub(super) async fn change(&self, lease: &Lease) -> Result<Option<Change>, Failure> {
        let context = self.context().for_user(&lease.payment.user_id);
        let transaction = self.database.begin_bare(&context).await?;
        let Some((payment, hinted)) = store::lock_leased(&transaction, lease).await? else {
            transaction.rollback().await?;
            tracing::warn!(payment = lease.payment.gateway_id(), "a driver lost its lease");
            return Ok(None);
        };
        Ok(Some(Change {
            transaction,
            before: payment.state,
            payment,
            now: context.now,
            hinted,
        }))
    }

    /// Saves a change with its fact, if it came into another state, and notes what was asked and said.
    pub(super) async fn save(&self, change: Change, keep: Keep, asked: &str, said: &str) -> Result<Payment, Failure> {
        let fact = if change.payment.state == change.before {
            None
        } else {
            change.payment.fact(&self.currency)
        };
        self.save_with(change, keep, fact, asked, said).await
    }

    pub(super) async fn save_with(
        &self,
        change: Change,
        keep: Keep,
        fact: Option<Fact>,
        asked: &str,
        said: &str,
    ) -> Result<Payment, Failure> {
        let Change {
            transaction,
            mut payment,
            now,
            before,
            hinted,
        } = change;
        if let Some(fact) = fact {
            payment.version += 1;
            payment.updated_at = now;
            outbox::append(&transaction, &payment.subject(), payment.version, fact);
        }
        if hinted && keep == Keep::Nothing {
            payment.next_at = Some(now);
        }
        store::save_leased(&transaction, &payment, keep).await?;
        if !asked.is_empty() {
            store::note(&transaction, &payment, asked, said).await?;
        }
        if before.is_open() && !payment.state.is_open() {
            cards::forget(&transaction, &payment.card_token).await?;
        }
        if payment.state == State::Conflicted && before != State::Conflicted {
            tracing::error!(
                payment = payment.gateway_id(),
                taken = payment.captured,
                "the gateway took another amount"
            );
        }
        transaction.commit_quietly().await?;
        Ok(payment)
    }

    /// Type and number of the card, while they are there.
    async fn card(
        &self,
        transaction: &WriteTransaction,
        payment: &Payment,
    ) -> Result<Option<(String, CardNumber)>, Failure> {
        if let Some(number) = self.test_card(&payment.card_token) {
            return Ok(Some(("SAMSUNG".to_owned(), number)));
        }
        let card = cards::find(&**transaction, &payment.card_token).await?;
        let Some((card_type, sealed)) = card.and_then(|card| Some((card.card_type, card.sealed?))) else {
            return Ok(None);
        };
        Ok(Some((card_type, self.vault.open(&payment.card_token, &sealed)?)))
    }

    async fn forget_cards(&self) {
        let forgotten = async {
            let transaction = self.database.begin_bare(&self.context()).await?;
            cards::forget_expired(&transaction).await?;
            transaction.commit_quietly().await
        };
        if let Err(failure) = forgotten.await {
            tracing::warn!(%failure, "card numbers are forgotten in the next round");
        }
    }

    pub(crate) fn context(&self) -> Context {
        Context::background(self.database.owner(), self.database.clock())
    }
}

impl Pace {
    /// Until when a call may leave that is noted now: long before its absence would be proof that it never will.
    pub(super) fn leave_by(&self) -> Instant {
        Instant::now() + self.proven_after / 2
    }
}

impl Answer {
    fn described(&self) -> String {
        match self {
            Self::Accepted { transaction_key } => format!("accepted as {transaction_key}"),
            Self::Rejected { said } => format!("rejected: {said}"),
            Self::NotTaken { said } => format!("not taken: {said}"),
            Self::NotReached => "not reached".to_owned(),
            Self::Unknown { said } => format!("unknown: {said}"),
        }
    }
}

fn described(book: &[Transaction]) -> String {
    let described = |transaction: &Transaction| {
        let standing = match transaction.standing {
            Standing::Pending => "pending",
            Standing::Success => "success",
            Standing::Failed(_) => "failed",
        };
        format!(
            "{} {standing} {} -{}",
            transaction.transaction_key, transaction.amount, transaction.cancelled
        )
    };
    if book.is_empty() {
        "nothing".to_owned()
    } else {
        book.iter().map(described).collect::<Vec<_>>().join(", ")
    }
}
