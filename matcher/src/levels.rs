//! Price levels, pooled across all books.

use std::collections::TryReserveError;

use crate::book::ladder_key;
use crate::orders::{Order, Orders};
use crate::pool::{Id, Pool, Pooled};
use crate::tree::{Branch, Tree};
use crate::types::{InstrumentId, Price, Qty, Side};

/// All orders of one side of one book at one price.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(crate) struct Level {
    /// Sum of the leaves of its orders, in lots: below 2^63, `Limits::qty_max` sees to it.
    pub(crate) qty: u64,
    /// Price in the order of its ladder: the lower, the better.
    pub(crate) key: i64,
    /// First in the queue.
    pub(crate) head: Id<Order>,
    /// Last in the queue.
    pub(crate) tail: Id<Order>,
    pub(crate) orders: u32,
    pub(crate) instrument: InstrumentId,
    /// The node of the tree that leads here, if any; of a ladder's front, the level behind it.
    pub(crate) above: Branch,
    pub(crate) side: Side,
    /// Sum of the reserves of its icebergs, in lots; with `qty` below 2^63.
    pub(crate) hidden: u64,
}

const _: () = assert!(size_of::<Level>() == 64);

impl Level {
    #[inline(always)]
    pub(crate) const fn price(&self) -> Price {
        Price::from_ticks(ladder_key(self.side, Price::from_ticks(self.key)))
    }

    /// Puts an order of `qty` at the end of the queue; its `prev` was the level's tail.
    #[inline(always)]
    pub(crate) fn append(&mut self, orders: &mut Orders, slot: Id<Order>, qty: Qty) {
        match self.tail.some() {
            None => self.head = slot,
            Some(tail) => orders[tail].next = slot,
        }
        self.tail = slot;
        self.orders += 1;
        self.qty += qty.lots();
    }

    /// Takes an order of `qty` with these neighbors out of the queue.
    #[inline(always)]
    pub(crate) fn unlink(
        &mut self,
        orders: &mut Orders,
        (prev, next): (Id<Order>, Id<Order>),
        qty: Qty,
    ) {
        match prev.some() {
            None => self.head = next,
            Some(prev) => orders[prev].next = next,
        }
        match next.some() {
            None => self.tail = prev,
            Some(next) => orders[next].prev = prev,
        }
        self.orders -= 1;
        self.qty -= qty.lots();
    }
}

impl Pooled for Level {
    const EMPTY: Level = Level {
        qty: 0,
        key: 0,
        head: Id::NONE,
        tail: Id::NONE,
        orders: 0,
        instrument: InstrumentId::NONE,
        above: Branch::NONE,
        side: Side::Buy,
        hidden: 0,
    };

    #[inline]
    fn link(&self) -> u32 {
        self.orders
    }

    #[inline]
    fn set_link(&mut self, link: u32) {
        self.orders = link;
    }
}

/// The levels of all books, and the tree that they stand in.
pub(crate) struct Levels {
    pub(crate) pool: Pool<Level>,
    pub(crate) tree: Tree,
}

impl Levels {
    pub(crate) const fn new() -> Levels {
        Levels { pool: Pool::new(), tree: Tree::new() }
    }

    pub(crate) fn grow(&mut self, levels_max: u32) -> Result<(), TryReserveError> {
        self.pool.grow(levels_max, levels_max)?;
        self.tree.grow(levels_max)
    }
}
