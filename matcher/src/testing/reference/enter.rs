//! New orders: the checks in their order, then where the order goes.

use super::order::{Order, Standing};
use super::{Answer, Reference};
use crate::command::{Input, Liquidity, NewOrder, OrderKind, Peg, Terms, Trigger};
use crate::event::{
    Accepted, CancelReason, Event, Held, HeldReason, RejectReason, Rejected, RestateReason,
    Restated, Rested, Triggered,
};
use crate::instrument::{BandAction, Phase};
use crate::types::{
    InstrumentId, Notional, OrderId, OrderRef, Price, Qty, Side, TimeInForce, Timestamp,
};

/// The most slices that an iceberg may have.
const SLICES_MAX: u128 = 10_000;

/// The largest offset of a trailing stop and of a peg.
const OFFSET_MAX: u64 = 1 << 62;

/// What an order does that came in.
enum Entrance {
    Hold(HeldReason),
    /// It stands in a call.
    Rest,
    /// A stop whose trigger the last trade has reached.
    Trigger,
    /// It trades, and what is left may rest.
    Cross,
}

impl Reference {
    pub(super) fn enter(&mut self, input: &Input, new: &NewOrder, terms: &Terms) {
        let (session, number) = (input.session, new.number);
        let verdict = self.use_number(session, number).and_then(|()| self.admit(input, new, terms));
        let msg = self.msg(session);
        let order = match verdict {
            Ok(order) => order,
            Err(reason) => {
                let rejected = Rejected { session, number, msg, reason };
                return self.events.push(Event::Rejected(rejected));
            }
        };
        self.events.push(Event::Accepted(Accepted { session, number, msg }));
        match new.kind {
            OrderKind::MarketToLimit if order.limit.is_none() => {
                return self.report_canceled(&order, CancelReason::Market);
            }
            OrderKind::MarketToLimit => {
                self.restate(&order, RestateReason::MarketToLimit, 0);
            }
            OrderKind::Limit(asked) if order.limit != Some(asked) => {
                self.restate(&order, RestateReason::Slide, 0);
            }
            _ => {}
        }
        self.send_in(order, terms.min_qty.lots());
    }

    pub(super) fn restate(&mut self, order: &Order, reason: RestateReason, cut: u64) {
        let msg = self.msg(order.session);
        self.events.push(Event::Restated(Restated {
            session: order.session,
            number: order.number,
            msg,
            order_id: order.id,
            instrument: order.instrument,
            reason,
            order_ref: order.public_place(),
            price: order.public_price(),
            cut_qty: Qty::from_lots(cut),
            leaves_qty: Qty::from_lots(order.leaves()),
            cum_qty: Qty::from_lots(order.cum_qty),
            notional: Notional::from_tick_lots(order.notional),
        }));
    }

    /// All checks of a new order but that of its number. An order with the limit it will have.
    fn admit(&self, input: &Input, new: &NewOrder, terms: &Terms) -> Result<Order, RejectReason> {
        let market = self.markets.get(new.instrument.index());
        let market = market.ok_or(RejectReason::UnknownInstrument)?;
        self.admit_permission(input.session, new.instrument)?;

        let phase = market.instrument.phase;
        admit_phase(phase)?;
        let needs_continuous = matches!(new.time_in_force, TimeInForce::Ioc | TimeInForce::Fok)
            || new.kind == OrderKind::MarketToLimit
            || !terms.min_qty.is_zero();
        if needs_continuous && phase != Phase::Continuous {
            return Err(RejectReason::WrongPhase);
        }
        if new.time_in_force == TimeInForce::AtOpen
            && !matches!(phase, Phase::PreOpen | Phase::OpeningAuction)
        {
            return Err(RejectReason::WrongPhase);
        }

        self.admit_qty(new.instrument, new.qty)?;
        if contradicts(new, terms) {
            return Err(RejectReason::Contradiction);
        }
        let in_time = match new.time_in_force {
            TimeInForce::Gtd => terms.expire_at > input.timestamp,
            _ => terms.expire_at == Timestamp(0),
        };
        if !in_time {
            return Err(RejectReason::ExpireTime);
        }

        let display_qty = if terms.display_qty < new.qty { terms.display_qty } else { Qty::ZERO };
        if !terms.display_qty.is_zero() {
            if terms.display_qty < market.instrument.qty_min {
                return Err(RejectReason::DisplayQty);
            }
            admit_slices(new.qty, terms.display_qty)?;
        }
        if terms.min_qty > new.qty {
            return Err(RejectReason::MinQty);
        }
        match terms.trigger {
            Trigger::Stop(price) => self.admit_trigger(new.instrument, price)?,
            Trigger::Trailing(offset) if offset == 0 || offset > OFFSET_MAX => {
                return Err(RejectReason::TriggerPrice);
            }
            Trigger::Trailing(_) | Trigger::None => {}
        }
        if let Peg::Primary(offset) | Peg::Midpoint(offset) = terms.peg
            && offset > OFFSET_MAX
        {
            return Err(RejectReason::PegOffset);
        }
        let limit = match new.kind {
            OrderKind::Limit(price) => {
                self.admit_price(new.instrument, price)?;
                Some(price)
            }
            OrderKind::Market => None,
            OrderKind::MarketToLimit => self.best_displayed(new.instrument, new.side.opposite()),
        };

        let session = &self.sessions[input.session.index() - 1];
        let mut order = Order {
            session: input.session,
            participant: session.participant,
            number: new.number,
            id: OrderId(input.sequence.0),
            instrument: new.instrument,
            side: new.side,
            limit,
            order_qty: new.qty.lots(),
            cum_qty: 0,
            notional: 0,
            time_in_force: new.time_in_force,
            liquidity: new.liquidity,
            display_qty: display_qty.lots(),
            expire_at: terms.expire_at,
            trigger: terms.trigger,
            peak: market.last,
            peg: terms.peg,
            standing: Standing::Incoming,
            place: OrderRef::NONE,
            entry_place: OrderRef::NONE,
            elected: None,
            group: session.group,
            mode: session.mode,
            value_price: None,
        };
        if new.kind != OrderKind::MarketToLimit {
            self.admit_in_band(&order)?;
        }
        order.limit = self.limit_of_liquidity(&order)?;
        if new.kind == OrderKind::MarketToLimit {
            order.value_price = limit;
            self.admit_risk(&order, Ok(()))?;
        } else {
            order.value_price = self.value_price(&order);
            self.admit_risk(&order, Err(RejectReason::NoReference))?;
        }
        self.admit_room(&order, new.kind)?;
        Ok(order)
    }

    /// Step 8.
    pub(super) fn admit_price(&self, id: InstrumentId, price: Price) -> Answer {
        let allows = self.markets[id.index()].allows(price);
        if allows { Ok(()) } else { Err(RejectReason::PriceOutOfRange) }
    }

    /// Step 9.
    pub(super) fn admit_in_band(&self, order: &Order) -> Answer {
        let pending = matches!(self.entrance(order), Entrance::Hold(HeldReason::Stop));
        if !pending && self.is_beyond_band(order) {
            return Err(RejectReason::PriceBand);
        }
        Ok(())
    }

    /// Whether its limit is one that the band does not let in.
    pub(super) fn is_beyond_band(&self, order: &Order) -> bool {
        let market = &self.markets[order.instrument.index()];
        let rejects = market.instrument.phase == Phase::Continuous
            && market.bands.action == BandAction::Reject;
        let beyond = |limit| market.band().ends_before(order.side, limit);
        rejects && order.limit.is_some_and(beyond)
    }

    /// What a collar is held against.
    pub(super) fn collar_middle(&self, order: &Order) -> Option<Price> {
        match self.entrance(order) {
            Entrance::Hold(HeldReason::Stop) => order.trigger_price(),
            _ => self.middle(order.instrument),
        }
    }

    pub(super) fn admit_qty(&self, id: InstrumentId, qty: Qty) -> Answer {
        let instrument = &self.markets[id.index()].instrument;
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

    pub(super) fn admit_trigger(&self, id: InstrumentId, price: Price) -> Answer {
        if self.markets[id.index()].allows(price) {
            Ok(())
        } else {
            Err(RejectReason::TriggerPrice)
        }
    }

    /// Step 10: the limit that an order has after all, if it may not trade at once.
    pub(super) fn limit_of_liquidity(&self, order: &Order) -> Result<Option<Price>, RejectReason> {
        let market = &self.markets[order.instrument.index()];
        let (Some(limit), Phase::Continuous) = (order.limit, market.instrument.phase) else {
            return Ok(order.limit);
        };
        if order.liquidity == Liquidity::Any {
            return Ok(order.limit);
        }
        let makers = self.makers_of(order.instrument, order.side.opposite());
        let best = makers.first().map(|(_, price)| *price);
        let Some(best) = best.filter(|price| order.side.accepts(limit, *price)) else {
            return Ok(order.limit);
        };
        let behind = match order.side {
            Side::Buy => best.ticks().checked_sub(1),
            Side::Sell => best.ticks().checked_add(1),
        };
        let behind = behind.map(Price::from_ticks).filter(|price| market.allows(*price));
        if order.liquidity == Liquidity::PostOnly || behind.is_none() {
            return Err(RejectReason::WouldTrade);
        }
        Ok(behind)
    }

    /// Step 12.
    fn admit_room(&self, order: &Order, kind: OrderKind) -> Answer {
        let entrance = self.entrance(order);
        let may_stay = match entrance {
            Entrance::Hold(_) | Entrance::Rest => true,
            Entrance::Cross | Entrance::Trigger => {
                order.time_in_force.rests() && kind != OrderKind::Market
            }
        };
        if !may_stay {
            return Ok(());
        }
        let limits = self.limits.ok_or(RejectReason::TooManyOrders)?;
        if self.orders.len() >= limits.orders_max as usize {
            return Err(RejectReason::TooManyOrders);
        }
        self.admit_level(order)
    }

    /// Whether there is a level for an order that could need one.
    pub(super) fn admit_level(&self, order: &Order) -> Answer {
        if !matches!(self.entrance(order), Entrance::Hold(_)) && !self.has_room_for_level(order) {
            return Err(RejectReason::TooManyLevels);
        }
        Ok(())
    }

    /// Whether the order could stand at its limit.
    pub(super) fn has_room_for_level(&self, order: &Order) -> bool {
        let Some(price) = order.limit else { return true };
        let mut levels = self.levels();
        levels.insert((order.instrument, order.side, price));
        self.limits.is_some_and(|limits| levels.len() <= limits.levels_max as usize)
    }

    fn entrance(&self, order: &Order) -> Entrance {
        let market = &self.markets[order.instrument.index()];
        let phase = market.instrument.phase;
        if order.trigger != Trigger::None {
            let reached = matches!(order.trigger, Trigger::Stop(_))
                && market.last.is_some_and(|last| order.is_triggered_by(last));
            return if reached && phase == Phase::Continuous {
                Entrance::Trigger
            } else {
                Entrance::Hold(HeldReason::Stop)
            };
        }
        if order.peg != Peg::None {
            return Entrance::Hold(HeldReason::Peg);
        }
        if !suits(order.time_in_force, phase) {
            return Entrance::Hold(HeldReason::Waiting);
        }
        match (phase, order.limit) {
            (Phase::Continuous, _) => Entrance::Cross,
            (_, None) => Entrance::Hold(HeldReason::Auction),
            (_, Some(_)) => Entrance::Rest,
        }
    }

    /// An accepted (or replaced) order goes where it belongs.
    pub(super) fn send_in(&mut self, mut order: Order, min_qty: u64) {
        match self.entrance(&order) {
            Entrance::Hold(reason) => self.hold(order, reason),
            Entrance::Rest => self.rest(order),
            Entrance::Cross => self.cross(order, min_qty),
            Entrance::Trigger => {
                self.report_triggered(&order);
                order.trigger = Trigger::None;
                self.cross(order, 0);
            }
        }
    }

    pub(super) fn report_triggered(&mut self, order: &Order) {
        let msg = self.msg(order.session);
        self.events.push(Event::Triggered(Triggered {
            session: order.session,
            number: order.number,
            msg,
            order_id: order.id,
            instrument: order.instrument,
            leaves_qty: Qty::from_lots(order.leaves()),
        }));
    }

    fn take_place(&mut self, order: &mut Order) {
        order.place = self.next_place();
        if order.entry_place == OrderRef::NONE {
            order.entry_place = order.place;
        }
    }

    fn hold(&mut self, mut order: Order, reason: HeldReason) {
        self.take_place(&mut order);
        order.standing = Standing::Held(reason);
        self.orders.push(order);
        self.events.push(Event::Held(Held {
            session: order.session,
            number: order.number,
            instrument: order.instrument,
            side: order.side,
            reason,
            order_ref: order.place,
            leaves_qty: Qty::from_lots(order.leaves()),
        }));
    }

    /// A new place in the book, if there is room for it.
    pub(super) fn rest(&mut self, mut order: Order) {
        if !self.has_room_for_level(&order) {
            return self.report_canceled(&order, CancelReason::NoRoom);
        }
        self.take_place(&mut order);
        self.display(order);
    }

    /// In the book with the place it has.
    pub(super) fn display(&mut self, mut order: Order) {
        let shown = first_slice(&order);
        order.standing = Standing::Displayed(shown);
        self.orders.push(order);
        self.events.push(Event::Rested(Rested {
            session: order.session,
            number: order.number,
            instrument: order.instrument,
            side: order.side,
            order_ref: order.place,
            price: order.public_price(),
            leaves_qty: Qty::from_lots(shown),
        }));
    }
}

/// How much of an order is to be seen when it takes a place.
pub(super) fn first_slice(order: &Order) -> u64 {
    if order.display_qty == 0 { order.leaves() } else { order.leaves().min(order.display_qty) }
}

/// Whether orders with that time in force stand (or trade) in that phase.
pub(super) fn suits(time_in_force: TimeInForce, phase: Phase) -> bool {
    match time_in_force {
        TimeInForce::Gfa => phase.is_call(),
        TimeInForce::AtClose => phase == Phase::ClosingAuction,
        _ => true,
    }
}

pub(super) fn admit_phase(phase: Phase) -> Answer {
    match phase {
        Phase::Halt => Err(RejectReason::Halted),
        Phase::Closed => Err(RejectReason::Closed),
        _ => Ok(()),
    }
}

pub(super) fn admit_slices(qty: Qty, display_qty: Qty) -> Answer {
    if u128::from(qty.lots()) > SLICES_MAX * u128::from(display_qty.lots()) {
        return Err(RejectReason::DisplayQty);
    }
    Ok(())
}

/// The table of section 2, row by row.
fn contradicts(new: &NewOrder, terms: &Terms) -> bool {
    let limit = matches!(new.kind, OrderKind::Limit(_));
    let market = new.kind == OrderKind::Market;
    let any = new.liquidity == Liquidity::Any;
    let post_only = !any;
    let ioc = new.time_in_force == TimeInForce::Ioc;
    let stays = matches!(new.time_in_force, TimeInForce::Day | TimeInForce::Gtc | TimeInForce::Gtd);
    let for_auction =
        matches!(new.time_in_force, TimeInForce::AtOpen | TimeInForce::AtClose | TimeInForce::Gfa);

    let iceberg = !terms.display_qty.is_zero();
    let minimum = !terms.min_qty.is_zero();
    let stop = matches!(terms.trigger, Trigger::Stop(_));
    let trailing = matches!(terms.trigger, Trigger::Trailing(_));
    let peg = terms.peg != Peg::None;
    let asked = [iceberg, minimum, stop, trailing, peg].into_iter().filter(|term| *term).count();

    asked > 1
        || (iceberg && !(limit && stays))
        || (minimum && !((limit || market) && (stays || ioc) && any))
        || (stop && !((limit || market) && stays && any))
        || (trailing && !(market && stays && any))
        || (peg && !((limit || market) && stays && any))
        || (post_only && !(limit && stays))
        || (new.kind == OrderKind::MarketToLimit && !(stays && any && asked == 0))
        || (for_auction && !((limit || market) && any && asked == 0))
}
