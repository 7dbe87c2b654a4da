//! The multicast from the outside: sockets around a [`Receiver`].

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::time::Duration;

use feed::Message;
use feed::receiver::{Receiver, ReceiverConfig, ReceiverError, Source, Start, Wants};
use gateway::soup::{SoupClient, SoupClientConfig, SoupClientEvent};
use matcher::Timestamp;
use mio::net::{TcpStream, UdpSocket};
use mio::{Events, Interest, Poll, Token};
use venue::clock;

/// Sockets by token; the snapshot's comes after them.
const SOURCES: [Source; 3] = [Source::LineA, Source::LineB, Source::Answer];
const SNAPSHOT: Token = Token(SOURCES.len());

/// Packets taken from one socket before the next has its turn.
const PACKETS_A_ROUND: usize = 64;

/// Bytes that the kernel should keep for us while we are slow: a burst. It may keep less.
const SOCKET_BYTES: usize = 4 << 20;

/// How soon the receiver is asked again what it wants while something is missing.
const TICK: Duration = Duration::from_millis(1);

/// Room for what came of a snapshot and is not looked at yet.
const INBOX_BYTES: usize = 256 << 10;

/// Where a feed is heard.
#[derive(Clone, Debug)]
pub struct FeedTarget {
    /// Multicast group and port of line A.
    pub line_a: SocketAddrV4,
    /// Of line B, if there is one.
    pub line_b: Option<SocketAddrV4>,
    /// Address of the interface to listen on.
    pub interface: Ipv4Addr,
    /// The request server, if there is one.
    pub requests: Option<SocketAddr>,
    /// GLIMPSE, if there is one.
    pub glimpse: Option<SocketAddr>,
    /// User name and password for GLIMPSE.
    pub login: (String, String),
}

/// Listens to a feed.
pub struct FeedClient {
    target: FeedTarget,
    receiver: Receiver,
    poll: Poll,
    events: Events,
    /// By [`SOURCES`].
    sockets: [Option<UdpSocket>; 3],
    /// Which of them may have more.
    ready: [bool; 3],
    snapshot: Option<Snapshot>,
    /// What came and was of no use: how often, and the last.
    wrong: (u64, Option<ReceiverError>),
}

/// A session of GLIMPSE.
struct Snapshot {
    stream: TcpStream,
    client: SoupClient,
    out: Vec<u8>,
    inbox: Box<[u8]>,
    filled: usize,
}

impl FeedClient {
    /// Begins with a snapshot if there is GLIMPSE, else with message 1, which the request server has.
    ///
    /// # Errors
    ///
    /// If the kernel refuses a socket.
    pub fn new(target: FeedTarget) -> io::Result<FeedClient> {
        let start = if target.glimpse.is_some() { Start::Snapshot } else { Start::Message(1) };
        FeedClient::starting(target, start)
    }

    /// Begins as it is said.
    ///
    /// # Errors
    ///
    /// As [`FeedClient::new`].
    pub fn starting(target: FeedTarget, start: Start) -> io::Result<FeedClient> {
        let receiver = Receiver::new(ReceiverConfig {
            start,
            has_requests: target.requests.is_some(),
            has_snapshots: target.glimpse.is_some(),
            ..ReceiverConfig::default()
        });
        let mut sockets = [
            Some(hear(target.line_a, target.interface)?),
            target.line_b.map(|group| hear(group, target.interface)).transpose()?,
            target.requests.map(ask).transpose()?,
        ];
        let (poll, events) = (Poll::new()?, Events::with_capacity(8));
        for (index, socket) in sockets.iter_mut().enumerate() {
            if let Some(socket) = socket {
                poll.registry().register(socket, Token(index), Interest::READABLE)?;
            }
        }
        let (snapshot, wrong) = (None, (0, None));
        Ok(FeedClient {
            target,
            receiver,
            poll,
            events,
            sockets,
            ready: [true; 3],
            snapshot,
            wrong,
        })
    }

    /// What it knows.
    #[must_use]
    pub const fn receiver(&self) -> &Receiver {
        &self.receiver
    }

    /// How often something came that was of no use, and what the last of it was.
    #[must_use]
    pub const fn wrong(&self) -> (u64, Option<ReceiverError>) {
        self.wrong
    }

    /// Takes what is there, or waits for something to come, at most `timeout`, and tells `heard` of each message.
    ///
    /// # Errors
    ///
    /// If the kernel's poll fails.
    pub fn poll(
        &mut self,
        timeout: Duration,
        heard: &mut impl FnMut(u64, &Message),
    ) -> io::Result<()> {
        let timeout = match () {
            () if self.ready.contains(&true) => Duration::ZERO,
            () if self.receiver.is_current() => timeout,
            () => timeout.min(TICK),
        };
        match self.poll.poll(&mut self.events, Some(timeout)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            polled => polled?,
        }
        let mut is_snapshot = false;
        for event in &self.events {
            match self.ready.get_mut(event.token().0) {
                Some(ready) => *ready = true,
                None => is_snapshot = true,
            }
        }
        for index in 0..SOURCES.len() {
            self.take(index, heard);
        }
        let now = clock::now();
        if is_snapshot || self.snapshot.is_some() {
            self.read_snapshot(now, heard);
        }
        while let Some(wants) = self.receiver.wants(now) {
            match wants {
                // Lost like one on the wire, if the kernel does not take it.
                Wants::Request(request) => {
                    if let Some(socket) = &self.sockets[Source::Answer as usize] {
                        let _ = socket.send(&request.encode());
                    }
                }
                Wants::Snapshot => self.ask_for_snapshot(now),
            }
        }
        Ok(())
    }

    fn take(&mut self, index: usize, heard: &mut impl FnMut(u64, &Message)) {
        let Some(socket) = &self.sockets[index] else {
            self.ready[index] = false;
            return;
        };
        let mut packet = [0; 2_048];
        for _ in 0..PACKETS_A_ROUND {
            match socket.recv(&mut packet) {
                Ok(len) => {
                    let taken = self.receiver.packet(SOURCES[index], &packet[..len], &mut *heard);
                    note(taken.err(), &mut self.wrong);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.ready[index] = false;
                    return;
                }
                // Of a request to a server that is not there at present.
                Err(_) => {}
            }
        }
    }

    fn ask_for_snapshot(&mut self, now: Timestamp) {
        let Some(address) = self.target.glimpse else { return };
        let (user, password) = &self.target.login;
        let config = SoupClientConfig::new(user.as_bytes(), password.as_bytes(), 1);
        let (mut client, mut out) = (SoupClient::new(config), Vec::new());
        client.login(&mut out);
        let opened = TcpStream::connect(address).and_then(|mut stream| {
            let both = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(&mut stream, SNAPSHOT, both)?;
            Ok(stream)
        });
        match opened {
            Ok(stream) => {
                let inbox = vec![0; INBOX_BYTES].into();
                self.snapshot = Some(Snapshot { stream, client, out, inbox, filled: 0 });
            }
            Err(_) => self.receiver.snapshot_failed(now),
        }
    }

    fn read_snapshot(&mut self, now: Timestamp, heard: &mut impl FnMut(u64, &Message)) {
        let Some(snapshot) = &mut self.snapshot else { return };
        match snapshot.read(now, &mut self.receiver, &mut self.wrong, heard) {
            Progress::GoesOn => {}
            Progress::Whole => self.snapshot = None,
            Progress::Failed => {
                self.snapshot = None;
                self.receiver.snapshot_failed(now);
            }
        }
    }
}

/// How far a snapshot is.
enum Progress {
    GoesOn,
    Whole,
    Failed,
}

impl Snapshot {
    /// Writes and reads what goes without waiting.
    fn read(
        &mut self,
        now: Timestamp,
        receiver: &mut Receiver,
        wrong: &mut (u64, Option<ReceiverError>),
        heard: &mut impl FnMut(u64, &Message),
    ) -> Progress {
        if self.client.tick(now, &mut self.out).is_some() {
            return Progress::Failed;
        }
        loop {
            while !self.out.is_empty() {
                match self.stream.write(&self.out) {
                    Ok(len) => drop(self.out.drain(..len)),
                    Err(error) if is_later(&error) => break,
                    Err(_) => return Progress::Failed,
                }
            }
            match self.stream.read(&mut self.inbox[self.filled..]) {
                Ok(0) => return Progress::Failed,
                Ok(len) => self.filled += len,
                Err(error) if is_later(&error) => return Progress::GoesOn,
                Err(_) => return Progress::Failed,
            }
            let mut at = 0;
            loop {
                let received = self.client.receive(now, &self.inbox[at..self.filled]);
                at += received.consumed;
                match received.event {
                    None => break,
                    Some(SoupClientEvent::Sequenced { message, .. }) => {
                        match receiver.snapshot_message(now, message, &mut *heard) {
                            Ok(false) => {}
                            Ok(true) => {
                                self.client.logout(&mut self.out);
                                // Who does not hear it sees that we are gone.
                                let _ = self.stream.write(&self.out);
                                return Progress::Whole;
                            }
                            Err(error) => {
                                note(Some(error), wrong);
                                return Progress::Failed;
                            }
                        }
                    }
                    Some(SoupClientEvent::Close(_)) => return Progress::Failed,
                    Some(_) => {}
                }
            }
            self.inbox.copy_within(at..self.filled, 0);
            self.filled -= at;
        }
    }
}

fn note(error: Option<ReceiverError>, wrong: &mut (u64, Option<ReceiverError>)) {
    if error.is_some() {
        *wrong = (wrong.0 + 1, error);
    }
}

/// Not now, or the connection is not there yet.
fn is_later(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected | ErrorKind::Interrupted)
}

/// A socket that hears a group, beside others on this machine that do.
fn hear(group: SocketAddrV4, interface: Ipv4Addr) -> io::Result<UdpSocket> {
    use socket2::{Domain, Protocol, Socket, Type};
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    let _ = socket.set_recv_buffer_size(SOCKET_BYTES);
    // Of the group alone: another one on the same port is not ours.
    socket.bind(&SocketAddr::from(group).into())?;
    socket.join_multicast_v4(group.ip(), &interface)?;
    socket.set_nonblocking(true)?;
    Ok(UdpSocket::from_std(socket.into()))
}

fn ask(server: SocketAddr) -> io::Result<UdpSocket> {
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any)?;
    socket.connect(server)?;
    Ok(socket)
}
