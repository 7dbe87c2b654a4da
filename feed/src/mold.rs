//! MoldUDP64: packets of messages, as state machines without sockets.
//!
//! [`MoldSender`] makes the packets that are multicast, [`MoldRequest`] and [`answer`] serve what was
//! lost on the way, [`MoldReceiver`] puts a feed together again. Tables are in `PROTOCOL.md`.

use std::collections::BTreeMap;
use std::fmt;

use matcher::Timestamp;

/// Bytes of the header, and of a whole request.
pub const HEADER_BYTES: usize = 20;

/// Bytes of a packet at most: fits an Ethernet frame of 1500 with room for tunnels.
pub const PACKET_BYTES_MAX: usize = 1400;

/// Longest time without a packet: after it a heartbeat tells the number of the next message.
pub const HEARTBEAT_NS: u64 = 1_000_000_000;

/// Count of a packet that says the session is over.
const COUNT_END: u16 = 0xFFFF;

/// Most messages in one packet; the next count means the end of the session.
const COUNT_MAX: u16 = COUNT_END - 1;

/// Bytes before each message in a packet.
const LENGTH_BYTES: usize = 2;

/// Names one sequence of messages, padded with spaces.
pub type MoldSession = [u8; 10];

/// Why bytes are not a packet or a request, or are none of ours. All of them are dropped without an
/// answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoldError {
    /// Shorter than a header, or a request of another length.
    Length {
        /// Bytes there are.
        found: usize,
    },
    /// The blocks do not fill the packet: one goes past the end, or something follows the last.
    Blocks {
        /// Where.
        offset: usize,
    },
    /// Numbers past 2^64.
    Sequence {
        /// Number of the first message.
        sequence: u64,
    },
    /// A packet of another session.
    OtherSession {
        /// The session it names.
        found: MoldSession,
    },
}

impl fmt::Display for MoldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MoldError::Length { found } => write!(f, "packet of {found} bytes"),
            MoldError::Blocks { offset } => {
                write!(f, "message blocks do not fill the packet, wrong at offset {offset}")
            }
            MoldError::Sequence { sequence } => {
                write!(f, "message numbers from {sequence} on go past 2^64")
            }
            MoldError::OtherSession { found } => {
                write!(f, "packet of session '{}'", found.escape_ascii())
            }
        }
    }
}

impl std::error::Error for MoldError {}

fn header(session: MoldSession, sequence: u64, count: u16) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    bytes[..10].copy_from_slice(&session);
    bytes[10..18].copy_from_slice(&sequence.to_be_bytes());
    bytes[18..].copy_from_slice(&count.to_be_bytes());
    bytes
}

fn parse_header(bytes: &[u8; HEADER_BYTES]) -> (MoldSession, u64, u16) {
    let (mut session, mut sequence) = ([0; 10], [0; 8]);
    session.copy_from_slice(&bytes[..10]);
    sequence.copy_from_slice(&bytes[10..18]);
    (session, u64::from_be_bytes(sequence), u16::from_be_bytes([bytes[18], bytes[19]]))
}

/// A packet under construction.
#[derive(Clone, Debug)]
struct Packet {
    bytes: Box<[u8; PACKET_BYTES_MAX]>,
    len: usize,
    count: u16,
}

impl Packet {
    fn new() -> Packet {
        Packet { bytes: Box::new([0; PACKET_BYTES_MAX]), len: HEADER_BYTES, count: 0 }
    }

    fn fits(&self, message: &[u8]) -> bool {
        self.len + LENGTH_BYTES + message.len() <= PACKET_BYTES_MAX && self.count < COUNT_MAX
    }

    fn push(&mut self, message: &[u8]) {
        assert!(self.fits(message));
        #[allow(clippy::cast_possible_truncation)] // It fits a packet.
        let length = (message.len() as u16).to_be_bytes();
        self.bytes[self.len..self.len + LENGTH_BYTES].copy_from_slice(&length);
        self.len += LENGTH_BYTES;
        self.bytes[self.len..self.len + message.len()].copy_from_slice(message);
        self.len += message.len();
        self.count += 1;
    }

    fn finish(&mut self, session: MoldSession, sequence: u64) -> &[u8] {
        self.bytes[..HEADER_BYTES].copy_from_slice(&header(session, sequence, self.count));
        &self.bytes[..self.len]
    }

    fn clear(&mut self) {
        (self.len, self.count) = (HEADER_BYTES, 0);
    }
}

/// Makes the packets of one session. Each packet goes to the `send` of the call that completes it.
#[derive(Clone, Debug)]
pub struct MoldSender {
    session: MoldSession,
    /// Number of the first message in `packet`.
    first: u64,
    packet: Packet,
    /// When the first message in `packet` was pushed.
    packed_at: Timestamp,
    sent_at: Option<Timestamp>,
    ended: bool,
}

impl MoldSender {
    /// A sender whose next message has number `next`; the first of a session is 1.
    #[must_use]
    pub fn new(session: MoldSession, next: u64) -> MoldSender {
        MoldSender {
            session,
            first: next,
            packet: Packet::new(),
            packed_at: Timestamp(0),
            sent_at: None,
            ended: false,
        }
    }

    /// Number of the next message.
    #[must_use]
    pub const fn next(&self) -> u64 {
        self.first + self.packet.count as u64
    }

    /// Takes the next message; what is packed already goes out first when this one does not fit.
    ///
    /// # Panics
    ///
    /// If the message does not fit an empty packet, or the session was ended.
    pub fn push(&mut self, now: Timestamp, message: &[u8], send: impl FnMut(&[u8])) {
        assert!(!self.ended);
        if !self.packet.fits(message) {
            self.flush(now, send);
        }
        if self.packet.count == 0 {
            self.packed_at = now;
        }
        self.packet.push(message);
    }

    /// Sends what is packed if the first message in it was pushed `wait_ns` ago, or the clock went back behind
    /// that. Call it often between messages: so long one waits at most for others to share its packet.
    #[inline]
    pub fn flush_older(&mut self, now: Timestamp, wait_ns: u64, send: impl FnMut(&[u8])) {
        let waited = now.0.checked_sub(self.packed_at.0);
        if self.packet.count > 0 && waited.is_none_or(|waited| waited >= wait_ns) {
            self.flush(now, send);
        }
    }

    /// Sends what is packed, if anything is. Call it when nothing more is to be pushed for now.
    pub fn flush(&mut self, now: Timestamp, mut send: impl FnMut(&[u8])) {
        if self.packet.count == 0 {
            return;
        }
        send(self.packet.finish(self.session, self.first));
        self.first += u64::from(self.packet.count);
        self.packet.clear();
        self.sent_at = Some(now);
    }

    /// Sends a heartbeat, or the end of the session when it is over, if nothing was sent for
    /// [`HEARTBEAT_NS`].
    pub fn tick(&mut self, now: Timestamp, mut send: impl FnMut(&[u8])) {
        let due = self.sent_at.is_none_or(|at| now.0.saturating_sub(at.0) >= HEARTBEAT_NS);
        if due && self.packet.count == 0 {
            let count = if self.ended { COUNT_END } else { 0 };
            send(&header(self.session, self.first, count));
            self.sent_at = Some(now);
        }
    }

    /// Ends the session: sends what is packed and says so. [`MoldSender::tick`] repeats it for as long
    /// as the caller goes on, and requests are still to be answered.
    pub fn end(&mut self, now: Timestamp, mut send: impl FnMut(&[u8])) {
        self.flush(now, &mut send);
        self.ended = true;
        self.sent_at = None;
        self.tick(now, send);
    }
}

/// Asks for messages again: 20 bytes, unicast to the request server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MoldRequest {
    /// Of which session.
    pub session: MoldSession,
    /// Number of the first message wanted.
    pub sequence: u64,
    /// How many.
    pub count: u16,
}

impl MoldRequest {
    /// Reads a request.
    ///
    /// # Errors
    ///
    /// If it is not exactly 20 bytes.
    pub fn parse(bytes: &[u8]) -> Result<MoldRequest, MoldError> {
        let bytes = bytes.try_into().map_err(|_| MoldError::Length { found: bytes.len() })?;
        let (session, sequence, count) = parse_header(bytes);
        Ok(MoldRequest { session, sequence, count })
    }

    /// The request as it stands on the wire.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        header(self.session, self.sequence, self.count)
    }
}

/// Answers a request: as many of `messages` as were asked for and fit one packet. `messages` begins
/// with the one of the number asked for; nothing is sent when it is empty, or the count is 0.
///
/// Returns how many were sent; the client asks again for the rest.
pub fn answer<'m>(
    request: &MoldRequest,
    messages: impl IntoIterator<Item = &'m [u8]>,
    mut send: impl FnMut(&[u8]),
) -> u16 {
    let mut packet = Packet::new();
    for message in messages {
        if packet.count == request.count || !packet.fits(message) {
            break;
        }
        packet.push(message);
    }
    if packet.count > 0 {
        send(packet.finish(request.session, request.sequence));
    }
    packet.count
}

/// A packet as it came, its blocks checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MoldPacket<'a> {
    /// Its session.
    pub session: MoldSession,
    /// Number of its first message; of the next one to come if it has none.
    pub sequence: u64,
    /// What it is.
    pub kind: MoldKind,
    blocks: &'a [u8],
}

/// What a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoldKind {
    /// So many messages.
    Messages(u16),
    /// Nothing but the number of the next message.
    Heartbeat,
    /// The session is over.
    End,
}

impl<'a> MoldPacket<'a> {
    /// Reads a packet.
    ///
    /// # Errors
    ///
    /// If the blocks do not fill it exactly.
    pub fn parse(bytes: &'a [u8]) -> Result<MoldPacket<'a>, MoldError> {
        let length = MoldError::Length { found: bytes.len() };
        let (head, blocks) = bytes.split_first_chunk::<HEADER_BYTES>().ok_or(length)?;
        let (session, sequence, count) = parse_header(head);
        let kind = match count {
            0 => MoldKind::Heartbeat,
            COUNT_END => MoldKind::End,
            count => MoldKind::Messages(count),
        };
        let packet = MoldPacket { session, sequence, kind, blocks };
        sequence.checked_add(packet.count().into()).ok_or(MoldError::Sequence { sequence })?;
        let mut rest = blocks;
        for _ in 0..packet.count() {
            let offset = bytes.len() - rest.len();
            (_, rest) = split_block(rest).ok_or(MoldError::Blocks { offset })?;
        }
        if !rest.is_empty() {
            return Err(MoldError::Blocks { offset: bytes.len() - rest.len() });
        }
        Ok(packet)
    }

    /// How many messages it has.
    #[must_use]
    pub const fn count(&self) -> u16 {
        match self.kind {
            MoldKind::Messages(count) => count,
            MoldKind::Heartbeat | MoldKind::End => 0,
        }
    }

    /// Number of the message after its last.
    #[must_use]
    pub const fn next(&self) -> u64 {
        self.sequence + self.count() as u64
    }

    /// Its messages with their numbers.
    pub fn messages(&self) -> impl Iterator<Item = (u64, &'a [u8])> + use<'a> {
        let mut rest = self.blocks;
        let blocks = std::iter::from_fn(move || {
            let (block, after) = split_block(rest)?;
            rest = after;
            Some(block)
        });
        // Blocks first: there need not be a number after the last.
        blocks.zip(self.sequence..).map(|(block, sequence)| (sequence, block))
    }
}

fn split_block(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<LENGTH_BYTES>()?;
    rest.split_at_checked(u16::from_be_bytes(*length).into())
}

/// Puts the packets of one session together again: each message once and in order.
#[derive(Clone, Debug)]
pub struct MoldReceiver {
    session: Option<MoldSession>,
    /// Number of the next message to give out.
    next: u64,
    /// Number after the last message known of, from messages, heartbeats and the end.
    known: u64,
    ended: bool,
    /// Packets that came before their turn, by their first number.
    held: BTreeMap<u64, Vec<u8>>,
    held_max: usize,
}

impl MoldReceiver {
    /// A receiver that gives out messages from number `next` on, of `session` or else of the first
    /// session it hears. It holds at most `held_max` packets that come too early, each of at most [`PACKET_BYTES_MAX`];
    /// beyond that it drops those furthest ahead, which have to be asked for again.
    #[must_use]
    pub fn new(session: Option<MoldSession>, next: u64, held_max: usize) -> MoldReceiver {
        MoldReceiver { session, next, known: next, ended: false, held: BTreeMap::new(), held_max }
    }

    /// The session, once it is known.
    #[must_use]
    pub const fn session(&self) -> Option<MoldSession> {
        self.session
    }

    /// Number of the next message to give out.
    #[must_use]
    pub const fn next(&self) -> u64 {
        self.next
    }

    /// Whether the sender has stopped and every message was given out. A session can go on later:
    /// then this is false again.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.ended && self.next == self.known
    }

    /// Takes a packet, multicast or an answer to a request, and gives every message whose turn it is
    /// to `deliver`.
    ///
    /// # Errors
    ///
    /// If it is not a packet of this session; nothing is changed then.
    pub fn receive(
        &mut self,
        bytes: &[u8],
        mut deliver: impl FnMut(u64, &[u8]),
    ) -> Result<(), MoldError> {
        let packet = self.hear(bytes)?;
        if packet.sequence > self.next {
            self.hold(&packet, bytes);
            return Ok(());
        }
        self.deliver(&packet, &mut deliver);
        self.deliver_held(&mut deliver);
        Ok(())
    }

    /// Takes a packet while it is not known with which message to go on: what it has is held, and if there is too much
    /// the oldest of it goes.
    ///
    /// # Errors
    ///
    /// As [`MoldReceiver::receive`].
    pub fn hold_only(&mut self, bytes: &[u8]) -> Result<(), MoldError> {
        let packet = self.hear(bytes)?;
        self.keep(&packet, bytes);
        if self.held.len() > self.held_max {
            self.held.pop_first();
        }
        Ok(())
    }

    /// Goes on with message `next`, whatever was given out before, and gives what is held of it to `deliver`.
    pub fn go_on(&mut self, next: u64, mut deliver: impl FnMut(u64, &[u8])) {
        self.next = next;
        let last = self.held.last_key_value().and_then(|(_, bytes)| MoldPacket::parse(bytes).ok());
        self.known = last.map_or(next, |packet| packet.next().max(next));
        self.deliver_held(&mut deliver);
    }

    /// Forgets what came before its turn, and that later messages are known of: a damaged packet may have told of some that
    /// nobody has. What there is will be told again.
    pub fn forget_held(&mut self) {
        self.held.clear();
        self.known = self.next;
    }

    /// How many messages are known of that were not given out.
    #[must_use]
    pub const fn behind(&self) -> u64 {
        self.known.saturating_sub(self.next)
    }

    /// What to ask for now: the first messages that are missing although later ones are known of.
    /// `None` if nothing is missing.
    #[must_use]
    pub fn gap(&self) -> Option<MoldRequest> {
        let session = self.session?;
        let end = self.held.keys().next().copied().unwrap_or(self.known);
        let missing = end.checked_sub(self.next).filter(|missing| *missing > 0)?;
        let count = u16::try_from(missing).unwrap_or(COUNT_MAX).min(COUNT_MAX);
        Some(MoldRequest { session, sequence: self.next, count })
    }

    /// What a packet says of how far the session is.
    fn hear<'b>(&mut self, bytes: &'b [u8]) -> Result<MoldPacket<'b>, MoldError> {
        let packet = MoldPacket::parse(bytes)?;
        if *self.session.get_or_insert(packet.session) != packet.session {
            return Err(MoldError::OtherSession { found: packet.session });
        }
        if packet.kind == MoldKind::End {
            self.ended = true;
        } else if packet.next() > self.known {
            self.ended = false;
        }
        self.known = self.known.max(packet.next());
        Ok(packet)
    }

    fn deliver(&mut self, packet: &MoldPacket<'_>, deliver: &mut impl FnMut(u64, &[u8])) {
        for (sequence, message) in packet.messages() {
            if sequence == self.next {
                deliver(sequence, message);
                self.next += 1;
            }
        }
    }

    fn deliver_held(&mut self, deliver: &mut impl FnMut(u64, &[u8])) {
        while let Some(entry) = self.held.first_entry() {
            if *entry.key() > self.next {
                break;
            }
            let bytes = entry.remove();
            if let Ok(packet) = MoldPacket::parse(&bytes) {
                self.deliver(&packet, deliver);
            }
        }
    }

    fn hold(&mut self, packet: &MoldPacket<'_>, bytes: &[u8]) {
        self.keep(packet, bytes);
        if self.held.len() > self.held_max {
            self.held.pop_last();
        }
    }

    fn keep(&mut self, packet: &MoldPacket<'_>, bytes: &[u8]) {
        // One that is longer than any of ours would take memory that nobody has counted: it is asked for again.
        if packet.count() == 0 || bytes.len() > PACKET_BYTES_MAX {
            return;
        }
        let held = self.held.entry(packet.sequence).or_default();
        if held.len() < bytes.len() {
            bytes.clone_into(held);
        }
    }
}
