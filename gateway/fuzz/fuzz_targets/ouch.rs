//! Any bytes: what is read as a message of OUCH is written as the same message, and no bytes panic.

#![no_main]

use gateway::ouch::{FromClient, FromVenue, MESSAGE_BYTES_MAX};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut out = Vec::new();
    if let Ok(message) = FromClient::decode(data) {
        message.encode(&mut out);
        assert_eq!(FromClient::decode(&out), Ok(message));
    }
    assert!(out.len() <= MESSAGE_BYTES_MAX);
    out.clear();
    if let Ok(message) = FromVenue::decode(data) {
        message.encode(&mut out);
        assert_eq!(FromVenue::decode(&out), Ok(message));
    }
    assert!(out.len() <= MESSAGE_BYTES_MAX);
});
