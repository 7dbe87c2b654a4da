//! The general matching loop: for books and orders that are not plain.
//!
//! It does what the plain loop does, one trade at a time, and looks at what that one need not: pegged
//! orders, reserves, price bands, orders of one owner, and the stops that a trade elects.

use super::self_trade::Met;
use super::{Incoming, Sides, Store, Taker, ladder_key, levels_of};
use crate::command::SelfTradePrevention;
use crate::event::{Event, EventSink, Fill, TradeKind, Traded};
use crate::extras::by_side;
use crate::instrument::{BandAction, Phase};
use crate::ladder::Ladder;
use crate::orders::Order;
use crate::pegs::References;
use crate::pool::Id;
use crate::types::{OrderRef, Price, Qty, Side, TradeId};

/// The prices that trades may have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Band {
    pub(crate) low: Price,
    pub(crate) high: Price,
}

impl Band {
    /// All prices.
    pub(crate) const ALL: Band = Band { low: Price::MIN, high: Price::MAX };

    /// Whether a trade may have that price.
    pub(crate) fn contains(&self, price: Price) -> bool {
        self.low <= price && price <= self.high
    }

    /// Whether a limit is beyond the band: a buy above its top, a sell under its bottom.
    pub(crate) fn is_beyond(&self, side: Side, limit: Price) -> bool {
        match side {
            Side::Buy => limit > self.high,
            Side::Sell => limit < self.low,
        }
    }

    fn narrow(self, middle: Option<Price>, ticks: u64) -> Band {
        let Some(middle) = middle.filter(|_| ticks != 0) else { return self };
        let low = Price::from_ticks(middle.ticks().saturating_sub_unsigned(ticks));
        let high = Price::from_ticks(middle.ticks().saturating_add_unsigned(ticks));
        Band { low: self.low.max(low), high: self.high.min(high) }
    }
}

/// Why a taker met nobody more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It is filled, or nobody is left within its limit.
    Matched,
    /// The next trade would be outside of the band.
    Edge,
    /// Self-trade prevention took it off; that is told, its slot is not given back yet.
    SelfTrade,
}

/// What holds while an order is handled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) band: Band,
    /// What the pegged orders that it meets follow.
    pub(crate) references: References,
    /// It has looked before it trades: own pegged orders do not stop it.
    pub(crate) has_looked: bool,
}

impl Sides {
    /// The prices that trades may have now.
    pub(crate) fn band(&self) -> Band {
        let bands = self.beside.bands;
        Band::ALL.narrow(self.reference, bands.static_ticks).narrow(self.last, bands.dynamic_ticks)
    }

    /// What the pegged orders of a side follow now.
    pub(crate) fn references(&self, side: Side) -> References {
        References::new(side, self.best_price(Side::Buy), self.best_price(Side::Sell))
    }

    /// The terms of an order of `side` that is handled now.
    pub(crate) fn terms(&self, side: Side) -> Terms {
        let references = self.references(side.opposite());
        Terms { band: self.band(), references, has_looked: false }
    }

    /// The best pegged order of a side.
    pub(crate) fn best_peg(
        &self,
        store: &Store,
        side: Side,
        references: References,
    ) -> Option<(Price, Id<Order>)> {
        let (peg, price) = self.beside.pegs[by_side(side)].best(&store.extras.pegs, references)?;
        Some((price, store.extras.pegs[peg].order))
    }

    /// The best price of a side, displayed or pegged, where `own` was not there: the slot of an order
    /// that is about to be taken off, or none.
    pub(crate) fn best_without(&self, store: &Store, side: Side, own: Id<Order>) -> Option<Price> {
        let bid = self.best_displayed_without(store, Side::Buy, own);
        let ask = self.best_displayed_without(store, Side::Sell, own);
        let displayed = if side == Side::Buy { bid } else { ask };
        let pegged = self.best_peg(store, side, References::new(side, bid, ask));
        let pegged = pegged.map(|(price, _)| price);
        displayed.into_iter().chain(pegged).min_by_key(|price| ladder_key(side, *price))
    }

    fn best_displayed_without(&self, store: &Store, side: Side, own: Id<Order>) -> Option<Price> {
        let best = self.ladder(side).best().some()?;
        let level = &store.levels.pool[best];
        if own.is_some() && store.orders[own].level == best && level.orders == 1 {
            let next = Ladder::next(&store.levels, best);
            return next.some().map(|next| store.levels.pool[next].price());
        }
        Some(level.price())
    }

    /// Whether at least `wanted` of `taker` could trade at once: displayed quantity and reserves within
    /// its limit and the band, and ahead of orders of its owner.
    ///
    /// Walks levels. It walks orders only where there would be enough if all were somebody else's, the
    /// owner has some on the other side (or is a group, of which nobody knows that), and they matter.
    pub(crate) fn has_enough(
        &self,
        store: &Store,
        taker: &Taker,
        wanted: Qty,
        terms: &Terms,
    ) -> bool {
        let (wanted, own) = (wanted.lots(), self.own_at_most(store, taker));
        let skips_own = taker.self_trade() == SelfTradePrevention::CancelOldest;
        let surely = match own {
            Some(own) if skips_own => wanted.saturating_add(own),
            _ => wanted,
        };
        let all = self.count_levels(store, taker, surely, terms);
        if all < wanted {
            return false;
        }
        let is_sure = own == Some(0) || skips_own && own.is_some() && all >= surely;
        is_sure || self.has_enough_of_others(store, taker, wanted, terms)
    }

    /// What the owner of `taker` works on the other side, or more; `None` if that is not known.
    fn own_at_most(&self, store: &Store, taker: &Taker) -> Option<u64> {
        let row = match taker.stp_key {
            0 => return Some(0),
            _ if taker.is_of_group() => return None,
            key => key - 1,
        };
        // Where it has no account it has nothing.
        let account = store.accounts.get(store.accounts.find(row, self.id));
        Some(account.open_qty(taker.side.opposite()))
    }

    /// What stands within the limit of `taker` and the band, whosever it is; counts up to `wanted`.
    fn count_levels(&self, store: &Store, taker: &Taker, wanted: u64, terms: &Terms) -> u64 {
        let mut found = 0;
        for level in levels_of(self.ladder(taker.side.opposite()), &store.levels) {
            let price = level.price();
            let is_within = taker.side.accepts(taker.limit, price) && terms.band.contains(price);
            if !is_within || found >= wanted {
                break;
            }
            found += level.qty + level.hidden;
        }
        found
    }

    /// As [`Sides::has_enough`], where that many lots are within the limit and the band.
    fn has_enough_of_others(
        &self,
        store: &Store,
        taker: &Taker,
        wanted: u64,
        terms: &Terms,
    ) -> bool {
        let mut found = 0;
        for level in levels_of(self.ladder(taker.side.opposite()), &store.levels) {
            let price = level.price();
            if !taker.side.accepts(taker.limit, price) || !terms.band.contains(price) {
                return false;
            }
            let (all, met) = count_level(store, level.head, taker, wanted - found);
            found += all;
            if met || found >= wanted {
                return found >= wanted;
            }
        }
        false
    }

    /// Trades an order against the other side until it is filled, its limit or the band is reached, or
    /// self-trade prevention takes it off.
    pub(crate) fn cross_special<S: EventSink>(
        &mut self,
        store: &mut Store,
        incoming: &mut Incoming,
        terms: &Terms,
        events: &mut S,
    ) -> Ended {
        let (side, limit) = (incoming.taker.side, incoming.taker.limit);
        while !incoming.taker.leaves_qty.is_zero() {
            let Some((price, maker)) = self.next_maker(store, side.opposite(), terms) else {
                break;
            };
            if !side.accepts(limit, price) {
                break;
            }
            // First: where nothing would trade the band has nothing to say.
            if incoming.taker.is_own(&store.orders[maker]) {
                match self.meet_own(store, incoming, maker, terms, events) {
                    Met::Next => continue,
                    Met::TakerIsOff => return Ended::SelfTrade,
                }
            }
            if !terms.band.contains(price) {
                return Ended::Edge;
            }
            self.trade_with(store, &mut incoming.taker, maker, price, events);
        }
        Ended::Matched
    }

    /// Who trades next with an incoming order: the best price, and at one price who is displayed.
    fn next_maker(&self, store: &Store, makers: Side, terms: &Terms) -> Option<(Price, Id<Order>)> {
        let displayed = self.ladder(makers).best().some().map(|level| {
            let level = &store.levels.pool[level];
            (level.price(), level.head)
        });
        let pegged = self.best_peg(store, makers, terms.references);
        // Of equal prices the first is taken.
        let both = displayed.into_iter().chain(pegged);
        both.min_by_key(|(price, _)| ladder_key(makers, *price))
    }

    fn trade_with<S: EventSink>(
        &mut self,
        store: &mut Store,
        taker: &mut Taker,
        maker: Id<Order>,
        price: Price,
        events: &mut S,
    ) {
        let Order { leaves_qty, level, order_ref, .. } = store.orders[maker];
        let qty = taker.leaves_qty.min(leaves_qty);
        assert!(!qty.is_zero());
        let maker_fill = self.fill_standing(store, maker, price, qty);
        taker.leaves_qty -= qty;
        taker.done.add(price, qty);
        store.accounts.get_mut(taker.account).fill(taker.side, qty);
        let taker_fill = Fill {
            session: taker.session,
            number: taker.number,
            msg: store.sessions.next_msg(taker.session),
            order_id: taker.order_id,
            leaves_qty: taker.leaves_qty,
            cum_qty: taker.done.cum_qty,
            notional: taker.done.notional,
        };
        store.trades += 1;
        events.event(&Event::Traded(Traded {
            id: TradeId(store.trades),
            instrument: self.id,
            taker_side: taker.side,
            kind: TradeKind::Continuous,
            price,
            qty,
            maker_ref: if level.is_some() { order_ref } else { OrderRef::NONE },
            taker_ref: OrderRef::NONE,
            maker: maker_fill,
            taker: taker_fill,
        }));
        self.after_cut(store, maker, events);
        self.note_trade(store, price);
    }

    /// Trades two standing orders with each other, the maker at `price`; both places are told in an
    /// auction, none between pegs.
    pub(crate) fn trade_standing<S: EventSink>(
        &mut self,
        store: &mut Store,
        (maker, taker): (Id<Order>, Id<Order>),
        price: Price,
        kind: TradeKind,
        events: &mut S,
    ) -> Qty {
        let qty = store.orders[maker].leaves_qty.min(store.orders[taker].leaves_qty);
        assert!(!qty.is_zero());
        let place = |slot: Id<Order>| match store.orders[slot].level.some() {
            Some(_) => store.orders[slot].order_ref,
            None => OrderRef::NONE,
        };
        let (maker_ref, taker_ref) = (place(maker), place(taker));
        let (taker_side, _) = Sides::terms_of(store, taker);
        let maker_fill = self.fill_standing(store, maker, price, qty);
        let taker_fill = self.fill_standing(store, taker, price, qty);
        store.trades += 1;
        events.event(&Event::Traded(Traded {
            id: TradeId(store.trades),
            instrument: self.id,
            taker_side,
            kind,
            price,
            qty,
            maker_ref,
            taker_ref,
            maker: maker_fill,
            taker: taker_fill,
        }));
        self.after_cut(store, maker, events);
        self.after_cut(store, taker, events);
        self.note_trade(store, price);
        qty
    }

    /// Lets the best two pegged orders of opposite sides trade, if their prices meet; whether they did,
    /// or self-trade prevention changed one of them.
    pub(crate) fn match_pegs<S: EventSink>(
        &mut self,
        store: &mut Store,
        events: &mut S,
    ) -> Settled {
        if self.beside.pegs.iter().any(|pegs| pegs.is_empty()) {
            return Settled::Nothing;
        }
        let best = |side| self.best_peg(store, side, self.references(side));
        let (Some((bid, buy)), Some((ask, sell))) = (best(Side::Buy), best(Side::Sell)) else {
            return Settled::Nothing;
        };
        if bid < ask {
            return Settled::Nothing;
        }
        let buy_is_older = store.orders[buy].order_ref < store.orders[sell].order_ref;
        let (older, newer, price) = if buy_is_older { (buy, sell, bid) } else { (sell, buy, ask) };
        if self.part_owned(store, older, newer, events) {
            return Settled::Something;
        }
        if !self.band().contains(price) {
            return Settled::Nothing;
        }
        self.trade_standing(store, (older, newer), price, TradeKind::Continuous, events);
        Settled::Something
    }

    /// Whether the band refuses an order with that limit price.
    pub(crate) fn refuses(&self, side: Side, limit: Price) -> bool {
        self.instrument.phase == Phase::Continuous
            && self.band_action() == BandAction::Reject
            && self.band().is_beyond(side, limit)
    }

    /// What a price band does with what it stops.
    pub(crate) const fn band_action(&self) -> BandAction {
        self.beside.bands.action
    }
}

/// Whether a step of settlement did anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    Something,
    Nothing,
}

/// What a taker with an owner's key may count on in the queue from `head`, and whether counting ends
/// there because an own order was met. Stops at `wanted`, each order is worth a lot at least.
fn count_level(store: &Store, head: Id<Order>, taker: &Taker, wanted: u64) -> (u64, bool) {
    let leaves_own_out = taker.self_trade() == SelfTradePrevention::CancelOldest;
    let (mut ahead, mut reserves, mut at) = (0, 0, head);
    while at.is_some() {
        let order = &store.orders[at];
        let is_own = taker.is_own(order);
        if is_own && !leaves_own_out {
            return (ahead, true);
        }
        if !is_own {
            ahead += order.leaves_qty.lots();
            reserves += Sides::reserve_of(store, at).lots();
        }
        // Enough, whatever stands behind.
        if ahead >= wanted || leaves_own_out && ahead + reserves >= wanted {
            return (ahead + reserves, false);
        }
        at = order.next;
    }
    (ahead + reserves, false)
}
