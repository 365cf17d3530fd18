//! Adds points that were paid for, once for each funding reference.

use kit::context::Context;
use kit::outbox;
use kit::refusal::Failure;
use proto::event::v1::PointsCharged;
use proto::event::v1::event::Fact;
use proto::payment::v1::{ChargePointsRequest, ChargePointsResponse};

use super::store::{self, Key};
use super::{BALANCE_MINOR_UNITS_MAX, Balance, PointRefusal, Step};
use crate::Payments;

pub(crate) async fn charge_points(
    state: Payments,
    context: Context,
    request: ChargePointsRequest,
) -> Result<ChargePointsResponse, Failure> {
    let transaction = state.database.begin_write(&context).await?;
    let user_id = context.user()?;
    let amount = state.currency.minor_units(request.amount.as_ref())?;
    if amount == 0 {
        return Err(PointRefusal::AmountZero {}.into());
    }

    let reference = request.funding_reference;
    let subject = store::subject(user_id);
    let fresh = store::enter(&transaction, user_id, Step::Charge, &Key::Funding(&reference), amount).await?;
    if !fresh {
        let charge = store::charge(&*transaction, &reference).await?;
        if charge.is_none_or(|charge| charge.user_id != user_id || charge.amount != amount) {
            return Err(PointRefusal::FundingReferenceUsed {
                funding_reference: reference,
            }
            .into());
        }
        let balance = store::balance(&*transaction, user_id).await?;
        transaction.mention(&subject).await?;
        return transaction.commit(answer(&state, balance)).await;
    }
    let Some(moved) = store::shift(&transaction, user_id, Step::Charge, amount).await? else {
        return Err(PointRefusal::Overflow {
            maximum: BALANCE_MINOR_UNITS_MAX,
        }
        .into());
    };
    let fact = PointsCharged {
        user_id: user_id.to_owned(),
        funding_reference: reference,
        amount: Some(state.currency.money(amount)),
        available: Some(state.currency.money(moved.available)),
        held: Some(state.currency.money(moved.held)),
    };
    outbox::append(&transaction, &subject, moved.version, Fact::PointsCharged(fact));
    transaction.commit(answer(&state, moved.balance())).await
}

fn answer(state: &Payments, balance: Balance) -> ChargePointsResponse {
    ChargePointsResponse {
        available: Some(state.currency.money(balance.available)),
        held: Some(state.currency.money(balance.held)),
        revision: String::new(),
    }
}
