//! What writer, syncer, preparer and readers of one process share.

use std::collections::VecDeque;
use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use crate::archive::Archive;
use crate::control::ControlFile;
use crate::error::{JournalError, ReadError};
use crate::mmap::{Cursor, LiveMap, LiveWriter};
use crate::recover::{Owner, Stopped, print_of};
use crate::retained::Retained;
use crate::segment::{self, Geometry};
use crate::tail::Tail;

/// A place in the log: segment index × segment bytes + offset in the segment.
///
/// Grows with every turn; never means another byte, not even after a crash, unless recovery cut the
/// log before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(&self.0, f)
    }
}

/// What is called when the writer has taken a segment.
#[derive(Default)]
struct OnTaken(OnceLock<Box<dyn Fn() + Send + Sync>>);

impl std::fmt::Debug for OnTaken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("OnTaken").field(&self.0.get().is_some()).finish()
    }
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) geometry: Geometry,
    pub(crate) log_id: u64,
    pub(crate) record_version: u16,
    pub(crate) dir: PathBuf,
    pub(crate) live_dir: PathBuf,
    /// Stored by the writer, through its `LiveWriter`.
    pub(crate) committed: Arc<Cursor>,
    /// Stored by the syncer; always where a turn ends.
    pub(crate) durable: Cursor,
    /// The same for other processes.
    pub(crate) control: ControlFile,
    /// Live segments in order, those made ahead included.
    live: Mutex<VecDeque<Arc<LiveMap>>>,
    /// Segments made ahead, in order.
    ready: Mutex<VecDeque<LiveWriter>>,
    /// Length of `ready`, for the writer to look at without the lock.
    ready_count: AtomicU32,
    /// Segments that the writer wants made ahead.
    ahead: AtomicU32,
    failure: OnceLock<String>,
    taken: OnTaken,
    /// The first segment that is there.
    first: Cursor,
    retained: Mutex<Option<Arc<Retained>>>,
    /// Readers that the segments behind them are not taken away from.
    holds: Mutex<Vec<Weak<Cursor>>>,
    /// Keep a second venue away, from the journal and from the live log, for as long as anything of this one
    /// lives.
    locks: (Owner, File),
}

impl Shared {
    #[allow(clippy::too_many_arguments)] // One caller, which has them all at hand.
    pub(crate) fn new(
        geometry: Geometry,
        log_id: u64,
        record_version: u16,
        dir: PathBuf,
        live_dir: PathBuf,
        committed: Arc<Cursor>,
        control: ControlFile,
        live: Arc<LiveMap>,
        locks: (Owner, File),
        (first, retained): (u64, Option<Retained>),
    ) -> Shared {
        let end = committed.get();
        control.set_committed(end);
        control.set_durable(end);
        Shared {
            geometry,
            log_id,
            record_version,
            dir,
            live_dir,
            committed,
            durable: Cursor::new(end),
            control,
            live: Mutex::new(VecDeque::from([live])),
            ready: Mutex::new(VecDeque::new()),
            ready_count: AtomicU32::new(0),
            ahead: AtomicU32::new(0),
            failure: OnceLock::new(),
            taken: OnTaken::default(),
            first: Cursor::new(first),
            retained: Mutex::new(retained.map(Arc::new)),
            holds: Mutex::new(Vec::new()),
            locks,
        }
    }

    pub(crate) fn live(&self) -> MutexGuard<'_, VecDeque<Arc<LiveMap>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The live segment `index`, if it is in the live window.
    pub(crate) fn live_segment(&self, index: u64) -> Option<Arc<LiveMap>> {
        let live = self.live();
        let first = live.front()?.index();
        let at = usize::try_from(index.checked_sub(first)?).ok()?;
        live.get(at).map(Arc::clone)
    }

    pub(crate) fn first(&self) -> u64 {
        self.first.get()
    }

    pub(crate) fn retained(&self) -> Option<Arc<Retained>> {
        self.retained.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The log begins with segment `first` from now on. Before the older ones are removed: who misses one
    /// finds out here.
    pub(crate) fn begin_with(&self, first: u64, retained: Option<Retained>) {
        *self.retained.lock().unwrap_or_else(PoisonError::into_inner) = retained.map(Arc::new);
        self.first.set(first);
    }

    /// The lowest position that a reader holds.
    pub(crate) fn held(&self) -> u64 {
        let mut holds = self.holds.lock().unwrap_or_else(PoisonError::into_inner);
        holds.retain(|hold| hold.strong_count() > 0);
        let held = holds.iter().filter_map(Weak::upgrade).map(|hold| hold.get()).min();
        held.unwrap_or(u64::MAX)
    }

    /// `error`, or that the place was in the log and has gone.
    #[cold]
    pub(crate) fn gone(&self, index: u64, error: ReadError) -> ReadError {
        let first = self.first();
        match error {
            ReadError::SegmentMissing { .. } if index < first => ReadError::Gone {
                file: segment::path(&self.dir, index),
                first,
                archive: self.retained().and_then(|retained| retained.archive()),
            },
            error => error,
        }
    }

    pub(crate) fn ahead(&self) -> u32 {
        self.ahead.load(Ordering::Relaxed)
    }

    /// So many segments are wanted ahead from now on.
    pub(crate) fn want(&self, ahead: u32) {
        self.ahead.store(ahead, Ordering::Relaxed);
        // The preparer looks.
        if let Some(tell) = self.taken.0.get() {
            tell();
        }
    }

    pub(crate) fn ready_count(&self) -> u32 {
        self.ready_count.load(Ordering::Relaxed)
    }

    /// Hands a segment made ahead to the writer.
    pub(crate) fn push_ready(&self, map: Arc<LiveMap>, writer: LiveWriter) {
        self.live().push_back(map);
        self.with_ready(|ready| ready.push_back(writer));
    }

    /// Takes back segments of an aborted turn, zeroed, the first one first.
    pub(crate) fn unread_ready(&self, writer: LiveWriter) {
        self.with_ready(|ready| ready.push_front(writer));
    }

    fn take_ready(&self) -> Option<LiveWriter> {
        let taken = self.with_ready(VecDeque::pop_front)?;
        if let Some(tell) = self.taken.0.get() {
            tell();
        }
        Some(taken)
    }

    /// Takes the next segment; waits for it, yielding.
    ///
    /// # Panics
    ///
    /// If the journal failed: there will be none.
    pub(crate) fn wait_for_segment(&self) -> LiveWriter {
        loop {
            if let Some(segment) = self.take_ready() {
                return segment;
            }
            if let Some(failure) = self.failure() {
                panic!("journal failed: {failure}");
            }
            std::thread::yield_now();
        }
    }

    fn with_ready<R>(&self, change: impl FnOnce(&mut VecDeque<LiveWriter>) -> R) -> R {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        let result = change(&mut ready);
        self.ready_count.store(u32::try_from(ready.len()).unwrap_or(u32::MAX), Ordering::Relaxed);
        result
    }

    pub(crate) fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }

    /// An error if anything failed before.
    pub(crate) fn check(&self) -> Result<(), JournalError> {
        match self.failure() {
            Some(text) => Err(JournalError::Failed(text.to_owned())),
            None => Ok(()),
        }
    }

    /// Remembers the first failure; returns `error`.
    #[cold]
    pub(crate) fn fail(&self, error: JournalError) -> JournalError {
        let _ = self.failure.set(error.to_string());
        error
    }
}

/// Keeps segments that a reader has not passed from going: see [`Log::hold`].
#[derive(Debug)]
pub struct Hold(Arc<Cursor>);

impl Hold {
    /// What is before `position` is not held any more.
    #[inline]
    pub fn pass(&self, position: Position) {
        self.0.set(position.0);
    }
}

/// A handle on an open log, for its readers; cheap to clone, shared by threads.
#[derive(Clone, Debug)]
pub struct Log(pub(crate) Arc<Shared>);

impl Log {
    /// Everything before is committed: readers see it, and it survives the process.
    #[must_use]
    #[inline]
    pub fn committed(&self) -> Position {
        Position(self.0.committed.get())
    }

    /// Everything before is synced: it survives the machine. Always where a turn ends.
    #[must_use]
    #[inline]
    pub fn durable(&self) -> Position {
        Position(self.0.durable.get())
    }

    /// Where the first frame of the log begins that is there: that of turn 1, unless the first segments
    /// have gone. It moves when more of them go.
    #[must_use]
    pub fn start(&self) -> Position {
        Position(self.0.geometry.base(self.0.first()) + u64::from(segment::HEADER_BYTES))
    }

    /// The segment that `position` is in.
    #[must_use]
    pub fn segment_of(&self, position: Position) -> u64 {
        self.0.geometry.split(position.0).0
    }

    /// Where the first frame of a segment begins.
    #[must_use]
    pub fn segment_start(&self, segment: u64) -> Position {
        Position(self.0.geometry.base(segment) + u64::from(segment::HEADER_BYTES))
    }

    /// Whether the log begins with turn 1, so that all of it can be replayed from nothing.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.0.first() == 0
    }

    /// The segment that it begins with.
    #[must_use]
    pub fn first_segment(&self) -> u64 {
        self.0.first()
    }

    /// What stays of the segments that have gone, `None` if none ever did.
    #[must_use]
    pub fn retained(&self) -> Option<Arc<Retained>> {
        self.0.retained()
    }

    /// Holds the segments from `from` on: none of them goes while this lives.
    #[must_use]
    pub fn hold(&self, from: Position) -> Hold {
        let cursor = Arc::new(Cursor::new(from.0));
        let mut holds = self.0.holds.lock().unwrap_or_else(PoisonError::into_inner);
        holds.push(Arc::downgrade(&cursor));
        Hold(cursor)
    }

    /// A reader that begins with the frame at `from`: [`Log::start`], a position a reader had, or one
    /// of a frame.
    #[must_use]
    pub fn tail(&self, from: Position) -> Tail {
        Tail::new(Arc::clone(&self.0), from)
    }

    /// A reader of single frames.
    #[must_use]
    pub fn archive(&self) -> Archive {
        Archive::new(Arc::clone(&self.0))
    }

    /// What failed, if anything did: the journal takes nothing more, the venue must stop.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.0.failure().map(str::to_owned)
    }

    /// Tells other processes that everything before `position` may have been told to the outside.
    pub fn set_released(&self, position: Position) {
        self.0.control.set_released(position.0);
    }

    /// Calls `tell` on the writer's thread each time it takes a segment that was made ahead: wake who
    /// steps the [`Preparer`](crate::Preparer), or a turn of several segments waits for its next look.
    /// Only the first call of this counts.
    pub fn on_segment_taken(&self, tell: impl Fn() + Send + Sync + 'static) {
        let _ = self.0.taken.0.set(Box::new(tell));
    }

    /// Notes beside the log that it was stopped in order: what is on disk is all of it, and synced. The next start need not
    /// write the end of it once more to be sure. Nothing is noted while something is not synced, or if something failed.
    ///
    /// For who ends last: nothing may be committed or made any more, and the live log is gone.
    ///
    /// # Errors
    ///
    /// If it cannot be written. The next start takes longer.
    pub fn note_stop(&self) -> Result<(), JournalError> {
        self.0.check()?;
        let end = self.committed();
        if self.durable() < end {
            return Ok(());
        }
        let segment_bytes = self.0.geometry.segment_bytes;
        let index = end.0 / u64::from(segment_bytes);
        match print_of(&self.0.dir, index, segment_bytes) {
            Some(print) => self.0.locks.0.say(Some(Stopped { position: end.0, print })),
            None => Ok(()),
        }
    }

    /// The random number that names this log since it was created.
    #[must_use]
    pub fn log_id(&self) -> u64 {
        self.0.log_id
    }
}
