//! What people look at: told once a call, and kept nowhere here.

use std::collections::HashSet;

use kit::clock::{from_proto, to_proto};
use kit::context::Context;
use kit::id::new_id;
use kit::outbox;
use kit::refusal::Failure;
use proto::catalog::v1::{RecordRequest, RecordResponse};
use proto::event::v1::event::Fact;
use proto::event::v1::{BehaviourEntry, BehaviourRecorded};

use crate::Catalog;
use crate::product::store as products;

pub(crate) async fn record(
    state: Catalog,
    context: Context,
    request: RecordRequest,
) -> Result<RecordResponse, Failure> {
    let transaction = state.database.begin_write(&context).await?;
    let seen: HashSet<&str> = request
        .behaviours
        .iter()
        .map(|behaviour| behaviour.product_id.as_str())
        .collect();
    let known = products::list(&*transaction, &seen.into_iter().collect::<Vec<_>>()).await?;
    let known: HashSet<String> = known.into_iter().map(|product| product.product_id).collect();
    let behaviours = request
        .behaviours
        .into_iter()
        .filter(|behaviour| known.contains(&behaviour.product_id));
    let behaviours = behaviours.map(|behaviour| BehaviourEntry {
        product_id: behaviour.product_id,
        // the two enums have the same numbers, so that an event never changes with the API
        kind: behaviour.kind,
        // a caller whose clock is ahead saw it now
        occurred_at: behaviour
            .occurred_at
            .map(|at| to_proto(from_proto(&at).min(context.now))),
    });
    let told = BehaviourRecorded {
        // nobody, for the visitors of a gateway who have not signed in
        user_id: context.user().unwrap_or_default().to_owned(),
        behaviours: behaviours.collect(),
    };
    if !told.behaviours.is_empty() {
        let subject = format!("behaviour/{}", new_id());
        outbox::append(&transaction, &subject, 1, Fact::BehaviourRecorded(told));
    }
    transaction.commit(RecordResponse::default()).await
}
