//! The plain way: limit orders, cancels and replaces of them in a book with nothing special about it.
//!
//! It is the rules of `engine.rs` over again, for the case that is nearly all there is, looked at as few
//! times as possible. Each function changes nothing until it has seen that it is the one to do all of it;
//! otherwise it returns [`Handled::No`] and the general way decides, and says why if it says no.

use super::Engine;
use crate::accounts::Account;
use crate::book::{Store, Taker};
use crate::command::{Input, Liquidity, NewOrder, OrderKind, ReplaceOrder};
use crate::event::{
    Accepted, CancelReason, Canceled, Event, EventSink, Priority, Replaced, Rested,
};
use crate::levels::Level;
use crate::orders::{Done, Order};
use crate::pool::{Id, Pooled};
use crate::types::{OrderId, OrderNumber, OrderRef, Price, Qty, TimeInForce};

/// Whether the plain way did what was asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Handled {
    /// All of it.
    Yes,
    /// Nothing has changed.
    No,
}

/// What is nearly always asked.
impl Engine {
    /// A limit order that does not trade at once: it rests.
    #[inline(always)]
    pub(super) fn enter_plain<S: EventSink>(
        &mut self,
        input: &Input,
        new: &NewOrder,
        events: &mut S,
    ) -> Handled {
        let NewOrder { number, instrument, side, qty, time_in_force, liquidity, .. } = *new;
        let OrderKind::Limit(limit) = new.kind else { return Handled::No };
        let Store { orders, levels, sessions, accounts, places, .. } = &mut self.store;
        let Some((session, directory)) = sessions.split(input.session) else { return Handled::No };
        let Some(book) = self.books.get_mut(instrument.index()) else { return Handled::No };
        if !session.is_next(number)
            || !session.is_plain()
            || !book.gate.admits(limit, qty)
            || liquidity == Liquidity::Slide
            || orders.is_full()
            || levels.pool.is_full()
        {
            return Handled::No;
        }
        let account_id = accounts.find(session.account_row, instrument);
        if account_id.is_none() {
            return Handled::No;
        }
        if book.would_trade(side, limit)
            | !matches!(time_in_force, TimeInForce::Day | TimeInForce::Gtc)
        {
            // Copies, so that the caller's may stand in registers.
            let (input, new) = (*input, *new);
            return self.take_plain(&input, &new, (limit, account_id), events);
        }
        let account = accounts.get_mut(account_id);
        if !account.surely_admits(side, qty, limit, || book.middle()) {
            return Handled::No;
        }

        session.take_inbound(input.inbound);
        session.use_number(number);
        let (msg, session_id) = (session.next_msg(), input.session);
        events.event(&Event::Accepted(Accepted { session: session_id, number, msg }));
        account.reserve_sure(side, qty, limit);
        *places += 1;
        let order_ref = OrderRef(*places);
        let level_id = book.level_for(levels, side, limit);
        let level = &mut levels.pool[level_id];
        let (slot, order) = orders.take();
        *order = Order {
            leaves_qty: qty,
            order_id: OrderId(input.sequence.0),
            order_ref,
            next: Id::NONE,
            prev: level.tail,
            level: level_id,
            session: session_id,
            number,
            account: account_id,
            stp_key: session.stp_key,
            extra: 0,
            done: Id::NONE,
            time_in_force,
            liquidity,
            flags: session.stp_flags,
        };
        level.append(orders, slot, qty);
        directory.insert(session, number, slot);
        events.event(&Event::Rested(Rested {
            session: session_id,
            number,
            instrument,
            side,
            order_ref,
            price: limit,
            leaves_qty: qty,
        }));
        Handled::Yes
    }

    /// A limit order that trades at once, or would only do that; all else is seen to, but for the risk.
    #[inline(never)]
    fn take_plain<S: EventSink>(
        &mut self,
        input: &Input,
        new: &NewOrder,
        (limit, account_id): (Price, Id<Account>),
        events: &mut S,
    ) -> Handled {
        let NewOrder { number, instrument, side, qty, time_in_force, liquidity, .. } = *new;
        let Store { sessions, accounts, .. } = &mut self.store;
        let Some((session, _)) = sessions.split(input.session) else { return Handled::No };
        let Some(book) = self.books.get_mut(instrument.index()) else { return Handled::No };
        let is_known =
            matches!(time_in_force, TimeInForce::Day | TimeInForce::Gtc | TimeInForce::Ioc);
        if !is_known || liquidity != Liquidity::Any || book.special != 0 || session.stp_key != 0 {
            return Handled::No;
        }
        if !accounts.get_mut(account_id).surely_admits(side, qty, limit, || book.middle()) {
            return Handled::No;
        }

        session.take_inbound(input.inbound);
        session.use_number(number);
        let (msg, session_id) = (session.next_msg(), input.session);
        events.event(&Event::Accepted(Accepted { session: session_id, number, msg }));
        let mut taker = Taker {
            side,
            limit,
            leaves_qty: qty,
            done: Done::EMPTY,
            order_id: OrderId(input.sequence.0),
            order_ref: OrderRef::NONE,
            session: session_id,
            number,
            account: account_id,
            stp_key: 0,
            extra: 0,
            time_in_force,
            liquidity,
            flags: 0,
        };
        book.cross(&mut self.store, &mut taker, events);
        if taker.leaves_qty.is_zero() {
            return Handled::Yes;
        }
        if time_in_force != TimeInForce::Ioc {
            book.rest(&mut self.store, &taker, events);
            return Handled::Yes;
        }
        let msg = self.store.sessions.next_msg(session_id);
        events.event(&Event::Canceled(taker.canceled(instrument, CancelReason::Ioc, msg)));
        Handled::Yes
    }

    /// A replace of a displayed order that does not make it trade.
    #[inline(always)]
    pub(super) fn replace_plain<S: EventSink>(
        &mut self,
        input: &Input,
        replace: &ReplaceOrder,
        events: &mut S,
    ) -> Handled {
        let ReplaceOrder { target, instrument, side, price, qty, .. } = *replace;
        // Without a number of its own it keeps the one that it has.
        let keeps_number = replace.number == OrderNumber::NONE;
        let number = if keeps_number { target } else { replace.number };
        let Store { orders, levels, sessions, accounts, places, .. } = &mut self.store;
        let Some((session, directory)) = sessions.split(input.session) else { return Handled::No };
        let Some(book) = self.books.get_mut(instrument.index()) else { return Handled::No };
        if !(keeps_number || session.is_next(number))
            || !session.is_plain()
            || !book.gate.admits(price, qty)
            || levels.pool.is_full()
        {
            return Handled::No;
        }
        let slot = directory.find(session, target);
        let Order { order_id, order_ref: old_ref, leaves_qty: old_leaves_qty, .. } = orders[slot];
        let Order { level: old_level, prev, next, extra, account, .. } = orders[slot];
        let Done { cum_qty, notional } = orders.done(orders[slot].done);
        let level = &mut levels.pool[old_level];
        // A held order has no level, and what is no level is of no instrument.
        if slot.is_none()
            || extra != 0
            || level.instrument != instrument
            || level.side != side
            || qty <= cum_qty
            || book.would_trade(side, price)
        {
            return Handled::No;
        }
        let (leaves_qty, old_price) = (qty - cum_qty, level.price());
        let is_kept = price == old_price && leaves_qty < old_leaves_qty;
        let account = accounts.get_mut(account);
        // What would be let in beside itself is let in instead of itself.
        if !is_kept && !account.surely_admits(side, leaves_qty, price, || book.middle()) {
            return Handled::No;
        }

        session.take_inbound(input.inbound);
        if !keeps_number {
            session.use_number(number);
            // In this order: with every order alone in its page there is no room for one page more.
            directory.remove(session, target);
            directory.insert(session, number, slot);
        }
        account.release(side, old_leaves_qty, old_price);
        account.reserve_sure(side, leaves_qty, price);
        let mut replaced = Replaced {
            session: input.session,
            old_number: target,
            number,
            msg: session.next_msg(),
            order_id,
            instrument,
            priority: Priority::Lost,
            old_ref,
            price,
            order_qty: qty,
            leaves_qty,
            old_leaves_qty,
            cut_qty: Qty::ZERO,
            notional,
        };
        if is_kept {
            let cut_qty = old_leaves_qty - leaves_qty;
            level.qty -= cut_qty.lots();
            let order = &mut orders[slot];
            (order.leaves_qty, order.number) = (leaves_qty, number);
            replaced = Replaced { priority: Priority::Kept, cut_qty, ..replaced };
            events.event(&Event::Replaced(replaced));
            return Handled::Yes;
        }
        events.event(&Event::Replaced(replaced));
        level.unlink(orders, (prev, next), old_leaves_qty);
        let mut level_id = old_level;
        if price != old_price {
            if level.orders == 0 {
                book.remove_level(levels, side, old_level);
            }
            level_id = book.level_for(levels, side, price);
        }
        *places += 1;
        let order_ref = OrderRef(*places);
        let level = &mut levels.pool[level_id];
        let order = &mut orders[slot];
        (order.leaves_qty, order.number, order.order_ref) = (leaves_qty, number, order_ref);
        (order.level, order.prev, order.next) = (level_id, level.tail, Id::NONE);
        level.append(orders, slot, leaves_qty);
        events.event(&Event::Rested(Rested {
            session: input.session,
            number,
            instrument,
            side,
            order_ref,
            price,
            leaves_qty,
        }));
        Handled::Yes
    }

    /// A cancel of a displayed order.
    #[inline(always)]
    pub(super) fn cancel_plain<S: EventSink>(
        &mut self,
        input: &Input,
        target: OrderNumber,
        events: &mut S,
    ) -> Handled {
        let Store { orders, levels, sessions, accounts, .. } = &mut self.store;
        let Some((session, directory)) = sessions.split(input.session) else { return Handled::No };
        let slot = directory.find(session, target);
        let order = &orders[slot];
        let Order { order_id, order_ref, leaves_qty, account, done, prev, next, .. } = *order;
        let (level_id, extra) = (order.level, order.extra);
        let level = &mut levels.pool[level_id];
        let Level { instrument, side, orders: queued, .. } = *level;
        if slot.is_none() || extra != 0 {
            return Handled::No;
        }
        if queued == 1 {
            let book = &mut self.books[instrument.index()];
            if book.special != 0 {
                return Handled::No;
            }
            accounts.get_mut(account).release(side, leaves_qty, level.price());
            book.remove_level(levels, side, level_id);
        } else {
            accounts.get_mut(account).release(side, leaves_qty, level.price());
            level.unlink(orders, (prev, next), leaves_qty);
        }
        let Done { cum_qty, notional } = orders.done(done);
        orders.give_back(slot);
        directory.remove(session, target);
        session.take_inbound(input.inbound);
        events.event(&Event::Canceled(Canceled {
            session: input.session,
            number: target,
            msg: session.next_msg(),
            order_id,
            instrument,
            order_ref,
            reason: CancelReason::Requested,
            canceled_qty: leaves_qty,
            cum_qty,
            notional,
        }));
        Handled::Yes
    }
}
