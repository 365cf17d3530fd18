//! The simulator as somebody else's gateway: it can be away, and is the same when it comes back.

use std::net::SocketAddr;

use pg_simulator::{BOOK_FILE, Behaviour, Book, Config, read_book};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::engine::quiet_port;

/// A gateway at a fixed address, with a book that it keeps while it is away.
#[derive(Debug)]
pub struct Gateway {
    pub address: SocketAddr,
    folder: TempDir,
    running: Option<(CancellationToken, JoinHandle<anyhow::Result<()>>)>,
}

impl Gateway {
    /// A gateway that is away.
    pub fn away() -> Self {
        Self::at(SocketAddr::from(([127, 0, 0, 1], quiet_port())))
    }

    /// A gateway of this address that is away.
    pub fn at(address: SocketAddr) -> Self {
        Self {
            address,
            folder: tempfile::tempdir().unwrap(),
            running: None,
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub async fn start(&mut self, behaviour: Behaviour) {
        let config = Config {
            data: self.folder.path().to_owned(),
            seed: 1,
            behaviour,
        };
        let listener = TcpListener::bind(self.address).await.unwrap();
        let stop = CancellationToken::new();
        let served = tokio::spawn(pg_simulator::serve(config, listener, stop.clone()));
        self.running = Some((stop, served));
    }

    /// What it really did.
    pub fn book(&self) -> Book {
        read_book(self.folder.path().join(BOOK_FILE)).unwrap()
    }

    pub async fn stop(&mut self) {
        let (stop, served) = self.running.take().unwrap();
        stop.cancel();
        served.await.unwrap().unwrap();
    }
}
