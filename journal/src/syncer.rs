//! From memory to disk: one write and one sync per batch.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::error::JournalError;
use crate::log::{Position, Shared};
use crate::mmap::Window;
use crate::segment;
use crate::storage::{Storage, StorageFile};

/// Copies what is committed to the segments on disk and moves the durable cursor.
///
/// A segment is synced before a byte of the next one is written: a begun segment on disk proves that
/// all before it are whole.
#[derive(Debug)]
pub struct Syncer {
    shared: Arc<Shared>,
    storage: Arc<dyn Storage>,
    /// Everything before is on disk and synced; unlike the durable cursor it may be inside a turn.
    written: u64,
    /// The segment being copied.
    open: Option<OpenSegment>,
}

#[derive(Debug)]
struct OpenSegment {
    index: u64,
    window: Window,
    file: Box<dyn StorageFile>,
}

/// What a [`Syncer::step`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Synced {
    /// There was nothing to do.
    Idle,
    /// The durable cursor is here now; there may be more.
    Advanced(Position),
}

impl Syncer {
    pub(crate) fn new(shared: Arc<Shared>, storage: Arc<dyn Storage>) -> Syncer {
        let written = shared.committed.get();
        Syncer { shared, storage, written, open: None }
    }

    /// Copies and syncs everything committed in the present segment, and moves the durable cursor to
    /// the end of the last turn that is whole on disk.
    ///
    /// # Errors
    ///
    /// Final: the failure is remembered, nothing is tried again.
    pub fn step(&mut self) -> Result<Synced, JournalError> {
        self.shared.check()?;
        let durable = self.shared.durable.get();
        let committed = self.shared.committed.get();
        // Each round copies one segment; only a turn longer than a segment takes several.
        while self.written < committed {
            let reached = match self.copy(committed) {
                Ok(reached) => reached,
                Err(error) => return Err(self.shared.fail(error)),
            };
            if reached > durable {
                self.shared.durable.set(reached);
                self.shared.control.set_durable(reached);
                return Ok(Synced::Advanced(Position(reached)));
            }
        }
        Ok(Synced::Idle)
    }

    /// Copies up to `committed`, or to the end of the segment; returns the end of the last turn that
    /// is on disk now.
    fn copy(&mut self, committed: u64) -> Result<u64, JournalError> {
        let segment_bytes = u64::from(self.shared.geometry.segment_bytes);
        let index = self.written / segment_bytes;
        let base = self.shared.geometry.base(index);
        let file = segment::path(&self.shared.dir, index);
        let io = |doing, error| JournalError::Io { doing, file: file.clone(), error };

        let mut open = match self.open.take() {
            Some(open) if open.index == index => open,
            _ => {
                let map = self.shared.live_segment(index);
                let map = map.expect("a live segment stays until it is durable");
                let file = self.storage.open(&file).map_err(|error| io("open", error))?;
                OpenSegment { index, window: Window::new(map), file }
            }
        };
        let map = open.window.map();
        let goes_on = committed > base + segment_bytes;
        let (to, turn_end, written) = if goes_on {
            let turn_end = map.turn_end.load(Ordering::Relaxed);
            let used = map.used.load(Ordering::Relaxed);
            (u64::from(used), base + u64::from(turn_end), base + segment_bytes)
        } else {
            (committed - base, committed, committed)
        };
        #[allow(clippy::cast_possible_truncation)] // Both are at most `segment_bytes`.
        let (from, to) = ((self.written - base) as u32, to as u32);
        if from < to {
            assert!(open.window.readable(to) >= to);
            let bytes = open.window.bytes(from, to);
            let result = open.file.write_at(u64::from(from), bytes);
            result.map_err(|error| io("write", error))?;
            open.file.sync_data().map_err(|error| io("sync", error))?;
        }
        self.written = written;
        if !goes_on {
            self.open = Some(open);
        }
        Ok(turn_end)
    }
}
