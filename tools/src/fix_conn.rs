//! FIX sessions from the outside: several initiators over TCP, driven by one thread.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use gateway::fix::client::{Breach, Client, ClientConfig, Health, Incoming};
use gateway::fix::decode::{DecodeError, Fields, Message, decode};
use gateway::fix::encode::Encoder;
use gateway::fix::identity::CompId;
use gateway::fix::version::Version;
use matcher::{MsgSeqNum, Timestamp};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Registry, Token};
use venue::clock;

/// Room for what has come and is not decoded yet. Unit: bytes; a FIX message of ours is below 9,000.
const INBOX_BYTES: usize = 256 << 10;

/// Between two attempts to connect.
const RETRY: Duration = Duration::from_millis(20);

/// HeartBtInt(108) of our sessions. Unit: seconds.
const HEARTBEAT_S: u32 = 30;

/// Who logs on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// What it speaks.
    pub version: Version,
    /// SenderCompID(49).
    pub comp_id: String,
    /// Username(553).
    pub username: Option<String>,
    /// Password(554).
    pub password: Option<String>,
}

impl Login {
    /// A login without credentials, in FIX 4.4.
    #[must_use]
    pub fn plain(comp_id: impl Into<String>) -> Login {
        Login { version: Version::Fix44, comp_id: comp_id.into(), username: None, password: None }
    }
}

/// Where sessions connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FixTarget {
    /// The venue's FIX port.
    pub address: SocketAddr,
    /// TargetCompID(56).
    pub comp_id: String,
    /// Whether both sides' numbers start at 1 with the first Logon, whatever was before.
    pub reset: bool,
    /// How long the first connection may take; a lost one is tried for as long.
    pub patience: Duration,
}

/// Why sessions cannot go on.
#[derive(Debug)]
pub enum FixError {
    /// A CompID is empty, too long or not printable.
    CompId(String),
    /// The kernel refuses something.
    Kernel(io::Error),
    /// No connection in time.
    Connect {
        /// Where to.
        address: SocketAddr,
        /// The last answer.
        error: io::Error,
    },
    /// A connection ended.
    Lost {
        /// Whose.
        comp_id: String,
        /// How.
        why: String,
    },
    /// The venue did not answer a Logon in time, or ended the connection instead.
    NotLoggedOn {
        /// Whose.
        comp_id: String,
        /// What it said, if anything.
        why: String,
    },
}

impl fmt::Display for FixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FixError::CompId(text) => write!(f, "{text:?} is no CompID"),
            FixError::Kernel(error) => write!(f, "the kernel refuses a poll: {error}"),
            FixError::Connect { address, error } => {
                write!(f, "cannot connect to FIX on {address}: {error}")
            }
            FixError::Lost { comp_id, why } => write!(f, "session {comp_id} lost: {why}"),
            FixError::NotLoggedOn { comp_id, why } => {
                write!(f, "session {comp_id} is not logged on: {why}")
            }
        }
    }
}

impl std::error::Error for FixError {}

/// What the venue said, beyond the session layer.
#[derive(Clone, Copy, Debug)]
pub enum Heard<'m> {
    /// An application message, each once and in order.
    Application(Message<'m>),
    /// An application message that we had before (PossDupFlag(43)=Y).
    Repeated(Message<'m>),
    /// Reject(3) of something we sent.
    Rejected(Message<'m>),
}

/// Sessions with one venue.
pub struct FixSet {
    poll: Poll,
    events: Events,
    links: Vec<Link>,
    target: FixTarget,
    fields: Box<Fields>,
    /// Logons after the first of each session.
    reconnects: u64,
}

struct Link {
    client: Client,
    comp_id: String,
    stream: Option<TcpStream>,
    inbox: Box<[u8]>,
    /// Bytes of `inbox` in use.
    filled: usize,
    outbox: Vec<u8>,
    written: usize,
}

impl FixSet {
    /// Connects and logs on every session.
    ///
    /// # Errors
    ///
    /// If one cannot.
    pub fn connect(target: FixTarget, logins: &[Login]) -> Result<FixSet, FixError> {
        let comp_id =
            |text: &str| CompId::new(text.as_bytes()).ok_or_else(|| FixError::CompId(text.into()));
        let mut links = Vec::new();
        for login in logins {
            let client = Client::new(ClientConfig {
                version: login.version,
                sender: comp_id(&login.comp_id)?,
                target: comp_id(&target.comp_id)?,
                username: login.username.clone().map(String::into_bytes),
                password: login.password.clone().map(String::into_bytes),
                heartbeat_s: HEARTBEAT_S,
                reset: target.reset,
                next_out: MsgSeqNum(1),
                next_in: MsgSeqNum(1),
            });
            links.push(Link {
                client,
                comp_id: login.comp_id.clone(),
                stream: None,
                inbox: vec![0; INBOX_BYTES].into(),
                filled: 0,
                outbox: Vec::new(),
                written: 0,
            });
        }
        let poll = Poll::new().map_err(FixError::Kernel)?;
        let events = Events::with_capacity(links.len().max(8) * 2);
        let fields = Box::new(Fields::new());
        let mut set = FixSet { poll, events, links, target, fields, reconnects: 0 };
        set.reconnect(&mut |_, _| {})?;
        set.reconnects = 0;
        Ok(set)
    }

    /// Connects again every session that has no connection and logs it on with its numbers, trying
    /// for as long as the target's patience. What the venue has not seen of us it asks for.
    ///
    /// # Errors
    ///
    /// If one cannot in time.
    pub fn reconnect(&mut self, heard: &mut impl FnMut(usize, Heard<'_>)) -> Result<(), FixError> {
        let until = Instant::now() + self.target.patience;
        loop {
            let waiting = |link: &Link| link.stream.is_some() && !link.client.is_logged_on();
            // One after the other: the same sessions make the same journal each time.
            let Some(session) = self.links.iter().position(waiting) else {
                match self.links.iter().position(|link| link.stream.is_none()) {
                    Some(session) => self.connect_one(session, until)?,
                    None => return Ok(()),
                }
                self.reconnects += 1;
                continue;
            };
            // A venue that is just stopping or starting may cut us once more.
            let result = self.poll(Some(RETRY), heard);
            if Instant::now() >= until {
                let why = match result {
                    Err(error) => error.to_string(),
                    Ok(()) => "no answer to the Logon".into(),
                };
                let comp_id = self.links[session].comp_id.clone();
                return Err(FixError::NotLoggedOn { comp_id, why });
            }
            if result.is_err() {
                pause(RETRY);
            }
        }
    }

    fn connect_one(&mut self, session: usize, until: Instant) -> Result<(), FixError> {
        let address = self.target.address;
        let stream = loop {
            match std::net::TcpStream::connect_timeout(&address, Duration::from_secs(5)) {
                Ok(stream) => break stream,
                Err(error) if Instant::now() >= until => {
                    return Err(FixError::Connect { address, error });
                }
                Err(_) => pause(RETRY),
            }
        };
        stream.set_nonblocking(true).map_err(FixError::Kernel)?;
        // Without it a small order waits for the acknowledgement of the one before.
        stream.set_nodelay(true).map_err(FixError::Kernel)?;
        let mut stream = TcpStream::from_std(stream);
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registry = self.poll.registry();
        registry.register(&mut stream, Token(session), interest).map_err(FixError::Kernel)?;
        let link = &mut self.links[session];
        (link.filled, link.written) = (0, 0);
        link.outbox.clear();
        link.client.logon(clock::now(), &mut link.outbox);
        link.stream = Some(stream);
        Ok(())
    }

    /// Where sockets of others are registered that are to end a wait of [`FixSet::poll`] as well: with tokens from
    /// [`FixSet::sessions`] on.
    ///
    /// # Errors
    ///
    /// If the kernel refuses.
    pub fn registry(&self) -> Result<Registry, FixError> {
        self.poll.registry().try_clone().map_err(FixError::Kernel)
    }

    /// How many sessions there are.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.links.len()
    }

    /// Logons after the first ones.
    #[must_use]
    pub fn reconnects(&self) -> u64 {
        self.reconnects
    }

    /// Whether a session misses messages that it has asked for.
    #[must_use]
    pub fn has_gap(&self) -> bool {
        self.links.iter().any(|link| link.client.has_gap())
    }

    /// Puts an application message of `session` into its buffer; [`FixSet::poll`] or
    /// [`FixSet::flush`] sends it.
    pub fn send(
        &mut self,
        session: usize,
        now: Timestamp,
        msg_type: &[u8],
        body: impl FnOnce(&mut Encoder<'_>),
    ) {
        let link = &mut self.links[session];
        link.client.send(now, msg_type, body, &mut link.outbox);
    }

    /// Sends what is in the buffers, as far as the sockets take it.
    ///
    /// # Errors
    ///
    /// [`FixError::Lost`], after which [`FixSet::reconnect`] may go on.
    pub fn flush(&mut self) -> Result<(), FixError> {
        self.links.iter_mut().try_for_each(Link::flush)
    }

    /// Sends, waits up to `timeout` for something to come (`None`: for ever), and tells `heard` of it.
    ///
    /// # Errors
    ///
    /// [`FixError::Lost`], after which [`FixSet::reconnect`] may go on.
    pub fn poll(
        &mut self,
        timeout: Option<Duration>,
        heard: &mut impl FnMut(usize, Heard<'_>),
    ) -> Result<(), FixError> {
        self.flush()?;
        match self.poll.poll(&mut self.events, timeout) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(FixError::Kernel(error)),
        }
        let mut result = Ok(());
        for event in &self.events {
            let session = event.token().0;
            // Of somebody else, who looks for himself.
            let Some(link) = self.links.get_mut(session) else { continue };
            let read = link.read(&mut self.fields, &mut |message| heard(session, message));
            // The others' bytes are read all the same: the poll tells of them only once.
            result = result.and(read);
        }
        let now = clock::now();
        for link in &mut self.links {
            if link.stream.is_some() && link.client.tick(now, &mut link.outbox) == Health::Silent {
                result = result.and(Err(link.lost("silent")));
            }
        }
        result.and(self.flush())
    }

    /// Logs every session out and hears what still comes, for at most `patience`.
    pub fn logout(&mut self, patience: Duration, heard: &mut impl FnMut(usize, Heard<'_>)) {
        let until = Instant::now() + patience;
        for link in self.links.iter_mut().filter(|link| link.stream.is_some()) {
            link.client.logout(clock::now(), &mut link.outbox);
        }
        while self.links.iter().any(|link| link.stream.is_some()) && Instant::now() < until {
            // A connection that ends is what we are waiting for.
            let _ = self.poll(Some(RETRY), heard);
        }
    }
}

impl Link {
    fn lost(&mut self, why: impl ToString) -> FixError {
        self.stream = None;
        self.client.disconnected();
        FixError::Lost { comp_id: self.comp_id.clone(), why: why.to_string() }
    }

    fn flush(&mut self) -> Result<(), FixError> {
        while self.written < self.outbox.len() {
            let Some(stream) = &mut self.stream else { return Ok(()) };
            match stream.write(&self.outbox[self.written..]) {
                Ok(0) => return Err(self.lost("the venue closed the connection")),
                Ok(len) => self.written += len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.lost(error)),
            }
        }
        self.outbox.clear();
        self.written = 0;
        Ok(())
    }

    fn read(
        &mut self,
        fields: &mut Fields,
        heard: &mut impl FnMut(Heard<'_>),
    ) -> Result<(), FixError> {
        // Until the socket has nothing more: an end that came with the last bytes is told of only once.
        loop {
            let Some(stream) = &mut self.stream else { return Ok(()) };
            match stream.read(&mut self.inbox[self.filled..]) {
                Ok(0) => return Err(self.lost("the venue closed the connection")),
                Ok(len) => {
                    self.filled += len;
                    self.decode(fields, heard)?;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.lost(error)),
            }
        }
    }

    fn decode(
        &mut self,
        fields: &mut Fields,
        heard: &mut impl FnMut(Heard<'_>),
    ) -> Result<(), FixError> {
        let now = clock::now();
        let (mut at, mut broken) = (0, None);
        while broken.is_none() && at < self.filled {
            match decode(&self.inbox[at..self.filled], fields) {
                Ok((message, len)) => {
                    at += len;
                    broken = hear(&mut self.client, now, &message, &mut self.outbox, heard);
                }
                Err(DecodeError::Incomplete) => break,
                Err(error @ (DecodeError::Garbled { .. } | DecodeError::TooLong { .. })) => {
                    broken = Some(error.to_string());
                }
            }
            while broken.is_none()
                && let Some(bytes) = self.client.next_queued()
            {
                if let Ok((message, _)) = decode(&bytes, fields) {
                    broken = hear(&mut self.client, now, &message, &mut self.outbox, heard);
                }
            }
        }
        self.inbox.copy_within(at..self.filled, 0);
        self.filled -= at;
        match broken {
            None => Ok(()),
            Some(why) => {
                // Our answer to a Logout, if it goes at once.
                let _ = self.flush();
                Err(self.lost(why))
            }
        }
    }
}

/// Gives a message to the client and what it is to `heard`. Says why the connection must end.
fn hear(
    client: &mut Client,
    now: Timestamp,
    message: &Message<'_>,
    out: &mut Vec<u8>,
    heard: &mut impl FnMut(Heard<'_>),
) -> Option<String> {
    match client.receive(now, message, out) {
        Incoming::Application(message) => heard(Heard::Application(message)),
        Incoming::Rejected(message) => heard(Heard::Rejected(message)),
        Incoming::Duplicate => heard(Heard::Repeated(*message)),
        Incoming::LoggedOut { text } => {
            return Some(format!("the venue said Logout {}", text.escape_ascii()));
        }
        Incoming::Broken(breach @ (Breach::NoNumber | Breach::TooLow { .. } | Breach::CompId)) => {
            return Some(breach.to_string());
        }
        Incoming::LoggedOn | Incoming::Admin | Incoming::Kept => {}
    }
    None
}

/// Waits without a poll: the venue is not there.
fn pause(time: Duration) {
    std::thread::park_timeout(time);
}
