//! `jangteo consumers`: who follows events, how far, and who is to pause.

use std::process::ExitCode;

use clap::Subcommand;
use proto::operations::v1::consumer_service_client::ConsumerServiceClient;
use proto::operations::v1::{EventConsumer, ListConsumersRequest, PauseConsumerRequest, ResumeConsumerRequest};

use super::output::{self, Line, Output, time};
use crate::client::Connected;

#[derive(Debug, Subcommand)]
pub(super) enum Consumers {
    /// List who follows events, and how far each is.
    List,
    /// Pause a consumer on every instance until it is resumed; nothing is lost, and nobody else waits.
    Pause {
        /// Its name, such as `order.checkout`.
        consumer: String,
        /// Kept with the pause.
        #[arg(long)]
        why: String,
    },
    /// Let a consumer go on, with what was kept for it first.
    Resume {
        /// Its name, such as `order.checkout`.
        consumer: String,
        /// Kept with the pause.
        #[arg(long)]
        why: String,
    },
}

pub(super) async fn run(command: Consumers, shop: &Connected, output: Output) -> anyhow::Result<ExitCode> {
    let mut consumers = ConsumerServiceClient::new(shop.as_admin());
    let named = match command {
        Consumers::List => None,
        Consumers::Pause { consumer, why } => {
            let request = PauseConsumerRequest {
                consumer: consumer.clone(),
                why,
                ..Default::default()
            };
            consumers.pause_consumer(request).await?;
            Some(consumer)
        }
        Consumers::Resume { consumer, why } => {
            let request = ResumeConsumerRequest {
                consumer: consumer.clone(),
                why,
                ..Default::default()
            };
            consumers.resume_consumer(request).await?;
            Some(consumer)
        }
    };
    let mut found = consumers
        .list_consumers(ListConsumersRequest {})
        .await?
        .into_inner()
        .consumers;
    found.retain(|consumer| named.as_ref().is_none_or(|named| *named == consumer.consumer));
    output::print(found.iter().map(line).collect(), output);
    Ok(ExitCode::SUCCESS)
}

fn line(consumer: &EventConsumer) -> Line {
    vec![
        ("owner", consumer.owner.as_str().into()),
        ("consumer", consumer.consumer.as_str().into()),
        ("position", consumer.position.into()),
        ("lag", consumer.lag.into()),
        ("dead", consumer.dead.into()),
        ("waiting", consumer.waiting.into()),
        ("paused", consumer.paused.into()),
        ("paused_at", time(consumer.paused_at.as_ref())),
        ("paused_by", consumer.paused_by.as_str().into()),
        ("why", consumer.why.as_str().into()),
    ]
}
