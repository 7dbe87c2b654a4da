//! Listens, polls, and brings sockets, sessions, order entry and the journal together.
//!
//! One event loop for all connections. It owns no thread and no clock: the venue calls it and says
//! what time it is. Nothing in here waits: no room in the ring to the core means that bytes stay in
//! the kernel; a peer that does not read is cut.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::os::fd::RawFd;
use std::time::Duration;

use matcher::{
    Command, Event, Input, MassCancelScope, MsgSeqNum, Numbering, SessionId, Timestamp,
};
use mio::net::TcpListener;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};

use crate::connection::{Connection, Fill, Flush};
use crate::fix::{
    After, CloseReason, DecodeError, Fields, Header, Message, Note, Profile, Session, Shell, Taken,
    decode,
};
use crate::order_entry::{Inputs, OrderEntry, Request, Told, Unreadable};

const LISTENER: Token = Token(0);
const WAKER: Token = Token(1);
const OTHER: Token = Token(2);
const FIRST_PEER: usize = 8;

/// Submits that a call into a session may need at most.
const ROOM_MIN: usize = 8;

/// Room in the ring under which new orders are refused with a reason instead of being queued.
const ROOM_FOR_ORDERS: usize = 32;

/// Messages of one connection before the next has its turn.
const MESSAGES_A_ROUND: usize = 256;

/// Ranges that one session may have asked for and not yet got.
const RESENDS_MAX: usize = 8;

/// Messages said again before live traffic has its turn.
const RESENDS_A_ROUND: usize = 256;

/// Connections taken in one go.
const ACCEPTS_A_ROUND: usize = 64;

/// How often timers are looked at, at most.
///
/// Unit: ns. Heartbeats are counted in seconds; 20 ms keeps an idle venue asleep.
const TICK_NS: u64 = 20_000_000;

/// Where the gateway's requests go: the ring into the core.
pub trait Requests {
    /// How many requests there is room for.
    fn room(&self) -> usize;
    /// Whether orders and replaces are taken at present; else they stay in their sockets, with what
    /// is behind them.
    fn takes_orders(&self) -> bool;
    /// Puts one in; the caller has looked at [`Requests::room`].
    fn submit(
        &mut self,
        session: SessionId,
        inbound: MsgSeqNum,
        command: &Command,
        attachment: &[u8],
    );
}

/// What was said before: the journal, read by session and number.
pub trait History: Inputs {
    /// Hands `each` the messages of `session` numbered `from..=to`, in order, until it breaks.
    fn messages(
        &mut self,
        session: SessionId,
        from: MsgSeqNum,
        to: MsgSeqNum,
        each: &mut dyn FnMut(MsgSeqNum, &Told<'_>) -> ControlFlow<()>,
    );
}

/// How the acceptor listens.
#[derive(Clone, Debug)]
pub struct AcceptorConfig {
    /// Connections at once; one more is closed at once.
    pub connections_max: usize,
    /// Bytes that may wait for a slow peer before it is cut.
    pub out_buffer_bytes: usize,
    /// How long a connection may stay without a Logon, ns.
    pub logon_timeout_ns: u64,
}

/// Who may log on.
pub struct SessionSetup {
    /// Its id in the engine.
    pub id: SessionId,
    /// Rules and names.
    pub profile: Profile,
    /// As of the end of the journal.
    pub last_inbound: MsgSeqNum,
    /// As of the end of the journal.
    pub last_outbound: MsgSeqNum,
    /// Whether its orders are canceled when its connection ends.
    pub cancel_on_disconnect: bool,
}

/// What happened at the border since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AcceptorStats {
    /// Connections taken.
    pub accepted: u64,
    /// Connections closed because too many were open.
    pub over_limit: u64,
    /// First messages that were no good Logon.
    pub logons_refused: u64,
    /// Stretches of bytes that were no message.
    pub garbled: u64,
    /// Peers cut because they did not read.
    pub slow_peers: u64,
    /// Peers cut because they sent no Logon in time.
    pub logon_timeouts: u64,
    /// Times that input waited because the ring was full.
    pub ring_full: u64,
    /// Messages that could not be written because the journal could not be read.
    pub unreadable: u64,
}

struct Peer {
    connection: Connection,
    session: Option<SessionId>,
    opened: Timestamp,
    /// The socket may have bytes that were not read.
    ready: bool,
    /// It waits in `dirty`.
    dirty: bool,
    /// Close once everything is written.
    closing: bool,
    want_write: bool,
    /// Something that it must be told cannot be read from the journal: better no connection than a hole.
    broken: bool,
}

struct Slot {
    session: Session,
    peer: Option<usize>,
    cancel_on_disconnect: bool,
    resends: VecDeque<(u32, u32)>,
}

/// All FIX connections and sessions of one gateway thread.
pub struct Acceptor {
    poll: Poll,
    events: Events,
    listener: TcpListener,
    config: AcceptorConfig,
    peers: Vec<Option<Peer>>,
    free: Vec<usize>,
    ready: Vec<usize>,
    dirty: Vec<usize>,
    resending: Vec<SessionId>,
    slots: Vec<Option<Slot>>,
    by_comp_id: HashMap<Vec<u8>, SessionId>,
    entry: OrderEntry,
    fields: Fields,
    disconnects: VecDeque<SessionId>,
    deadline: Option<Timestamp>,
    stats: AcceptorStats,
    stopping: bool,
    joined_ready: bool,
}

impl Acceptor {
    /// Takes connections from `listener`. `entry` has followed the journal to its end.
    ///
    /// # Errors
    ///
    /// If the kernel has no more descriptors.
    pub fn new(
        mut listener: TcpListener,
        config: AcceptorConfig,
        sessions: Vec<SessionSetup>,
        entry: OrderEntry,
    ) -> io::Result<Acceptor> {
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let mut acceptor = Acceptor {
            poll,
            events: Events::with_capacity(1_024),
            listener,
            config,
            peers: Vec::new(),
            free: Vec::new(),
            ready: Vec::new(),
            dirty: Vec::new(),
            resending: Vec::new(),
            slots: Vec::new(),
            by_comp_id: HashMap::new(),
            entry,
            fields: Fields::new(),
            disconnects: VecDeque::new(),
            deadline: None,
            stats: AcceptorStats::default(),
            stopping: false,
            joined_ready: false,
        };
        for setup in sessions {
            let index = setup.id.index();
            if acceptor.slots.len() <= index {
                acceptor.slots.resize_with(index + 1, || None);
            }
            let comp_id = setup.profile.identity.target_comp_id.as_bytes().to_vec();
            acceptor.by_comp_id.insert(comp_id, setup.id);
            let session = Session::new(setup.profile, setup.last_inbound, setup.last_outbound);
            acceptor.slots[index] = Some(Slot {
                session,
                peer: None,
                cancel_on_disconnect: setup.cancel_on_disconnect,
                resends: VecDeque::new(),
            });
        }
        Ok(acceptor)
    }

    /// Where it listens.
    ///
    /// # Errors
    ///
    /// If the kernel does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Wakes [`Acceptor::poll`] from another thread.
    ///
    /// # Errors
    ///
    /// If the kernel has no more descriptors.
    pub fn waker(&self) -> io::Result<Waker> {
        Waker::new(self.poll.registry(), WAKER)
    }

    /// Makes [`Acceptor::poll`] return when `fd` is readable too: another loop joined to this one.
    ///
    /// # Errors
    ///
    /// If the kernel refuses.
    pub fn join(&self, fd: RawFd) -> io::Result<()> {
        self.poll.registry().register(&mut SourceFd(&fd), OTHER, Interest::READABLE)
    }

    /// Whether a joined loop became readable since this was asked last.
    pub fn take_joined_ready(&mut self) -> bool {
        std::mem::take(&mut self.joined_ready)
    }

    /// What happened at the border.
    #[must_use]
    pub fn stats(&self) -> AcceptorStats {
        self.stats
    }

    /// Connections at present.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.peers.len() - self.free.len()
    }

    /// Whether [`Acceptor::serve`] would find something without another poll.
    #[must_use]
    pub fn has_work(&self) -> bool {
        !self.ready.is_empty() || !self.dirty.is_empty() || !self.resending.is_empty()
    }

    /// When [`Acceptor::tick`] wants to be called next.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        self.deadline
    }

    /// Waits for sockets, at most `timeout`.
    ///
    /// # Errors
    ///
    /// If the kernel's poll fails: the loop cannot go on.
    pub fn poll(&mut self, timeout: Option<Duration>, now: Timestamp) -> io::Result<()> {
        match self.poll.poll(&mut self.events, timeout) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(error),
        }
        let mut accept = false;
        for event in &self.events {
            match event.token() {
                LISTENER => accept = true,
                WAKER => {}
                OTHER => self.joined_ready = true,
                Token(token) => {
                    let index = token - FIRST_PEER;
                    let Some(Some(peer)) = self.peers.get_mut(index) else { continue };
                    if event.is_read_closed() {
                        // A read that ends with the last bytes looks drained: the end is said here.
                        peer.connection.peer_ends();
                    }
                    if (event.is_readable() || event.is_read_closed() || event.is_error())
                        && !peer.ready
                    {
                        peer.ready = true;
                        self.ready.push(index);
                    }
                    if event.is_writable() && peer.want_write && !peer.dirty {
                        peer.dirty = true;
                        self.dirty.push(index);
                    }
                }
            }
        }
        if accept {
            self.accept(now);
        }
        Ok(())
    }

    fn accept(&mut self, now: Timestamp) {
        for _ in 0..ACCEPTS_A_ROUND {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // The peer is gone again, or descriptors ran out: the next one may do.
                Err(_) => continue,
            };
            if self.connections() >= self.config.connections_max || self.stopping {
                self.stats.over_limit += 1;
                continue;
            }
            let Ok(mut connection) = Connection::new(stream, self.config.out_buffer_bytes) else {
                continue;
            };
            let index = self.free.pop().unwrap_or_else(|| {
                self.peers.push(None);
                self.peers.len() - 1
            });
            let token = Token(FIRST_PEER + index);
            let interest = Interest::READABLE | Interest::WRITABLE;
            if self.poll.registry().register(connection.stream_mut(), token, interest).is_err() {
                self.free.push(index);
                continue;
            }
            self.stats.accepted += 1;
            self.peers[index] = Some(Peer {
                connection,
                session: None,
                opened: now,
                ready: true,
                dirty: false,
                closing: false,
                want_write: false,
                broken: false,
            });
            self.ready.push(index);
            self.deadline = Some(now);
        }
        // More may wait; edge-triggered readiness would not say so again.
        let _ = self.poll.registry().reregister(&mut self.listener, LISTENER, Interest::READABLE);
    }

    /// Reads what came in and hands it to the sessions, as far as `requests` has room.
    pub fn serve(&mut self, now: Timestamp, requests: &mut impl Requests) {
        self.cancel_for_disconnects(requests);
        let mut ready = std::mem::take(&mut self.ready);
        for index in ready.drain(..) {
            let Some(mut peer) = self.peers.get_mut(index).and_then(Option::take) else { continue };
            match self.serve_peer(index, &mut peer, now, requests) {
                Served::Waits => {
                    peer.ready = false;
                    self.hasten(&peer);
                    self.peers[index] = Some(peer);
                }
                Served::More => {
                    self.hasten(&peer);
                    self.ready.push(index);
                    self.peers[index] = Some(peer);
                }
                Served::Gone => self.drop_peer(index, peer),
            }
        }
        if self.ready.is_empty() {
            self.ready = ready;
        }
    }

    /// What a session read may have brought its next deadline nearer.
    fn hasten(&mut self, peer: &Peer) {
        let slot = peer.session.and_then(|id| self.slots.get(id.index())?.as_ref());
        if let Some(deadline) = slot.and_then(|slot| slot.session.deadline()) {
            self.deadline = Some(self.deadline.map_or(deadline, |next| next.min(deadline)));
        }
    }

    fn serve_peer(
        &mut self,
        index: usize,
        peer: &mut Peer,
        now: Timestamp,
        requests: &mut impl Requests,
    ) -> Served {
        let mut filled = None;
        for _ in 0..MESSAGES_A_ROUND {
            if requests.room() < ROOM_MIN {
                self.stats.ring_full += 1;
                return Served::More;
            }
            if peer.closing {
                // Whatever else it sends is read and thrown away until our last bytes are out.
                let len = peer.connection.input().len();
                peer.connection.consume(len);
            }
            let (bytes, fields) = (peer.connection.input(), &mut self.fields);
            let used = match decode(bytes, fields) {
                Ok((message, _)) if is_order(&message) && !requests.takes_orders() => {
                    return Served::More;
                }
                Ok((message, used)) => {
                    let (slots, entry) = (&mut self.slots, &mut self.entry);
                    let mut border = Border { slots, entry, requests, resending: &mut self.resending };
                    let gone = match peer.session {
                        Some(id) => border.receive(id, now, &message).is_some(),
                        None => match border.logon(&self.by_comp_id, index, now, &message) {
                            Some(id) => {
                                peer.session = Some(id);
                                self.deadline = Some(now);
                                border.receive(id, now, &message).is_some()
                            }
                            None => {
                                self.stats.logons_refused += 1;
                                true
                            }
                        },
                    };
                    if gone {
                        return Served::Gone;
                    }
                    used
                }
                Err(DecodeError::Garbled { resume_at }) => {
                    self.stats.garbled += 1;
                    if peer.session.is_none() {
                        return Served::Gone;
                    }
                    resume_at.max(1)
                }
                Err(DecodeError::TooLong { .. }) => {
                    self.stats.garbled += 1;
                    return Served::Gone;
                }
                Err(DecodeError::Incomplete) => match filled {
                    Some(Fill::Drained) => return Served::Waits,
                    Some(Fill::Closed) => return Served::Gone,
                    None | Some(Fill::Data) => match peer.connection.fill() {
                        Ok(fill) => {
                            filled = Some(fill);
                            0
                        }
                        Err(_) => return Served::Gone,
                    },
                },
            };
            peer.connection.consume(used);
        }
        Served::More
    }

    /// An Input of the journal, released or not yet numbered: the first record of each turn.
    pub fn input(&mut self, position: u64, input: &Input, attachment: &[u8]) {
        self.entry.input(position, input, attachment);
        if let Command::Note(Numbering::Reset) = input.command
            && let Some(Some(slot)) = self.slots.get_mut(input.session.index())
        {
            slot.resends.clear();
        }
    }

    /// An Event of the journal that may leave: whom it tells is told.
    pub fn event(&mut self, now: Timestamp, told: &Told<'_>, inputs: &mut impl Inputs) {
        self.entry.event(told.position, told.input, told.attachment, told.event);
        for (session, msg) in told.event.recipients().into_iter().flatten() {
            let Some(Some(slot)) = self.slots.get_mut(session.index()) else { continue };
            slot.session.numbered(msg);
            let Some(index) = slot.peer else { continue };
            let Some(Some(peer)) = self.peers.get_mut(index) else { continue };
            let turn_time = told.input.timestamp;
            if let Event::Numbered { .. } = told.event {
                let Some(note) = Note::decode(told.attachment) else { continue };
                let out = peer.connection.output();
                match slot.session.note(now, turn_time, msg, &note, out) {
                    After::Open => {}
                    After::CloseWhenWritten => peer.closing = true,
                }
                // A session that is open now has heartbeats to send.
                if let Some(deadline) = slot.session.deadline() {
                    self.deadline = Some(self.deadline.map_or(deadline, |next| next.min(deadline)));
                }
                // A Logon that is answered starts the session's timers, a Heartbeat sets the next one.
                if let Some(deadline) = slot.session.deadline() {
                    self.deadline = Some(self.deadline.map_or(deadline, |next| next.min(deadline)));
                }
            } else if slot.session.is_active() {
                let told = Told { session, ..*told };
                let header = Header { msg, sending_time: turn_time, resend: false, now };
                let identity = slot.session.identity();
                let out = peer.connection.output();
                if self.entry.report(&told, identity, &header, inputs, out).is_err() {
                    self.stats.unreadable += 1;
                    peer.broken = true;
                }
                slot.session.wrote(now);
            }
            if !peer.dirty {
                peer.dirty = true;
                self.dirty.push(index);
            }
        }
    }

    /// Says again what sessions asked for, as far as their buffers have room.
    pub fn resend(&mut self, now: Timestamp, history: &mut impl History) {
        let mut resending = std::mem::take(&mut self.resending);
        resending.retain(|id| {
            let Some(Some(slot)) = self.slots.get_mut(id.index()) else { return false };
            let Some(index) = slot.peer else {
                slot.resends.clear();
                return false;
            };
            let Some(Some(peer)) = self.peers.get_mut(index) else { return false };
            // Half the buffer is left to live traffic, which would cut the peer at its end.
            let most = self.config.out_buffer_bytes / 2;
            while let Some((from, to)) = slot.resends.pop_front() {
                if peer.connection.waiting() >= most {
                    slot.resends.push_front((from, to));
                    break;
                }
                let out = peer.connection.output();
                let (session, entry) = (&slot.session, &self.entry);
                let range = (from, to);
                let Ok(next) = resend_range(session, entry, *id, range, now, history, out, most) else {
                    self.stats.unreadable += 1;
                    peer.broken = true;
                    break;
                };
                slot.session.wrote(now);
                if next <= to {
                    slot.resends.push_front((next, to));
                    break;
                }
            }
            if !peer.dirty {
                peer.dirty = true;
                self.dirty.push(index);
            }
            !slot.resends.is_empty()
        });
        resending.append(&mut self.resending);
        self.resending = resending;
    }

    /// Writes what waits, one system call a connection.
    pub fn flush(&mut self) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for index in dirty.drain(..) {
            let Some(mut peer) = self.peers.get_mut(index).and_then(Option::take) else { continue };
            peer.dirty = false;
            if peer.broken {
                self.drop_peer(index, peer);
                continue;
            }
            let slow = peer.connection.is_over();
            match peer.connection.flush() {
                Ok(Flush::Done) if peer.closing => self.drop_peer(index, peer),
                Ok(Flush::Done) => {
                    peer.want_write = false;
                    self.peers[index] = Some(peer);
                }
                Ok(Flush::Blocked) if slow => {
                    self.stats.slow_peers += 1;
                    self.drop_peer(index, peer);
                }
                Ok(Flush::Blocked) => {
                    peer.want_write = true;
                    self.peers[index] = Some(peer);
                }
                Err(_) => self.drop_peer(index, peer),
            }
        }
        if self.dirty.is_empty() {
            self.dirty = dirty;
        }
    }

    /// Timers: heartbeats, test requests, peers that never log on.
    pub fn tick(&mut self, now: Timestamp, requests: &mut impl Requests) {
        self.cancel_for_disconnects(requests);
        if self.deadline.is_none_or(|deadline| deadline > now) {
            return;
        }
        let mut next: Option<Timestamp> = None;
        for index in 0..self.peers.len() {
            let Some(mut peer) = self.peers[index].take() else { continue };
            if requests.room() < ROOM_MIN {
                self.peers[index] = Some(peer);
                next = Some(now);
                break;
            }
            let (gone, deadline) = match peer.session {
                None => {
                    let deadline = Timestamp(peer.opened.0 + self.config.logon_timeout_ns);
                    if deadline <= now {
                        self.stats.logon_timeouts += 1;
                    }
                    (deadline <= now, Some(deadline))
                }
                Some(id) => {
                    let (slots, entry) = (&mut self.slots, &mut self.entry);
                    let mut border = Border { slots, entry, requests, resending: &mut self.resending };
                    let gone = border.tick(id, now).is_some();
                    let slot = self.slots[id.index()].as_ref();
                    (gone, slot.and_then(|slot| slot.session.deadline()))
                }
            };
            if gone && !peer.closing {
                // What was written before (a Logout) goes out if the socket takes it at once.
                let _ = peer.connection.flush();
                self.drop_peer(index, peer);
                continue;
            }
            if let Some(deadline) = deadline {
                next = Some(next.map_or(deadline, |next| next.min(deadline)));
            }
            self.peers[index] = Some(peer);
        }
        self.deadline = next.map(|next| next.max(Timestamp(now.0 + TICK_NS)));
    }

    /// The venue stops: every session is told, no more connections are taken.
    pub fn stop(&mut self, now: Timestamp, text: &[u8], requests: &mut impl Requests) {
        self.stopping = true;
        for index in 0..self.slots.len() {
            if requests.room() < ROOM_MIN {
                break;
            }
            let Some(slot) = &mut self.slots[index] else { continue };
            if slot.peer.is_none() {
                continue;
            }
            let (entry, resends) = (&mut self.entry, &mut slot.resends);
            #[allow(clippy::cast_possible_truncation)] // Session ids are u32.
            let session = SessionId(index as u32);
            let mut shell = FixShell { session, entry, requests, resends, close: None };
            slot.session.stop(now, text, &mut shell);
        }
    }

    fn drop_peer(&mut self, index: usize, mut peer: Peer) {
        let _ = self.poll.registry().deregister(peer.connection.stream_mut());
        self.free.push(index);
        let Some(id) = peer.session else { return };
        let Some(Some(slot)) = self.slots.get_mut(id.index()) else { return };
        slot.session.disconnected();
        slot.resends.clear();
        slot.peer = None;
        if slot.cancel_on_disconnect {
            self.disconnects.push_back(id);
        }
    }

    fn cancel_for_disconnects(&mut self, requests: &mut impl Requests) {
        while requests.room() >= ROOM_MIN {
            let Some(id) = self.disconnects.pop_front() else { return };
            let command = Command::MassCancel(MassCancelScope::Session);
            requests.submit(id, MsgSeqNum::NONE, &command, &[]);
        }
    }
}

fn is_order(message: &Message<'_>) -> bool {
    matches!(message.msg_type(), b"D" | b"G")
}

enum Served {
    /// The socket has no more bytes.
    Waits,
    /// It has, or may have: its next turn is after the others'.
    More,
    /// The connection is over.
    Gone,
}

/// What a message from a socket can reach.
struct Border<'a, R> {
    slots: &'a mut Vec<Option<Slot>>,
    entry: &'a mut OrderEntry,
    requests: &'a mut R,
    resending: &'a mut Vec<SessionId>,
}

impl<R: Requests> Border<'_, R> {
    /// Whose Logon this is, if it is a good one and the session has no connection yet.
    fn logon(
        &mut self,
        by_comp_id: &HashMap<Vec<u8>, SessionId>,
        peer: usize,
        now: Timestamp,
        message: &Message<'_>,
    ) -> Option<SessionId> {
        if message.msg_type() != b"A" {
            return None;
        }
        let id = *by_comp_id.get(message.get(49)?)?;
        let slot = self.slots.get_mut(id.index())?.as_mut()?;
        if slot.peer.is_some() || slot.session.check_logon(now, message).is_err() {
            return None;
        }
        slot.session.connect(now);
        slot.peer = Some(peer);
        Some(id)
    }

    fn receive(
        &mut self,
        id: SessionId,
        now: Timestamp,
        message: &Message<'_>,
    ) -> Option<CloseReason> {
        self.with(id, |session, shell| {
            session.receive(now, message, shell);
            let mut fields = None;
            while shell.close.is_none() && shell.requests.room() >= ROOM_MIN {
                let Some(bytes) = session.next_queued() else { break };
                let fields = fields.get_or_insert_with(Fields::new);
                if let Ok((message, _)) = decode(&bytes, fields) {
                    session.receive(now, &message, shell);
                }
            }
        })
    }

    fn tick(&mut self, id: SessionId, now: Timestamp) -> Option<CloseReason> {
        self.with(id, |session, shell| session.tick(now, shell))
    }

    fn with(
        &mut self,
        id: SessionId,
        call: impl FnOnce(&mut Session, &mut FixShell<'_, R>),
    ) -> Option<CloseReason> {
        let slot = self.slots.get_mut(id.index())?.as_mut()?;
        let (entry, requests) = (&mut *self.entry, &mut *self.requests);
        let mut shell =
            FixShell { session: id, entry, requests, resends: &mut slot.resends, close: None };
        call(&mut slot.session, &mut shell);
        let close = shell.close;
        if !slot.resends.is_empty() && !self.resending.contains(&id) {
            self.resending.push(id);
        }
        close
    }
}

struct FixShell<'a, R> {
    session: SessionId,
    entry: &'a mut OrderEntry,
    requests: &'a mut R,
    resends: &'a mut VecDeque<(u32, u32)>,
    close: Option<CloseReason>,
}

impl<R: Requests> Shell for FixShell<'_, R> {
    fn submit(&mut self, inbound: MsgSeqNum, command: &Command, attachment: &[u8]) {
        self.requests.submit(self.session, inbound, command, attachment);
    }

    fn application<'m>(
        &mut self,
        inbound: MsgSeqNum,
        message: &Message<'m>,
        poss_resend: bool,
    ) -> Taken<'m> {
        let throttled = self.requests.room() < ROOM_FOR_ORDERS;
        let mut attachment = [0; matcher::record::ATTACHMENT_BYTES_MAX];
        match self.entry.request(self.session, message, poss_resend, throttled, &mut attachment) {
            Request::Submit { command, attachment_len } => {
                let attachment = &attachment[..attachment_len];
                self.requests.submit(self.session, inbound, &command, attachment);
                Taken::Submitted
            }
            Request::Ignore => Taken::Ignored,
            Request::Reject { tag, reason } => Taken::Reject { tag, reason },
            Request::BusinessReject { reason, ref_id, text } => {
                Taken::BusinessReject { reason, text, ref_id }
            }
        }
    }

    fn resend(&mut self, begin: MsgSeqNum, end: MsgSeqNum) {
        // A peer that asks again before it has its answer gets the one it is waiting for.
        if self.resends.len() < RESENDS_MAX {
            self.resends.push_back((begin.0, end.0));
        }
    }

    fn close(&mut self, why: CloseReason) {
        self.close = Some(why);
    }
}

/// Says `range` again: application messages with PossDupFlag(43)=Y, session-layer ones as gap fills.
/// Returns the first number not yet said.
#[allow(clippy::too_many_arguments)]
fn resend_range(
    session: &Session,
    entry: &OrderEntry,
    id: SessionId,
    range: (u32, u32),
    now: Timestamp,
    history: &mut impl History,
    out: &mut Vec<u8>,
    most: usize,
) -> Result<u32, Unreadable> {
    let (from, to) = range;
    let mut said = Vec::new();
    let mut count = 0;
    // First what is to be said is collected, since reading one message may need the journal again.
    history.messages(id, MsgSeqNum(from), MsgSeqNum(to), &mut |msg, told| {
        said.push((msg, OwnedTold::new(told)));
        count += 1;
        if count >= RESENDS_A_ROUND { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    let mut next = from;
    let mut gap: Option<u32> = None;
    for (msg, told) in &said {
        if out.len() >= most {
            break;
        }
        next = msg.0 + 1;
        let note = match told.event {
            Event::Numbered { .. } => Note::decode(&told.attachment),
            _ => None,
        };
        let session_layer = matches!(told.event, Event::Numbered { .. })
            && note.as_ref().is_none_or(|note| !note.is_application());
        if session_layer {
            gap.get_or_insert(msg.0);
            continue;
        }
        if let Some(first) = gap.take() {
            session.gap_fill(MsgSeqNum(first), *msg, now, out);
        }
        let sending_time = told.input.timestamp;
        let header = Header { msg: *msg, sending_time, resend: true, now };
        match note {
            Some(note) => note.write(session.identity(), &header, out),
            None => {
                entry.report(&told.told(id), session.identity(), &header, history, out)?;
            }
        }
    }
    if let Some(first) = gap {
        session.gap_fill(MsgSeqNum(first), MsgSeqNum(next), now, out);
    }
    // A number that the journal does not have cannot be; should it be, it is filled, not looped on.
    if said.is_empty() {
        session.gap_fill(MsgSeqNum(from), MsgSeqNum(to + 1), now, out);
        return Ok(to + 1);
    }
    Ok(next)
}

struct OwnedTold {
    position: u64,
    input: Input,
    attachment: Vec<u8>,
    event: Event,
    event_index: u32,
}

impl OwnedTold {
    fn new(told: &Told<'_>) -> OwnedTold {
        OwnedTold {
            position: told.position,
            input: *told.input,
            attachment: told.attachment.to_vec(),
            event: *told.event,
            event_index: told.event_index,
        }
    }

    fn told(&self, session: SessionId) -> Told<'_> {
        Told {
            session,
            position: self.position,
            input: &self.input,
            attachment: &self.attachment,
            event: &self.event,
            event_index: self.event_index,
        }
    }
}
