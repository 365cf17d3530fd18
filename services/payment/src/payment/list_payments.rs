//! Payments in a state, or all that are not at rest.

use std::time::Duration;

use kit::context::Context;
use kit::page_token::{self, page_size};
use kit::refusal::Failure;
use proto::payment::v1::{ListPaymentsRequest, ListPaymentsResponse};

use super::State;
use super::records::{self, Which};
use crate::Payments;

pub(crate) async fn list_payments(
    state: Payments,
    context: Context,
    request: ListPaymentsRequest,
) -> Result<ListPaymentsResponse, Failure> {
    let wanted = State::ALL.into_iter().find(|known| known.shown() == request.state());
    let older_than = Duration::from_secs(request.older_than_seconds.unsigned_abs());
    let before = (context.now - older_than).as_microsecond() + 1;
    let which = wanted.map_or(Which::Open(before), |wanted| Which::InState(wanted.name(), before));
    let signer = state.database.signer();
    let page = format!("ListPayments|{}|{}", request.state, request.older_than_seconds);
    let behind = page_token::behind(signer, &page, &request.page_token)?;
    let behind = records::position(behind.as_ref())?;
    let size = page_size(request.page_size);
    let mut payments = records::list(&state.database, which, behind, size + 1).await?;
    let next_page_token = page_token::next(signer, &page, &mut payments, size, |payment| {
        (payment.updated_at.as_microsecond(), payment.gateway_id())
    });
    Ok(ListPaymentsResponse {
        payments: payments.iter().map(|payment| payment.record(&state.currency)).collect(),
        next_page_token,
    })
}
