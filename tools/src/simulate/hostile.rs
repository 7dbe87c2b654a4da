//! Those who keep no rules: noise, half messages, wrong numbers, storms, and peers that never read.

use gateway::fix::{Encoder, Header, Identity, Version, tag};
use matcher::{MsgSeqNum, Timestamp};

use super::faults::{Counts, Fault};
use super::net::{ConnId, Leave, Net, Port};
use super::plan::{HOSTILE, SYMBOLS, VENUE};
use crate::random::Random;

const SECOND: u64 = 1_000_000_000;

/// One that tries everything, with several connections.
pub(super) struct Hostile {
    pub(super) counts: Counts,
    random: Random,
    identity: Identity,
    conns: Vec<Opened>,
    next_at: u64,
    calm: bool,
}

struct Opened {
    id: ConnId,
    until: u64,
    /// The number of its next message, if it is logged on.
    number: Option<u32>,
    reads: bool,
}

impl Hostile {
    pub(super) fn new(began: u64, random: Random) -> Hostile {
        let identity = Identity::new(Version::Fix44, HOSTILE.as_bytes(), VENUE.as_bytes());
        Hostile {
            counts: Counts::default(),
            random,
            identity: identity.expect("a CompID of our own"),
            conns: Vec::new(),
            next_at: began + SECOND,
            calm: false,
        }
    }

    pub(super) fn calm_down(&mut self, net: &Net) {
        self.calm = true;
        for conn in self.conns.drain(..) {
            net.client_done(conn.id);
        }
    }

    pub(super) fn next(&self) -> u64 {
        if self.calm { u64::MAX } else { self.next_at }
    }

    pub(super) fn step(&mut self, now: u64, net: &Net) {
        self.next_at = now + self.random.below(2 * SECOND) + 1;
        let (random, conns) = (&mut self.random, &mut self.conns);
        conns.retain(|conn| {
            if conn.reads {
                let mut buf = [0; 4_096];
                while matches!(net.client_read(conn.id, &mut buf), Ok(len) if len > 0) {}
            }
            if conn.until > now {
                return true;
            }
            match random.below(4) {
                0 => net.client_leaves(conn.id, Leave::Reset),
                1 => net.client_leaves(conn.id, Leave::Vanish),
                _ => net.client_leaves(conn.id, Leave::Close),
            }
            false
        });
        let logged_on = self.conns.iter().position(|conn| conn.number.is_some());
        match (logged_on, self.random.below(10)) {
            (Some(at), 0..8) => self.misbehave(at, now, net),
            (None, 0..4) => self.log_on(now, net),
            (_, 4 | 5) => self.noise(now, net),
            (_, 6 | 7) => self.bad_logon(now, net),
            (_, 8) => self.storm(now, net),
            _ => {}
        }
    }

    fn open(&mut self, now: u64, net: &Net, number: Option<u32>) -> Option<ConnId> {
        let id = net.connect(Port::Fix)?;
        let until = now + self.random.below(25 * SECOND);
        let reads = self.random.below(3) > 0;
        self.conns.push(Opened { id, until, number, reads });
        Some(id)
    }

    fn message(
        &self,
        now: u64,
        number: u32,
        msg_type: &[u8],
        body: impl FnOnce(&mut Encoder<'_>),
    ) -> Vec<u8> {
        let mut out = Vec::new();
        let now = Timestamp(now);
        let header = Header { msg: MsgSeqNum(number), sending_time: now, resend: false, now };
        let mut message = self.identity.begin(&mut out, msg_type, &header);
        body(&mut message);
        message.finish();
        out
    }

    fn logon(&self, now: u64) -> Vec<u8> {
        self.message(now, 1, b"A", |logon| {
            logon.uint(tag::ENCRYPT_METHOD, 0).uint(tag::HEART_BT_INT, 5);
            logon.char(tag::RESET_SEQ_NUM_FLAG, b'Y');
        })
    }

    fn log_on(&mut self, now: u64, net: &Net) {
        let logon = self.logon(now);
        if let Some(id) = self.open(now, net, Some(2)) {
            let _ = net.client_write(id, &logon);
        }
    }

    fn noise(&mut self, now: u64, net: &Net) {
        self.counts.add(Fault::Garbage);
        let len = 1 + self.random.below(900);
        let bytes: Vec<u8> = (0..len).map(|_| self.random.next().to_le_bytes()[0]).collect();
        if let Some(id) = self.open(now, net, None) {
            let _ = net.client_write(id, &bytes);
        }
    }

    fn bad_logon(&mut self, now: u64, net: &Net) {
        self.counts.add(Fault::BadLogon);
        let stranger = Identity::new(Version::Fix44, b"NOBODY", VENUE.as_bytes());
        let ours = self.identity;
        let bytes = match self.random.below(4) {
            0 => {
                if let Some(stranger) = stranger {
                    self.identity = stranger;
                }
                self.logon(now)
            }
            1 => self.message(now, 1, b"D", |_| {}),
            2 => self.logon(now + 900 * SECOND),
            _ => self.message(now, 77, b"A", |logon| {
                logon.uint(tag::ENCRYPT_METHOD, 0).uint(tag::HEART_BT_INT, 999_999);
            }),
        };
        self.identity = ours;
        if let Some(id) = self.open(now, net, None) {
            let _ = net.client_write(id, &bytes);
        }
    }

    fn storm(&mut self, now: u64, net: &Net) {
        self.counts.add(Fault::LogonStorm);
        let logon = self.logon(now);
        for _ in 0..8 + self.random.below(20) {
            let Some(id) = self.open(now, net, None) else { return };
            if self.random.below(2) == 0 {
                let _ = net.client_write(id, &logon);
            }
        }
    }

    fn misbehave(&mut self, at: usize, now: u64, net: &Net) {
        let id = self.conns[at].id;
        let number = self.conns[at].number.unwrap_or(1);
        let mut next = number + 1;
        let bytes = match self.random.below(12) {
            0 => {
                self.counts.add(Fault::WrongNumber);
                next = number;
                let wrong = match self.random.below(3) {
                    0 => number + 1 + u32::try_from(self.random.below(2_000)).unwrap_or(0),
                    1 => 1,
                    _ => u32::MAX,
                };
                self.message(now, wrong, b"0", |_| {})
            }
            1 => {
                self.counts.add(Fault::CutMessage);
                let whole = self.order(now, number);
                let cut = usize::try_from(self.random.below(whole.len() as u64)).unwrap_or(0);
                // Sometimes the rest never comes, sometimes another message does.
                if self.random.below(2) == 0 {
                    self.conns[at].number = None;
                    self.conns[at].until = now + self.random.below(SECOND);
                }
                whole[..cut].to_vec()
            }
            2 => {
                self.counts.add(Fault::HugeMessage);
                if self.random.below(2) == 0 {
                    let text = vec![b'x'; 7_000];
                    self.message(now, number, b"B", |news| {
                        news.bytes(tag::TEXT, &text);
                    })
                } else {
                    let mut bytes = b"8=FIX.4.4\x019=900000\x0135=D\x01".to_vec();
                    bytes.resize(20_000, b'7');
                    bytes
                }
            }
            3 => {
                self.counts.add(Fault::WrongFields);
                let (one, two) = (self.random.below(1_200), self.random.below(1_200));
                self.message(now, number, b"D", |order| {
                    for wrong in [one, two, 44, 38] {
                        let wrong = u32::try_from(wrong).unwrap_or(1).max(1);
                        order.bytes(wrong, b"-1.x");
                    }
                })
            }
            4 => {
                self.counts.add(Fault::ResendStorm);
                let mut bytes = Vec::new();
                for more in 0..4 {
                    bytes.extend(self.message(now, number + more, b"2", |request| {
                        request.uint(tag::BEGIN_SEQ_NO, 1).uint(tag::END_SEQ_NO, 0);
                    }));
                }
                next = number + 4;
                bytes
            }
            5 => self.message(now, number, b"1", |request| {
                request.bytes(tag::TEST_REQ_ID, b"are you there");
            }),
            6 => {
                self.counts.add(Fault::WrongNumber);
                next = number + 3;
                self.message(now, number, b"4", |reset| {
                    reset.uint(tag::NEW_SEQ_NO, u64::from(number) + 3);
                })
            }
            7 => {
                self.counts.add(Fault::Garbage);
                next = number;
                let mut bytes = self.order(now, number);
                let len = bytes.len() as u64;
                let wrong = usize::try_from(self.random.below(len)).unwrap_or(0);
                bytes[wrong] ^= 0x15;
                bytes
            }
            _ => {
                let mut bytes = Vec::new();
                for more in 0..1 + u32::try_from(self.random.below(5)).unwrap_or(0) {
                    bytes.extend(self.order(now, number + more));
                    next = number + more + 1;
                }
                bytes
            }
        };
        if let Some(conn) = self.conns.get_mut(at)
            && conn.number.is_some()
        {
            conn.number = Some(next);
        }
        let _ = net.client_write(id, &bytes);
    }

    fn order(&mut self, now: u64, number: u32) -> Vec<u8> {
        let side = if self.random.below(2) == 0 { b'1' } else { b'2' };
        let symbol = SYMBOLS[usize::try_from(self.random.below(2)).unwrap_or(0)];
        let price = self.random.between(9_985, 10_015);
        let qty = 1 + self.random.below(60);
        let id = format!("H{now}-{number}");
        self.message(now, number, b"D", |order| {
            order.bytes(tag::CL_ORD_ID, id.as_bytes());
            order.bytes(tag::SYMBOL, symbol.as_bytes()).char(tag::SIDE, side);
            order.utc(tag::TRANSACT_TIME, Timestamp(now)).uint(tag::ORDER_QTY, qty);
            order.char(tag::ORD_TYPE, b'2').decimal(tag::PRICE, price, 2);
            order.char(tag::TIME_IN_FORCE, b'1');
        })
    }
}
