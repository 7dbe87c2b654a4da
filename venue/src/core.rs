//! The turn of the core: take a request, stamp it, match it, journal it.                ← read second
//!
//! This is the only writer of the journal and the only owner of the engine. It waits for nobody: no
//! lock, no allocation, no system call but the wake-up of a reader that really sleeps.

mod ahead;
mod scarce;
mod view;

use std::sync::Arc;

use journal::{Turn, Writer};
use matcher::record::{decode_input, encode_event, event_bytes, stamp_input};
use matcher::{
    Ahead, Command, Engine, Event, EventSink, InstrumentId, Phase, Sequence, SessionId, Timestamp,
};

use crate::clock::Clock;
use crate::ring::{RECORD_BYTES, Taken};

pub use scarce::Space;

/// Room in the journal under which nothing is taken: an Input and the events of a small turn.
const ROOM_FOR_ANYTHING: u64 = 64 << 10;

/// The engine, its journal, and the rings that lead to it.
pub struct Core {
    engine: Engine,
    writer: Writer,
    rings: Vec<Taken>,
    ahead: Ahead,
    sequence: Sequence,
    timestamp: Timestamp,
    record: [u8; RECORD_BYTES],
    refused_for_room: u64,
    space: Arc<Space>,
    /// What `space` said when the request was taken: a turn ends as it began.
    is_full: bool,
    segment_bytes: u64,
    /// What waits for space, and whose it is.
    deferred: Vec<(SessionId, Command)>,
    /// It is one of several.
    has_others: bool,
    clock: Clock,
    clock_is_behind: bool,
    /// Instruments that are in another phase, for the schedule.
    phase_changes: Vec<PhaseChange>,
}

/// An instrument, its phase, and since when.
pub(crate) type PhaseChange = (InstrumentId, Phase, Timestamp);

/// What a call of [`Core::turns`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turned {
    /// No ring had a request.
    Idle,
    /// This many requests were taken.
    Took(usize),
    /// Requests wait, but the journal has no room even for a cancel.
    NoRoom,
}

impl Core {
    /// A core that goes on after `sequence`, the last one in the journal.
    #[must_use]
    pub fn new(
        engine: Engine,
        writer: Writer,
        rings: Vec<Taken>,
        last: (Sequence, Timestamp),
    ) -> Core {
        let segment_bytes = u64::from(writer.segment_bytes());
        Core {
            engine,
            writer,
            rings,
            ahead: Ahead::new(),
            sequence: last.0,
            timestamp: last.1,
            record: [0; RECORD_BYTES],
            refused_for_room: 0,
            space: Arc::default(),
            is_full: false,
            segment_bytes,
            deferred: Vec::new(),
            has_others: false,
            clock: Clock::Machine,
            clock_is_behind: false,
            phase_changes: Vec::new(),
        }
    }

    /// The same core, told by `space` when the disk is full.
    #[must_use]
    pub fn with_space(self, space: Arc<Space>) -> Core {
        Core { space, ..self }
    }

    /// The same core as one of several: it says in its journal that a cancel of all orders of a session waits.
    #[must_use]
    pub fn with_others(self) -> Core {
        Core { has_others: true, ..self }
    }

    /// The same core with its time from `clock`.
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Core {
        Core { clock, ..self }
    }

    /// What changed its phase, until it is taken.
    pub(crate) fn phase_changes(&mut self) -> &mut Vec<PhaseChange> {
        &mut self.phase_changes
    }

    /// Takes up to `most` requests from each ring in turn.
    pub fn turns(&mut self, most: usize) -> Turned {
        let mut took = 0;
        self.is_full = self.space.is_full();
        if !self.deferred.is_empty() {
            took += self.do_deferred();
        }
        for index in 0..self.rings.len() {
            for _ in 0..most {
                self.is_full = self.space.is_full();
                if !self.has_room() {
                    return if took > 0 || self.is_idle() {
                        Turned::Took(took)
                    } else {
                        Turned::NoRoom
                    };
                }
                let Some(len) = self.rings[index].pop(&mut self.record) else { break };
                if self.is_full && self.defers(len) {
                    continue;
                }
                self.turn(len);
                took += 1;
                self.look_ahead(index);
            }
        }
        if took == 0 { Turned::Idle } else { Turned::Took(took) }
    }

    /// One turn: the request in `self.record` gets its place and its time, changes the books, and stands
    /// in the journal with its events, all or nothing.
    fn turn(&mut self, mut len: usize) {
        self.sequence = Sequence(self.sequence.0 + 1);
        let now = if self.is_full { self.before_expiry() } else { self.clock.now() };
        if now < self.timestamp {
            self.clock_went_back(now);
        } else {
            self.timestamp = now;
        }
        stamp_input(&mut self.record[..len], self.timestamp);
        let (mut input, _, _) = match decode_input(self.sequence, &self.record[..len]) {
            Ok(decoded) => decoded,
            Err(error) => panic!("a request that we encoded cannot be decoded: {error}"),
        };
        if self.is_full {
            len = self.refuse_for_room(&mut input, len);
        }

        let mut turn = self.writer.begin(self.sequence.0);
        turn.space(len).copy_from_slice(&self.record[..len]);
        let mut events =
            JournalSink { turn, since: self.timestamp, changes: &mut self.phase_changes };
        self.engine.apply(&input, &mut events);
        events.turn.commit();
    }
}

/// Events go straight into the journal's mapping.
struct JournalSink<'a> {
    turn: Turn<'a>,
    since: Timestamp,
    changes: &'a mut Vec<PhaseChange>,
}

impl EventSink for JournalSink<'_> {
    #[inline]
    fn event(&mut self, event: &Event) {
        encode_event(event, self.turn.space(event_bytes(event)));
        if let Event::PhaseChanged { instrument, phase, .. } = event {
            self.changes.push((*instrument, *phase, self.since));
        }
    }
}
