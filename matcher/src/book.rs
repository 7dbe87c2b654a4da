//! One book: what rests in it, and the loop that matches.

mod auction;
mod check;
mod leave;
mod phases;
mod self_trade;
mod snapshot;
mod special;
mod standing;
mod stops;
mod view;

use std::mem::offset_of;

use crate::accounts::{Account, Accounts};
use crate::command::{Liquidity, Permission};
use crate::event::{
    CancelReason, Canceled, Event, EventSink, Fill, Priority, Replaced, Rested, TradeKind, Traded,
};
use crate::extras::{Beside, Extras};
use crate::instrument::{Instrument, Phase};
use crate::ladder::Ladder;
use crate::levels::{Level, Levels};
use crate::orders::{Done, Order, Orders};
use crate::pool::Id;
use crate::sessions::Sessions;
use crate::types::{
    InstrumentId, MsgSeqNum, Notional, OrderId, OrderNumber, OrderRef, Price, Qty, SessionId, Side,
    TimeInForce, TradeId,
};

pub(crate) use check::Counted;
pub(crate) use special::{Ended, Settled};
pub(crate) use standing::{Incoming, any_price};
use view::levels_of;
pub use view::{Book, BookLevel, BookOrder};

/// What is better has the lower key, on both sides. Its own inverse.
#[inline]
pub(crate) const fn ladder_key(side: Side, price: Price) -> i64 {
    // No branch: which side comes next cannot be foretold. Not the negative: that of `i64::MIN` does
    // not exist.
    let mask = match side {
        Side::Buy => -1,
        Side::Sell => 0,
    };
    price.ticks() ^ mask
}

/// Bids come first.
#[inline]
pub(crate) const fn side_index(side: Side) -> usize {
    match side {
        Side::Buy => 0,
        Side::Sell => 1,
    }
}

/// What all books share: the pools, the sessions, the accounts, the count of trades.
pub(crate) struct Store {
    pub(crate) orders: Orders,
    pub(crate) levels: Levels,
    pub(crate) sessions: Sessions,
    pub(crate) accounts: Accounts,
    pub(crate) extras: Extras,
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

/// One instrument and its two ladders. A plain order sees the first two cache lines of it, which a
/// processor that fetches lines in pairs has at once.
#[repr(C, align(128))]
pub(crate) struct Sides {
    /// What needs no second look.
    pub(crate) gate: Gate,
    pub(crate) id: InstrumentId,
    /// Not 0: a trade, or a best price that changes, has to be told to somebody beside the book.
    pub(crate) special: u32,
    /// To change it is to call [`Sides::set_gate`] after.
    pub(crate) permission: Permission,
    /// The price of the last trade.
    pub(crate) last: Option<Price>,
    /// Bids and asks.
    ladders: [Ladder; 2],
    /// The static reference price.
    pub(crate) reference: Option<Price>,
    /// To change it, or what else the gate depends on, is to call [`Sides::set_gate`] after.
    pub(crate) instrument: Instrument,
    pub(crate) beside: Beside,
}

const _: () = assert!(offset_of!(Sides, ladders) == 64 && offset_of!(Sides, reference) == 128);

/// The limit orders that a book takes without a second look. Where it has to look twice at all of them
/// (it does not trade, it waits for an auction), no price is within.
pub(crate) struct Gate {
    price_min: Price,
    price_max: Price,
    qty_min: Qty,
    qty_max: Qty,
}

impl Gate {
    const CLOSED: Gate = Gate {
        price_min: Price::MAX,
        price_max: Price::MIN,
        qty_min: Qty::ZERO,
        qty_max: Qty::ZERO,
    };

    #[inline]
    pub(crate) fn admits(&self, price: Price, qty: Qty) -> bool {
        self.price_min <= price
            && price <= self.price_max
            && self.qty_min <= qty
            && qty <= self.qty_max
    }
}

/// An order off the book: one that came in and is being matched, or one just taken off.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taker {
    pub(crate) side: Side,
    /// [`Price::MAX`] or [`Price::MIN`] for a market order.
    pub(crate) limit: Price,
    pub(crate) leaves_qty: Qty,
    pub(crate) done: Done,
    pub(crate) order_id: OrderId,
    /// The place it had; nobody's if it never rested.
    pub(crate) order_ref: OrderRef,
    pub(crate) session: SessionId,
    pub(crate) number: OrderNumber,
    pub(crate) account: Id<Account>,
    pub(crate) stp_key: u32,
    pub(crate) extra: u32,
    pub(crate) time_in_force: TimeInForce,
    pub(crate) liquidity: Liquidity,
    pub(crate) flags: u8,
}

impl Taker {
    /// The report that it is an order no more.
    #[inline]
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
            cum_qty: self.done.cum_qty,
            notional: self.done.notional,
        }
    }
}

impl Done {
    /// One trade more.
    #[inline]
    fn add(&mut self, price: Price, qty: Qty) {
        self.cum_qty += qty;
        self.notional = add_notional(self.notional, price, qty);
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
    pub(crate) fn new(id: InstrumentId, instrument: Instrument) -> Sides {
        let mut book = Sides {
            gate: Gate::CLOSED,
            id,
            special: 0,
            permission: Permission::Trade,
            last: None,
            reference: None,
            ladders: [Ladder::new(id, Side::Buy), Ladder::new(id, Side::Sell)],
            beside: Beside::new(&(instrument.price_min..=instrument.price_max)),
            instrument,
        };
        book.mark();
        book
    }

    /// Brings the gate up to date with what it depends on.
    pub(crate) fn set_gate(&mut self) {
        let Instrument { phase, price_min, price_max, qty_min, qty_max, .. } = self.instrument;
        let is_open = phase == Phase::Continuous && !self.has_bands() && !self.has_pegs();
        self.gate = match (is_open, self.permission) {
            (true, Permission::Trade) => Gate { price_min, price_max, qty_min, qty_max },
            _ => Gate::CLOSED,
        };
    }

    #[inline(always)]
    pub(crate) const fn ladder(&self, side: Side) -> &Ladder {
        &self.ladders[side_index(side)]
    }

    #[inline(always)]
    const fn ladder_mut(&mut self, side: Side) -> &mut Ladder {
        &mut self.ladders[side_index(side)]
    }

    /// The best price of a side.
    #[inline(always)]
    pub(crate) fn best_price(&self, side: Side) -> Option<Price> {
        let key = self.ladder(side).best_key()?;
        Some(Price::from_ticks(ladder_key(side, Price::from_ticks(key))))
    }

    /// Whether an order of `side` with limit `limit` would trade at once.
    #[inline(always)]
    pub(crate) fn would_trade(&self, side: Side, limit: Price) -> bool {
        let makers = side.opposite();
        let ladder = self.ladder(makers);
        ladder.best().is_some() & ladder.reaches(ladder_key(makers, limit))
    }

    /// Whether there is a level of that price.
    pub(crate) fn has_level(&self, levels: &Levels, side: Side, price: Price) -> bool {
        self.ladder(side).find(levels, ladder_key(side, price)).is_some()
    }

    /// The level of that price, a new one if need be; the table of levels is not full then.
    #[inline(always)]
    pub(crate) fn level_for(&mut self, levels: &mut Levels, side: Side, price: Price) -> Id<Level> {
        self.ladder_mut(side).find_or_insert(levels, ladder_key(side, price))
    }

    /// Takes out a level that nobody stands at any more.
    #[inline]
    pub(crate) fn remove_level(&mut self, levels: &mut Levels, side: Side, level: Id<Level>) {
        self.ladder_mut(side).remove(levels, level);
    }

    /// Trades `taker` against the resting side until it is filled or its limit is reached.
    ///
    /// Price-time priority: best level first, oldest order first, always at the maker's price. The caller
    /// has asked [`Account::surely_admits`], or called [`Account::take_unsure`].
    #[inline]
    pub(crate) fn cross<S: EventSink>(
        &mut self,
        store: &mut Store,
        taker: &mut Taker,
        events: &mut S,
    ) {
        let makers = taker.side.opposite();
        let limit = ladder_key(makers, taker.limit);
        let before = taker.leaves_qty;
        while let Some(key) = self.ladder(makers).best_key() {
            if key > limit || taker.leaves_qty.is_zero() {
                break;
            }
            self.cross_level(store, taker, events);
        }
        if taker.leaves_qty != before {
            let account = store.accounts.get_mut(taker.account);
            account.fill_sure(taker.side, before - taker.leaves_qty);
        }
    }

    /// Trades `taker`, which is not filled, against the best level until one of them is done. The level
    /// is brought up to date once, at the end.
    fn cross_level<S: EventSink>(&mut self, store: &mut Store, taker: &mut Taker, events: &mut S) {
        let makers = taker.side.opposite();
        let level_id = self.ladder(makers).best();
        let Level { head, mut orders, .. } = store.levels.pool[level_id];
        let price = store.levels.pool[level_id].price();
        let (mut at, mut traded) = (head, 0);
        loop {
            let maker = &mut store.orders[at];
            let qty = taker.leaves_qty.min(maker.leaves_qty);
            assert!(!qty.is_zero());
            maker.leaves_qty -= qty;
            taker.leaves_qty -= qty;
            traded += qty.lots();
            taker.done.add(price, qty);
            let Order { session, number, account, leaves_qty, next, .. } = *maker;
            let (order_id, maker_ref, kept) = (maker.order_id, maker.order_ref, maker.done);
            let mut done = store.orders.done(kept);
            done.add(price, qty);
            store.trades += 1;
            let trade = Traded {
                id: TradeId(store.trades),
                instrument: self.id,
                taker_side: taker.side,
                kind: TradeKind::Continuous,
                price,
                qty,
                maker_ref,
                taker_ref: OrderRef::NONE,
                maker: Fill {
                    session,
                    number,
                    msg: store.sessions.next_msg(session),
                    order_id,
                    leaves_qty,
                    cum_qty: done.cum_qty,
                    notional: done.notional,
                },
                taker: Fill {
                    session: taker.session,
                    number: taker.number,
                    msg: store.sessions.next_msg(taker.session),
                    order_id: taker.order_id,
                    leaves_qty: taker.leaves_qty,
                    cum_qty: taker.done.cum_qty,
                    notional: taker.done.notional,
                },
            };
            events.event(&Event::Traded(trade));
            let account = store.accounts.get_mut(account);
            account.fill_sure(makers, qty);
            account.lessen(makers, qty, price);
            if leaves_qty.is_zero() {
                account.open_orders -= 1;
                orders -= 1;
                store.orders.give_back(at);
                store.sessions.remove(session, number);
                at = next;
            } else {
                let done = store.orders.keep_done(kept, done);
                store.orders[at].done = done;
            }
            if at.is_none() || taker.leaves_qty.is_zero() {
                break;
            }
        }
        self.last = Some(price);
        let level = &mut store.levels.pool[level_id];
        level.head = at;
        level.orders = orders;
        level.qty -= traded;
        if at.is_none() {
            self.ladder_mut(makers).remove(&mut store.levels, level_id);
        } else if at != head {
            store.orders[at].prev = Id::NONE;
        }
    }

    /// Puts what is left of `taker` at the end of the queue of its price. The caller has seen that
    /// there is room for an order and, if need be, for a level, and has seen to the account as for
    /// [`Sides::cross`].
    #[inline]
    pub(crate) fn rest<S: EventSink>(&mut self, store: &mut Store, taker: &Taker, events: &mut S) {
        let Taker { side, limit, leaves_qty, session, number, .. } = *taker;
        let order_ref = store.next_place();
        let level_id = self.level_for(&mut store.levels, side, limit);
        let level = &mut store.levels.pool[level_id];
        let done = store.orders.keep_done(Id::NONE, taker.done);
        let (slot, order) = store.orders.take();
        *order = Order {
            leaves_qty,
            order_id: taker.order_id,
            order_ref,
            next: Id::NONE,
            prev: level.tail,
            level: level_id,
            session,
            number,
            account: taker.account,
            stp_key: taker.stp_key,
            extra: taker.extra,
            done,
            time_in_force: taker.time_in_force,
            liquidity: taker.liquidity,
            flags: taker.flags,
        };
        level.append(&mut store.orders, slot, leaves_qty);
        store.accounts.get_mut(taker.account).reserve_sure(side, leaves_qty, limit);
        store.sessions.insert(session, number, slot);
        events.event(&Event::Rested(Rested {
            session,
            number,
            instrument: self.id,
            side,
            order_ref,
            price: limit,
            leaves_qty,
        }));
    }

    /// Takes an order off the book; returns what it was.
    #[inline]
    pub(crate) fn take_off(&mut self, store: &mut Store, slot: Id<Order>) -> Taker {
        let order = &store.orders[slot];
        let Order { prev, next, level: level_id, .. } = *order;
        let level = &mut store.levels.pool[level_id];
        let taken = Taker {
            side: level.side,
            limit: level.price(),
            leaves_qty: order.leaves_qty,
            done: store.orders.done(order.done),
            order_id: order.order_id,
            order_ref: order.order_ref,
            session: order.session,
            number: order.number,
            account: order.account,
            stp_key: order.stp_key,
            extra: order.extra,
            time_in_force: order.time_in_force,
            liquidity: order.liquidity,
            flags: order.flags,
        };
        level.unlink(&mut store.orders, (prev, next), taken.leaves_qty);
        if level.orders == 0 {
            self.ladder_mut(taken.side).remove(&mut store.levels, level_id);
        }
        store.orders.give_back(slot);
        store.sessions.remove(taken.session, taken.number);
        let account = store.accounts.get_mut(taken.account);
        account.release(taken.side, taken.leaves_qty, taken.limit);
        taken
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
}
