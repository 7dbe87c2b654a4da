//! Gaps in both directions: what the peer missed is sent again, what we miss is asked for and waited for.

use std::collections::BTreeMap;

use matcher::{MsgSeqNum, Timestamp};

use super::head::Head;
use super::outbound::{Closing, submit};
use super::timers::AfterNs;
use super::{SECOND_NS, Session, Shell};
use crate::fix::decimal::parse_uint;
use crate::fix::decode::{Fault, Message};
use crate::fix::note::Note;
use crate::fix::tag::{self, SessionRejectReason};

/// How long a gap may stand still before it is asked for again.
const GAP_NS: u64 = 10 * SECOND_NS;

/// How often a gap that stands still is asked for; then Logout(5).
const GAP_ATTEMPTS_MAX: u32 = 3;

/// Messages kept while a gap is open. Those beyond are dropped and asked for again.
const QUEUE_MESSAGES_MAX: usize = 1024;

/// Bytes of the messages kept while a gap is open.
const QUEUE_BYTES_MAX: usize = 1 << 20;

/// How often the same ResendRequest(2) is served while nothing new was sent; then Logout(5).
const SAME_RESENDS_MAX: u32 = 5;

/// Numbers that are missing: everything from `next_in` to below `highest`.
#[derive(Debug)]
pub(super) struct Gap {
    highest: u32,
    /// `next_in` when it was last looked at.
    standing_at: u32,
    asked_at: Timestamp,
    attempts: u32,
    /// A message of it did not fit the queue.
    dropped: bool,
}

/// The last ResendRequest served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Resend {
    begin: u32,
    end: u32,
    last_out: u32,
    times: u32,
}

impl Gap {
    /// When it is asked for again, if it stands still until then.
    pub(super) fn due(&self) -> Timestamp {
        self.asked_at.after(GAP_NS)
    }

    /// Whether nothing is missing once `next` is the number expected next.
    pub(super) fn is_filled(&self, next: u32) -> bool {
        self.highest < next
    }
}

impl Resend {
    /// Counts this one; returns how often it was the same in a row.
    fn again(&mut self, begin: u32, end: u32, last_out: u32) -> u32 {
        let same = (self.begin, self.end, self.last_out) == (begin, end, last_out);
        let times = if same { self.times + 1 } else { 1 };
        *self = Resend { begin, end, last_out, times };
        times
    }
}

/// Messages with a number above the expected one. An empty one marks a number that was dealt with when
/// it came.
#[derive(Debug, Default)]
pub(super) struct Queue {
    messages: BTreeMap<u32, Box<[u8]>>,
    bytes: usize,
}

impl Queue {
    /// Returns whether there was room.
    fn insert(&mut self, number: u32, message: &[u8]) -> bool {
        if self.messages.contains_key(&number) {
            return true;
        }
        if self.messages.len() >= QUEUE_MESSAGES_MAX || self.bytes + message.len() > QUEUE_BYTES_MAX
        {
            return false;
        }
        self.bytes += message.len();
        self.messages.insert(number, message.into());
        true
    }

    fn pop_below(&mut self, number: u32) -> Option<(u32, Box<[u8]>)> {
        let entry = self.messages.first_entry().filter(|entry| *entry.key() < number)?;
        let (number, message) = entry.remove_entry();
        self.bytes -= message.len();
        Some((number, message))
    }

    pub(super) fn clear(&mut self) {
        self.messages.clear();
        self.bytes = 0;
    }
}

impl Session {
    pub(super) fn resend_request(
        &mut self,
        now: Timestamp,
        number: u32,
        head: &Head<'_>,
        message: &Message<'_>,
        shell: &mut impl Shell,
    ) {
        if head.poss_dup && number < self.next_in {
            return;
        }
        if let Err(fault) = self.check(message) {
            return self.reject(number, fault, message, shell);
        }
        let begin = message.get(tag::BEGIN_SEQ_NO).and_then(parse_uint).unwrap_or(0);
        let end = message.get(tag::END_SEQ_NO).and_then(parse_uint).unwrap_or(0);
        let held = self.link.as_ref().is_none_or(|link| !link.active || link.resets_asked > 0);
        if begin == 0 || (begin > self.last_out && !held) {
            let fault = Fault::of(tag::BEGIN_SEQ_NO, SessionRejectReason::ValueIncorrect);
            return self.reject(number, fault, message, shell);
        }
        if end != 0 && end < begin {
            let fault = Fault::of(tag::END_SEQ_NO, SessionRejectReason::ValueIncorrect);
            return self.reject(number, fault, message, shell);
        }

        self.count(number);
        let Some(link) = &mut self.link else { return };
        if held {
            link.held_resend = Some((begin, end));
        } else {
            let end = if end == 0 { self.last_out } else { end.min(self.last_out) };
            if link.last_resend.again(begin, end, self.last_out) > SAME_RESENDS_MAX {
                let text = b"the same ResendRequest too often";
                return self.log_out(now, MsgSeqNum::NONE, text, Closing::AfterAnswer, shell);
            }
            shell.resend(MsgSeqNum(begin), MsgSeqNum(end));
        }
        // Theirs first, then ours: the other way round two gaps could feed each other.
        if number > self.next_in {
            self.keep(number, b"");
            self.ask_for_gap(now, number, shell);
        }
    }

    /// Keeps a message with a number above the expected one. A password is not kept: it comes again when its turn is.
    pub(super) fn keep_message(&mut self, number: u32, message: &Message<'_>) {
        if message.msg_type() != b"BE" {
            self.keep(number, message.bytes());
        }
    }

    /// Keeps the bytes of such a message.
    pub(super) fn keep(&mut self, number: u32, message: &[u8]) {
        let kept = self.queue.insert(number, message);
        if !kept && let Some(gap) = self.link.as_mut().and_then(|link| link.gap.as_mut()) {
            gap.dropped = true;
        }
    }

    /// `number` is above the expected one: asks for what is missing, once a gap.
    pub(super) fn ask_for_gap(&mut self, now: Timestamp, number: u32, shell: &mut impl Shell) {
        let Some(link) = &mut self.link else { return };
        if let Some(gap) = &mut link.gap {
            gap.highest = gap.highest.max(number);
            return;
        }
        let standing_at = self.next_in;
        link.gap =
            Some(Gap { highest: number, standing_at, asked_at: now, attempts: 1, dropped: false });
        submit(shell, MsgSeqNum::NONE, &Note::ResendRequest { begin: standing_at });
    }

    /// `number` is above the expected one, and the peer knows what is missing: asks only if it does not come.
    pub(super) fn wait_for_gap(&mut self, now: Timestamp, number: u32) {
        if let Some(link) = &mut self.link {
            let standing_at = self.next_in;
            link.gap = Some(Gap {
                highest: number,
                standing_at,
                asked_at: now,
                attempts: 0,
                dropped: false,
            });
        }
    }

    /// A message that was kept while a gap was open and is due now: decode it and give it to
    /// [`Session::receive`]. Call until `None` after every [`Session::receive`].
    pub fn next_queued(&mut self) -> Option<Vec<u8>> {
        if self.queue.messages.is_empty() {
            return None;
        }
        let link = self.link.as_mut().filter(|link| link.logout.is_none())?;
        while let Some((number, message)) = self.queue.pop_below(self.next_in.saturating_add(1)) {
            if number < self.next_in {
                continue;
            }
            if message.is_empty() {
                self.next_in = number.saturating_add(1);
                continue;
            }
            link.replaying = true;
            return Some(message.into_vec());
        }
        if let Some(gap) = &mut link.gap {
            if gap.is_filled(self.next_in) {
                link.gap = None;
            } else if gap.dropped && self.queue.messages.is_empty() {
                // What did not fit is not on its way: ask at the next tick.
                gap.dropped = false;
                gap.asked_at = Timestamp(0);
                gap.standing_at = self.next_in;
                gap.attempts = 0;
            }
        }
        None
    }

    /// Asks again for a gap that stands still; gives up after some attempts.
    pub(super) fn look_at_gap(&mut self, now: Timestamp, shell: &mut impl Shell) {
        let Some(gap) = self.link.as_mut().and_then(|link| link.gap.as_mut()) else { return };
        if now < gap.due() {
            return;
        }
        let attempts = if gap.standing_at == self.next_in { gap.attempts } else { 0 };
        if attempts >= GAP_ATTEMPTS_MAX {
            let text = format!("ResendRequest from {} was not answered", self.next_in);
            let (none, closing) = (MsgSeqNum::NONE, Closing::AfterAnswer);
            return self.log_out(now, none, text.as_bytes(), closing, shell);
        }
        let moving = gap.standing_at != self.next_in;
        gap.asked_at = now;
        gap.standing_at = self.next_in;
        gap.attempts = if moving { 0 } else { attempts + 1 };
        if !moving {
            submit(shell, MsgSeqNum::NONE, &Note::ResendRequest { begin: self.next_in });
        }
    }
}
