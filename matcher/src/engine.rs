//! The engine: takes an Input, finds what it concerns, validates, applies, answers.
//!
//! Every rule is checked before anything changes; `RULES.md` has the rules and their order. A plain order
//! in a plain book is handled in `plain`, everything else in `special` and the files beside it.

mod ahead;
mod auction;
mod bust;
mod expiry;
mod govern;
mod look;
mod most;
mod permit;
mod plain;
mod replace_special;
mod requests;
mod risk;
mod settle;
mod snapshot;
mod special;
#[cfg(test)]
mod tests;

use crate::accounts::Accounts;
use crate::book::{Sides, Store, Taker};
use crate::command::{
    Command, Input, Limits, Liquidity, NewOrder, OrderKind, ReduceOrder, ReplaceOrder, Terms,
};
use crate::event::{
    Accepted, CancelReason, CancelRejected, CancelRequest, Canceled, Event, EventSink, Priority,
    RejectReason, Rejected, Replaced,
};
use crate::extras::Extras;
use crate::instrument::{Instrument, Phase};
use crate::levels::Levels;
use crate::orders::{Done, Order, Orders};
use crate::pool::{Id, Pooled};
use crate::sessions::{NotFound, Sessions};
use crate::types::{
    InstrumentId, MsgSeqNum, OrderId, OrderNumber, OrderRef, Price, Qty, SessionId, Side,
    TimeInForce,
};

pub use ahead::{Ahead, Wanted};
use bust::Busts;
pub use govern::LIMITS_MAX;
use permit::{Groups, admit_permission};
use plain::Handled;
use risk::admit_risk;

/// All books, all sessions, and the one way to change them: [`Engine::apply`].
///
/// Memory per resting order: 64 bytes, its share of a 64-byte price level, and 4.2 to 268 bytes of its
/// session's directory (4.2 where the numbers of resting orders are close together). Beside the orders
/// each participant has 4 bytes for each instrument that the limits allow, traded or not.
pub struct Engine {
    limits: Limits,
    books: Vec<Sides>,
    store: Store,
    groups: Groups,
    busts: Busts,
    /// Books that a command over several books touched, to be settled.
    touched: Vec<InstrumentId>,
}

impl Default for Engine {
    fn default() -> Engine {
        Engine::new()
    }
}

impl Engine {
    /// An engine without memory: it refuses everything until [`Command::Configure`].
    #[must_use]
    pub fn new() -> Engine {
        let limits = Limits { orders_max: 0, levels_max: 0, instruments_max: 0, sessions_max: 0 };
        let store = Store {
            orders: Orders::new(),
            levels: Levels::new(),
            sessions: Sessions::new(),
            accounts: Accounts::new(),
            extras: Extras::new(),
            trades: 0,
            places: 0,
        };
        Engine {
            limits,
            books: Vec::new(),
            store,
            groups: Groups::new(),
            busts: Busts::new(),
            touched: Vec::new(),
        }
    }

    /// Applies `input` and tells `events` what happened.
    ///
    /// An Input whose session is not defined, or whose Command its session may not give, is answered by
    /// `CommandRefused`: the venue gives no orders, nobody else configures. Except for an unknown
    /// session, the Input's inbound number counts whatever the answer is.
    ///
    /// Orders whose time to expire the Input's has reached are off before the command is looked at, as
    /// if [`Command::Expire`] had come first (not with a [`Command::Note`]); their Events are the Input's too.
    ///
    /// Work is bounded by what the command does, trades made, orders canceled (those due among them) and
    /// put in place, and a handful of steps for each of them. Beyond that:
    ///
    /// * an order that is filled at once or not at all, and one with a minimum quantity, walk over the
    ///   price levels within their limit; where their owner does not trade with himself and works orders
    ///   on the other side, or is a group, they may walk over the orders there as well, once;
    /// * a mass cancel of one instrument walks over the orders of its session until the participant has
    ///   none left in the instrument, so it may pass by those in other instruments;
    /// * an auction walks over the price levels that trade, and looks for its price again wherever
    ///   self-trade prevention has left somebody behind: over a few levels, or over a 500th of them
    ///   where there are many;
    /// * the end of the day and an auction that begins walk over the orders that may be concerned;
    /// * a kill and a permission of a participant or a group walk over the sessions.
    #[inline(always)]
    pub fn apply<S: EventSink>(&mut self, input: &Input, events: &mut S) {
        let is_due = self.store.extras.may_expire(input.timestamp);
        // A note is of numbers alone: what resets them stands before what has one.
        if is_due && !matches!(input.command, Command::Note(_)) {
            self.expire(input.timestamp, events);
        }
        let handled = match &input.command {
            Command::New(new) => self.enter_plain(input, new, events),
            Command::Cancel { target } => self.cancel_plain(input, *target, events),
            Command::Replace(replace) => self.replace_plain(input, replace, events),
            _ => Handled::No,
        };
        if handled == Handled::No {
            // A copy, so that the caller's may stand in registers.
            let input = *input;
            self.apply_any(&input, events);
        }
    }

    /// Applies `input`, whatever it is.
    #[inline(never)]
    fn apply_any<S: EventSink>(&mut self, input: &Input, events: &mut S) {
        let Some(session) = self.store.sessions.state_mut(input.session) else {
            return refuse(RejectReason::UnknownSession, events);
        };
        if input.session == SessionId::VENUE {
            return self.govern(input, events);
        }
        if input.inbound != MsgSeqNum::NONE {
            session.last_inbound = input.inbound;
        }
        match &input.command {
            Command::New(new) => self.enter(input, new, events),
            Command::NewSpecial(new, terms) => self.enter_special(input, new, terms, events),
            Command::ReplaceStop(replace, stop) => {
                self.replace_special(input, replace, Some(*stop), events);
            }
            Command::Cancel { target } => self.cancel(input.session, *target, events),
            Command::Replace(replace) => self.replace(input, replace, events),
            Command::Reduce(reduce) => self.reduce(input.session, reduce, events),
            Command::MassCancel(scope) => self.mass_cancel(input, *scope, events),
            Command::Status { target } => self.report_status(input.session, *target, events),
            Command::Refuse { request, reason } => {
                self.refuse_request(input.session, *request, *reason, events);
            }
            Command::Note(numbering) => self.note(input, *numbering, events),
            Command::Relay(relay) => self.relay(input.session, relay, events),
            Command::Configure(_)
            | Command::DefineInstrument { .. }
            | Command::DefineSession { .. }
            | Command::SetPhase { .. }
            | Command::SetBands { .. }
            | Command::SetReference { .. }
            | Command::SetSession { .. }
            | Command::SetRisk { .. }
            | Command::SetPermission { .. }
            | Command::PublishIndicative { .. }
            | Command::Expire
            | Command::Bust(_)
            | Command::ExpireDay => refuse(RejectReason::NotPermitted, events),
        }
    }
}

/// Orders.
impl Engine {
    #[inline]
    fn enter<S: EventSink>(&mut self, input: &Input, new: &NewOrder, events: &mut S) {
        let NewOrder { number, instrument, side, .. } = *new;
        let session = input.session;
        if !self.is_plain(session, new) {
            return self.enter_special(input, new, &Terms::NONE, events);
        }
        let admitted = self.use_number(session, number).and_then(|()| self.admit(session, new));
        let msg = self.store.sessions.next_msg(session);
        let mut taker = match admitted {
            Ok(taker) => Taker { order_id: OrderId(input.sequence.0), ..taker },
            Err(reason) => {
                return events.event(&Event::Rejected(Rejected { session, number, msg, reason }));
            }
        };
        events.event(&Event::Accepted(Accepted { session, number, msg }));
        self.store.accounts.get_mut(taker.account).take_unsure();

        let book = &mut self.books[instrument.index()];
        if new.time_in_force != TimeInForce::Fok
            || book.can_fill(&self.store.levels, side, taker.limit, new.qty)
        {
            book.cross(&mut self.store, &mut taker, events);
        }
        if taker.leaves_qty.is_zero() {
            return;
        }
        match remainder(new) {
            None => book.rest(&mut self.store, &taker, events),
            Some(reason) => {
                let msg = self.store.sessions.next_msg(session);
                let canceled = taker.canceled(instrument, reason, msg);
                events.event(&Event::Canceled(Canceled { order_ref: OrderRef::NONE, ..canceled }));
            }
        }
    }

    /// Whether a new order may take the plain path: it is plain, its book is, and it has no owner whose
    /// orders it must not meet.
    #[inline]
    fn is_plain(&self, session: SessionId, new: &NewOrder) -> bool {
        let book_is_plain = match self.books.get(new.instrument.index()) {
            Some(book) => book.special == 0,
            None => true,
        };
        let (stp_key, _) = self.store.sessions.self_trade_key(session);
        let is_known = matches!(
            new.time_in_force,
            TimeInForce::Day | TimeInForce::Gtc | TimeInForce::Ioc | TimeInForce::Fok
        );
        book_is_plain
            && stp_key == 0
            && is_known
            && new.liquidity != Liquidity::Slide
            && new.kind != OrderKind::MarketToLimit
    }

    /// Uses up the next order number of the session, if `number` is it.
    #[inline]
    fn use_number(&mut self, id: SessionId, number: OrderNumber) -> Result<(), RejectReason> {
        let Some(session) = self.store.sessions.state_mut(id) else {
            return Err(RejectReason::UnknownSession);
        };
        let next = session.last_number.0.checked_add(1).ok_or(RejectReason::NumbersExhausted)?;
        if number.0 != next {
            return Err(RejectReason::NumberOutOfOrder);
        }
        session.last_number = number;
        Ok(())
    }

    /// Uses up the number of a replace, unless the order is to keep the one it has.
    #[inline]
    fn use_replace_number(
        &mut self,
        id: SessionId,
        number: OrderNumber,
    ) -> Result<(), RejectReason> {
        if number == OrderNumber::NONE { Ok(()) } else { self.use_number(id, number) }
    }

    /// Decides whether an order may come in; returns it as it is to be matched.
    #[inline]
    fn admit(&mut self, session: SessionId, new: &NewOrder) -> Result<Taker, RejectReason> {
        let book = self.books.get(new.instrument.index()).ok_or(RejectReason::UnknownInstrument)?;
        admit_permission(self.store.sessions.permission(session), book.permission)?;
        admit_phase(book.instrument.phase)?;
        admit_qty(&book.instrument, new.qty)?;
        let post_only = new.liquidity == Liquidity::PostOnly;
        if post_only && remainder(new).is_some() {
            return Err(RejectReason::Contradiction);
        }
        let limit = match (new.kind, new.side) {
            (OrderKind::Limit(price), _) => admit_price(&book.instrument, price)?,
            (OrderKind::Market, Side::Buy) => Price::MAX,
            (OrderKind::Market, Side::Sell) => Price::MIN,
            // The general path's.
            (OrderKind::MarketToLimit, _) => return Err(RejectReason::Contradiction),
        };
        if post_only && book.would_trade(new.side, limit) {
            return Err(RejectReason::WouldTrade);
        }
        let Store { sessions, accounts, .. } = &self.store;
        let row = sessions.account_row(session);
        accounts.look_at(row, new.instrument, |account| admit_risk(account, book, new))?;
        let (stp_key, flags) = self.store.sessions.self_trade_key(session);
        if remainder(new).is_none() {
            if self.store.orders.is_full() {
                return Err(RejectReason::TooManyOrders);
            }
            let levels = &self.store.levels;
            if levels.pool.is_full() && !book.has_level(levels, new.side, limit) {
                return Err(RejectReason::TooManyLevels);
            }
        }
        let account = self.store.account_of(session, new.instrument)?;
        Ok(Taker {
            side: new.side,
            limit,
            leaves_qty: new.qty,
            done: Done::EMPTY,
            order_id: OrderId(0),
            order_ref: OrderRef::NONE,
            session,
            number: new.number,
            account,
            stp_key,
            extra: 0,
            time_in_force: new.time_in_force,
            liquidity: new.liquidity,
            flags,
        })
    }

    #[inline]
    fn cancel<S: EventSink>(&mut self, session: SessionId, target: OrderNumber, events: &mut S) {
        match self.store.sessions.find(session, target) {
            Ok(slot) => {
                let instrument = self.instrument_of(slot);
                let book = &mut self.books[instrument.index()];
                if book.special != 0 {
                    return self.cancel_special(instrument, slot, events);
                }
                book.cancel(&mut self.store, slot, CancelReason::Requested, events);
            }
            Err(not_found) => {
                let request = CancelRequest::Cancel;
                self.reject_cancel(session, target, request, not_found.into(), events);
            }
        }
    }

    /// Like a cancel it is possible at any time and for anybody.
    fn reduce<S: EventSink>(&mut self, session: SessionId, reduce: &ReduceOrder, events: &mut S) {
        let ReduceOrder { target, qty } = *reduce;
        let Ok(slot) = self.store.sessions.find(session, target) else {
            return self.cancel(session, target, events);
        };
        if qty <= self.store.orders.done(self.store.orders[slot].done).cum_qty {
            return self.cancel(session, target, events);
        }
        let instrument = self.instrument_of(slot);
        let book = &mut self.books[instrument.index()];
        book.lessen_special(&mut self.store, slot, OrderNumber::NONE, qty, events);
        if book.special != 0 {
            self.settle(instrument, events);
        }
    }

    #[inline]
    fn replace<S: EventSink>(&mut self, input: &Input, replace: &ReplaceOrder, events: &mut S) {
        let ReplaceOrder { number, target, .. } = *replace;
        let session = input.session;
        // The target is looked for first: what is asked for is no order of that name yet.
        let found = self.store.sessions.find(session, target);
        if !self.is_plain_replace(replace, found) {
            return self.replace_special(input, replace, None, events);
        }
        let admitted = self
            .use_number(session, number)
            .and_then(|()| found.map_err(RejectReason::from))
            .and_then(|slot| Ok((slot, self.admit_replace(replace, slot)?)));
        match admitted {
            Ok((slot, Priority::Kept)) => {
                let book = &mut self.books[replace.instrument.index()];
                book.lessen(&mut self.store, slot, number, replace.qty, events);
            }
            Ok((slot, Priority::Lost)) => self.enter_again(replace, slot, events),
            Err(reason) => {
                self.reject_cancel(session, target, CancelRequest::Replace, reason, events);
            }
        }
    }

    /// Whether a replace may take the plain path.
    #[inline]
    fn is_plain_replace(&self, replace: &ReplaceOrder, found: Result<Id<Order>, NotFound>) -> bool {
        let Ok(slot) = found else { return replace.number != OrderNumber::NONE };
        let order = &self.store.orders[slot];
        replace.number != OrderNumber::NONE
            && self.books[self.instrument_of(slot).index()].special == 0
            && order.stp_key == 0
            && order.liquidity != Liquidity::Slide
    }

    #[cold]
    #[inline(never)]
    fn cancel_special<S: EventSink>(
        &mut self,
        instrument: InstrumentId,
        slot: Id<Order>,
        events: &mut S,
    ) {
        let book = &mut self.books[instrument.index()];
        book.cancel_standing(&mut self.store, slot, CancelReason::Requested, events);
        self.settle(instrument, events);
    }

    /// Decides whether an order may be replaced, and whether it keeps its place.
    fn admit_replace(
        &self,
        replace: &ReplaceOrder,
        slot: Id<Order>,
    ) -> Result<Priority, RejectReason> {
        let ReplaceOrder { side, price, qty, .. } = *replace;
        let order = &self.store.orders[slot];
        let cum_qty = self.store.orders.done(order.done).cum_qty;
        let level = &self.store.levels.pool[order.level];
        if replace.instrument != level.instrument || side != level.side {
            return Err(RejectReason::OrderMismatch);
        }
        let book = &self.books[level.instrument.index()];
        admit_permission(self.store.sessions.permission(order.session), book.permission)?;
        admit_phase(book.instrument.phase)?;
        admit_qty(&book.instrument, qty)?;
        admit_price(&book.instrument, price)?;
        if qty <= cum_qty {
            return Err(RejectReason::QtyBelowCum);
        }
        if price == level.price() && qty < cum_qty + order.leaves_qty {
            return Ok(Priority::Kept);
        }
        if order.liquidity == Liquidity::PostOnly && book.would_trade(side, price) {
            return Err(RejectReason::WouldTrade);
        }
        self.admit_risk_again(slot, qty - cum_qty, price)?;
        // The order's own slot gets free, and its level if it stands there alone.
        let levels = &self.store.levels;
        if levels.pool.is_full() && level.orders > 1 && !book.has_level(levels, side, price) {
            return Err(RejectReason::TooManyLevels);
        }
        Ok(Priority::Lost)
    }

    /// Takes an order off the book and enters it again with another quantity or price.
    fn enter_again<S: EventSink>(
        &mut self,
        replace: &ReplaceOrder,
        slot: Id<Order>,
        events: &mut S,
    ) {
        let book = &mut self.books[replace.instrument.index()];
        let old = book.take_off(&mut self.store, slot);
        let leaves_qty = replace.qty - old.done.cum_qty;
        events.event(&Event::Replaced(Replaced {
            session: old.session,
            old_number: old.number,
            number: replace.number,
            msg: self.store.sessions.next_msg(old.session),
            order_id: old.order_id,
            instrument: replace.instrument,
            priority: Priority::Lost,
            old_ref: old.order_ref,
            price: replace.price,
            order_qty: replace.qty,
            leaves_qty,
            old_leaves_qty: old.leaves_qty,
            cut_qty: Qty::ZERO,
            notional: old.done.notional,
        }));
        let limit = replace.price;
        let mut taker = Taker { number: replace.number, limit, leaves_qty, ..old };
        self.store.accounts.get_mut(taker.account).take_unsure();
        book.cross(&mut self.store, &mut taker, events);
        if !taker.leaves_qty.is_zero() {
            book.rest(&mut self.store, &taker, events);
        }
    }

    fn instrument_of(&self, slot: Id<Order>) -> InstrumentId {
        let Order { level, extra, .. } = self.store.orders[slot];
        match level.some() {
            Some(level) => self.store.levels.pool[level].instrument,
            // It is held.
            None => self.store.extras[Id::from_raw(extra)].instrument,
        }
    }

    fn reject_cancel<S: EventSink>(
        &mut self,
        session: SessionId,
        target: OrderNumber,
        request: CancelRequest,
        reason: RejectReason,
        events: &mut S,
    ) {
        let msg = self.store.sessions.next_msg(session);
        events.event(&Event::CancelRejected(CancelRejected {
            session,
            target,
            msg,
            request,
            reason,
        }));
    }
}

/// Why what is left of an order after matching is canceled; `None` if it rests.
#[inline]
const fn remainder(new: &NewOrder) -> Option<CancelReason> {
    match (new.time_in_force, new.kind) {
        (TimeInForce::Fok, _) => Some(CancelReason::Fok),
        (_, OrderKind::Market) => Some(CancelReason::Market),
        (TimeInForce::Ioc, _) => Some(CancelReason::Ioc),
        (_, OrderKind::Limit(_) | OrderKind::MarketToLimit) => None,
    }
}

#[inline]
const fn admit_phase(phase: Phase) -> Result<(), RejectReason> {
    match phase {
        Phase::Continuous => Ok(()),
        Phase::Halt => Err(RejectReason::Halted),
        Phase::Closed => Err(RejectReason::Closed),
        _ => Err(RejectReason::WrongPhase),
    }
}

#[inline]
fn admit_qty(instrument: &Instrument, qty: Qty) -> Result<(), RejectReason> {
    if qty.is_zero() {
        return Err(RejectReason::QtyZero);
    }
    if qty < instrument.qty_min {
        return Err(RejectReason::QtyTooSmall);
    }
    if qty > instrument.qty_max {
        return Err(RejectReason::QtyTooLarge);
    }
    Ok(())
}

#[inline]
fn admit_price(instrument: &Instrument, price: Price) -> Result<Price, RejectReason> {
    if price < instrument.price_min || price > instrument.price_max {
        return Err(RejectReason::PriceOutOfRange);
    }
    Ok(price)
}

#[cold]
fn refuse<S: EventSink>(reason: RejectReason, events: &mut S) {
    events.event(&Event::CommandRefused { reason });
}

impl From<NotFound> for RejectReason {
    fn from(not_found: NotFound) -> RejectReason {
        match not_found {
            NotFound::Unknown => RejectReason::UnknownOrder,
            NotFound::TooLate => RejectReason::TooLate,
        }
    }
}
