//! GLIMPSE: what stands, for who comes late, over SoupBinTCP.
//!
//! A thread of its own follows the journal with books of its own, so neither the core nor the feed's other readers feel a
//! snapshot being made. One is made at a login and is shared by all who log in soon after; it is bytes that stay as they
//! are, so whoever reads slowly holds up nobody. What may be held at once is bounded: so many connections, two snapshots.

use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use feed::Publisher;
use feed::glimpse::Standing;
use gateway::connection::{Connection, Fill, Flush};
use gateway::network::{Network, Ready, Sockets, Stream};
use gateway::soup::{SoupConfig, SoupEvent, SoupReject, SoupServer, credentials_match};
use journal::{Hold, Log, Position, Tail};
use matcher::{Event, Timestamp};

use crate::clock::Clock;
use crate::config::Soup;
use crate::feed_thread::{SAID_BYTES_MAX, session_name};
use crate::release::Release;
use crate::threads::{Fate, Sleeper};
use crate::turns::{Cutter, FollowError, Follower, TurnHead};

/// Frames read before sockets are looked at again.
const FRAMES_A_ROUND: usize = 4_096;

/// Bytes that may wait for one reader, and that it is given before the next has its turn.
const READER_BUFFER: usize = 512 << 10;
const READER_BYTES_A_ROUND: usize = 256 << 10;

/// Snapshots in memory at once. While so many are read, who comes gets the newer one.
const SNAPSHOTS_MAX: usize = 2;

/// Who logs in so soon after a snapshot was made gets that one, as long as somebody reads it.
const FRESH_NS: u64 = 250_000_000;

/// How old the newer of two that are being read may be for who comes. Then the readers of the older are cut: they have had so
/// long at least, and nobody gets an older one for them.
const STALE_NS: u64 = 30_000_000_000;

/// How long a reader may take nothing, and how long it may take in all.
const STUCK_NS: u64 = 30_000_000_000;
const TAKE_NS: u64 = 300_000_000_000;

/// How often the journal is looked at, and timers are.
const PACE: Duration = Duration::from_millis(50);

/// Of this thread: where CPUs are few, orders come first.
pub(crate) const NICE: i32 = 5;

/// What stands after a turn, as messages; each has its length in two bytes before it.
struct Snapshot {
    bytes: Vec<u8>,
    made: Timestamp,
}

/// Who asks for it.
pub(crate) struct GlimpseLoop<N: Network = Sockets> {
    network: N,
    clock: Clock,
    config: Soup,
    session: [u8; 10],
    tail: Tail,
    /// What is not read yet stays in the journal.
    hold: Hold,
    cutter: Cutter,
    release: Release,
    reading: Reading,
    readers: Vec<Option<Reader<N::Stream>>>,
    count: usize,
    made: Vec<Weak<Snapshot>>,
    timers: Timestamp,
}

/// What follows the journal.
struct Reading {
    publisher: Publisher,
    standing: Standing,
    /// Of the last turn.
    at: Timestamp,
    is_between: bool,
}

struct Reader<S> {
    connection: Connection<S>,
    machine: SoupServer,
    /// What the machine wants to say in answer to what it reads.
    answers: Vec<u8>,
    /// Bytes that it has sent since its timers were looked at.
    said: usize,
    /// What it is given, and how far.
    snapshot: Option<(Arc<Snapshot>, usize)>,
    /// It has logged in and waits for a snapshot.
    waits: bool,
    began: Timestamp,
    took: Timestamp,
    blocked: bool,
    closing: bool,
}

impl<N: Network> GlimpseLoop<N> {
    /// `standing` and `publisher` have followed `log` up to `from`.
    pub(crate) fn new(
        config: Soup,
        network: N,
        (clock, began): (Clock, Timestamp),
        (log, from, release): (&Log, Position, Release),
        (standing, publisher): (Standing, Publisher),
    ) -> GlimpseLoop<N> {
        let at = clock.now();
        GlimpseLoop {
            network,
            clock,
            config,
            session: session_name(began),
            tail: log.tail(from),
            hold: log.hold(from),
            cutter: Cutter::default(),
            release,
            reading: Reading { publisher, standing, at, is_between: true },
            readers: Vec::new(),
            count: 0,
            made: Vec::new(),
            timers: Timestamp(0),
        }
    }

    /// Where it is spoken.
    #[must_use]
    pub(crate) fn addr(&self) -> Option<SocketAddr> {
        self.network.local_addr().ok()
    }

    /// How long it may sleep.
    fn timeout(&self) -> Duration {
        let is_busy = self.readers.iter().flatten().any(|one| !one.blocked && one.has_work());
        if is_busy { Duration::ZERO } else { PACE }
    }

    /// One round: sockets, journal, snapshots. Waits for sockets at most `timeout`.
    fn round(&mut self, timeout: Duration) -> Result<(), String> {
        self.network.poll(Some(timeout)).map_err(|error| format!("poll failed: {error}"))?;
        self.take();
        let is_whole = self.follow().map_err(|error| error.to_string())?;
        self.serve(is_whole);
        Ok(())
    }

    fn take(&mut self) {
        let now = self.clock.now();
        let (mut gone, mut wanted) = (Vec::new(), false);
        for ready in self.network.ready() {
            match ready {
                Ready::Listener => wanted = true,
                Ready::Joined => {}
                Ready::Peer { peer, readable, writable, ends } => {
                    let Some(Some(one)) = self.readers.get_mut(peer) else { continue };
                    if writable {
                        (one.blocked, one.took) = (false, now);
                    }
                    if ends {
                        one.connection.peer_ends();
                    }
                    if readable && !(one.read(now, &self.config) && one.flush(now)) {
                        gone.push(peer);
                    }
                }
            }
        }
        for peer in gone {
            self.drop_reader(peer);
        }
        if wanted {
            self.accept(now);
        }
        if now >= self.timers {
            self.timers = Timestamp(now.0.saturating_add(100_000_000));
            for peer in 0..self.readers.len() {
                let Some(one) = &mut self.readers[peer] else { continue };
                one.said = 0;
                if one.is_over(now) || !one.flush(now) {
                    self.drop_reader(peer);
                }
            }
        }
    }

    fn accept(&mut self, now: Timestamp) {
        while let Ok((stream, ..)) = self.network.accept() {
            if self.count >= self.config.connections_max {
                continue;
            }
            let Ok(mut connection) = Connection::new(stream, READER_BUFFER) else { continue };
            let free = self.readers.iter().position(Option::is_none);
            let peer = free.unwrap_or(self.readers.len());
            if self.network.register(connection.stream_mut(), peer).is_err() {
                continue;
            }
            let reader = Some(Reader {
                connection,
                machine: SoupServer::new(SoupConfig::new(self.session)),
                answers: Vec::new(),
                said: 0,
                snapshot: None,
                waits: false,
                began: now,
                took: now,
                blocked: false,
                closing: false,
            });
            self.count += 1;
            match self.readers.get_mut(peer) {
                Some(place) => *place = reader,
                None => self.readers.push(reader),
            }
        }
    }

    fn drop_reader(&mut self, peer: usize) {
        if let Some(mut one) = self.readers[peer].take() {
            self.network.forget(one.connection.stream_mut());
            self.count -= 1;
        }
    }

    /// Reads on, as far as the release cursor is now. Says whether it came so far.
    fn follow(&mut self) -> Result<bool, FollowError> {
        let limit = self.release.cursor();
        let mut is_whole = false;
        for _ in 0..FRAMES_A_ROUND {
            let Some(frame) = self.tail.next(limit)? else {
                is_whole = true;
                break;
            };
            self.cutter.frame(&frame, &mut self.reading)?;
        }
        self.hold.pass(self.tail.position());
        Ok(is_whole)
    }

    /// Cuts the readers of the older of two snapshots, if the newer is too old for who waits.
    fn make_room(&mut self, now: Timestamp) {
        self.made.retain(|snapshot| snapshot.strong_count() > 0);
        let is_stale = |it: &Arc<Snapshot>| now.0.saturating_sub(it.made.0) > STALE_NS;
        let [older, .., newer] = &self.made[..] else { return };
        let Some(older) = newer.upgrade().filter(is_stale).and_then(|_| older.upgrade()) else {
            return;
        };
        for peer in 0..self.readers.len() {
            let one = self.readers[peer].as_ref();
            let read = one.and_then(|one| one.snapshot.as_ref());
            if read.is_some_and(|(snapshot, _)| Arc::ptr_eq(snapshot, &older)) {
                self.drop_reader(peer);
            }
        }
    }

    fn serve(&mut self, is_whole: bool) {
        let now = self.clock.now();
        let has_failed = self.reading.standing.failed().is_some();
        if self.readers.iter().flatten().any(|one| one.waits) {
            self.make_room(now);
        }
        for peer in 0..self.readers.len() {
            let Some(one) = &mut self.readers[peer] else { continue };
            if one.waits && has_failed {
                // Nothing is better than books that are not true.
                self.drop_reader(peer);
                continue;
            }
            if one.waits && is_whole && self.reading.is_between {
                one.waits = false;
                one.snapshot = Some((self.reading.snapshot(&mut self.made, now), 0));
            }
            if one.blocked || one.snapshot.is_none() {
                continue;
            }
            one.give();
            if !one.flush(now) {
                self.drop_reader(peer);
            }
        }
    }
}

impl GlimpseLoop {
    /// A sleeper for the thread that runs this loop.
    ///
    /// # Errors
    ///
    /// If the kernel has no more descriptors.
    pub(crate) fn sleeper(&self) -> std::io::Result<Arc<Sleeper>> {
        Ok(Sleeper::in_poll(self.network.waker()?))
    }

    /// Goes on until the venue stops.
    ///
    /// # Errors
    ///
    /// If the journal cannot be followed.
    pub(crate) fn run(mut self, fate: &Fate, stop: &Sleeper) -> Result<(), String> {
        let mut said = false;
        while !fate.is_stopping() {
            stop.doze();
            let timeout = if fate.is_stopping() { Duration::ZERO } else { self.timeout() };
            self.round(timeout)?;
            stop.rise();
            if let Some(error) = self.reading.standing.failed().filter(|_| !said) {
                eprintln!(
                    "vesta: no more snapshots of the feed: its books cannot be true ({error}): this is our bug"
                );
                said = true;
            }
        }
        Ok(())
    }
}

impl Reading {
    /// One that is there and new enough, or a new one if there is room for it.
    fn snapshot(&self, made: &mut Vec<Weak<Snapshot>>, now: Timestamp) -> Arc<Snapshot> {
        made.retain(|snapshot| snapshot.strong_count() > 0);
        if let Some(last) = made.last().and_then(Weak::upgrade)
            && (now.0.saturating_sub(last.made.0) < FRESH_NS || made.len() >= SNAPSHOTS_MAX)
        {
            return last;
        }
        let mut bytes = Vec::new();
        self.standing.snapshot(self.at, |message| {
            #[allow(clippy::cast_possible_truncation)] // Tens of bytes.
            let length = message.len() as u16;
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(message);
        });
        let snapshot = Arc::new(Snapshot { bytes, made: now });
        made.push(Arc::downgrade(&snapshot));
        snapshot
    }
}

impl Follower for Reading {
    fn input(&mut self, head: &TurnHead) {
        (self.at, self.is_between) = (head.input.timestamp, false);
        self.publisher.input(&head.input);
    }

    fn event(&mut self, _: &TurnHead, _: u32, event: &Event) {
        self.publisher.event(event, &mut self.standing);
    }

    fn end_turn(&mut self, _: &TurnHead) {
        self.publisher.end_turn(&mut self.standing);
        self.is_between = true;
    }
}

impl<S: Stream> Reader<S> {
    /// Whether there is something to do for it that no socket says.
    fn has_work(&self) -> bool {
        let left = |(snapshot, at): &(Arc<Snapshot>, usize)| *at < snapshot.bytes.len();
        self.waits || self.snapshot.as_ref().is_some_and(left)
    }

    /// Whether it has had its time.
    fn is_over(&mut self, now: Timestamp) -> bool {
        let since = |at: Timestamp| now.0.saturating_sub(at.0);
        let stuck = self.blocked && since(self.took) > STUCK_NS;
        let silent = self.machine.tick(now, self.connection.output()).is_some();
        stuck || silent || since(self.began) > TAKE_NS
    }

    /// Reads what it says; `false`: the connection is over.
    fn read(&mut self, now: Timestamp, config: &Soup) -> bool {
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
                let consumed = received.consumed;
                let (mut over, mut has_more) = (false, true);
                match received.event {
                    None => has_more = false,
                    Some(SoupEvent::Login { username, password, requested_sequence, .. }) => {
                        let known = config.username.is_empty()
                            || (credentials_match(config.username.as_bytes(), username)
                                & credentials_match(config.password.as_bytes(), password));
                        let refused = if !known {
                            Some(SoupReject::NotAuthorized)
                        } else if requested_sequence > 1 {
                            // Each login has a snapshot of its own: there is no rest of an old one.
                            let text = "a snapshot begins with message 1";
                            self.machine.debug(text, &mut self.answers);
                            Some(SoupReject::SessionNotAvailable)
                        } else {
                            None
                        };
                        match refused {
                            Some(why) => {
                                let _ = self.machine.reject(why, &mut self.answers);
                                self.closing = true;
                            }
                            None => {
                                self.machine.accept(1, &mut self.answers);
                                self.waits = true;
                            }
                        }
                    }
                    Some(SoupEvent::Logout | SoupEvent::Close(_)) => over = true,
                    // Readers have nothing to ask for on this port.
                    Some(SoupEvent::Unsequenced(_) | SoupEvent::Debug(_)) => {}
                }
                self.connection.consume(consumed);
                self.connection.output().extend_from_slice(&self.answers);
                if over {
                    let _ = self.connection.flush();
                    return false;
                }
                if !has_more {
                    break;
                }
            }
            match fill {
                Fill::Data => {}
                Fill::Drained => return true,
                Fill::Closed => return false,
            }
        }
    }

    /// Gives it what is next of its snapshot, as far as its buffer has room.
    fn give(&mut self) {
        let Some((snapshot, at)) = &mut self.snapshot else { return };
        let start = self.connection.waiting();
        while let Some((length, rest)) = snapshot.bytes[*at..].split_first_chunk::<2>() {
            let waiting = self.connection.waiting();
            if waiting >= READER_BUFFER || waiting - start >= READER_BYTES_A_ROUND {
                return;
            }
            let len = usize::from(u16::from_be_bytes(*length));
            self.machine.sequenced(&rest[..len], self.connection.output());
            *at += 2 + len;
        }
        // All of it is on its way: others may have the memory.
        self.snapshot = None;
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

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;
    use crate::config::Durability;
    use crate::scratch::Scratch;

    /// Who reads two snapshots as slowly as he may leaves the third reader one that is no older than it may be.
    #[test]
    fn slow_readers_leave_nobody_an_old_snapshot() {
        let scratch = Scratch::new("glimpse");
        let log = scratch.log.clone();
        let any = "127.0.0.1:0".parse().unwrap();
        let (username, password) = (String::new(), String::new());
        let config = Soup { listen: any, username, password, connections_max: 8 };
        let clock = Clock::set_at(Timestamp(STALE_NS));
        let listener = mio::net::TcpListener::bind(any).unwrap();
        let mut glimpse = GlimpseLoop::new(
            config,
            Sockets::new(Some(listener), 8).unwrap(),
            (clock.clone(), Timestamp(0)),
            (&log, log.start(), Release::new(log.clone(), Durability::Memory)),
            (Standing::new(), Publisher::new()),
        );
        let mut ends = Vec::new();
        let mut reader = |glimpse: &mut GlimpseLoop, snapshot: Option<&Arc<Snapshot>>| {
            ends.push(TcpStream::connect(glimpse.addr().unwrap()).unwrap());
            let (stream, ..) = glimpse.network.accept().unwrap();
            let mut connection = Connection::new(stream, READER_BUFFER).unwrap();
            let peer = glimpse.readers.len();
            glimpse.network.register(connection.stream_mut(), peer).unwrap();
            let mut machine = SoupServer::new(SoupConfig::new(*b"V000000000"));
            let login = [&[0, 47, b'L'][..], &[b' '; 45], b"1"].concat();
            assert!(machine.receive(clock.now(), &login, &mut Vec::new()).event.is_some());
            machine.accept(1, &mut Vec::new());
            glimpse.count += 1;
            glimpse.readers.push(Some(Reader {
                connection,
                machine,
                answers: Vec::new(),
                said: 0,
                snapshot: snapshot.map(|it| (Arc::clone(it), 0)),
                waits: snapshot.is_none(),
                began: clock.now(),
                took: clock.now(),
                // It takes nothing at present.
                blocked: true,
                closing: false,
            }));
        };
        for made in [Timestamp(1), Timestamp(2)] {
            let snapshot = Arc::new(Snapshot { bytes: vec![0; 2], made });
            glimpse.made.push(Arc::downgrade(&snapshot));
            reader(&mut glimpse, Some(&snapshot));
        }
        reader(&mut glimpse, None);
        glimpse.serve(true);
        let read = |glimpse: &GlimpseLoop| -> Vec<Option<u64>> {
            let made = |one: &Reader<_>| Some(one.snapshot.as_ref()?.0.made.0);
            glimpse.readers.iter().map(|one| one.as_ref().and_then(made)).collect()
        };
        assert_eq!(read(&glimpse), [Some(1), Some(2), Some(2)], "new enough");
        clock.set(Timestamp(STALE_NS + 3));
        reader(&mut glimpse, None);
        glimpse.serve(true);
        assert_eq!(read(&glimpse), [None, Some(2), Some(2), Some(STALE_NS + 3)]);
    }
}
