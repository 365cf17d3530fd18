//! The rules of messages: which facts are worth one, what it says to whom, and how often it is tried.

pub(crate) mod deliver_messages;
pub(crate) mod store;

use std::time::Duration;

use jiff::Timestamp;
use kit::clock::from_proto;
use kit::refusal::Locale;
use proto::event::v1 as event;
use proto::event::v1::event::Fact;
use proto::event::v1::{Event, MessageSnapshot, MessageVariable, OrderSnapshot, OrderState};

use crate::template::{Template, amount};

/// The facts that [`decide`] looks at.
pub const FACTS: &[&str] = &[
    "OrderAwaitingPayment",
    "OrderPaid",
    "OrderPaymentEnded",
    "OrderCancelled",
    "OrderExpired",
    "CouponIssued",
];

/// The version with which a message is asked for.
pub(crate) const VERSION_REQUESTED: i64 = 1;

/// What a fact is to be told as, and to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    pub template: Template,
    pub user_id: String,
    pub variables: Vec<(String, String)>,
}

/// How a message travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Channel {
    Alimtalk,
}

/// How a message stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Asked for, and not yet taken by the channel's service.
    Pending,
    /// The channel's service has it.
    Sent,
    /// Given up; a dead letter stands for it.
    Failed,
}

/// A message as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub message_id: String,
    pub event_id: String,
    pub channel: Channel,
    pub template: Template,
    pub locale: Locale,
    pub user_id: String,
    pub variables: Vec<(String, String)>,
    pub state: State,
    pub attempts: i32,
    pub said: String,
    pub correlation_id: String,
    pub traceparent: String,
    pub version: i64,
    pub created_at: Timestamp,
    pub next_at: Option<Timestamp>,
}

/// What came of handing a message over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The channel's service has it, perhaps since an earlier time.
    Taken,
    /// It will never take it as it is.
    Refused { said: String },
    /// It did not answer in time, or nobody knows what became of it: the same again does no harm.
    NoAnswer { said: String },
    /// It takes nothing now.
    NotNow { said: String },
}

/// How often a message is tried, and with which pauses.
#[derive(Clone, Debug)]
pub struct Pace {
    /// Tries until it is given up, 1 or more.
    pub attempts_max: i32,
    /// Pause after the first; it doubles with each.
    pub pause_first: Duration,
    /// The longest pause.
    pub pause_max: Duration,
}

impl Default for Pace {
    /// Given up after about 40 minutes: later than that it is no news any more.
    fn default() -> Self {
        Self {
            attempts_max: 12,
            pause_first: Duration::from_secs(1),
            pause_max: Duration::from_secs(600),
        }
    }
}

/// What a fact is worth telling, if anything.
///
/// An order counts as placed once stock, coupon and points are taken: what is refused before that was told to its caller,
/// and no message of it follows. One paid by points alone is paid in the same moment, and told of once.
#[must_use]
pub(crate) fn decide(fact: &Fact) -> Option<Notice> {
    match fact {
        Fact::OrderAwaitingPayment(event::OrderAwaitingPayment { order }) => {
            Some(of_order(Template::OrderPlaced, order.as_ref()?))
        }
        Fact::OrderPaid(event::OrderPaid { order }) => Some(of_order(Template::OrderPaid, order.as_ref()?)),
        Fact::OrderCancelled(event::OrderCancelled { order }) => {
            let order = order.as_ref().filter(|order| was_placed(order))?;
            Some(of_order(Template::OrderCancelled, order))
        }
        Fact::OrderExpired(event::OrderExpired { order }) => {
            let order = order.as_ref().filter(|order| was_placed(order))?;
            Some(of_order(Template::OrderExpired, order))
        }
        // the end of an order's last attempt is told only where it can be paid again
        Fact::OrderPaymentEnded(event::OrderPaymentEnded { order }) => {
            let order = order.as_ref()?;
            if order.state() != OrderState::AwaitingPayment {
                return None;
            }
            let mut notice = of_order(Template::PaymentDeclined, order);
            notice
                .variables
                .push(("reason".to_owned(), order.payment_reason.clone()));
            Some(notice)
        }
        Fact::CouponIssued(event::CouponIssued { coupon }) => {
            let coupon = coupon.as_ref()?;
            let valid_until = coupon
                .valid_until
                .as_ref()
                .map(|until| from_proto(until).strftime("%Y-%m-%d %H:%M UTC").to_string());
            Some(Notice {
                template: Template::CouponIssued,
                user_id: coupon.user_id.clone(),
                variables: vec![
                    ("coupon_id".to_owned(), coupon.coupon_id.clone()),
                    ("campaign_id".to_owned(), coupon.campaign_id.clone()),
                    ("valid_until".to_owned(), valid_until.unwrap_or_default()),
                ],
            })
        }
        _ => None,
    }
}

fn was_placed(order: &OrderSnapshot) -> bool {
    order.attempt > 0 || order.paid_at.is_some()
}

fn of_order(template: Template, order: &OrderSnapshot) -> Notice {
    Notice {
        template,
        user_id: order.user_id.clone(),
        variables: vec![
            ("order_id".to_owned(), order.order_id.clone()),
            ("total".to_owned(), amount(order.total.as_ref())),
        ],
    }
}

impl Message {
    /// The message that tells of an event.
    pub fn of(event: &Event, notice: Notice, channel: Channel, locale: Locale, now: Timestamp) -> Self {
        let Notice {
            template,
            user_id,
            variables,
        } = notice;
        Self {
            message_id: format!("{}-{}", event.event_id, channel.name().to_lowercase()),
            event_id: event.event_id.clone(),
            channel,
            template,
            locale,
            user_id,
            variables,
            state: State::Pending,
            attempts: 0,
            said: String::new(),
            correlation_id: event.correlation_id.clone(),
            traceparent: event.traceparent.clone(),
            version: VERSION_REQUESTED,
            created_at: now,
            // until the sender has heard of it
            next_at: None,
        }
    }

    /// The aggregate's name in events.
    pub fn subject(&self) -> String {
        format!("message/{}", self.message_id)
    }

    /// What follows from a try; a message that is given up becomes a dead letter. `percent` spreads the pause.
    #[must_use = "what came of it must be told"]
    pub fn tried(&mut self, outcome: &Outcome, now: Timestamp, pace: &Pace, percent: u32) -> Option<Fact> {
        let again = self.attempts < pace.attempts_max;
        match outcome {
            Outcome::Taken => {
                self.said.clear();
                Some(self.ended(State::Sent))
            }
            Outcome::NoAnswer { said } | Outcome::NotNow { said } if again => {
                self.said.clone_from(said);
                self.next_at = Some(now + self.pause(pace) * percent / 100);
                None
            }
            Outcome::Refused { said } | Outcome::NoAnswer { said } | Outcome::NotNow { said } => {
                self.said.clone_from(said);
                Some(self.ended(State::Failed))
            }
        }
    }

    /// The fact that it is to be sent.
    pub fn requested(&self) -> Fact {
        Fact::MessageSendRequested(event::MessageSendRequested {
            message: Some(self.snapshot()),
        })
    }

    fn ended(&mut self, state: State) -> Fact {
        self.state = state;
        self.next_at = None;
        self.version += 1;
        let message = Some(self.snapshot());
        match state {
            State::Sent => Fact::MessageSent(event::MessageSent { message }),
            State::Pending | State::Failed => Fact::MessageFailed(event::MessageFailed { message }),
        }
    }

    fn pause(&self, pace: &Pace) -> Duration {
        let doublings = u32::try_from(self.attempts.max(1) - 1).unwrap_or_default().min(30);
        pace.pause_first.saturating_mul(1 << doublings).min(pace.pause_max)
    }

    fn snapshot(&self) -> MessageSnapshot {
        let variable = |(name, value): &(String, String)| MessageVariable {
            name: name.clone(),
            value: value.clone(),
        };
        MessageSnapshot {
            message_id: self.message_id.clone(),
            event_id: self.event_id.clone(),
            channel: self.channel.name().to_owned(),
            user_id: self.user_id.clone(),
            template_id: self.template.id().to_owned(),
            locale: self.locale.tag().to_owned(),
            variables: self.variables.iter().map(variable).collect(),
            attempts: self.attempts,
            said: self.said.clone(),
        }
    }
}

impl Channel {
    /// Its name in tables and facts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Alimtalk => "ALIMTALK",
        }
    }

    /// The channel of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        (name == Self::Alimtalk.name()).then_some(Self::Alimtalk)
    }
}

#[cfg(test)]
mod tests;
