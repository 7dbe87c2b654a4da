//! Replaces of special orders, and of plain ones in a book that is not plain. RULES.md, section 6.

use super::permit::admit_permission;
use super::special::{admit_slices, admit_trigger, exposure, value_price};
use super::{Engine, admit_price, admit_qty};
use crate::book::{Incoming, Sides, Taker};
use crate::command::{Input, ReplaceOrder, Trigger};
use crate::event::{
    CancelRequest, Event, EventSink, Priority, RejectReason, Replaced, RestateReason,
};
use crate::extras::{Extra, Standing};
use crate::instrument::Phase;
use crate::orders::Order;
use crate::pool::Id;
use crate::types::{OrderRef, Price, Qty};

/// What a replace does to an order.
enum Change {
    /// It stays where it stands, and less of it works.
    Lessen,
    /// It is taken off and enters again as this.
    Enter(Incoming, Option<RestateReason>),
    /// It waits to come to life, as this.
    Elected(Incoming),
}

impl Engine {
    /// Replaces an order by the general path; `stop` is the new stop price of a `ReplaceStop`.
    #[cold]
    #[inline(never)]
    pub(super) fn replace_special<S: EventSink>(
        &mut self,
        input: &Input,
        replace: &ReplaceOrder,
        stop: Option<Price>,
        events: &mut S,
    ) {
        let ReplaceOrder { number, target, qty, .. } = *replace;
        let session = input.session;
        // The target is looked for first: what is asked for is no order of that name yet.
        let found = self.store.sessions.find(session, target);
        let admitted = self
            .use_replace_number(session, number)
            .and_then(|()| found.map_err(RejectReason::from))
            .and_then(|slot| Ok((slot, self.admit_change(replace, stop, slot)?)));
        let (slot, change) = match admitted {
            Ok(admitted) => admitted,
            Err(reason) => {
                let request = CancelRequest::Replace;
                return self.reject_cancel(session, target, request, reason, events);
            }
        };
        let instrument = self.instrument_of(slot);
        match change {
            Change::Lessen => {
                let book = &mut self.books[instrument.index()];
                book.lessen_special(&mut self.store, slot, number, qty, events);
            }
            Change::Enter(incoming, restated) => {
                self.enter_changed(incoming, replace, restated, events);
            }
            Change::Elected(mut incoming) => {
                self.tell_replaced(&mut incoming, replace, events);
                let book = &mut self.books[instrument.index()];
                book.change_elected(&mut self.store, &incoming);
            }
        }
        self.settle(instrument, events);
    }

    /// Decides whether an order may be replaced, and what becomes of it.
    fn admit_change(
        &self,
        replace: &ReplaceOrder,
        stop: Option<Price>,
        slot: Id<Order>,
    ) -> Result<Change, RejectReason> {
        let ReplaceOrder { instrument, side, price, qty, .. } = *replace;
        let book = &self.books[self.instrument_of(slot).index()];
        let mut incoming = book.look_at(&self.store, slot);
        let Extra { limit, display_qty, .. } = incoming.extra;
        if instrument != book.id || side != incoming.taker.side {
            return Err(RejectReason::OrderMismatch);
        }
        let permission = self.store.sessions.permission(incoming.taker.session);
        admit_permission(permission, book.permission)?;
        match book.instrument.phase {
            Phase::Halt => return Err(RejectReason::Halted),
            Phase::Closed => return Err(RejectReason::Closed),
            _ => {}
        }
        admit_qty(&book.instrument, qty)?;
        if !display_qty.is_zero() {
            admit_slices(qty, display_qty)?;
        }
        let standing = self.standing(slot);
        if let Some(trigger) = stop {
            if standing != Standing::Stop {
                return Err(RejectReason::NotAStop);
            }
            admit_trigger(book, trigger)?;
            incoming.extra.trigger = Trigger::Stop(trigger);
        }
        if limit.is_some() {
            admit_price(&book.instrument, price)?;
            self.admit_limit_in_band(&incoming.extra, price)?;
        }
        let Taker { leaves_qty: old_leaves_qty, done, .. } = incoming.taker;
        if qty <= done.cum_qty {
            return Err(RejectReason::QtyBelowCum);
        }
        let leaves_qty = qty - done.cum_qty;
        let is_less = leaves_qty < old_leaves_qty;
        if standing == Standing::Displayed && limit == Some(price) && is_less {
            return Ok(Change::Lessen);
        }
        incoming.taker.leaves_qty = leaves_qty;
        if limit.is_some() {
            incoming.set_limit(price);
        }
        let restated = match standing {
            Standing::Displayed => self.admit_liquidity(&mut incoming)?,
            _ => None,
        };
        incoming.extra.value_price = value_price(book, &incoming.extra);
        self.admit_risk_of_change(&incoming)?;
        if standing == Standing::Elected {
            return Ok(Change::Elected(incoming));
        }
        self.admit_level(&incoming, slot)?;
        Ok(Change::Enter(incoming, restated))
    }

    /// Decides whether its account lets an order come in again; its own share does not count.
    fn admit_risk_of_change(&self, incoming: &Incoming) -> Result<(), RejectReason> {
        let account = self.store.accounts.get(incoming.taker.account);
        if !account.is_limited() {
            return Ok(());
        }
        let mut account = *account;
        let book = &self.books[incoming.extra.instrument.index()];
        let now = book.look_at(&self.store, incoming.slot);
        let value = now.extra.value_price.unwrap_or_default();
        account.release(now.taker.side, now.taker.leaves_qty, value);
        account.admit(&exposure(incoming), || self.collar_middle(&incoming.extra))
    }

    /// Where a working order stands.
    fn standing(&self, slot: Id<Order>) -> Standing {
        let Order { level, extra, .. } = self.store.orders[slot];
        if level.is_some() {
            return Standing::Displayed;
        }
        self.store.extras[Id::from_raw(extra)].standing
    }

    /// Room for the level that a changed order may need. Its own gets free if it stands there alone.
    fn admit_level(&self, incoming: &Incoming, slot: Id<Order>) -> Result<(), RejectReason> {
        let Taker { side, limit, .. } = incoming.taker;
        let book = &self.books[incoming.extra.instrument.index()];
        let levels = &self.store.levels;
        let frees_one = match self.store.orders[slot].level.some() {
            Some(level) => levels.pool[level].orders == 1,
            None => false,
        };
        let is_there = frees_one || !levels.pool.is_full() || book.has_level(levels, side, limit);
        if !is_there && self.may_be_displayed(incoming) {
            return Err(RejectReason::TooManyLevels);
        }
        Ok(())
    }

    /// Takes an order from where it stands and enters it again, changed.
    fn enter_changed<S: EventSink>(
        &mut self,
        mut incoming: Incoming,
        replace: &ReplaceOrder,
        restated: Option<RestateReason>,
        events: &mut S,
    ) {
        let (slot, instrument) = (incoming.slot, incoming.extra.instrument);
        self.tell_replaced(&mut incoming, replace, events);
        let book = &mut self.books[instrument.index()];
        book.lift(&mut self.store, slot);
        if let Some(id) = Id::<Extra>::from_raw(incoming.taker.extra).some() {
            self.store.extras.forget_expiry(id);
            incoming.extra.expiry = Id::NONE;
        }
        incoming.taker.order_ref = OrderRef::NONE;
        if let Some(reason) = restated {
            let book = &self.books[instrument.index()];
            book.tell_restated(&mut self.store, &incoming, reason, Qty::ZERO, events);
        }
        self.dispatch(incoming, Qty::ZERO, events);
    }

    /// Gives an order its new number and tells what it is from now on. It still stands as it was.
    fn tell_replaced<S: EventSink>(
        &mut self,
        incoming: &mut Incoming,
        replace: &ReplaceOrder,
        events: &mut S,
    ) {
        let Incoming { taker, extra, slot } = *incoming;
        let book = &self.books[extra.instrument.index()];
        let old_leaves_qty = book.look_at(&self.store, slot).taker.leaves_qty;
        let number = Sides::rename(&mut self.store, slot, replace.number);
        incoming.taker.number = number;
        events.event(&Event::Replaced(Replaced {
            session: taker.session,
            old_number: taker.number,
            number,
            msg: self.store.sessions.next_msg(taker.session),
            order_id: taker.order_id,
            instrument: extra.instrument,
            priority: Priority::Lost,
            old_ref: taker.order_ref,
            price: if extra.limit.is_some() { replace.price } else { Price::default() },
            order_qty: replace.qty,
            leaves_qty: taker.leaves_qty,
            old_leaves_qty,
            cut_qty: Qty::ZERO,
            notional: taker.done.notional,
        }));
    }
}
