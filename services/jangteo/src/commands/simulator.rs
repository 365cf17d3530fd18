//! `jangteo pg-simulator`: the payment gateway by itself, or a change of one that runs.

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::stop_signal;
use crate::config::Config;

#[derive(Debug, Args)]
pub(super) struct Simulator {
    /// Set a rate in permille, a delay in milliseconds, a profile or a card's fate, such as `hang=20`, `hang_ms=5000`,
    /// `reply_delay_ms=100-500`, `speed=10`, `profile=hostile`, `card:1234-5678-9012-3456=captured_timeout`; may be
    /// given several times. An unknown rate is answered with the names of all.
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting)]
    set: Vec<(String, String)>,
    /// Set it at the simulator that runs there (also one inside a shop), print as JSON what is in force, and end.
    #[arg(long, value_name = "URL", num_args = 0..=1, default_missing_value = "http://127.0.0.1:8082")]
    at: Option<String>,
}

pub(super) async fn run(command: Simulator, config: &Config) -> anyhow::Result<ExitCode> {
    if let Some(at) = command.at {
        let in_force = pg_simulator::control::send(&at, &command.set).await?;
        println!("{}", serde_json::to_string_pretty(&in_force)?);
        return Ok(ExitCode::SUCCESS);
    }
    let mut simulator = pg_simulator::Config::new(config.data_folder.clone(), config.gateway.parse()?);
    pg_simulator::control::set_all(&mut simulator.behaviour, &command.set)?;
    let listener = tokio::net::TcpListener::bind(config.gateway_listen)
        .await
        .with_context(|| format!("listen on {}", config.gateway_listen))?;
    std::fs::create_dir_all(&config.data_folder)?;
    println!("gateway    http://{} ({})", listener.local_addr()?, config.gateway);
    let stop = tokio_util::sync::CancellationToken::new();
    let served = tokio::spawn(pg_simulator::serve(simulator, listener, stop.clone()));
    stop_signal().await?;
    stop.cancel();
    served.await??;
    Ok(ExitCode::SUCCESS)
}

fn setting(text: &str) -> Result<(String, String), String> {
    let split = text
        .split_once('=')
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    split.ok_or_else(|| "expected NAME=VALUE".to_owned())
}
