//! MoldUDP64: exact bytes, loss, disorder, bounds.

use feed::mold::{
    HEADER_BYTES, MoldError, MoldKind, MoldPacket, MoldReceiver, MoldRequest, MoldSender,
    PACKET_BYTES_MAX, answer,
};
use matcher::Timestamp;

use crate::support::{Random, unhex};

const SESSION: [u8; 10] = *b"VESTA00001";
const SECOND: u64 = 1_000_000_000;

fn at(ns: u64) -> Timestamp {
    Timestamp(1_767_346_200_000_000_000 + ns)
}

fn collect(packets: &mut Vec<Vec<u8>>) -> impl FnMut(&[u8]) {
    |packet| packets.push(packet.to_vec())
}

#[test]
fn packets_have_the_bytes_of_the_table() {
    let mut sent = Vec::new();
    let mut sender = MoldSender::new(SESSION, 7);
    sender.push(at(0), b"abc", collect(&mut sent));
    sender.push(at(0), b"", collect(&mut sent));
    sender.push(at(0), b"d", collect(&mut sent));
    assert_eq!(sender.next(), 10);
    assert!(sent.is_empty());
    sender.flush(at(0), collect(&mut sent));
    sender.flush(at(0), collect(&mut sent));
    let packet = unhex("5645535441 3030303031 0000000000000007 0003  0003 616263  0000  0001 64");
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0], packet);

    let parsed = MoldPacket::parse(&packet).unwrap();
    assert_eq!((parsed.session, parsed.sequence), (SESSION, 7));
    assert_eq!((parsed.kind, parsed.next()), (MoldKind::Messages(3), 10));
    let messages: Vec<_> = parsed.messages().collect();
    assert_eq!(messages, [(7, b"abc".as_slice()), (8, b"".as_slice()), (9, b"d".as_slice())]);
}

#[test]
fn heartbeats_fill_silence_and_the_end_is_repeated() {
    let mut sent = Vec::new();
    let mut sender = MoldSender::new(SESSION, 1);
    sender.tick(at(0), collect(&mut sent));
    sender.tick(at(SECOND - 1), collect(&mut sent));
    sender.push(at(SECOND - 1), b"m", collect(&mut sent));
    sender.flush(at(SECOND - 1), collect(&mut sent));
    sender.tick(at(SECOND), collect(&mut sent));
    sender.tick(at(2 * SECOND - 1), collect(&mut sent));
    sender.push(at(2 * SECOND), b"n", collect(&mut sent));
    sender.end(at(2 * SECOND), collect(&mut sent));
    sender.tick(at(3 * SECOND - 1), collect(&mut sent));
    sender.tick(at(3 * SECOND), collect(&mut sent));
    let told: Vec<_> = sent
        .iter()
        .map(|bytes| MoldPacket::parse(bytes).unwrap())
        .map(|packet| (packet.kind, packet.sequence))
        .collect();
    assert_eq!(
        told,
        [
            (MoldKind::Heartbeat, 1),
            (MoldKind::Messages(1), 1),
            (MoldKind::Heartbeat, 2),
            (MoldKind::Messages(1), 2),
            (MoldKind::End, 3),
            (MoldKind::End, 3),
        ]
    );
    assert_eq!(sent[0], unhex("56455354413030303031 0000000000000001 0000"));
    assert_eq!(sent[4], unhex("56455354413030303031 0000000000000003 ffff"));
}

#[test]
fn a_message_waits_for_others_no_longer_than_it_may() {
    let mut sent = Vec::new();
    let mut sender = MoldSender::new(SESSION, 1);
    sender.flush_older(at(0), 0, collect(&mut sent));
    assert!(sent.is_empty(), "an empty packet is no packet");
    sender.push(at(10_000), b"a", collect(&mut sent));
    sender.push(at(14_000), b"b", collect(&mut sent));
    sender.flush_older(at(14_999), 5_000, collect(&mut sent));
    assert!(sent.is_empty());
    sender.flush_older(at(15_000), 5_000, collect(&mut sent));
    // The next one waits from its own time on.
    sender.push(at(15_000), b"c", collect(&mut sent));
    sender.flush_older(at(19_999), 5_000, collect(&mut sent));
    assert_eq!(sent.len(), 1);
    // A clock that was set back makes nobody wait.
    sender.flush_older(at(14_000), 5_000, collect(&mut sent));
    let counts: Vec<_> = sent.iter().map(|it| MoldPacket::parse(it).unwrap().count()).collect();
    assert_eq!(counts, [2, 1]);
    // Nor does one whose packet was full before.
    for _ in 0..37 {
        sender.push(at(20_000), &[b'A'; 36], collect(&mut sent));
    }
    sender.flush_older(at(24_999), 5_000, collect(&mut sent));
    assert_eq!(sent.len(), 3);
    sender.flush_older(at(25_000), 5_000, collect(&mut sent));
    assert_eq!(sent.len(), 4);
}

#[test]
fn packets_are_filled_and_never_longer_than_the_bound() {
    let mut sent = Vec::new();
    let mut sender = MoldSender::new(SESSION, 1);
    for _ in 0..1_000 {
        sender.push(at(0), &[b'A'; 36], collect(&mut sent));
    }
    sender.flush(at(0), collect(&mut sent));
    // 36 messages of 38 bytes after 20 are 1388; one more would be 1426.
    assert!(sent[..sent.len() - 1].iter().all(|packet| packet.len() == 1_388));
    assert_eq!(sent.len(), 1_000_usize.div_ceil(36));

    let mut sent = Vec::new();
    let largest = vec![0; PACKET_BYTES_MAX - HEADER_BYTES - 2];
    sender.push(at(0), &largest, collect(&mut sent));
    sender.flush(at(0), collect(&mut sent));
    assert_eq!(sent[0].len(), PACKET_BYTES_MAX);
}

#[test]
fn a_request_is_twenty_bytes_and_its_answer_one_packet() {
    let bytes = unhex("56455354413030303031 000000000000002a 0005");
    let request = MoldRequest { session: SESSION, sequence: 42, count: 5 };
    assert_eq!(request.encode().as_slice(), bytes);
    assert_eq!(MoldRequest::parse(&bytes), Ok(request));
    for found in (0..20).chain([21, 1400]) {
        let wrong = vec![0; found];
        assert_eq!(MoldRequest::parse(&wrong), Err(MoldError::Length { found }));
    }

    let messages = vec![[b'A'; 36].as_slice(); 100];
    let mut sent = Vec::new();
    assert_eq!(answer(&request, messages.iter().copied(), collect(&mut sent)), 5);
    let large = MoldRequest { count: 0xFFFF, ..request };
    assert_eq!(answer(&large, messages.iter().copied(), collect(&mut sent)), 36);
    let none = MoldRequest { count: 0, ..request };
    assert_eq!(answer(&none, messages.iter().copied(), collect(&mut sent)), 0);
    assert_eq!(answer(&request, [], collect(&mut sent)), 0);
    let firsts: Vec<_> = sent
        .iter()
        .map(|bytes| MoldPacket::parse(bytes).unwrap())
        .map(|packet| (packet.sequence, packet.count()))
        .collect();
    assert_eq!(firsts, [(42, 5), (42, 36)]);
}

#[test]
fn a_packet_cut_or_stretched_anywhere_is_refused() {
    let packet = unhex("56455354413030303031 0000000000000007 0002 0003 616263 0001 64");
    assert!(MoldPacket::parse(&packet).is_ok());
    for found in 0..HEADER_BYTES {
        assert_eq!(MoldPacket::parse(&packet[..found]), Err(MoldError::Length { found }));
    }
    for len in HEADER_BYTES..packet.len() {
        let offset = if len < 25 { 20 } else { 25 };
        assert_eq!(MoldPacket::parse(&packet[..len]), Err(MoldError::Blocks { offset }));
    }
    let stretched = [packet.as_slice(), &[0]].concat();
    assert_eq!(MoldPacket::parse(&stretched), Err(MoldError::Blocks { offset: packet.len() }));
    let heartbeat = unhex("56455354413030303031 0000000000000007 0000 00");
    assert_eq!(MoldPacket::parse(&heartbeat), Err(MoldError::Blocks { offset: 20 }));
    let past = unhex("56455354413030303031 ffffffffffffffff 0001 0000");
    assert_eq!(MoldPacket::parse(&past), Err(MoldError::Sequence { sequence: u64::MAX }));
}

#[test]
fn the_last_number_there_is_can_be_received() {
    let last = unhex("56455354413030303031 fffffffffffffffe 0001 0001 61");
    let mut receiver = MoldReceiver::new(None, u64::MAX - 1, 4);
    let mut got = Vec::new();
    receiver.receive(&last, |sequence, _| got.push(sequence)).unwrap();
    assert_eq!((got, receiver.next()), (vec![u64::MAX - 1], u64::MAX));
}

#[test]
fn a_packet_of_another_session_changes_nothing() {
    let mut receiver = MoldReceiver::new(Some(SESSION), 1, 4);
    let other = unhex("4f544845523030303031 0000000000000009 ffff");
    let found = *b"OTHER00001";
    let error = receiver.receive(&other, |_, _| panic!("nothing to deliver"));
    assert_eq!(error, Err(MoldError::OtherSession { found }));
    assert_eq!(receiver.gap(), None);
    assert!(!receiver.is_complete());
}

#[test]
fn a_heartbeat_tells_of_a_loss() {
    let mut receiver = MoldReceiver::new(None, 3, 4);
    let heartbeat = unhex("56455354413030303031 0000000000000009 0000");
    assert_eq!(receiver.gap(), None);
    receiver.receive(&heartbeat, |_, _| panic!("nothing to deliver")).unwrap();
    assert_eq!(receiver.session(), Some(SESSION));
    assert_eq!(receiver.gap(), Some(MoldRequest { session: SESSION, sequence: 3, count: 6 }));
    let far = unhex("56455354413030303031 ffffffffffffffff 0000");
    receiver.receive(&far, |_, _| panic!("nothing to deliver")).unwrap();
    assert_eq!(receiver.gap().unwrap().count, 0xFFFE);
}

/// The venue says the end of the session when it stops, and goes on with it when it starts again.
#[test]
fn a_session_that_ended_can_go_on() {
    let mut sent = Vec::new();
    let mut sender = MoldSender::new(SESSION, 1);
    sender.push(at(0), b"before", collect(&mut sent));
    sender.end(at(0), collect(&mut sent));
    let mut sender = MoldSender::new(SESSION, sender.next());
    sender.push(at(SECOND), b"after", collect(&mut sent));
    sender.flush(at(SECOND), collect(&mut sent));

    let mut receiver = MoldReceiver::new(None, 1, 4);
    let mut got = Vec::new();
    let complete: Vec<bool> = sent
        .iter()
        .map(|packet| {
            receiver.receive(packet, |_, message| got.push(message.to_vec())).unwrap();
            receiver.is_complete()
        })
        .collect();
    assert_eq!(complete, [false, true, false]);
    assert_eq!(got, [b"before".to_vec(), b"after".to_vec()]);
}

/// Packets are lost, doubled and mixed up; requests and their answers are lost too. In the end every
/// message was given out once and in order.
#[test]
fn a_lossy_network_loses_nothing() {
    for seed in 0..60 {
        let mut random = Random::new(seed);
        let total = 1 + random.index(800);
        let messages: Vec<Vec<u8>> =
            (0..total).map(|n| format!("{n} {}", "x".repeat(n % 48)).into_bytes()).collect();

        let mut network: Vec<Vec<u8>> = Vec::new();
        let mut sender = MoldSender::new(SESSION, 1);
        for (n, message) in messages.iter().enumerate() {
            sender.push(at(n as u64), message, collect(&mut network));
            if random.below(4) == 0 {
                sender.flush(at(n as u64), collect(&mut network));
            }
        }
        let end = at(total as u64);
        sender.end(end, collect(&mut network));

        let held_max = 1 + random.index(8);
        let mut receiver = MoldReceiver::new(None, 1, held_max);
        let mut got: Vec<Vec<u8>> = Vec::new();
        let mut rounds = 0;
        while !receiver.is_complete() {
            rounds += 1;
            assert!(rounds < 100_000, "seed {seed}: no progress at {}", receiver.next());
            if network.is_empty() {
                let gap = receiver.gap();
                let later = Timestamp(end.0 + rounds * SECOND);
                sender.tick(later, collect(&mut network));
                if let Some(request) = gap.filter(|_| random.below(3) > 0) {
                    let request = MoldRequest::parse(&request.encode()).unwrap();
                    let from = usize::try_from(request.sequence - 1).unwrap();
                    let wanted = messages[from..].iter().map(Vec::as_slice);
                    assert!(answer(&request, wanted, collect(&mut network)) > 0);
                }
            }
            let packet = network.swap_remove(random.index(network.len().min(5)));
            if random.below(5) == 0 {
                continue;
            }
            if random.below(8) == 0 {
                network.push(packet.clone());
            }
            receiver
                .receive(&packet, |sequence, message| {
                    got.push(message.to_vec());
                    assert_eq!(sequence, got.len() as u64);
                })
                .unwrap();
        }
        assert_eq!(got, messages, "seed {seed}");
        assert_eq!(receiver.gap(), None);
    }
}

/// What is held has its bound whatever comes: a packet that is longer than any of ours is asked for again.
#[test]
fn no_more_is_held_than_was_said() {
    let long = |sequence: u64, len: usize| {
        let mut bytes = [&SESSION[..], &sequence.to_be_bytes(), &[0, 1]].concat();
        bytes.extend_from_slice(&u16::try_from(len).unwrap().to_be_bytes());
        bytes.resize(bytes.len() + len, b'x');
        bytes
    };
    let most = PACKET_BYTES_MAX - HEADER_BYTES - 2;
    let asked = |receiver: &MoldReceiver| receiver.gap().map(|it| (it.sequence, it.count));
    let mut receiver = MoldReceiver::new(Some(SESSION), 1, 8);
    receiver.receive(&long(5, 60_000), |_, _| panic!("not its turn")).unwrap();
    assert_eq!(asked(&receiver), Some((1, 5)), "it is known of, and not held");
    receiver.receive(&long(5, most), |_, _| panic!("not its turn")).unwrap();
    assert_eq!(asked(&receiver), Some((1, 4)));
    // In its turn it may be as long as it likes.
    let mut got = Vec::new();
    receiver.receive(&long(1, 60_000), |number, bytes| got.push((number, bytes.len()))).unwrap();
    assert_eq!(got, [(1, 60_000)]);
    let mut late = MoldReceiver::new(None, 1, 8);
    late.hold_only(&long(2, 60_000)).unwrap();
    late.hold_only(&long(3, most)).unwrap();
    late.go_on(2, |_, _| panic!("it was not held"));
    assert_eq!(asked(&late), Some((2, 1)));
}
