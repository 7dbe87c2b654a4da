//! Several lanes of one syncer: the durable cursor moves in order, whoever is done first.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, mpsc};

use journal::storage::{BLOCK_BYTES, Disk, Storage, StorageFile};
use journal::{Opened, Options, Synced, Written, open, open_with};

use crate::support::{SEGMENT_BYTES, TempDir, append, prepare, read_log, sizes, sync};

/// A disk that says of each write in blocks what it was, and whose syncs of those files can be held up.
#[derive(Clone, Debug, Default)]
struct Watched(Arc<(Mutex<Seen>, Condvar)>);

#[derive(Debug, Default)]
struct Seen {
    /// Offset and bytes.
    writes: Vec<(u64, Vec<u8>)>,
    /// What becomes of the next syncs: held until told, or failed.
    fates: VecDeque<Fate>,
    held: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Held,
    Fails,
}

impl Watched {
    fn fate(&self, fate: Fate) {
        self.0.0.lock().unwrap().fates.push_back(fate);
    }

    /// Waits until a sync is held.
    fn await_held(&self) {
        let seen = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(seen, |seen| !seen.held).unwrap());
    }

    fn let_go(&self) {
        self.0.0.lock().unwrap().held = false;
        self.0.1.notify_all();
    }
}

impl Storage for Watched {
    fn create(&self, path: &Path, bytes: u64) -> io::Result<()> {
        Disk.create(path, bytes)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        Disk.open(path)
    }

    fn open_blocks(&self, path: &Path) -> io::Result<Box<dyn StorageFile>> {
        Ok(Box::new(WatchedFile { disk: self.clone(), file: Disk.open(path)? }))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        Disk.remove(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Disk.rename(from, to)
    }
}

#[derive(Debug)]
struct WatchedFile {
    disk: Watched,
    file: Box<dyn StorageFile>,
}

impl StorageFile for WatchedFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        assert!(offset.is_multiple_of(BLOCK_BYTES as u64));
        assert!(bytes.len().is_multiple_of(BLOCK_BYTES));
        assert!((bytes.as_ptr() as usize).is_multiple_of(BLOCK_BYTES));
        self.disk.0.0.lock().unwrap().writes.push((offset, bytes.to_vec()));
        self.file.write_at(offset, bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        let (seen, changed) = &*self.disk.0;
        let mut seen = seen.lock().unwrap();
        match seen.fates.pop_front() {
            None => {}
            Some(Fate::Fails) => return Err(io::Error::other("injected")),
            Some(Fate::Held) => {
                seen.held = true;
                changed.notify_all();
                drop(changed.wait_while(seen, |seen| seen.held).unwrap());
            }
        }
        self.file.sync_data()
    }
}

fn opened(temp: &TempDir, disk: &Watched) -> Opened {
    let opened = open_with(&temp.options(), Arc::new(disk.clone())).unwrap();
    // What was written ahead.
    disk.0.0.lock().unwrap().writes.clear();
    opened
}

#[test]
fn the_second_batch_is_not_durable_before_the_first() {
    let (temp, disk) = (TempDir::new(), Watched::default());
    let mut opened = opened(&temp, &disk);
    let (mut one, mut two) = (opened.syncer.lane(), opened.syncer.lane());
    let start = opened.log.durable();

    let first = append(&mut opened.writer, 1, 304, 304);
    assert_eq!(one.write().unwrap(), Written::Batch);
    let second = append(&mut opened.writer, 2, 304, 304);
    assert_eq!(two.write().unwrap(), Written::Batch);
    assert!(!opened.syncer.is_wanted());
    assert_eq!(opened.syncer.step().unwrap(), Synced::Idle);

    let (told, tells) = mpsc::channel();
    std::thread::scope(|scope| {
        // The first to be synced is the second: it comes back only after the other.
        let late = scope.spawn(move || {
            told.send(()).unwrap();
            two.sync().unwrap()
        });
        tells.recv().unwrap();
        assert_eq!(opened.log.durable(), start);
        assert_eq!(one.sync().unwrap(), Synced::Advanced(first));
        assert_eq!(late.join().unwrap(), Synced::Advanced(second));
    });
    assert_eq!(opened.log.durable(), second);

    // The block that both have part of was written twice, the second time with what the first one had.
    let writes = disk.0.0.lock().unwrap().writes.clone();
    let [(_, one), (_, two)] = &writes[..] else { panic!("two writes, not {}", writes.len()) };
    let end = usize::try_from(first.0).unwrap();
    assert_eq!(one[..end], two[..end]);
    assert!(one[end..].iter().all(|byte| *byte == 0));
    assert!(two[end..].iter().any(|byte| *byte != 0));
}

#[test]
fn one_lane_takes_what_comes_while_the_other_waits_for_the_disk() {
    let (temp, disk) = (TempDir::new(), Watched::default());
    let mut opened = opened(&temp, &disk);
    let mut lanes = [opened.syncer.lane(), opened.syncer.lane()];
    let [one, two] = &mut lanes;
    append(&mut opened.writer, 1, 304, 304);
    disk.fate(Fate::Held);
    std::thread::scope(|scope| {
        let first = scope.spawn(move || one.step().unwrap());
        disk.await_held();
        let end = append(&mut opened.writer, 2, 304, 304);
        let second = scope.spawn(move || two.step().unwrap());
        // Both are written, and neither is durable.
        while opened.syncer.is_wanted() {
            std::thread::yield_now();
        }
        assert!(opened.log.durable() < end);
        disk.let_go();
        assert!(matches!(first.join().unwrap(), Synced::Advanced(_)));
        assert_eq!(second.join().unwrap(), Synced::Advanced(end));
    });
}

#[test]
fn a_segment_begins_when_the_one_before_is_synced() {
    let (temp, disk) = (TempDir::new(), Watched::default());
    let mut opened = opened(&temp, &disk);
    let (mut one, mut two) = (opened.syncer.lane(), opened.syncer.lane());
    append(&mut opened.writer, 1, SEGMENT_BYTES as usize / 2, 1000);
    assert_eq!(one.write().unwrap(), Written::Batch);
    let end = append(&mut opened.writer, 2, SEGMENT_BYTES as usize, 1000);
    assert!(end.0 > u64::from(SEGMENT_BYTES));
    assert_eq!(two.write().unwrap(), Written::Batch, "the rest of the first segment");
    assert!(matches!(one.sync().unwrap(), Synced::Advanced(_)));
    assert_eq!(one.write().unwrap(), Written::Waits);
    assert_eq!(two.sync().unwrap(), Synced::Idle, "the second turn ends in the next segment");
    assert_eq!(one.write().unwrap(), Written::Batch);
    assert_eq!(one.sync().unwrap(), Synced::Advanced(end));
}

#[test]
fn nothing_is_durable_after_a_failed_sync_and_nobody_waits_for_it() {
    let (temp, disk) = (TempDir::new(), Watched::default());
    let mut opened = opened(&temp, &disk);
    let (mut one, mut two) = (opened.syncer.lane(), opened.syncer.lane());
    let start = opened.log.durable();
    append(&mut opened.writer, 1, 304, 304);
    assert_eq!(one.write().unwrap(), Written::Batch);
    append(&mut opened.writer, 2, 304, 304);
    assert_eq!(two.write().unwrap(), Written::Batch);
    disk.fate(Fate::Held);
    disk.fate(Fate::Fails);
    std::thread::scope(|scope| {
        let good = scope.spawn(move || two.sync());
        disk.await_held();
        assert!(one.sync().is_err());
        disk.let_go();
        assert!(good.join().unwrap().is_err());
    });
    assert_eq!(opened.log.durable(), start);
    assert!(opened.log.failure().unwrap().contains("injected"));
}

#[test]
fn a_lane_that_goes_with_a_written_batch_ends_the_journal() {
    let (temp, disk) = (TempDir::new(), Watched::default());
    let mut opened = opened(&temp, &disk);
    let (mut one, mut two) = (opened.syncer.lane(), opened.syncer.lane());
    append(&mut opened.writer, 1, 304, 304);
    assert_eq!(one.write().unwrap(), Written::Batch);
    append(&mut opened.writer, 2, 304, 304);
    assert_eq!(two.write().unwrap(), Written::Batch);
    drop(one);
    assert!(two.sync().is_err());
    assert!(opened.log.failure().unwrap().contains("lane"));
}

/// On the disk of the build, past its cache if the file system can; and with segments written ahead.
#[test]
fn what_went_past_the_cache_is_there_after_a_start() {
    let temp = TempDir::new();
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("journal-lanes-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let options = Options { dir: folder.join("disk"), written_ahead: true, ..temp.options() };
    let mut log = open(&options).unwrap();
    // Written, not only reserved: no hole, no block that is still to be made one.
    let size = |index: u32| std::fs::metadata(options.dir.join(format!("{index:016}.seg")));
    assert_eq!([0, 1, 2].map(|at| size(at).unwrap().len()), [u64::from(SEGMENT_BYTES); 3]);
    let mut lanes = [log.syncer.lane(), log.syncer.lane()];
    for sequence in 1..200 {
        append(&mut log.writer, sequence, usize::try_from(sequence).unwrap() * 104, 1000);
        sync(&mut lanes[usize::from(sequence % 3 == 0)]);
        assert!(prepare(&mut log.preparer));
    }
    let wanted = sizes(&read_log(&log.log));
    assert_eq!(log.log.durable(), log.log.committed());
    drop((log, lanes));
    // Nothing but the disk is left.
    std::fs::remove_dir_all(&options.live_dir).unwrap();
    let log = open(&options).unwrap();
    assert_eq!(sizes(&read_log(&log.log)), wanted);
    assert_eq!(wanted.len(), 199);
    drop(log);
    std::fs::remove_dir_all(&folder).unwrap();
}
