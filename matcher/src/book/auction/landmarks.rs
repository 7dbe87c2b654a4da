//! Landmarks: sums over the levels of an auction, so that what is looked for again is found without a walk
//! from the front.
//!
//! Where self-trade prevention takes orders off, an uncross has to look for its price again, as often as
//! there are prices at which somebody was taken off; a walk over all levels each time would cost their
//! product. While an auction trades, levels only change at their front, so a sum up to any level behind
//! stays true but for what the front has lost.

use crate::book::view::levels_from;
use crate::book::{Sides, Store, ladder_key};
use crate::extras::by_side;
use crate::ladder::Ladder;
use crate::levels::Level;
use crate::pool::Id;
use crate::types::{Price, Side};

/// Landmarks of a side at most. With as many levels that trade, each has one; beyond, every second, and so
/// on. Few in tests, so that they come to that.
const MARKS: usize = if cfg!(debug_assertions) { 4 } else { 1024 };

/// A level, and what it and those before it held when the landmarks were set.
#[derive(Clone, Copy)]
struct Mark {
    key: i64,
    sum: u64,
}

/// The landmarks of one side.
pub(super) struct Landmarks {
    marks: [Mark; MARKS],
    len: usize,
    side: Side,
}

/// What one side looks like now.
pub(super) struct Survey<'a> {
    /// Of levels that are still there.
    marks: &'a [Mark],
    side: Side,
    market_qty: u64,
    /// What the front has lost.
    gone: u64,
}

/// Where one side is when so many lots have traded.
#[derive(Clone, Copy)]
pub(super) struct Point {
    /// Of market orders.
    pub(super) market_left: u64,
    /// The first level to look at.
    pub(super) level: Id<Level>,
    /// Of it and those behind it: what has traded.
    pub(super) traded: u64,
}

impl Landmarks {
    /// Sets landmarks on the levels of a side that meet the other side.
    pub(super) fn set(book: &Sides, store: &Store, side: Side) -> Landmarks {
        let mut landmarks = Landmarks { marks: [Mark { key: 0, sum: 0 }; MARKS], len: 0, side };
        let Some(met) = book.best_price(side.opposite()) else { return landmarks };
        let (mut sum, mut every) = (0, 1);
        let levels = levels_from(book.ladder(side).best(), &store.levels);
        for (n, level) in (1_usize..).zip(levels.take_while(|it| side.accepts(it.price(), met))) {
            sum += level.qty + level.hidden;
            if n % every != 0 {
                continue;
            }
            if landmarks.len == MARKS {
                every *= 2;
                landmarks.leave_out_every_second();
            }
            if n % every == 0 {
                landmarks.marks[landmarks.len] = Mark { key: level.key, sum };
                landmarks.len += 1;
            }
        }
        landmarks
    }

    fn leave_out_every_second(&mut self) {
        self.len = MARKS / 2;
        for n in 0..self.len {
            self.marks[n] = self.marks[2 * n + 1];
        }
    }

    /// Looks at a side as it is now.
    pub(super) fn survey(&self, book: &Sides, store: &Store) -> Survey<'_> {
        let (ladder, side) = (book.ladder(self.side), self.side);
        let marks = &self.marks[..self.len];
        let marks = match ladder.best_key() {
            Some(best) => &marks[marks.partition_point(|mark| mark.key < best)..],
            None => &[],
        };
        let market_qty = book.beside.market_qty[by_side(side)];
        let mut survey = Survey { marks, side, market_qty, gone: 0 };
        if let Some(first) = marks.first() {
            let levels = levels_from(ladder.best(), &store.levels);
            let up_to_it = levels.take_while(|level| level.key <= first.key);
            survey.gone = first.sum - up_to_it.map(|level| level.qty + level.hidden).sum::<u64>();
        }
        survey
    }
}

impl Survey<'_> {
    /// What the level of that landmark, and who is before it, would trade.
    const fn sum(&self, mark: &Mark) -> u64 {
        self.market_qty + (mark.sum - self.gone)
    }

    /// A price that a side takes, or a better one, for its first `qty` lots.
    fn price_of(&self, qty: u64) -> Option<Price> {
        let mark = &self.marks.get(self.marks.partition_point(|mark| self.sum(mark) < qty))?;
        Some(Price::from_ticks(ladder_key(self.side, Price::from_ticks(mark.key))))
    }

    /// Of the sums of this side the largest that surely trades with the other one.
    fn surely(&self, other: &Survey<'_>) -> u64 {
        let trades = |mark: &Mark| {
            let qty = self.sum(mark);
            let prices = self.price_of(qty).zip(other.price_of(qty));
            prices.is_some_and(|(own, price)| self.side.accepts(own, price))
        };
        match self.marks.partition_point(trades) {
            0 => 0,
            behind => self.sum(&self.marks[behind - 1]),
        }
    }

    /// Where this side is when `qty` lots have traded.
    fn point(&self, ladder: &Ladder, store: &Store, qty: u64) -> Point {
        let Some(of_limits) = qty.checked_sub(self.market_qty) else {
            let market_left = self.market_qty - qty;
            return Point { market_left, level: ladder.best(), traded: 0 };
        };
        let passed = self.marks.partition_point(|mark| mark.sum - self.gone <= of_limits);
        let (level, traded) = match passed.checked_sub(1) {
            None => (ladder.best(), of_limits),
            Some(last) => {
                let Mark { key, sum } = self.marks[last];
                (behind(ladder, store, key), of_limits - (sum - self.gone))
            }
        };
        Point { market_left: 0, level, traded }
    }

    /// What the limit orders of this side would still trade at `price`.
    pub(super) fn accepting(&self, ladder: &Ladder, store: &Store, price: Price) -> u64 {
        let key = ladder_key(self.side, price);
        let passed = self.marks.partition_point(|mark| mark.key <= key);
        let (mut sum, from) = match passed.checked_sub(1) {
            None => (0, ladder.best()),
            Some(last) => {
                let Mark { key, sum } = self.marks[last];
                (sum - self.gone, behind(ladder, store, key))
            }
        };
        let levels = levels_from(from, &store.levels).take_while(|level| level.key <= key);
        sum += levels.map(|level| level.qty + level.hidden).sum::<u64>();
        sum
    }
}

/// How much surely trades, and a lot more does; where both sides are then: bids, asks.
pub(super) fn meet(
    book: &Sides,
    store: &Store,
    bids: &Survey<'_>,
    asks: &Survey<'_>,
) -> (u64, [Point; 2]) {
    // What surely trades less a lot: the last of it is left to be found.
    let qty = bids.surely(asks).max(asks.surely(bids)).saturating_sub(1);
    let point = |survey: &Survey<'_>| survey.point(book.ladder(survey.side), store, qty);
    (qty, [point(bids), point(asks)])
}

/// The level behind that of `key`.
fn behind(ladder: &Ladder, store: &Store, key: i64) -> Id<Level> {
    match key.checked_add(1) {
        Some(key) => ladder.first_from(&store.levels, key),
        None => Id::NONE,
    }
}
