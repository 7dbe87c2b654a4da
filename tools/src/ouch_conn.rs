//! A venue's order entry by OUCH from the outside: one login over SoupBinTCP, and after a lost connection the next one where
//! it ended.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use gateway::ouch::{FromClient, FromVenue, Malformed};
use gateway::soup::{SoupClient, SoupClientConfig, SoupClientEvent, SoupClose, SoupSession};
use venue::clock;

/// Room for what has come and is not looked at yet. Unit: bytes.
const INBOX_BYTES: usize = 256 << 10;

/// Between two looks at the clock while nothing comes.
const LOOK: Duration = Duration::from_millis(200);

/// Why an order entry cannot go on.
#[derive(Debug)]
pub enum OuchError {
    /// No connection, or it ended, or nothing came in time.
    Lost {
        /// Where to.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// The venue or the protocol wants it closed.
    Closed(SoupClose),
    /// A message that is none of OUCH 5.0.
    Message {
        /// Its number.
        sequence: u64,
        /// What is wrong.
        error: Malformed,
    },
}

impl fmt::Display for OuchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OuchError::Lost { address, error } => write!(f, "order entry on {address}: {error}"),
            OuchError::Closed(close) => write!(f, "order entry closed: {close}"),
            OuchError::Message { sequence, error } => write!(f, "message {sequence}: {error}"),
        }
    }
}

impl std::error::Error for OuchError {}

/// What was heard.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant)] // They are looked at one by one.
pub enum OuchHeard {
    /// We are in.
    Accepted {
        /// The session.
        session: SoupSession,
        /// Number of the next message.
        next_sequence: u64,
    },
    /// A message.
    Said {
        /// Its number.
        sequence: u64,
        /// The message.
        message: FromVenue,
    },
    /// Text for a person.
    Debug(String),
}

/// One login.
pub struct OuchConn {
    address: SocketAddr,
    patience: Duration,
    client: SoupClient,
    stream: TcpStream,
    inbox: Box<[u8]>,
    taken: usize,
    filled: usize,
    out: Vec<u8>,
}

impl OuchConn {
    /// Connects and logs in. What is read later comes within `patience` or is an error.
    ///
    /// # Errors
    ///
    /// If there is no connection.
    pub fn connect(
        address: SocketAddr,
        config: SoupClientConfig,
        patience: Duration,
    ) -> Result<OuchConn, OuchError> {
        let mut client = SoupClient::new(config);
        let stream = open(address, &mut client)?;
        Ok(OuchConn {
            address,
            patience,
            client,
            stream,
            inbox: vec![0; INBOX_BYTES].into(),
            taken: 0,
            filled: 0,
            out: Vec::new(),
        })
    }

    /// The same, up to the answer to the login.
    ///
    /// # Errors
    ///
    /// If there is no connection, or the venue does not let us in.
    pub fn log_in(
        address: SocketAddr,
        config: SoupClientConfig,
        patience: Duration,
    ) -> Result<OuchConn, OuchError> {
        let mut conn = OuchConn::connect(address, config, patience)?;
        loop {
            if let OuchHeard::Accepted { .. } = conn.hear()? {
                return Ok(conn);
            }
        }
    }

    /// Connects again, to the same session and with the next number.
    ///
    /// # Errors
    ///
    /// If there is no connection.
    pub fn reconnect(&mut self, address: SocketAddr) -> Result<(), OuchError> {
        self.address = address;
        self.stream = open(address, &mut self.client)?;
        (self.taken, self.filled) = (0, 0);
        self.out.clear();
        Ok(())
    }

    /// Number of the next message.
    #[must_use]
    pub const fn next_sequence(&self) -> u64 {
        self.client.next_sequence()
    }

    /// The session, once the venue has named it.
    #[must_use]
    pub const fn session(&self) -> Option<SoupSession> {
        self.client.session()
    }

    /// Puts a message in line; [`OuchConn::flush`] sends it.
    ///
    /// # Panics
    ///
    /// If we are not logged in.
    pub fn put(&mut self, message: &FromClient) {
        let mut bytes = Vec::with_capacity(64);
        message.encode(&mut bytes);
        self.client.unsequenced(&bytes, &mut self.out);
    }

    /// Puts any bytes in line, as a message or as they are.
    pub fn put_raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Sends what is in line.
    ///
    /// # Errors
    ///
    /// If the connection is gone.
    pub fn flush(&mut self) -> Result<(), OuchError> {
        let sent = self.stream.write_all(&self.out);
        self.out.clear();
        sent.map_err(|error| OuchError::Lost { address: self.address, error })
    }

    /// Sends a message.
    ///
    /// # Errors
    ///
    /// If the connection is gone.
    ///
    /// # Panics
    ///
    /// If we are not logged in.
    pub fn send(&mut self, message: &FromClient) -> Result<(), OuchError> {
        self.put(message);
        self.flush()
    }

    /// Leaves.
    ///
    /// # Errors
    ///
    /// If the connection is gone.
    pub fn log_out(mut self) -> Result<(), OuchError> {
        self.client.logout(&mut self.out);
        self.flush()
    }

    /// The next thing that the venue says; waits for it, and sends heartbeats meanwhile.
    ///
    /// # Errors
    ///
    /// If nothing comes in time, or the connection or the session is over.
    pub fn hear(&mut self) -> Result<OuchHeard, OuchError> {
        let until = Instant::now() + self.patience;
        loop {
            if let Some(heard) = self.take()? {
                return Ok(heard);
            }
            self.read(until)?;
        }
    }

    /// The next thing that has come already.
    fn take(&mut self) -> Result<Option<OuchHeard>, OuchError> {
        let bytes = &self.inbox[self.taken..self.filled];
        let received = self.client.receive(clock::now(), bytes);
        let heard = match received.event {
            None => None,
            Some(SoupClientEvent::Accepted { session, next_sequence }) => {
                Some(OuchHeard::Accepted { session, next_sequence })
            }
            Some(SoupClientEvent::Sequenced { sequence, message }) => {
                let message = FromVenue::decode(message)
                    .map_err(|error| OuchError::Message { sequence, error })?;
                Some(OuchHeard::Said { sequence, message })
            }
            Some(SoupClientEvent::Unsequenced(_)) => None,
            Some(SoupClientEvent::Debug(text)) => {
                Some(OuchHeard::Debug(String::from_utf8_lossy(text).into_owned()))
            }
            Some(SoupClientEvent::Close(close)) => return Err(OuchError::Closed(close)),
        };
        self.taken += received.consumed;
        Ok(heard)
    }

    fn read(&mut self, until: Instant) -> Result<(), OuchError> {
        let lost = |address, error| OuchError::Lost { address, error };
        self.inbox.copy_within(self.taken..self.filled, 0);
        (self.filled, self.taken) = (self.filled - self.taken, 0);
        match self.stream.read(&mut self.inbox[self.filled..]) {
            Ok(0) => return Err(lost(self.address, ErrorKind::UnexpectedEof.into())),
            Ok(read) => self.filled += read,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                if Instant::now() >= until {
                    return Err(lost(self.address, ErrorKind::TimedOut.into()));
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(lost(self.address, error)),
        }
        if let Some(close) = self.client.tick(clock::now(), &mut self.out) {
            return Err(OuchError::Closed(close));
        }
        if self.out.is_empty() { Ok(()) } else { self.flush() }
    }
}

fn open(address: SocketAddr, client: &mut SoupClient) -> Result<TcpStream, OuchError> {
    let mut out = Vec::new();
    client.login(&mut out);
    let open = || {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LOOK))?;
        stream.write_all(&out)?;
        Ok(stream)
    };
    open().map_err(|error| OuchError::Lost { address, error })
}
