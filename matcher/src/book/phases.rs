//! A book's change from one phase to the next, and the orders that waited for it.

use super::{Sides, Store};
use crate::event::{CancelReason, Event, EventSink, PhaseReason};
use crate::extras::{Queue, Standing};
use crate::instrument::Phase;
use crate::orders::Order;
use crate::pool::Id;
use crate::types::TimeInForce;

/// Whether a call is the one that a waiting order with that time in force is for. Who came for the opening
/// does not wait.
fn suits(time_in_force: TimeInForce, call: Phase) -> bool {
    time_in_force != TimeInForce::AtClose || call == Phase::ClosingAuction
}

impl Sides {
    /// Changes to another phase; what the old one leaves to trade has traded.
    pub(crate) fn begin<S: EventSink>(
        &mut self,
        store: &mut Store,
        phase: Phase,
        reason: PhaseReason,
        events: &mut S,
    ) {
        self.instrument.phase = phase;
        self.mark();
        events.event(&Event::PhaseChanged { instrument: self.id, phase, reason });
        if phase.is_call() {
            self.call_in(store, phase, events);
        } else if phase == Phase::Continuous {
            self.elect_late(store);
        }
    }

    /// Lets the orders into the call that waited for it, by place. They keep their places, which may be
    /// before those of orders that stand at their prices already.
    ///
    /// Each is put at the end of its queue first; then each queue is merged once, however many came into
    /// it.
    fn call_in<S: EventSink>(&mut self, store: &mut Store, phase: Phase, events: &mut S) {
        let mut shown = Queue::new();
        let mut at = self.beside.waiting.first();
        while let Some(id) = at.some() {
            at = store.extras[id].next;
            let slot = store.extras[id].order;
            let Order { order_ref: place, time_in_force, .. } = store.orders[slot];
            if !suits(time_in_force, phase) {
                continue;
            }
            if store.extras[id].limit.is_none() {
                self.stop_waiting(store, id);
                store.extras[id].standing = Standing::Market;
                self.await_its_time(store, slot, place);
                continue;
            }
            let incoming = self.lift(store, slot);
            let levels = &store.levels;
            let (side, limit) = (incoming.taker.side, incoming.taker.limit);
            if levels.pool.is_full() && !self.has_level(levels, side, limit) {
                self.cancel_lifted(store, &incoming, CancelReason::NoRoom, events);
                continue;
            }
            self.show_at(store, &incoming, place, events);
            shown.push(&mut store.extras, id);
        }
        while let Some(id) = shown.first().some() {
            shown.remove(&mut store.extras, id);
            let slot = store.extras[id].order;
            let Order { order_ref, prev, .. } = store.orders[slot];
            if prev.is_some() && store.orders[prev].order_ref > order_ref {
                merge_queue(store, slot);
            }
        }
    }
}

/// Brings a queue into the order of places that is two sorted ones, the second of which begins with
/// `second`. Walks from the end, and no further than the second one reaches.
fn merge_queue(store: &mut Store, second: Id<Order>) {
    let Order { level, prev, .. } = store.orders[second];
    let (mut one, mut other) = (prev, store.levels.pool[level].tail);
    let mut behind = Id::NONE;
    store.orders[second].prev = Id::NONE;
    while other.is_some() {
        let takes_one =
            one.is_some() && store.orders[one].order_ref > store.orders[other].order_ref;
        let last = if takes_one { &mut one } else { &mut other };
        let slot = *last;
        *last = store.orders[slot].prev;
        link(store, slot, behind);
        behind = slot;
    }
    // What is left of the first one is in order already.
    match one.some() {
        Some(one) => link(store, one, behind),
        None => {
            store.levels.pool[level].head = behind;
            store.orders[behind].prev = Id::NONE;
        }
    }
}

/// Puts `slot` in front of `behind`, or at the end of the queue.
fn link(store: &mut Store, slot: Id<Order>, behind: Id<Order>) {
    store.orders[slot].next = behind;
    match behind.some() {
        Some(behind) => store.orders[behind].prev = slot,
        None => {
            let level = store.orders[slot].level;
            store.levels.pool[level].tail = slot;
        }
    }
}
