//! A client's end of a session: our own session machine, over connections that break.

use gateway::fix::client::{Breach, Client, ClientConfig, Health, Incoming};
use gateway::fix::{CompId, DecodeError, Fields, Message, Version, decode, tag};
use matcher::{MsgSeqNum, Timestamp};

use super::faults::{Counts, Fault};
use super::ledger::{Ledger, show};
use super::net::{ConnId, Leave, Net, Port};
use super::plan::{self, Plan};
use crate::random::Random;

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;

/// How long a Logon may wait for its answer.
const LOGON_NS: u64 = 12 * SECOND;

/// Whoever is told what comes.
pub(super) trait Hears {
    /// A message as it comes in, in whatever order.
    fn hear(&mut self, message: &Message<'_>) -> Result<(), String>;

    /// An application message, the next in order, exactly once.
    fn take(&mut self, message: &Message<'_>) -> Result<(), String>;
}

impl Hears for Ledger {
    fn hear(&mut self, message: &Message<'_>) -> Result<(), String> {
        self.heard(message)
    }

    fn take(&mut self, message: &Message<'_>) -> Result<(), String> {
        self.taken(message)
    }
}

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stepped {
    /// There is no connection.
    Waits,
    /// A new connection has a Logon to send.
    Connected {
        /// Another process took over: it knows the numbers, not the messages.
        forgot: bool,
    },
    /// There is one.
    Here,
}

/// The session machine, and its connection.
pub(super) struct Wire {
    pub(super) client: Client,
    pub(super) counts: Counts,
    pub(super) random: Random,
    pub(super) outbox: Vec<u8>,
    /// No more orders and no more faults.
    pub(super) calm: bool,
    comp_id: String,
    heartbeat_s: u32,
    fields: Box<Fields>,
    conn: Option<ConnId>,
    connected_at: u64,
    connect_at: u64,
    reads_from: u64,
    inbox: Vec<u8>,
    fault_per_mille: u64,
}

impl Wire {
    pub(super) fn new(comp_id: &str, plan: &Plan, mut random: Random) -> Wire {
        let connect_at = plan.began + random.below(SECOND);
        Wire {
            client: client(comp_id, plan.heartbeat_s, 1, 1),
            counts: Counts::default(),
            random,
            outbox: Vec::new(),
            calm: false,
            comp_id: comp_id.to_owned(),
            heartbeat_s: plan.heartbeat_s,
            fields: Box::new(Fields::new()),
            conn: None,
            connected_at: 0,
            connect_at,
            reads_from: 0,
            inbox: Vec::new(),
            fault_per_mille: plan.client_fault_per_mille,
        }
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

    /// The connection, if there is one.
    pub(super) fn conn(&self) -> Option<ConnId> {
        self.conn
    }

    /// When it wants to be called next; `acts_at`: when whoever is logged on wants something.
    pub(super) fn next(&self, now: u64, net: &Net, acts_at: u64) -> u64 {
        let Some(conn) = self.conn else { return self.connect_at.max(now) };
        let heard = net.next_for_client(conn).map_or(u64::MAX, |at| at.max(self.reads_from));
        let timer = self.client.deadline().map_or(u64::MAX, |at| at.0.max(now + MS));
        let acts = if self.client.is_logged_on() {
            if self.calm { u64::MAX } else { acts_at }
        } else {
            self.connected_at + LOGON_NS
        };
        let writes = if self.outbox.is_empty() { u64::MAX } else { now + 2 * MS };
        heard.min(timer).min(acts).min(writes).max(now)
    }

    /// Does what is due, but for what its session wants. What is in the outbox then waits for [`Wire::flush`].
    pub(super) fn step(
        &mut self,
        now: u64,
        net: &Net,
        hears: &mut impl Hears,
    ) -> Result<Stepped, String> {
        let Some(conn) = self.conn else {
            return Ok(if now >= self.connect_at {
                self.connect(now, net)
            } else {
                Stepped::Waits
            });
        };
        if now >= self.reads_from {
            self.read(conn, now, net, hears)?;
        }
        if self.conn.is_none() {
            return Ok(Stepped::Waits);
        }
        let due = self.client.deadline().is_some_and(|at| at.0 <= now);
        let silent = due && self.client.tick(Timestamp(now), &mut self.outbox) == Health::Silent;
        let waited = !self.client.is_logged_on() && now >= self.connected_at + LOGON_NS;
        if silent || waited {
            self.leave(now, net, None);
            return Ok(Stepped::Waits);
        }
        Ok(Stepped::Here)
    }

    fn connect(&mut self, now: u64, net: &Net) -> Stepped {
        let Some(conn) = net.connect(Port::Fix) else {
            self.connect_at = now + 100 * MS + self.random.below(SECOND);
            return Stepped::Waits;
        };
        let forgot = !self.calm && self.chance(20);
        if forgot {
            self.counts.add(Fault::ClientForgot);
            let (next_out, next_in) = (self.client.next_out().0, self.client.next_in().0);
            self.client = client(&self.comp_id, self.heartbeat_s, next_out, next_in);
        }
        self.conn = Some(conn);
        self.connected_at = now;
        self.reads_from = 0;
        self.inbox.clear();
        self.outbox.clear();
        self.client.logon(Timestamp(now), &mut self.outbox);
        Stepped::Connected { forgot }
    }

    /// Whether a fault of so many per mille of the plan's happens.
    fn chance(&mut self, weight: u64) -> bool {
        self.random.below(1_000_000) < self.fault_per_mille * weight * 10
    }

    /// A fault of its own, at times.
    pub(super) fn is_faulty(&mut self, now: u64, net: &Net) -> bool {
        if !self.chance(100) {
            return false;
        }
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
        true
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

    fn read(
        &mut self,
        conn: ConnId,
        now: u64,
        net: &Net,
        hears: &mut impl Hears,
    ) -> Result<(), String> {
        let mut over = net.client_drain(conn, &mut self.inbox);
        let inbox = std::mem::take(&mut self.inbox);
        let mut fields = std::mem::replace(&mut self.fields, Box::new(Fields::new()));
        let mut at = 0;
        while at < inbox.len() {
            match decode(&inbox[at..], &mut fields) {
                Ok((message, len)) => {
                    at += len;
                    hears.hear(&message)?;
                    over |= self.receive(now, &message, hears)?;
                }
                Err(DecodeError::Incomplete) => break,
                Err(error) => return Err(format!("the venue sends what is no FIX: {error}")),
            }
            while let Some(bytes) = self.client.next_queued() {
                if let Ok((message, _)) = decode(&bytes, &mut fields) {
                    over |= self.receive(now, &message, hears)?;
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
    fn receive(
        &mut self,
        now: u64,
        message: &Message<'_>,
        hears: &mut impl Hears,
    ) -> Result<bool, String> {
        match self.client.receive(Timestamp(now), message, &mut self.outbox) {
            Incoming::Application(message) | Incoming::Rejected(message) => {
                hears.take(&message)?;
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
                    show(message)
                ));
            }
            Incoming::Broken(breach) => return Err(breach.to_string()),
            Incoming::LoggedOn | Incoming::Admin | Incoming::Duplicate | Incoming::Kept => {}
        }
        Ok(false)
    }

    pub(super) fn flush(&mut self, now: u64, net: &Net) {
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
