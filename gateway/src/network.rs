//! The network, seen through a keyhole: everything that listens, takes connections and says which of them
//! are ready goes through here, so that a simulation can delay, split, stall or cut any of it.

mod handshakes;
mod tls;

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};

use handshakes::ToHandshakes;
pub use handshakes::{Handshakes, Shaking, TlsInForce};
pub use tls::{Socket, Tls};

const WAKER: Token = Token(1);
const OTHER: Token = Token(2);
/// Listeners have the tokens from here to below [`FIRST_PEER`].
const FIRST_LISTENER: usize = 3;
const FIRST_PEER: usize = 16;

/// Listeners at most.
const LISTENERS_MAX: usize = FIRST_PEER - FIRST_LISTENER;

/// What is spoken behind a listener.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Door {
    /// FIX; of the feed, SoupBinTCP.
    #[default]
    Fix,
    /// OUCH over SoupBinTCP.
    Ouch,
}

/// A stream of bytes to and from a peer that never blocks.
pub trait Stream: Read + Write {
    /// Sends small pieces at once: switches Nagle's algorithm off.
    ///
    /// # Errors
    ///
    /// If the system does not let us: the peer is gone already.
    fn no_delay(&self) -> io::Result<()>;

    /// Bytes that were taken by a write and are not with the system: the next write, if only of nothing, sends
    /// them first.
    #[inline]
    fn held(&self) -> usize {
        0
    }

    /// The last read stopped although there may be more.
    #[inline]
    fn has_more(&self) -> bool {
        false
    }

    /// The certificate that the peer has proved to have, as DER.
    fn certificate(&self) -> Option<&[u8]> {
        None
    }
}

/// What became ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ready {
    /// Somebody wants to connect.
    Listener,
    /// A socket that was joined to this network, and is none of its peers, is readable.
    Joined,
    /// A registered stream. Each readiness is said once, until it is used up (edge-triggered).
    Peer {
        /// What it was registered as.
        peer: usize,
        /// There is something to read: bytes, the end, or an error.
        readable: bool,
        /// There is room to write again.
        writable: bool,
        /// The peer has shut its side: the end comes after the bytes that are there.
        ends: bool,
    },
}

/// A listening socket, the streams that came from it, and what says which are ready. [`Sockets`] is the
/// real one.
pub trait Network {
    /// A connection.
    type Stream: Stream;

    /// Takes the next connection, and says from where and through which door it came.
    ///
    /// # Errors
    ///
    /// Those of the operating system; [`io::ErrorKind::WouldBlock`] if nobody waits.
    fn accept(&mut self) -> io::Result<(Self::Stream, SocketAddr, Door)>;

    /// Where it listens.
    ///
    /// # Errors
    ///
    /// If the system does not say.
    fn local_addr(&self) -> io::Result<SocketAddr>;

    /// Says from now on when `stream` is ready, as that of `peer`.
    ///
    /// # Errors
    ///
    /// If the system refuses.
    fn register(&mut self, stream: &mut Self::Stream, peer: usize) -> io::Result<()>;

    /// Says nothing about `stream` any more.
    fn forget(&mut self, stream: &mut Self::Stream);

    /// Waits until something is ready, at most `timeout`.
    ///
    /// # Errors
    ///
    /// If the system's poll fails: the loop cannot go on.
    fn poll(&mut self, timeout: Option<Duration>) -> io::Result<()>;

    /// What [`Network::poll`] found.
    fn ready(&self) -> impl Iterator<Item = Ready> + '_;

    /// Bytes came from `peer`: its next ones may be looked for before anything else.
    #[inline]
    fn came_from(&mut self, peer: usize) {
        let _ = peer;
    }
}

impl Stream for TcpStream {
    fn no_delay(&self) -> io::Result<()> {
        self.set_nodelay(true)
    }
}

/// Between two questions to the kernel which sockets are ready, a loop that does not wait looks so many times at those that bytes came
/// from last: some microseconds, for which the others wait.
const GUESSES: u32 = 16;

/// Nothing came from a peer for so many questions: it is not looked at any more without one.
const GUESSES_STALE: u32 = 256;

/// The sockets that bytes came from last. Reading one costs less than asking which are ready and then reading it, and where the
/// kernel is asked all the time, whoever sends has to wait for its lists.
#[derive(Debug, Default)]
struct Guesses {
    peers: [Option<usize>; 2],
    /// Looks left before the kernel is asked.
    left: u32,
    /// Questions to the kernel since bytes came.
    stale: u32,
    /// The poll was a guess.
    guessed: bool,
}

impl Guesses {
    /// Whether this poll is one.
    #[inline]
    fn guess(&mut self, timeout: Option<Duration>) -> bool {
        self.guessed = timeout == Some(Duration::ZERO) && self.left > 0;
        if self.guessed {
            self.left -= 1;
        }
        self.guessed
    }

    /// The kernel was asked.
    #[inline]
    fn asked(&mut self) {
        self.stale = self.stale.saturating_add(1);
        if self.stale > GUESSES_STALE {
            self.peers = [None; 2];
        }
        self.left = if self.peers[0].is_some() { GUESSES } else { 0 };
    }

    /// Bytes came from `peer`. The kernel is asked next: a loop that has something to do must not keep the others waiting for longer.
    #[inline]
    fn came_from(&mut self, peer: usize) {
        (self.left, self.stale) = (0, 0);
        if !self.peers.contains(&Some(peer)) {
            self.peers = [Some(peer), self.peers[0]];
        }
    }
}

/// The kernel's sockets.
pub struct Sockets {
    guesses: Guesses,
    poll: Poll,
    events: Events,
    listeners: Vec<Listening>,
    /// The listener that is asked first for the next connection: none of them can keep the others waiting.
    first: usize,
    link: Option<ToHandshakes>,
    /// Peers whose handshake is over, of this poll.
    shaken: Vec<usize>,
}

/// One listening socket.
struct Listening {
    socket: TcpListener,
    door: Door,
    /// Under which its connections are, if they are under TLS.
    tls: Option<TlsInForce>,
}

impl Sockets {
    /// Takes connections from `listener`, if there is one; says at most `events_max` at once.
    ///
    /// # Errors
    ///
    /// If the kernel has no more descriptors.
    pub fn new(listener: Option<TcpListener>, events_max: usize) -> io::Result<Sockets> {
        let (poll, events) = (Poll::new()?, Events::with_capacity(events_max));
        let mut sockets = Sockets {
            guesses: Guesses::default(),
            poll,
            events,
            listeners: Vec::new(),
            first: 0,
            link: None,
            shaken: Vec::new(),
        };
        if let Some(listener) = listener {
            sockets.listen(listener, Door::Fix, None)?;
        }
        Ok(sockets)
    }

    /// The same, that takes connections from `listener` too, for what is spoken behind that door.
    ///
    /// # Errors
    ///
    /// If the kernel has no more descriptors.
    pub fn with_listener(mut self, listener: TcpListener, door: Door) -> io::Result<Sockets> {
        self.listen(listener, door, None)?;
        Ok(self)
    }

    /// The same, that takes connections under TLS from these listeners too; a thread has to [`Handshakes::run`].
    ///
    /// # Errors
    ///
    /// If the kernel has no more descriptors.
    pub fn with_tls(
        mut self,
        listeners: Vec<(TcpListener, Door, TlsInForce)>,
    ) -> io::Result<(Sockets, Handshakes)> {
        for (listener, door, config) in listeners {
            self.listen(listener, door, Some(config))?;
        }
        let (link, handshakes) = Handshakes::new(self.poll.registry().try_clone()?)?;
        self.link = Some(link);
        Ok((self, handshakes))
    }

    fn listen(
        &mut self,
        mut socket: TcpListener,
        door: Door,
        tls: Option<TlsInForce>,
    ) -> io::Result<()> {
        let index = self.listeners.len();
        if index == LISTENERS_MAX {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let token = Token(FIRST_LISTENER + index);
        self.poll.registry().register(&mut socket, token, Interest::READABLE)?;
        self.listeners.push(Listening { socket, door, tls });
        Ok(())
    }

    /// Where it listens behind that door, under TLS or without it, if it does.
    #[must_use]
    pub fn addr(&self, door: Door, under_tls: bool) -> Option<SocketAddr> {
        let is_it = |it: &&Listening| it.door == door && it.tls.is_some() == under_tls;
        self.listeners.iter().find(is_it)?.socket.local_addr().ok()
    }

    /// Wakes [`Network::poll`] from another thread.
    ///
    /// # Errors
    ///
    /// If the kernel has no more descriptors.
    pub fn waker(&self) -> io::Result<Waker> {
        Waker::new(self.poll.registry(), WAKER)
    }

    /// Makes [`Network::poll`] return when `fd` becomes readable too.
    ///
    /// # Errors
    ///
    /// If the kernel refuses.
    pub fn join(&self, fd: RawFd) -> io::Result<()> {
        self.poll.registry().register(&mut SourceFd(&fd), OTHER, Interest::READABLE)
    }
}

impl Network for Sockets {
    type Stream = Socket;

    fn accept(&mut self) -> io::Result<(Socket, SocketAddr, Door)> {
        for step in 0..self.listeners.len() {
            let index = (self.first + step) % self.listeners.len();
            let Listening { socket, door, tls } = &self.listeners[index];
            let (stream, address) = match socket.accept() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                accepted => accepted?,
            };
            self.first = index + 1;
            let stream = match tls {
                None => Socket::Plain(stream),
                Some(config) => Socket::Shaking(Shaking::new(stream, config.get())?),
            };
            return Ok((stream, address, *door));
        }
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        let first = self.listeners.iter().find(|it| it.tls.is_none());
        first.map_or(Err(io::ErrorKind::NotConnected.into()), |it| it.socket.local_addr())
    }

    fn register(&mut self, stream: &mut Socket, peer: usize) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        match (stream, &self.link) {
            (Socket::Shaking(shaking), Some(link)) => link.register(shaking, peer),
            (stream, _) => stream.tcp_mut().map_or(Ok(()), |tcp| {
                self.poll.registry().register(tcp, Token(FIRST_PEER + peer), interest)
            }),
        }
    }

    fn forget(&mut self, stream: &mut Socket) {
        if let (Socket::Shaking(shaking), Some(link)) = (&mut *stream, &self.link) {
            link.forget(shaking);
        }
        if let Some(tcp) = stream.tcp_mut() {
            let _ = self.poll.registry().deregister(tcp);
        }
    }

    fn poll(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        if self.guesses.guess(timeout) {
            self.shaken.clear();
            return Ok(());
        }
        self.guesses.asked();
        match self.poll.poll(&mut self.events, timeout) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => self.events.clear(),
            Err(error) => return Err(error),
        }
        if let Some(link) = &self.link {
            link.done(&mut self.shaken);
        }
        Ok(())
    }

    fn ready(&self) -> impl Iterator<Item = Ready> + '_ {
        let shaken = self.shaken.iter().map(|peer| Ready::Peer {
            peer: *peer,
            readable: true,
            writable: true,
            ends: false,
        });
        let guessed = self.guesses.guessed;
        let guesses = self.guesses.peers.iter().flatten().filter(move |_| guessed);
        let guesses = guesses.map(|peer| Ready::Peer {
            peer: *peer,
            readable: true,
            writable: false,
            ends: false,
        });
        let events = self.events.iter().filter(move |_| !guessed);
        let events = events.filter_map(|event| match event.token() {
            OTHER => Some(Ready::Joined),
            Token(FIRST_LISTENER..FIRST_PEER) => Some(Ready::Listener),
            Token(token) => Some(Ready::Peer {
                peer: token.checked_sub(FIRST_PEER)?,
                readable: event.is_readable() || event.is_read_closed() || event.is_error(),
                writable: event.is_writable(),
                ends: event.is_read_closed(),
            }),
        });
        shaken.chain(guesses).chain(events)
    }

    #[inline]
    fn came_from(&mut self, peer: usize) {
        self.guesses.came_from(peer);
    }
}
