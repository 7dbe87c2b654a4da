//! Trailing stops: orders whose trigger follows the market at an offset, while the market goes away.
//!
//! A sell has a peak, the highest price since it was entered, and its trigger is the offset below. A
//! buy is the mirror image, and becomes the same by the key of its prices ([`ladder_key`]): the better
//! for the order, the higher. So there are peaks and triggers below them, on both sides.
//!
//! When the market is at a new high many peaks move at once, and none is touched. The orders of a side
//! stand in a balanced tree, highest peak first. The peaks that a price lifts are the last ones, and
//! become equal, so their order stays; they are a few whole subtrees, and a subtree whose peaks are all
//! equal is told so at its root alone. What is below hears of it when somebody comes by:
//!
//! ```text
//!  peaks   109  107 107  104  102  101  100        trade at 103
//!  become  109  107 107  104 [103  103  103]       one order and the subtrees behind it, log2(n) at most
//! ```
//!
//! Each node knows which order of its subtree has the nearest trigger. Where all peaks become equal that
//! is the one with the smallest offset, and each node knows that one too. A trade costs one comparison
//! if it lifts no peak and reaches no trigger, else one path; there is no heavy trade.

use std::iter;

use crate::avl::{self, DEPTH_MAX, Hand, Linked, Links};
use crate::book::ladder_key;
use crate::pool::{Id, Pool, Pooled};
use crate::types::{Price, Side};

/// A trailing stop that waits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trailing {
    /// Ticks from the peak to the trigger, at least 1.
    offset: u64,
    seq: u64,
    /// Key of the best price since it was entered, unless a node above has another for all.
    peak: i64,
    /// The slot of the order.
    order: u32,
    links: Links<Trailing>,
    /// Which order of its subtree is triggered first, with its true peak. None says two things: all of
    /// the subtree have the peak of this node, and the one triggered first is the tightest.
    nearest: Id<Trailing>,
    /// Which order of its subtree has the smallest offset, then the lowest `seq`.
    tightest: Id<Trailing>,
}

const _: () = assert!(size_of::<Trailing>() == 48);

impl Trailing {
    const fn trigger(&self) -> i64 {
        self.peak.saturating_sub_unsigned(self.offset)
    }

    /// The highest trigger is first, then the lowest `seq`.
    const fn is_nearer(&self, other: &Trailing) -> bool {
        let (own, others) = (self.trigger(), other.trigger());
        own > others || own == others && self.seq < other.seq
    }

    const fn is_tighter(&self, other: &Trailing) -> bool {
        self.offset < other.offset || self.offset == other.offset && self.seq < other.seq
    }

    const fn nearest(&self) -> Id<Trailing> {
        if self.nearest.is_some() { self.nearest } else { self.tightest }
    }
}

impl Pooled for Trailing {
    const EMPTY: Trailing = Trailing {
        offset: 0,
        seq: 0,
        peak: 0,
        order: 0,
        links: Links::NONE,
        nearest: Id::NONE,
        tightest: Id::NONE,
    };

    #[inline]
    fn link(&self) -> u32 {
        self.order
    }

    #[inline]
    fn set_link(&mut self, link: u32) {
        self.order = link;
    }
}

impl Linked for Trailing {
    #[inline]
    fn links(&self) -> &Links<Trailing> {
        &self.links
    }

    #[inline]
    fn links_mut(&mut self) -> &mut Links<Trailing> {
        &mut self.links
    }

    fn push(nodes: &mut Nodes, node: Id<Trailing>) {
        count_step();
        let Trailing { peak, links, nearest, tightest, .. } = nodes[node];
        if nearest.is_some() {
            return;
        }
        nodes[node].nearest = tightest;
        for hand in [Hand::Left, Hand::Right] {
            lift(nodes, links.child(hand), peak);
        }
    }

    fn pull(nodes: &mut Nodes, node: Id<Trailing>) -> bool {
        count_step();
        let links = nodes[node].links;
        let (mut nearest, mut tightest) = (node, node);
        for child in [links.child(Hand::Left), links.child(Hand::Right)] {
            if child.is_none() {
                continue;
            }
            let below = &nodes[child];
            if nodes[below.nearest()].is_nearer(&nodes[nearest]) {
                nearest = below.nearest();
            }
            if nodes[below.tightest].is_tighter(&nodes[tightest]) {
                tightest = below.tightest;
            }
        }
        nodes[node].nearest = nearest;
        nodes[node].tightest = tightest;
        // Even if these two stay: the trigger of one of them may be another.
        true
    }
}

/// Gives a whole subtree, none of whose peaks is above it, the peak `peak`.
fn lift(nodes: &mut Nodes, root: Id<Trailing>, peak: i64) {
    if root.is_none() {
        return;
    }
    nodes[root].peak = peak;
    nodes[root].nearest = Id::NONE;
    // The one that others look at from above. Nodes on the way to it that know an old peak are told
    // the new one before they can hand the old one down.
    let tightest = nodes[root].tightest;
    nodes[tightest].peak = peak;
}

/// The trailing stops of all books: at most [`avl::NODES_MAX`].
type Nodes = Pool<Trailing>;

/// A trailing stop, as its book sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TrailingStop {
    pub(crate) node: Id<Trailing>,
    /// The slot of the order.
    pub(crate) order: u32,
    pub(crate) seq: u64,
    pub(crate) offset: u64,
    /// Best price since it was entered; none before the first trade of the book.
    pub(crate) peak: Option<Price>,
}

/// Where the peaks are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peaks {
    /// Nowhere: there was no trade yet. All keys are `i64::MIN`, which the first trade lifts.
    Unset,
    Set,
}

/// The trailing stops of one side of one book.
#[derive(Debug)]
pub(crate) struct Trails {
    /// No peak is below this key: most trades need not look further.
    lowest: i64,
    root: Id<Trailing>,
    len: u32,
    side: Side,
    peaks: Peaks,
}

impl Trails {
    pub(crate) const fn new(side: Side) -> Trails {
        Trails { lowest: i64::MIN, root: Id::NONE, len: 0, side, peaks: Peaks::Unset }
    }

    pub(crate) const fn len(&self) -> u32 {
        self.len
    }

    /// Adds the stop of the order at slot `order`; the pool is not full, and no other stop of this side
    /// has that `seq`. Its peak is the last price, or an older one that it keeps; none if the book has
    /// not traded yet, and then no other stop of the book has one either.
    pub(crate) fn insert(
        &mut self,
        nodes: &mut Nodes,
        order: u32,
        offset: u64,
        seq: u64,
        peak: Option<Price>,
    ) -> Id<Trailing> {
        assert!(offset > 0);
        let peaks = if peak.is_some() { Peaks::Set } else { Peaks::Unset };
        assert!(self.len == 0 || self.peaks == peaks);
        let peak = peak.map_or(i64::MIN, |price| ladder_key(self.side, price));
        self.lowest = if self.len == 0 { peak } else { self.lowest.min(peak) };
        self.peaks = peaks;
        self.len += 1;
        let node = nodes.take(Trailing { offset, seq, peak, order, ..Trailing::EMPTY });
        self.hang(nodes, node);
        node
    }

    /// Puts `node` behind all whose peak is not lower.
    fn hang(&mut self, nodes: &mut Nodes, node: Id<Trailing>) {
        let peak = nodes[node].peak;
        let (mut at, mut below, mut hand) = (Id::NONE, self.root, Hand::Left);
        while below.is_some() {
            at = below;
            Trailing::push(nodes, at);
            hand = if peak > nodes[at].peak { Hand::Left } else { Hand::Right };
            below = nodes[at].links.child(hand);
        }
        self.root = avl::hang(nodes, self.root, at, hand, node);
    }

    /// Takes a stop of this side out; returns the slot of its order.
    pub(crate) fn remove(&mut self, nodes: &mut Nodes, node: Id<Trailing>) -> u32 {
        push_down_to(nodes, node);
        self.root = avl::unhang(nodes, self.root, node);
        self.len -= 1;
        nodes.give_back(node).order
    }

    /// Gives a stop of this side a new place; its peak, and where [`Trails::iter`] names it, it keeps.
    pub(crate) fn renew(&mut self, nodes: &mut Nodes, node: Id<Trailing>, seq: u64) {
        push_down_to(nodes, node);
        nodes[node].seq = seq;
        self.root = avl::climb(nodes, self.root, node);
    }

    /// Lets the peaks follow a trade. What it triggers was taken out before.
    #[inline]
    pub(crate) fn on_trade(&mut self, nodes: &mut Nodes, price: Price) {
        let key = ladder_key(self.side, price);
        self.peaks = Peaks::Set;
        if key > self.lowest && self.len > 0 {
            self.lift(nodes, key);
        }
    }

    fn lift(&mut self, nodes: &mut Nodes, key: i64) {
        let (mut at, mut below) = (Id::NONE, self.root);
        while below.is_some() {
            at = below;
            Trailing::push(nodes, at);
            let Trailing { links, peak, .. } = nodes[at];
            if peak < key {
                nodes[at].peak = key;
                lift(nodes, links.child(Hand::Right), key);
                below = links.child(Hand::Left);
            } else {
                below = links.child(Hand::Right);
            }
        }
        self.root = avl::climb(nodes, self.root, at);
        self.lowest = key;
    }

    /// The nearest trigger.
    #[inline]
    pub(crate) fn nearest(&self, nodes: &Nodes) -> Option<Price> {
        if self.root.is_none() || self.peaks == Peaks::Unset {
            return None;
        }
        Some(self.price(nodes[nodes[self.root].nearest()].trigger()))
    }

    /// Of the stops that a trade at `price` triggers, the one with the trigger nearest to the market,
    /// then with the lowest `seq`.
    ///
    /// The caller takes all of them out before anything else happens to this side.
    #[inline]
    pub(crate) fn triggered(&mut self, nodes: &mut Nodes, price: Price) -> Option<TrailingStop> {
        if self.root.is_none() || self.peaks == Peaks::Unset {
            return None;
        }
        let key = ladder_key(self.side, price);
        let mut node = nodes[self.root].nearest();
        if nodes[node].trigger() < key {
            return None;
        }
        if nodes[node].trigger() == i64::MIN && nodes[node].offset > 0 {
            level(nodes, self.root);
            node = nodes[self.root].nearest();
        }
        Some(self.stop(nodes, node, nodes[node].peak))
    }

    /// As [`Trails::triggered`], and takes it out.
    pub(crate) fn pop_triggered(
        &mut self,
        nodes: &mut Nodes,
        price: Price,
    ) -> Option<TrailingStop> {
        let stop = self.triggered(nodes, price)?;
        self.remove(nodes, stop.node);
        Some(stop)
    }

    /// The best price since that stop of this side was entered.
    pub(crate) fn peak_of(&self, nodes: &Nodes, node: Id<Trailing>) -> Option<Price> {
        (self.peaks == Peaks::Set).then(|| self.price(peak_key(nodes, node)))
    }

    /// The price whose trade triggers that stop of this side.
    pub(crate) fn trigger_of(&self, nodes: &Nodes, node: Id<Trailing>) -> Option<Price> {
        let trigger = peak_key(nodes, node).saturating_sub_unsigned(nodes[node].offset);
        (self.peaks == Peaks::Set).then(|| self.price(trigger))
    }

    /// The stops, best peak first. Of equal peaks the one entered first is first: a later one cannot
    /// have seen a better price. Inserted in this order they are what they were.
    pub(crate) fn iter<'a>(
        &'a self,
        nodes: &'a Nodes,
    ) -> impl Iterator<Item = TrailingStop> + use<'a> {
        let first = avl::first(nodes, self.root).some();
        iter::successors(first, |at| avl::next(nodes, *at).some())
            .map(|node| self.stop(nodes, node, peak_key(nodes, node)))
    }

    fn stop(&self, nodes: &Nodes, node: Id<Trailing>, peak: i64) -> TrailingStop {
        let Trailing { order, seq, offset, .. } = nodes[node];
        let peak = (self.peaks == Peaks::Set).then(|| self.price(peak));
        TrailingStop { node, order, seq, offset, peak }
    }

    const fn price(&self, key: i64) -> Price {
        // A key is its own inverse.
        Price::from_ticks(ladder_key(self.side, Price::from_ticks(key)))
    }

    /// Walks the stops; returns their number.
    ///
    /// # Panics
    ///
    /// If something does not agree.
    pub(crate) fn check(&self, nodes: &Nodes) -> u32 {
        let (len, height) = avl::check(nodes, self.root);
        assert_eq!(len, self.len);
        assert!(usize::try_from(height).is_ok_and(|height| height <= DEPTH_MAX));
        let (mut count, mut before) = (0, i64::MAX);
        let first = avl::first(nodes, self.root).some();
        for node in iter::successors(first, |at| avl::next(nodes, *at).some()) {
            let peak = peak_key(nodes, node);
            assert!(self.lowest <= peak && peak <= before);
            assert!(self.peaks == Peaks::Set || peak == i64::MIN);
            before = peak;
            count += 1;
        }
        assert_eq!(count, len);
        if self.root.is_some() {
            check_below(nodes, self.root, None);
        }
        len
    }
}

/// The key of the true peak of `node`: that of the highest node above it which speaks for all.
fn peak_key(nodes: &Nodes, node: Id<Trailing>) -> i64 {
    let (mut at, mut peak) = (node, nodes[node].peak);
    while at.is_some() {
        if nodes[at].nearest.is_none() {
            peak = nodes[at].peak;
        }
        at = nodes[at].links.parent();
    }
    peak
}

fn push_down_to(nodes: &mut Nodes, node: Id<Trailing>) {
    let mut path = [Id::NONE; DEPTH_MAX];
    let (mut at, mut len) = (node, 0);
    while at.is_some() {
        path[len] = at;
        len += 1;
        at = nodes[at].links.parent();
    }
    for at in path[..len].iter().rev() {
        Trailing::push(nodes, *at);
    }
}

/// Sets what is left when the nearest trigger is at the end of all prices: there triggers saturate, are
/// equal for unequal offsets, and `seq` alone decides. A trade there triggers every stop of the side, so
/// this is one step for each of them, and what it forgets is of no use any more.
///
/// As deep as the tree is high.
#[cold]
fn level(nodes: &mut Nodes, root: Id<Trailing>) {
    if root.is_none() {
        return;
    }
    let links = nodes[root].links;
    level(nodes, links.child(Hand::Left));
    level(nodes, links.child(Hand::Right));
    nodes[root].peak = i64::MIN;
    nodes[root].offset = 0;
    Trailing::pull(nodes, root);
}

/// Works out what `node` should say about its subtree; `over` is the peak that a node above says.
fn check_below(
    nodes: &Nodes,
    node: Id<Trailing>,
    over: Option<i64>,
) -> (Id<Trailing>, Id<Trailing>) {
    let said = &nodes[node];
    let over = over.or(said.nearest.is_none().then_some(said.peak));
    let (mut nearest, mut tightest) = (node, node);
    let truly = |id: Id<Trailing>| Trailing { peak: peak_key(nodes, id), ..nodes[id] };
    for hand in [Hand::Left, Hand::Right] {
        let child = said.links.child(hand);
        if child.is_some() {
            let below = check_below(nodes, child, over);
            if truly(below.0).is_nearer(&truly(nearest)) {
                nearest = below.0;
            }
            if nodes[below.1].is_tighter(&nodes[tightest]) {
                tightest = below.1;
            }
        }
    }
    assert_eq!(said.tightest, tightest);
    if over.is_none_or(|peak| said.nearest.is_none() && said.peak == peak) {
        let told = truly(said.nearest());
        assert_eq!(nodes[said.nearest()].peak, told.peak);
        assert_eq!(told.trigger(), truly(nearest).trigger());
        assert!(told.trigger() == i64::MIN || said.nearest() == nearest);
    }
    (nearest, tightest)
}

/// One node looked at: what a change costs, for the test that says it.
#[inline]
fn count_step() {
    #[cfg(test)]
    tests::STEPS.set(tests::STEPS.get() + 1);
}

#[cfg(test)]
mod tests {
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
        let ids =
            [1, 2, 3].map(|seq| trails.insert(&mut nodes, seq, 5, seq.into(), Some(ticks(50))));
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
                Side::Sell => triggered
                    .sort_by_key(|stop| (stop.trigger(side).map(std::cmp::Reverse), stop.seq)),
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
        println!(
            "{seq} entered, {triggered} triggered, {lifted} trades lifted, {most} steps at most"
        );
        assert!(trails.len() > STOPS / 2 && triggered > STOPS / 4 && lifted > STOPS);
    }
}
