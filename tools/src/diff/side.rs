//! The two sides of a comparison: whole turns, from a journal or from this build.

use std::io::Read;

use journal::Reader;
use matcher::record::{
    Record, RecordError, decode, decode_event, encode_event, event_bytes, record_bytes,
};
use matcher::{Engine, Event, EventSink, Input, Sequence};

use crate::failure::Failure;
use crate::scan::u64_at;

/// Offset of the timestamp in an Input record.
const TIME_AT: usize = 8;

/// Offset of the inbound number in an Input record: behind the timestamp.
const INBOUND_AT: usize = 16;

/// Kind of a session-layer message.
const NOTE: u8 = 11;

/// One whole turn, as bytes.
#[derive(Clone, Default)]
pub(super) struct Turn {
    pub(super) sequence: u64,
    position: u64,
    /// The Input record.
    input: Vec<u8>,
    /// The Event records.
    events: Vec<u8>,
}

impl Turn {
    /// Whether request and events are the same, whatever the time. What a session-layer message says
    /// beside its number names a connection, and that is another one each time.
    pub(super) fn is_same(&self, other: &Turn) -> bool {
        self.sequence == other.sequence
            && self.events == other.events
            && (self.input == other.input || self.lasting() == other.lasting())
    }

    /// The Input record without what is another each time.
    fn lasting(&self) -> Option<[&[u8]; 2]> {
        let end = if *self.input.get(2)? == NOTE { INBOUND_AT + 4 } else { self.input.len() };
        Some([self.input.get(..TIME_AT)?.get(2..)?, self.input.get(INBOUND_AT..end)?])
    }

    pub(super) fn time(&self) -> u64 {
        u64_at(&self.input, TIME_AT)
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// The Input and its attachment.
    pub(super) fn input(&self) -> Result<(Input, &[u8]), Failure> {
        match decode(Sequence(self.sequence), &self.input) {
            Ok((Record::Input { input, attachment }, _)) => Ok((input, attachment)),
            Ok((Record::Event(_), _)) => Err(self.unreadable(RecordError::Kind(self.input[2]))),
            Err(error) => Err(self.unreadable(error)),
        }
    }

    pub(super) fn events(&self) -> Result<Vec<Event>, Failure> {
        let (mut bytes, mut events) = (&self.events[..], Vec::new());
        while !bytes.is_empty() {
            let (event, used) = decode_event(bytes).map_err(|error| self.unreadable(error))?;
            events.push(event);
            bytes = &bytes[used..];
        }
        Ok(events)
    }

    /// The Event records.
    pub(super) fn event_bytes(&self) -> &[u8] {
        &self.events
    }

    /// Becomes a turn with the request of `other`, not yet answered.
    pub(super) fn asked_as(&mut self, other: &Turn) {
        (self.sequence, self.position) = (other.sequence, other.position);
        self.input.clone_from(&other.input);
        self.events.clear();
    }

    /// Takes `len` bytes of Event records.
    pub(super) fn answer(&mut self, len: u32, from: &mut impl Read) -> std::io::Result<()> {
        match from.take(len.into()).read_to_end(&mut self.events)? {
            all if all == len as usize => Ok(()),
            _ => Err(std::io::ErrorKind::UnexpectedEof.into()),
        }
    }

    fn unreadable(&self, error: RecordError) -> Failure {
        Failure::failed(format!("turn {} at position {}: {error}", self.sequence, self.position))
    }
}

/// Gives turn after turn.
pub(super) trait Source {
    /// Goes to the next turn; `false` at the end.
    fn next(&mut self) -> Result<bool, Failure>;
    /// The turn at hand.
    fn turn(&self) -> &Turn;
}

/// Turns as a journal has them.
pub(super) struct Journal {
    reader: Reader,
    turn: Turn,
}

impl Journal {
    pub(super) fn new(reader: Reader) -> Journal {
        Journal { reader, turn: Turn::default() }
    }
}

impl Source for Journal {
    fn next(&mut self) -> Result<bool, Failure> {
        let turn = &mut self.turn;
        while let Some(frame) = self.reader.next().map_err(Failure::failed)? {
            let mut events = frame.payload;
            if frame.first {
                (turn.sequence, turn.position) = (frame.sequence, frame.position.0);
                let used = record_bytes(frame.payload).map_err(|error| turn.unreadable(error))?;
                turn.input.clear();
                turn.input.extend_from_slice(&frame.payload[..used]);
                turn.events.clear();
                events = &frame.payload[used..];
            }
            turn.events.extend_from_slice(events);
            if frame.last {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn turn(&self) -> &Turn {
        &self.turn
    }
}

/// The requests of a journal, answered by this build.
pub(super) struct Rerun {
    journal: Journal,
    engine: Engine,
    turn: Turn,
}

impl Rerun {
    pub(super) fn new(reader: Reader) -> Rerun {
        Rerun { journal: Journal::new(reader), engine: Engine::new(), turn: Turn::default() }
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }
}

impl Source for Rerun {
    fn next(&mut self) -> Result<bool, Failure> {
        if !self.journal.next()? {
            return Ok(false);
        }
        let journaled = &self.journal.turn;
        self.turn.asked_as(journaled);
        let (input, _) = journaled.input()?;
        self.engine.apply(&input, &mut Bytes(&mut self.turn.events));
        Ok(true)
    }

    fn turn(&self) -> &Turn {
        &self.turn
    }
}

/// Events as records.
struct Bytes<'a>(&'a mut Vec<u8>);

impl EventSink for Bytes<'_> {
    fn event(&mut self, event: &Event) {
        let from = self.0.len();
        self.0.resize(from + event_bytes(event), 0);
        encode_event(event, &mut self.0[from..]);
    }
}
