//! The tests of the matcher, through `apply` and through bytes.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod accounts;
mod auctions;
mod cascades;
mod differential;
mod limits;
mod look;
mod most;
mod properties;
mod records;
mod scripts;
mod shards;
mod shrink;
mod snapshot;
mod snapshot_fields;
mod snapshot_orders;
mod vocabulary;
