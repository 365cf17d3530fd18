//! `jangteo outbox`: what waits to leave its service, and what leaves once more.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use kit::clock::to_proto;
use proto::operations::v1::outbox_service_client::OutboxServiceClient;
use proto::operations::v1::{ListOutboxesRequest, Outbox, RepublishEventsRequest};

use super::output::{self, Line, Output, time};
use crate::client::Connected;

#[derive(Debug, Subcommand)]
pub(super) enum Outboxes {
    /// Show what waits in each outbox, and who publishes it.
    Status,
    /// Publish events again that were published before; consumers know those that they had.
    Republish(Republish),
}

#[derive(Debug, Args)]
pub(super) struct Republish {
    /// Whose events: catalog, coupon, payment, order or notification.
    owner: String,
    /// Only events of this aggregate, such as `order/<id>`.
    #[arg(long, default_value = "")]
    subject: String,
    /// Only events of this sequence or later.
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    first: i64,
    /// Only events of this sequence or earlier.
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    last: i64,
    /// Only events written at this time or later, such as `2026-11-24T09:00:00Z`.
    #[arg(long, value_name = "TIME")]
    after: Option<Timestamp>,
    /// Only events written before this time.
    #[arg(long, value_name = "TIME")]
    before: Option<Timestamp>,
    /// So many at most, 10000 or fewer; the first that fit.
    #[arg(long, default_value_t = 1_000)]
    limit: i32,
    /// Only count them.
    #[arg(long)]
    dry_run: bool,
    /// Kept with the outbox.
    #[arg(long)]
    why: String,
}

pub(super) async fn run(command: Outboxes, shop: &Connected, output: Output) -> anyhow::Result<ExitCode> {
    let mut outboxes = OutboxServiceClient::new(shop.as_admin());
    let lines = match command {
        Outboxes::Status => {
            let answer = outboxes.list_outboxes(ListOutboxesRequest {}).await?.into_inner();
            answer.outboxes.iter().map(line).collect()
        }
        Outboxes::Republish(Republish {
            owner,
            subject,
            first,
            last,
            after,
            before,
            limit,
            dry_run,
            why,
        }) => {
            let request = RepublishEventsRequest {
                owner: owner.clone(),
                subject,
                first_sequence: first,
                last_sequence: last,
                recorded_after: after.map(to_proto),
                recorded_before: before.map(to_proto),
                limit,
                dry_run,
                why,
                ..Default::default()
            };
            let answer = outboxes.republish_events(request).await?.into_inner();
            vec![vec![
                ("owner", owner.into()),
                ("events", answer.events.into()),
                ("first_sequence", answer.first_sequence.into()),
                ("last_sequence", answer.last_sequence.into()),
                ("more", answer.more.into()),
                ("dry_run", dry_run.into()),
            ]]
        }
    };
    output::print(lines, output);
    Ok(ExitCode::SUCCESS)
}

/// One line an outbox: its leases are told by how many there are, who has them and when the first runs out.
fn line(outbox: &Outbox) -> Line {
    let mut holders: Vec<&str> = outbox.leases.iter().map(|lease| lease.holder.as_str()).collect();
    holders.sort_unstable();
    holders.dedup();
    let leases = outbox.leases.iter();
    let first_expiry = leases
        .filter_map(|lease| lease.expires_at.as_ref())
        .min_by_key(|at| (at.seconds, at.nanos));
    vec![
        ("owner", outbox.owner.as_str().into()),
        ("unpublished", outbox.unpublished.into()),
        ("oldest_unpublished_at", time(outbox.oldest_unpublished_at.as_ref())),
        ("published_per_minute", outbox.published_per_minute.into()),
        ("last_sequence", outbox.last_sequence.into()),
        ("leases", outbox.leases.len().into()),
        ("holders", holders.join(",").into()),
        ("first_lease_expires_at", time(first_expiry)),
    ]
}
