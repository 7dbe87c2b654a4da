//! The plain way: limit orders, cancels and replaces of them in a book with nothing special about it.
//!
//! It is the rules of `engine.rs` over again, for the case that is nearly all there is, looked at as few
//! times as possible. Each function changes nothing until it has seen that it is the one to do all of it;
//! otherwise it returns [`Handled::No`] and the general way decides, and says why if it says no.

use super::Engine;
use crate::accounts::{Exposure, Worth};
use crate::book::Store;
use crate::command::{Input, Liquidity, NewOrder, OrderKind};
use crate::event::{Accepted, CancelReason, Canceled, Event, EventSink, Rested};
use crate::levels::Level;
use crate::orders::{Done, Order};
use crate::pool::Id;
use crate::types::{OrderId, OrderNumber, OrderRef, TimeInForce};

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
    #[inline]
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
            || book.would_trade(side, limit)
            || !matches!(time_in_force, TimeInForce::Day | TimeInForce::Gtc)
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
        let account = accounts.get_mut(account_id);
        if account.is_limited() {
            let (limit, worth) = (Some(limit), Worth::At(limit));
            if account.admit(&Exposure { side, qty, limit, worth }, || book.middle()).is_err() {
                return Handled::No;
            }
        }

        session.take_inbound(input.inbound);
        session.use_number(number);
        let (msg, session_id) = (session.next_msg(), input.session);
        events.event(&Event::Accepted(Accepted { session: session_id, number, msg }));
        account.reserve(side, qty, limit);
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

    /// A cancel of a displayed order.
    #[inline]
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
