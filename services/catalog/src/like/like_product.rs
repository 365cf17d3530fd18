//! LikeProduct and UnlikeProduct: set the same row, each once.

use kit::clock::to_proto;
use kit::context::Context;
use kit::database::{Sql, WriteTransaction};
use kit::outbox;
use kit::refusal::Failure;
use kit::values;
use proto::catalog::v1::{LikeProductRequest, LikeProductResponse, UnlikeProductRequest, UnlikeProductResponse};
use proto::event::v1::event::Fact;
use proto::event::v1::{ProductLiked, ProductUnliked};
use sea_orm::FromQueryResult;

use crate::Catalog;
use crate::product::{ProductRefusal, store as products};

pub(crate) async fn like_product(
    state: Catalog,
    context: Context,
    request: LikeProductRequest,
) -> Result<LikeProductResponse, Failure> {
    let transaction = state.database.begin_write(&context).await?;
    // first, so that liking twice is liking once whatever became of the product
    if set(&transaction, &request.product_id, true).await? {
        let product = products::list(&*transaction, &[&request.product_id]).await?.pop();
        let product = product.ok_or(ProductRefusal::NotFound {
            product_id: request.product_id,
        })?;
        product.status.check_on_sale(&product.product_id)?;
    }
    transaction
        .commit(LikeProductResponse {
            liked: true,
            revision: String::new(),
        })
        .await
}

pub(crate) async fn unlike_product(
    state: Catalog,
    context: Context,
    request: UnlikeProductRequest,
) -> Result<UnlikeProductResponse, Failure> {
    let transaction = state.database.begin_write(&context).await?;
    if !set(&transaction, &request.product_id, false).await? {
        // nothing to take back, perhaps because there is no such product
        let product_id = request.product_id;
        if products::list(&*transaction, &[&product_id]).await?.is_empty() {
            return Err(ProductRefusal::NotFound { product_id }.into());
        }
    }
    transaction
        .commit(UnlikeProductResponse {
            liked: false,
            revision: String::new(),
        })
        .await
}

#[derive(FromQueryResult)]
struct Version {
    version: i64,
}

/// Changes the row only if it says otherwise, in one statement, so that twins at the same time change it once; `false`
/// if it was so already.
async fn set(transaction: &WriteTransaction, product_id: &str, liked: bool) -> Result<bool, Failure> {
    let user_id = transaction.context().user()?.to_owned();
    let subject = format!("like/{user_id}/{product_id}");
    let sql = if liked {
        "INSERT INTO likes (user_id, product_id, liked, version) VALUES ($1, $2, TRUE, 1)
        ON CONFLICT (user_id, product_id) DO UPDATE SET liked = TRUE, version = likes.version + 1 WHERE NOT likes.liked
        RETURNING version"
    } else {
        "UPDATE likes SET liked = FALSE, version = version + 1 WHERE user_id = $1 AND product_id = $2 AND liked
        RETURNING version"
    };
    let changed: Option<Version> = transaction.find(sql, values![user_id.as_str(), product_id]).await?;
    let Some(Version { version }) = changed else {
        transaction.mention(&subject).await?;
        return Ok(false);
    };
    let at = Some(to_proto(transaction.context().now));
    let product_id = product_id.to_owned();
    let fact = if liked {
        Fact::ProductLiked(ProductLiked {
            user_id,
            product_id,
            at,
        })
    } else {
        Fact::ProductUnliked(ProductUnliked {
            user_id,
            product_id,
            at,
        })
    };
    outbox::append(transaction, &subject, version, fact);
    Ok(true)
}
