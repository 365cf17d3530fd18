//! Serves `OutboxService`: the outboxes of every owner of this process, side by side.

use std::collections::BTreeMap;
use std::sync::Arc;

use kit::clock::from_proto;
use kit::context::Context;
use kit::database::Database;
use kit::dead_letter::line::Operator;
use kit::edge;
use kit::outbox::overview::{OutboxRefusal, Wanted, overview, republish};
use kit::refusal::Failure;
use kit::server::REQUEST_BYTES_MAX;
use proto::operations::v1::outbox_service_server::{OutboxService, OutboxServiceServer};
use proto::operations::v1::*;
use tonic::service::RoutesBuilder;
use tonic::{Request, Response, Status};

/// Events that are published again where no limit is named.
const LIMIT_DEFAULT: i32 = 1_000;

/// The outboxes; clones share them.
#[derive(Clone, Debug)]
pub struct Outboxes {
    /// By owner.
    databases: Arc<BTreeMap<&'static str, Database>>,
}

impl Outboxes {
    /// The outboxes of these owners.
    #[must_use]
    pub fn new<'a>(databases: impl IntoIterator<Item = &'a Database>) -> Self {
        let databases = databases
            .into_iter()
            .map(|database| (database.owner(), database.clone()));
        Self {
            databases: Arc::new(databases.collect()),
        }
    }

    /// Adds the service.
    pub fn routes(&self, routes: &mut RoutesBuilder) {
        routes.add_service(OutboxServiceServer::new(self.clone()).max_decoding_message_size(REQUEST_BYTES_MAX));
    }
}

async fn list(
    state: Outboxes,
    _context: Context,
    _request: ListOutboxesRequest,
) -> Result<ListOutboxesResponse, Failure> {
    let mut outboxes = Vec::with_capacity(state.databases.len());
    for database in state.databases.values() {
        outboxes.push(overview(database).await?);
    }
    Ok(ListOutboxesResponse { outboxes })
}

async fn republish_events(
    state: Outboxes,
    context: Context,
    request: RepublishEventsRequest,
) -> Result<RepublishEventsResponse, Failure> {
    let RepublishEventsRequest {
        owner,
        subject,
        why,
        dry_run,
        ..
    } = request;
    let Some(database) = state.databases.get(owner.as_str()) else {
        return Err(OutboxRefusal::NotFound { owner }.into());
    };
    let given = |sequence: i64| Some(sequence).filter(|sequence| *sequence > 0);
    let at = |time: Option<prost_types::Timestamp>| time.map(|time| from_proto(&time).as_microsecond());
    let wanted = Wanted {
        subject,
        first_sequence: given(request.first_sequence),
        last_sequence: given(request.last_sequence),
        recorded_after: at(request.recorded_after),
        recorded_before: at(request.recorded_before),
    };
    let limit = if request.limit == 0 {
        LIMIT_DEFAULT
    } else {
        request.limit
    };
    let limit = usize::try_from(limit).unwrap_or_default();
    let name = context.caller.actor().to_owned();
    let transaction = database.begin_write(&context).await?;
    let found = republish(&transaction, &wanted, limit, dry_run, &Operator { name, why }).await?;
    let answer = RepublishEventsResponse {
        events: i64::try_from(found.events).unwrap_or(i64::MAX),
        first_sequence: found.first_sequence,
        last_sequence: found.last_sequence,
        more: found.more,
        revision: String::new(),
    };
    transaction.commit(answer).await
}

#[tonic::async_trait]
impl OutboxService for Outboxes {
    async fn list_outboxes(
        &self,
        request: Request<ListOutboxesRequest>,
    ) -> Result<Response<ListOutboxesResponse>, Status> {
        edge::query(request, self.clone(), list).await
    }

    async fn republish_events(
        &self,
        request: Request<RepublishEventsRequest>,
    ) -> Result<Response<RepublishEventsResponse>, Status> {
        edge::command(request, self.clone(), republish_events).await
    }
}
