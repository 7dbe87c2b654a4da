//! Bytes of Inputs and Events: what is written is read back, and no bytes can do harm.

use std::collections::BTreeMap;

use matcher::record::{
    ATTACHMENT_BYTES_MAX, EVENT_BYTES_MAX, INPUT_BYTES_MAX, Record, RecordError, decode,
    decode_event, decode_input, encode_event, encode_input, event_bytes, record_bytes, stamp_input,
};
use matcher::testing::{Profile, Rng, flow};
use matcher::{Engine, Event, Input, Sequence, Timestamp};

fn encoded_input(input: &Input, attachment: &[u8]) -> Vec<u8> {
    let mut out = [0xff; INPUT_BYTES_MAX];
    let len = encode_input(input, attachment, &mut out);
    out[..len].to_vec()
}

fn encoded_event(event: &Event) -> Vec<u8> {
    let mut out = vec![0xff; event_bytes(event)];
    encode_event(event, &mut out);
    out
}

/// Up to 40 records of every kind and code there is, from a hostile flow.
fn samples() -> (Vec<Input>, Vec<Event>) {
    let (mut inputs, mut events): (BTreeMap<_, Vec<_>>, BTreeMap<_, Vec<_>>) = Default::default();
    for profile in [Profile::hostile(), Profile::standard()] {
        let mut engine = Engine::new();
        for input in flow::record(profile, 17, 20_000) {
            let mut answer = Vec::new();
            engine.apply(&input, &mut answer);
            let head = encoded_input(&input, &[])[2..4].to_vec();
            inputs.entry(head).or_default().push(input);
            for event in answer {
                events.entry(encoded_event(&event)[2..4].to_vec()).or_default().push(event);
            }
        }
    }
    let kinds = |map: Vec<&Vec<u8>>| {
        let mut kinds: Vec<u8> = map.iter().map(|head| head[0]).collect();
        kinds.dedup();
        kinds
    };
    assert_eq!(kinds(inputs.keys().collect()), (1..=12).collect::<Vec<u8>>());
    assert_eq!(kinds(events.keys().collect()), (64..=79).collect::<Vec<u8>>());
    (
        inputs.into_values().flat_map(|v| v.into_iter().take(40)).collect(),
        events.into_values().flat_map(|v| v.into_iter().take(40)).collect(),
    )
}

#[test]
fn what_is_written_is_read_back() {
    let (inputs, events) = samples();
    for input in &inputs {
        for attachment in [&b""[..], b"1", b"12345678", &[7; ATTACHMENT_BYTES_MAX]] {
            let bytes = encoded_input(input, attachment);
            assert!(bytes.len().is_multiple_of(8));
            assert_eq!(record_bytes(&bytes), Ok(bytes.len()));
            assert_eq!(decode_input(input.sequence, &bytes), Ok((*input, attachment, bytes.len())));
            let record = Record::Input { input: *input, attachment };
            assert_eq!(decode(input.sequence, &bytes), Ok((record, bytes.len())));
        }
    }
    for event in &events {
        let bytes = encoded_event(event);
        assert!(bytes.len().is_multiple_of(8) && bytes.len() <= EVENT_BYTES_MAX);
        assert_eq!(decode_event(&bytes), Ok((*event, bytes.len())));
        assert_eq!(decode(Sequence(1), &bytes), Ok((Record::Event(*event), bytes.len())));
    }
}

#[test]
fn records_follow_one_another() {
    let (inputs, events) = samples();
    let (input, event) = (&inputs[100], &events[100]);
    let mut bytes = encoded_input(input, b"abc");
    bytes.extend(encoded_event(event));
    let (_, len) = decode(input.sequence, &bytes).unwrap();
    assert_eq!(
        decode(input.sequence, &bytes[len..]),
        Ok((Record::Event(*event), bytes.len() - len))
    );
}

#[test]
fn a_stamp_is_the_timestamp_of_the_input() {
    let (inputs, _) = samples();
    for input in &inputs {
        let mut bytes = encoded_input(input, b"x");
        stamp_input(&mut bytes, Timestamp(u64::MAX - 1));
        let stamped = Input { timestamp: Timestamp(u64::MAX - 1), ..*input };
        assert_eq!(decode_input(input.sequence, &bytes).unwrap().0, stamped);
    }
}

#[test]
fn padding_is_zero() {
    let (inputs, events) = samples();
    for input in &inputs {
        let bytes = encoded_input(input, b"x");
        assert_eq!(bytes, {
            let mut out = [0; INPUT_BYTES_MAX];
            let len = encode_input(input, b"x", &mut out);
            out[..len].to_vec()
        });
    }
    for event in &events {
        let mut out = vec![0; event_bytes(event)];
        encode_event(event, &mut out);
        assert_eq!(out, encoded_event(event));
    }
}

/// Whatever is read from bytes can be written, and is then read as the same.
fn assert_harmless(bytes: &[u8]) {
    match decode(Sequence(9), bytes) {
        Ok((Record::Input { input, attachment }, len)) => {
            assert!(len <= bytes.len());
            let again = encoded_input(&input, attachment);
            assert_eq!(decode_input(Sequence(9), &again).unwrap().0, input);
        }
        Ok((Record::Event(event), len)) => {
            assert!(len <= bytes.len());
            assert_eq!(decode_event(&encoded_event(&event)).unwrap().0, event);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    let _ = decode_input(Sequence(9), bytes);
    let _ = decode_event(bytes);
}

#[test]
fn a_record_that_breaks_off_is_an_error() {
    let (inputs, events) = samples();
    let records = inputs.iter().map(|input| encoded_input(input, b"attached"));
    for bytes in records.chain(events.iter().map(encoded_event)) {
        for len in 0..bytes.len() {
            let broken = decode(Sequence(1), &bytes[..len]);
            assert!(matches!(broken, Err(RecordError::Length { .. })), "{len}: {broken:?}");
            // Also when its own length says that this is all.
            if len >= 8 {
                let mut short = bytes[..len].to_vec();
                short[..2].copy_from_slice(&u16::try_from(len).unwrap().to_le_bytes());
                let broken = decode(Sequence(1), &short);
                assert!(matches!(broken, Err(RecordError::Length { .. })), "{len}: {broken:?}");
            }
        }
    }
}

#[test]
fn a_changed_byte_is_an_error_or_another_value() {
    let (inputs, events) = samples();
    let records = inputs.iter().step_by(7).map(|input| encoded_input(input, b"attached"));
    let mut rng = Rng::new(1);
    for bytes in records.chain(events.iter().step_by(7).map(encoded_event)) {
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            for bit in 0..8 {
                changed[at] = bytes[at] ^ (1 << bit);
                assert_harmless(&changed);
            }
            changed[at] = u8::try_from(rng.below(256)).unwrap();
            assert_harmless(&changed);
            for value in [0, 0x7f, 0xff] {
                changed[at] = value;
                assert_harmless(&changed);
            }
        }
    }
}

#[test]
fn noise_is_an_error_or_a_value() {
    let mut rng = Rng::new(2);
    for _ in 0..200_000 {
        let len = rng.index(40) * 8;
        let mut bytes: Vec<u8> = (0..len / 8).flat_map(|_| rng.bits().to_le_bytes()).collect();
        if len >= 8 {
            // Plausible at first sight: a length, a kind.
            bytes[..2].copy_from_slice(&u16::try_from(len).unwrap().to_le_bytes());
            bytes[2] = u8::try_from(rng.below(90)).unwrap();
            bytes[3] &= 3;
        }
        assert_harmless(&bytes);
    }
}

#[test]
fn a_wrong_code_names_its_place() {
    let (inputs, _) = samples();
    let bytes = encoded_input(&inputs[0], b"");
    let mut other = bytes.clone();
    other[2] = 63;
    assert_eq!(decode(Sequence(1), &other), Err(RecordError::Kind(63)));
    assert_eq!(decode_event(&bytes), Err(RecordError::Kind(bytes[2])));
    let new = inputs.iter().find(|i| matches!(i.command, matcher::Command::New(_))).unwrap();
    let mut bytes = encoded_input(new, b"");
    bytes[3] = 9;
    assert_eq!(decode(Sequence(1), &bytes), Err(RecordError::Field { kind: 5, offset: 3 }));
    let mut bytes = encoded_input(new, b"");
    bytes[49] = 5;
    let error = decode(Sequence(1), &bytes).unwrap_err();
    assert_eq!(error, RecordError::Field { kind: 5, offset: 49 });
    assert_eq!(error.to_string(), "record of kind 5 has an undefined code at offset 49");
}
