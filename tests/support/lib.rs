//! What the suites share: the engines, a shop of its own for every test, and its clients.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a test that cannot be set up has failed"
)]

pub mod canary;
pub mod client;
pub mod engine;
pub mod gateway;
pub mod postgres;
pub mod raw;
pub mod shop;
pub mod wait;

pub use client::{Buyer, reason};
pub use engine::Engine;
pub use shop::TestShop;

/// Declares a story that runs on both engines, each with a shop of its own: `sqlite` and `postgres` in a module.
#[macro_export]
macro_rules! story {
    ($(#[doc = $doc:literal])* async fn $name:ident($shop:ident: TestShop) $body:block) => {
        $(#[doc = $doc])*
        mod $name {
            use super::*;

            async fn story($shop: $crate::TestShop) -> $crate::TestShop {
                $body
                $shop
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                story($crate::TestShop::start($crate::Engine::Sqlite).await).await.end().await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                story($crate::TestShop::start($crate::Engine::Postgres).await).await.end().await;
            }
        }
    };
}
