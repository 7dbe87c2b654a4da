//! Where each numbered message of a session stands in the journal, so that it can be said again.

mod saved;

use journal::Position;
use matcher::{Command, Event, Input, MsgSeqNum, Numbering, SessionId};

/// Positions of every outbound message of every session: 4.1 bytes a message.
///
/// A fold over the journal: the same after a restart. Positions are kept in blocks, as distances from
/// the block's first in units of eight bytes.
#[derive(Default)]
pub struct Outbound {
    sessions: Vec<Numbers>,
}

#[derive(Default)]
struct Numbers {
    last: u32,
    bases: Vec<u64>,
    distances: Vec<u32>,
}

/// Messages in a block.
const BLOCK: usize = 64;

/// The message is more than 32 GiB behind its block's first: the reader walks there from the first.
const TOO_FAR: u32 = u32::MAX;

/// Positions are multiples of this: frames are aligned to it.
const UNIT: u64 = 8;

impl Outbound {
    /// An Input begins a turn: a reset makes the numbers of its session begin again.
    pub fn input(&mut self, input: &Input) {
        if matches!(input.command, Command::Note(Numbering::Reset))
            && let Some(numbers) = self.sessions.get_mut(input.session.index())
        {
            *numbers = Numbers::default();
        }
    }

    /// An Event of the turn at `position`.
    ///
    /// # Panics
    ///
    /// If a session's numbers are not one after another: the engine gives them so.
    pub fn event(&mut self, position: Position, event: &Event) {
        for (session, msg) in event.recipients().into_iter().flatten() {
            let index = session.index();
            if self.sessions.len() <= index {
                self.sessions.resize_with(index + 1, Numbers::default);
            }
            self.sessions[index].push(msg, position);
        }
    }

    /// The last number given to `session`.
    #[must_use]
    pub fn last(&self, session: SessionId) -> MsgSeqNum {
        MsgSeqNum(self.sessions.get(session.index()).map_or(0, |numbers| numbers.last))
    }

    /// Whether [`Outbound::position`] is that of the turn itself.
    #[must_use]
    pub fn is_exact(&self, session: SessionId, msg: MsgSeqNum) -> bool {
        let numbers = self.sessions.get(session.index());
        let distance =
            numbers.and_then(|numbers| numbers.distances.get((msg.0 as usize).wrapping_sub(1)));
        distance.is_some_and(|distance| *distance != TOO_FAR)
    }

    /// Where the turn begins that gave `msg` to `session`, or a turn before it.
    #[must_use]
    pub fn position(&self, session: SessionId, msg: MsgSeqNum) -> Option<Position> {
        let numbers = self.sessions.get(session.index())?;
        if msg.0 == 0 || msg.0 > numbers.last {
            return None;
        }
        let index = (msg.0 - 1) as usize;
        let base = numbers.bases[index / BLOCK];
        match numbers.distances[index] {
            TOO_FAR => Some(Position(base)),
            distance => Some(Position(base + u64::from(distance) * UNIT)),
        }
    }
}

impl Numbers {
    fn push(&mut self, msg: MsgSeqNum, position: Position) {
        assert!(msg.0 == self.last + 1, "outbound number {msg} after {}", self.last);
        self.last = msg.0;
        if self.distances.len().is_multiple_of(BLOCK) {
            self.bases.push(position.0);
        }
        let base = self.bases[self.distances.len() / BLOCK];
        let distance = u32::try_from((position.0 - base) / UNIT).unwrap_or(TOO_FAR);
        self.distances.push(distance);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use matcher::{Sequence, Timestamp};

    #[test]
    fn every_number_is_found_and_a_reset_begins_again() {
        let mut outbound = Outbound::default();
        let session = SessionId(3);
        let positions: Vec<u64> = (0..1_000u64).map(|n| 64 + n * n * 8).collect();
        for (msg, position) in (1..).zip(&positions) {
            let event = Event::Numbered { session, msg: MsgSeqNum(msg) };
            outbound.event(Position(*position), &event);
        }
        for (msg, position) in (1..).zip(&positions) {
            assert_eq!(outbound.position(session, MsgSeqNum(msg)), Some(Position(*position)));
        }
        assert_eq!(outbound.position(session, MsgSeqNum(1_001)), None);
        assert_eq!(outbound.position(SessionId(2), MsgSeqNum(1)), None);

        outbound.input(&Input {
            sequence: Sequence(2_000),
            timestamp: Timestamp(0),
            session,
            inbound: MsgSeqNum(1),
            command: Command::Note(Numbering::Reset),
        });
        outbound.event(Position(1 << 30), &Event::Numbered { session, msg: MsgSeqNum(1) });
        assert_eq!(outbound.position(session, MsgSeqNum(1)), Some(Position(1 << 30)));
        assert_eq!(outbound.last(session), MsgSeqNum(1));
    }

    #[test]
    fn a_block_over_32_gib_points_to_its_first_turn() {
        let mut outbound = Outbound::default();
        for (msg, position) in [(1, 64u64), (2, 1 << 40)] {
            let event = Event::Numbered { session: SessionId(1), msg: MsgSeqNum(msg) };
            outbound.event(Position(position), &event);
        }
        assert_eq!(outbound.position(SessionId(1), MsgSeqNum(2)), Some(Position(64)));
    }
}
