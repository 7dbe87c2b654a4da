//! The way through a journal for everything that is told of an order.
//!
//! It begins at the newest snapshot before the order, whose engine knows who stood in the queue by then; or
//! where the journal begins. From there to the end each segment is looked at once: for what happened to the
//! order, and to the level that its request names. Only where it came to stand at another level is the part
//! of its life looked at again.

use std::collections::HashSet;

use journal::{Frame, SegmentInfo, SnapshotHead, Snapshots};
use matcher::{
    Command, Engine, Event, NewOrder, OrderKind, OrderNumber, Price, SessionId, Timestamp,
};
use venue::Names;
use venue::snapshots;
use venue::turns::{Cutter, Follower, TurnHead};

use super::find::entered;
use super::life::{Kept, Level, Life, Reading};
use super::queue::{self, Ahead, Changes, Op};
use crate::failure::Failure;
use crate::journal_reader::JournalArgs;
use crate::order_name::{is_about, requested};
use crate::scan::{self, Records, kind, scan_segments, u32_at, u64_at};

/// Segments for each processor before what they gave is looked at.
const WAVE: usize = 2;

/// What the journal says of an order.
pub(super) struct Found {
    pub(super) names: Names,
    pub(super) life: Life,
    pub(super) ahead: Vec<Ahead>,
    /// Turns about the order after its end: requests that came too late, busts.
    pub(super) later: Vec<u64>,
    /// Segments looked through.
    pub(super) segments: usize,
}

/// Where the way begins.
struct Start {
    names: Names,
    engine: Option<Engine>,
    /// The last turn before it.
    after: u64,
    segments: Vec<SegmentInfo>,
}

impl Start {
    /// The newest place before turn `sequence` at which all books are known.
    fn before(journal: &JournalArgs, sequence: u64) -> Result<Start, Failure> {
        let mut reader = journal.open()?;
        let known = Snapshots::to_read(&journal.dir, reader.log_id());
        let fits = |head: &SnapshotHead| head.sequence < sequence;
        // One that cannot be used only makes the way longer.
        let (index, _) = snapshots::index(&mut reader, &known, fits);
        let mut segments = scan::segments(&reader)?;
        let Some(index) = index else {
            let names = journal.names(&reader);
            return Ok(Start { names, engine: None, after: 0, segments });
        };
        let after = index.replay.place().0.0;
        let first = scan::segment_of(&segments, after + 1).map_or(0, |segment| segment.index);
        segments.retain(|segment| segment.index >= first);
        let engine = Some(index.replay.into_engine());
        Ok(Start { names: index.names, engine, after, segments })
    }
}

/// What is looked for.
struct Wanted {
    /// Turns up to this one are not looked at.
    after: u64,
    session: SessionId,
    /// The turn that entered the order: its OrderID, if it became one.
    sequence: u64,
    numbers: HashSet<u32>,
    levels: Vec<Level>,
    /// The last turn that can change the queue.
    queue_until: u64,
}

impl Wanted {
    fn of(head: &TurnHead, after: u64) -> Wanted {
        let numbers = requested(&head.input.command).0;
        Wanted {
            after,
            session: head.input.session,
            sequence: head.input.sequence.0,
            numbers: numbers.iter().map(|number| number.0).collect(),
            levels: named_level(&head.input.command).into_iter().collect(),
            queue_until: u64::MAX,
        }
    }

    /// Whether anything in a frame may be about the order. The bytes say so: decoding all there is takes
    /// many times as long.
    fn is_in(&self, frame: &Frame<'_>) -> bool {
        let mut records = Records(frame.payload);
        if frame.first {
            if frame.sequence == self.sequence {
                return true;
            }
            let Some(input) = records.next() else { return false };
            if u32_at(input, 4) == self.session.0 && self.is_asked(input) {
                return true;
            }
        }
        records.any(|record| self.is_told(record))
    }

    fn is_asked(&self, input: &[u8]) -> bool {
        let places: &[usize] = match input[2] {
            kind::NEW | kind::NEW_SPECIAL | kind::CANCEL | kind::STATUS => &[24],
            kind::REPLACE | kind::REPLACE_STOP => &[24, 48],
            kind::REFUSE => &[24, 28],
            _ => &[],
        };
        places.iter().any(|at| self.numbers.contains(&u32_at(input, *at)))
    }

    fn is_told(&self, event: &[u8]) -> bool {
        let ours = |at: usize| {
            u32_at(event, at) == self.session.0 && self.numbers.contains(&u32_at(event, at + 4))
        };
        match event[2] {
            kind::TRADED => ours(48) || ours(96),
            kind::BUSTED => ours(32) || ours(44),
            // Its numbers are found by its OrderID, which stays.
            kind::REPLACED => u64_at(event, 24) == self.sequence || ours(4),
            _ => ours(4),
        }
    }

    fn is_ours(&self, session: SessionId, number: OrderNumber) -> bool {
        session == self.session && self.numbers.contains(&number.0)
    }
}

/// Where an order comes to stand if it does so as it was asked for.
fn named_level(command: &Command) -> Option<Level> {
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

/// What one segment gave.
#[derive(Default)]
struct Seen {
    definitions: Vec<Kept>,
    turns: Vec<Kept>,
    changes: Changes,
    cutter: Cutter,
    time: Timestamp,
    index: u32,
}

impl Seen {
    fn look(&mut self, frame: &Frame<'_>, wanted: &Wanted) {
        if frame.sequence <= wanted.after {
            return;
        }
        let mut records = Records(frame.payload);
        if frame.first {
            let Some(input) = records.next() else { return };
            (self.time, self.index) = (Timestamp(u64_at(input, 8)), 0);
            if matches!(input[2], kind::DEFINE_INSTRUMENT | kind::DEFINE_SESSION) {
                // Its checksum was right: what is no record is of another version.
                let _ = Cutter::default().frame(frame, &mut Keep(&mut self.definitions, None));
            }
        }
        if frame.sequence >= wanted.sequence {
            let spans = !(frame.first && frame.last);
            if spans || wanted.is_in(frame) {
                let _ = self.cutter.frame(frame, &mut Keep(&mut self.turns, Some(wanted)));
            }
        }
        if frame.sequence <= wanted.queue_until && !wanted.levels.is_empty() {
            for record in records {
                let at = (frame.sequence, self.index);
                self.index += 1;
                self.changes.record(record, at, self.time, &wanted.levels);
            }
        }
    }
}

/// Keeps turns, with the events about an order or all of them.
struct Keep<'a>(&'a mut Vec<Kept>, Option<&'a Wanted>);

impl Follower for Keep<'_> {
    fn input(&mut self, head: &TurnHead) {
        self.0.push(Kept { head: *head, events: Vec::new() });
    }

    fn event(&mut self, _: &TurnHead, index: u32, event: &Event) {
        let is_wanted = self.1.is_none_or(|wanted| {
            let by_id = matches!(event, Event::Replaced(it) if it.order_id.0 == wanted.sequence);
            by_id || is_about(event, |session, number| wanted.is_ours(session, number))
        });
        if is_wanted && let Some(last) = self.0.last_mut() {
            last.events.push((index, *event));
        }
    }

    fn end_turn(&mut self, _: &TurnHead) {}
}

/// One way through some segments.
struct Way {
    reading: Reading,
    ops: Vec<Op>,
    definitions: Vec<Kept>,
    segments: usize,
}

/// Reads the life of the order that turn `sequence` entered, and the queue before it.
///
/// # Errors
///
/// If the journal cannot be read or has no such turn.
pub(super) fn look(
    journal: &JournalArgs,
    sequence: u64,
    done: impl Fn(u64) + Sync,
) -> Result<Found, Failure> {
    let Some(head) = entered(journal, sequence)? else {
        return Err(Failure::failed(format!("turn {sequence} is not in the journal")));
    };
    let start = Start::before(journal, sequence)?;
    let mut wanted = Wanted::of(&head, start.after);
    let Way { reading, mut ops, definitions, mut segments } =
        walk(journal, &start.segments, &mut wanted, &done)?;
    let (life, later) = reading.end()?;
    let mut levels: Vec<Level> = Vec::new();
    for place in &life.places {
        if !levels.contains(&place.level) {
            levels.push(place.level);
        }
    }
    if levels.iter().all(|level| wanted.levels.contains(level)) {
        levels.clone_from(&wanted.levels);
    } else {
        let lived = |segment: &&SegmentInfo| {
            segment.first_sequence.is_some_and(|first| first <= life.queue_until)
        };
        let lived: Vec<SegmentInfo> = start.segments.iter().filter(lived).cloned().collect();
        wanted.levels.clone_from(&levels);
        wanted.queue_until = life.queue_until;
        let again = walk(journal, &lived, &mut wanted, &done)?;
        ops = again.ops;
        segments += again.segments;
    }
    ops.retain(|op| op.at.0 <= life.queue_until);
    let mut all = start.engine.map_or_else(Vec::new, |engine| queue::standing(&engine, &levels));
    all.append(&mut ops);
    let mut names = start.names;
    for Kept { head, events } in &definitions {
        names.input(head);
        for (index, event) in events {
            names.event(head, *index, event);
        }
    }
    let ahead = queue::ahead(&life, &levels, &all);
    Ok(Found { names, life, ahead, later, segments })
}

fn walk(
    journal: &JournalArgs,
    segments: &[SegmentInfo],
    wanted: &mut Wanted,
    done: &(impl Fn(u64) + Sync),
) -> Result<Way, Failure> {
    let (mut reading, mut ops) = (Reading::new(wanted.sequence), Vec::new());
    let mut definitions = Vec::new();
    for wave in segments.chunks(WAVE * scan::processors()) {
        let before = reading.clone();
        let mut seen = scan_wave(journal, wave, wanted, done)?;
        loop {
            for turn in seen.iter().flat_map(|seen| &seen.turns) {
                reading.turn(turn);
            }
            let known = wanted.numbers.len();
            wanted.numbers.extend(reading.numbers().iter().map(|number| number.0));
            if wanted.numbers.len() == known {
                break;
            }
            // A replace gave it another number. What that led to is in here too.
            reading = before.clone();
            seen = scan_wave(journal, wave, wanted, done)?;
        }
        wanted.queue_until = wanted.queue_until.min(reading.queue_until());
        for seen in seen {
            ops.extend(seen.changes.ops);
            definitions.extend(seen.definitions);
        }
    }
    Ok(Way { reading, ops, definitions, segments: segments.len() })
}

fn scan_wave(
    journal: &JournalArgs,
    wave: &[SegmentInfo],
    wanted: &Wanted,
    done: &(impl Fn(u64) + Sync),
) -> Result<Vec<Seen>, Failure> {
    scan_segments(journal, wave, |seen: &mut Seen, frame| seen.look(frame, wanted), done)
}
