//! One test binary: what the gateway promises, through its public API.

mod order_entry;
