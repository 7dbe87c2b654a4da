//! What the slow engine keeps of an order, an instrument and a session.

use std::cmp::Reverse;

use crate::command::{Liquidity, Peg, SelfTradePrevention, Trigger};
use crate::event::{Fill, HeldReason};
use crate::instrument::{BandAction, Bands, Instrument};
use crate::types::{
    InstrumentId, MsgSeqNum, Notional, OrderId, OrderNumber, OrderRef, ParticipantId, Price, Qty,
    SessionId, Side, TimeInForce, Timestamp,
};

/// Where an order is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// In the hand of the engine: it came in and is being handled.
    Incoming,
    /// In the book, with so many lots to be seen.
    Displayed(u64),
    /// Beside the book.
    Held(HeldReason),
    /// It was canceled while it was in the hand of the engine.
    Gone,
}

#[derive(Clone, Copy)]
pub(super) struct Order {
    pub(super) session: SessionId,
    pub(super) participant: ParticipantId,
    pub(super) number: OrderNumber,
    pub(super) id: OrderId,
    pub(super) instrument: InstrumentId,
    pub(super) side: Side,
    /// Of a market order none.
    pub(super) limit: Option<Price>,
    pub(super) order_qty: u64,
    pub(super) cum_qty: u64,
    pub(super) notional: i64,
    pub(super) time_in_force: TimeInForce,
    pub(super) liquidity: Liquidity,
    /// Of an iceberg; otherwise 0.
    pub(super) display_qty: u64,
    pub(super) expire_at: Timestamp,
    /// None once it was triggered.
    pub(super) trigger: Trigger,
    /// The best price that a trailing stop has seen.
    pub(super) peak: Option<Price>,
    pub(super) peg: Peg,
    pub(super) standing: Standing,
    pub(super) place: OrderRef,
    /// Its place at entry or at its last replace that lost priority.
    pub(super) entry_place: OrderRef,
    /// Its place in the queue of elected orders, if it is there.
    pub(super) elected: Option<u64>,
    /// Group and mode of its session when it was entered.
    pub(super) group: u32,
    pub(super) mode: SelfTradePrevention,
    /// The price that risk values it with.
    pub(super) value_price: Option<Price>,
}

impl Order {
    pub(super) fn leaves(&self) -> u64 {
        self.order_qty - self.cum_qty
    }

    /// What it offers to the next trade.
    pub(super) fn offered(&self) -> u64 {
        match self.standing {
            Standing::Displayed(shown) => shown,
            Standing::Incoming | Standing::Held(_) | Standing::Gone => self.leaves(),
        }
    }

    pub(super) fn is_displayed(&self) -> bool {
        matches!(self.standing, Standing::Displayed(_))
    }

    pub(super) fn is_held(&self) -> bool {
        matches!(self.standing, Standing::Held(_))
    }

    pub(super) fn is_held_for(&self, reason: HeldReason) -> bool {
        self.standing == Standing::Held(reason)
    }

    /// Takes part in the auction of the present call.
    pub(super) fn is_in_call(&self) -> bool {
        self.is_displayed() || self.is_held_for(HeldReason::Auction)
    }

    /// The place that Events tell: only what is displayed has one.
    pub(super) fn public_place(&self) -> OrderRef {
        if self.is_displayed() { self.place } else { OrderRef::NONE }
    }

    /// The price that Events tell.
    pub(super) fn public_price(&self) -> Price {
        self.limit.unwrap_or(Price::from_ticks(0))
    }

    /// Sorts market orders before others, better limits before worse, older places before newer.
    pub(super) fn rank(&self) -> (Option<i128>, OrderRef) {
        (self.limit.map(|price| goodness(self.side, price)), self.place)
    }

    pub(super) fn accepts(&self, price: Price) -> bool {
        self.limit.is_none_or(|limit| self.side.accepts(limit, price))
    }

    /// Section 7.
    pub(super) fn is_own(&self, other: &Order) -> bool {
        let one_group = self.group != 0 && self.group == other.group;
        let one_participant = self.participant == other.participant;
        let both_have_groups = self.group != 0 && other.group != 0;
        self.mode != SelfTradePrevention::None
            && other.mode != SelfTradePrevention::None
            && (one_group || one_participant && !both_have_groups)
    }

    /// What elects it, if it is a stop and has a trigger already.
    pub(super) fn trigger_price(&self) -> Option<Price> {
        match self.trigger {
            Trigger::None => None,
            Trigger::Stop(price) => Some(price),
            Trigger::Trailing(offset) => {
                let (peak, offset) = (self.peak?.ticks(), i64::try_from(offset).ok()?);
                Some(Price::from_ticks(match self.side {
                    Side::Buy => peak.saturating_add(offset),
                    Side::Sell => peak.saturating_sub(offset),
                }))
            }
        }
    }

    /// Whether it is a stop that a trade at this price elects.
    pub(super) fn is_triggered_by(&self, price: Price) -> bool {
        self.trigger_price().is_some_and(|trigger| self.side.opposite().accepts(trigger, price))
    }

    /// Loses quantity that is not traded.
    pub(super) fn cut(&mut self, qty: u64) {
        self.order_qty -= qty;
        self.lessen_display(qty);
    }

    fn lessen_display(&mut self, qty: u64) {
        if let Standing::Displayed(shown) = &mut self.standing {
            *shown -= qty;
        }
    }

    pub(super) fn fill(&mut self, price: Price, qty: u64, msg: MsgSeqNum) -> Fill {
        self.cum_qty += qty;
        self.lessen_display(qty);
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

/// Of two prices of orders of `side`, the better one is lower.
pub(super) fn goodness(side: Side, price: Price) -> i128 {
    let ticks = i128::from(price.ticks());
    if side == Side::Buy { -ticks } else { ticks }
}

/// Sorts stops in the order in which a trade elects them: buy stops, lowest trigger first, then sell
/// stops, highest first.
pub(super) fn election_rank(order: &Order) -> (Side, Option<Reverse<i128>>, OrderRef) {
    let trigger = order.trigger_price().map(|trigger| Reverse(goodness(order.side, trigger)));
    (order.side, trigger, order.place)
}

/// An instrument and what its trades have left behind.
#[derive(Clone)]
pub(super) struct Market {
    pub(super) instrument: Instrument,
    pub(super) last: Option<Price>,
    /// The static reference price.
    pub(super) reference: Option<Price>,
    pub(super) bands: Bands,
}

impl Market {
    pub(super) fn new(instrument: Instrument) -> Market {
        let bands = Bands { static_ticks: 0, dynamic_ticks: 0, action: BandAction::Reject };
        Market { instrument, last: None, reference: None, bands }
    }

    pub(super) fn allows(&self, price: Price) -> bool {
        (self.instrument.price_min..=self.instrument.price_max).contains(&price)
    }

    pub(super) fn band(&self) -> Band {
        let mut band = Band { low: i128::MIN, high: i128::MAX };
        band.narrow(self.reference, self.bands.static_ticks);
        band.narrow(self.last, self.bands.dynamic_ticks);
        band
    }
}

/// The prices at which an order may trade.
#[derive(Clone, Copy)]
pub(super) struct Band {
    low: i128,
    high: i128,
}

impl Band {
    fn narrow(&mut self, middle: Option<Price>, ticks: u64) {
        if let Some(middle) = middle
            && ticks != 0
        {
            let (middle, ticks) = (i128::from(middle.ticks()), i128::from(ticks));
            self.low = self.low.max(middle - ticks);
            self.high = self.high.min(middle + ticks);
        }
    }

    pub(super) fn contains(&self, price: Price) -> bool {
        (self.low..=self.high).contains(&i128::from(price.ticks()))
    }

    /// Whether a limit of that side is further than the band goes.
    pub(super) fn ends_before(&self, side: Side, limit: Price) -> bool {
        match side {
            Side::Buy => i128::from(limit.ticks()) > self.high,
            Side::Sell => i128::from(limit.ticks()) < self.low,
        }
    }
}

#[derive(Clone)]
pub(super) struct Session {
    pub(super) participant: ParticipantId,
    pub(super) group: u32,
    pub(super) mode: SelfTradePrevention,
    pub(super) inbound: MsgSeqNum,
    pub(super) outbound: u32,
    pub(super) last_number: u32,
}

impl Session {
    pub(super) fn new(participant: ParticipantId) -> Session {
        Session {
            participant,
            group: 0,
            mode: SelfTradePrevention::None,
            inbound: MsgSeqNum::NONE,
            outbound: 0,
            last_number: 0,
        }
    }
}
