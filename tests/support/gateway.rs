//! The simulator as somebody else's gateway: at an address of its own, there from when it is started until it is stopped.

use std::net::SocketAddr;

use pg_simulator::{BOOK_FILE, Behaviour, Book, Config, read_book};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    stop: CancellationToken,
    served: JoinHandle<anyhow::Result<()>>,
    folder: TempDir,
}

impl Gateway {
    pub async fn start(address: SocketAddr, behaviour: Behaviour) -> Self {
        let (folder, stop) = (TempDir::new().unwrap(), CancellationToken::new());
        let config = Config {
            data: folder.path().to_owned(),
            seed: 1,
            behaviour,
        };
        let listener = TcpListener::bind(address).await.unwrap();
        Self {
            served: tokio::spawn(pg_simulator::serve(config, listener, stop.clone())),
            stop,
            folder,
        }
    }

    /// What it really did.
    pub fn book(&self) -> Book {
        read_book(self.folder.path().join(BOOK_FILE)).unwrap()
    }

    pub async fn stop(self) {
        self.stop.cancel();
        self.served.await.unwrap().unwrap();
    }
}
