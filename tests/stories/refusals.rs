//! Every row of the registry of reasons is reached by a call, and its answer has all that the registry says of it.

mod catalogue;
mod coupons;
mod edge;
mod faults;
mod gateway;
mod operations;
mod orders;
mod points;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use kit::refusal::{Kind, Reason};
use support::{Engine, TestShop};
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// Stands for a value that a case cannot know; it may not be empty.
pub const ANY: &str = "*";

/// What was reached: the reason of each case so far.
#[derive(Debug, Default)]
pub struct Reached(Vec<String>);

impl Reached {
    /// A call that must be refused with this reason and this metadata.
    pub fn by<T>(&mut self, reason: &str, metadata: &[(&str, &str)], outcome: Result<T, Status>) {
        let row = row(reason);
        let status = outcome.err().unwrap_or_else(|| panic!("{reason}: was not refused"));
        let info = status.get_details_error_info();
        let info = info.unwrap_or_else(|| panic!("{reason}: has no ErrorInfo: {status:?}"));
        assert_eq!((info.reason.as_str(), status.code()), (reason, code(row)), "{status:?}");
        assert_eq!(info.domain, "jangteo", "{reason}");

        let names: BTreeSet<&str> = info.metadata.keys().map(String::as_str).collect();
        assert_eq!(names, row.metadata.iter().copied().collect(), "{reason}");
        for (name, expected) in metadata {
            let value = info.metadata.get(*name).map_or("", String::as_str);
            assert!(
                value == *expected || (*expected == ANY && !value.is_empty()),
                "{reason}: {name} is {value:?}"
            );
        }
        assert_eq!(metadata.len(), row.metadata.len(), "{reason}: every value is expected");
        assert_told(row, &status);
        self.0.push(reason.to_owned());
    }

    /// An attempt to pay that must have ended for this reason: nothing is refused with it.
    pub fn as_the_end(&mut self, reason: &str, told: &str) {
        assert_eq!(told, row(reason).reason);
        self.0.push(reason.to_owned());
    }

    /// Fails for every row without a case of its own. Where two services have a reason, they have it alike, and there are
    /// two cases.
    fn assert_complete(&self) {
        let mut cases: BTreeMap<&str, usize> = BTreeMap::new();
        self.0.iter().for_each(|reason| *cases.entry(reason).or_default() += 1);
        let mut missing = Vec::new();
        for row in jangteo::shop::reasons() {
            let first = self::row(row.reason);
            assert_eq!((row.kind, row.metadata), (first.kind, first.metadata), "{}", row.reason);
            for sentence in [row.english, row.korean] {
                let fill = |text: String, name: &&str| text.replace(&format!("{{{name}}}"), "");
                let filled = row.metadata.iter().fold(sentence.to_owned(), fill);
                assert!(!filled.contains(['{', '}']), "{}: {filled}", row.reason);
            }
            match cases.get_mut(row.reason) {
                Some(left @ 1..) => *left -= 1,
                _ => missing.push(row.reason),
            }
        }
        assert!(missing.is_empty(), "no case reaches {missing:?}");
    }
}

/// The standard details, and the sentence in the caller's language.
fn assert_told(row: &Reason, status: &Status) {
    let reason = row.reason;
    let retry = status.get_details_retry_info().and_then(|info| info.retry_delay);
    assert_eq!(
        retry,
        row.retry_after_milliseconds.map(Duration::from_millis),
        "{reason}"
    );
    let pushed_back = status.metadata().get("grpc-retry-pushback-ms");
    let pushed_back = pushed_back.map(|value| value.to_str().unwrap().parse::<u64>().unwrap());
    assert_eq!(pushed_back, row.retry_after_milliseconds, "{reason}");

    let failure = status.get_details_precondition_failure();
    let violated = failure.map(|failure| failure.violations[0].r#type.clone());
    let expected = (row.kind == Kind::FailedPrecondition).then(|| reason.to_owned());
    assert_eq!(violated, expected, "{reason}");

    let dynamic = row.metadata.iter().any(|name| *name == "field" || *name == "fields");
    let request = status.get_details_bad_request();
    assert_eq!(request.is_some(), row.field.is_some() || dynamic, "{reason}");
    if let Some(field) = row.field {
        assert_eq!(request.unwrap().field_violations[0].field, field, "{reason}");
    }
    let told = status.get_details_localized_message().unwrap_or_default();
    assert_eq!(
        (told.locale.as_str(), told.message.as_str()),
        ("en-US", status.message()),
        "{reason}"
    );
}

fn row(reason: &str) -> &'static Reason {
    let row = jangteo::shop::reasons().into_iter().find(|row| row.reason == reason);
    row.unwrap_or_else(|| panic!("the registry has no {reason}"))
}

fn code(row: &Reason) -> Code {
    match row.kind {
        Kind::NotFound => Code::NotFound,
        Kind::InvalidArgument => Code::InvalidArgument,
        Kind::FailedPrecondition => Code::FailedPrecondition,
        Kind::AlreadyExists => Code::AlreadyExists,
        Kind::PermissionDenied => Code::PermissionDenied,
        Kind::Unauthenticated => Code::Unauthenticated,
        Kind::ResourceExhausted => Code::ResourceExhausted,
        Kind::Aborted => Code::Aborted,
        Kind::Unavailable => Code::Unavailable,
        Kind::DeadlineExceeded => Code::DeadlineExceeded,
        Kind::Unimplemented => Code::Unimplemented,
        Kind::Internal => Code::Internal,
    }
}

async fn every_reason_is_reached_with_all_that_the_registry_says_of_it(engine: Engine) {
    let mut reached = Reached::default();
    let mut shop = TestShop::start(engine).await;
    edge::refuses(&shop, &mut reached).await;
    catalogue::refuses(&shop, &mut reached).await;
    coupons::refuses(&shop, &mut reached).await;
    points::refuses(&shop, &mut reached).await;
    orders::refuses(&shop, &mut reached).await;
    operations::refuses(&shop, &mut reached).await;
    faults::refuse(&mut shop, &mut reached).await;
    shop.end().await;
    gateway::refuses(engine, &mut reached).await;
    reached.assert_complete();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_reason_is_reached_with_all_that_the_registry_says_of_it_sqlite() {
    every_reason_is_reached_with_all_that_the_registry_says_of_it(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_reason_is_reached_with_all_that_the_registry_says_of_it_postgres() {
    every_reason_is_reached_with_all_that_the_registry_says_of_it(Engine::Postgres).await;
}
