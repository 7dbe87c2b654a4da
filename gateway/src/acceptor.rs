//! Listens, polls, and brings sockets, sessions, order entry and the journal together.
//!
//! One event loop for all connections. It owns no thread and no clock: the venue calls it and says
//! what time it is. Nothing in here waits: no room in the ring to the core means that bytes stay in
//! the kernel; a peer that does not read is cut.

use std::collections::{HashMap, VecDeque};
use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::os::fd::RawFd;
use std::time::Duration;

use matcher::{Command, Event, Input, MassCancelScope, MsgSeqNum, Numbering, SessionId, Timestamp};
use mio::net::TcpListener;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};

use crate::connection::{Connection, Fill, Flush};
use crate::fix::{
    After, CloseReason, DecodeError, Fields, Header, LogonRefusal, Message, Note, Profile, Session,
    Shell, Taken, decode,
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

/// Messages said again to one session before live traffic has its turn.
const RESENDS_A_ROUND: usize = 64;

/// Stretches of a logged-on peer's bytes that are no message, before it is cut: each costs a search
/// for the next message.
const GARBLED_MAX: u32 = 1_000;

/// How long no connection is taken after the kernel had no descriptor for one.
///
/// Unit: ns.
const ACCEPT_PAUSE_NS: u64 = 100_000_000;

/// Lines for the log in one second, at most.
const NOTICES_A_SECOND: u32 = 10;

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
    ///
    /// # Errors
    ///
    /// If one of them cannot be read; those before it were handed over.
    fn messages(
        &mut self,
        session: SessionId,
        from: MsgSeqNum,
        to: MsgSeqNum,
        each: &mut dyn FnMut(MsgSeqNum, &Told<'_>) -> ControlFlow<()>,
    ) -> Result<(), Unreadable>;
}

/// How the acceptor listens.
#[derive(Clone, Debug)]
pub struct AcceptorConfig {
    /// Connections at once; one more is closed at once.
    pub connections_max: usize,
    /// Bytes that may wait for a slow peer. Beyond them nothing is read from it, and what it is to be
    /// told waits in the journal.
    pub out_buffer_bytes: usize,
    /// How long a peer may take nothing while bytes wait for it before it is cut, ns.
    pub slow_peer_ns: u64,
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
    address: SocketAddr,
    session: Option<SessionId>,
    opened: Timestamp,
    garbled: u32,
    /// The socket may have bytes that were not read.
    ready: bool,
    /// It is not read because it does not read.
    paused: bool,
    /// It waits in `dirty`.
    dirty: bool,
    /// Close once everything is written.
    closing: bool,
    /// The kernel takes no more bytes for it …
    blocked: bool,
    /// … and took the last ones then.
    progress: Timestamp,
    /// Something that it must be told cannot be read from the journal: better no connection than a hole.
    broken: bool,
}

struct Slot {
    session: Session,
    peer: Option<usize>,
    cancel_on_disconnect: bool,
    resends: VecDeque<(u32, u32)>,
    /// The first number that was not said because too much was waiting: it and all after it come from
    /// the journal, as the peer reads on.
    lag: Option<u32>,
}

impl Slot {
    fn has_history(&self) -> bool {
        self.lag.is_some() || !self.resends.is_empty()
    }
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
    /// When to look for connections although no event says so.
    accept_at: Option<Timestamp>,
    notices: Vec<String>,
    /// The present second, and how many lines it has had.
    noticed: (u64, u32),
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
            accept_at: None,
            notices: Vec::new(),
            noticed: (0, 0),
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
                lag: None,
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

    /// Lines for the log since this was asked last: who was refused or cut, and why. Bounded.
    pub fn take_notices(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notices)
    }

    #[cold]
    fn notice(&mut self, now: Timestamp, address: SocketAddr, what: impl Display) {
        let second = now.0 / 1_000_000_000;
        if self.noticed.0 != second {
            self.noticed = (second, 0);
        }
        self.noticed.1 += 1;
        match self.noticed.1 {
            NOTICES_A_SECOND => self.notices.push("more of this kind in the same second".into()),
            count if count < NOTICES_A_SECOND => self.notices.push(format!("{address}: {what}")),
            _ => {}
        }
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
                        && !peer.paused
                    {
                        peer.ready = true;
                        self.ready.push(index);
                    }
                    if event.is_writable() && peer.blocked && !peer.dirty {
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
        self.accept_at = None;
        for _ in 0..ACCEPTS_A_ROUND {
            let (stream, address) = match self.listener.accept() {
                Ok(accepted) => accepted,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(error) => {
                    // No descriptor or no memory: looking again at once would only spin.
                    if let Ok(address) = self.listener.local_addr() {
                        self.notice(
                            now,
                            address,
                            format_args!("cannot take a connection: {error}"),
                        );
                    }
                    return self.accept_later(Timestamp(now.0 + ACCEPT_PAUSE_NS));
                }
            };
            if self.connections() >= self.config.connections_max || self.stopping {
                self.stats.over_limit += 1;
                self.notice(now, address, "closed: too many connections");
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
                address,
                session: None,
                opened: now,
                garbled: 0,
                ready: true,
                paused: false,
                dirty: false,
                closing: false,
                blocked: false,
                progress: now,
                broken: false,
            });
            self.ready.push(index);
            self.deadline = Some(now);
        }
        // More may wait; edge-triggered readiness would not say so again.
        self.accept_later(now);
    }

    fn accept_later(&mut self, at: Timestamp) {
        self.accept_at = Some(at);
        self.deadline = Some(self.deadline.map_or(at, |deadline| deadline.min(at)));
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
            if peer.connection.is_over() {
                peer.paused = true;
                return Served::Waits;
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
                    let mut border =
                        Border { slots, entry, requests, resending: &mut self.resending };
                    let gone = match peer.session {
                        Some(id) => border.receive(id, now, &message).is_some(),
                        // Its last connection's orders are canceled before this one's are taken.
                        None if !self.disconnects.is_empty() => return Served::More,
                        None => match border.logon(&self.by_comp_id, index, now, &message) {
                            Ok(id) => {
                                peer.session = Some(id);
                                self.deadline = Some(now);
                                border.receive(id, now, &message).is_some()
                            }
                            Err(refusal) => {
                                self.stats.logons_refused += 1;
                                self.notice(
                                    now,
                                    peer.address,
                                    format_args!("logon refused: {refusal}"),
                                );
                                return Served::Gone;
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
                    peer.garbled += 1;
                    if peer.session.is_none() || peer.garbled > GARBLED_MAX {
                        self.notice(now, peer.address, "closed: what it sends is not FIX");
                        return Served::Gone;
                    }
                    resume_at.max(1)
                }
                Err(error @ DecodeError::TooLong { .. }) => {
                    self.stats.garbled += 1;
                    self.notice(now, peer.address, format_args!("closed: {error}"));
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
            // What was not said under the old numbers never will be.
            slot.resends.clear();
            slot.lag = None;
        }
    }

    /// An Event of the journal that may leave: whom it tells is told, or will be when there is room.
    pub fn event(&mut self, now: Timestamp, told: &Told<'_>, inputs: &mut impl Inputs) {
        self.entry.event(told.position, told.input, told.attachment, told.event);
        for (session, msg) in told.event.recipients().into_iter().flatten() {
            let Some(Some(slot)) = self.slots.get_mut(session.index()) else { continue };
            slot.session.numbered(msg);
            let Some(index) = slot.peer else { continue };
            let Some(Some(peer)) = self.peers.get_mut(index) else { continue };
            if slot.lag.is_some() {
                continue;
            }
            if peer.connection.is_over() {
                slot.lag = Some(msg.0);
                continue;
            }
            let told = Told { session, ..*told };
            if tell(slot, peer, &self.entry, &told, msg, now, inputs).is_err() {
                self.stats.unreadable += 1;
                peer.broken = true;
            }
            // A session that is open now has heartbeats to send.
            if let (Event::Numbered { .. }, Some(deadline)) = (told.event, slot.session.deadline())
            {
                self.deadline = Some(self.deadline.map_or(deadline, |next| next.min(deadline)));
            }
            if !peer.dirty {
                peer.dirty = true;
                self.dirty.push(index);
            }
        }
    }

    /// Says from the journal what sessions asked for again, and what did not fit when it happened, as
    /// far as their buffers have room.
    pub fn resend(&mut self, now: Timestamp, history: &mut impl History) {
        let mut resending = std::mem::take(&mut self.resending);
        resending.retain(|id| {
            let Some(Some(slot)) = self.slots.get_mut(id.index()) else { return false };
            let peer =
                slot.peer.and_then(|index| Some((index, self.peers.get_mut(index)?.as_mut()?)));
            let Some((index, peer)) = peer else { return false };
            let most = self.config.out_buffer_bytes / 2;
            if peer.connection.waiting() >= most {
                // It comes back when it has read on.
                return false;
            }
            let entry = &self.entry;
            let said = match slot.resends.pop_front() {
                Some(range) => resend_range(slot, peer, entry, *id, range, now, history, most),
                None => catch_up(slot, peer, entry, *id, now, history, most),
            };
            if said.is_err() {
                self.stats.unreadable += 1;
                peer.broken = true;
            }
            if !peer.dirty {
                peer.dirty = true;
                self.dirty.push(index);
            }
            !peer.broken && slot.has_history()
        });
        resending.append(&mut self.resending);
        self.resending = resending;
    }

    /// Writes what waits, one system call a connection.
    pub fn flush(&mut self, now: Timestamp) {
        let mut dirty = std::mem::take(&mut self.dirty);
        for index in dirty.drain(..) {
            let Some(mut peer) = self.peers.get_mut(index).and_then(Option::take) else { continue };
            peer.dirty = false;
            if peer.broken {
                self.notice(now, peer.address, "closed: the journal cannot be read for it");
                self.drop_peer(index, peer);
                continue;
            }
            let before = peer.connection.waiting();
            match peer.connection.flush() {
                Ok(Flush::Done) if peer.closing => {
                    self.drop_peer(index, peer);
                    continue;
                }
                Ok(Flush::Done) => peer.blocked = false,
                Ok(Flush::Blocked) => {
                    if !peer.blocked || peer.connection.waiting() < before {
                        peer.progress = now;
                    }
                    peer.blocked = true;
                    let slow = Timestamp(peer.progress.0 + self.config.slow_peer_ns);
                    self.deadline = Some(self.deadline.map_or(slow, |next| next.min(slow)));
                }
                Err(_) => {
                    self.drop_peer(index, peer);
                    continue;
                }
            }
            if peer.connection.waiting() < self.config.out_buffer_bytes / 2 {
                self.read_on(index, &mut peer);
            }
            self.peers[index] = Some(peer);
        }
        if self.dirty.is_empty() {
            self.dirty = dirty;
        }
    }

    /// A peer has room again: it is read again, and told what waits for it in the journal.
    fn read_on(&mut self, index: usize, peer: &mut Peer) {
        if std::mem::take(&mut peer.paused) && !peer.ready {
            peer.ready = true;
            self.ready.push(index);
        }
        let Some(id) = peer.session else { return };
        let slot = self.slots.get(id.index()).and_then(Option::as_ref);
        if slot.is_some_and(Slot::has_history) && !self.resending.contains(&id) {
            self.resending.push(id);
        }
    }

    /// Timers: heartbeats, test requests, peers that never log on.
    pub fn tick(&mut self, now: Timestamp, requests: &mut impl Requests) {
        self.cancel_for_disconnects(requests);
        if self.deadline.is_none_or(|deadline| deadline > now) {
            return;
        }
        if self.accept_at.is_some_and(|at| at <= now) {
            self.accept(now);
        }
        let mut next = self.accept_at;
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
                        self.notice(now, peer.address, "closed: no Logon in time");
                    }
                    (deadline <= now, Some(deadline))
                }
                Some(id) => {
                    let (slots, entry) = (&mut self.slots, &mut self.entry);
                    let mut border =
                        Border { slots, entry, requests, resending: &mut self.resending };
                    let gone = border.tick(id, now);
                    if let Some(why) = gone {
                        self.notice(
                            now,
                            peer.address,
                            format_args!("session {id} closed: {why:?}"),
                        );
                    }
                    let slot = self.slots[id.index()].as_ref();
                    (gone.is_some(), slot.and_then(|slot| slot.session.deadline()))
                }
            };
            let slow = Timestamp(peer.progress.0 + self.config.slow_peer_ns);
            if peer.blocked && slow <= now {
                self.stats.slow_peers += 1;
                self.notice(now, peer.address, "closed: it does not read");
                self.drop_peer(index, peer);
                continue;
            }
            let deadline = if peer.blocked {
                Some(deadline.map_or(slow, |deadline| deadline.min(slow)))
            } else {
                deadline
            };
            if gone {
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
        slot.lag = None;
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
    ) -> Result<SessionId, LogonRefusal> {
        if message.msg_type() != b"A" {
            return Err(LogonRefusal::NotLogon);
        }
        let id = message.get(49).and_then(|comp_id| by_comp_id.get(comp_id));
        let id = *id.ok_or(LogonRefusal::CompId)?;
        let slot = self.slots.get_mut(id.index()).and_then(Option::as_mut);
        let slot = slot.ok_or(LogonRefusal::CompId)?;
        if slot.peer.is_some() {
            return Err(LogonRefusal::AlreadyConnected);
        }
        slot.session.check_logon(now, message)?;
        slot.session.connect(now);
        slot.peer = Some(peer);
        Ok(id)
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

/// Tells a session's connection of an Event, as it happened.
fn tell(
    slot: &mut Slot,
    peer: &mut Peer,
    entry: &OrderEntry,
    told: &Told<'_>,
    msg: MsgSeqNum,
    now: Timestamp,
    inputs: &mut impl Inputs,
) -> Result<(), Unreadable> {
    let (turn_time, out) = (told.input.timestamp, peer.connection.output());
    if let Event::Numbered { .. } = told.event {
        let Some(note) = Note::decode(told.attachment) else { return Ok(()) };
        match slot.session.note(now, turn_time, msg, &note, out) {
            After::Open => {}
            After::CloseWhenWritten => peer.closing = true,
        }
    } else if slot.session.is_active() {
        let header = Header { msg, sending_time: turn_time, resend: false, now };
        entry.report(told, slot.session.identity(), &header, inputs, out)?;
        slot.session.wrote(now);
    }
    Ok(())
}

/// Some messages of a session from the journal: what follows may need the journal for each of them.
fn some_messages(
    id: SessionId,
    (from, to): (u32, u32),
    history: &mut impl History,
) -> Result<Vec<(MsgSeqNum, OwnedTold)>, Unreadable> {
    let mut said = Vec::new();
    history.messages(id, MsgSeqNum(from), MsgSeqNum(to), &mut |msg, told| {
        said.push((msg, OwnedTold::new(told)));
        let enough = said.len() >= RESENDS_A_ROUND;
        if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    Ok(said)
}

/// Goes on with what was not said when it happened, until the buffer is half full or the present is
/// reached.
fn catch_up(
    slot: &mut Slot,
    peer: &mut Peer,
    entry: &OrderEntry,
    id: SessionId,
    now: Timestamp,
    history: &mut impl History,
    most: usize,
) -> Result<(), Unreadable> {
    let Some(from) = slot.lag else { return Ok(()) };
    let last = slot.session.last_outbound().0;
    let mut next = from;
    for (msg, told) in some_messages(id, (from, last), history)? {
        if peer.connection.waiting() >= most {
            break;
        }
        tell(slot, peer, entry, &told.told(id), msg, now, history)?;
        next = msg.0 + 1;
    }
    slot.lag = (next <= last).then_some(next);
    Ok(())
}

/// Says some of `range` again: application messages and rejects with PossDupFlag(43)=Y, the other
/// session-layer messages as gap fills. What is left of the range is put back.
#[allow(clippy::too_many_arguments)]
fn resend_range(
    slot: &mut Slot,
    peer: &mut Peer,
    entry: &OrderEntry,
    id: SessionId,
    (from, to): (u32, u32),
    now: Timestamp,
    history: &mut impl History,
    most: usize,
) -> Result<(), Unreadable> {
    let mut next = from;
    let mut gap: Option<u32> = None;
    for (msg, told) in some_messages(id, (from, to), history)? {
        if peer.connection.waiting() >= most {
            break;
        }
        let (session, out) = (&slot.session, peer.connection.output());
        next = msg.0 + 1;
        let numbered = matches!(told.event, Event::Numbered { .. });
        let note = if numbered { Note::decode(&told.attachment) } else { None };
        let again = match &note {
            Some(note) => note.is_application() || matches!(note, Note::Reject { .. }),
            None => !numbered,
        };
        if !again {
            gap.get_or_insert(msg.0);
            continue;
        }
        if let Some(first) = gap.take() {
            session.gap_fill(MsgSeqNum(first), msg, now, out);
        }
        let header = Header { msg, sending_time: told.input.timestamp, resend: true, now };
        match note {
            Some(note) => note.write(session.identity(), &header, out),
            None => entry.report(&told.told(id), session.identity(), &header, history, out)?,
        }
    }
    if let Some(first) = gap {
        slot.session.gap_fill(MsgSeqNum(first), MsgSeqNum(next), now, peer.connection.output());
    }
    slot.session.wrote(now);
    if next <= to {
        slot.resends.push_front((next, to));
    }
    // What was said again here for the first time is not said once more.
    slot.lag =
        slot.lag.map(|lag| lag.max(next)).filter(|lag| *lag <= slot.session.last_outbound().0);
    Ok(())
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
