//! Journal → `Engine::apply`, comparing every event: recovery, `vesta replay`, `vesta book`.

use std::fmt;

use journal::{Frame, Position};
use matcher::record::{EVENT_BYTES_MAX, decode_event, encode_event, event_bytes};
use matcher::{Engine, Event, EventSink, Sequence, Timestamp};

use crate::turns::{FollowError, Follower, TurnHead};

/// An engine that is fed from a journal and checks that it gives the events that are written there.
pub struct Replay {
    engine: Engine,
    /// The last turn in the engine, and its time.
    place: (Sequence, Timestamp),
    /// State hashes that are compared on the way, the next one last.
    hashes: Vec<StateHash>,
    /// That of the turn being read.
    head: TurnHead,
    is_open: bool,
    /// Event records of a turn that spans frames, up to its last frame.
    events: Vec<u8>,
    turns: u64,
    events_seen: u64,
}

/// Why a replay stopped.
#[derive(Debug)]
pub enum ReplayError {
    /// The journal cannot be followed.
    Follow(FollowError),
    /// This build gives another event than the journal holds: it must not be trusted with this
    /// journal.
    Diverged(Box<Divergence>),
    /// All events are as written, yet the engine has another state than the one that wrote a snapshot.
    State {
        /// After this turn.
        sequence: Sequence,
        /// The hash in the snapshot.
        said: u64,
        /// The hash of this engine.
        found: u64,
    },
    /// Another turn comes than the one after the last.
    Gap {
        /// The turn that should come.
        expected: Sequence,
        /// The one that came.
        found: Sequence,
    },
}

/// The hash of the engine's state after a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateHash {
    /// The turn.
    pub sequence: Sequence,
    /// [`Engine::state_hash`].
    pub hash: u64,
}

/// The first difference between a journal and its replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// The turn.
    pub sequence: Sequence,
    /// Where it is.
    pub position: Position,
    /// Which event of the turn, from 0.
    pub index: u32,
    /// What the journal holds there, `None` past its last event.
    pub journaled: Option<Event>,
    /// What this build gives there, `None` past its last event.
    pub replayed: Option<Event>,
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReplayError::Follow(error) => error.fmt(f),
            ReplayError::Diverged(at) => write!(
                f,
                "replay differs at sequence {}, event {}: journal has {:?}, this build gives {:?}",
                at.sequence, at.index, at.journaled, at.replayed
            ),
            ReplayError::State { sequence, said, found } => write!(
                f,
                "state differs after sequence {sequence}: a snapshot has {said:016x}, this build gives \
                 {found:016x}, with the same events"
            ),
            ReplayError::Gap { expected, found } => {
                write!(f, "turn {found} follows where turn {expected} should")
            }
        }
    }
}

impl std::error::Error for ReplayError {}

impl From<FollowError> for ReplayError {
    fn from(error: FollowError) -> Self {
        ReplayError::Follow(error)
    }
}

impl Default for Replay {
    fn default() -> Self {
        Replay::new()
    }
}

impl Replay {
    /// Before the first turn.
    #[must_use]
    pub fn new() -> Replay {
        Replay::resume(Engine::new(), (Sequence(0), Timestamp(0)))
    }

    /// After the turn and the time of `place`, with the engine as it was then.
    #[must_use]
    pub fn resume(engine: Engine, place: (Sequence, Timestamp)) -> Replay {
        Replay {
            engine,
            place,
            hashes: Vec::new(),
            head: TurnHead::NONE,
            is_open: false,
            events: Vec::new(),
            turns: 0,
            events_seen: 0,
        }
    }

    /// The engine as of the last whole turn.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The engine, to go on with.
    #[must_use]
    pub fn into_engine(self) -> Engine {
        self.engine
    }

    /// Compares the state with each of `hashes` on the way, too; they are in order, those of turns gone by
    /// do not count.
    pub fn expect(&mut self, hashes: &[StateHash]) {
        self.hashes = hashes.iter().rev().copied().collect();
        self.hashes.retain(|expected| expected.sequence > self.place.0);
    }

    /// Hashes that are still to be compared.
    #[must_use]
    pub fn expected(&self) -> usize {
        self.hashes.len()
    }

    /// The last turn in the engine and its time, zeroes before the first.
    #[must_use]
    pub fn place(&self) -> (Sequence, Timestamp) {
        self.place
    }

    /// Turns replayed.
    #[must_use]
    pub fn turns(&self) -> u64 {
        self.turns
    }

    /// Events compared.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events_seen
    }

    /// Takes the next frame; with the last frame of a turn the turn is applied and its events are
    /// compared, and `follower` is told of them.
    ///
    /// # Errors
    ///
    /// If the payload is no turn, or the events differ.
    pub fn frame(
        &mut self,
        frame: &Frame<'_>,
        follower: &mut impl Follower,
    ) -> Result<(), ReplayError> {
        let sequence = Sequence(frame.sequence);
        let failed = |error| FollowError::Record { sequence, position: frame.position, error };
        let mut events = frame.payload;
        if frame.first {
            self.is_open = false;
            events = &events[self.head.read(frame).map_err(failed)?..];
            if frame.last {
                return self.turn(events, follower);
            }
            self.is_open = true;
            self.events.clear();
        }
        self.events.extend_from_slice(events);
        if frame.last {
            if !std::mem::take(&mut self.is_open) {
                return Err(failed(matcher::record::RecordError::Kind(0)).into());
            }
            let events = std::mem::take(&mut self.events);
            self.turn(&events, follower)?;
            self.events = events;
        }
        Ok(())
    }

    fn turn(&mut self, journaled: &[u8], follower: &mut impl Follower) -> Result<(), ReplayError> {
        let Replay { engine, head, .. } = self;
        let (expected, found) = (Sequence(self.place.0.0 + 1), head.input.sequence);
        // Of a shard the first is another one.
        let begins = self.place.0 == Sequence(0) && found.is_first();
        if found != expected && !begins {
            return Err(ReplayError::Gap { expected, found });
        }
        follower.input(head);
        let mut compare = Compare { head, journaled, index: 0, wrong: None, follower };
        engine.apply(&head.input, &mut compare);
        compare.end();
        let (index, wrong) = (compare.index, compare.wrong);
        if let Some(wrong) = wrong {
            return Err(ReplayError::Diverged(wrong));
        }
        follower.end_turn(head);
        self.turns += 1;
        self.events_seen += u64::from(index);
        self.place = (head.input.sequence, head.input.timestamp);
        match self.hashes.last() {
            Some(next) if next.sequence == found => self.compare_state(),
            _ => Ok(()),
        }
    }
}

impl Replay {
    #[cold]
    fn compare_state(&mut self) -> Result<(), ReplayError> {
        let (sequence, found) = (self.place.0, self.engine.state_hash());
        // Two snapshots that do not agree both say something of this turn.
        while let Some(said) = self.hashes.pop_if(|next| next.sequence == sequence) {
            if said.hash != found {
                return Err(ReplayError::State { sequence, said: said.hash, found });
            }
        }
        Ok(())
    }
}

/// Compares each event that the engine gives with the journal's bytes.
struct Compare<'a, F> {
    head: &'a TurnHead,
    journaled: &'a [u8],
    index: u32,
    wrong: Option<Box<Divergence>>,
    follower: &'a mut F,
}

impl<F: Follower> Compare<'_, F> {
    #[cold]
    fn differs(&mut self, replayed: Option<Event>) {
        self.wrong = Some(Box::new(Divergence {
            sequence: self.head.input.sequence,
            position: self.head.position,
            index: self.index,
            journaled: decode_event(self.journaled).ok().map(|(event, _)| event),
            replayed,
        }));
    }

    fn end(&mut self) {
        if self.wrong.is_none() && !self.journaled.is_empty() {
            self.differs(None);
        }
    }
}

impl<F: Follower> EventSink for Compare<'_, F> {
    #[inline]
    fn event(&mut self, event: &Event) {
        if self.wrong.is_some() {
            return;
        }
        let mut bytes = [0; EVENT_BYTES_MAX];
        let len = event_bytes(event);
        encode_event(event, &mut bytes[..len]);
        if !self.journaled.starts_with(&bytes[..len]) {
            self.differs(Some(*event));
            return;
        }
        self.journaled = &self.journaled[len..];
        self.follower.event(self.head, self.index, event);
        self.index += 1;
    }
}

/// A follower that looks at nothing.
pub struct Nobody;

impl Follower for Nobody {
    fn input(&mut self, _: &TurnHead) {}
    fn event(&mut self, _: &TurnHead, _: u32, _: &Event) {}
    fn end_turn(&mut self, _: &TurnHead) {}
}
