//! Orders that are more than a plain limit or market order, and plain ones in a book that is not plain.
//!
//! An order is admitted ([`Engine::admit_special`], the checks of RULES.md, section 2, in their order),
//! told, and goes where its phase and its terms send it ([`Engine::dispatch`]): held, displayed, or
//! matched. Everything that brings an order to life ends in [`Engine::handle`].

use super::permit::admit_permission;
use super::{Engine, admit_price, admit_qty};
use crate::accounts::{Exposure, Worth};
use crate::book::{Ended, Incoming, Sides, Store, Taker, any_price};
use crate::command::{Input, Liquidity, NewOrder, OrderKind, Peg, Terms, Trigger};
use crate::event::{
    Accepted, CancelReason, Event, EventSink, HeldReason, RejectReason, Rejected, RestateReason,
    Triggered,
};
use crate::extras::{Extra, OFFSET_MAX, SLICES_MAX, is_for_auction};
use crate::instrument::{BandAction, Phase};
use crate::orders::Done;
use crate::pool::{Id, Pooled};
use crate::types::{OrderId, OrderRef, Price, Qty, Side, TimeInForce, Timestamp};

/// What is known of an order when it has been admitted.
pub(super) struct Admitted {
    pub(super) incoming: Incoming,
    /// Its price is not the one asked for.
    pub(super) restated: Option<RestateReason>,
    /// It takes the best price of the other side, and there is none.
    pub(super) finds_nobody: bool,
}

/// Where an order goes that is not held by its terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Match,
    Display,
    Hold(HeldReason),
}

impl Engine {
    /// Enters an order by the general path.
    #[cold]
    #[inline(never)]
    pub(super) fn enter_special<S: EventSink>(
        &mut self,
        input: &Input,
        new: &NewOrder,
        terms: &Terms,
        events: &mut S,
    ) {
        let NewOrder { number, instrument, .. } = *new;
        let session = input.session;
        let admitted =
            self.use_number(session, number).and_then(|()| self.admit_special(input, new, terms));
        let msg = self.store.sessions.next_msg(session);
        let admitted = match admitted {
            Ok(admitted) => admitted,
            Err(reason) => {
                return events.event(&Event::Rejected(Rejected { session, number, msg, reason }));
            }
        };
        events.event(&Event::Accepted(Accepted { session, number, msg }));
        let Admitted { incoming, restated, finds_nobody } = admitted;
        if let Some(reason) = restated {
            let book = &self.books[instrument.index()];
            book.tell_restated(&mut self.store, &incoming, reason, Qty::ZERO, events);
        }
        if finds_nobody {
            self.cancel_incoming(&incoming, CancelReason::Market, events);
        } else {
            self.dispatch(incoming, terms.min_qty, events);
        }
        self.settle(instrument, events);
    }

    /// Decides whether an order may come in; returns it as it is to be handled.
    fn admit_special(
        &mut self,
        input: &Input,
        new: &NewOrder,
        terms: &Terms,
    ) -> Result<Admitted, RejectReason> {
        let NewOrder { instrument, side, kind, qty, time_in_force, .. } = *new;
        let book = self.books.get(instrument.index()).ok_or(RejectReason::UnknownInstrument)?;
        admit_permission(self.store.sessions.permission(input.session), book.permission)?;
        admit_in_phase(book.instrument.phase, new, terms)?;
        admit_qty(&book.instrument, qty)?;
        admit_terms(new, terms, input.timestamp)?;
        admit_sizes(book, qty, terms)?;
        let mut incoming = Incoming {
            taker: Taker {
                side,
                limit: any_price(side),
                leaves_qty: qty,
                done: Done::EMPTY,
                order_id: OrderId(input.sequence.0),
                order_ref: OrderRef::NONE,
                session: input.session,
                number: new.number,
                account: Id::NONE,
                stp_key: 0,
                extra: 0,
                time_in_force,
                liquidity: new.liquidity,
                flags: 0,
            },
            extra: Extra {
                instrument,
                side,
                trigger: terms.trigger,
                peg: terms.peg,
                display_qty: if terms.display_qty < qty { terms.display_qty } else { Qty::ZERO },
                expire_at: terms.expire_at,
                ..Extra::EMPTY
            },
            slot: Id::NONE,
        };
        let mut restated = None;
        match kind {
            OrderKind::Limit(price) => {
                admit_price(&book.instrument, price)?;
                self.admit_limit_in_band(&incoming.extra, price)?;
                incoming.set_limit(price);
                restated = self.admit_liquidity(&mut incoming)?;
            }
            OrderKind::Market => {}
            OrderKind::MarketToLimit => {
                if let Some(price) = book.best_price(side.opposite()) {
                    incoming.set_limit(price);
                    restated = Some(RestateReason::MarketToLimit);
                }
            }
        }
        let finds_nobody = kind == OrderKind::MarketToLimit && restated.is_none();
        let book = &self.books[instrument.index()];
        if !finds_nobody {
            incoming.extra.value_price = value_price(book, &incoming.extra);
        }
        let exposure = match finds_nobody {
            true => Exposure { worth: Worth::Nothing, ..exposure(&incoming) },
            false => exposure(&incoming),
        };
        let Store { sessions, accounts, .. } = &self.store;
        let row = sessions.account_row(input.session);
        let middle = || self.collar_middle(&incoming.extra);
        accounts.look_at(row, instrument, |account| account.admit(&exposure, middle))?;
        let (stp_key, flags) = self.store.sessions.self_trade_key(input.session);
        incoming.taker.stp_key = stp_key;
        incoming.taker.flags = flags;
        if !finds_nobody {
            self.admit_room(&incoming, kind)?;
        } else if self.store.orders.is_full() {
            return Err(RejectReason::TooManyOrders);
        }
        incoming.taker.account = self.store.account_of(input.session, instrument)?;
        Ok(Admitted { incoming, restated, finds_nobody })
    }

    /// Post-only: refuses the order, or lets it step back, if it would trade at once.
    pub(super) fn admit_liquidity(
        &self,
        incoming: &mut Incoming,
    ) -> Result<Option<RestateReason>, RejectReason> {
        let Taker { side, limit, liquidity, .. } = incoming.taker;
        let book = &self.books[incoming.extra.instrument.index()];
        if liquidity == Liquidity::Any || book.instrument.phase != Phase::Continuous {
            return Ok(None);
        }
        let best = book.best_without(&self.store, side.opposite(), incoming.slot);
        let Some(best) = best.filter(|best| side.accepts(limit, *best)) else {
            return Ok(None);
        };
        if liquidity == Liquidity::PostOnly {
            return Err(RejectReason::WouldTrade);
        }
        let behind = match side {
            Side::Buy => best.ticks().checked_sub(1),
            Side::Sell => best.ticks().checked_add(1),
        };
        let behind = behind.map(Price::from_ticks).ok_or(RejectReason::WouldTrade)?;
        let price = admit_price(&book.instrument, behind);
        incoming.set_limit(price.map_err(|_| RejectReason::WouldTrade)?);
        Ok(Some(RestateReason::Slide))
    }

    /// The limit price of an order against the band. That of a stop that waits is looked at when it
    /// comes to life.
    pub(super) fn admit_limit_in_band(
        &self,
        extra: &Extra,
        limit: Price,
    ) -> Result<(), RejectReason> {
        let book = &self.books[extra.instrument.index()];
        if self.held_by_terms(extra) != Some(HeldReason::Stop) && book.refuses(extra.side, limit) {
            return Err(RejectReason::PriceBand);
        }
        Ok(())
    }

    /// What the collar of an order is held against: of a stop that waits its price, which is where the
    /// market is when it comes to life.
    pub(super) fn collar_middle(&self, extra: &Extra) -> Option<Price> {
        match (self.held_by_terms(extra), extra.trigger) {
            (Some(HeldReason::Stop), Trigger::Stop(price)) => Some(price),
            _ => self.books[extra.instrument.index()].middle(),
        }
    }

    /// Room for what may become displayed or held.
    fn admit_room(&self, incoming: &Incoming, kind: OrderKind) -> Result<(), RejectReason> {
        let Taker { side, limit, time_in_force, .. } = incoming.taker;
        let book = &self.books[incoming.extra.instrument.index()];
        let held = self.held_by_terms(&incoming.extra);
        let way = self.way(incoming);
        let is_gone = kind == OrderKind::Market || !time_in_force.rests();
        if held.is_none() && way == Way::Match && is_gone {
            return Ok(());
        }
        if self.store.orders.is_full() {
            return Err(RejectReason::TooManyOrders);
        }
        let levels = &self.store.levels;
        let needs_level = self.may_be_displayed(incoming);
        if needs_level && levels.pool.is_full() && !book.has_level(levels, side, limit) {
            return Err(RejectReason::TooManyLevels);
        }
        Ok(())
    }

    /// Why an order is held whatever its phase and time in force are: a stop that is not reached, a peg.
    fn held_by_terms(&self, extra: &Extra) -> Option<HeldReason> {
        let book = &self.books[extra.instrument.index()];
        let is_continuous = book.instrument.phase == Phase::Continuous;
        if extra.peg != Peg::None {
            return Some(HeldReason::Peg);
        }
        if extra.trigger == Trigger::None || is_continuous && is_reached(book, extra) {
            return None;
        }
        Some(HeldReason::Stop)
    }

    /// Where an order goes that its terms do not hold.
    fn way(&self, incoming: &Incoming) -> Way {
        let time_in_force = incoming.taker.time_in_force;
        let phase = self.books[incoming.extra.instrument.index()].instrument.phase;
        if phase == Phase::Continuous {
            let waits = is_for_auction(time_in_force);
            return if waits { Way::Hold(HeldReason::Waiting) } else { Way::Match };
        }
        if time_in_force == TimeInForce::AtClose && phase != Phase::ClosingAuction {
            return Way::Hold(HeldReason::Waiting);
        }
        if incoming.is_market() { Way::Hold(HeldReason::Auction) } else { Way::Display }
    }

    /// Whether what is left of an order may come to stand in the book.
    pub(super) fn may_be_displayed(&self, incoming: &Incoming) -> bool {
        let is_held = self.held_by_terms(&incoming.extra).is_some();
        !is_held && !incoming.is_market() && !matches!(self.way(incoming), Way::Hold(_))
    }

    /// Sends an order where it belongs: beside the book, into it, or to the other side.
    pub(super) fn dispatch<S: EventSink>(
        &mut self,
        mut incoming: Incoming,
        min_qty: Qty,
        events: &mut S,
    ) {
        let instrument = incoming.extra.instrument;
        let held = self.held_by_terms(&incoming.extra);
        if held.is_none() && incoming.extra.trigger != Trigger::None {
            incoming.extra.trigger = Trigger::None;
            self.tell_triggered(&incoming, events);
        }
        let way = held.map_or_else(|| self.way(&incoming), Way::Hold);
        let book = &mut self.books[instrument.index()];
        match way {
            Way::Match => self.handle(incoming, min_qty, events),
            Way::Display => book.show(&mut self.store, &incoming, events),
            Way::Hold(reason) => {
                if let Trigger::Trailing(_) = incoming.extra.trigger {
                    incoming.extra.peak = incoming.extra.peak.or(book.last);
                }
                book.hold(&mut self.store, &incoming, reason, events);
            }
        }
    }

    /// Lets an order that has come to life trade, and what is left of it rest or end.
    pub(super) fn handle<S: EventSink>(
        &mut self,
        mut incoming: Incoming,
        min_qty: Qty,
        events: &mut S,
    ) {
        let Taker { side, leaves_qty, time_in_force, .. } = incoming.taker;
        let instrument = incoming.extra.instrument;
        let book = &mut self.books[instrument.index()];
        let mut terms = book.terms(side);
        let (wanted, reason) = match time_in_force {
            TimeInForce::Fok => (leaves_qty, CancelReason::Fok),
            _ => (min_qty, CancelReason::MinQty),
        };
        if !wanted.is_zero() {
            if !book.has_enough(&self.store, &incoming.taker, wanted, &terms) {
                return self.cancel_incoming(&incoming, reason, events);
            }
            terms.has_looked = true;
        }
        let ended = book.cross_special(&mut self.store, &mut incoming, &terms, events);
        if ended == Ended::SelfTrade || incoming.taker.leaves_qty.is_zero() {
            return book.let_go(&mut self.store, &incoming);
        }
        let action = book.band_action();
        if ended == Ended::Edge && action == BandAction::Reject {
            return self.cancel_incoming(&incoming, CancelReason::PriceBand, events);
        }
        self.finish(&incoming, events);
        if ended == Ended::Edge {
            self.interrupt(instrument, events);
        }
    }

    /// What is left of an order after matching rests or is canceled.
    fn finish<S: EventSink>(&mut self, incoming: &Incoming, events: &mut S) {
        let Taker { side, limit, time_in_force, .. } = incoming.taker;
        let instrument = incoming.extra.instrument;
        let book = &mut self.books[instrument.index()];
        let levels = &self.store.levels;
        let reason = match time_in_force {
            TimeInForce::Fok => CancelReason::Fok,
            _ if incoming.is_market() => CancelReason::Market,
            TimeInForce::Ioc => CancelReason::Ioc,
            _ if levels.pool.is_full() && !book.has_level(levels, side, limit) => {
                CancelReason::NoRoom
            }
            _ => return book.show(&mut self.store, incoming, events),
        };
        self.cancel_incoming(incoming, reason, events);
    }

    /// Ends an order that is being handled, and says so.
    pub(super) fn cancel_incoming<S: EventSink>(
        &mut self,
        incoming: &Incoming,
        reason: CancelReason,
        events: &mut S,
    ) {
        let mut incoming = *incoming;
        incoming.taker.order_ref = OrderRef::NONE;
        let book = &mut self.books[incoming.extra.instrument.index()];
        book.cancel_lifted(&mut self.store, &incoming, reason, events);
    }

    /// A stop has come to life.
    pub(super) fn tell_triggered<S: EventSink>(&mut self, incoming: &Incoming, events: &mut S) {
        let Taker { session, number, order_id, leaves_qty, .. } = incoming.taker;
        events.event(&Event::Triggered(Triggered {
            session,
            number,
            msg: self.store.sessions.next_msg(session),
            order_id,
            instrument: incoming.extra.instrument,
            leaves_qty,
        }));
    }
}

/// Whether the last trade has reached the trigger of a stop that is being entered.
fn is_reached(book: &Sides, extra: &Extra) -> bool {
    let Some(last) = book.last else { return false };
    match extra.trigger {
        Trigger::Stop(price) => extra.side.opposite().accepts(price, last),
        // Its trigger is away from the last trade.
        Trigger::Trailing(_) | Trigger::None => false,
    }
}

/// What the risk of an order is valued at.
pub(super) fn value_price(book: &Sides, extra: &Extra) -> Option<Price> {
    match (extra.limit, extra.trigger) {
        (Some(limit), _) => Some(limit),
        (None, Trigger::Stop(price)) => Some(price),
        (None, _) => book.middle(),
    }
}

/// What an account is asked about an order.
pub(super) fn exposure(incoming: &Incoming) -> Exposure {
    let Incoming { taker, extra, .. } = incoming;
    let worth = extra.value_price.map_or(Worth::Unknown, Worth::At);
    Exposure { side: taker.side, qty: taker.leaves_qty, limit: extra.limit, worth }
}

fn admit_in_phase(phase: Phase, new: &NewOrder, terms: &Terms) -> Result<(), RejectReason> {
    match phase {
        Phase::Halt => return Err(RejectReason::Halted),
        Phase::Closed => return Err(RejectReason::Closed),
        _ => {}
    }
    let is_for_now = matches!(new.time_in_force, TimeInForce::Ioc | TimeInForce::Fok)
        || new.kind == OrderKind::MarketToLimit
        || !terms.min_qty.is_zero();
    let is_for_the_opening = new.time_in_force == TimeInForce::AtOpen;
    let opens = matches!(phase, Phase::PreOpen | Phase::OpeningAuction);
    if is_for_now && phase != Phase::Continuous || is_for_the_opening && !opens {
        return Err(RejectReason::WrongPhase);
    }
    Ok(())
}

/// Whether type, time in force, liquidity and terms go together, and the time to expire.
fn admit_terms(new: &NewOrder, terms: &Terms, now: Timestamp) -> Result<(), RejectReason> {
    if !is_consistent(new, terms) {
        return Err(RejectReason::Contradiction);
    }
    let expires = new.time_in_force == TimeInForce::Gtd;
    let is_right = if expires { terms.expire_at > now } else { terms.expire_at.0 == 0 };
    if is_right { Ok(()) } else { Err(RejectReason::ExpireTime) }
}

/// The table of RULES.md, section 2.
fn is_consistent(new: &NewOrder, terms: &Terms) -> bool {
    let NewOrder { kind, time_in_force, liquidity, .. } = *new;
    let is_limit = matches!(kind, OrderKind::Limit(_));
    let stays = matches!(time_in_force, TimeInForce::Day | TimeInForce::Gtc | TimeInForce::Gtd);
    let asked = u32::from(!terms.display_qty.is_zero())
        + u32::from(!terms.min_qty.is_zero())
        + u32::from(terms.trigger != Trigger::None)
        + u32::from(terms.peg != Peg::None);
    if asked > 1 || (liquidity != Liquidity::Any && !(is_limit && stays)) {
        return false;
    }
    let is_plain = asked == 0;
    let is_iceberg = !terms.display_qty.is_zero();
    if is_iceberg {
        return is_limit && stays;
    }
    if !is_plain && liquidity != Liquidity::Any {
        return false;
    }
    if kind == OrderKind::MarketToLimit {
        return is_plain && stays;
    }
    if is_for_auction(time_in_force) {
        return is_plain;
    }
    if !terms.min_qty.is_zero() {
        return stays || time_in_force == TimeInForce::Ioc;
    }
    match terms.trigger {
        Trigger::Trailing(_) => !is_limit && stays,
        Trigger::Stop(_) => stays,
        Trigger::None => terms.peg == Peg::None || stays,
    }
}

/// Quantities, trigger and offset of the terms.
fn admit_sizes(book: &Sides, qty: Qty, terms: &Terms) -> Result<(), RejectReason> {
    let Terms { display_qty, min_qty, trigger, peg, .. } = *terms;
    if !display_qty.is_zero() {
        admit_slices(qty, display_qty)?;
        if display_qty < book.instrument.qty_min {
            return Err(RejectReason::DisplayQty);
        }
    }
    if min_qty > qty {
        return Err(RejectReason::MinQty);
    }
    match trigger {
        Trigger::None => {}
        Trigger::Stop(price) => admit_trigger(book, price)?,
        Trigger::Trailing(offset) if offset == 0 || offset > OFFSET_MAX => {
            return Err(RejectReason::TriggerPrice);
        }
        Trigger::Trailing(_) => {}
    }
    match peg {
        Peg::Primary(offset) | Peg::Midpoint(offset) if offset > OFFSET_MAX => {
            Err(RejectReason::PegOffset)
        }
        _ => Ok(()),
    }
}

/// The number of slices of an iceberg.
pub(super) fn admit_slices(qty: Qty, display_qty: Qty) -> Result<(), RejectReason> {
    if u128::from(qty.lots()) > SLICES_MAX * u128::from(display_qty.lots()) {
        return Err(RejectReason::DisplayQty);
    }
    Ok(())
}

/// The price of a stop.
pub(super) fn admit_trigger(book: &Sides, price: Price) -> Result<(), RejectReason> {
    admit_price(&book.instrument, price).map_err(|_| RejectReason::TriggerPrice)?;
    Ok(())
}
