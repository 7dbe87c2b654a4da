//! One test binary: what the gateway promises, through its public API.

mod connection;
mod hostile;
mod order_entry;
mod decode;
mod random;
mod session;
mod orders;
mod soup;
