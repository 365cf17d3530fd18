//! The one binary as a library: configuration, the shop in one process, and the work of each command.

pub mod config;
//pub mod shop;
