//! Phases and auctions: the price by trying, the uncross, who comes into a call.

use super::enter::suits;
use super::order::{Order, Standing, goodness};
use super::{Answer, Reference};
use crate::command::Trigger;
use crate::event::{
    CancelReason, Event, HeldReason, PhaseReason, RejectReason, TradeKind, Uncrossed,
};
use crate::instrument::Phase;
use crate::types::{InstrumentId, Price, Qty, Side, TimeInForce};

/// Ranges of up to so many ticks are tried tick by tick.
const TICKS_TRIED: i128 = 200;

/// What an auction would give.
struct Outcome {
    price: Price,
    qty: u128,
    bought: u128,
    sold: u128,
}

impl Reference {
    pub(super) fn set_phase(&mut self, id: InstrumentId, phase: Phase) -> Answer {
        let market = self.markets.get(id.index()).ok_or(RejectReason::UnknownInstrument)?;
        let old = market.instrument.phase;
        if phase == old {
            return Err(RejectReason::WrongPhase);
        }
        if phase == Phase::Continuous || (phase == Phase::Closed && old.is_auction()) {
            self.uncross(id);
        }
        self.begin(id, phase, PhaseReason::Command);
        Ok(())
    }

    pub(super) fn begin(&mut self, id: InstrumentId, phase: Phase, reason: PhaseReason) {
        self.markets[id.index()].instrument.phase = phase;
        self.events.push(Event::PhaseChanged { instrument: id, phase, reason });
        if let (Phase::Continuous, Some(last)) = (phase, self.markets[id.index()].last) {
            self.put_in_queue(id, |order| {
                matches!(order.trigger, Trigger::Stop(_)) && order.is_triggered_by(last)
            });
        }
        if !phase.is_call() {
            return;
        }
        let mut waiting: Vec<Order> = self.orders_of(id);
        waiting.retain(|order| {
            order.is_held_for(HeldReason::Waiting) && suits(order.time_in_force, phase)
        });
        waiting.sort_by_key(|order| order.place);
        for mut order in waiting {
            if order.limit.is_none() {
                order.standing = Standing::Held(HeldReason::Auction);
                self.put_back(order);
                continue;
            }
            self.orders.retain(|other| other.id != order.id);
            if self.has_room_for_level(&order) {
                self.display(order);
            } else {
                self.report_canceled(&order, CancelReason::NoRoom);
            }
        }
    }

    fn callers(&self, id: InstrumentId, side: Side) -> Vec<Order> {
        let mut orders = self.orders_of(id);
        orders.retain(|order| order.side == side && order.is_in_call());
        orders.sort_by_key(Order::rank);
        orders
    }

    /// What would be traded on one side at a price.
    fn wanted(&self, id: InstrumentId, side: Side, price: Price) -> u128 {
        let orders = self.callers(id, side).into_iter();
        orders.filter(|order| order.accepts(price)).map(|order| u128::from(order.leaves())).sum()
    }

    fn uncross(&mut self, id: InstrumentId) {
        while let Some(outcome) = self.outcome(id) {
            let (price, mut traded) = (outcome.price, 0);
            while let (Some(bid), Some(ask)) =
                (self.first_at(id, Side::Buy, price), self.first_at(id, Side::Sell, price))
            {
                let (mut older, mut newer) =
                    if bid.place < ask.place { (bid, ask) } else { (ask, bid) };
                if older.is_own(&newer) {
                    let mode = newer.mode;
                    self.prevent(&mut older, &mut newer, mode);
                    continue;
                }
                let qty = older.offered().min(newer.offered());
                self.trade(&mut older, &mut newer, price, qty, TradeKind::Auction);
                self.put_back(older);
                self.put_back(newer);
                traded += u128::from(qty);
            }
            if traded > 0 {
                self.markets[id.index()].reference = Some(price);
                let bought = self.wanted(id, Side::Buy, price);
                let sold = self.wanted(id, Side::Sell, price);
                let (imbalance, side) = imbalance(bought, sold);
                let qty = saturated(traded);
                self.events.push(Event::Uncrossed(Uncrossed {
                    instrument: id,
                    phase: self.markets[id.index()].instrument.phase,
                    price,
                    qty,
                    imbalance,
                    side,
                }));
            }
        }
        self.end_call(id);
    }

    fn first_at(&self, id: InstrumentId, side: Side, price: Price) -> Option<Order> {
        self.callers(id, side).first().copied().filter(|order| order.accepts(price))
    }

    /// What the auction was for is canceled.
    fn end_call(&mut self, id: InstrumentId) {
        let mut orders = self.orders_of(id);
        orders.retain(Order::is_in_call);
        orders.sort_by_key(|order| order.place);
        for order in orders {
            let reason = match (order.limit, order.time_in_force) {
                (None, _) => CancelReason::Market,
                (_, TimeInForce::AtOpen | TimeInForce::AtClose | TimeInForce::Gfa) => {
                    CancelReason::AuctionEnd
                }
                _ => continue,
            };
            self.take_off(order, reason);
        }
    }

    pub(super) fn publish_indicative(&mut self, id: InstrumentId) -> Answer {
        let market = self.markets.get(id.index()).ok_or(RejectReason::UnknownInstrument)?;
        if !market.instrument.phase.is_call() {
            return Err(RejectReason::WrongPhase);
        }
        let (phase, outcome) = (market.instrument.phase, self.outcome(id));
        let (imbalance, side) =
            outcome.as_ref().map_or((Qty::ZERO, None), |at| imbalance(at.bought, at.sold));
        self.events.push(Event::Indicative {
            instrument: id,
            phase,
            price: outcome.as_ref().map(|at| at.price),
            qty: outcome.map_or(Qty::ZERO, |at| saturated(at.qty)),
            imbalance,
            side,
        });
        Ok(())
    }

    /// The rules of `equilibrium.rs`, by trying candidates: all of them where there are few, otherwise
    /// those at and beside which something can change.
    fn outcome(&self, id: InstrumentId) -> Option<Outcome> {
        let market = &self.markets[id.index()];
        let (low, high) = (market.instrument.price_min, market.instrument.price_max);
        let reference = market.reference.or(market.last);
        let limits = |side| self.callers(id, side).into_iter().filter_map(|order| order.limit);
        let (bids, asks): (Vec<_>, Vec<_>) =
            (limits(Side::Buy).collect(), limits(Side::Sell).collect());

        let (first, last) = (i128::from(low.ticks()), i128::from(high.ticks()));
        let mut ticks: Vec<i128> = if last - first <= TICKS_TRIED {
            (first..=last).collect()
        } else {
            let named = bids.iter().chain(&asks).chain(&reference).chain([&low, &high]);
            let beside = named.map(|price| i128::from(price.ticks()));
            beside.flat_map(|at| [at - 1, at, at + 1]).collect()
        };
        ticks.retain(|at| (first..=last).contains(at));
        ticks.sort_unstable();
        ticks.dedup();
        let candidates: Vec<Outcome> = ticks
            .into_iter()
            .map(|at| {
                let price = Price::from_ticks(i64::try_from(at).expect("inside the range"));
                let bought = self.wanted(id, Side::Buy, price);
                let sold = self.wanted(id, Side::Sell, price);
                Outcome { price, qty: bought.min(sold), bought, sold }
            })
            .collect();

        // 1. Volume.
        let most = candidates.iter().map(|at| at.qty).max()?;
        if most == 0 {
            return None;
        }
        // 2. Imbalance.
        let voluminous = candidates.iter().filter(|at| at.qty == most);
        let least = voluminous.clone().map(|at| at.bought.abs_diff(at.sold)).min()?;
        let left: Vec<&Outcome> =
            voluminous.filter(|at| at.bought.abs_diff(at.sold) == least).collect();
        let (bottom, top) = (left.first()?, left.last()?);
        let (mut from, mut to) = (i128::from(bottom.price.ticks()), i128::from(top.price.ticks()));
        let middle = reference.map(|price| i128::from(price.ticks()).clamp(first, last));

        // 3. Ends.
        if bids.is_empty() && asks.is_empty() {
            (from, to) = (middle?, middle?);
        } else {
            let same = |one: &Outcome, other: &Outcome| {
                (one.bought, one.sold) == (other.bought, other.sold)
            };
            if top.price == high && !bids.contains(&high) {
                let unchanged = candidates.iter().find(|at| same(at, top))?;
                to = i128::from(unchanged.price.ticks());
                if asks.is_empty() {
                    to = middle.map_or(to, |price| price.max(to));
                }
            }
            if bottom.price == low && !asks.contains(&low) {
                let unchanged = candidates.iter().rfind(|at| same(at, bottom))?;
                from = i128::from(unchanged.price.ticks());
                if bids.is_empty() {
                    from = middle.map_or(from, |price| price.min(from));
                }
            }
        }

        // 4. Pressure, 5. Reference.
        let at = if left.iter().all(|at| at.bought > at.sold) {
            to
        } else if left.iter().all(|at| at.bought < at.sold) {
            from
        } else {
            middle.unwrap_or((from + to).div_euclid(2)).clamp(from, to)
        };
        let price = Price::from_ticks(i64::try_from(at).expect("inside the range"));
        let bought = self.wanted(id, Side::Buy, price);
        let sold = self.wanted(id, Side::Sell, price);
        Some(Outcome { price, qty: bought.min(sold), bought, sold })
    }

    /// Displayed bids, asks, then what is held by place.
    pub(super) fn in_order_of_the_book(orders: &mut [Order]) {
        orders.sort_by_key(|order| {
            let held = order.is_held();
            let price = order.limit.filter(|_| !held).map(|price| goodness(order.side, price));
            let side = if held { None } else { Some(order.side) };
            (order.instrument, held, side, price, order.place)
        });
    }
}

fn saturated(qty: u128) -> Qty {
    Qty::from_lots(u64::try_from(qty).unwrap_or(u64::MAX))
}

fn imbalance(bought: u128, sold: u128) -> (Qty, Option<Side>) {
    let side = match bought.cmp(&sold) {
        std::cmp::Ordering::Less => Some(Side::Sell),
        std::cmp::Ordering::Equal => None,
        std::cmp::Ordering::Greater => Some(Side::Buy),
    };
    (saturated(bought.abs_diff(sold)), side)
}
