//! Frames of the journal → Inputs and Events, for every reader.

use std::fmt;

use journal::{Frame, Position, ReadError};
use matcher::record::{ATTACHMENT_BYTES_MAX, Record, RecordError, decode};
use matcher::{Event, Input, Sequence};

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
    /// The turn is over.
    fn end_turn(&mut self, head: &TurnHead);
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
#[derive(Clone, Default)]
pub struct Cutter {
    head: Option<TurnHead>,
    events: u32,
}

impl Cutter {
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
            let head = read_head(frame).map_err(failed)?;
            let used = matcher::record::record_bytes(bytes).map_err(failed)?;
            bytes = &bytes[used..];
            self.events = 0;
            follower.input(self.head.insert(head));
        }
        let Some(head) = &self.head else {
            return Err(failed(RecordError::Kind(0)));
        };
        while !bytes.is_empty() {
            let (event, used) = matcher::record::decode_event(bytes).map_err(failed)?;
            follower.event(head, self.events, &event);
            self.events += 1;
            bytes = &bytes[used..];
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
    match decode(Sequence(frame.sequence), frame.payload)? {
        (Record::Input { input, attachment }, _) => {
            let mut head = TurnHead {
                position: frame.position,
                input,
                attachment: [0; ATTACHMENT_BYTES_MAX],
                attachment_len: attachment.len(),
            };
            head.attachment[..attachment.len()].copy_from_slice(attachment);
            Ok(head)
        }
        (Record::Event(_), _) => Err(RecordError::Kind(frame.payload[2])),
    }
}
