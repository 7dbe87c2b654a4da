//! How orders meet in continuous trading: makers, bands, self-trade prevention, elections, settlement.

use super::Reference;
use super::enter::first_slice;
use super::order::{Band, Order, Standing, election_rank, goodness};
use crate::command::{Peg, SelfTradePrevention, Trigger};
use crate::event::{
    CancelReason, Event, HeldReason, PhaseReason, Replenished, RestateReason, TradeKind, Traded,
};
use crate::instrument::{BandAction, Phase};
use crate::types::{InstrumentId, OrderRef, Price, Qty, Side, TimeInForce, TradeId};

/// Why what is left of an order that traded is canceled, or none if it rests.
fn end_of(order: &Order) -> Option<CancelReason> {
    match (order.time_in_force, order.limit) {
        (TimeInForce::Fok, _) => Some(CancelReason::Fok),
        (_, None) => Some(CancelReason::Market),
        (TimeInForce::Ioc, _) => Some(CancelReason::Ioc),
        (_, Some(_)) => None,
    }
}

impl Reference {
    pub(super) fn best_displayed(&self, id: InstrumentId, side: Side) -> Option<Price> {
        let orders = self
            .orders
            .iter()
            .filter(|order| order.instrument == id && order.side == side && order.is_displayed());
        orders.filter_map(|order| order.limit).min_by_key(|price| goodness(side, *price))
    }

    /// The price that a peg has now.
    fn peg_price(&self, order: &Order) -> Option<Price> {
        let best = |side| Some(i128::from(self.best_displayed(order.instrument, side)?.ticks()));
        let (reference, offset) = match (order.peg, order.side) {
            (Peg::None, _) => return None,
            (Peg::Primary(offset), side) => (best(side)?, offset),
            (Peg::Midpoint(offset), side) => {
                let sum = best(Side::Buy)? + best(Side::Sell)?;
                let up = if side == Side::Sell { sum.rem_euclid(2) } else { 0 };
                (sum.div_euclid(2) + up, offset)
            }
        };
        let limit = order.limit.map(|limit| i128::from(limit.ticks()));
        let price = match order.side {
            Side::Buy => (reference - i128::from(offset)).min(limit.unwrap_or(i128::MAX)),
            Side::Sell => (reference + i128::from(offset)).max(limit.unwrap_or(i128::MIN)),
        };
        let instrument = &self.markets[order.instrument.index()].instrument;
        let (min, max) = (instrument.price_min.ticks(), instrument.price_max.ticks());
        let price = price.clamp(min.into(), max.into());
        Some(Price::from_ticks(i64::try_from(price).expect("inside the range")))
    }

    /// What an order of the other side could trade with in continuous trading, and at which prices, the
    /// first to trade first.
    pub(super) fn makers_of(&self, id: InstrumentId, side: Side) -> Vec<(Order, Price)> {
        let all = self.orders.iter().filter(|order| order.instrument == id && order.side == side);
        let mut makers: Vec<(Order, Price)> = all
            .filter_map(|order| {
                let price = if order.is_displayed() { order.limit } else { self.peg_price(order) };
                Some((*order, price?))
            })
            .collect();
        makers.sort_by_key(|(order, price)| {
            (goodness(side, *price), !order.is_displayed(), order.place)
        });
        makers
    }

    /// An order comes in: it trades as far as it may, then it rests or ends.
    pub(super) fn cross(&mut self, mut taker: Order, min_qty: u64) {
        let market = &self.markets[taker.instrument.index()];
        let (band, action) = (market.band(), market.bands.action);
        let makers = self.makers_of(taker.instrument, taker.side.opposite());
        let pegs: Vec<_> = makers.iter().filter(|(order, _)| !order.is_displayed()).collect();

        let wanted = if taker.time_in_force == TimeInForce::Fok { taker.leaves() } else { min_qty };
        if self.countable(&taker, band) < u128::from(wanted) {
            let fok = taker.time_in_force == TimeInForce::Fok;
            let reason = if fok { CancelReason::Fok } else { CancelReason::MinQty };
            return self.report_canceled(&taker, reason);
        }

        let mut at_the_edge = false;
        while taker.leaves() > 0 {
            // Displayed orders as they are now; pegs at the prices they had.
            let side = taker.side.opposite();
            let maker = self
                .makers_of(taker.instrument, side)
                .into_iter()
                .filter(|(order, _)| order.is_displayed())
                .chain(pegs.iter().filter_map(|(peg, price)| {
                    Some((*self.orders.iter().find(|order| order.id == peg.id)?, *price))
                }))
                .min_by_key(|(order, price)| {
                    (goodness(side, *price), !order.is_displayed(), order.place)
                });
            let Some((mut maker, price)) = maker.filter(|(_, price)| taker.accepts(*price)) else {
                break;
            };
            if taker.is_own(&maker) {
                let looked = wanted > 0 && !maker.is_displayed();
                let mode = if looked { SelfTradePrevention::CancelOldest } else { taker.mode };
                self.prevent(&mut maker, &mut taker, mode);
                if taker.standing == Standing::Gone {
                    return;
                }
                continue;
            }
            if !band.contains(price) {
                at_the_edge = true;
                break;
            }
            let qty = taker.leaves().min(maker.offered());
            self.trade(&mut maker, &mut taker, price, qty, TradeKind::Continuous);
            self.put_back(maker);
        }
        if taker.leaves() == 0 {
            return;
        }
        match end_of(&taker) {
            _ if at_the_edge && action == BandAction::Reject => {
                return self.report_canceled(&taker, CancelReason::PriceBand);
            }
            Some(reason) => self.report_canceled(&taker, reason),
            None => self.rest(taker),
        }
        if at_the_edge {
            let (phase, reason) = (Phase::VolatilityAuction, PhaseReason::Volatility);
            self.begin(taker.instrument, phase, reason);
        }
    }

    /// What Fok and a minimum quantity count before they trade.
    fn countable(&self, taker: &Order, band: Band) -> u128 {
        let mut makers = self.makers_of(taker.instrument, taker.side.opposite());
        makers.retain(|(order, price)| order.is_displayed() && taker.accepts(*price));
        let mut counted = 0;
        for level in makers.chunk_by(|one, other| one.1 == other.1) {
            if !band.contains(level[0].1) {
                return counted;
            }
            let own = level.iter().position(|(order, _)| order.is_own(taker));
            if let Some(at) = own
                && taker.mode != SelfTradePrevention::CancelOldest
            {
                let ahead = level[..at].iter().map(|(order, _)| u128::from(order.offered()));
                return counted + ahead.sum::<u128>();
            }
            let others = level.iter().filter(|(order, _)| !order.is_own(taker));
            counted += others.map(|(order, _)| u128::from(order.leaves())).sum::<u128>();
        }
        counted
    }

    pub(super) fn trade(
        &mut self,
        maker: &mut Order,
        taker: &mut Order,
        price: Price,
        qty: u64,
        kind: TradeKind,
    ) {
        let (maker_ref, mut taker_ref) = (maker.public_place(), OrderRef::NONE);
        if kind == TradeKind::Auction {
            taker_ref = taker.public_place();
        }
        let maker_msg = self.msg(maker.session);
        let taker_msg = self.msg(taker.session);
        self.trades += 1;
        self.events.push(Event::Traded(Traded {
            id: TradeId(self.trades),
            instrument: taker.instrument,
            taker_side: taker.side,
            kind,
            price,
            qty: Qty::from_lots(qty),
            maker_ref,
            taker_ref,
            maker: maker.fill(price, qty, maker_msg),
            taker: taker.fill(price, qty, taker_msg),
        }));
        for order in [maker, taker] {
            let lots = i128::from(qty);
            let moved = if order.side == Side::Buy { lots } else { -lots };
            *self.positions.entry((order.participant, order.instrument)).or_default() += moved;
            // What changed hands is in the list at once; what comes in is not in it.
            if let Some(at) = self.position_of(order) {
                self.orders[at] = *order;
            }
        }
        self.elect(taker.instrument, price);
    }

    fn position_of(&self, order: &Order) -> Option<usize> {
        self.orders.iter().position(|other| other.id == order.id)
    }

    /// After a trade (or self-trade prevention) an order of the list is gone, refilled or as it is.
    pub(super) fn put_back(&mut self, mut order: Order) {
        let Some(at) = self.position_of(&order) else { return };
        if order.leaves() == 0 {
            self.orders.remove(at);
            return;
        }
        if order.standing == Standing::Displayed(0) {
            order.place = self.next_place();
            let slice = first_slice(&order);
            order.standing = Standing::Displayed(slice);
            self.events.push(Event::Replenished(Replenished {
                session: order.session,
                number: order.number,
                instrument: order.instrument,
                side: order.side,
                order_ref: order.place,
                price: order.public_price(),
                qty: Qty::from_lots(slice),
            }));
        }
        self.orders[at] = order;
    }

    /// Self-trade prevention between two orders that would trade.
    pub(super) fn prevent(
        &mut self,
        older: &mut Order,
        newer: &mut Order,
        mode: SelfTradePrevention,
    ) {
        match mode {
            SelfTradePrevention::None => unreachable!("an order without a mode has no owner"),
            SelfTradePrevention::CancelNewest => self.prevent_whole(newer),
            SelfTradePrevention::CancelOldest => self.prevent_whole(older),
            SelfTradePrevention::CancelBoth => {
                self.prevent_whole(older);
                self.prevent_whole(newer);
            }
            SelfTradePrevention::Decrement => {
                let qty = older.offered().min(newer.offered());
                for order in [&mut *older, &mut *newer] {
                    self.decrement(order, qty);
                }
                self.put_back(*older);
                self.put_back(*newer);
            }
        }
    }

    fn prevent_whole(&mut self, order: &mut Order) {
        self.report_canceled(order, CancelReason::SelfTrade);
        self.orders.retain(|other| other.id != order.id);
        order.standing = Standing::Gone;
    }

    fn decrement(&mut self, order: &mut Order, qty: u64) {
        if order.leaves() == qty {
            self.report_canceled(order, CancelReason::SelfTrade);
            order.cut(qty);
            self.orders.retain(|other| other.id != order.id);
            order.standing = Standing::Gone;
        } else {
            order.cut(qty);
            self.restate(order, RestateReason::SelfTrade, qty);
        }
    }

    /// A trade elects stops and then moves the peaks of trailing ones.
    fn elect(&mut self, id: InstrumentId, price: Price) {
        self.markets[id.index()].last = Some(price);
        self.put_in_queue(id, |order| order.is_triggered_by(price));
        for order in self.orders.iter_mut().filter(|order| order.instrument == id) {
            if matches!(order.trigger, Trigger::Trailing(_)) {
                let peak = order.peak.unwrap_or(price);
                order.peak = Some(match order.side {
                    Side::Buy => peak.min(price),
                    Side::Sell => peak.max(price),
                });
            }
        }
    }

    /// The pending stops that are elected go to the end of the queue.
    pub(super) fn put_in_queue(&mut self, id: InstrumentId, is_elected: impl Fn(&Order) -> bool) {
        let mut elected: Vec<_> = self
            .orders
            .iter()
            .filter(|order| order.instrument == id && order.elected.is_none())
            .filter(|order| order.is_held_for(HeldReason::Stop) && is_elected(order))
            .map(|order| (election_rank(order), order.id))
            .collect();
        elected.sort();
        for (_, id) in elected {
            self.elections += 1;
            let order = self.orders.iter_mut().find(|order| order.id == id);
            order.expect("it was in the list").elected = Some(self.elections);
        }
    }

    /// Section 8, for one book.
    pub(super) fn settle(&mut self, id: InstrumentId) {
        while self.markets[id.index()].instrument.phase == Phase::Continuous {
            if self.pegs_meet(id) {
                continue;
            }
            let queue = self.orders.iter().filter(|order| order.instrument == id);
            let queue = queue.filter(|order| order.elected.is_some());
            let Some(mut order) = queue.min_by_key(|order| order.elected).copied() else {
                return;
            };
            self.orders.retain(|other| other.id != order.id);
            self.report_triggered(&order);
            (order.trigger, order.elected) = (Trigger::None, None);
            order.standing = Standing::Incoming;
            if self.is_beyond_band(&order) {
                self.report_canceled(&order, CancelReason::PriceBand);
                continue;
            }
            self.cross(order, 0);
        }
    }

    /// One trade (or prevented one) between two pegs, if there is one.
    fn pegs_meet(&mut self, id: InstrumentId) -> bool {
        let best = |side| {
            let mut pegs = self.makers_of(id, side);
            pegs.retain(|(order, _)| order.is_held_for(HeldReason::Peg));
            pegs.first().copied()
        };
        let (Some(buy), Some(sell)) = (best(Side::Buy), best(Side::Sell)) else { return false };
        if buy.1 < sell.1 {
            return false;
        }
        let (older, mut newer) =
            if buy.0.place < sell.0.place { (buy, sell.0) } else { (sell, buy.0) };
        let (mut older, price) = older;
        if older.is_own(&newer) {
            let mode = newer.mode;
            self.prevent(&mut older, &mut newer, mode);
        } else if !self.markets[id.index()].band().contains(price) {
            return false;
        } else {
            let qty = older.leaves().min(newer.leaves());
            self.trade(&mut older, &mut newer, price, qty, TradeKind::Continuous);
            self.put_back(older);
            self.put_back(newer);
        }
        true
    }
}
