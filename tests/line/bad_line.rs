//! What happens to calls between services: all of it at the line, so that both ends are the real ones.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use tokio::sync::watch;
use tonic::Status;
use tonic::service::Routes;

const PATIENCE: Duration = Duration::from_secs(60);

/// What happens to the calls of a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The caller hears that nobody answers; the call arrives once it is let through.
    Late,
    /// The call arrives at once, its answer once it is let through.
    AnswerHeld,
    /// The call arrives twice; the caller hears the second answer.
    Twice,
}

/// The line, shared by all calls.
#[derive(Clone, Debug, Default)]
pub struct Line(Arc<Mutex<Vec<Rule>>>);

#[derive(Clone, Debug)]
struct Rule {
    method: &'static str,
    /// Calls that it still happens to.
    left: usize,
    fault: Fault,
    calls: Calls,
}

/// The calls that met a fault.
#[derive(Clone, Debug)]
pub struct Calls {
    met: Arc<watch::Sender<usize>>,
    arrived: Arc<watch::Sender<usize>>,
    through: Arc<watch::Sender<bool>>,
}

impl Line {
    /// The routes behind this line.
    pub fn to(&self, routes: Routes) -> Routes {
        let router = routes.into_axum_router();
        Routes::from(router.layer(from_fn_with_state(self.clone(), pass)))
    }

    /// From now on this happens to so many calls of a method such as `ReserveStock`, or of any: `*`.
    pub fn breaks(&self, fault: Fault, method: &'static str, times: usize) -> Calls {
        let calls = Calls {
            met: Arc::new(watch::Sender::new(0)),
            arrived: Arc::new(watch::Sender::new(0)),
            through: Arc::new(watch::Sender::new(false)),
        };
        let rule = Rule {
            method,
            left: times,
            fault,
            calls: calls.clone(),
        };
        self.0.lock().unwrap().push(rule);
        calls
    }

    /// Nothing happens to further calls.
    pub fn mend(&self) {
        self.0.lock().unwrap().clear();
    }

    fn next(&self, method: &str) -> Option<(Fault, Calls)> {
        let mut rules = self.0.lock().unwrap();
        let rule = rules
            .iter_mut()
            .find(|rule| rule.left > 0 && (rule.method == method || rule.method == "*"))?;
        rule.left -= 1;
        Some((rule.fault, rule.calls.clone()))
    }
}

impl Calls {
    /// Waits until a call met the fault.
    pub async fn met(&self) {
        let mut met = self.met.subscribe();
        let one = met.wait_for(|met| *met > 0);
        tokio::time::timeout(PATIENCE, one)
            .await
            .expect("nobody called")
            .unwrap();
    }

    /// Lets through what was held back.
    pub fn let_through(&self) {
        self.through.send_replace(true);
    }

    /// Waits until all calls that came late have been answered, if only to nobody.
    pub async fn arrived(&self) {
        let met = *self.met.borrow();
        let mut arrived = self.arrived.subscribe();
        let all = arrived.wait_for(|arrived| *arrived >= met);
        tokio::time::timeout(PATIENCE, all)
            .await
            .expect("a late call has no answer")
            .unwrap();
    }

    async fn wait(&self) {
        let mut through = self.through.subscribe();
        through.wait_for(|through| *through).await.unwrap();
    }
}

async fn pass(State(line): State<Line>, request: Request, next: Next) -> Response {
    let method = request.uri().path().rsplit('/').next().unwrap_or_default();
    let Some((fault, calls)) = line.next(method) else {
        return next.run(request).await;
    };
    calls.met.send_modify(|met| *met += 1);
    match fault {
        Fault::AnswerHeld => {
            let answer = next.run(request).await;
            calls.wait().await;
            answer
        }
        Fault::Late => {
            tokio::spawn(async move {
                calls.wait().await;
                next.run(request).await;
                calls.arrived.send_modify(|arrived| *arrived += 1);
            });
            Status::unavailable("nobody answers").into_http()
        }
        Fault::Twice => {
            let (head, body) = request.into_parts();
            let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
            let first = Request::from_parts(head.clone(), body.clone().into());
            next.clone().run(first).await;
            next.run(Request::from_parts(head, body.into())).await
        }
    }
}
