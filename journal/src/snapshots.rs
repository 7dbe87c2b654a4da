//! Snapshots: files beside the segments that hold what the log came to at one of its turns.
//!
//! What is in their parts is for others to say; here is what makes a file whole: a head in its first
//! sector with the checksum of each part, written last, and a name that it gets when everything is
//! synced. A snapshot is an index of the log and never its replacement: one that cannot be used is
//! passed over, and the log says the same from farther back.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crc_fast::{CrcAlgorithm, Digest};

use crate::error::{JournalError, SnapshotFault};
use crate::frame::{Frame, crc32c, u32_at, u64_at};
use crate::mmap::ReadMap;
use crate::segment::{self, Geometry};
use crate::storage::{Disk, Storage, StorageFile};
use crate::{Position, ReadError};

/// Version of the file that this crate writes.
pub const SNAPSHOT_FILE_VERSION: u16 = 1;

const MAGIC: [u8; 8] = *b"VESTASNP";

/// Bytes of the head: one sector of every usual disk.
const HEAD_BYTES: usize = 512;
const CHECKED_BYTES: usize = HEAD_BYTES - 4;

/// Where the table of parts begins, and the bytes of an entry.
const TABLE_AT: usize = 136;
const ENTRY_BYTES: usize = 24;

/// Parts that the table has room for.
pub const SNAPSHOT_PARTS_MAX: usize = (CHECKED_BYTES - TABLE_AT) / ENTRY_BYTES;

/// Bytes that are written at once.
const BUFFER_BYTES: usize = 1 << 20;

/// Bytes after which what was written is synced, so that the syncer of the log never waits long behind
/// a whole snapshot.
const SYNC_BYTES: u64 = 4 << 20;

/// The name of a snapshot that is not whole yet.
const NEW: &str = "snapshot.new";

/// What a snapshot says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotHead {
    /// Version of the records that its log has.
    pub record_version: u16,
    /// Sequence of the last turn in it.
    pub sequence: u64,
    /// Where that turn ends: who goes on from the snapshot reads on here.
    pub position: Position,
    /// The last frame of that turn: where it begins.
    pub last_frame: Position,
    /// The checksum of that frame's payload ([`frame_checksum`]): another history of the same log has
    /// another one.
    pub last_checksum: u32,
    /// Time of that turn, as its writer counts.
    pub time: u64,
    /// The hash of the state that is saved, as its writer computes it.
    pub state_hash: u64,
    /// Which program wrote it.
    pub build: u64,
}

/// The checksum of a frame's payload: CRC32C.
#[must_use]
pub fn frame_checksum(frame: &Frame<'_>) -> u32 {
    crc32c(frame.payload)
}

/// One part, as the head tells it.
#[derive(Clone, Copy, Debug)]
struct Part {
    kind: u32,
    /// Of its bytes, and of the zeroes up to a multiple of eight.
    checksum: u32,
    offset: u64,
    /// Without the zeroes.
    len: u64,
}

/// The snapshots of one log.
#[derive(Clone, Debug)]
pub struct Snapshots {
    dir: PathBuf,
    log_id: u64,
    storage: Arc<dyn Storage>,
}

impl Snapshots {
    /// Those in the folder of the log with this id.
    #[must_use]
    pub fn new(dir: &Path, log_id: u64, storage: Arc<dyn Storage>) -> Snapshots {
        Snapshots { dir: dir.to_path_buf(), log_id, storage }
    }

    /// The same for who only reads.
    #[must_use]
    pub fn to_read(dir: &Path, log_id: u64) -> Snapshots {
        Snapshots::new(dir, log_id, Arc::new(Disk))
    }

    /// The sequences of the snapshots there are files of, in order. A folder that is not there has none.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read.
    pub fn list(&self) -> Result<Vec<u64>, ReadError> {
        self.named(".snap")
    }

    /// The same with those of which only an index is left ([`Snapshots::reduce`]).
    ///
    /// # Errors
    ///
    /// If the folder cannot be read.
    pub fn list_all(&self) -> Result<Vec<u64>, ReadError> {
        let mut all = self.list()?;
        all.extend(self.named(".index")?);
        all.sort_unstable();
        all.dedup();
        Ok(all)
    }

    /// The sequences of the indexes alone.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read.
    pub fn list_indexes(&self) -> Result<Vec<u64>, ReadError> {
        self.named(".index")
    }

    fn named(&self, ending: &str) -> Result<Vec<u64>, ReadError> {
        let io = |error| ReadError::Io { doing: "read folder", file: self.dir.clone(), error };
        let entries = match std::fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(io(error)),
        };
        let mut sequences = Vec::new();
        for entry in entries {
            let name = entry.map_err(io)?.file_name();
            let digits = name.to_str().and_then(|name| name.strip_suffix(ending));
            let sequence: Option<u64> =
                digits.filter(|digits| digits.len() == 20).and_then(|it| it.parse().ok());
            sequences.extend(sequence);
        }
        sequences.sort_unstable();
        Ok(sequences)
    }

    /// The file of the snapshot that ends with turn `sequence`.
    #[must_use]
    pub fn path(&self, sequence: u64) -> PathBuf {
        self.dir.join(format!("{sequence:020}.snap"))
    }

    /// The file of what is left of a snapshot that only serves as an index.
    #[must_use]
    pub fn index_path(&self, sequence: u64) -> PathBuf {
        self.dir.join(format!("{sequence:020}.index"))
    }

    /// What a snapshot says of itself. Its parts are not looked at.
    ///
    /// # Errors
    ///
    /// If it is no snapshot of this log and this name.
    pub fn head(&self, sequence: u64) -> Result<SnapshotHead, SnapshotFault> {
        Ok(self.map(sequence)?.head)
    }

    /// Opens a snapshot and checks every byte of it.
    ///
    /// # Errors
    ///
    /// If it is no whole snapshot of this log and this name.
    pub fn open(&self, sequence: u64) -> Result<Snapshot, SnapshotFault> {
        let snapshot = self.map(sequence)?;
        snapshot.check(|_| true)?;
        Ok(snapshot)
    }

    /// Opens a snapshot for some of its parts, and checks no bytes but theirs.
    ///
    /// # Errors
    ///
    /// If it is no snapshot of this log and this name, or one of these parts is not whole.
    pub fn open_parts(&self, sequence: u64, kinds: &[u32]) -> Result<Snapshot, SnapshotFault> {
        let mut snapshot = self.map(sequence)?;
        snapshot.check(|kind| kinds.contains(&kind))?;
        snapshot.parts.retain(|part| kinds.contains(&part.kind));
        Ok(snapshot)
    }

    fn map(&self, sequence: u64) -> Result<Snapshot, SnapshotFault> {
        let map = match ReadMap::open(&self.path(sequence), u64::MAX) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                ReadMap::open(&self.index_path(sequence), u64::MAX)
            }
            opened => opened,
        };
        let map = map.map_err(SnapshotFault::Io)?;
        // Of most of them only the head is wanted, or a part.
        map.read_places();
        map.have(0, HEAD_BYTES).map_err(SnapshotFault::Io)?;
        let bytes = map.bytes();
        let (head, parts, log_id) = read_head(bytes)?;
        if log_id != self.log_id {
            return Err(SnapshotFault::OtherLog { found: log_id, expected: self.log_id });
        }
        if head.sequence != sequence {
            return Err(SnapshotFault::Sequence { found: head.sequence });
        }
        Ok(Snapshot { head, parts, map })
    }

    /// An error if one of the snapshots `listed` has turns behind the end of the log at `end`, which is after `sequence`: they
    /// were synced, so what stands there is no write that was broken off.
    pub(crate) fn deny_cut(
        &self,
        listed: &[u64],
        geometry: Geometry,
        end: Position,
        sequence: u64,
    ) -> Result<(), ReadError> {
        let later = listed.iter().rev().take_while(|known| **known > sequence);
        let proof =
            later.filter_map(|known| self.head(*known).ok()).find(|head| head.position > end);
        let Some(head) = proof else { return Ok(()) };
        let (index, offset) = geometry.split(end.0);
        Err(ReadError::Cut {
            file: segment::path(&self.dir, index),
            offset,
            position: end.0,
            sequence: sequence + 1,
            snapshot: self.path(head.sequence),
            known: head.sequence,
        })
    }

    /// Begins a snapshot; nobody finds it before [`SnapshotWriter::finish`].
    ///
    /// # Errors
    ///
    /// If the file cannot be made. Unlike a failure of the log this is nobody's end.
    pub fn write(&self, head: &SnapshotHead) -> Result<SnapshotWriter<'_>, JournalError> {
        let path = self.dir.join(NEW);
        let io = |doing, error| JournalError::Io { doing, file: path.clone(), error };
        self.storage.create(&path, HEAD_BYTES as u64).map_err(|error| io("make", error))?;
        let file = self.storage.open(&path).map_err(|error| io("open", error))?;
        Ok(SnapshotWriter {
            store: self,
            head: *head,
            parts: Vec::new(),
            path,
            file,
            buffer: Vec::with_capacity(BUFFER_BYTES),
            at: HEAD_BYTES as u64,
            synced: HEAD_BYTES as u64,
            failed: None,
            finished: false,
        })
    }

    /// Removes snapshots that are older than the newest `keep` ones; those in `refused` do not count,
    /// and go when they are older than all that are kept. Returns what was removed.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read or a file not removed.
    pub fn prune(&self, keep: usize, refused: &[u64]) -> Result<Vec<u64>, JournalError> {
        let old = self.old(keep, refused)?;
        old.iter().try_for_each(|sequence| self.remove(self.path(*sequence)))?;
        Ok(old)
    }

    /// Leaves of each snapshot that [`Snapshots::prune`] would remove a file with some of its parts: an index into
    /// the log for readers, not to start from. One that cannot be written is none: the log says the same, later.
    /// Those from before `begin` go: the log has nothing there any more.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read or a file not be removed.
    pub fn reduce(
        &self,
        (keep, refused): (usize, &[u64]),
        kinds: &[u32],
        begin: Position,
    ) -> Result<(), JournalError> {
        for sequence in self.old(keep, refused)? {
            if refused.contains(&sequence) {
                continue;
            }
            // One that is damaged is no index either.
            let Ok(snapshot) = self.open_parts(sequence, kinds) else { continue };
            let Ok(mut writer) = self.write(snapshot.head()) else { continue };
            for kind in kinds {
                writer.part(*kind, |out| out(snapshot.part(*kind).unwrap_or_default()));
            }
            if writer.finish_as(&self.index_path(sequence)).is_err() {
                break;
            }
        }
        for sequence in self.named(".index").map_err(failed)? {
            let is_gone = self.head(sequence).is_ok_and(|head| head.position < begin);
            if is_gone {
                self.remove(self.index_path(sequence))?;
            }
        }
        Ok(())
    }

    /// The snapshots that are older than the newest `keep` that are not `refused`.
    fn old(&self, keep: usize, refused: &[u64]) -> Result<Vec<u64>, JournalError> {
        let all = self.list().map_err(failed)?;
        let mut good = all.iter().rev().filter(|sequence| !refused.contains(*sequence));
        let oldest = good.nth(keep.saturating_sub(1)).copied();
        let is_old = |sequence: &u64| oldest.is_some_and(|oldest| *sequence < oldest);
        Ok(all.into_iter().filter(is_old).collect())
    }

    fn remove(&self, file: PathBuf) -> Result<(), JournalError> {
        let removed = self.storage.remove(&file);
        removed.map_err(|error| JournalError::Io { doing: "remove", file, error })
    }
}

fn failed(error: ReadError) -> JournalError {
    JournalError::Failed(error.to_string())
}

/// A snapshot that was found.
#[derive(Debug)]
pub struct Snapshot {
    head: SnapshotHead,
    parts: Vec<Part>,
    map: ReadMap,
}

impl Snapshot {
    /// What it says of itself.
    #[must_use]
    pub fn head(&self) -> &SnapshotHead {
        &self.head
    }

    /// The bytes of a part, `None` if it has no such part.
    #[must_use]
    pub fn part(&self, kind: u32) -> Option<&[u8]> {
        let part = self.parts.iter().find(|part| part.kind == kind)?;
        let from = usize::try_from(part.offset).ok()?;
        let len = usize::try_from(part.len).ok()?;
        self.map.bytes().get(from..from.checked_add(len)?)
    }

    /// Whether every part is where it should be, those that are `wanted` are what was written, and nothing
    /// else is in the file.
    fn check(&self, wanted: impl Fn(u32) -> bool) -> Result<(), SnapshotFault> {
        let bytes = self.map.bytes();
        let mut at = HEAD_BYTES as u64;
        for part in &self.parts {
            let end = part.len.checked_next_multiple_of(8).and_then(|len| at.checked_add(len));
            let end = end.filter(|_| part.offset == at).ok_or(SnapshotFault::Layout)?;
            let from = usize::try_from(at).map_err(|_| SnapshotFault::Layout)?;
            let to = usize::try_from(end).map_err(|_| SnapshotFault::Layout)?;
            let padded = bytes.get(from..to).ok_or(SnapshotFault::Short)?;
            if wanted(part.kind) {
                self.map.have(from, to).map_err(SnapshotFault::Io)?;
                if crc32c(padded) != part.checksum {
                    return Err(SnapshotFault::Checksum { part: Some(part.kind) });
                }
            }
            at = end;
        }
        if at == bytes.len() as u64 { Ok(()) } else { Err(SnapshotFault::Layout) }
    }
}

fn read_head(bytes: &[u8]) -> Result<(SnapshotHead, Vec<Part>, u64), SnapshotFault> {
    let head = bytes.get(..HEAD_BYTES).ok_or(SnapshotFault::Short)?;
    if head[..8] != MAGIC {
        return Err(SnapshotFault::Magic);
    }
    // The version comes before the checksum: a later one may place that elsewhere.
    let version = u16::from_le_bytes([head[8], head[9]]);
    if version > SNAPSHOT_FILE_VERSION {
        return Err(SnapshotFault::Version { found: version, ours: SNAPSHOT_FILE_VERSION });
    }
    if version == 0 || u32_at(head, CHECKED_BYTES) != crc32c(&head[..CHECKED_BYTES]) {
        return Err(SnapshotFault::Checksum { part: None });
    }
    let count = u32_at(head, 12) as usize;
    if count > SNAPSHOT_PARTS_MAX {
        return Err(SnapshotFault::Layout);
    }
    let part = |index: usize| {
        let at = TABLE_AT + index * ENTRY_BYTES;
        let (kind, checksum) = (u32_at(head, at), u32_at(head, at + 4));
        Part { kind, checksum, offset: u64_at(head, at + 8), len: u64_at(head, at + 16) }
    };
    let parts = (0..count).map(part).collect();
    let found = SnapshotHead {
        record_version: u16::from_le_bytes([head[10], head[11]]),
        sequence: u64_at(head, 24),
        position: Position(u64_at(head, 32)),
        last_frame: Position(u64_at(head, 40)),
        last_checksum: u32_at(head, 48),
        time: u64_at(head, 56),
        state_hash: u64_at(head, 64),
        build: u64_at(head, 72),
    };
    Ok((found, parts, u64_at(head, 16)))
}

/// A snapshot being written. Dropped before [`SnapshotWriter::finish`] it never was.
#[derive(Debug)]
#[must_use = "a snapshot that is not finished is removed"]
pub struct SnapshotWriter<'a> {
    store: &'a Snapshots,
    head: SnapshotHead,
    parts: Vec<Part>,
    path: PathBuf,
    file: Box<dyn StorageFile>,
    /// Bytes that are not written yet.
    buffer: Vec<u8>,
    /// Where they go.
    at: u64,
    /// Everything before is synced.
    synced: u64,
    failed: Option<JournalError>,
    finished: bool,
}

impl SnapshotWriter<'_> {
    /// Writes a part: `write` is given the place where its bytes go. What fails is told at the end.
    ///
    /// # Panics
    ///
    /// If there are more parts than [`SNAPSHOT_PARTS_MAX`].
    pub fn part(&mut self, kind: u32, write: impl FnOnce(&mut dyn FnMut(&[u8]))) {
        assert!(self.parts.len() < SNAPSHOT_PARTS_MAX);
        let offset = self.at + self.buffer.len() as u64;
        let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
        let mut len = 0;
        write(&mut |bytes| {
            digest.update(bytes);
            len += bytes.len() as u64;
            self.take(bytes);
        });
        let padding = usize::try_from(len.next_multiple_of(8) - len).unwrap_or(0);
        digest.update(&[0; 8][..padding]);
        self.take(&[0; 8][..padding]);
        let checksum = u32::try_from(digest.finalize()).unwrap_or(0);
        self.parts.push(Part { kind, checksum, offset, len });
    }

    fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.failed.is_none() {
            let len = bytes.len().min(BUFFER_BYTES - self.buffer.len());
            self.buffer.extend_from_slice(&bytes[..len]);
            bytes = &bytes[len..];
            if self.buffer.len() == BUFFER_BYTES {
                self.flush();
            }
        }
    }

    fn flush(&mut self) {
        if let Err(error) = self.flush_or_fail() {
            self.failed.get_or_insert(error);
        }
    }

    fn io(&self, doing: &'static str, error: std::io::Error) -> JournalError {
        JournalError::Io { doing, file: self.path.clone(), error }
    }

    fn flush_or_fail(&mut self) -> Result<(), JournalError> {
        self.file.write_at(self.at, &self.buffer).map_err(|error| self.io("write", error))?;
        self.at += self.buffer.len() as u64;
        self.buffer.clear();
        if self.at - self.synced >= SYNC_BYTES {
            self.file.sync_data().map_err(|error| self.io("sync", error))?;
            self.synced = self.at;
        }
        Ok(())
    }

    fn head_bytes(&self) -> [u8; HEAD_BYTES] {
        let SnapshotHead { sequence, position, last_frame, time, state_hash, build, .. } =
            self.head;
        let mut out = [0; HEAD_BYTES];
        let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &MAGIC);
        put(8, &SNAPSHOT_FILE_VERSION.to_le_bytes());
        put(10, &self.head.record_version.to_le_bytes());
        put(12, &u32::try_from(self.parts.len()).unwrap_or(u32::MAX).to_le_bytes());
        let words = [self.store.log_id, sequence, position.0, last_frame.0];
        for (at, word) in (16..).step_by(8).zip(words) {
            put(at, &word.to_le_bytes());
        }
        put(48, &self.head.last_checksum.to_le_bytes());
        for (at, word) in (56..).step_by(8).zip([time, state_hash, build]) {
            put(at, &word.to_le_bytes());
        }
        for (at, part) in (TABLE_AT..).step_by(ENTRY_BYTES).zip(&self.parts) {
            put(at, &part.kind.to_le_bytes());
            put(at + 4, &part.checksum.to_le_bytes());
            put(at + 8, &part.offset.to_le_bytes());
            put(at + 16, &part.len.to_le_bytes());
        }
        let checksum = crc32c(&out[..CHECKED_BYTES]);
        out[CHECKED_BYTES..].copy_from_slice(&checksum.to_le_bytes());
        out
    }

    /// Ends the snapshot: it is whole, synced, and has its name. Returns its bytes.
    ///
    /// # Errors
    ///
    /// The first thing that failed; then there is no such snapshot, and what was written of it is
    /// removed if that can be done.
    pub fn finish(self) -> Result<u64, JournalError> {
        let name = self.store.path(self.head.sequence);
        self.finish_as(&name)
    }

    /// The same for one that is an index from the beginning, see [`Snapshots::reduce`].
    ///
    /// # Errors
    ///
    /// As [`SnapshotWriter::finish`].
    pub fn finish_index(self) -> Result<u64, JournalError> {
        let name = self.store.index_path(self.head.sequence);
        self.finish_as(&name)
    }

    fn finish_as(mut self, name: &Path) -> Result<u64, JournalError> {
        self.flush();
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        // The parts first: a head that is there says that they are.
        self.file.sync_data().map_err(|error| self.io("sync", error))?;
        self.file.write_at(0, &self.head_bytes()).map_err(|error| self.io("write", error))?;
        self.file.sync_data().map_err(|error| self.io("sync", error))?;
        let named = self.store.storage.rename(&self.path, name);
        named.map_err(|error| self.io("rename", error))?;
        self.finished = true;
        Ok(self.at)
    }
}

impl Drop for SnapshotWriter<'_> {
    fn drop(&mut self) {
        if !self.finished {
            // Gives its space back; if that fails the next snapshot replaces it.
            let _ = self.store.storage.remove(&self.path);
        }
    }
}
