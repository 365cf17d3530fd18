//! A way to PostgreSQL that breaks at a COMMIT, on cue: before the server hears it, or before its client hears the answer.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// `Query`, from the client.
const QUERY: u8 = b'Q';
/// `CommandComplete`, from the server.
const COMPLETE: u8 = b'C';
const COMMIT: &[u8] = b"COMMIT\0";
/// The length that a message begins with counts itself.
const LENGTH_BYTES: usize = 4;

/// Listens on a port of its own on 127.0.0.1.
pub struct Proxy {
    pub port: u16,
    cues: Arc<Cues>,
}

/// How many of the next commits are to be lost, and how many were.
#[derive(Default)]
struct Cues {
    questions: AtomicUsize,
    answers: AtomicUsize,
    lost: AtomicUsize,
}

impl Proxy {
    /// A way to the server at this port.
    pub async fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let cues = Arc::new(Cues::default());
        let carried = cues.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let cues = carried.clone();
                tokio::spawn(async move {
                    // either side may end it at any time
                    let _ = carry(client, server, &cues).await;
                });
            }
        });
        Self { port, cues }
    }

    /// The next `count` commits arrive, and nobody hears of it.
    pub fn lose_answers(&self, count: usize) {
        self.cues.answers.store(count, Ordering::Relaxed);
    }

    /// The next `count` commits do not arrive.
    pub fn lose_questions(&self, count: usize) {
        self.cues.questions.store(count, Ordering::Relaxed);
    }

    /// How many were lost so far.
    pub fn lost(&self) -> usize {
        self.cues.lost.load(Ordering::Relaxed)
    }
}

impl Cues {
    fn lose(&self, cue: &AtomicUsize) -> bool {
        let taken = cue.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if taken.is_ok() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        taken.is_ok()
    }
}

/// Both ways at once, until one of them ends; then both sockets close.
async fn carry(client: TcpStream, server: u16, cues: &Cues) -> io::Result<()> {
    let server = TcpStream::connect(("127.0.0.1", server)).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let asked = |kind, body: &[u8]| kind == QUERY && body == COMMIT && cues.lose(&cues.questions);
    let answered = |kind, body: &[u8]| kind == COMPLETE && body == COMMIT && cues.lose(&cues.answers);
    let mut from_client = BufReader::new(from_client);
    let mut to_server = to_server;
    // the first message of a client has no kind
    pass_one(&mut from_client, &mut to_server, None, |_, _| false).await?;
    tokio::select! {
        ended = pass(from_client, to_server, asked) => ended,
        ended = pass(BufReader::new(from_server), to_client, answered) => ended,
    }
}

async fn pass<R, W>(mut from: R, mut to: W, cut: impl Fn(u8, &[u8]) -> bool) -> io::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    loop {
        let kind = from.read_u8().await?;
        if !pass_one(&mut from, &mut to, Some(kind), &cut).await? {
            return Ok(());
        }
    }
}

/// Carries one message; `false`: it was cut.
async fn pass_one<R, W>(from: &mut R, to: &mut W, kind: Option<u8>, cut: impl Fn(u8, &[u8]) -> bool) -> io::Result<bool>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let length = from.read_u32().await?;
    let mut message: Vec<u8> = kind.into_iter().chain(length.to_be_bytes()).collect();
    let head = message.len();
    message.resize(head + length as usize - LENGTH_BYTES, 0);
    from.read_exact(&mut message[head..]).await?;
    if kind.is_some_and(|kind| cut(kind, &message[head..])) {
        return Ok(false);
    }
    to.write_all(&message).await?;
    Ok(true)
}
