//! The command line: reads what is wanted, does it, and says how it went by exit code.
//!
//! 0: done. 1: it failed, or a check found something. 2: the command line is wrong.

mod commands;

use std::process::ExitCode;

use clap::Parser;
use commands::Arguments;
use jangteo::config::{self, Config, LogFormat};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = load(&arguments).and_then(|config| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(commands::run(arguments, config))
    });
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("jangteo: {error:#}");
            ExitCode::FAILURE
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
