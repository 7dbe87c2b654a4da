//! The price of a call auction.
//!
//! At a price p, B(p) is what would be bought: all market orders to buy and all bids at p or above it.
//! A(p) is what would be sold: all market orders to sell and all asks at p or below it. The executable
//! quantity is the smaller of the two, the imbalance is B(p) − A(p). Market orders come first, so at the
//! equilibrium a limit order is left out before a market order is.
//!
//! Candidates are *all* ticks from the instrument's lowest to its highest price, whether an order names
//! them or not; an order that takes none of them does not count. These rules choose, in this order:
//!
//! 1. **Volume**: the candidates with the largest executable quantity. If that is zero there is no
//!    equilibrium.
//! 2. **Imbalance**: among them those with the least |B(p) − A(p)|. What is left is one interval,
//!    because B only falls and A only rises with the price.
//! 3. **Ends**: market orders take any price, so they can leave an end of that interval open. The upper
//!    end is open if it is the highest candidate and no bid is there; the lower end is open if it is the
//!    lowest candidate and no ask is there. An open end moves towards the other one:
//!    * no limit order stands on either side: both ends are the reference, brought into the candidates.
//!      Without a reference there is no equilibrium, since nobody has named a price;
//!    * upper end: to the lowest tick from which on, up to the highest candidate, B and A do not change.
//!      If nobody sells with a limit (market orders trade with market orders there), not below the
//!      reference;
//!    * lower end: to the highest tick down from which B and A do not change. If nobody buys with a
//!      limit, not above the reference.
//! 4. **Pressure**: if every price left has a surplus to buy, the highest of them; if every one has a
//!    surplus to sell, the lowest.
//! 5. **Reference**: otherwise (no surplus, or the same surplus to buy at some and to sell at others)
//!    the reference, brought into the interval. Without one the middle, rounded down.
//!
//! Rule 3 never takes a price that rules 1 and 2 did not leave: an end is moved inside the interval. It
//! says two things. Where limit orders are traded, their limits end the interval: 100 lots to buy at the
//! market against asks of 60 at 10 and 40 at 12 trade at 12 and not at the highest price there is. Where
//! market orders trade only with each other the reference rules, and a bid far below it that trades
//! nothing does not pull them down to itself.
//!
//! | to buy | to sell | reference | price | quantity, left over | by rule |
//! |---|---|---|---|---|---|
//! | 100 at 12 | 60 at 10 | 15 | 12 | 60, buy 40 | 4 |
//! | 60 at 12 | 60 at 10 | 15, 11, – | 12, 11, 11 | 60 | 5 |
//! | 50 at 12, 50 at 10 | 50 at 10, 50 at 12 | any | 11 | 50 | 2 |
//! | 50 at 11, 50 at 10 | 50 at 10, 50 at 11 | 11 | 11 | 50, sell 50 | 5 |
//! | 50 at 11, 50 at 10 | 50 at 10, 50 at 11 | – | 10 | 50, buy 50 | 5 |
//! | market 100 | 60 at 10, 40 at 12 | any | 12 | 100 | 3 |
//! | market 100 | market 80 | 15 | 15 | 80, buy 20 | 3 |
//! | market 100 | market 80 | – | none | | 3 |
//! | market 100, 10 at 1 | market 80 | 15 | 15 | 80, buy 20 | 3, 4 |
//! | market 100, 10 at 1 | market 80 | – | 2 | 80, buy 20 | 3, 4 |
//!
//! The walk goes from the best levels inwards and reads, of each side, the levels that trade and at most
//! two behind them. Who knows how much trades at least may leave that out. Quantities are added up in 128 bits and stay at the largest number there rather than
//! overflow; 2^32 orders of 2^64 lots are far below it.

#[cfg(test)]
mod tests;

use std::iter::{Empty, Peekable};
use std::ops::RangeInclusive;

use crate::types::{Price, Side};

/// What one side of an auction wants.
pub(crate) struct Interest<L> {
    /// Sum of the market orders, in lots.
    pub(crate) market_qty: u128,
    /// Limit orders: price and sum of their lots, the best price first. Levels of one price may follow
    /// each other; a level that trades at no candidate ends the walk.
    pub(crate) limits: L,
    /// The best price of a limit order, if it has traded already; none if it is the first of `limits`.
    pub(crate) best: Option<Price>,
}

/// The outcome of an auction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Equilibrium {
    /// The price of all trades.
    pub(crate) price: Price,
    /// What trades, in lots; not zero.
    pub(crate) qty: u128,
    /// What would trade at the price and finds nobody.
    pub(crate) surplus: Option<Surplus>,
}

/// The side of an auction that is larger than the other, and by how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Surplus {
    pub(crate) side: Side,
    /// In lots; not zero.
    pub(crate) qty: u128,
}

/// The equilibrium of `bids` and `asks` among the prices of `candidates`.
///
/// `traded`: what was taken from the best of either side already, where it is known that more trades than
/// that. Otherwise zero.
pub(crate) fn equilibrium(
    traded: u128,
    bids: Interest<impl Iterator<Item = (Price, u128)>>,
    asks: Interest<impl Iterator<Item = (Price, u128)>>,
    candidates: &RangeInclusive<Price>,
    reference: Option<Price>,
) -> Option<Equilibrium> {
    if candidates.is_empty() {
        return None;
    }
    let (low, high) = (wide(*candidates.start()), wide(*candidates.end()));
    // "Brought into" an interval is brought into the candidates first: the interval is inside them.
    let reference = reference.map(|price| wide(price).clamp(low, high));
    let mut bids = Queue::new(bids, Side::Buy, -high, -low);
    let mut asks = Queue::new(asks, Side::Sell, low, high);
    let most = trade(traded, &mut bids, &mut asks)?;
    let left = most.least_imbalance(&mut bids, &mut asks);
    let (low, high) = left.close_ends(&bids, &asks, reference)?;
    let price = match left.pressure {
        Pressure::Buy => high,
        Pressure::Sell => low,
        Pressure::None | Pressure::Both => reference.unwrap_or((low + high) >> 1).clamp(low, high),
    };
    let surplus = left.side(price).map(|side| match side {
        Side::Buy => Surplus { side, qty: bids.qty },
        Side::Sell => Surplus { side, qty: asks.qty },
    });
    // A candidate, so inside 64 bits.
    let price = Price::from_ticks(i64::try_from(price).ok()?);
    Some(Equilibrium { price, qty: most.qty, surplus })
}

/// Ticks in a width in which there is a tick beside each and a sum of two.
fn wide(price: Price) -> i128 {
    price.ticks().into()
}

/// Key and quantity.
type Level = (i128, u128);

/// One side, best first. Its keys are prices to the asks and prices below zero turned round to the bids,
/// so that on both sides the lowest key is the best.
///
/// Among the candidates a market order is a limit order at the best key: it takes them all.
struct Queue<L: Iterator<Item = Level>> {
    limits: Peekable<L>,
    /// What trades next, behind the last key if nobody is left.
    key: i128,
    qty: u128,
    /// Key of the best limit order.
    best: i128,
    /// Keys of the candidates.
    first: i128,
    last: i128,
}

impl Queue<Empty<Level>> {
    fn new(
        interest: Interest<impl Iterator<Item = (Price, u128)>>,
        side: Side,
        first: i128,
        last: i128,
    ) -> Queue<impl Iterator<Item = Level>> {
        let key = move |price| match side {
            Side::Buy => -wide(price),
            Side::Sell => wide(price),
        };
        let limits = interest
            .limits
            .filter(|(_, qty)| *qty != 0)
            .map(move |(price, qty)| (key(price).max(first), qty))
            .take_while(move |(key, _)| *key <= last)
            .fuse();
        let (mut limits, none) = (limits.peekable(), (last + 1, 0));
        let first_left = limits.peek().unwrap_or(&none).0;
        let best = interest.best.map_or(first_left, |price| key(price).max(first));
        let mut queue = Queue { limits, key: first, qty: interest.market_qty, best, first, last };
        queue.add_same_key();
        if queue.qty == 0 {
            queue.advance();
        }
        queue
    }
}

impl<L: Iterator<Item = Level>> Queue<L> {
    fn advance(&mut self) {
        (self.key, self.qty) = self.limits.next().unwrap_or((self.last + 1, 0));
        self.add_same_key();
    }

    fn add_same_key(&mut self) {
        while let Some((_, more)) = self.limits.next_if(|(key, _)| *key == self.key) {
            self.qty = self.qty.saturating_add(more);
        }
    }

    fn take(&mut self, qty: u128) {
        self.qty -= qty;
        if self.qty == 0 {
            self.advance();
        }
    }

    /// Key of the level behind the one that trades next.
    fn key_behind(&mut self) -> i128 {
        self.limits.peek().map_or(self.last + 1, |(key, _)| *key)
    }

    fn has_limits(&self) -> bool {
        self.best <= self.last
    }

    /// Whether only market orders of this side take the worst price that it could get.
    fn leaves_end_open(&self) -> bool {
        self.best > self.first
    }
}

/// What trades at most, and between which prices it does.
struct Most {
    qty: u128,
    /// The last ask that trades.
    ask: i128,
    /// The last bid that trades.
    bid: i128,
}

/// Rule 1. Trading best with best until prices do not cross gives the largest quantity, and it trades at
/// the prices that the last of either side take.
fn trade(
    traded: u128,
    bids: &mut Queue<impl Iterator<Item = Level>>,
    asks: &mut Queue<impl Iterator<Item = Level>>,
) -> Option<Most> {
    let mut most = Most { qty: traded, ask: asks.key, bid: -bids.key };
    while bids.qty != 0 && asks.qty != 0 && -bids.key >= asks.key {
        let qty = bids.qty.min(asks.qty);
        most = Most { qty: most.qty.saturating_add(qty), ask: asks.key, bid: -bids.key };
        bids.take(qty);
        asks.take(qty);
    }
    (most.qty != 0).then_some(most)
}

/// Who would trade more at the prices that are left.
#[derive(Clone, Copy)]
enum Pressure {
    None,
    Buy,
    Sell,
    /// The same surplus to buy up to some price and to sell from the next tick on.
    Both,
}

/// The interval of prices that the rules have left.
struct Left {
    low: i128,
    high: i128,
    /// From this price down to `low` nothing changes.
    low_to: i128,
    /// From this price up to `high` nothing changes.
    high_from: i128,
    pressure: Pressure,
}

impl Most {
    /// Rule 2. What is left in the queues does not cross: up to the next bid there is a surplus to buy,
    /// from the next ask on there is one to sell, and between them there is none.
    fn least_imbalance(
        &self,
        bids: &mut Queue<impl Iterator<Item = Level>>,
        asks: &mut Queue<impl Iterator<Item = Level>>,
    ) -> Left {
        let (low, high) = (self.ask, self.bid);
        let (bid, ask) = (-bids.key, asks.key);
        let balanced = (low.max(bid + 1), high.min(ask - 1));
        if balanced.0 <= balanced.1 {
            return Left::one(balanced.0, balanced.1, Pressure::None);
        }
        let bid_behind = -bids.key_behind();
        let ask_behind = asks.key_behind();
        let (buying_low, buying_high) = (low.max(bid_behind + 1), bid);
        let (selling_low, selling_high) = (ask, high.min(ask_behind - 1));
        // With no price between them at least one of the two is inside the interval.
        if ask > high || bid >= low && bids.qty < asks.qty {
            Left::one(buying_low, buying_high, Pressure::Buy)
        } else if bid < low || bids.qty > asks.qty {
            Left::one(selling_low, selling_high, Pressure::Sell)
        } else {
            Left {
                low: buying_low,
                high: selling_high,
                low_to: buying_high,
                high_from: selling_low,
                pressure: Pressure::Both,
            }
        }
    }
}

impl Left {
    /// Nothing changes from `low` to `high`.
    const fn one(low: i128, high: i128, pressure: Pressure) -> Left {
        Left { low, high, low_to: high, high_from: low, pressure }
    }

    /// Rule 3, or none if nobody has named a price.
    fn close_ends(
        &self,
        bids: &Queue<impl Iterator<Item = Level>>,
        asks: &Queue<impl Iterator<Item = Level>>,
        reference: Option<i128>,
    ) -> Option<(i128, i128)> {
        if !bids.has_limits() && !asks.has_limits() {
            return reference.map(|price| (price, price));
        }
        let (mut low, mut high) = (self.low, self.high);
        if high == asks.last && bids.leaves_end_open() {
            let reference = reference.filter(|_| !asks.has_limits());
            high = reference.map_or(self.high_from, |price| price.max(self.high_from));
        }
        if low == asks.first && asks.leaves_end_open() {
            let reference = reference.filter(|_| !bids.has_limits());
            low = reference.map_or(self.low_to, |price| price.min(self.low_to));
        }
        Some((low, high))
    }

    /// Who has a surplus at `price`.
    fn side(&self, price: i128) -> Option<Side> {
        match self.pressure {
            Pressure::None => None,
            Pressure::Buy => Some(Side::Buy),
            Pressure::Sell => Some(Side::Sell),
            Pressure::Both if price <= self.low_to => Some(Side::Buy),
            Pressure::Both => Some(Side::Sell),
        }
    }
}
