//! A resting order: one cache line.

use crate::command::Liquidity;
use crate::levels::Level;
use crate::pool::{Id, Pooled};
use crate::types::{Notional, OrderId, OrderNumber, OrderRef, Qty, SessionId, TimeInForce};

/// A resting order.
///
/// Every command that touches an order reports most of it (ids, quantities, notional), so there is
/// nothing cold to keep elsewhere: one line, one miss. Price, side and instrument are its level's.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(crate) struct Order {
    pub(crate) leaves_qty: Qty,
    pub(crate) cum_qty: Qty,
    pub(crate) notional: Notional,
    pub(crate) order_id: OrderId,
    pub(crate) order_ref: OrderRef,
    /// Behind it in the queue.
    pub(crate) next: Id<Order>,
    /// Ahead of it in the queue.
    pub(crate) prev: Id<Order>,
    pub(crate) level: Id<Level>,
    pub(crate) session: SessionId,
    pub(crate) number: OrderNumber,
    pub(crate) time_in_force: TimeInForce,
    pub(crate) liquidity: Liquidity,
}

const _: () = assert!(size_of::<Order>() == 64);

impl Order {
    pub(crate) fn order_qty(&self) -> Qty {
        self.cum_qty + self.leaves_qty
    }
}

impl Pooled for Order {
    const EMPTY: Order = Order {
        leaves_qty: Qty::ZERO,
        cum_qty: Qty::ZERO,
        notional: Notional::ZERO,
        order_id: OrderId(0),
        order_ref: OrderRef(0),
        next: Id::NONE,
        prev: Id::NONE,
        level: Id::NONE,
        session: SessionId::VENUE,
        number: OrderNumber::NONE,
        time_in_force: TimeInForce::Day,
        liquidity: Liquidity::Any,
    };

    fn link(&mut self) -> &mut u32 {
        &mut self.number.0
    }
}
