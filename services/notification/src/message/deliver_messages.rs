//! The worker: takes messages that are due under a lease, hands them over, and saves what came of it.
//!
//! Nothing of the database is held during a call. Each try is counted before its first byte leaves; what a crash cuts off is
//! tried again under the same key.

use std::time::Duration;

use kit::context::Context;
use kit::database::WriteTransaction;
use kit::refusal::Failure;
use kit::{crash_point, dead_letter, outbox};
use proto::event::v1::event::Fact;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::Status;

use super::store::{self, Lease};
use super::{Message, Outcome, VERSION_REQUESTED};
use crate::Notifications;
use crate::reactions::SENDER;
use crate::sender::Outgoing;

/// Messages that one process hands over at once.
const AT_ONCE_MAX: usize = 32;
/// With more than these under way no others are taken: a lease is a commit, and shall be worth it.
const AT_ONCE_ENOUGH: usize = AT_ONCE_MAX / 2;
/// How long a due message may go unnoticed where nobody woke the worker.
const POLL: Duration = Duration::from_millis(500);
/// How long open calls may take to end when the service stops; what is cut off is tried again at the next start.
const DRAIN: Duration = Duration::from_secs(1);

impl Notifications {
    pub(crate) async fn deliver(self, stop: CancellationToken) {
        let mut running = JoinSet::new();
        loop {
            let free = AT_ONCE_MAX - running.len();
            for lease in crash_point::during(|| "message sender".to_owned(), self.take_due(free)).await {
                let notifications = self.clone();
                running.spawn(crash_point::during(|| "message".to_owned(), async move {
                    let message_id = lease.message.message_id.clone();
                    if let Err(failure) = notifications.hand_over(lease).await {
                        // its lease runs out, and it is handed over again
                        tracing::warn!(message_id, %failure, "message goes on later");
                    }
                }));
            }
            let full = running.len() > AT_ONCE_ENOUGH;
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(_) = running.join_next(), if full => {}
                () = self.wake.notified(), if !full => {}
                () = tokio::time::sleep(POLL) => {}
            }
            while running.try_join_next().is_some() {}
        }
        let drained = async { while running.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN, drained).await.is_err() {
            tracing::warn!("messages were still being handed over; they are tried again at the next start");
        }
    }

    async fn take_due(&self, free: usize) -> Vec<Lease> {
        let context = Context::background(self.database.owner(), self.database.clock());
        let leased = store::lease_due(&self.database, &context, free).await;
        leased.unwrap_or_else(|failure| {
            tracing::warn!(%failure, "messages wait for the database");
            Vec::new()
        })
    }

    async fn hand_over(&self, mut lease: Lease) -> Result<(), Failure> {
        let outcome = self.send(&lease.message).await;
        let context = self.context(&lease.message);
        let percent = rand::random_range(80..=120);
        let told = lease.message.tried(&outcome, context.now, &self.settings.pace, percent);
        let transaction = self.database.begin_bare(&context).await?;
        if !store::save(&transaction, &lease).await? {
            tracing::warn!(message_id = lease.message.message_id, "somebody else has the message");
            return transaction.rollback().await;
        }
        if let Some(fact) = told {
            let message = &lease.message;
            if matches!(fact, Fact::MessageFailed(_)) {
                bury(&transaction, message, &outcome).await?;
            }
            outbox::append(&transaction, &message.subject(), message.version, fact);
        }
        transaction.commit_quietly().await
    }

    async fn send(&self, message: &Message) -> Outcome {
        let Some(recipient) = self.settings.contacts.find(&message.user_id) else {
            let said = "the user has no recipient".to_owned();
            return Outcome::Refused { said };
        };
        let text = message.template.fill(message.locale, &message.variables);
        crash_point::before("send");
        let outcome = self
            .sender
            .send(&Outgoing {
                key: &message.message_id,
                channel: message.channel.name(),
                template_id: message.template.id(),
                locale: message.locale.tag(),
                recipient: &recipient,
                variables: &message.variables,
                text: &text,
            })
            .await;
        crash_point::after("send");
        outcome
    }

    fn context(&self, message: &Message) -> Context {
        let mut context = Context::background(self.database.owner(), self.database.clock()).for_user(&message.user_id);
        context.correlation_id.clone_from(&message.correlation_id);
        context.causation_id.clone_from(&message.event_id);
        context.traceparent.clone_from(&message.traceparent);
        context
    }
}

/// A message that is given up is a dead letter of the sender: re-driven, it is due again.
async fn bury(transaction: &WriteTransaction, message: &Message, outcome: &Outcome) -> Result<(), Failure> {
    let status = match outcome {
        Outcome::NoAnswer { said } => Status::deadline_exceeded(said),
        Outcome::NotNow { said } => Status::unavailable(said),
        Outcome::Refused { said } => Status::failed_precondition(said),
        Outcome::Taken => return Ok(()),
    };
    let attempts = message.attempts.unsigned_abs();
    let subject = message.subject();
    dead_letter::bury_handled(
        transaction,
        SENDER,
        &subject,
        VERSION_REQUESTED,
        &status.into(),
        attempts,
    )
    .await
}
