//! Shows what the book holds, or what this gateway makes of it.

use super::{Answer, Gateway};
use crate::book::Transaction;
use crate::clock;
use crate::contract::Refusal;
use crate::fate::of_call;
use crate::mode::{Die, Mode};

impl Gateway {
    /// # Errors
    /// Unknown key.
    pub async fn find_transaction(&self, transaction_key: &str) -> Result<Answer<Transaction>, Refusal> {
        let found = self
            .keeper
            .read(|book| book.transaction(transaction_key).cloned())
            .await?;
        let found = found.ok_or(Refusal::NotFound)?;
        let mode = self.look_up_mode(&found.order_id, &found.modes);
        let shown = self.shown(&found).ok_or(Refusal::NotFound)?;
        self.breakage(mode, shown).await
    }

    /// # Errors
    /// No transaction of this order id.
    pub async fn find_order(&self, order_id: &str) -> Result<Answer<Vec<Transaction>>, Refusal> {
        let look = |book: &crate::book::Book| book.of_order(order_id).cloned().collect();
        let found: Vec<Transaction> = self.keeper.read(look).await?;
        let fixed = found.first().map_or(&[][..], |transaction| &transaction.modes);
        let mode = self.look_up_mode(order_id, fixed);
        let shown: Vec<_> = found.iter().filter_map(|transaction| self.shown(transaction)).collect();
        if shown.is_empty() && mode.is_none() {
            return Err(Refusal::NotFound);
        }
        self.breakage(mode, shown).await
    }

    fn look_up_mode(&self, order_id: &str, fixed: &[Mode]) -> Option<Mode> {
        let look_up = self.keeper.number(Die::LookUp, order_id);
        // an id of its own, or look-ups would share their dice with POSTs
        let id = format!("look-up {order_id}");
        let mode = of_call(&self.behaviour(), self.seed, Die::LookUp, &id, look_up, fixed);
        self.happens(mode);
        mode
    }

    fn shown(&self, transaction: &Transaction) -> Option<Transaction> {
        let span = self.scaled(self.behaviour().contradiction_ms).as_millis();
        let span_ms = i64::try_from(span).unwrap_or(i64::MAX / 4);
        transaction.shown(clock::now().as_millisecond(), span_ms)
    }
}
