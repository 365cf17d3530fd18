//! AdjustStock: pieces were counted, and the books follow.

use kit::context::Context;
use kit::outbox;
use kit::refusal::Failure;
use proto::catalog::v1::{AdjustStockRequest, AdjustStockResponse};
use proto::event::v1::StockCause;
use proto::event::v1::event::Fact;

use super::restock::{lock, shown};
use super::store;
use crate::Catalog;
use crate::product::subject;

pub(crate) async fn adjust_stock(
    state: Catalog,
    context: Context,
    request: AdjustStockRequest,
) -> Result<AdjustStockResponse, Failure> {
    let transaction = state.database.begin_write(&context).await?;
    let mut level = lock(&transaction, &request.product_id).await?;
    if level.adjust(request.counted)? {
        store::save_levels(&transaction, std::slice::from_ref(&level)).await?;
        let told = level.told(StockCause::Adjusted, "", &request.why);
        outbox::append(
            &transaction,
            &subject(&level.product_id),
            level.version,
            Fact::StockLevelChanged(told),
        );
    } else {
        transaction.mention(&subject(&level.product_id)).await?;
    }
    transaction
        .commit(AdjustStockResponse {
            level: Some(shown(&level)),
            revision: String::new(),
        })
        .await
}
