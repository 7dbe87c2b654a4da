//! gateway

pub mod fix;
