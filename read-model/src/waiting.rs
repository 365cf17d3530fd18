//! Read your writes: a query with a revision waits until the views it reads hold the events that the revision names.

use std::time::{Duration, Instant};

use kit::context::Context;
use kit::database::{Sql, placeholders};
use kit::dead_letter::UNSETTLED;
use kit::refusal::Failure;
use kit::revision::Revision;
use kit::{Value, refusals};
use sea_orm::FromQueryResult;

use crate::ReadModel;
use crate::projections::{self, GENERATION};

/// The longest wait.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// Between two looks, where another process may be the one that applies.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

refusals! {
    /// Why a view cannot be read at a revision.
    pub enum ViewRefusal {
        /// The view does not hold the events yet.
        Behind { view: String } => Unavailable "VIEW_BEHIND",
            en "the view {view} does not hold your changes yet, try again",
            ko "{view} 뷰에 아직 변경 사항이 반영되지 않았습니다. 다시 시도해 주세요", retry 500,
        /// The view could not apply one of the events; an operator has to see to it.
        Blocked { view: String } => Unavailable "VIEW_BLOCKED",
            en "the view {view} could not apply your change",
            ko "{view} 뷰에 변경 사항을 반영하지 못했습니다",
        /// The watch ends before what it watches, because this process stops or it has lasted an hour.
        WatchInterrupted {} => Unavailable "WATCH_INTERRUPTED",
            en "the watch was interrupted, watch again from the last revision",
            ko "감시가 중단되었습니다. 마지막 리비전부터 다시 시작해 주세요", retry 500,
    }
}

/// The name under which a query waits for the journal itself.
pub(crate) const JOURNAL: &str = "journal";

#[derive(FromQueryResult)]
struct Journalled {
    r#type: String,
    position: i64,
}

#[derive(FromQueryResult)]
struct Letter {
    consumer: String,
}

impl ReadModel {
    /// Waits until the views hold the revision's events; a view does not wait for facts it does not want.
    pub(crate) async fn await_revision(
        &self,
        context: &Context,
        revision: &str,
        views: &[&str],
    ) -> Result<(), Failure> {
        let revision = Revision::open(revision, self.database.signer())?;
        if revision.events().is_empty() {
            return Ok(());
        }
        let ids: Vec<String> = revision.events().iter().map(ToString::to_string).collect();
        let patience = Instant::now() + WAIT_MAX;
        // leave time for the answer itself
        let patience = context
            .deadline
            .map_or(patience, |deadline| patience.min(deadline - Duration::from_millis(20)));
        let mut applied = self.applied.subscribe();
        loop {
            applied.mark_unchanged();
            let behind = self.behind(&ids, views).await?;
            // asked after: a letter and the position behind it come together
            if let Some(view) = self.blocked(&ids, views).await? {
                return Err(ViewRefusal::Blocked { view }.into());
            }
            let Some(view) = behind else {
                return Ok(());
            };
            let left = patience.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ViewRefusal::Behind { view: view.to_owned() }.into());
            }
            tokio::select! {
                _ = applied.changed() => {}
                () = tokio::time::sleep(left.min(LOOK_AGAIN)) => {}
            }
        }
    }

    /// The first view that has not come to all the events it wants.
    async fn behind<'a>(&self, ids: &[String], views: &[&'a str]) -> Result<Option<&'a str>, Failure> {
        let sql = format!(
            "SELECT type, position FROM event_journal WHERE event_id IN ({})",
            placeholders(1, ids.len())
        );
        let values = ids.iter().map(|id| Value::from(id.as_str())).collect();
        let journalled: Vec<Journalled> = self.database.reader().list(&sql, values).await?;
        if journalled.len() < ids.len() {
            return Ok(views.first().copied());
        }
        for view in views {
            let facts = projections::facts(view);
            let wanted = journalled.iter().filter(|event| facts.contains(&event.r#type.as_str()));
            let Some(position) = wanted.map(|event| event.position).max() else {
                continue;
            };
            if projections::position(&self.database, view).await? < position {
                return Ok(Some(view));
            }
        }
        Ok(None)
    }

    /// A view that could not apply one of the events, or holds it behind one that it could not apply.
    async fn blocked(&self, ids: &[String], views: &[&str]) -> Result<Option<String>, Failure> {
        let sql = format!(
            "SELECT consumer FROM dead_letters WHERE {UNSETTLED} AND consumer IN ({}) AND event_id IN ({}) LIMIT 1",
            placeholders(1, views.len()),
            placeholders(views.len() + 1, ids.len())
        );
        let values = views.iter().copied().chain(ids.iter().map(String::as_str));
        let values = values.map(Value::from).collect();
        let letter: Option<Letter> = self.database.reader().find(&sql, values).await?;
        Ok(letter.map(|letter| letter.consumer))
    }

    /// The generation that is read.
    pub(crate) fn generation(&self) -> i32 {
        GENERATION
    }
}
