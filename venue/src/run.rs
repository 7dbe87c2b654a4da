//! A running venue: which loop is on which thread, and in which order they begin and end.

use std::fmt;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use gateway::acceptor::News;
use gateway::network::{Door, Network, Sockets, TlsInForce};
use journal::{Log, OpenError, Opened, Options, Prepared, Preparer, Recovery, Synced, Syncer};
use matcher::record::RECORD_VERSION;
use matcher::{Command, Instrument, SHARDS_MAX, Sequence, Timestamp};

use crate::assembly::{
    Assembly, FeedOutside, Joined, Operator, Outside, Published, ShardOutside, TURNS_A_ROUND,
};
use crate::clock::{self, Clock};
use crate::config::shards::{Concerns, folder_of};
use crate::config::{Config, Durability, Layout, Wait};
use crate::core::{Core, Space, Turned};
use crate::credentials::{Comparer, Secrets};
use crate::feed_thread::{self, FeedLoop, Multicast};
use crate::gateway_thread::GatewayLoop;
use crate::market_data_thread;
use crate::news::{Audience, Desk, NotTold, sessions_of};
use crate::operator::{Action, NotDone, Reloaded};
use crate::page_thread;
use crate::recovery::{Names, RecoveryError};
use crate::release::Release;
use crate::replay::StateHash;
use crate::schedule::Schedule;
use crate::snapshots::{KeepError, Keeper, Made};
use crate::threads::{Fate, Place, Sleeper, Sleepers, spawn};
use crate::tls::{TlsError, TlsFiles, server_config};

/// Cells of a gateway's ring: a burst of some 8,000 orders.
const GATEWAY_CELLS: usize = 1 << 14;

/// Cells of the venue's own rings.
const VENUE_CELLS: usize = 1 << 13;

/// Readiness that one poll of the gateway or of the feed says at most.
const GATEWAY_EVENTS: usize = 1_024;
const FEED_EVENTS: usize = 256;

/// Live segments kept mapped behind the durable cursor, for readers that are a little behind.
const LIVE_SEGMENTS_KEPT: u32 = 2;

/// Batches on their way to the disk at once, where the venue waits for it.
const SYNC_LANES: usize = 2;

/// How long the syncer lets records gather when nobody waits for the disk: what a venue with `durability = "memory"` loses
/// with its machine, beside what the disk is slow to take.
///
/// Each round is two or three requests to the disk, and each of those may cost whoever else is on the CPU, or a virtual machine as a whole, 100 µs: every 2 ms
/// that was the p99 of orders that take 8 µs.
pub const LAZY_SYNC: Duration = Duration::from_millis(50);

/// After a piece of a segment the preparer rests so many times as long as it took, if it is early: whoever shares its CPU has
/// most of it.
pub const PREPARE_RESTS: u32 = 4;

/// It rests so long at most.
pub const PREPARE_REST_MAX: Duration = Duration::from_millis(2);

/// How long a thread sleeps at most; a lost wake-up would cost this much and no more.
const SLEEP_MAX: Duration = Duration::from_secs(1);

/// How often the feed's thread looks at the journal while nobody listens to it.
const FEED_IDLE_PACE: Duration = Duration::from_millis(50);

/// How often it does while somebody listens where threads do not sleep: so the core never makes a system call for it.
const FEED_PACE: Duration = Duration::from_micros(50);

/// How long a stop waits for Logouts to be answered by the journal.
const STOP_NS: u64 = 2_000_000_000;

/// Descriptors for everything but connections: segments, polls, standard streams.
const DESCRIPTORS_BESIDE: u64 = 128;

/// Priority of the thread that makes snapshots: the lowest.
const NICE: i32 = 19;

/// Priority of the thread that compares passwords: a tenth of a busy CPU's time, so that it goes on beside a loop
/// that spins and takes little from one that matches.
const LOGON_NICE: i32 = 10;

/// How long whoever says something waits for the gateway, which looks in every round.
const NEWS_PATIENCE: Duration = Duration::from_secs(5);

/// How often a full disk is looked at again.
const NO_SPACE_RETRY: Duration = Duration::from_millis(200);

/// Why a venue cannot start.
#[derive(Debug)]
pub enum StartError {
    /// The journal cannot be opened.
    Journal(OpenError),
    /// The journal cannot be gone on from.
    Recovery(RecoveryError),
    /// A file of TLS cannot be used.
    Tls(TlsError),
    /// An address cannot be listened on.
    Listen {
        /// What for.
        what: &'static str,
        /// Where.
        address: SocketAddr,
        /// Why not.
        error: std::io::Error,
    },
    /// The kernel refuses something else.
    Kernel {
        /// What for.
        what: &'static str,
        /// Why.
        error: std::io::Error,
    },
    /// There is no memory file system for the live log.
    NoLiveDir,
    /// The journals of the shards do not go together.
    Shards(String),
    /// One of a shard beside home cannot be gone on from.
    Shard {
        /// Which.
        shard: usize,
        /// Why not.
        error: Box<StartError>,
    },
    /// The journal's last record is from the future: times would stand still until then.
    ClockBehind {
        /// How far, seconds.
        ahead_s: u64,
    },
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Journal(error) => error.fmt(f),
            StartError::Recovery(error) => error.fmt(f),
            StartError::Listen { what, address, error } => {
                write!(f, "cannot listen for {what} on {address}: {error}")
            }
            StartError::Tls(error) => error.fmt(f),
            StartError::Kernel { what, error } => write!(f, "cannot make {what}: {error}"),
            StartError::ClockBehind { ahead_s } => write!(
                f,
                "the journal's last record is {ahead_s} s ahead of the clock of this machine: set the \
                 clock right, or wait"
            ),
            StartError::Shards(what) => f.write_str(what),
            StartError::Shard { shard, error } => write!(f, "shard {shard}: {error}"),
            StartError::NoLiveDir => f.write_str(
                "there is no /dev/shm for the live log: set venue.live_dir to a folder in a memory \
                 file system",
            ),
        }
    }
}

impl std::error::Error for StartError {}

impl StartError {
    /// The same of a shard beside home.
    pub(crate) fn of_shard(self, shard: usize) -> StartError {
        StartError::Shard { shard, error: Box::new(self) }
    }
}

/// A running venue.
pub struct Venue {
    fate: Arc<Fate>,
    log: Log,
    release: Release,
    recovery: Recovery,
    from_snapshot: Option<Sequence>,
    last: Sequence,
    fix_addr: SocketAddr,
    tls_addr: Option<SocketAddr>,
    ouch_addr: Option<SocketAddr>,
    ouch_tls_addr: Option<SocketAddr>,
    addrs: FeedAddrs,
    /// Of threads that nothing else wakes.
    stop: Vec<Arc<Sleeper>>,
    operator: Mutex<Operator>,
    news: Arc<Desk>,
    secrets: Secrets,
    /// How TLS is spoken, where it is.
    tls: Vec<(Door, TlsInForce)>,
    /// CompID and firm of each, from session 1.
    sessions: Vec<(String, String)>,
    gateway_sleeper: Arc<Sleeper>,
    core_sleeper: Arc<Sleeper>,
    market_data: Option<Arc<Sleeper>>,
    loops: Vec<JoinHandle<()>>,
    helpers: Helpers,
    snapshots: SnapshotThread,
    names: Names,
    live_dir: PathBuf,
    layout: Layout,
    /// What it was started with: which instrument is on which shard.
    config: Config,
    /// The shards beside home.
    shards: Vec<Shard>,
}

impl Venue {
    /// Opens the journal, replays it, listens, and starts the threads.
    ///
    /// # Errors
    ///
    /// If any of these fails; nothing is left running then.
    pub fn start(config: &Config) -> Result<Venue, StartError> {
        Venue::start_by(config, Clock::Machine)
    }

    /// The same, with the time of the core and of the schedule from `clock`. After a clock that is set by hand
    /// was set, [`Venue::look_at_clock`].
    ///
    /// # Errors
    ///
    /// As [`Venue::start`].
    pub fn start_by(config: &Config, clock: Clock) -> Result<Venue, StartError> {
        // Sockets first: an address in use ends here, and nothing was touched.
        let fix_listener = listen("FIX", config.fix.listen)?;
        let ouch_listener = match &config.ouch {
            None => None,
            Some(ouch) => Some(listen("OUCH over SoupBinTCP", ouch.listen)?),
        };
        let ouch_tls = config.ouch.as_ref().and_then(|ouch| ouch.tls.as_ref());
        let of_fix = config.fix.tls.as_ref().map(|tls| (tls, "FIX under TLS", Door::Fix));
        let of_ouch = ouch_tls.map(|tls| (tls, "OUCH under TLS", Door::Ouch));
        let mut under_tls = Vec::new();
        for ((address, files), what, door) in of_fix.into_iter().chain(of_ouch) {
            let config = server_config(files).map_err(StartError::Tls)?;
            under_tls.push((listen(what, *address)?, door, TlsInForce::new(config)));
        }
        let feed_door = FeedDoor::open(config)?;
        let of_shards = (1..=config.shards.len()).map(|shard| config.of_shard(shard));
        let of_shards: Vec<Config> = of_shards.collect();
        let shard_doors: Result<Vec<FeedDoor>, StartError> = (1..)
            .zip(&of_shards)
            .map(|(shard, config)| FeedDoor::open(config).map_err(|error| error.of_shard(shard)))
            .collect();
        let shard_doors = shard_doors?;
        let connections_max = raise_descriptor_limit(config);
        let (opened, live_dir) = open_journal(config, 0)?;
        if let Some(beyond) = (config.shards.len() + 1..usize::from(SHARDS_MAX))
            .find(|shard| config.journal_dir.join(folder_of(*shard)).is_dir())
        {
            let (dir, count) = (config.journal_dir.display(), config.shards.len());
            let what = format!(
                "{dir} has the journal of shard {beyond}, and there are {count} [[shard]]: take none away"
            );
            return Err(StartError::Shards(what));
        }
        let kernel = |what| move |error| StartError::Kernel { what, error };
        let poll = kernel("the gateway's poll");
        let mut fix = Sockets::new(Some(fix_listener), GATEWAY_EVENTS).map_err(poll)?;
        if let Some(listener) = ouch_listener {
            fix = fix.with_listener(listener, Door::Ouch).map_err(poll)?;
        }
        let tls_in_force: Vec<(Door, TlsInForce)> =
            under_tls.iter().map(|(_, door, tls)| (*door, tls.clone())).collect();
        let (fix, handshakes) = if under_tls.is_empty() {
            (fix, None)
        } else {
            let (fix, handshakes) = fix.with_tls(under_tls).map_err(poll)?;
            (fix, Some(handshakes))
        };
        let fix_addr = fix.local_addr().map_err(kernel("the FIX listener"))?;
        let (tls_addr, ouch_addr) = (fix.addr(Door::Fix, true), fix.addr(Door::Ouch, false));
        let ouch_tls_addr = fix.addr(Door::Ouch, true);
        let (FeedOutside { feed, requests, glimpse }, reference_listener) = feed_door.outside()?;
        let (mut shards, mut shard_dirs, mut shard_references) =
            (Vec::new(), Vec::new(), Vec::new());
        for ((shard, config), door) in (1..).zip(&of_shards).zip(shard_doors) {
            let opened = open_journal(config, shard).map_err(|error| error.of_shard(shard))?;
            let (feed, reference) = door.outside()?;
            shards.push(ShardOutside { opened: opened.0, feed });
            shard_dirs.push(opened.1);
            shard_references.push(reference);
        }
        let (credentials, comparing) = Comparer::new(config, clock::now());
        let secrets = credentials.secrets();
        let outside = Outside {
            clock,
            border_clock: Clock::Machine,
            fix,
            feed,
            requests,
            glimpse,
            connections_max,
            gateway_cells: GATEWAY_CELLS,
            venue_cells: VENUE_CELLS,
            feed_window: feed_thread::WINDOW,
            credentials: Box::new(credentials),
            day_ended: None,
            shards,
        };
        let Assembly {
            joined: mut parts,
            syncer,
            preparer,
            log,
            release,
            recovery,
            from_snapshot,
            refused,
            keeper,
            market_data,
            glimpse,
            last,
            operator,
            names,
            space,
            shards,
            notices,
        } = Assembly::new(config, opened, outside)?;
        say(refused.iter().map(ToString::to_string).collect());
        say(notices);
        let began = names.began.unwrap_or_else(clock::now);
        let home = config.of_shard(0);
        let instruments: &[Instrument] =
            if shards.is_empty() { &names.instruments } else { &home.instruments };
        let reference = reference_of(&home, instruments, began, reference_listener)?;
        let published = Published { feed: parts.feed.take(), multicast: None, glimpse, began };

        let fate = Arc::new(Fate::default());
        let joined = is_joined(config.layout);
        let gateway_sleeper = parts.gateway.sleeper().map_err(kernel("a waker"))?;
        let (news, woken) = (parts.gateway.news(), Arc::clone(&gateway_sleeper));
        let named = config.sessions.iter().map(|it| (it.comp_id.clone(), it.participant.clone()));
        let mut wake = vec![Arc::clone(&gateway_sleeper)];
        let multicast = if joined { None } else { parts.multicast.take() };
        let feed = FeedReady::new(Published { multicast, ..published }, reference, &mut wake)?;
        let addrs = feed.addrs();
        let core_sleeper = if joined { Arc::clone(&gateway_sleeper) } else { Sleeper::parked() };
        let readers = Readers { wake, waits_for_disk: release.waits_for_disk() };
        let gateway_cpu = config.gateway_cpu.filter(|_| !joined);
        let shard_cpus = config.shards.iter().filter_map(|shard| shard.core_cpu);
        let taken: Vec<usize> =
            config.core_cpu.into_iter().chain(gateway_cpu).chain(shard_cpus).collect();
        let helpers =
            Helpers::start(config, &taken, syncer, preparer, &log, &readers, &fate, &space);
        let snapshots = SnapshotThread::start(keeper, Place::new(None, &taken), &fate, space);

        let shared = Shared {
            fate: Arc::clone(&fate),
            readers,
            syncer: helpers.syncer.clone(),
            core: Arc::clone(&core_sleeper),
            wait: config.wait,
            gateway_ended: Arc::new(AtomicBool::new(false)),
            last_state: Arc::clone(&snapshots.core),
            log: log.clone(),
            end: feed_end(config),
        };
        // It ends when the gateway's loop has ended: nobody can ask then.
        let gateway = Arc::clone(&gateway_sleeper);
        let mut loops = vec![spawn("vesta-logon", Place::new(None, &taken), &fate, move || {
            // Of this thread alone; where it is refused a burst of Logons costs the others more.
            let _ = rustix::process::setpriority_process(None, LOGON_NICE);
            comparing.run(&gateway);
        })];
        let (maker, pages) = gateway::orders::pages();
        parts.gateway.use_pages(pages);
        let page_fate = Arc::clone(&fate);
        loops.push(spawn("vesta-pages", Place::new(None, &taken), &fate, move || {
            // Of this thread alone, as above.
            let _ = rustix::process::setpriority_process(None, page_thread::NICE);
            page_thread::run(maker, &page_fate);
        }));
        if let Some(handshakes) = handshakes {
            let shared = shared.clone();
            loops.push(spawn("vesta-tls", Place::new(None, &taken), &fate, move || {
                // As above: a storm of handshakes costs those who are logged on little.
                let _ = rustix::process::setpriority_process(None, LOGON_NICE);
                shared.run(|| handshakes.run().map_err(|error| format!("poll failed: {error}")));
            }));
        }
        let market_data = market_data.map(|read| {
            let (sleeper, gateway) = (read.sleeper(), Arc::clone(&gateway_sleeper));
            let (shared, thread_fate) = (shared.clone(), Arc::clone(&fate));
            loops.push(spawn("vesta-market", Place::new(None, &taken), &fate, move || {
                // Of this thread alone, as above.
                let _ = rustix::process::setpriority_process(None, market_data_thread::NICE);
                shared.run(|| read.run(&thread_fate, &gateway));
            }));
            sleeper
        });
        let mut stop = feed.run(&shared, &taken, &mut loops);
        let (mut running, mut shard_sleepers) = (Vec::new(), Vec::new());
        let beside = of_shards.into_iter().zip(shards).zip(shard_references).zip(shard_dirs);
        for (shard, (((config, assembly), reference), live_dir)) in (1..).zip(beside) {
            let run = Beside { shard, config, live_dir, taken: &taken, home: &shared };
            let gateway = Arc::clone(&gateway_sleeper);
            let begun = run.start(assembly, reference, gateway, (&mut loops, &mut stop));
            let begun = begun.map_err(|error| error.of_shard(shard))?;
            shard_sleepers.push(Arc::clone(&begun.core_sleeper));
            running.push(begun);
        }
        let home_sleeper = (!joined).then(|| Arc::clone(&core_sleeper));
        parts.gateway.wake_by(home_sleeper, shard_sleepers);
        if joined {
            let me = gateway_sleeper;
            loops.push(spawn(
                "vesta-core",
                Place::new(config.core_cpu, &taken),
                &fate,
                move || {
                    shared.clone().run(|| shared.joined(parts, &me));
                    shared.gateway_ended.store(true, Ordering::Release);
                },
            ));
        } else {
            let Joined { core, gateway, schedule, .. } = parts;
            let (gateway_shared, me) = (shared.clone(), gateway_sleeper);
            loops.push(spawn(
                "vesta-gateway",
                Place::new(config.gateway_cpu, &taken),
                &fate,
                move || {
                    gateway_shared.clone().run(|| gateway_shared.gateway(gateway, &me));
                    gateway_shared.gateway_ended.store(true, Ordering::Release);
                },
            ));
            loops.push(spawn(
                "vesta-core",
                Place::new(config.core_cpu, &taken),
                &fate,
                move || {
                    shared.clone().run(|| shared.core(core, schedule));
                },
            ));
        }
        Ok(Venue {
            fate,
            log,
            release,
            recovery,
            from_snapshot,
            last,
            fix_addr,
            tls_addr,
            ouch_addr,
            ouch_tls_addr,
            addrs,
            stop,
            operator: Mutex::new(operator),
            news,
            secrets,
            tls: tls_in_force,
            sessions: named.collect(),
            gateway_sleeper: woken,
            core_sleeper,
            market_data,
            loops,
            helpers,
            snapshots,
            names,
            live_dir,
            config: config.clone(),
            shards: running,
            layout: if joined { Layout::Joined } else { Layout::Split },
        })
    }

    /// Where FIX is spoken.
    #[must_use]
    pub fn fix_addr(&self) -> SocketAddr {
        self.fix_addr
    }

    /// Where FIX is spoken under TLS, if it is.
    #[must_use]
    pub fn tls_addr(&self) -> Option<SocketAddr> {
        self.tls_addr
    }

    /// Where OUCH over SoupBinTCP is spoken, if it is.
    #[must_use]
    pub fn ouch_addr(&self) -> Option<SocketAddr> {
        self.ouch_addr
    }

    /// Where OUCH is spoken under TLS, if it is.
    #[must_use]
    pub fn ouch_tls_addr(&self) -> Option<SocketAddr> {
        self.ouch_tls_addr
    }

    /// Where ITCH over SoupBinTCP is spoken, if it is.
    #[must_use]
    pub fn soup_addr(&self) -> Option<SocketAddr> {
        self.addrs.soup
    }

    /// Where requests of MoldUDP64 are answered, if they are.
    #[must_use]
    pub fn requests_addr(&self) -> Option<SocketAddr> {
        self.addrs.requests
    }

    /// Where GLIMPSE is spoken, if it is.
    #[must_use]
    pub fn glimpse_addr(&self) -> Option<SocketAddr> {
        self.addrs.glimpse
    }

    /// Where reference data is to be had, if it is.
    #[must_use]
    pub fn reference_addr(&self) -> Option<SocketAddr> {
        self.addrs.reference
    }

    /// What the journal held at the start.
    #[must_use]
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// The last turn in the snapshot that the start went on from; `None`: the whole journal was replayed.
    #[must_use]
    pub fn from_snapshot(&self) -> Option<Sequence> {
        self.from_snapshot
    }

    /// How its loops are put on threads: [`Layout::Auto`] has become one of the others.
    #[must_use]
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The last Sequence at the start, definitions included.
    #[must_use]
    pub fn last_at_start(&self) -> Sequence {
        self.last
    }

    /// The journal, to follow.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The gate in front of what leaves.
    #[must_use]
    pub fn release(&self) -> &Release {
        &self.release
    }

    /// Who and what was defined at the start.
    #[must_use]
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// Where the live log is.
    #[must_use]
    pub fn live_dir(&self) -> &std::path::Path {
        &self.live_dir
    }

    /// Submits a command of the venue itself: a halt, the end of the day. `false`: the ring is full. If
    /// the disk is full and the command may need more than what is left, it waits there: [`Space`].
    ///
    /// [`Space`]: crate::Space
    pub fn submit(&self, command: &Command) -> bool {
        if self.shards.is_empty() {
            return self.submit_to(0, command);
        }
        match self.config.concerns(command) {
            // A Note is of whoever runs the venue.
            Some(Concerns::All(command @ Command::Note(_))) => self.submit_to(0, &command),
            Some(Concerns::All(command)) => {
                // Each is asked, whatever the others say.
                let pushed = (0..=self.shards.len()).map(|shard| self.submit_to(shard, &command));
                pushed.filter(|pushed| !pushed).count() == 0
            }
            Some(Concerns::One(shard, command)) => self.submit_to(shard, &command),
            // The core refuses it.
            None => self.submit_to(0, command),
        }
    }

    fn submit_to(&self, shard: usize, command: &Command) -> bool {
        let (operator, core) = match shard.checked_sub(1) {
            None => (&self.operator, &self.core_sleeper),
            Some(at) => (&self.shards[at].operator, &self.shards[at].core_sleeper),
        };
        let mut operator = operator.lock().unwrap_or_else(PoisonError::into_inner);
        let pushed = operator.submit(command);
        core.wake();
        pushed
    }

    /// The shards beside home, from shard 1.
    #[must_use]
    pub fn shards(&self) -> &[Shard] {
        &self.shards
    }

    /// Says `news` to these sessions; says to how many. Who is not there is told with what it missed, who never
    /// logged on is not.
    ///
    /// # Errors
    ///
    /// Why nobody is told.
    pub fn news(&self, to: &Audience, news: News) -> Result<usize, NotTold> {
        let to = sessions_of(to, &self.sessions)?;
        let answer = self.news.ask(to, news)?;
        self.gateway_sleeper.wake();
        answer.recv_timeout(NEWS_PATIENCE).map_err(|_| NotTold::Ended)
    }

    /// Notes in the journal what an operator is about to do: what is not noted is not to be done.
    ///
    /// # Errors
    ///
    /// If there is no room for it at this moment.
    pub fn note(&self, action: &Action) -> Result<(), NotDone> {
        let mut operator = self.operator.lock().unwrap_or_else(PoisonError::into_inner);
        let noted = operator.note(action);
        self.core_sleeper.wake();
        if noted { Ok(()) } else { Err(NotDone::Busy) }
    }

    /// Takes the credentials of sessions, and what is shown under TLS, from `config`: the configuration file and the files that it names,
    /// read again. Connections that are open stay; everything else of `config` waits for the next start.
    ///
    /// # Errors
    ///
    /// Why nothing of it is taken.
    pub fn reload(&self, config: &Config) -> Result<Reloaded, NotDone> {
        let known = self.sessions.iter().map(|(comp_id, _)| comp_id);
        if !known.eq(config.sessions.iter().map(|session| &session.comp_id)) {
            let why = "the sessions are not those of the start: that needs another start";
            return Err(NotDone::Refused(why.into()));
        }
        let of_ouch = config.ouch.as_ref().and_then(|ouch| ouch.tls.as_ref());
        let files = [(Door::Fix, config.fix.tls.as_ref()), (Door::Ouch, of_ouch)];
        let files = files.into_iter().filter_map(|(door, tls)| Some((door, &tls?.1)));
        let files: Vec<(Door, &TlsFiles)> = files.collect();
        if !self.tls.iter().map(|(door, _)| door).eq(files.iter().map(|(door, _)| door)) {
            let why = "TLS is not where it was at the start: that needs another start";
            return Err(NotDone::Refused(why.into()));
        }
        let read = files.into_iter().map(|(_, files)| server_config(files));
        let read: Result<Vec<_>, _> = read.collect();
        let read = read.map_err(|error| NotDone::Refused(error.to_string()))?;
        let answer = self.secrets.renew(config).ok_or(NotDone::Busy)?;
        self.gateway_sleeper.wake();
        let taken = match answer.recv_timeout(NEWS_PATIENCE) {
            // It may have been taken at the last moment: then the answer is on its way.
            Err(_) if !self.secrets.withdraw() => answer.recv_timeout(NEWS_PATIENCE),
            taken => taken,
        };
        let sessions = taken.map_err(|_| NotDone::Ended)?.map_err(NotDone::Refused)?;
        let certificate = !read.is_empty();
        for ((_, in_force), read) in self.tls.iter().zip(read) {
            in_force.set(read);
        }
        Ok(Reloaded { sessions, certificate })
    }

    /// Lets the schedule see that a clock that is set by hand was set.
    pub fn look_at_clock(&self) {
        self.core_sleeper.wake();
        self.shards.iter().for_each(|shard| shard.core_sleeper.wake());
    }

    /// Waits until the venue stops by itself, which is a failure, or `timeout` is over. Says whether
    /// it stopped.
    pub fn wait(&self, timeout: Duration) -> bool {
        self.fate.wait(timeout)
    }

    /// Stops: sessions get their Logout, the feed its end of session, the disk everything.
    ///
    /// # Errors
    ///
    /// Why the venue had failed before, or failed while stopping.
    pub fn stop(mut self) -> Result<(), String> {
        self.fate.stop();
        self.look_at_clock();
        let wake = self.helpers.readers.wake.iter();
        for sleeper in wake.chain(&self.market_data).chain(&self.stop) {
            sleeper.wake();
        }
        for shard in &self.shards {
            shard.helpers.readers.wake();
        }
        for thread in self.loops.drain(..) {
            // A panic in it has told `fate`.
            let _ = thread.join();
        }
        self.helpers.stop();
        self.shards.iter_mut().for_each(|shard| shard.helpers.stop());
        // Last: all is synced, and what the core came to is known.
        self.snapshots.stop();
        self.shards.iter_mut().for_each(|shard| shard.snapshots.stop());
        match self.fate.failure() {
            None => {
                for shard in &self.shards {
                    remove_live_log(&shard.log, &shard.live_dir);
                }
                remove_live_log(&self.log, &self.live_dir);
                Ok(())
            }
            Some(why) => Err(why),
        }
    }
}

/// After a stop in order everything is on disk, and the live log is only memory that nobody else
/// can use. What cannot be removed is found and ignored at the next start.
fn remove_live_log(log: &Log, live_dir: &Path) {
    if log.durable() < log.committed() {
        return;
    }
    let Ok(files) = std::fs::read_dir(live_dir) else { return };
    for file in files.flatten() {
        let name = file.file_name();
        if name == "control"
            || Path::new(&name).extension().is_some_and(|end| end == "seg" || end == "spare")
        {
            let _ = std::fs::remove_file(file.path());
        }
    }
    let _ = std::fs::remove_dir(live_dir);
    // With a control file left the next start looks at that.
    if !live_dir.join("control").exists() {
        // Without it the next start takes longer, and nothing else.
        let _ = log.note_stop();
    }
}

mod beside;
mod feeds;

use beside::Beside;
pub use beside::Shard;
use feeds::{FeedAddrs, FeedDoor, FeedReady, reference_of};

/// Asks for a descriptor for every connection that may come; returns how many FIX connections there are
/// descriptors for, so that the journal's never run out.
fn raise_descriptor_limit(config: &Config) -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let of_shards = config.shards.iter().flat_map(|shard| shard.soup.iter().chain(&shard.glimpse));
    let readers = config
        .soup
        .iter()
        .chain(&config.glimpse)
        .chain(of_shards)
        // Each with its connection may hold the segment on disk that it reads.
        .map(|soup| 2 * soup.connections_max as u64);
    let beside = readers.sum::<u64>() + DESCRIPTORS_BESIDE * (1 + config.shards.len() as u64);
    let wanted = config.fix.connections_max as u64 + beside;
    let limit = getrlimit(Resource::Nofile);
    let Some(current) = limit.current.filter(|current| *current < wanted) else {
        return config.fix.connections_max;
    };
    let most = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(most), ..limit });
    let allowed = if raised.is_ok() { most } else { current };
    if allowed >= wanted {
        return config.fix.connections_max;
    }
    let connections = usize::try_from(allowed.saturating_sub(beside)).unwrap_or(0).max(1);
    eprintln!(
        "vesta: the system allows {allowed} descriptors, {wanted} may be needed: {connections} FIX \
         connections are taken (raise the limit, or lower connections_max)"
    );
    connections
}

/// Below four CPUs one thread does all: two that spin or wake each other would crawl.
fn is_joined(layout: Layout) -> bool {
    match layout {
        Layout::Joined => true,
        Layout::Split => false,
        Layout::Auto => std::thread::available_parallelism().map_or(1, std::num::NonZero::get) < 4,
    }
}

/// Connections that the kernel keeps until they are taken, if it lets so many wait: all that come back at once after a
/// restart. Beyond them a client tries again after a second.
const BACKLOG: i32 = 4_096;

fn listen(what: &'static str, address: SocketAddr) -> Result<mio::net::TcpListener, StartError> {
    use socket2::{Domain, Socket, Type};
    let bound = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        // As mio and std do: a restart need not wait for what is left of old connections.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(mio::net::TcpListener::from_std(socket.into()))
    };
    bound().map_err(|error| StartError::Listen { what, address, error })
}

/// The socket that requests of MoldUDP64 come to.
fn request_socket(address: SocketAddr) -> Result<UdpSocket, StartError> {
    let bound = || {
        let socket = UdpSocket::bind(address)?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    };
    let what = "requests of MoldUDP64";
    bound().map_err(|error| StartError::Listen { what, address, error })
}

/// Opens the journal of a shard; says where its live log is.
fn open_journal(config: &Config, shard: usize) -> Result<(Opened, PathBuf), StartError> {
    let live_dir = live_dir(config)?;
    let before = Sequence::before_shard(u8::try_from(shard).unwrap_or(u8::MAX));
    let options = Options {
        dir: config.journal_dir.clone(),
        live_dir: live_dir.clone(),
        segment_bytes: config.segment_bytes,
        record_version: RECORD_VERSION,
        live_segments_kept: LIVE_SEGMENTS_KEPT,
        written_ahead: config.durability == Durability::Disk,
        first_sequence: before.0 + 1,
    };
    let opened = journal::open(&options).map_err(StartError::Journal)?;
    Ok((opened, live_dir))
}

/// The folder of the live log: as configured, or one under /dev/shm named after the journal's.
///
/// # Errors
///
/// If none is configured and there is no /dev/shm.
pub(crate) fn live_dir(config: &Config) -> Result<PathBuf, StartError> {
    match &config.live_dir {
        Some(dir) => Ok(dir.clone()),
        None => default_live_dir(&config.journal_dir).ok_or(StartError::NoLiveDir),
    }
}

/// The folder of the live log of the journal in `journal_dir` where none is configured.
#[must_use]
pub fn default_live_dir(journal_dir: &std::path::Path) -> Option<PathBuf> {
    let shm = std::path::Path::new("/dev/shm");
    if !shm.is_dir() {
        return None;
    }
    let absolute = std::path::absolute(journal_dir).unwrap_or_else(|_| journal_dir.to_path_buf());
    let absolute = absolute.canonicalize().unwrap_or(absolute);
    // FNV-1a: a name that is the same at the next start.
    let hash =
        absolute.as_os_str().as_encoded_bytes().iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
    Some(shm.join(format!("vesta-{hash:016x}")))
}

/// Who waits for the release cursor.
#[derive(Clone)]
struct Readers {
    wake: Vec<Arc<Sleeper>>,
    waits_for_disk: bool,
}

impl Readers {
    fn wake(&self) {
        for sleeper in &self.wake {
            sleeper.wake();
        }
    }
}

/// The threads that end last: what the loops wrote is on disk before they go.
struct Helpers {
    ending: Arc<Fate>,
    syncer: Sleepers,
    preparer: Arc<Sleeper>,
    readers: Readers,
    threads: Vec<JoinHandle<()>>,
}

impl Helpers {
    #[allow(clippy::too_many_arguments)]
    fn start(
        config: &Config,
        taken: &[usize],
        syncer: Syncer,
        mut preparer: Preparer,
        log: &Log,
        readers: &Readers,
        fate: &Arc<Fate>,
        space: &Arc<Space>,
    ) -> Helpers {
        let ending = Arc::new(Fate::default());
        let lanes = if readers.waits_for_disk { SYNC_LANES } else { 1 };
        let (syncer_sleepers, preparer_sleeper) = (Sleepers::parked(lanes), Sleeper::parked());
        // A turn longer than what is ready would wait for the preparer's next look otherwise.
        let woken = Arc::clone(&preparer_sleeper);
        log.on_segment_taken(move || woken.wake());
        preparer.keep_ahead(config.segments_ahead);
        let prepare = PrepareLoop {
            preparer,
            me: Arc::clone(&preparer_sleeper),
            space: Arc::clone(space),
            fate: Arc::clone(fate),
            ending: Arc::clone(&ending),
            core: readers.wake.clone(),
        };
        let mut threads: Vec<JoinHandle<()>> = syncer_sleepers
            .each()
            .map(|me| {
                let sync = SyncLoop {
                    syncer: syncer.lane(),
                    readers: readers.clone(),
                    me: Arc::clone(me),
                    preparer: Arc::clone(&preparer_sleeper),
                    segment_bytes: u64::from(config.segment_bytes),
                    fate: Arc::clone(fate),
                    ending: Arc::clone(&ending),
                };
                spawn("vesta-sync", Place::new(config.sync_cpu, taken), fate, move || sync.run())
            })
            .collect();
        threads.push(spawn("vesta-prepare", Place::new(config.sync_cpu, taken), fate, move || {
            prepare.run()
        }));
        Helpers {
            ending,
            syncer: syncer_sleepers,
            preparer: preparer_sleeper,
            readers: readers.clone(),
            threads,
        }
    }

    fn stop(&mut self) {
        self.ending.stop();
        self.syncer.wake();
        self.preparer.wake();
        for thread in self.threads.drain(..) {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

struct SyncLoop {
    syncer: Syncer,
    readers: Readers,
    me: Arc<Sleeper>,
    preparer: Arc<Sleeper>,
    segment_bytes: u64,
    fate: Arc<Fate>,
    ending: Arc<Fate>,
}

impl SyncLoop {
    fn run(mut self) {
        let mut segment = 0;
        loop {
            // Asked before the step: what was committed before the end was asked for is synced.
            let ending = self.ending.is_stopping();
            match self.syncer.step() {
                Err(error) => {
                    // Dirty pages are gone after a failed write: nothing after it can be believed.
                    self.fate.fail(error.to_string());
                    self.readers.wake();
                    return;
                }
                Ok(Synced::Advanced(position)) => {
                    if self.readers.waits_for_disk {
                        self.readers.wake();
                    }
                    if position.0 / self.segment_bytes != segment {
                        segment = position.0 / self.segment_bytes;
                        self.preparer.wake();
                    }
                    if !self.readers.waits_for_disk && !ending {
                        std::thread::park_timeout(LAZY_SYNC);
                    }
                }
                Ok(Synced::Idle) if ending => return,
                Ok(Synced::Idle) => {
                    let (syncer, end) = (&self.syncer, &self.ending);
                    self.me.park(SLEEP_MAX, || syncer.is_wanted() || end.is_stopping());
                }
            }
        }
    }
}

struct PrepareLoop {
    preparer: Preparer,
    me: Arc<Sleeper>,
    space: Arc<Space>,
    fate: Arc<Fate>,
    ending: Arc<Fate>,
    core: Vec<Arc<Sleeper>>,
}

impl PrepareLoop {
    fn run(mut self) {
        let (mut said, mut looks) = (false, 0);
        while !self.ending.is_stopping() {
            let ready = self.preparer.ready();
            let begun = Instant::now();
            match self.preparer.step() {
                Err(error) => {
                    self.fate.fail(error.to_string());
                    return;
                }
                // An old one dropped, or a part of a new one, is no room for the writer yet.
                Ok(Prepared::Made) => {
                    if self.preparer.ready() > ready {
                        self.space.set_full(false);
                        self.core.iter().filter(|_| said).for_each(|sleeper| sleeper.wake());
                    }
                    if self.preparer.may_rest() {
                        let rest = (begun.elapsed() * PREPARE_RESTS).min(PREPARE_REST_MAX);
                        self.me
                            .park(rest, || !self.preparer.may_rest() || self.ending.is_stopping());
                    }
                }
                Ok(Prepared::NoSpace { what, needed }) => {
                    self.space.set_full(true);
                    looks += 1;
                    let is_worth_it = ready == 0 || looks >= NO_SPACE_LOOKS;
                    if is_worth_it && !std::mem::replace(&mut said, true) {
                        eprintln!(
                            "vesta: {} has no space for the next journal segment, {needed} bytes: when \
                             the present one is nearly full new orders are refused and cancels taken, \
                             until there is space",
                            what.display(),
                        );
                    }
                    std::thread::park_timeout(NO_SPACE_RETRY);
                }
                Ok(Prepared::Idle) => {
                    self.space.set_full(false);
                    looks = 0;
                    if std::mem::take(&mut said) {
                        eprintln!("vesta: the journal has space again: orders are taken");
                        self.core.iter().for_each(|sleeper| sleeper.wake());
                    }
                    let (preparer, end) = (&self.preparer, &self.ending);
                    self.me.park(SLEEP_MAX, || preparer.is_wanted() || end.is_stopping());
                }
            }
        }
    }
}

/// Looks without space after which it is said although a segment is ready: the last one may be on its way to the
/// disk, and make room.
const NO_SPACE_LOOKS: u32 = 5;

/// Of so many of the newest indexes a start makes those again that are not whole: it reads them all, about a GiB.
const MENDED_AT_START: usize = 1_024;

/// Makes snapshots while nothing else needs the CPU.
struct SnapshotThread {
    ending: Arc<Fate>,
    sleeper: Arc<Sleeper>,
    /// What the core came to, when it has ended.
    core: Arc<OnceLock<StateHash>>,
    thread: Option<JoinHandle<()>>,
}

impl SnapshotThread {
    fn start(keeper: Keeper, place: Place, fate: &Arc<Fate>, space: Arc<Space>) -> SnapshotThread {
        let (ending, sleeper) = (Arc::new(Fate::default()), Sleeper::parked());
        let core = Arc::new(OnceLock::new());
        let run = SnapshotLoop {
            keeper,
            space,
            me: Arc::clone(&sleeper),
            fate: Arc::clone(fate),
            ending: Arc::clone(&ending),
            core: Arc::clone(&core),
        };
        let thread = spawn("vesta-snapshot", place, fate, move || run.run());
        SnapshotThread { ending, sleeper, core, thread: Some(thread) }
    }

    fn stop(&mut self) {
        self.ending.stop();
        self.sleeper.wake();
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

struct SnapshotLoop {
    keeper: Keeper,
    space: Arc<Space>,
    me: Arc<Sleeper>,
    fate: Arc<Fate>,
    ending: Arc<Fate>,
    core: Arc<OnceLock<StateHash>>,
}

impl SnapshotLoop {
    fn run(mut self) {
        // Of this thread alone. Where it is refused the snapshots cost the others more, no harm else.
        let _ = rustix::process::setpriority_process(None, NICE);
        let ending = Arc::clone(&self.ending);
        let mut goes_on = true;
        if !self.space.is_full() {
            self.mend(|| !ending.is_stopping());
        }
        while !ending.is_stopping() {
            if goes_on && self.keeper.is_due() && !self.space.is_full() {
                goes_on = self.make(|| !ending.is_stopping());
            } else if goes_on && self.keeper.is_index_due() && !self.space.is_full() {
                let made = self.keeper.make_index(|| !ending.is_stopping());
                goes_on = self.tell(made.map(|_| None));
            } else {
                self.me.park(SLEEP_MAX, || ending.is_stopping());
            }
        }
        if goes_on && self.keeper.is_due_at_end() && self.fate.failure().is_none() {
            let made = self.keeper.make_last();
            self.tell(made);
        }
    }

    /// Makes again what a disk has damaged, or somebody removed, of the newest indexes.
    fn mend(&self, goes_on: impl Fn() -> bool) {
        let mended = self.keeper.mend(MENDED_AT_START, goes_on);
        if mended.made > 0 {
            eprintln!(
                "vesta: {} indexes were missing or not whole and are made again",
                mended.made
            );
        }
        for (sequence, why) in mended.failed {
            eprintln!("vesta: the index of sequence {sequence} is not made again: {why}");
        }
    }

    /// Makes one; `false`: there is no use in making more.
    fn make(&mut self, goes_on: impl Fn() -> bool) -> bool {
        let made = self.keeper.make(goes_on);
        self.tell(made)
    }

    fn tell(&self, made: Result<Option<Made>, KeepError>) -> bool {
        match made {
            Ok(None) => true,
            Ok(Some(made)) => {
                say(made.refused.iter().map(ToString::to_string).collect());
                if let Some(Err(why)) = made.retired {
                    eprintln!("vesta: old segments stay: {why}");
                }
                self.compare(made.state);
                true
            }
            Err(KeepError::Write(error)) => {
                eprintln!("vesta: no snapshot or index: {error}");
                true
            }
            Err(KeepError::Headless(error)) => {
                eprintln!("vesta: no more snapshots, a restart would fail: {error}");
                false
            }
            Err(KeepError::Replay(error)) => {
                eprintln!(
                    "vesta: no more snapshots: the journal does not replay, a restart would fail: {error}"
                );
                false
            }
        }
    }

    /// The core's own memory against the replay, where both ended with the same turn.
    fn compare(&self, replayed: StateHash) {
        if let Some(core) = self.core.get()
            && core.sequence == replayed.sequence
            && core.hash != replayed.hash
        {
            self.fate.fail(format!(
                "the core had state {:016x} after sequence {}, a replay of the journal gives {:016x}: \
                 this is our bug, or the memory's",
                core.hash, core.sequence, replayed.hash
            ));
        }
    }
}

/// What every loop needs.
#[derive(Clone)]
struct Shared {
    fate: Arc<Fate>,
    readers: Readers,
    syncer: Sleepers,
    core: Arc<Sleeper>,
    wait: Wait,
    /// Set when the gateway's loop is over: nothing more comes through its ring.
    gateway_ended: Arc<AtomicBool>,
    /// Set when the core's loop ended in order.
    last_state: Arc<OnceLock<StateHash>>,
    log: Log,
    /// How long the end of the feed is said again.
    end: Duration,
}

impl Shared {
    /// Runs a loop; an error in it ends the venue.
    fn run(&self, run: impl FnOnce() -> Result<(), String>) {
        if let Err(why) = run() {
            self.fate.fail(why);
            self.core.wake();
            self.readers.wake();
        }
    }

    /// Nothing was done: gives the CPU away, if that is the strategy.
    fn relax(&self) {
        match self.wait {
            Wait::Spin => std::hint::spin_loop(),
            Wait::Yield | Wait::Park => std::thread::yield_now(),
        }
    }

    fn core(&self, mut core: Core, mut schedule: Schedule) -> Result<(), String> {
        let mut stop_by: Option<Timestamp> = None;
        loop {
            schedule.check(&mut core);
            match core.turns(TURNS_A_ROUND) {
                Turned::Took(0) | Turned::Idle if self.fate.is_stopping() => {
                    // Until its end the gateway has Logouts to ask for.
                    if self.gateway_ended.load(Ordering::Acquire) && core.is_idle() {
                        let _ = self.last_state.set(state_of(&core));
                        return Ok(());
                    }
                    std::thread::yield_now();
                }
                Turned::Took(0) | Turned::Idle if self.wait == Wait::Park => {
                    let most = schedule.wait(&mut core).min(SLEEP_MAX);
                    self.core.park(most, || !core.is_idle() || self.fate.is_stopping());
                }
                Turned::Took(0) | Turned::Idle => self.relax(),
                Turned::Took(_) => {
                    if !self.readers.waits_for_disk {
                        self.readers.wake();
                    }
                    self.syncer.wake_one();
                }
                Turned::NoRoom => {
                    // Nobody waits for an answer any more, and room may never come: what was not taken
                    // is in no journal, and nobody was told of it.
                    if self.fate.is_stopping() {
                        let now = clock::now();
                        let by = *stop_by.get_or_insert(Timestamp(now.0 + STOP_NS));
                        if now >= by && self.gateway_ended.load(Ordering::Acquire) {
                            let _ = self.last_state.set(state_of(&core));
                            return Ok(());
                        }
                    }
                    std::thread::park_timeout(Duration::from_millis(5));
                }
            }
        }
    }

    fn gateway(&self, mut gateway: GatewayLoop, me: &Sleeper) -> Result<(), String> {
        let mut stop_by: Option<Timestamp> = None;
        loop {
            let mut timeout = Some(Duration::ZERO);
            if self.wait == Wait::Park && gateway.is_idle() {
                me.doze();
                if gateway.is_idle() && (stop_by.is_some() || !self.fate.is_stopping()) {
                    timeout = Some(gateway.timeout().unwrap_or(SLEEP_MAX).min(SLEEP_MAX));
                }
            }
            if stop_by.is_some() || gateway.holds_orders() {
                timeout = Some(Duration::from_millis(5));
            }
            let pushed = gateway.take(timeout).map_err(|error| format!("poll failed: {error}"))?;
            me.rise();
            if pushed {
                self.core.wake();
            }
            let told = gateway.tell().map_err(|error| error.to_string())?;
            say(gateway.take_notices());
            if self.fate.is_stopping() {
                let now = clock::now();
                let by = *stop_by.get_or_insert_with(|| {
                    gateway.stop();
                    self.core.wake();
                    Timestamp(now.0 + STOP_NS)
                });
                if now >= by || gateway.acceptor().connections() == 0 {
                    return Ok(());
                }
            }
            if !pushed && !told && timeout == Some(Duration::ZERO) {
                self.relax();
            }
        }
    }

    /// `me` is woken for each turn, `stop` when the venue stops.
    fn feed(&self, mut feed: FeedLoop, me: &Sleeper, stop: &Sleeper) -> Result<(), String> {
        let mut stop_by: Option<Timestamp> = None;
        loop {
            let mut timeout = Duration::ZERO;
            stop.doze();
            if self.fate.is_stopping() {
                // It goes on until the core has ended.
                timeout = Duration::from_millis(1);
            } else if !feed.is_listened_to() && !feed.has_askers() {
                timeout = feed.timeout().min(FEED_IDLE_PACE);
            } else if feed.is_idle() && self.wait == Wait::Park {
                me.doze();
                if feed.is_idle() {
                    timeout = feed.timeout().min(SLEEP_MAX);
                }
            } else if feed.is_idle() {
                std::thread::park_timeout(FEED_PACE);
            }
            feed.poll(Some(timeout)).map_err(|error| format!("poll failed: {error}"))?;
            me.rise();
            stop.rise();
            feed.catch_up().map_err(|error| error.to_string())?;
            feed.publish().map_err(|error| error.to_string())?;
            if self.fate.is_stopping() {
                let now = clock::now();
                let by = *stop_by.get_or_insert(Timestamp(now.0 + 2 * STOP_NS));
                if (self.core_has_ended() && feed.is_at_end()) || now >= by {
                    break;
                }
            }
        }
        feed.end();
        // Who hears of the end of the session may have something to ask for.
        let until = Instant::now() + self.end;
        while feed.requests_addr().is_some() && Instant::now() < until {
            let polled = feed.poll(Some(Duration::from_millis(10)));
            polled.map_err(|error| format!("poll failed: {error}"))?;
            feed.publish().map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Whether the core's loop has taken its last turn, or will take none.
    fn core_has_ended(&self) -> bool {
        self.last_state.get().is_some() || self.fate.failure().is_some()
    }

    fn multicast(&self, mut multicast: Multicast, me: &Sleeper) -> Result<(), String> {
        loop {
            let sent = multicast.publish().map_err(|error| error.to_string())?;
            multicast.tick();
            if self.fate.is_stopping() {
                return self.end_multicast(multicast);
            }
            if !sent && self.wait == Wait::Park {
                let timeout = multicast.timeout().min(SLEEP_MAX);
                me.park(timeout, || !multicast.is_idle() || self.fate.is_stopping());
            } else if !sent {
                self.relax();
            }
        }
    }

    /// Sends the rest, and says for a while that it was the last.
    fn end_multicast(&self, mut multicast: Multicast) -> Result<(), String> {
        let by = Instant::now() + Duration::from_nanos(2 * STOP_NS);
        while !(self.core_has_ended() && multicast.is_at_end(&self.log)) && Instant::now() < by {
            if !multicast.publish().map_err(|error| error.to_string())? {
                std::thread::park_timeout(Duration::from_millis(1));
            }
        }
        multicast.end();
        let until = Instant::now() + self.end;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            multicast.tick();
            std::thread::park_timeout(left.min(multicast.timeout()));
        }
        Ok(())
    }

    /// Gateway, core and multicast in turn on one thread.
    fn joined(&self, mut parts: Joined<Sockets>, me: &Sleeper) -> Result<(), String> {
        let mut stop_by: Option<Timestamp> = None;
        let mut no_room = false;
        loop {
            let mut timeout = Some(Duration::ZERO);
            if self.wait == Wait::Park && parts.is_idle() {
                me.doze();
                if parts.is_idle() && (stop_by.is_some() || !self.fate.is_stopping()) {
                    timeout = Some(parts.timeout(SLEEP_MAX));
                }
            }
            if stop_by.is_some() || no_room || parts.holds_orders() {
                timeout = Some(Duration::from_millis(5));
            }
            let pushed = parts.take(timeout)?;
            me.rise();
            let turned = parts.turns();
            no_room = turned == Turned::NoRoom;
            let took = matches!(turned, Turned::Took(took) if took > 0);
            if took && self.readers.waits_for_disk {
                self.syncer.wake_one();
            }
            let told = parts.tell()?;
            say(parts.take_notices());
            if took && !self.readers.waits_for_disk {
                // After the reports: whoever waits for them does not wait for this.
                self.readers.wake();
                self.syncer.wake_one();
            }
            if self.fate.is_stopping() {
                let now = clock::now();
                let by = *stop_by.get_or_insert_with(|| {
                    parts.stop();
                    Timestamp(now.0 + STOP_NS)
                });
                let done = parts.connections() == 0 && parts.core.is_idle() && !told.subscribers;
                if now >= by || done {
                    let _ = self.last_state.set(state_of(&parts.core));
                    return match parts.multicast.take() {
                        Some(multicast) => self.end_multicast(multicast),
                        None => Ok(()),
                    };
                }
            }
            let idle = !pushed && !took && !told.sessions && !told.subscribers;
            if idle && timeout == Some(Duration::ZERO) {
                self.relax();
            }
        }
    }
}

/// How long the end of the feed is said again.
fn feed_end(config: &Config) -> Duration {
    Duration::from_secs(config.mold.as_ref().map_or(0, |mold| mold.end_s.into()))
}

/// What a core came to: a walk over all that rests, when it has ended.
fn state_of(core: &Core) -> StateHash {
    StateHash { sequence: core.sequence(), hash: core.engine().state_hash() }
}

/// Lines for the log.
fn say(notices: Vec<String>) {
    for notice in notices {
        eprintln!("vesta: {notice}");
    }
}
