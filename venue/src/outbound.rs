//! Where each numbered message of a session stands in the journal, so that it can be said again.

mod saved;

use journal::Position;
use matcher::{Command, Event, Input, MsgSeqNum, Numbering, Relayed, SessionId};

/// Positions of every outbound message of every session: 4.1 bytes a message.
///
/// A fold over the journal: the same after a restart. Positions are kept in blocks, as distances from
/// the block's first in units of eight bytes; one that is 32 GiB behind its block's first or more takes 16 bytes
/// besides.
#[derive(Default)]
pub struct Outbound {
    sessions: Vec<Numbers>,
    /// By session, and shard from 1: the last message of its journal that has a number here.
    relayed: Vec<Vec<u32>>,
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
        if let Event::Relayed(relayed) = event {
            return self.relayed(position, relayed);
        }
        for (session, msg) in event.recipients().into_iter().flatten() {
            self.numbers_mut(session).push(msg, position);
        }
    }

    fn numbers_mut(&mut self, session: SessionId) -> &mut Numbers {
        let index = session.index();
        if self.sessions.len() <= index {
            self.sessions.resize_with(index + 1, Numbers::default);
        }
        &mut self.sessions[index]
    }

    #[cold]
    fn relayed(&mut self, position: Position, relayed: &Relayed) {
        let Relayed { session, shard, first, msg, count } = *relayed;
        let numbers = self.numbers_mut(session);
        for msg in msg.0..msg.0.saturating_add(count) {
            numbers.push(MsgSeqNum(msg), position);
        }
        self.set_relayed(session, usize::from(shard), first.0.saturating_add(count) - 1);
    }

    fn set_relayed(&mut self, session: SessionId, shard: usize, last: u32) {
        let index = session.index();
        if self.relayed.len() <= index {
            self.relayed.resize_with(index + 1, Vec::new);
        }
        let of_shards = &mut self.relayed[index];
        if of_shards.len() < shard {
            of_shards.resize(shard, 0);
        }
        if let Some(at) = shard.checked_sub(1) {
            of_shards[at] = last;
        }
    }

    /// The last message to `session` in the journal of a shard, from 1, that has a number in this journal.
    #[must_use]
    pub fn last_relayed(&self, session: SessionId, shard: usize) -> MsgSeqNum {
        let of_shards = self.relayed.get(session.index());
        let last = of_shards.and_then(|it| it.get(shard.checked_sub(1)?)).copied();
        last.map_or(MsgSeqNum::NONE, MsgSeqNum)
    }

    /// Sessions up to the last that has messages, the venue's own not counted.
    #[must_use]
    pub fn sessions_len(&self) -> usize {
        self.sessions.len().saturating_sub(1)
    }

    /// How many shards, home not counted, there are messages of.
    #[must_use]
    pub fn shards_relayed(&self) -> usize {
        self.relayed.iter().map(Vec::len).max().unwrap_or(0)
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
    fn what_another_shard_told_has_its_place_and_is_known() {
        let (mut outbound, session) = (Outbound::default(), SessionId(2));
        let relay = |first, msg, count| {
            let (first, msg) = (MsgSeqNum(first), MsgSeqNum(msg));
            Event::Relayed(Relayed { session, shard: 2, first, msg, count })
        };
        outbound.event(Position(64), &Event::Numbered { session, msg: MsgSeqNum(1) });
        outbound.event(Position(128), &relay(1, 2, 3));
        outbound.event(Position(192), &relay(4, 5, 1));
        let mut bytes = Vec::new();
        outbound.save(&mut |part| bytes.extend_from_slice(part));
        let mut loaded = Outbound::load(&bytes).unwrap();
        assert!((0..bytes.len()).all(|len| Outbound::load(&bytes[..len]).is_err()));
        for outbound in [&outbound, &loaded] {
            let at = |msg| outbound.position(session, MsgSeqNum(msg)).map(|at| at.0);
            let found: Vec<_> = (1..=6).map(at).collect();
            assert_eq!(found, [Some(64), Some(128), Some(128), Some(128), Some(192), None]);
            assert_eq!(outbound.last_relayed(session, 2), MsgSeqNum(4));
            assert_eq!(outbound.last_relayed(session, 1), MsgSeqNum::NONE);
            assert_eq!(outbound.last_relayed(SessionId(9), 2), MsgSeqNum::NONE);
            assert_eq!(outbound.shards_relayed(), 2);
        }
        // The numbers begin again; what was told of the shard stays told.
        loaded.input(&Input {
            sequence: Sequence(9),
            timestamp: Timestamp(0),
            session,
            inbound: MsgSeqNum(1),
            command: Command::Note(Numbering::Clear),
        });
        assert_eq!(loaded.last(session), MsgSeqNum::NONE);
        assert_eq!(loaded.last_relayed(session, 2), MsgSeqNum(4));
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
