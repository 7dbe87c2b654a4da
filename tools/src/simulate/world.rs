//! One machine, one venue, its clients, and one clock that only this file moves.
//!
//! There are no threads: whoever is due next has its turn. What the venue's threads do in their loops is
//! done here step by step, by the same code, so that the venue can end between any two of them.

mod ending;
mod rest;
mod starting;

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use gateway::market_data::News;
use journal::{
    Log, OpenError, Options, Position, Prepared, Preparer, ReadError, Retired, Synced, Syncer, Tail,
};
use matcher::record::RECORD_VERSION;
use matcher::{
    Command, InstrumentId, Permission, PermissionScope, Phase, Price, Sequence, SessionId,
    Timestamp,
};
use venue::assembly::{Assembly, Joined, MarketDataLoop, Operator, Outside, Round};
use venue::release::Release;
use venue::replay::ReplayError;
use venue::snapshots::{KeepError, Keeper, Made, NotRetired};
use venue::turns::FollowError;
use venue::{Clock, Durability, RecoveryError, Space, StartError, Turned};

use super::disk::VirtualDisk;
use super::faults::{Counts, Fault, Room, Sabotage};
use super::hostile::Hostile;
use super::listener::{Listener, Of};
use super::net::{Leave, Net, Port, VirtualNetwork};
use super::oracle::{History, hash_frame};
use super::ouch::OuchTrader;
use super::plan::{self, Plan};
use super::sabotage::filter;
use super::subscriber::{FeedLedger, Subscriber};
use super::trader::Trader;
use crate::random::Random;
use crate::say;

const US: u64 = 1_000;
const MS: u64 = 1_000 * US;
const SECOND: u64 = 1_000 * MS;
const DAY: u64 = 86_400 * SECOND;

/// How long everybody may take to come to rest when nothing goes wrong any more.
const REST_NS: u64 = 300 * SECOND;

/// How long they must stay so.
const AT_REST_NS: u64 = 4 * SECOND;

/// How long a stop in order may take.
const STOP_NS: u64 = 2 * SECOND;

/// How often changes of the market are told, and how late that may be.
const MARKET_NS: u64 = 100 * MS;

/// What seeds are mixed with for what those do who came later.
const LATER: u64 = 0x1157_e4e5;

/// A run that takes more steps than that goes round in circles.
const STEPS_MAX: u64 = 3_000_000;

/// What a run was like.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What was found, if anything.
    pub finding: Option<String>,
    /// Faults by kind.
    pub counts: Counts,
    /// How long it was, ns.
    pub simulated_ns: u64,
    /// Requests of the clients that keep the rules.
    pub commands: u64,
    /// Turns in the journal at the end.
    pub turns: u64,
    /// Starts of the venue after the first.
    pub restarts: u64,
    /// Of those, the ones that went on from a snapshot.
    pub from_snapshot: u64,
    /// Segments of the journal that went.
    pub retired: u64,
    /// Drop copies, messages of market data and messages of OUCH that were heard.
    pub heard: [u64; 3],
    /// The engine's state at the end.
    pub state_hash: u64,
    /// What happened, if that was asked for.
    pub trace: Vec<String>,
}

impl Outcome {
    /// Our own code gave up.
    pub(super) fn panicked(why: String) -> Outcome {
        Outcome {
            finding: Some(format!("panicked: {why}")),
            counts: Counts::default(),
            simulated_ns: 0,
            commands: 0,
            turns: 0,
            restarts: 0,
            from_snapshot: 0,
            retired: 0,
            heard: [0; 3],
            state_hash: 0,
            trace: Vec::new(),
        }
    }
}

/// Whether what happens is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tracing {
    /// No: most runs are not looked at.
    Off,
    /// Yes, into [`Outcome::trace`].
    On,
    /// Yes, to stdout at once.
    Print,
}

/// How a venue ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Process,
    Machine,
}

/// Where in a step it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    AfterTake,
    AfterTurns,
    InCall,
}

struct Running {
    joined: Joined<VirtualNetwork>,
    /// Those that wrote a batch and have not synced it come first, the oldest before the others.
    lanes: [Syncer; 2],
    preparer: Preparer,
    log: Log,
    release: Release,
    operator: Operator,
    market: Option<MarketDataLoop>,
    /// When changes of the market are told next.
    market_at: u64,
    /// It has said something that the venue has not taken yet.
    market_said: bool,
    space: Arc<Space>,
    /// Follows what is committed, for the turns' hashes.
    follow: Tail,
    hash: u64,
    venue_at: u64,
    sync_at: Option<u64>,
    prepare_at: Option<u64>,
    keeper: Keeper,
    keep_at: Option<u64>,
    /// Whether the indexes were looked at that were there at the start.
    mended: bool,
    stop_by: Option<u64>,
}

/// A bit that was turned round.
struct Flip {
    path: PathBuf,
    at: u64,
    bit: u8,
    /// Damage there may be taken for a torn write.
    may_be_cut: bool,
}

pub(super) struct World {
    plan: Plan,
    random: Random,
    now: u64,
    clock: Clock,
    border_clock: Clock,
    skew: u64,
    disk: VirtualDisk,
    net: Net,
    folder: String,
    dir: PathBuf,
    live: PathBuf,
    /// Every segment there ever was.
    gone: PathBuf,
    /// Segments that went.
    retired: u64,
    running: Option<Running>,
    /// When a venue is started that is not there.
    start_at: u64,
    starts: u64,
    ends: Option<(Place, End)>,
    crash_at: u64,
    trouble_at: u64,
    operator_at: u64,
    room_at: u64,
    slow_until: u64,
    traders: Vec<Trader>,
    hostile: Option<Hostile>,
    listeners: Vec<Listener>,
    ouch: Option<OuchTrader>,
    /// How late whoever tells of the market is.
    market_random: Random,
    subscribers: Vec<Subscriber>,
    feed: FeedLedger,
    /// A hash of every turn that was committed, and where it ends.
    turns: Vec<(u64, u64)>,
    /// Turns that must be there after the next start.
    required: usize,
    /// Of those, the ones that somebody may have been told of.
    released: usize,
    /// The state when the venue ended.
    then: (Sequence, u64),
    /// Nothing goes wrong any more.
    calm: bool,
    /// Commands of the operator for when nothing goes wrong any more.
    at_calm: Vec<Command>,
    /// A bit of something was turned.
    flipped: bool,
    /// Starts that went on from a snapshot.
    from_snapshot: u64,
    /// Damage at the very end of what was synced was cut, as FORMAT.md says it may be.
    cut_short: bool,
    restarted: Rc<Cell<bool>>,
    counts: Counts,
    tracing: Tracing,
    trace: Vec<String>,
}

/// Runs a seed in an empty folder of a memory file system.
pub(super) fn run(
    seed: u64,
    sabotage: Option<Sabotage>,
    folder: &Path,
    tracing: Tracing,
) -> Outcome {
    let plan = Plan::new(seed, sabotage);
    let mut world = World::new(plan, folder, tracing);
    let finding = world.live_through().err().map(|what| what.replace(&world.folder, ""));
    if let Some(finding) = &finding {
        world.say(|| format!("FOUND: {finding}"));
    }
    world.outcome(finding)
}

impl World {
    fn new(plan: Plan, folder: &Path, tracing: Tracing) -> World {
        let mut random = Random::new(plan.seed);
        let clock = Clock::set_at(Timestamp(plan.began));
        let border_clock = Clock::set_at(Timestamp(plan.began));
        let skip = (plan.sabotage == Some(Sabotage::SkipSync)).then_some(3);
        let disk = VirtualDisk::new(Random::new(random.next()), skip);
        let restarted = Rc::new(Cell::new(false));
        let filter = filter(plan.sabotage, &restarted);
        let net = Net::new(Random::new(random.next()), border_clock.clone(), filter);
        let traders = (0..plan.traders)
            .map(|index| Trader::new(&plan, index, Random::new(random.next())))
            .collect();
        let hostile = Hostile::new(plan.began, Random::new(random.next()));
        let subscribers = (0..plan.subscribers)
            .map(|_| {
                let rate = plan.client_fault_per_mille;
                Subscriber::new(plan.began, rate, Random::new(random.next()))
            })
            .collect();
        let mut more = Random::new(plan.seed ^ LATER);
        let mut listeners = Vec::new();
        if let Some(session) = plan.session(plan::COPIES) {
            let random = Random::new(more.next());
            listeners.push(Listener::copies(plan::COPIES, session, &plan, random));
        }
        if let Some(session) = plan.session(plan::MARKET) {
            let random = Random::new(more.next());
            listeners.push(Listener::market(plan::MARKET, session, &plan, random));
        }
        let ouch = plan.session(plan::OUCH);
        let ouch = ouch.map(|id| OuchTrader::new(id, &plan, Random::new(more.next())));
        let mut world = World {
            now: plan.began,
            clock,
            border_clock,
            skew: 0,
            disk,
            net,
            folder: folder.display().to_string(),
            dir: folder.join("journal"),
            live: folder.join("live"),
            gone: folder.join("gone"),
            retired: 0,
            running: None,
            start_at: plan.began,
            starts: 0,
            ends: None,
            crash_at: u64::MAX,
            trouble_at: u64::MAX,
            operator_at: u64::MAX,
            room_at: u64::MAX,
            slow_until: 0,
            traders,
            hostile: plan.hostile.then_some(hostile),
            listeners,
            ouch,
            market_random: more,
            subscribers,
            feed: FeedLedger::default(),
            turns: Vec::new(),
            required: 0,
            released: 0,
            then: (Sequence(0), 0),
            calm: false,
            at_calm: Vec::new(),
            flipped: false,
            from_snapshot: 0,
            cut_short: false,
            restarted,
            counts: Counts::default(),
            tracing,
            trace: Vec::new(),
            random,
            plan,
        };
        world.crash_at = world.later(world.plan.crash_ns);
        world.trouble_at = world.later(world.plan.trouble_ns);
        world.operator_at = world.later(world.plan.operator_ns);
        world
    }

    fn outcome(mut self, finding: Option<String>) -> Outcome {
        self.running = None;
        let mut counts = self.counts;
        counts.extend(&self.disk.counts());
        counts.extend(&self.net.counts());
        let mut commands = 0;
        for trader in &self.traders {
            counts.extend(&trader.wire.counts);
            commands += trader.commands;
        }
        for subscriber in &self.subscribers {
            counts.extend(&subscriber.counts);
        }
        let mut heard = [0; 3];
        for listener in &self.listeners {
            counts.extend(&listener.wire.counts);
            match &listener.ears.of {
                Of::Copies(told) => heard[0] += told.len() as u64,
                Of::Market(market) => heard[1] += market.messages,
            }
        }
        if let Some(ouch) = &self.ouch {
            counts.extend(&ouch.counts);
            commands += ouch.commands;
            heard[2] += ouch.told().count() as u64;
        }
        if let Some(hostile) = &self.hostile {
            counts.extend(&hostile.counts);
        }
        Outcome {
            finding,
            counts,
            simulated_ns: self.now - self.plan.began,
            commands,
            turns: self.turns.len() as u64,
            restarts: self.starts.saturating_sub(1),
            from_snapshot: self.from_snapshot,
            retired: self.retired,
            heard,
            state_hash: self.then.1,
            trace: self.trace,
        }
    }

    fn say(&mut self, what: impl FnOnce() -> String) {
        if self.tracing == Tracing::Off {
            return;
        }
        let since = self.now - self.plan.began;
        // The folder of a run has another name every time.
        let what = what().replace(&self.folder, "");
        let line = format!("{:>4}.{:09} {what}", since / SECOND, since % SECOND);
        match self.tracing {
            Tracing::Print => say!("{line}"),
            _ => self.trace.push(line),
        }
    }

    /// When something with this mean distance comes next.
    fn later(&mut self, every: u64) -> u64 {
        if every == 0 { u64::MAX } else { self.now + 1 + self.random.below(2 * every) }
    }

    fn set_now(&mut self, now: u64) {
        self.now = self.now.max(now);
        self.border_clock.set(Timestamp(self.now));
        self.clock.set(Timestamp(self.now - self.skew));
    }

    fn live_through(&mut self) -> Result<(), String> {
        let plan = self.plan.clone();
        self.say(|| format!("{plan:?}"));
        let end = self.plan.began + self.plan.lasts_ns;
        let mut steps = 0;
        while !self.cut_short {
            let at = self.next();
            if at >= end {
                break;
            }
            self.set_now(at);
            self.step()?;
            steps += 1;
            if steps > STEPS_MAX {
                return Err("the run goes round in circles".into());
            }
        }
        self.set_now(end);
        if !self.cut_short {
            self.come_to_rest()?;
        }
        Ok(())
    }

    /// When somebody is due.
    fn next(&self) -> u64 {
        let mut at = self.crash_at.min(self.trouble_at).min(self.operator_at).min(self.room_at);
        match &self.running {
            None => at = at.min(self.start_at),
            Some(running) => {
                at = at.min(running.venue_at);
                at = at.min(running.sync_at.unwrap_or(u64::MAX));
                at = at.min(running.prepare_at.unwrap_or(u64::MAX));
                at = at.min(running.keep_at.unwrap_or(u64::MAX));
                at = at.min(running.market_at);
                if let Some(sockets) = self.net.next_for_venue() {
                    at = at.min(sockets.max(self.now));
                }
            }
        }
        for trader in &self.traders {
            at = at.min(trader.next(self.now, &self.net));
        }
        for subscriber in &self.subscribers {
            at = at.min(subscriber.next(self.now, &self.net));
        }
        for listener in &self.listeners {
            at = at.min(listener.next(self.now, &self.net));
        }
        if let Some(ouch) = &self.ouch {
            at = at.min(ouch.next(self.now, &self.net));
        }
        at.min(self.hostile.as_ref().map_or(u64::MAX, Hostile::next)).max(self.now)
    }

    /// Everybody who is due has a turn.
    fn step(&mut self) -> Result<(), String> {
        let now = self.now;
        if self.running.is_none() && self.start_at <= now {
            self.start()?;
        }
        if self.crash_at <= now {
            self.crash_at = self.later(self.plan.crash_ns);
            self.crash()?;
        }
        if self.trouble_at <= now {
            self.trouble_at = self.later(self.plan.trouble_ns);
            self.trouble();
        }
        if self.room_at <= now {
            self.room_at = u64::MAX;
            self.say(|| "the disk has room again".into());
            self.disk.set_full(Room::Some);
            self.prepare_soon();
        }
        if self.operator_at <= now {
            self.operator_at = self.later(self.plan.operator_ns);
            self.operate();
        }
        self.step_venue()?;
        for trader in &mut self.traders {
            if trader.next(now, &self.net) <= now {
                trader.step(now, &self.net)?;
            }
        }
        for subscriber in &mut self.subscribers {
            if subscriber.next(now, &self.net) <= now {
                subscriber.step(now, &self.net, &mut self.feed)?;
            }
        }
        for listener in &mut self.listeners {
            if listener.next(now, &self.net) <= now {
                listener.step(now, &self.net)?;
            }
        }
        if let Some(ouch) = &mut self.ouch
            && ouch.next(now, &self.net) <= now
        {
            ouch.step(now, &self.net)?;
        }
        if let Some(hostile) = &mut self.hostile
            && hostile.next() <= now
        {
            hostile.step(now, &self.net);
        }
        Ok(())
    }

    fn step_venue(&mut self) -> Result<(), String> {
        let now = self.now;
        if self.running.as_ref().is_some_and(|it| it.market_at <= now) {
            self.step_market()?;
        }
        let sockets = self.net.next_for_venue().is_some_and(|at| at <= now);
        let Some(running) = &mut self.running else { return Ok(()) };
        if sockets && running.venue_at > now {
            running.venue_at = now;
        }
        if running.venue_at <= now {
            self.step_loops()?;
        }
        if self.running.as_ref().is_some_and(|it| it.sync_at.is_some_and(|at| at <= now)) {
            self.step_syncer()?;
        }
        if self.running.as_ref().is_some_and(|it| it.prepare_at.is_some_and(|at| at <= now)) {
            self.step_preparer()?;
        }
        if self.running.as_ref().is_some_and(|it| it.keep_at.is_some_and(|at| at <= now)) {
            self.step_keeper()?;
        }
        Ok(())
    }

    /// Gateway, core and feed in turn, as `run.rs` does it.
    fn step_loops(&mut self) -> Result<(), String> {
        let now = self.now;
        let Some(running) = &mut self.running else { return Ok(()) };
        running.market_said = false;
        let pushed = running.joined.take(Some(Duration::ZERO))?;
        if self.ends_at(Place::AfterTake)? {
            return Ok(());
        }
        let Some(running) = &mut self.running else { return Ok(()) };
        let turned = running.joined.turns();
        let took = matches!(turned, Turned::Took(took) if took > 0);
        if took {
            self.follow()?;
        }
        if self.ends_at(Place::AfterTurns)? {
            return Ok(());
        }
        let Some(running) = &mut self.running else { return Ok(()) };
        let told = running.joined.tell()?;
        let notices = running.joined.take_notices();
        let idle = running.joined.is_idle();
        let busy = pushed || took || told.sessions || told.subscribers || !idle;
        let mut wait = match turned {
            Turned::NoRoom => 5 * MS,
            _ if busy => 2 * US + self.random.below(40 * US),
            _ => u64::try_from(running.joined.timeout(Duration::from_secs(1)).as_nanos())
                .unwrap_or(SECOND)
                .max(US),
        };
        // Orders that are left in their sockets are looked at again, as the loop does it.
        if running.space.holds_orders() || running.stop_by.is_some() {
            wait = 5 * MS;
        }
        running.venue_at = now + wait;
        for notice in notices {
            self.say(|| format!("venue: {notice}"));
        }
        self.wake_helpers();
        self.stop_if_done()
    }

    /// Whoever tells of the market runs beside too.
    fn step_market(&mut self) -> Result<(), String> {
        let (now, late) = (self.now, self.market_random.below(MARKET_NS));
        let Some(running) = &mut self.running else { return Ok(()) };
        let Some(market) = &mut running.market else { return Ok(()) };
        running.market_at = match market.round(News::All)? {
            Round::Reads => now + 1,
            Round::Told { any, is_full } => {
                if any {
                    running.venue_at = running.venue_at.min(now);
                    running.market_said = true;
                }
                now + if is_full { MS } else { MARKET_NS + late }
            }
        };
        Ok(())
    }

    /// The syncer and the preparer run beside, at their own pace.
    fn wake_helpers(&mut self) {
        let now = self.now;
        let slow = now < self.slow_until;
        let delay = match self.random.below(40) {
            _ if slow => 200 * MS + self.random.below(2 * SECOND),
            0 => MS + self.random.below(50 * MS),
            _ => 40 * US + self.random.below(300 * US),
        };
        let Some(running) = &mut self.running else { return };
        if running.sync_at.is_none() && running.log.committed() > running.log.durable() {
            running.sync_at = Some(now + delay);
            running.prepare_at.get_or_insert(now + delay / 2);
        }
    }

    fn prepare_soon(&mut self) {
        let at = self.now + self.random.below(MS);
        if let Some(running) = &mut self.running {
            running.prepare_at = Some(at);
        }
    }

    /// One half of a batch: two of them are on their way at times, as in a venue, and the oldest ends first.
    fn step_syncer(&mut self) -> Result<(), String> {
        let now = self.now;
        let Some(running) = &mut self.running else { return Ok(()) };
        running.sync_at = None;
        let written = running.lanes.iter().filter(|lane| lane.is_written()).count();
        let writes = match written {
            0 => true,
            written if written < running.lanes.len() => self.random.below(3) == 0,
            _ => false,
        };
        let done = if writes {
            running.lanes[written].write().map(|_| None)
        } else {
            let done = running.lanes[0].sync().map(Some);
            running.lanes.rotate_left(1);
            done
        };
        match done {
            Ok(Some(Synced::Advanced(_))) => {
                running.venue_at = running.venue_at.min(now + US);
                running.prepare_at.get_or_insert(now + 10 * US);
                let keeper = &running.keeper;
                if (keeper.is_due() || keeper.is_index_due()) && !running.space.is_full() {
                    running.keep_at.get_or_insert(now + 3 * MS);
                }
            }
            Ok(_) => {}
            Err(error) => return self.failed(&error.to_string()),
        }
        self.wake_helpers();
        Ok(())
    }

    fn step_preparer(&mut self) -> Result<(), String> {
        let now = self.now;
        let Some(running) = &mut self.running else { return Ok(()) };
        running.prepare_at = None;
        match running.preparer.step() {
            Ok(Prepared::Made) => {
                running.space.set_full(false);
                running.prepare_at = Some(now + 20 * US);
                Ok(())
            }
            Ok(Prepared::NoSpace { .. }) => {
                running.space.set_full(true);
                running.prepare_at = Some(now + 200 * MS);
                self.say(|| "no space for a segment".into());
                Ok(())
            }
            Ok(Prepared::Idle) => Ok(()),
            Err(error) => self.failed(&error.to_string()),
        }
    }

    /// Makes what is due: a snapshot, or an index.
    fn step_keeper(&mut self) -> Result<(), String> {
        let Some(running) = &mut self.running else { return Ok(()) };
        if running.keeper.is_due() || !running.keeper.is_index_due() {
            return self.make_snapshot();
        }
        self.link_segments()?;
        self.mend()?;
        let Some(running) = &mut self.running else { return Ok(()) };
        running.keep_at = None;
        let made = running.keeper.make_index(|| true);
        self.say(|| format!("indexes: {made:?}"));
        self.kept(made.map(|_| None))
    }

    /// Makes again what is damaged of the indexes, once after each start.
    fn mend(&mut self) -> Result<(), String> {
        let Some(running) = &mut self.running else { return Ok(()) };
        if std::mem::replace(&mut running.mended, true) {
            return Ok(());
        }
        let mended = running.keeper.mend(usize::MAX, || true);
        self.say(|| format!("indexes made again: {mended:?}"));
        for (_, why) in mended.failed {
            self.kept(Err(why))?;
        }
        Ok(())
    }

    /// Makes a snapshot. One that cannot be written is no harm.
    pub(super) fn make_snapshot(&mut self) -> Result<(), String> {
        self.link_segments()?;
        let Some(running) = &mut self.running else { return Ok(()) };
        running.keep_at = None;
        let made = running.keeper.make(|| true);
        self.kept(made)
    }

    fn kept(&mut self, made: Result<Option<Made>, KeepError>) -> Result<(), String> {
        match made {
            Ok(None) => Ok(()),
            Ok(Some(made)) => {
                self.say(|| format!("a snapshot: {made:?}"));
                if !made.refused.is_empty() && !self.flipped {
                    return Err(format!("a snapshot cannot be gone on from: {:?}", made.refused));
                }
                match made.retired {
                    None => Ok(()),
                    Some(Ok(retired)) => self.went(&retired),
                    Some(Err(why)) => self.stays(&why),
                }
            }
            Err(KeepError::Headless(why)) if self.flipped => {
                self.say(|| format!("no snapshot: {why}"));
                Ok(())
            }
            Err(KeepError::Headless(why)) => Err(format!("no snapshot: {why}")),
            Err(KeepError::Write(error)) if self.disk.has_ended() => {
                self.failed(&error.to_string())
            }
            Err(KeepError::Write(error)) => {
                self.say(|| format!("no snapshot: {error}"));
                if self.disk.take_failed() || self.disk.is_full() {
                    return Ok(());
                }
                Err(format!("no snapshot although the disk did not fail: {error}"))
            }
            Err(KeepError::Replay(error)) => Err(format!("no snapshot: {error}")),
        }
    }

    /// Old segments went: who asks for what was in them is told so from now on.
    fn went(&mut self, retired: &Retired) -> Result<(), String> {
        self.retired += retired.segments;
        let turns = self.let_go()?;
        if turns + 1 != retired.first_sequence {
            return Err(format!("{turns} turns are before the journal's beginning: {retired:?}"));
        }
        let Some(archive) = &retired.archive else { return Ok(()) };
        for index in 0..retired.first {
            let name = format!("{index:016}.seg");
            let read = |folder: &Path| std::fs::read(folder.join(&name));
            match (read(archive), read(&self.gone)) {
                (Ok(moved), Ok(was)) if moved == was => {}
                _ => return Err(format!("segment {index} is not what it was in {archive:?}")),
            }
        }
        Ok(())
    }

    /// Everybody is told what the running venue's journal does not have any more; how many turns.
    fn let_go(&mut self) -> Result<u64, String> {
        let Some(running) = &self.running else { return Ok(0) };
        let (log, then) = (running.log.clone(), running.joined.core().sequence());
        let history = History::read(&log, then, &self.gone)?;
        Ok(self.let_go_of(&history, log.start()))
    }

    /// The same, by what the journal was.
    fn let_go_of(&mut self, history: &History, start: Position) -> u64 {
        let turns = history.turns_to(start);
        for trader in &mut self.traders {
            trader.ledger.let_go(history.gone(trader.session.0, start));
        }
        for listener in &mut self.listeners {
            listener.ears.ledger.let_go(history.gone(listener.session.0, start));
        }
        if let Some(ouch) = &mut self.ouch {
            ouch.may_be_late |= turns > 0;
        }
        for subscriber in &mut self.subscribers {
            subscriber.may_be_late |= turns > 0;
        }
        turns
    }

    /// Old segments stay, for a reason.
    fn stays(&mut self, why: &NotRetired) -> Result<(), String> {
        if self.disk.has_ended() {
            return self.failed(&why.to_string());
        }
        self.say(|| format!("old segments stay: {why}"));
        // The journal may begin later all the same.
        self.let_go()?;
        let failed = self.disk.take_failed() || self.disk.is_full();
        if failed || (self.flipped && matches!(why, NotRetired::Snapshot(..))) {
            return Ok(());
        }
        Err(format!("old segments stay although nothing failed: {why}"))
    }

    /// A call to the disk failed: it ended there, or the venue ends now.
    fn failed(&mut self, why: &str) -> Result<(), String> {
        let why = why.to_owned();
        self.say(|| format!("failed: {why}"));
        if self.disk.has_ended() {
            self.counts.add(Fault::EndedInCall);
            let (_, end) = self.ends.take().unwrap_or((Place::InCall, End::Process));
            return self.end(end);
        }
        if self.disk.take_failed() {
            return self.end(End::Process);
        }
        Err(format!("the journal failed although the disk did not: {why}"))
    }

    /// Remembers what was committed.
    fn follow(&mut self) -> Result<(), String> {
        let Some(running) = &mut self.running else { return Ok(()) };
        let limit = running.log.committed();
        loop {
            let frame = running.follow.next(limit).map_err(|error| error.to_string())?;
            let Some(frame) = frame else { return Ok(()) };
            running.hash = hash_frame(running.hash, &frame);
            if frame.last {
                let hash = running.hash;
                self.turns.push((0, hash));
            } else {
                continue;
            }
            let end = running.follow.position().0;
            if let Some(turn) = self.turns.last_mut() {
                turn.0 = end;
            }
        }
    }

    fn ends_at(&mut self, place: Place) -> Result<bool, String> {
        match self.ends {
            Some((at, end)) if at == place => {
                self.ends = None;
                self.end(end)?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// When the first day ends.
    fn day_end(&self) -> Option<Timestamp> {
        let day_end = self.plan.began + self.plan.day_end? * SECOND;
        Some(Timestamp(day_end)).filter(|at| at.0 % DAY != 0)
    }
}
