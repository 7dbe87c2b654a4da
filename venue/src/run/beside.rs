//! A shard beside home on its threads: a core, those that look after its journal, and its feed.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use gateway::network::Sockets;
use journal::{Log, Recovery};
use matcher::Sequence;

use super::feeds::{FeedAddrs, FeedReady, reference_of};
use super::{Helpers, Readers, Shared, SnapshotThread, StartError, say};
use crate::assembly::{Operator, Parts, Published, ShardAssembly};
use crate::config::Config;
use crate::recovery::Names;
use crate::release::Release;
use crate::threads::{Place, Sleeper, spawn};

/// A shard beside home that runs.
pub struct Shard {
    pub(super) log: Log,
    pub(super) live_dir: PathBuf,
    pub(super) core_sleeper: Arc<Sleeper>,
    pub(super) operator: Mutex<Operator>,
    pub(super) helpers: Helpers,
    pub(super) snapshots: SnapshotThread,
    addrs: FeedAddrs,
    journal_dir: PathBuf,
    release: Release,
    recovery: Recovery,
    from_snapshot: Option<Sequence>,
    last: Sequence,
    names: Names,
}

impl Shard {
    /// Where its journal is.
    #[must_use]
    pub fn journal_dir(&self) -> &Path {
        &self.journal_dir
    }

    /// Where its live log is.
    #[must_use]
    pub fn live_dir(&self) -> &Path {
        &self.live_dir
    }

    /// Its journal, to follow.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The gate in front of what leaves.
    #[must_use]
    pub fn release(&self) -> &Release {
        &self.release
    }

    /// What its journal held at the start.
    #[must_use]
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// The last turn in the snapshot that its start went on from, if there was one.
    #[must_use]
    pub fn from_snapshot(&self) -> Option<Sequence> {
        self.from_snapshot
    }

    /// The last Sequence at the start, definitions included.
    #[must_use]
    pub fn last_at_start(&self) -> Sequence {
        self.last
    }

    /// Who and what was defined there at the start.
    #[must_use]
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// Where its ITCH over SoupBinTCP is spoken, if it is.
    #[must_use]
    pub fn soup_addr(&self) -> Option<SocketAddr> {
        self.addrs.soup
    }

    /// Where requests of its MoldUDP64 are answered, if they are.
    #[must_use]
    pub fn requests_addr(&self) -> Option<SocketAddr> {
        self.addrs.requests
    }

    /// Where its GLIMPSE is spoken, if it is.
    #[must_use]
    pub fn glimpse_addr(&self) -> Option<SocketAddr> {
        self.addrs.glimpse
    }

    /// Where its reference data is to be had, if it is.
    #[must_use]
    pub fn reference_addr(&self) -> Option<SocketAddr> {
        self.addrs.reference
    }
}

/// What a shard is started with.
pub(super) struct Beside<'a> {
    pub(super) shard: usize,
    pub(super) config: Config,
    pub(super) live_dir: PathBuf,
    pub(super) taken: &'a [usize],
    pub(super) home: &'a Shared,
}

impl Beside<'_> {
    /// Puts a shard on threads.
    pub(super) fn start(
        self,
        assembly: ShardAssembly<Sockets>,
        reference: Option<mio::net::TcpListener>,
        gateway: Arc<Sleeper>,
        (loops, stop): (&mut Vec<JoinHandle<()>>, &mut Vec<Arc<Sleeper>>),
    ) -> Result<Shard, StartError> {
        let Beside { shard, config, live_dir, taken, home } = self;
        let ShardAssembly { parts, published } = assembly;
        let Parts { core, schedule, syncer, preparer, log, release, keeper, space, .. } = parts;
        let Published { began, .. } = published;
        say(parts.refused.iter().map(ToString::to_string).collect());
        let reference = reference_of(&config, &parts.names.instruments, began, reference)?;
        let mut wake = vec![gateway];
        let feed = FeedReady::new(published, reference, &mut wake)?;
        let addrs = feed.addrs();
        let readers = Readers { wake, waits_for_disk: release.waits_for_disk() };
        let (fate, core_sleeper) = (Arc::clone(&home.fate), Sleeper::parked());
        let helpers =
            Helpers::start(&config, taken, syncer, preparer, &log, &readers, &fate, &space);
        let snapshots = SnapshotThread::start(keeper, Place::new(None, taken), &fate, space);
        let shared = Shared {
            readers,
            syncer: helpers.syncer.clone(),
            core: Arc::clone(&core_sleeper),
            last_state: Arc::clone(&snapshots.core),
            log: log.clone(),
            end: super::feed_end(&config),
            ..home.clone()
        };
        stop.extend(feed.run(&shared, taken, loops));
        let name = format!("vesta-core-{shard}");
        let place = Place::new(config.core_cpu, taken);
        loops.push(spawn(&name, place, &fate, move || {
            shared.clone().run(|| shared.core(core, schedule));
        }));
        Ok(Shard {
            log,
            live_dir,
            core_sleeper,
            operator: Mutex::new(parts.operator),
            helpers,
            snapshots,
            addrs,
            journal_dir: config.journal_dir,
            release,
            recovery: parts.recovery,
            from_snapshot: parts.from_snapshot,
            last: parts.last,
            names: parts.names,
        })
    }
}
