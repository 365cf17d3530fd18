//! Messages to users: a policy that decides from facts which message goes to whom, and senders that deliver it.
//!
//! Owns the table `messages`. Nothing waits for it: it hears of what is done, and a channel that is slow, or gone, leaves
//! messages behind and nothing else.

mod contact;
mod message;
mod reactions;
mod sender;
mod template;

use std::sync::Arc;
use std::time::Duration;

use kit::bus::Consumer;
use kit::database::{Database, Migration};
use kit::dead_letter::line::Addressee;
use kit::inbox::Inbox;
use kit::refusal::Locale;
use kit::retention::Swept;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use contact::Contacts;
use reactions::{Policy, Sending};
use sender::{HttpSender, LogSender, Sender};

pub use message::Pace;
pub use reactions::{POLICY, POLICY_FACTS, SENDER, SENDER_FACTS};

/// The schema of this owner.
pub const MIGRATIONS: &[Migration] =
    kit::migrations!("../../migrations/notification", ["m20261129_000001_create_messages"]);

/// Sent messages go once no repeated fact can come any more.
pub const SWEPT: &[Swept] = &[Swept {
    table: "messages",
    key: "(message_id)",
    column: "sent_at",
    days: kit::inbox::INBOX_RETENTION_DAYS,
}];

/// What can be set.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The service that carries messages, such as `http://127.0.0.1:8083`; `None`: they are told to the log alone.
    pub channel_url: Option<String>,
    /// The language of users of whom nothing is known.
    pub locale: Locale,
    /// Time to connect to the channel's service.
    pub connect_within: Duration,
    /// Time for one answer of it, connecting included; shorter than a lease.
    pub answer_within: Duration,
    /// How often a message is tried.
    pub pace: Pace,
    contacts: Contacts,
}

impl Settings {
    /// The settings of a shop that reaches users this way, in this language.
    #[must_use]
    pub fn new(channel_url: Option<String>, locale: Locale) -> Self {
        Self {
            channel_url,
            locale,
            connect_within: Duration::from_secs(1),
            answer_within: Duration::from_secs(3),
            pace: Pace::default(),
            contacts: Contacts::ByUserId,
        }
    }
}

/// The service; clones share it.
#[derive(Clone, Debug)]
pub struct Notifications {
    database: Database,
    sender: Arc<dyn Sender>,
    settings: Arc<Settings>,
    wake: Arc<Notify>,
}

impl Notifications {
    /// The service on its own tables.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(database: Database, settings: Settings) -> anyhow::Result<Self> {
        let sender: Arc<dyn Sender> = match &settings.channel_url {
            Some(url) => Arc::new(HttpSender::new(url, settings.connect_within, settings.answer_within)?),
            None => Arc::new(LogSender),
        };
        Ok(Self {
            database,
            sender,
            settings: Arc::new(settings),
            wake: Arc::default(),
        })
    }

    /// Who is to hear of events.
    #[must_use]
    pub fn consumers(&self) -> Vec<Arc<dyn Consumer>> {
        vec![self.policy(), self.sending()]
    }

    /// Who can be given events again.
    #[must_use]
    pub fn addressees(&self) -> Vec<Arc<dyn Addressee>> {
        vec![self.policy(), self.sending()]
    }

    fn policy(&self) -> Arc<Inbox<Policy>> {
        Arc::new(Inbox::new(self.database.clone(), Policy(self.clone())))
    }

    fn sending(&self) -> Arc<Inbox<Sending>> {
        Arc::new(Inbox::new(self.database.clone(), Sending(self.clone())))
    }

    /// Delivers messages until told to stop, then waits a few seconds for open calls.
    pub fn run(&self, stop: CancellationToken) -> impl Future<Output = ()> + Send + use<> {
        self.clone().deliver(stop)
    }
}
