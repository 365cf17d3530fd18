//! Serves `ConsumerService`: everyone in this process who follows events.

use std::collections::BTreeMap;
use std::sync::Arc;

use kit::clock::{from_microseconds, to_proto};
use kit::context::Context;
use kit::dead_letter::line::{Addressee, Operator};
use kit::dead_letter::{State, listing};
use kit::edge;
use kit::pause::{self, ConsumerRefusal, Pause};
use kit::refusal::Failure;
use kit::server::REQUEST_BYTES_MAX;
use proto::operations::v1::consumer_service_server::{ConsumerService, ConsumerServiceServer};
use proto::operations::v1::*;
use read_model::ReadModel;
use tonic::service::RoutesBuilder;
use tonic::{Request, Response, Status};

/// The consumers; clones share them.
#[derive(Clone, Debug)]
pub struct Consumers {
    addressees: Arc<Vec<Arc<dyn Addressee>>>,
    read_model: ReadModel,
}

impl Consumers {
    /// These consumers, of which the read model's follow its journal.
    #[must_use]
    pub fn new(addressees: Vec<Arc<dyn Addressee>>, read_model: ReadModel) -> Self {
        Self {
            addressees: Arc::new(addressees),
            read_model,
        }
    }

    /// Adds the service.
    pub fn routes(&self, routes: &mut RoutesBuilder) {
        routes.add_service(ConsumerServiceServer::new(self.clone()).max_decoding_message_size(REQUEST_BYTES_MAX));
    }

    fn find(&self, consumer: &str) -> Result<&dyn Addressee, ConsumerRefusal> {
        let found = self.addressees.iter().find(|addressee| addressee.name() == consumer);
        let consumer = consumer.to_owned();
        found.map(AsRef::as_ref).ok_or(ConsumerRefusal::NotFound { consumer })
    }
}

async fn list(
    state: Consumers,
    _context: Context,
    _request: ListConsumersRequest,
) -> Result<ListConsumersResponse, Failure> {
    let databases = state.addressees.iter().map(|addressee| addressee.database());
    let databases: BTreeMap<_, _> = databases.map(|database| (database.owner(), database)).collect();
    let (mut counts, mut pauses) = (Vec::new(), BTreeMap::<String, Pause>::new());
    for database in databases.values() {
        counts.extend(listing::count(database.reader()).await?);
        let paused = pause::list(database.reader()).await?;
        pauses.extend(paused.into_iter().map(|pause| (pause.consumer.clone(), pause)));
    }
    let (positions, head) = state.read_model.positions().await?;
    let mut consumers: Vec<EventConsumer> = Vec::with_capacity(state.addressees.len());
    for addressee in state.addressees.iter() {
        let name = addressee.name();
        let letters = |states: &[State]| {
            let of = counts
                .iter()
                .filter(|count| count.consumer == name && states.contains(&count.state()));
            of.map(|count| count.letters).sum::<i64>()
        };
        let position = positions.get(name).copied();
        let pause = pauses.remove(name);
        consumers.push(EventConsumer {
            consumer: name.to_owned(),
            owner: addressee.database().owner().to_owned(),
            lag: position.map_or(0, |position| (head - position).max(0)),
            position: position.unwrap_or_default(),
            dead: letters(&[State::Dead, State::Investigating]),
            waiting: letters(&[State::Waiting]),
            paused: pause.is_some(),
            paused_at: pause.as_ref().map(|pause| to_proto(from_microseconds(pause.paused_at))),
            paused_by: pause.as_ref().map(|pause| pause.paused_by.clone()).unwrap_or_default(),
            why: pause.map(|pause| pause.why).unwrap_or_default(),
        });
    }
    consumers.sort_by(|left, right| (&left.owner, &left.consumer).cmp(&(&right.owner, &right.consumer)));
    Ok(ListConsumersResponse { consumers })
}

async fn pause_consumer(
    state: Consumers,
    context: Context,
    request: PauseConsumerRequest,
) -> Result<PauseConsumerResponse, Failure> {
    let addressee = state.find(&request.consumer)?;
    let transaction = addressee.database().begin_write(&context).await?;
    pause::pause(&transaction, addressee.name(), &operator(&context, request.why)).await?;
    transaction.commit(PauseConsumerResponse::default()).await
}

async fn resume_consumer(
    state: Consumers,
    context: Context,
    request: ResumeConsumerRequest,
) -> Result<ResumeConsumerResponse, Failure> {
    let addressee = state.find(&request.consumer)?;
    let transaction = addressee.database().begin_write(&context).await?;
    pause::resume(&transaction, addressee.name(), &operator(&context, request.why)).await?;
    transaction.commit(ResumeConsumerResponse::default()).await
}

fn operator(context: &Context, why: String) -> Operator {
    let name = context.caller.actor().to_owned();
    Operator { name, why }
}

#[tonic::async_trait]
impl ConsumerService for Consumers {
    async fn list_consumers(
        &self,
        request: Request<ListConsumersRequest>,
    ) -> Result<Response<ListConsumersResponse>, Status> {
        edge::query(request, self.clone(), list).await
    }

    async fn pause_consumer(
        &self,
        request: Request<PauseConsumerRequest>,
    ) -> Result<Response<PauseConsumerResponse>, Status> {
        edge::command(request, self.clone(), pause_consumer).await
    }

    async fn resume_consumer(
        &self,
        request: Request<ResumeConsumerRequest>,
    ) -> Result<Response<ResumeConsumerResponse>, Status> {
        edge::command(request, self.clone(), resume_consumer).await
    }
}
