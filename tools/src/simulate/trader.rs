//! A client that keeps the rules: our own session machine, a ledger, and orders by a seed.

use gateway::fix::client::{Breach, Client, ClientConfig, Health, Incoming};
use gateway::fix::{CompId, DecodeError, Fields, Version, decode, tag};
use matcher::{MsgSeqNum, SessionId, Timestamp};

use super::faults::{Counts, Fault};
use super::ledger::{Kind, Ledger};
use super::net::{ConnId, Leave, Net, Port};
use super::plan::{self, Plan, SYMBOLS};
use crate::random::Random;

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;

/// How long a Logon may wait for its answer.
const LOGON_NS: u64 = 12 * SECOND;

/// One session and whoever speaks for it.
pub(super) struct Trader {
    pub(super) session: SessionId,
    pub(super) ledger: Ledger,
    pub(super) counts: Counts,
    /// Messages sent that ask for something.
    pub(super) commands: u64,
    comp_id: String,
    client: Client,
    heartbeat_s: u32,
    random: Random,
    fields: Box<Fields>,
    conn: Option<ConnId>,
    connected_at: u64,
    connect_at: u64,
    acts_at: u64,
    reads_from: u64,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
    next_id: u64,
    /// No more orders and no more faults.
    calm: bool,
    pace_ns: u64,
    fault_per_mille: u64,
}

impl Trader {
    pub(super) fn new(plan: &Plan, index: usize, random: Random) -> Trader {
        let comp_id = plan::comp_id(index);
        let mut trader = Trader {
            session: SessionId(u32::try_from(index + 1).unwrap_or(0)),
            ledger: Ledger::default(),
            counts: Counts::default(),
            commands: 0,
            client: client(&comp_id, plan.heartbeat_s, 1, 1),
            comp_id,
            heartbeat_s: plan.heartbeat_s,
            random,
            fields: Box::new(Fields::new()),
            conn: None,
            connected_at: 0,
            connect_at: plan.began,
            acts_at: 0,
            reads_from: 0,
            inbox: Vec::new(),
            outbox: Vec::new(),
            next_id: 1,
            calm: false,
            pace_ns: plan.pace_ns,
            fault_per_mille: plan.client_fault_per_mille,
        };
        trader.connect_at += trader.random.below(SECOND);
        trader
    }

    /// From now on it only listens.
    pub(super) fn calm_down(&mut self) {
        (self.calm, self.reads_from) = (true, 0);
    }

    /// The number of the venue's next message, as we expect it.
    pub(super) fn next_in(&self) -> u32 {
        self.client.next_in().0
    }

    /// Whether it is logged on, misses nothing, and has nothing left to say.
    pub(super) fn is_at_rest(&self) -> bool {
        self.client.is_logged_on() && !self.client.has_gap() && self.outbox.is_empty()
    }

    /// When it wants to be called next.
    pub(super) fn next(&self, now: u64, net: &Net) -> u64 {
        let Some(conn) = self.conn else { return self.connect_at.max(now) };
        let heard = net.next_for_client(conn).map_or(u64::MAX, |at| at.max(self.reads_from));
        let timer = self.client.deadline().map_or(u64::MAX, |at| at.0.max(now + MS));
        let acts = if self.client.is_logged_on() {
            if self.calm { u64::MAX } else { self.acts_at }
        } else {
            self.connected_at + LOGON_NS
        };
        let writes = if self.outbox.is_empty() { u64::MAX } else { now + 2 * MS };
        heard.min(timer).min(acts).min(writes).max(now)
    }

    /// Does what is due.
    pub(super) fn step(&mut self, now: u64, net: &Net) -> Result<(), String> {
        let Some(conn) = self.conn else {
            if now >= self.connect_at {
                self.connect(now, net);
            }
            return Ok(());
        };
        if now >= self.reads_from {
            self.read(conn, now, net)?;
        }
        if self.conn.is_none() {
            return Ok(());
        }
        let due = self.client.deadline().is_some_and(|at| at.0 <= now);
        if due && self.client.tick(Timestamp(now), &mut self.outbox) == Health::Silent {
            self.leave(now, net, None);
            return Ok(());
        }
        if !self.client.is_logged_on() {
            if now >= self.connected_at + LOGON_NS {
                self.leave(now, net, None);
                return Ok(());
            }
        } else if !self.calm && now >= self.acts_at {
            self.act(now, net);
        }
        self.flush(now, net);
        Ok(())
    }

    fn connect(&mut self, now: u64, net: &Net) {
        let Some(conn) = net.connect(Port::Fix) else {
            self.connect_at = now + 100 * MS + self.random.below(SECOND);
            return;
        };
        if !self.calm && self.chance(20) {
            // Another process takes over: it knows the numbers, not the messages.
            self.counts.add(Fault::ClientForgot);
            let (next_out, next_in) = (self.client.next_out().0, self.client.next_in().0);
            self.client = client(&self.comp_id, self.heartbeat_s, next_out, next_in);
            self.ledger.forget();
        }
        self.conn = Some(conn);
        self.connected_at = now;
        self.reads_from = 0;
        self.inbox.clear();
        self.outbox.clear();
        self.client.logon(Timestamp(now), &mut self.outbox);
        self.acts_at = now + self.random.below(self.pace_ns);
        self.flush(now, net);
    }

    /// Whether a fault of so many per mille of the plan's happens.
    fn chance(&mut self, weight: u64) -> bool {
        self.random.below(1_000_000) < self.fault_per_mille * weight * 10
    }

    fn leave(&mut self, now: u64, net: &Net, how: Option<Leave>) {
        if let Some(conn) = self.conn.take() {
            match how {
                Some(how) => net.client_leaves(conn, how),
                None => net.client_done(conn),
            }
        }
        self.client.disconnected();
        self.inbox.clear();
        self.outbox.clear();
        let most = if self.calm { 200 * MS } else { 3 * SECOND };
        self.connect_at = now + MS + self.random.below(most);
    }

    fn read(&mut self, conn: ConnId, now: u64, net: &Net) -> Result<(), String> {
        let mut over = net.client_drain(conn, &mut self.inbox);
        let inbox = std::mem::take(&mut self.inbox);
        let mut fields = std::mem::replace(&mut self.fields, Box::new(Fields::new()));
        let mut at = 0;
        while at < inbox.len() {
            match decode(&inbox[at..], &mut fields) {
                Ok((message, len)) => {
                    at += len;
                    self.ledger.hear(&message)?;
                    over |= self.receive(now, &message)?;
                }
                Err(DecodeError::Incomplete) => break,
                Err(error) => return Err(format!("the venue sends what is no FIX: {error}")),
            }
            while let Some(bytes) = self.client.next_queued() {
                if let Ok((message, _)) = decode(&bytes, &mut fields) {
                    over |= self.receive(now, &message)?;
                }
            }
        }
        self.fields = fields;
        self.inbox = inbox[at..].to_vec();
        if over {
            self.flush(now, net);
            self.leave(now, net, None);
        }
        Ok(())
    }

    /// Gives a message to the session. Says whether the connection is over.
    fn receive(&mut self, now: u64, message: &gateway::fix::Message<'_>) -> Result<bool, String> {
        match self.client.receive(Timestamp(now), message, &mut self.outbox) {
            Incoming::Application(message) | Incoming::Rejected(message) => {
                self.ledger.take(&message)?;
            }
            Incoming::LoggedOut { text } => {
                let text = String::from_utf8_lossy(text);
                if text.contains("too low") {
                    return Err(format!("session {} is told: {text}", self.comp_id));
                }
                return Ok(true);
            }
            Incoming::Broken(Breach::TooLow { expected, received }) => {
                return Err(format!(
                    "session {} expects {expected} and hears {received}: {}",
                    self.comp_id,
                    super::ledger::show(message)
                ));
            }
            Incoming::Broken(breach) => return Err(breach.to_string()),
            Incoming::LoggedOn | Incoming::Admin | Incoming::Duplicate | Incoming::Kept => {}
        }
        Ok(false)
    }

    fn flush(&mut self, now: u64, net: &Net) {
        let Some(conn) = self.conn else { return };
        if self.outbox.is_empty() {
            return;
        }
        match net.client_write(conn, &self.outbox) {
            Ok(len) => {
                self.outbox.drain(..len);
            }
            Err(_) => self.leave(now, net, None),
        }
    }

    /// Orders, or a fault of its own.
    fn act(&mut self, now: u64, net: &Net) {
        self.acts_at = now + 1 + self.random.below(2 * self.pace_ns);
        if self.chance(100) {
            match self.random.below(8) {
                0 | 1 => self.leave(now, net, Some(Leave::Close)),
                2 | 3 => self.leave(now, net, Some(Leave::Reset)),
                4 => self.leave(now, net, Some(Leave::Vanish)),
                5 | 6 => {
                    self.counts.add(Fault::SlowPeer);
                    self.reads_from = now + self.random.below(20 * SECOND);
                }
                _ => self.client.logout(Timestamp(now), &mut self.outbox),
            }
            return;
        }
        let burst = if self.random.below(5) == 0 { 1 + self.random.below(12) } else { 1 };
        for _ in 0..burst {
            self.ask(now);
        }
    }

    fn id(&mut self) -> String {
        let id = self.next_id;
        self.next_id += 1;
        format!("{}-{id}", self.comp_id)
    }

    fn ask(&mut self, now: u64) {
        self.commands += 1;
        let roll = self.random.below(100);
        let working: Vec<(String, String, u8)> = self
            .ledger
            .working()
            .map(|(_, told)| (told.cl_ord_id.clone(), told.symbol.clone(), told.side))
            .collect();
        let at = usize::try_from(self.random.below(working.len() as u64)).unwrap_or(0);
        match (roll, working.get(at)) {
            (55..70, Some((target, symbol, side))) => self.cancel(now, target, symbol, *side),
            (70..85, Some((target, symbol, side))) => self.replace(now, target, symbol, *side),
            (85..88, Some((target, symbol, side))) => self.status(now, target, symbol, *side),
            (88, _) => self.mass_cancel(now),
            _ => self.enter(now),
        }
    }

    fn price(&mut self, side: u8) -> i64 {
        let away = self.random.between(-6, 10);
        if side == b'1' { 10_000 - away } else { 10_000 + away }
    }

    fn enter(&mut self, now: u64) {
        let id = self.id();
        let side = if self.random.below(2) == 0 { b'1' } else { b'2' };
        let price = self.price(side);
        let qty = 1 + self.random.below(40);
        let symbol = SYMBOLS[usize::try_from(self.random.below(2)).unwrap_or(0)];
        if self.random.below(4) == 0 {
            return self.enter_special(now, &id, (symbol, side), qty);
        }
        let (kind, force) = match self.random.below(20) {
            0 | 1 => (b'1', b'0'),
            2 => (b'1', b'3'),
            3 | 4 => (b'2', b'3'),
            5 => (b'2', b'4'),
            6 | 7 => (b'2', b'1'),
            _ => (b'2', b'0'),
        };
        let post_only = kind == b'2' && force < b'3' && self.random.below(8) == 0;
        let at = Timestamp(now);
        let body = |order: &mut gateway::fix::Encoder<'_>| {
            order.bytes(tag::CL_ORD_ID, id.as_bytes());
            if post_only {
                order.char(tag::EXEC_INST, b'6');
            }
            order.bytes(tag::SYMBOL, symbol.as_bytes()).char(tag::SIDE, side);
            order.utc(tag::TRANSACT_TIME, at).uint(tag::ORDER_QTY, qty);
            order.char(tag::ORD_TYPE, kind);
            if kind == b'2' {
                order.decimal(tag::PRICE, price, 2);
            }
            order.char(tag::TIME_IN_FORCE, force);
        };
        let number = self.client.send(at, b"D", body, &mut self.outbox);
        self.ledger.ask(&id, Kind::New, number.0);
    }

    /// An order that waits, hides, follows or ends by itself; sometimes one that makes no sense.
    fn enter_special(&mut self, now: u64, id: &str, (symbol, side): (&str, u8), qty: u64) {
        let at = Timestamp(now);
        let (limit, stop) = (self.price(side), 10_000 + self.random.between(-8, 8));
        let away = self.random.between(-1, 6) * if side == b'1' { 1 } else { -1 };
        let part = self.random.below(qty + 1);
        let until = Timestamp(now + self.random.below(20) * 1_000_000_000);
        let which = self.random.below(10);
        let body = |order: &mut gateway::fix::Encoder<'_>| {
            order.bytes(tag::CL_ORD_ID, id.as_bytes());
            order.bytes(tag::SYMBOL, symbol.as_bytes()).char(tag::SIDE, side);
            order.utc(tag::TRANSACT_TIME, at).uint(tag::ORDER_QTY, qty);
            match which {
                0 => order.char(tag::ORD_TYPE, b'3').decimal(tag::STOP_PX, stop, 2),
                1 => {
                    order.char(tag::ORD_TYPE, b'4').decimal(tag::STOP_PX, stop, 2);
                    order.decimal(tag::PRICE, limit, 2)
                }
                2 => {
                    order.char(tag::ORD_TYPE, b'P').char(tag::EXEC_INST, b'a');
                    order.decimal(tag::PEG_OFFSET_VALUE, away, 2)
                }
                3 => {
                    order.char(tag::ORD_TYPE, b'P').char(tag::EXEC_INST, b'R');
                    order.decimal(tag::PRICE, limit, 2).decimal(tag::PEG_OFFSET_VALUE, -away, 2)
                }
                4 => order.char(tag::ORD_TYPE, b'P').char(tag::EXEC_INST, b'M'),
                5 => order.char(tag::ORD_TYPE, b'K'),
                6 => {
                    order.char(tag::ORD_TYPE, b'2').decimal(tag::PRICE, limit, 2);
                    order.uint(tag::MAX_FLOOR, part)
                }
                7 => {
                    order.char(tag::ORD_TYPE, b'2').decimal(tag::PRICE, limit, 2);
                    order.uint(tag::MIN_QTY, part)
                }
                8 => {
                    order.char(tag::ORD_TYPE, b'2').decimal(tag::PRICE, limit, 2);
                    order.char(tag::TIME_IN_FORCE, b'6').utc(tag::EXPIRE_TIME, until)
                }
                _ => {
                    order.char(tag::ORD_TYPE, b'2').decimal(tag::PRICE, limit, 2);
                    order.char(tag::TIME_IN_FORCE, if part.is_multiple_of(2) { b'2' } else { b'7' })
                }
            };
        };
        let number = self.client.send(at, b"D", body, &mut self.outbox);
        self.ledger.ask(id, Kind::New, number.0);
    }

    fn cancel(&mut self, now: u64, target: &str, symbol: &str, side: u8) {
        let (id, at) = (self.id(), Timestamp(now));
        let body = |order: &mut gateway::fix::Encoder<'_>| {
            order.bytes(tag::CL_ORD_ID, id.as_bytes());
            order.bytes(tag::ORIG_CL_ORD_ID, target.as_bytes());
            order.bytes(tag::SYMBOL, symbol.as_bytes()).char(tag::SIDE, side);
            order.utc(tag::TRANSACT_TIME, at);
        };
        let number = self.client.send(at, b"F", body, &mut self.outbox);
        self.ledger.ask(&id, Kind::Cancel, number.0);
    }

    fn replace(&mut self, now: u64, target: &str, symbol: &str, side: u8) {
        let (id, at) = (self.id(), Timestamp(now));
        let (qty, price) = (1 + self.random.below(50), self.price(side));
        let body = |order: &mut gateway::fix::Encoder<'_>| {
            order.bytes(tag::CL_ORD_ID, id.as_bytes());
            order.bytes(tag::ORIG_CL_ORD_ID, target.as_bytes());
            order.bytes(tag::SYMBOL, symbol.as_bytes()).char(tag::SIDE, side);
            order.utc(tag::TRANSACT_TIME, at).uint(tag::ORDER_QTY, qty);
            order.char(tag::ORD_TYPE, b'2').decimal(tag::PRICE, price, 2);
        };
        let number = self.client.send(at, b"G", body, &mut self.outbox);
        self.ledger.ask(&id, Kind::Replace, number.0);
    }

    fn status(&mut self, now: u64, target: &str, symbol: &str, side: u8) {
        let at = Timestamp(now);
        // A status request has no ClOrdID of its own: its answer is named by the order's.
        let body = |order: &mut gateway::fix::Encoder<'_>| {
            order.bytes(tag::CL_ORD_ID, target.as_bytes());
            order.bytes(tag::SYMBOL, symbol.as_bytes()).char(tag::SIDE, side);
        };
        let _ = self.client.send(at, b"H", body, &mut self.outbox);
    }

    fn mass_cancel(&mut self, now: u64) {
        let (id, at) = (self.id(), Timestamp(now));
        let one = self.random.below(2) == 0;
        let symbol = SYMBOLS[usize::try_from(self.random.below(2)).unwrap_or(0)];
        let body = |order: &mut gateway::fix::Encoder<'_>| {
            order.bytes(tag::CL_ORD_ID, id.as_bytes());
            order.char(tag::MASS_CANCEL_REQUEST_TYPE, if one { b'1' } else { b'7' });
            if one {
                order.bytes(tag::SYMBOL, symbol.as_bytes());
            }
            order.utc(tag::TRANSACT_TIME, at);
        };
        let number = self.client.send(at, b"q", body, &mut self.outbox);
        self.ledger.ask(&id, Kind::MassCancel, number.0);
    }

    /// Asks for everything that was ever said, to compare.
    pub(super) fn ask_for_everything(&mut self, now: u64, net: &Net) {
        let body = |request: &mut gateway::fix::Encoder<'_>| {
            request.uint(tag::BEGIN_SEQ_NO, 1).uint(tag::END_SEQ_NO, 0);
        };
        let _ = self.client.send(Timestamp(now), b"2", body, &mut self.outbox);
        self.flush(now, net);
    }
}

fn client(comp_id: &str, heartbeat_s: u32, next_out: u32, next_in: u32) -> Client {
    let id = |text: &str| CompId::new(text.as_bytes()).expect("a CompID of our own");
    Client::new(ClientConfig {
        version: Version::Fix44,
        sender: id(comp_id),
        target: id(plan::VENUE),
        username: None,
        password: None,
        heartbeat_s,
        reset: false,
        next_out: MsgSeqNum(next_out),
        next_in: MsgSeqNum(next_in),
    })
}
