//! CloseCampaign.

use kit::context::Context;
use kit::outbox;
use kit::refusal::Failure;
use proto::coupon::v1::{CloseCampaignRequest, CloseCampaignResponse};
use proto::event::v1::CampaignClosed;
use proto::event::v1::event::Fact;

use super::{CampaignRefusal, store};
use crate::Coupons;

/// Ends the issue; closing twice is closing once.
pub(crate) async fn close_campaign(
    state: Coupons,
    context: Context,
    request: CloseCampaignRequest,
) -> Result<CloseCampaignResponse, Failure> {
    let campaign_id = request.campaign_id;
    let transaction = state.database.begin_write(&context).await?;
    let campaign = store::lock(&transaction, &campaign_id).await?;
    let mut campaign = campaign.ok_or(CampaignRefusal::NotFound { campaign_id })?;
    let brand_ids = store::brand_ids(&*transaction, &campaign.campaign_id).await?;

    if campaign.close() {
        store::save(&transaction, &campaign).await?;
        let told = CampaignClosed {
            campaign: Some(campaign.snapshot(brand_ids.clone(), &state.currency)),
        };
        outbox::append(
            &transaction,
            &campaign.subject(),
            campaign.version,
            Fact::CampaignClosed(told),
        );
    } else {
        transaction.mention(&campaign.subject()).await?;
    }
    let campaign = Some(campaign.message(brand_ids, &state.currency));
    transaction
        .commit(CloseCampaignResponse {
            campaign,
            revision: String::new(),
        })
        .await
}
