//! Simulated makers and takers of the demo: makers quote over OUCH, takers take over FIX.

use std::collections::HashMap;
use std::time::Instant;

use gateway::fix::decode::Message;
use gateway::fix::tag;
use gateway::order_entry::ouch::SymbolOf;
use gateway::ouch::{Cancel, Enter, FromClient, FromVenue, Options, Replace};
use hdrhistogram::Histogram;
use matcher::{Instrument, Side, Timestamp};
use venue::clock;

use crate::fix_conn::FixSet;
use crate::ouch_set::{OuchSaid, OuchSet};
use crate::own_venue;
use crate::random::Random;

/// CompIDs of those who quote, over OUCH.
pub(super) const MAKERS: [&str; 2] = ["MAKER1", "MAKER2"];

/// CompIDs of those who take, over FIX.
pub(super) const TAKERS: [&str; 2] = ["TAKER1", "TAKER2"];

/// Requests of a maker under way at most. Whoever waits for so many answers asks for nothing.
const WAITING_MAX: usize = 256;

/// TimeInForce of a quote: for the day.
const DAY: u8 = b'0';

/// Decimals of OUCH's prices.
const OUCH_DECIMALS: u8 = 4;

/// Quotes of one maker on one side of one instrument.
const QUOTES_MAX: usize = 8;

/// What is traded: instrument, first price and a usual move, both in ticks, usual quantity in lots.
pub(super) fn listings() -> Vec<Listing> {
    let list = |instrument, fair, step, lots| Listing { instrument, fair, step, lots };
    vec![
        list(own_venue::instrument("BTC-USD", 2, 4, 19_999_999), 6_400_000, 150, 5_000),
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
    /// The request that made it what it is.
    id: u64,
    user_ref_num: u32,
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
    /// By maker: the last UserRefNum.
    user_refs: [u32; MAKERS.len()],
    asked_at: HashMap<u64, Instant>,
    /// Requests sent; also the last ClOrdID, and the last tag of a request over OUCH.
    pub(super) orders: u64,
    /// Reports heard: of FIX and OUCH.
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
            user_refs: [0; MAKERS.len()],
            asked_at: HashMap::new(),
            orders: 0,
            reports: 0,
            latency,
        }
    }

    /// Somebody does something.
    pub(super) fn step(&mut self, takers: &mut FixSet, makers: &mut OuchSet) {
        let listing = self.random.below(self.listings.len() as u64) as usize;
        let side = if self.random.below(2) == 0 { Side::Buy } else { Side::Sell };
        let it = &mut self.listings[listing];
        let drift = self.random.between(-it.step, it.step);
        it.fair = (it.fair + drift).max(it.step * 100);
        let maker = self.random.below(MAKERS.len() as u64) as usize;
        let chance = self.random.below(100);
        if chance >= 70 {
            self.take(takers, listing, side);
        } else if makers.waiting(maker) < WAITING_MAX {
            match chance {
                0..55 => self.quote(makers, maker, listing, side),
                _ => self.move_quote(makers, maker, listing, side),
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

    /// A taker takes what is there up to a price, and leaves nothing.
    fn take(&mut self, set: &mut FixSet, listing: usize, side: Side) {
        let session = self.random.below(TAKERS.len() as u64) as usize;
        let price = self.price(listing, side, -10);
        let lots = self.lots(listing) * 2;
        let (id, now) = self.next_id();
        let instrument = &self.listings[listing].instrument;
        set.send(session, now, b"D", |order| {
            order.uint(tag::CL_ORD_ID, id).bytes(tag::SYMBOL, instrument.symbol.as_bytes());
            order.char(tag::SIDE, if side == Side::Buy { b'1' } else { b'2' });
            order.utc(tag::TRANSACT_TIME, now);
            order.decimal(tag::ORDER_QTY, lots, instrument.qty_decimals).char(tag::ORD_TYPE, b'2');
            order.decimal(tag::PRICE, price, instrument.price_decimals);
            order.char(tag::TIME_IN_FORCE, b'3');
        });
    }

    /// A maker quotes, or takes his oldest quote back if he has enough of them.
    fn quote(&mut self, set: &mut OuchSet, session: usize, listing: usize, side: Side) {
        let mine = |it: &&Quote| (it.session, it.listing, it.side) == (session, listing, side);
        if self.quotes.iter().filter(mine).count() >= QUOTES_MAX {
            return self.cancel_oldest(set, session, listing, side);
        }
        let away = self.random.between(2, 12);
        let (price, lots) = (self.units(listing, side, away), self.lots(listing));
        let (id, _) = self.next_id();
        let user_ref_num = self.next_user_ref(session);
        let enter = Enter {
            user_ref_num,
            side: if side == Side::Buy { b'B' } else { b'S' },
            quantity: shares(lots),
            symbol: SymbolOf::padded(&self.listings[listing].instrument.symbol),
            price,
            time_in_force: DAY,
            display: b'Y',
            capacity: b'P',
            iso: b'N',
            cross_type: b'N',
            cl_ord_id: [b' '; 14],
            options: Options::default(),
        };
        set.send(session, id, FromClient::Enter(enter));
        self.quotes.push(Quote { id, user_ref_num, session, listing, side, lots });
    }

    fn cancel_oldest(&mut self, set: &mut OuchSet, session: usize, listing: usize, side: Side) {
        let mine = |it: &Quote| (it.session, it.listing, it.side) == (session, listing, side);
        let Some(at) = self.quotes.iter().position(mine) else { return };
        let Quote { user_ref_num, .. } = self.quotes.remove(at);
        let (id, _) = self.next_id();
        let cancel = Cancel { user_ref_num, quantity: 0, options: Options::default() };
        set.send(session, id, FromClient::Cancel(cancel));
    }

    /// A maker moves his oldest quote to where the market is now.
    fn move_quote(&mut self, set: &mut OuchSet, session: usize, listing: usize, side: Side) {
        let away = self.random.between(2, 12);
        let price = self.units(listing, side, away);
        let mine = |it: &Quote| (it.session, it.listing, it.side) == (session, listing, side);
        let Some(at) = self.quotes.iter().position(mine) else { return };
        let quote = self.quotes.remove(at);
        let (id, _) = self.next_id();
        let user_ref_num = self.next_user_ref(session);
        let replace = Replace {
            orig_user_ref_num: quote.user_ref_num,
            user_ref_num,
            quantity: shares(quote.lots),
            price,
            time_in_force: DAY,
            display: b'Y',
            iso: b'N',
            cl_ord_id: [b' '; 14],
            options: Options::default(),
        };
        set.send(session, id, FromClient::Replace(replace));
        self.quotes.push(Quote { id, user_ref_num, ..quote });
    }

    /// [`Market::price`] as OUCH says it, in 1/10,000.
    fn units(&self, listing: usize, side: Side, steps: i64) -> u64 {
        let decimals = self.listings[listing].instrument.price_decimals;
        let units_per_tick = 10_u64.pow(OUCH_DECIMALS.saturating_sub(decimals).into());
        u64::try_from(self.price(listing, side, steps)).unwrap_or(1) * units_per_tick
    }

    fn next_user_ref(&mut self, session: usize) -> u32 {
        self.user_refs[session] += 1;
        self.user_refs[session]
    }

    /// The next ClOrdID; its report is waited for from now on.
    pub(super) fn next_id(&mut self) -> (u64, Timestamp) {
        self.orders += 1;
        self.asked_at.insert(self.orders, Instant::now());
        (self.orders, clock::now())
    }

    /// A taker heard a report.
    pub(super) fn heard(&mut self, message: &Message<'_>) {
        self.reports += 1;
        let id = message.get(tag::CL_ORD_ID).and_then(|id| std::str::from_utf8(id).ok());
        if let Some(id) = id.and_then(|id| id.parse().ok()) {
            self.answered(id);
        }
    }

    /// A maker heard something.
    pub(super) fn said(&mut self, session: usize, said: OuchSaid<'_>) {
        let over = match said {
            // It came too late: nothing stands there.
            OuchSaid::PassedOver(id) => {
                self.asked_at.remove(&id);
                return self.quotes.retain(|quote| quote.id != id);
            }
            OuchSaid::Message { message, answers, leaves, .. } => {
                if let Some(id) = answers {
                    self.answered(id);
                }
                match message {
                    FromVenue::SystemEvent(_) => return,
                    FromVenue::Executed(it) if leaves == 0 => Some(it.user_ref_num),
                    FromVenue::Canceled(it) if leaves == 0 => Some(it.user_ref_num),
                    FromVenue::Rejected(it) => Some(it.user_ref_num),
                    _ => None,
                }
            }
        };
        self.reports += 1;
        if let Some(over) = over {
            self.quotes.retain(|it| (it.session, it.user_ref_num) != (session, over));
        }
    }

    /// The first thing was said to a request.
    fn answered(&mut self, id: u64) {
        if let Some(asked_at) = self.asked_at.remove(&id) {
            let ns = u64::try_from(asked_at.elapsed().as_nanos()).unwrap_or(u64::MAX);
            self.latency.saturating_record(ns);
        }
    }

    /// Requests without an answer.
    pub(super) fn open(&self) -> usize {
        self.asked_at.len()
    }
}

fn shares(lots: i64) -> u32 {
    u32::try_from(lots).unwrap_or(1)
}
