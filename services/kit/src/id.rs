//! Ids that nobody chose.

use uuid::Uuid;

/// A new UUIDv7 in its hyphenated form: unique, and later ones sort behind earlier ones.
#[must_use]
pub fn new_id() -> String {
    Uuid::now_v7().to_string()
}
