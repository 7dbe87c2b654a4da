//! Receivers of a multicast that loses packets: complete, in order, with the venue's books.

use std::collections::VecDeque;

use feed::glimpse::{Standing, decode_snapshot_end, encode_snapshot_end};
use feed::message::Message;
use feed::mold::{MoldError, MoldRequest, MoldSender, answer};
use feed::receiver::{Receiver, ReceiverConfig, ReceiverError, Source, Start, Wants};
use feed::{MessageSink, Mirror, decode};
use matcher::{
    Command, InstrumentId, MassCancelScope, NewOrder, OrderNumber, Phase, Price, Qty, ReplaceOrder,
    SessionId, Side, TimeInForce, Timestamp,
};

use crate::support::{Market, Random, instrument};

const SESSION: [u8; 10] = *b"VESTA00001";
const US: u64 = 1_000;

/// A market in which orders come and go, and its messages so far.
struct Venue {
    market: Market,
    random: Random,
    /// Of the session, by number from 1: instrument and side.
    orders: Vec<(InstrumentId, Side)>,
    messages: Vec<Vec<u8>>,
    standing: Standing,
}

impl Venue {
    fn new(seed: u64) -> Venue {
        let mut venue = Venue {
            market: Market::new(),
            random: Random::new(seed),
            orders: Vec::new(),
            messages: Vec::new(),
            standing: Standing::new(),
        };
        let configured = venue.market.configure();
        venue.heard(configured.messages);
        for symbol in ["EURUSD", "GOLD"] {
            let defined = venue.market.define_instrument(instrument(symbol, 4, 1)).1;
            venue.heard(defined.messages);
        }
        venue.market.define_session();
        venue
    }

    fn heard(&mut self, messages: Vec<Vec<u8>>) {
        for message in messages {
            self.standing.message(&message);
            self.messages.push(message);
        }
    }

    /// One command of a client, or of the operator.
    fn turn(&mut self) {
        let random = &mut self.random;
        let instrument = InstrumentId(u32::try_from(random.below(2)).unwrap());
        let known = random.index(self.orders.len().max(1));
        let target = OrderNumber(u32::try_from(known + 1).unwrap());
        let price = Price::from_ticks(i64::try_from(95 + random.below(10)).unwrap());
        let qty = Qty::from_lots(1 + random.below(50));
        let (session, command) = match random.below(1_000) {
            0 => (SessionId::VENUE, Command::SetPhase { instrument, phase: Phase::Halt }),
            1..=4 => (SessionId::VENUE, Command::SetPhase { instrument, phase: Phase::Continuous }),
            5 => (SessionId(1), Command::MassCancel(MassCancelScope::Session)),
            6 => (SessionId::VENUE, Command::ExpireDay),
            7..=200 => (SessionId(1), Command::Cancel { target }),
            201..=400 if !self.orders.is_empty() => {
                let (instrument, side) = self.orders[known];
                self.orders.push((instrument, side));
                let number = OrderNumber(u32::try_from(self.orders.len()).unwrap());
                let replace = ReplaceOrder { number, target, instrument, side, price, qty };
                (SessionId(1), Command::Replace(replace))
            }
            _ => {
                let side = if random.below(2) == 0 { Side::Buy } else { Side::Sell };
                self.orders.push((instrument, side));
                let number = OrderNumber(u32::try_from(self.orders.len()).unwrap());
                let limit = NewOrder::limit(instrument, side, price, qty);
                let time_in_force =
                    if random.below(4) == 0 { TimeInForce::Day } else { TimeInForce::Gtc };
                (SessionId(1), Command::New(NewOrder { number, time_in_force, ..limit }))
            }
        };
        let turn = self.market.turn(session, command);
        self.heard(turn.messages);
    }

    fn snapshot(&self) -> VecDeque<Vec<u8>> {
        let mut messages = VecDeque::new();
        self.standing.snapshot(self.market.now, |message| messages.push_back(message.to_vec()));
        messages
    }
}

/// One receiver and the ways to it.
struct Reader {
    receiver: Receiver,
    lines: &'static [Source],
    /// Of a hundred packets so many are lost, on each way.
    lost: u64,
    heard: Vec<(u64, Message)>,
    /// What is on its way to it.
    packets: VecDeque<(Source, Vec<u8>)>,
    snapshot: Option<VecDeque<Vec<u8>>>,
}

impl Reader {
    fn new(config: ReceiverConfig, lines: &'static [Source], lost: u64) -> Reader {
        Reader {
            receiver: Receiver::new(config),
            lines,
            lost,
            heard: Vec::new(),
            packets: VecDeque::new(),
            snapshot: None,
        }
    }

    fn multicast(&mut self, packet: &[u8], random: &mut Random) {
        for line in self.lines {
            if random.below(100) < self.lost {
                continue;
            }
            self.packets.push_back((*line, packet.to_vec()));
            // Now and then one overtakes the one before.
            let last = self.packets.len() - 1;
            if last > 0 && random.below(20) == 0 {
                self.packets.swap(last, last - 1);
            }
        }
    }

    fn step(&mut self, now: Timestamp, venue: &Venue, random: &mut Random) {
        let heard = &mut self.heard;
        while let Some((source, packet)) = self.packets.pop_front() {
            let taken =
                self.receiver.packet(source, &packet, |n, message| heard.push((n, *message)));
            taken.unwrap();
        }
        // A snapshot takes its time.
        for _ in 0..40 {
            let Some(message) = self.snapshot.as_mut().and_then(VecDeque::pop_front) else { break };
            let taken = self.receiver.snapshot_message(now, &message, |n, message| {
                heard.push((n, *message));
            });
            if taken.unwrap() {
                self.snapshot = None;
            }
        }
        while let Some(wants) = self.receiver.wants(now) {
            match wants {
                Wants::Snapshot => self.snapshot = Some(venue.snapshot()),
                Wants::Request(request) => {
                    assert_eq!(MoldRequest::parse(&request.encode()), Ok(request));
                    let from = usize::try_from(request.sequence - 1).unwrap();
                    let messages = venue.messages[from..].iter().map(Vec::as_slice);
                    // A request may be lost, and so may its answer.
                    if random.below(100) >= self.lost {
                        answer(&request, messages, |packet| {
                            if random.below(100) >= self.lost {
                                self.packets.push_back((Source::Answer, packet.to_vec()));
                            }
                        });
                    }
                }
            }
        }
    }
}

fn assert_same(one: &Mirror, other: &Mirror) {
    assert_eq!(one.orders_len(), other.orders_len());
    for locate in 1..=2 {
        assert_eq!(one.status(locate), other.status(locate));
        for side in [Side::Buy, Side::Sell] {
            assert!(one.orders(locate, side).eq(other.orders(locate, side)));
        }
    }
}

const BOTH: &[Source] = &[Source::LineA, Source::LineB];
const ONE: &[Source] = &[Source::LineB];

/// Runs a session over which every receiver loses packets; what each of them ended with.
fn session(seed: u64, mut readers: Vec<Reader>) -> (Venue, Vec<Reader>) {
    let (mut venue, mut random) = (Venue::new(seed), Random::new(seed ^ 0xA5));
    let mut sender = MoldSender::new(SESSION, 1);
    let mut now = 0_u64;
    let mut sent = 0;
    for round in 0..4_000 {
        if round < 1_500 {
            for _ in 0..random.below(6) {
                venue.turn();
            }
        }
        let mut packets = Vec::new();
        let mut send = |packet: &[u8]| packets.push(packet.to_vec());
        let at = Timestamp(now);
        for message in &venue.messages[sent..] {
            sender.push(at, message, &mut send);
        }
        sent = venue.messages.len();
        match round {
            1_500 => sender.end(at, &mut send),
            _ => {
                sender.flush(at, &mut send);
                sender.tick(at, &mut send);
            }
        }
        for reader in &mut readers {
            packets.iter().for_each(|packet| reader.multicast(packet, &mut random));
            reader.step(at, &venue, &mut random);
        }
        // At the end heartbeats, of which some are lost, tell how far it is.
        now += if round < 1_500 { 200 * US } else { 50_000 * US };
    }
    (venue, readers)
}

#[test]
fn with_one_packet_of_twenty_lost_every_message_has_its_turn() {
    for seed in [1, 2, 3, 4] {
        let config = ReceiverConfig { start: Start::Message(1), ..ReceiverConfig::default() };
        let alone = ReceiverConfig { has_snapshots: false, ..config };
        let readers = vec![
            Reader::new(config, BOTH, 5),
            Reader::new(config, ONE, 5),
            Reader::new(alone, ONE, 30),
        ];
        let (venue, readers) = session(seed, readers);
        let said: Vec<Message> = venue.messages.iter().map(|it| decode(it).unwrap()).collect();
        assert!(said.len() > 2_000);
        for reader in &readers {
            let receiver = &reader.receiver;
            assert!(receiver.is_complete(), "seed {seed}: {:?}", receiver.stats());
            let expected = (1..).zip(said.iter().copied());
            assert!(reader.heard.iter().copied().eq(expected), "seed {seed}");
            assert_same(receiver.mirror(), &venue.market.mirror);
            assert_eq!(receiver.stats().snapshots, 0);
        }
        // Of two lines that lose one of twenty, one of four hundred is lost on both.
        let [both, one, _] = &readers[..] else { unreachable!() };
        let requests = |reader: &Reader| reader.receiver.stats().requests;
        assert!(requests(both) * 4 < requests(one), "{} {}", requests(both), requests(one));
    }
}

#[test]
fn a_snapshot_and_what_comes_after_it_are_the_books() {
    for seed in [11, 12, 13, 14] {
        let config = ReceiverConfig::default();
        let readers = vec![
            Reader::new(config, BOTH, 5),
            Reader::new(config, ONE, 5),
            // Who cannot ask takes a snapshot for each message that is lost.
            Reader::new(ReceiverConfig { has_requests: false, ..config }, BOTH, 5),
            // Who holds next to nothing asks for the more.
            Reader::new(ReceiverConfig { held_packets_max: 2, ..config }, ONE, 20),
            // So few behind is far.
            Reader::new(ReceiverConfig { behind_max: 3, ..config }, ONE, 20),
        ];
        let (venue, readers) = session(seed, readers);
        for reader in &readers {
            let receiver = &reader.receiver;
            assert!(receiver.is_complete(), "seed {seed}: {:?}", receiver.stats());
            assert_same(receiver.mirror(), &venue.market.mirror);
            assert_eq!(receiver.next(), venue.messages.len() as u64 + 1);
        }
        assert_eq!(readers[0].receiver.stats().snapshots, 1);
        assert!(readers[2].receiver.stats().snapshots > 1);
        assert!(readers[4].receiver.stats().snapshots > 1);
    }
}

/// At every turn: the books of an engine, of the messages so far, and of the snapshot of either.
#[test]
fn a_snapshot_is_what_stands_wherever_it_is_made() {
    let mut venue = Venue::new(21);
    for round in 0..600 {
        venue.turn();
        let next = venue.messages.len() as u64 + 1;
        let time = (venue.market.now, None);
        let of_engine = Standing::of(&venue.market.engine, next - 1, time);
        for standing in [&venue.standing, &of_engine] {
            let mut reader = feed::glimpse::SnapshotReader::new();
            let (mut kinds, mut went_on) = (String::new(), None);
            standing.snapshot(venue.market.now, |message| {
                kinds.push(char::from(message[0]));
                went_on = reader.message(message).unwrap();
            });
            assert_eq!(went_on, Some(next), "round {round}");
            assert!(kinds.starts_with("SRRHH") && kinds.ends_with('G'), "{kinds}");
            assert!(kinds[5..kinds.len() - 1].chars().all(|kind| kind == 'A'), "{kinds}");
            assert_same(&reader.into_mirror(), &venue.market.mirror);
        }
        assert_same(of_engine.mirror(), venue.standing.mirror());
    }
    assert!(venue.standing.failed().is_none() && venue.market.mirror.orders_len() > 0);
}

#[test]
fn the_end_of_a_snapshot_is_twenty_digits() {
    assert_eq!(&encode_snapshot_end(1_204), b"G00000000000000001204");
    assert_eq!(&encode_snapshot_end(u64::MAX), b"G18446744073709551615");
    for next in [0, 1, 1_204, u64::MAX] {
        assert_eq!(decode_snapshot_end(&encode_snapshot_end(next)), Some(next));
    }
    assert_eq!(decode_snapshot_end(b"G1204                "), Some(1_204));
    assert_eq!(decode_snapshot_end(b"G                1204"), Some(1_204));
    for wrong in [
        &b"G"[..],
        b"G                    ",
        b"G0000000000000000120",
        b"G000000000000000012045",
        b"G0000000000000000-204",
        b"G18446744073709551616",
        b"S00000000000000001204",
    ] {
        assert_eq!(decode_snapshot_end(wrong), None, "{}", wrong.escape_ascii());
    }
}

/// Whatever comes on a line, from the request server or as a snapshot: an error at most, and a bounded receiver.
#[test]
fn noise_harms_no_receiver() {
    let mut venue = Venue::new(51);
    (0..400).for_each(|_| venue.turn());
    let mut random = Random::new(52);
    let mut sender = MoldSender::new(SESSION, 1);
    let mut packets = Vec::new();
    for message in &venue.messages {
        sender.push(Timestamp(1), message, |packet| packets.push(packet.to_vec()));
    }
    let config = ReceiverConfig { held_packets_max: 4, ..ReceiverConfig::default() };
    let mut receiver = Receiver::new(config);
    let mut snapshot = VecDeque::new();
    for n in 0..20_000_u64 {
        let now = Timestamp(n * 10 * US * 1_000);
        let mut packet = packets[random.index(packets.len())].clone();
        for _ in 0..random.below(4) {
            let at = random.index(packet.len());
            packet[at] = random.byte();
        }
        if random.below(3) > 0 {
            packet[..10].copy_from_slice(&SESSION);
        }
        packet.truncate(packet.len() - random.index(3).min(packet.len()));
        let source = [Source::LineA, Source::LineB, Source::Answer][random.index(3)];
        let _ = receiver.packet(source, &packet, |_, _| {});
        if let Some(mut message) = snapshot.pop_front() {
            if random.below(50) == 0 {
                message = random.bytes(12);
            }
            let _ = receiver.snapshot_message(now, &message, |_, _| {});
        }
        match receiver.wants(now) {
            Some(Wants::Snapshot) => snapshot = venue.snapshot(),
            Some(Wants::Request(request)) => assert!(request.count > 0),
            None => {}
        }
    }
    assert!(receiver.stats().snapshots > 0 && receiver.stats().requests > 0);
    // Once it is quiet, a snapshot is enough, whatever numbers were heard of.
    for n in 0..4_u64 {
        let now = Timestamp((1_000 + n) * 1_000_000_000_000);
        let mut asked = 0;
        while let Some(wants) = receiver.wants(Timestamp(now.0 + asked * 1_000_000_000)) {
            asked += 1;
            if wants == Wants::Snapshot {
                for message in venue.snapshot() {
                    let _ = receiver.snapshot_message(now, &message, |_, _| {});
                }
            }
            assert!(asked < 100);
        }
    }
    assert!(receiver.is_current());
    assert_same(receiver.mirror(), &venue.market.mirror);
}

#[test]
fn what_cannot_be_true_makes_a_receiver_want_a_snapshot() {
    let mut venue = Venue::new(31);
    (0..200).for_each(|_| venue.turn());
    let now = Timestamp(5);
    let packet = |next: u64, messages: &[Vec<u8>]| {
        let (mut sender, mut sent) = (MoldSender::new(SESSION, next), Vec::new());
        messages.iter().for_each(|message| sender.push(now, message, |it| sent.push(it.to_vec())));
        sender.flush(now, |it| sent.push(it.to_vec()));
        sent
    };
    let config = ReceiverConfig { start: Start::Message(1), ..ReceiverConfig::default() };
    let mut receiver = Receiver::new(config);
    for bytes in packet(1, &venue.messages) {
        receiver.packet(Source::LineA, &bytes, |_, _| {}).unwrap();
    }
    assert_same(receiver.mirror(), &venue.market.mirror);
    // An execution of an order that is nowhere.
    let next = receiver.next();
    let wrong = crate::support::unhex(
        "45 0001 0000 1f1ad635bd15 00000000ffffffff 00000001 0000000000000001",
    );
    for bytes in packet(next, &[wrong]) {
        let said = receiver.packet(Source::LineA, &bytes, |_, _| panic!("not heard"));
        assert!(matches!(said, Err(ReceiverError::Mirror { sequence, .. }) if sequence == next));
    }
    assert!(!receiver.is_current());
    assert_eq!(receiver.wants(now), Some(Wants::Snapshot));
    assert_eq!(receiver.wants(now), None);
    // It cannot be had; after a while it is wanted again.
    receiver.snapshot_failed(now);
    assert_eq!(receiver.wants(now), None);
    assert_eq!(receiver.wants(Timestamp(2_000_000_000)), Some(Wants::Snapshot));
    // Nor is this one.
    let bad = receiver.snapshot_message(now, b"A", |_, _| {});
    assert!(matches!(bad, Err(ReceiverError::Snapshot(_))));
    assert_eq!(receiver.wants(Timestamp(4_000_000_000)), Some(Wants::Snapshot));
    for message in venue.snapshot() {
        receiver.snapshot_message(now, &message, |_, _| {}).unwrap();
    }
    assert!(receiver.is_current());
    assert_same(receiver.mirror(), &venue.market.mirror);

    // What is of another session, or nothing at all, changes nothing.
    let mut other = packet(receiver.next(), &[venue.messages[0].clone()]).remove(0);
    other[0] = b'X';
    let said = receiver.packet(Source::LineB, &other, |_, _| {});
    assert!(matches!(said, Err(ReceiverError::Mold(MoldError::OtherSession { .. }))));
    assert!(receiver.packet(Source::LineB, b"noise", |_, _| {}).is_err());
    assert!(receiver.is_current());
}
