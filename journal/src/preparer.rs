//! Making segments ahead, in memory and on disk, and dropping old ones from memory.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FallocateFlags, FlockOperation};

use crate::control::private_file;
use crate::error::JournalError;
use crate::log::Shared;
use crate::mmap::{Fresh, LiveMap};
use crate::segment;
use crate::storage::{BLOCK_BYTES, Blocks, Storage, StorageFile};

/// Segments made ahead of the one being written, if no turn may need more ([`crate::Writer::want`]) and nobody asked for more
/// ([`Preparer::keep_ahead`]).
///
/// Two: while one is being made, which takes some 50 ms for 64 MiB, another one is ready.
const AHEAD: u32 = 2;

/// Live segments at most, when the disk cannot follow. Then no more are made, and the writer's room
/// shrinks: 4 GiB of memory at the default size.
const LIVE_SEGMENTS_MAX: u32 = 64;

/// Small segments may be as many as have this size together, unit: bytes, but 1,024 at most: a turn may need
/// many of them.
const LIVE_BYTES_MAX: u32 = 1 << 30;

/// Live segments at most, of this size.
fn live_max(segment_bytes: u32) -> u32 {
    LIVE_SEGMENTS_MAX.max((LIVE_BYTES_MAX / segment_bytes).min(1_024))
}

/// Segments made ahead at most: a turn can never have more than these. The others are those being written,
/// synced and read.
pub(crate) fn ahead_max(segment_bytes: u32) -> u32 {
    live_max(segment_bytes) / 4 * 3
}

/// How many have to be ahead for a turn of so many bytes.
pub(crate) fn ahead_for(turn_bytes: u64, segment_bytes: u32) -> u32 {
    // The end of each may stay unused for up to a record, and the writer is somewhere in its own.
    let used = u64::from(segment_bytes) - u64::from(segment_bytes) / 8;
    let segments = u32::try_from(turn_bytes.div_ceil(used)).unwrap_or(u32::MAX);
    segments.saturating_add(1).clamp(AHEAD, ahead_max(segment_bytes))
}

/// Makes the next segments before the writer needs them.
///
/// The memory of an old live segment is used again for a new one if nobody reads it any more: pages that are mapped and there
/// need only be zeroed, which takes no kernel, where new ones hold up others. Whoever still reads one
/// keeps its mapping, with the bytes it had: it is unlinked then, and never written again. In this process the segment's `Arc` says
/// so, of other processes the lock on its file (`FORMAT.md`). So no byte of a mapping ever means two things to who reads it.
#[derive(Debug)]
pub struct Preparer {
    shared: Arc<Shared>,
    storage: Arc<dyn Storage>,
    /// The next live segment to make.
    next: u64,
    /// Disk segments below exist.
    disk_next: u64,
    /// The disk segment `disk_next - 1`, while zeroes are written to it.
    filling: Option<Filling>,
    /// The live segment `next`, while its memory is touched.
    touching: Option<Touching>,
    /// An old one that nobody reads, for the next but one.
    spare: Option<Spare>,
    live_segments_kept: u32,
    /// How many are made ahead, if no turn may need more.
    least: u32,
    /// A segment is written before it is handed over even if none is ready.
    pub(crate) is_patient: bool,
}

/// Memory is touched in pieces of this size. Unit: bytes.
///
/// Each is some 40 µs of a CPU, in the kernel, where nobody else gets it: where threads are more than CPUs that is how long the
/// core may wait. Pieces of 1 MiB, 0.8 to 2.4 ms each, were the p99 of a venue at 100,000 orders a second.
const TOUCH_BYTES: u32 = 64 << 10;

/// Small segments are made in four pieces at least: what happens between two is seen with them too.
fn touch_bytes(segment_bytes: u32) -> u32 {
    TOUCH_BYTES.min((segment_bytes / 4).next_multiple_of(4096))
}

/// Zeroes are written in pieces of this size. Unit: bytes.
///
/// The syncer's own writes wait for the piece that is on its way to the disk: one of 1 MiB holds them up for 0.4 ms, and at 1,000,000
/// commands a second there are 140 of them a second (p90 to the disk 326 to 377 µs); these hold them up for less than a sync
/// takes (274 to 288 µs). Smaller ones are no better, and each synced, or a millisecond apart, is worse: then a syncer waits for them
/// for a quarter of the time at 250,000 commands a second.
const PIECE_BYTES: usize = 256 << 10;

/// A disk segment on its way from reserved to written.
///
/// Once its blocks were written, a sync of new bytes in them need not change the file system's
/// metadata: 107 µs instead of 153 to 181 µs (median, 6 kB, ext4 here).
#[derive(Debug)]
pub(crate) struct Filling {
    file: Box<dyn StorageFile>,
    at: u64,
    zeroes: Blocks,
}

/// What a [`Preparer::step`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prepared {
    /// There was nothing to do.
    Idle,
    /// A segment was made, or a part of one, or an old one dropped; there may be more to do.
    Made,
    /// There is no room for the next segment; it is tried again at the next step, and meanwhile
    /// [`crate::Writer::room`] shrinks.
    NoSpace {
        /// The folder without room.
        what: PathBuf,
        /// Bytes that are needed there.
        needed: u64,
    },
}

impl Preparer {
    pub(crate) fn new(
        shared: Arc<Shared>,
        storage: Arc<dyn Storage>,
        next: u64,
        disk_next: u64,
        live_segments_kept: u32,
    ) -> Preparer {
        let is_patient = false;
        Preparer {
            shared,
            storage,
            next,
            disk_next,
            filling: None,
            touching: None,
            spare: None,
            live_segments_kept,
            least: AHEAD,
            is_patient,
        }
    }

    /// How many whole segments are made ahead.
    #[must_use]
    pub fn ready(&self) -> u32 {
        self.shared.ready_count()
    }

    /// Makes so many segments ahead from now on, or as many as a turn may need: two at least, and at most three quarters of the live
    /// segments there may be. While the disk takes nothing none is made, so the writer goes on for as long as it needs for these.
    pub fn keep_ahead(&mut self, segments: u32) {
        self.least = segments.clamp(AHEAD, ahead_max(self.shared.geometry.segment_bytes));
    }

    fn wanted(&self) -> u32 {
        self.shared.ahead().max(self.least)
    }

    /// Whether a segment is missing among those made ahead.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.shared.ready_count() < self.wanted()
    }

    /// Whether a rest before the next [`step`](Preparer::step) costs the writer nothing: all segments but one are ready, and
    /// more is made of that one than the writer has used of its own.
    #[must_use]
    pub fn may_rest(&self) -> bool {
        let used = self.shared.committed.get() % u64::from(self.shared.geometry.segment_bytes);
        let made = self.touching.as_ref().map_or(0, |touching| u64::from(touching.at));
        let ready = self.shared.ready_count();
        ready > 0 && ready + 1 >= self.wanted() && made > used
    }

    /// Makes one segment or a part of it, or drops one.
    ///
    /// # Errors
    ///
    /// Final, as [`crate::Syncer::step`]. A full disk is not an error but [`Prepared::NoSpace`].
    pub fn step(&mut self) -> Result<Prepared, JournalError> {
        self.shared.check()?;
        self.advance().map_err(|error| self.shared.fail(error))
    }

    fn advance(&mut self) -> Result<Prepared, JournalError> {
        if self.drop_oldest(self.live_segments_kept)? {
            return Ok(Prepared::Made);
        }
        if !self.is_wanted() {
            return Ok(Prepared::Idle);
        }
        let segment_bytes = self.shared.geometry.segment_bytes;
        let no_space =
            |dir: &Path| Prepared::NoSpace { what: dir.into(), needed: u64::from(segment_bytes) };
        if self.shared.live().len() >= live_max(segment_bytes) as usize {
            return Ok(no_space(&self.shared.live_dir));
        }
        // The disk first: what gets into the live log must have its place there.
        let file = segment::path(&self.shared.dir, self.next);
        let io = |doing, error| JournalError::Io { doing, file: file.clone(), error };
        if self.disk_next == self.next {
            match self.storage.create(&file, u64::from(segment_bytes)) {
                Ok(()) => self.disk_next += 1,
                Err(error) if is_full(&error) => {
                    // What was reserved is given back; if that fails, the next step tries again.
                    let _ = self.storage.remove(&file);
                    return Ok(no_space(&self.shared.dir));
                }
                Err(error) => return Err(io("make", error)),
            }
            let file = self.storage.open_blocks(&file).map_err(|error| io("open", error))?;
            self.filling = Some(Filling::new(file, 0));
        }
        // Nobody writes to the segment before it is handed over below. With no segment ready the
        // writer is about to wait: it gets this one as it is, and its memory at once.
        let in_good_time = self.is_patient || self.shared.ready_count() > 0;
        let touched = self.touching.as_ref().map_or(0, |touching| u64::from(touching.at));
        // Side by side, so that neither is left to be done in a hurry.
        let fills = |filling: &&mut Filling| in_good_time && filling.at <= touched;
        if let Some(filling) = self.filling.as_mut().filter(fills) {
            match filling.step(segment_bytes) {
                Ok(true) => self.filling = None,
                Ok(false) => {}
                // Some file systems need new room for every write.
                Err(error) if is_full(&error) => return Ok(no_space(&self.shared.dir)),
                Err(error) => return Err(io("fill", error)),
            }
        }
        let file = segment::path(&self.shared.live_dir, self.next);
        let pieces = if in_good_time { touch_bytes(segment_bytes) } else { segment_bytes };
        match self.touch(&file, segment_bytes, pieces) {
            Ok(()) => {}
            Err(error) if is_full(&error) => {
                // Gives back what was reserved; the next step tries again.
                self.touching = None;
                let _ = std::fs::remove_file(&file);
                self.give_up_spare();
                // The writer is worth more than readers that are behind: these have the disk.
                if self.drop_oldest(0)? {
                    return Ok(Prepared::Made);
                }
                return Ok(no_space(&self.shared.live_dir));
            }
            Err(error) => return Err(JournalError::Io { doing: "make", file, error }),
        }
        if in_good_time && self.filling.is_some() {
            return Ok(Prepared::Made);
        }
        let Some(touching) = self.touching.take_if(|touching| touching.at == segment_bytes) else {
            return Ok(Prepared::Made);
        };
        self.filling = None;
        let Some(fresh) = touching.named(&file) else {
            // The next step makes one that is new.
            return Ok(Prepared::Made);
        };
        let (map, writer) = fresh.share(self.next, 0, Arc::clone(&self.shared.committed));
        self.shared.push_ready(map, writer);
        self.next += 1;
        Ok(Prepared::Made)
    }

    /// Touches the next piece of the live segment, from its first one on.
    fn touch(&mut self, file: &Path, segment_bytes: u32, piece: u32) -> io::Result<()> {
        if self.touching.is_none() {
            self.touching = Some(match self.spare.take() {
                Some(spare) => Touching::again(spare),
                None => Touching::begin(file, segment_bytes)?,
            });
        }
        self.touching.as_mut().map_or(Ok(()), |touching| touching.step(segment_bytes, piece))
    }

    /// Drops the oldest live segment if it is synced and none of the `kept` before the writer's own.
    fn drop_oldest(&mut self, kept: u32) -> Result<bool, JournalError> {
        let segment_bytes = u64::from(self.shared.geometry.segment_bytes);
        let (durable, committed) = (self.shared.durable.get(), self.shared.committed.get());
        let oldest = {
            let mut live = self.shared.live();
            let Some(oldest) = live.front() else {
                return Ok(false);
            };
            let index = oldest.index();
            let kept_from = (committed / segment_bytes).saturating_sub(u64::from(kept));
            // Durable in a later segment: nothing of this one is waiting for the syncer.
            if index >= kept_from || index >= durable / segment_bytes {
                return Ok(false);
            }
            live.pop_front()
        };
        let Some(oldest) = oldest else { return Ok(false) };
        let file = segment::path(&self.shared.live_dir, oldest.index());
        // For the one who asks for room there is none in a spare one. One waits at most; another may be on its way to its next name.
        if kept > 0 && self.spare.is_none() {
            self.spare = Spare::of(oldest, &file);
            if self.spare.is_some() {
                return Ok(true);
            }
        }
        match std::fs::remove_file(&file) {
            Ok(()) => Ok(true),
            // Somebody was tidy; the memory is free all the same.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error) => Err(JournalError::Io { doing: "remove", file, error }),
        }
    }

    /// Gives back the memory of the spare segment.
    fn give_up_spare(&mut self) {
        if let Some(spare) = self.spare.take() {
            // If it stays, the next start removes it.
            let _ = std::fs::remove_file(spare.file);
        }
    }
}

/// An old live segment that nobody reads and nobody finds: its file has no segment's name, and one that no other has.
#[derive(Debug)]
struct Spare {
    fresh: Fresh,
    file: PathBuf,
    /// Its bytes from here on are zero.
    used: u32,
}

/// What the name of a spare segment's file ends with; it begins with the number that the segment had.
pub(crate) const SPARE: &str = "spare";

impl Spare {
    /// Takes `map`, whose file is `file`, out of the log; `None` if somebody reads it, or it cannot be had: then it is as it was.
    fn of(map: Arc<LiveMap>, file: &Path) -> Option<Spare> {
        // It is not in the list any more: nobody in this process gets another `Arc`.
        let map = Arc::into_inner(map)?;
        let named = File::open(file).ok()?;
        // Held until it has its new name: who locks it later looks whether it still has the old one.
        rustix::fs::flock(&named, FlockOperation::NonBlockingLockExclusive).ok()?;
        let spare = file.with_extension(SPARE);
        std::fs::rename(file, &spare).ok()?;
        let (fresh, used) = map.into_fresh();
        Some(Spare { fresh, file: spare, used })
    }
}

impl Filling {
    /// Of a file opened for whole blocks, from `at` on.
    pub(crate) fn new(file: Box<dyn StorageFile>, at: u64) -> Filling {
        Filling { file, at, zeroes: Blocks::zeroed(PIECE_BYTES) }
    }

    /// Writes the next piece of zeroes; syncs all of them after the last one, and returns whether it was that.
    ///
    /// A sync of blocks that were only reserved writes the file system's metadata too: once is enough, since
    /// nothing is in the segment yet.
    pub(crate) fn step(&mut self, segment_bytes: u32) -> io::Result<bool> {
        let rest = u64::from(segment_bytes) - self.at;
        let len = usize::try_from(rest).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
        self.file.write_at(self.at, &self.zeroes.get()[..len])?;
        self.at += len as u64;
        let is_whole = self.at == u64::from(segment_bytes);
        if is_whole {
            self.file.sync_data()?;
        }
        Ok(is_whole)
    }
}

const _: () = assert!(PIECE_BYTES.is_multiple_of(BLOCK_BYTES));

/// A live segment on its way from a name to memory that is there, or from what it was before to zeroes.
#[derive(Debug)]
struct Touching {
    source: Source,
    fresh: Fresh,
    at: u32,
}

/// Where the memory of a live segment comes from.
#[derive(Debug)]
enum Source {
    /// It is new, in this file, which has its name already.
    New(File),
    /// It is that of a spare one in the file of this name, of which so many bytes are to be zeroed.
    Spare(PathBuf, u32),
}

impl Touching {
    /// Makes the file; nothing of it is there yet, and it grows with what is reserved: a hole in it would be
    /// SIGBUS for who reads there when memory is full.
    fn begin(path: &Path, segment_bytes: u32) -> io::Result<Touching> {
        match std::fs::remove_file(path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let file = private_file(path)?;
        let fresh = Fresh::map(&file, segment_bytes)?;
        Ok(Touching { source: Source::New(file), fresh, at: 0 })
    }

    fn again(spare: Spare) -> Touching {
        Touching { source: Source::Spare(spare.file, spare.used), fresh: spare.fresh, at: 0 }
    }

    /// The segment, under its name `file`; `None` if it cannot have that: then it is gone.
    fn named(self, file: &Path) -> Option<Fresh> {
        if let Source::Spare(spare, _) = &self.source
            && std::fs::rename(spare, file).is_err()
        {
            let _ = std::fs::remove_file(spare);
            return None;
        }
        Some(self.fresh)
    }

    /// Reserves and touches `piece` bytes more, or the rest; of a spare one it zeroes them.
    fn step(&mut self, segment_bytes: u32, piece: u32) -> io::Result<()> {
        let len = piece.min(segment_bytes - self.at);
        if len > 0 {
            match &self.source {
                Source::New(file) => {
                    reserve(file, self.at, len)?;
                    self.fresh.touch(self.at, len)?;
                }
                Source::Spare(_, used) => {
                    let (from, to) = (self.at.min(*used), (self.at + len).min(*used));
                    self.fresh.bytes_mut()[from as usize..to as usize].fill(0);
                }
            }
            self.at += len;
        }
        Ok(())
    }
}

/// Makes the file of a live segment, reserves its memory and touches it.
pub(crate) fn make_live(path: &Path, segment_bytes: u32) -> io::Result<Fresh> {
    let made = || {
        let mut touching = Touching::begin(path, segment_bytes)?;
        touching.step(segment_bytes, segment_bytes)?;
        Ok(touching.fresh)
    };
    made().inspect_err(|_| {
        // Gives back what was reserved; the error is the one to tell.
        let _ = std::fs::remove_file(path);
    })
}

/// Maps the file of a live segment that outlived its venue.
pub(crate) fn reopen_live(path: &Path, segment_bytes: u32) -> io::Result<Fresh> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    reserve(&file, 0, segment_bytes)?;
    let mut fresh = Fresh::map(&file, segment_bytes)?;
    fresh.touch(0, segment_bytes)?;
    Ok(fresh)
}

/// Makes `file` so long at least, with room for all of that piece: a mapping of a hole in a full file
/// system ends in SIGBUS.
fn reserve(file: &File, at: u32, bytes: u32) -> io::Result<()> {
    let (at, bytes) = (u64::from(at), u64::from(bytes));
    rustix::fs::fallocate(file, FallocateFlags::empty(), at, bytes).map_err(io::Error::from)
}

pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
