//! gateway

pub mod acceptor;
pub mod address;
pub mod connection;
pub mod fix;
pub mod market_data;
pub mod network;
pub mod order_entry;
pub mod orders;
pub mod ouch;
mod reference;
pub mod saved;
pub mod soup;
pub mod zone;
