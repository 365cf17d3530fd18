//! `jangteo load`: puts a load on a shop, tells how it went, and sees that the books hold afterwards.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use kit::clock::Clock;

use super::currency;
use super::output::{self, Output};
use crate::client::Connected;
use crate::config::Config;
use crate::ledger;
use crate::load::replay::Plan;
use crate::load::{Pace, place, replay};

#[derive(Debug, Args)]
pub(super) struct Load {
    /// Play the baskets of this folder as orders.
    #[arg(long, value_name = "FOLDER", required_unless_present = "place")]
    replay: Option<PathBuf>,
    /// Place so many orders of one line, paid by points, of 10,000 products that are imported for it.
    #[arg(long, value_name = "ORDERS", conflicts_with_all = ["replay", "month", "orders"])]
    place: Option<usize>,
    /// Pay the placed orders with this card instead of points, and look at and like a product besides each.
    #[arg(long, value_name = "TOKEN", requires = "place")]
    card: Option<String>,
    /// End without waiting until the shop is at rest and its ledger holds.
    #[arg(long)]
    no_check: bool,
    /// Only these months, such as 2017-01; may be given several times.
    #[arg(long)]
    month: Vec<String>,
    /// Only the first so many baskets.
    #[arg(long, default_value_t = usize::MAX, hide_default_value = true)]
    orders: usize,
    /// Orders a second.
    #[arg(long, default_value_t = 400.0)]
    rate: f64,
    /// Orders under way at once at most.
    #[arg(long, default_value_t = 256)]
    in_flight: usize,
}

pub(super) async fn run(load: Load, config: &Config, output: Output) -> anyhow::Result<ExitCode> {
    let json = output == Output::Json;
    let pace = Pace {
        rate: load.rate,
        in_flight_max: load.in_flight,
    };
    let plan = Plan {
        months: load.month,
        orders_max: load.orders,
    };
    let (shop, currency) = (
        Arc::new(Connected::open(config.endpoint.as_deref(), config).await?),
        currency(config)?,
    );
    let begun = Instant::now();
    let report = match (load.place, &load.replay) {
        (Some(orders), _) => place::place(shop.clone(), &currency, orders, load.card, &pace).await?,
        (None, Some(folder)) => {
            replay::replay(folder, shop.clone(), &currency, &plan, &pace, Clock::default().now()).await?
        }
        (None, None) => anyhow::bail!("nothing to load the shop with"),
    };
    if json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print!("{report}");
    }
    // what piled up meanwhile takes no longer than it took to pile up
    let patience = ledger::AT_REST_MAX + begun.elapsed();
    let holds = load.no_check || ledger::print_check(&shop, patience, json).await?;
    if let Some(shop) = Arc::into_inner(shop) {
        shop.close().await;
    }
    Ok(output::success_if(holds))
}
