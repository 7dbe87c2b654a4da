//! Folders that go away, turns whose bytes tell what they should be, and stepping until done.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use journal::{Log, Opened, Options, Position, Prepared, Preparer, ReadError, Reader};
use journal::{Synced, Syncer, Tail, Writer};

pub(crate) const SEGMENT_BYTES: u32 = 64 << 10;

/// A folder that is removed at the end of the test.
#[derive(Debug)]
pub(crate) struct TempDir(PathBuf);

impl TempDir {
    pub(crate) fn new() -> TempDir {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let (process, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        // Memory, where there is such a folder: thousands of syncs are tested, none of the disk.
        let memory = Path::new("/dev/shm");
        let base = if memory.is_dir() { memory.to_path_buf() } else { std::env::temp_dir() };
        let path = base.join(format!("journal-test-{process}-{count}"));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).unwrap();
        TempDir(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.0.join("disk")
    }

    pub(crate) fn live_dir(&self) -> PathBuf {
        self.0.join("live")
    }

    pub(crate) fn options(&self) -> Options {
        Options {
            dir: self.dir(),
            live_dir: self.live_dir(),
            segment_bytes: SEGMENT_BYTES,
            record_version: 1,
            live_segments_kept: 1,
            written_ahead: false,
            first_sequence: 1,
        }
    }

    pub(crate) fn open(&self) -> Opened {
        journal::open(&self.options()).unwrap()
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Copies the files of a folder.
pub(crate) fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// A small generator of numbers; the same seed gives the same ones.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// The byte at `at` of turn `sequence`: what is read back is known without being kept.
pub(crate) fn byte(sequence: u64, at: usize) -> u8 {
    (sequence.wrapping_mul(31).wrapping_add(at as u64 * 7) % 251) as u8 + 1
}

/// Appends turn `sequence` of `bytes` bytes in records of at most `record` bytes.
pub(crate) fn append(writer: &mut Writer, sequence: u64, bytes: usize, record: usize) -> Position {
    let mut turn = writer.begin(sequence);
    let mut at = 0;
    while at < bytes {
        let len = record.min(bytes - at);
        for (i, out) in turn.space(len).iter_mut().enumerate() {
            *out = byte(sequence, at + i);
        }
        at += len;
    }
    turn.commit()
}

/// Lets the preparer do all there is to do; whether there was room.
pub(crate) fn prepare(preparer: &mut Preparer) -> bool {
    loop {
        match preparer.step().unwrap() {
            Prepared::Made => {}
            Prepared::Idle => return true,
            Prepared::NoSpace { .. } => return false,
        }
    }
}

/// Lets the syncer do all there is to do.
pub(crate) fn sync(syncer: &mut Syncer) {
    while syncer.step().unwrap() != Synced::Idle {}
}

/// A turn as it was read: its sequence and how many bytes it has, all of them checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) sequence: u64,
    pub(crate) bytes: usize,
    pub(crate) frames: usize,
}

/// Puts frames together to turns.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    pub(crate) turns: Vec<Read>,
    open: Option<Read>,
}

impl Turns {
    pub(crate) fn take(&mut self, frame: &journal::Frame<'_>) {
        let mut read = match self.open.take() {
            None => {
                assert!(frame.first);
                Read { sequence: frame.sequence, bytes: 0, frames: 0 }
            }
            Some(read) => {
                assert!(!frame.first);
                read
            }
        };
        assert_eq!(read.sequence, frame.sequence);
        for (i, found) in frame.payload.iter().enumerate() {
            assert_eq!(*found, byte(frame.sequence, read.bytes + i), "byte {i} of {read:?}");
        }
        read.bytes += frame.payload.len();
        read.frames += 1;
        if frame.last { self.turns.push(read) } else { self.open = Some(read) }
    }

    /// All turns; none is open.
    pub(crate) fn whole(self) -> Vec<Read> {
        assert_eq!(self.open, None);
        self.turns
    }
}

pub(crate) fn read_tail(tail: &mut Tail, limit: Position) -> Vec<Read> {
    let mut turns = Turns::default();
    while let Some(frame) = tail.next(limit).unwrap() {
        turns.take(&frame);
    }
    turns.whole()
}

/// Everything committed, through a tail.
pub(crate) fn read_log(log: &Log) -> Vec<Read> {
    read_tail(&mut log.tail(log.start()), log.committed())
}

pub(crate) fn try_read(reader: &mut Reader) -> Result<Vec<Read>, ReadError> {
    let mut turns = Turns::default();
    while let Some(frame) = reader.next()? {
        turns.take(&frame);
    }
    Ok(turns.whole())
}

/// Sequence and bytes of each turn.
pub(crate) fn sizes(turns: &[Read]) -> Vec<(u64, usize)> {
    turns.iter().map(|turn| (turn.sequence, turn.bytes)).collect()
}
