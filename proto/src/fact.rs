//! The table of facts.

use crate::event::v1::event::Fact;

/// What is to be known of a kind of fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FactInfo {
    /// Name, which is the event's `type`, such as `ProductLiked`.
    pub name: &'static str,
    /// Full name of the payload's message, such as `jangteo.event.v1.ProductLiked`.
    pub message: &'static str,
    /// Service that tells it, such as `catalog`.
    pub source: &'static str,
    /// What it means, in words.
    pub comment: &'static str,
}

include!(concat!(env!("OUT_DIR"), "/facts.rs"));
