//! gateway

pub mod fix;
pub mod connection;
pub mod order_entry;
pub mod orders;
pub mod soup;
