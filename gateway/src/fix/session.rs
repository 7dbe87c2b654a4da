//! The acceptor's side of a session: numbers, heartbeats, gaps, resends, logon and logout.
//!
//! The machine has no socket and no clock. [`Session::receive`] takes what came in and calls a [`Shell`];
//! whatever takes an outbound number is submitted as a [`Note`] and comes back through
//! [`Session::note`] when the journal says its number. Only gap fills, which use old numbers, are
//! written directly.
//!
//! Rules that FIX leaves open are those of the FIX session test cases (10 to 20 below are their names)
//! and are listed in `FIX.md`.

use std::collections::BTreeMap;
use std::fmt;

use matcher::record::ATTACHMENT_BYTES_MAX;
use matcher::{Command, MsgSeqNum, Numbering, Timestamp};

use super::decimal::parse_uint;
use super::decode::{Fault, Message};
pub use super::dictionary::UnknownTags;
use super::dictionary::{self, MsgKind};
pub use super::identity::{CompId, Header, Identity};
use super::note::{Note, Routing, TEST_REQ_ID_BYTES_MAX};
use super::tag::{self, SessionRejectReason};
use super::time::parse_utc;

/// Silence after which we send TestRequest(1).
///
/// Unit: percent of HeartBtInt(108). Source: FIX 4.4 vol. 2 says "HeartBtInt plus some reasonable
/// transmission time"; test case 6 sets 20 %.
const TEST_REQUEST_AFTER_PERCENT: u64 = 120;

/// Silence after which the connection is closed: the TestRequest had as long again.
const CLOSE_AFTER_PERCENT: u64 = 2 * TEST_REQUEST_AFTER_PERCENT;

/// How long the answer to our Logout(5) may take. Source: test case 2i.
const LOGOUT_NS: u64 = 2 * SECOND_NS;

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

const SECOND_NS: u64 = 1_000_000_000;

/// Bytes of a [`Session`] without a gap, credentials not counted.
pub const SESSION_BYTES_MAX: usize = 512;

const _: () = assert!(size_of::<Session>() <= SESSION_BYTES_MAX);

/// What the venue has agreed with a counterparty.
#[derive(Clone)]
pub struct Profile {
    /// The two ends.
    pub identity: Identity,
    /// Username(553) of the Logon, `None` if none is asked for.
    pub username: Option<Vec<u8>>,
    /// Password(554) of the Logon, `None` if none is asked for.
    pub password: Option<Vec<u8>>,
    /// Smallest HeartBtInt(108), seconds; 0 lets a peer do without heartbeats.
    pub heartbeat_s_min: u32,
    /// Largest HeartBtInt(108), seconds.
    pub heartbeat_s_max: u32,
    /// How far SendingTime(52) may be from our clock, seconds.
    pub latency_s_max: u32,
    /// Tags that are not defined.
    pub unknown_tags: UnknownTags,
}

impl fmt::Debug for Profile {
    /// Everything but the credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profile")
            .field("identity", &self.identity)
            .field("heartbeat_s_min", &self.heartbeat_s_min)
            .field("heartbeat_s_max", &self.heartbeat_s_max)
            .field("latency_s_max", &self.latency_s_max)
            .field("unknown_tags", &self.unknown_tags)
            .finish_non_exhaustive()
    }
}

/// Why a Logon is not answered: the connection is closed in silence, the reason is for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogonRefusal {
    /// MsgType(35) is not A.
    NotLogon,
    /// BeginString(8) is not that of the session.
    BeginString,
    /// SenderCompID(49) or TargetCompID(56) is not that of the session.
    CompId,
    /// Another connection speaks for this session.
    AlreadyConnected,
    /// A field is missing or malformed.
    Field(Fault),
    /// SendingTime(52) is too far from our clock.
    SendingTime,
    /// EncryptMethod(98) is not 0.
    EncryptMethod,
    /// HeartBtInt(108) is outside the bounds.
    HeartBtInt,
    /// Username(553) or Password(554) is wrong.
    Credentials,
    /// ResetSeqNumFlag(141)=Y with a MsgSeqNum(34) other than 1.
    ResetNumber,
}

impl fmt::Display for LogonRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LogonRefusal::NotLogon => "first message is no Logon",
            LogonRefusal::BeginString => "BeginString(8) is not that of the session",
            LogonRefusal::CompId => {
                "SenderCompID(49) or TargetCompID(56) is not that of the session"
            }
            LogonRefusal::AlreadyConnected => "session is connected already",
            LogonRefusal::Field(fault) => {
                return match fault.tag {
                    Some(tag) => write!(f, "tag {tag} of the Logon: {}", fault.reason.text()),
                    None => write!(f, "Logon: {}", fault.reason.text()),
                };
            }
            LogonRefusal::SendingTime => "SendingTime(52) is too far from our clock",
            LogonRefusal::EncryptMethod => "EncryptMethod(98) is not 0",
            LogonRefusal::HeartBtInt => "HeartBtInt(108) is outside the bounds of the session",
            LogonRefusal::Credentials => "Username(553) or Password(554) is wrong",
            LogonRefusal::ResetNumber => "ResetSeqNumFlag(141)=Y with MsgSeqNum(34) other than 1",
        })
    }
}

impl std::error::Error for LogonRefusal {}

/// Why a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// Nothing was received for 2.4 times HeartBtInt(108), in spite of a TestRequest.
    Silent,
    /// Logouts were exchanged.
    LoggedOut,
    /// Our Logout was not answered.
    LogoutTimeout,
    /// [`Session::check_logon`] refused. Never given by a session: it is for the gateway's own use.
    LogonRefused,
}

/// What to do with the connection after a note.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// Go on.
    Open,
    /// Close it as soon as everything is written.
    CloseWhenWritten,
}

/// What order entry did with an application message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken<'m> {
    /// It submitted an Input that carries the message's number.
    Submitted,
    /// Nothing to do (a PossResend of an order that is known).
    Ignored,
    /// To be answered by Reject(3).
    Reject {
        /// RefTagID(371).
        tag: u32,
        /// SessionRejectReason(373).
        reason: u16,
    },
    /// To be answered by BusinessMessageReject(j).
    BusinessReject {
        /// BusinessRejectReason(380).
        reason: u16,
        /// Text(58).
        text: &'static str,
        /// BusinessRejectRefID(379), may be empty.
        ref_id: &'m [u8],
    },
}

/// What a session asks of the gateway around it.
pub trait Shell {
    /// Gives `command` to the core. `inbound` is the number it answers for, or `NONE`. One call into a
    /// session makes at most four of these.
    fn submit(&mut self, inbound: MsgSeqNum, command: &Command, attachment: &[u8]);

    /// Gives an application message, checked against the dictionary, to order entry.
    fn application<'m>(
        &mut self,
        inbound: MsgSeqNum,
        message: &Message<'m>,
        poss_resend: bool,
    ) -> Taken<'m>;

    /// Sends the messages `begin` to `end` again, both included; `end` is at most the last one sent.
    fn resend(&mut self, begin: MsgSeqNum, end: MsgSeqNum);

    /// Closes the connection at once.
    fn close(&mut self, why: CloseReason);
}

/// Our side of one counterparty's session. Outlives its connections.
///
/// Memory: [`SESSION_BYTES_MAX`] and the credentials; while a gap is open up to 1 MiB of kept messages.
#[derive(Debug)]
pub struct Session {
    profile: Profile,
    /// The number expected next.
    next_in: u32,
    last_out: u32,
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
    /// Resets on their way through the core: until they are through, numbers mean nothing.
    resets_asked: u32,
    /// ResendRequest that came before our Logon was out; its end may be 0 or too high.
    held_resend: Option<(u32, u32)>,
    last_resend: Resend,
}

/// Our Logout.
#[derive(Debug)]
struct Logout {
    asked_at: Timestamp,
    written: bool,
    close_when_written: bool,
}

/// Numbers that are missing: everything from `next_in` to below `highest`.
#[derive(Debug)]
struct Gap {
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
struct Resend {
    begin: u32,
    end: u32,
    last_out: u32,
    times: u32,
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
struct Queue {
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

    fn clear(&mut self) {
        self.messages.clear();
        self.bytes = 0;
    }
}

/// The header fields the session looks at, wherever in the message they stand.
struct Head<'m> {
    /// MsgSeqNum(34), `None` if missing or malformed.
    number: Option<u32>,
    sender: Option<&'m [u8]>,
    target: Option<&'m [u8]>,
    sending_time: Option<&'m [u8]>,
    orig_sending_time: Option<&'m [u8]>,
    poss_dup: bool,
    poss_resend: bool,
}

impl<'m> Head<'m> {
    #[inline]
    fn read(message: &Message<'m>) -> Head<'m> {
        let mut head = Head {
            number: None,
            sender: None,
            target: None,
            sending_time: None,
            orig_sending_time: None,
            poss_dup: false,
            poss_resend: false,
        };
        for (tag, value) in message.iter() {
            match tag {
                tag::MSG_SEQ_NUM if head.number.is_none() => head.number = parse_uint(value),
                tag::SENDER_COMP_ID => head.sender = head.sender.or(Some(value)),
                tag::TARGET_COMP_ID => head.target = head.target.or(Some(value)),
                tag::SENDING_TIME => head.sending_time = head.sending_time.or(Some(value)),
                tag::ORIG_SENDING_TIME => {
                    head.orig_sending_time = head.orig_sending_time.or(Some(value));
                }
                tag::POSS_DUP_FLAG => head.poss_dup = value == b"Y",
                tag::POSS_RESEND => head.poss_resend = value == b"Y",
                _ => {}
            }
        }
        head
    }
}

/// What becomes of the connection once our Logout is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Closing {
    /// It is closed.
    WhenWritten,
    /// The peer's Logout is waited for.
    AfterAnswer,
}

impl Session {
    /// A session without a connection, with the numbers that the journal says.
    #[must_use]
    pub fn new(profile: Profile, last_inbound: MsgSeqNum, last_outbound: MsgSeqNum) -> Session {
        Session {
            profile,
            next_in: last_inbound.0.saturating_add(1),
            last_out: last_outbound.0,
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

    /// Whether a connection whose first message is `logon` may speak for this session.
    ///
    /// # Errors
    ///
    /// Why not. Nothing is answered to a refused Logon: whoever guesses learns nothing.
    pub fn check_logon(&self, now: Timestamp, logon: &Message<'_>) -> Result<(), LogonRefusal> {
        if logon.msg_type() != b"A" {
            return Err(LogonRefusal::NotLogon);
        }
        let identity = &self.profile.identity;
        if logon.begin_string() != identity.begin_string.as_bytes() {
            return Err(LogonRefusal::BeginString);
        }
        let head = Head::read(logon);
        if head.sender != Some(identity.target_comp_id.as_bytes())
            || head.target != Some(identity.sender_comp_id.as_bytes())
        {
            return Err(LogonRefusal::CompId);
        }
        if self.is_connected() {
            return Err(LogonRefusal::AlreadyConnected);
        }
        // Venues' own tags are common on a Logon (cancel on disconnect, nonces): never a reason to refuse.
        dictionary::check(logon, UnknownTags::Ignore).map_err(LogonRefusal::Field)?;
        self.check_sending_time(now, &head).map_err(|()| LogonRefusal::SendingTime)?;
        self.check_terms(&head, logon)
    }

    /// What a Logon must say, at the start of a connection and in the middle of one.
    fn check_terms(&self, head: &Head<'_>, logon: &Message<'_>) -> Result<(), LogonRefusal> {
        if logon.get(tag::ENCRYPT_METHOD) != Some(b"0") {
            return Err(LogonRefusal::EncryptMethod);
        }
        let bounds = self.profile.heartbeat_s_min..=self.profile.heartbeat_s_max;
        if !heartbeat_s(logon).is_some_and(|heartbeat_s| bounds.contains(&heartbeat_s)) {
            return Err(LogonRefusal::HeartBtInt);
        }
        let username = matches_secret(self.profile.username.as_deref(), logon.get(tag::USERNAME));
        let password = matches_secret(self.profile.password.as_deref(), logon.get(tag::PASSWORD));
        if !(username & password) {
            return Err(LogonRefusal::Credentials);
        }
        if is_reset(logon) && head.number != Some(1) {
            return Err(LogonRefusal::ResetNumber);
        }
        Ok(())
    }

    fn check_sending_time(&self, now: Timestamp, head: &Head<'_>) -> Result<(), ()> {
        // Missing or malformed is the dictionary's business.
        let Some(sent_at) = head.sending_time.and_then(parse_utc) else { return Ok(()) };
        let off_ns = now.0.abs_diff(sent_at.0);
        if off_ns > u64::from(self.profile.latency_s_max) * SECOND_NS { Err(()) } else { Ok(()) }
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
            resets_asked: 0,
            held_resend: None,
            last_resend: Resend::default(),
        });
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
        if message.begin_string() != self.profile.identity.begin_string.as_bytes() {
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
            self.keep(number, message.bytes());
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
        let kind = dictionary::kind(msg_type);
        if kind == MsgKind::Unknown && message.fault().is_none() {
            let fault = Fault { tag: None, reason: SessionRejectReason::InvalidMsgType };
            return self.reject(number, fault, message, shell);
        }
        if let Err(fault) = dictionary::check(message, self.profile.unknown_tags) {
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

    /// The first message of a connection. [`Session::check_logon`] has accepted it.
    fn logon(
        &mut self,
        now: Timestamp,
        head: &Head<'_>,
        message: &Message<'_>,
        shell: &mut impl Shell,
    ) {
        let (Some(link), Some(number)) = (&mut self.link, head.number) else { return };
        link.logon = true;
        link.heartbeat_s = heartbeat_s(message).unwrap_or(0);
        if is_reset(message) {
            return self.reset(shell);
        }
        if number < self.next_in {
            return self.log_out_too_low(now, number, shell);
        }
        let inbound = self.count(number);
        self.answer_logon(inbound, Numbering::Next, shell);
        if number > self.next_in {
            self.keep(number, b"");
            self.ask_for_gap(now, number, shell);
        }
    }

    /// A Logon in the middle of a connection: both sides start again at 1, or it is a mistake.
    fn logon_again(
        &mut self,
        now: Timestamp,
        number: u32,
        head: &Head<'_>,
        message: &Message<'_>,
        shell: &mut impl Shell,
    ) {
        let reset = is_reset(message)
            && dictionary::check(message, UnknownTags::Ignore).is_ok()
            && self.check_terms(head, message).is_ok();
        if !reset {
            let inbound = self.count(number);
            let text = b"Logon while logged on must have ResetSeqNumFlag(141)=Y, MsgSeqNum(34)=1";
            return self.log_out(now, inbound, text, Closing::AfterAnswer, shell);
        }
        if let Some(link) = &mut self.link {
            link.heartbeat_s = heartbeat_s(message).unwrap_or(link.heartbeat_s);
        }
        self.reset(shell);
    }

    /// Both directions start again; the Logon that asked for it was number 1.
    fn reset(&mut self, shell: &mut impl Shell) {
        self.queue.clear();
        self.next_in = 2;
        if let Some(link) = &mut self.link {
            link.gap = None;
            link.held_resend = None;
            link.resets_asked += 1;
        }
        self.answer_logon(MsgSeqNum(1), Numbering::Reset, shell);
    }

    fn answer_logon(&self, inbound: MsgSeqNum, numbering: Numbering, shell: &mut impl Shell) {
        let heartbeat_s = self.link.as_ref().map_or(0, |link| link.heartbeat_s);
        let reset = numbering == Numbering::Reset;
        let note = Note::Logon { heartbeat_s, reset, connection: self.connection };
        submit_as(shell, inbound, numbering, &note);
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

    fn resend_request(
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
        if let Err(fault) = dictionary::check(message, self.profile.unknown_tags) {
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

    /// SequenceReset(4) in reset mode: its own number means nothing.
    fn sequence_reset(&mut self, number: u32, message: &Message<'_>, shell: &mut impl Shell) {
        let fault = match dictionary::check(message, self.profile.unknown_tags) {
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

    fn log_out_too_low(&mut self, now: Timestamp, number: u32, shell: &mut impl Shell) {
        let text = format!("MsgSeqNum too low, expecting {} but received {number}", self.next_in);
        self.log_out(now, MsgSeqNum::NONE, text.as_bytes(), Closing::WhenWritten, shell);
    }

    /// Submits a Logout; from now on nothing but its answer is taken.
    fn log_out(
        &mut self,
        now: Timestamp,
        inbound: MsgSeqNum,
        text: &[u8],
        closing: Closing,
        shell: &mut impl Shell,
    ) {
        let Some(link) = &mut self.link else { return };
        if link.logout.is_some() {
            return;
        }
        let close_when_written = closing == Closing::WhenWritten;
        link.logout = Some(Logout { asked_at: now, written: false, close_when_written });
        submit(shell, inbound, &Note::Logout { text, connection: self.connection });
    }

    /// Answers Reject(3); the number counts if it was the expected one.
    fn reject(&mut self, number: u32, fault: Fault, message: &Message<'_>, shell: &mut impl Shell) {
        let inbound = self.count(number);
        submit(shell, inbound, &reject_note(number, fault.tag, fault.reason.code(), message));
    }

    fn reject_and_log_out(
        &mut self,
        now: Timestamp,
        number: u32,
        fault: Fault,
        message: &Message<'_>,
        shell: &mut impl Shell,
    ) {
        self.reject(number, fault, message, shell);
        let text = fault.reason.text().as_bytes();
        self.log_out(now, MsgSeqNum::NONE, text, Closing::AfterAnswer, shell);
    }

    fn is_other_comp_id(&self, head: &Head<'_>) -> bool {
        let identity = &self.profile.identity;
        // Missing or empty is the dictionary's business.
        let differs = |there: Option<&[u8]>, ours: &[u8]| {
            there.is_some_and(|id| !id.is_empty() && id != ours)
        };
        differs(head.sender, identity.target_comp_id.as_bytes())
            || differs(head.target, identity.sender_comp_id.as_bytes())
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
            && link.gap.as_ref().is_some_and(|gap| gap.highest < next)
        {
            link.gap = None;
        }
    }

    /// Keeps a message with a number above the expected one.
    fn keep(&mut self, number: u32, message: &[u8]) {
        let kept = self.queue.insert(number, message);
        if !kept && let Some(gap) = self.link.as_mut().and_then(|link| link.gap.as_mut()) {
            gap.dropped = true;
        }
    }

    /// `number` is above the expected one: asks for what is missing, once a gap.
    fn ask_for_gap(&mut self, now: Timestamp, number: u32, shell: &mut impl Shell) {
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
            if gap.highest < self.next_in {
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

    /// Does what is due at `now`: heartbeats, test requests, gaps asked for again, timeouts.
    pub fn tick(&mut self, now: Timestamp, shell: &mut impl Shell) {
        let Some(link) = &mut self.link else { return };
        if let Some(logout) = &link.logout {
            if now >= logout.asked_at.after(LOGOUT_NS) {
                shell.close(CloseReason::LogoutTimeout);
            }
            return;
        }
        if !link.active {
            return;
        }
        if link.resets_asked == 0
            && let Some((begin, end)) = link.held_resend.take()
            && begin <= self.last_out
        {
            let end = if end == 0 { self.last_out } else { end.min(self.last_out) };
            shell.resend(MsgSeqNum(begin), MsgSeqNum(end));
        }
        if link.heartbeat_s > 0 {
            if now >= link.received_at.after(link.percent_ns(CLOSE_AFTER_PERCENT)) {
                return shell.close(CloseReason::Silent);
            }
            if !link.test_request
                && now >= link.received_at.after(link.percent_ns(TEST_REQUEST_AFTER_PERCENT))
            {
                link.test_request = true;
                submit(shell, MsgSeqNum::NONE, &Note::TestRequest { id: now.0 });
            } else if link.heartbeat_due().is_some_and(|due| now >= due) {
                link.heartbeat_asked = true;
                submit(shell, MsgSeqNum::NONE, &Note::Heartbeat { test_req_id: b"" });
            }
        }
        self.look_at_gap(now, shell);
    }

    /// Asks again for a gap that stands still; gives up after some attempts.
    fn look_at_gap(&mut self, now: Timestamp, shell: &mut impl Shell) {
        let Some(gap) = self.link.as_mut().and_then(|link| link.gap.as_mut()) else { return };
        if now < gap.asked_at.after(GAP_NS) {
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

    /// When [`Session::tick`] has something to do, `None` if never.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        let link = self.link.as_ref()?;
        if let Some(logout) = &link.logout {
            return Some(logout.asked_at.after(LOGOUT_NS));
        }
        if !link.active {
            return None;
        }
        if link.held_resend.is_some() && link.resets_asked == 0 {
            return Some(Timestamp(0));
        }
        let gap = link.gap.as_ref().map(|gap| gap.asked_at.after(GAP_NS));
        if link.heartbeat_s == 0 {
            return gap;
        }
        let percent =
            if link.test_request { CLOSE_AFTER_PERCENT } else { TEST_REQUEST_AFTER_PERCENT };
        let silence = link.received_at.after(link.percent_ns(percent));
        [Some(silence), link.heartbeat_due(), gap].into_iter().flatten().min()
    }

    /// A message of this session has this number, says the journal. To be called for every one, written
    /// or not, connected or not.
    #[inline]
    pub fn numbered(&mut self, msg: MsgSeqNum) {
        self.last_out = msg.0;
    }

    /// A note of this session has its number: writes it, if the connection it was meant for is there.
    #[must_use = "a Logout closes the connection"]
    pub fn note(
        &mut self,
        now: Timestamp,
        turn_time: Timestamp,
        msg: MsgSeqNum,
        note: &Note<'_>,
        out: &mut Vec<u8>,
    ) -> After {
        let Some(link) = &mut self.link else { return After::Open };
        let mut after = After::Open;
        match *note {
            Note::Logon { connection, reset, .. } => {
                if connection != self.connection {
                    return After::Open;
                }
                link.active = true;
                link.resets_asked -= u32::from(reset);
            }
            Note::Logout { connection, .. } => {
                let Some(logout) = &mut link.logout else { return After::Open };
                if connection != self.connection {
                    return After::Open;
                }
                logout.written = true;
                logout.asked_at = now;
                if logout.close_when_written {
                    after = After::CloseWhenWritten;
                }
            }
            // Notes of this connection come after its Logon; anything before is an older one's.
            _ if !link.active => return After::Open,
            Note::Heartbeat { .. } => link.heartbeat_asked = false,
            _ => {}
        }
        link.sent_at = now;
        let header = Header { msg, sending_time: turn_time, resend: false, now };
        note.write(&self.profile.identity, &header, out);
        after
    }

    /// Application messages went out: the next Heartbeat is due an interval later.
    #[inline]
    pub fn wrote(&mut self, now: Timestamp) {
        if let Some(link) = &mut self.link {
            link.sent_at = now;
        }
    }

    /// Writes a gap fill: what has the numbers from `from` to below `next` is not sent again.
    pub fn gap_fill(&self, from: MsgSeqNum, next: MsgSeqNum, now: Timestamp, out: &mut Vec<u8>) {
        let header = Header { msg: from, sending_time: now, resend: true, now };
        let mut message = self.profile.identity.begin(out, b"4", &header);
        message.uint(tag::NEW_SEQ_NO, next.0.into());
        message.char(tag::GAP_FILL_FLAG, b'Y');
        message.finish();
    }

    /// The venue shuts down: Logout with `text`, and two seconds for its answer.
    pub fn stop(&mut self, now: Timestamp, text: &[u8], shell: &mut impl Shell) {
        self.log_out(now, MsgSeqNum::NONE, text, Closing::AfterAnswer, shell);
    }
}

impl Link {
    fn percent_ns(&self, percent: u64) -> u64 {
        u64::from(self.heartbeat_s) * (SECOND_NS / 100) * percent
    }

    /// None is sent while a TestRequest is open: it was sent already (test case 6).
    fn heartbeat_due(&self) -> Option<Timestamp> {
        let due = !self.heartbeat_asked && !self.test_request;
        due.then(|| self.sent_at.after(self.percent_ns(100)))
    }
}

/// Timestamps that saturate.
trait AfterNs {
    fn after(self, ns: u64) -> Timestamp;
}

impl AfterNs for Timestamp {
    fn after(self, ns: u64) -> Timestamp {
        Timestamp(self.0.saturating_add(ns))
    }
}

/// What is wrong with the times of a message that says it was sent before.
fn poss_dup_fault(head: &Head<'_>, msg_type: &[u8]) -> Option<Fault> {
    // Gap fills of some engines come without OrigSendingTime(122).
    if !head.poss_dup || msg_type == b"4" {
        return None;
    }
    let Some(orig) = head.orig_sending_time else {
        return Some(Fault::of(tag::ORIG_SENDING_TIME, SessionRejectReason::RequiredTagMissing));
    };
    let later = match (parse_utc(orig), head.sending_time.and_then(parse_utc)) {
        (Some(orig), Some(sending)) => orig > sending,
        // Malformed is the dictionary's business.
        _ => false,
    };
    later.then_some(Fault { tag: None, reason: SessionRejectReason::SendingTimeAccuracy })
}

fn reject_note<'m>(
    number: u32,
    ref_tag: Option<i32>,
    reason: u16,
    message: &Message<'m>,
) -> Note<'m> {
    Note::Reject {
        ref_msg: number,
        ref_tag,
        reason,
        ref_msg_type: message.msg_type(),
        text: b"",
        routing: Routing::reversed(message),
    }
}

fn submit(shell: &mut impl Shell, inbound: MsgSeqNum, note: &Note<'_>) {
    submit_as(shell, inbound, Numbering::Next, note);
}

fn submit_as(shell: &mut impl Shell, inbound: MsgSeqNum, numbering: Numbering, note: &Note<'_>) {
    let mut attachment = [0; ATTACHMENT_BYTES_MAX];
    let len = note.encode(&mut attachment);
    shell.submit(inbound, &Command::Note(numbering), &attachment[..len]);
}

fn heartbeat_s(logon: &Message<'_>) -> Option<u32> {
    logon.get(tag::HEART_BT_INT).and_then(parse_uint)
}

fn is_reset(logon: &Message<'_>) -> bool {
    logon.get(tag::RESET_SEQ_NUM_FLAG) == Some(b"Y")
}

/// Whether `given` is `wanted`, in a time that tells nothing about where they differ.
fn matches_secret(wanted: Option<&[u8]>, given: Option<&[u8]>) -> bool {
    let Some(wanted) = wanted else { return true };
    let given = given.unwrap_or_default();
    let mut differs = u8::from(wanted.len() != given.len());
    for (i, byte) in given.iter().enumerate() {
        differs |= byte ^ wanted.get(i).copied().unwrap_or(!byte);
    }
    std::hint::black_box(differs) == 0
}
