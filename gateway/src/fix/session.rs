//! The acceptor's side of a session: numbers, heartbeats, gaps, resends, logon and logout.
//!
//! The machine has no socket and no clock. [`Session::receive`] takes what came in and calls a [`Shell`];
//! whatever takes an outbound number is submitted as a [`Note`] and comes back through
//! [`Session::note`] when the journal says its number. Only gap fills, which use old numbers, are
//! written directly.
//!
//! Rules that FIX leaves open are those of the FIX session test cases (10 to 20 below are their names)
//! and are listed in `FIX.md`.

mod gaps;
mod head;
mod logon;
mod outbound;
mod resets;
mod terms;
mod timers;
mod version;

use matcher::{Command, MsgSeqNum, Numbering, Timestamp};

use super::decimal::parse_uint;
use super::decode::{Fault, Message};
use super::dictionary::MsgKind;
pub use super::dictionary::UnknownTags;
pub use super::identity::{CompId, Header, Identity};
use super::note::{Note, TEST_REQ_ID_BYTES_MAX};
use super::tag::{self, SessionRejectReason};

use gaps::{Gap, Queue, Resend};
use head::{Head, poss_dup_fault};
use outbound::{Closing, reject_note, submit};
pub use terms::{After, CloseReason, Conduct, LogonRefusal, NewPassword, Profile, Shell, Taken};

const SECOND_NS: u64 = 1_000_000_000;

/// Bytes of a [`Session`] without a gap, credentials not counted.
pub const SESSION_BYTES_MAX: usize = 512;

const _: () = assert!(size_of::<Session>() <= SESSION_BYTES_MAX);

/// Our side of one counterparty's session. Outlives its connections.
///
/// Memory: [`SESSION_BYTES_MAX`] and the credentials; while a gap is open up to 1 MiB of kept messages.
#[derive(Debug)]
pub struct Session {
    profile: Profile,
    /// The number expected next.
    next_in: u32,
    last_out: u32,
    /// When its numbers began, 0 if that is not known.
    begun_at: Timestamp,
    /// An Input that clears the numbers is on its way through the core.
    clear_asked: bool,
    /// Names the present connection in the notes meant for it.
    connection: u64,
    link: Option<Link>,
    queue: Queue,
}

/// What lasts as long as a connection.
#[derive(Debug)]
struct Link {
    /// Whether its Logon was received.
    logon: bool,
    /// Whether its Logon was answered.
    active: bool,
    heartbeat_s: u32,
    sent_at: Timestamp,
    received_at: Timestamp,
    /// A Heartbeat is on its way through the core.
    heartbeat_asked: bool,
    /// A TestRequest waits for its answer; any message is one.
    test_request: bool,
    /// The next message received was kept by us: its times were checked when it came.
    replaying: bool,
    logout: Option<Logout>,
    gap: Option<Gap>,
    /// NextExpectedMsgSeqNum(789) of a Logon that is not answered yet.
    peer_expects: Option<u32>,
    /// Resets on their way through the core: until they are through, numbers mean nothing.
    resets_asked: u32,
    /// ResendRequest that came before our Logon was out; its end may be 0 or too high.
    held_resend: Option<(u32, u32)>,
    last_resend: Resend,
    /// What has become of NewPassword(925) of its Logon.
    new_password: Option<NewPassword>,
}

/// Our Logout.
#[derive(Debug)]
struct Logout {
    asked_at: Timestamp,
    written: bool,
    close_when_written: bool,
}

impl Session {
    /// A session without a connection, with the numbers that the journal says.
    #[must_use]
    pub fn new(profile: Profile, last_inbound: MsgSeqNum, last_outbound: MsgSeqNum) -> Session {
        Session {
            profile,
            next_in: last_inbound.0.saturating_add(1),
            last_out: last_outbound.0,
            begun_at: Timestamp(0),
            clear_asked: false,
            connection: 0,
            link: None,
            queue: Queue::default(),
        }
    }

    /// The two ends.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.profile.identity
    }

    /// The number of the next message we expect.
    #[must_use]
    pub fn next_inbound(&self) -> MsgSeqNum {
        MsgSeqNum(self.next_in)
    }

    /// The number of the last message that was given one.
    #[must_use]
    pub fn last_outbound(&self) -> MsgSeqNum {
        MsgSeqNum(self.last_out)
    }

    /// Whether a connection speaks for this session.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.link.is_some()
    }

    /// Whether its Logon was answered: application messages may be written.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.link.as_ref().is_some_and(|link| link.active)
    }

    /// A connection speaks for this session from now on; the message that [`Session::check_logon`]
    /// accepted must be the first given to [`Session::receive`].
    pub fn connect(&mut self, now: Timestamp) {
        // Unique over restarts too: a note of an earlier connection is never taken for one of this.
        self.connection = now.0.max(self.connection + 1);
        self.queue.clear();
        self.link = Some(Link {
            logon: false,
            active: false,
            heartbeat_s: 0,
            sent_at: now,
            received_at: now,
            heartbeat_asked: false,
            test_request: false,
            replaying: false,
            logout: None,
            gap: None,
            peer_expects: None,
            resets_asked: 0,
            held_resend: None,
            last_resend: Resend::default(),
            new_password: None,
        });
    }

    /// The Logon of the connection that has just begun had a NewPassword(925).
    pub fn new_password(&mut self, new: NewPassword) {
        if let Some(link) = &mut self.link {
            link.new_password = Some(new);
        }
    }

    /// The connection is gone. Numbers stay.
    pub fn disconnected(&mut self) {
        self.link = None;
        self.queue.clear();
    }

    /// Takes a message of the connection.
    pub fn receive(&mut self, now: Timestamp, message: &Message<'_>, shell: &mut impl Shell) {
        let Some(link) = &mut self.link else { return };
        let replayed = std::mem::take(&mut link.replaying);
        if !replayed {
            link.received_at = now;
            link.test_request = false;
        }
        let head = Head::read(message);
        let msg_type = message.msg_type();
        if !link.logon {
            return self.logon(now, &head, message, shell);
        }
        if link.logout.is_some() {
            return self.receive_after_logout(now, &head, message, shell);
        }

        let Some(number) = head.number else {
            let text = b"MsgSeqNum(34) missing or malformed";
            return self.log_out(now, MsgSeqNum::NONE, text, Closing::AfterAnswer, shell);
        };
        if message.begin_string() != self.version().begin_string().as_bytes() {
            if msg_type == b"5" {
                return self.answer_logout(now, number, shell);
            }
            let inbound = self.count(number);
            return self.log_out(
                now,
                inbound,
                b"Incorrect BeginString",
                Closing::AfterAnswer,
                shell,
            );
        }
        if self.is_other_comp_id(&head) {
            let fault = Fault { tag: None, reason: SessionRejectReason::CompIdProblem };
            return self.reject_and_log_out(now, number, fault, message, shell);
        }
        if !replayed && self.check_sending_time(now, &head).is_err() {
            let fault = Fault { tag: None, reason: SessionRejectReason::SendingTimeAccuracy };
            return self.reject_and_log_out(now, number, fault, message, shell);
        }

        // These four are served whatever their number is: two sides that each miss something would
        // wait for each other for ever (test cases 3b, 8, 11, 20).
        match msg_type {
            b"5" => return self.answer_logout(now, number, shell),
            b"2" => return self.resend_request(now, number, &head, message, shell),
            b"A" if !head.poss_dup => return self.logon_again(now, number, &head, message, shell),
            b"4" if message.get(tag::GAP_FILL_FLAG) != Some(b"Y") => {
                return self.sequence_reset(number, message, shell);
            }
            _ => {}
        }

        if number > self.next_in {
            self.keep_message(number, message);
            return self.ask_for_gap(now, number, shell);
        }
        if number < self.next_in {
            return self.too_low(now, number, &head, message, shell);
        }
        if let Some(fault) = poss_dup_fault(&head, msg_type) {
            if fault.reason == SessionRejectReason::SendingTimeAccuracy {
                return self.reject_and_log_out(now, number, fault, message, shell);
            }
            return self.reject(number, fault, message, shell);
        }
        self.take(number, &head, message, shell);
    }

    /// Takes the message with the number that was expected.
    fn take(
        &mut self,
        number: u32,
        head: &Head<'_>,
        message: &Message<'_>,
        shell: &mut impl Shell,
    ) {
        let msg_type = message.msg_type();
        let kind = self.dictionary().kind(msg_type);
        if kind == MsgKind::Unknown && message.fault().is_none() {
            let fault = Fault { tag: None, reason: SessionRejectReason::InvalidMsgType };
            return self.reject(number, fault, message, shell);
        }
        if let Err(fault) = self.check(message) {
            return self.reject(number, fault, message, shell);
        }
        match (kind, msg_type) {
            (MsgKind::Application, _) => {
                let inbound = self.count(number);
                match shell.application(inbound, message, head.poss_resend) {
                    Taken::Submitted | Taken::Ignored => {}
                    Taken::Reject { tag, reason } => {
                        let ref_tag = (tag != 0).then_some(tag.cast_signed());
                        submit(shell, inbound, &reject_note(number, ref_tag, reason, message));
                    }
                    Taken::BusinessReject { reason, text, ref_id } => {
                        let (ref_msg_type, text) = (msg_type, text.as_bytes());
                        let note = Note::BusinessReject {
                            ref_msg: number,
                            ref_msg_type,
                            ref_id,
                            reason,
                            text,
                        };
                        submit(shell, inbound, &note);
                    }
                }
            }
            (MsgKind::Unsupported, _) => {
                let inbound = self.count(number);
                let note = Note::BusinessReject {
                    ref_msg: number,
                    ref_msg_type: msg_type,
                    ref_id: b"",
                    reason: 3,
                    text: b"Unsupported Message Type",
                };
                submit(shell, inbound, &note);
            }
            (_, b"1") => {
                let test_req_id = message.get(tag::TEST_REQ_ID).unwrap_or_default();
                if test_req_id.len() > TEST_REQ_ID_BYTES_MAX {
                    let fault = Fault::of(tag::TEST_REQ_ID, SessionRejectReason::ValueIncorrect);
                    return self.reject(number, fault, message, shell);
                }
                let inbound = self.count(number);
                submit(shell, inbound, &Note::Heartbeat { test_req_id });
            }
            (_, b"4") => {
                let next = message.get(tag::NEW_SEQ_NO).and_then(parse_uint).unwrap_or(0);
                if next <= number {
                    let fault = Fault::of(tag::NEW_SEQ_NO, SessionRejectReason::ValueIncorrect);
                    return self.reject(number, fault, message, shell);
                }
                self.jump(next, shell);
            }
            _ => {
                self.count(number);
            }
        }
    }

    /// Our Logout is on its way or out: only its answer counts, and what the peer still misses is sent.
    fn receive_after_logout(
        &mut self,
        now: Timestamp,
        head: &Head<'_>,
        message: &Message<'_>,
        shell: &mut impl Shell,
    ) {
        match (message.msg_type(), head.number) {
            (b"5", number) => {
                if let Some(number) = number {
                    self.count(number);
                }
                let Some(logout) = self.link.as_mut().and_then(|link| link.logout.as_mut()) else {
                    return;
                };
                if logout.written {
                    shell.close(CloseReason::LoggedOut);
                } else {
                    logout.close_when_written = true;
                }
            }
            (b"2", Some(number)) if !self.is_other_comp_id(head) => {
                self.resend_request(now, number, head, message, shell);
            }
            _ => {}
        }
    }

    fn answer_logout(&mut self, now: Timestamp, number: u32, shell: &mut impl Shell) {
        let inbound = self.count(number);
        self.log_out(now, inbound, b"", Closing::WhenWritten, shell);
    }

    /// SequenceReset(4) in reset mode: its own number means nothing.
    fn sequence_reset(&mut self, number: u32, message: &Message<'_>, shell: &mut impl Shell) {
        let fault = match self.check(message) {
            Err(fault) => fault,
            Ok(()) => {
                let next = message.get(tag::NEW_SEQ_NO).and_then(parse_uint).unwrap_or(0);
                if next >= self.next_in {
                    return self.jump(next, shell);
                }
                Fault::of(tag::NEW_SEQ_NO, SessionRejectReason::ValueIncorrect)
            }
        };
        let ref_tag = fault.tag;
        let note = reject_note(number, ref_tag, fault.reason.code(), message);
        submit(shell, MsgSeqNum::NONE, &note);
    }

    fn too_low(
        &mut self,
        now: Timestamp,
        number: u32,
        head: &Head<'_>,
        message: &Message<'_>,
        shell: &mut impl Shell,
    ) {
        if !head.poss_dup {
            return self.log_out_too_low(now, number, shell);
        }
        match poss_dup_fault(head, message.msg_type()) {
            None => {}
            Some(fault) if fault.reason == SessionRejectReason::SendingTimeAccuracy => {
                self.reject_and_log_out(now, number, fault, message, shell);
            }
            Some(fault) => self.reject(number, fault, message, shell),
        }
    }

    /// Counts `number` if it is the expected one; returns what an Input that answers it carries.
    #[inline]
    fn count(&mut self, number: u32) -> MsgSeqNum {
        if number != self.next_in {
            return MsgSeqNum::NONE;
        }
        self.advance(number.saturating_add(1));
        MsgSeqNum(number)
    }

    /// Numbers below `next` are dealt with, said the peer. The journal remembers it.
    fn jump(&mut self, next: u32, shell: &mut impl Shell) {
        if next > self.next_in {
            self.advance(next);
            shell.submit(MsgSeqNum(next - 1), &Command::Note(Numbering::InboundOnly), &[]);
        }
    }

    #[inline]
    fn advance(&mut self, next: u32) {
        self.next_in = next;
        if let Some(link) = &mut self.link
            && link.gap.as_ref().is_some_and(|gap| gap.is_filled(next))
        {
            link.gap = None;
        }
    }
}
