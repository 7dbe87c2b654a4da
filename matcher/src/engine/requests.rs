//! What a session asks beside orders: mass cancels, states of orders, what its border refused, numbers.

use super::Engine;
use crate::book::Sides;
use crate::command::{Input, MassCancelScope, Numbering, RefusedRequest, Relay};
use crate::event::{
    CancelReason, CancelRequest, Event, EventSink, RejectReason, Rejected, Relayed, StatusReported,
    WorkingOrder,
};
use crate::orders::{Done, Order};
use crate::types::{InstrumentId, MsgSeqNum, OrderNumber, SessionId};

/// Requests that concern a session.
impl Engine {
    /// Numbers for messages that another shard's journal holds.
    pub(super) fn relay<S: EventSink>(
        &mut self,
        session: SessionId,
        relay: &Relay,
        events: &mut S,
    ) {
        let Relay { shard, first, count } = *relay;
        let msg = self.store.sessions.next_msgs(session, count);
        events.event(&Event::Relayed(Relayed { session, shard, first, msg, count }));
    }

    pub(super) fn mass_cancel<S: EventSink>(
        &mut self,
        input: &Input,
        scope: MassCancelScope,
        events: &mut S,
    ) {
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
        let orders = self.clear_session(session, only, CancelReason::MassCancel, events);
        // One that no message of the session asked for (its connection ended) is not reported to it as
        // such: it sees its orders canceled.
        let msg = match input.inbound {
            MsgSeqNum::NONE => MsgSeqNum::NONE,
            _ => self.store.sessions.next_msg(session),
        };
        events.event(&Event::MassCanceled { session, msg, orders });
        self.settle_touched(events);
    }

    /// Takes the working orders of a session off, all or those in one instrument; returns how many there
    /// were.
    ///
    /// Those in one instrument are looked for among all, until the participant has none there any more.
    pub(super) fn clear_session<S: EventSink>(
        &mut self,
        session: SessionId,
        only: Option<InstrumentId>,
        reason: CancelReason,
        events: &mut S,
    ) -> u32 {
        let mut orders = 0;
        let mut at = self.store.sessions.first(session);
        let row = self.store.sessions.account_row(session);
        let account = only.map(|only| self.store.accounts.find(row, only));
        while at.is_some() {
            // None has no orders at all.
            if account.is_some_and(|it| self.store.accounts.get(it).open_orders == 0) {
                break;
            }
            let next = self.store.sessions.after(session, self.store.orders[at].number);
            let instrument = self.instrument_of(at);
            if only.is_none_or(|only| only == instrument) {
                let book = &mut self.books[instrument.index()];
                book.cancel_standing(&mut self.store, at, reason, events);
                self.touch(instrument);
                orders += 1;
            }
            at = next;
        }
        orders
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

    pub(super) fn report_status<S: EventSink>(
        &mut self,
        session: SessionId,
        target: OrderNumber,
        events: &mut S,
    ) {
        let working = self.store.sessions.find(session, target).ok().map(|slot| {
            let order = &self.store.orders[slot];
            let Done { cum_qty, notional } = self.store.orders.done(order.done);
            let Order { order_id, leaves_qty, .. } = *order;
            let leaves_qty = leaves_qty + Sides::reserve_of(&self.store, slot);
            WorkingOrder { order_id, leaves_qty, cum_qty, notional }
        });
        let msg = self.store.sessions.next_msg(session);
        events.event(&Event::StatusReported(StatusReported { session, target, msg, working }));
    }

    pub(super) fn refuse_request<S: EventSink>(
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
                let reason = self.use_replace_number(session, number).err().unwrap_or(reason);
                self.reject_cancel(session, target, CancelRequest::Replace, reason, events);
            }
            RefusedRequest::MassCancel => self.reject_mass_cancel(session, reason, events),
        }
    }

    pub(super) fn note<S: EventSink>(
        &mut self,
        input: &Input,
        numbering: Numbering,
        events: &mut S,
    ) {
        let session = input.session;
        match numbering {
            Numbering::Next => {}
            Numbering::InboundOnly => return,
            Numbering::Reset | Numbering::Clear => {
                if let Some(state) = self.store.sessions.state_mut(session) {
                    state.last_inbound = input.inbound;
                    state.last_outbound = MsgSeqNum::NONE;
                }
            }
        }
        if numbering == Numbering::Clear {
            return;
        }
        let msg = self.store.sessions.next_msg(session);
        events.event(&Event::Numbered { session, msg });
    }
}
