//! AddCampaignProducts, one message of its stream.

use std::collections::BTreeSet;

use kit::context::Context;
use kit::outbox;
use kit::refusal::Failure;
use proto::coupon::v1::{AddCampaignProductsRequest, AddCampaignProductsResponse};
use proto::event::v1::CampaignProductsAdded;
use proto::event::v1::event::Fact;

use super::{CampaignRefusal, store};
use crate::Coupons;

/// Adds the products of one message, all or none; those that are there already add nothing.
pub(crate) async fn add_campaign_products(
    state: Coupons,
    context: Context,
    request: AddCampaignProductsRequest,
) -> Result<AddCampaignProductsResponse, Failure> {
    let campaign_id = request.campaign_id;
    let product_ids: Vec<String> = request
        .product_ids
        .into_iter()
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let transaction = state.database.begin_write(&context).await?;
    let campaign = store::lock(&transaction, &campaign_id).await?;
    let mut campaign = campaign.ok_or(CampaignRefusal::NotFound { campaign_id })?;
    campaign.check_takes_products()?;

    let product_ids = store::insert_products(&transaction, &campaign.campaign_id, &product_ids).await?;
    let added = i64::try_from(product_ids.len()).expect("a message is bounded");
    if added > 0 {
        campaign.add_products(added)?;
        store::save(&transaction, &campaign).await?;
        let told = CampaignProductsAdded {
            campaign_id: campaign.campaign_id.clone(),
            product_ids,
        };
        outbox::append(
            &transaction,
            &campaign.subject(),
            campaign.version,
            Fact::CampaignProductsAdded(told),
        );
    } else {
        transaction.mention(&campaign.subject()).await?;
    }
    let product_count = campaign.product_count;
    transaction
        .commit(AddCampaignProductsResponse {
            added,
            product_count,
            revision: String::new(),
        })
        .await
}
