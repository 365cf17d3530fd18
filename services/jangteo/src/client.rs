//! How commands reach a shop: the running server's RPCs, or a shop started for as long as the command takes.

use anyhow::Context;
use kit::clock::Clock;
use tonic::metadata::AsciiMetadataValue;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use crate::config::Config;
use crate::shop::Shop;

/// A channel that speaks as one caller.
pub type Client = InterceptedService<Channel, Identity>;

/// Says who is calling, as dev auth reads it.
#[derive(Clone, Debug)]
pub struct Identity {
    user: AsciiMetadataValue,
    role: AsciiMetadataValue,
}

impl Interceptor for Identity {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("x-user-id", self.user.clone());
        request.metadata_mut().insert("x-role", self.role.clone());
        Ok(request)
    }
}

/// A shop to talk to.
#[derive(Debug)]
pub struct Connected {
    channel: Channel,
    own: Option<Shop>,
}

impl Connected {
    /// The shop at `endpoint`; without one, the shop at the configured address, started here if none answers there.
    ///
    /// # Errors
    /// When nothing answers at a named endpoint, or no shop can be started.
    pub async fn open(endpoint: Option<&str>, config: &Config) -> anyhow::Result<Self> {
        let named = endpoint.map_or_else(|| format!("http://{}", config.listen), str::to_owned);
        let target = Endpoint::from_shared(named.clone()).with_context(|| format!("endpoint {named}"))?;
        let target = target
            .tcp_nodelay(true)
            .connect_timeout(std::time::Duration::from_secs(2));
        match (target.connect().await, endpoint) {
            (Ok(channel), _) => Ok(Self { channel, own: None }),
            (Err(error), Some(_)) => Err(error).with_context(|| format!("no shop answers at {named}")),
            (Err(_), None) => {
                tracing::info!("no shop answers at {named}; starting one for this command");
                let shop = Shop::start(config, Clock::default()).await?;
                let channel = Endpoint::from_shared(format!("http://{}", shop.address))?
                    .tcp_nodelay(true)
                    .connect()
                    .await?;
                Ok(Self {
                    channel,
                    own: Some(shop),
                })
            }
        }
    }

    /// A client of this shop that speaks as the customer `user`, an id of `[A-Za-z0-9_-]`.
    #[must_use]
    pub fn as_customer(&self, user: &str) -> Client {
        self.speaking_as(user, "customer")
    }

    /// A client of this shop that speaks as an administrator.
    #[must_use]
    pub fn as_admin(&self) -> Client {
        self.speaking_as("operator", "admin")
    }

    /// A client of this shop that speaks as a service, for the user in `x-on-behalf-of`.
    #[must_use]
    pub fn as_service(&self) -> Client {
        self.speaking_as("operator", "service")
    }

    fn speaking_as(&self, user: &str, role: &'static str) -> Client {
        // a name that no header can hold is no user of ours, and is told so by the server
        let user = user.parse().unwrap_or(AsciiMetadataValue::from_static(""));
        InterceptedService::new(
            self.channel.clone(),
            Identity {
                user,
                role: AsciiMetadataValue::from_static(role),
            },
        )
    }

    /// Stops the shop if this command started it.
    pub async fn close(self) {
        if let Some(shop) = self.own {
            shop.stop().await;
        }
    }
}
