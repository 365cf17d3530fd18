//! The port to the services that carry messages to people, and what a message looks like to them.

mod http;
mod log;

use async_trait::async_trait;

use crate::message::Outcome;

pub(crate) use http::HttpSender;
pub(crate) use log::LogSender;

/// A message on its way out.
pub(crate) struct Outgoing<'a> {
    /// The same at every try: a service that took it before takes it no second time.
    pub key: &'a str,
    pub channel: &'a str,
    pub template_id: &'a str,
    pub locale: &'a str,
    /// Who it is for, as the channel knows people; in no fact and in no error.
    pub recipient: &'a str,
    /// Personal, as the text that is filled with them.
    pub variables: &'a [(String, String)],
    pub text: &'a str,
}

/// A way out. No call is made while a transaction or a connection of the database is held.
#[async_trait]
pub(crate) trait Sender: std::fmt::Debug + Send + Sync + 'static {
    /// Hands a message over, within limits of its own.
    async fn send(&self, message: &Outgoing<'_>) -> Outcome;
}
