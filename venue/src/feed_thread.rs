//! The feed's loop: the journal's tail as ITCH over SoupBinTCP, and what receivers of the multicast have lost.
//!
//! It has a thread of its own in every layout: however many read, and however slowly, the core does not feel it. What is
//! multicast costs the same whoever reads, and has a loop of its own ([`Multicast`]).
//!
//! Message numbers are counted from the first record of the journal, so they are the same after a
//! restart and for every subscriber. The latest messages are kept encoded in a window that all
//! subscribers copy from; whoever is further behind reads the journal at his own pace, from the sparse
//! index, and never slows anybody down.

mod multicast;
mod requests;
mod saved;

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use feed::{MessageCount, MessageSink, Publisher, Window};
use gateway::connection::{Connection, Fill, Flush};
use gateway::network::{Network, Ready, Sockets, Stream};
use gateway::soup::{SoupConfig, SoupEvent, SoupReject, SoupServer, credentials_match};
use journal::{Hold, Log, Position, Tail};
use matcher::{Event, Timestamp};

use crate::clock::Clock;
use crate::config::{Config, Soup};
use crate::release::Release;
use crate::threads::Sleeper;
use crate::turns::{Cutter, FollowError, Follower, TurnHead};
pub use multicast::Multicast;
use requests::RequestServer;

/// Messages between two places in the index.
const STRIDE: u64 = 256;

/// Bytes of the journal between a place in the index and the next message behind it that has none, at most: where little is traded
/// and much else is said, messages are far apart.
const STRIDE_BYTES: u64 = 64 << 10;

/// Bytes of the journal read for one subscriber before the next has its turn, and for requests before subscribers have theirs.
const READ_BYTES_A_ROUND: u64 = 1 << 20;

/// Bytes and messages of the window in a real venue: some 500,000 messages.
pub const WINDOW: (usize, usize) = (16 << 20, 1 << 19);

/// Frames published before subscribers have their turn.
const FRAMES_A_ROUND: usize = 1_024;

/// Bytes put into one subscriber's buffer before the next has its turn.
const SUBSCRIBER_BYTES_A_ROUND: usize = 256 << 10;

/// Bytes that may wait for a subscriber. When it is full the subscriber falls behind; it is cut only
/// when it takes nothing at all.
const SUBSCRIBER_BUFFER: usize = 512 << 10;

/// How long a subscriber may take nothing while bytes wait for it, ns.
const STUCK_NS: u64 = 30_000_000_000;

/// Bytes that a reader may send between two looks at its timers: a login and heartbeats are some tens. Who sends more is cut, for
/// to read it would take the time of the others.
///
/// Unit: bytes.
pub(crate) const SAID_BYTES_MAX: usize = 16 << 10;

/// How often timers are looked at while there are subscribers.
const TICK_NS: u64 = 100_000_000;

/// Where each ITCH message stands in the journal: every 256th, and the first behind each 64 KiB; 16 bytes each.
#[derive(Clone, Default)]
pub struct FeedIndex {
    publisher: Publisher,
    count: MessageCount,
    /// Number of the first message of a turn, and where that turn begins.
    marks: Vec<(u64, Position)>,
    turn: Option<(u64, Position)>,
}

impl FeedIndex {
    /// Messages so far.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.count.0
    }

    /// What goes on with the next message, and its number.
    pub(crate) fn publisher(&self) -> (Publisher, u64) {
        (self.publisher.clone(), self.count.0 + 1)
    }

    /// The first message that is known to be at `start` or behind it; the next one to come if there is none.
    fn oldest(&self, start: Position) -> u64 {
        let index = self.marks.partition_point(|(_, position)| *position < start);
        self.marks.get(index).map_or(self.count.0 + 1, |(number, _)| *number)
    }

    /// A turn at or before the one with message `number`, and the number of its first message.
    fn before(&self, number: u64) -> Option<(u64, Position)> {
        let index = self.marks.partition_point(|(first, _)| *first <= number);
        self.marks.get(index.checked_sub(1)?).copied()
    }

    fn mark(&mut self) {
        let Some((first, position)) = self.turn.take() else { return };
        let due = self
            .marks
            .last()
            .is_none_or(|(last, at)| first >= last + STRIDE || position.0 - at.0 >= STRIDE_BYTES);
        if due && self.count.0 >= first {
            self.marks.push((first, position));
        }
    }
}

impl Follower for FeedIndex {
    fn input(&mut self, head: &TurnHead) {
        self.turn = Some((self.count.0 + 1, head.position));
        self.publisher.input(&head.input);
    }

    fn event(&mut self, _: &TurnHead, _: u32, event: &Event) {
        self.publisher.event(event, &mut self.count);
    }

    fn end_turn(&mut self, _: &TurnHead) {
        self.publisher.end_turn(&mut self.count);
        self.mark();
    }
}

/// The feed's loop.
pub struct FeedLoop<N: Network = Sockets> {
    network: N,
    clock: Clock,
    soup: Option<SoupFeed<N::Stream>>,
    requests: Option<RequestServer>,
    tail: Tail,
    /// What is not published yet stays in the journal.
    hold: Hold,
    cutter: Cutter,
    index: FeedIndex,
    window: Window,
    release: Release,
    log: Log,
    deadline: Timestamp,
}

struct SoupFeed<S> {
    config: Soup,
    session: [u8; 10],
    subscribers: Vec<Option<Subscriber<S>>>,
    count: usize,
}

struct Subscriber<S> {
    connection: Connection<S>,
    machine: SoupServer,
    /// What the machine wants to say in answer to what it reads.
    answers: Vec<u8>,
    /// Bytes that it has sent since its timers were looked at.
    said: usize,
    behind: Option<Box<Behind>>,
    took: Timestamp,
    blocked: bool,
    closing: bool,
}

/// A subscriber's own way through the journal until it reaches the window.
struct Behind {
    tail: Tail,
    cutter: Cutter,
    publisher: Publisher,
    /// Number of the next message that `publisher` gives.
    number: u64,
}

/// What the feed's loop is made of, but for its network.
pub struct FeedParts<'a> {
    /// The time of its timers.
    pub clock: Clock,
    /// Names the session: the same for the life of the journal.
    pub began: Timestamp,
    /// The journal.
    pub log: &'a Log,
    /// Up to where `index` has followed it.
    pub from: Position,
    /// What may leave.
    pub release: Release,
    /// Where each message is.
    pub index: FeedIndex,
    /// Bytes and messages kept encoded.
    pub window: (usize, usize),
    /// Where requests of MoldUDP64 come, if they do; it does not block.
    pub requests: Option<UdpSocket>,
}

impl<N: Network> FeedLoop<N> {
    /// A loop whose subscribers come from `network`.
    #[must_use]
    pub fn new(config: &Config, network: N, parts: FeedParts<'_>) -> FeedLoop<N> {
        let FeedParts { clock, began, log, from, release, index, window, requests } = parts;
        let session = session_name(began);
        let next = index.messages() + 1;
        let soup = config.soup.clone().map(|config| SoupFeed {
            config,
            session,
            subscribers: Vec::new(),
            count: 0,
        });
        FeedLoop {
            network,
            clock,
            soup,
            requests: requests.map(|socket| RequestServer::new(socket, session)),
            tail: log.tail(from),
            hold: log.hold(from),
            cutter: Cutter::default(),
            index,
            window: Window::new(window.0, window.1, next),
            release,
            log: log.clone(),
            deadline: Timestamp(0),
        }
    }

    /// Where SoupBinTCP is spoken.
    #[must_use]
    pub fn soup_addr(&self) -> Option<SocketAddr> {
        self.soup.as_ref().and_then(|_| self.network.local_addr().ok())
    }

    /// Where requests of MoldUDP64 are answered.
    #[must_use]
    pub fn requests_addr(&self) -> Option<SocketAddr> {
        self.requests.as_ref().and_then(|it| it.socket().local_addr().ok())
    }

    /// Messages so far.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.index.messages()
    }

    /// Where its subscribers come from.
    #[must_use]
    pub fn network(&self) -> &N {
        &self.network
    }

    /// Whether there is nothing to publish and nobody to bring on.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.tail.position() >= self.release.cursor() && !self.has_askers()
    }

    /// Whether somebody waits for what is there already.
    #[must_use]
    pub fn has_askers(&self) -> bool {
        self.has_lagging() || self.requests.as_ref().is_some_and(RequestServer::has_more)
    }

    /// Whether somebody waits for the next message as soon as it is there.
    #[must_use]
    pub fn is_listened_to(&self) -> bool {
        self.soup.as_ref().is_some_and(|soup| {
            soup.subscribers.iter().flatten().any(|one| !one.blocked && one.machine.is_open())
        })
    }

    /// Whether it has followed the journal to its end, and everybody was given what there is.
    #[must_use]
    pub fn is_at_end(&self) -> bool {
        self.tail.position() >= self.log.committed() && !self.has_lagging()
    }

    fn has_lagging(&self) -> bool {
        let next = self.window.next();
        self.soup
            .as_ref()
            .is_some_and(|soup| soup.subscribers.iter().flatten().any(|one| one.wants(next)))
    }

    /// How long the loop may sleep.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        if self.soup.as_ref().is_none_or(|soup| soup.count == 0) {
            return Duration::MAX;
        }
        Duration::from_nanos(self.deadline.0.saturating_sub(self.clock.now().0))
    }

    /// Sockets: new subscribers, what they say, timers. Waits at most `timeout`.
    ///
    /// # Errors
    ///
    /// If the kernel's poll fails.
    pub fn poll(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.network.poll(timeout)?;
        let now = self.clock.now();
        let (index, window, log) = (&self.index, &self.window, &self.log);
        let oldest = || index.oldest(log.start()).min(window.first());
        if let Some(soup) = &mut self.soup {
            let mut gone = Vec::new();
            let mut wanted = false;
            for ready in self.network.ready() {
                match ready {
                    Ready::Listener => wanted = true,
                    Ready::Joined => {}
                    Ready::Peer { peer, readable, writable, ends } => {
                        if writable {
                            soup.writable(peer, now);
                        }
                        if ends {
                            soup.peer_ends(peer);
                        }
                        if readable && !soup.readable(peer, now, window.next(), &oldest) {
                            gone.push(peer);
                        }
                    }
                }
            }
            for peer in gone {
                soup.drop_subscriber(peer, &mut self.network);
            }
            if wanted {
                soup.accept(&mut self.network, now);
            }
        }
        if now >= self.deadline {
            self.deadline = Timestamp(now.0 + TICK_NS);
            if let Some(soup) = &mut self.soup {
                soup.tick(now, &mut self.network);
            }
        }
        if let Some(requests) = &mut self.requests
            && self.network.ready().any(|ready| ready == Ready::Joined)
        {
            requests.look();
        }
        Ok(())
    }

    /// Journal → messages → subscribers, as far as the release cursor. Says whether there was anything.
    ///
    /// # Errors
    ///
    /// If the journal cannot be followed.
    pub fn publish(&mut self) -> Result<bool, FollowError> {
        let limit = self.release.cursor();
        let (mut published, mut is_whole) = (false, true);
        if self.tail.position() < limit {
            is_whole = false;
            let mut live = Live { index: &mut self.index, window: &mut self.window };
            for _ in 0..FRAMES_A_ROUND {
                let Some(frame) = self.tail.next(limit)? else {
                    is_whole = true;
                    break;
                };
                self.cutter.frame(&frame, &mut live)?;
                published = true;
            }
            self.hold.pass(self.tail.position());
        }
        if self.has_lagging() {
            published = true;
            self.serve(limit)?;
        }
        // Whoever asks may have heard of messages that were not read here yet.
        if let Some(requests) = self.requests.as_mut().filter(|it| is_whole && it.has_more()) {
            if let Err(error) = requests.serve(&self.index, &self.window, (&self.log, limit)) {
                // What cannot be read for one receiver is no reason to stop the others.
                eprintln!("vesta: a request for messages of the feed has no answer: {error}");
            }
            published = true;
        }
        Ok(published)
    }

    /// Publishes what there is at this moment.
    ///
    /// # Errors
    ///
    /// As [`FeedLoop::publish`].
    pub fn catch_up(&mut self) -> Result<(), FollowError> {
        let limit = self.release.cursor();
        while self.tail.position() < limit {
            self.publish()?;
        }
        Ok(())
    }

    fn serve(&mut self, limit: Position) -> Result<(), FollowError> {
        let now = self.clock.now();
        let Some(soup) = &mut self.soup else { return Ok(()) };
        for index in 0..soup.subscribers.len() {
            let Some(one) = &mut soup.subscribers[index] else { continue };
            if !one.wants(self.window.next()) {
                continue;
            }
            if one.machine.next_sequence() < self.window.first() {
                if let Err(error) = one.catch_up(&self.index, &self.log, limit) {
                    // What cannot be read for one subscriber is no reason to stop the others.
                    eprintln!("vesta: a feed subscriber is cut: {error}");
                    soup.drop_subscriber(index, &mut self.network);
                    continue;
                }
            } else {
                one.behind = None;
                one.copy(&self.window);
            }
            if !one.flush(now) {
                soup.drop_subscriber(index, &mut self.network);
            }
        }
        Ok(())
    }

    /// The venue stops: every subscriber is told.
    pub fn end(&mut self) {
        if let Some(soup) = &mut self.soup {
            for one in soup.subscribers.iter_mut().flatten() {
                let _ = one.machine.end_of_session(one.connection.output());
                let _ = one.connection.flush();
            }
        }
    }
}

impl FeedLoop {
    /// A sleeper for the thread that runs this loop.
    ///
    /// # Errors
    ///
    /// If the kernel has no more descriptors.
    pub fn sleeper(&self) -> io::Result<Arc<Sleeper>> {
        Ok(Sleeper::in_poll(self.network.waker()?))
    }

    /// Has requests end the poll, as subscribers do.
    ///
    /// # Errors
    ///
    /// If the kernel refuses.
    pub fn join_requests(&self) -> io::Result<()> {
        match &self.requests {
            Some(requests) => self.network.join(requests.socket().as_raw_fd()),
            None => Ok(()),
        }
    }
}

/// Ten characters that name the message stream of a journal: the second it began in, in base 36.
pub(crate) fn session_name(began: Timestamp) -> [u8; 10] {
    let mut name = *b"V000000000";
    let mut rest = began.0 / 1_000_000_000;
    for place in name.iter_mut().skip(1).rev() {
        *place = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[(rest % 36) as usize];
        rest /= 36;
    }
    name
}

struct Live<'a> {
    index: &'a mut FeedIndex,
    window: &'a mut Window,
}

struct LiveSink<'a> {
    count: &'a mut MessageCount,
    window: &'a mut Window,
}

impl MessageSink for LiveSink<'_> {
    fn message(&mut self, bytes: &[u8]) {
        self.count.0 += 1;
        self.window.push(self.count.0, bytes);
    }
}

impl Live<'_> {
    fn sink(&mut self) -> (&mut Publisher, LiveSink<'_>) {
        let FeedIndex { publisher, count, .. } = self.index;
        (publisher, LiveSink { count, window: self.window })
    }
}

impl Follower for Live<'_> {
    fn input(&mut self, head: &TurnHead) {
        self.index.input(head);
    }

    fn event(&mut self, _: &TurnHead, _: u32, event: &Event) {
        let (publisher, mut sink) = self.sink();
        publisher.event(event, &mut sink);
    }

    fn end_turn(&mut self, _: &TurnHead) {
        let (publisher, mut sink) = self.sink();
        publisher.end_turn(&mut sink);
        self.index.mark();
    }
}

impl<S: Stream> SoupFeed<S> {
    fn accept(&mut self, network: &mut impl Network<Stream = S>, now: Timestamp) {
        loop {
            let Ok((stream, ..)) = network.accept() else { return };
            if self.count >= self.config.connections_max {
                continue;
            }
            let Ok(mut connection) = Connection::new(stream, SUBSCRIBER_BUFFER) else { continue };
            let index = match self.subscribers.iter().position(Option::is_none) {
                Some(free) => free,
                None => {
                    self.subscribers.push(None);
                    self.subscribers.len() - 1
                }
            };
            if network.register(connection.stream_mut(), index).is_err() {
                continue;
            }
            self.count += 1;
            self.subscribers[index] = Some(Subscriber {
                connection,
                machine: SoupServer::new(SoupConfig::new(self.session)),
                answers: Vec::new(),
                said: 0,
                behind: None,
                took: now,
                blocked: false,
                closing: false,
            });
        }
    }

    fn writable(&mut self, index: usize, now: Timestamp) {
        if let Some(Some(one)) = self.subscribers.get_mut(index) {
            one.blocked = false;
            one.took = now;
        }
    }

    fn peer_ends(&mut self, index: usize) {
        if let Some(Some(one)) = self.subscribers.get_mut(index) {
            one.connection.peer_ends();
        }
    }

    /// `false`: its connection is over.
    fn readable(
        &mut self,
        index: usize,
        now: Timestamp,
        next: u64,
        oldest: &dyn Fn() -> u64,
    ) -> bool {
        let config = &self.config;
        let Some(Some(one)) = self.subscribers.get_mut(index) else { return true };
        one.read(now, next, oldest, config) && one.flush(now)
    }

    fn tick(&mut self, now: Timestamp, network: &mut impl Network<Stream = S>) {
        for index in 0..self.subscribers.len() {
            let Some(one) = &mut self.subscribers[index] else { continue };
            one.said = 0;
            let stuck = one.blocked && now.0.saturating_sub(one.took.0) > STUCK_NS;
            let silent = one.machine.tick(now, one.connection.output()).is_some();
            if stuck || silent || !one.flush(now) {
                self.drop_subscriber(index, network);
            }
        }
    }

    fn drop_subscriber(&mut self, index: usize, network: &mut impl Network<Stream = S>) {
        if let Some(mut one) = self.subscribers[index].take() {
            network.forget(one.connection.stream_mut());
            self.count -= 1;
        }
    }
}

impl<S: Stream> Subscriber<S> {
    /// Whether there is something to send that it can take: `next` is the feed's next number.
    fn wants(&self, next: u64) -> bool {
        !self.blocked && self.machine.is_open() && self.machine.next_sequence() < next
    }

    /// Reads what it says; `false`: the connection is over. `next` is the feed's next number, `oldest` the first
    /// one that can still be had.
    fn read(&mut self, now: Timestamp, next: u64, oldest: &dyn Fn() -> u64, config: &Soup) -> bool {
        loop {
            let before = self.connection.input().len();
            let Ok(fill) = self.connection.fill() else { return false };
            self.said += self.connection.input().len() - before;
            if self.said > SAID_BYTES_MAX {
                return false;
            }
            loop {
                self.answers.clear();
                let bytes = self.connection.input();
                let received = self.machine.receive(now, bytes, &mut self.answers);
                let mut over = false;
                match received.event {
                    None => {
                        let consumed = received.consumed;
                        self.connection.consume(consumed);
                        break;
                    }
                    Some(SoupEvent::Login { username, password, requested_sequence, .. }) => {
                        let known = config.username.is_empty()
                            || (credentials_match(config.username.as_bytes(), username)
                                & credentials_match(config.password.as_bytes(), password));
                        let wanted =
                            if requested_sequence == 0 { next } else { requested_sequence };
                        let oldest = oldest();
                        let refused = if !known {
                            Some(SoupReject::NotAuthorized)
                        } else if wanted < oldest {
                            // Another message than the one asked for is never the answer.
                            let text = format!(
                                "message {wanted} is not kept any more, the first one is {oldest}"
                            );
                            self.machine.debug(&text, &mut self.answers);
                            Some(SoupReject::SessionNotAvailable)
                        } else if wanted > next {
                            let text =
                                format!("message {wanted} is not there, the next one is {next}");
                            self.machine.debug(&text, &mut self.answers);
                            Some(SoupReject::SessionNotAvailable)
                        } else {
                            None
                        };
                        match refused {
                            Some(why) => {
                                let _ = self.machine.reject(why, &mut self.answers);
                                self.closing = true;
                            }
                            None => self.machine.accept(wanted, &mut self.answers),
                        }
                    }
                    Some(SoupEvent::Logout | SoupEvent::Close(_)) => over = true,
                    // Subscribers have nothing to ask for on this port.
                    Some(SoupEvent::Unsequenced(_) | SoupEvent::Debug(_)) => {}
                }
                let consumed = received.consumed;
                self.connection.consume(consumed);
                self.connection.output().extend_from_slice(&self.answers);
                if over {
                    let _ = self.connection.flush();
                    return false;
                }
            }
            match fill {
                Fill::Data => {}
                Fill::Drained => return true,
                Fill::Closed => return false,
            }
        }
    }

    /// Copies what the window has for it, as far as its buffer has room.
    fn copy(&mut self, window: &Window) {
        let Some(messages) = window.range(self.machine.next_sequence()) else { return };
        let start = self.connection.waiting();
        for (_, message) in messages {
            let waiting = self.connection.waiting();
            if waiting >= SUBSCRIBER_BUFFER || waiting - start >= SUBSCRIBER_BYTES_A_ROUND {
                return;
            }
            self.machine.sequenced(message, self.connection.output());
        }
    }

    /// Encodes again from the journal what the window no longer has.
    fn catch_up(
        &mut self,
        index: &FeedIndex,
        log: &Log,
        limit: Position,
    ) -> Result<(), FollowError> {
        let next = self.machine.next_sequence();
        if self.behind.is_none() {
            let Some((number, position)) = index.before(next) else { return Ok(()) };
            self.behind = Some(Box::new(Behind {
                tail: log.tail(position),
                cutter: Cutter::default(),
                publisher: index.publisher.clone(),
                number,
            }));
        }
        let Some(behind) = &mut self.behind else { return Ok(()) };
        let Behind { tail, cutter, publisher, number } = &mut **behind;
        let start = self.connection.waiting();
        // Between two messages there may be any amount of what concerns no reader.
        let far = Position(tail.position().0 + READ_BYTES_A_ROUND);
        loop {
            let waiting = self.connection.waiting();
            if waiting >= SUBSCRIBER_BUFFER
                || waiting - start >= SUBSCRIBER_BYTES_A_ROUND
                || tail.position() >= far
            {
                return Ok(());
            }
            let Some(frame) = tail.next(limit)? else { return Ok(()) };
            let sink =
                CatchUpSink { number, machine: &mut self.machine, out: self.connection.output() };
            cutter.frame(&frame, &mut CatchUp { publisher, sink })?;
        }
    }

    /// Writes what waits; `false`: the connection is over.
    fn flush(&mut self, now: Timestamp) -> bool {
        let before = self.connection.waiting();
        match self.connection.flush() {
            Ok(Flush::Done) => {
                self.took = now;
                !self.closing
            }
            Ok(Flush::Blocked) => {
                if self.connection.waiting() < before {
                    self.took = now;
                }
                self.blocked = true;
                true
            }
            Err(_) => false,
        }
    }
}

struct CatchUpSink<'a> {
    number: &'a mut u64,
    machine: &'a mut SoupServer,
    out: &'a mut Vec<u8>,
}

impl MessageSink for CatchUpSink<'_> {
    fn message(&mut self, bytes: &[u8]) {
        if *self.number == self.machine.next_sequence() {
            self.machine.sequenced(bytes, self.out);
        }
        *self.number += 1;
    }
}

struct CatchUp<'a> {
    publisher: &'a mut Publisher,
    sink: CatchUpSink<'a>,
}

impl Follower for CatchUp<'_> {
    fn input(&mut self, head: &TurnHead) {
        self.publisher.input(&head.input);
    }

    fn event(&mut self, _: &TurnHead, _: u32, event: &Event) {
        self.publisher.event(event, &mut self.sink);
    }

    fn end_turn(&mut self, _: &TurnHead) {
        self.publisher.end_turn(&mut self.sink);
    }
}

#[cfg(test)]
mod tests {
    use matcher::Command;

    use super::*;

    /// A message is near a place in the index, however much that is no message is before it.
    #[test]
    fn the_index_has_a_place_near_every_message() {
        let mut index = FeedIndex::default();
        let mut head = TurnHead::NONE;
        head.input.command = Command::Expire;
        let (mut turn, mut at) = (0, Vec::new());
        let mut tell = |index: &mut FeedIndex, says: bool| {
            turn += 1;
            head.position = Position(64 + turn * 128);
            index.input(&head);
            index.count.0 += u64::from(says);
            index.end_turn(&head);
            head.position
        };
        // One after another, then ever further apart.
        for n in 0..1_000_u64 {
            let silent = n.saturating_sub(500) * 4;
            for _ in 0..silent {
                tell(&mut index, false);
            }
            at.push(tell(&mut index, true));
        }
        for (number, position) in (1..).zip(&at) {
            let (first, from) = index.before(number).unwrap();
            assert!(first <= number && number - first < STRIDE, "{number}");
            assert!(position.0 - from.0 < STRIDE_BYTES, "{number}: {position} from {from}");
        }
        let far = at.windows(2).filter(|two| two[1].0 - two[0].0 > STRIDE_BYTES).count();
        assert!(far > 100 && index.marks.len() < at.len() / 2, "{}", index.marks.len());
    }
}
