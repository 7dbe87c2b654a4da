//! Exact bytes, both ways.

use feed::message::{MESSAGE_BYTES_MAX, Message, TradingAction};
use feed::{DecodeError, decode, message_bytes};

use crate::samples::samples;
use crate::support::{Random, message, unhex};

fn encode(message: &Message) -> Vec<u8> {
    message.encode(&mut [0; MESSAGE_BYTES_MAX]).to_vec()
}

#[test]
fn every_message_has_the_bytes_of_its_table() {
    for (message, hex) in samples() {
        let bytes = unhex(hex);
        assert_eq!(encode(&message), bytes, "{message:?}");
        assert_eq!(decode(&bytes), Ok(message));
        assert_eq!(message_bytes(message.kind()), Some(bytes.len()));
        assert_eq!(message.kind(), bytes[0]);
    }
}

#[test]
fn every_type_we_know_has_a_sample() {
    let kinds: Vec<u8> = samples().iter().map(|(message, _)| message.kind()).collect();
    for kind in 0..=u8::MAX {
        assert_eq!(message_bytes(kind).is_some(), kinds.contains(&kind), "{kind}");
    }
    assert_eq!(kinds.len(), 17);
    assert_eq!(message_bytes(b'O'), None);
}

#[test]
fn a_message_cut_anywhere_is_refused() {
    for (_, hex) in samples() {
        let bytes = unhex(hex);
        let (kind, expected) = (bytes[0], bytes.len());
        assert_eq!(decode(&[]), Err(DecodeError::Empty));
        for found in 1..expected {
            let error = DecodeError::Length { kind, expected, found };
            assert_eq!(decode(&bytes[..found]), Err(error));
        }
        let longer = [bytes.as_slice(), b" "].concat();
        let error = DecodeError::Length { kind, expected, found: expected + 1 };
        assert_eq!(decode(&longer), Err(error));
    }
}

/// Every value of every byte: refused at that byte, or a message with exactly these bytes.
#[test]
fn a_changed_byte_is_refused_or_kept() {
    let mut refused = 0;
    for (_, hex) in samples() {
        let good = unhex(hex);
        for at in 1..good.len() {
            for value in 0..=u8::MAX {
                let mut bytes = good.clone();
                bytes[at] = value;
                match decode(&bytes) {
                    Ok(Message::TradingAction(_)) if at == 20 => {}
                    Ok(message) => assert_eq!(encode(&message), bytes),
                    Err(DecodeError::Field { kind, offset }) => {
                        assert_eq!(kind, good[0]);
                        assert!(offset <= at && at < offset + 8, "{at} reported at {offset}");
                        refused += 1;
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }
    assert!(refused > 10_000, "only {refused} bytes were refused");
}

#[test]
fn the_reserved_byte_of_a_trading_action_may_be_anything() {
    let mut bytes = unhex("48 0007 0000 1f1ad635bd15 4555525553442020 48 20 4f312020");
    let Message::TradingAction(sent) = message(&bytes) else { panic!() };
    bytes[20] = 0;
    assert_eq!(decode(&bytes), Ok(Message::TradingAction(sent)));
    assert_eq!(TradingAction::BYTES, 25);
}

#[test]
fn random_messages_come_back() {
    let seed = 0x17C4;
    let mut random = Random::new(seed);
    let samples = samples();
    for _ in 0..20_000 {
        let mut bytes = unhex(samples[random.index(samples.len())].1);
        for _ in 0..=random.below(20) {
            let at = 1 + random.index(bytes.len() - 1);
            bytes[at] = random.byte();
        }
        if let Ok(message) = decode(&bytes) {
            assert_eq!(message, crate::support::message(&encode(&message)), "seed {seed}");
        }
    }
}

#[test]
fn errors_say_what_is_wrong() {
    let said = |bytes: &[u8]| decode(bytes).unwrap_err().to_string();
    assert_eq!(said(b""), "empty message");
    assert_eq!(said(b"O"), "unknown message type 'O'");
    assert_eq!(said(b"\0"), "unknown message type '\\x00'");
    assert_eq!(said(b"D12"), "message 'D' has 3 bytes instead of 19");
    let bytes = unhex("53 0000 0000 1f1ad635bd15 58");
    assert_eq!(said(&bytes), "message 'S' has an undefined code at offset 11");
}
