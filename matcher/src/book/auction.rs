//! Auctions: the price that one has, what trades at it, and whom it ends.
//!
//! [`Sides::uncross`] finds the price once and then trades the first of either side with each other.
//! Displayed orders are traded a level against a level ([`Sides::sweep_levels`]): each order is read once
//! and each level is brought up to date once. Where one of two is more than a limit order (a market order,
//! an iceberg) or both are of one owner, that one trade takes the general way.

mod landmarks;

use super::view::levels_from;
use super::{Sides, Store, levels_of};
use crate::accounts::Account;
use crate::equilibrium::{self, Equilibrium, Interest};
use crate::event::{
    CancelReason, Event, EventSink, Fill, RejectReason, TradeKind, Traded, Uncrossed,
};
use crate::extras::{Extra, by_side, is_for_auction};
use crate::levels::Level;
use crate::ordered::{Member, Set};
use crate::orders::{Done, Order};
use crate::pool::{Id, Pool, Pooled};
use crate::types::{OrderRef, Price, Qty, Side, TradeId};
use landmarks::{Landmarks, Point, meet};

impl Sides {
    /// What an uncross would give now, self-trade prevention not looked at.
    fn equilibrium(&self, store: &Store, marks: Option<&[Landmarks; 2]>) -> Option<Equilibrium> {
        let (traded, points) = match marks.map(|marks| marks.each_ref()) {
            Some([bids, asks]) => {
                let (bids, asks) = (bids.survey(self, store), asks.survey(self, store));
                meet(self, store, &bids, &asks)
            }
            None => (0, [Side::Buy, Side::Sell].map(|side| self.front(side))),
        };
        let interest = |side: Side| {
            let Point { market_left, level, mut traded } = points[by_side(side)];
            let left = move |level: &Level| {
                let qty = level.qty + level.hidden;
                let cut = qty.min(traded);
                traded -= cut;
                (level.price(), (qty - cut).into())
            };
            let limits = levels_from(level, &store.levels).map(left);
            Interest { market_qty: market_left.into(), limits, best: self.best_price(side) }
        };
        let candidates = self.instrument.price_min..=self.instrument.price_max;
        let reference = self.reference.or(self.last);
        let (bids, asks) = (interest(Side::Buy), interest(Side::Sell));
        equilibrium::equilibrium(traded.into(), bids, asks, &candidates, reference)
    }

    /// Where a side is of which nothing has traded.
    fn front(&self, side: Side) -> Point {
        let market_left = self.beside.market_qty[by_side(side)];
        Point { market_left, level: self.ladder(side).best(), traded: 0 }
    }

    /// What an uncross would give now, to be told; refused outside of a call.
    pub(crate) fn indicative(&self, store: &Store) -> Result<Event, RejectReason> {
        if !self.instrument.phase.is_call() {
            return Err(RejectReason::WrongPhase);
        }
        let found = self.equilibrium(store, None);
        let surplus = found.and_then(|found| found.surplus);
        Ok(Event::Indicative {
            instrument: self.id,
            phase: self.instrument.phase,
            price: found.map(|found| found.price),
            qty: saturated(found.map_or(0, |found| found.qty)),
            imbalance: saturated(surplus.map_or(0, |surplus| surplus.qty)),
            side: surplus.map(|surplus| surplus.side),
        })
    }

    /// Ends a call: what crosses trades at one price, and who came for the auction alone is canceled.
    ///
    /// Each turn takes off all of one side that accepts its price, so a turn more is needed only where
    /// self-trade prevention took something off. From the third on, landmarks lead to the price.
    pub(crate) fn uncross<S: EventSink>(&mut self, store: &mut Store, events: &mut S) {
        let (mut turns, mut marks) = (0, None);
        while let Some(found) = self.equilibrium(store, marks.as_ref()) {
            self.trade_at(store, found.price, marks.as_ref(), events);
            turns += 1;
            if turns == 2 {
                let set = |side| Landmarks::set(self, store, side);
                marks = Some([Side::Buy, Side::Sell].map(set));
            }
        }
        self.end_call(store, events);
    }

    /// Trades all that accept `price` with each other until one side has nobody left.
    fn trade_at<S: EventSink>(
        &mut self,
        store: &mut Store,
        price: Price,
        marks: Option<&[Landmarks; 2]>,
        events: &mut S,
    ) {
        let mut traded = 0;
        loop {
            let bid = self.first_at(store, Side::Buy, price);
            let ask = self.first_at(store, Side::Sell, price);
            let (Some(bid), Some(ask)) = (bid, ask) else { break };
            let (bid_order, ask_order) = (&store.orders[bid], &store.orders[ask]);
            if is_plain(store, bid_order)
                && is_plain(store, ask_order)
                && !bid_order.is_own(ask_order)
            {
                traded += self.sweep_levels(store, price, events);
                continue;
            }
            let bid_is_older = bid_order.order_ref < ask_order.order_ref;
            let (older, newer) = if bid_is_older { (bid, ask) } else { (ask, bid) };
            if !self.part_owned(store, older, newer, events) {
                let both = (older, newer);
                let qty = self.trade_standing(store, both, price, TradeKind::Auction, events);
                traded += qty.lots();
            }
        }
        if traded == 0 {
            return;
        }
        self.reference = Some(price);
        let (side, imbalance) = match self.accepting(store, Side::Buy, price, marks) {
            0 => (Side::Sell, self.accepting(store, Side::Sell, price, marks)),
            bought => (Side::Buy, bought),
        };
        events.event(&Event::Uncrossed(Uncrossed {
            instrument: self.id,
            phase: self.instrument.phase,
            price,
            qty: Qty::from_lots(traded),
            imbalance: Qty::from_lots(imbalance),
            side: (imbalance != 0).then_some(side),
        }));
    }

    /// Who of a side trades first at `price`: market orders, then the best limit that accepts it.
    fn first_at(&self, store: &Store, side: Side, price: Price) -> Option<Id<Order>> {
        if let Some(market) = self.beside.market[by_side(side)].first().some() {
            let extra = Id::<Extra>::from_raw(store.extras.members[market].payload);
            return Some(store.extras[extra].order);
        }
        let level = &store.levels.pool[self.ladder(side).best().some()?];
        side.accepts(level.price(), price).then_some(level.head)
    }

    /// What a side would still trade at `price`.
    fn accepting(
        &self,
        store: &Store,
        side: Side,
        price: Price,
        marks: Option<&[Landmarks; 2]>,
    ) -> u64 {
        let ladder = self.ladder(side);
        let limits = match marks {
            Some(marks) => marks[by_side(side)].survey(self, store).accepting(ladder, store, price),
            None => levels_of(ladder, &store.levels)
                .take_while(|level| side.accepts(level.price(), price))
                .map(|level| level.qty + level.hidden)
                .sum(),
        };
        self.beside.market_qty[by_side(side)] + limits
    }

    /// Trades the best two levels with each other until one is empty or two orders meet that are not
    /// plain; the first two are. Both levels accept `price`, and no market order stands before them.
    /// Returns how much traded.
    fn sweep_levels<S: EventSink>(
        &mut self,
        store: &mut Store,
        price: Price,
        events: &mut S,
    ) -> u64 {
        let mut bid = Hand::take_up(store, self.ladder(Side::Buy).best());
        let mut ask = Hand::take_up(store, self.ladder(Side::Sell).best());
        let (mut traded, first) = (0, store.trades);
        loop {
            let qty = bid.order.leaves_qty.min(ask.order.leaves_qty);
            assert!(!qty.is_zero());
            traded += qty.lots();
            bid.trade(price, qty);
            ask.trade(price, qty);
            let bid_is_older = bid.order.order_ref < ask.order.order_ref;
            let (maker, taker) = if bid_is_older { (&bid, &ask) } else { (&ask, &bid) };
            store.trades += 1;
            let trade = Traded {
                id: TradeId(store.trades),
                instrument: self.id,
                taker_side: taker.side,
                kind: TradeKind::Auction,
                price,
                qty,
                maker_ref: maker.order.order_ref,
                taker_ref: taker.order.order_ref,
                maker: maker.fill(store),
                taker: taker.fill(store),
            };
            events.event(&Event::Traded(trade));
            self.next_if_done(store, &mut bid);
            self.next_if_done(store, &mut ask);
            let one_is_over = bid.slot.is_none() || ask.slot.is_none();
            if one_is_over || !(bid.is_plain && ask.is_plain) || bid.order.is_own(&ask.order) {
                break;
            }
        }
        // What the second trade at one price does not elect, no later one does: all peaks have seen it.
        for _ in first..store.trades.min(first + 2) {
            self.note_trade(store, price);
        }
        for hand in [bid, ask] {
            hand.put_down(store);
            if hand.slot.is_none() {
                self.ladder_mut(hand.side).remove(&mut store.levels, hand.level);
            }
        }
        traded
    }

    /// Lets go of an order that is filled, and takes up the one behind it.
    fn next_if_done(&mut self, store: &mut Store, hand: &mut Hand) {
        if !hand.order.leaves_qty.is_zero() {
            return;
        }
        hand.account(store).open_orders -= 1;
        hand.traded += hand.filled.lots();
        hand.gone += 1;
        if let Some(id) = Id::<Extra>::from_raw(hand.order.extra).some() {
            if is_for_auction(hand.order.time_in_force) {
                // What it is in ends with the call, and `end_call` forgets it then.
                store.extras[id].order = Id::NONE;
            } else {
                self.forget_extra(store, id);
            }
        }
        store.sessions.remove(hand.order.session, hand.order.number);
        store.orders.give_back(hand.slot);
        hand.slot = hand.order.next;
        if hand.slot.is_some() {
            hand.read(store);
        }
    }

    /// Cancels the market orders in the call and all that came for the auction alone, by place.
    ///
    /// Whoever is in the set of those is there no more after it, so it is cleared at once. Who was filled
    /// in a sweep is still in it, without an order.
    fn end_call<S: EventSink>(&mut self, store: &mut Store, events: &mut S) {
        let mut ending = self.beside.ending.first();
        let mut ahead = ending;
        for _ in 0..ENDS_AHEAD {
            ahead = look_at_ending(store, ahead);
        }
        loop {
            let [buys, sells] = &self.beside.market;
            let members = &store.extras.members;
            let first = [
                who(members, buys.first(), CancelReason::Market),
                who(members, sells.first(), CancelReason::Market),
                who(&store.extras.ending, ending, CancelReason::AuctionEnd),
            ];
            let Some((_, id, reason)) = first.into_iter().flatten().min_by_key(|it| it.0) else {
                break;
            };
            let slot = store.extras[id].order;
            if reason == CancelReason::Market {
                self.cancel_standing(store, slot, reason, events);
                continue;
            }
            ending = Set::next(&store.extras.ending, ending);
            ahead = look_at_ending(store, ahead);
            self.forget_extra(store, id);
            if slot.is_some() {
                self.cancel(store, slot, reason, events);
            }
        }
        self.beside.ending.clear(&mut store.extras.ending);
    }
}

/// Orders that `end_call` looks ahead by.
const ENDS_AHEAD: usize = 6;

/// Has memory fetched that the end of an order will want; returns the one behind it.
fn look_at_ending(store: &Store, ending: Id<Member>) -> Id<Member> {
    if ending.is_none() {
        return ending;
    }
    let id = Id::<Extra>::from_raw(store.extras.ending[ending].payload);
    let order = &store.orders[store.extras[id].order];
    store.orders.prefetch(order.next);
    store.sessions.prefetch(store.sessions.entry(order.session, order.number));
    Set::next(&store.extras.ending, ending)
}

/// Place and extra of a member, and why it ends.
fn who(
    members: &Pool<Member>,
    member: Id<Member>,
    reason: CancelReason,
) -> Option<(OrderRef, Id<Extra>, CancelReason)> {
    let member = &members[member.some()?];
    Some((OrderRef(member.seq()), Id::from_raw(member.payload), reason))
}

/// Whether an order is displayed, and all of it. An iceberg is for no auction alone.
fn is_plain(store: &Store, order: &Order) -> bool {
    let Some(id) = Id::<Extra>::from_raw(order.extra).some() else { return true };
    order.level.is_some()
        && (is_for_auction(order.time_in_force) || store.extras[id].display_qty.is_zero())
}

fn saturated(lots: u128) -> Qty {
    Qty::from_lots(u64::try_from(lots).unwrap_or(u64::MAX))
}

/// The first order of a level while the level is swept. What it trades is written down when it is done
/// or put down.
struct Hand {
    side: Side,
    level: Id<Level>,
    limit: Price,
    /// None: the level is empty.
    slot: Id<Order>,
    order: Order,
    is_plain: bool,
    done: Done,
    /// What this order has traded here.
    filled: Qty,
    /// What the level has traded, and how many of its orders are gone.
    traded: u64,
    gone: u32,
}

impl Hand {
    fn take_up(store: &Store, level: Id<Level>) -> Hand {
        let Level { side, head, .. } = store.levels.pool[level];
        let limit = store.levels.pool[level].price();
        let mut hand = Hand {
            side,
            level,
            limit,
            slot: head,
            order: Order::EMPTY,
            is_plain: true,
            done: Done::EMPTY,
            filled: Qty::ZERO,
            traded: 0,
            gone: 0,
        };
        hand.read(store);
        hand
    }

    fn read(&mut self, store: &Store) {
        self.order = store.orders[self.slot];
        store.orders.prefetch(self.order.next);
        store.sessions.prefetch(store.sessions.entry(self.order.session, self.order.number));
        self.is_plain = is_plain(store, &self.order);
        self.done = store.orders.done(self.order.done);
        self.filled = Qty::ZERO;
    }

    fn trade(&mut self, price: Price, qty: Qty) {
        self.order.leaves_qty -= qty;
        self.filled += qty;
        self.done.add(price, qty);
    }

    fn fill(&self, store: &mut Store) -> Fill {
        let Order { session, number, order_id, leaves_qty, .. } = self.order;
        let Done { cum_qty, notional } = self.done;
        let msg = store.sessions.next_msg(session);
        Fill { session, number, msg, order_id, leaves_qty, cum_qty, notional }
    }

    /// The account of the order, with what it has traded here.
    fn account<'a>(&self, store: &'a mut Store) -> &'a mut Account {
        let account = store.accounts.get_mut(self.order.account);
        account.fill(self.side, self.filled);
        account.lessen(self.side, self.filled, self.limit);
        account
    }

    /// Writes down what is left of the order and of its level; an empty level is still in its ladder.
    fn put_down(&self, store: &mut Store) {
        let mut traded = self.traded;
        if self.slot.is_some() {
            self.account(store);
            traded += self.filled.lots();
            let done = store.orders.keep_done(self.order.done, self.done);
            store.orders[self.slot] = Order { done, prev: Id::NONE, ..self.order };
        }
        let level = &mut store.levels.pool[self.level];
        level.head = self.slot;
        level.orders -= self.gone;
        level.qty -= traded;
    }
}
