//! Card numbers planted in payments of every fate are nowhere afterwards: not in a file, a table, a log line or an error.

use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use kit::database::Sql;
use kit::values;
use pg_simulator::{Behaviour, Mode, Profile};
use proto::payment::v1::{CardType, TokenizeCardRequest};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::service::Service;
use support::Engine;

/// Everything that was logged on this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How all the planted numbers begin, and nothing else does.
const BEGINNING: &str = "4929-1388-70";

/// A number of its own for each mode.
fn number(mode: usize) -> String {
    format!("{BEGINNING}{mode:02}-2264")
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

fn clean(what: &str, text: &[u8]) {
    let found = found(text);
    assert!(found.is_none(), "{what} holds {found:?}");
}

#[derive(sea_orm::FromQueryResult)]
struct Text {
    text: String,
}

/// Every row of every table, as text; bytes as hex.
async fn tables_are_clean(service: &Service) {
    let tables =
        "SELECT quote_ident(table_schema) || '.' || quote_ident(table_name) AS text FROM information_schema.tables
        WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')";
    let tables: Vec<Text> = service.database.reader().list(tables, values![]).await.unwrap();
    assert!(tables.len() > 10, "only {} tables", tables.len());
    for Text { text: table } in tables {
        let rows = format!("SELECT COALESCE(CAST(whole AS TEXT), '') AS text FROM {table} AS whole");
        let rows: Vec<Text> = service.database.reader().list(&rows, values![]).await.unwrap();
        let rows: Vec<_> = rows.into_iter().map(|row| row.text).collect();
        clean(&table, rows.join("\n").as_bytes());
    }
}

fn files_are_clean(service: &Service) {
    for file in std::fs::read_dir(service.folder.path()).unwrap() {
        let path = file.unwrap().path();
        clean(&path.display().to_string(), &std::fs::read(&path).unwrap());
    }
}

/// What is wrong with a card is told without the card.
async fn errors_are_clean(service: &Service) {
    for mode in 0..3 {
        let number = number(mode);
        for wrong in [number.replace('-', ""), format!("{number}0"), format!(" {number}")] {
            let request = TokenizeCardRequest {
                card_type: CardType::Kb.into(),
                card_number: wrong,
                ..Default::default()
            };
            // refused where calls come in, or sealed as it came
            if let Err(status) = service.cards().tokenize_card(service.mina(request)).await {
                clean("an error", format!("{status:?}").as_bytes());
                clean("an error's details", status.details());
            }
        }
        let refused = service.request("misused", &number, 100).await.unwrap_err();
        clean("an error", format!("{refused:?}").as_bytes());
        clean("an error's details", refused.details());
    }
}

#[tokio::test]
async fn no_card_number_is_anywhere_but_sealed() {
    // one thread, so that the log of all tasks is this one
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _logging = subscriber.set_default();
    for engine in Engine::BOTH {
        let behaviour = Behaviour {
            callback_late_ms: 300,
            store_late_ms: 300,
            contradiction_ms: 300,
            ..Profile::Calm.behaviour()
        };
        let service = Service::start(engine, behaviour).await;
        for (index, mode) in Mode::ALL.iter().enumerate() {
            service
                .control(&[(&format!("card:{}", number(index)), mode.name())])
                .await;
            let card = service.token(&number(index)).await;
            service.request(mode.name(), &card, 1_000).await.unwrap();
        }
        service.all_at_rest(Duration::from_secs(120)).await;
        for row in service.rows().await.iter().filter(|row| row.state == "CAPTURED") {
            service.refund(&row.order_id, "all", 1_000).await.unwrap();
        }
        errors_are_clean(&service).await;
        // sealed and never used
        service.token(&number(0)).await;
        service.all_at_rest(Duration::from_secs(120)).await;
        files_are_clean(&service);
        if engine == Engine::Postgres {
            tables_are_clean(&service).await;
        }
    }
    let log = log.0.lock().unwrap();
    assert!(
        log.windows(9).any(|window| window == b"goes back"),
        "nothing was logged"
    );
    clean("the log", &log);
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
