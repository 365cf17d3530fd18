//! The sender of a shop that has no channel: a line in the log, without what is personal.

use async_trait::async_trait;

use super::{Outgoing, Sender};
use crate::message::Outcome;

/// Says in the log that there was something to say.
#[derive(Debug)]
pub(crate) struct LogSender;

#[async_trait]
impl Sender for LogSender {
    async fn send(&self, message: &Outgoing<'_>) -> Outcome {
        tracing::info!(
            message_id = message.key,
            template = message.template_id,
            locale = message.locale,
            recipient = message.recipient,
            "message"
        );
        Outcome::Taken
    }
}
