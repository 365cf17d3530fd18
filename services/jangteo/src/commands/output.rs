//! How results reach standard output: columns for a person, one JSON object a line for a program.

use std::io::Write;
use std::process::ExitCode;

use clap::ValueEnum;
use jiff::Timestamp;
use kit::clock::from_proto;
use serde_json::{Map, Value};
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// The shop said no.
const REFUSED: u8 = 3;
/// The shop, or what it needs for this, does not answer.
const UNAVAILABLE: u8 = 4;
/// Between two columns.
const GAP: &str = "  ";

/// Who reads results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// A person.
    #[default]
    Text,
    /// A program: one JSON object a line.
    Json,
}

/// The named values of one line, in the order of the columns.
pub(super) type Line = Vec<(&'static str, Value)>;

/// Prints lines that have the same columns.
pub(super) fn print(lines: Vec<Line>, output: Output) {
    if output == Output::Json {
        for line in lines {
            print_json(line);
        }
        return;
    }
    let Some(first) = lines.first() else { return };
    let head: Vec<String> = first
        .iter()
        .map(|(name, _)| name.replace('_', " ").to_uppercase())
        .collect();
    let cells = lines
        .iter()
        .map(|line| line.iter().map(|(_, value)| cell(value)).collect());
    let table: Vec<Vec<String>> = std::iter::once(head).chain(cells).collect();
    let columns = table.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let cells = table.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in &table {
        let padded = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        say(padded.collect::<Vec<_>>().join(GAP).trim_end());
    }
}

/// Prints all there is to know of one thing: a name and its value a line.
pub(super) fn print_fields(line: Line, output: Output) {
    if output == Output::Json {
        return print_json(line);
    }
    let width = line.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    for (name, value) in line {
        say(&format!("{:<width$}{GAP}{}", name.replace('_', " "), cell(&value)));
    }
}

fn print_json(line: Line) {
    let object: Map<String, Value> = line.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    say(&Value::Object(object).to_string());
}

fn say(line: &str) {
    // whoever reads may have seen enough, as `head` has
    if writeln!(std::io::stdout(), "{line}").is_err() {
        std::process::exit(0);
    }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}

/// A time as RFC 3339 in UTC, to the second.
pub(super) fn time(time: Option<&prost_types::Timestamp>) -> Value {
    let whole = |time: &prost_types::Timestamp| Timestamp::from_second(from_proto(time).as_second()).ok();
    time.and_then(whole).map_or(Value::Null, |time| time.to_string().into())
}

/// The name of an enum's value without its prefix, such as `AWAITING_PAYMENT`.
pub(super) fn word(name: &'static str, prefix: &str) -> Value {
    name.trim_start_matches(prefix).into()
}

/// Done, or a check found something.
pub(super) fn success_if(holds: bool) -> ExitCode {
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What went wrong in words, and the exit code that says what kind of wrong it is.
pub(super) fn explained(error: &anyhow::Error) -> (String, ExitCode) {
    let status = error.chain().find_map(|cause| cause.downcast_ref::<Status>());
    let Some(status) = status else {
        let unreached = error.chain().any(|cause| cause.is::<tonic::transport::Error>());
        let code = if unreached {
            ExitCode::from(UNAVAILABLE)
        } else {
            ExitCode::FAILURE
        };
        return (format!("{error:#}"), code);
    };
    let reason = status.get_details_error_info().map(|info| info.reason);
    let code = match (status.code(), &reason) {
        (Code::Unavailable | Code::DeadlineExceeded | Code::Aborted | Code::Cancelled, _) => {
            ExitCode::from(UNAVAILABLE)
        }
        (Code::Internal | Code::Unknown, _) | (_, None) => ExitCode::FAILURE,
        (_, Some(_)) => ExitCode::from(REFUSED),
    };
    let reason = reason.unwrap_or_else(|| format!("{:?}", status.code()));
    (format!("{reason}: {}", status.message()), code)
}
