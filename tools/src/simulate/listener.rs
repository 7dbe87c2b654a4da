//! Sessions that only listen: one that gets drop copies of everybody, one that has market data.
//!
//! What they are told is held against the journal when everybody is at rest: a copy of each report and trade, once and in order; and
//! the books that a subscription makes, which are the engine's.

use std::collections::{BTreeMap, BTreeSet};

use gateway::fix::{Encoder, Message, tag};
use matcher::{SessionId, Timestamp};

use super::ledger::{Ledger, show};
use super::net::{ConnId, Net};
use super::plan::{Plan, SYMBOLS};
use super::wire::{Hears, Stepped, Wire};
use crate::random::Random;

const SECOND: u64 = 1_000_000_000;

/// Prices of a side that are asked for: more than there are.
const DEPTH: usize = 40;

/// One session that listens.
pub(super) struct Listener {
    pub(super) session: SessionId,
    pub(super) wire: Wire,
    pub(super) ears: Ears,
    acts_at: u64,
}

/// What it was told.
pub(super) struct Ears {
    /// Under which number.
    pub(super) ledger: Ledger,
    pub(super) of: Of,
}

/// What a session listens to.
pub(super) enum Of {
    /// Copies: what each is of, in the order in which it was told.
    Copies(Vec<String>),
    /// Market data.
    Market(Market),
}

/// A subscription, and what it has told.
#[derive(Default)]
pub(super) struct Market {
    /// The connection that it is of.
    conn: Option<ConnId>,
    /// MDReqID(262) of the present one.
    id: u64,
    /// It has ended, or none was asked for on this connection.
    pub(super) is_over: bool,
    /// Instruments whose first message has come.
    pub(super) began: BTreeSet<String>,
    /// What is shown: instrument, side and price to quantity and orders.
    pub(super) shown: BTreeMap<(String, u8, i64), (u64, u64)>,
    /// Trades since it began, by instrument.
    pub(super) trades: BTreeMap<String, Vec<u64>>,
    /// Messages, those of subscriptions before among them.
    pub(super) messages: u64,
}

impl Listener {
    pub(super) fn copies(
        comp_id: &str,
        session: SessionId,
        plan: &Plan,
        random: Random,
    ) -> Listener {
        Listener::new(comp_id, session, Of::Copies(Vec::new()), (plan, random))
    }

    pub(super) fn market(
        comp_id: &str,
        session: SessionId,
        plan: &Plan,
        random: Random,
    ) -> Listener {
        Listener::new(comp_id, session, Of::Market(Market::default()), (plan, random))
    }

    fn new(comp_id: &str, session: SessionId, of: Of, (plan, random): (&Plan, Random)) -> Listener {
        let ears = Ears { ledger: Ledger::default(), of };
        Listener { session, wire: Wire::new(comp_id, plan, random), ears, acts_at: 0 }
    }

    /// When it wants to be called next.
    pub(super) fn next(&self, now: u64, net: &Net) -> u64 {
        let asks = self.wants_market().then_some(now);
        asks.unwrap_or_else(|| self.wire.next(now, net, self.acts_at))
    }

    /// Whether it has a subscription to ask for.
    fn wants_market(&self) -> bool {
        let Of::Market(market) = &self.ears.of else { return false };
        self.wire.client.is_logged_on() && (market.is_over || market.conn != self.wire.conn())
    }

    /// Does what is due.
    pub(super) fn step(&mut self, now: u64, net: &Net) -> Result<(), String> {
        match self.wire.step(now, net, &mut self.ears)? {
            Stepped::Waits => return Ok(()),
            Stepped::Connected { .. } => self.acts_at = now + self.wire.random.below(2 * SECOND),
            Stepped::Here => {
                let acts = self.wire.client.is_logged_on() && !self.wire.calm;
                if acts && now >= self.acts_at {
                    self.acts_at = now + 1 + self.wire.random.below(2 * SECOND);
                    self.wire.is_faulty(now, net);
                }
            }
        }
        if self.wants_market() {
            self.subscribe(now);
        }
        self.wire.flush(now, net);
        Ok(())
    }

    fn subscribe(&mut self, now: u64) {
        let Of::Market(market) = &mut self.ears.of else { return };
        *market = Market {
            conn: self.wire.conn(),
            id: market.id + 1,
            messages: market.messages,
            ..Market::default()
        };
        let id = market.id;
        let body = |request: &mut Encoder<'_>| {
            request.uint(tag::MD_REQ_ID, id).char(tag::SUBSCRIPTION_REQUEST_TYPE, b'1');
            request.uint(tag::MARKET_DEPTH, DEPTH as u64).char(tag::MD_UPDATE_TYPE, b'1');
            request.uint(tag::NO_MD_ENTRY_TYPES, 3);
            for entry in b"012" {
                request.char(tag::MD_ENTRY_TYPE, *entry);
            }
            request.uint(tag::NO_RELATED_SYM, SYMBOLS.len() as u64);
            for symbol in SYMBOLS {
                request.bytes(tag::SYMBOL, symbol.as_bytes());
            }
        };
        let _ = self.wire.client.send(Timestamp(now), b"V", body, &mut self.wire.outbox);
    }
}

impl Hears for Ears {
    fn hear(&mut self, message: &Message<'_>) -> Result<(), String> {
        self.ledger.heard(message)
    }

    fn take(&mut self, message: &Message<'_>) -> Result<(), String> {
        self.ledger.pass(message);
        match &mut self.of {
            Of::Copies(told) => copy(message, told),
            Of::Market(market) => market.take(message),
        }
    }
}

/// A copy: what it is of.
fn copy(message: &Message<'_>, told: &mut Vec<String>) -> Result<(), String> {
    let text = |tag| String::from_utf8_lossy(message.get(tag).unwrap_or_default()).into_owned();
    let of = match message.msg_type() {
        b"AE" => trade_copy(&text(tag::EXEC_ID)),
        b"8" => report_copy(&text(tag::ON_BEHALF_OF_COMP_ID), &text(tag::EXEC_ID)),
        _ => return Err(format!("a session that gets copies is told {}", show(message))),
    };
    told.push(of);
    Ok(())
}

/// The name of the copy of a trade.
pub(super) fn trade_copy(exec_id: &str) -> String {
    format!("trade {exec_id}")
}

/// The name of the copy of a report.
pub(super) fn report_copy(of: &str, exec_id: &str) -> String {
    format!("report {exec_id} of {of}")
}

/// An entry of W or X.
#[derive(Default)]
struct Entry {
    /// MDUpdateAction(279).
    action: u8,
    /// MDEntryType(269).
    kind: u8,
    symbol: String,
    price: i64,
    size: u64,
    orders: u64,
    id: u64,
}

impl Market {
    fn take(&mut self, message: &Message<'_>) -> Result<(), String> {
        self.messages += 1;
        let wrong = |why: &str| Err(format!("market data: {why}: {}", show(message)));
        let id: Option<u64> = number(message.get(tag::MD_REQ_ID).unwrap_or_default());
        if id != Some(self.id) {
            // What was under way when the one before ended.
            return if self.is_over || id < Some(self.id) { Ok(()) } else { wrong("of nothing") };
        }
        match message.msg_type() {
            b"W" => {
                let text = message.get(tag::SYMBOL).unwrap_or_default();
                let symbol = String::from_utf8_lossy(text).into_owned();
                if !self.began.insert(symbol.clone()) {
                    return wrong("a second beginning");
                }
                for entry in entries(message).iter().filter(|entry| entry.kind != b'2') {
                    let key = (symbol.clone(), entry.kind, entry.price);
                    if self.shown.insert(key, (entry.size, entry.orders)).is_some() {
                        return wrong("a price twice");
                    }
                }
                Ok(())
            }
            b"X" => {
                for entry in entries(message) {
                    if let Err(why) = self.change(entry) {
                        return wrong(why);
                    }
                }
                Ok(())
            }
            // Trades came faster than they were read, or there was no room to ask: once more.
            b"Y" if message.get(tag::MD_REQ_REJ_REASON) == Some(b"2") => {
                self.is_over = true;
                Ok(())
            }
            _ => wrong("what nobody asked for"),
        }
    }

    fn change(&mut self, entry: Entry) -> Result<(), &'static str> {
        let Entry { action, kind, symbol, price, size, orders, id } = entry;
        if !self.began.contains(&symbol) {
            return Err("a change before the beginning");
        }
        if kind == b'2' {
            let trades = self.trades.entry(symbol).or_default();
            if action != b'0' || trades.last().is_some_and(|last| *last >= id) {
                return Err("a trade out of order");
            }
            trades.push(id);
            return Ok(());
        }
        let key = (symbol.clone(), kind, price);
        let was = match action {
            b'2' => self.shown.remove(&key),
            _ => self.shown.insert(key, (size, orders)),
        };
        if (action == b'0') == was.is_some() {
            return Err("not as it was shown");
        }
        let beside = self.shown.range((symbol.clone(), kind, i64::MIN)..=(symbol, kind, i64::MAX));
        if beside.count() > DEPTH { Err("more prices than were asked for") } else { Ok(()) }
    }
}

fn number<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The entries of W or X.
fn entries(message: &Message<'_>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let first = if message.msg_type() == b"W" { tag::MD_ENTRY_TYPE } else { tag::MD_UPDATE_ACTION };
    for (tag, value) in message.iter() {
        if tag == first {
            entries.push(Entry::default());
        }
        let Some(entry) = entries.last_mut() else { continue };
        let letter = value.first().copied().unwrap_or_default();
        match tag {
            tag::MD_UPDATE_ACTION => entry.action = letter,
            tag::MD_ENTRY_TYPE => entry.kind = letter,
            tag::SYMBOL => entry.symbol = String::from_utf8_lossy(value).into_owned(),
            // Two decimals, of which a tick is the last.
            tag::MD_ENTRY_PX => {
                let digits: Vec<u8> = value.iter().copied().filter(|it| *it != b'.').collect();
                entry.price = number(&digits).unwrap_or(i64::MIN);
            }
            tag::MD_ENTRY_SIZE => entry.size = number(value).unwrap_or(0),
            tag::NUMBER_OF_ORDERS => entry.orders = number(value).unwrap_or(0),
            tag::MD_ENTRY_ID => entry.id = number(value).unwrap_or(0),
            _ => {}
        }
    }
    entries
}
