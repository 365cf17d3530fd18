//! Money goes back: refunds that were promised, and captures that pay nothing.

use kit::refusal::Failure;
use proto::event::v1 as event;
use proto::event::v1::event::Fact;

use super::Payment;
use super::drive_payment::Change;
use super::gateway_rules::Owed;
use super::store::{self, Keep, Lease};
use crate::Payments;
use crate::card_gateway::Cancellation;

/// The refund that nobody asked for: of a capture of another amount.
const CONFLICT: &str = "conflict";

impl Payments {
    /// Gives back what is owed, one after the other; what fails is looked up before it is tried again.
    pub(super) async fn give_back(&self, lease: &Lease, owed: Vec<Owed>) -> Result<(), Failure> {
        let mut owed = owed.into_iter().peekable();
        while let Some(next) = owed.next() {
            let keep = if owed.peek().is_some() {
                Keep::Lease
            } else {
                Keep::Nothing
            };
            if next.amount == 0 {
                let Some(change) = self.change(lease).await? else {
                    return Ok(());
                };
                self.given_back(change, keep, &next).await?;
            } else if !self.cancel(lease, keep, &next).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Cancels at the gateway; `false` ends the visit. That it is asked is saved before, so that nobody asks beside it.
    async fn cancel(&self, lease: &Lease, keep: Keep, owed: &Owed) -> Result<bool, Failure> {
        let Some(mut change) = self.change(lease).await? else {
            return Ok(false);
        };
        let asked = format!("cancel {} of {}", owed.amount, owed.transaction_key);
        if owed.refund.is_none() {
            tracing::error!(
                payment = change.payment.gateway_id(),
                transaction = owed.transaction_key,
                amount = owed.amount,
                "a capture that pays nothing goes back"
            );
        }
        let leave_by = self.settings.pace.leave_by();
        change.payment.cancelling_since = Some(change.now);
        self.save(change, Keep::Lease, &asked, "").await?;

        let outcome = self.line.cancel(&owed.transaction_key, owed.amount, leave_by).await;

        let Some(mut change) = self.change(lease).await? else {
            return Ok(false);
        };
        let said = match outcome {
            Cancellation::Done => {
                change.payment.cancelling_since = None;
                self.given_back(change, keep, owed).await?;
                return Ok(true);
            }
            Cancellation::NotDone { said } => {
                change.payment.cancelling_since = None;
                said
            }
            Cancellation::Unknown { said } => said,
        };
        self.save(change, Keep::Nothing, &asked, &said).await?;
        Ok(false)
    }

    /// What was owed is back. Where only the book says so, a cancellation without an answer stays open: it may be of another
    /// capture. A capture that pays nothing tells nobody, unless the attempt was told of as conflicted by it.
    async fn given_back(&self, mut change: Change, keep: Keep, owed: &Owed) -> Result<(), Failure> {
        let fact = if let Some(refund) = &owed.refund {
            let refunds = store::refunds(&*change.transaction, &change.payment).await?;
            let others_due = refunds
                .iter()
                .any(|other| !other.done && other.refund_id != refund.refund_id);
            change.payment.refund(refund.amount, others_due);
            store::finish_refund(&change.transaction, &change.payment, refund).await?;
            Some(self.refunded(&change.payment, &refund.refund_id, refund.amount))
        } else if change.payment.transaction_key == owed.transaction_key {
            let amount = change.payment.captured - change.payment.refunded;
            change.payment.refunded = change.payment.captured;
            Some(self.refunded(&change.payment, CONFLICT, amount))
        } else {
            None
        };
        let asked = format!("cancel of {}", owed.transaction_key);
        self.save_with(change, keep, fact, &asked, "done").await?;
        Ok(())
    }

    fn refunded(&self, payment: &Payment, refund_id: &str, amount: i64) -> Fact {
        Fact::PaymentRefunded(event::PaymentRefunded {
            payment: Some(payment.told(&self.currency)),
            refund_id: refund_id.to_owned(),
            amount: Some(self.currency.money(amount)),
        })
    }
}
