//! Every rule by example, and the whole against trying every price.

use std::cell::Cell;

use super::{Equilibrium, Interest, Surplus, equilibrium};
use crate::testing::Rng;
use crate::types::{Price, Side};

/// One auction.
#[derive(Clone, Debug, Default)]
struct Auction {
    market: [u128; 2],
    bids: Vec<(i64, u128)>,
    asks: Vec<(i64, u128)>,
    low: i64,
    high: i64,
    reference: Option<i64>,
}

fn price(ticks: i64) -> Price {
    Price::from_ticks(ticks)
}

impl Auction {
    /// Market orders, then limit orders, as in the table of the module.
    fn new(buy: (u128, &[(i64, u128)]), sell: (u128, &[(i64, u128)])) -> Auction {
        Auction {
            market: [buy.0, sell.0],
            bids: buy.1.to_vec(),
            asks: sell.1.to_vec(),
            low: -1_000,
            high: 1_000,
            reference: None,
        }
    }

    fn answer(&self) -> Option<Equilibrium> {
        self.answer_and_reads().0
    }

    /// The equilibrium and how many levels of either side were read for it.
    fn answer_and_reads(&self) -> (Option<Equilibrium>, [usize; 2]) {
        let reads = [Cell::new(0), Cell::new(0)];
        let limits = |side: usize, levels: &[(i64, u128)]| {
            let levels: Vec<_> = levels.iter().map(|(ticks, qty)| (price(*ticks), *qty)).collect();
            let reads = &reads[side];
            levels.into_iter().inspect(move |_| reads.set(reads.get() + 1))
        };
        let answer = equilibrium(
            0,
            Interest { market_qty: self.market[0], limits: limits(0, &self.bids), best: None },
            Interest { market_qty: self.market[1], limits: limits(1, &self.asks), best: None },
            &(price(self.low)..=price(self.high)),
            self.reference.map(price),
        );
        (answer, reads.map(|reads| reads.get()))
    }

    fn bought_at(&self, ticks: i128) -> u128 {
        let bids = self.bids.iter().filter(|(limit, _)| i128::from(*limit) >= ticks);
        self.market[0] + bids.map(|(_, qty)| qty).sum::<u128>()
    }

    fn sold_at(&self, ticks: i128) -> u128 {
        let asks = self.asks.iter().filter(|(limit, _)| i128::from(*limit) <= ticks);
        self.market[1] + asks.map(|(_, qty)| qty).sum::<u128>()
    }

    /// The rules word by word, over the prices given in rising order: all candidates, or at least those
    /// at and beside which something changes.
    fn tried(&self, ticks: &[i128]) -> Option<Equilibrium> {
        let (low, high) = (i128::from(self.low), i128::from(self.high));
        let reference = self.reference.map(|ticks| i128::from(ticks).clamp(low, high));
        let qty = |ticks: &i128| self.bought_at(*ticks).min(self.sold_at(*ticks));
        let imbalance = |ticks: &i128| self.bought_at(*ticks).abs_diff(self.sold_at(*ticks));
        let same = |ticks: i128, other: i128| {
            self.bought_at(ticks) == self.bought_at(other)
                && self.sold_at(ticks) == self.sold_at(other)
        };

        let most = ticks.iter().map(qty).max().filter(|most| *most != 0)?;
        let mut left: Vec<i128> =
            ticks.iter().copied().filter(|ticks| qty(ticks) == most).collect();
        let least = left.iter().map(imbalance).min()?;
        left.retain(|ticks| imbalance(ticks) == least);

        let bids = self.bids.iter().any(|(limit, _)| i128::from(*limit) >= low);
        let asks = self.asks.iter().any(|(limit, _)| i128::from(*limit) <= high);
        let (mut first, mut last) = (*left.first()?, *left.last()?);
        let high_open = last == high && self.bought_at(high) == self.market[0];
        let low_open = first == low && self.sold_at(low) == self.market[1];
        if high_open {
            let from = *ticks.iter().find(|ticks| same(**ticks, high))?;
            last = if asks { from } else { reference.map_or(from, |price| price.max(from)) };
        }
        if low_open {
            let to = *ticks.iter().rfind(|ticks| same(**ticks, low))?;
            first = if bids { to } else { reference.map_or(to, |price| price.min(to)) };
        }
        if !bids && !asks {
            (first, last) = (reference?, reference?);
        }
        assert!(first <= last, "{self:?}");

        let buying = |ticks: &i128| self.bought_at(*ticks) > self.sold_at(*ticks);
        let selling = |ticks: &i128| self.bought_at(*ticks) < self.sold_at(*ticks);
        let at = if left.iter().all(buying) {
            last
        } else if left.iter().all(selling) {
            first
        } else {
            reference.unwrap_or((first + last).div_euclid(2)).clamp(first, last)
        };
        let side = if buying(&at) { Side::Buy } else { Side::Sell };
        assert_eq!((qty(&at), imbalance(&at)), (most, least), "{self:?}");
        Some(Equilibrium {
            price: price(at.try_into().unwrap()),
            qty: most,
            surplus: (least != 0).then_some(Surplus { side, qty: least }),
        })
    }

    /// Every candidate.
    fn all_ticks(&self) -> Vec<i128> {
        (self.low.into()..=self.high.into()).collect()
    }

    /// Candidates at which something may change and those beside them.
    fn ticks_of_change(&self) -> Vec<i128> {
        let named = self.bids.iter().chain(&self.asks).map(|(ticks, _)| *ticks);
        let mut ticks: Vec<i128> = named
            .chain([self.low, self.high])
            .chain(self.reference)
            .flat_map(|ticks| [-1, 0, 1].map(|beside| i128::from(ticks) + beside))
            .filter(|ticks| (self.low.into()..=self.high.into()).contains(ticks))
            .collect();
        ticks.sort_unstable();
        ticks.dedup();
        ticks
    }

    /// The same with the sides exchanged and prices below zero turned round.
    fn mirrored(&self) -> Auction {
        let turned = |levels: &[(i64, u128)]| levels.iter().map(|(at, qty)| (-at, *qty)).collect();
        Auction {
            market: [self.market[1], self.market[0]],
            bids: turned(&self.asks),
            asks: turned(&self.bids),
            low: -self.high,
            high: -self.low,
            reference: self.reference.map(|ticks| -ticks),
        }
    }
}

/// Reference, price (or none), quantity, surplus.
type Answer = (Option<i64>, Option<i64>, u128, Option<(Side, u128)>);

/// What an auction gives with each reference, and its mirror image too.
#[track_caller]
fn expect(auction: &Auction, answers: &[Answer]) {
    for (reference, ticks, qty, surplus) in answers {
        let auction = Auction { reference: *reference, ..auction.clone() };
        let surplus = surplus.map(|(side, qty)| Surplus { side, qty });
        let expected = ticks.map(|ticks| Equilibrium { price: price(ticks), qty: *qty, surplus });
        assert_eq!(auction.answer(), expected, "{auction:?}");
        let turned = expected.map(|answer| {
            let side = |surplus: Surplus| Surplus { side: surplus.side.opposite(), ..surplus };
            let price = price(-answer.price.ticks());
            Equilibrium { price, qty: answer.qty, surplus: answer.surplus.map(side) }
        });
        // The middle is rounded down on both sides of zero, so only a reference can be turned round.
        if reference.is_some() {
            assert_eq!(auction.mirrored().answer(), turned, "{auction:?}");
        }
    }
}

const BUY: Side = Side::Buy;
const SELL: Side = Side::Sell;

#[test]
fn nothing_crosses() {
    let none = [(None, None, 0, None), (Some(10), None, 0, None)];
    expect(&Auction::new((0, &[]), (0, &[])), &none);
    expect(&Auction::new((0, &[(9, 50)]), (0, &[(10, 50)])), &none);
    expect(&Auction::new((100, &[(9, 50)]), (0, &[])), &none);
    expect(&Auction::new((0, &[]), (0, &[(9, 50)])), &none);
}

#[test]
fn volume_comes_first() {
    // At 10 and 11 60 lots trade and 40 are left over, at 12 100 lots and 200 are left over.
    let auction = Auction::new((0, &[(12, 100)]), (0, &[(10, 60), (12, 240)]));
    expect(
        &auction,
        &[(None, Some(12), 100, Some((SELL, 200))), (Some(10), Some(12), 100, Some((SELL, 200)))],
    );
}

#[test]
fn then_the_least_imbalance() {
    let auction = Auction::new((0, &[(12, 50), (10, 50)]), (0, &[(10, 50), (12, 50)]));
    expect(
        &auction,
        &[
            (None, Some(11), 50, None),
            (Some(0), Some(11), 50, None),
            (Some(99), Some(11), 50, None),
        ],
    );
}

#[test]
fn then_the_pressure() {
    let auction = Auction::new((0, &[(12, 100)]), (0, &[(10, 60)]));
    expect(
        &auction,
        &[(None, Some(12), 60, Some((BUY, 40))), (Some(10), Some(12), 60, Some((BUY, 40)))],
    );
    let auction = Auction::new((0, &[(12, 60)]), (0, &[(10, 100)]));
    expect(
        &auction,
        &[(None, Some(10), 60, Some((SELL, 40))), (Some(12), Some(10), 60, Some((SELL, 40)))],
    );
}

#[test]
fn then_the_reference() {
    let auction = Auction::new((0, &[(12, 60)]), (0, &[(9, 60)]));
    let at = |reference, ticks| (reference, Some(ticks), 60, None);
    expect(&auction, &[at(Some(15), 12), at(Some(11), 11), at(Some(2), 9), at(None, 10)]);
    let auction = Auction::new((0, &[(-9, 60)]), (0, &[(-12, 60)]));
    expect(&auction, &[at(None, -11)]);
}

#[test]
fn the_reference_also_decides_between_two_equal_surpluses() {
    let auction = Auction::new((0, &[(11, 50), (10, 50)]), (0, &[(10, 50), (11, 50)]));
    let (buy, sell) = (Some((BUY, 50)), Some((SELL, 50)));
    expect(
        &auction,
        &[(Some(11), Some(11), 50, sell), (Some(10), Some(10), 50, buy), (None, Some(10), 50, buy)],
    );
    // The prices left reach down to the next bid and up to the next ask.
    let auction = Auction::new((50, &[(10, 50), (5, 9)]), (50, &[(11, 50), (20, 9)]));
    expect(
        &auction,
        &[(Some(2), Some(6), 50, buy), (Some(99), Some(19), 50, sell), (None, Some(12), 50, sell)],
    );
}

#[test]
fn limits_that_trade_end_what_market_orders_leave_open() {
    let auction = Auction::new((100, &[]), (0, &[(10, 60), (12, 40)]));
    expect(
        &auction,
        &[
            (None, Some(12), 100, None),
            (Some(99), Some(12), 100, None),
            (Some(0), Some(12), 100, None),
        ],
    );
    let auction = Auction::new((150, &[]), (0, &[(10, 60), (12, 40)]));
    expect(
        &auction,
        &[(None, Some(12), 100, Some((BUY, 50))), (Some(99), Some(12), 100, Some((BUY, 50)))],
    );
    // The next ask ends it first: up to there the reference counts.
    let auction = Auction::new((100, &[]), (0, &[(10, 100), (20, 1)]));
    expect(&auction, &[(Some(15), Some(15), 100, None), (Some(99), Some(19), 100, None)]);
    // Bids below do not trade, and a tick above them there is no surplus.
    let auction = Auction::new((100, &[(30, 5)]), (0, &[(10, 100)]));
    expect(&auction, &[(None, Some(31), 100, None), (Some(99), Some(31), 100, None)]);
}

#[test]
fn market_orders_alone_trade_at_the_reference() {
    let surplus = Some((BUY, 20));
    let auction = Auction::new((100, &[]), (80, &[]));
    expect(
        &auction,
        &[
            (None, None, 0, None),
            (Some(15), Some(15), 80, surplus),
            (Some(5_000), Some(1_000), 80, surplus),
        ],
    );
    // A bid that trades nothing does not pull them down, but they do not trade below it.
    let auction = Auction::new((100, &[(1, 10)]), (80, &[]));
    expect(
        &auction,
        &[
            (Some(15), Some(15), 80, surplus),
            (Some(-5), Some(2), 80, surplus),
            (None, Some(2), 80, surplus),
        ],
    );
    let auction = Auction::new((100, &[(1, 10)]), (100, &[(40, 10)]));
    expect(
        &auction,
        &[
            (Some(15), Some(15), 100, None),
            (Some(99), Some(39), 100, None),
            (None, Some(20), 100, None),
        ],
    );
}

#[test]
fn orders_outside_the_candidates() {
    let within = |auction, low, high| Auction { low, high, ..auction };
    // A bid above them buys at the highest one, a bid below them nowhere.
    let auction = Auction::new((0, &[(50, 10), (40, 10), (5, 99)]), (0, &[(10, 20)]));
    expect(
        &within(auction.clone(), 10, 30),
        &[(Some(99), Some(30), 20, None), (Some(0), Some(10), 20, None)],
    );
    expect(&within(auction, 60, 70), &[(Some(60), None, 0, None)]);
    let auction = Auction::new((5, &[(-7, 5)]), (5, &[(80, 5)]));
    expect(
        &within(auction.clone(), 0, 50),
        &[(Some(20), Some(20), 5, None), (None, None, 0, None)],
    );
    expect(&within(auction, 50, 0), &[(Some(20), None, 0, None)]);
}

#[test]
fn the_whole_range_of_prices_and_quantities() {
    let (low, high) = (i64::MIN, i64::MAX);
    let all = |auction| Auction { low, high, ..auction };
    let one = [(high, 1)];
    let auction = all(Auction::new((0, &one), (0, &[(low, 1)])));
    assert_eq!(auction.answer().unwrap().price, price(-1));
    let auction = all(Auction::new((0, &one), (0, &one)));
    assert_eq!(auction.answer().unwrap().price, price(high));
    let auction = all(Auction::new((1, &one), (2, &[])));
    assert_eq!(
        auction.answer().unwrap(),
        Equilibrium { price: price(high), qty: 2, surplus: None }
    );
    let huge = u128::MAX;
    let auction = all(Auction::new((huge, &[(5, huge)]), (huge, &[(5, huge), (6, huge)])));
    assert_eq!(auction.answer().unwrap().qty, huge);
}

#[test]
fn the_walk_ends_where_prices_do_not_cross() {
    let bids: Vec<_> = (0..100_000).map(|level| (500 - level, 1)).collect();
    let asks: Vec<_> = (0..100_000).map(|level| (496 + level, 1)).collect();
    // 500 to 498 trade with 496 to 498.
    let auction = Auction { low: i64::MIN, high: i64::MAX, bids, asks, ..Auction::default() };
    let (answer, reads) = auction.answer_and_reads();
    assert_eq!(answer.unwrap().qty, 3);
    assert!(reads.iter().all(|reads| *reads <= 3 + 2), "{reads:?}");
    let auction = Auction { market: [7, 0], ..auction };
    let (answer, reads) = auction.answer_and_reads();
    assert_eq!(answer.unwrap().qty, 7);
    assert!(reads.iter().all(|reads| *reads <= 7 + 2), "{reads:?}");
}

/// A random auction: few ticks and few quantities, so that ties of every shape are common.
struct Shape {
    rng: Rng,
}

impl Shape {
    fn auction(&mut self) -> Auction {
        let width = self.rng.below(14).cast_signed();
        let low = match self.rng.below(4) {
            0 => i64::MIN,
            1 => i64::MAX - width,
            2 => -self.rng.below(20).cast_signed(),
            _ => self.rng.bits().cast_signed().clamp(i64::MIN, i64::MAX - width),
        };
        let high = low + width;
        let huge = self.rng.percent(2);
        let market = [self.market(huge), self.market(huge)];
        let mut bids = self.levels(low, high, huge);
        bids.reverse();
        let asks = self.levels(low, high, huge);
        let reference = self.rng.percent(60).then(|| self.tick(low, high));
        Auction { market, bids, asks, low, high, reference }
    }

    /// Around the candidates, now and then a little outside.
    fn tick(&mut self, low: i64, high: i64) -> i64 {
        let beside = self.rng.below(high.abs_diff(low) + 5).cast_signed() - 2;
        if self.rng.percent(90) {
            low.saturating_add(beside).clamp(low, high)
        } else {
            low.saturating_add(beside)
        }
    }

    fn market(&mut self, huge: bool) -> u128 {
        if self.rng.percent(50) { 0 } else { self.qty(huge) }
    }

    fn qty(&mut self, huge: bool) -> u128 {
        let unit = if huge { u128::from(u64::MAX) << 32 } else { 1 };
        u128::from(1 + self.rng.below(4)) * unit
    }

    /// Levels with rising prices, a price twice now and then.
    fn levels(&mut self, low: i64, high: i64, huge: bool) -> Vec<(i64, u128)> {
        let levels = self.rng.below(7);
        let mut levels: Vec<_> =
            (0..levels).map(|_| (self.tick(low, high), self.qty(huge))).collect();
        levels.sort_unstable();
        levels
    }
}

#[test]
fn as_if_every_price_was_tried() {
    let seed = 20_261_122;
    println!("seed {seed}");
    let mut shape = Shape { rng: Rng::new(seed) };
    let (mut answers, mut by_end) = ([0_u32; 3], [0_u32; 3]);
    for _ in 0..400_000 {
        let auction = shape.auction();
        let answer = auction.answer();
        assert_eq!(answer, auction.tried(&auction.all_ticks()), "{auction:?}");
        assert_eq!(answer, auction.tried(&auction.ticks_of_change()), "{auction:?}");
        answers[match answer.map(|answer| answer.surplus) {
            None => 0,
            Some(None) => 1,
            Some(Some(_)) => 2,
        }] += 1;
        let at = answer.map_or(0, |answer| answer.price.ticks());
        by_end[usize::from(at == i64::MIN) + 2 * usize::from(at == i64::MAX)] += 1;
    }
    // The cases are spread over what can happen.
    assert!(answers.iter().all(|cases| *cases > 20_000), "{answers:?}");
    assert!(by_end.iter().all(|cases| *cases > 1_000), "{by_end:?}");
}

#[test]
fn as_if_every_price_was_tried_over_a_wide_range() {
    let seed = 20_261_123;
    println!("seed {seed}");
    let mut shape = Shape { rng: Rng::new(seed) };
    for _ in 0..200_000 {
        let narrow = shape.auction();
        let (low, high) = match shape.rng.below(4) {
            0 => (i64::MIN, i64::MAX),
            1 => (narrow.low, i64::MAX),
            2 => (i64::MIN, narrow.high),
            _ => (narrow.low.saturating_sub(1 << 40), narrow.high.saturating_add(1 << 40)),
        };
        let auction = Auction { low, high, ..narrow };
        assert_eq!(auction.answer(), auction.tried(&auction.ticks_of_change()), "{auction:?}");
    }
}
