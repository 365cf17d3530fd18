//! Card numbers that are planted to be looked for afterwards: in files, tables, logs and errors.

use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use kit::database::{Database, Sql};
use kit::values;
use tonic::Status;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::util::SubscriberInitExt;

/// Everything that was logged on this thread.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Keeps what this thread logs, at every level, as long as the guard lives.
    pub fn keep() -> (Self, impl Sized) {
        // beside a second subscriber, lest what another thread logs first is held to be wanted by nobody
        let beside = tracing_subscriber::registry().set_default();
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(LevelFilter::TRACE)
            .with_writer(move || writer.clone())
            .finish();
        (log, (subscriber.set_default(), beside))
    }

    /// Neither empty of what it must hold, nor with a number in it.
    pub fn is_clean(&self, holds: &str) {
        let log = self.0.lock().unwrap();
        let there = log.windows(holds.len()).any(|window| window == holds.as_bytes());
        assert!(there, "nothing was logged of {holds:?}");
        clean("the log", &log);
    }
}

/// How all the planted numbers begin, and nothing else does.
const BEGINNING: &str = "4929-1388-70";

/// The planted numbers, up to 99.
pub fn number(index: usize) -> String {
    format!("{BEGINNING}{index:02}-2264")
}

/// How it may be written: with and without dashes; plain, in hex, in base64 at each of the three places in a triplet.
fn writings() -> Vec<String> {
    let mut writings = Vec::new();
    for text in [BEGINNING.to_owned(), BEGINNING.replace('-', "")] {
        let hex = text.bytes().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").unwrap();
            hex
        });
        writings.extend([text.clone(), hex.to_uppercase(), hex]);
        for lead in 0..3 {
            let whole = STANDARD_NO_PAD.encode(format!("{}{text}", "\0".repeat(lead)));
            // letters that hold bits of neighbours are left out
            writings.push(whole[(lead * 8).div_ceil(6)..(lead + text.len()) * 8 / 6].to_owned());
        }
    }
    writings
}

/// The first planted number in `text`, in whatever writing.
fn found(text: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(text);
    writings().into_iter().find(|writing| text.contains(writing))
}

pub fn clean(what: &str, text: &[u8]) {
    let found = found(text);
    assert!(found.is_none(), "{what} holds {found:?}");
}

#[derive(sea_orm::FromQueryResult)]
struct Text {
    text: String,
}

/// Every row of every table of the database, whosever it is, as text; bytes as hex.
pub async fn tables_are_clean(database: &Database) {
    let tables =
        "SELECT quote_ident(table_schema) || '.' || quote_ident(table_name) AS text FROM information_schema.tables
        WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')";
    let tables: Vec<Text> = database.reader().list(tables, values![]).await.unwrap();
    assert!(tables.len() > 10, "only {} tables", tables.len());
    for Text { text: table } in tables {
        let rows = format!("SELECT COALESCE(CAST(whole AS TEXT), '') AS text FROM {table} AS whole");
        let rows: Vec<Text> = database.reader().list(&rows, values![]).await.unwrap();
        let rows: Vec<_> = rows.into_iter().map(|row| row.text).collect();
        clean(&table, rows.join("\n").as_bytes());
    }
}

/// Every file of the folder.
pub fn files_are_clean(folder: &Path) {
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.is_dir() {
            files_are_clean(&path);
        } else {
            clean(&path.display().to_string(), &std::fs::read(&path).unwrap());
        }
    }
}

/// A refusal with all its details.
pub fn status_is_clean(status: &Status) {
    clean("an error", format!("{status:?}").as_bytes());
    clean("an error's details", status.details());
}

#[test]
fn a_number_is_found_in_every_writing() {
    let digits = number(7);
    let hex = digits
        .bytes()
        .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    let mut texts = vec![format!("a{digits}b"), digits.replace('-', ""), hex];
    for lead in ["", "x", "xy", "xyz"] {
        texts.push(STANDARD_NO_PAD.encode(format!("{lead}{digits}{lead}")));
    }
    for text in texts {
        assert!(found(text.as_bytes()).is_some(), "{text}");
    }
    assert_eq!(found(b"4929-1388-7"), None);
}
