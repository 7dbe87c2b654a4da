//! Frames of the journal → Inputs and Events, for every reader.

use std::fmt;

use journal::{Frame, Position, ReadError};
use matcher::record::{ATTACHMENT_BYTES_MAX, RecordError, decode_input};
use matcher::{Command, Event, Input, MsgSeqNum, Sequence, SessionId, Timestamp};

/// An Input read from the journal, with what its readers need beside it.
#[derive(Clone, Copy)]
pub struct TurnHead {
    /// Where its turn begins.
    pub position: Position,
    /// The Input.
    pub input: Input,
    attachment: [u8; ATTACHMENT_BYTES_MAX],
    attachment_len: usize,
}

impl TurnHead {
    /// Of no turn: to be read into.
    pub(crate) const NONE: TurnHead = TurnHead {
        position: Position(0),
        input: Input {
            sequence: Sequence(0),
            timestamp: Timestamp(0),
            session: SessionId::VENUE,
            inbound: MsgSeqNum::NONE,
            command: Command::ExpireDay,
        },
        attachment: [0; ATTACHMENT_BYTES_MAX],
        attachment_len: 0,
    };

    /// Becomes that of the turn whose first frame this is; says how many bytes of the payload its Input
    /// takes. Stays as it was if there is none.
    #[inline]
    pub(crate) fn read(&mut self, frame: &Frame<'_>) -> Result<usize, RecordError> {
        let (input, attachment, used) = decode_input(Sequence(frame.sequence), frame.payload)?;
        (self.position, self.input) = (frame.position, input);
        self.attachment[..attachment.len()].copy_from_slice(attachment);
        self.attachment_len = attachment.len();
        Ok(used)
    }

    /// The bytes of the border that came with the Input.
    #[must_use]
    pub fn attachment(&self) -> &[u8] {
        &self.attachment[..self.attachment_len]
    }
}

/// Takes the journal record by record. Every reader of the journal is one of these.
pub trait Follower {
    /// A turn begins.
    fn input(&mut self, head: &TurnHead);
    /// Its next event; `index` counts from 0 in the turn.
    fn event(&mut self, head: &TurnHead, index: u32, event: &Event);
    /// The same for who wants to look ahead: `rest` has the records of the events behind it, as far as its frame has them.
    #[inline]
    fn event_with(&mut self, head: &TurnHead, index: u32, event: &Event, rest: &[u8]) {
        let _ = rest;
        self.event(head, index, event);
    }
    /// The turn is over.
    fn end_turn(&mut self, head: &TurnHead);
}

/// Finds one Event by its place in its turn.
pub struct Wanted {
    index: u32,
    /// It, once it came.
    pub found: Option<(TurnHead, Event)>,
}

impl Wanted {
    /// The Event that is the `index`-th of the turn, from 0.
    #[must_use]
    pub fn new(index: u32) -> Wanted {
        Wanted { index, found: None }
    }
}

impl Follower for Wanted {
    fn input(&mut self, _: &TurnHead) {}

    fn event(&mut self, head: &TurnHead, index: u32, event: &Event) {
        if index == self.index {
            self.found = Some((*head, *event));
        }
    }

    fn end_turn(&mut self, _: &TurnHead) {}
}

/// Why the journal cannot be followed.
#[derive(Debug)]
pub enum FollowError {
    /// The frames are not readable.
    Read(ReadError),
    /// A frame's payload is not records of this version.
    Record {
        /// The turn.
        sequence: Sequence,
        /// Where its frame is.
        position: Position,
        /// What is wrong.
        error: RecordError,
    },
}

impl fmt::Display for FollowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FollowError::Read(error) => error.fmt(f),
            FollowError::Record { sequence, position, error } => {
                write!(f, "turn {sequence} at position {}: {error}", position.0)
            }
        }
    }
}

impl std::error::Error for FollowError {}

impl From<ReadError> for FollowError {
    fn from(error: ReadError) -> Self {
        FollowError::Read(error)
    }
}

/// Cuts frames into records. A turn may span frames; this remembers where it is.
#[derive(Clone)]
pub struct Cutter {
    head: TurnHead,
    /// Whether there is one.
    begun: bool,
    events: u32,
}

impl Default for Cutter {
    fn default() -> Cutter {
        Cutter { head: TurnHead::NONE, begun: false, events: 0 }
    }
}

impl Cutter {
    /// Whether no turn was begun yet.
    pub(crate) fn is_between(&self) -> bool {
        !self.begun
    }

    /// Reads one frame and tells `follower`.
    ///
    /// # Errors
    ///
    /// If the payload is not the records of a turn.
    pub fn frame(
        &mut self,
        frame: &Frame<'_>,
        follower: &mut impl Follower,
    ) -> Result<(), FollowError> {
        let sequence = Sequence(frame.sequence);
        let failed = |error| FollowError::Record { sequence, position: frame.position, error };
        let mut bytes = frame.payload;
        if frame.first {
            let used = self.head.read(frame).map_err(failed)?;
            bytes = &bytes[used..];
            (self.begun, self.events) = (true, 0);
            follower.input(&self.head);
        }
        if !self.begun {
            return Err(failed(RecordError::Kind(0)));
        }
        let head = &self.head;
        while !bytes.is_empty() {
            let (event, used) = matcher::record::decode_event(bytes).map_err(failed)?;
            bytes = &bytes[used..];
            follower.event_with(head, self.events, &event, bytes);
            self.events += 1;
        }
        if frame.last {
            follower.end_turn(head);
        }
        Ok(())
    }
}

/// The Input at the start of a turn's first frame.
///
/// # Errors
///
/// If the payload does not begin with an Input record.
pub fn read_head(frame: &Frame<'_>) -> Result<TurnHead, RecordError> {
    let mut head = TurnHead::NONE;
    head.read(frame)?;
    Ok(head)
}
