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
    assert!(lock_of(&options).contains(&format!("\nstopped {end}\ncheck ")));

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
