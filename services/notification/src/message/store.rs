//! The rows of messages; whoever hands one over saves what came of it only under its lease.

use jiff::Timestamp;
use kit::clock::from_microseconds;
use kit::context::Context;
use kit::database::{Database, Sql, WriteTransaction};
use kit::refusal::{Failure, Locale};
use kit::values;
use sea_orm::FromQueryResult;

use super::{Channel, Message, State};
use crate::template::Template;

/// How long a message belongs to the process that took it: longer than one try.
const LEASE_SECONDS: i64 = 10;

const COLUMNS: &str = "message_id, event_id, channel, user_id, template_id, locale, variables, state, attempts, said,
    correlation_id, traceparent, version, created_at, next_at";

#[derive(FromQueryResult)]
struct Row {
    message_id: String,
    event_id: String,
    channel: String,
    user_id: String,
    template_id: String,
    locale: String,
    variables: String,
    state: String,
    attempts: i32,
    said: String,
    correlation_id: String,
    traceparent: String,
    version: i64,
    created_at: i64,
    next_at: Option<i64>,
    lease_token: i64,
}

#[derive(FromQueryResult)]
#[expect(dead_code, reason = "only whether there is one matters")]
struct MessageId {
    message_id: String,
}

/// A message, and the token under which its try may be saved.
#[derive(Clone, Debug)]
pub(crate) struct Lease {
    pub message: Message,
    token: i64,
}

/// Stores a new message; `false`: its fact was told on this channel before.
pub(crate) async fn insert(transaction: &WriteTransaction, message: &Message) -> Result<bool, Failure> {
    let sql = format!(
        "INSERT INTO messages ({COLUMNS}, lease_token, leased_until)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, 0, 0) ON CONFLICT DO NOTHING"
    );
    let variables = serde_json::to_string(&message.variables).map_err(anyhow::Error::from)?;
    let values = values![
        message.message_id.as_str(),
        message.event_id.as_str(),
        message.channel.name(),
        message.user_id.as_str(),
        message.template.id(),
        message.locale.tag(),
        variables,
        message.state.name(),
        message.attempts,
        message.said.as_str(),
        message.correlation_id.as_str(),
        message.traceparent.as_str(),
        message.version,
        message.created_at.as_microsecond(),
        message.next_at.map(Timestamp::as_microsecond),
    ];
    Ok(transaction.run(&sql, values).await? == 1)
}

/// The sender has heard of it: a new message, or one that was given up, is due now. One that is under way or sent stays so.
pub(crate) async fn take_up(transaction: &WriteTransaction, message_id: &str) -> Result<(), Failure> {
    let sql = "UPDATE messages SET state = 'PENDING', attempts = 0, next_at = $2
        WHERE message_id = $1 AND next_at IS NULL AND state <> 'SENT'";
    let now = transaction.context().now.as_microsecond();
    transaction.run(sql, values![message_id, now]).await?;
    Ok(())
}

/// Takes the lease of messages that are due, at most `limit`, and counts the try.
pub(crate) async fn lease_due(database: &Database, context: &Context, limit: usize) -> Result<Vec<Lease>, Failure> {
    let (clock, now) = (database.now_sql(), context.now.as_microsecond());
    let due =
        format!("SELECT message_id FROM messages WHERE next_at <= $1 AND leased_until < {clock} ORDER BY next_at");
    // nothing is due most of the time, and then no writer is kept waiting
    let any: Option<MessageId> = database.reader().find(&format!("{due} LIMIT 1"), values![now]).await?;
    if any.is_none() {
        return Ok(Vec::new());
    }
    let transaction = database.begin_bare(context).await?;
    let skip = if database.is_postgres() {
        " FOR UPDATE SKIP LOCKED"
    } else {
        ""
    };
    let sql = format!(
        "WITH due AS ({due} LIMIT {limit}{skip})
        UPDATE messages SET attempts = attempts + 1, lease_token = lease_token + 1,
            leased_until = {clock} + {LEASE_SECONDS} * 1000000
        WHERE message_id IN (SELECT message_id FROM due) RETURNING {COLUMNS}, lease_token"
    );
    let rows: Vec<Row> = transaction.list(&sql, values![now]).await?;
    transaction.commit_quietly().await?;
    rows.into_iter().map(Lease::try_from).collect()
}

/// Saves what came of a try. `false`: somebody else has the message now.
pub(crate) async fn save(transaction: &WriteTransaction, lease: &Lease) -> Result<bool, Failure> {
    let message = &lease.message;
    let sql = "UPDATE messages SET state = $3, said = $4, version = $5, next_at = $6, sent_at = $7, leased_until = 0
        WHERE message_id = $1 AND lease_token = $2";
    let now = transaction.context().now.as_microsecond();
    let values = values![
        message.message_id.as_str(),
        lease.token,
        message.state.name(),
        message.said.as_str(),
        message.version,
        message.next_at.map(Timestamp::as_microsecond),
        (message.state == State::Sent).then_some(now),
    ];
    Ok(transaction.run(sql, values).await? == 1)
}

impl TryFrom<Row> for Lease {
    type Error = Failure;

    fn try_from(row: Row) -> Result<Self, Failure> {
        let known = Channel::from_name(&row.channel).zip(Template::from_id(&row.template_id));
        let (channel, template) =
            known.ok_or_else(|| anyhow::anyhow!("message {}: {} {}", row.message_id, row.channel, row.template_id))?;
        let message = Message {
            channel,
            template,
            locale: Locale::from_accept_language(&row.locale),
            state: State::from_name(&row.state)?,
            message_id: row.message_id,
            event_id: row.event_id,
            user_id: row.user_id,
            variables: serde_json::from_str(&row.variables).map_err(anyhow::Error::from)?,
            attempts: row.attempts,
            said: row.said,
            correlation_id: row.correlation_id,
            traceparent: row.traceparent,
            version: row.version,
            created_at: from_microseconds(row.created_at),
            next_at: row.next_at.map(from_microseconds),
        };
        Ok(Self {
            message,
            token: row.lease_token,
        })
    }
}

impl State {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Sent => "SENT",
            Self::Failed => "FAILED",
        }
    }

    fn from_name(name: &str) -> Result<Self, Failure> {
        let state = [Self::Pending, Self::Sent, Self::Failed]
            .into_iter()
            .find(|state| state.name() == name);
        state.ok_or_else(|| anyhow::anyhow!("unknown state of a message: {name}").into())
    }
}
