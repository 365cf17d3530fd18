//! The edge of every RPC: bounds, circumstances, the spawned task, the answer again, the status.

use std::time::{Duration, Instant};

use prost::Message;
use proto::{Contract, Revised};
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};
use uuid::Uuid;

use crate::caller::{Caller, CallerRefusal};
use crate::clock::Clock;
use crate::context::{Context, IdempotencyKey};
use crate::crash_point;
use crate::id::new_id;
use crate::idempotency::fingerprint;
use crate::refusal::{Failure, Locale, status};
use crate::refusals;

/// How often, and until how long after its begin, a command that the database did not do is run again before its caller
/// hears of it.
const RUNS_AGAIN_MAX: u32 = 8;
const RUN_AGAIN_WITHIN: Duration = Duration::from_secs(5);

refusals! {
    /// Why a request does not reach its rule.
    pub enum RequestFault {
        /// A field is out of its bounds; `BadRequest` in the details names each.
        FieldsInvalid { fields: String } => InvalidArgument "FIELDS_INVALID",
            en "invalid fields: {fields}",
            ko "잘못된 필드가 있습니다: {fields}",
        /// `request_id` or `idempotency-key` is not a UUID, or the two differ.
        RequestIdInvalid {} => InvalidArgument "REQUEST_ID_INVALID",
            en "the request id must be a UUID, the same in the message and in idempotency-key",
            ko "요청 ID는 UUID여야 하며 idempotency-key와 같아야 합니다", field "request_id",
        /// The caller's deadline passed.
        DeadlineExceeded {} => DeadlineExceeded "DEADLINE_EXCEEDED",
            en "the deadline has passed",
            ko "제한 시간이 지났습니다",
        /// `grpc-timeout` cannot be read.
        TimeoutMalformed {} => InvalidArgument "TIMEOUT_MALFORMED",
            en "grpc-timeout must be up to 8 digits and one of H M S m u n",
            ko "grpc-timeout 형식이 잘못되었습니다",
    }
}

/// Put on every request by the server's stack, or by [`Connection`](crate::in_process::Connection) inside a process.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// Who calls.
    pub caller: Caller,
    /// Echoed in the trailers and carried by every event that follows.
    pub correlation_id: String,
    /// The full path of the RPC.
    pub method: String,
    /// When the caller stops waiting.
    pub deadline: Option<Instant>,
    /// The time of this process.
    pub clock: Clock,
}

/// Runs a command: it goes on to its end even when the caller leaves.
///
/// # Errors
/// The status of whatever went wrong.
pub async fn command<S, M, R, F, Fut>(request: Request<M>, state: S, run: F) -> Result<Response<R>, Status>
where
    S: Clone + Send + 'static,
    M: Contract + Message + Clone + 'static,
    R: Message + Default + Revised + 'static,
    F: Fn(S, Context, M) -> Fut + Send + 'static,
    Fut: Future<Output = Result<R, Failure>> + Send,
{
    let locale = locale(request.metadata());
    let context = arrive(&request, locale)?;
    let idempotency = idempotency(&request).map_err(|failure| status(failure, locale))?;
    let context = Context { idempotency, ..context };
    let deadline = context.deadline;
    let method = method(&request);
    let message = request.into_inner();

    let name = move || method.rsplit('.').next().unwrap_or_default().to_owned();
    let task = tokio::spawn(crash_point::during(name, async move {
        let (begun, mut runs) = (Instant::now(), 0);
        loop {
            let outcome = run(state.clone(), context.clone(), message.clone()).await;
            let failure = outcome.as_ref().err();
            let again = failure.is_some_and(|failure| failure.may_run_again(&context));
            if !again || runs >= RUNS_AGAIN_MAX || begun.elapsed() >= RUN_AGAIN_WITHIN {
                return outcome;
            }
            runs += 1;
            let milliseconds = u64::from(runs) * u64::from(rand::random::<u8>()) / 16;
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        }
    }));
    let outcome = within(deadline, task)
        .await
        .map_err(|failure| status(failure, locale))?;
    let answer = match outcome.unwrap_or_else(|error| Err(Failure::Internal(error.into()))) {
        Ok(answer) => answer,
        Err(Failure::Answered(bytes)) => {
            R::decode(bytes.as_slice()).map_err(|error| status(Failure::Internal(error.into()), locale))?
        }
        Err(failure) => return Err(status(failure, locale)),
    };
    let revision = answer.revision().parse();
    let mut response = Response::new(answer);
    if let Ok(revision) = revision {
        response.metadata_mut().insert("jangteo-revision", revision);
    }
    Ok(response)
}

/// Runs a query, which ends with its caller's deadline.
///
/// # Errors
/// The status of whatever went wrong.
pub async fn query<S, M, R, F, Fut>(request: Request<M>, state: S, run: F) -> Result<Response<R>, Status>
where
    M: Contract + Message,
    F: FnOnce(S, Context, M) -> Fut,
    Fut: Future<Output = Result<R, Failure>>,
{
    let locale = locale(request.metadata());
    let context = arrive(&request, locale)?;
    let deadline = context.deadline;
    let answer = within(deadline, run(state, context, request.into_inner())).await;
    answer
        .and_then(|answer| answer)
        .map(Response::new)
        .map_err(|failure| status(failure, locale))
}

/// The language a caller reads.
#[must_use]
pub fn locale(metadata: &MetadataMap) -> Locale {
    let header = metadata.get("accept-language").and_then(|value| value.to_str().ok());
    header.map(Locale::from_accept_language).unwrap_or_default()
}

/// Checks a message against the bounds of its contract.
///
/// # Errors
/// `FIELDS_INVALID` with a `BadRequest` that names each field.
pub fn check<M: Contract>(message: &M, locale: Locale) -> Result<(), Status> {
    let violations = message.violations();
    if violations.is_empty() {
        return Ok(());
    }
    let fields = violations
        .iter()
        .map(|violation| violation.field.as_str())
        .collect::<Vec<_>>()
        .join(", ");
    let plain = status(RequestFault::FieldsInvalid { fields }.into(), locale);
    let mut details: ErrorDetails = plain.get_error_details();
    let named = violations
        .into_iter()
        .map(|violation| FieldViolation::new(violation.field, violation.description));
    details.set_bad_request(named.collect::<Vec<_>>());
    Err(Status::with_error_details(plain.code(), plain.message(), details))
}

/// The circumstances of a request whose message has not been checked: the first message of a stream.
///
/// # Errors
/// `IDENTITY_MISSING` when nobody said who calls.
pub fn context<M>(request: &Request<M>) -> Result<Context, Status> {
    let arrival = request.extensions().get::<Arrival>();
    let arrival =
        arrival.ok_or_else(|| status(CallerRefusal::IdentityMissing {}.into(), locale(request.metadata())))?;
    Ok(Context {
        caller: arrival.caller.clone(),
        now: arrival.clock.now(),
        correlation_id: arrival.correlation_id.clone(),
        causation_id: text(request.metadata(), "x-causation-id"),
        traceparent: text(request.metadata(), "traceparent"),
        locale: locale(request.metadata()),
        deadline: arrival.deadline,
        idempotency: None,
    })
}

/// A call to another service on behalf of the same circumstances; the service's own limits bound it, not the caller's.
#[must_use]
pub fn outgoing<M>(context: &Context, message: M) -> Request<M> {
    let mut request = Request::new(message);
    let user = context.user().unwrap_or_default();
    let headers = [
        ("x-on-behalf-of", user),
        ("x-correlation-id", &context.correlation_id),
        ("x-causation-id", &context.causation_id),
        ("traceparent", &context.traceparent),
        ("accept-language", context.locale.tag()),
    ];
    for (name, value) in headers {
        if let Ok(value) = value.parse()
            && !value_is_empty(&value)
        {
            request.metadata_mut().insert(name, value);
        }
    }
    request
}

fn value_is_empty(value: &tonic::metadata::MetadataValue<tonic::metadata::Ascii>) -> bool {
    value.as_bytes().is_empty()
}

fn arrive<M: Contract>(request: &Request<M>, locale: Locale) -> Result<Context, Status> {
    let context = context(request)?;
    check(request.get_ref(), locale)?;
    Ok(context)
}

fn idempotency<M: Contract + Message>(request: &Request<M>) -> Result<Option<IdempotencyKey>, Failure> {
    let header = text(request.metadata(), "idempotency-key");
    let field = request.get_ref().request_id().unwrap_or_default();
    let chosen = match (field, header.as_str()) {
        ("", "") => return Ok(None),
        (field, "") => field,
        ("", header) => header,
        (field, header) if field.eq_ignore_ascii_case(header) => field,
        _ => return Err(RequestFault::RequestIdInvalid {}.into()),
    };
    let request_id = Uuid::parse_str(chosen).map_err(|_| RequestFault::RequestIdInvalid {})?;
    Ok(Some(IdempotencyKey {
        method: method(request),
        request_id,
        fingerprint: fingerprint(request.get_ref()),
    }))
}

fn method<M>(request: &Request<M>) -> String {
    let arrival = request.extensions().get::<Arrival>();
    arrival.map(|arrival| arrival.method.clone()).unwrap_or_default()
}

async fn within<T>(deadline: Option<Instant>, work: impl Future<Output = T>) -> Result<T, Failure> {
    match deadline {
        None => Ok(work.await),
        Some(deadline) => {
            let outcome = tokio::time::timeout_at(deadline.into(), work).await;
            outcome.map_err(|_| RequestFault::DeadlineExceeded {}.into())
        }
    }
}

fn text(metadata: &MetadataMap, name: &str) -> String {
    metadata
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned()
}

/// An id of ours where the outside sent none or an unusable one.
#[must_use]
pub fn correlation_id(header: Option<&str>) -> String {
    let usable = |id: &&str| {
        (1..=64).contains(&id.len())
            && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    header.filter(usable).map_or_else(new_id, str::to_owned)
}
