//! The gateway's ways to the shards beside home, and what of its sessions is on them.
//!
//! ```text
//!               ┌── ring ──▶ core of shard 1 ──▶ its journal ──┐ tail, as far as it may leave
//!   gateway ────┤                                              ▼
//!               └── ring ──▶ core of home ◀── ring ── Relay: "messages 7 to 9 of shard 1 have numbers"
//!                                 │
//!                                 └──▶ home's journal ──▶ tail: the reports, read from shard 1, under home's numbers
//! ```
//!
//! Three rules keep number N of a session what it was, whenever the process ends:
//!
//! * **A Relay follows what may leave.** It names messages that no restart takes back, by the numbers that their own journal gave
//!   them, so what was relayed and what was not is read from the two journals.
//! * **Messages of a session are journaled in the order of their numbers.** One for another shard waits until those before it are
//!   in their journal for good, so the highest number that is found is one that has all others before it. The Relay of a report
//!   brings the number that it answers for home.
//! * **What concerns all shards comes home last**: a mass cancel that is to be answered when all others have counted, numbers that begin
//!   again when nothing of before is on its way. The cancel for a lost connection is everybody's at once: a shard whose disk
//!   stalls keeps no other's orders in their books.

use std::collections::VecDeque;
use std::sync::Arc;

use gateway::order_entry::shards::{ASKED, BEGINS_AGAIN, WAITED, WAITS, put_affected_elsewhere};
use matcher::record::ATTACHMENT_BYTES_MAX;
use matcher::{
    Command, Input, MassCancelScope, MsgSeqNum, Numbering, RefusedRequest, RejectReason, Relay,
    SessionId,
};

use crate::core::Space;
use crate::ring::Requests;
use crate::threads::Sleeper;

/// The rings of the shards beside home, and what is on its way through them.
#[derive(Default)]
pub(crate) struct Lanes {
    /// From shard 1.
    ways: Vec<Way>,
    /// By session.
    asked: Vec<Asked>,
    /// Sessions with something that waits.
    waiting: Vec<SessionId>,
    /// What is to be relayed: session and shard.
    relaying: Vec<(SessionId, usize)>,
    /// Some session does not wait any more, and may be read.
    freed: bool,
    /// Who is woken when something goes home beside what sockets ask.
    home: Option<Arc<Sleeper>>,
    relayed_home: bool,
}

/// A ring, and who takes from it.
pub(crate) struct Way {
    pub ring: Requests,
    pub space: Arc<Space>,
    sleeper: Option<Arc<Sleeper>>,
    pushed: bool,
}

impl Way {
    pub(crate) fn new(ring: Requests, space: Arc<Space>) -> Way {
        Way { ring, space, sleeper: None, pushed: false }
    }
}

/// What of a session is on its way.
#[derive(Default)]
struct Asked {
    /// Inputs that may not leave yet, by shard.
    in_flight: Vec<u32>,
    waiting: VecDeque<Waiting>,
    /// By shard, from 1.
    relays: Vec<Option<Pending>>,
}

/// Messages that have no number at home yet.
#[derive(Clone, Copy)]
struct Pending {
    first: MsgSeqNum,
    count: u32,
    /// The number of the session's message that they answer, if any.
    inbound: MsgSeqNum,
}

struct Waiting {
    shard: usize,
    inbound: MsgSeqNum,
    command: Command,
    attachment: Vec<u8>,
    stage: Stage,
}

enum Stage {
    /// It goes to its shard.
    Plain,
    /// It goes to all others first.
    Everywhere {
        /// It went.
        went: bool,
        /// Orders that it took off there.
        affected: u64,
        /// A shard does it when its disk has room, which may be never.
        is_short: bool,
    },
}

impl Asked {
    fn add(&mut self, shard: usize) {
        if self.in_flight.len() <= shard {
            self.in_flight.resize(shard + 1, 0);
        }
        self.in_flight[shard] += 1;
    }

    /// Whether nothing is on its way to other shards than this.
    fn is_alone(&self, shard: usize) -> bool {
        let others = self.in_flight.iter().enumerate().filter(|(other, _)| *other != shard);
        others.map(|(_, count)| count).all(|count| *count == 0)
    }

    /// Whether a request may go now.
    fn may_go(&self, shard: usize, inbound: MsgSeqNum, command: &Command) -> bool {
        let is_ordered =
            inbound != MsgSeqNum::NONE || matches!(command, Command::Note(Numbering::Reset));
        // It comes behind the numbers that other shards used up.
        let mut relays = (1..).zip(&self.relays);
        let is_relayed = relays.all(|(other, relay)| other == shard || relay.is_none());
        !is_ordered || is_relayed && self.is_alone(shard)
    }
}

/// Whether a request of home concerns the others too.
const fn is_for_all(shard: usize, command: &Command) -> bool {
    shard == 0
        && matches!(
            command,
            Command::MassCancel(MassCancelScope::Session) | Command::Note(Numbering::Clear)
        )
}

impl Lanes {
    /// With the rings of shards 1 and up. `begun` has who was asked for before, session and shard: it comes back.
    pub(crate) fn new(ways: Vec<Way>, begun: &[(SessionId, usize)]) -> Lanes {
        let mut lanes = Lanes { ways, ..Lanes::default() };
        for (session, shard) in begun {
            lanes.asked_mut(*session).add(*shard);
        }
        lanes
    }

    /// Who is woken: home's core, if it does not take turns with the gateway, and those of shards 1 and up.
    pub(crate) fn wake_by(&mut self, home: Option<Arc<Sleeper>>, others: Vec<Arc<Sleeper>>) {
        self.home = home;
        for (way, sleeper) in self.ways.iter_mut().zip(others) {
            way.sleeper = Some(sleeper);
        }
    }

    /// Room in the fullest ring.
    pub(crate) fn room(&self) -> usize {
        self.ways.iter().map(|way| way.ring.room()).min().unwrap_or(usize::MAX)
    }

    pub(crate) fn holds_orders(&self) -> bool {
        self.ways.iter().any(|way| way.space.holds_orders())
    }

    fn asked_mut(&mut self, session: SessionId) -> &mut Asked {
        let index = session.index();
        if self.asked.len() <= index {
            self.asked.resize_with(index + 1, Asked::default);
        }
        &mut self.asked[index]
    }

    /// Whether something of a session waits: it is not read then.
    pub(crate) fn is_held(&self, session: SessionId) -> bool {
        self.asked.get(session.index()).is_some_and(|asked| !asked.waiting.is_empty())
    }

    /// Whether a session may be read that could not, since this was asked last.
    pub(crate) fn take_freed(&mut self) -> bool {
        std::mem::take(&mut self.freed)
    }

    pub(crate) fn has_freed(&self) -> bool {
        self.freed
    }

    /// Puts a request into the ring of its shard, now or when it may go.
    pub(crate) fn submit(
        &mut self,
        home: &mut Requests,
        shard: usize,
        (session, inbound): (SessionId, MsgSeqNum),
        command: &Command,
        attachment: &[u8],
    ) {
        if session == SessionId::VENUE {
            let pushed = self.push(home, shard, (session, inbound), command, attachment);
            assert!(pushed, "the caller looked at the room");
            return;
        }
        let for_all = is_for_all(shard, command);
        let asked = self.asked_mut(session);
        let goes = asked.waiting.is_empty() && !for_all && asked.may_go(shard, inbound, command);
        if goes {
            let pushed = self.push(home, shard, (session, inbound), command, attachment);
            assert!(pushed, "the caller looked at the room");
            self.asked_mut(session).add(shard);
            return;
        }
        let stage = if for_all {
            Stage::Everywhere { went: false, affected: 0, is_short: false }
        } else {
            Stage::Plain
        };
        let (command, attachment) = (*command, attachment.to_vec());
        if asked.waiting.is_empty() {
            self.waiting.push(session);
        }
        let waiting = Waiting { shard, inbound, command, attachment, stage };
        self.asked_mut(session).waiting.push_back(waiting);
        self.advance(home, session);
    }

    fn push(
        &mut self,
        home: &mut Requests,
        shard: usize,
        (session, inbound): (SessionId, MsgSeqNum),
        command: &Command,
        attachment: &[u8],
    ) -> bool {
        let Some(way) = shard.checked_sub(1).and_then(|at| self.ways.get_mut(at)) else {
            let pushed = home.push(session, inbound, command, attachment);
            self.relayed_home |= pushed;
            return pushed;
        };
        let pushed = way.ring.push(session, inbound, command, attachment);
        way.pushed |= pushed;
        pushed
    }

    /// Lets go what may go of a session.
    fn advance(&mut self, home: &mut Requests, session: SessionId) {
        loop {
            let asked = &mut self.asked[session.index()];
            let Some(front) = asked.waiting.front() else {
                self.freed = true;
                return;
            };
            let (shard, inbound, command) = (front.shard, front.inbound, front.command);
            match front.stage {
                Stage::Plain if !asked.may_go(shard, inbound, &command) => return,
                // Nobody waits for an answer to the cancel for a lost connection, and home need not wait for the others.
                Stage::Everywhere { went: true, .. }
                    if inbound == MsgSeqNum::NONE && matches!(command, Command::MassCancel(_)) => {}
                Stage::Everywhere { went: true, .. }
                    if !asked.is_alone(0) || asked.relays.iter().any(Option::is_some) =>
                {
                    return;
                }
                Stage::Everywhere { went: false, .. } => {
                    if !self.ask_all(session, inbound, &command) {
                        return;
                    }
                    continue;
                }
                Stage::Everywhere { is_short: true, .. } if inbound != MsgSeqNum::NONE => {
                    if !self.refuse_short(home, session) {
                        return;
                    }
                    continue;
                }
                Stage::Plain | Stage::Everywhere { .. } => {}
            }
            let Some(front) = asked.waiting.pop_front() else { return };
            let mut attachment = [0; ATTACHMENT_BYTES_MAX];
            let mut len = front.attachment.len();
            attachment[..len].copy_from_slice(&front.attachment);
            if let Stage::Everywhere { affected: 1.., .. } = front.stage
                && inbound != MsgSeqNum::NONE
                && let Stage::Everywhere { affected, .. } = front.stage
            {
                len = put_affected_elsewhere(&mut attachment, len, affected);
            }
            if !self.push(home, shard, (session, inbound), &command, &attachment[..len]) {
                // Until there is room.
                self.asked_mut(session).waiting.push_front(front);
                return;
            }
            self.asked_mut(session).add(shard);
        }
    }

    /// A mass cancel that not all shards have done: home does it too, and says that it is not done. `false`: there is no room.
    #[cold]
    fn refuse_short(&mut self, home: &mut Requests, session: SessionId) -> bool {
        if home.room() < 2 {
            return false;
        }
        let asked = self.asked_mut(session);
        let Some(Waiting { inbound, command, attachment, .. }) = asked.waiting.pop_front() else {
            return false;
        };
        let (request, reason) = (RefusedRequest::MassCancel, RejectReason::JournalFull);
        let refused = Command::Refuse { request, reason };
        for (inbound, command, attachment) in
            [(MsgSeqNum::NONE, command, &ASKED[..]), (inbound, refused, &attachment[..])]
        {
            let pushed = self.push(home, 0, (session, inbound), &command, attachment);
            assert!(pushed, "there was room");
            self.asked_mut(session).add(0);
        }
        true
    }

    /// Asks all shards but home; `false`: there is no room.
    fn ask_all(&mut self, session: SessionId, inbound: MsgSeqNum, command: &Command) -> bool {
        if self.room() == 0 {
            return false;
        }
        let (command, attachment): (Command, &[u8]) = match command {
            Command::Note(_) => (Command::Note(Numbering::InboundOnly), &BEGINS_AGAIN),
            command if inbound != MsgSeqNum::NONE => (*command, &ASKED),
            command => (*command, &[]),
        };
        for way in &mut self.ways {
            let pushed = way.ring.push(session, MsgSeqNum::NONE, &command, attachment);
            assert!(pushed, "there was room");
            way.pushed = true;
        }
        let shards = 1..=self.ways.len();
        let asked = self.asked_mut(session);
        shards.for_each(|shard| asked.add(shard));
        if let Some(Waiting { stage: Stage::Everywhere { went, .. }, .. }) =
            asked.waiting.front_mut()
        {
            *went = true;
        }
        true
    }

    /// An Input of a session came back from a shard, or a Note that it waits there.
    pub(crate) fn came_back(&mut self, shard: usize, input: &Input, attachment: &[u8]) {
        let Input { session, command, .. } = input;
        let has_waited = matches!(command, Command::MassCancel(_)) && *attachment == WAITED;
        if *session == SessionId::VENUE || matches!(command, Command::Relay(_)) || has_waited {
            return;
        }
        let Some(asked) = self.asked.get_mut(session.index()) else { return };
        if let Some(count) = asked.in_flight.get_mut(shard) {
            *count = count.saturating_sub(1);
        }
        if matches!(command, Command::Note(_))
            && *attachment == WAITS
            && let Some(Waiting { stage: Stage::Everywhere { went: true, is_short, .. }, .. }) =
                asked.waiting.front_mut()
        {
            *is_short = true;
        }
    }

    /// A shard beside home has canceled all orders of a session that nobody is told of there.
    pub(crate) fn canceled(&mut self, session: SessionId, orders: u32) {
        let asked = self.asked.get_mut(session.index());
        if let Some(Waiting { stage: Stage::Everywhere { went: true, affected, .. }, .. }) =
            asked.and_then(|asked| asked.waiting.front_mut())
        {
            *affected += u64::from(orders);
        }
    }

    /// A message of a shard may leave as soon as it has a number at home. `inbound` is the number of the session's message
    /// that it answers.
    ///
    /// # Panics
    ///
    /// If a message is left out: its number would be another's.
    pub(crate) fn relay(
        &mut self,
        shard: usize,
        session: SessionId,
        msg: MsgSeqNum,
        inbound: MsgSeqNum,
    ) {
        let asked = self.asked_mut(session);
        if asked.relays.len() < shard {
            asked.relays.resize(shard, None);
        }
        let pending = &mut asked.relays[shard - 1];
        let is_new = pending.is_none();
        let pending = pending.get_or_insert(Pending { first: msg, count: 0, inbound });
        assert!(
            pending.first.0.checked_add(pending.count) == Some(msg.0),
            "message {msg} of session {session} does not follow on shard {shard}"
        );
        pending.count += 1;
        if inbound != MsgSeqNum::NONE {
            pending.inbound = inbound;
        }
        if is_new {
            self.relaying.push((session, shard));
        }
    }

    /// Asks home for the numbers of what came, and lets go what waited for it.
    pub(crate) fn go_on(&mut self, home: &mut Requests) {
        while let Some((session, shard)) = self.relaying.last().copied() {
            let asked = &mut self.asked[session.index()];
            if let Some(pending) = asked.relays[shard - 1] {
                let Pending { first, count, inbound } = pending;
                let shard_code = u8::try_from(shard).unwrap_or(u8::MAX);
                let relay = Command::Relay(Relay { shard: shard_code, first, count });
                if !home.push(session, inbound, &relay, &[]) {
                    break;
                }
                self.relayed_home = true;
                asked.relays[shard - 1] = None;
            }
            self.relaying.pop();
        }
        if !self.waiting.is_empty() {
            let waiting = std::mem::take(&mut self.waiting);
            for session in waiting {
                self.advance(home, session);
                if self.is_held(session) {
                    self.waiting.push(session);
                }
            }
        }
    }

    /// Whether something was to be relayed and had no room.
    pub(crate) fn has_work(&self) -> bool {
        !self.relaying.is_empty()
    }

    /// Wakes whoever was given something.
    pub(crate) fn wake(&mut self) {
        if std::mem::take(&mut self.relayed_home)
            && let Some(sleeper) = &self.home
        {
            sleeper.wake();
        }
        for way in &mut self.ways {
            if std::mem::take(&mut way.pushed)
                && let Some(sleeper) = &way.sleeper
            {
                sleeper.wake();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use matcher::record::{INPUT_BYTES_MAX, decode_input};
    use matcher::{OrderNumber, Sequence, Timestamp};

    use super::*;
    use crate::ring::{RECORD_BYTES, Taken, ring};

    const ANN: SessionId = SessionId(1);

    /// Home, shards 1 and 2, and what has come to each.
    struct World {
        lanes: Lanes,
        home: Requests,
        taken: [Taken; 3],
    }

    impl World {
        fn new() -> World {
            let [(home, at_home), (one, at_one), (two, at_two)] = [(); 3].map(|()| ring(64));
            let ways = [one, two].map(|ring| Way::new(ring, Arc::default()));
            let lanes = Lanes::new(ways.into(), &[]);
            World { lanes, home, taken: [at_home, at_one, at_two] }
        }

        fn submit(&mut self, shard: usize, inbound: u32, command: Command) {
            let asked = (ANN, MsgSeqNum(inbound));
            self.lanes.submit(&mut self.home, shard, asked, &command, &[]);
        }

        /// What came to a shard: number and command of each, and of the last its attachment.
        fn came(&mut self, shard: usize) -> (Vec<(u32, Command)>, Vec<u8>) {
            let (mut came, mut last) = (Vec::new(), Vec::new());
            let mut record = [0; RECORD_BYTES];
            while let Some(len) = self.taken[shard].pop(&mut record) {
                assert!(len <= INPUT_BYTES_MAX);
                let (input, attachment, _) = decode_input(Sequence(1), &record[..len]).unwrap();
                let Input { session, inbound, command, .. } = input;
                assert_eq!(session, ANN);
                came.push((inbound.0, command));
                last = attachment.to_vec();
            }
            (came, last)
        }

        fn came_back(&mut self, shard: usize, command: &Command, attachment: &[u8]) {
            let (sequence, timestamp) = (Sequence(1), Timestamp(0));
            let (session, inbound, command) = (ANN, MsgSeqNum::NONE, *command);
            let input = Input { sequence, timestamp, session, inbound, command };
            self.lanes.came_back(shard, &input, attachment);
        }

        /// Inputs of a shard come back; each tells the session something, from message `msg` on.
        fn back(&mut self, shard: usize, msg: u32, inputs: &[(u32, Command)]) {
            for (n, (inbound, command)) in (msg..).zip(inputs) {
                self.came_back(shard, command, &[]);
                if shard > 0 {
                    self.lanes.relay(shard, ANN, MsgSeqNum(n), MsgSeqNum(*inbound));
                }
            }
            self.lanes.go_on(&mut self.home);
        }
    }

    const fn cancel(number: u32) -> Command {
        Command::Cancel { target: OrderNumber(number) }
    }

    const fn relay(shard: u8, first: u32, count: u32) -> Command {
        Command::Relay(Relay { shard, first: MsgSeqNum(first), count })
    }

    #[test]
    fn numbers_of_a_session_reach_journals_in_order() {
        let mut world = World::new();
        world.submit(1, 5, cancel(1));
        world.submit(1, 6, cancel(2));
        // The next is another's: it waits, and what comes behind it too.
        world.submit(2, 7, cancel(3));
        world.submit(1, 8, cancel(4));
        // What answers no message waits behind it.
        world.submit(0, 0, Command::Note(Numbering::Next));
        assert!(world.lanes.is_held(ANN) && !world.lanes.is_held(SessionId(2)));
        let (came, _) = world.came(1);
        assert_eq!(came, [(5, cancel(1)), (6, cancel(2))]);
        assert!(world.came(2).0.is_empty() && world.came(0).0.is_empty());
        world.back(1, 1, &came[..1]);
        assert!(world.came(2).0.is_empty(), "one is on its way still");
        assert_eq!(world.came(0).0, [(5, relay(1, 1, 1))]);
        world.back(1, 2, &came[1..]);
        assert_eq!(world.came(0).0, [(6, relay(1, 2, 1))]);
        let (came, _) = world.came(2);
        assert_eq!(came, [(7, cancel(3))]);
        assert!(world.lanes.is_held(ANN) && !world.lanes.take_freed());
        world.back(2, 1, &came);
        assert_eq!(world.came(1).0, [(8, cancel(4))]);
        // Behind the Relay that brings number 7 home.
        let home = [(7, relay(2, 1, 1)), (0, Command::Note(Numbering::Next))];
        assert_eq!(world.came(0).0, home);
        assert!(!world.lanes.is_held(ANN) && world.lanes.take_freed());
    }

    #[test]
    fn a_mass_cancel_comes_home_with_the_count_of_all() {
        let mut world = World::new();
        let all = Command::MassCancel(MassCancelScope::Session);
        world.submit(2, 5, cancel(1));
        world.submit(0, 6, all);
        world.submit(0, 7, cancel(9));
        assert_eq!(world.came(1), (vec![(0, all)], ASKED.to_vec()));
        let (came, _) = world.came(2);
        assert_eq!(came, [(5, cancel(1)), (0, all)]);
        assert!(world.came(0).0.is_empty(), "it comes home last");
        world.came_back(1, &all, &[]);
        world.lanes.canceled(ANN, 3);
        world.lanes.go_on(&mut world.home);
        assert!(world.came(0).0.is_empty(), "the other has not counted");
        world.back(2, 1, &came[..1]);
        world.came_back(2, &all, &[]);
        world.lanes.canceled(ANN, 4);
        world.lanes.go_on(&mut world.home);
        let (came, _) = world.came(0);
        assert_eq!(came, [(5, relay(2, 1, 1)), (6, all), (7, cancel(9))]);
        // One that nobody asked for waits for nobody, and nobody is told how many.
        world.submit(0, 0, all);
        assert_eq!(world.came(0), (vec![(0, all)], Vec::new()));
        assert_eq!(world.came(1), (vec![(0, all)], Vec::new()));
        let back = |world: &mut World, shard| {
            world.came_back(shard, &all, &[]);
            world.lanes.canceled(ANN, 1);
        };
        (1..=2).for_each(|shard| back(&mut world, shard));
        world.lanes.go_on(&mut world.home);
        assert!(world.came(0).0.is_empty() && !world.lanes.is_held(ANN));
    }

    /// A shard whose disk is full keeps a cancel back, maybe for ever: the session is told, and goes on.
    #[test]
    fn a_mass_cancel_that_waits_for_room_is_refused_and_holds_up_nobody() {
        let mut world = World::new();
        let all = Command::MassCancel(MassCancelScope::Session);
        let waits = Command::Note(Numbering::InboundOnly);
        world.submit(0, 6, all);
        world.submit(2, 7, cancel(9));
        world.came_back(2, &all, &[]);
        world.lanes.canceled(ANN, 4);
        world.came_back(1, &waits, &WAITS);
        world.lanes.go_on(&mut world.home);
        let (request, reason) = (RefusedRequest::MassCancel, RejectReason::JournalFull);
        let refused = Command::Refuse { request, reason };
        assert_eq!(world.came(0).0, [(0, all), (6, refused)]);
        world.back(0, 1, &[(0, all), (6, refused)]);
        assert_eq!(world.came(2).0, [(0, all), (7, cancel(9))]);
        world.back(2, 1, &[(7, cancel(9))]);
        assert_eq!(world.came(0).0, [(7, relay(2, 1, 1))]);
        // It is done one day, beside what is asked for then.
        assert_eq!(world.came(1).0, [(0, all)]);
        world.submit(1, 8, cancel(10));
        world.came_back(1, &all, &WAITED);
        world.submit(2, 9, cancel(11));
        assert!(world.lanes.is_held(ANN), "8 is on its way still");
        world.back(1, 1, &[(8, cancel(10))]);
        assert_eq!(world.came(2).0, [(9, cancel(11))]);
        // One that nobody asked for is done elsewhere all the same.
        world.back(2, 2, &[(9, cancel(11))]);
        world.came(0);
        world.submit(0, 0, all);
        world.came_back(2, &all, &[]);
        world.came_back(1, &waits, &WAITS);
        world.lanes.go_on(&mut world.home);
        assert_eq!(world.came(0).0, [(0, all)]);
        // Home keeps it back as well: a Logon is not held up.
        world.came_back(0, &waits, &WAITS);
        world.submit(0, 0, Command::Note(Numbering::Next));
        world.submit(1, 1, cancel(1));
        world.back(0, 1, &[(0, Command::Note(Numbering::Next))]);
        assert!(!world.lanes.is_held(ANN));
    }

    #[test]
    fn numbers_begin_again_when_nothing_of_before_is_on_its_way() {
        let mut world = World::new();
        world.submit(1, 5, cancel(1));
        world.submit(0, 0, Command::Note(Numbering::Reset));
        world.submit(0, 0, Command::Note(Numbering::Clear));
        assert!(world.came(0).0.is_empty());
        let (came, _) = world.came(1);
        world.back(1, 1, &came);
        assert_eq!(world.came(0).0, [(5, relay(1, 1, 1)), (0, Command::Note(Numbering::Reset))]);
        // What OUCH named orders by is forgotten elsewhere first.
        let again = Command::Note(Numbering::InboundOnly);
        for shard in [1, 2] {
            assert_eq!(world.came(shard), (vec![(0, again)], BEGINS_AGAIN.to_vec()));
            assert!(world.came(0).0.is_empty());
            world.came_back(shard, &again, &[]);
            world.lanes.go_on(&mut world.home);
        }
        assert_eq!(world.came(0).0, [(0, Command::Note(Numbering::Clear))]);
    }

    #[test]
    fn what_finds_no_room_goes_later() {
        let mut world = World::new();
        while world.home.push(SessionId::VENUE, MsgSeqNum::NONE, &Command::Expire, &[]) {}
        world.lanes.relay(1, ANN, MsgSeqNum(1), MsgSeqNum(5));
        world.lanes.go_on(&mut world.home);
        world.lanes.relay(1, ANN, MsgSeqNum(2), MsgSeqNum(6));
        assert!(world.lanes.has_work());
        let mut record = [0; RECORD_BYTES];
        while world.taken[0].pop(&mut record).is_some() {}
        // What is home's waits for what it comes behind.
        world.submit(0, 7, cancel(1));
        assert!(world.lanes.is_held(ANN));
        world.lanes.go_on(&mut world.home);
        assert_eq!(world.came(0).0, [(6, relay(1, 1, 2)), (7, cancel(1))]);
        assert!(!world.lanes.has_work());
    }
}
