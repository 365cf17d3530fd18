//! The one binary as a library: configuration, the shop in one process, and the work of each command.

pub mod client;
pub mod commands;
pub mod config;
pub mod consumers;
pub mod data_folder;
pub mod dead_letters;
pub mod doctor;
pub mod gateway;
pub mod import;
pub mod ledger;
pub mod load;
pub mod outboxes;
pub mod real_data;
pub mod sample;
pub mod shop;
