//! Gives captured money back, all of it or a part.

use super::{Answer, Gateway};
use crate::book::Transaction;
use crate::clock;
use crate::contract::Refusal;
use crate::fate::of_call;
use crate::mode::{Die, Mode};

impl Gateway {
    /// Not idempotent: each accepted call gives `amount` minor units back, as long as there are so many left.
    ///
    /// # Errors
    /// See [`crate::book::Book::cancel`].
    pub async fn cancel_payment(&self, transaction_key: &str, amount: i64) -> Result<Answer<Transaction>, Refusal> {
        let at_ms = clock::now().as_millisecond();
        let look = |book: &crate::book::Book| {
            book.cancel(transaction_key, amount, at_ms)?;
            book.transaction(transaction_key).cloned().ok_or(Refusal::NotFound)
        };
        let untouched = self.keeper.read(look).await??;
        let call = self.keeper.number(Die::Cancel, &untouched.order_id);
        let id = format!("cancel {transaction_key}");
        let mode = of_call(&self.behaviour(), self.seed, Die::Cancel, &id, call, &untouched.modes);
        self.happens(mode);
        if matches!(mode, Some(Mode::CancelTimeoutNotDone | Mode::CancelMalformedNotDone)) {
            return self.breakage(mode, untouched).await;
        }
        let done = self
            .keeper
            .append(|book| book.cancel(transaction_key, amount, at_ms))
            .await?;
        self.breakage(mode, done).await
    }
}
