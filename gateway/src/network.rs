//! The network, seen through a keyhole: everything that listens, takes connections and says which of them
//! are ready goes through here, so that a simulation can delay, split, stall or cut any of it.

mod handshakes;
mod tls;

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use rustls::ServerConfig;

use handshakes::ToHandshakes;
pub use handshakes::{Handshakes, Shaking};
pub use tls::{Socket, Tls};

const LISTENER: Token = Token(0);
const WAKER: Token = Token(1);
const OTHER: Token = Token(2);
const TLS_LISTENER: Token = Token(3);
const FIRST_PEER: usize = 8;

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
    /// Another loop that was joined to this one has something to do.
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

    /// Takes the next connection.
    ///
    /// # Errors
    ///
    /// Those of the operating system; [`io::ErrorKind::WouldBlock`] if nobody waits.
    fn accept(&mut self) -> io::Result<(Self::Stream, SocketAddr)>;

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
}

impl Stream for TcpStream {
    fn no_delay(&self) -> io::Result<()> {
        self.set_nodelay(true)
    }
}

/// The kernel's sockets.
pub struct Sockets {
    poll: Poll,
    events: Events,
    listener: Option<TcpListener>,
    tls: Option<(TcpListener, ToHandshakes)>,
    /// Peers whose handshake is over, of this poll.
    shaken: Vec<usize>,
}

impl Sockets {
    /// Takes connections from `listener`, if there is one; says at most `events_max` at once.
    ///
    /// # Errors
    ///
    /// If the kernel has no more descriptors.
    pub fn new(mut listener: Option<TcpListener>, events_max: usize) -> io::Result<Sockets> {
        let poll = Poll::new()?;
        if let Some(listener) = &mut listener {
            poll.registry().register(listener, LISTENER, Interest::READABLE)?;
        }
        let events = Events::with_capacity(events_max);
        Ok(Sockets { poll, events, listener, tls: None, shaken: Vec::new() })
    }

    /// The same, that takes connections under TLS from `listener` too; a thread has to [`Handshakes::run`].
    ///
    /// # Errors
    ///
    /// If the kernel has no more descriptors.
    pub fn with_tls(
        self,
        mut listener: TcpListener,
        config: Arc<ServerConfig>,
    ) -> io::Result<(Sockets, Handshakes)> {
        let registry = self.poll.registry();
        registry.register(&mut listener, TLS_LISTENER, Interest::READABLE)?;
        let (link, handshakes) = Handshakes::new(registry.try_clone()?, config)?;
        Ok((Sockets { tls: Some((listener, link)), ..self }, handshakes))
    }

    /// Where it listens for connections under TLS, if it does.
    #[must_use]
    pub fn tls_addr(&self) -> Option<SocketAddr> {
        self.tls.as_ref().and_then(|(listener, _)| listener.local_addr().ok())
    }

    /// Wakes [`Network::poll`] from another thread.
    ///
    /// # Errors
    ///
    /// If the kernel has no more descriptors.
    pub fn waker(&self) -> io::Result<Waker> {
        Waker::new(self.poll.registry(), WAKER)
    }

    /// Makes [`Network::poll`] return when `fd` is readable too: another loop joined to this one.
    ///
    /// # Errors
    ///
    /// If the kernel refuses.
    pub fn join(&self, fd: RawFd) -> io::Result<()> {
        self.poll.registry().register(&mut SourceFd(&fd), OTHER, Interest::READABLE)
    }
}

impl AsRawFd for Sockets {
    /// The poll's descriptor, to join it to another.
    fn as_raw_fd(&self) -> RawFd {
        self.poll.as_raw_fd()
    }
}

fn nobody_waits<T>() -> io::Result<T> {
    Err(io::ErrorKind::WouldBlock.into())
}

impl Network for Sockets {
    type Stream = Socket;

    fn accept(&mut self) -> io::Result<(Socket, SocketAddr)> {
        match self.listener.as_ref().map_or_else(nobody_waits, TcpListener::accept) {
            Ok((socket, address)) => return Ok((Socket::Plain(socket), address)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        let Some((listener, _)) = &self.tls else { return nobody_waits() };
        let (socket, address) = listener.accept()?;
        Ok((Socket::Shaking(Shaking::new(socket)?), address))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener
            .as_ref()
            .map_or(Err(io::ErrorKind::NotConnected.into()), TcpListener::local_addr)
    }

    fn register(&mut self, stream: &mut Socket, peer: usize) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        match (stream, &self.tls) {
            (Socket::Shaking(shaking), Some((_, link))) => link.register(shaking, peer),
            (stream, _) => stream.tcp_mut().map_or(Ok(()), |tcp| {
                self.poll.registry().register(tcp, Token(FIRST_PEER + peer), interest)
            }),
        }
    }

    fn forget(&mut self, stream: &mut Socket) {
        if let (Socket::Shaking(shaking), Some((_, link))) = (&mut *stream, &self.tls) {
            link.forget(shaking);
        }
        if let Some(tcp) = stream.tcp_mut() {
            let _ = self.poll.registry().deregister(tcp);
        }
    }

    fn poll(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        match self.poll.poll(&mut self.events, timeout) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => self.events.clear(),
            Err(error) => return Err(error),
        }
        if let Some((_, link)) = &self.tls {
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
        let events = self.events.iter().filter_map(|event| match event.token() {
            LISTENER | TLS_LISTENER => Some(Ready::Listener),
            OTHER => Some(Ready::Joined),
            Token(token) => Some(Ready::Peer {
                peer: token.checked_sub(FIRST_PEER)?,
                readable: event.is_readable() || event.is_read_closed() || event.is_error(),
                writable: event.is_writable(),
                ends: event.is_read_closed(),
            }),
        });
        shaken.chain(events)
    }
}
