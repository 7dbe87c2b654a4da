//! One test binary: what the gateway promises, through its public API.

// The lint's exemption for tests stops at the functions that tests call.
#![allow(clippy::unwrap_used)]

mod cancels;
mod connection;
mod decode;
mod desk;
mod doorway;
mod hostile;
mod market;
mod order_entry;
mod orders;
mod ouch;
mod ouch_session;
mod ouch_shown;
mod ouch_venue;
mod quotes;
mod random;
mod resets;
mod rights;
mod session;
mod soup;
mod users;
