//! What people look at: told once a call, and kept nowhere here.

use kit::context::Context;
use kit::id::new_id;
use kit::outbox;
use kit::refusal::Failure;
use proto::catalog::v1::{RecordRequest, RecordResponse};
use proto::event::v1::event::Fact;
use proto::event::v1::{BehaviourEntry, BehaviourRecorded};

use crate::Catalog;

pub(crate) async fn record(
    state: Catalog,
    context: Context,
    request: RecordRequest,
) -> Result<RecordResponse, Failure> {
    let behaviours = request.behaviours.into_iter().map(|behaviour| BehaviourEntry {
        product_id: behaviour.product_id,
        // the two enums have the same numbers, so that an event never changes with the API
        kind: behaviour.kind,
        occurred_at: behaviour.occurred_at,
    });
    let user_id = context.user()?.to_owned();
    let transaction = state.database.begin_write(&context).await?;
    let told = BehaviourRecorded {
        user_id,
        behaviours: behaviours.collect(),
    };
    outbox::append(
        &transaction,
        &format!("behaviour/{}", new_id()),
        1,
        Fact::BehaviourRecorded(told),
    );
    transaction.commit(RecordResponse::default()).await
}
