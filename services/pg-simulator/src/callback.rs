//! Tells the shop how a payment was decided: one POST, no signature, no retry, no redirect.

use std::time::Duration;

use anyhow::Context;
use reqwest::redirect::Policy;
use tokio::sync::Semaphore;

use crate::config::Behaviour;
use crate::contract::Callback;

/// The way out, with its limits.
pub(crate) struct Callbacks {
    client: reqwest::Client,
    in_flight: Semaphore,
}

impl Callbacks {
    pub fn new(behaviour: &Behaviour) -> anyhow::Result<Self> {
        let timeout = Duration::from_millis(behaviour.callback_timeout_ms);
        let client = reqwest::Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .connect_timeout(timeout)
            .timeout(timeout)
            .build()
            .context("cannot make the client for callbacks")?;
        Ok(Self {
            client,
            in_flight: Semaphore::new(behaviour.callbacks_in_flight_max),
        })
    }

    /// Sends once; a failure is the shop's to notice.
    pub async fn send(&self, url: &str, callback: &Callback<'_>) {
        let Ok(_permit) = self.in_flight.acquire().await else {
            return;
        };
        match self.client.post(url).json(callback).send().await {
            Ok(answer) if answer.status().is_success() => {}
            Ok(answer) => tracing::debug!(status = %answer.status(), "the shop refused a callback"),
            Err(error) => tracing::debug!(error = %error.without_url(), "a callback did not arrive"),
        }
    }
}
