//! The contracts of Jangteo: messages, clients and servers of every package, and what follows from their options.
//!
//! Everything is generated at build time from the `.proto` files of this folder. Beside the messages there is
//! - [`Contract`]: the bounds of every request, checked without reflection;
//! - [`Revised`]: responses that carry a revision;
//! - [`METHODS`]: every RPC with the roles that may call it;
//! - [`FACTS`]: every fact an event can tell.

mod contract;
mod fact;
mod inspection;
mod method;

pub use contract::{Contract, Revised, Violation};
pub use fact::{FACTS, FactInfo};
pub use method::{METHODS, Method};

/// All descriptors with their options and comments, encoded, for server reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

macro_rules! packages {
    ($($area:ident),* $(,)?) => {$(
        #[doc = concat!("Package `jangteo.", stringify!($area), ".v1`.")]
        pub mod $area {
            /// Version 1.
            #[allow(missing_docs, clippy::all, rustdoc::all)]
            pub mod v1 {
                include!(concat!(env!("OUT_DIR"), "/jangteo.", stringify!($area), ".v1.rs"));
            }
        }
    )*};
}

packages!(
    access, catalog, coupon, event, money, operations, order, payment, readmodel,
);
