//! A book, to read: its levels and orders as a reader sees them, and whether they agree.

use std::iter;

use super::{Sides, Store};
use crate::accounts::Account;
use crate::instrument::Instrument;
use crate::ladder::Ladder;
use crate::levels::{Level, Levels};
use crate::orders::Order;
use crate::pool::Id;
use crate::types::{OrderId, OrderNumber, OrderRef, Price, Qty, SessionId, Side};

/// A price of a book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookLevel {
    /// The price.
    pub price: Price,
    /// All that is displayed there.
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
    /// Still working, an iceberg's reserve too.
    pub leaves_qty: Qty,
    /// How much of that is displayed.
    pub displayed_qty: Qty,
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
            slots_from(level.head, store).map(|slot| (slot, &store.orders[slot])).map(
                |(slot, order)| BookOrder {
                    session: order.session,
                    number: order.number,
                    order_id: order.order_id,
                    order_ref: order.order_ref,
                    price: level.price(),
                    leaves_qty: order.leaves_qty + Sides::reserve_of(store, slot),
                    displayed_qty: order.leaves_qty,
                },
            )
        })
    }
}

impl Sides {
    /// Every working order: its account, side, what works of it, and its value price.
    pub(crate) fn working<'a>(
        &'a self,
        store: &'a Store,
    ) -> impl Iterator<Item = (Id<Account>, Side, Qty, Price)> {
        let displayed = [Side::Buy, Side::Sell].into_iter().flat_map(move |side| {
            levels_of(self.ladder(side), &store.levels)
                .flat_map(move |level| slots_from(level.head, store))
        });
        displayed.chain(slots_from(self.beside.held.first(), store)).map(move |slot| {
            let (side, value) = Sides::terms_of(store, slot);
            let order = &store.orders[slot];
            (order.account, side, order.leaves_qty + Sides::reserve_of(store, slot), value)
        })
    }
}

/// The orders of a queue.
fn slots_from(head: Id<Order>, store: &Store) -> impl Iterator<Item = Id<Order>> + use<'_> {
    iter::successors(head.some(), |at| store.orders[*at].next.some())
}

impl Sides {
    /// Whether `qty` could trade whole within `limit`. Walks levels, not orders, and stops early.
    pub(crate) fn can_fill(&self, levels: &Levels, side: Side, limit: Price, qty: Qty) -> bool {
        let (mut found, makers) = (0, self.ladder(side.opposite()));
        for level in levels_of(makers, levels) {
            if !side.accepts(limit, level.price()) {
                return false;
            }
            found += level.qty;
            if found >= qty.lots() {
                return true;
            }
        }
        false
    }
}

pub(super) fn levels_of<'a>(
    ladder: &'a Ladder,
    levels: &'a Levels,
) -> impl Iterator<Item = &'a Level> {
    levels_from(ladder.best(), levels)
}

/// A level and those behind it.
pub(super) fn levels_from(level: Id<Level>, levels: &Levels) -> impl Iterator<Item = &Level> {
    let mut at = level;
    iter::from_fn(move || {
        let level = &levels.pool[at.some()?];
        at = Ladder::next(levels, at);
        Some(level)
    })
}

impl Sides {
    /// What an order without a price is valued with, and what a collar is held against.
    #[inline]
    pub(crate) fn middle(&self) -> Option<Price> {
        if self.last.is_some() { self.last } else { self.before_trades() }
    }

    /// A book that has traded must not fetch a line for what it does not need.
    #[cold]
    #[inline(never)]
    const fn before_trades(&self) -> Option<Price> {
        self.reference
    }
}
