//! Searching the journal.

use kit::bus::Delivery;
use kit::clock::from_proto;
use kit::context::Context;
use kit::page_token::{self, page_size};
use kit::refusal::Failure;
use proto::event::v1::Event;
use proto::readmodel::v1::*;

use crate::ReadModel;
use crate::journal::{self, Search};
use crate::waiting::JOURNAL;

pub(crate) async fn list_events(
    state: ReadModel,
    context: Context,
    request: ListEventsRequest,
) -> Result<ListEventsResponse, Failure> {
    state.await_revision(&context, &request.revision, &[JOURNAL]).await?;
    let at = |time: &Option<prost_types::Timestamp>| time.as_ref().map(|time| from_proto(time).as_microsecond());
    let (occurred_after, occurred_before) = (at(&request.occurred_after), at(&request.occurred_before));
    let ListEventsRequest {
        correlation_id,
        subject,
        actor,
        ..
    } = &request;
    let page = format!("ListEvents|{correlation_id}|{subject}|{actor}|{occurred_after:?}|{occurred_before:?}");
    let size = page_size(request.page_size);
    let search = Search {
        correlation_id,
        subject,
        actor,
        occurred_after,
        occurred_before,
        behind: page_token::behind(state.database.signer(), &page, &request.page_token)?
            .map_or(i64::MAX, |(position, _)| position),
        limit: size + 1,
    };
    let mut found = journal::search(state.database.reader(), &search).await?;
    let next_page_token = page_token::next(state.database.signer(), &page, &mut found, size, |journaled| {
        (journaled.position, String::new())
    });
    let events = found.into_iter().map(|journaled| JournaledEvent {
        position: journaled.position,
        event: Some(shown(&journaled.delivery)),
    });
    Ok(ListEventsResponse {
        events: events.collect(),
        next_page_token,
    })
}

/// The event, or where its bytes are none what is known of it all the same.
fn shown(delivery: &Delivery) -> Event {
    delivery.envelope().cloned().unwrap_or_else(|_| Event {
        event_id: delivery.event_id.clone(),
        r#type: delivery.r#type.clone(),
        subject: delivery.subject.clone(),
        version: delivery.version,
        ..Event::default()
    })
}
