//! The turn of the core: take a request, stamp it, match it, journal it.                ← read second
//!
//! This is the only writer of the journal and the only owner of the engine. It waits for nobody: no
//! lock, no allocation, no system call but the wake-up of a reader that really sleeps.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use journal::{Turn, Writer};
use matcher::record::{
    EVENT_BYTES_MAX, decode_input, encode_event, encode_input, event_bytes, stamp_input,
};
use matcher::{
    Command, Engine, Event, EventSink, Input, RefusedRequest, RejectReason, Sequence, Timestamp,
};

use crate::clock;
use crate::ring::{RECORD_BYTES, Taken};

/// Room in the journal under which nothing is taken: an Input and the events of a small turn.
const ROOM_FOR_ANYTHING: u64 = 64 << 10;

/// Bytes of the record of one canceled order.
const CANCELED_BYTES: usize = 64;

/// What the disk has left, as the preparer finds it and the gateway needs to know it.
///
/// With no space for another segment, the rest of the last one is kept for cancels: below a quarter
/// of a segment an order is refused, which takes a record too; below an eighth the gateway leaves
/// orders in their sockets. Cancels are taken to the end; a mass cancel only if there is room for an
/// event of every order, since a turn that was begun must end. The end of the day waits for space.
#[derive(Default)]
pub struct Space {
    full: AtomicBool,
    holds_orders: AtomicBool,
}

impl Space {
    /// The preparer has found no space, or has found some again.
    pub fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::Release);
        if !full {
            self.holds_orders.store(false, Ordering::Release);
        }
    }

    /// Whether there is no space for another segment.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.full.load(Ordering::Acquire)
    }

    /// Whether orders should stay in their sockets.
    #[must_use]
    pub fn holds_orders(&self) -> bool {
        self.holds_orders.load(Ordering::Acquire)
    }
}

/// The engine, its journal, and the rings that lead to it.
pub struct Core {
    engine: Engine,
    writer: Writer,
    rings: Vec<Taken>,
    sequence: Sequence,
    timestamp: Timestamp,
    record: [u8; RECORD_BYTES],
    refused_for_room: u64,
    space: Arc<Space>,
    segment_bytes: u64,
}

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
            sequence: last.0,
            timestamp: last.1,
            record: [0; RECORD_BYTES],
            refused_for_room: 0,
            space: Arc::default(),
            segment_bytes,
        }
    }

    /// The same core, told by `space` when the disk is full.
    #[must_use]
    pub fn with_space(self, space: Arc<Space>) -> Core {
        Core { space, ..self }
    }

    /// The engine, to look at.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The last Sequence given.
    #[must_use]
    pub fn sequence(&self) -> Sequence {
        self.sequence
    }

    /// Orders refused so far because the journal had no room.
    #[must_use]
    pub fn refused_for_room(&self) -> u64 {
        self.refused_for_room
    }

    /// Whether every ring is empty.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.rings.iter().all(Taken::is_empty)
    }

    /// Takes up to `most` requests from each ring in turn.
    pub fn turns(&mut self, most: usize) -> Turned {
        let mut took = 0;
        for index in 0..self.rings.len() {
            for _ in 0..most {
                if self.writer.room() < ROOM_FOR_ANYTHING {
                    return if took > 0 || self.is_idle() {
                        Turned::Took(took)
                    } else {
                        Turned::NoRoom
                    };
                }
                let Some(len) = self.rings[index].pop(&mut self.record) else { break };
                self.turn(len);
                took += 1;
            }
        }
        if took == 0 { Turned::Idle } else { Turned::Took(took) }
    }

    /// One turn: the request in `self.record` gets its place and its time, changes the books, and stands
    /// in the journal with its events, all or nothing.
    fn turn(&mut self, len: usize) {
        self.sequence = Sequence(self.sequence.0 + 1);
        self.timestamp = self.timestamp.max(clock::now());
        stamp_input(&mut self.record[..len], self.timestamp);
        let (mut input, _, _) = match decode_input(self.sequence, &self.record[..len]) {
            Ok(decoded) => decoded,
            Err(error) => panic!("a request that we encoded cannot be decoded: {error}"),
        };
        let mut len = len;
        if self.space.full.load(Ordering::Relaxed) {
            len = self.refuse_for_room(&mut input, len);
        }

        let mut turn = self.writer.begin(self.sequence.0);
        turn.space(len).copy_from_slice(&self.record[..len]);
        let mut events = JournalSink { turn };
        self.engine.apply(&input, &mut events);
        events.turn.commit();
    }

    /// The disk is full: in the last of the room an order becomes its own refusal, which replays the
    /// same on a machine with room.
    #[cold]
    fn refuse_for_room(&mut self, input: &mut Input, len: usize) -> usize {
        let room = self.writer.room();
        self.space.holds_orders.store(room < self.segment_bytes / 8, Ordering::Release);
        // No turn is begun that might not end: at worst every resting order has an event in it.
        let orders = u64::try_from(self.engine.orders_len()).unwrap_or(u64::MAX);
        let worst =
            |event: usize| ROOM_FOR_ANYTHING.saturating_add(orders.saturating_mul(event as u64));
        let scarce = room < self.segment_bytes / 4 || room < worst(EVENT_BYTES_MAX);
        let request = match &input.command {
            Command::New(new) if scarce => RefusedRequest::New(new.number),
            Command::Replace(replace) if scarce => {
                RefusedRequest::Replace { number: replace.number, target: replace.target }
            }
            Command::MassCancel(_) if room < worst(CANCELED_BYTES) => RefusedRequest::MassCancel,
            _ => return len,
        };
        self.refused_for_room += 1;
        input.command = Command::Refuse { request, reason: RejectReason::JournalFull };
        self.encode_again(input, len)
    }

    /// Puts `input` in place of the record that came, with the same attachment.
    fn encode_again(&mut self, input: &Input, len: usize) -> usize {
        let original = self.record;
        let attachment = match decode_input(self.sequence, &original[..len]) {
            Ok((_, attachment, _)) => attachment,
            Err(error) => panic!("a request that we encoded cannot be decoded: {error}"),
        };
        let mut record = [0; matcher::record::INPUT_BYTES_MAX];
        let len = encode_input(input, attachment, &mut record);
        self.record[..len].copy_from_slice(&record[..len]);
        len
    }
}

/// Events go straight into the journal's mapping.
struct JournalSink<'a> {
    turn: Turn<'a>,
}

impl EventSink for JournalSink<'_> {
    #[inline]
    fn event(&mut self, event: &Event) {
        encode_event(event, self.turn.space(event_bytes(event)));
    }
}
