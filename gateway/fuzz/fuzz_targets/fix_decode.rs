//! Any bytes, in pieces of any size: decode never panics, never reads past the message, always gets on,
//! and finds the same messages however the bytes are cut.

#![no_main]

use gateway::fix::{DecodeError, Fields, MESSAGE_BYTES_MAX, UnknownTags, Version, decode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((piece, stream)) = data.split_first() else { return };
    let whole = read(stream, usize::MAX);
    let pieces = read(stream, usize::from(*piece) + 1);
    assert_eq!(pieces, whole);
});

/// The messages in `stream`, `None` where it ends because one is too long.
fn read(stream: &[u8], piece: usize) -> Vec<Option<Vec<u8>>> {
    let mut fields = Fields::new();
    let mut buffer: Vec<u8> = Vec::new();
    let mut messages = Vec::new();
    for bytes in stream.chunks(piece.min(stream.len().max(1))) {
        buffer.extend_from_slice(bytes);
        loop {
            match decode(&buffer, &mut fields) {
                Ok((message, used)) => {
                    assert!(used <= buffer.len() && used <= MESSAGE_BYTES_MAX);
                    assert_eq!(message.bytes(), &buffer[..used]);
                    for (tag, value) in message.iter() {
                        assert_eq!(message.get(tag).is_some(), true);
                        assert!(value.len() < used);
                    }
                    for version in Version::ALL {
                        let _ = version.dictionary().check(&message, UnknownTags::Reject);
                        let _ = version.dictionary().check(&message, UnknownTags::Ignore);
                    }
                    messages.push(Some(message.bytes().to_vec()));
                    buffer.drain(..used);
                }
                Err(DecodeError::Incomplete) => break,
                Err(DecodeError::Garbled { resume_at }) => {
                    assert!(resume_at >= 1 && resume_at <= buffer.len());
                    buffer.drain(..resume_at);
                }
                Err(DecodeError::TooLong { .. }) => {
                    messages.push(None);
                    return messages;
                }
            }
        }
    }
    messages
}
