//! One book: what rests in it, and the loop that matches.

mod view;

use std::iter;

use crate::event::{
    CancelReason, Canceled, Event, EventSink, Fill, Priority, Replaced, Rested, TradeKind, Traded,
};
use crate::instrument::Instrument;
use crate::ladder::Ladder;
use crate::levels::{Level, Levels};
use crate::orders::Order;
use crate::pool::{Id, Pool};
use crate::sessions::Sessions;
use crate::types::{
    InstrumentId, MsgSeqNum, Notional, OrderNumber, OrderRef, Price, Qty, Side, TradeId,
};

pub use view::{Book, BookLevel, BookOrder};

/// What is better has the lower key, on both sides. Its own inverse.
#[inline]
pub(crate) const fn ladder_key(side: Side, price: Price) -> i64 {
    match side {
        // Not the negative: that of `i64::MIN` does not exist.
        Side::Buy => !price.ticks(),
        Side::Sell => price.ticks(),
    }
}

/// What all books share: the pools, the sessions, the count of trades.
pub(crate) struct Store {
    pub(crate) orders: Pool<Order>,
    pub(crate) levels: Levels,
    pub(crate) sessions: Sessions,
    pub(crate) trades: u64,
    /// Places in queues given so far.
    pub(crate) places: u64,
}

impl Store {
    /// The next place in a queue.
    #[inline]
    pub(crate) fn next_place(&mut self) -> OrderRef {
        self.places += 1;
        OrderRef(self.places)
    }
}

/// One instrument and its two ladders.
pub(crate) struct Sides {
    pub(crate) instrument: Instrument,
    pub(crate) id: InstrumentId,
    bids: Ladder,
    asks: Ladder,
}

/// An order that came in and is being matched.
pub(crate) struct Taker {
    pub(crate) side: Side,
    /// [`Price::MAX`] or [`Price::MIN`] for a market order.
    pub(crate) limit: Price,
    /// What it will be on the book, if it comes to that.
    pub(crate) order: Order,
}

impl Order {
    /// Takes its part in a trade.
    #[inline]
    fn fill(&mut self, price: Price, qty: Qty, msg: MsgSeqNum) -> Fill {
        self.leaves_qty -= qty;
        self.cum_qty += qty;
        self.notional = add_notional(self.notional, price, qty);
        Fill {
            session: self.session,
            number: self.number,
            msg,
            order_id: self.order_id,
            leaves_qty: self.leaves_qty,
            cum_qty: self.cum_qty,
            notional: self.notional,
        }
    }

    /// The report that it is one no more.
    pub(crate) fn canceled(
        &self,
        instrument: InstrumentId,
        reason: CancelReason,
        msg: MsgSeqNum,
    ) -> Canceled {
        Canceled {
            session: self.session,
            number: self.number,
            msg,
            order_id: self.order_id,
            instrument,
            order_ref: self.order_ref,
            reason,
            canceled_qty: self.leaves_qty,
            cum_qty: self.cum_qty,
            notional: self.notional,
        }
    }
}

/// `Instrument::validate` bounds price × quantity over the life of an order to 2^63 - 1, so the
/// product and the sum are exact. Wrapping, because a quantity of 2^63 and more is possible at price 0.
#[inline]
fn add_notional(notional: Notional, price: Price, qty: Qty) -> Notional {
    let value = price.ticks().wrapping_mul(qty.lots().cast_signed());
    Notional::from_tick_lots(notional.tick_lots() + value)
}

impl Sides {
    pub(crate) const fn new(id: InstrumentId, instrument: Instrument) -> Sides {
        Sides {
            instrument,
            id,
            bids: Ladder::new(id, Side::Buy),
            asks: Ladder::new(id, Side::Sell),
        }
    }

    #[inline]
    pub(crate) const fn ladder(&self, side: Side) -> &Ladder {
        match side {
            Side::Buy => &self.bids,
            Side::Sell => &self.asks,
        }
    }

    #[inline]
    const fn ladder_mut(&mut self, side: Side) -> &mut Ladder {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }

    /// The best price of a side.
    #[inline]
    pub(crate) fn best_price(&self, side: Side) -> Option<Price> {
        let key = self.ladder(side).best_key()?;
        Some(Price::from_ticks(ladder_key(side, Price::from_ticks(key))))
    }

    /// Whether an order of `side` with limit `limit` would trade at once.
    #[inline]
    pub(crate) fn would_trade(&self, side: Side, limit: Price) -> bool {
        self.best_price(side.opposite()).is_some_and(|price| side.accepts(limit, price))
    }

    /// Whether `qty` could trade whole within `limit`. Walks levels, not orders, and stops early.
    pub(crate) fn can_fill(&self, levels: &Levels, side: Side, limit: Price, qty: Qty) -> bool {
        let (mut found, makers) = (0, self.ladder(side.opposite()));
        for level in levels_of(makers, levels) {
            if !side.accepts(limit, level.price()) {
                return false;
            }
            found += level.qty;
            if found >= qty.lots().into() {
                return true;
            }
        }
        false
    }

    /// Whether there is a level of that price.
    pub(crate) fn has_level(&self, levels: &Levels, side: Side, price: Price) -> bool {
        self.ladder(side).find(levels, ladder_key(side, price)).is_some()
    }

    /// Trades `taker` against the resting side until it is filled or its limit is reached.
    ///
    /// Price-time priority: best level first, oldest order first, always at the maker's price.
    /// Each turn of the loop removes a maker or ends the loop.
    #[inline]
    pub(crate) fn cross<S: EventSink>(
        &mut self,
        store: &mut Store,
        taker: &mut Taker,
        events: &mut S,
    ) {
        let makers = taker.side.opposite();

        while let Some(price) = self.best_price(makers) {
            if taker.order.leaves_qty.is_zero() || !taker.side.accepts(taker.limit, price) {
                break;
            }
            let level = &mut store.levels.pool[self.ladder(makers).best()];
            let maker_slot = level.head;
            let maker = &mut store.orders[maker_slot];
            let qty = taker.order.leaves_qty.min(maker.leaves_qty);
            assert!(!qty.is_zero());
            level.qty -= u128::from(qty.lots());
            store.trades += 1;
            let maker_msg = store.sessions.next_msg(maker.session);
            let taker_msg = store.sessions.next_msg(taker.order.session);
            let trade = Traded {
                id: TradeId(store.trades),
                instrument: self.id,
                taker_side: taker.side,
                kind: TradeKind::Continuous,
                price,
                qty,
                maker_ref: maker.order_ref,
                taker_ref: OrderRef::NONE,
                maker: maker.fill(price, qty, maker_msg),
                taker: taker.order.fill(price, qty, taker_msg),
            };
            events.event(&Event::Traded(trade));
            if trade.maker.leaves_qty.is_zero() {
                self.take_off(store, maker_slot);
            }
        }
    }

    /// Puts what is left of `taker` at the end of the queue of its price. The caller has seen that
    /// there is room for an order and, if need be, for a level.
    #[inline]
    pub(crate) fn rest<S: EventSink>(&mut self, store: &mut Store, taker: &Taker, events: &mut S) {
        let Taker { side, limit, .. } = *taker;
        let order_ref = store.next_place();
        let key = ladder_key(side, limit);
        let ladder = self.ladder_mut(side);
        let mut at = ladder.find(&store.levels, key);
        if at.is_none() {
            at = ladder.insert(&mut store.levels, key);
        }
        let level = &mut store.levels.pool[at];
        let order = Order { level: at, prev: level.tail, next: Id::NONE, order_ref, ..taker.order };
        let slot = store.orders.take(order);
        match level.tail.some() {
            None => level.head = slot,
            Some(tail) => store.orders[tail].next = slot,
        }
        level.tail = slot;
        level.orders += 1;
        level.qty += u128::from(order.leaves_qty.lots());
        store.sessions.insert(order.session, order.number, slot);
        events.event(&Event::Rested(Rested {
            session: order.session,
            number: order.number,
            instrument: self.id,
            side,
            order_ref,
            price: limit,
            leaves_qty: order.leaves_qty,
        }));
    }

    /// Takes an order off the book; returns what it was.
    #[inline]
    pub(crate) fn take_off(&mut self, store: &mut Store, slot: Id<Order>) -> Order {
        let order = store.orders.give_back(slot);
        let level = &mut store.levels.pool[order.level];
        level.qty -= u128::from(order.leaves_qty.lots());
        level.orders -= 1;
        match order.prev.some() {
            None => level.head = order.next,
            Some(prev) => store.orders[prev].next = order.next,
        }
        match order.next.some() {
            None => level.tail = order.prev,
            Some(next) => store.orders[next].prev = order.prev,
        }
        if level.orders == 0 {
            let side = level.side;
            self.ladder_mut(side).remove(&mut store.levels, order.level);
        }
        store.sessions.remove(order.session, order.number);
        order
    }

    /// Takes an order off the book and says so.
    #[inline]
    pub(crate) fn cancel<S: EventSink>(
        &mut self,
        store: &mut Store,
        slot: Id<Order>,
        reason: CancelReason,
        events: &mut S,
    ) {
        let order = self.take_off(store, slot);
        let msg = store.sessions.next_msg(order.session);
        events.event(&Event::Canceled(order.canceled(self.id, reason, msg)));
    }

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
                        self.cancel(store, at, reason, events);
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
        let order = &mut store.orders[slot];
        let level = &mut store.levels.pool[order.level];
        let (old_number, old_leaves_qty) = (order.number, order.leaves_qty);
        order.leaves_qty = order_qty - order.cum_qty;
        order.number = number;
        level.qty -= u128::from((old_leaves_qty - order.leaves_qty).lots());
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
            cut_qty: old_leaves_qty - order.leaves_qty,
            notional: order.notional,
        }));
    }
}

fn levels_of<'a>(ladder: &'a Ladder, levels: &'a Levels) -> impl Iterator<Item = &'a Level> {
    let mut at = ladder.best();
    iter::from_fn(move || {
        if at.is_none() {
            return None;
        }
        let level = &levels.pool[at];
        at = match level.key.checked_add(1) {
            Some(key) => ladder.first_from(levels, key),
            None => Id::NONE,
        };
        Some(level)
    })
}
