//! The way through a journal for everything that is told of an order.
//!
//! It begins at the newest snapshot before the order, whose engine knows who stood in the queue by then; or
//! where the journal begins. From there to the end each segment is looked at once: for what happened to the
//! order, and to the level that its request names. Only where it came to stand at another level is the part
//! of its life looked at again.
//!
//! Snapshots say which orders the turns before them are about. A stretch from one to the next is left out if it names
//! neither the order nor any that stands before it: then the queue before it is what it was.

use journal::{Position, Reader, SnapshotHead, Snapshots};
use matcher::{Engine, Sequence};
use venue::Names;
use venue::snapshots::{self, Mark};
use venue::turns::{Follower, TurnHead};

use super::find::entered;
use super::life::{Kept, Level, Life, Reading};
use super::queue::{Ahead, Queues};
use super::seen::{Seen, Wanted, named_level};
use crate::failure::Failure;
use crate::journal_reader::JournalArgs;
use crate::scan::{self, Span, scan_spans};

/// Segments for each processor before what they gave is looked at.
const WAVE: usize = 2;

/// What the journal says of an order.
pub(super) struct Found {
    pub(super) names: Names,
    pub(super) life: Life,
    pub(super) ahead: Vec<Ahead>,
    /// Turns about the order after its end, and where they begin: requests that came too late, busts.
    pub(super) later: Vec<(u64, Position)>,
    /// Segments looked through.
    pub(super) segments: usize,
}

/// Where the way begins, and what is known on it.
struct Start<'a> {
    journal: &'a JournalArgs,
    reader: Reader,
    snapshots: Snapshots,
    names: Names,
    engine: Option<Engine>,
    /// The last turn before it.
    after: u64,
    position: Position,
    /// Where the last segment ends.
    end: Position,
    marks: Vec<Mark>,
}

impl Start<'_> {
    /// The newest place before the turn of `head` at which all books are known.
    fn before<'a>(journal: &'a JournalArgs, head: &TurnHead) -> Result<Start<'a>, Failure> {
        let mut reader = journal.open()?;
        let snapshots = Snapshots::to_read(&journal.dir, reader.log_id());
        let entered = head.input.sequence;
        let fits = |head: &SnapshotHead| head.sequence < entered.0;
        // One that cannot be used only makes the way longer.
        let (index, _) = snapshots::index(&mut reader, &snapshots, fits);
        let position = reader.position();
        let end = scan::end(&reader)?;
        let marks = snapshots::marks(&mut reader, &snapshots, Sequence(entered.0 - 1));
        let (names, engine, after) = match index {
            Some(index) => {
                let after = index.replay.place().0.0;
                (index.names, Some(index.replay.into_engine()), after)
            }
            None => (journal.names(&reader), None, 0),
        };
        Ok(Start { journal, reader, snapshots, names, engine, after, position, end, marks })
    }
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
    let mut start = Start::before(journal, &head)?;
    let named: Vec<Level> = named_level(&head.input.command).into_iter().collect();
    let mut way = Way::begin(&start, Wanted::of(&head), &named);
    way.go(&mut start, &done)?;
    let mut segments = way.segments;
    let (life, later) = way.reading.end()?;
    let mut levels: Vec<Level> = Vec::new();
    for place in &life.places {
        if !levels.contains(&place.level) {
            levels.push(place.level);
        }
    }
    let mut ahead = way.ahead;
    if !levels.iter().all(|level| named.contains(level)) {
        let mut wanted = way.wanted;
        wanted.queue_until = life.queue_until;
        let mut again = Way::begin(&start, wanted, &levels);
        again.until = life.queue_until;
        again.go(&mut start, &done)?;
        ahead = again.ahead;
        segments += again.segments;
    }
    let mut names = way.names.unwrap_or(start.names);
    for Kept { head, events } in &way.definitions {
        names.input(head);
        for (index, event) in events {
            names.event(head, *index, event);
        }
    }
    Ok(Found { names, life, ahead, later, segments })
}

/// One way through the journal.
struct Way {
    wanted: Wanted,
    reading: Reading,
    queues: Queues,
    ahead: Vec<Ahead>,
    definitions: Vec<Kept>,
    /// Those known behind what was left out.
    names: Option<Names>,
    segments: usize,
    /// It ends behind this turn.
    until: u64,
}

impl Way {
    /// For the queues at `levels`.
    fn begin(start: &Start<'_>, mut wanted: Wanted, levels: &[Level]) -> Way {
        wanted.stand_at(levels);
        wanted.has_ended = false;
        let mut queues = Queues::new(levels);
        if let Some(engine) = &start.engine {
            queues.stand_as_in(engine);
        }
        Way {
            reading: Reading::new(wanted.sequence),
            wanted,
            queues,
            ahead: Vec::new(),
            definitions: Vec::new(),
            names: None,
            segments: 0,
            until: u64::MAX,
        }
    }

    fn go(&mut self, start: &mut Start<'_>, done: &(impl Fn(u64) + Sync)) -> Result<(), Failure> {
        let (mut after, mut from, mut next) = (start.after, start.position, 0);
        while after < self.until {
            let left_out = self.leave_out(start, after, next);
            next += left_out;
            if left_out > 0 {
                let head = start.marks[next - 1].head();
                (after, from) = (head.sequence, head.position);
                continue;
            }
            let mark = start.marks.get(next).map(Mark::head);
            let to = mark.map_or(start.end, |head| head.position);
            after = mark.map_or(u64::MAX, |head| head.sequence);
            let spans = scan::spans(&start.reader, from, to);
            for wave in spans.chunks(WAVE * scan::processors()) {
                self.wave(start.journal, wave, done)?;
                self.segments += wave.len();
                if self.reading.has_ended() && self.until < u64::MAX {
                    return Ok(());
                }
            }
            (from, next) = (to, next + 1);
        }
        Ok(())
    }

    /// How many of the stretches to the next marks are left out. The last turn before them is `after`; what is known
    /// behind them is taken over.
    fn leave_out(&mut self, start: &mut Start<'_>, mut after: u64, next: usize) -> usize {
        let mut run = 0;
        for mark in &start.marks[next..] {
            if mark.after().0 > after || self.concerns(mark) {
                break;
            }
            (after, run) = (mark.head().sequence, run + 1);
        }
        // A damaged one is no place to go on from.
        while run > 0 && !self.take_over(start, next + run - 1) {
            run -= 1;
        }
        run
    }

    /// Whether a stretch may change anything that is told.
    fn concerns(&self, mark: &Mark) -> bool {
        let session = self.wanted.session;
        let mut numbers = self.reading.numbers().iter();
        if numbers.len() == 0 || numbers.any(|number| mark.names(session, *number)) {
            return true;
        }
        self.reading.place_now().is_some_and(|place| {
            !mark.gives_new_places()
                || self.queues.before(&place).any(|(session, number)| mark.names(session, number))
        })
    }

    fn take_over(&mut self, start: &mut Start<'_>, at: usize) -> bool {
        let Start { marks, reader, snapshots, .. } = start;
        if self.reading.has_ended() {
            let names = marks[at].defined().ok();
            let is_good = names.is_some();
            self.names = names.or(self.names.take());
            return is_good;
        }
        let Ok(index) = marks[at].index(reader, snapshots) else { return false };
        // Who stands behind the order has changed: if it comes to stand anew, that counts.
        self.queues.stand_as_in(index.replay.engine());
        self.names = Some(index.names);
        true
    }

    fn wave(
        &mut self,
        journal: &JournalArgs,
        wave: &[Span],
        done: &(impl Fn(u64) + Sync),
    ) -> Result<(), Failure> {
        let scan = |wanted: &Wanted, spans: &[Span]| {
            let look = |seen: &mut Seen, frame: &journal::Frame<'_>| seen.look(frame, wanted);
            scan_spans(journal, spans, look, done)
        };
        let mut seen = scan(&self.wanted, wave)?;
        for at in 0..wave.len() {
            seen[at].turns.iter().for_each(|turn| self.reading.turn(turn));
            let numbers = self.reading.numbers().iter();
            let news = numbers.filter(|number| self.wanted.add(**number)).count();
            // A replace gave it another number: the spans behind that one were read without it.
            if news > 0 && at + 1 < wave.len() {
                let again = scan(&self.wanted, &wave[at + 1..])?;
                seen.splice(at + 1.., again);
            }
        }
        self.wanted.queue_until = self.wanted.queue_until.min(self.reading.queue_until());
        self.wanted.has_ended = self.reading.has_ended();
        let places = self.reading.places();
        for Seen { changes, definitions, .. } in &mut seen {
            let counts = |op: &super::queue::Op| op.sequence() <= self.wanted.queue_until;
            changes.ops.retain(counts);
            self.queues.change(&changes.ops, &places, &mut self.ahead);
            self.definitions.append(definitions);
        }
        Ok(())
    }
}
