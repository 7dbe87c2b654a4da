//! Pegged orders: hidden, and priced only when somebody asks.
//!
//! A pegged order follows a reference of the book: its price is that reference less its offset, but not
//! better than its limit (RULES.md, section 5). When the reference moves, nothing is done here. Who
//! wants to trade asks for the best order at the references of the moment.
//!
//! As in a ladder, both sides are the same code: prices are keys, and the lowest key is the best. With
//! reference r an order of offset o and limit l has the key max(r + o, l). So there is one reference
//! above which it *floats* and at or below which it is *capped*, its crossover l − o:
//!
//! ```text
//!   key                     floats: r + o
//!    │                    ╱
//!    │                  ╱
//!  l ┼────────────────●
//!    │   capped: l    ┊
//!    └────────────────┴───────────▶ r
//!                  crossover
//! ```
//!
//! The orders of one kind stand in a tree by their crossover. A reference cuts the tree in two: what is
//! before it floats, and of those the lowest offset is the best, whatever the reference; what is behind
//! it is capped, and of those the lowest limit. Every node knows both for its subtree, so that one way
//! down finds the best of each part.
//!
//! The place decides between equal prices, wherever they come from: a floating and a capped order of one
//! price, orders of both kinds, and orders whose different sums end at one price because prices end
//! there (of the instrument, or of 64 bits).

#[cfg(test)]
mod tests;

use std::iter;
use std::ops::RangeInclusive;

use crate::avl::{self, Hand, Linked, Links};
use crate::book::ladder_key;
use crate::orders::Order;
use crate::pool::{Id, Pool, Pooled};
use crate::types::{OrderRef, Price, Side};

/// Which reference an order follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum PegKind {
    /// The best displayed price of its own side.
    Primary,
    /// The middle of the best displayed prices.
    Midpoint,
}

/// What the pegged orders of one side follow; none where there is no such price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct References {
    pub(crate) primary: Option<Price>,
    pub(crate) midpoint: Option<Price>,
}

impl References {
    /// The references of `side` while `bid` and `ask` are the best displayed prices.
    pub(crate) fn new(side: Side, bid: Option<Price>, ask: Option<Price>) -> References {
        let primary = match side {
            Side::Buy => bid,
            Side::Sell => ask,
        };
        let midpoint = bid.zip(ask).map(|(bid, ask)| {
            let (bid, ask) = (bid.ticks(), ask.ticks());
            // Half of the sum without the sum, which may not fit: down for a buy, up for a sell.
            Price::from_ticks(match side {
                Side::Buy => (bid & ask) + ((bid ^ ask) >> 1),
                Side::Sell => (bid | ask) - ((bid ^ ask) >> 1),
            })
        });
        References { primary, midpoint }
    }

    const fn of(&self, kind: PegKind) -> Option<Price> {
        match kind {
            PegKind::Primary => self.primary,
            PegKind::Midpoint => self.midpoint,
        }
    }
}

/// What a pegged order asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PegTerms {
    pub(crate) kind: PegKind,
    /// Ticks away from the reference, never towards the other side.
    pub(crate) offset: u64,
    /// The best price that it takes.
    pub(crate) limit: Option<Price>,
    pub(crate) place: OrderRef,
}

/// A pegged order in the tree and in the queue of its kind.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(crate) struct Pegged {
    offset: u64,
    /// Key of the best price that it takes.
    limit: i64,
    pub(crate) place: OrderRef,
    pub(crate) order: Id<Order>,
    /// Behind it by place.
    next: Id<Pegged>,
    /// Ahead of it by place.
    prev: Id<Pegged>,
    links: Links<Pegged>,
    /// Of its subtree: the best if all float.
    best_floating: Id<Pegged>,
    /// Of its subtree: the best if all are capped.
    best_capped: Id<Pegged>,
    kind: PegKind,
}

const _: () = assert!(size_of::<Pegged>() == 64);

impl Pegged {
    /// At references from here on it floats. Below the lowest key it always does.
    const fn crossover(&self) -> i64 {
        self.limit.saturating_sub_unsigned(self.offset)
    }

    const fn key(&self, reference: i64) -> i64 {
        let floating = reference.saturating_add_unsigned(self.offset);
        if floating > self.limit { floating } else { self.limit }
    }
}

impl Pooled for Pegged {
    const EMPTY: Pegged = Pegged {
        offset: 0,
        limit: 0,
        place: OrderRef::NONE,
        order: Id::NONE,
        next: Id::NONE,
        prev: Id::NONE,
        links: Links::NONE,
        best_floating: Id::NONE,
        best_capped: Id::NONE,
        kind: PegKind::Primary,
    };

    #[inline]
    fn link(&self) -> u32 {
        self.next.raw()
    }

    #[inline]
    fn set_link(&mut self, link: u32) {
        self.next = Id::from_raw(link);
    }
}

impl Linked for Pegged {
    #[inline]
    fn links(&self) -> &Links<Pegged> {
        &self.links
    }

    #[inline]
    fn links_mut(&mut self) -> &mut Links<Pegged> {
        &mut self.links
    }

    fn pull(nodes: &mut Nodes, node: Id<Pegged>) -> bool {
        let Pegged { links, best_floating, best_capped, .. } = nodes[node];
        let (mut floating, mut capped) = (node, node);
        for hand in [Hand::Left, Hand::Right] {
            let child = links.child(hand);
            floating = better_floating(nodes, floating, nodes[child].best_floating);
            capped = better_capped(nodes, capped, nodes[child].best_capped);
        }
        nodes[node].best_floating = floating;
        nodes[node].best_capped = capped;
        (floating, capped) != (best_floating, best_capped)
    }
}

/// Nodes of all books.
type Nodes = Pool<Pegged>;

/// The better of two orders, either of which may be none, if both float.
#[inline]
fn better_floating(nodes: &Nodes, a: Id<Pegged>, b: Id<Pegged>) -> Id<Pegged> {
    better(nodes, a, b, |node| (node.offset, node.place))
}

/// The better of two orders, either of which may be none, if both are capped.
#[inline]
fn better_capped(nodes: &Nodes, a: Id<Pegged>, b: Id<Pegged>) -> Id<Pegged> {
    better(nodes, a, b, |node| (node.limit, node.place))
}

#[inline]
fn better<K: Ord>(
    nodes: &Nodes,
    a: Id<Pegged>,
    b: Id<Pegged>,
    rank: impl Fn(&Pegged) -> K,
) -> Id<Pegged> {
    if a.is_none() || b.is_some() && rank(&nodes[b]) < rank(&nodes[a]) { b } else { a }
}

/// The orders of one kind.
#[derive(Debug)]
struct Kin {
    /// By crossover, then by place.
    root: Id<Pegged>,
    head: Id<Pegged>,
    tail: Id<Pegged>,
    orders: u32,
}

/// The pegged orders of one side of one book. Their nodes stand in a pool of all books.
#[derive(Debug)]
pub(crate) struct Pegs {
    side: Side,
    /// Keys of the best and of the worst price of the instrument.
    first: i64,
    last: i64,
    kinds: [Kin; 2],
}

impl Pegs {
    /// No order; its instrument trades at `prices`.
    pub(crate) fn new(side: Side, prices: &RangeInclusive<Price>) -> Pegs {
        let (low, high) = (ladder_key(side, *prices.start()), ladder_key(side, *prices.end()));
        let kind = || Kin { root: Id::NONE, head: Id::NONE, tail: Id::NONE, orders: 0 };
        Pegs { side, first: low.min(high), last: low.max(high), kinds: [kind(), kind()] }
    }

    pub(crate) const fn orders(&self) -> u32 {
        self.kinds[0].orders + self.kinds[1].orders
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.orders() == 0
    }

    /// Adds an order behind all others: its place is the newest. The pool is not full.
    pub(crate) fn insert(
        &mut self,
        nodes: &mut Nodes,
        terms: &PegTerms,
        order: Id<Order>,
    ) -> Id<Pegged> {
        let PegTerms { kind, offset, limit, place } = *terms;
        // No price is better than the best of the instrument, and so no limit needs to be.
        let limit = limit.map_or(self.first, |price| ladder_key(self.side, price));
        let limit = limit.max(self.first);
        let kin = &mut self.kinds[kind as usize];
        let prev = kin.tail;
        assert!(prev.is_none() || nodes[prev].place < place);
        let node = nodes.take(Pegged { offset, limit, place, order, prev, kind, ..Pegged::EMPTY });
        if prev.is_some() {
            nodes[prev].next = node;
        } else {
            kin.head = node;
        }
        kin.tail = node;
        kin.orders += 1;
        kin.hang(nodes, node);
        node
    }

    /// Takes an order out; returns its slot.
    pub(crate) fn remove(&mut self, nodes: &mut Nodes, node: Id<Pegged>) -> Id<Order> {
        let Pegged { next, prev, kind, .. } = nodes[node];
        let kin = &mut self.kinds[kind as usize];
        kin.root = avl::unhang(nodes, kin.root, node);
        if prev.is_some() {
            nodes[prev].next = next;
        } else {
            kin.head = next;
        }
        if next.is_some() {
            nodes[next].prev = prev;
        } else {
            kin.tail = prev;
        }
        kin.orders -= 1;
        nodes.give_back(node).order
    }

    /// The price of an order; none if it has no reference.
    #[cfg(test)]
    pub(crate) fn price_of(
        &self,
        nodes: &Nodes,
        node: Id<Pegged>,
        references: References,
    ) -> Option<Price> {
        let node = &nodes[node];
        let reference = references.of(node.kind)?;
        Some(self.price(node.key(ladder_key(self.side, reference))))
    }

    /// The order with the best price, the earliest of them; and that price.
    pub(crate) fn best(
        &self,
        nodes: &Nodes,
        references: References,
    ) -> Option<(Id<Pegged>, Price)> {
        let primary = self.best_of(nodes, PegKind::Primary, references);
        let midpoint = self.best_of(nodes, PegKind::Midpoint, references);
        let rank = |best: &(Id<Pegged>, i64)| (best.1, nodes[best.0].place);
        let (node, key) = primary.into_iter().chain(midpoint).min_by_key(rank)?;
        Some((node, self.price(key)))
    }

    /// The best order of a kind and its key, which is none behind the last.
    fn best_of(
        &self,
        nodes: &Nodes,
        kind: PegKind,
        references: References,
    ) -> Option<(Id<Pegged>, i64)> {
        let kin = &self.kinds[kind as usize];
        let head = kin.head.some()?;
        let reference = ladder_key(self.side, references.of(kind)?);
        let best = kin.best(nodes, reference);
        let key = nodes[best].key(reference);
        // Where the best has the last price, all have it.
        Some(if key < self.last { (best, key) } else { (head, self.last) })
    }

    fn price(&self, key: i64) -> Price {
        let key = key.clamp(self.first, self.last);
        Price::from_ticks(ladder_key(self.side, Price::from_ticks(key)))
    }

    /// All orders by place.
    pub(crate) fn iter<'a>(&self, nodes: &'a Nodes) -> impl Iterator<Item = Id<Pegged>> + use<'a> {
        let mut heads = [self.kinds[0].head, self.kinds[1].head];
        iter::from_fn(move || {
            let first = better(nodes, heads[0], heads[1], |node| node.place).some()?;
            let kind = nodes[first].kind;
            heads[kind as usize] = nodes[first].next;
            Some(first)
        })
    }

    /// Walks everything; returns the number of orders.
    ///
    /// # Panics
    ///
    /// If something does not agree.
    pub(crate) fn check(&self, nodes: &Nodes) -> u32 {
        for (index, kin) in self.kinds.iter().enumerate() {
            assert_eq!(avl::check(nodes, kin.root).0, kin.orders);
            let (mut count, mut prev, mut at) = (0, Id::NONE, kin.head);
            while at.is_some() {
                let node = &nodes[at];
                assert!(node.kind as usize == index && node.prev == prev);
                assert!(prev.is_none() || nodes[prev].place < node.place);
                count += 1;
                (prev, at) = (at, node.next);
            }
            assert!(count == kin.orders && prev == kin.tail);
            kin.check(nodes);
        }
        self.orders()
    }
}

impl Kin {
    fn hang(&mut self, nodes: &mut Nodes, node: Id<Pegged>) {
        let crossover = nodes[node].crossover();
        let (mut at, mut below, mut hand) = (Id::NONE, self.root, Hand::Left);
        while below.is_some() {
            at = below;
            // Its place is the newest, so behind all of the same crossover.
            hand = if crossover < nodes[at].crossover() { Hand::Left } else { Hand::Right };
            below = nodes[at].links.child(hand);
        }
        self.root = avl::hang(nodes, self.root, at, hand, node);
    }

    /// The best order at `reference`; there is one.
    fn best(&self, nodes: &Nodes, reference: i64) -> Id<Pegged> {
        let (mut floating, mut capped, mut at) = (Id::NONE, Id::NONE, self.root);
        while at.is_some() {
            let node = &nodes[at];
            if node.crossover() <= reference {
                // It floats, and so does all before it.
                let before = nodes[node.links.child(Hand::Left)].best_floating;
                floating = better_floating(nodes, better_floating(nodes, at, before), floating);
                at = node.links.child(Hand::Right);
            } else {
                // It is capped, and so is all behind it.
                let behind = nodes[node.links.child(Hand::Right)].best_capped;
                capped = better_capped(nodes, better_capped(nodes, at, behind), capped);
                at = node.links.child(Hand::Left);
            }
        }
        better(nodes, floating, capped, |node| (node.key(reference), node.place))
    }

    /// # Panics
    ///
    /// If crossovers are out of order or a node does not know the best of its subtree.
    fn check(&self, nodes: &Nodes) {
        let mut prev = Id::NONE;
        let mut at = avl::first(nodes, self.root);
        while at.is_some() {
            let node = &nodes[at];
            let rank = |node: &Pegged| (node.crossover(), node.place);
            assert!(prev.is_none() || rank(&nodes[prev]) < rank(node));
            let (mut floating, mut capped) = (at, at);
            for child in [Hand::Left, Hand::Right].map(|hand| &nodes[node.links.child(hand)]) {
                floating = better_floating(nodes, floating, child.best_floating);
                capped = better_capped(nodes, capped, child.best_capped);
            }
            assert_eq!((node.best_floating, node.best_capped), (floating, capped));
            (prev, at) = (at, avl::next(nodes, at));
        }
    }
}
