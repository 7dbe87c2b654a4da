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

    #[cfg(test)]
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
    #[cfg(test)]
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
    #[cfg(test)]
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
    #[cfg(test)]
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
    #[cfg(test)]
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
mod tests;
