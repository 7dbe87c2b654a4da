//! The end of the world after every write and every sync; then what is left is opened again.
//!
//! The disk of these tests holds writes back until they are synced. A crash of the machine loses them,
//! or lets any of their sectors through; a crash of the process loses nothing, but then the live log
//! is there as well.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use journal::storage::{Disk, Storage, StorageFile};
use journal::{Opened, Options, Prepared, Synced, open_with, verify};

use crate::support::{Random, TempDir, append, copy_dir, read_log, sizes};

/// A disk writes whole sectors. Unit: bytes.
const SECTOR: usize = 512;

/// What happens at the n-th call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It fails, and everything after it works again.
    Transient,
    /// It fails, and so does everything after it.
    Stop,
    /// It finds no room, and everything after it works again.
    Full,
}

/// What is left of the writes that were not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Image {
    Lost,
    Written,
    /// Each sector for itself, by this seed.
    Torn(u64),
}

#[derive(Debug, Default)]
struct State {
    calls: u64,
    fail_at: u64,
    fault: Option<Fault>,
    /// Writes that are not synced: file, then offset and bytes, in order.
    pending: BTreeMap<PathBuf, Vec<(u64, Vec<u8>)>>,
}

/// A disk that fails at one call and forgets what was not synced.
#[derive(Clone, Debug, Default)]
pub(crate) struct FaultyDisk(Arc<Mutex<State>>);

impl FaultyDisk {
    pub(crate) fn new(fail_at: u64, fault: Fault) -> FaultyDisk {
        let state = State { fail_at, fault: Some(fault), ..State::default() };
        FaultyDisk(Arc::new(Mutex::new(state)))
    }

    pub(crate) fn calls(&self) -> u64 {
        self.0.lock().unwrap().calls
    }

    /// The call after `n` - 1 more is the one that fails.
    pub(crate) fn fail_after(&self, n: u64) {
        let mut state = self.0.lock().unwrap();
        state.fail_at = state.calls + n;
    }

    /// Whether that call came.
    pub(crate) fn failed(&self) -> bool {
        let state = self.0.lock().unwrap();
        state.calls >= state.fail_at
    }

    /// Counts a call; an error if this is the one, or nothing works any more.
    fn call(&self) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.calls += 1;
        let fails = match state.fault {
            Some(Fault::Transient | Fault::Full) => state.calls == state.fail_at,
            Some(Fault::Stop) => state.calls >= state.fail_at,
            None => false,
        };
        match state.fault {
            _ if !fails => Ok(()),
            Some(Fault::Full) => Err(io::ErrorKind::StorageFull.into()),
            _ => Err(io::Error::other("injected")),
        }
    }

    /// Lets the machine end: files hold what `image` says.
    pub(crate) fn end(&self, image: Image) {
        let mut state = self.0.lock().unwrap();
        for (path, writes) in std::mem::take(&mut state.pending) {
            let Ok(file) = OpenOptions::new().write(true).open(&path) else {
                continue;
            };
            let mut random = Random::new(match image {
                Image::Torn(seed) => seed,
                _ => 1,
            });
            for (offset, bytes) in writes {
                let mut at = 0;
                while at < bytes.len() {
                    let to_sector = SECTOR - (offset as usize + at) % SECTOR;
                    let len = to_sector.min(bytes.len() - at);
                    let through = match image {
                        Image::Lost => false,
                        Image::Written => true,
                        Image::Torn(_) => random.below(2) == 0,
                    };
                    if through {
                        file.write_all_at(&bytes[at..at + len], offset + at as u64).unwrap();
                    }
                    at += len;
                }
            }
        }
    }
}

impl Storage for FaultyDisk {
    fn create(&self, path: &Path, bytes: u64) -> io::Result<()> {
        if let Err(error) = self.call() {
            // What a call that failed may leave behind: a file that is too short.
            std::fs::write(path, vec![0; bytes as usize / 2])?;
            return Err(error);
        }
        self.0.lock().unwrap().pending.remove(path);
        Disk.create(path, bytes)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        self.call()?;
        Disk.open(path)?;
        Ok(Box::new(FaultyFile { disk: self.clone(), path: path.to_path_buf() }))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.call()?;
        self.0.lock().unwrap().pending.remove(path);
        Disk.remove(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call()?;
        let mut state = self.0.lock().unwrap();
        // Synced before, so that the new name never has old bytes.
        assert!(!state.pending.contains_key(from));
        state.pending.remove(to);
        Disk.rename(from, to)
    }
}

#[derive(Debug)]
struct FaultyFile {
    disk: FaultyDisk,
    path: PathBuf,
}

impl StorageFile for FaultyFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let result = self.disk.call();
        // A write that fails has got somewhere.
        let half = (offset as usize + bytes.len() / 2) / SECTOR * SECTOR;
        let half = half.saturating_sub(offset as usize);
        let done = if result.is_ok() { bytes.len() } else { half };
        let mut state = self.disk.0.lock().unwrap();
        let writes = state.pending.entry(self.path.clone()).or_default();
        writes.push((offset, bytes[..done].to_vec()));
        result
    }

    fn sync_data(&self) -> io::Result<()> {
        let result = self.disk.call();
        let mut state = self.disk.0.lock().unwrap();
        let stopped = state.fault == Some(Fault::Stop);
        if result.is_err() {
            if !stopped {
                // The kernel drops the pages and believes them clean.
                state.pending.remove(&self.path);
            }
            return result;
        }
        let file = OpenOptions::new().write(true).open(&self.path)?;
        for (offset, bytes) in state.pending.remove(&self.path).unwrap_or_default() {
            file.write_all_at(&bytes, offset)?;
        }
        Ok(())
    }
}

/// What a workload did before it ended.
#[derive(Debug, Default)]
struct Done {
    /// Every turn that was committed: sequence and bytes.
    committed: Vec<(u64, usize)>,
    /// How many of them were before the durable cursor.
    durable: usize,
}

/// Opens the log and works until the disk fails or all is done.
fn work(options: &Options, disk: &FaultyDisk, seed: u64) -> Done {
    let mut done = Done::default();
    let Ok(mut opened) = open_with(options, Arc::new(disk.clone())) else {
        return done;
    };
    let mut random = Random::new(seed);
    let mut ends = Vec::new();
    let first = opened.recovery.last_sequence + 1;
    'work: for sequence in first..first + 24 {
        let bytes = match random.below(12) {
            0 => 60_000 + random.below(80_000),
            1..=6 => random.below(20_000),
            _ => random.below(300),
        } as usize
            & !7;
        loop {
            match opened.preparer.step() {
                Ok(Prepared::Idle) => break,
                Ok(_) => {}
                Err(_) => break 'work,
            }
        }
        ends.push(append(&mut opened.writer, sequence, bytes, 1000));
        done.committed.push((sequence, bytes));
        if random.below(3) > 0 {
            match opened.syncer.step() {
                Ok(Synced::Idle) => {
                    panic!("there was something to sync");
                }
                Ok(Synced::Advanced(to)) => assert_eq!(to, opened.log.durable()),
                Err(_) => {
                    // Final: the next call works again, and must not be believed.
                    assert!(opened.syncer.step().is_err());
                    assert!(opened.log.failure().is_some());
                    break 'work;
                }
            }
        }
    }
    let durable = opened.log.durable();
    done.durable = ends.iter().filter(|end| **end <= durable).count();
    if random.below(2) == 0 {
        die_in_a_turn(opened);
    }
    done
}

/// Ends the process in the middle of a turn: its bytes stay in the live log.
fn die_in_a_turn(mut opened: Opened) {
    let mut turn = opened.writer.begin(opened.writer.last_sequence() + 1);
    turn.space(5000).fill(0x5a);
    std::mem::forget(turn);
}

/// Opens what is left and checks it; then goes on with it, and checks that.
fn check(options: &Options, done: &Done, whole: bool, what: &str) {
    let opened = journal::open(options).unwrap_or_else(|error| panic!("{what}: {error}"));
    let kept = sizes(&read_log(&opened.log));
    assert_eq!(kept, done.committed[..kept.len()], "{what}: a prefix");
    assert!(kept.len() >= done.durable, "{what}: {} < {} durable", kept.len(), done.durable);
    if whole {
        assert_eq!(kept.len(), done.committed.len(), "{what}: all of it");
    }
    let last = kept.last().map_or(0, |(sequence, _)| *sequence);
    assert_eq!(opened.recovery.last_sequence, last, "{what}");
    assert_eq!(opened.log.durable(), opened.log.committed(), "{what}");
    drop(opened);
    let verified = verify(&options.dir, None, |_| ()).unwrap();
    assert_eq!((verified.last_sequence, verified.torn_tail), (last, None), "{what}: on disk");

    let more = work(options, &FaultyDisk::default(), 99);
    let opened = journal::open(options).unwrap();
    let wanted = [kept, more.committed].concat();
    assert_eq!(sizes(&read_log(&opened.log)), wanted, "{what}: after going on");
}

/// The folders as they are, elsewhere, so that more than one thing can happen to them.
fn fork(temp: &TempDir, live: bool) -> TempDir {
    let fork = TempDir::new();
    copy_dir(&temp.dir(), &fork.dir());
    if live && temp.live_dir().exists() {
        copy_dir(&temp.live_dir(), &fork.live_dir());
    }
    fork
}

/// Runs the workload, ends it at call `n`, and checks what the machine, or only the process, leaves.
/// Whether the fault came at all.
fn end_at(seed: u64, n: u64, fault: Fault) -> bool {
    let what = format!("seed {seed}, call {n}, {fault:?}");
    let temp = TempDir::new();
    let disk = FaultyDisk::new(n, fault);
    let done = work(&temp.options(), &disk, seed);
    let reached = disk.calls() >= n;

    // Only the process ends: the live log is there, and the kernel writes what was written, or has
    // dropped it after a failed sync.
    for image in [Image::Lost, Image::Written] {
        let fork = fork(&temp, true);
        relocate(&disk, &temp, &fork).end(image);
        check(&fork.options(), &done, true, &format!("{what}, live log there, {image:?}"));
    }
    let _ = std::fs::remove_dir_all(temp.live_dir());
    for image in [Image::Lost, Image::Written, Image::Torn(n), Image::Torn(n + 1000)] {
        let fork = fork(&temp, false);
        relocate(&disk, &temp, &fork).end(image);
        check(&fork.options(), &done, false, &format!("{what}, {image:?}"));
    }
    reached
}

/// The same unsynced writes, for the files of a copy.
fn relocate(disk: &FaultyDisk, from: &TempDir, to: &TempDir) -> FaultyDisk {
    let state = disk.0.lock().unwrap();
    let relocated = state.pending.iter().map(|(path, writes)| {
        let path = path.strip_prefix(from.path()).unwrap();
        (to.path().join(path), writes.clone())
    });
    let pending = relocated.collect();
    FaultyDisk(Arc::new(Mutex::new(State { pending, ..State::default() })))
}

#[test]
fn a_prefix_comes_back_wherever_the_machine_stops() {
    let mut n = 1;
    while end_at(7, n, Fault::Stop) {
        n += 1;
    }
    assert!(n > 40, "only {n} calls");
}

#[test]
fn a_failed_call_is_final_even_if_the_next_would_work() {
    let mut n = 1;
    while end_at(8, n, Fault::Transient) {
        n += 1;
    }
    assert!(n > 40, "only {n} calls");
}

/// No room: for a segment that is waited for, anywhere else it is as final as any other error.
#[test]
fn no_room_at_any_call_loses_nothing() {
    let mut n = 1;
    while end_at(9, n, Fault::Full) {
        n += 1;
    }
    assert!(n > 40, "only {n} calls");
}

/// Recovery itself may end at any call, and be done again.
#[test]
fn a_crash_in_recovery_is_recovered_from() {
    let mut calls = 0;
    for seed in 1..=4 {
        let temp = TempDir::new();
        let disk = FaultyDisk::new(u64::MAX, Fault::Stop);
        let done = work(&temp.options(), &disk, seed);
        for live in [true, false] {
            if !live {
                std::fs::remove_dir_all(temp.live_dir()).unwrap();
            }
            for fault in [Fault::Stop, Fault::Transient, Fault::Full] {
                calls += end_recovery_at_each_call(&temp, &disk, &done, live, fault);
            }
        }
    }
    assert!(calls > 40, "only {calls} calls");
}

/// How many calls the recovery made until it was done.
fn end_recovery_at_each_call(
    temp: &TempDir,
    disk: &FaultyDisk,
    done: &Done,
    live: bool,
    fault: Fault,
) -> u64 {
    let mut n = 1;
    loop {
        let fork = fork(temp, live);
        relocate(disk, temp, &fork).end(Image::Torn(n));
        let again = FaultyDisk::new(n, fault);
        drop(open_with(&fork.options(), Arc::new(again.clone())));
        again.end(Image::Torn(n));
        check(&fork.options(), done, live, &format!("call {n} of recovery, live log {live}"));
        if again.calls() < n {
            return n;
        }
        n += 1;
    }
}

/// A disk without room, until it has some again.
#[derive(Clone, Debug, Default)]
struct FullDisk(Arc<Mutex<bool>>);

impl Storage for FullDisk {
    fn create(&self, path: &Path, bytes: u64) -> io::Result<()> {
        if *self.0.lock().unwrap() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Disk.create(path, bytes)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        Disk.open(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        Disk.remove(path)
    }
}

#[test]
fn a_full_disk_shrinks_the_room_and_loses_nothing() {
    let temp = TempDir::new();
    let disk = FullDisk::default();
    let mut opened = open_with(&temp.options(), Arc::new(disk.clone())).unwrap();
    *disk.0.lock().unwrap() = true;
    let mut sequence = 0;
    let mut room = opened.writer.room();
    while room > 4096 {
        sequence += 1;
        append(&mut opened.writer, sequence, 1000, 1000);
        while opened.preparer.step().unwrap() == Prepared::Made {}
        let left = opened.writer.room();
        assert!(left < room);
        room = left;
    }
    let full = opened.preparer.step().unwrap();
    let needed = u64::from(temp.options().segment_bytes);
    assert_eq!(full, Prepared::NoSpace { what: temp.dir(), needed });
    assert_eq!(opened.log.failure(), None);
    assert_eq!(read_log(&opened.log).len() as u64, sequence);

    // A restart on the full disk works with what room there is.
    drop(opened);
    let mut opened = open_with(&temp.options(), Arc::new(disk.clone())).unwrap();
    assert_eq!(opened.recovery.last_sequence, sequence);
    assert!(opened.writer.room() <= 4096);
    *disk.0.lock().unwrap() = false;
    while opened.preparer.step().unwrap() != Prepared::Idle {}
    assert!(opened.writer.room() > needed);
    append(&mut opened.writer, sequence + 1, 10_000, 1000);
    assert_eq!(read_log(&opened.log).len() as u64, sequence + 1);
}
