//! How results reach standard output: columns for a person, one JSON object a line for a program.

use clap::ValueEnum;
use jiff::Timestamp;
use kit::clock::from_proto;
use serde_json::{Map, Value};

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
            let object: Map<String, Value> = line.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            println!("{}", Value::Object(object));
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
        println!("{}", padded.collect::<Vec<_>>().join(GAP).trim_end());
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
