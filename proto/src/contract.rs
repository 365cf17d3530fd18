//! What every request and response of a contract can do.

use crate::inspection::{Bounded, Form, Inspection, Step, Text};

/// A field of a request that breaks its bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Where it is, such as `lines[3].quantity`.
    pub field: String,
    /// What is asked of it, such as `must be 1 to 10000`; never what it holds.
    pub description: String,
}

/// A request of one of our RPCs.
pub trait Contract {
    /// The fields that break the bounds written in the `.proto` file, the first 20.
    fn violations(&self) -> Vec<Violation>;

    /// What makes the request repeatable; nothing if it is empty or the request changes nothing.
    fn request_id(&self) -> Option<&str> {
        None
    }
}

/// A response that names the events of the command it answers.
pub trait Revised {
    /// Puts the opaque, signed revision into the response.
    fn set_revision(&mut self, revision: String);

    /// The revision in the response.
    fn revision(&self) -> &str;
}

include!(concat!(env!("OUT_DIR"), "/bounds.rs"));
include!(concat!(env!("OUT_DIR"), "/revisions.rs"));
