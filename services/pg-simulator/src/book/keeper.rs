//! Keeps the book: changes are judged in memory one after another and written in groups; nothing is told before it is on disk.

use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use anyhow::Context;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::read_book::replay;
use super::{Acceptance, BOOK_FILE, Book, Entry, Transaction};
use crate::contract::Refusal;
use crate::mode::Die;

/// The book and what of it is not on disk yet.
pub(crate) struct Keeper {
    state: Arc<Mutex<State>>,
    appended: Arc<Notify>,
    durable: watch::Receiver<u64>,
}

/// The one writer of the file.
pub(crate) struct Writer {
    file: Arc<File>,
    state: Arc<Mutex<State>>,
    appended: Arc<Notify>,
    durable: watch::Sender<u64>,
}

struct State {
    book: Book,
    unwritten: Vec<u8>,
    lines: u64,
}

impl Keeper {
    /// Opens or creates the book in `folder`, replays it and cuts a torn last line off.
    pub fn open(folder: &Path) -> anyhow::Result<(Self, Writer)> {
        let path = folder.join(BOOK_FILE);
        let (file, book) = open_file(folder, &path).with_context(|| format!("cannot open {}", path.display()))?;

        let state = Arc::new(Mutex::new(State {
            book,
            unwritten: Vec::new(),
            lines: 0,
        }));
        let appended = Arc::new(Notify::new());
        let (durable, seen) = watch::channel(0);
        let keeper = Self {
            state: state.clone(),
            appended: appended.clone(),
            durable: seen,
        };
        Ok((
            keeper,
            Writer {
                file: Arc::new(file),
                state,
                appended,
                durable,
            },
        ))
    }

    /// Judges, applies and writes one entry; returns the transaction once that is on disk. The entry stays if the caller goes.
    pub async fn append(&self, judge: impl FnOnce(&Book) -> Result<Entry, Refusal>) -> Result<Transaction, Refusal> {
        let (transaction, line) = {
            let mut state = lock(&self.state);
            let entry = judge(&state.book)?;
            let mut text = serde_json::to_vec(&entry).map_err(|_| Refusal::BookLost)?;
            text.push(b'\n');
            let transaction = state.book.apply(&entry).map_err(|error| {
                tracing::error!(%error, "an entry contradicts the book");
                Refusal::BookLost
            })?;
            let transaction = transaction.clone();
            state.unwritten.append(&mut text);
            state.lines += 1;
            (transaction, state.lines)
        };
        self.appended.notify_one();
        self.until_durable(line).await?;
        Ok(transaction)
    }

    /// Looks something up, and tells it once all that was seen is on disk.
    pub async fn read<T>(&self, look: impl FnOnce(&Book) -> T) -> Result<T, Refusal> {
        let (seen, line) = {
            let state = lock(&self.state);
            (look(&state.book), state.lines)
        };
        self.until_durable(line).await?;
        Ok(seen)
    }

    /// See [`Book::number`].
    pub fn number(&self, die: Die, order_id: &str) -> u32 {
        lock(&self.state).book.number(die, order_id)
    }

    /// What is accepted and not decided.
    pub fn pending(&self) -> Vec<Acceptance> {
        lock(&self.state).book.pending().cloned().collect()
    }

    async fn until_durable(&self, line: u64) -> Result<(), Refusal> {
        self.durable
            .clone()
            .wait_for(|durable| *durable >= line)
            .await
            .map(drop)
            .map_err(|_| Refusal::BookLost)
    }
}

impl Writer {
    /// Writes what was appended, as many lines a sync as are waiting, until `closed`.
    pub async fn run(self, closed: CancellationToken) -> anyhow::Result<()> {
        let mut last = false;
        while !last {
            last = closed.run_until_cancelled(self.appended.notified()).await.is_none();
            let (lines, text) = {
                let mut state = lock(&self.state);
                (state.lines, std::mem::take(&mut state.unwritten))
            };
            if text.is_empty() {
                continue;
            }
            let file = self.file.clone();
            let written = tokio::task::spawn_blocking(move || {
                (&*file).write_all(&text)?;
                file.sync_data()
            });
            written
                .await
                .context("the write to the book died")?
                .context("the book cannot be written")?;
            self.durable.send_replace(lines);
        }
        Ok(())
    }
}

fn open_file(folder: &Path, path: &Path) -> anyhow::Result<(File, Book)> {
    fs::create_dir_all(folder)?;
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    file.try_lock().context("another process holds it")?;
    let (book, whole_bytes) = replay(&file)?;
    file.set_len(whole_bytes)?;
    file.seek(SeekFrom::Start(whole_bytes))?;
    file.sync_all()?;
    // A new file is only there after a power cut if its folder was synced too.
    File::open(folder)?.sync_all()?;
    Ok((file, book))
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("nothing panics while it holds the book")
}
