//! Simulated makers and takers of the demo.

use std::collections::HashMap;
use std::time::Instant;

use gateway::fix::decode::Message;
use gateway::fix::tag;
use hdrhistogram::Histogram;
use matcher::{Instrument, Side, Timestamp};
use venue::clock;

use crate::fix_conn::FixSet;
use crate::own_venue;
use crate::random::Random;

/// CompIDs: the first [`MAKERS`] quote, the others take.
pub(super) const COMP_IDS: [&str; 4] = ["MAKER1", "MAKER2", "TAKER1", "TAKER2"];
const MAKERS: usize = 2;

/// Quotes of one maker on one side of one instrument.
const QUOTES_MAX: usize = 8;

/// What is traded: instrument, first price and a usual move, both in ticks, usual quantity in lots.
pub(super) fn listings() -> Vec<Listing> {
    let list = |instrument, fair, step, lots| Listing { instrument, fair, step, lots };
    vec![
        list(own_venue::instrument("BTC-USD", 2, 4, 40_000_000), 6_400_000, 150, 5_000),
        list(own_venue::instrument("ETH-USD", 2, 3, 20_000_000), 310_000, 12, 3_000),
        list(own_venue::instrument("SOL-USD", 2, 2, 2_000_000), 15_000, 2, 2_000),
        list(own_venue::instrument("EUR-USD", 4, 0, 100_000), 10_850, 1, 10_000),
    ]
}

/// See [`listings`].
pub(super) struct Listing {
    pub(super) instrument: Instrument,
    fair: i64,
    step: i64,
    lots: i64,
}

/// A maker's order that stands, as far as its maker knows.
#[derive(Clone, Copy, Debug)]
struct Quote {
    id: u64,
    session: usize,
    listing: usize,
    side: Side,
    lots: i64,
}

/// Everybody who trades.
pub(super) struct Market {
    pub(super) listings: Vec<Listing>,
    random: Random,
    quotes: Vec<Quote>,
    asked_at: HashMap<u64, Instant>,
    /// Requests sent; also the last ClOrdID.
    pub(super) orders: u64,
    /// ExecutionReports and OrderCancelRejects heard.
    pub(super) reports: u64,
    /// From a request to its first report, in nanoseconds.
    pub(super) latency: Histogram<u64>,
}

impl Market {
    /// Simulated traders.
    pub(super) fn new(seed: u64) -> Market {
        Market::of(listings(), seed)
    }

    /// Traders that do what was recorded, in one instrument.
    pub(super) fn recorded() -> Market {
        let instrument = own_venue::flow_instrument();
        Market::of(vec![Listing { instrument, fair: 0, step: 0, lots: 0 }], 0)
    }

    fn of(listings: Vec<Listing>, seed: u64) -> Market {
        let Ok(latency) = Histogram::new_with_bounds(100, 60_000_000_000, 3) else {
            unreachable!("the bounds are good");
        };
        Market {
            listings,
            random: Random::new(seed),
            quotes: Vec::new(),
            asked_at: HashMap::new(),
            orders: 0,
            reports: 0,
            latency,
        }
    }

    /// Somebody does something.
    pub(super) fn step(&mut self, set: &mut FixSet) {
        let listing = self.random.below(self.listings.len() as u64) as usize;
        let side = if self.random.below(2) == 0 { Side::Buy } else { Side::Sell };
        let it = &mut self.listings[listing];
        let drift = self.random.between(-it.step, it.step);
        it.fair = (it.fair + drift).max(it.step * 100);
        let maker = self.random.below(MAKERS as u64) as usize;
        match self.random.below(100) {
            0..55 => self.quote(set, maker, listing, side),
            55..70 => self.move_quote(set, maker, listing, side),
            _ => {
                let session = MAKERS + self.random.below((COMP_IDS.len() - MAKERS) as u64) as usize;
                let price = self.price(listing, side, -10);
                let lots = self.lots(listing) * 2;
                self.enter(set, session, listing, side, price, lots, b'3');
            }
        }
    }

    /// A price `steps` away from the fair one, to the side that does not trade; negative: to the other.
    fn price(&self, listing: usize, side: Side, steps: i64) -> i64 {
        let it = &self.listings[listing];
        match side {
            Side::Buy => it.fair - steps * it.step,
            Side::Sell => it.fair + steps * it.step,
        }
    }

    fn lots(&mut self, listing: usize) -> i64 {
        let usual = self.listings[listing].lots;
        self.random.between(usual / 10, usual)
    }

    /// A maker quotes, or takes his oldest quote back if he has enough of them.
    fn quote(&mut self, set: &mut FixSet, session: usize, listing: usize, side: Side) {
        let mine = |it: &&Quote| (it.session, it.listing, it.side) == (session, listing, side);
        if self.quotes.iter().filter(mine).count() >= QUOTES_MAX {
            return self.cancel_oldest(set, session, listing, side);
        }
        let away = self.random.between(2, 12);
        let (price, lots) = (self.price(listing, side, away), self.lots(listing));
        let id = self.enter(set, session, listing, side, price, lots, b'0');
        self.quotes.push(Quote { id, session, listing, side, lots });
    }

    fn cancel_oldest(&mut self, set: &mut FixSet, session: usize, listing: usize, side: Side) {
        let mine = |it: &Quote| (it.session, it.listing, it.side) == (session, listing, side);
        let Some(at) = self.quotes.iter().position(mine) else { return };
        let quote = self.quotes.remove(at);
        let (id, now) = self.next_id();
        let symbol = self.listings[listing].instrument.symbol;
        set.send(session, now, b"F", |cancel| {
            cancel.uint(tag::CL_ORD_ID, id).uint(tag::ORIG_CL_ORD_ID, quote.id);
            cancel.bytes(tag::SYMBOL, symbol.as_bytes()).char(tag::SIDE, fix_side(side));
            cancel.utc(tag::TRANSACT_TIME, now);
        });
    }

    /// A maker moves his oldest quote to where the market is now.
    fn move_quote(&mut self, set: &mut FixSet, session: usize, listing: usize, side: Side) {
        let away = self.random.between(2, 12);
        let price = self.price(listing, side, away);
        let mine = |it: &Quote| (it.session, it.listing, it.side) == (session, listing, side);
        let Some(at) = self.quotes.iter().position(mine) else { return };
        let quote = self.quotes.remove(at);
        let (id, now) = self.next_id();
        set.send(session, now, b"G", |replace| {
            replace.uint(tag::CL_ORD_ID, id).uint(tag::ORIG_CL_ORD_ID, quote.id);
            self.write_terms(replace, listing, side, price, quote.lots, now);
        });
        self.quotes.push(Quote { id, ..quote });
    }

    #[allow(clippy::too_many_arguments)] // The terms of an order.
    fn enter(
        &mut self,
        set: &mut FixSet,
        session: usize,
        listing: usize,
        side: Side,
        price: i64,
        lots: i64,
        time_in_force: u8,
    ) -> u64 {
        let (id, now) = self.next_id();
        set.send(session, now, b"D", |order| {
            order.uint(tag::CL_ORD_ID, id);
            self.write_terms(order, listing, side, price, lots, now);
            order.char(tag::TIME_IN_FORCE, time_in_force);
        });
        id
    }

    fn write_terms(
        &self,
        order: &mut gateway::fix::encode::Encoder<'_>,
        listing: usize,
        side: Side,
        price: i64,
        lots: i64,
        now: Timestamp,
    ) {
        let instrument = &self.listings[listing].instrument;
        order.bytes(tag::SYMBOL, instrument.symbol.as_bytes()).char(tag::SIDE, fix_side(side));
        order.utc(tag::TRANSACT_TIME, now);
        order.decimal(tag::ORDER_QTY, lots, instrument.qty_decimals).char(tag::ORD_TYPE, b'2');
        order.decimal(tag::PRICE, price, instrument.price_decimals);
    }

    /// The next ClOrdID; its report is waited for from now on.
    pub(super) fn next_id(&mut self) -> (u64, Timestamp) {
        self.orders += 1;
        self.asked_at.insert(self.orders, Instant::now());
        (self.orders, clock::now())
    }

    /// A report came.
    pub(super) fn heard(&mut self, message: &Message<'_>) {
        self.reports += 1;
        let id = message.get(tag::CL_ORD_ID).and_then(|id| std::str::from_utf8(id).ok());
        let Some(id) = id.and_then(|id| id.parse::<u64>().ok()) else { return };
        if let Some(asked_at) = self.asked_at.remove(&id) {
            let ns = u64::try_from(asked_at.elapsed().as_nanos()).unwrap_or(u64::MAX);
            self.latency.saturating_record(ns);
        }
        // Filled, canceled, rejected, or a replace that came too late: nothing stands there.
        let over = matches!(message.get(tag::ORD_STATUS), Some(b"2" | b"4" | b"8"));
        if over || message.msg_type() == b"9" {
            self.quotes.retain(|quote| quote.id != id);
        }
    }

    /// Requests without an answer.
    pub(super) fn open(&self) -> usize {
        self.asked_at.len()
    }
}

fn fix_side(side: Side) -> u8 {
    match side {
        Side::Buy => b'1',
        Side::Sell => b'2',
    }
}
