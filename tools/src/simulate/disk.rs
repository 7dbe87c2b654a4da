//! A disk that forgets, tears, fills up and fails, over files in a memory file system.
//!
//! What was written is in the files at once, as in the kernel's cache: recovery maps them. What each
//! sector held when it was synced last is kept beside, and the end of the machine puts it back, or part
//! of it, or not. A sync that failed leaves sectors that read well, that no later sync writes, and that
//! the machine takes with it: a kernel does the same.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use journal::storage::{Storage, StorageFile};

use super::faults::{Counts, Fault};
use crate::random::Random;

/// What a disk writes whole or not, mostly.
pub(super) const SECTOR_BYTES: usize = 512;

type Sector = [u8; SECTOR_BYTES];

/// Sectors of a file, with what they held when they were durable.
type Sectors = BTreeMap<u64, Sector>;

/// The disk of one simulated machine. Outlives its venues.
#[derive(Clone, Debug)]
pub(super) struct VirtualDisk(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    random: Random,
    /// Written and not synced.
    unsynced: BTreeMap<PathBuf, Sectors>,
    /// A sync of it failed: it reads as it was written, and nobody will write it.
    dropped: BTreeMap<PathBuf, Sectors>,
    /// Where the journal's appends begin that are not synced.
    appended: BTreeMap<PathBuf, u64>,
    /// The last two appends that were synced, the last one first: file, and from where on. One may have been
    /// written while the other was synced: then no turn in it says that the other is on disk.
    last_batches: [Option<(PathBuf, u64)>; 2],
    /// Calls until the one in which the machine or the process ends.
    ends_in: Option<u32>,
    ended: bool,
    /// Calls until the one that fails.
    fails_in: Option<u32>,
    failed: bool,
    full: bool,
    /// A sabotage: every so many syncs one does nothing.
    skip_syncs: Option<u64>,
    syncs: u64,
    counts: Counts,
}

/// What becomes of a call.
enum Fate {
    Done,
    /// In the middle of it everything ends.
    Ends,
    Fails,
}

impl VirtualDisk {
    pub(super) fn new(random: Random, skip_syncs: Option<u64>) -> VirtualDisk {
        VirtualDisk(Arc::new(Mutex::new(State {
            random,
            unsynced: BTreeMap::new(),
            dropped: BTreeMap::new(),
            appended: BTreeMap::new(),
            last_batches: [None, None],
            ends_in: None,
            ended: false,
            fails_in: None,
            failed: false,
            full: false,
            skip_syncs,
            syncs: 0,
            counts: Counts::default(),
        })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything ends in the call after `calls` more.
    pub(super) fn end_in(&self, calls: u32) {
        self.state().ends_in = Some(calls);
    }

    /// The call after `calls` more fails.
    pub(super) fn fail_in(&self, calls: u32) {
        self.state().fails_in = Some(calls);
    }

    /// No room for another file from now on, or again room.
    pub(super) fn set_full(&self, full: super::faults::Room) {
        self.state().full = full == super::faults::Room::None;
    }

    pub(super) fn is_full(&self) -> bool {
        self.state().full
    }

    /// Whether everything ended in a call.
    pub(super) fn has_ended(&self) -> bool {
        self.state().ended
    }

    /// Whether a call failed since this was asked last.
    pub(super) fn take_failed(&self) -> bool {
        std::mem::take(&mut self.state().failed)
    }

    /// What went wrong here so far.
    pub(super) fn counts(&self) -> Counts {
        self.state().counts.clone()
    }

    /// The process ended: what it wrote stays in the kernel's cache.
    pub(super) fn process_ended(&self) {
        let mut state = self.state();
        (state.ends_in, state.fails_in, state.ended, state.failed) = (None, None, false, false);
        state.appended.clear();
    }

    /// The machine ended: what was not synced is lost, kept or torn.
    pub(super) fn machine_ended(&self) -> io::Result<()> {
        self.process_ended();
        let mut state = self.state();
        let state = &mut *state;
        let mode = state.random.below(4);
        for (path, sectors) in std::mem::take(&mut state.unsynced) {
            let Ok(file) = OpenOptions::new().read(true).write(true).open(&path) else { continue };
            for (index, durable) in sectors {
                let at = index * SECTOR_BYTES as u64;
                let choice = match mode {
                    0 => 0,
                    1 => 1,
                    _ => state.random.below(3),
                };
                match choice {
                    0 => {
                        state.counts.add(Fault::UnsyncedLost);
                        file.write_all_at(&durable, at)?;
                    }
                    1 => state.counts.add(Fault::UnsyncedKept),
                    _ => {
                        state.counts.add(Fault::TornSector);
                        let cut = usize::try_from(state.random.below(63) + 1).unwrap_or(1) * 8;
                        if state.random.below(2) == 0 {
                            file.write_all_at(&durable[cut..], at + cut as u64)?;
                        } else {
                            file.write_all_at(&durable[..cut], at)?;
                        }
                    }
                }
            }
        }
        for (path, sectors) in std::mem::take(&mut state.dropped) {
            let Ok(file) = OpenOptions::new().read(true).write(true).open(&path) else { continue };
            for (index, durable) in sectors {
                state.counts.add(Fault::UnsyncedLost);
                file.write_all_at(&durable, index * SECTOR_BYTES as u64)?;
            }
        }
        Ok(())
    }

    /// Turns one bit of a file round, if its sector is durable; says which byte.
    pub(super) fn flip(&self, path: &Path, at: u64, bit: u8) -> io::Result<bool> {
        let mut state = self.state();
        let sector = at / SECTOR_BYTES as u64;
        let moves = [&state.unsynced, &state.dropped]
            .into_iter()
            .any(|files| files.get(path).is_some_and(|sectors| sectors.contains_key(&sector)));
        if moves {
            return Ok(false);
        }
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let mut byte = [0];
        file.read_exact_at(&mut byte, at)?;
        file.write_all_at(&[byte[0] ^ (1 << (bit & 7))], at)?;
        state.counts.add(Fault::BitFlip);
        Ok(true)
    }

    /// Whether a byte of the journal was synced by the last two syncs of an append, or is behind them.
    pub(super) fn is_of_last_batches(&self, path: &Path, at: u64) -> bool {
        let state = self.state();
        state.last_batches[1].as_ref().is_none_or(|(last, from)| {
            path > last.as_path()
                || (path == last.as_path()
                    && at >= *from / SECTOR_BYTES as u64 * SECTOR_BYTES as u64)
        })
    }
}

impl State {
    fn fate(&mut self) -> Fate {
        if self.ended {
            return Fate::Ends;
        }
        if let Some(calls) = &mut self.ends_in {
            if *calls == 0 {
                self.ended = true;
                return Fate::Ends;
            }
            *calls -= 1;
        }
        if let Some(calls) = &mut self.fails_in {
            if *calls == 0 {
                self.fails_in = None;
                self.failed = true;
                self.counts.add(Fault::CallFailed);
                return Fate::Fails;
            }
            *calls -= 1;
        }
        Fate::Done
    }

    /// Remembers what the sectors of a write held when they were durable.
    fn keep_before(&mut self, path: &Path, file: &File, at: u64, len: usize) -> io::Result<()> {
        let unsynced = self.unsynced.entry(path.to_path_buf()).or_default();
        let last = (at + len.max(1) as u64 - 1) / SECTOR_BYTES as u64;
        for index in at / SECTOR_BYTES as u64..=last {
            if unsynced.contains_key(&index) {
                continue;
            }
            let dropped = self.dropped.get_mut(path).and_then(|sectors| sectors.remove(&index));
            let before = match dropped {
                Some(before) => before,
                None => {
                    let mut before = [0; SECTOR_BYTES];
                    // A file that ends in it, or before, has zeroes there.
                    let mut filled = 0;
                    while filled < before.len() {
                        let from = index * SECTOR_BYTES as u64 + filled as u64;
                        match file.read_at(&mut before[filled..], from)? {
                            0 => break,
                            read => filled += read,
                        }
                    }
                    before
                }
            };
            unsynced.insert(index, before);
        }
        Ok(())
    }
}

fn gone() -> io::Error {
    io::Error::other("everything ended")
}

fn broken() -> io::Error {
    io::Error::other("the disk does not answer")
}

impl Storage for VirtualDisk {
    fn create(&self, path: &Path, bytes: u64) -> io::Result<()> {
        let mut state = self.state();
        let fate = state.fate();
        let part = state.random.below(4);
        let full = state.full;
        state.unsynced.remove(path);
        state.dropped.remove(path);
        let make = |bytes: u64| -> io::Result<()> {
            let file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
            file.set_len(bytes)
        };
        if full {
            state.counts.add(Fault::NoSpace);
            if part < 2 {
                make(0)?;
            }
            return Err(io::ErrorKind::StorageFull.into());
        }
        match fate {
            Fate::Done => make(bytes),
            Fate::Ends | Fate::Fails => {
                match part {
                    0 => {}
                    1 => make(0)?,
                    2 => make(bytes / 2)?,
                    _ => make(bytes)?,
                }
                Err(if state.ended { gone() } else { broken() })
            }
        }
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        self.file(path, false)
    }

    fn open_blocks(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        self.file(path, true)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        let fate = state.fate();
        let done = match fate {
            Fate::Done => true,
            Fate::Ends | Fate::Fails => state.random.below(2) == 0,
        };
        if done {
            state.unsynced.remove(path);
            state.dropped.remove(path);
            std::fs::remove_file(path)?;
        }
        match fate {
            Fate::Done => Ok(()),
            Fate::Ends => Err(gone()),
            Fate::Fails => Err(broken()),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        let fate = state.fate();
        let done = match fate {
            Fate::Done => true,
            Fate::Ends | Fate::Fails => state.random.below(2) == 0,
        };
        if done {
            std::fs::rename(from, to)?;
            for files in [0, 1] {
                let files = if files == 0 { &mut state.unsynced } else { &mut state.dropped };
                files.remove(to);
                if let Some(sectors) = files.remove(from) {
                    files.insert(to.to_path_buf(), sectors);
                }
            }
        }
        match fate {
            Fate::Done => Ok(()),
            Fate::Ends => Err(gone()),
            Fate::Fails => Err(broken()),
        }
    }

    fn unique(&self) -> io::Result<u64> {
        Ok(self.state().random.next())
    }
}

impl VirtualDisk {
    fn file(&self, path: &Path, appends: bool) -> io::Result<Box<dyn StorageFile>> {
        match self.state().fate() {
            Fate::Done => {}
            Fate::Ends => return Err(gone()),
            Fate::Fails => return Err(broken()),
        }
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Box::new(VirtualFile { disk: self.clone(), path: path.to_path_buf(), file, appends }))
    }
}

#[derive(Debug)]
struct VirtualFile {
    disk: VirtualDisk,
    path: PathBuf,
    file: File,
    /// Whether the journal appends to it.
    appends: bool,
}

impl StorageFile for VirtualFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        let fate = state.fate();
        let len = match fate {
            Fate::Done => bytes.len(),
            _ => usize::try_from(state.random.below(bytes.len() as u64 + 1)).unwrap_or(0),
        };
        // What is not written in blocks is no append, nor are zeroes: recovery, snapshots, segments made ahead.
        if self.appends && bytes.iter().any(|byte| *byte != 0) {
            state.appended.entry(self.path.clone()).or_insert(offset);
        }
        if len > 0 {
            state.keep_before(&self.path, &self.file, offset, len)?;
            self.file.write_all_at(&bytes[..len], offset)?;
        }
        match fate {
            Fate::Done => Ok(()),
            Fate::Ends => Err(gone()),
            Fate::Fails => Err(broken()),
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        let state = &mut *state;
        match state.fate() {
            Fate::Done => {}
            Fate::Ends => return Err(gone()),
            Fate::Fails => {
                state.counts.add(Fault::SyncFailed);
                let sectors = state.unsynced.remove(&self.path).unwrap_or_default();
                state.dropped.entry(self.path.clone()).or_default().extend(sectors);
                return Err(broken());
            }
        }
        state.syncs += 1;
        if state.skip_syncs.is_some_and(|every| state.syncs.is_multiple_of(every)) {
            return Ok(());
        }
        state.unsynced.remove(&self.path);
        if let Some(from) = state.appended.remove(&self.path) {
            state.last_batches.swap(0, 1);
            state.last_batches[0] = Some((self.path.clone(), from));
        }
        Ok(())
    }
}
