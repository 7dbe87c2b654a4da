//! Taking old segments away: into another folder, or for good.
//!
//! Nothing is removed before it is where it should be, synced, and before the log says that it begins later
//! now. A crash between any two calls leaves a log that opens, with segments too many at worst.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{JournalError, ReadError};
use crate::frame;
use crate::log::Shared;
use crate::mmap::ReadMap;
use crate::order::Order;
use crate::retained::{Kept, Retained, begins_a_turn};
use crate::scan::{Stop, walk};
use crate::segment::{self, SegmentHeader};
use crate::storage::Storage;
use crate::tail::{all, check_header, map_segment};

/// Bytes of a segment that are written at once, and synced, so that the syncer of the log never waits long
/// behind a whole one.
const BLOCK_BYTES: usize = 4 << 20;

/// Takes old segments of one log away. What it fails at is nobody's end: it is told, and may be tried again.
#[derive(Clone, Debug)]
pub struct Retirer {
    shared: Arc<Shared>,
    storage: Arc<dyn Storage>,
}

/// What was taken away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retired {
    /// Segments.
    pub segments: u64,
    /// The segment that the log begins with now.
    pub first: u64,
    /// Sequence of the first turn in it.
    pub first_sequence: u64,
    /// Turns of which something stays.
    pub kept: usize,
    /// Where the segments are, `None` if they were removed.
    pub archive: Option<PathBuf>,
}

/// Why segments stay.
#[derive(Debug)]
pub enum RetireError {
    /// The disk refuses something.
    Write(JournalError),
    /// A segment is not what was written; it is not moved and not removed.
    Read(ReadError),
    /// Another file has the segment's name in the folder they go to.
    Exists {
        /// That file.
        file: PathBuf,
    },
    /// The folder they are to go to is the log's own.
    OwnFolder {
        /// The folder.
        archive: PathBuf,
    },
    /// Whoever was asked about a segment did not agree.
    Refused {
        /// The segment's file.
        file: PathBuf,
        /// Why.
        why: String,
    },
}

impl fmt::Display for RetireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RetireError::Write(error) => error.fmt(f),
            RetireError::Read(error) => error.fmt(f),
            RetireError::Exists { file } => write!(
                f,
                "{} is another file than the segment that is to go there: nothing is overwritten",
                file.display()
            ),
            RetireError::OwnFolder { archive } => {
                write!(f, "{} is the journal's own folder", archive.display())
            }
            RetireError::Refused { file, why } => write!(f, "{}: {why}", file.display()),
        }
    }
}

impl std::error::Error for RetireError {}

impl From<JournalError> for RetireError {
    fn from(error: JournalError) -> RetireError {
        RetireError::Write(error)
    }
}

impl From<ReadError> for RetireError {
    fn from(error: ReadError) -> RetireError {
        RetireError::Read(error)
    }
}

impl Retirer {
    pub(crate) fn new(shared: Arc<Shared>, storage: Arc<dyn Storage>) -> Retirer {
        Retirer { shared, storage }
    }

    /// The segment that the log begins with.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.shared.first()
    }

    /// Bytes of a segment.
    #[must_use]
    pub fn segment_bytes(&self) -> u32 {
        self.shared.geometry.segment_bytes
    }

    /// The last segment that the log can begin with: what is before it is synced, has left the live log, and
    /// every reader that [holds](crate::Log::hold) its place has passed it.
    #[must_use]
    pub fn last_possible(&self) -> u64 {
        let segment_bytes = u64::from(self.shared.geometry.segment_bytes);
        let live = self.shared.live().front().map_or(0, |first| first.index());
        let durable = self.shared.durable.get() / segment_bytes;
        live.min(durable).min(self.shared.held() / segment_bytes)
    }

    /// The last segment up to `index` that a turn begins with: a log begins with no other. The one it begins
    /// with now, if there is none behind it.
    ///
    /// # Errors
    ///
    /// If a segment cannot be read.
    pub fn last_with_turn(&self, index: u64) -> Result<u64, ReadError> {
        let first = self.shared.first();
        let mut index = index;
        while index > first && !begins_a_turn(&segment::path(&self.shared.dir, index), index)? {
            index -= 1;
        }
        Ok(index.max(first))
    }

    /// Lets the log begin with segment `first`: what is before it goes into the folder `archive`, or for good.
    /// `kept` is what stays of it, in the order of its positions, in place of what stayed so far. `agree` is
    /// asked about the file of each segment when it is archived and before any goes.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong. As long as the log does not begin later nothing was removed; what was
    /// copied is found again, and not copied twice.
    ///
    /// # Panics
    ///
    /// If `first` is above [`Retirer::last_possible`], or no turn begins with it.
    pub fn retire(
        &self,
        first: u64,
        kept: &[Kept],
        archive: Option<&Path>,
        mut agree: impl FnMut(&Path) -> Result<(), String>,
    ) -> Result<Retired, RetireError> {
        let (dir, geometry) = (&self.shared.dir, self.shared.geometry);
        assert!(first <= self.last_possible() && self.last_with_turn(first)? == first);
        let mut old = segment::list(dir)?;
        old.retain(|index| *index < first);
        if let Some(archive) = archive {
            self.deny_own_folder(archive)?;
        }
        for index in &old {
            let file = segment::path(dir, *index);
            let segment = self.sound(&file, *index)?;
            if let Some(archive) = archive {
                self.copy(segment.bytes(), &segment::path(archive, *index))?;
            }
            drop(segment);
            agree(&file).map_err(|why| RetireError::Refused { file, why })?;
        }
        let first_sequence = self.header(first)?.first_sequence;
        // What the archive was is said again: the log may be put together from it.
        let archive = archive.map(|path| std::path::absolute(path).unwrap_or(path.to_path_buf()));
        if first > self.shared.first() {
            let log = (self.shared.log_id, geometry);
            let begin = (first, first_sequence);
            Retained::write(&*self.storage, dir, log, begin, kept, archive.as_deref())?;
            self.shared.begin_with(first, Retained::open(dir, Some(log))?);
        }
        // From the first one up: what is left of a crash has no hole in it.
        for index in &old {
            let file = segment::path(dir, *index);
            let removed = self.storage.remove(&file);
            removed.map_err(|error| JournalError::Io { doing: "remove", file, error })?;
        }
        Ok(Retired { segments: old.len() as u64, first, first_sequence, kept: kept.len(), archive })
    }

    fn header(&self, index: u64) -> Result<SegmentHeader, ReadError> {
        let file = segment::path(&self.shared.dir, index);
        let header = map_segment(&file, index)?.1;
        header.ok_or(ReadError::Header { file, why: crate::HeaderFault::Blank })
    }

    /// The segment, if every frame of it is what was written: nobody may have read it since it was synced.
    fn sound(&self, file: &Path, index: u64) -> Result<ReadMap, ReadError> {
        let (map, header) = map_segment(file, index)?;
        let file = file.to_path_buf();
        let Some(header) = header else {
            return Err(ReadError::Header { file, why: crate::HeaderFault::Blank });
        };
        let geometry = self.shared.geometry;
        check_header(&file, &header, self.shared.log_id, geometry.segment_bytes)?;
        map.read_ahead();
        let (mut order, seed) = (Order::UNKNOWN, frame::seed(header.log_id, index));
        let (bytes, from) = (all(&map, &file)?, segment::HEADER_BYTES);
        match walk(bytes, geometry.segment_bytes, from, seed, &mut order, |_, _| ()) {
            Stop::Sealed | Stop::Full => Ok(map),
            Stop::Fault(offset, why) => {
                let position = geometry.base(index) + u64::from(offset);
                let sequence = order.next.unwrap_or(header.first_sequence);
                Err(ReadError::Corrupt { file, offset, position, sequence, why })
            }
        }
    }

    fn deny_own_folder(&self, archive: &Path) -> Result<(), RetireError> {
        let made = match std::fs::create_dir(archive) {
            Ok(()) => crate::storage::sync_folder_of(archive),
            Err(_) if archive.is_dir() => Ok(()),
            Err(error) => Err(error),
        };
        let file = archive.to_path_buf();
        made.map_err(|error| JournalError::Io { doing: "make", file, error })?;
        let canonical = archive.canonicalize().ok();
        for own in [&self.shared.dir, &self.shared.live_dir] {
            if canonical.is_some() && canonical == own.canonicalize().ok() {
                return Err(RetireError::OwnFolder { archive: archive.to_path_buf() });
            }
        }
        Ok(())
    }

    /// Makes the file `to` hold `bytes`, synced; it may be in another file system.
    fn copy(&self, bytes: &[u8], to: &Path) -> Result<(), RetireError> {
        let io = |doing, error| JournalError::Io { doing, file: to.to_path_buf(), error };
        if to.exists() {
            let there = ReadMap::open(to, u64::MAX).map_err(|error| io("open", error))?;
            if there.all().map_err(|error| io("read", error))? != bytes {
                return Err(RetireError::Exists { file: to.to_path_buf() });
            }
            // Its name may not be durable yet.
            self.storage.rename(to, to).map_err(|error| io("rename", error))?;
            return Ok(());
        }
        let new = to.with_extension("new");
        let written = || {
            self.storage.create(&new, bytes.len() as u64).map_err(|error| io("make", error))?;
            let file = self.storage.open(&new).map_err(|error| io("open", error))?;
            for (at, block) in (0..).step_by(BLOCK_BYTES).zip(bytes.chunks(BLOCK_BYTES)) {
                file.write_at(at, block).map_err(|error| io("write", error))?;
                file.sync_data().map_err(|error| io("sync", error))?;
            }
            Ok(())
        };
        let written: Result<(), JournalError> = written();
        written.inspect_err(|_| {
            let _ = self.storage.remove(&new);
        })?;
        self.storage.rename(&new, to).map_err(|error| io("rename", error))?;
        Ok(())
    }
}
