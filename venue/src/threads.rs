//! Names, pinning, sleeping and waking, shutdown.
//!
//! A reader that has nothing to do says so in its [`Sleeper`] and looks once more before it sleeps; a
//! writer publishes and then looks at the flag. Both put a full fence between the two, so one of them
//! always sees the other: no wake-up is lost, and waking a reader that is awake costs a load.
//!
//! ```text
//!   reader: sleeping = true ; fence ; anything new? ── no ──▶ sleep
//!   writer: publish         ; fence ; sleeping?     ── yes ─▶ wake (the only system call)
//! ```

use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

/// One thread that sleeps when it has nothing to do.
pub struct Sleeper {
    sleeping: AtomicBool,
    how: How,
}

enum How {
    /// It sleeps in the kernel's poll.
    Poll(Arc<mio::Waker>),
    /// It is parked; set by the thread itself.
    Park(OnceLock<Thread>),
}

impl Sleeper {
    /// For a thread that sleeps in a poll.
    #[must_use]
    pub fn in_poll(waker: mio::Waker) -> Arc<Sleeper> {
        Arc::new(Sleeper { sleeping: AtomicBool::new(false), how: How::Poll(Arc::new(waker)) })
    }

    /// Another for the thread of this one, which sleeps in a poll: for those who wake it for another reason.
    #[must_use]
    pub fn other(&self) -> Arc<Sleeper> {
        match &self.how {
            How::Poll(waker) => {
                let how = How::Poll(Arc::clone(waker));
                Arc::new(Sleeper { sleeping: AtomicBool::new(false), how })
            }
            How::Park(_) => Sleeper::parked(),
        }
    }

    /// For a thread that sleeps in [`Sleeper::park`].
    #[must_use]
    pub fn parked() -> Arc<Sleeper> {
        Arc::new(Sleeper { sleeping: AtomicBool::new(false), how: How::Park(OnceLock::new()) })
    }

    /// Wakes the thread if it sleeps. Call after publishing what it waits for.
    #[inline]
    pub fn wake(&self) {
        fence(Ordering::SeqCst);
        if self.sleeping.load(Ordering::Relaxed) {
            self.wake_sleeping();
        }
    }

    #[cold]
    fn wake_sleeping(&self) {
        if !self.sleeping.swap(false, Ordering::AcqRel) {
            return;
        }
        match &self.how {
            // It fails only without descriptors or memory; the sleeper's timeout bounds the delay.
            How::Poll(waker) => drop(waker.wake()),
            How::Park(thread) => {
                if let Some(thread) = thread.get() {
                    thread.unpark();
                }
            }
        }
    }

    /// Says that the thread is about to sleep. Look once more for work after this.
    pub fn doze(&self) {
        if let How::Park(thread) = &self.how {
            thread.get_or_init(thread::current);
        }
        self.sleeping.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// Says that the thread is awake.
    pub fn rise(&self) {
        self.sleeping.store(false, Ordering::Relaxed);
    }

    /// Sleeps until woken or `timeout`, unless `work` has come meanwhile. For threads made with
    /// [`Sleeper::parked`].
    pub fn park(&self, timeout: Duration, work: impl FnOnce() -> bool) {
        self.doze();
        if !work() {
            thread::park_timeout(timeout);
        }
        self.rise();
    }
}

/// Threads of which any can do the work that comes.
#[derive(Clone)]
pub struct Sleepers(Arc<[Arc<Sleeper>]>);

impl Sleepers {
    /// So many, each for a thread that sleeps in [`Sleeper::park`].
    #[must_use]
    pub fn parked(count: usize) -> Sleepers {
        Sleepers((0..count).map(|_| Sleeper::parked()).collect())
    }

    /// Each of them, for its thread.
    pub fn each(&self) -> impl Iterator<Item = &Arc<Sleeper>> {
        self.0.iter()
    }

    /// Wakes the first that sleeps. Call after publishing what they wait for.
    #[inline]
    pub fn wake_one(&self) {
        fence(Ordering::SeqCst);
        for sleeper in self.0.iter() {
            if sleeper.sleeping.load(Ordering::Relaxed) {
                sleeper.wake_sleeping();
                return;
            }
        }
    }

    /// Wakes all of them.
    pub fn wake(&self) {
        self.0.iter().for_each(|sleeper| sleeper.wake());
    }
}

/// Whether the venue goes on, and why not.
#[derive(Default)]
pub struct Fate {
    stopping: AtomicBool,
    failure: Mutex<Option<String>>,
    changed: Condvar,
}

impl Fate {
    /// Whether every loop should end.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Asks every loop to end.
    pub fn stop(&self) {
        let _guard = self.lock();
        self.stopping.store(true, Ordering::Release);
        self.changed.notify_all();
    }

    /// The venue cannot go on: `why` is for a person. The first reason is kept.
    pub fn fail(&self, why: String) {
        self.lock().get_or_insert(why);
        self.stop();
    }

    /// Why the venue cannot go on, if so.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.lock().clone()
    }

    /// Waits until the venue stops or `timeout` is over; says whether it stops.
    pub fn wait(&self, timeout: Duration) -> bool {
        let guard = self.lock();
        let waited = self
            .changed
            .wait_timeout_while(guard, timeout, |_| !self.stopping.load(Ordering::Acquire));
        drop(waited);
        self.is_stopping()
    }

    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a thread runs.
#[derive(Clone, Debug)]
pub enum Place {
    /// On this CPU alone.
    On(usize),
    /// On any but these, which others are pinned to; where there is no other, on these too.
    NotOn(Vec<usize>),
}

impl Place {
    /// On `cpu` if it is given, or else off `taken`.
    #[must_use]
    pub fn new(cpu: Option<usize>, taken: &[usize]) -> Place {
        cpu.map_or_else(|| Place::NotOn(taken.to_vec()), Place::On)
    }

    /// Moves the calling thread there.
    fn take(&self) {
        match self {
            Place::On(cpu) => pin(*cpu),
            Place::NotOn(taken) if taken.is_empty() => {}
            Place::NotOn(taken) => stay_off(taken),
        }
    }
}

/// Starts a named thread, where it is said. A panic in it ends the venue.
///
/// # Panics
///
/// If the kernel has no thread for us.
pub fn spawn(
    name: &str,
    place: Place,
    fate: &Arc<Fate>,
    run: impl FnOnce() + Send + 'static,
) -> JoinHandle<()> {
    let (fate, owned) = (Arc::clone(fate), name.to_owned());
    let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
        let guard = FailOnPanic { fate: &fate, name: &owned };
        place.take();
        run();
        std::mem::forget(guard);
    });
    match thread {
        Ok(handle) => handle,
        Err(error) => panic!("cannot start thread {name}: {error}"),
    }
}

struct FailOnPanic<'a> {
    fate: &'a Fate,
    name: &'a str,
}

impl Drop for FailOnPanic<'_> {
    fn drop(&mut self) {
        self.fate.fail(format!("thread {} panicked: this is our bug; restart replays", self.name));
    }
}

fn pin(cpu: usize) {
    // Not by looking for it among the CPUs allowed now: those are what the caller was pinned to.
    if !core_affinity::set_for_current(core_affinity::CoreId { id: cpu }) {
        eprintln!("vesta: cannot pin to CPU {cpu}: not there, or not allowed");
    }
}

/// A thread that the kernel puts beside one that spins takes milliseconds of its CPU at a time.
fn stay_off(taken: &[usize]) {
    // Where it cannot be asked or done, the kernel places the thread as before.
    let Ok(mut allowed) = rustix::thread::sched_getaffinity(None) else {
        return;
    };
    taken
        .iter()
        .filter(|cpu| **cpu < rustix::thread::CpuSet::MAX_CPU)
        .for_each(|cpu| allowed.unset(*cpu));
    if allowed.count() > 0 {
        let _ = rustix::thread::sched_setaffinity(None, &allowed);
    }
}
