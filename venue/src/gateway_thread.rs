//! The gateway's loop: sockets into the ring, the journal's tail back out to the sockets.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use gateway::acceptor::{Acceptor, History, ROOM_FOR_ORDERS};
use gateway::network::{Network, Sockets};
use gateway::order_entry::shards::Original;
use gateway::order_entry::{EventAt, Inputs, Told, Unreadable};
use gateway::orders::Pages;
use journal::{Archive, Hold, Log, Position, Tail};
use matcher::record::{ATTACHMENT_BYTES_MAX, decode_input};
use matcher::{Command, Event, Input, MsgSeqNum, OrderNumber, Relayed, Sequence, SessionId};

use crate::clock::Clock;
use crate::copier::Copier;
use crate::core::Space;
use crate::lanes::{Lanes, Way};
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
    /// The journals of shards beside home, from shard 1.
    shards: Vec<ShardTail>,
}

/// What the gateway needs of a shard beside home.
pub(crate) struct ShardParts {
    /// Its ring, and what its disk has left.
    pub way: Way,
    /// Its journal, and what of it may leave.
    pub log: Log,
    pub release: Release,
    /// How far home was told of it.
    pub from: Position,
    /// How far `outbound` and the acceptor's orders of it have followed.
    pub folded_to: Position,
    /// Where its messages are.
    pub outbound: Outbound,
}

/// The journal of a shard beside home, as far as it was read.
struct ShardTail {
    tail: Tail,
    hold: Hold,
    cutter: Cutter,
    release: Release,
    folded_to: Position,
}

struct RingToCore {
    ring: Requests,
    space: Arc<Space>,
    pushed: bool,
    /// The core has its turn when this thread has had its own: what finds the ring full waits for that.
    before_core: bool,
    /// The ways to other shards, if there are any.
    lanes: Option<Box<Lanes>>,
}

impl gateway::acceptor::Requests for RingToCore {
    fn room(&self) -> usize {
        let home = self.ring.room();
        self.lanes.as_ref().map_or(home, |lanes| home.min(lanes.room()))
    }

    fn takes_orders(&self) -> bool {
        let elsewhere = self.lanes.as_ref().is_some_and(|lanes| lanes.holds_orders());
        !elsewhere
            && !self.space.holds_orders()
            && (!self.before_core || self.ring.room() >= ROOM_FOR_ORDERS)
    }

    fn submit(
        &mut self,
        session: SessionId,
        inbound: MsgSeqNum,
        command: &Command,
        attachment: &[u8],
    ) {
        self.pushed = true;
        if self.lanes.is_some() {
            return self.submit_to(0, session, inbound, command, attachment);
        }
        let pushed = self.ring.push(session, inbound, command, attachment);
        assert!(pushed, "the caller looked at the room");
    }

    fn submit_to(
        &mut self,
        shard: usize,
        session: SessionId,
        inbound: MsgSeqNum,
        command: &Command,
        attachment: &[u8],
    ) {
        let lanes = self.lanes.as_mut().expect("only what has shards is asked for one");
        lanes.submit(&mut self.ring, shard, (session, inbound), command, attachment);
    }

    fn is_held(&self, session: SessionId) -> bool {
        self.lanes.as_ref().is_some_and(|lanes| lanes.is_held(session))
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
            requests: RingToCore { ring, space, pushed: false, before_core: false, lanes: None },
            shards: Vec::new(),
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
                others: Vec::new(),
            },
        }
    }

    /// The same with shards beside home, from shard 1. `begun`: who was asked for of which shard before this, and comes back.
    pub(crate) fn with_shards(
        mut self,
        shards: Vec<ShardParts>,
        begun: &[(SessionId, usize)],
    ) -> GatewayLoop<N> {
        let mut ways = Vec::new();
        for ShardParts { way, log, release, from, folded_to, outbound } in shards {
            ways.push(way);
            self.shards.push(ShardTail {
                tail: log.tail(from),
                hold: log.hold(from),
                cutter: Cutter::default(),
                release: release.clone(),
                folded_to,
            });
            let archive = log.archive();
            let (left, copied, others) = (None, None, Vec::new());
            let history = JournalHistory { log, archive, outbound, release, left, copied, others };
            self.history.others.push(history);
        }
        self.requests.lanes = Some(Box::new(Lanes::new(ways, begun)));
        self
    }

    /// Who is woken when something is in the ring of home's core, if that does not take turns with this loop, or of another
    /// shard's.
    pub(crate) fn wake_by(&mut self, home: Option<Arc<Sleeper>>, others: Vec<Arc<Sleeper>>) {
        if let Some(lanes) = &mut self.requests.lanes {
            lanes.wake_by(home, others);
        }
    }

    /// Memory for orders comes from there from now on.
    pub(crate) fn use_pages(&mut self, pages: Pages) {
        self.acceptor.use_pages(pages);
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
        if let Some(lanes) = &mut self.requests.lanes {
            lanes.take_freed();
        }
        self.news.announce(&mut self.acceptor);
        self.acceptor.serve(now, &mut self.requests);
        self.acceptor.tick(now, &mut self.requests);
        if let Some(copier) = &mut self.copier {
            let copied = copier.run(&mut self.acceptor, &mut self.requests, self.release.cursor());
            copied.map_err(std::io::Error::other)?;
        }
        if let Some(lanes) = &mut self.requests.lanes {
            lanes.wake();
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
            let lanes = self.requests.lanes.as_deref_mut();
            let mut follower = Teller { acceptor, history, lanes, now };
            for _ in 0..FRAMES_A_ROUND {
                let Some(frame) = self.tail.next(limit)? else { break };
                self.cutter.frame(&frame, &mut follower)?;
                told = true;
            }
            self.hold.pass(self.tail.position());
        }
        if !self.shards.is_empty() {
            told |= self.tell_home()?;
        }
        if self.acceptor.has_work() {
            let now = self.clock.now();
            self.acceptor.resend(now, &mut self.history);
            self.acceptor.flush(now);
        }
        Ok(told)
    }

    /// What other shards have to tell gets its numbers at home. Says whether there was anything.
    fn tell_home(&mut self) -> Result<bool, FollowError> {
        let Some(lanes) = self.requests.lanes.as_deref_mut() else { return Ok(false) };
        let mut any = false;
        for (shard, of) in (1..).zip(&mut self.shards) {
            let limit = of.release.cursor();
            if of.tail.position() >= limit {
                continue;
            }
            let JournalHistory { outbound: home, others, .. } = &mut self.history;
            let (acceptor, history) = (&mut self.acceptor, &mut others[shard - 1]);
            let folded_to = of.folded_to;
            let mut follower = ShardTeller { acceptor, history, home, lanes, shard, folded_to };
            for _ in 0..FRAMES_A_ROUND {
                let Some(frame) = of.tail.next(limit)? else { break };
                of.cutter.frame(&frame, &mut follower)?;
                any = true;
            }
            of.hold.pass(of.tail.position());
        }
        lanes.go_on(&mut self.requests.ring);
        lanes.wake();
        Ok(any)
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
        let lanes = self.requests.lanes.as_ref();
        let shards = lanes.is_some_and(|lanes| lanes.has_freed() || lanes.has_work())
            || self.shards.iter().any(|it| it.tail.position() < it.release.cursor());
        !self.acceptor.has_work()
            && !shards
            && !self.news.is_asked()
            && !copies
            && self.tail.position() >= limit
    }

    /// Whether orders are left in their sockets for want of space on the disk.
    #[must_use]
    pub(crate) fn holds_orders(&self) -> bool {
        let elsewhere = self.requests.lanes.as_ref().is_some_and(|lanes| lanes.holds_orders());
        elsewhere || self.requests.space.holds_orders()
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
        if let Some(lanes) = &mut self.requests.lanes {
            lanes.wake();
        }
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
    lanes: Option<&'a mut Lanes>,
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
        if let Event::Relayed(relayed) = event {
            return self.acceptor.relayed(self.now, relayed, self.history);
        }
        let told = told(head, index, event, rest);
        self.acceptor.event(self.now, &told, self.history);
    }

    fn end_turn(&mut self, head: &TurnHead) {
        if let Some(lanes) = &mut self.lanes {
            lanes.came_back(0, &head.input, head.attachment());
        }
    }
}

/// Follows the journal of a shard beside home.
struct ShardTeller<'a, N: Network> {
    acceptor: &'a mut Acceptor<N>,
    history: &'a mut JournalHistory,
    /// Where home's messages are.
    home: &'a Outbound,
    lanes: &'a mut Lanes,
    shard: usize,
    /// What is before this was followed at the start.
    folded_to: Position,
}

impl<N: Network> Follower for ShardTeller<'_, N> {
    fn input(&mut self, head: &TurnHead) {
        if head.position >= self.folded_to {
            self.history.outbound.input(&head.input);
            let (position, attachment) = (head.position.0, head.attachment());
            self.acceptor.input_of(self.shard, position, &head.input, attachment);
        }
    }

    fn event(&mut self, head: &TurnHead, index: u32, event: &Event) {
        let input = &head.input;
        let is_new = head.position >= self.folded_to;
        if is_new {
            self.history.outbound.event(head.position, event);
            self.acceptor.event_of(self.shard, head.position.0, input, index, event);
        }
        if let Event::MassCanceled { session, msg: MsgSeqNum::NONE, orders } = event {
            self.lanes.canceled(*session, *orders);
        }
        for (session, msg) in event.recipients().into_iter().flatten() {
            // What was given up at the start was told once.
            if !is_new && msg <= self.home.last_relayed(session, self.shard) {
                continue;
            }
            let inbound = if session == input.session { input.inbound } else { MsgSeqNum::NONE };
            self.lanes.relay(self.shard, session, msg, inbound);
        }
    }

    // Not before its last message is known of: what waits for it comes behind all of them.
    fn end_turn(&mut self, head: &TurnHead) {
        if head.position >= self.folded_to {
            self.lanes.came_back(self.shard, &head.input, head.attachment());
        }
    }
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
        relayed: None,
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
    /// Those of shards beside home, from shard 1.
    others: Vec<JournalHistory>,
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

    fn of(&mut self, original: Option<Original>) -> &mut JournalHistory {
        match original {
            Some(original) => &mut self.others[original.shard - 1],
            None => self,
        }
    }

    fn messages(
        &mut self,
        session: SessionId,
        from: MsgSeqNum,
        to: MsgSeqNum,
        each: &mut dyn FnMut(MsgSeqNum, &Told<'_>) -> ControlFlow<()>,
    ) -> Result<(), Unreadable> {
        let JournalHistory { others, .. } = self;
        let others = std::mem::take(others);
        let mut said =
            Said { session, next: from, to, each, broke: false, others, unreadable: None };
        let read = self.read_messages(&mut said);
        let unreadable = said.unreadable.take();
        self.others = said.others;
        read?;
        unreadable.map_or(Ok(()), Err)
    }
}

impl JournalHistory {
    fn read_messages(&mut self, said: &mut Said<'_>) -> Result<(), Unreadable> {
        let (session, to) = (said.session, said.to);
        while !said.broke && said.next <= to {
            let position = self.outbound.position(session, said.next);
            let position = position.ok_or(unreadable(session, None))?;
            let unreadable = unreadable(session, Some(position));
            // Nearly every turn is one frame, found and mapped by the archive.
            let frame = self.archive.frame(position).map_err(|_| unreadable)?;
            if frame.last {
                let before = said.next;
                Cutter::default().frame(&frame, said).map_err(|_| unreadable)?;
                if said.next == before {
                    return Err(unreadable);
                }
            } else {
                self.long_way(position, said)?;
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
    /// The journals of other shards.
    others: Vec<JournalHistory>,
    /// What of them cannot be read.
    unreadable: Option<Unreadable>,
}

impl Follower for Said<'_> {
    fn input(&mut self, _: &TurnHead) {}

    fn event(&mut self, head: &TurnHead, index: u32, event: &Event) {
        self.event_with(head, index, event, &[]);
    }

    fn event_with(&mut self, head: &TurnHead, index: u32, event: &Event, rest: &[u8]) {
        if let Event::Relayed(relayed) = event {
            return self.relayed(relayed);
        }
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

impl Said<'_> {
    /// Says what the journal of another shard has.
    fn relayed(&mut self, relayed: &Relayed) {
        let behind = relayed.msg.0.saturating_add(relayed.count);
        let is_in =
            relayed.session == self.session && (relayed.msg.0..behind).contains(&self.next.0);
        if !is_in || self.broke || self.unreadable.is_some() {
            return;
        }
        let shard = usize::from(relayed.shard);
        let Some(other) = shard.checked_sub(1).and_then(|at| self.others.get_mut(at)) else {
            self.unreadable = Some(unreadable(self.session, None));
            return;
        };
        let (from, to) = (self.next.0 - relayed.msg.0, (behind - 1).min(self.to.0) - relayed.msg.0);
        let there = |at: u32| MsgSeqNum(relayed.first.0 + at);
        let (next, broke, each) = (&mut self.next, &mut self.broke, &mut *self.each);
        let said = other.messages(self.session, there(from), there(to), &mut |original, told| {
            let msg = MsgSeqNum(relayed.msg.0 + (original.0 - relayed.first.0));
            *next = MsgSeqNum(msg.0 + 1);
            let relayed = Some(Original { shard, msg: original });
            let flow = each(msg, &Told { relayed, ..*told });
            *broke = flow.is_break();
            flow
        });
        self.unreadable = said.err();
        // What cannot be read is not passed over: it ends here.
        self.broke |= self.unreadable.is_some();
    }
}

#[cfg(test)]
mod tests {
    use gateway::acceptor::{AcceptorConfig, Lockout};
    use gateway::order_entry::OrderEntry;
    use matcher::Relay;

    use super::*;
    use crate::config::Durability;
    use crate::ring::{RECORD_BYTES, Taken, ring};
    use crate::scratch::Scratch;

    const ANN: SessionId = SessionId(1);
    const CANCEL: Command = Command::Cancel { target: OrderNumber(1) };

    fn acceptor() -> Acceptor {
        let config = AcceptorConfig {
            connections_max: 1,
            before_logon_max: 1,
            of_network_max: None,
            lockout: Lockout { after: 0, first_ns: 0, most_ns: 0 },
            out_buffer_bytes: 1 << 16,
            slow_peer_ns: 1,
            logon_timeout_ns: 1,
        };
        let network = Sockets::new(None, 8).unwrap();
        let entry = || OrderEntry::new(8);
        Acceptor::new(network, config, Vec::new(), entry()).with_shards(vec![entry()])
    }

    /// Number and command of what came into a ring.
    fn came(taken: &mut Taken) -> Vec<(u32, Command)> {
        let (mut came, mut record) = (Vec::new(), [0; RECORD_BYTES]);
        while let Some(len) = taken.pop(&mut record) {
            let (input, ..) = decode_input(Sequence(1), &record[..len]).unwrap();
            came.push((input.inbound.0, input.command));
        }
        came
    }

    /// A turn of many frames may be read in parts: what waits for it comes behind all that it tells, and brings a higher
    /// number than that home last.
    #[test]
    fn nothing_overtakes_a_turn_that_is_read_in_parts() {
        let scratch = Scratch::new("in-parts");
        let log = scratch.log.clone();
        let mut history = JournalHistory {
            archive: log.archive(),
            outbound: Outbound::default(),
            release: Release::new(log.clone(), Durability::Memory),
            log,
            left: None,
            copied: None,
            others: Vec::new(),
        };
        let (mut home, mut at_home) = ring(64);
        let (ring, mut at_shard) = ring(64);
        let mut lanes = Lanes::new(vec![Way::new(ring, Arc::default())], &[]);
        lanes.submit(&mut home, 1, (ANN, MsgSeqNum(5)), &CANCEL, &[]);
        lanes.submit(&mut home, 0, (ANN, MsgSeqNum(6)), &CANCEL, &[]);
        assert_eq!((came(&mut at_shard), came(&mut at_home)), (vec![(5, CANCEL)], Vec::new()));

        let mut head = TurnHead::NONE;
        head.input = Input { session: ANN, inbound: MsgSeqNum(5), command: CANCEL, ..head.input };
        let told = |msg| Event::Numbered { session: ANN, msg: MsgSeqNum(msg) };
        let relay = |first| Relay { shard: 1, first: MsgSeqNum(first), count: 1 };
        let (mut acceptor, outbound) = (acceptor(), Outbound::default());
        let mut read = |part: &dyn Fn(&mut ShardTeller<'_, Sockets>)| {
            part(&mut ShardTeller {
                acceptor: &mut acceptor,
                history: &mut history,
                home: &outbound,
                lanes: &mut lanes,
                shard: 1,
                folded_to: Position(0),
            });
            lanes.go_on(&mut home);
            came(&mut at_home)
        };
        let first = read(&|teller| {
            teller.input(&head);
            teller.event(&head, 0, &told(1));
        });
        assert_eq!(first, [(5, Command::Relay(relay(1)))]);
        let rest = read(&|teller| {
            teller.event(&head, 1, &told(2));
            teller.end_turn(&head);
        });
        assert_eq!(rest, [(5, Command::Relay(relay(2))), (6, CANCEL)]);
    }
}
