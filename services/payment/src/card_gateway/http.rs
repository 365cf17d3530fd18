//! The gateway over HTTP and JSON.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Client, Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, CardGateway, Charge, Standing, Transaction};

/// The largest answer that is read.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// How we name ourselves to the gateway.
const USER: &str = "jangteo";

/// A gateway behind a base URL.
#[derive(Debug)]
pub(crate) struct HttpGateway {
    client: Client,
    base: String,
    callback_url: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Accepted {
    transaction_key: String,
}

#[derive(Deserialize)]
struct OfOrder {
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
    pub fn new(base: String, callback_url: String, connect: Duration, request: Duration) -> anyhow::Result<Self> {
        let client = Client::builder()
            .connect_timeout(connect)
            .timeout(request)
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
            .request(method, format!("{}/api/v1/payments{path}", self.base))
            .header("X-USER-ID", USER);
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
    async fn charge(&self, charge: Charge<'_>) -> Answer {
        let body = json!({
            "orderId": charge.order_id, "cardType": charge.card_type, "cardNo": charge.card_number,
            "amount": charge.amount, "callbackUrl": self.callback_url,
        });
        let (status, envelope) = match self.call(Method::POST, "", Some(body)).await {
            Ok(answer) => answer,
            Err(error) if error.is_connect() => {
                return Answer::NotTaken {
                    message: "not reached".to_owned(),
                };
            }
            Err(error) => {
                return Answer::Unknown {
                    message: failing(&error),
                };
            }
        };
        let message = format!("HTTP {}", status.as_u16());
        let failed = envelope["meta"]["result"] == "FAIL";
        match status.as_u16() {
            200 => match serde_json::from_value::<Accepted>(envelope["data"].clone()) {
                Ok(Accepted { transaction_key }) => Answer::Accepted { transaction_key },
                Err(_) => Answer::Unknown {
                    message: "HTTP 200 without a transaction".to_owned(),
                },
            },
            400 if failed => Answer::Rejected { message },
            429 => Answer::NotTaken { message },
            500 if failed => Answer::NotTaken { message },
            _ => Answer::Unknown { message },
        }
    }

    async fn look_up(&self, order_id: &str) -> Result<Vec<Transaction>, String> {
        // order ids of ours need no escaping: letters, digits, dash, underscore and one dot
        let answer = self.call(Method::GET, &format!("?orderId={order_id}"), None).await;
        let (status, envelope) = answer.map_err(|error| failing(&error))?;
        if status == StatusCode::NOT_FOUND && envelope["meta"]["result"] == "FAIL" {
            return Ok(Vec::new());
        }
        let listed = serde_json::from_value::<OfOrder>(envelope["data"].clone());
        let listed = listed.map_err(|_| format!("HTTP {} without transactions", status.as_u16()))?;
        listed.transactions.into_iter().map(Transaction::try_from).collect()
    }

    async fn cancel(&self, transaction_key: &str, amount: i64) -> Result<(), String> {
        let answer = self
            .call(
                Method::POST,
                &format!("/{transaction_key}/cancel"),
                Some(json!({ "amount": amount })),
            )
            .await;
        let (status, _) = answer.map_err(|error| failing(&error))?;
        if status.is_success() {
            Ok(())
        } else {
            Err(format!("HTTP {}", status.as_u16()))
        }
    }
}

impl TryFrom<Listed> for Transaction {
    type Error = String;

    fn try_from(listed: Listed) -> Result<Self, String> {
        let standing = match listed.status.as_str() {
            "PENDING" => Standing::Pending,
            "SUCCESS" => Standing::Success,
            "FAILED" => Standing::Failed,
            _ => return Err("a transaction of unknown status".to_owned()),
        };
        Ok(Self {
            transaction_key: listed.transaction_key,
            standing,
            reason: listed.reason.unwrap_or_default(),
            amount: listed.amount,
            cancelled: listed.cancelled_amount,
        })
    }
}

/// What went wrong, without the address or anything that was sent.
fn failing(error: &reqwest::Error) -> String {
    let what = if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "not reached"
    } else {
        "the connection broke"
    };
    what.to_owned()
}
