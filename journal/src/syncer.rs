//! From memory to disk: one write and one sync per batch, two batches on their way at once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::JournalError;
use crate::log::{Position, Shared};
use crate::mmap::Window;
use crate::segment;
use crate::storage::{BLOCK_BYTES, Blocks, Storage, StorageFile};

/// Copies what is committed to the segments on disk and moves the durable cursor.
///
/// One batch is a write of whole blocks, those of before its first byte as they were, and a sync. Batches
/// are written one after the other, since two of them share a block. Their syncs overlap if several lanes
/// step, each on its own thread: a disk takes a write beside a flush, and what was committed during one
/// sync need not wait for its end. The durable cursor moves in the order of the batches.
///
/// A segment is synced before a byte of the next one is written: a begun segment on disk proves that
/// all before it are whole.
#[derive(Debug)]
pub struct Syncer {
    shared: Arc<Shared>,
    storage: Arc<dyn Storage>,
    lanes: Arc<Lanes>,
    /// The segment that this lane wrote last. Each lane its own file: the kernel tells an error in writing
    /// once to each.
    file: Option<(u64, Box<dyn StorageFile>)>,
    /// Written by this lane, not synced.
    batch: Option<Batch>,
}

/// What a [`Syncer::step`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Synced {
    /// There was nothing to do.
    Idle,
    /// The durable cursor is here now; there may be more.
    Advanced(Position),
}

/// What a [`Syncer::write`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// There was nothing to do.
    Idle,
    /// The next bytes belong to another segment, and not every batch of this one is synced.
    Waits,
    /// A batch waits for [`Syncer::sync`].
    Batch,
}

#[derive(Debug)]
struct Lanes {
    /// Everything before is written; unlike the durable cursor it may be inside a turn. Stored by who holds
    /// `writing`.
    written: AtomicU64,
    writing: Mutex<Writing>,
    /// How many batches are synced.
    synced: Mutex<u64>,
    one_more: Condvar,
}

impl Lanes {
    /// Waits until so many batches are synced, or something failed.
    fn wait(
        &self,
        shared: &Shared,
        enough: impl Fn(u64) -> bool,
    ) -> Result<MutexGuard<'_, u64>, JournalError> {
        let mut synced = lock(&self.synced);
        loop {
            shared.check()?;
            if enough(*synced) {
                return Ok(synced);
            }
            synced = self.one_more.wait(synced).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[derive(Debug)]
struct Writing {
    /// How many batches were written.
    batches: u64,
    /// The segment being copied.
    source: Option<(u64, Window)>,
    /// For the last block of a batch.
    block: Blocks,
}

#[derive(Clone, Copy, Debug)]
struct Batch {
    /// How many there were before.
    number: u64,
    /// The end of the last turn that is on disk after it.
    turn_end: u64,
}

/// A batch is written in pieces of this size. Unit: bytes.
const PIECE_BYTES: u32 = 1 << 20;

impl Syncer {
    pub(crate) fn new(shared: Arc<Shared>, storage: Arc<dyn Storage>) -> Syncer {
        let lanes = Lanes {
            written: AtomicU64::new(shared.committed.get()),
            writing: Mutex::new(Writing {
                batches: 0,
                source: None,
                block: Blocks::zeroed(BLOCK_BYTES),
            }),
            synced: Mutex::new(0),
            one_more: Condvar::new(),
        };
        Syncer { shared, storage, lanes: Arc::new(lanes), file: None, batch: None }
    }

    /// Another lane of the same syncer, for a thread of its own.
    #[must_use]
    pub fn lane(&self) -> Syncer {
        Syncer {
            shared: Arc::clone(&self.shared),
            storage: Arc::clone(&self.storage),
            lanes: Arc::clone(&self.lanes),
            file: None,
            batch: None,
        }
    }

    /// Whether something is committed that no lane has written.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.lanes.written.load(Ordering::Relaxed) < self.shared.committed.get()
    }

    /// Whether this lane wrote a batch that it has not synced.
    #[must_use]
    pub fn is_written(&self) -> bool {
        self.batch.is_some()
    }

    /// Copies and syncs everything committed in the present segment, and moves the durable cursor to
    /// the end of the last turn that is whole on disk. Waits for the batches that other lanes wrote before.
    ///
    /// # Errors
    ///
    /// Final: the failure is remembered, nothing is tried again.
    pub fn step(&mut self) -> Result<Synced, JournalError> {
        // Each round is one batch; only a turn longer than a segment takes several.
        loop {
            match self.write()? {
                Written::Idle => return Ok(Synced::Idle),
                Written::Waits => self.await_others()?,
                Written::Batch => {
                    if let advanced @ Synced::Advanced(_) = self.sync()? {
                        return Ok(advanced);
                    }
                }
            }
        }
    }

    /// The first half of a [`step`](Syncer::step): writes the next batch.
    ///
    /// # Errors
    ///
    /// As [`Syncer::step`].
    ///
    /// # Panics
    ///
    /// If this lane has a batch that it has not synced.
    pub fn write(&mut self) -> Result<Written, JournalError> {
        self.shared.check()?;
        assert!(self.batch.is_none(), "a batch of this lane waits for its sync");
        let lanes = Arc::clone(&self.lanes);
        let mut writing = lock(&lanes.writing);
        let written = lanes.written.load(Ordering::Relaxed);
        let committed = self.shared.committed.get();
        if written >= committed {
            return Ok(Written::Idle);
        }
        let index = written / u64::from(self.shared.geometry.segment_bytes);
        let others = writing.source.as_ref().is_some_and(|(source, _)| *source != index);
        if others && *lock(&lanes.synced) < writing.batches {
            return Ok(Written::Waits);
        }
        match self.copy(&mut writing, index, written, committed) {
            Ok((written, turn_end)) => {
                lanes.written.store(written, Ordering::Relaxed);
                self.batch = Some(Batch { number: writing.batches, turn_end });
                writing.batches += 1;
                Ok(Written::Batch)
            }
            Err(error) => Err(self.fail(error)),
        }
    }

    /// The second half: syncs the batch that this lane wrote, and moves the durable cursor once those before
    /// it are synced too. [`Synced::Idle`] if it is the end of no turn.
    ///
    /// # Errors
    ///
    /// As [`Syncer::step`].
    ///
    /// # Panics
    ///
    /// If there is no batch.
    pub fn sync(&mut self) -> Result<Synced, JournalError> {
        let (batch, (index, file)) = self.batch.zip(self.file.as_ref()).expect("a written batch");
        if let Err(error) = file.sync_data() {
            let file = segment::path(&self.shared.dir, *index);
            return Err(self.fail(JournalError::Io { doing: "sync", file, error }));
        }
        let mut synced = self.lanes.wait(&self.shared, |synced| synced == batch.number)?;
        *synced += 1;
        self.lanes.one_more.notify_all();
        self.batch = None;
        let moves = batch.turn_end > self.shared.durable.get();
        if moves {
            self.shared.durable.set(batch.turn_end);
            self.shared.control.set_durable(batch.turn_end);
        }
        Ok(if moves { Synced::Advanced(Position(batch.turn_end)) } else { Synced::Idle })
    }

    fn await_others(&self) -> Result<(), JournalError> {
        let batches = lock(&self.lanes.writing).batches;
        self.lanes.wait(&self.shared, |synced| synced >= batches).map(drop)
    }

    /// Nothing gets durable after it.
    #[cold]
    fn fail(&self, error: JournalError) -> JournalError {
        // Under the lock: who looks before it waits sees the failure, or is woken.
        let _synced = lock(&self.lanes.synced);
        let error = self.shared.fail(error);
        self.lanes.one_more.notify_all();
        error
    }

    /// Writes from `written` on in segment `index`, up to `committed` or the end of the segment; returns up
    /// to where, and the end of the last turn that is on disk then.
    fn copy(
        &mut self,
        writing: &mut Writing,
        index: u64,
        written: u64,
        committed: u64,
    ) -> Result<(u64, u64), JournalError> {
        let segment_bytes = u64::from(self.shared.geometry.segment_bytes);
        let base = self.shared.geometry.base(index);
        let path = segment::path(&self.shared.dir, index);
        let io = |doing, error| JournalError::Io { doing, file: path.clone(), error };

        if writing.source.as_ref().is_none_or(|(source, _)| *source != index) {
            let map = self.shared.live_segment(index);
            let map = map.expect("a live segment stays until it is durable");
            writing.source = Some((index, Window::new(map)));
        }
        if self.file.as_ref().is_none_or(|(file, _)| *file != index) {
            let file = self.storage.open_blocks(&path).map_err(|error| io("open", error))?;
            self.file = Some((index, file));
        }
        let ((_, source), (_, file)) =
            writing.source.as_mut().zip(self.file.as_ref()).expect("both were set above");
        let map = source.map();
        let goes_on = committed > base + segment_bytes;
        let (to, turn_end, end) = if goes_on {
            let turn_end = map.turn_end.load(Ordering::Relaxed);
            let used = map.used.load(Ordering::Relaxed);
            (u64::from(used), base + u64::from(turn_end), base + segment_bytes)
        } else {
            (committed - base, committed, committed)
        };
        #[allow(clippy::cast_possible_truncation)] // Both are at most `segment_bytes`.
        let (from, to) = ((written - base) as u32, to as u32);
        if from < to {
            assert!(source.readable(to) >= to);
            const BLOCK: u32 = BLOCK_BYTES as u32;
            // Whole blocks as they are in memory: they never change again, and the disk fetches them itself. Copied they would be
            // fetched from the core's cache, line by line: that was two thirds of this thread's time.
            let (first, whole) = (from / BLOCK * BLOCK, to / BLOCK * BLOCK);
            // What follows in the last block is not written yet.
            let rest = source.bytes(whole, to);
            let block = writing.block.get_mut();
            block[..rest.len()].copy_from_slice(rest);
            block[rest.len()..].fill(0);
            let last: &[u8] = if rest.is_empty() { &[] } else { block };
            let mut at = first;
            loop {
                let end = whole.min(at + PIECE_BYTES);
                let then = if end == whole { last } else { &[] };
                let wrote = file.write_both_at(u64::from(at), source.bytes(at, end), then);
                wrote.map_err(|error| io("write", error))?;
                if end == whole {
                    break;
                }
                at = end;
            }
        }
        Ok((end, turn_end))
    }
}

impl Drop for Syncer {
    /// A lane that goes without having synced what it wrote: no other may wait for it.
    fn drop(&mut self) {
        if self.batch.is_some() {
            self.fail(JournalError::Failed("a lane of the syncer ended before its sync".into()));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const _: () = assert!((PIECE_BYTES as usize).is_multiple_of(BLOCK_BYTES));
