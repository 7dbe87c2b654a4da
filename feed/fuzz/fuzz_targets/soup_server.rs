//! Both ends of SoupBinTCP.
#![no_main]

#[path = "../properties/soup_server.rs"]
mod soup_server;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| soup_server::check(bytes));
