//! The journal's tail as ITCH over MoldUDP64: the same packets on line A and line B.
//!
//! It keeps nothing and asks nobody: what a packet costs does not depend on who reads, so it may take turns with the
//! core on one thread.

use std::io;
use std::net::{SocketAddr, SocketAddrV4, UdpSocket};
use std::time::Duration;

use feed::mold::MoldSender;
use feed::{MessageSink, Publisher};
use journal::{Hold, Log, Position, Tail};
use matcher::{Event, Timestamp};

use super::session_name;
use crate::clock::Clock;
use crate::config::{Mold, MoldLine};
use crate::release::Release;
use crate::turns::{Cutter, FollowError, Follower, TurnHead};

/// Frames published before whoever shares the thread has its turn.
const FRAMES_A_ROUND: usize = 1_024;

/// How often the heartbeat is looked at.
const TICK_NS: u64 = 100_000_000;

/// One way that packets take: a group on an interface.
struct Line {
    socket: UdpSocket,
    group: SocketAddrV4,
}

impl Line {
    fn new(line: &MoldLine, ttl: u32) -> io::Result<Line> {
        use socket2::{Domain, Protocol, Socket, Type};
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_multicast_if_v4(&line.interface)?;
        socket.set_multicast_ttl_v4(ttl)?;
        socket.set_multicast_loop_v4(true)?;
        socket.bind(&SocketAddr::from((line.interface, 0)).into())?;
        socket.set_nonblocking(true)?;
        Ok(Line { socket: socket.into(), group: line.group })
    }

    /// A datagram that the kernel does not take is lost like one on the wire: receivers have the other line, and ask
    /// for what came on neither.
    fn send(&self, packet: &[u8]) {
        let _ = self.socket.send_to(packet, self.group);
    }
}

/// What is multicast, and how far.
pub struct Multicast {
    clock: Clock,
    /// A, and B if there is one.
    lines: Vec<Line>,
    sender: MoldSender,
    publisher: Publisher,
    tail: Tail,
    /// What is not sent yet stays in the journal.
    hold: Hold,
    cutter: Cutter,
    release: Release,
    batch_ns: u64,
    deadline: Timestamp,
}

impl Multicast {
    /// What goes on with message `next` and what `log` has from `from` on. `publisher` has read as far.
    ///
    /// # Errors
    ///
    /// If the kernel refuses a socket.
    pub fn new(
        mold: &Mold,
        (clock, began): (Clock, Timestamp),
        (log, from, release): (&Log, Position, Release),
        (publisher, next): (Publisher, u64),
    ) -> io::Result<Multicast> {
        let lines = [Some(&mold.line_a), mold.line_b.as_ref()];
        let lines = lines.into_iter().flatten().map(|line| Line::new(line, mold.ttl));
        Ok(Multicast {
            clock,
            lines: lines.collect::<io::Result<_>>()?,
            sender: MoldSender::new(session_name(began), next),
            publisher,
            tail: log.tail(from),
            hold: log.hold(from),
            cutter: Cutter::default(),
            release,
            batch_ns: 1_000 * u64::from(mold.batch_us),
            deadline: Timestamp(0),
        })
    }

    /// Whether there is nothing to send before the release cursor or the heartbeat's time moves.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.tail.position() >= self.release.cursor()
    }

    /// Whether it has sent all that is in the journal.
    #[must_use]
    pub fn is_at_end(&self, log: &Log) -> bool {
        self.tail.position() >= log.committed()
    }

    /// How long it may be until the next [`Multicast::tick`].
    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::from_nanos(self.deadline.0.saturating_sub(self.clock.now().0))
    }

    /// Journal → packets, as far as the release cursor. Says whether there was anything.
    ///
    /// A packet goes out when it is full, when there is nothing more to put into it, or when its first message has
    /// waited for as long as one may.
    ///
    /// # Errors
    ///
    /// If the journal cannot be followed.
    pub fn publish(&mut self) -> Result<bool, FollowError> {
        let limit = self.release.cursor();
        if self.tail.position() >= limit {
            return Ok(false);
        }
        let Multicast { clock, lines, sender, publisher, tail, hold, cutter, .. } = self;
        let mut send = |packet: &[u8]| lines.iter().for_each(|line| line.send(packet));
        for _ in 0..FRAMES_A_ROUND {
            let Some(frame) = tail.next(limit)? else { break };
            let now = clock.now();
            sender.flush_older(now, self.batch_ns, &mut send);
            let sink = PacketSink { sender, now, send: &mut send };
            cutter.frame(&frame, &mut Packing { publisher, sink })?;
        }
        hold.pass(tail.position());
        sender.flush(clock.now(), &mut send);
        Ok(true)
    }

    /// Sends a heartbeat, or the end of the session when it is over, if it is time for it.
    pub fn tick(&mut self) {
        let now = self.clock.now();
        if now < self.deadline {
            return;
        }
        self.deadline = Timestamp(now.0 + TICK_NS);
        let Multicast { lines, sender, .. } = self;
        sender.tick(now, |packet| lines.iter().for_each(|line| line.send(packet)));
    }

    /// Ends the session; [`Multicast::tick`] goes on to say so.
    pub fn end(&mut self) {
        let Multicast { clock, lines, sender, .. } = self;
        sender.end(clock.now(), |packet| lines.iter().for_each(|line| line.send(packet)));
    }
}

struct PacketSink<'a, S> {
    sender: &'a mut MoldSender,
    now: Timestamp,
    send: S,
}

impl<S: FnMut(&[u8])> MessageSink for PacketSink<'_, S> {
    #[inline]
    fn message(&mut self, bytes: &[u8]) {
        self.sender.push(self.now, bytes, &mut self.send);
    }
}

struct Packing<'a, S> {
    publisher: &'a mut Publisher,
    sink: PacketSink<'a, S>,
}

impl<S: FnMut(&[u8])> Follower for Packing<'_, S> {
    #[inline]
    fn input(&mut self, head: &TurnHead) {
        self.publisher.input(&head.input);
    }

    #[inline]
    fn event(&mut self, _: &TurnHead, _: u32, event: &Event) {
        self.publisher.event(event, &mut self.sink);
    }

    #[inline]
    fn end_turn(&mut self, _: &TurnHead) {
        self.publisher.end_turn(&mut self.sink);
    }
}
