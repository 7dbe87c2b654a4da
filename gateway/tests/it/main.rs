//! One test binary: what the gateway promises, through its public API.

mod connection;
mod order_entry;
mod session;
mod orders;
mod soup;
