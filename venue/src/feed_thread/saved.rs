//! The feed's index as bytes, for a snapshot: 8 bytes version, 8 bytes messages so far, 8 bytes how many places; each 16
//! bytes: number of a message, and the position of its turn.

use feed::{MessageCount, Publisher};
use gateway::saved::{NotSaved, Saved};
use journal::Position;
use matcher::{
    Command, Event, Input, Instrument, InstrumentId, MsgSeqNum, Sequence, SessionId, Timestamp,
};

use super::FeedIndex;

const VERSION: u64 = 1;

impl FeedIndex {
    /// Gives what is known between two turns to `out`, but for the instruments.
    pub(crate) fn save(&self, out: &mut dyn FnMut(&[u8])) {
        for word in [VERSION, self.count.0, self.marks.len() as u64] {
            out(&word.to_le_bytes());
        }
        for (number, position) in &self.marks {
            out(&number.to_le_bytes());
            out(&position.0.to_le_bytes());
        }
    }

    /// What [`FeedIndex::save`] gave these bytes, as it was with these instruments, by id.
    pub(crate) fn load(bytes: &[u8], instruments: &[Instrument]) -> Result<FeedIndex, NotSaved> {
        let saved = &mut Saved::new(bytes);
        if saved.u64()? != VERSION {
            return Err(NotSaved);
        }
        let count = MessageCount(saved.u64()?);
        let mut marks = Vec::new();
        let mut last = (0, Position(0));
        for _ in 0..saved.count(16)? {
            let mark = (saved.u64()?, Position(saved.u64()?));
            if mark.0 <= last.0 || mark.0 > count.0 || mark.1 <= last.1 {
                return Err(NotSaved);
            }
            marks.push(mark);
            last = mark;
        }
        saved.end()?;
        Ok(FeedIndex { publisher: publisher(instruments), count, marks, turn: None })
    }
}

/// A publisher between two turns: it knows the instruments as they were defined and nothing else.
fn publisher(instruments: &[Instrument]) -> Publisher {
    let mut publisher = Publisher::new();
    for (id, instrument) in (0..).map(InstrumentId).zip(instruments) {
        let input = Input {
            // Not the first turn, which begins the feed.
            sequence: Sequence(2),
            timestamp: Timestamp(0),
            session: SessionId::VENUE,
            inbound: MsgSeqNum::NONE,
            command: Command::DefineInstrument { id, instrument: *instrument },
        };
        publisher.turn(&input, &[Event::InstrumentDefined { id }], &mut MessageCount::default());
    }
    publisher
}
