//! The properties of the fuzz targets, on seeded bytes, so that every test run has them.

#[path = "../../fuzz/properties/itch_decode.rs"]
mod itch_decode;

use feed::Mirror;

use crate::samples::samples;
use crate::support::{Random, unhex};

/// Bytes that are nearly a stream of messages: length, message, again and again, then damaged.
fn damaged_stream(random: &mut Random) -> Vec<u8> {
    let samples = samples();
    let mut bytes = Vec::new();
    for _ in 0..random.below(12) {
        let message = unhex(samples[random.index(samples.len())].1);
        bytes.extend_from_slice(&u16::try_from(message.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(&message);
    }
    for _ in 0..random.below(6) {
        if bytes.is_empty() {
            break;
        }
        let at = random.index(bytes.len());
        match random.below(3) {
            0 => bytes[at] = random.byte(),
            1 => bytes.truncate(at),
            _ => bytes.insert(at, random.byte()),
        }
    }
    bytes
}

#[test]
fn no_bytes_make_decoder_mirror_or_receiver_fall_over() {
    let mut random = Random::new(0xF022);
    for _ in 0..20_000 {
        let bytes = if random.below(4) == 0 {
            let len = random.index(120);
            random.bytes(len)
        } else {
            damaged_stream(&mut random)
        };
        itch_decode::check(&bytes);
    }
    assert_eq!(Mirror::new().orders_len(), 0);
}
