//! Every story, through gRPC, on both engines. A story ends at rest, with every invariant of the ledger checked.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bad_input;
mod canaries;
mod catalogue;
mod checkout;
mod coupons;
mod dead_letters;
mod events_on_their_way;
mod gateway_outage;
mod grpcurl;
mod ledger;
mod limits;
mod load;
mod messages;
mod orders;
mod outages;
mod paging;
mod products;
mod refusals;
mod runbooks;
mod scarcity;
mod stock;
mod stuck_checkouts;
mod views;
