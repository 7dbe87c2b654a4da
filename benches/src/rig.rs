//! A journal to write to, and a core that writes to it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use journal::{Log, Opened, Options, Prepared, Preparer, Synced, Syncer, Writer};
use matcher::record::RECORD_VERSION;
use matcher::{Engine, MsgSeqNum, Sequence, SessionId, Timestamp};
use venue::Core;
use venue::ring::{Requests, Taken};
use venue::threads::{Sleeper, Sleepers};

use crate::machine::memory_folder;
use crate::measure::pin;
use crate::orders::{LIMITS, Request, opening};

/// The folders of one log, gone when this is dropped.
pub struct Folder {
    /// Synced segments.
    pub dir: PathBuf,
    /// Live segments.
    pub live_dir: PathBuf,
    /// The synced segments stay.
    stay: bool,
}

impl Folder {
    /// Folders with the synced segments under `disk`.
    ///
    /// # Panics
    ///
    /// If they cannot be made.
    #[must_use]
    pub fn on_disk(disk: &Path, name: &str) -> Folder {
        let name = format!("vesta-bench-{name}-{}", std::process::id());
        let (base, live) = (disk.join(&name), memory_folder().join(name));
        let folder = Folder { dir: base.join("journal"), live_dir: live.join("live"), stay: false };
        folder.clear();
        for parent in [base, live] {
            std::fs::create_dir_all(parent).expect("a folder for the bench");
        }
        folder
    }

    /// The synced segments in `dir`, which is not there yet and stays; the live ones in memory.
    ///
    /// # Panics
    ///
    /// If they cannot be made.
    #[must_use]
    pub fn staying(dir: &Path) -> Folder {
        let live = memory_folder().join(format!("vesta-bench-live-{}", std::process::id()));
        std::fs::create_dir_all(&live).expect("a folder for the live log");
        Folder { dir: dir.to_path_buf(), live_dir: live.join("live"), stay: true }
    }

    /// The folder on the disk that the synced segments' one is in.
    ///
    /// # Panics
    ///
    /// Never: it was made with one.
    #[must_use]
    pub fn base(&self) -> &Path {
        self.dir.parent().expect("a folder in a folder")
    }

    /// Folders with everything in memory: what is measured there does not depend on a disk.
    #[must_use]
    pub fn in_memory(name: &str) -> Folder {
        Folder::on_disk(&memory_folder(), name)
    }

    /// Loses what is only in memory, as a machine does that loses its power. After a clean end there may be
    /// nothing to lose.
    ///
    /// # Panics
    ///
    /// If it cannot.
    pub fn lose_memory(&self) {
        if self.live_dir.exists() {
            std::fs::remove_dir_all(&self.live_dir).expect("live segments");
        }
    }

    fn clear(&self) {
        let both = [&self.dir, &self.live_dir];
        for folder in &both[usize::from(self.stay)..] {
            // May not be there.
            let _ = folder.parent().map(std::fs::remove_dir_all);
        }
    }

    /// How the log in them is cut.
    #[must_use]
    pub fn options(&self, segment_bytes: u32) -> Options {
        Options {
            dir: self.dir.clone(),
            live_dir: self.live_dir.clone(),
            segment_bytes,
            record_version: RECORD_VERSION,
            live_segments_kept: 2,
            written_ahead: true,
            first_sequence: 1,
        }
    }

    /// Opens the log.
    ///
    /// # Panics
    ///
    /// If it cannot.
    #[must_use]
    pub fn open(&self, segment_bytes: u32) -> Opened {
        journal::open(&self.options(segment_bytes)).expect("a log")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        self.clear();
    }
}

/// The threads that bring a log to disk and make its segments ahead, as a venue has them.
pub struct Helpers {
    shared: Arc<Flags>,
    syncers: Sleepers,
    preparer: Arc<Sleeper>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Flags {
    stopping: AtomicBool,
    syncs: AtomicU64,
}

/// Who does not wake a thread is served after this.
const SLEEP_MAX: Duration = Duration::from_millis(1);

impl Helpers {
    /// Starts them, on `cpu` if there is one for them: woken on the CPU of a writer that spins, they would wait for a
    /// tick of the scheduler, or make it wait. Two lanes of the syncer. With nothing to do they sleep until [`Helpers::wake`].
    #[must_use]
    pub fn start(syncer: Syncer, preparer: Preparer, cpu: Option<usize>) -> Helpers {
        Helpers::start_resting(syncer, preparer, cpu, 2, Duration::ZERO)
    }

    /// The same, but with one lane, which rests after a sync, as the venue's does where nobody waits for it.
    #[must_use]
    pub fn start_lazy(syncer: Syncer, preparer: Preparer, cpu: Option<usize>) -> Helpers {
        Helpers::start_resting(syncer, preparer, cpu, 1, venue::LAZY_SYNC)
    }

    fn start_resting(
        syncer: Syncer,
        mut preparer: Preparer,
        cpu: Option<usize>,
        lanes: usize,
        rest: Duration,
    ) -> Helpers {
        let shared = Arc::new(Flags::default());
        let (syncers, prepare) = (Sleepers::parked(lanes), Sleeper::parked());
        let mut threads = Vec::new();
        for me in syncers.each() {
            let (flags, me, mut lane) = (Arc::clone(&shared), Arc::clone(me), syncer.lane());
            threads.push(std::thread::spawn(move || {
                if let Some(cpu) = cpu {
                    pin(cpu);
                }
                loop {
                    // Read before the step: what was committed before the stop is still synced.
                    let stopping = flags.stopping.load(Ordering::Acquire);
                    match lane.step().expect("a sync") {
                        Synced::Advanced(_) => {
                            flags.syncs.fetch_add(1, Ordering::Relaxed);
                            if !rest.is_zero() && !stopping {
                                std::thread::park_timeout(rest);
                            }
                        }
                        Synced::Idle if stopping => return,
                        Synced::Idle => me.park(SLEEP_MAX, || lane.is_wanted()),
                    }
                }
            }));
        }
        let (flags, me) = (Arc::clone(&shared), Arc::clone(&prepare));
        threads.push(std::thread::spawn(move || {
            if let Some(cpu) = cpu {
                pin(cpu);
            }
            while !flags.stopping.load(Ordering::Acquire) {
                let begun = Instant::now();
                if preparer.step().expect("a segment") != Prepared::Made {
                    me.park(SLEEP_MAX, || preparer.is_wanted());
                } else if preparer.may_rest() {
                    let rest =
                        (begun.elapsed() * venue::PREPARE_RESTS).min(venue::PREPARE_REST_MAX);
                    me.park(rest, || !preparer.may_rest());
                }
            }
        }));
        Helpers { shared, syncers, preparer: prepare, threads }
    }

    /// Something is committed: a system call only if a lane of the syncer sleeps.
    pub fn wake(&self) {
        self.syncers.wake_one();
    }

    /// Lets the writer of `log` wake the preparer when it takes a segment, as the venue does.
    pub fn prepare_when_taken(&self, log: &Log) {
        let preparer = Arc::clone(&self.preparer);
        log.on_segment_taken(move || preparer.wake());
    }

    /// Syncs so far.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.shared.syncs.load(Ordering::Relaxed)
    }

    /// Ends them; everything committed is on disk then.
    ///
    /// # Panics
    ///
    /// If one of them did.
    pub fn stop(self) {
        self.shared.stopping.store(true, Ordering::Release);
        for thread in self.threads {
            thread.join().expect("a helper");
        }
    }
}

/// Bytes that stand for a ClOrdID(11), as the gateway attaches it to an order.
pub const ATTACHMENT: &[u8] = b"\x0b\x00\x0c000000000001";

/// Puts a request into the ring as the gateway does; `false` if it is full.
#[inline]
pub fn push(ring: &mut Requests, request: &Request) -> bool {
    ring.push(request.session(), MsgSeqNum::NONE, &request.command(), ATTACHMENT)
}

/// A core at the start of a log, and the ring that leads to it, with `sessions` sessions defined.
///
/// # Panics
///
/// If a definition does not fit the ring.
#[must_use]
pub fn core(writer: Writer, sessions: u32, cells: usize) -> (Core, Requests) {
    let (mut requests, taken): (Requests, Taken) = venue::ring::ring(cells);
    let mut core = Core::new(Engine::new(), writer, vec![taken], (Sequence(0), Timestamp(0)));
    for command in opening(LIMITS, sessions) {
        assert!(requests.push(SessionId::VENUE, MsgSeqNum::NONE, &command, &[]));
        core.turns(1);
    }
    (core, requests)
}
