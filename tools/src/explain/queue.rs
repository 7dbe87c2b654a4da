//! Who stood before an order in its queue, from the events of its price level alone.
//!
//! Every segment gives the changes of the levels that the order stood in. A cancel does not say its price;
//! what it takes off is known by its place: one given in the same segment is looked up, an earlier one is
//! kept until all segments are there. Those are few: orders that lived longer than a segment.

use std::collections::{BTreeMap, HashSet};

use matcher::record::decode_event;
use matcher::{
    Engine, Event, InstrumentId, OrderNumber, OrderRef, Priority, Qty, Sequence, SessionId,
    Timestamp, TradeKind,
};

use super::life::{Level, Life};
use crate::scan::kind;

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
    Add(usize, Qty),
    Take(Qty, Why),
    Remove(Why),
}

pub(super) struct Op {
    pub(super) at: (u64, u32),
    time: Timestamp,
    order_ref: OrderRef,
    change: Change,
}

/// The changes of some levels in one segment.
#[derive(Default)]
pub(super) struct Changes {
    pub(super) ops: Vec<Op>,
    /// Places given at the levels in this segment.
    local: HashSet<OrderRef>,
    /// The first place given in this segment.
    first_ref: Option<OrderRef>,
}

/// What stands at some levels of an engine, as changes before all others.
pub(super) fn standing(engine: &Engine, levels: &[Level]) -> Vec<Op> {
    let mut ops = Vec::new();
    for (index, level) in levels.iter().enumerate() {
        let Some(book) = engine.book(level.instrument) else { continue };
        let here = book.orders(level.side).filter(|order| order.price == level.price);
        ops.extend(here.map(|order| Op {
            at: (0, 0),
            time: Timestamp(0),
            order_ref: order.order_ref,
            change: Change::Add(index, order.displayed_qty),
        }));
    }
    ops
}

impl Changes {
    /// One record of an event; `at` is its turn and its place there.
    pub(super) fn record(
        &mut self,
        record: &[u8],
        at: (u64, u32),
        time: Timestamp,
        levels: &[Level],
    ) {
        match record[2] {
            kind::RESTED
            | kind::REPLENISHED
            | kind::HELD
            | kind::TRADED
            | kind::CANCELED
            | kind::REPLACED
            | kind::RESTATED => {
                let Ok((event, _)) = decode_event(record) else { return };
                self.change((at, time), &event, levels);
            }
            _ => {}
        }
    }

    fn change(&mut self, at: ((u64, u32), Timestamp), event: &Event, levels: &[Level]) {
        let level_of = |level| levels.iter().position(|it| *it == level);
        match event {
            Event::Held(it) => self.given(it.order_ref),
            Event::Rested(it) => {
                self.given(it.order_ref);
                let level = Level { instrument: it.instrument, side: it.side, price: it.price };
                self.add(at, it.order_ref, level_of(level), it.leaves_qty);
            }
            Event::Replenished(it) => {
                self.given(it.order_ref);
                let level = Level { instrument: it.instrument, side: it.side, price: it.price };
                self.add(at, it.order_ref, level_of(level), it.qty);
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
            Event::Canceled(it) if levels.iter().any(|level| level.instrument == it.instrument) => {
                self.take(at, it.order_ref, Change::Remove(Why::Gone(it.session, it.number)));
            }
            Event::Replaced(it) if levels.iter().any(|level| level.instrument == it.instrument) => {
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

    fn given(&mut self, order_ref: OrderRef) {
        if order_ref != OrderRef::NONE {
            self.first_ref.get_or_insert(order_ref);
        }
    }

    fn add(
        &mut self,
        (at, time): ((u64, u32), Timestamp),
        order_ref: OrderRef,
        level: Option<usize>,
        qty: Qty,
    ) {
        let Some(level) = level.filter(|_| order_ref != OrderRef::NONE) else { return };
        self.local.insert(order_ref);
        self.ops.push(Op { at, time, order_ref, change: Change::Add(level, qty) });
    }

    fn take(&mut self, (at, time): ((u64, u32), Timestamp), order_ref: OrderRef, change: Change) {
        let earlier = self.first_ref.is_none_or(|first| order_ref < first);
        if order_ref != OrderRef::NONE && (earlier || self.local.contains(&order_ref)) {
            self.ops.push(Op { at, time, order_ref, change });
        }
    }
}

/// What stood before the order, at each change.
pub(super) fn ahead(life: &Life, levels: &[Level], ops: &[Op]) -> Vec<Ahead> {
    let mut queues: Vec<BTreeMap<OrderRef, Qty>> = vec![BTreeMap::new(); levels.len()];
    let mut ahead: Vec<Ahead> = Vec::new();
    for op in ops {
        let (why, level) = match op.change {
            Change::Add(level, qty) => {
                queues[level].insert(op.order_ref, qty);
                (Why::Placed, level)
            }
            Change::Take(_, why) | Change::Remove(why) => {
                let holds = |queue: &BTreeMap<_, _>| queue.contains_key(&op.order_ref);
                let Some(level) = queues.iter().position(holds) else { continue };
                take(&mut queues[level], op);
                (why, level)
            }
        };
        let here = |place: &&super::life::Place| {
            levels[level] == place.level && place.from <= op.at && op.at < place.to
        };
        let Some(place) = life.places.iter().find(here) else { continue };
        let placed = why == Why::Placed && op.order_ref == place.order_ref;
        if placed || op.order_ref < place.order_ref {
            let before = queues[level].range(..place.order_ref);
            let (mut orders, mut qty) = (0, 0_u64);
            for (_, one) in before {
                (orders, qty) = (orders + 1, qty.saturating_add(one.lots()));
            }
            ahead.push(Ahead {
                sequence: op.at.0,
                index: op.at.1,
                time: op.time,
                orders,
                qty: Qty::from_lots(qty),
                instrument: place.level.instrument,
                why,
            });
        }
    }
    ahead
}

fn take(queue: &mut BTreeMap<OrderRef, Qty>, op: &Op) {
    let left = match (op.change, queue.get(&op.order_ref)) {
        (Change::Take(qty, _), Some(held)) => held.lots().saturating_sub(qty.lots()),
        _ => 0,
    };
    match left {
        0 => queue.remove(&op.order_ref),
        left => queue.insert(op.order_ref, Qty::from_lots(left)),
    };
}

/// The sequence, for whoever prints it.
impl Ahead {
    pub(super) fn sequence(&self) -> Sequence {
        Sequence(self.sequence)
    }
}
