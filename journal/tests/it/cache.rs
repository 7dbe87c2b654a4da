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
use journal::{Options, open_with};

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
