//! What an order went through, from its request to its end.

use journal::Position;
use matcher::{
    CancelReason, Event, InstrumentId, OrderId, OrderNumber, OrderRef, Price, Qty, SessionId, Side,
};
use venue::Names;
use venue::named::{is_about, requested};
use venue::turns::{Follower, TurnHead};

use crate::failure::Failure;
use crate::order_name::{OrderName, OrderTrack};

/// One record about the order.
#[derive(Clone)]
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

/// Behind every turn.
const NEVER: (u64, u32) = (u64::MAX, 0);

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
    /// Sequence of the last turn that can change the queue before it.
    pub(super) queue_until: u64,
}

/// A turn, or the part of it that somebody wants.
pub(super) struct Kept {
    pub(super) head: TurnHead,
    /// Events with their places in the turn.
    pub(super) events: Vec<(u32, Event)>,
}

/// A life being read, turn by turn.
#[derive(Clone)]
pub(super) struct Reading {
    track: OrderTrack,
    stops: Vec<Stop>,
    places: Vec<Place>,
    open: Option<Place>,
    end: End,
    /// Stops before the present turn.
    turn_from: usize,
    last: u64,
    /// Turns about it after its end.
    later: Vec<(u64, Position)>,
}

impl Reading {
    /// Of the order that turn `sequence` entered.
    pub(super) fn new(sequence: u64) -> Reading {
        Reading {
            track: OrderTrack::new(OrderName::Id(OrderId(sequence))),
            stops: Vec::new(),
            places: Vec::new(),
            open: None,
            end: End::Working,
            turn_from: 0,
            last: sequence,
            later: Vec::new(),
        }
    }

    /// The numbers of the order up to now.
    pub(super) fn numbers(&self) -> &[OrderNumber] {
        self.track.numbers()
    }

    /// Whether it has ended by now.
    pub(super) fn has_ended(&self) -> bool {
        self.end != End::Working
    }

    /// Its places in queues up to now; the last one may go on.
    pub(super) fn places(&self) -> Vec<Place> {
        self.places.iter().copied().chain(self.place_now()).collect()
    }

    /// Its place now.
    pub(super) fn place_now(&self) -> Option<Place> {
        self.open.map(|place| Place { to: NEVER, ..place })
    }

    /// The last turn that can change the queue before it: its end, if it has ended.
    pub(super) fn queue_until(&self) -> u64 {
        if self.end == End::Working { u64::MAX } else { self.last }
    }

    /// A turn that may be about it: at least those of its events that are.
    pub(super) fn turn(&mut self, turn: &Kept) {
        if self.end != End::Working {
            self.late(turn);
            return;
        }
        self.input(&turn.head);
        for (index, event) in &turn.events {
            self.event(&turn.head, *index, event);
        }
    }

    /// Requests that came too late, and trades that were busted.
    fn late(&mut self, turn: &Kept) {
        let input = &turn.head.input;
        let ours = |session, number| self.track.is_ours(session, number);
        let target = requested(&input.command).1;
        let is_late = target.is_some_and(|target| ours(input.session, target));
        let is_busted = |event: &Event| matches!(event, Event::Busted(_)) && is_about(event, ours);
        if is_late || turn.events.iter().any(|(_, event)| is_busted(event)) {
            self.later.push((input.sequence.0, turn.head.position));
        }
    }

    /// The life, and the turns about it after its end.
    ///
    /// # Errors
    ///
    /// If the turn that entered it did not come.
    pub(super) fn end(self) -> Result<(Life, Vec<(u64, Position)>), Failure> {
        let queue_until = self.queue_until();
        let places = self.places();
        let Reading { track, stops, end, last, later, .. } = self;
        let Some(session) = track.session() else {
            return Err(Failure::failed(format!("turn {last} is not in the journal")));
        };
        let (numbers, order_id) = (track.numbers().to_vec(), track.order_id());
        let life = Life { session, numbers, order_id, stops, places, end, queue_until };
        Ok((life, later))
    }
}

impl Follower for Reading {
    fn input(&mut self, head: &TurnHead) {
        self.turn_from = self.stops.len();
        // Nobody is looked up by name here: the order is known by its sequence.
        if self.track.input(head, &Names::default()) {
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
