//! The gateway over HTTP and JSON.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Client, Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Cancellation, CardGateway, Charge, Decline, Standing, Transaction};

/// The largest answer that is read.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// How we name ourselves to the gateway.
const USER: &str = "jangteo";

/// A gateway behind a base URL.
pub(crate) struct HttpGateway {
    client: Client,
    base: String,
    callback_url: String,
}

impl std::fmt::Debug for HttpGateway {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // the callback URL holds a secret
        write!(formatter, "HttpGateway({})", self.base)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Accepted {
    transaction_key: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfOrder {
    order_id: String,
    transactions: Vec<Listed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    transaction_key: String,
    status: String,
    reason: Option<String>,
    amount: i64,
    #[serde(default)]
    cancelled_amount: i64,
}

impl HttpGateway {
    /// # Errors
    /// When no HTTP client can be made.
    pub(crate) fn new(
        base: String,
        callback_url: String,
        connect_within: Duration,
        answer_within: Duration,
    ) -> anyhow::Result<Self> {
        let client = Client::builder()
            .connect_timeout(connect_within)
            .timeout(answer_within)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        Ok(Self {
            client,
            base,
            callback_url,
        })
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<(StatusCode, Value), reqwest::Error> {
        let request = self
            .client
            .request(method, format!("{}/api/v1/payments{path}", self.base));
        let request = request.header("X-USER-ID", USER);
        let request = match &body {
            Some(body) => request.json(body),
            None => request,
        };
        let mut response = request.send().await?;
        let status = response.status();
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > BODY_BYTES_MAX {
                return Ok((status, Value::Null));
            }
        }
        Ok((status, serde_json::from_slice(&bytes).unwrap_or(Value::Null)))
    }
}

#[async_trait]
impl CardGateway for HttpGateway {
    async fn charge(&self, charge: &Charge<'_>) -> Answer {
        let body = json!({
            "orderId": charge.order_id, "cardType": charge.card_type, "cardNo": charge.card_number,
            "amount": charge.amount, "callbackUrl": self.callback_url,
        });
        let (status, envelope) = match self.call(Method::POST, "", Some(body)).await {
            Ok(answer) => answer,
            Err(error) if error.is_connect() => return Answer::NotReached,
            Err(error) => return Answer::Unknown { said: failing(&error) },
        };
        let said = answered(status);
        match status {
            StatusCode::OK if is_success(&envelope) => match serde_json::from_value(envelope["data"].clone()) {
                Ok(Accepted { transaction_key }) if is_key(&transaction_key) => Answer::Accepted { transaction_key },
                _ => Answer::Unknown {
                    said: "HTTP 200 without a transaction".to_owned(),
                },
            },
            StatusCode::BAD_REQUEST if is_fail(&envelope) => Answer::Rejected { said },
            StatusCode::TOO_MANY_REQUESTS => Answer::NotTaken { said },
            StatusCode::INTERNAL_SERVER_ERROR if is_fail(&envelope) => Answer::NotTaken { said },
            _ => Answer::Unknown { said },
        }
    }

    async fn look_up(&self, order_id: &str) -> Result<Vec<Transaction>, String> {
        // order ids of ours need no escaping: letters, digits, dash, underscore and one dot
        let answer = self.call(Method::GET, &format!("?orderId={order_id}"), None).await;
        let (status, envelope) = answer.map_err(|error| failing(&error))?;
        if status == StatusCode::NOT_FOUND && is_fail(&envelope) {
            return Ok(Vec::new());
        }
        match serde_json::from_value::<OfOrder>(envelope["data"].clone()) {
            Ok(found) if status == StatusCode::OK && is_success(&envelope) && found.order_id == order_id => {
                found.transactions.into_iter().map(Transaction::try_from).collect()
            }
            _ => Err(format!("{} without the order's transactions", answered(status))),
        }
    }

    async fn cancel(&self, transaction_key: &str, amount: i64) -> Cancellation {
        let path = format!("/{transaction_key}/cancel");
        match self.call(Method::POST, &path, Some(json!({ "amount": amount }))).await {
            Ok((StatusCode::OK, envelope)) if is_success(&envelope) => Cancellation::Done,
            Ok((status, envelope)) if status.is_client_error() && is_fail(&envelope) => {
                Cancellation::NotDone { said: answered(status) }
            }
            Ok((status, _)) => Cancellation::Unknown { said: answered(status) },
            Err(error) if error.is_connect() => Cancellation::NotDone { said: failing(&error) },
            Err(error) => Cancellation::Unknown { said: failing(&error) },
        }
    }
}

impl TryFrom<Listed> for Transaction {
    type Error = String;

    fn try_from(listed: Listed) -> Result<Self, String> {
        let standing = match listed.status.as_str() {
            "PENDING" => Standing::Pending,
            "SUCCESS" => Standing::Success,
            "FAILED" => Standing::Failed(match listed.reason.as_deref() {
                Some("limit exceeded") => Decline::LimitExceeded,
                Some("invalid card") => Decline::InvalidCard,
                _ => Decline::Other,
            }),
            _ => return Err("a transaction of unknown status".to_owned()),
        };
        let Listed {
            transaction_key,
            amount,
            cancelled_amount: cancelled,
            ..
        } = listed;
        if !is_key(&transaction_key) {
            return Err("a transaction without a usable key".to_owned());
        }
        Ok(Self {
            transaction_key,
            standing,
            amount,
            cancelled,
        })
    }
}

/// Keys become part of a path; nothing else may.
fn is_key(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'-' | b'_');
    (1..=64).contains(&text.len()) && text.bytes().all(fits)
}

fn is_success(envelope: &Value) -> bool {
    envelope["meta"]["result"] == "SUCCESS"
}

fn is_fail(envelope: &Value) -> bool {
    envelope["meta"]["result"] == "FAIL"
}

fn answered(status: StatusCode) -> String {
    format!("HTTP {}", status.as_u16())
}

/// What went wrong, without the address or anything that was sent.
fn failing(error: &reqwest::Error) -> String {
    let what = match (error.is_connect(), error.is_timeout()) {
        (true, _) => "not reached",
        (false, true) => "no answer in time",
        (false, false) => "the connection broke",
    };
    what.to_owned()
}
