//! A client that speaks OUCH: orders by a seed, each message under its number, and each request with its answer.
//!
//! It comes back with the next number that it wants and sends what has no answer again, under the same UserRefNums.

use std::collections::BTreeMap;

use gateway::ouch::{Cancel, Enter, FromVenue, MassCancel, Options, Replace};
use gateway::soup::{SoupClient, SoupClientConfig, SoupClientEvent, SoupClose, SoupReject};
use matcher::{SessionId, Timestamp};

use super::faults::{Counts, Fault};
use super::net::{ConnId, Leave, Net, Port};
use super::plan::{OUCH, Plan, SYMBOLS};
use crate::random::Random;

const MS: u64 = 1_000_000;
const SECOND: u64 = 1_000 * MS;

/// How long a login may wait for its answer.
const LOGIN_NS: u64 = 12 * SECOND;

/// A hundredth, as OUCH says it.
const CENT: i64 = 100;

/// What was asked and must be answered.
#[derive(Clone, Copy, Debug)]
enum Asked {
    Enter(Enter),
    /// Of an order that has ended nothing is said.
    Replace(Replace),
    MassCancel(MassCancel),
}

/// An order, as it was told.
#[derive(Clone, Copy, Debug)]
struct Order {
    symbol: [u8; 8],
    side: u8,
    price: u64,
    leaves: u32,
    cum: u32,
}

/// One session and whoever speaks for it.
pub(super) struct OuchTrader {
    pub(super) session: SessionId,
    pub(super) counts: Counts,
    /// Messages sent that ask for something.
    pub(super) commands: u64,
    /// Message N, from 1: the same for ever. `None`: it was not heard.
    told: Vec<Option<Vec<u8>>>,
    asked: BTreeMap<u32, Asked>,
    orders: BTreeMap<u32, Order>,
    trades: BTreeMap<(u64, u32), u32>,
    /// Highest UserRefNum that was asked under.
    last_ref: u32,
    client: SoupClient,
    conn: Option<ConnId>,
    connected_at: u64,
    connect_at: u64,
    ticks_at: u64,
    acts_at: u64,
    reads_from: u64,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
    random: Random,
    pace_ns: u64,
    fault_per_mille: u64,
    calm: bool,
    /// Some of its messages have gone from the journal: it may be told that they are not there.
    pub(super) may_be_late: bool,
    /// It was: what is true is not known here any more.
    pub(super) blind: bool,
}

fn client(next: u64) -> SoupClient {
    SoupClient::new(SoupClientConfig::new(OUCH.as_bytes(), b"secret", next))
}

fn symbol(name: &str) -> [u8; 8] {
    let mut symbol = [b' '; 8];
    symbol[..name.len()].copy_from_slice(name.as_bytes());
    symbol
}

impl OuchTrader {
    pub(super) fn new(session: SessionId, plan: &Plan, mut random: Random) -> OuchTrader {
        OuchTrader {
            session,
            counts: Counts::default(),
            commands: 0,
            told: Vec::new(),
            asked: BTreeMap::new(),
            orders: BTreeMap::new(),
            trades: BTreeMap::new(),
            last_ref: 0,
            client: client(1),
            conn: None,
            connected_at: 0,
            connect_at: plan.began + random.below(SECOND),
            ticks_at: 0,
            acts_at: 0,
            reads_from: 0,
            inbox: Vec::new(),
            outbox: Vec::new(),
            random,
            pace_ns: plan.pace_ns,
            fault_per_mille: plan.client_fault_per_mille,
            calm: false,
            may_be_late: false,
            blind: false,
        }
    }

    pub(super) fn calm_down(&mut self) {
        (self.calm, self.reads_from) = (true, 0);
    }

    /// Messages heard, the ones before a late beginning among them.
    pub(super) fn heard(&self) -> u64 {
        self.client.next_sequence().saturating_sub(1)
    }

    /// Whether it is logged in and has nothing left to say.
    pub(super) fn is_at_rest(&self) -> bool {
        self.client.is_open() && self.conn.is_some() && self.outbox.is_empty()
    }

    /// What was asked and has no answer, but for replaces of what has ended.
    pub(super) fn unanswered(&self) -> Option<u32> {
        if self.blind {
            return None;
        }
        let open = |(_, asked): &(&u32, &Asked)| match asked {
            Asked::Enter(_) | Asked::MassCancel(_) => true,
            Asked::Replace(replace) => self.orders.contains_key(&replace.orig_user_ref_num),
        };
        self.asked.iter().find(open).map(|(user_ref, _)| *user_ref)
    }

    /// Orders that work, as far as we were told: symbol, side, price and quantity, in order.
    pub(super) fn working(&self) -> Vec<(String, u8, u64, u32)> {
        let text = |symbol: [u8; 8]| String::from_utf8_lossy(&symbol).trim_end().to_owned();
        let orders = self.orders.values();
        let mut working: Vec<_> =
            orders.map(|it| (text(it.symbol), it.side, it.price / 100, it.leaves)).collect();
        working.sort_unstable();
        working
    }

    /// The sides of trades that we were told of, with their quantities.
    pub(super) fn trades(&self) -> impl Iterator<Item = (u64, u32)> {
        self.trades.iter().map(|((trade, _), qty)| (*trade, *qty))
    }

    /// Numbers of messages that were heard.
    pub(super) fn told(&self) -> impl Iterator<Item = u32> {
        (1..).zip(&self.told).filter(|(_, told)| told.is_some()).map(|(number, _)| number)
    }

    /// Whether each of the session's messages up to `last` was heard.
    pub(super) fn has_all(&self, last: u32) -> bool {
        self.told.len() == last as usize && self.told.iter().all(Option::is_some)
    }

    /// Logs in again and asks for every message from the first on.
    pub(super) fn ask_for_everything(&mut self, now: u64, net: &Net) {
        self.leave(now, net, Some(Leave::Close));
        if !self.blind && !self.may_be_late {
            self.client = client(1);
        }
    }

    pub(super) fn next(&self, now: u64, net: &Net) -> u64 {
        let Some(conn) = self.conn else { return self.connect_at.max(now) };
        let heard = net.next_for_client(conn).map_or(u64::MAX, |at| at.max(self.reads_from));
        let acts = match (self.client.is_open(), self.calm) {
            (false, _) => self.connected_at + LOGIN_NS,
            (true, false) => self.acts_at,
            (true, true) => u64::MAX,
        };
        let writes = if self.outbox.is_empty() { u64::MAX } else { now + 2 * MS };
        heard.min(self.ticks_at).min(acts).min(writes).max(now)
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
        if now >= self.ticks_at {
            self.ticks_at = now + SECOND;
            if self.client.tick(Timestamp(now), &mut self.outbox).is_some() {
                self.leave(now, net, None);
                return Ok(());
            }
        }
        if !self.client.is_open() {
            if now >= self.connected_at + LOGIN_NS {
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
        let Some(conn) = net.connect(Port::Ouch) else {
            self.connect_at = now + 100 * MS + self.random.below(SECOND);
            return;
        };
        self.conn = Some(conn);
        self.connected_at = now;
        self.reads_from = 0;
        self.inbox.clear();
        self.outbox.clear();
        self.client.login(&mut self.outbox);
        self.ticks_at = now + SECOND;
        self.acts_at = now + self.random.below(self.pace_ns);
        self.flush(now, net);
    }

    fn leave(&mut self, now: u64, net: &Net, how: Option<Leave>) {
        if let Some(conn) = self.conn.take() {
            match how {
                Some(how) => net.client_leaves(conn, how),
                None => net.client_done(conn),
            }
        }
        // On a further connection it asks for the next number.
        self.client = client(self.client.next_sequence());
        self.reads_from = 0;
        self.inbox.clear();
        self.outbox.clear();
        let most = if self.calm { 200 * MS } else { 3 * SECOND };
        self.connect_at = now + MS + self.random.below(most);
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

    fn read(&mut self, conn: ConnId, now: u64, net: &Net) -> Result<(), String> {
        let mut over = net.client_drain(conn, &mut self.inbox);
        let inbox = std::mem::take(&mut self.inbox);
        let mut at = 0;
        loop {
            let asked = self.client.next_sequence();
            let received = self.client.receive(Timestamp(now), &inbox[at..]);
            at += received.consumed;
            match received.event {
                None => break,
                Some(SoupClientEvent::Accepted { next_sequence, .. }) => {
                    if next_sequence != asked && asked != 0 {
                        return Err(format!("OUCH goes on with {next_sequence}, not with {asked}"));
                    }
                    self.ask_again();
                }
                Some(SoupClientEvent::Sequenced { sequence, message }) => {
                    let message = message.to_vec();
                    self.hear(sequence, &message)?;
                }
                Some(SoupClientEvent::Close(SoupClose::Rejected(why))) => {
                    over = true;
                    match why {
                        SoupReject::SessionNotAvailable if self.may_be_late => {
                            // What comes next, then.
                            (self.client, self.blind) = (client(0), true);
                        }
                        SoupReject::SessionNotAvailable => {
                            return Err(format!("message {asked} is not there for OUCH"));
                        }
                        // The connection before is not known to be over.
                        SoupReject::NotAuthorized => {}
                    }
                    break;
                }
                Some(SoupClientEvent::Close(_)) => {
                    over = true;
                    break;
                }
                // Why a login is refused, which it is next.
                Some(SoupClientEvent::Debug(_)) if !self.client.is_open() => {}
                Some(SoupClientEvent::Debug(text)) => {
                    return Err(format!("OUCH has something against us: {}", text.escape_ascii()));
                }
                Some(SoupClientEvent::Unsequenced(_)) => {
                    return Err("OUCH says something without a number".into());
                }
            }
        }
        self.inbox = inbox[at.min(inbox.len())..].to_vec();
        if over {
            self.leave(now, net, None);
        }
        Ok(())
    }

    /// Whatever has no answer is said once more, in its order.
    fn ask_again(&mut self) {
        let mut out = Vec::new();
        for asked in self.asked.values() {
            out.clear();
            match asked {
                Asked::Enter(enter) => enter.encode(&mut out),
                Asked::Replace(replace) => replace.encode(&mut out),
                Asked::MassCancel(all) => all.encode(&mut out),
            }
            self.client.unsequenced(&out, &mut self.outbox);
        }
    }

    fn hear(&mut self, number: u64, bytes: &[u8]) -> Result<(), String> {
        let index = usize::try_from(number).unwrap_or(0).wrapping_sub(1);
        if self.told.len() <= index {
            self.told.resize(index + 1, None);
        }
        match &mut self.told[index] {
            Some(was) if was == bytes => return Ok(()),
            Some(was) => {
                let (was, now) = (was.escape_ascii(), bytes.escape_ascii());
                return Err(format!("message {number} of OUCH was {was} and is now {now}"));
            }
            nothing => *nothing = Some(bytes.to_vec()),
        }
        let message = FromVenue::decode(bytes).map_err(|error| error.to_string())?;
        match self.take(message) {
            Err(why) if !self.blind => Err(format!("message {number} of OUCH: {why}: {message:?}")),
            _ => Ok(()),
        }
    }

    /// A message for the first time, in its order.
    fn take(&mut self, message: FromVenue) -> Result<(), &'static str> {
        match message {
            FromVenue::Accepted(it) => {
                let Some(Asked::Enter(_)) = self.asked.remove(&it.user_ref_num) else {
                    return Err("nobody asked, or it was answered before");
                };
                let order = Order {
                    symbol: it.symbol,
                    side: it.side,
                    price: it.price,
                    leaves: it.quantity,
                    cum: 0,
                };
                self.orders.insert(it.user_ref_num, order);
            }
            FromVenue::Replaced(it) => {
                let Some(Asked::Replace(_)) = self.asked.remove(&it.user_ref_num) else {
                    return Err("nobody asked, or it was answered before");
                };
                let Some(was) = self.orders.remove(&it.orig_user_ref_num) else {
                    return Err("a replace of what does not work");
                };
                let order = Order { price: it.price, leaves: it.quantity, ..was };
                self.orders.insert(it.user_ref_num, order);
                self.ends(it.user_ref_num);
            }
            FromVenue::Rejected(it) => {
                if self.asked.remove(&it.user_ref_num).is_none() {
                    return Err("nobody asked, or it was answered before");
                }
            }
            FromVenue::MassCancelResponse(it) => {
                let Some(Asked::MassCancel(_)) = self.asked.remove(&it.user_ref_num) else {
                    return Err("nobody asked, or it was answered before");
                };
            }
            FromVenue::Executed(it) => {
                self.less(it.user_ref_num, it.quantity)?;
                if let Some(order) = self.orders.get_mut(&it.user_ref_num) {
                    order.cum += it.quantity;
                }
                let key = (it.match_number, it.user_ref_num);
                if self.trades.insert(key, it.quantity).is_some() {
                    return Err("a trade twice");
                }
                self.ends(it.user_ref_num);
            }
            FromVenue::Canceled(it) => {
                self.less(it.user_ref_num, it.quantity)?;
                self.ends(it.user_ref_num);
            }
            FromVenue::AiqCanceled(it) => {
                self.less(it.user_ref_num, it.decrement_shares)?;
                self.ends(it.user_ref_num);
            }
            FromVenue::CancelReject(_) | FromVenue::SystemEvent(_) => {}
            _ => return Err("what cannot come of what we ask"),
        }
        Ok(())
    }

    fn less(&mut self, user_ref: u32, quantity: u32) -> Result<(), &'static str> {
        let order = self.orders.get_mut(&user_ref).ok_or("an order that does not work")?;
        order.leaves = order.leaves.checked_sub(quantity).ok_or("more than there is")?;
        Ok(())
    }

    fn ends(&mut self, user_ref: u32) {
        if self.orders.get(&user_ref).is_some_and(|order| order.leaves == 0) {
            self.orders.remove(&user_ref);
        }
    }

    /// Whether a fault of so many per mille of the plan's happens.
    fn chance(&mut self, weight: u64) -> bool {
        self.random.below(1_000_000) < self.fault_per_mille * weight * 10
    }

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
                _ => self.client.logout(&mut self.outbox),
            }
            return;
        }
        let burst = if self.random.below(5) == 0 { 1 + self.random.below(12) } else { 1 };
        for _ in 0..burst {
            self.ask();
        }
    }

    fn ask(&mut self) {
        self.commands += 1;
        let roll = self.random.below(100);
        let orders: Vec<(u32, Order)> =
            self.orders.iter().map(|(it, order)| (*it, *order)).collect();
        let at = usize::try_from(self.random.below(orders.len() as u64)).unwrap_or(0);
        let mut out = Vec::new();
        match (roll, orders.get(at)) {
            (55..75, Some((user_ref, order))) => {
                // All of it, or some.
                let left = if self.random.below(2) == 0 { 0 } else { order.cum + order.leaves / 2 };
                let cancel =
                    Cancel { user_ref_num: *user_ref, quantity: left, options: Options::default() };
                cancel.encode(&mut out);
            }
            (75..90, Some((user_ref, order))) => {
                let replace = Replace {
                    orig_user_ref_num: *user_ref,
                    user_ref_num: self.number(),
                    quantity: order.cum + 1 + u32::try_from(self.random.below(40)).unwrap_or(0),
                    price: self.price(order.side),
                    time_in_force: b'0',
                    display: b'Y',
                    iso: b'N',
                    cl_ord_id: [b' '; 14],
                    options: Options::default(),
                };
                replace.encode(&mut out);
                self.asked.insert(replace.user_ref_num, Asked::Replace(replace));
            }
            (90..92, _) => {
                let of_one = self.random.below(2) == 0;
                let all = MassCancel {
                    user_ref_num: self.number(),
                    firm: [b' '; 4],
                    symbol: if of_one { symbol(SYMBOLS[0]) } else { [b' '; 8] },
                    options: Options::default(),
                };
                all.encode(&mut out);
                self.asked.insert(all.user_ref_num, Asked::MassCancel(all));
            }
            _ => {
                let side = if self.random.below(2) == 0 { b'B' } else { b'S' };
                let enter = Enter {
                    user_ref_num: self.number(),
                    side,
                    quantity: 1 + u32::try_from(self.random.below(40)).unwrap_or(0),
                    symbol: symbol(SYMBOLS[usize::try_from(self.random.below(2)).unwrap_or(0)]),
                    price: self.price(side),
                    time_in_force: if self.random.below(5) == 0 { b'3' } else { b'0' },
                    display: b'Y',
                    capacity: b'P',
                    iso: b'N',
                    cross_type: b'N',
                    cl_ord_id: [b' '; 14],
                    options: Options::default(),
                };
                enter.encode(&mut out);
                self.asked.insert(enter.user_ref_num, Asked::Enter(enter));
            }
        }
        self.client.unsequenced(&out, &mut self.outbox);
    }

    /// The next UserRefNum; holes are allowed.
    fn number(&mut self) -> u32 {
        self.last_ref += 1 + u32::try_from(self.random.below(8) / 7).unwrap_or(0);
        self.last_ref
    }

    fn price(&mut self, side: u8) -> u64 {
        let away = self.random.between(-6, 10);
        let cents = if side == b'B' { 10_000 - away } else { 10_000 + away };
        u64::try_from(cents * CENT).unwrap_or(0)
    }
}
