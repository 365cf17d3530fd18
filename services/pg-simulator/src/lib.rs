//! The payment gateway that fails on purpose: accepts card payments over HTTP, decides them later, calls back, and keeps its own book.
//!
//! | file | what |
//! |---|---|
//! | `config` | every rate and delay, and the three profiles |
//! | `mode` | every way to depart from a plain yes, by name |
//! | `control` | changes rates, delays and the fates of cards at run time |
//! | `contract` | the JSON of requests, answers and callbacks |
//! | `routes` | HTTP in, HTTP out, also the broken answers |
//! | `gateway` | what becomes of a payment: accepted, decided, shown, cancelled |
//! | `fate` | the dice: what happens to a call, repeatable by seed |
//! | `test_cards` | the cards whose fate is fixed |
//! | `book` | the transactions, and their lines on disk |
//! | `callback` | the one call to the shop, without retry |

mod book;
mod callback;
mod clock;
mod config;
mod contract;
pub mod control;
mod fate;
mod gateway;
mod mode;
mod routes;
pub mod test_cards;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use book::{BOOK_FILE, Book, Money, Status, Transaction, Verdict, read_book};
pub use config::{Behaviour, Config, DelayMs, PERMILLE, Profile};
pub use mode::Mode;

use book::Keeper;
use gateway::Gateway;

/// How long a shutdown waits for open calls before it leaves them.
const DRAIN_MS_MAX: u64 = 3_000;

/// Serves the gateway on `listener` until `shutdown`, then returns within 3 s and the last write.
///
/// Transactions that the book holds as PENDING are decided again from where they were.
///
/// # Errors
/// A contradictory configuration, a book that cannot be read or is held by another process, and a disk that refuses a write.
pub async fn serve(config: Config, listener: TcpListener, shutdown: CancellationToken) -> anyhow::Result<()> {
    config.behaviour.check()?;
    let (keeper, writer) = Keeper::open(&config.data)?;
    let book_closed = CancellationToken::new();
    let mut writing = tokio::spawn(writer.run(book_closed.clone()));

    // A child, so that everything started here also ends when serving ends by an error.
    let stop = shutdown.child_token();
    let _stop_on_return = stop.clone().drop_guard();
    let gateway = Arc::new(Gateway::new(config, keeper, stop.clone())?);
    gateway.resume_pending();

    let drained = async {
        stop.cancelled().await;
        tokio::time::sleep(Duration::from_millis(DRAIN_MS_MAX)).await;
    };
    let server =
        axum::serve(listener, routes::router(gateway.clone())).with_graceful_shutdown(stop.clone().cancelled_owned());
    tokio::select! {
        served = server => served.context("the gateway's listener failed")?,
        written = &mut writing => return written.context("the book's writer died")?,
        () = drained => tracing::info!("calls still open at the end of the drain were left"),
    }

    gateway.finish().await;
    book_closed.cancel();
    writing.await.context("the book's writer died")?
}
