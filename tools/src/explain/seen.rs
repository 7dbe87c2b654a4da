//! What one span of a journal says of an order, and of the levels that it stands in.
//!
//! The bytes of a record's head say whether it may count, and only what may is decoded: decoding all there is takes many
//! times as long.

use journal::Frame;
use matcher::{Command, Event, NewOrder, OrderKind, OrderNumber, Price, SessionId, Timestamp};
use venue::named::{is_about, requested};
use venue::turns::{Cutter, Follower, TurnHead};

use super::life::{Kept, Level};
use super::queue::{Changes, RawLevel};
use crate::scan::{Records, kind, u32_at, u64_at};

/// What is looked for.
pub(super) struct Wanted {
    pub(super) session: SessionId,
    /// The turn that entered the order: its OrderID, if it became one.
    pub(super) sequence: u64,
    numbers: Numbers,
    levels: Vec<RawLevel>,
    /// The last turn that can change the queue.
    pub(super) queue_until: u64,
    /// Whether it has ended: then only requests and busts may be about it.
    pub(super) has_ended: bool,
}

/// The numbers of an order, in order.
#[derive(Clone, Default)]
struct Numbers(Vec<u32>);

impl Numbers {
    fn add(&mut self, number: u32) -> bool {
        let place = self.0.binary_search(&number);
        if let Err(at) = place {
            self.0.insert(at, number);
        }
        place.is_err()
    }

    #[inline]
    fn has(&self, number: u32) -> bool {
        let between = |(first, last): (&u32, &u32)| *first <= number && number <= *last;
        self.0.first().zip(self.0.last()).is_some_and(between)
            && self.0.binary_search(&number).is_ok()
    }
}

impl Wanted {
    pub(super) fn of(head: &TurnHead) -> Wanted {
        let numbers = requested(&head.input.command).0;
        Wanted {
            session: head.input.session,
            sequence: head.input.sequence.0,
            numbers: Numbers(numbers.iter().map(|number| number.0).collect()),
            levels: Vec::new(),
            queue_until: u64::MAX,
            has_ended: false,
        }
    }

    /// The queues at these levels are wanted.
    pub(super) fn stand_at(&mut self, levels: &[Level]) {
        self.levels = levels.iter().map(RawLevel::of).collect();
    }

    /// Another number that it has; says whether that is news.
    pub(super) fn add(&mut self, number: OrderNumber) -> bool {
        self.numbers.add(number.0)
    }

    fn is_asked(&self, input: &[u8], learned: &Numbers) -> bool {
        let places: &[usize] = match input[2] {
            kind::NEW | kind::NEW_SPECIAL | kind::CANCEL | kind::STATUS => &[24],
            kind::REPLACE | kind::REPLACE_STOP => &[24, 48],
            kind::REFUSE => &[24, 28],
            _ => &[],
        };
        u32_at(input, 4) == self.session.0
            && places.iter().any(|at| self.has(u32_at(input, *at), learned))
    }

    #[inline]
    fn is_told(&self, event: &[u8], learned: &Numbers) -> bool {
        let ours = |at: usize| {
            u32_at(event, at) == self.session.0 && self.has(u32_at(event, at + 4), learned)
        };
        match event[2] {
            kind::TRADED => ours(48) || ours(96),
            kind::BUSTED => ours(32) || ours(44),
            // Its numbers are found by its OrderID, which stays.
            kind::REPLACED => u64_at(event, 24) == self.sequence || ours(4),
            _ => ours(4),
        }
    }

    #[inline]
    fn has(&self, number: u32, learned: &Numbers) -> bool {
        self.numbers.has(number) || learned.has(number)
    }
}

/// Where an order comes to stand if it does so as it was asked for.
pub(super) fn named_level(command: &Command) -> Option<Level> {
    let new: &NewOrder = match command {
        Command::New(new) | Command::NewSpecial(new, _) => new,
        _ => return None,
    };
    let level = |price: Price| Level { instrument: new.instrument, side: new.side, price };
    match new.kind {
        OrderKind::Limit(price) => Some(level(price)),
        _ => None,
    }
}

/// What one span gave.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) definitions: Vec<Kept>,
    pub(super) turns: Vec<Kept>,
    pub(super) changes: Changes,
    /// Numbers that the order was given here.
    learned: Numbers,
    cutter: Cutter,
    /// Whether the turn at hand may be about it, if it has ended.
    is_late: bool,
    time: Timestamp,
    index: u32,
}

impl Seen {
    pub(super) fn look(&mut self, frame: &Frame<'_>, wanted: &Wanted) {
        let mut records = Records(frame.payload);
        let mut is_in = false;
        if frame.first {
            let Some(input) = records.next().filter(|input| input.len() >= 24) else { return };
            (self.time, self.index) = (Timestamp(u64_at(input, 8)), 0);
            self.changes.begin(input);
            if matches!(input[2], kind::DEFINE_INSTRUMENT | kind::DEFINE_SESSION) {
                // Its checksum was right: what is no record is of another version.
                let all = &mut Keep { turns: &mut self.definitions, wanted: None };
                let _ = Cutter::default().frame(frame, all);
            }
            let entered = frame.sequence == wanted.sequence;
            is_in = entered || wanted.is_asked(input, &self.learned);
            self.is_late = is_in || input[2] == kind::BUST;
        }
        if wanted.has_ended && !self.is_late {
            return;
        }
        let may_tell = frame.sequence >= wanted.sequence;
        let may_change = frame.sequence <= wanted.queue_until && !wanted.levels.is_empty();
        for record in records {
            let told = may_tell && wanted.is_told(record, &self.learned);
            is_in |= told;
            if told && record[2] == kind::REPLACED && u64_at(record, 24) == wanted.sequence {
                self.learned.add(u32_at(record, 12));
            }
            if may_change {
                let at = (frame.sequence, self.index);
                self.index += 1;
                self.changes.record(record, at, self.time, &wanted.levels);
            }
        }
        // Of a turn that spans frames each is read: the place of an event in it counts.
        if may_tell && (is_in || !(frame.first && frame.last)) {
            let wanted = Some((wanted, &self.learned));
            let _ = self.cutter.frame(frame, &mut Keep { turns: &mut self.turns, wanted });
        }
    }
}

/// Keeps turns, with the events about an order or all of them.
struct Keep<'a> {
    turns: &'a mut Vec<Kept>,
    wanted: Option<(&'a Wanted, &'a Numbers)>,
}

impl Follower for Keep<'_> {
    fn input(&mut self, head: &TurnHead) {
        self.turns.push(Kept { head: *head, events: Vec::new() });
    }

    fn event(&mut self, _: &TurnHead, index: u32, event: &Event) {
        let is_wanted = self.wanted.is_none_or(|(wanted, learned)| {
            let by_id = matches!(event, Event::Replaced(it) if it.order_id.0 == wanted.sequence);
            let ours = |session: SessionId, number: OrderNumber| {
                session == wanted.session && wanted.has(number.0, learned)
            };
            by_id || is_about(event, ours)
        });
        if is_wanted && let Some(last) = self.turns.last_mut() {
            last.events.push((index, *event));
        }
    }

    fn end_turn(&mut self, _: &TurnHead) {}
}
