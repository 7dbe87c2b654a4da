//! A resting order: one cache line.

use std::collections::TryReserveError;
use std::ops::{Index, IndexMut};

use crate::accounts::Account;
use crate::command::Liquidity;
use crate::levels::Level;
use crate::pool::{Id, Pool, Pooled};
use crate::types::{Notional, OrderId, OrderNumber, OrderRef, Qty, SessionId, TimeInForce};

/// A resting order.
///
/// Every command that touches an order reports most of it, so it is one line, one miss. Price, side and
/// instrument are its level's. What only some orders have is elsewhere and named here: `done` once it has
/// traded, `extra` for what a plain limit order has no field for.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(crate) struct Order {
    pub(crate) leaves_qty: Qty,
    pub(crate) order_id: OrderId,
    pub(crate) order_ref: OrderRef,
    /// Behind it in the queue.
    pub(crate) next: Id<Order>,
    /// Ahead of it in the queue.
    pub(crate) prev: Id<Order>,
    pub(crate) level: Id<Level>,
    pub(crate) session: SessionId,
    pub(crate) number: OrderNumber,
    /// Where its risk is counted.
    pub(crate) account: Id<Account>,
    /// Whose it is, for self-trade prevention: a group or a row of accounts + 1, as its flags say; 0: it
    /// trades with all.
    pub(crate) stp_key: u32,
    /// Names what a special order has beside this; 0: nothing, it is a plain limit order.
    pub(crate) extra: u32,
    /// What it has traded; none if it has not.
    pub(crate) done: Id<Done>,
    pub(crate) time_in_force: TimeInForce,
    pub(crate) liquidity: Liquidity,
    /// The bits of its self-trade prevention; the others are free for special orders.
    pub(crate) flags: u8,
}

const _: () = assert!(size_of::<Order>() == 64);

impl Order {
    /// Bits of `flags`: the mode of its self-trade prevention, as its session had it on entry.
    pub(crate) const SELF_TRADE: u8 = 0b0111;
    /// Bit of `flags`: `stp_key` is a group.
    pub(crate) const GROUP_KEY: u8 = 0b1000;
}

impl Pooled for Order {
    const EMPTY: Order = Order {
        leaves_qty: Qty::ZERO,
        order_id: OrderId(0),
        order_ref: OrderRef(0),
        next: Id::NONE,
        prev: Id::NONE,
        level: Id::NONE,
        session: SessionId::VENUE,
        number: OrderNumber::NONE,
        account: Id::NONE,
        stp_key: 0,
        extra: 0,
        done: Id::NONE,
        time_in_force: TimeInForce::Day,
        liquidity: Liquidity::Any,
        flags: 0,
    };

    #[inline]
    fn link(&self) -> u32 {
        self.number.0
    }

    #[inline]
    fn set_link(&mut self, link: u32) {
        self.number.0 = link;
    }
}

/// What an order has traded so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) cum_qty: Qty,
    pub(crate) notional: Notional,
}

impl Pooled for Done {
    const EMPTY: Done = Done { cum_qty: Qty::ZERO, notional: Notional::ZERO };

    #[inline]
    fn link(&self) -> u32 {
        u32::try_from(self.cum_qty.lots()).unwrap_or(0)
    }

    #[inline]
    fn set_link(&mut self, link: u32) {
        self.cum_qty = Qty::from_lots(link.into());
    }
}

/// The resting orders of all books, and what those of them have traded that have.
pub(crate) struct Orders {
    pool: Pool<Order>,
    done: Pool<Done>,
}

impl Orders {
    pub(crate) const fn new() -> Orders {
        Orders { pool: Pool::new(), done: Pool::new() }
    }

    /// Growth: orders that rest and have traded are few; their table begins with room for an eighth of
    /// `orders_max` and doubles.
    pub(crate) fn grow(&mut self, orders_max: u32) -> Result<(), TryReserveError> {
        self.pool.grow(orders_max, orders_max)?;
        self.done.grow(orders_max, orders_max / 8)
    }

    pub(crate) const fn len(&self) -> u32 {
        self.pool.len()
    }

    #[inline]
    pub(crate) const fn is_full(&self) -> bool {
        self.pool.is_full()
    }

    /// A free slot, to be filled. The caller has seen that the table is not full.
    #[inline(always)]
    pub(crate) fn take(&mut self) -> (Id<Order>, &mut Order) {
        self.pool.take_slot()
    }

    /// Frees the slot, and with it what the order has traded.
    #[inline(always)]
    pub(crate) fn give_back(&mut self, id: Id<Order>) {
        let done = self.pool[id].done;
        if done.is_some() {
            self.done.give_back(done);
        }
        self.pool.give_back(id);
    }

    /// Looks at each of `ids`, and gives what keeps that from being left out.
    #[inline]
    pub(crate) fn touch(&self, ids: &[Id<Order>]) -> u64 {
        ids.iter().map(|id| self.pool[*id].order_ref.0).fold(0, |all, place| all ^ place)
    }

    /// What stands in that slot, if there is one.
    #[inline(always)]
    pub(crate) fn get(&self, id: Id<Order>) -> Option<&Order> {
        self.pool.get(id)
    }

    /// Asks for the order's memory.
    #[inline(always)]
    pub(crate) fn prefetch(&self, id: Id<Order>) {
        self.pool.prefetch(id);
    }

    /// What an order has traded.
    #[inline(always)]
    pub(crate) fn done(&self, id: Id<Done>) -> Done {
        // Slot 0 holds nothing traded, for the orders that have not.
        self.done[id]
    }

    /// Keeps what an order has traded; `id` is where that stood before.
    #[inline]
    pub(crate) fn keep_done(&mut self, id: Id<Done>, done: Done) -> Id<Done> {
        if id.is_none() {
            return if done == Done::EMPTY { id } else { self.done.take(done) };
        }
        self.done[id] = done;
        id
    }

    /// How many resting orders have traded.
    pub(crate) const fn done_len(&self) -> u32 {
        self.done.len()
    }
}

impl Index<Id<Order>> for Orders {
    type Output = Order;

    #[inline]
    fn index(&self, id: Id<Order>) -> &Order {
        &self.pool[id]
    }
}

impl IndexMut<Id<Order>> for Orders {
    #[inline]
    fn index_mut(&mut self, id: Id<Order>) -> &mut Order {
        &mut self.pool[id]
    }
}
