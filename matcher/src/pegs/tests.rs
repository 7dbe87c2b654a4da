//! Each rule by example, and the whole against a list that prices every order.

use super::{PegKind, PegTerms, Pegged, Pegs, References};
use crate::orders::Order;
use crate::pool::{Id, Pool};
use crate::testing::Rng;
use crate::types::{OrderRef, Price, Side};

use PegKind::{Midpoint, Primary};

const SIDES: [Side; 2] = [Side::Buy, Side::Sell];

fn price(ticks: i64) -> Price {
    Price::from_ticks(ticks)
}

/// What an order has to say, in the words of RULES.md and in numbers that hold every sum.
fn price_by_the_rule(
    (low, high): (i64, i64),
    side: Side,
    terms: &PegTerms,
    references: References,
) -> Option<i64> {
    let reference = match terms.kind {
        Primary => references.primary?,
        Midpoint => references.midpoint?,
    };
    let (reference, offset) = (i128::from(reference.ticks()), i128::from(terms.offset));
    let limit = terms.limit.map(|limit| i128::from(limit.ticks()));
    let free = match side {
        Side::Buy => (reference - offset).min(limit.unwrap_or(i128::MAX)),
        Side::Sell => (reference + offset).max(limit.unwrap_or(i128::MIN)),
    };
    i64::try_from(free.clamp(low.into(), high.into())).ok()
}

/// The pegged orders of one side of one book, and the same as a list in order of places.
struct Book {
    side: Side,
    prices: (i64, i64),
    pegs: Pegs,
    list: Vec<(Id<Pegged>, PegTerms)>,
}

impl Book {
    fn new(side: Side, prices: (i64, i64)) -> Book {
        let pegs = Pegs::new(side, &(price(prices.0)..=price(prices.1)));
        Book { side, prices, pegs, list: Vec::new() }
    }

    fn insert(&mut self, nodes: &mut Pool<Pegged>, terms: PegTerms) -> Id<Pegged> {
        let slot = u32::try_from(terms.place.0).unwrap();
        let node = self.pegs.insert(nodes, &terms, Id::from_raw(slot));
        self.list.push((node, terms));
        node
    }

    fn remove(&mut self, nodes: &mut Pool<Pegged>, index: usize) {
        let (node, terms) = self.list.remove(index);
        let order: Id<Order> = self.pegs.remove(nodes, node);
        assert_eq!(u64::from(order.raw()), terms.place.0);
    }

    fn price_of(&self, terms: &PegTerms, references: References) -> Option<i64> {
        price_by_the_rule(self.prices, self.side, terms, references)
    }

    /// The best order of the list.
    fn best(&self, references: References) -> Option<(Id<Pegged>, Price)> {
        let priced = self.list.iter().filter_map(|(node, terms)| {
            self.price_of(terms, references).map(|ticks| (*node, terms.place, ticks))
        });
        let best = match self.side {
            Side::Buy => priced.min_by_key(|(_, place, ticks)| (-i128::from(*ticks), *place)),
            Side::Sell => priced.min_by_key(|(_, place, ticks)| (i128::from(*ticks), *place)),
        };
        best.map(|(node, _, ticks)| (node, price(ticks)))
    }

    #[track_caller]
    fn compare(&self, nodes: &Pool<Pegged>, references: References) {
        let best = self.pegs.best(nodes, references);
        assert_eq!(best, self.best(references), "{references:?} {:?}", self.list);
    }

    #[track_caller]
    fn compare_all(&self, nodes: &Pool<Pegged>, references: References) {
        for (node, terms) in &self.list {
            let expected = self.price_of(terms, references).map(price);
            assert_eq!(self.pegs.price_of(nodes, *node, references), expected, "{terms:?}");
            assert_eq!(nodes[*node].place, terms.place);
        }
        assert!(self.pegs.iter(nodes).eq(self.list.iter().map(|(node, _)| *node)));
        assert_eq!(self.pegs.check(nodes) as usize, self.list.len());
        assert_eq!(self.pegs.is_empty(), self.list.is_empty());
    }
}

fn pool(max: u32) -> Pool<Pegged> {
    let mut nodes = Pool::new();
    nodes.grow(max, max).unwrap();
    nodes
}

/// An order without a limit that follows the best price.
fn primary(offset: u64, place: u64) -> PegTerms {
    PegTerms { kind: Primary, offset, limit: None, place: OrderRef(place) }
}

/// The same order for the other side of a book of prices turned round at zero.
fn on(side: Side, terms: PegTerms) -> PegTerms {
    match side {
        Side::Buy => terms,
        Side::Sell => PegTerms { limit: terms.limit.map(|limit| price(-limit.ticks())), ..terms },
    }
}

/// Best at a primary and a midpoint reference: place and price. Written for buys; sells are their image.
#[track_caller]
fn expect(
    terms: &[PegTerms],
    prices: (i64, i64),
    (reference, midpoint): (Option<i64>, Option<i64>),
    best: Option<(u64, i64)>,
) {
    for side in SIDES {
        let turn = |ticks: i64| if side == Side::Buy { ticks } else { -ticks };
        let prices = (turn(prices.0).min(turn(prices.1)), turn(prices.0).max(turn(prices.1)));
        let (mut nodes, mut book) = (pool(100), Book::new(side, prices));
        for terms in terms {
            book.insert(&mut nodes, on(side, *terms));
        }
        let at = |ticks: Option<i64>| ticks.map(|ticks| price(turn(ticks)));
        let references = References { primary: at(reference), midpoint: at(midpoint) };
        let found = book.pegs.best(&nodes, references);
        let found = found.map(|(node, price)| (nodes[node].place.0, turn(price.ticks())));
        assert_eq!(found, best, "{side:?}");
        book.compare(&nodes, references);
        book.compare_all(&nodes, references);
    }
}

const WIDE: (i64, i64) = (-1_000_000, 1_000_000);

#[test]
fn nobody_and_nothing_to_follow() {
    expect(&[], WIDE, (Some(100), Some(100)), None);
    expect(&[primary(1, 1)], WIDE, (None, Some(100)), None);
    let midpoint = PegTerms { kind: Midpoint, ..primary(1, 2) };
    expect(&[primary(1, 1), midpoint], WIDE, (Some(100), None), Some((1, 99)));
    expect(&[primary(1, 1), midpoint], WIDE, (Some(100), Some(103)), Some((2, 102)));
}

#[test]
fn an_order_follows_up_to_its_limit() {
    let limited = PegTerms { limit: Some(price(100)), ..primary(3, 1) };
    for (reference, ticks) in [(90, 87), (102, 99), (103, 100), (104, 100), (999, 100)] {
        expect(&[limited], WIDE, (Some(reference), None), Some((1, ticks)));
    }
}

#[test]
fn the_lower_offset_wins_below_the_limits_and_the_better_limit_above() {
    let near = PegTerms { limit: Some(price(100)), ..primary(1, 1) };
    let far = PegTerms { limit: Some(price(110)), ..primary(5, 2) };
    expect(&[near, far], WIDE, (Some(90), None), Some((1, 89)));
    expect(&[near, far], WIDE, (Some(106), None), Some((2, 101)));
    expect(&[near, far], WIDE, (Some(500), None), Some((2, 110)));
}

#[test]
fn equal_prices_go_by_place_wherever_they_come_from() {
    // At 105 the first is capped at 100 and the second floats there.
    let capped = |place| PegTerms { limit: Some(price(100)), ..primary(1, place) };
    expect(&[capped(1), primary(5, 2)], WIDE, (Some(105), None), Some((1, 100)));
    expect(&[primary(5, 1), capped(2)], WIDE, (Some(105), None), Some((1, 100)));
    // Orders of both kinds.
    let midpoint = |place| PegTerms { kind: Midpoint, ..primary(2, place) };
    expect(&[midpoint(1), primary(0, 2)], WIDE, (Some(100), Some(102)), Some((1, 100)));
    expect(&[primary(0, 1), midpoint(2)], WIDE, (Some(100), Some(102)), Some((1, 100)));
}

#[test]
fn where_prices_end_the_place_decides() {
    // The second would be better if there were prices below 50.
    let orders = [primary(70, 1), primary(60, 2)];
    expect(&orders, (50, 200), (Some(100), None), Some((1, 50)));
    expect(&orders, (50, 200), (Some(111), None), Some((2, 51)));
    // And above 200, where a limit beyond the last price is none.
    let beyond = PegTerms { limit: Some(price(400)), ..primary(30, 1) };
    expect(&[beyond, primary(0, 2)], (50, 200), (Some(300), None), Some((1, 200)));
    expect(&[beyond, primary(0, 2)], (50, 200), (Some(220), None), Some((2, 200)));
    // Nor is there a price below the lowest number.
    let orders = [primary(u64::MAX, 1), primary(9, 2), primary(8, 3)];
    let all = (-i64::MAX, i64::MAX);
    expect(&orders, all, (Some(-i64::MAX + 8), None), Some((1, -i64::MAX)));
    expect(&orders, all, (Some(-i64::MAX + 9), None), Some((3, -i64::MAX + 1)));
}

#[test]
fn the_midpoint_is_rounded_away_from_the_other_side() {
    let midpoints = |bid, ask| {
        SIDES.map(|side| {
            let references = References::new(side, Some(price(bid)), Some(price(ask)));
            references.midpoint.unwrap().ticks()
        })
    };
    assert_eq!(midpoints(100, 104), [102, 102]);
    assert_eq!(midpoints(100, 103), [101, 102]);
    assert_eq!(midpoints(-104, -103), [-104, -103]);
    assert_eq!(midpoints(-2, 1), [-1, 0]);
    assert_eq!(midpoints(i64::MIN, i64::MAX), [-1, 0]);
    assert_eq!(midpoints(i64::MAX - 1, i64::MAX), [i64::MAX - 1, i64::MAX]);
    assert_eq!(midpoints(i64::MIN, i64::MIN), [i64::MIN, i64::MIN]);

    let (bid, ask) = (Some(price(100)), Some(price(104)));
    let of = |side, bid, ask| {
        let References { primary, midpoint } = References::new(side, bid, ask);
        (primary, midpoint)
    };
    assert_eq!(of(Side::Buy, bid, ask), (bid, Some(price(102))));
    assert_eq!(of(Side::Sell, bid, ask), (ask, Some(price(102))));
    assert_eq!(of(Side::Buy, bid, None), (bid, None));
    assert_eq!(of(Side::Sell, bid, None), (None, None));
}

#[test]
fn a_sorted_stream_is_no_worse() {
    const ORDERS: u32 = 1 << 14;
    let mut nodes = pool(ORDERS);
    for falling in [0, u64::from(ORDERS)] {
        let mut book = Book::new(Side::Buy, WIDE);
        for place in 1..=u64::from(ORDERS) {
            let limit = Some(price(place.cast_signed()));
            book.insert(&mut nodes, PegTerms { limit, ..primary(falling.abs_diff(place), place) });
        }
        let references = References { primary: Some(price(20_000)), midpoint: None };
        book.compare_all(&nodes, references);
        while !book.list.is_empty() {
            book.remove(&mut nodes, 0);
            if book.list.len().is_multiple_of(1_000) {
                book.compare(&nodes, references);
                book.compare_all(&nodes, references);
            }
        }
    }
    assert_eq!(nodes.len(), 0);
}

/// Numbers of one random run.
struct Shape {
    rng: Rng,
    prices: (i64, i64),
    /// Few prices and offsets make many ties.
    width: u64,
}

impl Shape {
    fn new(seed: u64) -> Shape {
        let mut rng = Rng::new(seed);
        let width = [4, 12, 1_000][rng.index(3)];
        let low = match rng.below(6) {
            0 => i64::MIN,
            1 => i64::MAX - width,
            2 => return Shape { rng, prices: (i64::MIN, i64::MAX), width: width.cast_unsigned() },
            _ => -width / 2,
        };
        Shape { rng, prices: (low, low + width), width: width.cast_unsigned() }
    }

    fn ticks(&mut self) -> i64 {
        let (low, high) = self.prices;
        let beside = self.rng.below(self.width + 1).cast_signed();
        match self.rng.below(12) {
            0 => self.rng.bits().cast_signed(),
            1..5 => high.saturating_sub(beside),
            5..9 => low.saturating_add(beside),
            // Zero or the middle, and around it.
            _ => (low & high) + ((low ^ high) >> 1) + beside / 2,
        }
    }

    fn offset(&mut self) -> u64 {
        match self.rng.below(16) {
            0 => 1 << 62,
            1 => u64::MAX - self.rng.below(3),
            2 => self.rng.bits(),
            3 => (self.width + self.rng.below(3)).saturating_sub(1),
            _ => self.rng.below(self.width),
        }
    }

    fn terms(&mut self, place: u64) -> PegTerms {
        let kind = if self.rng.percent(50) { Primary } else { Midpoint };
        let limit = self.rng.percent(70).then(|| price(self.ticks()));
        PegTerms { kind, offset: self.offset(), limit, place: OrderRef(place) }
    }

    fn references(&mut self) -> References {
        let mut reference = || self.rng.percent(90).then(|| price(self.ticks()));
        References { primary: reference(), midpoint: reference() }
    }
}

#[test]
fn as_if_every_order_was_priced() {
    const STEPS: u64 = 12_000;
    let (mut steps, mut most) = (0, 0);
    for seed in 1..=50 {
        println!("seed {seed}");
        let mut shape = Shape::new(seed);
        let mut nodes = pool(400);
        // Both sides of two books in one pool.
        let mut books = [0, 1, 2, 3].map(|book| Book::new(SIDES[book % 2], shape.prices));
        for place in 1..=STEPS {
            let book = &mut books[shape.rng.index(4)];
            let growing = place / 2_000 % 2 == 0;
            if !nodes.is_full() && shape.rng.percent(if growing { 60 } else { 40 }) {
                book.insert(&mut nodes, shape.terms(place));
            } else if !book.list.is_empty() {
                // Often the best, which is what trades.
                let best = book.best(shape.references()).filter(|_| shape.rng.percent(50));
                let of_best = |best| book.list.iter().position(|(node, _)| *node == best);
                let index = best.and_then(|(best, _)| of_best(best));
                let index = index.unwrap_or_else(|| shape.rng.index(book.list.len()));
                book.remove(&mut nodes, index);
            }
            book.compare(&nodes, shape.references());
            book.compare(&nodes, shape.references());
            if shape.rng.percent(1) {
                book.compare_all(&nodes, shape.references());
            }
            most = most.max(nodes.len());
            steps += 1;
        }
        let left: u32 = books.iter().map(|book| book.pegs.check(&nodes)).sum();
        assert_eq!(left, nodes.len());
    }
    assert_eq!((steps, most), (600_000, 400));
}
