//! Restock: pieces arrive.

use kit::context::Context;
use kit::database::WriteTransaction;
use kit::outbox;
use kit::refusal::Failure;
use proto::catalog::v1::{RestockRequest, RestockResponse, StockLevel};
use proto::event::v1::StockCause;
use proto::event::v1::event::Fact;

use super::{Level, store};
use crate::Catalog;
use crate::product::{ProductRefusal, subject};

pub(crate) async fn restock(
    state: Catalog,
    context: Context,
    request: RestockRequest,
) -> Result<RestockResponse, Failure> {
    let transaction = state.database.begin_write(&context).await?;
    let mut level = lock(&transaction, &request.product_id).await?;
    level.restock(request.quantity)?;
    store::save_levels(&transaction, std::slice::from_ref(&level)).await?;
    let told = level.told(StockCause::Restocked, "", "");
    outbox::append(
        &transaction,
        &subject(&level.product_id),
        level.version,
        Fact::StockLevelChanged(told),
    );
    transaction
        .commit(RestockResponse {
            level: Some(shown(&level)),
            revision: String::new(),
        })
        .await
}

/// The level of a product, locked.
pub(super) async fn lock(transaction: &WriteTransaction, product_id: &str) -> Result<Level, Failure> {
    let level = store::lock_levels(transaction, &[product_id]).await?.pop();
    Ok(level.ok_or_else(|| ProductRefusal::NotFound {
        product_id: product_id.to_owned(),
    })?)
}

/// A level as the contract shows it.
pub(super) fn shown(level: &Level) -> StockLevel {
    StockLevel {
        product_id: level.product_id.clone(),
        on_hand: level.on_hand,
        reserved: level.reserved,
        sold: level.sold,
    }
}
