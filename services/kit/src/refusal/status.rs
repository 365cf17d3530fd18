//! How a failure is told to a caller: code, `ErrorInfo` and the standard details, in the caller's language.

use std::collections::HashMap;
use std::time::Duration;

use tonic::Status;
use tonic_types::{ErrorDetails, FieldViolation, PreconditionViolation, StatusExt};

use super::{Failure, Kind, Refusal};
use crate::refusals;

const DOMAIN: &str = "jangteo";

refusals! {
    /// Failures of our own, as far as a caller may know of them.
    pub enum Fault {
        /// Something of ours broke; the log of this correlation id says what.
        Internal {} => Internal "INTERNAL",
            en "internal error",
            ko "내부 오류가 발생했습니다",
        /// The database cannot be reached, is too slow, or broke in the commit: repeat it under the same request id.
        DatabaseUnavailable {} => Unavailable "DATABASE_UNAVAILABLE",
            en "the database is not available",
            ko "데이터베이스를 사용할 수 없습니다", retry 1_000,
        /// Others changed the same things at the same time, again and again.
        Contended {} => Aborted "CONTENDED",
            en "too many commands change the same things, try again",
            ko "같은 대상을 동시에 변경하고 있습니다. 다시 시도해 주세요", retry 100,
    }
}

/// The languages that messages exist in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Locale {
    /// `en-US`
    #[default]
    English,
    /// `ko-KR`
    Korean,
}

impl Locale {
    /// The first language of an `accept-language` header that we speak; English otherwise.
    #[must_use]
    pub fn from_accept_language(header: &str) -> Self {
        let known = header.split(',').find_map(|wish| match wish.trim().get(..2)? {
            "ko" => Some(Self::Korean),
            "en" => Some(Self::English),
            _ => None,
        });
        known.unwrap_or_default()
    }

    /// The language's tag, such as `ko-KR`.
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en-US",
            Self::Korean => "ko-KR",
        }
    }
}

/// The status for a failure. Failures of our own are written to the log here, once, and told as "internal error".
#[must_use]
pub fn status(failure: Failure, locale: Locale) -> Status {
    match failure {
        Failure::Refused(refusal) => refused(refusal.as_ref(), locale),
        Failure::Passed(status) => *status,
        failure if failure.is_outage() => {
            tracing::warn!(%failure, "database unavailable");
            refused(&Fault::DatabaseUnavailable {}, locale)
        }
        failure if failure.lost_a_race() => refused(&Fault::Contended {}, locale),
        failure => {
            tracing::error!(%failure, "internal error");
            refused(&Fault::Internal {}, locale)
        }
    }
}

/// The sentence of a refusal in English, for answers that carry refusals inside.
#[must_use]
pub fn sentence(refusal: &dyn Refusal) -> String {
    fill(refusal.reason().english, &refusal.metadata())
}

/// The reason in the details of a status that one of our services made.
pub(super) fn reason_of(status: &Status) -> Option<String> {
    status.get_details_error_info().map(|info| info.reason)
}

fn refused(refusal: &dyn Refusal, locale: Locale) -> Status {
    let row = refusal.reason();
    let metadata = refusal.metadata();
    let english = fill(row.english, &metadata);
    let mut details = ErrorDetails::new();
    details.set_error_info(
        row.reason,
        DOMAIN,
        metadata
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect::<HashMap<_, _>>(),
    );
    if row.kind == Kind::FailedPrecondition {
        let subject = metadata
            .first()
            .map(|(name, value)| format!("{name}/{value}"))
            .unwrap_or_default();
        details.set_precondition_failure(vec![PreconditionViolation::new(row.reason, subject, &english)]);
    }
    // which field it is, the registry says, or the refusal itself
    let named = metadata.iter().find(|(name, _)| *name == "field" || *name == "fields");
    if let Some(field) = row.field.or(named.map(|(_, value)| value.as_str())) {
        details.set_bad_request(vec![FieldViolation::new(field, &english)]);
    }
    if let Some(delay) = refusal.retry_after() {
        details.set_retry_info(Some(delay));
    }
    let told = match locale {
        Locale::English => english.clone(),
        Locale::Korean => fill(row.korean, &metadata),
    };
    details.set_localized_message(locale.tag(), told);
    let mut status = Status::with_error_details(row.kind.code(), english, details);
    if let Some(delay) = refusal.retry_after() {
        push_back(&mut status, delay);
    }
    status
}

/// Tells retrying gRPC clients how long to stay away (gRFC A6).
fn push_back(status: &mut Status, delay: Duration) {
    if let Ok(value) = delay.as_millis().to_string().parse() {
        status.metadata_mut().insert("grpc-retry-pushback-ms", value);
    }
}

fn fill(template: &str, metadata: &[(&'static str, String)]) -> String {
    metadata.iter().fold(template.to_owned(), |text, (name, value)| {
        text.replace(&format!("{{{name}}}"), value)
    })
}
