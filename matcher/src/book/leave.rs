//! What takes orders off a book beside trades and cancels of one: sweeps, and replaces that keep the place.

use super::*;

impl Sides {
    /// Takes the orders that `chosen` names off the book: bids before asks, best first, oldest first.
    pub(crate) fn cancel_all<S: EventSink>(
        &mut self,
        store: &mut Store,
        chosen: impl Fn(&Order) -> bool,
        reason: CancelReason,
        events: &mut S,
    ) -> u32 {
        let mut canceled = 0;
        for side in [Side::Buy, Side::Sell] {
            let mut from = Some(i64::MIN);
            while let Some(key) = from {
                let level = self.ladder(side).first_from(&store.levels, key);
                if level.is_none() {
                    break;
                }
                let Level { key, head, .. } = store.levels.pool[level];
                from = key.checked_add(1);
                let mut at = head;
                while at.is_some() {
                    let next = store.orders[at].next;
                    if chosen(&store.orders[at]) {
                        self.cancel_standing(store, at, reason, events);
                        canceled += 1;
                    }
                    at = next;
                }
            }
        }
        canceled
    }

    /// Lessens an order where it stands and gives it its new number.
    pub(crate) fn lessen<S: EventSink>(
        &mut self,
        store: &mut Store,
        slot: Id<Order>,
        number: OrderNumber,
        order_qty: Qty,
        events: &mut S,
    ) {
        let done = store.orders.done(store.orders[slot].done);
        let order = &mut store.orders[slot];
        let level = &mut store.levels.pool[order.level];
        let (old_number, old_leaves_qty) = (order.number, order.leaves_qty);
        order.leaves_qty = order_qty - done.cum_qty;
        order.number = number;
        let cut = old_leaves_qty - order.leaves_qty;
        level.qty -= cut.lots();
        store.accounts.get_mut(order.account).lessen(level.side, cut, level.price());
        store.sessions.remove(order.session, old_number);
        store.sessions.insert(order.session, number, slot);
        events.event(&Event::Replaced(Replaced {
            session: order.session,
            old_number,
            number,
            msg: store.sessions.next_msg(order.session),
            order_id: order.order_id,
            instrument: self.id,
            priority: Priority::Kept,
            old_ref: order.order_ref,
            price: level.price(),
            order_qty,
            leaves_qty: order.leaves_qty,
            old_leaves_qty,
            cut_qty: cut,
            notional: done.notional,
        }));
    }
}
