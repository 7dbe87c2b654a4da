//! Where an order stands: in the book, beside it, or in nobody's hands but its handler's.
//!
//! [`Sides::lift`] takes any working order from where it stands, [`Sides::show`] and [`Sides::hold`] put
//! one where it belongs, [`Sides::let_go`] lets go of one that is done. A lifted order keeps its slot and
//! its entry in the directory of its session, so that coming to life costs no new name.

use super::{Sides, Store, Taker, ladder_key};
use crate::command::{Peg, Trigger};
use crate::event::{
    CancelReason, Event, EventSink, Fill, Held, HeldReason, Priority, Replaced, Replenished,
    RestateReason, Restated, Rested,
};
use crate::extras::{Extra, Standing, by_side, is_for_auction};
use crate::instrument::Phase;
use crate::levels::Level;
use crate::orders::{Done, Order};
use crate::pegs::{PegKind, PegTerms};
use crate::pool::{Id, Pooled};
use crate::types::{OrderNumber, OrderRef, Price, Qty, Side};

/// An order on its way into the book: new, or lifted from where it stood.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Incoming {
    /// What meets the other side. Its `extra` names the one in the pool, if there is one already.
    pub(crate) taker: Taker,
    /// What is special about it; worth keeping or not, as it turns out.
    pub(crate) extra: Extra,
    /// The slot of a lifted order.
    pub(crate) slot: Id<Order>,
}

impl Incoming {
    /// Whether it has no limit price.
    pub(crate) const fn is_market(&self) -> bool {
        self.extra.limit.is_none()
    }

    /// Gives it another limit price.
    pub(crate) const fn set_limit(&mut self, limit: Price) {
        self.extra.limit = Some(limit);
        self.extra.value_price = Some(limit);
        self.taker.limit = limit;
    }
}

/// What a market order of that side accepts: everything.
pub(crate) const fn any_price(side: Side) -> Price {
    match side {
        Side::Buy => Price::MAX,
        Side::Sell => Price::MIN,
    }
}

/// The key of a stop: of two on one side the one nearer to the market has the lower.
const fn stop_key(side: Side, trigger: Price) -> i64 {
    ladder_key(side.opposite(), trigger)
}

impl Sides {
    /// Works out again whether the book is special.
    pub(crate) fn mark(&mut self) {
        self.special = self.beside.extras
            + u32::from(self.instrument.phase != Phase::Continuous)
            + u32::from(self.has_bands());
        self.set_gate();
    }

    /// Whether its trades may not have all prices.
    pub(super) const fn has_bands(&self) -> bool {
        let bands = self.beside.bands;
        bands.static_ticks != 0 || bands.dynamic_ticks != 0
    }

    /// Whether an order that meets nobody displayed may still trade, or make others trade.
    pub(super) fn has_pegs(&self) -> bool {
        self.beside.pegs.iter().any(|pegs| !pegs.is_empty())
    }

    /// Puts an order into the book at its limit price: at the end of the queue, with a new place. The
    /// caller has seen that there is room.
    pub(crate) fn show<S: EventSink>(
        &mut self,
        store: &mut Store,
        incoming: &Incoming,
        events: &mut S,
    ) {
        let place = store.next_place();
        self.show_at(store, incoming, place, events);
    }

    /// As [`Sides::show`], with a place that is not before that of the last order of its price.
    pub(crate) fn show_at<S: EventSink>(
        &mut self,
        store: &mut Store,
        incoming: &Incoming,
        place: OrderRef,
        events: &mut S,
    ) {
        let Taker { side, limit, leaves_qty, account, time_in_force, .. } = incoming.taker;
        let mut extra = Extra { standing: Standing::Displayed, ..incoming.extra };
        let is_special = extra.matters_displayed(time_in_force);
        let slice = match extra.display_qty {
            Qty::ZERO => leaves_qty,
            display_qty => display_qty.min(leaves_qty),
        };
        extra.reserve = leaves_qty - slice;
        extra.limit = Some(limit);
        let slot = self.seat(store, incoming, place, slice, is_special.then_some(extra));
        let level_id = self.level_for(&mut store.levels, side, limit);
        let level = &mut store.levels.pool[level_id];
        level.orders += 1;
        level.qty += slice.lots();
        level.hidden += extra.reserve.lots();
        store.orders[slot].level = level_id;
        push_tail(store, level_id, slot);
        store.accounts.get_mut(account).reserve(side, leaves_qty, limit);
        if is_for_auction(time_in_force) {
            let id = Id::from_raw(store.orders[slot].extra);
            let ending = &mut store.extras.ending;
            let member = self.beside.ending.insert(ending, 0, place.0, id.raw());
            store.extras[id].ending = member;
        }
        events.event(&Event::Rested(Rested {
            session: incoming.taker.session,
            number: incoming.taker.number,
            instrument: self.id,
            side,
            order_ref: place,
            price: limit,
            leaves_qty: slice,
        }));
    }

    /// Holds an order beside the book, with a new place. The caller has seen that there is room.
    pub(crate) fn hold<S: EventSink>(
        &mut self,
        store: &mut Store,
        incoming: &Incoming,
        reason: HeldReason,
        events: &mut S,
    ) {
        let Taker { side, leaves_qty, account, .. } = incoming.taker;
        let place = store.next_place();
        let standing = match (reason, incoming.extra.trigger) {
            (HeldReason::Stop, Trigger::Trailing(_)) => Standing::Trailing,
            (HeldReason::Stop, _) => Standing::Stop,
            (HeldReason::Peg, _) => Standing::Peg,
            (HeldReason::Waiting, _) => Standing::Waiting,
            (HeldReason::Auction, _) => Standing::Market,
        };
        let extra = Extra { standing, ..incoming.extra };
        let slot = self.seat(store, incoming, place, leaves_qty, Some(extra));
        self.beside.held.push(&mut store.orders, slot);
        self.await_its_time(store, slot, place);
        let value = extra.value_price.unwrap_or_default();
        store.accounts.get_mut(account).reserve(side, leaves_qty, value);
        events.event(&Event::Held(Held {
            session: incoming.taker.session,
            number: incoming.taker.number,
            instrument: self.id,
            side,
            reason,
            order_ref: place,
            leaves_qty,
        }));
    }

    /// Gives an order a node, with everything but where it stands.
    fn seat(
        &mut self,
        store: &mut Store,
        incoming: &Incoming,
        place: OrderRef,
        leaves_qty: Qty,
        extra: Option<Extra>,
    ) -> Id<Order> {
        let taker = &incoming.taker;
        let (slot, done) = match incoming.slot.some() {
            Some(slot) => (slot, store.orders[slot].done),
            None => {
                let (slot, _) = store.orders.take();
                store.sessions.insert(taker.session, taker.number, slot);
                (slot, Id::NONE)
            }
        };
        let done = store.orders.keep_done(done, taker.done);
        store.orders[slot] = Order {
            leaves_qty,
            order_id: taker.order_id,
            order_ref: place,
            next: Id::NONE,
            prev: Id::NONE,
            level: Id::NONE,
            session: taker.session,
            number: taker.number,
            account: taker.account,
            stp_key: taker.stp_key,
            extra: self.keep_extra(store, Id::from_raw(taker.extra), extra, slot, place),
            done,
            time_in_force: taker.time_in_force,
            liquidity: taker.liquidity,
            flags: taker.flags,
        };
        slot
    }

    /// Keeps what is special about an order, or nothing; `id` is where that stood before.
    fn keep_extra(
        &mut self,
        store: &mut Store,
        id: Id<Extra>,
        extra: Option<Extra>,
        order: Id<Order>,
        place: OrderRef,
    ) -> u32 {
        let Some(extra) = extra else {
            self.forget_extra(store, id);
            return 0;
        };
        let extra = Extra { order, ..extra };
        store.extras.slices += extra.slices();
        let id = match id.some() {
            Some(id) => {
                store.extras[id] = extra;
                id
            }
            None => {
                self.beside.extras += 1;
                self.special += 1;
                store.extras.take(extra)
            }
        };
        store.extras.note_expiry(id, place);
        id.raw()
    }

    pub(super) fn forget_extra(&mut self, store: &mut Store, id: Id<Extra>) {
        if id.is_some() {
            self.beside.extras -= 1;
            self.special -= 1;
            store.extras.give_back(id);
        }
    }

    /// Puts a held order into the set of those that wait for the same.
    pub(super) fn await_its_time(&mut self, store: &mut Store, slot: Id<Order>, place: OrderRef) {
        let id = Id::from_raw(store.orders[slot].extra);
        let Extra { side, standing, trigger, peg, limit, peak, .. } = store.extras[id];
        let extras = &mut store.extras;
        let at = by_side(side);
        let member = match (standing, trigger) {
            (Standing::Stop, Trigger::Stop(price)) => {
                let key = stop_key(side, price);
                self.beside.stops[at].insert(&mut extras.members, key, place.0, id.raw()).raw()
            }
            (Standing::Trailing, Trigger::Trailing(offset)) => {
                let trails = &mut self.beside.trails[at];
                trails.insert(&mut extras.trails, id.raw(), offset, place.0, peak).raw()
            }
            (Standing::Peg, _) => {
                let (kind, offset) = match peg {
                    Peg::Primary(offset) => (PegKind::Primary, offset),
                    Peg::Midpoint(offset) => (PegKind::Midpoint, offset),
                    Peg::None => unreachable!("a peg follows something"),
                };
                let terms = PegTerms { kind, offset, limit, place };
                let peg = self.beside.pegs[at].insert(&mut extras.pegs, &terms, slot);
                self.set_gate();
                peg.raw()
            }
            (Standing::Market, _) => {
                let qty = store.orders[slot].leaves_qty;
                self.beside.market_qty[at] += qty.lots();
                self.beside.market[at].insert(&mut extras.members, 0, place.0, id.raw()).raw()
            }
            (Standing::Waiting, _) => {
                self.beside.waiting.push(extras, id);
                0
            }
            _ => unreachable!("an order is held for one of these"),
        };
        store.extras[id].member = member;
    }

    /// Takes a held order out of the set of those that wait for the same.
    pub(crate) fn stop_waiting(&mut self, store: &mut Store, id: Id<Extra>) {
        let Extra { side, standing, member, .. } = store.extras[id];
        let extras = &mut store.extras;
        let at = by_side(side);
        match standing {
            Standing::Stop => {
                self.beside.stops[at].remove(&mut extras.members, Id::from_raw(member));
            }
            Standing::Trailing => {
                let (trails, member) = (&mut self.beside.trails[at], Id::from_raw(member));
                let peak = trails.peak_of(&extras.trails, member);
                trails.remove(&mut extras.trails, member);
                extras[id].peak = peak;
            }
            Standing::Elected => self.beside.elected.remove(extras, id),
            Standing::Peg => {
                self.beside.pegs[at].remove(&mut extras.pegs, Id::from_raw(member));
                self.set_gate();
            }
            Standing::Market => {
                let qty = store.orders[extras[id].order].leaves_qty;
                self.beside.market_qty[at] -= qty.lots();
                self.beside.market[at].remove(&mut extras.members, Id::from_raw(member));
            }
            Standing::Waiting => self.beside.waiting.remove(extras, id),
            Standing::Displayed | Standing::Lifted => unreachable!("it is held"),
        }
    }

    /// A working order as it would be if it was lifted.
    pub(crate) fn look_at(&self, store: &Store, slot: Id<Order>) -> Incoming {
        let order = &store.orders[slot];
        let mut extra = match Id::<Extra>::from_raw(order.extra).some() {
            Some(id) => store.extras[id],
            None => Extra { instrument: self.id, ..Extra::EMPTY },
        };
        let mut order_ref = OrderRef::NONE;
        if let Some(level) = order.level.some() {
            let level = &store.levels.pool[level];
            extra.side = level.side;
            extra.limit = Some(level.price());
            extra.value_price = extra.limit;
            order_ref = order.order_ref;
        }
        if extra.standing == Standing::Trailing {
            let trails = &self.beside.trails[by_side(extra.side)];
            extra.peak = trails.peak_of(&store.extras.trails, Id::from_raw(extra.member));
        }
        extra.standing = Standing::Lifted;
        extra.ending = Id::NONE;
        let taker = Taker {
            side: extra.side,
            limit: extra.limit.unwrap_or(any_price(extra.side)),
            leaves_qty: order.leaves_qty + extra.reserve,
            done: store.orders.done(order.done),
            order_id: order.order_id,
            order_ref,
            session: order.session,
            number: order.number,
            account: order.account,
            stp_key: order.stp_key,
            extra: order.extra,
            time_in_force: order.time_in_force,
            liquidity: order.liquidity,
            flags: order.flags,
        };
        Incoming { taker, extra, slot }
    }

    /// Takes a working order from where it stands. Its slot and its name stay its own.
    pub(crate) fn lift(&mut self, store: &mut Store, slot: Id<Order>) -> Incoming {
        let incoming = self.look_at(store, slot);
        let Taker { side, leaves_qty, account, extra, .. } = incoming.taker;
        let id: Id<Extra> = Id::from_raw(extra);
        match store.orders[slot].level.some() {
            Some(level) => self.leave_level(store, level, slot, incoming.extra.reserve),
            None => {
                self.stop_waiting(store, id);
                self.beside.held.remove(&mut store.orders, slot);
            }
        }
        if id.is_some() {
            let ending = store.extras[id].ending;
            if ending.is_some() {
                self.beside.ending.remove(&mut store.extras.ending, ending);
            }
            store.extras[id] = incoming.extra;
            store.extras.slices -= incoming.extra.slices();
        }
        let value = incoming.extra.value_price.unwrap_or_default();
        store.accounts.get_mut(account).release(side, leaves_qty, value);
        incoming
    }

    fn leave_level(
        &mut self,
        store: &mut Store,
        level_id: Id<Level>,
        slot: Id<Order>,
        reserve: Qty,
    ) {
        unlink(store, level_id, slot);
        let level = &mut store.levels.pool[level_id];
        level.orders -= 1;
        level.qty -= store.orders[slot].leaves_qty.lots();
        level.hidden -= reserve.lots();
        store.orders[slot].level = Id::NONE;
        if level.orders == 0 {
            let side = level.side;
            self.ladder_mut(side).remove(&mut store.levels, level_id);
        }
    }

    /// Lets go of an order that is none any more: a lifted one gives its slot and its name back.
    pub(crate) fn let_go(&mut self, store: &mut Store, incoming: &Incoming) {
        if incoming.slot.is_some() {
            self.forget_extra(store, Id::from_raw(incoming.taker.extra));
            store.orders.give_back(incoming.slot);
            store.sessions.remove(incoming.taker.session, incoming.taker.number);
        }
    }

    /// Takes a working order off, wherever it stands, and says so.
    pub(crate) fn cancel_standing<S: EventSink>(
        &mut self,
        store: &mut Store,
        slot: Id<Order>,
        reason: CancelReason,
        events: &mut S,
    ) {
        let lifted = self.lift(store, slot);
        self.cancel_lifted(store, &lifted, reason, events);
    }

    /// Ends an order that is being handled, and says so.
    pub(crate) fn cancel_lifted<S: EventSink>(
        &mut self,
        store: &mut Store,
        incoming: &Incoming,
        reason: CancelReason,
        events: &mut S,
    ) {
        self.let_go(store, incoming);
        let msg = store.sessions.next_msg(incoming.taker.session);
        events.event(&Event::Canceled(incoming.taker.canceled(self.id, reason, msg)));
    }

    /// What of an order works beside what it displays.
    pub(crate) fn reserve_of(store: &Store, slot: Id<Order>) -> Qty {
        match Id::<Extra>::from_raw(store.orders[slot].extra).some() {
            Some(id) => store.extras[id].reserve,
            None => Qty::ZERO,
        }
    }

    /// Side and value price of a working order.
    pub(crate) fn terms_of(store: &Store, slot: Id<Order>) -> (Side, Price) {
        match store.orders[slot].level.some() {
            Some(level) => (store.levels.pool[level].side, store.levels.pool[level].price()),
            None => {
                let extra = &store.extras[Id::from_raw(store.orders[slot].extra)];
                (extra.side, extra.value_price.unwrap_or_default())
            }
        }
    }

    /// Takes `qty` off what a working order displays (a held one: has), and off what works for it.
    fn lessen_standing(&mut self, store: &mut Store, slot: Id<Order>, qty: Qty) -> Side {
        let (side, value) = Sides::terms_of(store, slot);
        let order = &mut store.orders[slot];
        order.leaves_qty -= qty;
        if let Some(level) = order.level.some() {
            store.levels.pool[level].qty -= qty.lots();
        } else if store.extras[Id::from_raw(order.extra)].standing == Standing::Market {
            self.beside.market_qty[by_side(side)] -= qty.lots();
        }
        store.accounts.get_mut(order.account).lessen(side, qty, value);
        side
    }

    /// A working order's part in a trade. [`Sides::after_cut`] follows, once the trade is told.
    pub(crate) fn fill_standing(
        &mut self,
        store: &mut Store,
        slot: Id<Order>,
        price: Price,
        qty: Qty,
    ) -> Fill {
        let side = self.lessen_standing(store, slot, qty);
        let Order { session, number, order_id, leaves_qty, account, done: kept, .. } =
            store.orders[slot];
        store.accounts.get_mut(account).fill(side, qty);
        let mut done = store.orders.done(kept);
        done.add(price, qty);
        let kept = store.orders.keep_done(kept, done);
        store.orders[slot].done = kept;
        Fill {
            session,
            number,
            msg: store.sessions.next_msg(session),
            order_id,
            leaves_qty: leaves_qty + Sides::reserve_of(store, slot),
            cum_qty: done.cum_qty,
            notional: done.notional,
        }
    }

    /// Takes `qty` off a working order without a trade: self-trade prevention. What has nothing left is
    /// canceled; otherwise [`Sides::after_cut`] follows, once the other part is told.
    pub(crate) fn cut_standing<S: EventSink>(
        &mut self,
        store: &mut Store,
        slot: Id<Order>,
        qty: Qty,
        events: &mut S,
    ) -> Option<Id<Order>> {
        let reserve = Sides::reserve_of(store, slot);
        if store.orders[slot].leaves_qty == qty && reserve.is_zero() {
            self.cancel_standing(store, slot, CancelReason::SelfTrade, events);
            return None;
        }
        self.lessen_standing(store, slot, qty);
        let Order { session, number, order_id, order_ref, leaves_qty, level, done, .. } =
            store.orders[slot];
        let Done { cum_qty, notional } = store.orders.done(done);
        let (order_ref, price) = match level.some() {
            Some(level) => (order_ref, store.levels.pool[level].price()),
            None => {
                let extra = &store.extras[Id::from_raw(store.orders[slot].extra)];
                (OrderRef::NONE, extra.limit.unwrap_or_default())
            }
        };
        events.event(&Event::Restated(Restated {
            session,
            number,
            msg: store.sessions.next_msg(session),
            order_id,
            instrument: self.id,
            reason: RestateReason::SelfTrade,
            order_ref,
            price,
            cut_qty: qty,
            leaves_qty: leaves_qty + reserve,
            cum_qty,
            notional,
        }));
        Some(slot)
    }

    /// Lessens what works of an order to what `order_qty` leaves of it, first what is not displayed, and gives it a new
    /// number. It grows never.
    pub(crate) fn lessen_special<S: EventSink>(
        &mut self,
        store: &mut Store,
        slot: Id<Order>,
        number: OrderNumber,
        order_qty: Qty,
        events: &mut S,
    ) {
        let Incoming { taker, extra, .. } = self.look_at(store, slot);
        let Taker { limit, leaves_qty, done, order_id, order_ref, session, number: old, .. } =
            taker;
        let (side, price) = (taker.side, extra.limit.unwrap_or_default());
        let order_qty = order_qty.min(done.cum_qty + leaves_qty);
        let reserve = Sides::reserve_of(store, slot);
        let cut = leaves_qty - (order_qty - done.cum_qty);
        let from_reserve = cut.min(reserve);
        let cut_qty = cut - from_reserve;
        self.lessen_standing(store, slot, cut_qty);
        let Order { level, extra, account, .. } = store.orders[slot];
        // What is held is not displayed.
        let cut_qty = if level.is_some() { cut_qty } else { Qty::ZERO };
        if !from_reserve.is_zero() {
            let extra = &mut store.extras[Id::from_raw(extra)];
            let before = extra.slices();
            extra.reserve -= from_reserve;
            let less = before - extra.slices();
            store.extras.slices -= less;
            let level = &mut store.levels.pool[level];
            level.hidden -= from_reserve.lots();
            store.accounts.get_mut(account).lessen(side, from_reserve, limit);
        }
        let number = Sides::rename(store, slot, number);
        events.event(&Event::Replaced(Replaced {
            session,
            old_number: old,
            number,
            msg: store.sessions.next_msg(session),
            order_id,
            instrument: self.id,
            priority: Priority::Kept,
            old_ref: order_ref,
            price,
            order_qty,
            leaves_qty: leaves_qty - cut,
            old_leaves_qty: leaves_qty,
            cut_qty,
            notional: done.notional,
        }));
    }

    /// Gives a working or lifted order another number, or with NONE none; returns the one it has now.
    pub(crate) fn rename(store: &mut Store, slot: Id<Order>, number: OrderNumber) -> OrderNumber {
        let Order { session, number: old, .. } = store.orders[slot];
        if number == OrderNumber::NONE {
            return old;
        }
        store.orders[slot].number = number;
        store.sessions.remove(session, old);
        store.sessions.insert(session, number, slot);
        number
    }

    /// An elected order gets another quantity and limit price where it waits.
    pub(crate) fn change_elected(&mut self, store: &mut Store, to: &Incoming) {
        let order = &mut store.orders[to.slot];
        let Taker { side, leaves_qty, account, extra, .. } = to.taker;
        let extra = &mut store.extras[Id::from_raw(extra)];
        let account = store.accounts.get_mut(account);
        account.release(side, order.leaves_qty, extra.value_price.unwrap_or_default());
        order.leaves_qty = leaves_qty;
        extra.limit = to.extra.limit;
        extra.value_price = to.extra.value_price;
        account.reserve(side, leaves_qty, extra.value_price.unwrap_or_default());
    }

    /// Lets an order go that has nothing left, and an iceberg display its next slice.
    pub(crate) fn after_cut<S: EventSink>(
        &mut self,
        store: &mut Store,
        slot: Id<Order>,
        events: &mut S,
    ) {
        if !store.orders[slot].leaves_qty.is_zero() {
            return;
        }
        if Sides::reserve_of(store, slot).is_zero() {
            let lifted = self.lift(store, slot);
            return self.let_go(store, &lifted);
        }
        self.replenish(store, slot, events);
    }

    fn replenish<S: EventSink>(&mut self, store: &mut Store, slot: Id<Order>, events: &mut S) {
        let place = store.next_place();
        let Order { extra, level: level_id, session, number, .. } = store.orders[slot];
        let extra = &mut store.extras[Id::from_raw(extra)];
        let slice = extra.display_qty.min(extra.reserve);
        extra.reserve -= slice;
        store.extras.slices -= 1;
        unlink(store, level_id, slot);
        store.orders[slot].leaves_qty = slice;
        store.orders[slot].order_ref = place;
        push_tail(store, level_id, slot);
        let level = &mut store.levels.pool[level_id];
        level.qty += slice.lots();
        level.hidden -= slice.lots();
        events.event(&Event::Replenished(Replenished {
            session,
            number,
            instrument: self.id,
            side: level.side,
            order_ref: place,
            price: level.price(),
            qty: slice,
        }));
    }
}

/// Puts an order at the end of the queue of a level; counts and sums are the caller's.
fn push_tail(store: &mut Store, level: Id<Level>, slot: Id<Order>) {
    let tail = store.levels.pool[level].tail;
    store.orders[slot].prev = tail;
    store.orders[slot].next = Id::NONE;
    match tail.some() {
        None => store.levels.pool[level].head = slot,
        Some(tail) => store.orders[tail].next = slot,
    }
    store.levels.pool[level].tail = slot;
}

/// Takes an order out of the queue of a level; counts and sums are the caller's.
fn unlink(store: &mut Store, level: Id<Level>, slot: Id<Order>) {
    let Order { prev, next, .. } = store.orders[slot];
    match prev.some() {
        None => store.levels.pool[level].head = next,
        Some(prev) => store.orders[prev].next = next,
    }
    match next.some() {
        None => store.levels.pool[level].tail = prev,
        Some(next) => store.orders[next].prev = prev,
    }
}
