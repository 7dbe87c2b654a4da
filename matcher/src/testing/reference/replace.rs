//! Cancels, replaces, expiry, mass cancels.

use super::Reference;
use super::enter::{admit_phase, admit_slices};
use super::order::{Order, Standing};
use crate::command::{Input, MassCancelScope, ReduceOrder, ReplaceOrder, Trigger};
use crate::event::{
    CancelReason, CancelRejected, CancelRequest, Canceled, Event, HeldReason, Priority,
    RejectReason, Replaced, RestateReason,
};
use crate::types::{
    InstrumentId, MsgSeqNum, Notional, OrderNumber, OrderRef, Price, Qty, SessionId, TimeInForce,
    Timestamp,
};

impl Reference {
    pub(super) fn find(
        &self,
        session: SessionId,
        target: OrderNumber,
    ) -> Result<Order, RejectReason> {
        let mut orders = self.orders.iter();
        if let Some(order) = orders.find(|order| order.session == session && order.number == target)
        {
            return Ok(*order);
        }
        let used = 1..=self.sessions[session.index() - 1].last_number;
        Err(if used.contains(&target.0) {
            RejectReason::TooLate
        } else {
            RejectReason::UnknownOrder
        })
    }

    pub(super) fn cancel(&mut self, session: SessionId, target: OrderNumber) {
        match self.find(session, target) {
            Ok(order) => self.take_off(order, CancelReason::Requested),
            Err(reason) => self.reject_cancel(session, target, CancelRequest::Cancel, reason),
        }
    }

    pub(super) fn reduce(&mut self, session: SessionId, reduce: &ReduceOrder) {
        let ReduceOrder { target, qty } = *reduce;
        let old = match self.find(session, target) {
            Ok(order) if qty.lots() <= order.cum_qty => {
                return self.take_off(order, CancelReason::Requested);
            }
            Ok(order) => order,
            Err(reason) => {
                return self.reject_cancel(session, target, CancelRequest::Cancel, reason);
            }
        };
        let mut new = Order { order_qty: old.order_qty.min(qty.lots()), ..old };
        let mut cut_qty = 0;
        if let Standing::Displayed(shown) = old.standing {
            // What is not displayed goes first.
            let left = shown.min(new.leaves());
            new.standing = Standing::Displayed(left);
            cut_qty = shown - left;
        }
        for order in &mut self.orders {
            if order.id == old.id {
                *order = new;
            }
        }
        let msg = self.msg(session);
        self.events.push(Event::Replaced(Replaced {
            session,
            old_number: target,
            number: target,
            msg,
            order_id: old.id,
            instrument: old.instrument,
            priority: Priority::Kept,
            old_ref: old.public_place(),
            price: old.limit.unwrap_or_default(),
            order_qty: Qty::from_lots(new.order_qty),
            leaves_qty: Qty::from_lots(new.leaves()),
            old_leaves_qty: Qty::from_lots(old.leaves()),
            cut_qty: Qty::from_lots(cut_qty),
            notional: Notional::from_tick_lots(old.notional),
        }));
    }

    pub(super) fn take_off(&mut self, order: Order, reason: CancelReason) {
        self.orders.retain(|other| other.id != order.id);
        self.report_canceled(&order, reason);
    }

    pub(super) fn report_canceled(&mut self, order: &Order, reason: CancelReason) {
        let msg = self.msg(order.session);
        self.events.push(Event::Canceled(Canceled {
            session: order.session,
            number: order.number,
            msg,
            order_id: order.id,
            instrument: order.instrument,
            order_ref: order.public_place(),
            reason,
            canceled_qty: Qty::from_lots(order.leaves()),
            cum_qty: Qty::from_lots(order.cum_qty),
            notional: Notional::from_tick_lots(order.notional),
        }));
    }

    pub(super) fn reject_cancel(
        &mut self,
        session: SessionId,
        target: OrderNumber,
        request: CancelRequest,
        reason: RejectReason,
    ) {
        let msg = self.msg(session);
        let rejected = CancelRejected { session, target, msg, request, reason };
        self.events.push(Event::CancelRejected(rejected));
    }

    /// `stop` is the new stop price that a [`crate::Command::ReplaceStop`] asks for.
    pub(super) fn replace(
        &mut self,
        session: SessionId,
        replace: &ReplaceOrder,
        stop: Option<Price>,
    ) {
        // The target is looked for first: what is asked for is no order of that name yet.
        let found = self.find(session, replace.target);
        let number = match replace.number {
            OrderNumber::NONE => Ok(()),
            number => self.use_number(session, number),
        };
        let verdict = number.and(found).and_then(|old| {
            let (new, priority) = self.admit_replace(replace, stop, &old)?;
            Ok((old, new, priority))
        });
        let (old, mut new, priority) = match verdict {
            Ok(admitted) => admitted,
            Err(reason) => {
                let request = CancelRequest::Replace;
                return self.reject_cancel(session, replace.target, request, reason);
            }
        };
        let mut cut_qty = 0;
        if let (Priority::Kept, Standing::Displayed(shown)) = (priority, old.standing) {
            let left = shown.min(new.leaves());
            new.standing = Standing::Displayed(left);
            cut_qty = shown - left;
        }
        let asked = if old.limit.is_some() { replace.price } else { Price::from_ticks(0) };
        let msg = self.msg(session);
        self.events.push(Event::Replaced(Replaced {
            session,
            old_number: old.number,
            number: new.number,
            msg,
            order_id: old.id,
            instrument: old.instrument,
            priority,
            old_ref: old.public_place(),
            price: asked,
            order_qty: replace.qty,
            leaves_qty: Qty::from_lots(new.leaves()),
            old_leaves_qty: Qty::from_lots(old.leaves()),
            cut_qty: Qty::from_lots(cut_qty),
            notional: Notional::from_tick_lots(old.notional),
        }));
        self.orders.retain(|order| order.id != old.id);
        if priority == Priority::Kept || new.elected.is_some() {
            self.orders.push(new);
            return;
        }
        new.standing = Standing::Incoming;
        new.entry_place = OrderRef::NONE;
        if new.limit.is_some_and(|limit| limit != asked) {
            self.restate(&new, RestateReason::Slide, 0);
        }
        self.send_in(new, 0);
    }

    /// The order as it would be, and what becomes of its place.
    fn admit_replace(
        &self,
        replace: &ReplaceOrder,
        stop: Option<Price>,
        old: &Order,
    ) -> Result<(Order, Priority), RejectReason> {
        if (replace.instrument, replace.side) != (old.instrument, old.side) {
            return Err(RejectReason::OrderMismatch);
        }
        let id = old.instrument;
        self.admit_permission(old.session, id)?;
        admit_phase(self.markets[id.index()].instrument.phase)?;
        self.admit_qty(id, replace.qty)?;
        if old.display_qty != 0 {
            admit_slices(replace.qty, Qty::from_lots(old.display_qty))?;
        }
        let mut new = Order { order_qty: replace.qty.lots(), ..*old };
        if replace.number != OrderNumber::NONE {
            new.number = replace.number;
        }
        if let Some(price) = stop {
            let is_stop = matches!(old.trigger, Trigger::Stop(_));
            if !is_stop || !old.is_held_for(HeldReason::Stop) || old.elected.is_some() {
                return Err(RejectReason::NotAStop);
            }
            self.admit_trigger(id, price)?;
            new.trigger = Trigger::Stop(price);
        }
        if old.limit.is_some() {
            self.admit_price(id, replace.price)?;
            new.limit = Some(replace.price);
            self.admit_in_band(&new)?;
        }
        if replace.qty.lots() <= old.cum_qty {
            return Err(RejectReason::QtyBelowCum);
        }
        if old.is_displayed() && new.limit == old.limit && new.order_qty < old.order_qty {
            return Ok((new, Priority::Kept));
        }
        // What follows is asked of a market without the order.
        let mut market = self.clone();
        market.orders.retain(|order| order.id != old.id);
        new.standing = Standing::Incoming;
        new.limit = market.limit_of_liquidity(&new)?;
        new.value_price = market.value_price(&new);
        market.admit_risk(&new, Err(RejectReason::NoReference))?;
        if new.elected.is_some() {
            new.standing = old.standing;
        } else {
            market.admit_level(&new)?;
        }
        Ok((new, Priority::Lost))
    }

    fn cancel_all(&mut self, orders: &[Order], reason: CancelReason) -> u32 {
        for order in orders {
            self.take_off(*order, reason);
        }
        u32::try_from(orders.len()).expect("orders_max is a u32")
    }

    pub(super) fn mass_cancel(&mut self, input: &Input, scope: MassCancelScope) {
        let session = input.session;
        let venue = session == SessionId::VENUE;
        let verdict = match scope {
            MassCancelScope::Instrument(_) if !venue => Err(RejectReason::NotPermitted),
            MassCancelScope::Instrument(id) | MassCancelScope::SessionInstrument(id)
                if id.index() >= self.markets.len() =>
            {
                Err(RejectReason::UnknownInstrument)
            }
            _ => Ok(()),
        };
        if let Err(reason) = verdict {
            let msg = self.msg(session);
            return self.events.push(Event::MassCancelRejected { session, msg, reason });
        }
        let orders = match scope {
            MassCancelScope::Session => {
                self.cancel_session(session, None, CancelReason::MassCancel)
            }
            MassCancelScope::SessionInstrument(id) => {
                self.cancel_session(session, Some(id), CancelReason::MassCancel)
            }
            MassCancelScope::Instrument(id) => self.cancel_book(id, CancelReason::Venue),
        };
        let msg = match input.inbound {
            MsgSeqNum::NONE => MsgSeqNum::NONE,
            _ => self.msg(session),
        };
        self.events.push(Event::MassCanceled { session, msg, orders });
    }

    /// In order of numbers.
    pub(super) fn cancel_session(
        &mut self,
        session: SessionId,
        only: Option<InstrumentId>,
        reason: CancelReason,
    ) -> u32 {
        let mut orders = self.orders.clone();
        orders.retain(|order| order.session == session);
        orders.retain(|order| only.is_none_or(|id| order.instrument == id));
        orders.sort_by_key(|order| order.number);
        self.cancel_all(&orders, reason)
    }

    pub(super) fn cancel_book(&mut self, id: InstrumentId, reason: CancelReason) -> u32 {
        let mut orders = self.orders_of(id);
        Reference::in_order_of_the_book(&mut orders);
        self.cancel_all(&orders, reason)
    }

    pub(super) fn expire_day(&mut self) {
        let mut orders = self.orders.clone();
        orders.retain(|order| {
            matches!(
                order.time_in_force,
                TimeInForce::Day | TimeInForce::AtOpen | TimeInForce::AtClose | TimeInForce::Gfa
            )
        });
        Reference::in_order_of_the_book(&mut orders);
        self.cancel_all(&orders, CancelReason::Expired);
    }

    pub(super) fn expire(&mut self, now: Timestamp) {
        let mut orders = self.orders.clone();
        orders.retain(|order| order.time_in_force == TimeInForce::Gtd && order.expire_at <= now);
        orders.sort_by_key(|order| (order.expire_at, order.entry_place));
        self.cancel_all(&orders, CancelReason::Expired);
    }
}
