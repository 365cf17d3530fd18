//! Seals a card number: the only call that takes one.

use jiff::Span;
use kit::clock::to_proto;
use kit::context::Context;
use kit::id::new_id;
use kit::refusal::Failure;
use proto::payment::v1::{CardType, TokenizeCardRequest, TokenizeCardResponse};

use super::store::{self, Card};
use super::{CARD_HOURS_MAX, CardNumber};
use crate::Payments;

pub(crate) async fn tokenize_card(
    state: Payments,
    mut context: Context,
    request: TokenizeCardRequest,
) -> Result<TokenizeCardResponse, Failure> {
    if let Some(key) = &mut context.idempotency {
        key.fingerprint = state.vault.digest(&key.fingerprint);
    }
    let card_type = match request.card_type() {
        CardType::Samsung | CardType::Unspecified => "SAMSUNG",
        CardType::Kb => "KB",
        CardType::Hyundai => "HYUNDAI",
    };
    let (token, number) = (format!("card-{}", new_id()), CardNumber::new(request.card_number));
    let expires_at = context.now + Span::new().hours(CARD_HOURS_MAX);
    let transaction = state.database.begin_write(&context).await?;
    let card = Card {
        user_id: context.user()?.to_owned(),
        card_type: card_type.to_owned(),
        sealed: Some(state.vault.seal(&token, &number)?),
        last_four: number.last_four(),
        expires_at: expires_at.as_microsecond(),
    };
    store::insert(&transaction, &token, &card).await?;
    let answer = TokenizeCardResponse {
        card_token: token,
        last_four: card.last_four,
        expires_at: Some(to_proto(expires_at)),
        revision: String::new(),
    };
    transaction.commit(answer).await
}
