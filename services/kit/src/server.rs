//! The server: one stack of layers in front of all services, read from top to bottom, and a shutdown that ends.

mod deadline;
mod identity;
mod load;
mod transport;

use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use http::HeaderValue;
use http_body_util::BodyExt;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::service::{Routes, RoutesBuilder};
use tonic::transport::server::TcpIncoming;
use tonic_health::server::HealthReporter;

use crate::clock::Clock;
use crate::edge::correlation_id;
use crate::refusal::{Failure, Locale, status};

pub use identity::Identity;
pub use load::OverloadRefusal;
pub use transport::TransportRefusal;

/// The largest message of a request.
pub const REQUEST_BYTES_MAX: usize = 256 * 1024;
/// The largest message of an import.
pub const IMPORT_BYTES_MAX: usize = 1024 * 1024;
/// Calls worked on at once by one process, before new ones are turned away.
pub const CALLS_IN_FLIGHT_MAX: usize = 2_048;
/// Streams of one connection.
pub const STREAMS_PER_CONNECTION_MAX: u32 = 1_024;
/// How long running calls may take to end when the server stops.
pub const DRAIN: Duration = Duration::from_secs(10);

/// What the stack needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How callers prove who they are.
    pub identity: Identity,
    /// The time of this process.
    pub clock: Clock,
    /// See [`CALLS_IN_FLIGHT_MAX`].
    pub calls_in_flight_max: usize,
}

/// Puts the stack in front of the services.
#[must_use]
pub fn stack(services: Routes, settings: &Settings) -> Routes {
    let load = load::Limit::new(settings.calls_in_flight_max);
    let identity = identity::Gate::new(settings.identity, settings.clock.clone());
    let router: Router = services.prepare().into_axum_router();
    // the last layer added is the first to see a request
    let router = router
        .layer(from_fn_with_state(identity, identity::admit))
        .layer(from_fn(deadline::keep))
        .layer(from_fn_with_state(load, load::shed))
        .layer(from_fn(transport::explain))
        .layer(from_fn(correlate));
    Routes::from(router)
}

/// Adds health and reflection; returns what health is reported through.
///
/// # Errors
/// When the descriptors cannot be read, which is a fault of the build.
pub async fn operations(routes: &mut RoutesBuilder, services: &[String]) -> anyhow::Result<HealthReporter> {
    let (health, health_service) = tonic_health::server::health_reporter();
    for service in services {
        health
            .set_service_status(service, tonic_health::ServingStatus::Serving)
            .await;
    }
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    routes
        .add_service(health_service)
        .add_service(reflection().build_v1()?)
        .add_service(reflection().build_v1alpha()?);
    Ok(health)
}

/// Serves until told to stop, then lets running calls end within [`DRAIN`].
///
/// # Errors
/// When the listener breaks.
pub async fn serve(
    listener: TcpListener,
    routes: Routes,
    health: HealthReporter,
    services: Vec<String>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let drained = stop.clone();
    let server = tonic::transport::Server::builder()
        .accept_http1(true)
        .max_concurrent_streams(STREAMS_PER_CONNECTION_MAX)
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .layer(tonic_web::GrpcWebLayer::new())
        .add_routes(routes)
        .serve_with_incoming_shutdown(
            TcpIncoming::from(listener).with_nodelay(Some(true)),
            drained.cancelled_owned(),
        );
    let server = tokio::spawn(server);
    stop.cancelled().await;
    for service in services {
        health
            .set_service_status(service, tonic_health::ServingStatus::NotServing)
            .await;
    }
    // an idle connection or an endless stream would keep the server from ending by itself
    match tokio::time::timeout(DRAIN, server).await {
        Ok(outcome) => Ok(outcome??),
        Err(_) => {
            tracing::warn!("calls were still running after {} s and were cut off", DRAIN.as_secs());
            Ok(())
        }
    }
}

/// The id that ties together what one request sets in motion: taken or made here, echoed in headers and trailers.
async fn correlate(mut request: Request, next: Next) -> Response {
    let given = request
        .headers()
        .get("x-correlation-id")
        .and_then(|value| value.to_str().ok());
    let id = correlation_id(given);
    let Ok(value) = HeaderValue::from_str(&id) else {
        return next.run(request).await;
    };
    request.headers_mut().insert("x-correlation-id", value.clone());
    let mut response = next.run(request).await;
    response.headers_mut().insert("x-correlation-id", value.clone());
    response.map(|body| {
        axum::body::Body::new(body.map_frame(move |mut frame| {
            if let Some(trailers) = frame.trailers_mut() {
                trailers.insert("x-correlation-id", value.clone());
            }
            frame
        }))
    })
}

/// The answer of a layer that does not let a call through.
fn turned_away(failure: Failure, headers: &http::HeaderMap) -> Response {
    told(failure, locale(headers))
}

fn told(failure: Failure, locale: Locale) -> Response {
    status(failure, locale).into_http::<Body>().map(axum::body::Body::new)
}

fn locale(headers: &http::HeaderMap) -> Locale {
    let language = headers.get("accept-language").and_then(|value| value.to_str().ok());
    language.map(Locale::from_accept_language).unwrap_or_default()
}
