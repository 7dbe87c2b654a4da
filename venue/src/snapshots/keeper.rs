//! Who makes snapshots: not the core, but the journal once more.
//!
//! A snapshot is made from the one before and the turns since. Between two of them nothing is kept in
//! memory, and none of it is the core's: an engine that went wrong in the core's memory would give other
//! events than the replay here, and be found out.

use std::fmt;

use journal::{Frame, JournalError, Log, Position, Retired, Retirer, Snapshots, frame_checksum};

use super::past::Past;
use super::retention::{NotRetired, Retention, RetentionConfig};
use super::{Begun, Headless, INDEX_PARTS, Refused, SaveError, State, begin, part};
use crate::replay::{ReplayError, StateHash};
use crate::turns::FollowError;

/// When snapshots are made, and how many stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotConfig {
    /// One is due when the journal is so much longer than the last; 0: never. Unit: bytes.
    pub every_bytes: u64,
    /// So many of the newest stay.
    pub keep: usize,
}

/// A clean end makes one if a part of [`SnapshotConfig::every_bytes`] came since the last: this part.
const AT_END_PART: u64 = 64;

/// At a clean end nobody waits for a snapshot of more than so many times
/// [`SnapshotConfig::every_bytes`].
const AT_END_MOST: u64 = 2;

/// On a long way no snapshot is made in between if less than this part of [`SnapshotConfig::every_bytes`] would be left
/// behind it.
const REST_PART: u64 = 8;

/// Between two snapshots an index is written each time this part of [`SnapshotConfig::every_bytes`] was read: readers of
/// the past begin there.
///
/// A sixteenth of a GiB is replayed and looked through in some tenths of a second, read from the disk too.
const INDEX_PART: u64 = 16;

/// No index is larger than this part of what it is an index of: where a million orders rest one is made for each half a
/// GiB, which is as much as `vesta book` replays below a second.
const INDEX_BYTES_PART: u64 = 8;

/// Frames between two looks at whether to go on.
pub(super) const FRAMES_A_LOOK: u32 = 4_096;

/// Makes the snapshots of a log, one when it is due.
#[derive(Debug)]
pub struct Keeper {
    pub(super) log: Log,
    pub(super) snapshots: Snapshots,
    pub(super) config: SnapshotConfig,
    retention: Retention,
    orders_per_session_max: u32,
    /// Where the last snapshot ends, or the last try ended.
    last: Position,
    /// Where the last index or snapshot ends.
    indexed: Position,
    /// Where the last try to make an index ended.
    index_tried: Position,
    /// About so many bytes an index has.
    index_bytes: u64,
}

/// A snapshot that was made.
#[derive(Debug)]
pub struct Made {
    /// The turn that it ends with, and the hash of the state.
    pub state: StateHash,
    /// Where that turn ends.
    pub position: Position,
    /// Bytes of the file.
    pub bytes: u64,
    /// Older ones that could not be gone on from.
    pub refused: Vec<Refused>,
    /// Segments that went then, or why they did not; `None`: none was to go.
    pub retired: Option<Result<Retired, NotRetired>>,
}

/// Why no snapshot could be made.
#[derive(Debug)]
pub enum KeepError {
    /// The journal does not replay: a restart would not get further.
    Replay(ReplayError),
    /// The file cannot be written. The next one may be.
    Write(JournalError),
    /// There is nothing to make one from.
    Headless(Headless),
}

impl fmt::Display for KeepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeepError::Replay(error) => error.fmt(f),
            KeepError::Write(error) => error.fmt(f),
            KeepError::Headless(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for KeepError {}

impl From<ReplayError> for KeepError {
    fn from(error: ReplayError) -> KeepError {
        KeepError::Replay(error)
    }
}

impl From<SaveError> for KeepError {
    fn from(error: SaveError) -> KeepError {
        match error {
            SaveError::Read(error) => KeepError::Replay(FollowError::from(error).into()),
            SaveError::Write(error) => KeepError::Write(error),
        }
    }
}

impl Keeper {
    /// Goes on after the newest snapshot there is a file of.
    #[must_use]
    pub fn new(
        log: &Log,
        (snapshots, config): (&Snapshots, SnapshotConfig),
        (retirer, retention): (Retirer, RetentionConfig),
        orders_per_session_max: u32,
    ) -> Keeper {
        // One from beyond the journal is none.
        let end_of = |newest: Option<&u64>| {
            let head = newest.and_then(|newest| snapshots.head(*newest).ok());
            head.map(|head| head.position).filter(|end| *end <= log.committed())
        };
        let last = snapshots.list().ok().and_then(|all| end_of(all.last())).unwrap_or(log.start());
        let index = snapshots.list_indexes().ok().and_then(|all| end_of(all.last()));
        let indexed = index.map_or(last, |index| index.max(last));
        Keeper {
            log: log.clone(),
            snapshots: snapshots.clone(),
            config,
            retention: Retention { retirer, config: retention },
            orders_per_session_max,
            last,
            indexed,
            index_tried: indexed,
            index_bytes: 0,
        }
    }

    fn behind(&self) -> u64 {
        self.log.durable().0.saturating_sub(self.last.0)
    }

    /// Whether a snapshot is due.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.config.every_bytes > 0 && self.behind() >= self.config.every_bytes
    }

    /// Whether an index is: it is made between two snapshots, and much faster.
    #[must_use]
    pub fn is_index_due(&self) -> bool {
        let durable = self.log.durable().0;
        self.config.every_bytes > 0
            && !self.is_due()
            && durable.saturating_sub(self.index_tried.0) >= self.index_every()
            && durable.saturating_sub(self.indexed.0) >= self.index_after(self.index_bytes)
    }

    fn index_every(&self) -> u64 {
        (self.config.every_bytes / INDEX_PART).max(1)
    }

    /// How far from the last an index of so many bytes is.
    pub(super) fn index_after(&self, bytes: u64) -> u64 {
        self.index_every().max(bytes.saturating_mul(INDEX_BYTES_PART))
    }

    /// Makes an index of what is synced, from the index or snapshot before. How many there are more.
    ///
    /// # Errors
    ///
    /// If the journal does not replay, or the index cannot be written.
    pub fn make_index(&mut self, goes_on: impl Fn() -> bool) -> Result<u32, KeepError> {
        let limit = self.log.durable();
        self.index_tried = limit;
        let Some((mut past, mut tail)) = Past::begin(&self.log, &self.snapshots, limit) else {
            return Ok(0);
        };
        let (mut made, mut frames) = (0, 0);
        self.indexed = tail.position();
        self.index_bytes = past.bytes();
        if limit.0 - self.indexed.0 < self.index_after(self.index_bytes) || !goes_on() {
            return Ok(0);
        }
        while let Some(frame) =
            tail.next(limit).map_err(|error| KeepError::Replay(FollowError::from(error).into()))?
        {
            past.frame(&frame)?;
            let (end, is_whole) = (frame.end(), frame.last);
            frames += 1;
            if frames % FRAMES_A_LOOK == 0 && !goes_on() {
                break;
            }
            self.index_bytes = past.bytes();
            if is_whole && end.0 - self.indexed.0 >= self.index_after(self.index_bytes) {
                past.save(&self.log, &self.snapshots, end)?;
                self.indexed = end;
                made += 1;
            }
        }
        Ok(made)
    }

    /// Whether one should be made at a clean end.
    #[must_use]
    pub fn is_due_at_end(&self) -> bool {
        let every = self.config.every_bytes;
        every > 0
            && self.behind() > every / AT_END_PART
            && self.behind() <= every.saturating_mul(AT_END_MOST)
    }

    /// Makes a snapshot of everything that is synced by now, and removes those that are too old; then segments go
    /// that are older than what is kept. `None`: nothing is synced since the last, or `goes_on` said no. On its way
    /// through a long journal it makes others, each as far from the last as is configured.
    ///
    /// # Errors
    ///
    /// If the journal does not replay, or the snapshot cannot be written.
    pub fn make(&mut self, goes_on: impl Fn() -> bool) -> Result<Option<Made>, KeepError> {
        self.make_and(goes_on, |keeper, state, made, goes_on| {
            let (snapshots, state) =
                ((&keeper.snapshots, keeper.config.keep), (state, made.position));
            made.retired = keeper.retention.run(&keeper.log, snapshots, state, goes_on);
        })
    }

    /// The same at a clean end, when nobody waits for segments to go.
    ///
    /// # Errors
    ///
    /// As [`Keeper::make`].
    pub fn make_last(&mut self) -> Result<Option<Made>, KeepError> {
        self.make_and(|| true, |_, _, _, _| ())
    }

    /// Lets segments go that may, without a venue: on behalf of who asks for it now. Behind all that is synced there
    /// is a snapshot then, and the others stay. `None`: none may go.
    ///
    /// # Errors
    ///
    /// As [`Keeper::make`].
    pub fn retire(&self) -> Result<Option<Result<Retired, NotRetired>>, KeepError> {
        let limit = self.log.durable();
        let begun = begin(&self.log, &self.snapshots, limit, self.orders_per_session_max);
        let Begun { mut state, mut tail, .. } = begun.map_err(KeepError::Headless)?;
        let saved = tail.position();
        let failed = |error| KeepError::Replay(FollowError::from(error).into());
        while let Some(frame) = tail.next(limit).map_err(failed)? {
            state.frame(&frame)?;
        }
        let end = tail.position();
        if end != saved {
            state.save(&self.log, &self.snapshots, end)?;
        }
        Ok(self.retention.run(&self.log, (&self.snapshots, 1), (&state, end), &|| true))
    }

    fn make_and(
        &mut self,
        goes_on: impl Fn() -> bool,
        then: impl Fn(&Keeper, &State, &mut Made, &dyn Fn() -> bool),
    ) -> Result<Option<Made>, KeepError> {
        let limit = self.log.durable();
        // Whatever comes of it, the next try is as far away as the next snapshot.
        let (before, made) = (self.last, self.make_to(limit, goes_on, then));
        self.last = match &made {
            Ok(Some(made)) => made.position,
            Ok(None) => before,
            Err(_) => limit,
        };
        if self.indexed < self.last {
            (self.indexed, self.index_tried) = (self.last, self.last);
        }
        made
    }

    fn make_to(
        &self,
        limit: Position,
        goes_on: impl Fn() -> bool,
        then: impl Fn(&Keeper, &State, &mut Made, &dyn Fn() -> bool),
    ) -> Result<Option<Made>, KeepError> {
        let begun = begin(&self.log, &self.snapshots, limit, self.orders_per_session_max);
        let Begun { mut state, mut tail, mut refused, .. } = begun.map_err(KeepError::Headless)?;
        let (mut saved, mut frames) = (tail.position(), 0);
        let (every, mut indexed) = (self.config.every_bytes.max(1), saved);
        // Those made since are not made again: what follows one is another stretch.
        let mut known = self.snapshots.list_indexes().unwrap_or_default();
        known.retain(|sequence| *sequence > state.replay.place().0.0);
        let mut known = known.into_iter().peekable();
        while let Some(frame) =
            tail.next(limit).map_err(|error| KeepError::Replay(FollowError::from(error).into()))?
        {
            state.frame(&frame)?;
            let (end, is_whole) = (frame.end(), frame.last);
            frames += 1;
            if is_whole && known.next_if_eq(&frame.sequence).is_some() {
                if self.has_index(&frame) {
                    state.pass_index();
                } else {
                    let _ = state.save_index(&self.log, &self.snapshots, end);
                }
                indexed = end;
            }
            if frames % FRAMES_A_LOOK == 0 && !goes_on() {
                return Ok(None);
            }
            if !is_whole || end.0 - indexed.0 < self.index_every() {
                continue;
            }
            if end.0 - saved.0 >= every && limit.0 - end.0 >= (every / REST_PART).max(1) {
                self.save(&mut state, end, &mut refused)?;
                (saved, indexed) = (end, end);
            } else if end.0 - indexed.0 >= self.index_after(state.index_bytes()) {
                // It only makes readers faster: without it the one before serves.
                let _ = state.save_index(&self.log, &self.snapshots, end);
                indexed = end;
            }
        }
        let end = tail.position();
        if end == saved || !goes_on() {
            return Ok(None);
        }
        let mut made = self.save(&mut state, end, &mut refused)?;
        then(self, &state, &mut made, &goes_on);
        Ok(Some(made))
    }

    /// Whether the index that ends with the turn of `frame`, its last, is good for who looks for orders.
    fn has_index(&self, frame: &Frame<'_>) -> bool {
        let parts = [part::NAMES, part::MENTIONED, part::CALLED];
        let index = self.snapshots.open_parts(frame.sequence, &parts);
        index.is_ok_and(|index| {
            let head = index.head();
            head.last_frame == frame.position
                && head.position == frame.end()
                && head.last_checksum == frame_checksum(frame)
        })
    }

    fn save(
        &self,
        state: &mut State,
        end: Position,
        refused: &mut Vec<Refused>,
    ) -> Result<Made, KeepError> {
        let (hash, bytes) = state.save(&self.log, &self.snapshots, end)?;
        let unusable: Vec<u64> = refused.iter().map(|refused| refused.sequence.0).collect();
        let old = (self.config.keep, &*unusable);
        let reduced = self.snapshots.reduce(old, &INDEX_PARTS, self.log.start());
        reduced.and_then(|()| self.snapshots.prune(old.0, old.1)).map_err(KeepError::Write)?;
        let refused = std::mem::take(refused);
        Ok(Made { state: hash, position: end, bytes, refused, retired: None })
    }
}
