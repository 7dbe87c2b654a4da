//! What an exchange recorded of its orders, as commands and what they must give.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufWriter, Write};
use std::path::Path;

use matcher::{Instrument, Price, Qty, Side};

use crate::failure::Failure;
use crate::own_venue;
use crate::unfinished::NamedFile;

/// An order that works, as the exchange has it.
#[derive(Clone, Copy)]
struct Working {
    oid: u64,
    side: Side,
    price: i64,
    qty: u64,
}

/// What was written, and what could not be.
#[derive(Clone, Copy, Default)]
pub(super) struct Done {
    pub(super) commands: u64,
    pub(super) fills: u64,
    /// Records of orders that were never entered.
    pub(super) unknown: u64,
    /// Records that no order of ours has a part in.
    pub(super) hidden: u64,
    /// Executions of an order that was not the first in its queue.
    pub(super) out_of_turn: u64,
    /// Orders that would have traded.
    pub(super) crossing: u64,
    /// Orders of a price or a quantity that `vesta play` has no room for.
    pub(super) outside: u64,
}

/// Follows the exchange's book and writes the commands that make it.
pub(super) struct Recorder {
    commands: BufWriter<NamedFile>,
    fills: BufWriter<NamedFile>,
    rows: BufWriter<NamedFile>,
    /// By the exchange's number.
    orders: HashMap<u64, Working>,
    /// By price, then by our number: later orders have higher ones.
    bids: BTreeMap<i64, BTreeMap<u64, u64>>,
    asks: BTreeMap<i64, BTreeMap<u64, u64>>,
    next_oid: u64,
    done: Done,
    /// What the flow is played on.
    instrument: Instrument,
}

/// A command that is about to be written.
struct Command<'a> {
    ts: u64,
    word: &'a str,
    oid: u64,
    old: Option<u64>,
    side: Side,
    price: i64,
    qty: u64,
    source: u64,
}

impl Recorder {
    /// Makes the files in a folder of its own.
    pub(super) fn create(dir: &Path) -> Result<Recorder, Failure> {
        let io = |error| Failure::usage(format!("cannot make {}: {error}", dir.display()));
        let file = |name: &str, head: &str| -> std::io::Result<BufWriter<NamedFile>> {
            let mut file = BufWriter::new(NamedFile::create(&dir.join(name))?);
            writeln!(file, "{head}")?;
            Ok(file)
        };
        Ok(Recorder {
            commands: file("commands.csv", "n,ts,cmd,oid,old,side,price,qty,flag,msg,src_id")
                .map_err(io)?,
            fills: file("fills.csv", "n,maker_oid,price,qty").map_err(io)?,
            rows: file("rows.csv", "after_n,oracle,row,depth,kind,ask1,askq1,bid1,bidq1")
                .map_err(io)?,
            orders: HashMap::new(),
            bids: BTreeMap::new(),
            asks: BTreeMap::new(),
            next_oid: 1,
            done: Done::default(),
            instrument: own_venue::flow_instrument(),
        })
    }

    pub(super) fn end(mut self) -> Result<Done, Failure> {
        for file in [&mut self.commands, &mut self.fills, &mut self.rows] {
            file.flush().map_err(Failure::failed)?;
        }
        Ok(self.done)
    }

    /// A record without an order.
    pub(super) fn hidden(&mut self) {
        self.done.hidden += 1;
    }

    /// An order comes onto the book.
    pub(super) fn add(
        &mut self,
        ts: u64,
        source: u64,
        (side, price, qty): (Side, i64, u64),
    ) -> Result<(), String> {
        if qty == 0 || self.orders.contains_key(&source) {
            return Err(format!("order {source} is entered twice, or with nothing"));
        }
        if !self.fits(price, qty) {
            self.done.outside += 1;
            return Ok(());
        }
        if self.crosses(side, price) {
            self.done.crossing += 1;
            return Ok(());
        }
        let oid = self.fresh();
        self.write(&Command { ts, word: "NEW", oid, old: None, side, price, qty, source })?;
        self.enter(source, Working { oid, side, price, qty });
        self.row()
    }

    /// Quantity goes off an order without a trade; `None`: all of it.
    pub(super) fn cancel(&mut self, ts: u64, source: u64, qty: Option<u64>) -> Result<(), String> {
        let Some(order) = self.orders.get(&source).copied() else {
            self.done.unknown += 1;
            return Ok(());
        };
        let Working { oid, side, price, qty: left } = order;
        let qty = qty.unwrap_or(left).min(left);
        if qty == 0 {
            return Err(format!("of order {source} nothing is taken off"));
        }
        let word = if qty == left { "CANCEL" } else { "REDUCE" };
        self.write(&Command { ts, word, oid, old: None, side, price, qty, source })?;
        self.take(source, qty);
        self.row()
    }

    /// An order trades: somebody of the other side took it.
    pub(super) fn execute(&mut self, ts: u64, source: u64, qty: u64) -> Result<(), String> {
        let Some(order) = self.orders.get(&source).copied() else {
            self.done.unknown += 1;
            return Ok(());
        };
        if qty == 0 || qty > order.qty {
            return Err(format!("order {source} trades {qty} of {}", order.qty));
        }
        if self.first(order.side) != Some(source) {
            self.done.out_of_turn += 1;
            return self.cancel(ts, source, Some(qty));
        }
        let (oid, side, price) = (self.fresh(), order.side.opposite(), order.price);
        let n = self.done.commands;
        self.write(&Command { ts, word: "IOC", oid, old: None, side, price, qty, source })?;
        writeln!(self.fills, "{n},{},{price},{qty}", order.oid).map_err(|it| it.to_string())?;
        self.done.fills += 1;
        self.take(source, qty);
        self.row()
    }

    /// An order becomes another one, behind all others.
    pub(super) fn replace(
        &mut self,
        ts: u64,
        (source, new): (u64, u64),
        (price, qty): (i64, u64),
    ) -> Result<(), String> {
        let Some(order) = self.orders.get(&source).copied() else {
            self.done.unknown += 1;
            return Ok(());
        };
        let side = order.side;
        if new != source && self.orders.contains_key(&new) {
            return Err(format!("order {source} becomes {new}, which is there already"));
        }
        if qty > 0 && !self.fits(price, qty) {
            self.done.outside += 1;
            return self.cancel(ts, source, None);
        }
        if qty == 0 || self.crosses(side, price) {
            self.done.crossing += 1;
            return self.cancel(ts, source, None);
        }
        let (oid, old) = (self.fresh(), Some(order.oid));
        self.write(&Command { ts, word: "REPLACE", oid, old, side, price, qty, source: new })?;
        self.take(source, order.qty);
        self.enter(new, Working { oid, side, price, qty });
        self.row()
    }

    fn fits(&self, price: i64, qty: u64) -> bool {
        let Instrument { price_min, price_max, qty_max, .. } = self.instrument;
        (price_min..=price_max).contains(&Price::from_ticks(price))
            && Qty::from_lots(qty) <= qty_max
    }

    fn fresh(&mut self) -> u64 {
        let oid = self.next_oid;
        self.next_oid += 1;
        oid
    }

    fn book(&mut self, side: Side) -> &mut BTreeMap<i64, BTreeMap<u64, u64>> {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }

    fn enter(&mut self, source: u64, order: Working) {
        self.orders.insert(source, order);
        self.book(order.side).entry(order.price).or_default().insert(order.oid, source);
    }

    fn take(&mut self, source: u64, qty: u64) {
        let Some(order) = self.orders.get_mut(&source) else { return };
        order.qty -= qty;
        let order = *order;
        if order.qty > 0 {
            return;
        }
        self.orders.remove(&source);
        let book = self.book(order.side);
        if let Some(level) = book.get_mut(&order.price) {
            level.remove(&order.oid);
            if level.is_empty() {
                book.remove(&order.price);
            }
        }
    }

    fn crosses(&self, side: Side, price: i64) -> bool {
        match side {
            Side::Buy => self.asks.first_key_value().is_some_and(|(best, _)| price >= *best),
            Side::Sell => self.bids.last_key_value().is_some_and(|(best, _)| price <= *best),
        }
    }

    /// The order that trades next on a side, by the exchange's number.
    fn first(&self, side: Side) -> Option<u64> {
        let level = match side {
            Side::Buy => self.bids.last_key_value(),
            Side::Sell => self.asks.first_key_value(),
        };
        level?.1.first_key_value().map(|(_, source)| *source)
    }

    fn write(&mut self, command: &Command<'_>) -> Result<(), String> {
        let Command { ts, word, oid, old, side, price, qty, source } = command;
        let side = if *side == Side::Buy { "B" } else { "S" };
        let old = old.map_or(String::new(), |old| old.to_string());
        let n = self.done.commands;
        self.done.commands += 1;
        writeln!(self.commands, "{n},{ts},{word},{oid},{old},{side},{price},{qty},,,{source}")
            .map_err(|error| error.to_string())
    }

    /// The top of the book after the last command.
    fn row(&mut self) -> Result<(), String> {
        let qty = |level: &BTreeMap<u64, u64>| -> u64 {
            level.values().filter_map(|source| self.orders.get(source)).map(|it| it.qty).sum()
        };
        let ask = self.asks.first_key_value().map_or((0, 0), |(price, it)| (*price, qty(it)));
        let bid = self.bids.last_key_value().map_or((0, 0), |(price, it)| (*price, qty(it)));
        let n = self.done.commands - 1;
        writeln!(self.rows, "{n},import,{n},1,A,{},{},{},{}", ask.0, ask.1, bid.0, bid.1)
            .map_err(|error| error.to_string())
    }
}
