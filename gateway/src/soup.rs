//! SoupBinTCP 3.00, 4.00 and 4.10: both ends of the session, as state machines over bytes and `now`.
//!
//! [`SoupServer`] is ours to the counterparty, [`SoupClient`] is what our tools log in with. Neither
//! knows what the messages mean. Both keep time by [`SoupServer::tick`] and [`SoupClient::tick`], to be
//! called a few times a second. Packets to be sent are appended to `out`.
//!
//! A packet is a length (2 bytes, big endian, itself not counted), a type, and a payload.

use std::fmt;

use matcher::Timestamp;

/// Bytes before the payload of a packet: length and type.
pub const SOUP_HEAD_BYTES: usize = 3;

/// Bytes of a session name, padded with spaces on the left.
pub const SOUP_SESSION_BYTES: usize = 10;

/// Length of a login request of 3.00 and 4.00.
const LOGIN_BYTES: usize = 47;

/// Length of a login request of 4.10, which has the client's heartbeat timeout in it.
const LOGIN_TIMEOUT_BYTES: usize = 52;

/// Shortest silence that a 4.10 client can ask us to cut it after: two of its heartbeats.
const SILENCE_MS_MIN: u32 = 2_000;

/// Digits of a sequence number.
const NUMBER_BYTES: usize = 20;

const NS_PER_MS: u64 = 1_000_000;

mod kind {
    pub(super) const DEBUG: u8 = b'+';
    pub(super) const LOGIN_ACCEPTED: u8 = b'A';
    pub(super) const LOGIN_REJECTED: u8 = b'J';
    pub(super) const SEQUENCED: u8 = b'S';
    pub(super) const UNSEQUENCED: u8 = b'U';
    pub(super) const SERVER_HEARTBEAT: u8 = b'H';
    pub(super) const END_OF_SESSION: u8 = b'Z';
    pub(super) const LOGIN: u8 = b'L';
    pub(super) const CLIENT_HEARTBEAT: u8 = b'R';
    pub(super) const LOGOUT: u8 = b'O';
}

/// Name of a session: one sequence of messages.
pub type SoupSession = [u8; SOUP_SESSION_BYTES];

/// Whether two names or passwords are the same to SoupBinTCP: case and padding do not count.
///
/// Takes as long for a wrong password as for the right one of that length.
#[must_use]
pub fn credentials_match(ours: &[u8], theirs: &[u8]) -> bool {
    let (ours, theirs) = (ours.trim_ascii(), theirs.trim_ascii());
    let differ = |(a, b): (&u8, &u8)| a.to_ascii_lowercase() ^ b.to_ascii_lowercase();
    ours.len() == theirs.len()
        && ours.iter().zip(theirs).map(differ).fold(0, |all, one| all | one) == 0
}

/// Why a session machine wants its connection closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SoupClose {
    /// No login within the time for it.
    LoginTimeout,
    /// Nothing heard for so long.
    Silent {
        /// The limit.
        silence_ms: u32,
    },
    /// A packet longer than we take.
    TooLong {
        /// Its length field.
        length: u16,
    },
    /// A packet without even a type.
    Empty,
    /// A packet of a type that the other side does not send, or not in this state.
    Unexpected {
        /// Its type.
        kind: u8,
    },
    /// A packet whose length or fields are not those of its type.
    Malformed {
        /// Its type.
        kind: u8,
    },
    /// The client asked for another session than the present one.
    OtherSession,
    /// The login was rejected.
    Rejected(SoupReject),
    /// The client logged out.
    Logout,
    /// The session is over.
    EndOfSession,
}

impl fmt::Display for SoupClose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SoupClose::LoginTimeout => f.write_str("no login in time"),
            SoupClose::Silent { silence_ms } => write!(f, "silent for {silence_ms} ms"),
            SoupClose::TooLong { length } => write!(f, "packet of length {length} is too long"),
            SoupClose::Empty => f.write_str("packet of length 0"),
            SoupClose::Unexpected { kind } => {
                write!(f, "unexpected packet '{}'", kind.escape_ascii())
            }
            SoupClose::Malformed { kind } => {
                write!(f, "malformed packet '{}'", kind.escape_ascii())
            }
            SoupClose::OtherSession => f.write_str("asked for a session that is not available"),
            SoupClose::Rejected(reject) => write!(f, "login rejected: {reject}"),
            SoupClose::Logout => f.write_str("logged out"),
            SoupClose::EndOfSession => f.write_str("end of session"),
        }
    }
}

/// Why a login is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum SoupReject {
    /// Name or password wrong, or the login cannot be read.
    NotAuthorized = b'A',
    /// The session asked for is not available.
    SessionNotAvailable = b'S',
}

impl fmt::Display for SoupReject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SoupReject::NotAuthorized => "not authorized",
            SoupReject::SessionNotAvailable => "session not available",
        })
    }
}

/// The least a packet must be to be looked at, taken apart.
struct Packet<'a> {
    kind: u8,
    payload: &'a [u8],
    /// With its length.
    bytes: usize,
}

/// The packet at the start of `bytes`; `None` until all of it is there. The type is looked at by
/// `check` as soon as it is there, with the length field, so that nonsense is not waited for.
fn split_packet(
    bytes: &[u8],
    packet_bytes_max: u16,
    check: impl Fn(u8, u16) -> Result<(), SoupClose>,
) -> Result<Option<Packet<'_>>, SoupClose> {
    let Some((length, rest)) = bytes.split_first_chunk::<2>() else { return Ok(None) };
    let length = u16::from_be_bytes(*length);
    if length == 0 {
        return Err(SoupClose::Empty);
    }
    if length > packet_bytes_max {
        return Err(SoupClose::TooLong { length });
    }
    let Some(kind) = rest.first().copied() else { return Ok(None) };
    check(kind, length)?;
    let Some(payload) = rest.get(1..usize::from(length)) else { return Ok(None) };
    Ok(Some(Packet { kind, payload, bytes: SOUP_HEAD_BYTES + payload.len() }))
}

/// Appends a packet.
///
/// # Panics
///
/// If the payload does not fit a length field.
#[inline]
fn put_packet(kind: u8, payload: &[u8], out: &mut Vec<u8>) {
    let Ok(length) = u16::try_from(payload.len() + 1) else {
        panic!("payload of {} bytes does not fit a SoupBinTCP packet", payload.len());
    };
    let [high, low] = length.to_be_bytes();
    out.extend_from_slice(&[high, low, kind]);
    out.extend_from_slice(payload);
}

/// Digits padded with spaces or zeros on either side; `None` if they are no number or too large.
fn parse_number(field: &[u8]) -> Option<u64> {
    let digits = field.trim_ascii();
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| byte - b'0')?;
        number.checked_mul(10)?.checked_add(digit.into())
    })
}

/// The digits of `number`, padded with spaces on the left.
fn format_number<const N: usize>(mut number: u64) -> [u8; N] {
    let mut field = [b' '; N];
    for byte in field.iter_mut().rev() {
        #[allow(clippy::cast_possible_truncation)] // One digit.
        let digit = (number % 10) as u8;
        *byte = b'0' + digit;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    field
}

/// `text` padded with spaces on the right, cut to `N` bytes.
fn pad_right<const N: usize>(text: &[u8]) -> [u8; N] {
    let mut field = [b' '; N];
    let len = text.len().min(N);
    field[..len].copy_from_slice(&text[..len]);
    field
}

/// When we heard and spoke last.
#[derive(Clone, Copy, Debug, Default)]
struct Clocks {
    heard_at: Option<Timestamp>,
    spoke_at: Option<Timestamp>,
    /// Whether something was sent since `spoke_at`; the next tick gives it a time. So nothing needs the
    /// clock for a message.
    spoken: bool,
}

impl Clocks {
    /// Milliseconds since something was heard; the first call starts the clock.
    fn silence_ms(&mut self, now: Timestamp) -> u64 {
        elapsed_ms(*self.heard_at.get_or_insert(now), now)
    }

    /// Whether it is time for a heartbeat.
    fn heartbeat_due(&mut self, now: Timestamp, heartbeat_ms: u32) -> bool {
        if std::mem::take(&mut self.spoken) {
            self.spoke_at = Some(now);
        }
        elapsed_ms(*self.spoke_at.get_or_insert(now), now) >= u64::from(heartbeat_ms)
    }
}

fn elapsed_ms(from: Timestamp, now: Timestamp) -> u64 {
    now.0.saturating_sub(from.0) / NS_PER_MS
}

/// How a [`SoupServer`] behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SoupConfig {
    /// Name of the present session; padding on either side is the same. Spaces alone: it depends on who logs in, and
    /// [`SoupServer::accept_in`] says it.
    pub session: SoupSession,
    /// Time for a login after the connection came.
    pub login_timeout_ms: u32,
    /// Longest silence of a client, unless a 4.10 client names its own figure.
    pub silence_ms: u32,
    /// Longest silence of ours.
    pub heartbeat_ms: u32,
    /// Largest length field we take. A caller's buffer needs two bytes more.
    pub packet_bytes_max: u16,
}

impl SoupConfig {
    /// What most servers do: 10 s to log in, 15 s of silence, a heartbeat a second, packets of 4 KiB.
    #[must_use]
    pub const fn new(session: SoupSession) -> SoupConfig {
        SoupConfig {
            session,
            login_timeout_ms: 10_000,
            silence_ms: 15_000,
            heartbeat_ms: 1_000,
            packet_bytes_max: 4_096,
        }
    }
}

/// What a client's bytes ask the owner of a [`SoupServer`] to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SoupEvent<'a> {
    /// Somebody wants in: answer with [`SoupServer::accept`] or [`SoupServer::reject`]. The session
    /// asked for is the present one, if that has a name.
    Login {
        /// Without padding.
        username: &'a [u8],
        /// Without padding.
        password: &'a [u8],
        /// As sent without padding: empty, or the present session.
        requested_session: &'a [u8],
        /// Number of the first message wanted; 0 asks for new ones only.
        requested_sequence: u64,
    },
    /// A message.
    Unsequenced(&'a [u8]),
    /// Text for a person; nothing is to be done.
    Debug(&'a [u8]),
    /// The client leaves: close the connection.
    Logout,
    /// Write what is in `out` if that goes at once, and close the connection.
    Close(SoupClose),
}

/// What became of bytes given to a session machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SoupReceived<E> {
    /// So many bytes are done with: drop them from the buffer.
    pub consumed: usize,
    /// What they ask for. `None`: more bytes are needed; with an event, call again with the rest.
    pub event: Option<E>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ServerState {
    AwaitsLogin,
    /// The owner was given a login and has not answered.
    LoginAsked,
    Open,
    Closed,
}

/// The server's end of one connection.
#[derive(Clone, Debug)]
pub struct SoupServer {
    config: SoupConfig,
    state: ServerState,
    clocks: Clocks,
    connected_at: Option<Timestamp>,
    silence_ms: u32,
    next_sequence: u64,
}

impl SoupServer {
    /// The machine of a connection that has just come. Its clocks start with the first call that
    /// carries `now`.
    #[must_use]
    pub fn new(config: SoupConfig) -> SoupServer {
        SoupServer {
            config,
            state: ServerState::AwaitsLogin,
            clocks: Clocks::default(),
            connected_at: None,
            silence_ms: config.silence_ms,
            next_sequence: 0,
        }
    }

    /// Whether the client is logged in and messages may be sent.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state == ServerState::Open
    }

    /// Number of the next sequenced message to be sent.
    #[must_use]
    pub const fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// Takes bytes that came, up to the first that ask for something.
    ///
    /// After a [`SoupEvent::Login`] nothing more is taken until it is answered.
    pub fn receive<'a>(
        &mut self,
        now: Timestamp,
        bytes: &'a [u8],
        out: &mut Vec<u8>,
    ) -> SoupReceived<SoupEvent<'a>> {
        self.connected_at.get_or_insert(now);
        let mut consumed = 0;
        let event = loop {
            match self.state {
                ServerState::Closed => return SoupReceived { consumed: bytes.len(), event: None },
                ServerState::LoginAsked => break None,
                ServerState::AwaitsLogin | ServerState::Open => {}
            }
            let state = self.state;
            let check = |kind, length| check_client_packet(state, kind, length);
            match split_packet(&bytes[consumed..], self.config.packet_bytes_max, check) {
                Err(close) => break Some(self.fail(close, out)),
                Ok(None) => break None,
                Ok(Some(packet)) => {
                    consumed += packet.bytes;
                    self.clocks.heard_at = Some(now);
                    if let Some(event) = self.packet(&packet, out) {
                        break Some(event);
                    }
                }
            }
        };
        SoupReceived { consumed, event }
    }

    fn packet<'a>(&mut self, packet: &Packet<'a>, out: &mut Vec<u8>) -> Option<SoupEvent<'a>> {
        match packet.kind {
            kind::LOGIN => Some(self.login(packet.payload, out)),
            kind::UNSEQUENCED => Some(SoupEvent::Unsequenced(packet.payload)),
            kind::DEBUG => Some(SoupEvent::Debug(packet.payload)),
            kind::LOGOUT => {
                self.state = ServerState::Closed;
                Some(SoupEvent::Logout)
            }
            _ => None,
        }
    }

    fn login<'a>(&mut self, payload: &'a [u8], out: &mut Vec<u8>) -> SoupEvent<'a> {
        let Some(login) = Login::parse(payload) else {
            return self.fail(SoupClose::Malformed { kind: kind::LOGIN }, out);
        };
        let present = self.config.session.trim_ascii();
        if !login.session.is_empty() && !present.is_empty() && login.session != present {
            return self.fail(SoupClose::OtherSession, out);
        }
        if let Some(timeout_ms) = login.timeout_ms.filter(|timeout_ms| *timeout_ms > 0) {
            self.silence_ms = timeout_ms.max(SILENCE_MS_MIN);
        }
        self.state = ServerState::LoginAsked;
        SoupEvent::Login {
            username: login.username,
            password: login.password,
            requested_session: login.session,
            requested_sequence: login.sequence,
        }
    }

    /// Closes; a client that is not in yet is told by a login rejected.
    fn fail<'a>(&mut self, close: SoupClose, out: &mut Vec<u8>) -> SoupEvent<'a> {
        let reject = match close {
            SoupClose::OtherSession => Some(SoupReject::SessionNotAvailable),
            SoupClose::Malformed { kind: kind::LOGIN } => Some(SoupReject::NotAuthorized),
            _ => None,
        };
        if let Some(reject) = reject {
            put_packet(kind::LOGIN_REJECTED, &[reject as u8], out);
        }
        self.state = ServerState::Closed;
        SoupEvent::Close(close)
    }

    /// Lets the client in. The first message sent to it will have number `next_sequence`.
    ///
    /// # Panics
    ///
    /// If no login waits for an answer.
    pub fn accept(&mut self, next_sequence: u64, out: &mut Vec<u8>) {
        assert!(self.state == ServerState::LoginAsked);
        let mut payload = [b' '; SOUP_SESSION_BYTES + NUMBER_BYTES];
        let name = self.config.session.trim_ascii();
        payload[SOUP_SESSION_BYTES - name.len()..SOUP_SESSION_BYTES].copy_from_slice(name);
        payload[SOUP_SESSION_BYTES..]
            .copy_from_slice(&format_number::<NUMBER_BYTES>(next_sequence));
        put_packet(kind::LOGIN_ACCEPTED, &payload, out);
        self.state = ServerState::Open;
        self.next_sequence = next_sequence;
        self.clocks.spoken = true;
    }

    /// Lets the client into the session of this name.
    ///
    /// # Panics
    ///
    /// As [`SoupServer::accept`].
    pub fn accept_in(&mut self, session: SoupSession, next_sequence: u64, out: &mut Vec<u8>) {
        self.config.session = session;
        self.accept(next_sequence, out);
    }

    /// Keeps the client out. Close the connection when `out` is written.
    ///
    /// # Panics
    ///
    /// If no login waits for an answer.
    pub fn reject(&mut self, reject: SoupReject, out: &mut Vec<u8>) -> SoupClose {
        assert!(self.state == ServerState::LoginAsked);
        put_packet(kind::LOGIN_REJECTED, &[reject as u8], out);
        self.state = ServerState::Closed;
        SoupClose::Rejected(reject)
    }

    /// Sends text for people; clients read over it. At any time, cut to 1,024 bytes.
    pub fn debug(&self, text: &str, out: &mut Vec<u8>) {
        let bytes = text.as_bytes();
        put_packet(kind::DEBUG, &bytes[..bytes.len().min(1024)], out);
    }

    /// Sends the next numbered message.
    ///
    /// # Panics
    ///
    /// If the client is not logged in, or the message is longer than 65,534 bytes.
    #[inline]
    pub fn sequenced(&mut self, message: &[u8], out: &mut Vec<u8>) {
        assert!(self.state == ServerState::Open);
        put_packet(kind::SEQUENCED, message, out);
        self.next_sequence += 1;
        self.clocks.spoken = true;
    }

    /// Sends the next numbered message, which `write` appends.
    ///
    /// # Errors
    ///
    /// Those of `write`; nothing is sent then.
    ///
    /// # Panics
    ///
    /// As [`SoupServer::sequenced`].
    #[inline]
    pub fn sequenced_by<E>(
        &mut self,
        out: &mut Vec<u8>,
        write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<(), E> {
        assert!(self.state == ServerState::Open);
        let at = out.len();
        out.extend_from_slice(&[0, 0, kind::SEQUENCED]);
        if let Err(error) = write(out) {
            out.truncate(at);
            return Err(error);
        }
        let Ok(length) = u16::try_from(out.len() - at - 2) else {
            panic!("a message does not fit a SoupBinTCP packet");
        };
        out[at..at + 2].copy_from_slice(&length.to_be_bytes());
        self.next_sequence += 1;
        self.clocks.spoken = true;
        Ok(())
    }

    /// Sends a message without a number; clients of 3.00 do not know it.
    ///
    /// # Panics
    ///
    /// As [`SoupServer::sequenced`].
    pub fn unsequenced(&mut self, message: &[u8], out: &mut Vec<u8>) {
        assert!(self.state == ServerState::Open);
        put_packet(kind::UNSEQUENCED, message, out);
        self.clocks.spoken = true;
    }

    /// Ends the session: the client is told that nothing more comes. Close the connection when `out` is
    /// written.
    pub fn end_of_session(&mut self, out: &mut Vec<u8>) -> SoupClose {
        if self.state == ServerState::Open {
            put_packet(kind::END_OF_SESSION, &[], out);
        }
        self.state = ServerState::Closed;
        SoupClose::EndOfSession
    }

    /// Its caller does not read it now: whether the client is silent is not known, so it is not.
    pub fn unread(&mut self, now: Timestamp) {
        self.clocks.heard_at = Some(now);
    }

    /// Lets time pass: sends a heartbeat when one is due; tells when the connection is to be closed.
    #[must_use]
    pub fn tick(&mut self, now: Timestamp, out: &mut Vec<u8>) -> Option<SoupClose> {
        match self.state {
            ServerState::Closed => None,
            ServerState::AwaitsLogin | ServerState::LoginAsked => {
                let connected_at = *self.connected_at.get_or_insert(now);
                if elapsed_ms(connected_at, now) < u64::from(self.config.login_timeout_ms) {
                    return None;
                }
                self.state = ServerState::Closed;
                Some(SoupClose::LoginTimeout)
            }
            ServerState::Open => {
                if self.clocks.silence_ms(now) >= u64::from(self.silence_ms) {
                    self.state = ServerState::Closed;
                    return Some(SoupClose::Silent { silence_ms: self.silence_ms });
                }
                if self.clocks.heartbeat_due(now, self.config.heartbeat_ms) {
                    put_packet(kind::SERVER_HEARTBEAT, &[], out);
                    self.clocks.spoke_at = Some(now);
                }
                None
            }
        }
    }
}

/// What a client may send, and when.
fn check_client_packet(state: ServerState, kind: u8, length: u16) -> Result<(), SoupClose> {
    let login = state == ServerState::AwaitsLogin;
    let length = usize::from(length);
    match kind {
        kind::LOGIN if login && (length == LOGIN_BYTES || length == LOGIN_TIMEOUT_BYTES) => Ok(()),
        kind::LOGIN if login => Err(SoupClose::Malformed { kind }),
        kind::DEBUG | kind::LOGOUT | kind::CLIENT_HEARTBEAT => Ok(()),
        kind::UNSEQUENCED if !login => Ok(()),
        _ => Err(SoupClose::Unexpected { kind }),
    }
}

/// The fields of a login request.
struct Login<'a> {
    username: &'a [u8],
    password: &'a [u8],
    session: &'a [u8],
    sequence: u64,
    timeout_ms: Option<u32>,
}

impl<'a> Login<'a> {
    fn parse(payload: &'a [u8]) -> Option<Login<'a>> {
        let (username, rest) = payload.split_first_chunk::<6>()?;
        let (password, rest) = rest.split_first_chunk::<10>()?;
        let (session, rest) = rest.split_first_chunk::<SOUP_SESSION_BYTES>()?;
        let (sequence, timeout) = rest.split_first_chunk::<NUMBER_BYTES>()?;
        let timeout_ms = match timeout.trim_ascii() {
            [] => None,
            digits => Some(u32::try_from(parse_number(digits)?).ok()?),
        };
        Some(Login {
            username: username.trim_ascii(),
            password: password.trim_ascii(),
            session: session.trim_ascii(),
            sequence: parse_number(sequence)?,
            timeout_ms,
        })
    }
}

/// How a [`SoupClient`] logs in and behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SoupClientConfig {
    /// Up to 6 characters; cut there.
    pub username: Vec<u8>,
    /// Up to 10 characters; cut there.
    pub password: Vec<u8>,
    /// The session wanted; `None` for the present one, whatever it is.
    pub session: Option<SoupSession>,
    /// Number of the first message wanted; 0 for new ones only.
    pub next_sequence: u64,
    /// Silence after which the server should cut us, at most 99,999: makes it a login of 4.10.
    pub timeout_ms: Option<u32>,
    /// Longest silence of ours.
    pub heartbeat_ms: u32,
    /// Longest silence of the server; it also bounds the wait for the answer to the login.
    pub silence_ms: u32,
    /// Largest length field we take.
    pub packet_bytes_max: u16,
}

impl SoupClientConfig {
    /// A login as everybody's: present session, a heartbeat a second, 15 s of silence.
    #[must_use]
    pub fn new(username: &[u8], password: &[u8], next_sequence: u64) -> SoupClientConfig {
        SoupClientConfig {
            username: username.to_vec(),
            password: password.to_vec(),
            session: None,
            next_sequence,
            timeout_ms: None,
            heartbeat_ms: 1_000,
            silence_ms: 15_000,
            packet_bytes_max: u16::MAX,
        }
    }
}

/// What a server's bytes tell the owner of a [`SoupClient`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SoupClientEvent<'a> {
    /// We are in.
    Accepted {
        /// Name of the session.
        session: SoupSession,
        /// Number of the next sequenced message.
        next_sequence: u64,
    },
    /// The next numbered message.
    Sequenced {
        /// Its number.
        sequence: u64,
        /// The message.
        message: &'a [u8],
    },
    /// A message without a number.
    Unsequenced(&'a [u8]),
    /// Text for a person.
    Debug(&'a [u8]),
    /// Close the connection: login rejected, end of session, or a server that does not speak the
    /// protocol.
    Close(SoupClose),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ClientState {
    Fresh,
    LoginSent,
    Open,
    Closed,
}

/// The client's end. It counts messages, so after a lost connection it asks for what it has not seen.
#[derive(Clone, Debug)]
pub struct SoupClient {
    config: SoupClientConfig,
    state: ClientState,
    clocks: Clocks,
}

impl SoupClient {
    /// A client that has not logged in.
    #[must_use]
    pub fn new(config: SoupClientConfig) -> SoupClient {
        SoupClient { config, state: ClientState::Fresh, clocks: Clocks::default() }
    }

    /// Whether we are logged in.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state == ClientState::Open
    }

    /// The session, once the server has named it.
    #[must_use]
    pub const fn session(&self) -> Option<SoupSession> {
        self.config.session
    }

    /// Number of the next message, once we are logged in; before that the one we ask for.
    #[must_use]
    pub const fn next_sequence(&self) -> u64 {
        self.config.next_sequence
    }

    /// Sends the login: the first thing on a new connection. On a further connection it asks for the
    /// same session and the next number.
    pub fn login(&mut self, out: &mut Vec<u8>) {
        let mut payload = [b' '; LOGIN_TIMEOUT_BYTES - 1];
        payload[..6].copy_from_slice(&pad_right::<6>(&self.config.username));
        payload[6..16].copy_from_slice(&pad_right::<10>(&self.config.password));
        payload[16..26].copy_from_slice(&self.config.session.unwrap_or([b' '; 10]));
        payload[26..46].copy_from_slice(&format_number::<NUMBER_BYTES>(self.config.next_sequence));
        let mut len = LOGIN_BYTES - 1;
        if let Some(timeout_ms) = self.config.timeout_ms {
            payload[46..].copy_from_slice(&format_number::<5>(timeout_ms.min(99_999).into()));
            len = LOGIN_TIMEOUT_BYTES - 1;
        }
        put_packet(kind::LOGIN, &payload[..len], out);
        self.state = ClientState::LoginSent;
        self.clocks = Clocks { spoken: true, ..Clocks::default() };
    }

    /// Takes bytes that came, up to the first that tell something.
    pub fn receive<'a>(
        &mut self,
        now: Timestamp,
        bytes: &'a [u8],
    ) -> SoupReceived<SoupClientEvent<'a>> {
        let mut consumed = 0;
        let event = loop {
            if self.state == ClientState::Closed {
                return SoupReceived { consumed: bytes.len(), event: None };
            }
            let state = self.state;
            let check = |kind, length| check_server_packet(state, kind, length);
            match split_packet(&bytes[consumed..], self.config.packet_bytes_max, check) {
                Err(close) => break Some(self.close(close)),
                Ok(None) => break None,
                Ok(Some(packet)) => {
                    consumed += packet.bytes;
                    self.clocks.heard_at = Some(now);
                    if let Some(event) = self.packet(&packet) {
                        break Some(event);
                    }
                }
            }
        };
        SoupReceived { consumed, event }
    }

    fn packet<'a>(&mut self, packet: &Packet<'a>) -> Option<SoupClientEvent<'a>> {
        let malformed = SoupClose::Malformed { kind: packet.kind };
        Some(match (packet.kind, packet.payload) {
            (kind::SEQUENCED, message) => {
                let sequence = self.config.next_sequence;
                let Some(next) = sequence.checked_add(1) else {
                    return Some(self.close(malformed));
                };
                self.config.next_sequence = next;
                SoupClientEvent::Sequenced { sequence, message }
            }
            (kind::UNSEQUENCED, message) => SoupClientEvent::Unsequenced(message),
            (kind::DEBUG, text) => SoupClientEvent::Debug(text),
            (kind::LOGIN_ACCEPTED, payload) => {
                let parts = payload.split_first_chunk::<SOUP_SESSION_BYTES>();
                let parsed = parts.and_then(|(name, number)| Some((*name, parse_number(number)?)));
                let Some((session, next_sequence)) = parsed else {
                    return Some(self.close(malformed));
                };
                self.state = ClientState::Open;
                self.config.session = Some(session);
                self.config.next_sequence = next_sequence;
                SoupClientEvent::Accepted { session, next_sequence }
            }
            (kind::LOGIN_REJECTED, [b'S']) => {
                self.close(SoupClose::Rejected(SoupReject::SessionNotAvailable))
            }
            (kind::LOGIN_REJECTED, _) => self.close(SoupClose::Rejected(SoupReject::NotAuthorized)),
            (kind::END_OF_SESSION, _) => self.close(SoupClose::EndOfSession),
            _ => return None,
        })
    }

    fn close<'a>(&mut self, close: SoupClose) -> SoupClientEvent<'a> {
        self.state = ClientState::Closed;
        SoupClientEvent::Close(close)
    }

    /// Sends a message.
    ///
    /// # Panics
    ///
    /// If we are not logged in, or the message is longer than 65,534 bytes.
    pub fn unsequenced(&mut self, message: &[u8], out: &mut Vec<u8>) {
        assert!(self.state == ClientState::Open);
        put_packet(kind::UNSEQUENCED, message, out);
        self.clocks.spoken = true;
    }

    /// Leaves. Close the connection when `out` is written.
    pub fn logout(&mut self, out: &mut Vec<u8>) {
        if self.state != ClientState::Closed {
            put_packet(kind::LOGOUT, &[], out);
        }
        self.state = ClientState::Closed;
    }

    /// Lets time pass: sends a heartbeat when one is due; tells when the connection is to be closed.
    #[must_use]
    pub fn tick(&mut self, now: Timestamp, out: &mut Vec<u8>) -> Option<SoupClose> {
        if matches!(self.state, ClientState::Fresh | ClientState::Closed) {
            return None;
        }
        let silence_ms = self.config.silence_ms;
        if self.clocks.silence_ms(now) >= u64::from(silence_ms) {
            self.state = ClientState::Closed;
            return Some(SoupClose::Silent { silence_ms });
        }
        let due = self.clocks.heartbeat_due(now, self.config.heartbeat_ms);
        if due && self.state == ClientState::Open {
            put_packet(kind::CLIENT_HEARTBEAT, &[], out);
            self.clocks.spoke_at = Some(now);
        }
        None
    }
}

/// What a server may send, and when.
fn check_server_packet(state: ClientState, kind: u8, length: u16) -> Result<(), SoupClose> {
    let malformed = Err(SoupClose::Malformed { kind });
    let open = state == ClientState::Open;
    match kind {
        kind::DEBUG | kind::SERVER_HEARTBEAT => Ok(()),
        kind::SEQUENCED | kind::UNSEQUENCED | kind::END_OF_SESSION if open => Ok(()),
        kind::LOGIN_ACCEPTED if state == ClientState::LoginSent => match usize::from(length) {
            31 => Ok(()),
            _ => malformed,
        },
        kind::LOGIN_REJECTED if state == ClientState::LoginSent => match length {
            2 => Ok(()),
            _ => malformed,
        },
        _ => Err(SoupClose::Unexpected { kind }),
    }
}
