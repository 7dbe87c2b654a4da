//! Trailing stops against a vector, and what they cost, counted.

use super::*;
use crate::testing::Rng;
use std::cell::Cell;

thread_local! {
    pub(super) static STEPS: Cell<u64> = const { Cell::new(0) };
}

fn steps(change: impl FnOnce()) -> u64 {
    let before = STEPS.get();
    change();
    STEPS.get() - before
}

fn pool(max: u32) -> Nodes {
    let mut nodes = Pool::new();
    nodes.grow(max, max).expect("it is small");
    nodes
}

fn ticks(ticks: i64) -> Price {
    Price::from_ticks(ticks)
}

/// The orders that a trade triggers, and then the trade moves the peaks.
fn trade(trails: &mut Trails, nodes: &mut Nodes, price: i64) -> Vec<u32> {
    let popped = iter::from_fn(|| trails.pop_triggered(nodes, ticks(price)));
    let orders = popped.map(|stop| stop.order).collect();
    trails.on_trade(nodes, ticks(price));
    trails.check(nodes);
    orders
}

#[test]
fn a_sell_follows_up_and_is_triggered_on_the_way_down() {
    let (mut nodes, mut trails) = (pool(3), Trails::new(Side::Sell));
    let far = trails.insert(&mut nodes, 10, 5, 1, Some(ticks(100)));
    assert_eq!(trails.trigger_of(&nodes, far), Some(ticks(95)));
    assert_eq!(trade(&mut trails, &mut nodes, 103), []);
    let near = trails.insert(&mut nodes, 11, 2, 2, Some(ticks(103)));
    assert_eq!(trails.trigger_of(&nodes, far), Some(ticks(98)));
    assert_eq!(trails.trigger_of(&nodes, near), Some(ticks(101)));
    assert_eq!(trade(&mut trails, &mut nodes, 102), []);
    assert_eq!(trails.peak_of(&nodes, far), Some(ticks(103)));
    assert_eq!(trails.nearest(&nodes), Some(ticks(101)));
    assert_eq!(trade(&mut trails, &mut nodes, 101), [11]);
    assert_eq!(trade(&mut trails, &mut nodes, 99), []);
    assert_eq!(trade(&mut trails, &mut nodes, 50), [10]);
    assert_eq!((trails.len(), trails.nearest(&nodes), nodes.len()), (0, None, 0));
}

#[test]
fn a_buy_follows_down_and_is_triggered_on_the_way_up() {
    let (mut nodes, mut trails) = (pool(3), Trails::new(Side::Buy));
    let stop = trails.insert(&mut nodes, 10, 5, 1, Some(ticks(-100)));
    assert_eq!(trails.trigger_of(&nodes, stop), Some(ticks(-95)));
    assert_eq!(trade(&mut trails, &mut nodes, -96), []);
    assert_eq!(trade(&mut trails, &mut nodes, -110), []);
    assert_eq!(trails.trigger_of(&nodes, stop), Some(ticks(-105)));
    assert_eq!(trade(&mut trails, &mut nodes, -106), []);
    assert_eq!(trade(&mut trails, &mut nodes, -105), [10]);
}

#[test]
fn the_trigger_nearest_to_the_market_is_first_then_the_lowest_seq() {
    for (side, sign) in [(Side::Sell, 1), (Side::Buy, -1)] {
        let (mut nodes, mut trails) = (pool(9), Trails::new(side));
        for (order, offset, seq, peak) in
            [(1, 10, 5, 100), (2, 9, 6, 100), (3, 1, 4, 91), (4, 2, 7, 92), (5, 90, 1, 100)]
        {
            trails.insert(&mut nodes, order, offset, seq, Some(ticks(sign * peak)));
        }
        assert_eq!(trade(&mut trails, &mut nodes, sign * 20), [2, 3, 1, 4]);
        assert_eq!(trade(&mut trails, &mut nodes, sign * 10), [5]);
    }
}

#[test]
fn before_the_first_trade_there_is_no_trigger() {
    for (side, first) in [(Side::Sell, i64::MIN), (Side::Buy, i64::MAX), (Side::Sell, 77)] {
        let (mut nodes, mut trails) = (pool(9), Trails::new(side));
        let ids = [8, 3].map(|offset| trails.insert(&mut nodes, 0, offset, offset, None));
        assert_eq!(trails.nearest(&nodes), None);
        assert_eq!(ids.map(|id| trails.trigger_of(&nodes, id)), [None, None]);
        assert!(trails.iter(&nodes).all(|stop| stop.peak.is_none()));
        assert_eq!(trade(&mut trails, &mut nodes, first), []);
        assert_eq!(ids.map(|id| trails.peak_of(&nodes, id)), [Some(ticks(first)); 2]);
    }
}

#[test]
fn a_replaced_stop_keeps_its_peak_and_loses_its_place() {
    let (mut nodes, mut trails) = (pool(9), Trails::new(Side::Sell));
    let ids = [1, 2, 3].map(|seq| trails.insert(&mut nodes, seq, 5, seq.into(), Some(ticks(50))));
    trade(&mut trails, &mut nodes, 60);
    trails.renew(&mut nodes, ids[0], 4);
    trails.check(&nodes);
    assert_eq!(trails.peak_of(&nodes, ids[0]), Some(ticks(60)));
    assert!(trails.iter(&nodes).map(|stop| stop.order).eq([1, 2, 3]));
    assert_eq!(trade(&mut trails, &mut nodes, 55), [2, 3, 1]);
}

#[test]
fn at_the_end_of_all_prices_the_place_alone_decides() {
    for (side, end) in [(Side::Sell, i64::MIN), (Side::Buy, i64::MAX)] {
        let (mut nodes, mut trails) = (pool(99), Trails::new(side));
        let near = |ticks_off: i64| Price::from_ticks(end ^ ticks_off);
        // Once lifted: two do not reach the end, one does, all others saturate.
        for order in 0..32 {
            let (offset, seq) = (u64::from(order) + 7, 100 - u64::from(order));
            let offset = if order == 31 { u64::MAX } else { offset };
            trails.insert(&mut nodes, order, offset, seq, Some(near(5)));
        }
        // In subtrees that are told so at their roots alone, where the smallest offset is known.
        trails.on_trade(&mut nodes, near(9));
        assert_eq!(trails.check(&nodes), 32);
        let orders: Vec<u32> = [0, 1].into_iter().chain((2..32).rev()).collect();
        assert_eq!(trade(&mut trails, &mut nodes, end), orders);
        assert_eq!(nodes.len(), 0);
    }
}

/// A stop of the naive model, in prices, not keys.
#[derive(Clone, Copy, Debug)]
struct Naive {
    id: Id<Trailing>,
    order: u32,
    seq: u64,
    offset: u64,
    peak: Option<i64>,
}

impl Naive {
    fn trigger(&self, side: Side) -> Option<i64> {
        self.peak.map(|peak| match side {
            Side::Sell => peak.saturating_sub_unsigned(self.offset),
            Side::Buy => peak.saturating_add_unsigned(self.offset),
        })
    }
}

/// All stops of a side in a vector, best peak first.
struct Model {
    side: Side,
    stops: Vec<Naive>,
}

impl Model {
    fn is_better(&self, price: Option<i64>, than: Option<i64>) -> bool {
        match self.side {
            Side::Sell => price > than,
            Side::Buy => price < than,
        }
    }

    fn insert(&mut self, stop: Naive) {
        let at = self.stops.partition_point(|other| !self.is_better(stop.peak, other.peak));
        self.stops.insert(at, stop);
    }

    /// In order of their triggers, then of their places.
    fn triggered(&mut self, price: i64) -> Vec<u32> {
        let side = self.side;
        let is_triggered = |stop: &Naive| match side {
            Side::Sell => stop.trigger(side).is_some_and(|trigger| price <= trigger),
            Side::Buy => stop.trigger(side).is_some_and(|trigger| price >= trigger),
        };
        let mut triggered: Vec<Naive> =
            self.stops.extract_if(.., |stop| is_triggered(stop)).collect();
        match side {
            Side::Sell => {
                triggered.sort_by_key(|stop| (stop.trigger(side).map(std::cmp::Reverse), stop.seq))
            }
            Side::Buy => triggered.sort_by_key(|stop| (stop.trigger(side), stop.seq)),
        }
        triggered.iter().map(|stop| stop.order).collect()
    }

    fn on_trade(&mut self, price: i64) {
        for at in 0..self.stops.len() {
            let peak = self.stops[at].peak;
            if peak.is_none() || self.is_better(Some(price), peak) {
                self.stops[at].peak = Some(price);
            }
        }
    }

    fn nearest(&self) -> Option<i64> {
        let triggers = self.stops.iter().filter_map(|stop| stop.trigger(self.side));
        match self.side {
            Side::Sell => triggers.max(),
            Side::Buy => triggers.min(),
        }
    }
}

/// A seeded market and both implementations of what waits in it.
struct Run {
    rng: Rng,
    nodes: Nodes,
    trails: Trails,
    model: Model,
    last: Option<i64>,
    seq: u64,
    /// Highest step of the price, and of offsets.
    stride: u64,
    /// In how many of 1,000 trades the price is at an end of all prices.
    ends: u64,
}

impl Run {
    const STOPS_MAX: u32 = 300;

    fn new(seed: u64, side: Side) -> Run {
        let mut rng = Rng::new(seed);
        let stride = [3, 20, 1_000, 1 << 61, u64::MAX][rng.index(5)];
        Run {
            rng,
            nodes: pool(Run::STOPS_MAX),
            trails: Trails::new(side),
            model: Model { side, stops: Vec::new() },
            last: None,
            seq: 0,
            stride,
            ends: if stride > 1 << 60 { 100 } else { 2 },
        }
    }

    fn step(&mut self) {
        self.seq += 1;
        match self.rng.below(100) {
            0..45 => self.trade(),
            45..80 if !self.nodes.is_full() => self.insert(),
            80..95 => self.remove(),
            _ => self.renew(),
        }
        assert_eq!(self.trails.len() as usize, self.model.stops.len());
        assert_eq!(self.trails.nearest(&self.nodes).map(Price::ticks), self.model.nearest());
        if let Some(stop) = self.any() {
            let (stop, side) = (self.model.stops[stop], self.model.side);
            let trigger = self.trails.trigger_of(&self.nodes, stop.id);
            assert_eq!(trigger.map(Price::ticks), stop.trigger(side));
        }
    }

    fn any(&mut self) -> Option<usize> {
        let len = self.model.stops.len();
        (len > 0).then(|| self.rng.index(len))
    }

    fn insert(&mut self) {
        let offset = self.rng.below(self.stride).saturating_add(1);
        // Few have a peak of their own: those that were replaced.
        let older = self.any().filter(|_| self.rng.percent(10));
        let peak = older.map_or(self.last, |at| self.model.stops[at].peak);
        let (seq, order) = (self.seq, u32::try_from(self.seq).expect("few steps"));
        let id = self.trails.insert(&mut self.nodes, order, offset, seq, peak.map(ticks));
        self.model.insert(Naive { id, order, seq, offset, peak });
    }

    fn remove(&mut self) {
        if let Some(at) = self.any() {
            let stop = self.model.stops.remove(at);
            assert_eq!(self.trails.remove(&mut self.nodes, stop.id), stop.order);
        }
    }

    fn renew(&mut self) {
        if let Some(at) = self.any() {
            self.model.stops[at].seq = self.seq;
            self.trails.renew(&mut self.nodes, self.model.stops[at].id, self.seq);
        }
    }

    fn trade(&mut self) {
        let price = self.next_price();
        let popped = iter::from_fn(|| self.trails.pop_triggered(&mut self.nodes, ticks(price)));
        let orders: Vec<u32> = popped.map(|stop| stop.order).collect();
        assert_eq!(orders, self.model.triggered(price));
        self.trails.on_trade(&mut self.nodes, ticks(price));
        self.model.on_trade(price);
        self.last = Some(price);
    }

    /// Mostly a walk; now and then exactly at a trigger, a gap, or an end of all prices.
    fn next_price(&mut self) -> i64 {
        let last = self.last.unwrap_or(0);
        let stride = self.rng.below(self.stride);
        match self.rng.below(1_000) {
            roll if roll < self.ends => [i64::MIN, i64::MAX][self.rng.index(2)],
            0..5 => self.rng.bits().cast_signed(),
            5..10 => last.saturating_add_unsigned(self.stride.saturating_mul(20)),
            10..15 => last.saturating_sub_unsigned(self.stride.saturating_mul(20)),
            15..60 => self.model.nearest().unwrap_or(last),
            60..530 => last.saturating_add_unsigned(stride / 4),
            _ => last.saturating_sub_unsigned(stride / 4),
        }
    }

    /// Everything agrees, and what is made from what [`Trails::iter`] names is the same.
    fn check(&mut self) {
        assert_eq!(self.trails.check(&self.nodes), self.nodes.len());
        let stops: Vec<TrailingStop> = self.trails.iter(&self.nodes).collect();
        let same = |(stop, naive): (&TrailingStop, &Naive)| {
            (stop.node, stop.order, stop.seq, stop.offset, stop.peak)
                == (naive.id, naive.order, naive.seq, naive.offset, naive.peak.map(ticks))
        };
        assert!(stops.iter().zip(&self.model.stops).all(same));
        let (mut nodes, mut trails) = (pool(Run::STOPS_MAX), Trails::new(self.model.side));
        for (stop, naive) in stops.iter().zip(&mut self.model.stops) {
            naive.id = trails.insert(&mut nodes, stop.order, stop.offset, stop.seq, stop.peak);
        }
        let again = trails.iter(&nodes).map(|stop| (stop.order, stop.seq, stop.peak));
        assert!(again.eq(stops.iter().map(|stop| (stop.order, stop.seq, stop.peak))));
        (self.nodes, self.trails) = (nodes, trails);
    }
}

#[test]
fn random_walks_agree_with_a_vector() {
    for seed in 0..40 {
        println!("seed {seed}");
        let side = if seed % 2 == 0 { Side::Sell } else { Side::Buy };
        let mut run = Run::new(seed, side);
        for step in 0..15_000 {
            run.step();
            if step % 100 == 0 {
                run.trails.check(&run.nodes);
            }
            if step % 1_000 == 999 {
                run.check();
            }
        }
    }
}

const STOPS: u32 = 100_000;

/// Nodes looked at for one path down and up again, in a tree of [`STOPS`]: at most 1.44 log2(n)
/// deep, each node handed on, worked out, and once in a rotation.
const STEPS_MAX: u64 = 3 * 24;

/// 100,000 stops, each with a peak of its own, and one trade above all of them.
#[test]
fn a_trade_that_lifts_every_peak_costs_one_path() {
    for (side, sign) in [(Side::Sell, 1), (Side::Buy, -1)] {
        let (mut nodes, mut trails) = (pool(STOPS), Trails::new(side));
        for order in 0..STOPS {
            let last = Some(ticks(sign * -i64::from(order)));
            let cost = steps(|| {
                trails.insert(&mut nodes, order, 1_000_000, order.into(), last);
            });
            assert!(cost <= STEPS_MAX, "{cost} steps to insert");
        }
        let cost = steps(|| trails.on_trade(&mut nodes, ticks(sign)));
        assert!((1..=STEPS_MAX).contains(&cost), "{cost} steps to lift all");
        assert_eq!(steps(|| trails.on_trade(&mut nodes, ticks(0))), 0);
        assert_eq!(trails.check(&nodes), STOPS);
        let first = trails.triggered(&mut nodes, ticks(sign * (1 - 1_000_000)));
        assert_eq!(first.map(|stop| (stop.seq, stop.peak)), Some((0, Some(ticks(sign)))));
    }
}

/// The price falls, so that each new stop has a peak of its own, and comes back a little higher each
/// time, to lift more and more of up to 100,000 stops; each fall triggers the tightest.
#[test]
fn no_trade_of_an_oscillating_market_costs_more_than_a_path() {
    let (mut nodes, mut trails) = (pool(STOPS), Trails::new(Side::Sell));
    let (mut rng, mut seq, mut triggered, mut lifted, mut most) = (Rng::new(1), 0, 0, 0, 0);
    let mut bounded = |change: &mut dyn FnMut()| {
        let cost = steps(change);
        assert!(cost <= STEPS_MAX, "{cost} steps for one change");
        most = most.max(cost);
        cost
    };
    for wave in 0..1_000 {
        let fall = (0..200).map(|step| -100 * step);
        let rise = (0..200).rev().map(|step| wave - 100 * step);
        for price in fall.chain(rise).map(ticks) {
            let mut is_triggered = true;
            while is_triggered {
                bounded(&mut || {
                    is_triggered = trails.pop_triggered(&mut nodes, price).is_some();
                });
                triggered += u32::from(is_triggered);
            }
            lifted += u32::from(bounded(&mut || trails.on_trade(&mut nodes, price)) > 0);
            if !nodes.is_full() {
                seq += 1;
                let offset = 18_000 + rng.below(10_000);
                bounded(&mut || {
                    trails.insert(&mut nodes, 0, offset, seq, Some(price));
                });
            }
        }
    }
    assert_eq!(trails.check(&nodes), trails.len());
    println!("{seq} entered, {triggered} triggered, {lifted} trades lifted, {most} steps at most");
    assert!(trails.len() > STOPS / 2 && triggered > STOPS / 4 && lifted > STOPS);
}
