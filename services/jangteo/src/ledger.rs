//! The ledger check: reads the books of all owners side by side, as an auditor does, and says what does not add up.
//!
//! It is the one place that reads tables of several owners, and it only reads.

mod across;
mod watch;
mod within;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use kit::database::{Database, Sql};
use kit::refusal::{Failure, status};
use kit::server::REQUEST_BYTES_MAX;
use proto::operations::v1::ledger_service_client::LedgerServiceClient;
use proto::operations::v1::ledger_service_server::{LedgerService, LedgerServiceServer};
use proto::operations::v1::{CheckRequest, CheckResponse};
use sea_orm::FromQueryResult;
use tokio::sync::watch as latest;
use tonic::service::RoutesBuilder;
use tonic::{Request, Response, Status};

use crate::client::Connected;

pub use watch::{Alarm, Round};

/// How long a shop may take to come to rest: a payment whose POSTs all fail is looked up before each, and half a minute after the last.
pub const AT_REST_MAX: Duration = Duration::from_secs(180);
/// Violations that are named.
const SAMPLES_MAX: usize = 10;
const ASK_AGAIN: Duration = Duration::from_millis(500);
/// Between two checks, times what the last one took: a large shop needs its cores to come to rest.
const PAUSES_PER_CHECK: u32 = 4;
/// Ends the name of an event that is not in the journal and has not left its outbox.
const NOT_PUBLISHED: &str = " (not published yet)";

type Check = BoxFuture<'static, Result<Outcome, Failure>>;

/// The databases of all owners.
#[derive(Clone, Debug)]
pub struct Tables {
    /// Products, stock, likes.
    pub catalog: Database,
    /// Campaigns, coupons.
    pub coupon: Database,
    /// Orders, checkouts.
    pub order: Database,
    /// Points, payments.
    pub payment: Database,
    /// Messages to users.
    pub notification: Database,
    /// Journal, projections.
    pub read_model: Database,
}

impl Tables {
    /// The owners that tell events.
    #[must_use]
    pub fn writers(&self) -> [&Database; 5] {
        [
            &self.catalog,
            &self.coupon,
            &self.order,
            &self.payment,
            &self.notification,
        ]
    }

    /// All owners.
    #[must_use]
    pub fn all(&self) -> [&Database; 6] {
        [
            &self.catalog,
            &self.coupon,
            &self.order,
            &self.payment,
            &self.notification,
            &self.read_model,
        ]
    }
}

/// Serves `LedgerService`.
#[derive(Clone, Debug)]
pub struct Ledger {
    tables: Tables,
    book: Option<PathBuf>,
    last: latest::Sender<Option<Arc<Round>>>,
}

impl Ledger {
    /// A ledger over these tables and, where the simulator is ours, its book.
    #[must_use]
    pub fn new(tables: Tables, book: Option<PathBuf>) -> Self {
        Self {
            tables,
            book,
            last: latest::Sender::new(None),
        }
    }

    /// What the last round of the check that runs by itself came to, and each that follows.
    #[must_use]
    pub fn rounds(&self) -> latest::Receiver<Option<Arc<Round>>> {
        self.last.subscribe()
    }

    fn checks(&self) -> Vec<Check> {
        let within = within::INVARIANTS
            .iter()
            .map(|invariant| invariant.check(self.tables.clone()));
        within
            .chain(across::checks(&self.tables, self.book.as_deref()))
            .collect()
    }

    /// Adds the service.
    pub fn routes(&self, routes: &mut RoutesBuilder) {
        routes.add_service(LedgerServiceServer::new(self.clone()).max_decoding_message_size(REQUEST_BYTES_MAX));
    }
}

#[tonic::async_trait]
impl LedgerService for Ledger {
    type CheckStream = BoxStream<'static, Result<CheckResponse, Status>>;

    async fn check(&self, request: Request<CheckRequest>) -> Result<Response<Self::CheckStream>, Status> {
        let context = kit::edge::context(&request)?;
        let locale = kit::edge::locale(request.metadata());
        tracing::debug!(actor = context.caller.actor(), "ledger check");
        let answers = futures::stream::iter(self.checks()).then(|check| check);
        let answers = answers.map_ok(CheckResponse::from);
        Ok(Response::new(
            answers.map_err(move |failure: Failure| status(failure, locale)).boxed(),
        ))
    }
}

/// What one invariant came to.
pub(crate) struct Outcome {
    name: String,
    description: String,
    figure: String,
    /// Ids of all for which it does not hold.
    violations: Vec<String>,
}

pub(crate) fn outcome(name: &str, description: &str, figure: String, violations: Vec<String>) -> Outcome {
    Outcome {
        name: name.to_owned(),
        description: description.to_owned(),
        figure,
        violations,
    }
}

impl From<Outcome> for CheckResponse {
    fn from(outcome: Outcome) -> Self {
        Self {
            name: outcome.name,
            description: outcome.description,
            holds: outcome.violations.is_empty(),
            figure: outcome.figure,
            violations: i64::try_from(outcome.violations.len()).unwrap_or(i64::MAX),
            samples: outcome.violations.into_iter().take(SAMPLES_MAX).collect(),
        }
    }
}

/// Asks a shop for every invariant.
///
/// # Errors
/// When the shop does not answer.
pub async fn check(shop: &Connected) -> Result<Vec<CheckResponse>, Status> {
    let answers = LedgerServiceClient::new(shop.as_admin()).check(CheckRequest {}).await?;
    answers.into_inner().try_collect().await
}

/// Prints every invariant; asks again, for at most so long, until all hold. Tells whether they did.
///
/// # Errors
/// When the shop does not answer.
pub async fn print_check(shop: &Connected, patience: Duration, json: bool) -> anyhow::Result<bool> {
    let end = Instant::now() + patience;
    let invariants = loop {
        let begun = Instant::now();
        let invariants = check(shop).await?;
        let left = end.saturating_duration_since(Instant::now());
        if invariants.iter().all(|invariant| invariant.holds) || left.is_zero() {
            break invariants;
        }
        let pause = ASK_AGAIN.max(begun.elapsed() * PAUSES_PER_CHECK);
        tokio::time::sleep(pause.min(left)).await;
    };
    for invariant in &invariants {
        let CheckResponse {
            name,
            description,
            holds,
            figure,
            violations,
            samples,
        } = invariant;
        if json {
            let line = serde_json::json!({
                "name": name, "description": description, "holds": holds, "figure": figure,
                "violations": violations, "samples": samples,
            });
            println!("{line}");
        } else {
            println!("{}  {name:<28} {figure}", if *holds { "ok  " } else { "FAIL" });
            if !holds {
                println!(
                    "      {description}: {violations} violations, such as {}",
                    samples.join(", ")
                );
            }
        }
    }
    Ok(invariants.iter().all(|invariant| invariant.holds))
}

/// All rows of a statement on one owner's tables.
pub(crate) async fn all<R: FromQueryResult>(database: &Database, sql: &str) -> Result<Vec<R>, Failure> {
    Ok(database.reader().list(sql, vec![]).await?)
}
