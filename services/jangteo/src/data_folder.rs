//! The data folder: used by one process at a time, with the keys that this shop signs and seals with.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use kit::signing::Signer;

const LOCK: &str = "lock";
const KEYS: &str = "keys";
const KEY_BYTES: usize = 32;

/// An open data folder; others are kept out until it is dropped.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    keys: Keys,
    _lock: File,
}

/// What this shop signs its tokens and seals its cards with.
#[derive(Clone)]
pub struct Keys {
    signing: [u8; KEY_BYTES],
    cards: [u8; KEY_BYTES],
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Keys(…)")
    }
}

impl Keys {
    /// Signs page tokens and revisions.
    #[must_use]
    pub fn signer(&self) -> Signer {
        Signer::new(self.signing.to_vec(), None)
    }

    /// The part of the callback path that nobody can guess.
    #[must_use]
    pub fn callback_secret(&self) -> String {
        Signer::new(self.cards.to_vec(), None).seal("callback", b"")
    }

    /// Seals card numbers.
    #[must_use]
    pub fn cards(&self) -> [u8; KEY_BYTES] {
        self.cards
    }
}

impl DataFolder {
    /// Makes the folder if need be, locks it, and reads or makes its keys.
    ///
    /// # Errors
    /// When another process uses it, or it cannot be written.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(path).with_context(|| format!("make the data folder {}", path.display()))?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join(LOCK))?;
        if lock.try_lock().is_err() {
            bail!("the data folder {} is in use by another process", path.display());
        }
        let keys = keys(&path.join(KEYS)).with_context(|| format!("keys in {}", path.display()))?;
        Ok(Self {
            path: path.to_owned(),
            keys,
            _lock: lock,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The book of the gateway simulator.
    #[must_use]
    pub fn book(&self) -> PathBuf {
        self.path.join(pg_simulator::BOOK_FILE)
    }

    /// The keys of this shop.
    #[must_use]
    pub fn keys(&self) -> &Keys {
        &self.keys
    }
}

fn keys(path: &Path) -> anyhow::Result<Keys> {
    if !path.exists() {
        let random: [u8; KEY_BYTES * 2] = rand::random();
        let unfinished = path.with_extension("new");
        let mut options = OpenOptions::new();
        options.create(true).truncate(true).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&unfinished)?;
        file.write_all(&random)?;
        file.sync_all()?;
        fs::rename(&unfinished, path)?;
    }
    let bytes = fs::read(path)?;
    let (signing, cards) = bytes.split_at_checked(KEY_BYTES).context("too short")?;
    Ok(Keys {
        signing: signing.try_into()?,
        cards: cards.try_into()?,
    })
}
