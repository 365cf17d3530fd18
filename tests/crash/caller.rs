//! A client as the contract wants it: what it does not know the outcome of, it asks for again under the same request id.

use std::time::{Duration, Instant};

use http::uri::PathAndQuery;
use prost::Message;
use support::reason;
use tokio::sync::watch;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;
use tonic_types::StatusExt;

/// How long a call is repeated before the shop counts as broken.
const PATIENCE: Duration = Duration::from_secs(120);
const AGAIN: Duration = Duration::from_millis(20);

/// Calls the shop wherever it is just now.
#[derive(Clone)]
pub struct Caller {
    addresses: watch::Receiver<Option<String>>,
    user: String,
    role: &'static str,
}

impl Caller {
    pub fn new(addresses: &watch::Receiver<Option<String>>, user: &str, role: &'static str) -> Self {
        Self {
            addresses: addresses.clone(),
            user: user.to_owned(),
            role,
        }
    }

    /// The shop's answer, or the reason of its refusal.
    pub async fn call<M, R>(&self, path: &'static str, message: M) -> Result<R, String>
    where
        M: Message + Clone + 'static,
        R: Message + Default + 'static,
    {
        let request_id = uuid::Uuid::now_v7().to_string();
        let patience = Instant::now() + PATIENCE;
        loop {
            let outcome = self.call_once(path, message.clone(), &request_id).await;
            match outcome {
                Ok(answer) => return Ok(answer),
                Err(status) if is_final(&status) => return Err(reason(&status)),
                Err(status) => {
                    assert!(Instant::now() < patience, "{path} has no answer: {status:?}");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }

    async fn call_once<M, R>(&self, path: &'static str, message: M, request_id: &str) -> Result<R, Status>
    where
        M: Message + 'static,
        R: Message + Default + 'static,
    {
        let mut client = Grpc::new(self.connect().await?);
        client
            .ready()
            .await
            .map_err(|error| Status::unavailable(error.to_string()))?;
        let mut request = Request::new(message);
        let metadata = request.metadata_mut();
        let user = self.user.parse().unwrap();
        match self.role {
            "service" => metadata.insert("x-on-behalf-of", user),
            _ => metadata.insert("x-user-id", user),
        };
        if self.role == "service" {
            metadata.insert("x-user-id", "operator".parse().unwrap());
        }
        metadata.insert("x-role", self.role.parse().unwrap());
        metadata.insert("idempotency-key", request_id.parse().unwrap());
        request.set_timeout(Duration::from_secs(10));
        let answer = client
            .unary(request, PathAndQuery::from_static(path), ProstCodec::<M, R>::default())
            .await?;
        Ok(answer.into_inner())
    }

    async fn connect(&self) -> Result<Channel, Status> {
        let address = self.addresses.borrow().clone();
        let address = address.ok_or_else(|| Status::unavailable("the shop is down"))?;
        let endpoint = Endpoint::from_shared(address).unwrap().tcp_nodelay(true);
        let connected = endpoint.connect().await;
        connected.map_err(|error| Status::unavailable(error.to_string()))
    }
}

/// Calls a method of `jangteo.<service>` by its name: `call!(caller, "order.v1.OrderService" / PlaceOrder, request)`.
macro_rules! call {
    ($caller:expr, $service:literal / $method:ident, $request:expr) => {
        $caller
            .call(concat!("/jangteo.", $service, "/", stringify!($method)), $request)
            .await
    };
}

/// As `call!`, for an answer that says nothing more than that it is done.
macro_rules! done {
    ($($call:tt)+) => {{
        let () = call!($($call)+).unwrap();
    }};
}

/// Whether the shop has said no; anything else says nothing about what became of the call.
fn is_final(status: &Status) -> bool {
    // what our own services ask to be repeated comes with the time to wait
    let asks_again = matches!(status.code(), Code::Unavailable | Code::Aborted);
    if asks_again && status.get_details_error_info().is_some() {
        assert!(status.get_details_retry_info().is_some(), "{status:?}");
    }
    let ambiguous = [
        Code::Unavailable,
        Code::DeadlineExceeded,
        Code::Cancelled,
        Code::Aborted,
    ];
    status.get_details_error_info().is_some() && !ambiguous.contains(&status.code())
}
