//! Takes a payment in: wait, fall or store, decide later, answer as fate will have it.

use std::sync::Arc;

use super::{Answer, Gateway, IN_FLIGHT_MAX};
use crate::book::{Acceptance, Entry, Transaction};
use crate::clock;
use crate::contract::{PaymentRequest, Refusal};
use crate::fate::Fate;
use crate::mode::{Die, Mode};

impl Gateway {
    /// Not idempotent: each accepted call is a new transaction. It goes on if the caller goes.
    ///
    /// # Errors
    /// What fate has in store, and too many payments at once.
    pub async fn accept_payment(self: Arc<Self>, request: PaymentRequest) -> Result<Answer<Transaction>, Refusal> {
        if self.tasks.len() >= IN_FLIGHT_MAX {
            return Err(Refusal::Busy);
        }
        let post = self.keeper.number(Die::Reply, &request.order_id);
        let fate = Fate::of(&self.behaviour(), self.seed, &request.order_id, post, &request.card_no);
        let accepting = self.spawn(self.clone().accept(request, post, fate));
        accepting.await.ok().flatten().unwrap_or(Err(Refusal::Busy))
    }

    async fn accept(
        self: Arc<Self>,
        request: PaymentRequest,
        post: u32,
        fate: Fate,
    ) -> Result<Answer<Transaction>, Refusal> {
        tokio::time::sleep(self.scaled(fate.reply_delay_ms)).await;
        let reply = fate.reply();
        self.happens(reply);
        match reply {
            Some(Mode::ServerError) => return Err(Refusal::ServerError),
            Some(Mode::Hang) => return self.keep_silent().await,
            Some(Mode::StoredLate) => {
                let gateway = self.clone();
                self.spawn(async move {
                    tokio::time::sleep(gateway.scaled(gateway.behaviour().store_late_ms)).await;
                    gateway.store(request, post, &fate).await.map(drop)
                });
                return self.keep_silent().await;
            }
            _ => {}
        }
        let transaction = self.store(request, post, &fate).await?;
        self.breakage(reply, transaction).await
    }

    async fn keep_silent(&self) -> Result<Answer<Transaction>, Refusal> {
        tokio::time::sleep(self.hang()).await;
        Err(Refusal::Silence)
    }

    /// Writes the payment down; it is decided later, or at once if the callback is to overtake the reply.
    async fn store(self: &Arc<Self>, request: PaymentRequest, post: u32, fate: &Fate) -> Result<Transaction, Refusal> {
        let mut accepted = None;
        let stored = self.keeper.append(|book| {
            let now = clock::now();
            let transaction_key = book.next_key(&now.strftime("%Y%m%d").to_string(), self.seed);
            let acceptance = self.acceptance(&request, post, fate, transaction_key, now.as_millisecond());
            accepted = Some(acceptance.clone());
            Ok(Entry::Accepted(acceptance))
        });
        let transaction = stored.await?;
        self.happens(fate.of_stored());
        let acceptance = accepted.expect("an appended entry was judged");

        let deciding = self.spawn(self.clone().decide_payment(acceptance, request.card_no));
        if fate.has(Mode::CallbackBeforeReply) {
            // The decision's own errors end the process; the answer has nothing to add to them.
            let _ = deciding.await;
        }
        Ok(transaction)
    }

    fn acceptance(
        &self,
        request: &PaymentRequest,
        post: u32,
        fate: &Fate,
        transaction_key: String,
        at_ms: i64,
    ) -> Acceptance {
        let decides_in = if fate.has(Mode::CallbackBeforeReply) {
            0
        } else {
            self.scaled(fate.decision_delay_ms).as_millis()
        };
        Acceptance {
            transaction_key,
            order_id: request.order_id.clone(),
            post,
            card_type: request.card_type.clone(),
            card_last_four: request.card_last_four().to_owned(),
            amount: if fate.has(Mode::WrongAmount) {
                another(request.amount)
            } else {
                request.amount
            },
            callback_url: request.callback_url.clone(),
            verdict: fate.verdict(),
            modes: fate.modes.clone(),
            at_ms,
            decides_at_ms: at_ms.saturating_add(i64::try_from(decides_in).unwrap_or(i64::MAX)),
        }
    }
}

/// Differs from `amount`, and is at least 1.
fn another(amount: i64) -> i64 {
    if amount > 1 { amount - 1 } else { 2 }
}
