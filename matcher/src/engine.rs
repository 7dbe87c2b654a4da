//! The engine: takes an Input, finds what it concerns, validates, applies, answers.
//!
//! Every rule is checked before anything changes. The order in which a `New` is validated:
//!
//! 1. its number is the session's next: `NumbersExhausted`, `NumberOutOfOrder`; from here on the number
//!    is used up, whatever follows
//! 2. `UnknownInstrument`
//! 3. `Halted`, `Closed`
//! 4. quantity: `QtyZero`, `QtyTooSmall`, `QtyTooLarge`
//! 5. `Contradiction`: post-only with IOC, FOK or market
//! 6. `PriceOutOfRange`
//! 7. `WouldTrade`: post-only
//! 8. room, for what may rest: `TooManyOrders`, `TooManyLevels`. It is decided before matching, so a
//!    full venue refuses a limit order even if it would have traded whole; IOC, FOK and market pass.
//!
//! A `Replace`: 1. the number as above; 2. `UnknownOrder`, `TooLate`; 3. `OrderMismatch`; 4. `Halted`,
//! `Closed`; 5. quantity as above; 6. `PriceOutOfRange`; 7. `QtyBelowCum`; and, where priority is lost,
//! 8. `WouldTrade`; 9. `TooManyLevels`.

use crate::book::{Book, Sides, Store, Taker};
use crate::command::{
    Command, Input, Limits, Liquidity, MassCancelScope, NewOrder, Numbering, OrderKind,
    RefusedRequest, ReplaceOrder,
};
use crate::event::{
    Accepted, CancelReason, CancelRejected, CancelRequest, Canceled, Event, EventSink, Priority,
    RejectReason, Rejected, Replaced, StatusReported, WorkingOrder,
};
use crate::instrument::{Instrument, TradingState};
use crate::levels::Levels;
use crate::orders::Order;
use crate::pool::{Id, Pool, Pooled};
use crate::sessions::{NotFound, SessionState, Sessions};
use crate::types::{
    InstrumentId, MsgSeqNum, OrderId, OrderNumber, OrderRef, ParticipantId, Price, Qty, SessionId,
    Side, TimeInForce,
};

/// What [`Limits`] can be at most; above, `Configure` is refused with `BadDefinition`.
///
/// Source: ids are 32 bits and an instrument names two ladders; the rest is what no venue needs.
pub const LIMITS_MAX: Limits = Limits {
    orders_max: 1 << 28,
    levels_max: 1 << 28,
    instruments_max: 1 << 20,
    sessions_max: 1 << 20,
};

/// All books, all sessions, and the one way to change them: [`Engine::apply`].
///
/// Memory per resting order: 64 bytes, its share of a 64-byte price level, and 4.3 to 136 bytes of its
/// session's directory (4.3 where the numbers of resting orders are close together).
pub struct Engine {
    limits: Limits,
    books: Vec<Sides>,
    store: Store,
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
            orders: Pool::new(),
            levels: Levels::new(),
            sessions: Sessions::new(),
            trades: 0,
        };
        Engine { limits, books: Vec::new(), store }
    }

    /// Applies `input` and tells `events` what happened.
    ///
    /// An Input whose session is not defined, or whose Command its session may not give, is answered by
    /// `CommandRefused`: the venue gives no orders, nobody else configures. Except for an unknown
    /// session, the Input's inbound number counts whatever the answer is.
    ///
    /// Work is bounded by what the command does: trades made and orders canceled, a walk over price
    /// levels for FOK, a handful of steps for the rest.
    #[inline]
    pub fn apply<S: EventSink>(&mut self, input: &Input, events: &mut S) {
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
            Command::Cancel { target } => self.cancel(input.session, *target, events),
            Command::Replace(replace) => self.replace(input, replace, events),
            Command::MassCancel(scope) => self.mass_cancel(input, *scope, events),
            Command::Status { target } => self.report_status(input.session, *target, events),
            Command::Refuse { request, reason } => {
                self.refuse_request(input.session, *request, *reason, events);
            }
            Command::Note(numbering) => self.note(input, *numbering, events),
            Command::Configure(_)
            | Command::DefineInstrument { .. }
            | Command::DefineSession { .. }
            | Command::SetTradingState { .. }
            | Command::ExpireDay => refuse(RejectReason::NotPermitted, events),
        }
    }

    /// The sizes of the tables.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        self.limits
    }

    /// The instrument of that id.
    #[must_use]
    pub fn instrument(&self, id: InstrumentId) -> Option<&Instrument> {
        self.books.get(id.index()).map(|book| &book.instrument)
    }

    /// All instruments, in order of their ids.
    pub fn instruments(&self) -> impl ExactSizeIterator<Item = (InstrumentId, &Instrument)> {
        self.books.iter().map(|book| (book.id, &book.instrument))
    }

    /// The book of that instrument.
    #[must_use]
    pub fn book(&self, id: InstrumentId) -> Option<Book<'_>> {
        self.books.get(id.index()).map(|book| Book::new(book, &self.store))
    }

    /// The counters of that session. [`SessionId::VENUE`] has one too, which stays at zero.
    #[must_use]
    pub fn session(&self, id: SessionId) -> Option<SessionState> {
        self.store.sessions.state(id).copied()
    }

    /// Whether an order of this session rests.
    #[must_use]
    pub fn session_has_orders(&self, id: SessionId) -> bool {
        self.session(id).is_some() && self.store.sessions.first(id).is_some()
    }

    /// Sessions, the venue's own not counted: their ids are 1 to this.
    #[must_use]
    pub fn sessions_len(&self) -> usize {
        self.store.sessions.len()
    }

    /// Resting orders.
    #[must_use]
    pub fn orders_len(&self) -> usize {
        self.store.orders.len() as usize
    }

    /// Price levels in use.
    #[must_use]
    pub fn levels_len(&self) -> usize {
        self.store.levels.pool.len() as usize
    }

    /// Walks everything. For tests, after each command.
    ///
    /// # Panics
    ///
    /// If an invariant does not hold.
    pub fn check(&self) {
        let (mut levels, mut orders) = (0, 0);
        for (index, book) in self.books.iter().enumerate() {
            assert_eq!(book.id.index(), index);
            let (book_levels, book_orders) = book.check(&self.store);
            levels += book_levels;
            orders += book_orders;
        }
        assert_eq!(levels, self.store.levels.pool.len());
        assert_eq!(orders, self.store.orders.len());
        assert!(orders <= self.limits.orders_max && levels <= self.limits.levels_max);
        self.store.sessions.check(&self.store.orders);
    }
}

/// Orders.
impl Engine {
    #[inline]
    fn enter<S: EventSink>(&mut self, input: &Input, new: &NewOrder, events: &mut S) {
        let NewOrder { number, instrument, side, .. } = *new;
        let session = input.session;
        let admitted = self.use_number(session, number).and_then(|()| self.admit(new));
        let msg = self.store.sessions.next_msg(session);
        let limit = match admitted {
            Ok(limit) => limit,
            Err(reason) => {
                return events.event(&Event::Rejected(Rejected { session, number, msg, reason }));
            }
        };
        events.event(&Event::Accepted(Accepted { session, number, msg }));

        let book = &mut self.books[instrument.index()];
        let mut taker = Taker {
            side,
            limit,
            order: Order {
                leaves_qty: new.qty,
                order_id: OrderId(input.sequence.0),
                session,
                number,
                time_in_force: new.time_in_force,
                liquidity: new.liquidity,
                ..Order::EMPTY
            },
        };
        if new.time_in_force != TimeInForce::Fok
            || book.can_fill(&self.store.levels, side, limit, new.qty)
        {
            book.cross(&mut self.store, &mut taker, events);
        }
        if taker.order.leaves_qty.is_zero() {
            return;
        }
        match remainder(new) {
            None => book.rest(&mut self.store, &taker, OrderRef(input.sequence.0), events),
            Some(reason) => {
                let msg = self.store.sessions.next_msg(session);
                let canceled = taker.order.canceled(instrument, reason, msg);
                events.event(&Event::Canceled(Canceled { order_ref: None, ..canceled }));
            }
        }
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

    /// Decides whether an order may come in; returns the price it may trade at.
    #[inline]
    fn admit(&self, new: &NewOrder) -> Result<Price, RejectReason> {
        let book = self.books.get(new.instrument.index()).ok_or(RejectReason::UnknownInstrument)?;
        admit_state(book.instrument.state)?;
        admit_qty(&book.instrument, new.qty)?;
        let post_only = new.liquidity == Liquidity::PostOnly;
        if post_only && remainder(new).is_some() {
            return Err(RejectReason::Contradiction);
        }
        let limit = match (new.kind, new.side) {
            (OrderKind::Limit(price), _) => admit_price(&book.instrument, price)?,
            (OrderKind::Market, Side::Buy) => Price::MAX,
            (OrderKind::Market, Side::Sell) => Price::MIN,
        };
        if post_only && book.would_trade(new.side, limit) {
            return Err(RejectReason::WouldTrade);
        }
        if remainder(new).is_none() {
            if self.store.orders.is_full() {
                return Err(RejectReason::TooManyOrders);
            }
            let levels = &self.store.levels;
            if levels.pool.is_full() && !book.has_level(levels, new.side, limit) {
                return Err(RejectReason::TooManyLevels);
            }
        }
        Ok(limit)
    }

    #[inline]
    fn cancel<S: EventSink>(&mut self, session: SessionId, target: OrderNumber, events: &mut S) {
        match self.store.sessions.find(session, target) {
            Ok(slot) => {
                let instrument = self.instrument_of(slot);
                let book = &mut self.books[instrument.index()];
                book.cancel(&mut self.store, slot, CancelReason::Requested, events);
            }
            Err(not_found) => {
                let request = CancelRequest::Cancel;
                self.reject_cancel(session, target, request, not_found.into(), events);
            }
        }
    }

    #[inline]
    fn replace<S: EventSink>(&mut self, input: &Input, replace: &ReplaceOrder, events: &mut S) {
        let ReplaceOrder { number, target, .. } = *replace;
        let session = input.session;
        // The target is looked for first: what is asked for is no order of that name yet.
        let found = self.store.sessions.find(session, target);
        let admitted = self
            .use_number(session, number)
            .and_then(|()| found.map_err(RejectReason::from))
            .and_then(|slot| Ok((slot, self.admit_replace(replace, slot)?)));
        match admitted {
            Ok((slot, Priority::Kept)) => {
                let book = &mut self.books[replace.instrument.index()];
                book.lessen(&mut self.store, slot, number, replace.qty, events);
            }
            Ok((slot, Priority::Lost)) => self.enter_again(input, replace, slot, events),
            Err(reason) => {
                self.reject_cancel(session, target, CancelRequest::Replace, reason, events);
            }
        }
    }

    /// Decides whether an order may be replaced, and whether it keeps its place.
    fn admit_replace(
        &self,
        replace: &ReplaceOrder,
        slot: Id<Order>,
    ) -> Result<Priority, RejectReason> {
        let ReplaceOrder { side, price, qty, .. } = *replace;
        let order = &self.store.orders[slot];
        let level = &self.store.levels.pool[order.level];
        if replace.instrument != level.instrument || side != level.side {
            return Err(RejectReason::OrderMismatch);
        }
        let book = &self.books[level.instrument.index()];
        admit_state(book.instrument.state)?;
        admit_qty(&book.instrument, qty)?;
        admit_price(&book.instrument, price)?;
        if qty <= order.cum_qty {
            return Err(RejectReason::QtyBelowCum);
        }
        if price == level.price() && qty < order.order_qty() {
            return Ok(Priority::Kept);
        }
        if order.liquidity == Liquidity::PostOnly && book.would_trade(side, price) {
            return Err(RejectReason::WouldTrade);
        }
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
        input: &Input,
        replace: &ReplaceOrder,
        slot: Id<Order>,
        events: &mut S,
    ) {
        let book = &mut self.books[replace.instrument.index()];
        let old = book.take_off(&mut self.store, slot);
        let leaves_qty = replace.qty - old.cum_qty;
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
            notional: old.notional,
        }));
        let order = Order { number: replace.number, leaves_qty, ..old };
        let mut taker = Taker { side: replace.side, limit: replace.price, order };
        book.cross(&mut self.store, &mut taker, events);
        if !taker.order.leaves_qty.is_zero() {
            book.rest(&mut self.store, &taker, OrderRef(input.sequence.0), events);
        }
    }

    fn instrument_of(&self, slot: Id<Order>) -> InstrumentId {
        self.store.levels.pool[self.store.orders[slot].level].instrument
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

/// Requests that concern a session.
impl Engine {
    fn mass_cancel<S: EventSink>(&mut self, input: &Input, scope: MassCancelScope, events: &mut S) {
        let session = input.session;
        let only = match scope {
            MassCancelScope::Session => None,
            MassCancelScope::SessionInstrument(id) if id.index() >= self.books.len() => {
                let reason = RejectReason::UnknownInstrument;
                return self.reject_mass_cancel(session, reason, events);
            }
            MassCancelScope::SessionInstrument(id) => Some(id),
            MassCancelScope::Instrument(_) => {
                return self.reject_mass_cancel(session, RejectReason::NotPermitted, events);
            }
        };
        let mut orders = 0;
        let mut at = self.store.sessions.first(session);
        while at.is_some() {
            let next = self.store.sessions.after(session, self.store.orders[at].number);
            let instrument = self.instrument_of(at);
            if only.is_none_or(|only| only == instrument) {
                let book = &mut self.books[instrument.index()];
                book.cancel(&mut self.store, at, CancelReason::MassCancel, events);
                orders += 1;
            }
            at = next;
        }
        // One that no message of the session asked for (its connection ended) is not reported to it as
        // such: it sees its orders canceled.
        let msg = match input.inbound {
            MsgSeqNum::NONE => MsgSeqNum::NONE,
            _ => self.store.sessions.next_msg(session),
        };
        events.event(&Event::MassCanceled { session, msg, orders });
    }

    fn reject_mass_cancel<S: EventSink>(
        &mut self,
        session: SessionId,
        reason: RejectReason,
        events: &mut S,
    ) {
        let msg = self.store.sessions.next_msg(session);
        events.event(&Event::MassCancelRejected { session, msg, reason });
    }

    fn report_status<S: EventSink>(
        &mut self,
        session: SessionId,
        target: OrderNumber,
        events: &mut S,
    ) {
        let working = self.store.sessions.find(session, target).ok().map(|slot| {
            let order = &self.store.orders[slot];
            WorkingOrder {
                order_id: order.order_id,
                leaves_qty: order.leaves_qty,
                cum_qty: order.cum_qty,
                notional: order.notional,
            }
        });
        let msg = self.store.sessions.next_msg(session);
        events.event(&Event::StatusReported(StatusReported { session, target, msg, working }));
    }

    fn refuse_request<S: EventSink>(
        &mut self,
        session: SessionId,
        request: RefusedRequest,
        reason: RejectReason,
        events: &mut S,
    ) {
        match request {
            RefusedRequest::New(number) => {
                let reason = self.use_number(session, number).err().unwrap_or(reason);
                let msg = self.store.sessions.next_msg(session);
                events.event(&Event::Rejected(Rejected { session, number, msg, reason }));
            }
            RefusedRequest::Cancel { target } => {
                self.reject_cancel(session, target, CancelRequest::Cancel, reason, events);
            }
            RefusedRequest::Replace { number, target } => {
                let reason = self.use_number(session, number).err().unwrap_or(reason);
                self.reject_cancel(session, target, CancelRequest::Replace, reason, events);
            }
            RefusedRequest::MassCancel => self.reject_mass_cancel(session, reason, events),
        }
    }

    fn note<S: EventSink>(&mut self, input: &Input, numbering: Numbering, events: &mut S) {
        let session = input.session;
        match numbering {
            Numbering::Next => {}
            Numbering::InboundOnly => return,
            Numbering::Reset => {
                if let Some(state) = self.store.sessions.state_mut(session) {
                    state.last_inbound = input.inbound;
                    state.last_outbound = MsgSeqNum::NONE;
                }
            }
        }
        let msg = self.store.sessions.next_msg(session);
        events.event(&Event::Numbered { session, msg });
    }
}

/// The venue's own commands.
impl Engine {
    #[cold]
    fn govern<S: EventSink>(&mut self, input: &Input, events: &mut S) {
        let done = match &input.command {
            Command::Configure(limits) => self.configure(limits),
            Command::DefineInstrument { id, instrument } => self.define_instrument(*id, instrument),
            Command::DefineSession { id, participant } => self.define_session(*id, *participant),
            Command::SetTradingState { instrument, state } => {
                self.set_trading_state(*instrument, *state)
            }
            Command::ExpireDay => return self.expire_day(events),
            Command::MassCancel(MassCancelScope::Instrument(id)) => {
                return self.clear(*id, events);
            }
            Command::MassCancel(_)
            | Command::New(_)
            | Command::Cancel { .. }
            | Command::Replace(_)
            | Command::Status { .. }
            | Command::Refuse { .. }
            | Command::Note(_) => Err(RejectReason::NotPermitted),
        };
        match done {
            Ok(event) => events.event(&event),
            Err(reason) => refuse(reason, events),
        }
    }

    fn configure(&mut self, limits: &Limits) -> Result<Event, RejectReason> {
        if !covers(&LIMITS_MAX, limits) {
            return Err(RejectReason::BadDefinition);
        }
        if !covers(limits, &self.limits) {
            return Err(RejectReason::LimitsShrink);
        }
        let Limits { orders_max, levels_max, instruments_max, sessions_max } = *limits;
        let room = instruments_max as usize - self.books.len();
        self.books
            .try_reserve_exact(room)
            .and_then(|()| self.store.orders.grow(orders_max, orders_max))
            .and_then(|()| self.store.levels.grow(levels_max, instruments_max))
            .and_then(|()| self.store.sessions.grow(sessions_max, orders_max))
            .map_err(|_| RejectReason::TableFull)?;
        self.limits = *limits;
        Ok(Event::Configured)
    }

    fn define_instrument(
        &mut self,
        id: InstrumentId,
        instrument: &Instrument,
    ) -> Result<Event, RejectReason> {
        if id.index() != self.books.len() {
            return Err(RejectReason::IdOutOfOrder);
        }
        if self.books.len() >= self.limits.instruments_max as usize {
            return Err(RejectReason::TableFull);
        }
        instrument.validate().map_err(|_| RejectReason::BadDefinition)?;
        if self.books.iter().any(|book| book.instrument.symbol == instrument.symbol) {
            return Err(RejectReason::DuplicateSymbol);
        }
        self.books.push(Sides::new(id, *instrument));
        Ok(Event::InstrumentDefined { id })
    }

    fn define_session(
        &mut self,
        id: SessionId,
        participant: ParticipantId,
    ) -> Result<Event, RejectReason> {
        if id.index() != self.store.sessions.len() + 1 {
            return Err(RejectReason::IdOutOfOrder);
        }
        if self.store.sessions.len() >= self.limits.sessions_max as usize {
            return Err(RejectReason::TableFull);
        }
        self.store.sessions.define_counterparty(participant);
        Ok(Event::SessionDefined { id })
    }

    fn set_trading_state(
        &mut self,
        instrument: InstrumentId,
        state: TradingState,
    ) -> Result<Event, RejectReason> {
        let book = self.books.get_mut(instrument.index()).ok_or(RejectReason::UnknownInstrument)?;
        book.instrument.state = state;
        Ok(Event::TradingStateChanged { instrument, state })
    }

    fn expire_day<S: EventSink>(&mut self, events: &mut S) {
        let is_day = |order: &Order| order.time_in_force == TimeInForce::Day;
        for book in &mut self.books {
            book.cancel_all(&mut self.store, is_day, CancelReason::Expired, events);
        }
    }

    fn clear<S: EventSink>(&mut self, instrument: InstrumentId, events: &mut S) {
        let (session, msg) = (SessionId::VENUE, MsgSeqNum::NONE);
        let Some(book) = self.books.get_mut(instrument.index()) else {
            let reason = RejectReason::UnknownInstrument;
            return events.event(&Event::MassCancelRejected { session, msg, reason });
        };
        let orders = book.cancel_all(&mut self.store, |_| true, CancelReason::Venue, events);
        events.event(&Event::MassCanceled { session, msg, orders });
    }
}

/// Why what is left of an order after matching is canceled; `None` if it rests.
#[inline]
const fn remainder(new: &NewOrder) -> Option<CancelReason> {
    match (new.time_in_force, new.kind) {
        (TimeInForce::Fok, _) => Some(CancelReason::Fok),
        (_, OrderKind::Market) => Some(CancelReason::Market),
        (TimeInForce::Ioc, _) => Some(CancelReason::Ioc),
        (TimeInForce::Day | TimeInForce::Gtc, OrderKind::Limit(_)) => None,
    }
}

#[inline]
const fn admit_state(state: TradingState) -> Result<(), RejectReason> {
    match state {
        TradingState::Open => Ok(()),
        TradingState::Halted => Err(RejectReason::Halted),
        TradingState::Closed => Err(RejectReason::Closed),
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

/// Whether no limit of `limits` is above that of `room`.
const fn covers(room: &Limits, limits: &Limits) -> bool {
    limits.orders_max <= room.orders_max
        && limits.levels_max <= room.levels_max
        && limits.instruments_max <= room.instruments_max
        && limits.sessions_max <= room.sessions_max
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Flow, Profile};

    /// Four billion orders take too long to send: the last number is set from the inside.
    #[test]
    fn a_session_that_used_all_its_numbers_is_told_so() {
        let mut flow = Flow::new(Profile { sessions: 1, ..Profile::standard() }, 1);
        let (mut engine, mut events) = (Engine::new(), Vec::new());
        for _ in 0..3 {
            engine.apply(&flow.input(), &mut events);
        }
        let session = SessionId(1);
        let state = engine.store.sessions.state_mut(session).unwrap();
        state.last_number = OrderNumber(u32::MAX - 1);
        state.last_outbound = MsgSeqNum(u32::MAX - 4);
        let mut input = flow.input();
        let Command::New(mut new) = input.command else { panic!("{input:?}") };

        let mut give = |engine: &mut Engine, number: u32| {
            new.number = OrderNumber(number);
            input.command = Command::New(new);
            events.clear();
            engine.apply(&input, &mut events);
            engine.check();
            events.clone()
        };
        assert!(matches!(give(&mut engine, u32::MAX)[..], [Event::Accepted(_), Event::Rested(_)]));
        for number in [0, 1, u32::MAX] {
            let answer = give(&mut engine, number);
            let [Event::Rejected(rejected)] = answer[..] else { panic!("{answer:?}") };
            assert_eq!(rejected.reason, RejectReason::NumbersExhausted);
        }
        // The numbers of messages end as well; the last one is given over and over.
        give(&mut engine, 1);
        assert_eq!(engine.session(session).unwrap().last_outbound, MsgSeqNum(u32::MAX));

        let cancel = Command::Cancel { target: OrderNumber(u32::MAX) };
        events.clear();
        engine.apply(&Input { command: cancel, ..input }, &mut events);
        assert!(matches!(events[..], [Event::Canceled(_)]));
        engine.check();
    }
}
