//! The commands of the `vesta` binary, as a library: each module but the shared ones is a subcommand.
//!
//! A command never says more than its name promises: it exits 0 only if what it checks holds.
//!
//! The three places to know: [`play`] (a recorded order flow against a venue), [`fix_conn`] and
//! [`itch_conn`] (a venue's two sockets, from the outside). [`ouch_set`] is order entry by OUCH, [`feed_client`] hears the multicast.

// A command line prints, and tells rates and percentiles to people.
#![allow(clippy::print_stdout, clippy::float_arithmetic)]

pub mod book;
pub mod check_config;
pub mod demo;
pub mod describe;
pub mod diff;
pub mod explain;
pub mod export;
pub mod failure;
pub mod feed_client;
pub mod fields;
pub mod filter;
pub mod fix;
pub mod fix_conn;
pub mod import;
pub mod interrupt;
pub mod itch_conn;
pub mod journal;
pub mod journal_reader;
pub mod judge;
pub mod load;
pub mod moment;
pub mod news;
mod operator;
pub mod order_flow;
pub mod order_name;
pub mod ouch_conn;
pub mod ouch_set;
pub mod output;
pub mod own_venue;
pub mod paint;
pub mod password;
pub mod play;
pub mod random;
pub mod reload;
pub mod replay;
pub mod scan;
pub mod select;
pub mod serve;
pub mod simulate;
pub mod starting;
pub mod temporary;
pub mod text;
pub mod unfinished;
pub mod watch;
