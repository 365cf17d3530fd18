//! What is refused to operators of events on their way.

use proto::operations::v1::consumer_service_client::ConsumerServiceClient;
use proto::operations::v1::outbox_service_client::OutboxServiceClient;
use proto::operations::v1::{PauseConsumerRequest, RepublishEventsRequest};
use support::TestShop;

use super::Reached;

pub async fn refuses(shop: &TestShop, reached: &mut Reached) {
    let mut outboxes = OutboxServiceClient::new(shop.connected().as_admin());
    let republish = |owner: &str, first_sequence| RepublishEventsRequest {
        owner: owner.to_owned(),
        first_sequence,
        why: "a test".to_owned(),
        ..Default::default()
    };
    let nobodys = outboxes.republish_events(republish("nobody", 1)).await;
    reached.by("OUTBOX_NOT_FOUND", &[("owner", "nobody")], nobodys);
    reached.by(
        "REPUBLICATION_UNBOUNDED",
        &[],
        outboxes.republish_events(republish("order", 0)).await,
    );

    let mut consumers = ConsumerServiceClient::new(shop.connected().as_admin());
    let request = PauseConsumerRequest {
        consumer: "nobody".to_owned(),
        why: "a test".to_owned(),
        ..Default::default()
    };
    reached.by(
        "CONSUMER_NOT_FOUND",
        &[("consumer", "nobody")],
        consumers.pause_consumer(request).await,
    );
}
