//! ITCH messages, a stream of them into a mirror, MoldUDP64 packets.
#![no_main]

#[path = "../properties/itch_decode.rs"]
mod itch_decode;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| itch_decode::check(bytes));
