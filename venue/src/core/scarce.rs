//! What the core does when the disk is full, or the clock went back.

use std::sync::atomic::{AtomicBool, Ordering};

use gateway::order_entry::shards::{WAITED, WAITS};
use matcher::record::{EVENT_BYTES_MAX, INPUT_BYTES_MAX, decode_input, encode_input};
use matcher::{
    Command, Input, MsgSeqNum, Numbering, Permission, ReduceOrder, RefusedRequest, RejectReason,
    SessionId, Timestamp,
};

use super::{Core, ROOM_FOR_ANYTHING};

/// What the disk has left, as the preparer finds it and the gateway needs to know it.
///
/// With no space for another segment, the rest of the last one is kept for what takes orders off. No turn
/// is begun that might not end: [`Engine::events_bytes_max`] says how large it may get.
///
/// * Below a quarter of a segment an order is refused, which takes a record too; before that, one whose
///   turn may not fit. Below an eighth the gateway leaves orders in their sockets.
/// * A cancel or a mass cancel is taken to the end; it is refused if its turn may not fit.
/// * What the venue itself does (phases, a kill, orders that expire) and cancels that nobody asked for are
///   taken too; one that may not fit waits until it does, or until there is space. What is said later of
///   the same takes its place. Who is to be killed may do nothing but cancel meanwhile. What waits is in
///   no journal: after a restart it has to be said again.
/// * Orders that are due go with any Input of that time: while they would have to wait, time does too.
///
/// [`Engine::events_bytes_max`]: matcher::Engine::events_bytes_max
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

impl Core {
    /// Whether a turn can be begun. While there is space, one that ends whatever works: most a record for each
    /// order. Without it a small one; each turn is looked at by itself then.
    #[inline]
    pub(super) fn has_room(&mut self) -> bool {
        let orders = (self.engine.orders_len() * EVENT_BYTES_MAX) as u64;
        let for_all = self.writer.want(orders);
        let room = self.writer.room();
        if self.is_full {
            return room >= ROOM_FOR_ANYTHING && !self.is_stuck();
        }
        room >= ROOM_FOR_ANYTHING + for_all
    }

    /// Whether a request that nobody waits for, and that may not fit on a full disk, waits until it does.
    /// Until then new orders are refused, so that a cancel takes off only what its connection left.
    #[cold]
    pub(super) fn defers(&mut self, len: usize) -> bool {
        let Ok((input, _, _)) = decode_input(self.sequence, &self.record[..len]) else {
            return false;
        };
        if input.inbound != MsgSeqNum::NONE || !may_wait(&input) {
            return false;
        }
        let (session, command) = (input.session, input.command);
        let fits = self.fits(&self.unasked(session, command, self.time()));
        self.deferred.retain(|(whose, what)| *whose != session || !replaces(&command, what));
        if fits {
            return false;
        }
        self.deferred.push((session, command));
        if self.is_told_of(session) {
            self.submit(session, Command::Note(Numbering::InboundOnly), &WAITS);
        }
        let Command::SetPermission { scope, .. } = command else { return true };
        self.submit(
            session,
            Command::SetPermission { scope, permission: Permission::CancelOnly },
            &[],
        );
        true
    }

    /// Whether somebody waits for what is deferred of a session.
    fn is_told_of(&self, session: SessionId) -> bool {
        self.has_others && session != SessionId::VENUE
    }

    /// Does what has waited and fits now; returns how much that was.
    #[cold]
    pub(super) fn do_deferred(&mut self) -> usize {
        let mut done = 0;
        let can = |core: &Core, (session, command): &(SessionId, Command)| {
            !core.is_full || core.fits(&core.unasked(*session, *command, core.time()))
        };
        while let Some(at) = self.deferred.iter().position(|waits| can(self, waits)) {
            let (session, command) = self.deferred.remove(at);
            let attachment: &[u8] = if self.is_told_of(session) { &WAITED } else { &[] };
            self.submit(session, command, attachment);
            done += 1;
        }
        done
    }

    /// A command that no message asked for, as it would be applied next.
    fn unasked(&self, session: SessionId, command: Command, timestamp: Timestamp) -> Input {
        Input { sequence: self.sequence, timestamp, session, inbound: MsgSeqNum::NONE, command }
    }

    /// The time of the next turn on a full disk.
    fn time(&self) -> Timestamp {
        self.before_expiry().max(self.timestamp)
    }

    /// One turn of our own.
    fn submit(&mut self, session: SessionId, command: Command, attachment: &[u8]) {
        let mut record = [0; INPUT_BYTES_MAX];
        let input = self.unasked(session, command, self.timestamp);
        let len = encode_input(&input, attachment, &mut record);
        self.record[..len].copy_from_slice(&record[..len]);
        self.turn(len);
    }

    /// Whether the turn of `input` fits into the room that there is, whatever happens in it.
    fn fits(&self, input: &Input) -> bool {
        // Something stays unused at the ends of segments.
        let most = self.engine.events_bytes_max(input).saturating_add(ROOM_FOR_ANYTHING / 2);
        most <= self.writer.room()
    }

    /// On a full disk time stands still before an expiry that would have to wait, since any Input of its
    /// time would take the orders off, a cancel too.
    #[cold]
    pub(super) fn before_expiry(&self) -> Timestamp {
        let now = self.clock.now();
        match self.engine.next_expiry() {
            Some(at) if at <= now && !self.expiry_fits() => Timestamp(at.0.saturating_sub(1)),
            _ => now,
        }
    }

    /// Whether there is no room for orders that the next Input takes off whatever it is: they became due
    /// with a note, which takes nothing off, while there still was space.
    #[cold]
    pub(super) fn is_stuck(&self) -> bool {
        let is_due = self.engine.next_expiry().is_some_and(|at| at <= self.timestamp);
        is_due && !self.expiry_fits()
    }

    fn expiry_fits(&self) -> bool {
        self.fits(&self.unasked(SessionId::VENUE, Command::Expire, self.timestamp))
    }

    /// Time never runs backwards in a journal: it stands still until the clock is where it was.
    #[cold]
    pub(super) fn clock_went_back(&mut self, now: Timestamp) {
        let behind_s = (self.timestamp.0 - now.0) / 1_000_000_000;
        if behind_s > 0 && !std::mem::replace(&mut self.clock_is_behind, true) {
            eprintln!(
                "vesta: the clock went back by {behind_s} s: all times stand still until it is where it was"
            );
        }
    }

    /// The disk is full: in the last of the room an order becomes its own refusal, which replays the
    /// same on a machine with room.
    #[cold]
    pub(super) fn refuse_for_room(&mut self, input: &mut Input, len: usize) -> usize {
        let room = self.writer.room();
        self.space.holds_orders.store(room < self.segment_bytes / 8, Ordering::Release);
        let fits = self.fits(input);
        let takes_orders = fits && room >= self.segment_bytes / 4;
        let request = match &input.command {
            Command::New(new) | Command::NewSpecial(new, _) if !takes_orders => {
                RefusedRequest::New(new.number)
            }
            Command::Replace(replace) | Command::ReplaceStop(replace, _) if !takes_orders => {
                RefusedRequest::Replace { number: replace.number, target: replace.target }
            }
            Command::Cancel { target } | Command::Reduce(ReduceOrder { target, .. }) if !fits => {
                RefusedRequest::Cancel { target: *target }
            }
            Command::MassCancel(_) if !fits && input.inbound != MsgSeqNum::NONE => {
                RefusedRequest::MassCancel
            }
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
        let mut record = [0; INPUT_BYTES_MAX];
        let len = encode_input(input, attachment, &mut record);
        self.record[..len].copy_from_slice(&record[..len]);
        len
    }
}

/// Whether a request may wait for room: a cancel that no message asked for, and what the venue does that
/// may have an Event for every order.
fn may_wait(input: &Input) -> bool {
    match input.command {
        Command::MassCancel(_) => true,
        Command::ExpireDay
        | Command::Expire
        | Command::SetPhase { .. }
        | Command::SetBands { .. }
        | Command::SetReference { .. }
        | Command::SetSession { .. }
        | Command::SetPermission { .. } => input.session == SessionId::VENUE,
        _ => false,
    }
}

/// Whether `new` says what becomes of the same thing as `old`, which did not happen yet: so there are never
/// more that wait than things.
fn replaces(new: &Command, old: &Command) -> bool {
    match (new, old) {
        (Command::SetPhase { instrument: new, .. }, Command::SetPhase { instrument: old, .. })
        | (Command::SetBands { instrument: new, .. }, Command::SetBands { instrument: old, .. })
        | (
            Command::SetReference { instrument: new, .. },
            Command::SetReference { instrument: old, .. },
        ) => new == old,
        (Command::SetSession { session: new, .. }, Command::SetSession { session: old, .. }) => {
            new == old
        }
        (Command::SetPermission { scope: new, .. }, Command::SetPermission { scope: old, .. }) => {
            new == old
        }
        _ => new == old,
    }
}
