//! A channel's service over HTTP and JSON, after the manner of KakaoTalk's Alimtalk: approved templates and their blanks.
//!
//! `POST {base}/v1/messages` with the header `Idempotency-Key` and the body
//! `{"channel", "templateCode", "locale", "recipient", "variables": {…}, "text"}`. The answer is 2xx with
//! `{"resultCode"}`: `OK` where it was taken, now or before under the same key; `BUSY` where the same may be tried again; any
//! other is a refusal for good. 408, 425, 429 and 5xx may be tried again, any other status is a refusal for good. An answer
//! that cannot be read, or none, says nothing: the key makes it harmless to ask again.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Client, StatusCode};
use serde::Deserialize;
use serde_json::json;

use super::{Outgoing, Sender};
use crate::message::Outcome;

/// The largest answer that is read.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// A channel's service behind a base URL.
#[derive(Debug)]
pub(crate) struct HttpSender {
    client: Client,
    url: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    result_code: String,
}

impl HttpSender {
    /// # Errors
    /// When no HTTP client can be made.
    pub(crate) fn new(base: &str, connect_within: Duration, answer_within: Duration) -> anyhow::Result<Self> {
        let client = Client::builder()
            .connect_timeout(connect_within)
            .timeout(answer_within)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        let url = format!("{}/v1/messages", base.trim_end_matches('/'));
        Ok(Self { client, url })
    }

    async fn call(&self, message: &Outgoing<'_>) -> Result<(StatusCode, Vec<u8>), reqwest::Error> {
        let variables: BTreeMap<&str, &str> = message
            .variables
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let body = json!({
            "channel": message.channel, "templateCode": message.template_id, "locale": message.locale,
            "recipient": message.recipient, "variables": variables, "text": message.text,
        });
        let request = self.client.post(&self.url).header("Idempotency-Key", message.key);
        let mut response = request.json(&body).send().await?;
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > BODY_BYTES_MAX {
                bytes.clear();
                break;
            }
        }
        Ok((response.status(), bytes))
    }
}

#[async_trait]
impl Sender for HttpSender {
    async fn send(&self, message: &Outgoing<'_>) -> Outcome {
        let (status, body) = match self.call(message).await {
            Ok(answer) => answer,
            Err(error) if error.is_connect() => {
                let said = "not reached".to_owned();
                return Outcome::NotNow { said };
            }
            Err(error) => return Outcome::NoAnswer { said: failing(&error) },
        };
        let code = serde_json::from_slice::<Answer>(&body)
            .ok()
            .map(|answer| answer.result_code);
        judge(status, code.as_deref())
    }
}

/// What an answer means; only what a result code may consist of is repeated.
fn judge(status: StatusCode, code: Option<&str>) -> Outcome {
    let code = code.filter(|code| is_code(code));
    let said = [Some(format!("HTTP {}", status.as_u16())), code.map(str::to_owned)];
    let said = said.into_iter().flatten().collect::<Vec<_>>().join(" ");
    match (status, code) {
        (status, Some("OK")) if status.is_success() => Outcome::Taken,
        (status, Some("BUSY")) if status.is_success() => Outcome::NotNow { said },
        (status, Some(_)) if status.is_success() => Outcome::Refused { said },
        (status, None) if status.is_success() => Outcome::NoAnswer { said },
        (StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS, _) => {
            Outcome::NotNow { said }
        }
        (status, _) if status.is_server_error() => Outcome::NotNow { said },
        _ => Outcome::Refused { said },
    }
}

fn is_code(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=40).contains(&text.len()) && text.bytes().all(fits)
}

/// What went wrong, without the address or anything that was sent.
fn failing(error: &reqwest::Error) -> String {
    let what = if error.is_timeout() {
        "no answer in time"
    } else {
        "the connection broke"
    };
    what.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_is_taken_for_what_the_contract_says() {
        let said = |text: &str| text.to_owned();
        for (status, code, expected) in [
            (200, Some("OK"), Outcome::Taken),
            (202, Some("OK"), Outcome::Taken),
            (
                200,
                Some("BUSY"),
                Outcome::NotNow {
                    said: said("HTTP 200 BUSY"),
                },
            ),
            (
                200,
                Some("TEMPLATE_UNKNOWN"),
                Outcome::Refused {
                    said: said("HTTP 200 TEMPLATE_UNKNOWN"),
                },
            ),
            (200, None, Outcome::NoAnswer { said: said("HTTP 200") }),
            (
                200,
                Some("010-1234 said no"),
                Outcome::NoAnswer { said: said("HTTP 200") },
            ),
            (429, None, Outcome::NotNow { said: said("HTTP 429") }),
            (
                500,
                Some("OK"),
                Outcome::NotNow {
                    said: said("HTTP 500 OK"),
                },
            ),
            (503, None, Outcome::NotNow { said: said("HTTP 503") }),
            (
                400,
                Some("RECIPIENT_UNKNOWN"),
                Outcome::Refused {
                    said: said("HTTP 400 RECIPIENT_UNKNOWN"),
                },
            ),
            (302, None, Outcome::Refused { said: said("HTTP 302") }),
        ] {
            let status = StatusCode::from_u16(status).unwrap_or_default();
            assert_eq!(judge(status, code), expected);
        }
    }
}
