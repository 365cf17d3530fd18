//! A connection to another service: through a channel, or straight to its routes inside one process, without a socket.

use std::task::{Context as TaskContext, Poll};

use futures::future::BoxFuture;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::transport::Channel;
use tower::{Service, ServiceExt};

use crate::caller::Caller;
use crate::clock::Clock;
use crate::crash_point;
use crate::edge::{Arrival, correlation_id};

type Answer = BoxFuture<'static, Result<http::Response<Body>, Box<dyn std::error::Error + Send + Sync>>>;

/// Where the clients of one service send their calls; give it to any generated client.
#[derive(Clone, Debug)]
pub enum Connection {
    /// Straight to the routes of this process, as the named service.
    InProcess {
        /// The routes of the services called.
        routes: Routes,
        /// The service that calls.
        caller: &'static str,
        /// The time of this process.
        clock: Clock,
    },
    /// Over the network.
    Remote(Channel),
}

impl Service<http::Request<Body>> for Connection {
    type Response = http::Response<Body>;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = Answer;

    fn poll_ready(&mut self, context: &mut TaskContext<'_>) -> Poll<Result<(), Self::Error>> {
        match self {
            Self::InProcess { .. } => Poll::Ready(Ok(())),
            Self::Remote(channel) => channel.poll_ready(context).map_err(Into::into),
        }
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let path = request.uri().path().to_owned();
        let answer = self.send(request);
        Box::pin(async move {
            let what = path.rsplit('.').next().unwrap_or_default();
            crash_point::before(what);
            let answer = answer.await;
            crash_point::after(what);
            answer
        })
    }
}

impl Connection {
    fn send(&mut self, mut request: http::Request<Body>) -> Answer {
        match self {
            Self::InProcess { routes, caller, clock } => {
                let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
                let arrival = Arrival {
                    caller: Caller::service(caller, header("x-on-behalf-of").map(str::to_owned)),
                    correlation_id: correlation_id(header("x-correlation-id")),
                    method: request.uri().path().to_owned(),
                    deadline: None,
                    clock: clock.clone(),
                };
                request.extensions_mut().insert(arrival);
                let routes = routes.clone();
                Box::pin(async move { routes.oneshot(request).await.map_err(Into::into) })
            }
            Self::Remote(channel) => {
                let answer = channel.call(request);
                Box::pin(async move { answer.await.map_err(Into::into) })
            }
        }
    }
}
