//! A venue's feed from the outside: ITCH over SoupBinTCP.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use feed::Message;
use gateway::soup::{SoupClient, SoupClientConfig, SoupClientEvent, SoupClose};
use venue::clock;

/// Room for what has come and is not looked at yet. Unit: bytes.
const INBOX_BYTES: usize = 256 << 10;

/// Between two attempts to connect.
const RETRY: Duration = Duration::from_millis(20);

/// Why the feed cannot be read on.
#[derive(Debug)]
pub enum ItchError {
    /// No connection, or it ended.
    Lost {
        /// Where to.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// The server or the protocol wants it closed.
    Closed(SoupClose),
    /// A message that is none of ITCH 5.0.
    Message {
        /// Its number.
        sequence: u64,
        /// What is wrong.
        error: feed::DecodeError,
    },
}

impl fmt::Display for ItchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ItchError::Lost { address, error } => write!(f, "feed on {address}: {error}"),
            ItchError::Closed(close) => write!(f, "feed closed: {close}"),
            ItchError::Message { sequence, error } => write!(f, "feed message {sequence}: {error}"),
        }
    }
}

impl std::error::Error for ItchError {}

impl ItchError {
    /// Whether a new connection may go on where this one ended.
    #[must_use]
    pub const fn may_go_on(&self) -> bool {
        match self {
            ItchError::Lost { .. } => true,
            ItchError::Closed(close) => {
                matches!(close, SoupClose::EndOfSession | SoupClose::Silent { .. })
            }
            ItchError::Message { .. } => false,
        }
    }
}

/// One subscription to a feed.
pub struct ItchConn {
    address: SocketAddr,
    wait: Duration,
    client: SoupClient,
    stream: TcpStream,
    inbox: Box<[u8]>,
    filled: usize,
    out: Vec<u8>,
}

impl ItchConn {
    /// Connects and asks for everything from message `next_sequence` on. A later read waits up to
    /// `wait` for something to come.
    ///
    /// # Errors
    ///
    /// If there is no connection.
    pub fn connect(
        address: SocketAddr,
        username: &str,
        password: &str,
        next_sequence: u64,
        wait: Duration,
    ) -> Result<ItchConn, ItchError> {
        let config = SoupClientConfig::new(username.as_bytes(), password.as_bytes(), next_sequence);
        let mut client = SoupClient::new(config);
        let stream = open(address, wait, &mut client)?;
        let inbox = vec![0; INBOX_BYTES].into();
        Ok(ItchConn { address, wait, client, stream, inbox, filled: 0, out: Vec::new() })
    }

    /// Connects again and goes on with the next message, trying for as long as `patience`.
    ///
    /// # Errors
    ///
    /// If there is no connection in time.
    pub fn reconnect(&mut self, patience: Duration) -> Result<(), ItchError> {
        let until = Instant::now() + patience;
        loop {
            // A server that is stopping may take us once more and cut us at once.
            std::thread::park_timeout(RETRY);
            match open(self.address, self.wait, &mut self.client) {
                Ok(stream) => {
                    (self.stream, self.filled) = (stream, 0);
                    return Ok(());
                }
                Err(error) if Instant::now() >= until => return Err(error),
                Err(_) => {}
            }
        }
    }

    /// Reads what is there, or waits for something to come, and tells `heard` of each message.
    ///
    /// # Errors
    ///
    /// If the connection ended or the server does not speak the protocol.
    pub fn poll(&mut self, heard: &mut impl FnMut(u64, &Message)) -> Result<(), ItchError> {
        let address = self.address;
        let lost = |error| ItchError::Lost { address, error };
        let now = clock::now();
        if let Some(close) = self.client.tick(now, &mut self.out) {
            return Err(ItchError::Closed(close));
        }
        if !self.out.is_empty() {
            self.stream.write_all(&self.out).map_err(lost)?;
            self.out.clear();
        }
        match self.stream.read(&mut self.inbox[self.filled..]) {
            Ok(0) => return Err(lost(io::Error::from(ErrorKind::ConnectionReset))),
            Ok(len) => self.filled += len,
            Err(error) if is_nothing(&error) => return Ok(()),
            Err(error) => return Err(lost(error)),
        }
        self.take(heard)
    }

    fn take(&mut self, heard: &mut impl FnMut(u64, &Message)) -> Result<(), ItchError> {
        let now = clock::now();
        let mut at = 0;
        let mut result = Ok(());
        while result.is_ok() {
            let received = self.client.receive(now, &self.inbox[at..self.filled]);
            at += received.consumed;
            match received.event {
                None => break,
                Some(SoupClientEvent::Sequenced { sequence, message }) => {
                    match feed::decode(message) {
                        Ok(message) => heard(sequence, &message),
                        Err(error) => result = Err(ItchError::Message { sequence, error }),
                    }
                }
                Some(SoupClientEvent::Close(close)) => result = Err(ItchError::Closed(close)),
                Some(
                    SoupClientEvent::Accepted { .. }
                    | SoupClientEvent::Unsequenced(_)
                    | SoupClientEvent::Debug(_),
                ) => {}
            }
        }
        self.inbox.copy_within(at..self.filled, 0);
        self.filled -= at;
        result
    }
}

/// Nothing came in time.
fn is_nothing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

fn open(
    address: SocketAddr,
    wait: Duration,
    client: &mut SoupClient,
) -> Result<TcpStream, ItchError> {
    let lost = |error| ItchError::Lost { address, error };
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5)).map_err(lost)?;
    if wait.is_zero() {
        stream.set_nonblocking(true).map_err(lost)?;
    } else {
        stream.set_read_timeout(Some(wait)).map_err(lost)?;
    }
    let mut login = Vec::new();
    client.login(&mut login);
    stream.write_all(&login).map_err(lost)?;
    Ok(stream)
}
