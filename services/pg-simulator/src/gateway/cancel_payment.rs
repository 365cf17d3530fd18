//! Gives captured money back, all of it or a part.

use super::Gateway;
use crate::book::Transaction;
use crate::clock;
use crate::contract::Refusal;

impl Gateway {
    /// Not idempotent: each accepted call gives `amount` minor units back, as long as there are so many left.
    ///
    /// # Errors
    /// See [`crate::book::Book::cancel`].
    pub async fn cancel_payment(&self, transaction_key: &str, amount: i64) -> Result<Transaction, Refusal> {
        self.keeper
            .append(|book| book.cancel(transaction_key, amount, clock::now().as_millisecond()))
            .await
    }
}
