//! TokenizeCard: the only call that takes a number.

use jiff::Span;
use kit::clock::to_proto;
use kit::context::Context;
use kit::id::new_id;
use kit::refusal::Failure;
use proto::payment::v1::{CardType, TokenizeCardRequest, TokenizeCardResponse};

use super::store::{self, Card};
use super::{CARD_HOURS_MAX, last_four};
use crate::Payments;

pub(crate) async fn tokenize_card(
    state: Payments,
    context: Context,
    request: TokenizeCardRequest,
) -> Result<TokenizeCardResponse, Failure> {
    let card_type = match request.card_type() {
        CardType::Samsung | CardType::Unspecified => "SAMSUNG",
        CardType::Kb => "KB",
        CardType::Hyundai => "HYUNDAI",
    };
    let token = new_id();
    let expires_at = context.now + Span::new().hours(CARD_HOURS_MAX);
    let card = Card {
        user_id: context.user()?.to_owned(),
        card_type: card_type.to_owned(),
        sealed: Some(state.vault.seal(&token, &request.card_number)?),
        last_four: last_four(&request.card_number),
        expires_at: expires_at.as_microsecond(),
    };
    let transaction = state.database.begin_write(&context).await?;
    store::insert(&transaction, &token, &card).await?;
    let answer = TokenizeCardResponse {
        card_token: token,
        last_four: card.last_four,
        expires_at: Some(to_proto(expires_at)),
        revision: String::new(),
    };
    transaction.commit(answer).await
}
