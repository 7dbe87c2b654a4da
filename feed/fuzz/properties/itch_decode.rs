//! Shared by the fuzz target and by `feed/tests/it/hostile.rs`.

use feed::message::{MESSAGE_BYTES_MAX, Message};
use feed::mold::{MoldPacket, MoldReceiver, MoldRequest};
use feed::{Mirror, decode};
use matcher::Side;

/// `bytes` as one message, as a stream of messages (2-byte length each) into a mirror, and as packets.
pub(crate) fn check(bytes: &[u8]) {
    one_message(bytes);
    stream(bytes);
    packets(bytes);
}

/// What decodes encodes to the same bytes; the reserved byte of `H` is not kept.
fn one_message(bytes: &[u8]) {
    let Ok(message) = decode(bytes) else { return };
    let mut buf = [0; MESSAGE_BYTES_MAX];
    let encoded = message.encode(&mut buf);
    assert_eq!(encoded.len(), bytes.len());
    for (at, (ours, theirs)) in encoded.iter().zip(bytes).enumerate() {
        let reserved = matches!(message, Message::TradingAction(_)) && at == 20;
        assert!(ours == theirs || reserved, "byte {at} of {message:?}");
    }
}

/// Whatever the mirror took, its levels are the sums of its orders and best first.
fn stream(mut bytes: &[u8]) {
    let mut mirror = Mirror::with_orders_max(8);
    while let Some((length, rest)) = bytes.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length));
        let Some((message, rest)) = rest.split_at_checked(length) else { break };
        one_message(message);
        if let Ok(message) = decode(message) {
            let before = mirror.orders_len();
            if mirror.apply(&message).is_err() {
                assert_eq!(mirror.orders_len(), before);
            }
            books(&mirror, message.header().stock_locate);
        }
        bytes = rest;
    }
    assert!(mirror.orders_len() <= 8);
}

fn books(mirror: &Mirror, stock_locate: u16) {
    for side in [Side::Buy, Side::Sell] {
        let mut orders = mirror.orders(stock_locate, side);
        let mut last = None;
        for level in mirror.levels(stock_locate, side) {
            let better = last.is_none_or(|last| match side {
                Side::Buy => level.price < last,
                Side::Sell => level.price > last,
            });
            assert!(better && level.orders > 0);
            last = Some(level.price);
            let count = usize::try_from(level.orders).unwrap_or(usize::MAX);
            let sum: u64 = orders.by_ref().take(count).map(|order| u64::from(order.shares)).sum();
            assert_eq!(sum, level.shares);
        }
        assert!(orders.next().is_none());
    }
}

/// The receiver gives out numbers without a hole, whatever comes.
fn packets(bytes: &[u8]) {
    if let Ok(request) = MoldRequest::parse(bytes) {
        assert_eq!(request.encode().as_slice(), bytes);
    }
    if let Ok(packet) = MoldPacket::parse(bytes) {
        assert_eq!(packet.messages().count(), usize::from(packet.count()));
    }
    let start = bytes.first().copied().unwrap_or(0).into();
    let mut receiver = MoldReceiver::new(None, start, 2);
    let mut next = start;
    for packet in [bytes, bytes.get(1..).unwrap_or(&[]), bytes] {
        let taken = receiver.receive(packet, |sequence, _| {
            assert_eq!(sequence, next);
            next += 1;
        });
        assert_eq!(receiver.next(), next);
        if taken.is_ok() && receiver.gap().is_none() {
            assert!(receiver.session().is_some());
        }
    }
}
