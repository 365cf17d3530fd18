//! What the transport, or a service that was asked and did not answer, says in words of its own: told in ours, so that
//! every status that leaves the process has its reason and no library speaks to a caller.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use tonic::{Code, Status};

use crate::refusals;

/// Lists what we read; a compressed message that is refused comes with it.
const ENCODINGS: &str = "grpc-accept-encoding";

refusals! {
    /// Why a request does not become a call of a service.
    pub enum TransportRefusal {
        /// The message is larger than its method takes, 256 KiB, or 1 MiB for imports.
        MessageTooLarge {} => ResourceExhausted "MESSAGE_TOO_LARGE",
            en "the message is larger than this method takes",
            ko "메시지가 이 메서드의 최대 크기를 초과합니다",
        /// The bytes are no message of the method's type.
        MessageUndecodable {} => InvalidArgument "MESSAGE_UNDECODABLE",
            en "the message cannot be read as one of this method",
            ko "메시지를 해석할 수 없습니다",
        /// The message is compressed in a way that is not read here.
        EncodingUnknown { encoding: String } => Unimplemented "ENCODING_UNKNOWN",
            en "messages compressed as {encoding} are not read here",
            ko "{encoding} 방식으로 압축된 메시지는 지원하지 않습니다",
        /// There is no such method.
        MethodUnknown { method: String } => Unimplemented "METHOD_UNKNOWN",
            en "there is no method {method}",
            ko "{method} 메서드가 없습니다",
        /// Health was asked for a service that is not here.
        ServiceUnknown {} => NotFound "SERVICE_UNKNOWN",
            en "there is no such service",
            ko "해당 서비스가 없습니다",
        /// A service that the call needs did not answer in time.
        ServiceUnavailable {} => Unavailable "SERVICE_UNAVAILABLE",
            en "a service that this needs does not answer, try again",
            ko "필요한 서비스가 응답하지 않습니다. 다시 시도해 주세요", retry 1_000,
    }
}

/// Gives a status without details the reason of the registry that it stands for.
pub(super) async fn explain(request: Request, next: Next) -> Response {
    let (locale, uri) = (super::locale(request.headers()), request.uri().clone());
    let encoding = request.headers().get("grpc-encoding").cloned();
    let response = next.run(request).await;
    // what our services refuse has details; what comes behind the first message of a stream is theirs, too
    let status = Status::from_header_map(response.headers());
    let Some(status) = status.filter(|status| status.code() != Code::Ok && status.details().is_empty()) else {
        return response;
    };
    tracing::debug!(%uri, code = ?status.code(), said = status.message(), "the transport refused");
    let encodings = response.headers().get(ENCODINGS);
    let refusal = match (status.code(), encodings) {
        (Code::OutOfRange | Code::ResourceExhausted, _) => TransportRefusal::MessageTooLarge {},
        (Code::Internal, _) => TransportRefusal::MessageUndecodable {},
        (Code::Unimplemented, Some(_)) => TransportRefusal::EncodingUnknown {
            encoding: encoding
                .and_then(|name| Some(name.to_str().ok()?.to_owned()))
                .unwrap_or_default(),
        },
        (Code::Unimplemented, None) => TransportRefusal::MethodUnknown {
            method: uri.path().trim_start_matches('/').to_owned(),
        },
        (Code::NotFound, _) => TransportRefusal::ServiceUnknown {},
        _ => TransportRefusal::ServiceUnavailable {},
    };
    let mut told = super::told(refusal.into(), locale);
    if let Some(encodings) = encodings {
        told.headers_mut().insert(ENCODINGS, encodings.clone());
    }
    told
}
