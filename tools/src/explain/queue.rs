//! Who stood before an order in its queue, from the events of its price level alone.
//!
//! Every span gives the changes of the levels that the order stood in. A cancel does not say its price;
//! what it takes off is known by its place: one given in the same span is looked up, an earlier one is
//! kept until all spans are there. Those are few: orders that lived longer than a segment.

use std::collections::{BTreeMap, BTreeSet};

use matcher::record::decode_event;
use matcher::{
    Engine, Event, InstrumentId, OrderNumber, OrderRef, Priority, Qty, Sequence, SessionId,
    Timestamp, TradeKind,
};

use super::life::{Level, Place};
use crate::scan::{kind, u32_at, u64_at};

/// What stood before the order from one moment on.
#[derive(Clone, Debug)]
pub(super) struct Ahead {
    pub(super) sequence: u64,
    /// Which event of the turn.
    pub(super) index: u32,
    pub(super) time: Timestamp,
    pub(super) orders: usize,
    pub(super) qty: Qty,
    pub(super) instrument: InstrumentId,
    pub(super) why: Why,
}

/// Why that is another than before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The order takes its place.
    Placed,
    /// One before it traded.
    Traded(SessionId, OrderNumber),
    /// One before it was taken off.
    Gone(SessionId, OrderNumber),
    /// One before it is smaller now.
    Cut(SessionId, OrderNumber),
    /// One before it lost its place.
    Moved(SessionId, OrderNumber),
}

/// What a change does to a place.
#[derive(Clone, Copy)]
enum Change {
    Add(usize, One),
    Take(Qty, Why),
    Remove(Why),
}

/// Who stands at a place.
#[derive(Clone, Copy)]
struct One {
    session: SessionId,
    number: OrderNumber,
    qty: Qty,
}

/// A level as records have it.
#[derive(Clone, Copy)]
pub(super) struct RawLevel {
    level: Level,
    instrument: u32,
    side: u8,
    price: u64,
}

impl RawLevel {
    pub(super) fn of(level: &Level) -> RawLevel {
        let Level { instrument, side, price } = *level;
        let price = price.ticks().cast_unsigned();
        RawLevel { level: *level, instrument: instrument.0, side: side as u8, price }
    }
}

pub(super) struct Op {
    at: (u64, u32),
    time: Timestamp,
    order_ref: OrderRef,
    change: Change,
}

/// The changes of some levels in one span.
#[derive(Default)]
pub(super) struct Changes {
    pub(super) ops: Vec<Op>,
    /// Places given at the levels in this span.
    local: BTreeSet<OrderRef>,
    /// The first place that a new order was given in this span.
    first_ref: Option<OrderRef>,
    /// Session and number of the order that this turn enters; number 0: none.
    entered: (u32, u32),
}

impl Changes {
    /// The Input of a turn, whose events follow.
    #[inline]
    pub(super) fn begin(&mut self, input: &[u8]) {
        let is_new = matches!(input[2], kind::NEW | kind::NEW_SPECIAL);
        self.entered = if is_new { (u32_at(input, 4), u32_at(input, 24)) } else { (0, 0) };
    }

    /// One record of an event; `at` is its turn and its place there.
    #[inline]
    pub(super) fn record(
        &mut self,
        record: &[u8],
        at: (u64, u32),
        time: Timestamp,
        levels: &[RawLevel],
    ) {
        let here = |instrument_at: usize| {
            let instrument = u32_at(record, instrument_at);
            levels.iter().any(|level| level.instrument == instrument)
        };
        let counts = match record[2] {
            kind::RESTED | kind::REPLENISHED => {
                self.given(record);
                let price = u64_at(record, 24);
                here(12) && levels.iter().any(|it| it.price == price && it.side == record[3])
            }
            kind::HELD => {
                self.given(record);
                false
            }
            // In an auction an order trades at another price than its own.
            kind::TRADED => {
                let price = u64_at(record, 16);
                here(4) && (record[3] >> 4 != 0 || levels.iter().any(|it| it.price == price))
            }
            kind::CANCELED => here(32) && self.may_be_here(u64_at(record, 24)),
            kind::REPLACED => here(20) && self.may_be_here(u64_at(record, 32)),
            kind::RESTATED => here(24) && self.may_be_here(u64_at(record, 32)),
            _ => false,
        };
        if counts && let Ok((event, _)) = decode_event(record) {
            self.change((at, time), &event, levels);
        }
    }

    /// Whether a place is at one of the levels, or was given before this span.
    #[inline]
    fn may_be_here(&self, order_ref: u64) -> bool {
        let order_ref = OrderRef(order_ref);
        let earlier = self.first_ref.is_none_or(|first| order_ref < first);
        order_ref != OrderRef::NONE && (earlier || self.local.contains(&order_ref))
    }

    fn change(&mut self, at: ((u64, u32), Timestamp), event: &Event, levels: &[RawLevel]) {
        let level_of = |level| levels.iter().position(|it| it.level == level);
        match event {
            Event::Rested(it) => {
                let level = Level { instrument: it.instrument, side: it.side, price: it.price };
                let one = One { session: it.session, number: it.number, qty: it.leaves_qty };
                self.add(at, it.order_ref, level_of(level), one);
            }
            Event::Replenished(it) => {
                let level = Level { instrument: it.instrument, side: it.side, price: it.price };
                let one = One { session: it.session, number: it.number, qty: it.qty };
                self.add(at, it.order_ref, level_of(level), one);
            }
            Event::Traded(it) => {
                let side = it.taker_side.opposite();
                let level = Level { instrument: it.instrument, side, price: it.price };
                let auction = it.kind == TradeKind::Auction;
                let of = |fill: &matcher::Fill| Why::Traded(fill.session, fill.number);
                if auction || level_of(level).is_some() {
                    self.take(at, it.maker_ref, Change::Take(it.qty, of(&it.maker)));
                }
                if auction {
                    self.take(at, it.taker_ref, Change::Take(it.qty, of(&it.taker)));
                }
            }
            Event::Canceled(it) => {
                self.take(at, it.order_ref, Change::Remove(Why::Gone(it.session, it.number)));
            }
            Event::Replaced(it) => {
                let (session, number) = (it.session, it.number);
                let change = match it.priority {
                    Priority::Kept => Change::Take(it.cut_qty, Why::Cut(session, number)),
                    Priority::Lost => Change::Remove(Why::Moved(session, number)),
                };
                self.take(at, it.old_ref, change);
            }
            Event::Restated(it) => {
                let why = Why::Cut(it.session, it.number);
                self.take(at, it.order_ref, Change::Take(it.cut_qty, why));
            }
            _ => {}
        }
    }

    /// A place is given, or taken up that was kept: only that of a new order is later than all before this span.
    #[inline]
    fn given(&mut self, record: &[u8]) {
        let is_new = (u32_at(record, 4), u32_at(record, 8)) == self.entered;
        if self.first_ref.is_none() && is_new {
            let order_ref = OrderRef(u64_at(record, 16));
            self.first_ref = Some(order_ref).filter(|order_ref| *order_ref != OrderRef::NONE);
        }
    }

    fn add(
        &mut self,
        (at, time): ((u64, u32), Timestamp),
        order_ref: OrderRef,
        level: Option<usize>,
        one: One,
    ) {
        let Some(level) = level.filter(|_| order_ref != OrderRef::NONE) else { return };
        self.local.insert(order_ref);
        self.ops.push(Op { at, time, order_ref, change: Change::Add(level, one) });
    }

    fn take(&mut self, (at, time): ((u64, u32), Timestamp), order_ref: OrderRef, change: Change) {
        if self.may_be_here(order_ref.0) {
            self.ops.push(Op { at, time, order_ref, change });
        }
    }
}

/// Queues at some levels, as they change.
pub(super) struct Queues {
    levels: Vec<Level>,
    queues: Vec<BTreeMap<OrderRef, One>>,
    counted: Option<Counted>,
}

/// How much stands before a place: a sum that is kept, for a queue may be long and change often.
#[derive(Clone, Copy)]
struct Counted {
    level: usize,
    before: OrderRef,
    orders: usize,
    qty: u128,
}

impl Queues {
    /// Nobody stands at the levels yet.
    pub(super) fn new(levels: &[Level]) -> Queues {
        let queues = vec![BTreeMap::new(); levels.len()];
        Queues { levels: levels.to_vec(), queues, counted: None }
    }

    /// Whoever stood there, now it is who stands in the books of `engine`.
    pub(super) fn stand_as_in(&mut self, engine: &Engine) {
        self.counted = None;
        for (level, queue) in self.levels.iter().zip(&mut self.queues) {
            queue.clear();
            let Some(book) = engine.book(level.instrument) else { continue };
            let here = book.orders(level.side).filter(|order| order.price == level.price);
            queue.extend(here.map(|order| {
                let (session, number, qty) = (order.session, order.number, order.displayed_qty);
                (order.order_ref, One { session, number, qty })
            }));
        }
    }

    /// Who stands before a place.
    pub(super) fn before(&self, place: &Place) -> impl Iterator<Item = (SessionId, OrderNumber)> {
        let level = self.levels.iter().position(|level| *level == place.level);
        let before = level.map(|level| self.queues[level].range(..place.order_ref));
        before.into_iter().flatten().map(|(_, one)| (one.session, one.number))
    }

    /// Changes go on; what stands before the order at each of them, in one of its `places`, comes to `ahead`.
    pub(super) fn change(&mut self, ops: &[Op], places: &[Place], ahead: &mut Vec<Ahead>) {
        for op in ops {
            let Some((level, why)) = self.one(op) else { continue };
            let here = |place: &&Place| {
                self.levels[level] == place.level && place.from <= op.at && op.at < place.to
            };
            let Some(place) = places.iter().find(here) else { continue };
            let placed = why == Why::Placed && op.order_ref == place.order_ref;
            if placed || op.order_ref < place.order_ref {
                let Counted { orders, qty, .. } = self.count(level, place.order_ref);
                ahead.push(Ahead {
                    sequence: op.at.0,
                    index: op.at.1,
                    time: op.time,
                    orders,
                    qty: Qty::from_lots(u64::try_from(qty).unwrap_or(u64::MAX)),
                    instrument: place.level.instrument,
                    why,
                });
            }
        }
    }

    /// Makes a change; says at which level, if it is at one of these.
    fn one(&mut self, op: &Op) -> Option<(usize, Why)> {
        let holds = |queue: &BTreeMap<_, _>| queue.contains_key(&op.order_ref);
        let (level, why) = match op.change {
            Change::Add(level, _) => (level, Why::Placed),
            Change::Take(_, why) | Change::Remove(why) => {
                (self.queues.iter().position(holds)?, why)
            }
        };
        let queue = &mut self.queues[level];
        let was = queue.get(&op.order_ref).copied();
        let is = op.change.of(was);
        match is {
            Some(one) => queue.insert(op.order_ref, one),
            None => queue.remove(&op.order_ref),
        };
        if let Some(counted) = &mut self.counted
            && counted.level == level
            && op.order_ref < counted.before
        {
            let of = |one: Option<One>| one.map_or((0, 0), |one| (1, u128::from(one.qty.lots())));
            let (was, is) = (of(was), of(is));
            counted.orders = counted.orders + is.0 - was.0;
            counted.qty = counted.qty + is.1 - was.1;
        }
        Some((level, why))
    }

    fn count(&mut self, level: usize, before: OrderRef) -> Counted {
        let known = self.counted.filter(|it| it.level == level && it.before == before);
        let counted = known.unwrap_or_else(|| {
            let queue = self.queues[level].range(..before);
            let sum = |(orders, qty): (usize, u128), (_, one): (&OrderRef, &One)| {
                (orders + 1, qty + u128::from(one.qty.lots()))
            };
            let (orders, qty) = queue.fold((0, 0), sum);
            Counted { level, before, orders, qty }
        });
        self.counted = Some(counted);
        counted
    }
}

impl Change {
    /// What it makes of who stands at its place.
    fn of(self, was: Option<One>) -> Option<One> {
        match (self, was) {
            (Change::Add(_, one), _) => Some(one),
            (Change::Take(qty, why), Some(was)) => {
                let left = was.qty.lots().saturating_sub(qty.lots());
                // A replace that keeps the place gives another number.
                let number = match why {
                    Why::Cut(_, number) => number,
                    _ => was.number,
                };
                (left > 0).then_some(One { number, qty: Qty::from_lots(left), ..was })
            }
            (Change::Remove(_), _) | (_, None) => None,
        }
    }
}

impl Op {
    /// The turn that it is of.
    pub(super) const fn sequence(&self) -> u64 {
        self.at.0
    }
}

/// The sequence, for whoever prints it.
impl Ahead {
    pub(super) fn sequence(&self) -> Sequence {
        Sequence(self.sequence)
    }
}
