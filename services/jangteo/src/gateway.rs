//! The payment gateway of the embedded shop: the simulator in this process, or one elsewhere by its URL.

use anyhow::Context;
use pg_simulator::Profile;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::data_folder::DataFolder;

/// Whether the gateway is the simulator of this process, whose book we can read.
#[must_use]
pub fn is_ours(config: &Config) -> bool {
    !config.gateway.starts_with("http://")
}

/// Starts the simulator if the configuration names a profile; returns the gateway's base URL.
///
/// # Errors
/// When the name is neither a profile nor a URL, or the simulator's port is taken.
pub async fn start(
    config: &Config,
    folder: &DataFolder,
    stop: &CancellationToken,
    tasks: &TaskTracker,
) -> anyhow::Result<String> {
    if !is_ours(config) {
        return Ok(config.gateway.trim_end_matches('/').to_owned());
    }
    let profile: Profile = config
        .gateway
        .parse()
        .with_context(|| format!("gateway {:?}", config.gateway))?;
    let listener = TcpListener::bind(config.gateway_listen).await;
    let listener =
        listener.with_context(|| format!("listen for the gateway simulator on {}", config.gateway_listen))?;
    let url = format!("http://{}", listener.local_addr()?);
    let simulator = pg_simulator::Config::new(folder.path().to_owned(), profile);
    let served = pg_simulator::serve(simulator, listener, stop.child_token());
    tasks.spawn(async move {
        if let Err(error) = served.await {
            tracing::error!("the gateway simulator broke: {error:#}");
        }
    });
    Ok(url)
}
