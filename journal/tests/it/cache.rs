//! A sync that fails, and a kernel that forgets it: what was written reads well from the cache, is written
//! by no later sync, and is gone with the machine.
//!
//! Found by `vesta simulate` (seed 47 at the time): recovery compared with the cache, wrote nothing, synced
//! nothing, and told sessions what the next end of the machine took away.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use journal::storage::{Disk, Storage, StorageFile};
use journal::{Opened, Options, open_with};

use crate::support::{TempDir, append, read_log, sizes};

const SECTOR: usize = 512;

#[derive(Debug, Default)]
struct Cache {
    /// What the disk holds; the files are what the cache holds.
    disk: BTreeMap<PathBuf, Vec<u8>>,
    /// Sectors that the next sync writes.
    dirty: BTreeMap<PathBuf, BTreeSet<usize>>,
    /// The next sync of this file fails.
    fails: Option<PathBuf>,
    /// Files that were written to.
    written: BTreeSet<PathBuf>,
}

#[derive(Clone, Debug, Default)]
struct CachedDisk(Arc<Mutex<Cache>>);

impl CachedDisk {
    fn fail_next_sync(&self, path: &Path) {
        self.0.lock().unwrap().fails = Some(path.to_path_buf());
    }

    /// A byte of a file goes bad, on the disk.
    fn turn_a_bit(&self, path: &Path, at: usize) {
        let mut cache = self.0.lock().unwrap();
        cache.disk.get_mut(path).unwrap()[at] ^= 1;
        std::fs::write(path, &cache.disk[path]).unwrap();
    }

    /// The files that were written to since it was asked last, without those that were made since.
    fn take_written(&self) -> Vec<PathBuf> {
        std::mem::take(&mut self.0.lock().unwrap().written).into_iter().collect()
    }

    /// The machine ends: the cache is gone.
    fn end(&self) {
        let mut cache = self.0.lock().unwrap();
        cache.dirty.clear();
        for (path, bytes) in &cache.disk {
            std::fs::write(path, bytes).unwrap();
        }
    }
}

impl Storage for CachedDisk {
    fn create(&self, path: &Path, bytes: u64) -> io::Result<()> {
        let mut cache = self.0.lock().unwrap();
        cache.dirty.remove(path);
        cache.disk.insert(path.to_path_buf(), vec![0; usize::try_from(bytes).unwrap()]);
        Disk.create(path, bytes)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Box::new(CachedFile { disk: self.clone(), path: path.to_path_buf(), file }))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.lock().unwrap().disk.remove(path);
        Disk.remove(path)
    }

    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[derive(Debug)]
struct CachedFile {
    disk: CachedDisk,
    path: PathBuf,
    file: File,
}

impl StorageFile for CachedFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut cache = self.disk.0.lock().unwrap();
        let from = usize::try_from(offset).unwrap();
        let sectors = from / SECTOR..=(from + bytes.len()).saturating_sub(1) / SECTOR;
        cache.dirty.entry(self.path.clone()).or_default().extend(sectors);
        cache.written.insert(self.path.clone());
        self.file.write_all_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut cache = self.disk.0.lock().unwrap();
        let dirty = cache.dirty.remove(&self.path).unwrap_or_default();
        if cache.fails.as_ref() == Some(&self.path) {
            cache.fails = None;
            return Err(io::Error::other("injected"));
        }
        let held = std::fs::read(&self.path)?;
        let disk = cache.disk.entry(self.path.clone()).or_default();
        for sector in dirty {
            let bytes = sector * SECTOR..held.len().min((sector + 1) * SECTOR);
            disk[bytes.clone()].copy_from_slice(&held[bytes]);
        }
        Ok(())
    }
}

#[test]
fn what_a_failed_sync_left_in_the_cache_is_written_again() {
    let temp = TempDir::new();
    let (options, disk) = (temp.options(), CachedDisk::default());
    let open = || open_with(&options, Arc::new(disk.clone())).unwrap();

    let mut opened = open();
    append(&mut opened.writer, 1, 400, 1000);
    opened.syncer.step().unwrap();
    append(&mut opened.writer, 2, 4_000, 1000);
    disk.fail_next_sync(&options.dir.join("0000000000000000.seg"));
    assert!(opened.syncer.step().is_err());
    drop(opened);

    // Only the process ended: the live log has both turns, and so has the cache.
    let opened = open();
    let recovered = sizes(&read_log(&opened.log));
    assert_eq!(recovered.len(), 2);
    assert_eq!(opened.log.durable(), opened.log.committed());
    drop(opened);

    // Whoever was told that they are durable was told the truth.
    disk.end();
    std::fs::remove_dir_all(&options.live_dir).unwrap();
    assert_eq!(sizes(&read_log(&open().log)), recovered);
}

/// Found by `vesta simulate` (seed 3017216 at the time): a byte of a synced segment turns round, the recovery
/// that mends it cannot sync, and the next one finds it mended in the cache.
#[test]
fn what_a_recovery_mended_and_could_not_sync_is_mended_again() {
    let temp = TempDir::new();
    let disk = CachedDisk::default();
    // More than what recovery compares at once.
    let options = Options { segment_bytes: 256 << 10, ..temp.options() };
    let open = || open_with(&options, Arc::new(disk.clone()));

    let mut opened = open().unwrap();
    append(&mut opened.writer, 1, 100_000, 1000);
    append(&mut opened.writer, 2, 400, 1000);
    opened.syncer.step().unwrap();
    let recovered = sizes(&read_log(&opened.log));
    drop(opened);

    let segment = options.dir.join("0000000000000000.seg");
    disk.turn_a_bit(&segment, 2_000);
    disk.fail_next_sync(&segment);
    assert!(open().is_err());
    assert_eq!(sizes(&read_log(&open().unwrap().log)), recovered);
    disk.end();
    std::fs::remove_dir_all(&options.live_dir).unwrap();
    assert_eq!(sizes(&read_log(&open().unwrap().log)), recovered);
}

#[test]
fn what_was_stopped_in_order_is_not_written_again() {
    let temp = TempDir::new();
    let (options, disk) = (temp.options(), CachedDisk::default());
    let open = || open_with(&options, Arc::new(disk.clone())).unwrap();
    let segment = |index: u64| options.dir.join(format!("{index:016}.seg"));
    let stop = |opened: Opened| {
        opened.log.note_stop().unwrap();
        drop(opened);
        std::fs::remove_dir_all(&options.live_dir).unwrap();
    };

    let mut opened = open();
    append(&mut opened.writer, 1, 400, 1000);
    // Not synced: nothing is noted.
    opened.log.note_stop().unwrap();
    assert!(!lock_of(&options).contains("stopped"));
    opened.syncer.step().unwrap();
    let recovered = sizes(&read_log(&opened.log));
    let end = opened.log.committed();
    stop(opened);
    assert!(lock_of(&options).contains(&format!("\nstopped {end} ")));

    disk.take_written();
    let mut opened = open();
    assert_eq!(disk.take_written(), Vec::<PathBuf>::new());
    assert_eq!(sizes(&read_log(&opened.log)), recovered);
    assert!(!lock_of(&options).contains("stopped"), "the log goes on");
    append(&mut opened.writer, 2, 400, 1000);
    opened.syncer.step().unwrap();
    drop(opened);

    // The end of a machine: nobody knows what was synced.
    std::fs::remove_dir_all(&options.live_dir).unwrap();
    disk.take_written();
    let opened = open();
    assert!(disk.take_written().contains(&segment(0)));
    assert_eq!(sizes(&read_log(&opened.log)).len(), 2);
    stop(opened);

    // Somebody has written behind the end since. Until that is wiped for sure nothing is believed.
    disk.turn_a_bit(&segment(0), usize::try_from(options.segment_bytes).unwrap() - 100);
    disk.fail_next_sync(&segment(0));
    assert!(open_with(&options, Arc::new(disk.clone())).is_err());
    assert!(!lock_of(&options).contains("stopped"));
    disk.take_written();
    disk.end();
    let opened = open();
    assert!(opened.recovery.cut.is_some());
    assert!(disk.take_written().contains(&segment(0)));
    drop(opened);
    std::fs::remove_dir_all(&options.live_dir).unwrap();
    assert!(open().recovery.cut.is_none());
}

#[test]
fn what_a_process_left_in_a_segment_made_ahead_is_wiped() {
    let temp = TempDir::new();
    let (options, disk) = (temp.options(), CachedDisk::default());
    let open = || open_with(&options, Arc::new(disk.clone())).unwrap();
    let mut opened = open();
    append(&mut opened.writer, 1, 400, 1000);
    opened.syncer.step().unwrap();
    drop(opened);
    let ahead = options.dir.join("0000000000000001.seg");
    disk.take_written();
    drop(open());
    assert!(!disk.take_written().contains(&ahead), "it is as it was made");
    disk.turn_a_bit(&ahead, 300);
    drop(open());
    assert_eq!(disk.take_written().last(), Some(&ahead));
    assert!(std::fs::read(&ahead).unwrap().iter().all(|byte| *byte == 0));
}

fn lock_of(options: &Options) -> String {
    std::fs::read_to_string(options.dir.join("lock")).unwrap()
}

/// The last segment was cut (an interrupted copy, a full disk) behind the end of a log that was stopped: not believed, or the file would
/// stay short, and grow by single blocks that no later start could tell from damage.
#[test]
fn a_short_last_segment_is_made_whole_by_a_start() {
    for noted in [false, true] {
        short_last_segment(noted);
    }
}

fn short_last_segment(noted: bool) {
    let temp = TempDir::new();
    let options = temp.options();
    let mut opened = journal::open(&options).unwrap();
    append(&mut opened.writer, 1, 400, 1000);
    opened.syncer.step().unwrap();
    if noted {
        opened.log.note_stop().unwrap();
    }
    drop(opened);
    std::fs::remove_dir_all(&options.live_dir).unwrap();
    let last = options.dir.join("0000000000000000.seg");
    OpenOptions::new().write(true).open(&last).unwrap().set_len(4096).unwrap();

    let mut opened = journal::open(&options).unwrap();
    // Turns up to a whole block, synced: somebody was told.
    let at = opened.log.committed().0 as usize;
    append(&mut opened.writer, 2, 8192 - at - 24, 8192);
    while opened.syncer.step().unwrap() != journal::Synced::Idle {}
    assert_eq!(opened.log.durable().0, 8192);
    drop(opened);
    // The end of the machine.
    std::fs::remove_dir_all(&options.live_dir).unwrap();
    let opened = journal::open(&options).map_err(|error| error.to_string());
    assert_eq!(sizes(&read_log(&opened.unwrap().log)).len(), 2);
}

/// A copy of a stopped journal, by a tool that leaves holes.
#[test]
fn segments_of_a_copy_have_their_room_on_disk() {
    for noted in [false, true] {
        room_of_a_copy(noted);
    }
}

fn room_of_a_copy(noted: bool) {
    use std::os::unix::fs::MetadataExt;
    let temp = TempDir::new();
    // On a disk: memory has no holes any more once they are looked at.
    let folder = OnDisk::new("copy");
    let options = Options { dir: folder.0.join("journal"), ..temp.options() };
    let mut opened = journal::open(&options).unwrap();
    append(&mut opened.writer, 1, 400, 1000);
    opened.syncer.step().unwrap();
    if noted {
        opened.log.note_stop().unwrap();
    }
    drop(opened);
    std::fs::remove_dir_all(&options.live_dir).unwrap();
    let files = || (0..3).map(|index| options.dir.join(format!("{index:016}.seg")));
    for file in files() {
        let bytes = std::fs::read(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        // As `cp --sparse=always`, `rsync -S`, `tar -S` do.
        let copy = File::create(&file).unwrap();
        copy.set_len(bytes.len() as u64).unwrap();
        for (at, block) in bytes.chunks(4096).enumerate() {
            if block.iter().any(|byte| *byte != 0) {
                copy.write_all_at(block, at as u64 * 4096).unwrap();
            }
        }
    }
    let opened = journal::open(&options).unwrap();
    let had: Vec<u64> =
        files().map(|file| std::fs::metadata(file).unwrap().blocks() * 512).collect();
    drop(opened);
    assert!(had.iter().all(|bytes| *bytes >= u64::from(options.segment_bytes)), "{had:?}");
}

/// The live folder is on a disk and outlives the machine. Of a batch in a segment made ahead what is behind its first 64 KiB came to the
/// disk and its beginning did not.
#[test]
fn what_a_machine_left_behind_the_beginning_is_wiped() {
    let temp = TempDir::new();
    let live = OnDisk::new("live");
    if is_memory(&live.0) {
        return;
    }
    let (segment_bytes, live_dir) = (256 << 10, live.0.join("live"));
    let options = Options { segment_bytes, live_dir, ..temp.options() };
    let open = || journal::open(&options).unwrap();
    let segment = |index: u64| options.dir.join(format!("{index:016}.seg"));
    // Frames of 1,024 bytes that begin at multiples of that.
    let size = |sequence: u64| if sequence == 1 || sequence == 257 { 936 } else { 1000 };
    let mut opened = open();
    append(&mut opened.writer, 1, size(1), 1000);
    opened.syncer.step().unwrap();
    // The live folder as it reached its disk last.
    let kept = live.0.join("kept");
    crate::support::copy_dir(&options.live_dir, &kept);
    for sequence in 2..=450 {
        append(&mut opened.writer, sequence, size(sequence), 1000);
        while opened.preparer.step().unwrap() != journal::Prepared::Idle {}
    }
    while opened.syncer.step().unwrap() != journal::Synced::Idle {}
    drop(opened);
    // The end of the machine in the sync of segment 1: its beginning did not reach the disk. Segment 0
    // did.
    std::fs::remove_dir_all(&options.live_dir).unwrap();
    std::fs::rename(&kept, &options.live_dir).unwrap();
    let wipe = |index: u64, from: u64, to: u64| {
        let file = OpenOptions::new().write(true).open(segment(index)).unwrap();
        file.write_all_at(&vec![0; (to - from) as usize], from).unwrap();
    };
    wipe(1, 0, 64 << 10);
    let mut opened = open();
    let mut sequence = opened.recovery.last_sequence;
    while opened.log.committed().0 < (256 << 10) + (64 << 10) {
        sequence += 1;
        append(&mut opened.writer, sequence, size(sequence), 1000);
        while opened.preparer.step().unwrap() != journal::Prepared::Idle {}
    }
    while opened.syncer.step().unwrap() != journal::Synced::Idle {}
    drop(opened);
    std::fs::remove_dir_all(&options.live_dir).unwrap();
    let opened = open();
    assert_eq!(opened.recovery.last_sequence, sequence);
}

/// A reader of segments on disk has at most one descriptor, which is what a venue counts for it.
#[test]
fn a_reader_of_the_disk_has_one_descriptor() {
    let temp = TempDir::new();
    let folder = OnDisk::new("descriptors");
    let dir = folder.0.join("journal");
    let options = Options { dir: dir.clone(), live_segments_kept: 0, ..temp.options() };
    let mut opened = journal::open(&options).unwrap();
    for sequence in 1..=400 {
        append(&mut opened.writer, sequence, 1000, 1000);
        while opened.syncer.step().unwrap() != journal::Synced::Idle {}
        while opened.preparer.step().unwrap() != journal::Prepared::Idle {}
    }
    let of_segments = || {
        let links = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
        links.filter_map(|it| it.path().read_link().ok()).filter(|it| it.starts_with(&dir)).count()
    };
    let before = of_segments();
    let limit = opened.log.committed();
    let mut tail = opened.log.tail(opened.log.start());
    while tail.next(limit).unwrap().is_some() {
        let took = of_segments() - before;
        assert!(took <= 1, "{took}");
    }
}

/// A copy of a stopped journal, which nobody synced.
#[test]
fn a_copy_that_nobody_synced_is_synced_by_a_start() {
    for noted in [false, true] {
        let temp = TempDir::new();
        let (options, disk) = (temp.options(), CachedDisk::default());
        let open = || open_with(&options, Arc::new(disk.clone())).unwrap();
        let mut opened = open();
        append(&mut opened.writer, 1, 400, 1000);
        opened.syncer.step().unwrap();
        if noted {
            opened.log.note_stop().unwrap();
        }
        drop(opened);
        std::fs::remove_dir_all(&options.live_dir).unwrap();
        // `cp`: the bytes are in the cache.
        let segment = options.dir.join("0000000000000000.seg");
        let bytes = std::fs::read(&segment).unwrap();
        std::fs::remove_file(&segment).unwrap();
        disk.create(&segment, bytes.len() as u64).unwrap();
        disk.open(&segment).unwrap().write_at(0, &bytes).unwrap();

        let opened = open();
        drop(opened);
        std::fs::remove_dir_all(&options.live_dir).unwrap();
        disk.end();
        let opened = open_with(&options, Arc::new(disk.clone()));
        let opened = opened.map_err(|error| error.to_string()).unwrap();
        assert_eq!(sizes(&read_log(&opened.log)).len(), 1, "stop noted: {noted}");
    }
}

/// Forgets files whose names nobody made durable.
#[derive(Clone, Debug, Default)]
struct Names(Arc<Mutex<(BTreeSet<PathBuf>, Option<PathBuf>)>>);

impl Names {
    fn end(&self, dir: &Path) {
        for file in std::fs::read_dir(dir).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|it| it == "seg")
                && !self.0.lock().unwrap().0.contains(&path)
            {
                std::fs::remove_file(path).unwrap();
            }
        }
    }
}

impl Storage for Names {
    fn create(&self, path: &Path, bytes: u64) -> io::Result<()> {
        Disk.create(path, bytes)?;
        let mut names = self.0.lock().unwrap();
        if names.1.as_deref() == Some(path) {
            names.1 = None;
            return Err(io::Error::other("the sync of it failed, or the process was killed"));
        }
        names.0.insert(path.to_path_buf());
        Ok(())
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Box::new(NamedFile { names: self.clone(), path: path.to_path_buf(), file }))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.lock().unwrap().0.remove(path);
        Disk.remove(path)
    }

    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[derive(Debug)]
struct NamedFile {
    names: Names,
    path: PathBuf,
    file: File,
}

impl StorageFile for NamedFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.names.0.lock().unwrap().0.insert(self.path.clone());
        Ok(())
    }
}

/// A segment that was made, but whose sync failed or never came.
#[test]
fn a_segment_whose_making_failed_is_synced_by_a_start() {
    let temp = TempDir::new();
    let (options, disk) = (temp.options(), Names::default());
    let open = || open_with(&options, Arc::new(disk.clone()));
    disk.0.lock().unwrap().1 = Some(options.dir.join("0000000000000001.seg"));
    assert!(open().is_err());
    // The process goes on with the same live log.
    let mut opened = open().unwrap();
    for sequence in 1..=62 {
        append(&mut opened.writer, sequence, 1000, 1000);
    }
    // Up to the seal of segment 0, and not a byte of segment 1.
    opened.syncer.step().unwrap();
    append(&mut opened.writer, 63, 1000, 1000);
    append(&mut opened.writer, 64, 1000, 1000);
    opened.syncer.step().unwrap();
    let told = opened.log.durable();
    drop(opened);
    std::fs::remove_dir_all(&options.live_dir).unwrap();
    disk.end(&options.dir);
    let opened = open().map_err(|error| error.to_string()).unwrap();
    assert!(opened.recovery.end >= told, "{:?}", opened.recovery);
}

/// A folder of the build, so most likely on a disk.
struct OnDisk(PathBuf);

impl OnDisk {
    fn new(name: &str) -> OnDisk {
        let name = format!("journal-{name}-{}", std::process::id());
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        OnDisk(dir)
    }
}

impl Drop for OnDisk {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn is_memory(dir: &Path) -> bool {
    rustix::fs::statfs(dir).unwrap().f_type == 0x0102_1994
}
