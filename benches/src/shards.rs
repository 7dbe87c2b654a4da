//! Cores side by side: each with its ring, its engine and its journal, and home with the Relays of the other's messages.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use journal::{Log, Tail};
use matcher::{Command, Event, MsgSeqNum, Relay, SessionId};
use venue::ring::Requests;
use venue::turns::{Cutter, Follower, TurnHead};
use venue::{Core, Turned};

use crate::measure::{cpu_time, pin};
use crate::orders::{OPERATIONS, Request, SEED, STANDARD, requests, stream};
use crate::rig::{Folder, core, push};

/// Sessions; each trades on all shards.
pub const SESSIONS: u32 = 64;

/// Commands of a shard before home hears of their messages: as many frames as the gateway reads of one before it goes on.
pub const BATCH: usize = 1_024;

const CELLS: usize = 1 << 14;
const SEGMENT_BYTES: u32 = 256 << 20;
const TURNS_A_ROUND: usize = 256;

/// A core, and all that is its own.
pub struct Lane {
    core: Core,
    ring: Requests,
    tail: Tail,
    log: Log,
    list: Vec<Request>,
    sent: usize,
    /// Gone when it is dropped.
    _folder: Folder,
}

impl Lane {
    /// One with `commands` of its own to come.
    #[must_use]
    pub fn new(name: &str, seed: u64, commands: usize) -> Lane {
        let folder = Folder::in_memory(name);
        let opened = folder.open(SEGMENT_BYTES);
        let (core, ring) = core(opened.writer, SESSIONS, CELLS);
        let list =
            requests(&stream(&STANDARD, seed, OPERATIONS.max(commands)).operations, SESSIONS);
        let list = list.list[..commands].to_vec();
        let log = opened.log;
        let tail = log.tail(log.committed());
        Lane { core, ring, tail, log, list, sent: 0, _folder: folder }
    }

    /// Puts the next commands into the ring; says how many.
    ///
    /// # Panics
    ///
    /// If the ring has no room for them.
    pub fn fill(&mut self) -> usize {
        let to = self.list.len().min(self.sent + BATCH);
        for request in &self.list[self.sent..to] {
            assert!(push(&mut self.ring, request));
        }
        let count = to - self.sent;
        self.sent = to;
        count
    }

    /// Takes all that is in the ring.
    #[inline(never)]
    pub fn turns(&mut self) {
        while self.core.turns(TURNS_A_ROUND) != Turned::Idle {}
    }

    /// What was told since this was asked last: by session the first message and how many.
    ///
    /// # Panics
    ///
    /// If the journal is not what this program wrote.
    pub fn told(&mut self) -> Heard {
        let (mut told, mut cutter) = (Told::default(), Cutter::default());
        let limit = self.log.committed();
        while let Some(frame) = self.tail.next(limit).expect("a frame") {
            cutter.frame(&frame, &mut told).expect("a turn");
        }
        told.0
    }

    /// Puts the Relays of what another shard has told into the ring, as the gateway does.
    ///
    /// # Panics
    ///
    /// If the ring has no room for them.
    pub fn relay(&mut self, heard: &Heard) {
        for (session, (first, count)) in heard {
            let relay = Command::Relay(Relay { shard: 1, first: *first, count: *count });
            assert!(self.ring.push(*session, MsgSeqNum::NONE, &relay, &[]));
        }
    }
}

/// What a shard has told: by session the first message and how many.
pub type Heard = BTreeMap<SessionId, (MsgSeqNum, u32)>;

#[derive(Default)]
struct Told(Heard);

impl Follower for Told {
    fn input(&mut self, _: &TurnHead) {}

    fn event(&mut self, _: &TurnHead, _: u32, event: &Event) {
        for (session, msg) in event.recipients().into_iter().flatten() {
            self.0.entry(session).or_insert((msg, 0)).1 += 1;
        }
    }

    fn end_turn(&mut self, _: &TurnHead) {}
}

/// What a run took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Took {
    /// Of each core, in CPU time: what they would take if nobody else were on their CPUs.
    pub cores: [Duration; 2],
    /// Where the cores run at the same time: the longer of both.
    pub together: Duration,
    /// Relays, and messages in them.
    pub relays: (usize, u64),
}

/// Two shards, their cores on CPUs 0 and 1 at the same time, with `commands` each; home has the Relays of the other's messages
/// too.
///
/// # Panics
///
/// If a thread does.
#[must_use]
pub fn two(commands: usize) -> Took {
    // What home hears of the other, batch by batch: the same in every run.
    let (mut dry, mut heard) = (Lane::new("dry", SEED + 1, commands), Vec::new());
    while dry.fill() > 0 {
        dry.turns();
        heard.push(dry.told());
    }
    drop(dry);
    let (mut home, mut other) =
        (Lane::new("home", SEED, commands), Lane::new("other", SEED + 1, commands));
    let mut took = Took::default();
    let ready = AtomicU32::new(0);
    let both = |lane: &mut Lane, heard: &[Heard], cpu| {
        pin(cpu);
        ready.fetch_add(1, Ordering::AcqRel);
        while ready.load(Ordering::Acquire) < 2 {
            std::hint::spin_loop();
        }
        let (mut took, mut heard) = (Duration::ZERO, heard.iter());
        while lane.fill() > 0 {
            took += cpu_time(|| lane.turns()).0;
            if let Some(heard) = heard.next() {
                lane.relay(heard);
            }
        }
        took + cpu_time(|| lane.turns()).0
    };
    took.cores = std::thread::scope(|scope| {
        let beside = scope.spawn(|| both(&mut other, &[], 1));
        let at_home = both(&mut home, &heard, 0);
        [at_home, beside.join().expect("the other core")]
    });
    took.together = took.cores[0].max(took.cores[1]);
    let counts = heard.iter().flat_map(|heard| heard.values().map(|(_, count)| *count));
    took.relays = (heard.iter().map(BTreeMap::len).sum(), counts.map(u64::from).sum());
    took
}

/// One core with `commands`.
#[must_use]
pub fn one(commands: usize) -> Took {
    let mut lane = Lane::new("one", SEED, commands);
    let mut took = Took::default();
    pin(0);
    while lane.fill() > 0 {
        let (elapsed, ()) = cpu_time(|| lane.turns());
        took.cores[0] += elapsed;
    }
    took.together = took.cores[0];
    took
}
