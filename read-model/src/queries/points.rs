//! A user's points.

use kit::context::Context;
use kit::page_token::{self, page_size};
use kit::refusal::Failure;
use proto::readmodel::v1::*;

use crate::ReadModel;
use crate::projections::point_entries;

const VIEW: &str = "point_entries";

pub(crate) async fn get_point_balance(
    state: ReadModel,
    context: Context,
    request: GetPointBalanceRequest,
) -> Result<GetPointBalanceResponse, Failure> {
    state.await_revision(&context, &request.revision, &[VIEW]).await?;
    let last = point_entries::list(state.database.reader(), state.generation(), context.user()?, None, 1)
        .await?
        .pop();
    let entry = last.map(|row| row.entry()).transpose()?.unwrap_or_default();
    let nothing = || Some(state.currency.money(0));
    Ok(GetPointBalanceResponse {
        available: entry.available.or_else(nothing),
        held: entry.held.or_else(nothing),
    })
}

pub(crate) async fn list_point_entries(
    state: ReadModel,
    context: Context,
    request: ListPointEntriesRequest,
) -> Result<ListPointEntriesResponse, Failure> {
    state.await_revision(&context, &request.revision, &[VIEW]).await?;
    let user_id = context.user()?;
    let page = format!("ListPointEntries|{user_id}");
    let behind = page_token::behind(state.database.signer(), &page, &request.page_token)?.map(|(version, _)| version);
    let size = page_size(request.page_size);
    let mut rows = point_entries::list(state.database.reader(), state.generation(), user_id, behind, size + 1).await?;
    let next_page_token = page_token::next(state.database.signer(), &page, &mut rows, size, |row| {
        (row.version, String::new())
    });
    let entries = rows
        .iter()
        .map(point_entries::Row::entry)
        .collect::<Result<Vec<_>, _>>()?;
    Ok(ListPointEntriesResponse {
        entries,
        next_page_token,
    })
}
