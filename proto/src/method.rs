//! The table of RPCs.

use crate::access::v1::Role;

/// What a server must know of an RPC before it lets a call through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Method {
    /// Path of the request, such as `/jangteo.catalog.v1.ProductService/RegisterBrand`.
    pub path: &'static str,
    /// Roles that may call it, at least one.
    pub roles: &'static [Role],
    /// Whether it changes anything: its request has a `request_id` and its response a `revision`.
    pub mutates: bool,
    /// Whether the caller sends a stream.
    pub client_streaming: bool,
    /// Whether the server answers with a stream.
    pub server_streaming: bool,
}

include!(concat!(env!("OUT_DIR"), "/methods.rs"));
