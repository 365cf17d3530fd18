//! An operator pauses a consumer, has events published again meanwhile, and lets it go on.

use proto::operations::v1 as operations;

use super::Scenario;

impl Scenario {
    pub(super) async fn pause_and_republish(&self) {
        let (consumer, why) = (|| "notification.policy".to_owned(), || "a test".to_owned());
        done!(
            self.admin,
            "operations.v1.ConsumerService" / PauseConsumer,
            operations::PauseConsumerRequest {
                consumer: consumer(),
                why: why(),
                ..Default::default()
            }
        );
        done!(
            self.admin,
            "operations.v1.OutboxService" / RepublishEvents,
            operations::RepublishEventsRequest {
                owner: "order".to_owned(),
                first_sequence: 1,
                why: why(),
                ..Default::default()
            }
        );
        done!(
            self.admin,
            "operations.v1.ConsumerService" / ResumeConsumer,
            operations::ResumeConsumerRequest {
                consumer: consumer(),
                why: why(),
                ..Default::default()
            }
        );
    }
}
