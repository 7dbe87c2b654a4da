//! A network of one process: bytes that are late, in pieces, or never come, by a seed.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use gateway::network::{Door, Network, Ready, Stream};
use venue::Clock;

use super::faults::{Counts, Fault};
use crate::random::Random;

/// A door of the venue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Port {
    Fix,
    Ouch,
    Feed,
}

impl Port {
    /// The loop that listens there has one for both.
    fn listener(self) -> Port {
        if self == Port::Ouch { Port::Fix } else { self }
    }

    fn door(self) -> Door {
        if self == Port::Ouch { Door::Ouch } else { Door::Fix }
    }
}

/// How one side of a connection goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leave {
    /// What was sent arrives, then the end.
    Close,
    /// What is on its way is lost.
    Reset,
    /// Nobody is told.
    Vanish,
}

/// A pair of pipes.
pub(super) type ConnId = u64;

/// What arrives changes on its way out: for a sabotage.
pub(super) type Filter = Rc<RefCell<dyn FnMut(ConnId, &[u8]) -> Vec<u8>>>;

#[derive(Clone)]
pub(super) struct Net(Rc<RefCell<State>>);

struct State {
    random: Random,
    clock: Clock,
    /// Whether a venue listens.
    up: bool,
    conns: BTreeMap<ConnId, Conn>,
    next_id: ConnId,
    counts: Counts,
    filter: Option<Filter>,
}

struct Conn {
    port: Port,
    /// Of the client's bytes, ns.
    delay: u64,
    jitter: u64,
    to_server: Pipe,
    to_client: Pipe,
    accepted: bool,
    /// The listener was told of it.
    announced: bool,
    /// Registered as this peer.
    peer: Option<usize>,
    /// The server wants to know when there is room.
    wants_room: bool,
    /// Told once after it was registered.
    greeted: bool,
    /// The end was told.
    end_told: bool,
    server_gone: bool,
    client_gone: bool,
}

#[derive(Default)]
struct Pipe {
    chunks: VecDeque<Chunk>,
    bytes: usize,
    capacity: usize,
    /// No chunk arrives before the one in front of it.
    last_at: u64,
    /// When the end arrives.
    end_at: Option<u64>,
    /// The end is a reset.
    reset: bool,
    /// Nothing arrives any more, and nobody knows.
    dead: bool,
}

struct Chunk {
    at: u64,
    bytes: Vec<u8>,
    taken: usize,
    told: bool,
}

impl Pipe {
    fn push(&mut self, at: u64, bytes: Vec<u8>) {
        if self.dead || self.end_at.is_some() || bytes.is_empty() {
            return;
        }
        self.last_at = self.last_at.max(at);
        self.bytes += bytes.len();
        self.chunks.push_back(Chunk { at: self.last_at, bytes, taken: 0, told: false });
    }

    fn end(&mut self, at: u64) {
        if self.end_at.is_none() && !self.dead {
            self.last_at = self.last_at.max(at);
            self.end_at = Some(self.last_at);
        }
    }

    fn reset(&mut self, at: u64) {
        self.chunks.clear();
        self.bytes = 0;
        self.reset = true;
        self.end_at = Some(at);
        self.last_at = at;
    }

    fn read(&mut self, now: u64, buf: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buf.len()
            && let Some(chunk) = self.chunks.front_mut()
            && chunk.at <= now
        {
            let rest = &chunk.bytes[chunk.taken..];
            let len = rest.len().min(buf.len() - filled);
            buf[filled..filled + len].copy_from_slice(&rest[..len]);
            filled += len;
            chunk.taken += len;
            if chunk.taken == chunk.bytes.len() {
                self.chunks.pop_front();
            }
        }
        self.bytes -= filled;
        if filled > 0 || buf.is_empty() {
            return Ok(filled);
        }
        match self.end_at {
            Some(at) if at <= now && self.chunks.is_empty() => {
                if self.reset {
                    Err(ErrorKind::ConnectionReset.into())
                } else {
                    Ok(0)
                }
            }
            _ => Err(ErrorKind::WouldBlock.into()),
        }
    }

    /// When something arrives that the reader was not told of.
    fn next(&self) -> Option<u64> {
        let chunk = self.chunks.iter().find(|chunk| !chunk.told).map(|chunk| chunk.at);
        chunk.into_iter().chain(self.end_at).min()
    }
}

impl Net {
    pub(super) fn new(random: Random, clock: Clock, filter: Option<Filter>) -> Net {
        Net(Rc::new(RefCell::new(State {
            random,
            clock,
            up: false,
            conns: BTreeMap::new(),
            next_id: 1,
            counts: Counts::default(),
            filter,
        })))
    }

    pub(super) fn listener(&self, port: Port) -> VirtualNetwork {
        self.0.borrow_mut().up = true;
        VirtualNetwork { net: self.clone(), port, ready: Vec::new() }
    }

    pub(super) fn counts(&self) -> Counts {
        self.0.borrow().counts.clone()
    }

    /// Opens a connection; `None` if nobody listens.
    pub(super) fn connect(&self, port: Port) -> Option<ConnId> {
        let mut state = self.0.borrow_mut();
        if !state.up {
            return None;
        }
        let id = state.next_id;
        state.next_id += 1;
        let delay = match state.random.below(10) {
            0 => 50_000_000,
            1..4 => 2_000_000,
            _ => 60_000,
        };
        let jitter =
            [0, 10_000, 200_000, 5_000_000][usize::try_from(state.random.below(4)).unwrap_or(0)];
        let capacity = if state.random.below(4) == 0 { 4_096 } else { 128 << 10 };
        let now = state.clock.now().0;
        let pipe = || Pipe { capacity, last_at: now + delay, ..Pipe::default() };
        let conn = Conn {
            port,
            delay,
            jitter,
            to_server: pipe(),
            to_client: pipe(),
            accepted: false,
            announced: false,
            peer: None,
            wants_room: false,
            greeted: false,
            end_told: false,
            server_gone: false,
            client_gone: false,
        };
        state.conns.insert(id, conn);
        Some(id)
    }

    /// Sends what there is room for; returns how much.
    pub(super) fn client_write(&self, id: ConnId, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.0.borrow_mut();
        let state = &mut *state;
        let now = state.clock.now().0;
        let Some(conn) = state.conns.get_mut(&id) else {
            return Err(ErrorKind::ConnectionReset.into());
        };
        if conn.server_gone {
            return Err(ErrorKind::ConnectionReset.into());
        }
        let room = conn.to_server.capacity.saturating_sub(conn.to_server.bytes);
        let len = bytes.len().min(room);
        send(
            &mut conn.to_server,
            &bytes[..len],
            (now, conn.delay, conn.jitter),
            &mut state.random,
            &mut state.counts,
        );
        Ok(len)
    }

    /// Reads what has arrived; `Ok(0)` is the end.
    pub(super) fn client_read(&self, id: ConnId, buf: &mut [u8]) -> io::Result<usize> {
        let mut state = self.0.borrow_mut();
        let now = state.clock.now().0;
        let Some(conn) = state.conns.get_mut(&id) else {
            return Err(ErrorKind::ConnectionReset.into());
        };
        let read = conn.to_client.read(now, buf);
        for chunk in conn.to_client.chunks.iter_mut().filter(|chunk| chunk.at <= now) {
            chunk.told = true;
        }
        read
    }

    /// Reads all that has arrived for the client into `inbox`. Says whether the connection is over.
    pub(super) fn client_drain(&self, id: ConnId, inbox: &mut Vec<u8>) -> bool {
        let mut buf = [0; 4_096];
        loop {
            match self.client_read(id, &mut buf) {
                Ok(0) => return true,
                Ok(len) => inbox.extend_from_slice(&buf[..len]),
                Err(error) => return error.kind() != ErrorKind::WouldBlock,
            }
        }
    }

    /// When something arrives for the client.
    pub(super) fn next_for_client(&self, id: ConnId) -> Option<u64> {
        let state = self.0.borrow();
        let conn = state.conns.get(&id)?;
        conn.to_client.next()
    }

    /// The client goes.
    pub(super) fn client_leaves(&self, id: ConnId, how: Leave) {
        let mut state = self.0.borrow_mut();
        let state = &mut *state;
        let now = state.clock.now().0;
        let Some(conn) = state.conns.get_mut(&id) else { return };
        conn.client_gone = true;
        match how {
            Leave::Close => {
                state.counts.add(Fault::Closed);
                conn.to_server.end(now + conn.delay);
            }
            Leave::Reset => {
                state.counts.add(Fault::Reset);
                let at = now + conn.delay;
                // What arrives before the reset is there to be read until it comes.
                if state.random.below(2) == 0 {
                    conn.to_server.reset(at);
                } else {
                    conn.to_server.chunks.retain(|chunk| chunk.at <= at);
                    conn.to_server.bytes =
                        conn.to_server.chunks.iter().map(|it| it.bytes.len() - it.taken).sum();
                    conn.to_server.reset = true;
                    conn.to_server.end_at = Some(at);
                }
                conn.to_client.dead = true;
            }
            Leave::Vanish => {
                state.counts.add(Fault::HalfOpen);
                conn.to_server.dead = true;
                conn.to_server.chunks.clear();
                conn.to_server.bytes = 0;
                conn.to_client.dead = true;
            }
        }
        state.sweep();
    }

    /// The client has seen the end, or had enough.
    pub(super) fn client_done(&self, id: ConnId) {
        let mut state = self.0.borrow_mut();
        let now = state.clock.now().0;
        if let Some(conn) = state.conns.get_mut(&id) {
            conn.client_gone = true;
            let at = now + conn.delay;
            conn.to_server.end(at);
        }
        state.sweep();
    }

    /// The process of the venue ended; with the machine, nobody tells the peers.
    pub(super) fn venue_ended(&self, how: Leave) {
        let mut state = self.0.borrow_mut();
        let state = &mut *state;
        state.up = false;
        let now = state.clock.now().0;
        for conn in state.conns.values_mut() {
            conn.server_gone = true;
            conn.peer = None;
            if how == Leave::Vanish {
                conn.to_client.chunks.retain(|chunk| chunk.at <= now);
                conn.to_client.bytes =
                    conn.to_client.chunks.iter().map(|it| it.bytes.len() - it.taken).sum();
            }
            conn.to_client.end(now + conn.delay);
        }
        state.sweep();
    }

    /// When the venue's poll would say something; `None`: when somebody does something.
    pub(super) fn next_for_venue(&self) -> Option<u64> {
        let state = self.0.borrow();
        let mut next = None;
        let mut at = |time: u64| next = Some(next.map_or(time, |next: u64| next.min(time)));
        for conn in state.conns.values().filter(|conn| !conn.server_gone) {
            if !conn.accepted {
                if !conn.announced {
                    at(conn.to_server.last_at.min(conn.to_client.last_at));
                }
                continue;
            }
            if conn.peer.is_none() {
                continue;
            }
            if !conn.greeted || (conn.wants_room && conn.has_room()) {
                at(0);
            }
            if let Some(chunk) = conn.to_server.chunks.iter().find(|chunk| !chunk.told) {
                at(chunk.at);
            }
            if let Some(end) = conn.to_server.end_at.filter(|_| !conn.end_told) {
                at(end);
            }
        }
        next
    }
}

fn send(
    pipe: &mut Pipe,
    bytes: &[u8],
    (now, delay, jitter): (u64, u64, u64),
    random: &mut Random,
    counts: &mut Counts,
) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let len = if rest.len() > 1 && random.below(8) == 0 {
            counts.add(Fault::Split);
            usize::try_from(random.below(rest.len() as u64 - 1)).unwrap_or(0) + 1
        } else {
            rest.len()
        };
        let (head, tail) = rest.split_at(len);
        let mut at = now + delay + random.below(jitter + 1);
        if random.below(200) == 0 {
            counts.add(Fault::Delayed);
            at += random.below(3_000_000_000);
        }
        pipe.push(at, head.to_vec());
        rest = tail;
    }
}

impl Conn {
    fn has_room(&self) -> bool {
        self.to_client.bytes < self.to_client.capacity
    }
}

impl State {
    fn sweep(&mut self) {
        self.conns.retain(|_, conn| !(conn.server_gone && conn.client_gone));
    }

    fn ready(&mut self, port: Port, out: &mut Vec<Ready>) {
        let now = self.clock.now().0;
        let mut connects = false;
        for conn in self.conns.values_mut().filter(|conn| !conn.server_gone) {
            if conn.port.listener() != port {
                continue;
            }
            if !conn.accepted {
                if !conn.announced && conn.to_server.last_at.min(conn.to_client.last_at) <= now {
                    conn.announced = true;
                    connects = true;
                }
                continue;
            }
            let Some(peer) = conn.peer else { continue };
            let mut readable = false;
            for chunk in conn.to_server.chunks.iter_mut().take_while(|chunk| chunk.at <= now) {
                readable |= !std::mem::replace(&mut chunk.told, true);
            }
            let over = conn.to_server.end_at.is_some_and(|at| at <= now);
            let ends = over && !std::mem::replace(&mut conn.end_told, true);
            let writable = !conn.greeted || (conn.wants_room && conn.has_room());
            conn.greeted = true;
            if writable {
                conn.wants_room = false;
            }
            if readable || writable || ends {
                out.push(Ready::Peer { peer, readable: readable || ends, writable, ends });
            }
        }
        if connects {
            out.push(Ready::Listener);
        }
    }

    fn has_ready(&self, port: Port) -> bool {
        let now = self.clock.now().0;
        self.conns.values().filter(|conn| !conn.server_gone && conn.port.listener() == port).any(
            |conn| {
                if !conn.accepted {
                    return !conn.announced
                        && conn.to_server.last_at.min(conn.to_client.last_at) <= now;
                }
                conn.peer.is_some()
                    && (!conn.greeted
                        || (conn.wants_room && conn.has_room())
                        || conn.to_server.chunks.iter().any(|chunk| !chunk.told && chunk.at <= now)
                        || (!conn.end_told && conn.to_server.end_at.is_some_and(|at| at <= now)))
            },
        )
    }
}

/// What a venue's loop polls.
pub(super) struct VirtualNetwork {
    net: Net,
    port: Port,
    ready: Vec<Ready>,
}

impl Network for VirtualNetwork {
    type Stream = VirtualStream;

    fn accept(&mut self) -> io::Result<(VirtualStream, SocketAddr, Door)> {
        let mut state = self.net.0.borrow_mut();
        let waits = state.conns.iter_mut().find(|(_, conn)| {
            conn.port.listener() == self.port
                && conn.announced
                && !conn.accepted
                && !conn.server_gone
        });
        let Some((id, conn)) = waits else { return Err(ErrorKind::WouldBlock.into()) };
        conn.accepted = true;
        let port = u16::try_from(*id % 50_000).unwrap_or(0) + 10_000;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Ok((VirtualStream { net: self.net.clone(), id: *id }, address, conn.port.door()))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, 1)))
    }

    fn register(&mut self, stream: &mut VirtualStream, peer: usize) -> io::Result<()> {
        if let Some(conn) = self.net.0.borrow_mut().conns.get_mut(&stream.id) {
            conn.peer = Some(peer);
        }
        Ok(())
    }

    fn forget(&mut self, stream: &mut VirtualStream) {
        if let Some(conn) = self.net.0.borrow_mut().conns.get_mut(&stream.id) {
            conn.peer = None;
        }
    }

    fn poll(&mut self, _: Option<Duration>) -> io::Result<()> {
        self.ready.clear();
        let mut state = self.net.0.borrow_mut();
        state.ready(self.port, &mut self.ready);
        if self.port == Port::Fix && state.has_ready(Port::Feed) {
            self.ready.push(Ready::Joined);
        }
        Ok(())
    }

    fn ready(&self) -> impl Iterator<Item = Ready> + '_ {
        self.ready.iter().copied()
    }
}

/// The venue's end of a connection.
pub(super) struct VirtualStream {
    net: Net,
    id: ConnId,
}

impl Stream for VirtualStream {
    fn no_delay(&self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for VirtualStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut state = self.net.0.borrow_mut();
        let now = state.clock.now().0;
        match state.conns.get_mut(&self.id) {
            Some(conn) => conn.to_server.read(now, buf),
            None => Err(ErrorKind::ConnectionReset.into()),
        }
    }
}

impl Write for VirtualStream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let mut state = self.net.0.borrow_mut();
        let state = &mut *state;
        let now = state.clock.now().0;
        let Some(conn) = state.conns.get_mut(&self.id) else {
            return Err(ErrorKind::BrokenPipe.into());
        };
        if conn.to_server.reset && conn.to_server.end_at.is_some_and(|at| at <= now) {
            return Err(ErrorKind::ConnectionReset.into());
        }
        let room = conn.to_client.capacity.saturating_sub(conn.to_client.bytes);
        let times = (now, conn.delay, conn.jitter);
        let (len, changed) = match &state.filter {
            // It sees whole messages: everything is taken.
            Some(filter) => (buf.len(), Some((filter.borrow_mut())(self.id, buf))),
            None => (buf.len().min(room), None),
        };
        if len == 0 {
            conn.wants_room = true;
            return Err(ErrorKind::WouldBlock.into());
        }
        if len < buf.len() {
            conn.wants_room = true;
        }
        let bytes = changed.as_deref().unwrap_or(&buf[..len]);
        if conn.to_client.dead {
            // Nobody takes it out again: it fills up.
            conn.to_client.bytes += bytes.len();
        } else {
            send(&mut conn.to_client, bytes, times, &mut state.random, &mut state.counts);
        }
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for VirtualStream {
    fn drop(&mut self) {
        let Ok(mut state) = self.net.0.try_borrow_mut() else { return };
        let state = &mut *state;
        let now = state.clock.now().0;
        let Some(conn) = state.conns.get_mut(&self.id) else { return };
        if conn.server_gone {
            return;
        }
        conn.server_gone = true;
        conn.peer = None;
        // A close with bytes unread is a reset, which may overtake what was sent.
        if conn.to_server.bytes > 0 && state.random.below(2) == 0 {
            conn.to_client.reset(now + conn.delay);
        } else {
            conn.to_client.end(now + conn.delay);
        }
        state.sweep();
    }
}
