//! Shared by the fuzz target and by `gateway/tests/it/soup.rs`.

use gateway::soup::{
    SoupClient, SoupClientConfig, SoupClientEvent, SoupConfig, SoupEvent, SoupServer,
};
use matcher::Timestamp;

const PACKET_BYTES_MAX: u16 = 64;

/// Gives `bytes` to both ends, whole and cut in pieces of a size that the first byte says: the same
/// must come of it, nothing may be read twice or wait for more than one packet.
pub(crate) fn check(bytes: &[u8]) {
    let (piece, bytes) = bytes
        .split_first()
        .map_or((1, bytes), |(first, rest)| (usize::from(*first % 32) + 1, rest));
    assert_eq!(serve(bytes, bytes.len().max(1)), serve(bytes, piece));
    assert_eq!(read(bytes, bytes.len().max(1)), read(bytes, piece));
}

/// What a server makes of bytes that come in pieces: its events as text, and what it sent.
fn serve(bytes: &[u8], piece: usize) -> (Vec<String>, Vec<u8>) {
    let config =
        SoupConfig { packet_bytes_max: PACKET_BYTES_MAX, ..SoupConfig::new(*b"VESTA00001") };
    let mut server = SoupServer::new(config);
    let (mut events, mut out) = (Vec::new(), Vec::new());
    let now = Timestamp(1);
    let mut buffer: Vec<u8> = Vec::new();
    for piece in bytes.chunks(piece) {
        buffer.extend_from_slice(piece);
        loop {
            let received = server.receive(now, &buffer, &mut out);
            assert!(received.consumed <= buffer.len());
            let Some(event) = received.event else {
                buffer.drain(..received.consumed);
                break;
            };
            events.push(format!("{event:?}"));
            let login = match event {
                SoupEvent::Login { requested_sequence, .. } => Some(requested_sequence),
                _ => None,
            };
            buffer.drain(..received.consumed);
            if let Some(sequence) = login {
                server.accept(sequence.min(1_000), &mut out);
                server.sequenced(b"hello", &mut out);
            }
        }
        assert!(buffer.len() < usize::from(PACKET_BYTES_MAX) + 2);
    }
    assert!(out.len() <= 64);
    (events, out)
}

/// What a client makes of the bytes.
fn read(bytes: &[u8], piece: usize) -> (Vec<String>, u64) {
    let config = SoupClientConfig {
        packet_bytes_max: PACKET_BYTES_MAX,
        ..SoupClientConfig::new(b"user", b"password", 1)
    };
    let mut client = SoupClient::new(config);
    client.login(&mut Vec::new());
    let mut events = Vec::new();
    let mut buffer: Vec<u8> = Vec::new();
    for piece in bytes.chunks(piece) {
        buffer.extend_from_slice(piece);
        loop {
            let before = client.next_sequence();
            let received = client.receive(Timestamp(1), &buffer);
            assert!(received.consumed <= buffer.len());
            let Some(event) = received.event else {
                buffer.drain(..received.consumed);
                break;
            };
            if let SoupClientEvent::Sequenced { sequence, .. } = event {
                assert_eq!((sequence, client.next_sequence()), (before, before + 1));
            }
            events.push(format!("{event:?}"));
            buffer.drain(..received.consumed);
        }
        assert!(buffer.len() < usize::from(PACKET_BYTES_MAX) + 2);
    }
    (events, client.next_sequence())
}
