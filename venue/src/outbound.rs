//! Where each numbered message of a session stands in the journal, so that it can be said again.

mod saved;

use journal::Position;
use matcher::{Command, Event, Input, MsgSeqNum, Numbering, SessionId};

/// Positions of every outbound message of every session: 4.1 bytes a message.
///
/// A fold over the journal: the same after a restart. Positions are kept in blocks, as distances from
/// the block's first in units of eight bytes; one that is 32 GiB behind its block's first or more takes 16 bytes
/// besides.
#[derive(Default)]
pub struct Outbound {
    sessions: Vec<Numbers>,
}

#[derive(Default)]
struct Numbers {
    last: u32,
    bases: Vec<u64>,
    distances: Vec<u32>,
    /// Messages that are [`TOO_FAR`], in order, and where they are.
    far: Vec<(u32, u64)>,
}

/// Messages in a block.
const BLOCK: usize = 64;

/// The message is more than 32 GiB behind its block's first: its position stands elsewhere.
const TOO_FAR: u32 = u32::MAX;

/// Positions are multiples of this: frames are aligned to it.
const UNIT: u64 = 8;

impl Outbound {
    /// An Input begins a turn: a reset makes the numbers of its session begin again.
    pub fn input(&mut self, input: &Input) {
        if matches!(input.command, Command::Note(Numbering::Reset | Numbering::Clear))
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

    /// Where the turn begins that gave `msg` to `session`.
    #[must_use]
    pub fn position(&self, session: SessionId, msg: MsgSeqNum) -> Option<Position> {
        self.sessions.get(session.index())?.position(msg.0)
    }

    /// The first message of `session` from number `from` on that is at `start` or behind it; the number after
    /// the last one if there is none.
    #[must_use]
    pub fn oldest(&self, session: SessionId, from: MsgSeqNum, start: Position) -> MsgSeqNum {
        let Some(numbers) = self.sessions.get(session.index()) else { return MsgSeqNum(1) };
        let is_before = |msg| numbers.position(msg).is_some_and(|at| at < start);
        let (mut low, mut high) = (from.0.max(1), numbers.last.saturating_add(1));
        while low < high {
            let middle = low.midpoint(high);
            if is_before(middle) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        MsgSeqNum(low)
    }
}

impl Numbers {
    fn position(&self, msg: u32) -> Option<Position> {
        if msg == 0 || msg > self.last {
            return None;
        }
        let index = (msg - 1) as usize;
        let position = match self.distances[index] {
            TOO_FAR => {
                let at = self.far.partition_point(|(far, _)| *far < msg);
                self.far.get(at)?.1
            }
            distance => self.bases[index / BLOCK] + u64::from(distance) * UNIT,
        };
        Some(Position(position))
    }

    fn push(&mut self, msg: MsgSeqNum, position: Position) {
        assert!(msg.0 == self.last + 1, "outbound number {msg} after {}", self.last);
        self.last = msg.0;
        if self.distances.len().is_multiple_of(BLOCK) {
            self.bases.push(position.0);
        }
        let base = self.bases[self.distances.len() / BLOCK];
        let distance = u32::try_from((position.0 - base) / UNIT).unwrap_or(TOO_FAR);
        if distance == TOO_FAR {
            self.far.push((msg.0, position.0));
        }
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
    fn a_message_far_behind_its_blocks_first_is_found_too() {
        let (mut outbound, session) = (Outbound::default(), SessionId(1));
        let step = 3_u64 << 33;
        let positions: Vec<u64> = (0..200).map(|n| 64 + n / 3 * step + n % 3 * 80).collect();
        for (msg, position) in (1..).zip(&positions) {
            let event = Event::Numbered { session, msg: MsgSeqNum(msg) };
            outbound.event(Position(*position), &event);
        }
        let mut bytes = Vec::new();
        outbound.save(&mut |part| bytes.extend_from_slice(part));
        for outbound in [outbound, Outbound::load(&bytes).unwrap()] {
            for (msg, position) in (1..).zip(&positions) {
                let found = outbound.position(session, MsgSeqNum(msg));
                assert_eq!(found, Some(Position(*position)), "message {msg}");
                // From anywhere before it, it is the first one there.
                for from in [1, msg / 2, msg] {
                    let oldest = outbound.oldest(session, MsgSeqNum(from), Position(*position));
                    assert_eq!(oldest, MsgSeqNum(msg));
                }
            }
            let beyond = Position(positions[199] + 8);
            assert_eq!(outbound.oldest(session, MsgSeqNum(7), beyond), MsgSeqNum(201));
            assert_eq!(outbound.oldest(session, MsgSeqNum(7), Position(0)), MsgSeqNum(7));
        }
        assert!((0..bytes.len()).all(|len| Outbound::load(&bytes[..len]).is_err()));
    }
}
