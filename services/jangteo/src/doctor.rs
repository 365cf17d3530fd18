//! `jangteo doctor` and `healthcheck`: what could keep the shop from working, said before it does.

use std::net::SocketAddr;

use tokio::net::TcpListener;
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::config::Config;
use crate::shop::{Shop, services};

/// Examines the configuration, the ports, the data folder and the databases; tells whether all is well.
///
/// # Errors
/// When a finding cannot be made at all.
pub async fn examine(config: &Config) -> anyhow::Result<bool> {
    let mut well = true;
    let mut say = |what: &str, finding: Result<String, String>| {
        well &= finding.is_ok();
        match finding {
            Ok(text) => println!("ok    {what:<14} {text}"),
            Err(text) => println!("FAIL  {what:<14} {text}"),
        }
    };
    say(
        "configuration",
        config
            .check()
            .map(|()| "fits".to_owned())
            .map_err(|error| format!("{error:#}")),
    );
    if serves(None, config).await {
        say(
            "shop",
            Ok(format!("serves all {} services on {}", services().len(), config.listen)),
        );
        return Ok(well);
    }
    say("shop", Ok(format!("does not run on {}", config.listen)));
    for (what, address) in [
        ("gRPC", config.listen),
        ("callbacks", config.callbacks_listen),
        ("gateway", config.gateway_listen),
    ] {
        say(what, free(address).await);
    }
    let tables = Shop::migrate(config).await;
    say(
        "databases",
        tables
            .map(|()| "open, and up to date".to_owned())
            .map_err(|error| format!("{error:#}")),
    );
    Ok(well)
}

/// Whether every service of the shop reports SERVING.
pub async fn serves(endpoint: Option<&str>, config: &Config) -> bool {
    let address = endpoint.map_or_else(|| format!("http://{}", config.listen), str::to_owned);
    let Ok(target) = Endpoint::from_shared(address) else {
        return false;
    };
    let Ok(channel) = target
        .connect_timeout(std::time::Duration::from_secs(2))
        .timeout(std::time::Duration::from_secs(2))
        .connect()
        .await
    else {
        return false;
    };
    let mut health = HealthClient::new(channel);
    for service in services() {
        let answer = health.check(HealthCheckRequest { service }).await;
        if !answer.is_ok_and(|answer| answer.into_inner().status() == ServingStatus::Serving) {
            return false;
        }
    }
    true
}

async fn free(address: SocketAddr) -> Result<String, String> {
    TcpListener::bind(address)
        .await
        .map(|_| format!("{address} is free"))
        .map_err(|error| format!("{address}: {error}"))
}
