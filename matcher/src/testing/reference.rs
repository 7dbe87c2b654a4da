//! The rules of the market in their slowest, most obvious form: `RULES.md`, word by word.
//!
//! One list of all working orders; whatever is asked is answered by looking through all of it. The
//! differential test holds [`crate::Engine`] to these Events.

mod auction;
mod enter;
mod order;
mod replace;
mod risk;
mod trade;

use std::collections::{BTreeMap, BTreeSet};

use order::{Market, Order, Session};

use crate::command::{
    Command, Input, Limits, MassCancelScope, Numbering, Permission, PermissionScope,
    RefusedRequest, Relay, RiskLimits, Terms,
};
use crate::engine::LIMITS_MAX;
use crate::event::{
    CancelRequest, Event, RejectReason, Rejected, Relayed, StatusReported, WorkingOrder,
};
use crate::instrument::Instrument;
use crate::types::{
    InstrumentId, MsgSeqNum, Notional, OrderNumber, OrderRef, ParticipantId, Price, Qty, SessionId,
    Side, TradeId,
};

/// The slow engine.
#[derive(Clone, Default)]
pub struct Reference {
    limits: Option<Limits>,
    /// Places in queues, trades and elections of stops so far.
    places: u64,
    trades: u64,
    elections: u64,
    markets: Vec<Market>,
    /// The venue's own is not in it: session 1 is at index 0.
    sessions: Vec<Session>,
    /// All that work, in no order.
    orders: Vec<Order>,
    risk: BTreeMap<(ParticipantId, InstrumentId), RiskLimits>,
    positions: BTreeMap<(ParticipantId, InstrumentId), i128>,
    permissions: Vec<(PermissionScope, Permission)>,
    busts: Vec<TradeId>,
    /// Of the present Input.
    events: Vec<Event>,
}

type Answer = Result<(), RejectReason>;

/// An order in the book, as [`Reference::queue`] tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueuedOrder {
    /// Whose order.
    pub session: SessionId,
    /// Its number there.
    pub number: OrderNumber,
    /// Its place.
    pub order_ref: OrderRef,
    /// Its limit.
    pub price: Price,
    /// What is to be seen of it.
    pub displayed_qty: Qty,
    /// All of it.
    pub leaves_qty: Qty,
}

impl Reference {
    /// An engine that is not configured.
    #[must_use]
    pub fn new() -> Reference {
        Reference::default()
    }

    /// The Events of `input`.
    pub fn apply(&mut self, input: &Input) -> Vec<Event> {
        if !matches!(input.command, Command::Note(_)) {
            self.expire(input.timestamp);
            self.settle_all();
        }
        match self.obey(input) {
            Ok(()) => self.settle_all(),
            Err(reason) => self.events.push(Event::CommandRefused { reason }),
        }
        std::mem::take(&mut self.events)
    }

    /// A book that was not touched has nothing to settle.
    fn settle_all(&mut self) {
        for id in (0..).map(InstrumentId).take(self.markets.len()) {
            self.settle(id);
        }
    }

    /// Working orders, displayed or held.
    #[must_use]
    pub fn orders_len(&self) -> usize {
        self.orders.len()
    }

    /// The counters of a session: last inbound, last outbound, last order number.
    #[must_use]
    pub fn counters(&self, id: SessionId) -> (MsgSeqNum, MsgSeqNum, OrderNumber) {
        let session = &self.sessions[id.index() - 1];
        (session.inbound, MsgSeqNum(session.outbound), OrderNumber(session.last_number))
    }

    /// The displayed orders of one side of a book, best first.
    #[must_use]
    pub fn queue(&self, instrument: InstrumentId, side: Side) -> Vec<QueuedOrder> {
        let mut orders = self.orders_of(instrument);
        orders.retain(|order| order.side == side && order.is_displayed());
        orders.sort_by_key(Order::rank);
        let row = |order: &Order| QueuedOrder {
            session: order.session,
            number: order.number,
            order_ref: order.place,
            price: order.public_price(),
            displayed_qty: Qty::from_lots(order.offered()),
            leaves_qty: Qty::from_lots(order.leaves()),
        };
        orders.iter().map(row).collect()
    }

    fn orders_of(&self, id: InstrumentId) -> Vec<Order> {
        self.orders.iter().copied().filter(|order| order.instrument == id).collect()
    }

    /// The levels in use.
    fn levels(&self) -> BTreeSet<(InstrumentId, Side, Price)> {
        let displayed = self.orders.iter().filter(|order| order.is_displayed());
        let level = |order: &Order| (order.instrument, order.side, order.public_price());
        displayed.map(level).collect()
    }

    fn next_place(&mut self) -> OrderRef {
        self.places += 1;
        OrderRef(self.places)
    }

    fn obey(&mut self, input: &Input) -> Answer {
        let session = input.session;
        if session.index() > self.sessions.len() {
            return Err(RejectReason::UnknownSession);
        }
        if session != SessionId::VENUE && input.inbound != MsgSeqNum::NONE {
            self.session(session).inbound = input.inbound;
        }
        let venue = session == SessionId::VENUE;
        match &input.command {
            Command::MassCancel(scope) => {
                if venue && !matches!(scope, MassCancelScope::Instrument(_)) {
                    return Err(RejectReason::NotPermitted);
                }
                self.mass_cancel(input, *scope);
                Ok(())
            }
            Command::Note(Numbering::InboundOnly) if venue => Ok(()),
            Command::New(_)
            | Command::NewSpecial(..)
            | Command::Cancel { .. }
            | Command::Replace(_)
            | Command::Reduce(_)
            | Command::ReplaceStop(..)
            | Command::Status { .. }
            | Command::Refuse { .. }
            | Command::Relay(_)
            | Command::Note(_) => {
                if venue {
                    return Err(RejectReason::NotPermitted);
                }
                self.serve(input);
                Ok(())
            }
            _ if venue => self.govern(input),
            _ => Err(RejectReason::NotPermitted),
        }
    }

    /// What sessions ask.
    fn serve(&mut self, input: &Input) {
        let session = input.session;
        match &input.command {
            Command::New(new) => self.enter(input, new, &Terms::NONE),
            Command::NewSpecial(new, terms) => self.enter(input, new, terms),
            Command::Cancel { target } => self.cancel(session, *target),
            Command::Replace(replace) => self.replace(session, replace, None),
            Command::Reduce(reduce) => self.reduce(session, reduce),
            Command::ReplaceStop(replace, stop) => self.replace(session, replace, Some(*stop)),
            Command::Status { target } => self.status(session, *target),
            Command::Refuse { request, reason } => self.refuse(session, *request, *reason),
            Command::Note(numbering) => self.note(input, *numbering),
            Command::Relay(relay) => self.relay(session, relay),
            _ => unreachable!("obey gives it no other"),
        }
    }

    /// What the venue says.
    fn govern(&mut self, input: &Input) -> Answer {
        match &input.command {
            Command::Configure(limits) => {
                if self.limits.is_none() {
                    // Of a shard's journal all that is counted begins elsewhere.
                    let before = input.sequence.before_journal().0;
                    (self.places, self.trades) = (before, before);
                }
                self.configure(*limits)
            }
            Command::DefineInstrument { id, instrument } => self.define_instrument(*id, instrument),
            Command::DefineSession { id, participant } => self.define_session(*id, *participant),
            Command::SetPhase { instrument, phase } => self.set_phase(*instrument, *phase),
            Command::SetBands { instrument, bands } => self.set_bands(*instrument, *bands),
            Command::SetReference { instrument, price } => self.set_reference(*instrument, *price),
            Command::SetSession { session, group, self_trade } => {
                self.set_session(*session, *group, *self_trade)
            }
            Command::SetRisk { participant, instrument, limits } => {
                self.set_risk(*participant, *instrument, *limits)
            }
            Command::SetPermission { scope, permission } => {
                self.set_permission(*scope, *permission)
            }
            Command::PublishIndicative { instrument } => self.publish_indicative(*instrument),
            Command::Bust(bust) => self.bust(bust),
            // What is due went before it.
            Command::Expire => Ok(()),
            Command::ExpireDay => {
                self.expire_day();
                Ok(())
            }
            _ => unreachable!("obey gives it no other"),
        }
    }

    fn session(&mut self, id: SessionId) -> &mut Session {
        &mut self.sessions[id.index() - 1]
    }

    /// The number of the next message to a session.
    fn msg(&mut self, id: SessionId) -> MsgSeqNum {
        if id == SessionId::VENUE {
            return MsgSeqNum::NONE;
        }
        self.session(id).outbound += 1;
        MsgSeqNum(self.session(id).outbound)
    }

    fn configure(&mut self, limits: Limits) -> Answer {
        let sizes = |l: Limits| [l.orders_max, l.levels_max, l.instruments_max, l.sessions_max];
        if sizes(limits).iter().zip(sizes(LIMITS_MAX)).any(|(new, max)| *new > max) {
            return Err(RejectReason::BadDefinition);
        }
        if let Some(old) = self.limits
            && sizes(limits).iter().zip(sizes(old)).any(|(new, old)| *new < old)
        {
            return Err(RejectReason::LimitsShrink);
        }
        if self.markets.iter().any(|market| market.instrument.qty_max > limits.qty_max()) {
            return Err(RejectReason::BadDefinition);
        }
        self.limits = Some(limits);
        self.events.push(Event::Configured);
        Ok(())
    }

    fn define_instrument(&mut self, id: InstrumentId, instrument: &Instrument) -> Answer {
        if id.index() != self.markets.len() {
            return Err(RejectReason::IdOutOfOrder);
        }
        if self.limits.is_none_or(|limits| limits.instruments_max == id.0) {
            return Err(RejectReason::TableFull);
        }
        let qty_max = self.limits.map_or(Qty::ZERO, |limits| limits.qty_max());
        if instrument.validate().is_err() || instrument.qty_max > qty_max {
            return Err(RejectReason::BadDefinition);
        }
        if self.markets.iter().any(|market| market.instrument.symbol == instrument.symbol) {
            return Err(RejectReason::DuplicateSymbol);
        }
        self.markets.push(Market::new(*instrument));
        self.events.push(Event::InstrumentDefined { id });
        Ok(())
    }

    fn define_session(&mut self, id: SessionId, participant: ParticipantId) -> Answer {
        if id.index() != self.sessions.len() + 1 {
            return Err(RejectReason::IdOutOfOrder);
        }
        if self.limits.is_none_or(|limits| limits.sessions_max as usize == self.sessions.len()) {
            return Err(RejectReason::TableFull);
        }
        self.sessions.push(Session::new(participant));
        self.events.push(Event::SessionDefined { id });
        Ok(())
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

    fn relay(&mut self, session: SessionId, relay: &Relay) {
        let Relay { shard, first, count } = *relay;
        let msg = MsgSeqNum(self.session(session).outbound.saturating_add(1));
        self.session(session).outbound = self.session(session).outbound.saturating_add(count);
        self.events.push(Event::Relayed(Relayed { session, shard, first, msg, count }));
    }

    fn note(&mut self, input: &Input, numbering: Numbering) {
        match numbering {
            Numbering::InboundOnly => return,
            Numbering::Reset | Numbering::Clear => {
                self.session(input.session).outbound = 0;
                self.session(input.session).inbound = input.inbound;
                if numbering == Numbering::Clear {
                    return;
                }
            }
            Numbering::Next => {}
        }
        let msg = self.msg(input.session);
        self.events.push(Event::Numbered { session: input.session, msg });
    }

    fn status(&mut self, session: SessionId, target: OrderNumber) {
        let working = self.find(session, target).ok().map(|order| WorkingOrder {
            order_id: order.id,
            leaves_qty: Qty::from_lots(order.leaves()),
            cum_qty: Qty::from_lots(order.cum_qty),
            notional: Notional::from_tick_lots(order.notional),
        });
        let msg = self.msg(session);
        let reported = StatusReported { session, target, msg, working };
        self.events.push(Event::StatusReported(reported));
    }

    fn refuse(&mut self, session: SessionId, request: RefusedRequest, reason: RejectReason) {
        match request {
            RefusedRequest::New(number) => {
                let reason = self.use_number(session, number).err().unwrap_or(reason);
                let msg = self.msg(session);
                self.events.push(Event::Rejected(Rejected { session, number, msg, reason }));
            }
            RefusedRequest::Cancel { target } => {
                self.reject_cancel(session, target, CancelRequest::Cancel, reason);
            }
            RefusedRequest::Replace { number, target } => {
                let used = match number {
                    OrderNumber::NONE => Ok(()),
                    _ => self.use_number(session, number),
                };
                let reason = used.err().unwrap_or(reason);
                self.reject_cancel(session, target, CancelRequest::Replace, reason);
            }
            RefusedRequest::MassCancel => {
                let msg = self.msg(session);
                self.events.push(Event::MassCancelRejected { session, msg, reason });
            }
        }
    }
}
