//! A gateway of one's own on a free port, and a shop that takes its callbacks.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use pg_simulator::{BOOK_FILE, Behaviour, Book, Config, DelayMs, Profile, read_book};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub const CARD: &str = "1234-5678-9012-3456";
const PATIENCE: Duration = Duration::from_secs(10);

pub struct Gateway {
    pub base: String,
    pub client: Client,
    folder: PathBuf,
    shutdown: CancellationToken,
    server: JoinHandle<anyhow::Result<()>>,
}

impl Gateway {
    pub async fn start(folder: &Path, behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let config = Config {
            data: folder.to_owned(),
            seed: 7,
            behaviour,
        };
        let shutdown = CancellationToken::new();
        let server = tokio::spawn(pg_simulator::serve(config, listener, shutdown.clone()));
        let client = Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        Self {
            base,
            client,
            folder: folder.to_owned(),
            shutdown,
            server,
        }
    }

    pub async fn stop(self) {
        drop(self.client);
        self.shutdown.cancel();
        tokio::time::timeout(PATIENCE, self.server)
            .await
            .expect("the shutdown is bounded")
            .unwrap()
            .unwrap();
    }

    pub async fn post(&self, path: &str, body: &Value) -> reqwest::Result<Response> {
        self.client
            .post(format!("{}{path}", self.base))
            .header("X-USER-ID", "mina")
            .json(body)
            .send()
            .await
    }

    pub async fn pay(&self, payment: &Value) -> (StatusCode, Value) {
        let answer = self.post("/api/v1/payments", payment).await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    /// Pays and returns the key of the transaction.
    pub async fn accept(&self, payment: &Value) -> String {
        let (status, answer) = self.pay(payment).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer["data"]["transactionKey"].as_str().unwrap().to_owned()
    }

    pub async fn cancel(&self, key: &str, amount: i64) -> (StatusCode, Value) {
        let answer = self
            .post(&format!("/api/v1/payments/{key}/cancel"), &json!({"amount": amount}))
            .await
            .unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    pub async fn get(&self, path: &str) -> (StatusCode, Value) {
        let request = self
            .client
            .get(format!("{}/api/v1/payments{path}", self.base))
            .header("X-USER-ID", "mina");
        let answer = request.send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    /// The transaction, once it is decided.
    pub async fn decided(&self, key: &str) -> Value {
        until(async || {
            let (_, answer) = self.get(&format!("/{key}")).await;
            (answer["data"]["status"] != "PENDING").then(|| answer["data"].clone())
        })
        .await
    }

    pub fn book(&self) -> Book {
        read_book(self.folder.join(BOOK_FILE)).unwrap()
    }
}

/// Takes callbacks in.
pub struct Shop {
    pub url: String,
    received: Arc<Mutex<Vec<Value>>>,
}

impl Shop {
    pub async fn open() -> Self {
        let received = Arc::new(Mutex::new(Vec::new()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/callbacks/secret", listener.local_addr().unwrap());
        let router = axum::Router::new()
            .route("/callbacks/secret", post(receive))
            .with_state(received.clone());
        tokio::spawn(axum::serve(listener, router).into_future());
        Self { url, received }
    }

    pub fn callbacks(&self) -> Vec<Value> {
        self.received.lock().unwrap().clone()
    }

    pub async fn until_called(&self, times: usize) -> Vec<Value> {
        until(async || Some(self.callbacks()).filter(|received| received.len() >= times)).await
    }

    pub fn payment(&self, order_id: &str, card_no: &str, amount: i64) -> Value {
        json!({
            "orderId": order_id, "cardType": "KB", "cardNo": card_no, "amount": amount, "callbackUrl": self.url,
        })
    }
}

async fn receive(State(received): State<Arc<Mutex<Vec<Value>>>>, body: Bytes) {
    received.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
}

pub async fn until<T>(mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.expect("it never came")
}

pub fn folder() -> TempDir {
    TempDir::new().unwrap()
}

pub fn calm() -> Behaviour {
    Profile::Calm.behaviour()
}

/// Decides so late that a test sees PENDING as long as it likes.
pub fn undecided() -> Behaviour {
    Behaviour {
        decision_delay_ms: DelayMs {
            min: 60_000,
            max: 60_000,
        },
        ..calm()
    }
}
