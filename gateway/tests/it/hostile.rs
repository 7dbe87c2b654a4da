//! Hostile peers against the whole session machine, and our own client against it.

use gateway::fix::client::{Client, ClientConfig, Health, Incoming};
use gateway::fix::{CompId, DecodeError, Fields, Version, decode};
use matcher::{MsgSeqNum, Timestamp};

use crate::decode::mutated_stream;
use crate::random::Random;
use crate::session::{Venue, message, profile, time};

const MS: u64 = 1_000_000;

/// A peer that logs on, breaks off, sends rubbish, skips and repeats numbers, at any pace. The venue in
/// `session.rs` checks on the way that numbers have no holes, that what is written can be read, and that
/// nothing is sent again that was never sent.
#[test]
fn random_peers() {
    for seed in 0..300 {
        let mut random = Random::new(seed);
        let mut venue = Venue::new(time("09:30:00"), profile());
        let mut number = 1;
        for _ in 0..120 {
            if !venue.is_open() {
                venue.connect();
                let text = match random.below(4) {
                    0 => format!("A 34={} 98=0 108=30", random.below(40)),
                    1 => "A 34=1 98=0 108=5 141=Y".to_owned(),
                    _ => format!("A 34={} 98=0 108=10", venue.session.next_inbound()),
                };
                let bytes = message(venue.now, &text);
                venue.receive(&bytes);
                venue.turn();
                number = venue.session.next_inbound().0;
                continue;
            }
            let off = match random.below(12) {
                0 => random.below(6) as u32,
                1 => 0u32.wrapping_sub(random.below(4) as u32),
                _ => 0,
            };
            let at = number.wrapping_add(off) & 0x7fff_ffff;
            let other = random.below(30);
            let text = match random.below(16) {
                0 => format!("0 34={at}"),
                1 => format!("1 34={at} 112=T{other}"),
                2 => format!("2 34={at} 7={other} 16={}", random.below(30)),
                3 => format!("2 34={at} 7=1 16=0"),
                4 => format!("3 34={at} 45=1"),
                5 => format!("4 34={at} 36={} 123=Y", at.saturating_add(other as u32)),
                6 => format!("4 34=0 36={}", at.saturating_add(other as u32)),
                7 if other < 5 => format!("5 34={at}"),
                8 => format!("0 34={at} 43=Y 122=-{other}s"),
                9 => format!("D 34={at} 43=Y 11=a 21=1 40=1 54=1 55=X 60=20260102-09:30:00"),
                10 if other < 3 => format!("A 34={at} 98=0 108=30 141=Y"),
                11 => format!("{} 34={at} 58=x", ["8", "AE", "*", "j", "H"][other as usize % 5]),
                _ => format!("D 34={at} 11=o{at} 21=1 40=1 54=1 55=X 60=20260102-09:30:00"),
            };
            match random.below(20) {
                0 => {
                    let bytes = mutated_stream(&mut random);
                    venue.receive(&bytes);
                }
                1 => {
                    let mut bytes = message(venue.now, &text);
                    let place = random.below(bytes.len() as u64) as usize;
                    bytes[place] = random.below(256) as u8;
                    venue.receive(&bytes);
                }
                2 => venue.disconnect(),
                3 => venue.pass(Timestamp(venue.now.0 + random.below(15_000) * MS)),
                4 => {
                    let bytes = message(venue.now, &text);
                    let (first, second) = bytes.split_at(random.below(bytes.len() as u64) as usize);
                    venue.receive(first);
                    venue.turn();
                    venue.receive(second);
                }
                _ => {
                    let bytes = message(venue.now, &text);
                    venue.receive(&bytes);
                }
            }
            if random.below(3) > 0 {
                venue.turn();
            }
            number = match random.below(8) {
                0 => number.saturating_add(1),
                _ => venue.session.next_inbound().0,
            };
        }
        venue.turn();
        assert!(venue.session.last_outbound().0 > 0, "seed {seed}");
    }
}

/// What a client sent and what it was told, over connections that break at any moment.
struct Trader {
    client: Client,
    /// Bytes on their way to the venue and to the client.
    up: Vec<u8>,
    down: Vec<u8>,
    /// ClOrdIDs answered, in order.
    told: Vec<String>,
}

impl Trader {
    fn take(&mut self, now: Timestamp) {
        let mut fields = Fields::new();
        loop {
            let down = std::mem::take(&mut self.down);
            let used = match decode(&down, &mut fields) {
                Ok((message, used)) => {
                    let incoming = self.client.receive(now, &message, &mut self.up);
                    self.told(incoming);
                    while let Some(kept) = self.client.next_queued() {
                        let mut fields = Fields::new();
                        let (message, _) = decode(&kept, &mut fields).unwrap();
                        let incoming = self.client.receive(now, &message, &mut self.up);
                        self.told(incoming);
                    }
                    used
                }
                Err(DecodeError::Incomplete) => {
                    self.down = down;
                    return;
                }
                Err(error) => panic!("the venue wrote {error}"),
            };
            self.down = down[used..].to_vec();
        }
    }

    fn told(&mut self, incoming: Incoming<'_>) {
        match incoming {
            Incoming::Application(report) => {
                assert_eq!(report.msg_type(), b"8");
                let id = report.get(11).unwrap();
                self.told.push(String::from_utf8(id.to_vec()).unwrap());
            }
            Incoming::Broken(breach) => panic!("{breach}"),
            Incoming::Rejected(reject) => panic!("{reject:?}"),
            _ => {}
        }
    }
}

/// Every order of a client is answered exactly once and in order, however often the connection breaks
/// and whatever was lost with it.
#[test]
fn client_and_session_lose_nothing() {
    for seed in 0..200 {
        let mut random = Random::new(seed);
        let mut venue = Venue::new(time("09:30:00"), profile());
        let config = ClientConfig {
            version: Version::Fix44,
            sender: CompId::new(b"C1").unwrap(),
            target: CompId::new(b"VESTA").unwrap(),
            username: None,
            password: None,
            heartbeat_s: 10,
            reset: seed % 2 == 0,
            next_out: MsgSeqNum(1),
            next_in: MsgSeqNum(1),
        };
        let mut trader = Trader {
            client: Client::new(config),
            up: Vec::new(),
            down: Vec::new(),
            told: Vec::new(),
        };
        let mut sent = Vec::new();
        let mut steps = 0;
        while sent.len() < 60 || trader.told.len() < sent.len() {
            steps += 1;
            assert!(steps < 20_000, "seed {seed}: {} of {}", trader.told.len(), sent.len());
            if !venue.is_open() {
                trader.client.disconnected();
                trader.up.clear();
                trader.down.clear();
                venue.connect();
                trader.client.logon(venue.now, &mut trader.up);
            }
            match random.below(12) {
                0..4 if trader.client.is_logged_on() && sent.len() < 60 => {
                    let id = format!("o{}", sent.len());
                    let body = |order: &mut gateway::fix::Encoder<'_>| {
                        order.bytes(11, id.as_bytes()).char(40, b'1').char(54, b'1');
                        order.bytes(55, b"X").utc(60, Timestamp(0));
                    };
                    trader.client.send(venue.now, b"D", body, &mut trader.up);
                    sent.push(id);
                }
                // Some bytes get through.
                4..7 => {
                    let len = random.below(trader.up.len() as u64 + 1) as usize;
                    let bytes: Vec<u8> = trader.up.drain(..len).collect();
                    venue.receive(&bytes);
                }
                7 | 8 => venue.turn(),
                9 => {
                    // The rest that was written is lost when the connection breaks.
                    trader.down.append(&mut venue.sent);
                    trader.take(venue.now);
                }
                10 if random.below(6) == 0 => venue.disconnect(),
                _ => {
                    venue.pass(Timestamp(venue.now.0 + random.below(2_000) * MS));
                    if trader.client.tick(venue.now, &mut trader.up) == Health::Silent {
                        venue.disconnect();
                    }
                }
            }
            if !venue.is_open() {
                venue.sent.clear();
            }
        }
        assert_eq!(trader.told, sent, "seed {seed}");
    }
}
