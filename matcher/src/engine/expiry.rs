//! Orders that end by the clock: at a time of their own, or with the day.

use super::Engine;
use crate::event::{CancelReason, EventSink};
use crate::orders::Order;
use crate::pool::Id;
use crate::types::{InstrumentId, TimeInForce, Timestamp};

impl Engine {
    /// When the next order expires; `None` if none does. The first Input of that time or later takes it
    /// off before anything else; [`crate::Command::Expire`] is one that does nothing beside it.
    #[must_use]
    pub fn next_expiry(&self) -> Option<Timestamp> {
        self.store.extras.next_expiry().map(|(at, _)| at)
    }

    /// Takes the orders off whose time has come.
    #[cold]
    #[inline(never)]
    pub(super) fn expire<S: EventSink>(&mut self, now: Timestamp, events: &mut S) {
        while let Some((_, id)) = self.store.extras.next_expiry().filter(|(at, _)| *at <= now) {
            let slot = self.store.extras[id].order;
            let instrument = self.store.extras[id].instrument;
            let book = &mut self.books[instrument.index()];
            book.cancel_standing(&mut self.store, slot, CancelReason::Expired, events);
            self.touch(instrument);
        }
        self.settle_touched(events);
    }

    /// Ends the day: orders for the day and for auctions expire.
    pub(super) fn expire_day<S: EventSink>(&mut self, events: &mut S) {
        let ends =
            |order: &Order| !matches!(order.time_in_force, TimeInForce::Gtc | TimeInForce::Gtd);
        for index in 0..self.books.len() {
            let id = self.books[index].id;
            self.cancel_in_book(id, ends, CancelReason::Expired, events);
        }
        self.settle_touched(events);
    }

    /// Takes the orders that `chosen` names off a book: displayed bids, asks, then held ones by place.
    /// [`Engine::settle_touched`] follows.
    pub(super) fn cancel_in_book<S: EventSink>(
        &mut self,
        instrument: InstrumentId,
        chosen: impl Fn(&Order) -> bool,
        reason: CancelReason,
        events: &mut S,
    ) -> u32 {
        let book = &mut self.books[instrument.index()];
        let mut canceled = book.cancel_all(&mut self.store, &chosen, reason, events);
        let mut at: Id<Order> = book.beside.held.first();
        while at.is_some() {
            let next = self.store.orders[at].next;
            if chosen(&self.store.orders[at]) {
                book.cancel_standing(&mut self.store, at, reason, events);
                canceled += 1;
            }
            at = next;
        }
        self.touch(instrument);
        canceled
    }
}
