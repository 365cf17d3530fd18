//! A day of ours against the gateway's book: what the gateway has taken and we do not account for goes back.
//!
//! It is the last net: it finds what was stored at the gateway after its absence was proof. Only the gateway's book is
//! read, attempt by attempt; where it agrees nothing is written, so a second run finds nothing to do.

use futures::{StreamExt, TryStreamExt};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use kit::clock::from_proto;
use kit::context::Context;
use kit::crash_point;
use kit::outbox;
use kit::page_token;
use kit::refusal::Failure;
use proto::event::v1::PaymentReconciled;
use proto::event::v1::event::Fact;
use proto::payment::v1::{Discrepancy, DiscrepancyKind, ReconcileDayRequest, ReconcileDayResponse};

use super::reconciliation::Difference;
use super::records::{self, Which};
use super::sync_payment::ask;
use super::{Payment, PaymentRefusal, State, store};
use crate::Payments;
use crate::card_gateway::Transaction;

/// Attempts of one call.
const ATTEMPTS_MAX: u32 = 100;
/// Look-ups at once: few of the places at the gateway, so that payments keep theirs.
const AT_ONCE_MAX: usize = 8;

/// What came of one attempt.
enum Compared {
    /// The books agree, or nothing was ever sent.
    Agree,
    /// It is not at rest: its driver asks.
    Open,
    /// They did not.
    Found(Vec<Discrepancy>),
    /// The gateway does not answer.
    Unanswered,
}

pub(crate) async fn reconcile_day(
    state: Payments,
    context: Context,
    request: ReconcileDayRequest,
) -> Result<ReconcileDayResponse, Failure> {
    let day = request.day.as_ref().map_or(context.now, from_proto);
    let (from, before) = day_of(day)?;
    let signer = state.database.signer();
    let page = format!("ReconcileDay|{}", from.as_microsecond());
    let behind = page_token::behind(signer, &page, &request.page_token)?;
    let behind = records::position(behind.as_ref())?;
    let which = Which::Created(from.as_microsecond(), before.as_microsecond());
    let mut payments = records::list(&state.database, which, behind, ATTEMPTS_MAX + 1).await?;
    let mut next_page_token = page_token::next(signer, &page, &mut payments, ATTEMPTS_MAX, |payment| {
        (payment.created_at.as_microsecond(), payment.gateway_id())
    });

    let name = || "PaymentAdminService/ReconcileDay".to_owned();
    let compared: Vec<_> = payments
        .iter()
        .map(|payment| crash_point::during(name, state.compare(&context, payment, &request.why)))
        .collect();
    let compared: Vec<Compared> = futures::stream::iter(compared)
        .buffered(AT_ONCE_MAX)
        .try_collect()
        .await?;

    let mut answer = ReconcileDayResponse::default();
    let unanswered = compared.iter().position(|one| matches!(one, Compared::Unanswered));
    for (number, one) in compared.into_iter().enumerate() {
        let told = unanswered.is_none_or(|unanswered| number < unanswered);
        match one {
            Compared::Agree if told => answer.agreeing += 1,
            Compared::Open if told => answer.open += 1,
            // money that went back is told of, whoever is to be asked about again
            Compared::Found(found) => answer.discrepancies.extend(found),
            Compared::Agree | Compared::Open | Compared::Unanswered => {}
        }
    }
    if let Some(payment) = unanswered.and_then(|number| payments.get(number)) {
        if unanswered == Some(0) && answer.discrepancies.is_empty() {
            return Err(PaymentRefusal::GatewayUnavailable {}.into());
        }
        // right before it in the order of pages
        let position = format!(
            "{}|{}.{}",
            payment.created_at.as_microsecond(),
            payment.order_id,
            payment.attempt - 1
        );
        next_page_token = page_token::seal(signer, &page, &position);
    }
    answer.next_page_token = next_page_token;

    let transaction = state.database.begin_write(&context).await?;
    for found in &answer.discrepancies {
        transaction
            .mention(&format!("payment/{}.{}", found.order_id, found.attempt))
            .await?;
    }
    transaction.commit(answer).await
}

/// The day, in UTC, that this is an instant of.
fn day_of(instant: Timestamp) -> Result<(Timestamp, Timestamp), Failure> {
    let day = instant
        .to_zoned_datetime(TimeZone::UTC)
        .start_of_day()
        .map_err(anyhow::Error::from)?;
    let next = day.checked_add(Span::new().days(1)).map_err(anyhow::Error::from)?;
    Ok((day.timestamp(), next.timestamp()))
}

impl Payments {
    async fn compare(&self, context: &Context, payment: &Payment, why: &str) -> Result<Compared, Failure> {
        // one that took nothing is looked at for a while longer, and differs all the same if it has
        let took_nothing = matches!(payment.state, State::Declined | State::NotCharged);
        if payment.next_at.is_some() && !took_nothing {
            return Ok(Compared::Open);
        }
        if payment.posts == 0 {
            return Ok(Compared::Agree);
        }
        let Some(book) = self.book(payment).await else {
            return Ok(Compared::Unanswered);
        };
        let differences = payment.differences(&book);
        if differences.is_empty() {
            return Ok(Compared::Agree);
        }
        for difference in &differences {
            tracing::error!(
                payment = payment.gateway_id(),
                ?difference,
                "the gateway's book is not ours"
            );
        }
        if differences.iter().any(Difference::goes_back) {
            self.note_surplus(context, payment, &differences, why).await?;
            if let Err(failure) = ask(self, context, &payment.order_id, payment.attempt).await {
                tracing::warn!(payment = payment.gateway_id(), %failure, "money goes back later");
            }
        }
        let left = match self.book(payment).await {
            Some(book) => payment.differences(&book),
            None => differences.clone(),
        };
        let told = |difference: &Difference| self.told(payment, difference, left.contains(difference));
        Ok(Compared::Found(differences.iter().map(told).collect()))
    }

    async fn book(&self, payment: &Payment) -> Option<Vec<Transaction>> {
        self.line.look_up(&payment.gateway_id()).await.ok()?.ok()
    }

    /// What was found is noted before anything is done about it, and then due: whoever dies here, it goes back.
    async fn note_surplus(
        &self,
        context: &Context,
        payment: &Payment,
        differences: &[Difference],
        why: &str,
    ) -> Result<(), Failure> {
        let context = Context {
            idempotency: None,
            ..context.clone()
        };
        let transaction = self.database.begin_bare(&context).await?;
        let Some(mut payment) = store::lock(&transaction, &payment.order_id, payment.attempt).await? else {
            return transaction.rollback().await;
        };
        payment.next_at = Some(context.now);
        for difference in differences.iter().filter(|difference| difference.goes_back()) {
            payment.version += 1;
            let said = format!(
                "{} has taken {}, not ours",
                difference.transaction_key, difference.amount
            );
            store::note_why(&transaction, &payment, "reconcile", &said, why).await?;
            let fact = PaymentReconciled {
                payment: Some(payment.told(&self.currency)),
                transaction_key: difference.transaction_key.clone(),
                amount: Some(self.currency.money(difference.amount)),
                why: why.to_owned(),
            };
            outbox::append(
                &transaction,
                &payment.subject(),
                payment.version,
                Fact::PaymentReconciled(fact),
            );
        }
        store::save(&transaction, &payment).await?;
        transaction.commit_quietly().await
    }

    fn told(&self, payment: &Payment, difference: &Difference, left: bool) -> Discrepancy {
        let kind = match (difference.goes_back(), left) {
            (true, false) => DiscrepancyKind::SurplusRefunded,
            (true, true) => DiscrepancyKind::SurplusRefunding,
            (false, _) => DiscrepancyKind::Differs,
        };
        Discrepancy {
            order_id: payment.order_id.clone(),
            attempt: payment.attempt,
            transaction_key: difference.transaction_key.clone(),
            kind: kind.into(),
            amount: Some(self.currency.money(difference.amount)),
        }
    }
}
