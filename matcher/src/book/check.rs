//! Whether all that belongs to a book agrees. For tests.

use std::ops::AddAssign;

use super::{Sides, Store, levels_of};
use crate::extras::{Extra, Standing, by_side, is_for_auction};
use crate::instrument::Phase;
use crate::levels::Level;
use crate::ordered::{Member, Set};
use crate::orders::Order;
use crate::pool::{Id, Pool};
use crate::types::{Price, Side};

/// How much there is of what stands in pools of all books.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) levels: u32,
    /// Nodes of their tree.
    pub(crate) nodes: u32,
    pub(crate) orders: u32,
    /// Orders that have traded.
    pub(crate) done: u32,
    pub(crate) extras: u32,
    /// Slices that icebergs have yet to display.
    pub(crate) slices: u64,
    pub(crate) expiring: u32,
    pub(crate) ending: u32,
    pub(crate) members: u32,
    pub(crate) trails: u32,
    pub(crate) pegs: u32,
}

impl AddAssign for Counted {
    fn add_assign(&mut self, other: Counted) {
        self.levels += other.levels;
        self.nodes += other.nodes;
        self.orders += other.orders;
        self.done += other.done;
        self.extras += other.extras;
        self.slices += other.slices;
        self.expiring += other.expiring;
        self.ending += other.ending;
        self.members += other.members;
        self.trails += other.trails;
        self.pegs += other.pegs;
    }
}

impl Store {
    /// How much stands in the pools.
    pub(crate) fn counted(&self) -> Counted {
        let extras = &self.extras;
        Counted {
            levels: self.levels.pool.len(),
            nodes: self.levels.tree.len(),
            orders: self.orders.len(),
            done: self.orders.done_len(),
            extras: extras.len(),
            slices: extras.slices,
            expiring: extras.expiring_len(),
            ending: extras.ending.len(),
            members: extras.members.len(),
            trails: extras.trails.len(),
            pegs: extras.pegs.len(),
        }
    }
}

impl Sides {
    /// Walks the book and what stands beside it; returns how much that is.
    ///
    /// # Panics
    ///
    /// If something does not agree, or the book is crossed in continuous trading.
    pub(crate) fn check(&self, store: &Store) -> Counted {
        let mut counted = Counted::default();
        for side in [Side::Buy, Side::Sell] {
            let (levels, nodes) = self.ladder(side).check(&store.levels);
            counted.levels += levels;
            counted.nodes += nodes;
            for level in levels_of(self.ladder(side), &store.levels) {
                counted += check_level(store, level);
            }
        }
        counted += self.check_held(store);
        self.check_sets(store, &mut counted);
        assert_eq!(counted.extras, self.beside.extras);
        assert!(!self.beside.is_touched);
        let mut marked = Sides { special: 0, ..Sides::new(self.id, self.instrument) };
        marked.beside.extras = self.beside.extras;
        marked.beside.bands = self.beside.bands;
        marked.mark();
        assert_eq!(self.special, marked.special);
        assert!(self.is_settled(store));
        counted
    }

    /// Whether what holds in continuous trading, once everything is settled, holds.
    pub(crate) fn is_settled(&self, store: &Store) -> bool {
        if self.instrument.phase != Phase::Continuous {
            return true;
        }
        let meet = |bid: Option<Price>, ask| bid.zip(ask).is_some_and(|(bid, ask)| bid >= ask);
        if meet(self.best_price(Side::Buy), self.best_price(Side::Sell))
            || self.beside.elected.first().is_some()
        {
            return false;
        }
        let best = |side| self.best_peg(store, side, self.references(side)).map(|(price, _)| price);
        let (bid, ask, band) = (best(Side::Buy), best(Side::Sell), self.band());
        let is_within = |price: Option<Price>| price.is_some_and(|price| band.contains(price));
        !(meet(bid, ask) && is_within(bid) && is_within(ask))
    }

    fn check_held(&self, store: &Store) -> Counted {
        let (mut counted, mut prev) = (Counted::default(), Id::NONE);
        let mut at = self.beside.held.first();
        while at.is_some() {
            let order = &store.orders[at];
            let extra = &store.extras[Id::from_raw(order.extra)];
            assert!(order.level.is_none() && !order.leaves_qty.is_zero());
            assert!(!matches!(extra.standing, Standing::Displayed | Standing::Lifted));
            assert!(prev.is_none() || store.orders[prev].order_ref < order.order_ref);
            assert_eq!((order.prev, extra.instrument), (prev, self.id));
            assert!(extra.reserve.is_zero());
            counted += check_order(store, at);
            prev = at;
            at = order.next;
        }
        assert_eq!(counted.orders, self.beside.held.len());
        counted
    }

    fn check_sets(&self, store: &Store, counted: &mut Counted) {
        let extras = &store.extras;
        let check = |set: &Set, members: &Pool<Member>, standing: Standing| -> u32 {
            for member in set.iter(members) {
                let extra = &extras[Id::from_raw(members[member].payload)];
                let raw =
                    if standing == Standing::Displayed { extra.ending.raw() } else { extra.member };
                assert_eq!((extra.standing, raw), (standing, member.raw()));
                assert_eq!(members[member].seq(), store.orders[extra.order].order_ref.0);
            }
            set.check(members)
        };
        let mut held = 0;
        for side in [Side::Buy, Side::Sell] {
            let at = by_side(side);
            let stops = check(&self.beside.stops[at], &extras.members, Standing::Stop);
            let market = check(&self.beside.market[at], &extras.members, Standing::Market);
            counted.members += stops + market;
            let market_qty = self.beside.market[at].iter(&extras.members).map(|member| {
                let extra = &extras[Id::from_raw(extras.members[member].payload)];
                store.orders[extra.order].leaves_qty.lots()
            });
            assert_eq!(market_qty.sum::<u64>(), self.beside.market_qty[at]);
            let trails = self.beside.trails[at].check(&extras.trails);
            for stop in self.beside.trails[at].iter(&extras.trails) {
                let extra = &extras[Id::from_raw(stop.order)];
                assert_eq!((extra.standing, extra.member), (Standing::Trailing, stop.node.raw()));
            }
            let pegs = self.beside.pegs[at].check(&extras.pegs);
            for peg in self.beside.pegs[at].iter(&extras.pegs) {
                let order = &store.orders[extras.pegs[peg].order];
                let extra = &extras[Id::from_raw(order.extra)];
                assert_eq!((extra.standing, extra.member), (Standing::Peg, peg.raw()));
                assert_eq!(extras.pegs[peg].place, order.order_ref);
            }
            counted.trails += trails;
            counted.pegs += pegs;
            held += stops + market + trails + pegs;
        }
        held += self.beside.elected.check(extras, Standing::Elected);
        held += self.beside.waiting.check(extras, Standing::Waiting);
        assert_eq!(held, self.beside.held.len());
        let ending = check(&self.beside.ending, &extras.ending, Standing::Displayed);
        assert_eq!(ending, counted.ending);
    }
}

fn check_level(store: &Store, level: &Level) -> Counted {
    let (mut qty, mut hidden, mut prev) = (0, 0, Id::NONE);
    let mut counted = Counted::default();
    let mut at = level.head;
    while at.is_some() {
        let order = &store.orders[at];
        assert!(!order.leaves_qty.is_zero());
        assert!(store.levels.pool[order.level].key == level.key);
        assert_eq!(order.prev, prev);
        assert!(prev.is_none() || store.orders[prev].order_ref < order.order_ref);
        qty += order.leaves_qty.lots();
        hidden += Sides::reserve_of(store, at).lots();
        counted += check_order(store, at);
        prev = at;
        at = order.next;
    }
    assert!(counted.orders > 0 && counted.orders == level.orders);
    assert_eq!((qty, hidden), (level.qty, level.hidden));
    assert_eq!(prev, level.tail);
    counted
}

/// What every working order has.
fn check_order(store: &Store, slot: Id<Order>) -> Counted {
    let order = &store.orders[slot];
    assert_eq!(store.sessions.find(order.session, order.number), Ok(slot));
    let mut counted =
        Counted { orders: 1, done: u32::from(order.done.is_some()), ..Counted::default() };
    let Some(id) = Id::<Extra>::from_raw(order.extra).some() else {
        assert!(!is_for_auction(order.time_in_force));
        return counted;
    };
    let extra = &store.extras[id];
    assert_eq!(extra.order, slot);
    let is_displayed = order.level.is_some();
    assert_eq!(is_displayed, extra.standing == Standing::Displayed);
    assert!(!is_displayed || extra.matters_displayed(order.time_in_force));
    assert!(extra.display_qty.is_zero() || order.leaves_qty <= extra.display_qty);
    assert!(!extra.display_qty.is_zero() || extra.reserve.is_zero());
    assert!(extra.display_qty.is_zero() || !is_for_auction(order.time_in_force));
    assert_eq!(extra.expiry.is_some(), extra.expire_at.0 != 0);
    assert_eq!(extra.ending.is_some(), is_displayed && is_for_auction(order.time_in_force));
    counted.extras = 1;
    counted.slices = extra.slices();
    counted.expiring = u32::from(extra.expiry.is_some());
    counted.ending = u32::from(extra.ending.is_some());
    counted
}
