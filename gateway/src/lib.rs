//! gateway

pub mod fix;
pub mod acceptor;
pub mod connection;
pub mod order_entry;
pub mod orders;
pub mod soup;
