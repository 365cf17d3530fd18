//! What is not at rest and should be.

use std::time::Duration;

use kit::context::Context;
use kit::page_token::{self, page_size};
use kit::refusal::Failure;
use proto::order::v1::{ListStuckCheckoutsRequest, ListStuckCheckoutsResponse};

use super::overview::{self, Stuck};
use crate::Orders;

/// How long a checkout may be under way without being called stuck, unless the caller says so.
const OLDER_THAN_SECONDS: u64 = 60;
/// How often it may fail.
const TRIES: i32 = 5;

pub(crate) async fn list_stuck_checkouts(
    orders: Orders,
    context: Context,
    request: ListStuckCheckoutsRequest,
) -> Result<ListStuckCheckoutsResponse, Failure> {
    let older_than = match request.older_than_seconds {
        0 => OLDER_THAN_SECONDS,
        seconds => seconds.unsigned_abs(),
    };
    let tries = match request.tries_at_least {
        0 => TRIES,
        tries => tries,
    };
    let signer = orders.database.signer();
    let page = format!("ListStuckCheckouts|{older_than}|{tries}");
    let behind = page_token::behind(signer, &page, &request.page_token)?;
    let size = page_size(request.page_size);
    let stuck = Stuck {
        since: (context.now - Duration::from_secs(older_than)).as_microsecond(),
        tries,
        behind: behind.as_ref().map(|(since, id)| (*since, id.as_str())),
        limit: size + 1,
    };
    let mut rows = overview::list(&orders.database, stuck).await?;
    let next_page_token = page_token::next(signer, &page, &mut rows, size, |row| {
        (row.under_way_since.unwrap_or_default(), row.order_id.clone())
    });
    Ok(ListStuckCheckoutsResponse {
        checkouts: rows.into_iter().map(Into::into).collect(),
        next_page_token,
    })
}
