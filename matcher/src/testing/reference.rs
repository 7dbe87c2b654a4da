//! The rules of the market in their slowest, most obvious form.
//!
//! One list of orders in the order in which they queued up; whatever is asked is answered by looking
//! through all of it. The differential test holds [`crate::Engine`] to these Events.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::command::{
    Command, Input, Limits, Liquidity, MassCancelScope, NewOrder, Numbering, OrderKind,
    RefusedRequest, ReplaceOrder,
};
use crate::engine::LIMITS_MAX;
use crate::event::{
    Accepted, CancelReason, CancelRejected, CancelRequest, Canceled, Event, Fill, PhaseReason,
    Priority, RejectReason, Rejected, Replaced, Rested, StatusReported, TradeKind, Traded,
    WorkingOrder,
};
use crate::instrument::{Instrument, Phase};
use crate::types::{
    InstrumentId, MsgSeqNum, Notional, OrderId, OrderNumber, OrderRef, Price, Qty, SessionId, Side,
    TimeInForce, TradeId,
};

#[derive(Clone, Copy)]
struct Order {
    session: SessionId,
    number: OrderNumber,
    id: OrderId,
    place: OrderRef,
    instrument: InstrumentId,
    side: Side,
    price: Price,
    order_qty: u64,
    cum_qty: u64,
    notional: i64,
    time_in_force: TimeInForce,
    liquidity: Liquidity,
}

impl Order {
    fn leaves(&self) -> u64 {
        self.order_qty - self.cum_qty
    }

    /// Sorts bids before asks and better prices before worse.
    fn rank(&self) -> (Side, Reverse<i128>) {
        let price = i128::from(self.price.ticks());
        (self.side, Reverse(if self.side == Side::Buy { price } else { -price }))
    }

    fn level(&self) -> (InstrumentId, Side, Price) {
        (self.instrument, self.side, self.price)
    }

    fn fill(&mut self, price: Price, qty: u64, msg: MsgSeqNum) -> Fill {
        self.cum_qty += qty;
        let value = i128::from(price.ticks()) * i128::from(qty) + i128::from(self.notional);
        self.notional = i64::try_from(value).expect("Instrument::validate bounds it");
        Fill {
            session: self.session,
            number: self.number,
            msg,
            order_id: self.id,
            leaves_qty: Qty::from_lots(self.leaves()),
            cum_qty: Qty::from_lots(self.cum_qty),
            notional: Notional::from_tick_lots(self.notional),
        }
    }
}

#[derive(Clone, Copy, Default)]
struct Session {
    inbound: MsgSeqNum,
    outbound: u32,
    last_number: u32,
}

/// The slow engine.
#[derive(Default)]
pub struct Reference {
    limits: Option<Limits>,
    places: u64,
    instruments: Vec<Instrument>,
    /// The venue's own is not in it: session 1 is at index 0.
    sessions: Vec<Session>,
    /// In the order in which they queued up.
    orders: Vec<Order>,
    trades: u64,
}

type Answer = Result<(), RejectReason>;

impl Reference {
    /// An engine that is not configured.
    #[must_use]
    pub fn new() -> Reference {
        Reference::default()
    }

    /// The Events of `input`.
    pub fn apply(&mut self, input: &Input) -> Vec<Event> {
        let mut events = Vec::new();
        if let Err(reason) = self.obey(input, &mut events) {
            events.push(Event::CommandRefused { reason });
        }
        events
    }

    /// Resting orders.
    #[must_use]
    pub fn orders_len(&self) -> usize {
        self.orders.len()
    }

    /// The counters of a session: last inbound, last outbound, last order number.
    #[must_use]
    pub fn counters(&self, id: SessionId) -> (MsgSeqNum, MsgSeqNum, OrderNumber) {
        let session = self.sessions[id.index() - 1];
        (session.inbound, MsgSeqNum(session.outbound), OrderNumber(session.last_number))
    }

    /// The orders of one side of a book as (session, number, place, price, leaves), best first.
    #[must_use]
    pub fn queue(
        &self,
        instrument: InstrumentId,
        side: Side,
    ) -> Vec<(SessionId, OrderNumber, OrderRef, Price, Qty)> {
        let mut orders: Vec<&Order> = self
            .orders
            .iter()
            .filter(|order| order.instrument == instrument && order.side == side)
            .collect();
        orders.sort_by_key(|order| order.rank());
        let row = |o: &&Order| (o.session, o.number, o.place, o.price, Qty::from_lots(o.leaves()));
        orders.iter().map(row).collect()
    }

    fn obey(&mut self, input: &Input, events: &mut Vec<Event>) -> Answer {
        let venue = input.session == SessionId::VENUE;
        if input.session.index() > self.sessions.len() {
            return Err(RejectReason::UnknownSession);
        }
        if !venue && input.inbound != MsgSeqNum::NONE {
            self.session(input.session).inbound = input.inbound;
        }
        match input.command {
            Command::Configure(_)
            | Command::DefineInstrument { .. }
            | Command::DefineSession { .. }
            | Command::SetPhase { .. }
            | Command::ExpireDay
                if !venue =>
            {
                return Err(RejectReason::NotPermitted);
            }
            Command::New(_)
            | Command::Cancel { .. }
            | Command::Replace(_)
            | Command::Status { .. }
            | Command::Refuse { .. }
            | Command::Note(_)
            | Command::MassCancel(
                MassCancelScope::Session | MassCancelScope::SessionInstrument(_),
            ) if venue => {
                return Err(RejectReason::NotPermitted);
            }
            Command::Configure(limits) => self.configure(limits, events)?,
            Command::DefineInstrument { id, instrument } => {
                self.define_instrument(id, instrument, events)?;
            }
            Command::DefineSession { id, .. } => self.define_session(id, events)?,
            Command::SetPhase { instrument, phase } => {
                let found = self.instruments.get_mut(instrument.index());
                found.ok_or(RejectReason::UnknownInstrument)?.phase = phase;
                let reason = PhaseReason::Command;
                events.push(Event::PhaseChanged { instrument, phase, reason });
            }
            Command::ExpireDay => self.expire_day(events),
            Command::New(new) => self.enter(input, &new, events),
            Command::Cancel { target } => self.cancel(input.session, target, events),
            Command::Replace(replace) => self.replace(input.session, &replace, events),
            Command::MassCancel(scope) => {
                self.mass_cancel((input.session, input.inbound), scope, events)
            }
            Command::Status { target } => self.status(input.session, target, events),
            Command::Refuse { request, reason } => {
                self.refuse(input.session, request, reason, events);
            }
            // Not built yet: another commit brings the rules of RULES.md.
            Command::NewSpecial(new, _) => {
                let (request, reason) =
                    (RefusedRequest::New(new.number), RejectReason::Unsupported);
                self.refuse(input.session, request, reason, events);
            }
            Command::ReplaceStop(replace, _) => {
                let request =
                    RefusedRequest::Replace { number: replace.number, target: replace.target };
                self.refuse(input.session, request, RejectReason::Unsupported, events);
            }
            Command::SetBands { .. }
            | Command::SetReference { .. }
            | Command::SetSession { .. }
            | Command::SetRisk { .. }
            | Command::SetPermission { .. }
            | Command::PublishIndicative { .. }
            | Command::Expire
            | Command::Bust(_) => return Err(RejectReason::Unsupported),
            Command::Note(Numbering::InboundOnly) => {}
            Command::Note(numbering) => {
                if numbering == Numbering::Reset {
                    self.session(input.session).outbound = 0;
                    self.session(input.session).inbound = input.inbound;
                }
                let msg = self.msg(input.session);
                events.push(Event::Numbered { session: input.session, msg });
            }
        }
        Ok(())
    }

    fn session(&mut self, id: SessionId) -> &mut Session {
        &mut self.sessions[id.index() - 1]
    }

    fn msg(&mut self, id: SessionId) -> MsgSeqNum {
        if id == SessionId::VENUE {
            return MsgSeqNum::NONE;
        }
        self.session(id).outbound += 1;
        MsgSeqNum(self.session(id).outbound)
    }

    fn configure(&mut self, limits: Limits, events: &mut Vec<Event>) -> Answer {
        let sizes = |l: Limits| [l.orders_max, l.levels_max, l.instruments_max, l.sessions_max];
        if sizes(limits).iter().zip(sizes(LIMITS_MAX)).any(|(new, max)| *new > max) {
            return Err(RejectReason::BadDefinition);
        }
        if let Some(old) = self.limits
            && sizes(limits).iter().zip(sizes(old)).any(|(new, old)| *new < old)
        {
            return Err(RejectReason::LimitsShrink);
        }
        if self.instruments.iter().any(|instrument| instrument.qty_max > limits.qty_max()) {
            return Err(RejectReason::BadDefinition);
        }
        self.limits = Some(limits);
        events.push(Event::Configured);
        Ok(())
    }

    fn define_instrument(
        &mut self,
        id: InstrumentId,
        instrument: Instrument,
        events: &mut Vec<Event>,
    ) -> Answer {
        if id.index() != self.instruments.len() {
            return Err(RejectReason::IdOutOfOrder);
        }
        if self.limits.is_none_or(|limits| limits.instruments_max == id.0) {
            return Err(RejectReason::TableFull);
        }
        let qty_max = self.limits.map_or(Qty::ZERO, |limits| limits.qty_max());
        if instrument.validate().is_err() || instrument.qty_max > qty_max {
            return Err(RejectReason::BadDefinition);
        }
        if self.instruments.iter().any(|other| other.symbol == instrument.symbol) {
            return Err(RejectReason::DuplicateSymbol);
        }
        self.instruments.push(instrument);
        events.push(Event::InstrumentDefined { id });
        Ok(())
    }

    fn define_session(&mut self, id: SessionId, events: &mut Vec<Event>) -> Answer {
        if id.index() != self.sessions.len() + 1 {
            return Err(RejectReason::IdOutOfOrder);
        }
        if self.limits.is_none_or(|limits| limits.sessions_max as usize == self.sessions.len()) {
            return Err(RejectReason::TableFull);
        }
        self.sessions.push(Session::default());
        events.push(Event::SessionDefined { id });
        Ok(())
    }

    fn enter(&mut self, input: &Input, new: &NewOrder, events: &mut Vec<Event>) {
        let (session, number) = (input.session, new.number);
        let limit = match (new.kind, new.side) {
            (OrderKind::Limit(price), _) => price,
            (OrderKind::Market, Side::Buy) => Price::MAX,
            (OrderKind::Market, Side::Sell) => Price::MIN,
            (OrderKind::MarketToLimit, _) => unimplemented!("no rule of the reference yet"),
        };
        let verdict = self.use_number(session, number).and_then(|()| self.admit(new, limit));
        let msg = self.msg(session);
        if let Err(reason) = verdict {
            events.push(Event::Rejected(Rejected { session, number, msg, reason }));
            return;
        }
        events.push(Event::Accepted(Accepted { session, number, msg }));
        let mut order = Order {
            session,
            number,
            id: OrderId(input.sequence.0),
            place: OrderRef::NONE,
            instrument: new.instrument,
            side: new.side,
            price: limit,
            order_qty: new.qty.lots(),
            cum_qty: 0,
            notional: 0,
            time_in_force: new.time_in_force,
            liquidity: new.liquidity,
        };
        if new.time_in_force != TimeInForce::Fok || self.tradable(&order) >= order.leaves().into() {
            self.cross(&mut order, events);
        }
        if order.leaves() == 0 {
            return;
        }
        let reason = if new.time_in_force == TimeInForce::Fok {
            CancelReason::Fok
        } else if new.kind == OrderKind::Market {
            CancelReason::Market
        } else if new.time_in_force == TimeInForce::Ioc {
            CancelReason::Ioc
        } else {
            return self.rest(order, events);
        };
        self.report_canceled(&order, OrderRef::NONE, reason, events);
    }

    fn use_number(&mut self, id: SessionId, number: OrderNumber) -> Answer {
        let session = self.session(id);
        if session.last_number == u32::MAX {
            return Err(RejectReason::NumbersExhausted);
        }
        if number.0 != session.last_number + 1 {
            return Err(RejectReason::NumberOutOfOrder);
        }
        session.last_number += 1;
        Ok(())
    }

    fn admit(&self, new: &NewOrder, limit: Price) -> Answer {
        let instrument = self.instruments.get(new.instrument.index());
        let instrument = instrument.ok_or(RejectReason::UnknownInstrument)?;
        admit_phase(instrument)?;
        admit_qty(instrument, new.qty)?;
        let market = new.kind == OrderKind::Market;
        let post_only = new.liquidity == Liquidity::PostOnly;
        if post_only && (market || !new.time_in_force.rests()) {
            return Err(RejectReason::Contradiction);
        }
        if !market {
            admit_price(instrument, limit)?;
        }
        if post_only && self.best_maker(new.instrument, new.side, limit).is_some() {
            return Err(RejectReason::WouldTrade);
        }
        if market || !new.time_in_force.rests() {
            return Ok(());
        }
        let limits = self.limits.ok_or(RejectReason::TooManyOrders)?;
        if self.orders.len() >= limits.orders_max as usize {
            return Err(RejectReason::TooManyOrders);
        }
        let mut levels = self.levels();
        levels.insert((new.instrument, new.side, limit));
        if levels.len() > limits.levels_max as usize {
            return Err(RejectReason::TooManyLevels);
        }
        Ok(())
    }

    fn levels(&self) -> BTreeSet<(InstrumentId, Side, Price)> {
        self.orders.iter().map(Order::level).collect()
    }

    /// Where in the list the order is that an order of `side` with limit `limit` trades with next.
    fn best_maker(&self, instrument: InstrumentId, side: Side, limit: Price) -> Option<usize> {
        let makers = self.orders.iter().enumerate().filter(|(_, order)| {
            order.instrument == instrument
                && order.side == side.opposite()
                && side.accepts(limit, order.price)
        });
        // Of several with the best price `min_by_key` takes the first: the one that queued up first.
        makers.min_by_key(|(_, order)| order.rank()).map(|(index, _)| index)
    }

    fn tradable(&self, taker: &Order) -> u128 {
        let makers = self.orders.iter().filter(|order| {
            order.instrument == taker.instrument
                && order.side == taker.side.opposite()
                && taker.side.accepts(taker.price, order.price)
        });
        makers.map(|maker| u128::from(maker.leaves())).sum()
    }

    fn cross(&mut self, taker: &mut Order, events: &mut Vec<Event>) {
        while taker.leaves() > 0 {
            let Some(at) = self.best_maker(taker.instrument, taker.side, taker.price) else {
                return;
            };
            let qty = taker.leaves().min(self.orders[at].leaves());
            let price = self.orders[at].price;
            let maker_msg = self.msg(self.orders[at].session);
            let taker_msg = self.msg(taker.session);
            self.trades += 1;
            let maker = &mut self.orders[at];
            events.push(Event::Traded(Traded {
                id: TradeId(self.trades),
                instrument: taker.instrument,
                taker_side: taker.side,
                kind: TradeKind::Continuous,
                price,
                qty: Qty::from_lots(qty),
                maker_ref: maker.place,
                taker_ref: OrderRef::NONE,
                maker: maker.fill(price, qty, maker_msg),
                taker: taker.fill(price, qty, taker_msg),
            }));
            if maker.leaves() == 0 {
                self.orders.remove(at);
            }
        }
    }

    fn rest(&mut self, mut order: Order, events: &mut Vec<Event>) {
        self.places += 1;
        order.place = OrderRef(self.places);
        self.orders.push(order);
        events.push(Event::Rested(Rested {
            session: order.session,
            number: order.number,
            instrument: order.instrument,
            side: order.side,
            order_ref: order.place,
            price: order.price,
            leaves_qty: Qty::from_lots(order.leaves()),
        }));
    }

    fn find(&self, session: SessionId, target: OrderNumber) -> Result<usize, RejectReason> {
        let is_it = |order: &Order| order.session == session && order.number == target;
        if let Some(at) = self.orders.iter().position(is_it) {
            return Ok(at);
        }
        let used = 1..=self.sessions[session.index() - 1].last_number;
        Err(if used.contains(&target.0) {
            RejectReason::TooLate
        } else {
            RejectReason::UnknownOrder
        })
    }

    fn cancel(&mut self, session: SessionId, target: OrderNumber, events: &mut Vec<Event>) {
        match self.find(session, target) {
            Ok(at) => self.take_off(at, CancelReason::Requested, events),
            Err(reason) => {
                self.reject_cancel(session, target, CancelRequest::Cancel, reason, events);
            }
        }
    }

    fn take_off(&mut self, at: usize, reason: CancelReason, events: &mut Vec<Event>) {
        let order = self.orders.remove(at);
        self.report_canceled(&order, order.place, reason, events);
    }

    fn report_canceled(
        &mut self,
        order: &Order,
        order_ref: OrderRef,
        reason: CancelReason,
        events: &mut Vec<Event>,
    ) {
        let msg = self.msg(order.session);
        events.push(Event::Canceled(Canceled {
            session: order.session,
            number: order.number,
            msg,
            order_id: order.id,
            instrument: order.instrument,
            order_ref,
            reason,
            canceled_qty: Qty::from_lots(order.leaves()),
            cum_qty: Qty::from_lots(order.cum_qty),
            notional: Notional::from_tick_lots(order.notional),
        }));
    }

    fn reject_cancel(
        &mut self,
        session: SessionId,
        target: OrderNumber,
        request: CancelRequest,
        reason: RejectReason,
        events: &mut Vec<Event>,
    ) {
        let msg = self.msg(session);
        events.push(Event::CancelRejected(CancelRejected {
            session,
            target,
            msg,
            request,
            reason,
        }));
    }

    fn replace(&mut self, session: SessionId, replace: &ReplaceOrder, events: &mut Vec<Event>) {
        let found = self.find(session, replace.target);
        let verdict = self
            .use_number(session, replace.number)
            .and(found)
            .and_then(|at| self.admit_replace(replace, at).map(|()| at));
        let at = match verdict {
            Ok(at) => at,
            Err(reason) => {
                let request = CancelRequest::Replace;
                return self.reject_cancel(session, replace.target, request, reason, events);
            }
        };
        let old = self.orders[at];
        let kept = replace.price == old.price && replace.qty.lots() < old.order_qty;
        let msg = self.msg(session);
        events.push(Event::Replaced(Replaced {
            session,
            old_number: old.number,
            number: replace.number,
            msg,
            order_id: old.id,
            instrument: old.instrument,
            priority: if kept { Priority::Kept } else { Priority::Lost },
            old_ref: old.place,
            price: replace.price,
            order_qty: replace.qty,
            leaves_qty: Qty::from_lots(replace.qty.lots() - old.cum_qty),
            old_leaves_qty: Qty::from_lots(old.leaves()),
            cut_qty: if kept {
                Qty::from_lots(old.order_qty - replace.qty.lots())
            } else {
                Qty::ZERO
            },
            notional: Notional::from_tick_lots(old.notional),
        }));
        let mut order = Order {
            number: replace.number,
            price: replace.price,
            order_qty: replace.qty.lots(),
            ..old
        };
        if kept {
            self.orders[at] = order;
            return;
        }
        self.orders.remove(at);
        self.cross(&mut order, events);
        if order.leaves() > 0 {
            self.rest(order, events);
        }
    }

    fn admit_replace(&self, replace: &ReplaceOrder, at: usize) -> Answer {
        let order = &self.orders[at];
        if (replace.instrument, replace.side) != (order.instrument, order.side) {
            return Err(RejectReason::OrderMismatch);
        }
        let instrument = &self.instruments[order.instrument.index()];
        admit_phase(instrument)?;
        admit_qty(instrument, replace.qty)?;
        admit_price(instrument, replace.price)?;
        if replace.qty.lots() <= order.cum_qty {
            return Err(RejectReason::QtyBelowCum);
        }
        if replace.price == order.price && replace.qty.lots() < order.order_qty {
            return Ok(());
        }
        if order.liquidity == Liquidity::PostOnly
            && self.best_maker(order.instrument, order.side, replace.price).is_some()
        {
            return Err(RejectReason::WouldTrade);
        }
        let others = self.orders.iter().enumerate().filter(|(index, _)| *index != at);
        let mut levels: BTreeSet<_> = others.map(|(_, order)| order.level()).collect();
        levels.insert((order.instrument, order.side, replace.price));
        if self.limits.is_some_and(|limits| levels.len() > limits.levels_max as usize) {
            return Err(RejectReason::TooManyLevels);
        }
        Ok(())
    }

    fn mass_cancel(
        &mut self,
        (session, inbound): (SessionId, MsgSeqNum),
        scope: MassCancelScope,
        events: &mut Vec<Event>,
    ) {
        let venue = session == SessionId::VENUE;
        let verdict = match scope {
            MassCancelScope::Instrument(_) if !venue => Err(RejectReason::NotPermitted),
            MassCancelScope::Instrument(id) | MassCancelScope::SessionInstrument(id)
                if id.index() >= self.instruments.len() =>
            {
                Err(RejectReason::UnknownInstrument)
            }
            _ => Ok(()),
        };
        if let Err(reason) = verdict {
            let msg = self.msg(session);
            events.push(Event::MassCancelRejected { session, msg, reason });
            return;
        }
        let chosen = |order: &Order| match scope {
            MassCancelScope::Session => order.session == session,
            MassCancelScope::SessionInstrument(id) => {
                order.session == session && order.instrument == id
            }
            MassCancelScope::Instrument(id) => order.instrument == id,
        };
        let mut orders: Vec<Order> = self.orders.iter().copied().filter(chosen).collect();
        self.orders.retain(|order| !chosen(order));
        if venue {
            orders.sort_by_key(Order::rank);
        } else {
            orders.sort_by_key(|order| order.number);
        }
        let reason = if venue { CancelReason::Venue } else { CancelReason::MassCancel };
        for order in &orders {
            self.report_canceled(order, order.place, reason, events);
        }
        let count = u32::try_from(orders.len()).expect("orders_max is a u32");
        let msg = if inbound == MsgSeqNum::NONE { inbound } else { self.msg(session) };
        events.push(Event::MassCanceled { session, msg, orders: count });
    }

    fn status(&mut self, session: SessionId, target: OrderNumber, events: &mut Vec<Event>) {
        let working = self.find(session, target).ok().map(|at| {
            let order = &self.orders[at];
            WorkingOrder {
                order_id: order.id,
                leaves_qty: Qty::from_lots(order.leaves()),
                cum_qty: Qty::from_lots(order.cum_qty),
                notional: Notional::from_tick_lots(order.notional),
            }
        });
        let msg = self.msg(session);
        events.push(Event::StatusReported(StatusReported { session, target, msg, working }));
    }

    fn refuse(
        &mut self,
        session: SessionId,
        request: RefusedRequest,
        reason: RejectReason,
        events: &mut Vec<Event>,
    ) {
        match request {
            RefusedRequest::New(number) => {
                let reason = self.use_number(session, number).err().unwrap_or(reason);
                let msg = self.msg(session);
                events.push(Event::Rejected(Rejected { session, number, msg, reason }));
            }
            RefusedRequest::Cancel { target } => {
                self.reject_cancel(session, target, CancelRequest::Cancel, reason, events);
            }
            RefusedRequest::Replace { number, target } => {
                let reason = self.use_number(session, number).err().unwrap_or(reason);
                self.reject_cancel(session, target, CancelRequest::Replace, reason, events);
            }
            RefusedRequest::MassCancel => {
                let msg = self.msg(session);
                events.push(Event::MassCancelRejected { session, msg, reason });
            }
        }
    }

    fn expire_day(&mut self, events: &mut Vec<Event>) {
        let is_day = |order: &Order| order.time_in_force == TimeInForce::Day;
        let mut expired: Vec<Order> = self.orders.iter().copied().filter(is_day).collect();
        self.orders.retain(|order| !is_day(order));
        expired.sort_by_key(|order| (order.instrument, order.rank()));
        for order in &expired {
            self.report_canceled(order, order.place, CancelReason::Expired, events);
        }
    }
}

fn admit_phase(instrument: &Instrument) -> Answer {
    match instrument.phase {
        Phase::Continuous => Ok(()),
        Phase::Halt => Err(RejectReason::Halted),
        Phase::Closed => Err(RejectReason::Closed),
        _ => Err(RejectReason::WrongPhase),
    }
}

fn admit_qty(instrument: &Instrument, qty: Qty) -> Answer {
    if qty.is_zero() {
        Err(RejectReason::QtyZero)
    } else if qty < instrument.qty_min {
        Err(RejectReason::QtyTooSmall)
    } else if qty > instrument.qty_max {
        Err(RejectReason::QtyTooLarge)
    } else {
        Ok(())
    }
}

fn admit_price(instrument: &Instrument, price: Price) -> Answer {
    if price < instrument.price_min || price > instrument.price_max {
        return Err(RejectReason::PriceOutOfRange);
    }
    Ok(())
}
