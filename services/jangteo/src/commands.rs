//! The command line: reads what is wanted, does it, and says how it went by exit code.

mod checkouts;
mod consumers;
mod dead_letters;
mod events;
mod load;
mod outbox;
mod output;
mod payments;
mod simulator;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::client::Connected;
use crate::config::{self, Config, LogFormat};
use crate::shop::Shop;
use crate::{doctor, import, ledger, sample};
use anyhow::Context;
use checkouts::Checkouts;
use clap::{Parser, Subcommand};
use consumers::Consumers;
use dead_letters::DeadLetters;
use events::Events;
use kit::clock::Clock;
use kit::money::Currency;
use load::Load;
use outbox::Outboxes;
use output::Output;
use payments::Payments;
use simulator::Simulator;
use tracing_subscriber::EnvFilter;

const EXIT_CODES: &str = "Exit codes:
  0  done
  1  it failed, or a check found something
  2  the command line is wrong
  3  the shop said no; the reason is on standard error
  4  the shop, or what it needs for this, does not answer: try again";

/// The transactional core of a shop.
#[derive(Debug, Parser)]
#[command(name = "jangteo", version, about, after_help = EXIT_CODES)]
struct Arguments {
    /// The configuration file [default: jangteo.toml, if it is there].
    #[arg(long, global = true)]
    config: Option<PathBuf>,
    /// The folder of the embedded databases.
    #[arg(long, global = true)]
    data_folder: Option<PathBuf>,
    /// PostgreSQL for all tables: postgres://…
    #[arg(long, global = true)]
    database_url: Option<String>,
    /// The payment gateway: calm, seed, hostile (a simulator in this process) or http://…
    #[arg(long, global = true)]
    gateway: Option<String>,
    /// The running shop to talk to, such as `http://127.0.0.1:50051` (also `JANGTEO_ENDPOINT`); without it the configured
    /// address is tried, and a shop is started for the command if none answers there.
    #[arg(long, global = true)]
    endpoint: Option<String>,
    /// How results are printed; json is one object a line.
    #[arg(long, global = true, value_enum, default_value_t)]
    output: Output,
    /// As `--output json`.
    #[arg(long, global = true, hide = true)]
    json: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the whole shop in this process (what `jangteo` without a command does).
    All {
        /// Leave an empty shop empty instead of stocking it with the sample.
        #[arg(long)]
        empty: bool,
    },
    /// Bring the tables of every owner up to date and end.
    Migrate,
    /// Import a catalogue and its campaigns from CSV files.
    Import {
        /// The folder with products.csv, campaigns.csv, campaign_products.csv and baskets.
        folder: PathBuf,
        /// Keep the campaigns' dates instead of moving them to today by whole weeks.
        #[arg(long)]
        keep_dates: bool,
    },
    /// Put load on a shop.
    Load(Load),
    /// Look at the books.
    Ledger {
        #[command(subcommand)]
        command: LedgerCommand,
    },
    /// Look at the events that consumers could not handle, and mend them.
    DeadLetters {
        #[command(subcommand)]
        command: DeadLetters,
    },
    /// See to checkouts that do not come to rest by themselves.
    Checkouts {
        #[command(subcommand)]
        command: Checkouts,
    },
    /// See to payments that do not end by themselves, and to the day's books.
    Payments {
        #[command(subcommand)]
        command: Payments,
    },
    /// Look at events that wait to leave their service, or have some published again.
    Outbox {
        #[command(subcommand)]
        command: Outboxes,
    },
    /// See who follows events and how far, and pause one.
    Consumers {
        #[command(subcommand)]
        command: Consumers,
    },
    /// List what happened, newest first.
    Events(Events),
    /// Look for what could keep the shop from working.
    Doctor,
    /// Show the configuration.
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Run only the payment gateway simulator, or change one that runs.
    PgSimulator(Simulator),
    /// Exit 0 if the shop serves, 1 if not.
    Healthcheck,
}

#[derive(Debug, Subcommand)]
enum LedgerCommand {
    /// Check every invariant; exit 1 if one does not hold.
    Check {
        /// Ask again until all hold, for at most so many seconds.
        #[arg(long, default_value_t = 0)]
        wait_seconds: u64,
    },
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Print the configuration in force, as TOML.
    Print,
}

impl Arguments {
    fn output(&self) -> Output {
        if self.json { Output::Json } else { self.output }
    }

    /// What is given here goes before file and environment.
    fn overrule(&self, config: &mut Config) {
        if let Some(folder) = &self.data_folder {
            config.data_folder.clone_from(folder);
        }
        if self.database_url.is_some() {
            config.database_url.clone_from(&self.database_url);
        }
        if self.endpoint.is_some() {
            config.endpoint.clone_from(&self.endpoint);
        }
        if let Some(gateway) = &self.gateway {
            config.gateway.clone_from(gateway);
        }
        if let Some(Command::All { empty: true }) = self.command {
            config.empty = true;
        }
    }
}

/// The whole program.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = load(&arguments).and_then(|config| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(run(arguments, config))
    });
    match outcome {
        Ok(code) => code,
        Err(error) => {
            let (words, code) = output::explained(&error);
            eprintln!("jangteo: {words}");
            code
        }
    }
}

fn load(arguments: &Arguments) -> anyhow::Result<Config> {
    let file = arguments.config.clone().unwrap_or_else(|| config::FILE.into());
    let mut config = Config::load(&file)?;
    arguments.overrule(&mut config);
    let filter = EnvFilter::try_new(&config.log)?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false);
    match config.log_format {
        LogFormat::Pretty => log.init(),
        LogFormat::Json => log.json().init(),
    }
    Ok(config)
}

/// Does what was asked.
async fn run(arguments: Arguments, config: Config) -> anyhow::Result<ExitCode> {
    let (endpoint, output) = (config.endpoint.as_deref(), arguments.output());
    let json = output == Output::Json;
    match arguments.command.unwrap_or(Command::All { empty: false }) {
        Command::All { .. } => all(&config).await,
        Command::Migrate => {
            Shop::migrate(&config).await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Import { folder, keep_dates } => import(&folder, keep_dates, endpoint, &config).await,
        Command::Load(load) => load::run(load, &config, output).await,
        Command::Ledger {
            command: LedgerCommand::Check { wait_seconds },
        } => {
            at_shop(endpoint, &config, async |shop| {
                let holds = ledger::print_check(shop, Duration::from_secs(wait_seconds), json).await?;
                Ok(output::success_if(holds))
            })
            .await
        }
        Command::DeadLetters { command } => {
            at_shop(endpoint, &config, async |shop| {
                dead_letters::run(command, shop, output).await
            })
            .await
        }
        Command::Checkouts { command } => {
            at_shop(endpoint, &config, async |shop| {
                checkouts::run(command, shop, output).await
            })
            .await
        }
        Command::Payments { command } => {
            at_shop(endpoint, &config, async |shop| {
                payments::run(command, shop, output).await
            })
            .await
        }
        Command::Outbox { command } => {
            at_shop(endpoint, &config, async |shop| outbox::run(command, shop, output).await).await
        }
        Command::Consumers { command } => {
            at_shop(endpoint, &config, async |shop| {
                consumers::run(command, shop, output).await
            })
            .await
        }
        Command::Events(events) => {
            at_shop(endpoint, &config, async |shop| events::run(events, shop, output).await).await
        }
        Command::Doctor => Ok(output::success_if(doctor::examine(&config).await?)),
        Command::Config {
            command: ConfigCommand::Print,
        } => {
            print!("{}", toml::to_string(&config)?);
            Ok(ExitCode::SUCCESS)
        }
        Command::PgSimulator(command) => simulator::run(command, &config).await,
        Command::Healthcheck => Ok(output::success_if(doctor::serves(endpoint, &config).await)),
    }
}

/// Does something at a shop, and stops the shop if it was started for that.
async fn at_shop(
    endpoint: Option<&str>,
    config: &Config,
    work: impl AsyncFnOnce(&Connected) -> anyhow::Result<ExitCode>,
) -> anyhow::Result<ExitCode> {
    let shop = Connected::open(endpoint, config).await?;
    let done = work(&shop).await;
    shop.close().await;
    done
}

async fn all(config: &Config) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let shop = Shop::start(config, Clock::default()).await?;
    let tables = config.database_url.as_deref().map_or("SQLite", |_| "PostgreSQL");
    println!("gRPC       {}", shop.address);
    println!("callbacks  {}", shop.callbacks);
    println!("gateway    {} ({})", shop.gateway, config.gateway);
    println!("data       {} ({tables})", config.data_folder.display());
    println!("dev auth   callers name themselves in x-user-id (and x-role); for this machine only");
    if !config.empty {
        let currency = currency(config)?;
        let connected = Connected::open(Some(&format!("http://{}", shop.address)), config).await?;
        if sample::stock(&connected, &currency, Clock::default().now()).await? {
            println!("sample     2000 products, 3 campaigns, likes, and 50.00 points for mina");
        }
    }
    println!("ready      in {} ms; stop with Ctrl-C", started.elapsed().as_millis());
    stop_signal().await?;
    // who read it may be gone, which is no reason to stop otherwise than gracefully
    let _ = writeln!(std::io::stdout(), "stopping");
    shop.stop().await;
    Ok(ExitCode::SUCCESS)
}

async fn import(
    folder: &std::path::Path,
    keep_dates: bool,
    endpoint: Option<&str>,
    config: &Config,
) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let shop = Connected::open(endpoint, config).await?;
    let imported = import::import(
        folder,
        &shop.as_admin(),
        &currency(config)?,
        keep_dates,
        Clock::default().now(),
    )
    .await;
    shop.close().await;
    let imported = imported?;
    let products = &imported.products;
    println!(
        "products   {} created, {} updated, {} unchanged, {} refused",
        products.created, products.updated, products.unchanged, products.refused
    );
    println!(
        "campaigns  {} opened, {} products named",
        imported.campaigns_opened, imported.campaign_products
    );
    println!("took       {:.1} s", started.elapsed().as_secs_f64());
    for refusal in products.refusals.iter().take(10) {
        eprintln!("row {}: {} ({})", refusal.row, refusal.message, refusal.reason);
    }
    Ok(output::success_if(products.refused == 0))
}

fn currency(config: &Config) -> anyhow::Result<Currency> {
    Currency::new(&config.currency).with_context(|| format!("currency {:?}", config.currency))
}

/// Returns on Ctrl-C and on SIGTERM.
async fn stop_signal() -> anyhow::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupt = tokio::signal::ctrl_c() => interrupt?,
        _ = terminate.recv() => {}
    }
    Ok(())
}
