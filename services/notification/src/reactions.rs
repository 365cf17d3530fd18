//! What follows here from facts: one that is worth a message asks for it, and one that asks for it makes it due.

use async_trait::async_trait;
use kit::database::WriteTransaction;
use kit::inbox::Reactions;
use kit::outbox;
use kit::refusal::Failure;
use kit::retries::Retries;
use proto::event::v1 as event;
use proto::event::v1::Event;
use proto::event::v1::event::Fact;

use crate::Notifications;
use crate::message::{self, Channel, Message, decide, store};

/// The name of the consumer that decides which message goes to whom.
pub const POLICY: &str = "notification.policy";
/// The name of the consumer that sends what was asked for; a message that is given up is one of its dead letters.
pub const SENDER: &str = "notification.sender";
/// The facts that the policy looks at.
pub const POLICY_FACTS: &[&str] = message::FACTS;
/// The fact that the sender follows.
pub const SENDER_FACTS: &[&str] = &["MessageSendRequested"];

/// Decides.
#[derive(Clone, Debug)]
pub(crate) struct Policy(pub Notifications);

/// Sends.
#[derive(Clone, Debug)]
pub(crate) struct Sending(pub Notifications);

#[async_trait]
impl Reactions for Policy {
    fn consumer(&self) -> &'static str {
        POLICY
    }

    fn facts(&self) -> &'static [&'static str] {
        POLICY_FACTS
    }

    fn retries(&self) -> Retries {
        Retries::NOTIFICATIONS
    }

    async fn react(&self, transaction: &WriteTransaction, event: &Event) -> Result<(), Failure> {
        let Some(notice) = event.fact.as_ref().and_then(decide) else {
            return Ok(());
        };
        let (now, locale) = (transaction.context().now, self.0.settings.locale);
        let message = Message::of(event, notice, Channel::Alimtalk, locale, now);
        if store::insert(transaction, &message).await? {
            outbox::append(transaction, &message.subject(), message.version, message.requested());
        }
        Ok(())
    }
}

#[async_trait]
impl Reactions for Sending {
    fn consumer(&self) -> &'static str {
        SENDER
    }

    fn facts(&self) -> &'static [&'static str] {
        SENDER_FACTS
    }

    fn retries(&self) -> Retries {
        Retries::NOTIFICATIONS
    }

    async fn react(&self, transaction: &WriteTransaction, event: &Event) -> Result<(), Failure> {
        match &event.fact {
            Some(Fact::MessageSendRequested(event::MessageSendRequested { message: Some(message) })) => {
                store::take_up(transaction, &message.message_id).await
            }
            _ => Ok(()),
        }
    }

    fn committed(&self) {
        self.0.wake.notify_one();
    }
}
