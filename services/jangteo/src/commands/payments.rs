//! `jangteo payments`: what is stuck at the gateway, how it ends, and the day's books.

use std::process::ExitCode;

use anyhow::Context;
use clap::{Subcommand, ValueEnum};
use indicatif::ProgressBar;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use kit::clock::to_proto;
use proto::money::v1::Money;
use proto::payment::v1::payment_admin_service_client::PaymentAdminServiceClient;
use proto::payment::v1::{
    Discrepancy, GetPaymentRequest, ListPaymentsRequest, PaymentRecord, PaymentState, ReconcileDayRequest, Resolution,
    ResolvePaymentRequest,
};
use serde_json::Value;

use super::output::{self, Line, Output, time, word};
use crate::client::{Client, Connected};

#[derive(Debug, Subcommand)]
pub(super) enum Payments {
    /// List payments that are not at rest, or in a state; those first that changed the longest ago.
    List {
        /// Only those in this state, such as UNKNOWN or CONFLICTED.
        #[arg(long)]
        state: Option<String>,
        /// Only those that last changed so many seconds ago or more.
        #[arg(long, value_name = "SECONDS", default_value_t = 0)]
        older_than: i64,
        /// So many at most.
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Show a payment: what was asked of the gateway, what it said, and what goes back.
    Show {
        /// The order it pays.
        order_id: String,
        /// Number of the attempt.
        #[arg(default_value_t = 1)]
        attempt: i32,
    },
    /// Have the gateway asked now, or money given back; exit 1 if the payment is not at rest then.
    Resolve {
        /// The order it pays.
        order_id: String,
        /// Number of the attempt.
        #[arg(default_value_t = 1)]
        attempt: i32,
        /// What to do.
        #[arg(long, value_enum, default_value_t = Wanted::Ask)]
        by: Wanted,
        /// Kept with the payment and in the audit.
        #[arg(long)]
        why: String,
    },
    /// Compare a day with the gateway's book; exit 1 if anything was found. It may be repeated.
    Reconcile {
        /// The day, in UTC, such as 2026-11-28.
        day: Date,
        /// Kept with what is found and in the audit.
        #[arg(long)]
        why: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Wanted {
    /// Ask the gateway now, and believe it.
    Ask,
    /// Give back what it took and what pays no order.
    Refund,
}

pub(super) async fn run(command: Payments, shop: &Connected, output: Output) -> anyhow::Result<ExitCode> {
    let mut payments = PaymentAdminServiceClient::new(shop.as_admin());
    match command {
        Payments::List {
            state,
            older_than,
            limit,
        } => {
            let found = list(payments, state, older_than, limit).await?;
            output::print(found.iter().map(record).collect(), output);
            Ok(ExitCode::SUCCESS)
        }
        Payments::Show { order_id, attempt } => {
            let request = GetPaymentRequest { order_id, attempt };
            let found = payments.get_payment(request).await?.into_inner();
            output::print(found.payment.iter().map(record).collect(), output);
            let refunds = found.refunds.iter().map(|refund| {
                vec![
                    ("refund_id", refund.refund_id.as_str().into()),
                    ("amount", money(refund.amount.as_ref())),
                    ("done", refund.done.into()),
                    ("why", refund.why.as_str().into()),
                ]
            });
            output::print(refunds.collect(), output);
            let journal = found.journal.iter().map(|entry| {
                vec![
                    ("at", time(entry.at.as_ref())),
                    ("actor", entry.actor.as_str().into()),
                    ("asked", entry.asked.as_str().into()),
                    ("said", entry.said.as_str().into()),
                    ("why", entry.why.as_str().into()),
                ]
            });
            output::print(journal.collect(), output);
            Ok(ExitCode::SUCCESS)
        }
        Payments::Resolve {
            order_id,
            attempt,
            by,
            why,
        } => {
            let resolution = match by {
                Wanted::Ask => Resolution::Ask,
                Wanted::Refund => Resolution::Refund,
            };
            let request = ResolvePaymentRequest {
                order_id,
                attempt,
                resolution: resolution.into(),
                why,
                ..Default::default()
            };
            let found = payments.resolve_payment(request).await?.into_inner().payment;
            output::print(found.iter().map(record).collect(), output);
            let rests = found.is_some_and(|found| found.next_look_at.is_none());
            Ok(output::success_if(rests))
        }
        Payments::Reconcile { day, why } => reconcile(payments, day, why, output).await,
    }
}

async fn list(
    mut payments: PaymentAdminServiceClient<Client>,
    state: Option<String>,
    older_than_seconds: i64,
    limit: usize,
) -> anyhow::Result<Vec<PaymentRecord>> {
    let state = match state {
        None => PaymentState::Unspecified,
        Some(name) => PaymentState::from_str_name(&format!("PAYMENT_STATE_{}", name.to_uppercase()))
            .with_context(|| format!("no payment is ever in a state {name:?}"))?,
    };
    let mut request = ListPaymentsRequest {
        state: state.into(),
        older_than_seconds,
        ..Default::default()
    };
    let mut found = Vec::new();
    loop {
        let page = payments.list_payments(request.clone()).await?.into_inner();
        found.extend(page.payments);
        if page.next_page_token.is_empty() || found.len() >= limit {
            break;
        }
        request.page_token = page.next_page_token;
    }
    found.truncate(limit);
    Ok(found)
}

/// Page by page; what is found is printed as it comes.
async fn reconcile(
    mut payments: PaymentAdminServiceClient<Client>,
    day: Date,
    why: String,
    output: Output,
) -> anyhow::Result<ExitCode> {
    let mut request = ReconcileDayRequest {
        day: Some(to_proto(day.to_zoned_datetime(TimeZone::UTC)?.timestamp())),
        why,
        ..Default::default()
    };
    let looking = ProgressBar::new_spinner();
    let (mut agreeing, mut open, mut found) = (0_i64, 0_i64, 0_usize);
    loop {
        let page = payments.reconcile_day(request.clone()).await?.into_inner();
        agreeing += i64::from(page.agreeing);
        open += i64::from(page.open);
        found += page.discrepancies.len();
        looking.set_message(format!("{agreeing} agree, {open} under way, {found} do not agree"));
        looking.tick();
        looking.suspend(|| output::print(page.discrepancies.iter().map(discrepancy).collect(), output));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    looking.finish_and_clear();
    let totals: Line = vec![
        ("day", day.to_string().into()),
        ("agreeing", agreeing.into()),
        ("open", open.into()),
        ("discrepancies", found.into()),
    ];
    output::print(vec![totals], output);
    Ok(output::success_if(found == 0))
}

fn record(record: &PaymentRecord) -> Line {
    let payment = record.payment.clone().unwrap_or_default();
    vec![
        ("order_id", payment.order_id.as_str().into()),
        ("attempt", payment.attempt.into()),
        ("state", word(payment.state().as_str_name(), "PAYMENT_STATE_")),
        ("reason", payment.reason.as_str().into()),
        ("amount", money(payment.amount.as_ref())),
        ("captured", money(payment.captured.as_ref())),
        ("refunded", money(payment.refunded.as_ref())),
        ("card", payment.card_last_four.as_str().into()),
        ("posts", record.posts.into()),
        ("last_post_at", time(record.last_post_at.as_ref())),
        ("next_look_at", time(record.next_look_at.as_ref())),
        ("cancelling_since", time(record.cancelling_since.as_ref())),
        ("updated_at", time(payment.updated_at.as_ref())),
        ("user_id", payment.user_id.as_str().into()),
        ("transaction_key", record.transaction_key.as_str().into()),
    ]
}

fn discrepancy(found: &Discrepancy) -> Line {
    vec![
        ("order_id", found.order_id.as_str().into()),
        ("attempt", found.attempt.into()),
        ("kind", word(found.kind().as_str_name(), "DISCREPANCY_KIND_")),
        ("amount", money(found.amount.as_ref())),
        ("transaction_key", found.transaction_key.as_str().into()),
    ]
}

/// Minor units of the shop's one currency.
fn money(money: Option<&Money>) -> Value {
    money.map_or(Value::Null, |money| money.minor_units.into())
}
