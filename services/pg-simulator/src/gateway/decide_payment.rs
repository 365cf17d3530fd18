//! Decides a payment when its time has come, and calls the shop back, once as a rule.

use std::sync::Arc;
use std::time::Duration;

use super::Gateway;
use crate::book::{Acceptance, Book, Entry};
use crate::clock;
use crate::contract::{Callback, Refusal, masked};
use crate::mode::Mode;

impl Gateway {
    /// Takes up what the last run left PENDING. Their callbacks carry masked card numbers: the book holds no others.
    pub fn resume_pending(self: &Arc<Self>) {
        for acceptance in self.keeper.pending() {
            let card_no = masked(&acceptance.card_last_four);
            self.spawn(self.clone().decide_payment(acceptance, card_no));
        }
    }

    pub(super) async fn decide_payment(
        self: Arc<Self>,
        acceptance: Acceptance,
        card_no: String,
    ) -> Result<(), Refusal> {
        let url = &acceptance.callback_url;
        let has = |mode| acceptance.modes.contains(&mode);
        if has(Mode::CallbackForged) {
            let look = |book: &Book| book.transaction(&acceptance.transaction_key).cloned();
            let pending = self.keeper.read(look).await?.ok_or(Refusal::NotFound)?;
            self.callbacks.send(url, &Callback::forged(&pending, &card_no)).await;
        }
        tokio::time::sleep(self.until_decision(&acceptance)).await;

        let decision = self.keeper.append(|_| {
            Ok(Entry::Decided {
                transaction_key: acceptance.transaction_key.clone(),
                verdict: acceptance.verdict,
                at_ms: clock::now().as_millisecond(),
            })
        });
        let decided = decision.await?;

        let callback = Callback::of(&decided, &card_no);
        if has(Mode::CallbackLost) {
            return Ok(());
        }
        if has(Mode::CallbackLate) {
            tokio::time::sleep(self.scaled(self.behaviour().callback_late_ms)).await;
        }
        for _ in 0..if has(Mode::CallbackTwice) { 2 } else { 1 } {
            self.callbacks.send(url, &callback).await;
        }
        Ok(())
    }

    /// Bounded by the longest delay, so that a clock that jumped back delays nothing for ever.
    fn until_decision(&self, acceptance: &Acceptance) -> Duration {
        let left_ms = acceptance.decides_at_ms.saturating_sub(clock::now().as_millisecond());
        let longest = self.scaled(self.behaviour().decision_delay_ms.max);
        Duration::from_millis(u64::try_from(left_ms).unwrap_or(0)).min(longest)
    }
}
