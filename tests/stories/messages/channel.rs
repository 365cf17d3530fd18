//! A stand-in for the service that carries messages: it fails on cue, and knows a repeated request by its key.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::body::Body;
use axum::extract::{Json, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};
use support::wait::eventually;

/// What the service does with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Take,
    /// It never answers, and takes nothing.
    Hang,
    /// It takes the message and never answers.
    TakeAndHang,
    /// It takes the message, and the connection breaks in the answer.
    TakeAndReset,
    /// The connection breaks in the answer.
    Reset,
    Status(u16),
    Code(&'static str),
    /// 200 with something else than an answer.
    Garbage,
}

/// A running service.
#[derive(Clone)]
pub struct Channel {
    pub address: SocketAddr,
    book: Arc<Mutex<Book>>,
}

#[derive(Default)]
struct Book {
    /// By recipient.
    cues: HashMap<String, Answer>,
    /// For all others.
    otherwise: Option<Answer>,
    asked: Vec<Asked>,
    taken: BTreeMap<String, Asked>,
}

/// A request as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub key: String,
    pub recipient: String,
    pub template: String,
    pub text: String,
    pub body: String,
}

impl Channel {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let channel = Self {
            address: listener.local_addr().unwrap(),
            book: Arc::default(),
        };
        let routes = axum::Router::new()
            .route("/v1/messages", post(receive))
            .with_state(channel.clone());
        tokio::spawn(axum::serve(listener, routes).into_future());
        channel
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on, messages to this recipient are answered so.
    pub fn say(&self, recipient: &str, answer: Answer) {
        self.book().cues.insert(recipient.to_owned(), answer);
    }

    /// From now on, all messages are answered so.
    pub fn say_to_all(&self, answer: Answer) {
        let mut book = self.book();
        book.cues.clear();
        book.otherwise = Some(answer);
    }

    /// Every request for a recipient, in order.
    pub fn asked(&self, recipient: &str) -> Vec<Asked> {
        let of = |asked: &&Asked| asked.recipient == recipient;
        self.book().asked.iter().filter(of).cloned().collect()
    }

    /// The templates of what was taken for a recipient, sorted.
    pub fn taken(&self, recipient: &str) -> Vec<String> {
        let book = self.book();
        let taken = book.taken.values().filter(|asked| asked.recipient == recipient);
        let mut templates: Vec<String> = taken.map(|asked| asked.template.clone()).collect();
        templates.sort();
        templates
    }

    /// How many requests came.
    pub fn requests(&self) -> usize {
        self.book().asked.len()
    }

    /// Waits until so many requests for a recipient have come.
    pub async fn until_asked(&self, recipient: &str, times: usize) -> Vec<Asked> {
        eventually(format!("{recipient} is written to {times} times"), async || {
            let asked = self.asked(recipient);
            if asked.len() >= times { Ok(asked) } else { Err(asked) }
        })
        .await
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap()
    }
}

async fn receive(State(channel): State<Channel>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    let asked = Asked {
        key: headers["Idempotency-Key"].to_str().unwrap().to_owned(),
        recipient: text("recipient"),
        template: text("templateCode"),
        text: text("text"),
        body: body.to_string(),
    };
    let answer = {
        let mut book = channel.book();
        let cue = book.cues.get(&asked.recipient).copied();
        let answer = cue.or(book.otherwise).unwrap_or(Answer::Take);
        book.asked.push(asked.clone());
        if matches!(answer, Answer::Take | Answer::TakeAndHang | Answer::TakeAndReset) {
            book.taken.entry(asked.key.clone()).or_insert(asked);
        }
        answer
    };
    match answer {
        Answer::Take => Json(json!({ "resultCode": "OK" })).into_response(),
        Answer::Code(code) => Json(json!({ "resultCode": code })).into_response(),
        Answer::Status(status) => StatusCode::from_u16(status).unwrap().into_response(),
        Answer::Garbage => "<html>010-1234-5678</html>".into_response(),
        Answer::Reset | Answer::TakeAndReset => {
            let half = [Ok("{\"resultC"), Err(std::io::Error::other("reset"))];
            Body::from_stream(futures::stream::iter(half)).into_response()
        }
        Answer::Hang | Answer::TakeAndHang => std::future::pending().await,
    }
}
