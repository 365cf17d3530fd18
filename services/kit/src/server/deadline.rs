//! Deadlines: an expired `grpc-timeout` is answered DEADLINE_EXCEEDED, and the remaining time goes on with the request.

use std::time::{Duration, Instant};

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;

use crate::edge::RequestFault;

/// Answers a little before the transport's own timer, which would say CANCELLED.
const MARGIN: Duration = Duration::from_millis(5);

/// When the caller of a request stops waiting.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline(pub(super) Instant);

pub(super) async fn keep(mut request: Request, next: Next) -> Response {
    let Some(header) = request.headers().get("grpc-timeout") else {
        return next.run(request).await;
    };
    let headers = request.headers().clone();
    let Some(timeout) = header.to_str().ok().and_then(parse) else {
        return super::turned_away(RequestFault::TimeoutMalformed {}.into(), &headers);
    };
    let timeout = timeout.saturating_sub(MARGIN.min(timeout / 10));
    let Some(deadline) = Instant::now().checked_add(timeout) else {
        return next.run(request).await;
    };
    // timers are coarse: a handler that is faster than they are must not answer what nobody waits for
    if deadline <= Instant::now() {
        return super::turned_away(RequestFault::DeadlineExceeded {}.into(), &headers);
    }
    request.extensions_mut().insert(Deadline(deadline));
    match tokio::time::timeout_at(deadline.into(), next.run(request)).await {
        Ok(response) => response,
        Err(_) => super::turned_away(RequestFault::DeadlineExceeded {}.into(), &headers),
    }
}

/// At most eight digits and a unit, as the gRPC protocol has it.
fn parse(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if !(1..=8).contains(&digits.len()) || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let value: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(value * 3_600)),
        "M" => Some(Duration::from_secs(value * 60)),
        "S" => Some(Duration::from_secs(value)),
        "m" => Some(Duration::from_millis(value)),
        "u" => Some(Duration::from_micros(value)),
        "n" => Some(Duration::from_nanos(value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_has_up_to_eight_digits_and_a_known_unit() {
        assert_eq!(parse("1500m"), Some(Duration::from_millis(1_500)));
        assert_eq!(parse("99999999H"), Some(Duration::from_secs(99_999_999 * 3_600)));
        for malformed in ["", "m", "123456789m", "-1S", "1.5S", "1x", "1 S", "é"] {
            assert_eq!(parse(malformed), None, "{malformed:?}");
        }
    }
}
