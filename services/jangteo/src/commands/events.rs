//! `jangteo events`: what happened, newest first, from the journal.

use std::process::ExitCode;

use clap::Args;
use jiff::Timestamp;
use kit::clock::to_proto;
use proto::readmodel::v1::audit_service_client::AuditServiceClient;
use proto::readmodel::v1::{JournaledEvent, ListEventsRequest};

use super::output::{self, Line, Output, time};
use crate::client::Connected;

/// The largest page.
const PAGE_EVENTS: i32 = 100;

#[derive(Debug, Args)]
pub(super) struct Events {
    /// Only events of this aggregate, such as `order/<id>`.
    #[arg(long, default_value = "")]
    subject: String,
    /// Only events that belong together under this id.
    #[arg(long, value_name = "ID", default_value = "")]
    correlation_id: String,
    /// Only events that this user or service caused.
    #[arg(long, default_value = "")]
    actor: String,
    /// Only events of this time or later, such as `2026-11-24T09:00:00Z`.
    #[arg(long, value_name = "TIME")]
    after: Option<Timestamp>,
    /// Only events before this time.
    #[arg(long, value_name = "TIME")]
    before: Option<Timestamp>,
    /// So many at most.
    #[arg(long, default_value_t = 100)]
    limit: usize,
    /// Print also what each event tells.
    #[arg(long)]
    facts: bool,
}

pub(super) async fn run(events: Events, shop: &Connected, output: Output) -> anyhow::Result<ExitCode> {
    let mut audit = AuditServiceClient::new(shop.as_admin());
    let mut request = ListEventsRequest {
        correlation_id: events.correlation_id,
        subject: events.subject,
        actor: events.actor,
        occurred_after: events.after.map(to_proto),
        occurred_before: events.before.map(to_proto),
        page_size: PAGE_EVENTS,
        ..Default::default()
    };
    let mut found = Vec::new();
    loop {
        let page = audit.list_events(request.clone()).await?.into_inner();
        found.extend(page.events);
        if page.next_page_token.is_empty() || found.len() >= events.limit {
            break;
        }
        request.page_token = page.next_page_token;
    }
    found.truncate(events.limit);
    output::print(found.iter().map(|event| line(event, events.facts)).collect(), output);
    Ok(ExitCode::SUCCESS)
}

fn line(journaled: &JournaledEvent, facts: bool) -> Line {
    let event = journaled.event.clone().unwrap_or_default();
    let mut line: Line = vec![
        ("position", journaled.position.into()),
        ("occurred_at", time(event.occurred_at.as_ref())),
        ("type", event.r#type.into()),
        ("subject", event.subject.into()),
        ("version", event.version.into()),
        ("actor", event.actor.into()),
        ("on_behalf_of", event.on_behalf_of.into()),
        ("correlation_id", event.correlation_id.into()),
        ("causation_id", event.causation_id.into()),
        ("event_id", event.event_id.into()),
    ];
    if facts {
        line.push(("fact", format!("{:?}", event.fact).into()));
    }
    line
}
