//! The initiator's side of a session, for our own tools and tests: no socket, no clock.
//!
//! Application messages come to the caller in order and exactly once, over any number of connections, as
//! long as the [`Client`] lives or is made again with the numbers it had.

use std::collections::BTreeMap;
use std::fmt;

use matcher::{MsgSeqNum, Timestamp};
use zeroize::Zeroize;

use super::decimal::parse_uint;
use super::decode::{Fields, Message, decode};
use super::encode::Encoder;
use super::identity::{CompId, Header, Identity};
use super::tag;
use super::time::parse_utc;
use super::version::{APPL_VER_ID, Version};

const SECOND_NS: u64 = 1_000_000_000;

/// Application messages kept for a ResendRequest of the venue; older ones are gap-filled.
const STORE_MESSAGES: usize = 16_384;

/// Messages kept while a gap is open; those beyond are asked for again.
const QUEUE_MESSAGES_MAX: usize = 65_536;

/// How long a gap may stand still before it is asked for again.
const GAP_NS: u64 = 5 * SECOND_NS;

/// How a client logs on.
#[derive(Clone)]
pub struct ClientConfig {
    /// What is spoken.
    pub version: Version,
    /// SenderCompID(49).
    pub sender: CompId,
    /// TargetCompID(56): the venue.
    pub target: CompId,
    /// Username(553).
    pub username: Option<Vec<u8>>,
    /// Password(554).
    pub password: Option<Vec<u8>>,
    /// HeartBtInt(108), seconds.
    pub heartbeat_s: u32,
    /// ResetSeqNumFlag(141)=Y on the first Logon: both sides start at 1.
    pub reset: bool,
    /// The number of our next message.
    pub next_out: MsgSeqNum,
    /// The number of the venue's next message.
    pub next_in: MsgSeqNum,
}

impl fmt::Debug for ClientConfig {
    /// Everything but the credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientConfig")
            .field("version", &self.version)
            .field("sender", &self.sender)
            .field("target", &self.target)
            .field("heartbeat_s", &self.heartbeat_s)
            .field("reset", &self.reset)
            .field("next_out", &self.next_out)
            .field("next_in", &self.next_in)
            .finish_non_exhaustive()
    }
}

/// What a message from the venue is to the caller.
#[derive(Clone, Copy, Debug)]
pub enum Incoming<'m> {
    /// An application message, the next in order.
    Application(Message<'m>),
    /// The venue answered our Logon.
    LoggedOn,
    /// The venue's Logout(5): the connection is about to end.
    LoggedOut {
        /// Text(58), may be empty.
        text: &'m [u8],
    },
    /// Reject(3): the venue refused a message of ours.
    Rejected(Message<'m>),
    /// Session layer, dealt with.
    Admin,
    /// We had it already.
    Duplicate,
    /// Kept until the gap in front of it is filled.
    Kept,
    /// The venue broke the protocol: close the connection.
    Broken(Breach),
}

/// How the venue broke the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breach {
    /// MsgSeqNum(34) is missing or malformed.
    NoNumber,
    /// MsgSeqNum(34) is below what we had, and PossDupFlag(43) is not set.
    TooLow {
        /// What we expect.
        expected: MsgSeqNum,
        /// What came.
        received: MsgSeqNum,
    },
    /// The message is from or for someone else.
    CompId,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Breach::NoNumber => f.write_str("MsgSeqNum(34) missing or malformed"),
            Breach::TooLow { expected, received } => {
                write!(f, "MsgSeqNum(34) too low, expecting {expected} but received {received}")
            }
            Breach::CompId => f.write_str("BeginString(8) or a CompID is not ours"),
        }
    }
}

/// Whether the venue can still be heard.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It can.
    Alive,
    /// Nothing for 2.4 times HeartBtInt(108), in spite of a TestRequest: close the connection.
    Silent,
}

/// What signs Logons: the bytes that are signed → RawData(96).
struct Signer(Box<Sign>);

type Sign = dyn Fn(&[u8]) -> Vec<u8> + Send;

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signer")
    }
}

/// The initiator's side of a session.
#[derive(Debug)]
pub struct Client {
    config: ClientConfig,
    signer: Option<Signer>,
    identity: Identity,
    next_out: u32,
    next_in: u32,
    reset: bool,
    logged_on: bool,
    logout_sent: bool,
    sent_at: Timestamp,
    received_at: Timestamp,
    test_request: bool,
    gap: Option<Gap>,
    queue: BTreeMap<u32, Vec<u8>>,
    store: Store,
}

/// What is missing: everything from `next_in` to below `highest`.
#[derive(Debug)]
struct Gap {
    highest: u32,
    standing_at: u32,
    asked_at: Timestamp,
}

/// The last application messages sent, in a ring: buffers are used again.
#[derive(Debug, Default)]
struct Store {
    messages: Vec<Stored>,
}

#[derive(Debug, Default)]
struct Stored {
    number: u32,
    bytes: Vec<u8>,
}

impl Store {
    fn put(&mut self, number: u32, bytes: &[u8]) {
        let index = number as usize % STORE_MESSAGES;
        if self.messages.len() <= index {
            self.messages.resize_with(index + 1, Stored::default);
        }
        let stored = &mut self.messages[index];
        stored.number = number;
        stored.bytes.clear();
        stored.bytes.extend_from_slice(bytes);
    }

    fn get(&self, number: u32) -> Option<&[u8]> {
        let stored = self.messages.get(number as usize % STORE_MESSAGES)?;
        (stored.number == number).then_some(&stored.bytes)
    }
}

impl Client {
    /// A client that has not logged on yet.
    #[must_use]
    pub fn new(config: ClientConfig) -> Client {
        Client {
            identity: Identity {
                version: config.version,
                sender_comp_id: config.sender,
                target_comp_id: config.target,
            },
            next_out: config.next_out.0.max(1),
            next_in: config.next_in.0.max(1),
            reset: config.reset,
            config,
            signer: None,
            logged_on: false,
            logout_sent: false,
            sent_at: Timestamp(0),
            received_at: Timestamp(0),
            test_request: false,
            gap: None,
            queue: BTreeMap::new(),
            store: Store::default(),
        }
    }

    /// The same, with Logons that `sign` signs: it is given SendingTime(52), MsgType(35), MsgSeqNum(34), SenderCompID(49), TargetCompID(56) and,
    /// if there is one, Password(554), with SOH between, and gives RawData(96).
    #[must_use]
    pub fn signed_by(self, sign: impl Fn(&[u8]) -> Vec<u8> + Send + 'static) -> Client {
        Client { signer: Some(Signer(Box::new(sign))), ..self }
    }

    /// RawData(96) of a Logon that is sent now.
    fn signature(&self, now: Timestamp) -> Option<Vec<u8>> {
        let signer = self.signer.as_ref()?;
        let mut time = Vec::new();
        let mut encoder = Encoder::body(&mut time);
        encoder.utc(tag::SENDING_TIME, now);
        encoder.end();
        let (sender, target) = (&self.config.sender, &self.config.target);
        let number = self.next_out.to_string();
        let password = self.config.password.as_deref().unwrap_or_default();
        // The value alone, with the SOH behind it.
        let mut signed = time.strip_prefix(b"52=").unwrap_or(&time).to_vec();
        for part in [b"A", number.as_bytes(), sender.as_bytes(), target.as_bytes()] {
            signed.extend_from_slice(part);
            signed.push(1);
        }
        signed.extend_from_slice(password);
        if password.is_empty() {
            signed.pop();
        }
        let signature = signer.0(&signed);
        signed.zeroize();
        Some(signature)
    }

    /// The number of our next message.
    #[must_use]
    pub fn next_out(&self) -> MsgSeqNum {
        MsgSeqNum(self.next_out)
    }

    /// The number of the venue's next message.
    #[must_use]
    pub fn next_in(&self) -> MsgSeqNum {
        MsgSeqNum(self.next_in)
    }

    /// Whether the venue answered our Logon on this connection.
    #[must_use]
    pub fn is_logged_on(&self) -> bool {
        self.logged_on
    }

    /// Whether messages of the venue are missing that were asked for.
    #[must_use]
    pub fn has_gap(&self) -> bool {
        self.gap.is_some()
    }

    /// Begins a connection: writes the Logon.
    pub fn logon(&mut self, now: Timestamp, out: &mut Vec<u8>) {
        self.disconnected();
        self.received_at = now;
        if self.reset {
            (self.next_out, self.next_in) = (1, 1);
            self.store.messages.clear();
        }
        let reset = std::mem::take(&mut self.reset);
        let username = self.config.username.clone().unwrap_or_default();
        let password = self.config.password.clone().unwrap_or_default();
        let (heartbeat_s, version) = (self.config.heartbeat_s, self.config.version);
        let signature = self.signature(now);
        self.write(now, b"A", out, |logon| {
            logon.uint(tag::ENCRYPT_METHOD, 0);
            logon.uint(tag::HEART_BT_INT, heartbeat_s.into());
            if reset {
                logon.char(tag::RESET_SEQ_NUM_FLAG, b'Y');
            }
            if let Some(signature) = &signature {
                logon.uint(tag::RAW_DATA_LENGTH, signature.len() as u64);
                logon.bytes(tag::RAW_DATA, signature);
            }
            logon.bytes(tag::USERNAME, &username).bytes(tag::PASSWORD, &password);
            if version == Version::Fix50Sp2 {
                logon.bytes(tag::DEFAULT_APPL_VER_ID, APPL_VER_ID);
            }
        });
    }

    /// Writes an application message; `body` adds its fields. Returns its number.
    pub fn send(
        &mut self,
        now: Timestamp,
        msg_type: &[u8],
        body: impl FnOnce(&mut Encoder<'_>),
        out: &mut Vec<u8>,
    ) -> MsgSeqNum {
        let start = out.len();
        let number = self.next_out;
        self.write(now, msg_type, out, body);
        self.store.put(number, &out[start..]);
        MsgSeqNum(number)
    }

    /// Writes a Logout; the venue answers it and closes.
    pub fn logout(&mut self, now: Timestamp, out: &mut Vec<u8>) {
        self.logout_sent = true;
        self.write(now, b"5", out, |_| {});
    }

    /// The connection is gone. Numbers and sent messages stay.
    pub fn disconnected(&mut self) {
        self.logged_on = false;
        self.logout_sent = false;
        self.test_request = false;
        self.gap = None;
        self.queue.clear();
    }

    /// Takes a message of the venue; answers go to `out`. Then call [`Client::next_queued`].
    pub fn receive<'m>(
        &mut self,
        now: Timestamp,
        message: &Message<'m>,
        out: &mut Vec<u8>,
    ) -> Incoming<'m> {
        self.received_at = now;
        self.test_request = false;
        if !self.is_for_us(message) {
            return Incoming::Broken(Breach::CompId);
        }
        let Some(number) = message.get(tag::MSG_SEQ_NUM).and_then(parse_uint) else {
            return Incoming::Broken(Breach::NoNumber);
        };
        let gap_fill = message.get(tag::GAP_FILL_FLAG) == Some(b"Y");
        match message.msg_type() {
            b"A" if message.get(tag::RESET_SEQ_NUM_FLAG) == Some(b"Y") => {
                self.queue.clear();
                self.gap = None;
                self.next_in = number;
            }
            b"4" if !gap_fill => {
                let next = message.get(tag::NEW_SEQ_NO).and_then(parse_uint).unwrap_or(0);
                self.next_in = self.next_in.max(next);
                return Incoming::Admin;
            }
            // Served whatever its number: see the acceptor's side.
            b"2" => {
                self.serve(now, message, out);
                if number == self.next_in {
                    self.next_in += 1;
                }
                if number > self.next_in {
                    self.keep(now, number, b"", out);
                }
                return Incoming::Admin;
            }
            b"5" => {
                if number == self.next_in {
                    self.next_in += 1;
                }
                if !self.logout_sent {
                    self.logout(now, out);
                }
                return Incoming::LoggedOut { text: message.get(tag::TEXT).unwrap_or_default() };
            }
            _ => {}
        }

        if number > self.next_in {
            let logon = message.msg_type() == b"A";
            self.keep(now, number, if logon { b"" } else { message.bytes() }, out);
            if logon {
                self.logged_on = true;
                return Incoming::LoggedOn;
            }
            return Incoming::Kept;
        }
        if number < self.next_in {
            if message.get(tag::POSS_DUP_FLAG) == Some(b"Y") {
                return Incoming::Duplicate;
            }
            let (expected, received) = (MsgSeqNum(self.next_in), MsgSeqNum(number));
            return Incoming::Broken(Breach::TooLow { expected, received });
        }
        self.next_in += 1;
        self.take(now, message, out)
    }

    /// Takes the message with the number that was expected.
    fn take<'m>(
        &mut self,
        now: Timestamp,
        message: &Message<'m>,
        out: &mut Vec<u8>,
    ) -> Incoming<'m> {
        match message.msg_type() {
            b"A" => {
                self.logged_on = true;
                Incoming::LoggedOn
            }
            b"0" => Incoming::Admin,
            b"1" => {
                let id = message.get(tag::TEST_REQ_ID).unwrap_or_default();
                self.write(now, b"0", out, |heartbeat| {
                    heartbeat.bytes(tag::TEST_REQ_ID, id);
                });
                Incoming::Admin
            }
            b"3" => Incoming::Rejected(*message),
            b"4" => {
                let next = message.get(tag::NEW_SEQ_NO).and_then(parse_uint).unwrap_or(0);
                self.next_in = self.next_in.max(next);
                Incoming::Admin
            }
            _ => Incoming::Application(*message),
        }
    }

    /// A message that was kept and is due now: decode it and give it to [`Client::receive`]. Call until
    /// `None` after every [`Client::receive`].
    pub fn next_queued(&mut self) -> Option<Vec<u8>> {
        while let Some(entry) = self.queue.first_entry() {
            let number = *entry.key();
            if number > self.next_in {
                break;
            }
            let message = entry.remove();
            if number < self.next_in {
                continue;
            }
            if message.is_empty() {
                self.next_in += 1;
                continue;
            }
            return Some(message);
        }
        if let Some(gap) = &mut self.gap {
            if gap.highest < self.next_in {
                self.gap = None;
            } else if self.queue.is_empty() && gap.standing_at != self.next_in {
                // What did not fit is not on its way: ask at the next tick.
                gap.asked_at = Timestamp(0);
                gap.standing_at = self.next_in;
            }
        }
        None
    }

    /// Writes what is due at `now`: a Heartbeat, a TestRequest, a gap asked for again.
    pub fn tick(&mut self, now: Timestamp, out: &mut Vec<u8>) -> Health {
        if !self.logged_on {
            return Health::Alive;
        }
        let interval_ns = u64::from(self.config.heartbeat_s) * SECOND_NS;
        if interval_ns > 0 {
            let silence_ns = now.0.saturating_sub(self.received_at.0);
            if silence_ns >= interval_ns / 10 * 24 {
                return Health::Silent;
            }
            if silence_ns >= interval_ns / 10 * 12 && !self.test_request {
                self.test_request = true;
                self.write(now, b"1", out, |request| {
                    request.uint(tag::TEST_REQ_ID, now.0);
                });
            } else if now.0.saturating_sub(self.sent_at.0) >= interval_ns {
                self.write(now, b"0", out, |_| {});
            }
        }
        if let Some(gap) = &mut self.gap
            && now.0 >= gap.asked_at.0.saturating_add(GAP_NS)
        {
            let moving = gap.asked_at.0 != 0 && gap.standing_at != self.next_in;
            gap.asked_at = now;
            gap.standing_at = self.next_in;
            if !moving {
                self.ask(now, out);
            }
        }
        Health::Alive
    }

    /// When [`Client::tick`] has something to do, `None` if never.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        if !self.logged_on {
            return None;
        }
        let gap = self.gap.as_ref().map(|gap| gap.asked_at.0.saturating_add(GAP_NS));
        let interval_ns = u64::from(self.config.heartbeat_s) * SECOND_NS;
        let percent = if self.test_request { 24 } else { 12 };
        let beat = (interval_ns > 0).then(|| {
            let silence = self.received_at.0.saturating_add(interval_ns / 10 * percent);
            silence.min(self.sent_at.0.saturating_add(interval_ns))
        });
        [gap, beat].into_iter().flatten().min().map(Timestamp)
    }

    fn is_for_us(&self, message: &Message<'_>) -> bool {
        message.begin_string() == self.identity.version.begin_string().as_bytes()
            && message.get(tag::SENDER_COMP_ID) == Some(self.identity.target_comp_id.as_bytes())
            && message.get(tag::TARGET_COMP_ID) == Some(self.identity.sender_comp_id.as_bytes())
    }

    /// Keeps a message with a number above the expected one, and asks for what is missing, once a gap.
    fn keep(&mut self, now: Timestamp, number: u32, message: &[u8], out: &mut Vec<u8>) {
        if self.queue.len() < QUEUE_MESSAGES_MAX {
            self.queue.entry(number).or_insert_with(|| message.to_vec());
        }
        if let Some(gap) = &mut self.gap {
            gap.highest = gap.highest.max(number);
            return;
        }
        self.gap = Some(Gap { highest: number, standing_at: self.next_in, asked_at: now });
        self.ask(now, out);
    }

    fn ask(&mut self, now: Timestamp, out: &mut Vec<u8>) {
        let begin = self.next_in;
        self.write(now, b"2", out, |request| {
            request.uint(tag::BEGIN_SEQ_NO, begin.into()).uint(tag::END_SEQ_NO, 0);
        });
    }

    /// Answers a ResendRequest: application messages again, gap fills for the rest.
    fn serve(&mut self, now: Timestamp, request: &Message<'_>, out: &mut Vec<u8>) {
        let begin = request.get(tag::BEGIN_SEQ_NO).and_then(parse_uint).unwrap_or(0).max(1);
        let end = request.get(tag::END_SEQ_NO).and_then(parse_uint).unwrap_or(0);
        let last = self.next_out - 1;
        let end = if end == 0 { last } else { end.min(last) };
        let mut filled_from: Option<u32> = None;
        for number in begin..=end {
            let Some(stored) = self.store.get(number) else {
                filled_from.get_or_insert(number);
                continue;
            };
            if let Some(from) = filled_from.take() {
                self.gap_fill(from, number, now, out);
            }
            self.write_again(number, stored, now, out);
        }
        if let Some(from) = filled_from {
            self.gap_fill(from, end + 1, now, out);
        }
        self.sent_at = now;
    }

    fn write_again(&self, number: u32, stored: &[u8], now: Timestamp, out: &mut Vec<u8>) {
        let mut fields = Fields::new();
        let Ok((message, _)) = decode(stored, &mut fields) else { return };
        let sent_at = message.get(tag::SENDING_TIME).and_then(parse_utc).unwrap_or(now);
        let header = Header { msg: MsgSeqNum(number), sending_time: sent_at, resend: true, now };
        let mut again = self.identity.begin(out, message.msg_type(), &header);
        for (tag, value) in message.iter() {
            let frame = matches!(
                tag,
                tag::BEGIN_STRING
                    | tag::BODY_LENGTH
                    | tag::MSG_TYPE
                    | tag::MSG_SEQ_NUM
                    | tag::SENDER_COMP_ID
                    | tag::SENDING_TIME
                    | tag::TARGET_COMP_ID
                    | tag::CHECK_SUM
            );
            if !frame {
                again.bytes(tag, value);
            }
        }
        again.finish();
    }

    fn gap_fill(&self, from: u32, next: u32, now: Timestamp, out: &mut Vec<u8>) {
        let header = Header { msg: MsgSeqNum(from), sending_time: now, resend: true, now };
        let mut message = self.identity.begin(out, b"4", &header);
        message.uint(tag::NEW_SEQ_NO, next.into()).char(tag::GAP_FILL_FLAG, b'Y');
        message.finish();
    }

    fn write(
        &mut self,
        now: Timestamp,
        msg_type: &[u8],
        out: &mut Vec<u8>,
        body: impl FnOnce(&mut Encoder<'_>),
    ) {
        let msg = MsgSeqNum(self.next_out);
        let header = Header { msg, sending_time: now, resend: false, now };
        let mut message = self.identity.begin(out, msg_type, &header);
        body(&mut message);
        message.finish();
        self.next_out += 1;
        self.sent_at = now;
    }
}
