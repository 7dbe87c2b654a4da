//! What an order went through, from its request to its end.

use matcher::{
    CancelReason, Event, InstrumentId, OrderId, OrderNumber, OrderRef, Price, Qty, SessionId, Side,
};
use venue::Names;
use venue::turns::{Cutter, Follower, TurnHead};

use crate::failure::Failure;
use crate::journal_reader::JournalArgs;
use crate::order_name::{OrderName, OrderTrack};
use crate::scan;

/// One record about the order.
pub(super) struct Stop {
    pub(super) head: TurnHead,
    /// `None`: the request itself.
    pub(super) event: Option<(u32, Event)>,
}

/// A place of the order in a queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) order_ref: OrderRef,
    pub(super) level: Level,
    /// Sequence and event that gave it.
    pub(super) from: (u64, u32),
    /// Sequence and event that took it.
    pub(super) to: (u64, u32),
}

/// One side of a book at one price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Level {
    pub(super) instrument: InstrumentId,
    pub(super) side: Side,
    pub(super) price: Price,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Working,
    Filled,
    Canceled(CancelReason),
    Rejected,
}

pub(super) struct Life {
    pub(super) session: SessionId,
    pub(super) numbers: Vec<OrderNumber>,
    pub(super) order_id: Option<OrderId>,
    pub(super) stops: Vec<Stop>,
    pub(super) places: Vec<Place>,
    pub(super) end: End,
    /// Sequence of the last turn about it.
    pub(super) last: u64,
}

/// Reads the life of the order that turn `sequence` entered, up to its end.
pub(super) fn life(journal: &JournalArgs, sequence: u64) -> Result<Life, Failure> {
    let mut reader = journal.open()?;
    let segments = scan::segments(&reader)?;
    let segment = scan::segment_of(&segments, sequence);
    let Some(segment) = segment else { return Err(Failure::usage("the journal is empty")) };
    reader.seek(scan::start(&reader, segment));
    let mut reading = Reading {
        track: OrderTrack::new(OrderName::Id(OrderId(sequence))),
        names: Names::default(),
        stops: Vec::new(),
        places: Vec::new(),
        open: None,
        end: End::Working,
        turn_from: 0,
        last: sequence,
    };
    let mut cutter = Cutter::default();
    let mut turn_over = true;
    while reading.end == End::Working || !turn_over {
        let Some(frame) = reader.next().map_err(Failure::failed)? else { break };
        if frame.sequence >= sequence {
            cutter.frame(&frame, &mut reading).map_err(Failure::failed)?;
            turn_over = frame.last;
        }
    }
    let Reading { track, stops, mut places, open, end, last, .. } = reading;
    let never = (u64::MAX, 0);
    places.extend(open.map(|place| Place { to: never, ..place }));
    let Some(session) = track.session() else {
        return Err(Failure::failed(format!("turn {sequence} is not in the journal")));
    };
    let (numbers, order_id) = (track.numbers().to_vec(), track.order_id());
    Ok(Life { session, numbers, order_id, stops, places, end, last })
}

struct Reading {
    track: OrderTrack,
    /// Nobody is looked up by name here: the order is known by its sequence.
    names: Names,
    stops: Vec<Stop>,
    places: Vec<Place>,
    open: Option<Place>,
    end: End,
    /// Stops before the present turn.
    turn_from: usize,
    last: u64,
}

impl Follower for Reading {
    fn input(&mut self, head: &TurnHead) {
        self.turn_from = self.stops.len();
        if self.track.input(head, &self.names) {
            self.push(head, None);
        }
    }

    fn event(&mut self, head: &TurnHead, index: u32, event: &Event) {
        if !self.track.event(head, event) {
            return;
        }
        // Whatever happens to it happens in answer to somebody: that request is told first.
        if self.stops.len() == self.turn_from {
            self.push(head, None);
        }
        self.push(head, Some((index, *event)));
        self.place((head.input.sequence.0, index), event);
        self.ended(event);
    }

    fn end_turn(&mut self, _: &TurnHead) {}
}

impl Reading {
    fn push(&mut self, head: &TurnHead, event: Option<(u32, Event)>) {
        self.last = head.input.sequence.0;
        self.stops.push(Stop { head: *head, event });
    }

    fn place(&mut self, at: (u64, u32), event: &Event) {
        let (taken, given) = match event {
            Event::Rested(it) => {
                let Level { instrument, side, price } =
                    Level { instrument: it.instrument, side: it.side, price: it.price };
                (true, Some((it.order_ref, Level { instrument, side, price })))
            }
            Event::Replenished(it) => {
                let level = Level { instrument: it.instrument, side: it.side, price: it.price };
                (true, Some((it.order_ref, level)))
            }
            Event::Replaced(it) => (it.priority == matcher::Priority::Lost, None),
            Event::Canceled(_) | Event::Held(_) => (true, None),
            Event::Traded(it) => {
                let fills = [&it.maker, &it.taker];
                let mine = fills.iter().find(|it| self.track.is_ours(it.session, it.number));
                (mine.is_some_and(|mine| mine.leaves_qty.is_zero()), None)
            }
            _ => (false, None),
        };
        if taken && let Some(place) = self.open.take() {
            self.places.push(Place { to: at, ..place });
        }
        if let Some((order_ref, level)) = given
            && order_ref != OrderRef::NONE
        {
            self.open = Some(Place { order_ref, level, from: at, to: at });
        }
    }

    fn ended(&mut self, event: &Event) {
        match event {
            Event::Rejected(_) => self.end = End::Rejected,
            Event::Canceled(it) => self.end = End::Canceled(it.reason),
            Event::Traded(it) => {
                for fill in [&it.maker, &it.taker] {
                    if self.track.is_ours(fill.session, fill.number) && fill.leaves_qty.is_zero() {
                        self.end = End::Filled;
                    }
                }
            }
            _ => {}
        }
    }
}

impl Life {
    /// Whether this is a number of the order.
    pub(super) fn is_ours(&self, session: SessionId, number: OrderNumber) -> bool {
        self.session == session && self.numbers.contains(&number)
    }

    /// What the order has done at its end, or up to now.
    pub(super) fn done(&self) -> (Qty, u32) {
        let mut done = (Qty::ZERO, 0);
        for stop in &self.stops {
            let Some((_, Event::Traded(it))) = &stop.event else { continue };
            for fill in [&it.maker, &it.taker] {
                if self.is_ours(fill.session, fill.number) {
                    done = (fill.cum_qty, done.1 + 1);
                }
            }
        }
        done
    }
}
