//! The `vesta` binary from the outside: what it prints, what it leaves, how it ends.

#![allow(clippy::unwrap_used)] // A test that cannot go on fails.

mod address;
mod clients;
mod config;
mod conformance;
mod demo;
mod dictionaries;
mod differing;
mod dissecting;
mod drop_copy;
mod explaining;
mod exporting;
mod feed_crates;
mod feeding;
mod formats;
mod importing;
mod journals;
mod line;
mod looking;
mod operating;
mod ouching;
mod play;
mod python;
mod quoting;
mod retiring;
mod secrets;
mod serve;
mod sharding;
mod stretches;
mod support;
mod terminal;
