//! What the core does when the disk is full, or the clock went back.

use std::sync::atomic::{AtomicBool, Ordering};

use matcher::record::{EVENT_BYTES_MAX, INPUT_BYTES_MAX, decode_input, encode_input};
use matcher::{
    Command, Input, MassCancelScope, MsgSeqNum, RefusedRequest, RejectReason, SessionId, Timestamp,
};

use super::{Core, ROOM_FOR_ANYTHING};

/// Bytes of the record of one canceled order.
const CANCELED_BYTES: usize = 64;

/// What the disk has left, as the preparer finds it and the gateway needs to know it.
///
/// With no space for another segment, the rest of the last one is kept for cancels: below a quarter
/// of a segment an order is refused, which takes a record too; below an eighth the gateway leaves
/// orders in their sockets. Cancels are taken to the end; a mass cancel only if there is room for an
/// event of every order, since a turn that was begun must end. The end of the day waits for space.
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
    /// On a full disk a cancel on disconnect that may not fit waits for space; until then new orders are
    /// refused, so it takes off only what its connection left.
    #[cold]
    pub(super) fn defers(&mut self, len: usize) -> bool {
        let Ok((input, _, _)) = decode_input(self.sequence, &self.record[..len]) else {
            return false;
        };
        let unasked = input.inbound == MsgSeqNum::NONE && input.session != SessionId::VENUE;
        let defers = unasked
            && matches!(input.command, Command::MassCancel(_))
            && self.writer.room() < self.worst(CANCELED_BYTES);
        if defers {
            self.deferred.push(input.session);
        }
        defers
    }

    #[cold]
    pub(super) fn cancel_deferred(&mut self) -> usize {
        let sessions = std::mem::take(&mut self.deferred);
        for session in &sessions {
            let input = Input {
                sequence: self.sequence,
                timestamp: self.timestamp,
                session: *session,
                inbound: MsgSeqNum::NONE,
                command: Command::MassCancel(MassCancelScope::Session),
            };
            let mut record = [0; INPUT_BYTES_MAX];
            let len = encode_input(&input, &[], &mut record);
            self.record[..len].copy_from_slice(&record[..len]);
            self.turn(len);
        }
        sessions.len()
    }

    /// Room that a turn takes at most if every resting order has an event of `bytes` in it.
    fn worst(&self, bytes: usize) -> u64 {
        let orders = u64::try_from(self.engine.orders_len()).unwrap_or(u64::MAX);
        ROOM_FOR_ANYTHING.saturating_add(orders.saturating_mul(bytes as u64))
    }

    /// On a full disk time stands still before orders expire that may not fit: any Input of that time
    /// would take them off, a cancel too. New orders are refused then, so nobody trades with them.
    #[cold]
    pub(super) fn before_expiry(&self) -> Timestamp {
        let now = self.clock.now();
        match self.engine.next_expiry() {
            Some(at) if at <= now && self.writer.room() < self.worst(CANCELED_BYTES) => {
                Timestamp(at.0.saturating_sub(1)).max(self.timestamp)
            }
            _ => now,
        }
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
        // No turn is begun that might not end: at worst every resting order has an event in it.
        let scarce = room < self.segment_bytes / 4 || room < self.worst(EVENT_BYTES_MAX);
        let request = match &input.command {
            Command::New(new) | Command::NewSpecial(new, _) if scarce => {
                RefusedRequest::New(new.number)
            }
            Command::Replace(replace) | Command::ReplaceStop(replace, _) if scarce => {
                RefusedRequest::Replace { number: replace.number, target: replace.target }
            }
            Command::MassCancel(_) if room < self.worst(CANCELED_BYTES) => {
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
