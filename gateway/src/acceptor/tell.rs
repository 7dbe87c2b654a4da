//! The journal's tail → messages, as they happen, again, or later.

use std::ops::ControlFlow;

use matcher::{
    Command, Event, Input, MsgSeqNum, Numbering, OrderNumber, Relayed, SessionId, Timestamp,
};

use super::copies::name_of;
use super::{Acceptor, History, Peer, RESENDS_A_ROUND, RESENDS_A_STEP, Slot};
use crate::fix::{After, CompId, Header, Note};
use crate::network::{Network, Stream};
use crate::order_entry::shards::Original;
use crate::order_entry::{Copy, Inputs, OrderEntry, Told, Unreadable, is_quiet};

/// Messages of another shard that are read before the first of them is written.
const RELAYED_AT_ONCE: usize = 64;

/// What a session is to be told cannot be made.
const UNREADABLE: &str = "the journal cannot be read for it";

impl<N: Network> Acceptor<N> {
    /// An Input of the journal, released or not yet numbered: the first record of each turn.
    pub fn input(&mut self, position: u64, input: &Input, attachment: &[u8]) {
        self.entry.input(position, input, attachment);
        if let Command::Note(numbering) = input.command
            && let Some(Some(slot)) = self.slots.get_mut(input.session.index())
        {
            slot.session.began(self.entry.begun_at(input.session));
            if let Numbering::Reset | Numbering::Clear = numbering {
                // What was not said under the old numbers never will be.
                slot.resends.clear();
                slot.lag = None;
                slot.quiet = None;
                slot.passing.lost_all();
            }
            if numbering == Numbering::Clear {
                slot.session.cleared(input.timestamp);
                if let Some(ouch) = &mut slot.ouch {
                    ouch.cleared();
                }
            }
            if slot.ouch.is_some() {
                self.ouch_note(input.session, attachment);
            }
        }
    }

    /// An Event of the journal that may leave: whom it tells is told, or will be when there is room.
    pub fn event(&mut self, now: Timestamp, told: &Told<'_>, inputs: &mut impl Inputs) {
        self.entry.event(told.position, told.input, told.event_index, told.event);
        if let Event::PhaseChanged { instrument, .. } = told.event {
            self.phase_changed(*instrument);
        }
        for (session, msg) in told.event.recipients().into_iter().flatten() {
            self.look_at_quotes(session, told.input, told.event);
            let Some(Some(slot)) = self.slots.get_mut(session.index()) else { continue };
            slot.session.numbered(msg);
            let Some(index) = slot.peer else { continue };
            let Some(Some(peer)) = self.peers.get_mut(index) else { continue };
            if slot.lag.is_some() {
                continue;
            }
            if peer.connection.is_over() {
                slot.lag = Some(msg.0);
                continue;
            }
            let told = Told { session, ..*told };
            let books = Books { entry: &self.entry, others: &self.others, names: &self.names };
            if tell(slot, peer, &books, &told, msg, now, inputs).is_err() {
                self.stats.unreadable += 1;
                peer.broken = Some(UNREADABLE);
            }
            // A session that is open now has heartbeats to send.
            if let (Event::Numbered { .. }, Some(deadline)) = (told.event, slot.session.deadline())
            {
                self.timers.look_at(index, peer, deadline);
            }
            if !peer.dirty {
                peer.dirty = true;
                self.dirty.push(index);
            }
            self.look_at_passing(session);
        }
    }

    /// Follows an Input of the journal of another shard.
    pub fn input_of(&mut self, shard: usize, position: u64, input: &Input, attachment: &[u8]) {
        if let Some(entry) = self.others.get_mut(shard - 1) {
            entry.input(position, input, attachment);
        }
    }

    /// Follows an Event of the journal of another shard. Whom it tells is told when home has numbers for it:
    /// [`Acceptor::relayed`].
    pub fn event_of(
        &mut self,
        shard: usize,
        position: u64,
        input: &Input,
        event_index: u32,
        event: &Event,
    ) {
        if let Some(entry) = self.others.get_mut(shard - 1) {
            entry.event(position, input, event_index, event);
        }
    }

    /// Messages of another shard have their numbers, and may leave: their session is told, or will be when there is
    /// room.
    pub fn relayed(&mut self, now: Timestamp, relayed: &Relayed, history: &mut impl History) {
        let id = relayed.session;
        let Some(Some(slot)) = self.slots.get_mut(id.index()) else { return };
        let last = relayed.msg.0.saturating_add(relayed.count.saturating_sub(1));
        slot.session.numbered(MsgSeqNum(last));
        let Some(index) = slot.peer else { return };
        let Some(Some(peer)) = self.peers.get_mut(index) else { return };
        if slot.lag.is_some() {
            return;
        }
        let books = Books { entry: &self.entry, others: &self.others, names: &self.names };
        let mut next = relayed.msg.0;
        while next <= last {
            if peer.connection.is_over() {
                slot.lag = Some(next);
                break;
            }
            let said = some_messages(id, (next, last), RELAYED_AT_ONCE, history);
            let said = said.and_then(|messages| {
                for (msg, told) in messages {
                    let inputs = history.of(told.relayed);
                    tell(slot, peer, &books, &told.told(id), msg, now, inputs)?;
                    next = msg.0 + 1;
                }
                Ok(())
            });
            if said.is_err() {
                self.stats.unreadable += 1;
                peer.broken = Some(UNREADABLE);
                break;
            }
        }
        if !peer.dirty {
            peer.dirty = true;
            self.dirty.push(index);
        }
        self.look_at_passing(id);
    }

    /// Says from the journal what sessions asked for again, and what did not fit when it happened, as
    /// far as their buffers have room.
    pub fn resend(&mut self, now: Timestamp, history: &mut impl History) {
        let mut resending = std::mem::take(&mut self.resending);
        let (others, mut step) = (self.logged_on > 1, None);
        self.resends_held = 0;
        let mut let_in = Vec::new();
        resending.retain(|id| {
            let Some(Some(slot)) = self.slots.get_mut(id.index()) else { return false };
            let peer =
                slot.peer.and_then(|index| Some((index, self.peers.get_mut(index)?.as_mut()?)));
            let Some((index, peer)) = peer else { return false };
            if let Some(ouch) = &mut slot.ouch
                && let Some(login) = ouch.login_to_answer()
            {
                let begun_at = self.entry.begun_at(*id);
                let spoke_fix = self.entry.version(*id).is_some();
                let last = slot.session.last_outbound();
                let oldest = history.oldest(*id, MsgSeqNum(1)).0;
                let facts = login.against(begun_at, spoke_fix, last, oldest);
                slot.lag = ouch.answer(peer, facts);
                let_in.push(index);
            }
            let most = self.config.out_buffer_bytes / 2;
            if peer.connection.waiting() >= most {
                // It comes back when it has read on.
                return false;
            }
            let replays = slot.lag.is_some() && slot.ouch.as_ref().is_some_and(|it| it.replays());
            let again = !slot.resends.is_empty() || replays;
            // One step a round, and only as many as nobody else would feel.
            if again && others && !(step.is_none() && self.resends_share.take(now)) {
                self.resends_held += usize::from(step.is_none());
                return true;
            }
            let books = Books { entry: &self.entry, others: &self.others, names: &self.names };
            let said = match slot.resends.pop_front() {
                Some(range) => {
                    step = others.then_some(*id);
                    let count = if others { RESENDS_A_STEP } else { RESENDS_A_ROUND };
                    let room = (most, count);
                    resend_range(slot, peer, &books, *id, range, now, history, room)
                }
                None => {
                    step = step.or((others && replays).then_some(*id));
                    let count = if others && replays { RESENDS_A_STEP } else { RESENDS_A_ROUND };
                    catch_up(slot, peer, &books, *id, now, history, (most, count))
                }
            };
            if said.is_err() {
                self.stats.unreadable += 1;
                peer.broken = Some(UNREADABLE);
            }
            if !peer.dirty {
                peer.dirty = true;
                self.dirty.push(index);
            }
            let goes_on = peer.broken.is_none() && slot.has_history();
            self.look_at_passing(*id);
            goes_on
        });
        // The next step is another's.
        if let Some(last) = step.and_then(|id| resending.iter().position(|it| *it == id)) {
            resending[last..].rotate_left(1);
        }
        resending.append(&mut self.resending);
        self.resending = resending;
        for index in let_in {
            self.read_on_after_login(index, now);
        }
    }
}

/// What a message is made from beside the journal.
struct Books<'a> {
    entry: &'a OrderEntry,
    others: &'a [OrderEntry],
    names: &'a [Option<CompId>],
}

impl Books<'_> {
    /// That of the journal which something was told from.
    fn of(&self, told: &Told<'_>) -> &OrderEntry {
        let other = told.relayed.and_then(|original| self.others.get(original.shard - 1));
        other.unwrap_or(self.entry)
    }

    /// Writes the copy that a Note is.
    fn copy(
        &self,
        slot: &Slot,
        (copy, to): (&Copy<'_>, SessionId),
        header: &Header,
        inputs: &mut impl Inputs,
        out: &mut Vec<u8>,
    ) -> Result<(), Unreadable> {
        let names = |session| name_of(self.names, session);
        self.entry.copy((copy, to), &names, slot.session.identity(), header, inputs, out)
    }
}

/// Tells a session's connection of an Event, as it happened.
fn tell<S: Stream>(
    slot: &mut Slot,
    peer: &mut Peer<S>,
    books: &Books<'_>,
    told: &Told<'_>,
    msg: MsgSeqNum,
    now: Timestamp,
    inputs: &mut impl Inputs,
) -> Result<(), Unreadable> {
    if let Some(ouch) = &mut slot.ouch {
        return ouch.tell(peer, books.of(told), told, msg, inputs);
    }
    let (turn_time, out) = (told.input.timestamp, peer.connection.output());
    if is_quiet(told) {
        // Its number is filled over before the next message, whenever that comes.
        if slot.session.is_active() {
            slot.quiet.get_or_insert(msg);
        }
        return Ok(());
    }
    if let Some(first) = slot.quiet.take() {
        slot.session.gap_fill(first, msg, turn_time, out);
    }
    if let Event::Numbered { .. } = told.event {
        let Some(note) = Note::decode(told.attachment) else {
            let copy = Copy::decode(told.attachment).filter(|_| slot.session.is_active());
            let Some(copy) = copy else { return Ok(()) };
            let header = Header { msg, sending_time: turn_time, resend: false, now };
            books.copy(slot, (&copy, told.session), &header, inputs, out)?;
            slot.session.wrote(now);
            return Ok(());
        };
        if note == Note::Passing {
            if slot.session.is_active() {
                let header = Header { msg, sending_time: turn_time, resend: false, now };
                let (of, identity) = ((told.session, books.entry), slot.session.identity());
                slot.passing.say(of, identity, &header, out);
                slot.session.wrote(now);
            }
            return Ok(());
        }
        match slot.session.note(now, turn_time, msg, &note, out) {
            After::Open => {}
            After::CloseWhenWritten => peer.closing = true,
        }
    } else if slot.session.is_active() {
        let header = Header { msg, sending_time: turn_time, resend: false, now };
        books.of(told).report(told, slot.session.identity(), &header, inputs, out)?;
        slot.session.wrote(now);
    }
    Ok(())
}

/// Some messages of a session from the journal: what follows may need the journal for each of them.
fn some_messages(
    id: SessionId,
    (from, to): (u32, u32),
    most: usize,
    history: &mut impl History,
) -> Result<Vec<(MsgSeqNum, OwnedTold)>, Unreadable> {
    let mut said = Vec::new();
    history.messages(id, MsgSeqNum(from), MsgSeqNum(to), &mut |msg, told| {
        said.push((msg, OwnedTold::new(told)));
        let enough = said.len() >= most;
        if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(said)
}

/// Goes on with what was not said when it happened, until the buffer is half full or the present is
/// reached.
fn catch_up<S: Stream>(
    slot: &mut Slot,
    peer: &mut Peer<S>,
    books: &Books<'_>,
    id: SessionId,
    now: Timestamp,
    history: &mut impl History,
    (most, count): (usize, usize),
) -> Result<(), Unreadable> {
    let Some(from) = slot.lag else { return Ok(()) };
    if history.oldest(id, MsgSeqNum(from)).0 > from {
        // It was not told yet, so it is not passed over in silence: the peer comes back and asks.
        return Err(Unreadable { session: id, number: OrderNumber::NONE, position: None });
    }
    let last = slot.session.last_outbound().0;
    let mut next = from;
    for (msg, told) in some_messages(id, (from, last), count, history)? {
        if peer.connection.waiting() >= most {
            break;
        }
        tell(slot, peer, books, &told.told(id), msg, now, history.of(told.relayed))?;
        next = msg.0 + 1;
    }
    slot.lag = (next <= last).then_some(next);
    Ok(())
}

/// Says some of `range` again: application messages and rejects with PossDupFlag(43)=Y, the other
/// session-layer messages as gap fills, and so what has gone from the journal. What is left of the range is put
/// back.
#[allow(clippy::too_many_arguments)]
fn resend_range<S: Stream>(
    slot: &mut Slot,
    peer: &mut Peer<S>,
    books: &Books<'_>,
    id: SessionId,
    (from, to): (u32, u32),
    now: Timestamp,
    history: &mut impl History,
    (most, count): (usize, usize),
) -> Result<(), Unreadable> {
    let oldest = history.oldest(id, MsgSeqNum(from)).0;
    let mut next = from.max(oldest.min(to.saturating_add(1)));
    let mut gap = (next > from).then_some(from);
    let said =
        if next <= to { some_messages(id, (next, to), count, history) } else { Ok(Vec::new()) };
    let said = match said {
        // What was there a moment ago: the next time it is known that it has gone.
        Err(unreadable) if unreadable.is_gone(history) => Vec::new(),
        said => said?,
    };
    for (msg, told) in said {
        if peer.connection.waiting() >= most {
            break;
        }
        let (session, out) = (&slot.session, peer.connection.output());
        next = msg.0 + 1;
        let numbered = matches!(told.event, Event::Numbered { .. });
        let note = if numbered { Note::decode(&told.attachment) } else { None };
        let again = match &note {
            Some(note) => note.is_application() || matches!(note, Note::Reject { .. }),
            None if numbered => Copy::decode(&told.attachment).is_some(),
            None => !is_quiet(&told.told(id)),
        };
        if !again {
            if note == Some(Note::Passing) && slot.lag.is_some_and(|lag| lag <= msg.0) {
                slot.passing.lost();
            }
            gap.get_or_insert(msg.0);
            continue;
        }
        if let Some(first) = gap.take() {
            session.gap_fill(MsgSeqNum(first), msg, now, out);
        }
        let header = Header { msg, sending_time: told.input.timestamp, resend: true, now };
        let said = match (note, Copy::decode(&told.attachment).filter(|_| numbered)) {
            (Some(note), _) => {
                note.write(session.identity(), &header, out);
                Ok(())
            }
            (None, Some(copy)) => books.copy(slot, (&copy, id), &header, history, out),
            (None, None) => {
                let (inputs, told) = (history.of(told.relayed), told.told(id));
                books.of(&told).report(&told, session.identity(), &header, inputs, out)
            }
        };
        match said {
            Err(unreadable) if unreadable.is_gone(history.of(told.relayed)) => gap = Some(msg.0),
            said => said?,
        }
    }
    if let Some(first) = gap {
        slot.session.gap_fill(MsgSeqNum(first), MsgSeqNum(next), now, peer.connection.output());
    }
    slot.session.wrote(now);
    if next <= to {
        slot.resends.push_front((next, to));
    }
    // What was said again here for the first time is not said once more.
    let last = slot.session.last_outbound().0;
    slot.lag = slot.lag.map(|lag| lag.max(next)).filter(|lag| *lag <= last);
    slot.quiet = slot.quiet.map(|first| first.max(MsgSeqNum(next))).filter(|it| it.0 <= last);
    Ok(())
}

struct OwnedTold {
    position: u64,
    input: Input,
    attachment: Vec<u8>,
    event: Event,
    event_index: u32,
    /// What is looked ahead for.
    rest: Vec<u8>,
    relayed: Option<Original>,
}

impl OwnedTold {
    fn new(told: &Told<'_>) -> OwnedTold {
        OwnedTold {
            position: told.position,
            input: *told.input,
            attachment: told.attachment.to_vec(),
            event: *told.event,
            event_index: told.event_index,
            rest: match told.event {
                Event::Accepted(_) | Event::Replaced(_) => told.rest.to_vec(),
                _ => Vec::new(),
            },
            relayed: told.relayed,
        }
    }

    fn told(&self, session: SessionId) -> Told<'_> {
        Told {
            session,
            position: self.position,
            input: &self.input,
            attachment: &self.attachment,
            event: &self.event,
            event_index: self.event_index,
            rest: &self.rest,
            relayed: self.relayed,
        }
    }
}
