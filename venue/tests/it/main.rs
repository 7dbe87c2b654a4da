//! Tests of the venue: through rings, journals, sockets and processes, as its users reach it.

#![allow(clippy::unwrap_used)] // A test that cannot go on fails.

mod config;
mod determinism;
mod folder;
mod full;
mod hostile;
mod indexes;
mod logon;
mod loopback;
mod lost;
mod market;
mod multicast;
mod news;
mod peer;
mod quotes;
mod reference;
mod replay;
mod retention;
mod scarce;
mod schedule;
mod snapshots;
mod tls;
mod turns;
mod versions;
