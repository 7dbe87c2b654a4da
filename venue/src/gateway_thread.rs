//! The gateway's loop: sockets into the ring, the journal's tail back out to the sockets.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use gateway::acceptor::{Acceptor, History, ROOM_FOR_ORDERS};
use gateway::network::{Network, Sockets};
use gateway::order_entry::{EventAt, Inputs, Told, Unreadable};
use journal::{Archive, Hold, Log, Position, Tail};
use matcher::record::{ATTACHMENT_BYTES_MAX, decode_input};
use matcher::{Command, Event, Input, MsgSeqNum, OrderNumber, Sequence, SessionId};

use crate::clock::Clock;
use crate::copier::Copier;
use crate::core::Space;
use crate::news::Desk;
use crate::outbound::Outbound;
use crate::release::Release;
use crate::ring::Requests;
use crate::threads::Sleeper;
use crate::turns::{Cutter, FollowError, Follower, TurnHead, Wanted, read_head};

/// Frames told before sockets have their turn again.
const FRAMES_A_ROUND: usize = 1_024;

/// The gateway's loop.
pub(crate) struct GatewayLoop<N: Network = Sockets> {
    acceptor: Acceptor<N>,
    clock: Clock,
    requests: RingToCore,
    tail: Tail,
    /// What is not told yet stays in the journal.
    hold: Hold,
    cutter: Cutter,
    release: Release,
    history: JournalHistory,
    /// Reads the journal for those that are told of others, if somebody is.
    copier: Option<Copier>,
    /// What an operator says.
    news: Arc<Desk>,
}

struct RingToCore {
    ring: Requests,
    space: Arc<Space>,
    pushed: bool,
    /// The core has its turn when this thread has had its own: what finds the ring full waits for that.
    before_core: bool,
}

impl gateway::acceptor::Requests for RingToCore {
    fn room(&self) -> usize {
        self.ring.room()
    }

    fn takes_orders(&self) -> bool {
        !self.space.holds_orders() && (!self.before_core || self.ring.room() >= ROOM_FOR_ORDERS)
    }

    fn submit(
        &mut self,
        session: SessionId,
        inbound: MsgSeqNum,
        command: &Command,
        attachment: &[u8],
    ) {
        let pushed = self.ring.push(session, inbound, command, attachment);
        assert!(pushed, "the caller looked at the room");
        self.pushed = true;
    }
}

impl<N: Network> GatewayLoop<N> {
    /// A loop that goes on from `from`, up to where `acceptor`'s order entry and `outbound` have
    /// followed the journal.
    #[must_use]
    pub(crate) fn new(
        acceptor: Acceptor<N>,
        clock: Clock,
        (ring, space): (Requests, Arc<Space>),
        log: &Log,
        from: Position,
        release: Release,
        outbound: Outbound,
    ) -> GatewayLoop<N> {
        let copier = Copier::new(log, &acceptor);
        GatewayLoop {
            acceptor,
            copier,
            news: Arc::default(),
            clock,
            requests: RingToCore { ring, space, pushed: false, before_core: false },
            tail: log.tail(from),
            hold: log.hold(from),
            cutter: Cutter::default(),
            release: release.clone(),
            history: JournalHistory {
                log: log.clone(),
                archive: log.archive(),
                outbound,
                release,
                left: None,
                copied: None,
            },
        }
    }

    /// The way to it for what an operator says.
    #[must_use]
    pub(crate) fn news(&self) -> Arc<Desk> {
        Arc::clone(&self.news)
    }

    /// The border, to look at.
    #[must_use]
    pub(crate) fn acceptor(&self) -> &Acceptor<N> {
        &self.acceptor
    }

    /// Sockets → ring. Waits for sockets at most `timeout`. Says whether something went into the ring.
    ///
    /// # Errors
    ///
    /// If the kernel's poll fails.
    pub(crate) fn take(&mut self, timeout: Option<Duration>) -> std::io::Result<bool> {
        self.acceptor.poll(timeout)?;
        let now = self.clock.now();
        self.requests.pushed = false;
        self.news.announce(&mut self.acceptor);
        self.acceptor.serve(now, &mut self.requests);
        self.acceptor.tick(now, &mut self.requests);
        if let Some(copier) = &mut self.copier {
            let copied = copier.run(&mut self.acceptor, &mut self.requests, self.release.cursor());
            copied.map_err(std::io::Error::other)?;
        }
        Ok(self.requests.pushed)
    }

    /// The same, where the core has its turns next, on this thread: an order that finds the ring nearly full is not refused
    /// but stays in its socket for the moment.
    ///
    /// # Errors
    ///
    /// If the kernel's poll fails.
    pub(crate) fn take_before_core(&mut self, timeout: Option<Duration>) -> std::io::Result<bool> {
        self.requests.before_core = true;
        self.take(timeout)
    }

    /// Journal → sockets, as far as the release cursor. Says whether there was anything.
    ///
    /// # Errors
    ///
    /// If the journal cannot be followed.
    pub(crate) fn tell(&mut self) -> Result<bool, FollowError> {
        let limit = self.release.cursor();
        let mut told = false;
        if self.tail.position() < limit {
            let now = self.clock.now();
            let (acceptor, history) = (&mut self.acceptor, &mut self.history);
            let mut follower = Teller { acceptor, history, now };
            for _ in 0..FRAMES_A_ROUND {
                let Some(frame) = self.tail.next(limit)? else { break };
                self.cutter.frame(&frame, &mut follower)?;
                told = true;
            }
            self.hold.pass(self.tail.position());
        }
        if self.acceptor.has_work() {
            let now = self.clock.now();
            self.acceptor.resend(now, &mut self.history);
            self.acceptor.flush(now);
        }
        Ok(told)
    }

    /// Lines for the log since this was asked last.
    pub(crate) fn take_notices(&mut self) -> Vec<String> {
        self.acceptor.take_notices()
    }

    /// Whether there is nothing to do before a socket, a timer or the release cursor moves.
    #[must_use]
    pub(crate) fn is_idle(&self) -> bool {
        let limit = self.release.cursor();
        let copies = self.copier.as_ref().is_some_and(|it| it.has_work(&self.acceptor, limit));
        !self.acceptor.has_work()
            && !self.news.is_asked()
            && !copies
            && self.tail.position() >= limit
    }

    /// Whether orders are left in their sockets for want of space on the disk.
    #[must_use]
    pub(crate) fn holds_orders(&self) -> bool {
        self.requests.space.holds_orders()
    }

    /// How long the loop may sleep; `None` until it is woken.
    #[must_use]
    pub(crate) fn timeout(&self) -> Option<Duration> {
        let deadline = self.acceptor.deadline()?;
        Some(Duration::from_nanos(deadline.0.saturating_sub(self.clock.now().0)))
    }

    /// Tells every session that the venue stops.
    pub(crate) fn stop(&mut self) {
        self.acceptor.stop(self.clock.now(), b"venue stops", &mut self.requests);
    }
}

impl GatewayLoop {
    /// A sleeper for the thread that runs this loop.
    ///
    /// # Errors
    ///
    /// If the kernel has no more descriptors.
    pub(crate) fn sleeper(&self) -> std::io::Result<Arc<Sleeper>> {
        Ok(Sleeper::in_poll(self.acceptor.network().waker()?))
    }
}

struct Teller<'a, N: Network> {
    acceptor: &'a mut Acceptor<N>,
    history: &'a mut JournalHistory,
    now: matcher::Timestamp,
}

impl<N: Network> Follower for Teller<'_, N> {
    fn input(&mut self, head: &TurnHead) {
        self.history.outbound.input(&head.input);
        self.acceptor.input(head.position.0, &head.input, head.attachment());
    }

    fn event(&mut self, head: &TurnHead, index: u32, event: &Event) {
        self.event_with(head, index, event, &[]);
    }

    fn event_with(&mut self, head: &TurnHead, index: u32, event: &Event, rest: &[u8]) {
        self.history.outbound.event(head.position, event);
        let told = told(head, index, event, rest);
        self.acceptor.event(self.now, &told, self.history);
    }

    fn end_turn(&mut self, _: &TurnHead) {}
}

fn told<'a>(head: &'a TurnHead, event_index: u32, event: &'a Event, rest: &'a [u8]) -> Told<'a> {
    Told {
        session: SessionId::VENUE,
        position: head.position.0,
        input: &head.input,
        attachment: head.attachment(),
        event,
        event_index,
        rest,
    }
}

/// The journal as the gateway's memory.
pub(crate) struct JournalHistory {
    log: Log,
    archive: Archive,
    outbound: Outbound,
    release: Release,
    left: Option<Left>,
    /// Where the last Event of a long turn was found for a copy: the next is the one behind it.
    copied: Option<CopiedFrom>,
}

impl Inputs for JournalHistory {
    fn input(
        &mut self,
        position: u64,
        attachment: &mut [u8; ATTACHMENT_BYTES_MAX],
    ) -> Option<(Input, usize)> {
        let position = Position(position);
        if position < self.log.start() {
            return self.kept(position, attachment);
        }
        let Ok(frame) = self.archive.frame(position) else {
            // It may have gone since.
            return self.kept(position, attachment);
        };
        let head = read_head(&frame).ok()?;
        let bytes = head.attachment();
        attachment[..bytes.len()].copy_from_slice(bytes);
        Some((head.input, bytes.len()))
    }

    fn event(
        &mut self,
        at: EventAt,
        attachment: &mut [u8; ATTACHMENT_BYTES_MAX],
    ) -> Option<(Input, usize, Event)> {
        let mut wanted = Wanted::new(at.index);
        let frame = self.archive.frame(Position(at.position)).ok()?;
        if frame.last {
            Cutter::default().frame(&frame, &mut wanted).ok()?;
        } else {
            self.event_of_long_turn(at, &mut wanted)?;
        }
        let (head, event) = wanted.found?;
        let bytes = head.attachment();
        attachment[..bytes.len()].copy_from_slice(bytes);
        Some((head.input, bytes.len(), event))
    }

    fn is_gone(&self, position: u64) -> bool {
        Position(position) < self.log.start()
    }
}

impl History for JournalHistory {
    fn oldest(&self, session: SessionId, from: MsgSeqNum) -> MsgSeqNum {
        self.outbound.oldest(session, from, self.log.start())
    }

    fn messages(
        &mut self,
        session: SessionId,
        from: MsgSeqNum,
        to: MsgSeqNum,
        each: &mut dyn FnMut(MsgSeqNum, &Told<'_>) -> ControlFlow<()>,
    ) -> Result<(), Unreadable> {
        let mut said = Said { session, next: from, to, each, broke: false };
        while !said.broke && said.next <= to {
            let position = self.outbound.position(session, said.next);
            let position = position.ok_or(unreadable(session, None))?;
            let unreadable = unreadable(session, Some(position));
            // Nearly every turn is one frame, found and mapped by the archive.
            let frame = self.archive.frame(position).map_err(|_| unreadable)?;
            if frame.last {
                let before = said.next;
                Cutter::default().frame(&frame, &mut said).map_err(|_| unreadable)?;
                if said.next == before {
                    return Err(unreadable);
                }
            } else {
                self.long_way(position, &mut said)?;
            }
        }
        Ok(())
    }
}

impl JournalHistory {
    /// The Input of an order that worked when its segment went: it stays.
    #[cold]
    fn kept(
        &self,
        position: Position,
        attachment: &mut [u8; ATTACHMENT_BYTES_MAX],
    ) -> Option<(Input, usize)> {
        let retained = self.log.retained()?;
        let (sequence, record) = retained.kept(position)?;
        let (input, bytes, _) = decode_input(Sequence(sequence), record).ok()?;
        attachment.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some((input, bytes.len()))
    }

    /// An Event of a turn of many frames: looked for from where the one before was found.
    fn event_of_long_turn(&mut self, at: EventAt, wanted: &mut Wanted) -> Option<()> {
        let before = self.copied.take();
        let before = before.filter(|it| it.turn == at.position && it.index <= at.index);
        let (mut tail, mut cutter) = match before {
            Some(before) => (self.log.tail(before.frame), before.cutter),
            None => (self.log.tail(Position(at.position)), Cutter::default()),
        };
        let limit = self.release.cursor();
        while wanted.found.is_none() {
            let before = cutter.clone();
            let frame = tail.next(limit).ok()??;
            let (frame, last) =
                (cutter.frame(&frame, wanted).map(|()| frame.position).ok()?, frame.last);
            if wanted.found.is_some() {
                let (turn, index) = (at.position, at.index);
                self.copied = Some(CopiedFrom { turn, index, frame, cutter: before });
            } else if last {
                return None;
            }
        }
        Some(())
    }

    /// A turn of many frames. Goes on in the frame where the last call for the same session stopped.
    fn long_way(&mut self, position: Position, said: &mut Said<'_>) -> Result<(), Unreadable> {
        let unreadable = unreadable(said.session, Some(position));
        let left = self.left.take().filter(|left| {
            left.session == said.session && left.next == said.next && left.turn == position
        });
        let (at, mut cutter) = match left {
            Some(left) => (left.frame, left.cutter),
            None => (position, Cutter::default()),
        };
        let mut tail = self.log.tail(at);
        let limit = self.release.cursor();
        let before = said.next;
        loop {
            let cutter_before = cutter.clone();
            let frame = tail.next(limit).map_err(|_| unreadable)?.ok_or(unreadable)?;
            let (frame_at, last) = (frame.position, frame.last);
            cutter.frame(&frame, said).map_err(|_| unreadable)?;
            if said.broke {
                let (session, next) = (said.session, said.next);
                let turn = self.outbound.position(session, next).unwrap_or(position);
                self.left =
                    Some(Left { session, next, turn, frame: frame_at, cutter: cutter_before });
                return Ok(());
            }
            if last {
                return if said.next == before { Err(unreadable) } else { Ok(()) };
            }
        }
    }
}

fn unreadable(session: SessionId, position: Option<Position>) -> Unreadable {
    Unreadable { session, number: OrderNumber::NONE, position: position.map(|at| at.0) }
}

/// Where [`JournalHistory::long_way`] stopped: a frame, and what led to it.
struct Left {
    session: SessionId,
    next: MsgSeqNum,
    turn: Position,
    frame: Position,
    cutter: Cutter,
}

/// A frame, what led to it, and an Event that is in it.
struct CopiedFrom {
    turn: u64,
    index: u32,
    frame: Position,
    cutter: Cutter,
}

struct Said<'a> {
    session: SessionId,
    next: MsgSeqNum,
    to: MsgSeqNum,
    each: &'a mut dyn FnMut(MsgSeqNum, &Told<'_>) -> ControlFlow<()>,
    broke: bool,
}

impl Follower for Said<'_> {
    fn input(&mut self, _: &TurnHead) {}

    fn event(&mut self, head: &TurnHead, index: u32, event: &Event) {
        self.event_with(head, index, event, &[]);
    }

    fn event_with(&mut self, head: &TurnHead, index: u32, event: &Event, rest: &[u8]) {
        for (session, msg) in event.recipients().into_iter().flatten() {
            if session == self.session && msg == self.next && msg <= self.to && !self.broke {
                self.next = MsgSeqNum(msg.0 + 1);
                let told = Told { session, ..told(head, index, event, rest) };
                self.broke = (self.each)(msg, &told).is_break();
            }
        }
    }

    fn end_turn(&mut self, _: &TurnHead) {}
}
