//! Serves `DeadLetterService`: the dead letters of every owner of this process, side by side.

mod redrive;
mod resolve;

use std::collections::BTreeMap;
use std::sync::Arc;

use kit::bus::Delivery;
use kit::clock::{from_microseconds, to_proto};
use kit::context::Context;
use kit::database::Database;
use kit::dead_letter::DeadLetterRefusal;
use kit::dead_letter::line::{Addressee, Operator};
use kit::dead_letter::listing::{self, Letter};
use kit::edge;
use kit::page_token::{self, PageRefusal, page_size};
use kit::refusal::Failure;
use kit::server::REQUEST_BYTES_MAX;
use proto::operations::v1::dead_letter_service_server::{DeadLetterService, DeadLetterServiceServer};
use proto::operations::v1::*;
use tonic::service::RoutesBuilder;
use tonic::{Request, Response, Status};

use redrive::redrive;
use resolve::{investigate, resolve};

const MICROSECONDS_PER_DAY: i64 = 86_400_000_000;

/// Everybody who may have dead letters; clones share them.
#[derive(Clone, Debug)]
pub struct DeadLetters {
    addressees: Arc<Vec<Arc<dyn Addressee>>>,
    /// By owner.
    databases: Arc<BTreeMap<&'static str, Database>>,
}

impl DeadLetters {
    /// The letters of these consumers, at least one.
    #[must_use]
    pub fn new(addressees: Vec<Arc<dyn Addressee>>) -> Self {
        let databases = addressees.iter().map(|addressee| addressee.database().clone());
        Self {
            databases: Arc::new(databases.map(|database| (database.owner(), database)).collect()),
            addressees: Arc::new(addressees),
        }
    }

    /// Adds the service.
    pub fn routes(&self, routes: &mut RoutesBuilder) {
        routes.add_service(DeadLetterServiceServer::new(self.clone()).max_decoding_message_size(REQUEST_BYTES_MAX));
    }

    /// A letter by its name, with its owner's tables.
    async fn find(&self, letter_id: &str) -> Result<(&Database, Letter), Failure> {
        let named = letter_id.rsplit_once('-');
        let named = named.and_then(|(owner, sequence)| Some((self.databases.get(owner)?, sequence.parse().ok()?)));
        if let Some((database, sequence)) = named
            && let Some(letter) = listing::find(database.reader(), sequence).await?
        {
            return Ok((database, letter));
        }
        let letter_id = letter_id.to_owned();
        Err(DeadLetterRefusal::NotFound { letter_id }.into())
    }

    /// A letter by its name, with its consumer.
    async fn find_addressed(&self, letter_id: &str) -> Result<(&dyn Addressee, Letter), Failure> {
        let (_, letter) = self.find(letter_id).await?;
        let addressee = self.addressee(&letter);
        let letter_id = letter_id.to_owned();
        Ok((addressee.ok_or(DeadLetterRefusal::NotFound { letter_id })?, letter))
    }

    fn addressee(&self, letter: &Letter) -> Option<&dyn Addressee> {
        let mut addressees = self.addressees.iter();
        let addressee = addressees.find(|addressee| addressee.name() == letter.consumer);
        addressee.map(AsRef::as_ref)
    }

    /// A page of letters: by owner, oldest first. `question` is what the token must belong to.
    async fn page(
        &self,
        question: &str,
        filter: &DeadLetterFilter,
        wished_size: i32,
        token: &str,
    ) -> Result<(Vec<(&Database, Letter)>, String), Failure> {
        let question = format!("{question}|{filter:?}");
        let size = page_size(wished_size);
        let signer = self.home().signer();
        let behind = page_token::open(signer, &question, token)?;
        let behind = behind.as_deref().map(|key| {
            let parts = key.rsplit_once('-');
            parts.and_then(|(owner, sequence)| Some((owner, sequence.parse::<i64>().ok()?)))
        });
        let behind = match behind {
            Some(key) => Some(key.ok_or(PageRefusal::TokenInvalid {})?),
            None => None,
        };
        let mut found = Vec::new();
        for (owner, database) in self.databases.iter() {
            let sequence = match behind {
                Some((last, _)) if *owner < last => continue,
                Some((last, sequence)) if *owner == last => sequence,
                _ => 0,
            };
            // one more than the page shows that there is a next
            let room = u32::try_from(found.len()).map_or(0, |found| (size + 1).saturating_sub(found));
            if room == 0 || !(filter.owner.is_empty() || filter.owner == *owner) {
                continue;
            }
            let letters = listing::list(database.reader(), filter, sequence, room).await?;
            found.extend(letters.into_iter().map(|letter| (database, letter)));
        }
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let more = found.len() > size;
        found.truncate(size);
        let last = found.last().filter(|_| more);
        let next = last.map(|(database, letter)| page_token::seal(signer, &question, &letter.id(database.owner())));
        Ok((found, next.unwrap_or_default()))
    }

    /// Keeps the answers of commands that have to do with several owners.
    fn home(&self) -> &Database {
        self.addressees[0].database()
    }
}

fn operator(context: &Context, why: String) -> Operator {
    let name = context.caller.actor().to_owned();
    Operator { name, why }
}

async fn list(
    state: DeadLetters,
    _context: Context,
    request: ListDeadLettersRequest,
) -> Result<ListDeadLettersResponse, Failure> {
    let filter = request.filter.unwrap_or_default();
    let (letters, next_page_token) = state
        .page("ListDeadLetters", &filter, request.page_size, &request.page_token)
        .await?;
    let letters = letters
        .into_iter()
        .map(|(database, letter)| letter.shown(database.owner()));
    Ok(ListDeadLettersResponse {
        letters: letters.collect(),
        next_page_token,
    })
}

async fn get(
    state: DeadLetters,
    _context: Context,
    request: GetDeadLetterRequest,
) -> Result<GetDeadLetterResponse, Failure> {
    let (database, letter) = state.find(&request.letter_id).await?;
    let delivery: Delivery = letter.delivery(database.reader()).await?;
    Ok(GetDeadLetterResponse {
        event: delivery.envelope().ok().cloned(),
        payload: delivery.bytes,
        letter: Some(letter.shown(database.owner())),
    })
}

async fn summarize(
    state: DeadLetters,
    context: Context,
    _request: SummarizeDeadLettersRequest,
) -> Result<SummarizeDeadLettersResponse, Failure> {
    let since = context.now.as_microsecond() - MICROSECONDS_PER_DAY;
    let mut summary = SummarizeDeadLettersResponse::default();
    for (owner, database) in state.databases.iter() {
        let counts = listing::count(database.reader()).await?;
        summary.counts.extend(counts.into_iter().map(|count| DeadLetterCount {
            owner: (*owner).to_owned(),
            state: count.state().into(),
            reason_class: count.class().into(),
            consumer: count.consumer,
            letters: count.letters,
            oldest_at: Some(to_proto(from_microseconds(count.oldest_at))),
        }));
        let redriven = listing::redriven(database.reader(), since).await?;
        summary.redriven += redriven.redriven;
        summary.applied += redriven.applied;
    }
    Ok(summary)
}

#[tonic::async_trait]
impl DeadLetterService for DeadLetters {
    async fn list_dead_letters(
        &self,
        request: Request<ListDeadLettersRequest>,
    ) -> Result<Response<ListDeadLettersResponse>, Status> {
        edge::query(request, self.clone(), list).await
    }

    async fn get_dead_letter(
        &self,
        request: Request<GetDeadLetterRequest>,
    ) -> Result<Response<GetDeadLetterResponse>, Status> {
        edge::query(request, self.clone(), get).await
    }

    async fn summarize_dead_letters(
        &self,
        request: Request<SummarizeDeadLettersRequest>,
    ) -> Result<Response<SummarizeDeadLettersResponse>, Status> {
        edge::query(request, self.clone(), summarize).await
    }

    async fn redrive_dead_letters(
        &self,
        request: Request<RedriveDeadLettersRequest>,
    ) -> Result<Response<RedriveDeadLettersResponse>, Status> {
        edge::command(request, self.clone(), redrive).await
    }

    async fn investigate_dead_letter(
        &self,
        request: Request<InvestigateDeadLetterRequest>,
    ) -> Result<Response<InvestigateDeadLetterResponse>, Status> {
        edge::command(request, self.clone(), investigate).await
    }

    async fn resolve_dead_letter(
        &self,
        request: Request<ResolveDeadLetterRequest>,
    ) -> Result<Response<ResolveDeadLetterResponse>, Status> {
        edge::command(request, self.clone(), resolve).await
    }
}
