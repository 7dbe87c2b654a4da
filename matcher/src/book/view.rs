//! A book, to read: its levels and orders as a reader sees them, and whether they agree.

use std::iter;

use super::{Sides, Store, levels_of};
use crate::instrument::Instrument;
use crate::levels::Level;
use crate::orders::Order;
use crate::pool::Id;
use crate::types::{OrderId, OrderNumber, OrderRef, Price, Qty, SessionId, Side};

/// A price of a book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookLevel {
    /// The price.
    pub price: Price,
    /// All that is working there.
    pub qty: Qty,
    /// How many orders.
    pub orders: u32,
}

/// A resting order, as a reader of a book sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookOrder {
    /// Whose order.
    pub session: SessionId,
    /// Its number there.
    pub number: OrderNumber,
    /// The order.
    pub order_id: OrderId,
    /// Its place in the queue.
    pub order_ref: OrderRef,
    /// At which price.
    pub price: Price,
    /// Still working.
    pub leaves_qty: Qty,
}

/// The book of one instrument, to read.
#[derive(Clone, Copy)]
pub struct Book<'a> {
    sides: &'a Sides,
    store: &'a Store,
}

impl<'a> Book<'a> {
    pub(crate) const fn new(sides: &'a Sides, store: &'a Store) -> Book<'a> {
        Book { sides, store }
    }

    /// The instrument.
    #[must_use]
    pub const fn instrument(&self) -> &'a Instrument {
        &self.sides.instrument
    }

    /// The prices to buy, best first.
    pub fn bids(&self) -> impl Iterator<Item = BookLevel> + use<'a> {
        self.levels(Side::Buy)
    }

    /// The prices to sell, best first.
    pub fn asks(&self) -> impl Iterator<Item = BookLevel> + use<'a> {
        self.levels(Side::Sell)
    }

    /// The prices of one side, best first.
    pub fn levels(&self, side: Side) -> impl Iterator<Item = BookLevel> + use<'a> {
        levels_of(self.sides.ladder(side), &self.store.levels).map(|level| BookLevel {
            price: level.price(),
            qty: Qty::from_lots(level.qty),
            orders: level.orders,
        })
    }

    /// The orders of one side: best price first, oldest first.
    pub fn orders(&self, side: Side) -> impl Iterator<Item = BookOrder> + use<'a> {
        let store = self.store;
        levels_of(self.sides.ladder(side), &store.levels).flat_map(move |level| {
            orders_of(level, store).map(|order| BookOrder {
                session: order.session,
                number: order.number,
                order_id: order.order_id,
                order_ref: order.order_ref,
                price: level.price(),
                leaves_qty: order.leaves_qty,
            })
        })
    }
}

impl Sides {
    /// Every order on the book, with its side and price.
    pub(crate) fn working<'a>(
        &'a self,
        store: &'a Store,
    ) -> impl Iterator<Item = (Side, Price, &'a Order)> {
        [Side::Buy, Side::Sell].into_iter().flat_map(move |side| {
            levels_of(self.ladder(side), &store.levels).flat_map(move |level| {
                orders_of(level, store).map(move |order| (side, level.price(), order))
            })
        })
    }

    /// Walks both ladders; returns how many levels and orders they hold.
    ///
    /// # Panics
    ///
    /// If something does not agree, or the book is crossed.
    pub(crate) fn check(&self, store: &Store) -> (u32, u32) {
        let (mut levels, mut orders) = (0, 0);
        for side in [Side::Buy, Side::Sell] {
            levels += self.ladder(side).check(&store.levels);
            for level in levels_of(self.ladder(side), &store.levels) {
                orders += check_level(store, level);
            }
        }
        if let (Some(bid), Some(ask)) = (self.best_price(Side::Buy), self.best_price(Side::Sell)) {
            assert!(bid < ask);
        }
        (levels, orders)
    }
}

/// The orders of a level, oldest first.
fn orders_of<'a>(level: &'a Level, store: &'a Store) -> impl Iterator<Item = &'a Order> + use<'a> {
    let mut at = level.head;
    iter::from_fn(move || {
        let order = &store.orders[at.some()?];
        at = order.next;
        Some(order)
    })
}

fn check_level(store: &Store, level: &Level) -> u32 {
    let (mut qty, mut orders, mut prev) = (0, 0, Id::NONE);
    let mut at = level.head;
    while at.is_some() {
        let order = &store.orders[at];
        assert!(!order.leaves_qty.is_zero());
        assert!(store.levels.pool[order.level].key == level.key);
        assert_eq!(order.prev, prev);
        assert_eq!(store.sessions.find(order.session, order.number), Ok(at));
        qty += order.leaves_qty.lots();
        orders += 1;
        prev = at;
        at = order.next;
    }
    assert!(orders > 0 && orders == level.orders);
    assert_eq!(qty, level.qty);
    assert_eq!(prev, level.tail);
    orders
}
