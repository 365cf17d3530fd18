//! OpenCampaign.

use std::collections::BTreeSet;

use kit::context::Context;
use kit::id::new_id;
use kit::outbox;
use kit::refusal::Failure;
use proto::coupon::v1::{OpenCampaignRequest, OpenCampaignResponse};
use proto::event::v1::CampaignOpened;
use proto::event::v1::event::Fact;

use super::{Campaign, CampaignRefusal, store};
use crate::Coupons;

/// Stores the terms; coupons are issued once its window begins.
pub(crate) async fn open_campaign(
    state: Coupons,
    context: Context,
    mut request: OpenCampaignRequest,
) -> Result<OpenCampaignResponse, Failure> {
    let campaign_id = if request.campaign_id.is_empty() {
        new_id()
    } else {
        std::mem::take(&mut request.campaign_id)
    };
    let campaign = Campaign::open(campaign_id, &request, &state.currency)?;
    let brand_ids: Vec<String> = request
        .brand_ids
        .into_iter()
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();

    let transaction = state.database.begin_write(&context).await?;
    if !store::insert(&transaction, &campaign, &brand_ids).await? {
        return Err(CampaignRefusal::AlreadyExists {
            campaign_id: campaign.campaign_id,
        }
        .into());
    }
    let told = CampaignOpened {
        campaign: Some(campaign.snapshot(brand_ids.clone(), &state.currency)),
    };
    outbox::append(
        &transaction,
        &campaign.subject(),
        campaign.version,
        Fact::CampaignOpened(told),
    );

    let campaign = Some(campaign.message(brand_ids, &state.currency));
    transaction
        .commit(OpenCampaignResponse {
            campaign,
            revision: String::new(),
        })
        .await
}
