//! Reads a book from disk, as far as it was written.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::Context;

use super::Book;

/// Name of the book in the data folder: JSON, one change a line.
pub const BOOK_FILE: &str = "gateway-book.jsonl";

/// Reads a book file, also one that is being written; a torn last line was never answered for, and is left out.
///
/// # Errors
/// The file cannot be read, or a whole line is no entry or contradicts the lines before it.
pub fn read_book(path: impl AsRef<Path>) -> anyhow::Result<Book> {
    let path = path.as_ref();
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let (book, _) = replay(&file).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(book)
}

/// The book, and the length in bytes of its whole lines.
pub(super) fn replay(file: &File) -> anyhow::Result<(Book, u64)> {
    let mut book = Book::default();
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    let mut whole_bytes = 0;
    for number in 1_u64.. {
        line.clear();
        reader.read_until(b'\n', &mut line)?;
        if line.last() != Some(&b'\n') {
            break;
        }
        let entry = serde_json::from_slice(&line).with_context(|| format!("line {number} is no entry"))?;
        book.apply(&entry)
            .with_context(|| format!("line {number} contradicts the book"))?;
        whole_bytes += line.len() as u64;
    }
    Ok((book, whole_bytes))
}
