//! `jangteo checkouts`: what is stuck on its way, and how it goes on or back.

use std::process::ExitCode;

use clap::Subcommand;
use proto::order::v1::checkout_service_client::CheckoutServiceClient;
use proto::order::v1::{Checkout, CompensateCheckoutRequest, ListStuckCheckoutsRequest, ResumeCheckoutRequest};

use super::output::{self, Line, Output, time, word};
use crate::client::Connected;

#[derive(Debug, Subcommand)]
pub(super) enum Checkouts {
    /// List checkouts that are not at rest and should be, those first that are under way the longest.
    List {
        /// Only those under way for so many seconds or more.
        #[arg(long, value_name = "SECONDS", default_value_t = 60)]
        older_than: i64,
        /// Also those that have failed so often or more.
        #[arg(long, default_value_t = 5)]
        tries: i32,
        /// So many at most.
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Have a checkout tried now, whoever works on it.
    Resume {
        /// The order it carries.
        order_id: String,
        /// Kept in the audit.
        #[arg(long)]
        why: String,
    },
    /// Have an order give back what it took; a paid one is refunded.
    Compensate {
        /// The order.
        order_id: String,
        /// Kept with the order and in the audit.
        #[arg(long)]
        why: String,
    },
}

pub(super) async fn run(command: Checkouts, shop: &Connected, output: Output) -> anyhow::Result<ExitCode> {
    let mut checkouts = CheckoutServiceClient::new(shop.as_admin());
    let found = match command {
        Checkouts::List {
            older_than,
            tries,
            limit,
        } => {
            let mut request = ListStuckCheckoutsRequest {
                older_than_seconds: older_than,
                tries_at_least: tries,
                ..Default::default()
            };
            let mut found = Vec::new();
            loop {
                let page = checkouts.list_stuck_checkouts(request.clone()).await?.into_inner();
                found.extend(page.checkouts);
                if page.next_page_token.is_empty() || found.len() >= limit {
                    break;
                }
                request.page_token = page.next_page_token;
            }
            found.truncate(limit);
            found
        }
        Checkouts::Resume { order_id, why } => {
            let request = ResumeCheckoutRequest {
                order_id,
                why,
                ..Default::default()
            };
            checkouts
                .resume_checkout(request)
                .await?
                .into_inner()
                .checkout
                .into_iter()
                .collect()
        }
        Checkouts::Compensate { order_id, why } => {
            let request = CompensateCheckoutRequest {
                order_id,
                why,
                ..Default::default()
            };
            let answer = checkouts.compensate_checkout(request).await?.into_inner();
            answer.checkout.into_iter().collect()
        }
    };
    output::print(found.iter().map(line).collect(), output);
    Ok(ExitCode::SUCCESS)
}

fn line(checkout: &Checkout) -> Line {
    vec![
        ("order_id", checkout.order_id.as_str().into()),
        (
            "order_state",
            word(checkout.order_state().as_str_name(), "ORDER_STATE_"),
        ),
        (
            "direction",
            word(checkout.direction().as_str_name(), "CHECKOUT_DIRECTION_"),
        ),
        ("step", word(checkout.step().as_str_name(), "CHECKOUT_STEP_")),
        ("tries", checkout.tries.into()),
        ("under_way_since", time(checkout.under_way_since.as_ref())),
        ("next_try_at", time(checkout.next_try_at.as_ref())),
        ("leased_until", time(checkout.leased_until.as_ref())),
        ("attempt", checkout.attempt.into()),
        ("payment_open", checkout.payment_open.into()),
        ("user_id", checkout.user_id.as_str().into()),
        ("correlation_id", checkout.correlation_id.as_str().into()),
        ("last_error_at", time(checkout.last_error_at.as_ref())),
        ("last_error", checkout.last_error.as_str().into()),
    ]
}
