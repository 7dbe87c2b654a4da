//! Where a log begins whose first segments have gone, and what stays of them.
//!
//! One small file beside the segments says two things. Segments below its *first* may be missing and
//! are not missed: so a wanted end is told from damage. And of turns that have gone, whoever took them
//! away may have kept some bytes, by the position of their frame. It is written before anything is
//! removed, so that a crash leaves segments too many, never too few.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::error::{JournalError, ReadError};
use crate::frame::{self, KIND_TURN, crc32c, u32_at, u64_at};
use crate::log::Position;
use crate::mmap::ReadMap;
use crate::segment::{self, Geometry};
use crate::storage::Storage;
use crate::tail::{check_frame, map_segment};

const NAME: &str = "retained";
/// One that is not whole, yet or for ever.
const NEW: &str = "retained.new";
const MAGIC: [u8; 8] = *b"VESTARET";
const VERSION: u16 = 1;

const HEAD_BYTES: usize = 80;
const CHECKED_BYTES: usize = HEAD_BYTES - 4;
/// Bytes of an entry of the table.
const ENTRY_BYTES: usize = 24;

/// Bytes that stay of a turn that has gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Where its first frame was.
    pub position: Position,
    /// Its sequence.
    pub sequence: u64,
    /// What stays: for whoever asks for it by the position.
    pub bytes: Vec<u8>,
}

/// Where a log begins, read back.
#[derive(Debug)]
pub struct Retained {
    map: ReadMap,
    first: u64,
    first_sequence: u64,
    count: usize,
    text_at: usize,
}

pub(crate) fn path(dir: &Path) -> PathBuf {
    dir.join(NAME)
}

impl Retained {
    /// That of the log in `dir`; `None` if nothing of it ever went.
    ///
    /// # Errors
    ///
    /// If the file is there and is not what was written, or is of another log than `of` (its id, and the bytes
    /// of its segments).
    pub(crate) fn open(dir: &Path, of: Option<(u64, Geometry)>) -> Result<Option<Self>, ReadError> {
        let path = path(dir);
        let io = |error| ReadError::Io { doing: "open", file: path.clone(), error };
        let map = match ReadMap::open(&path, u64::MAX) {
            Ok(map) => map,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io(error)),
        };
        let bytes = map.all().map_err(io)?;
        let damaged = || ReadError::Retained { file: path.clone() };
        let head = bytes.get(..HEAD_BYTES).ok_or_else(damaged)?;
        let version = u16::from_le_bytes([head[8], head[9]]);
        if head[..8] == MAGIC && version > VERSION {
            return Err(ReadError::Version { file: path, found: version, ours: VERSION });
        }
        let good = head[..8] == MAGIC
            && version == VERSION
            && u32_at(head, CHECKED_BYTES) == crc32c(&head[..CHECKED_BYTES]);
        if !good {
            return Err(damaged());
        }
        if let Some((expected, geometry)) = of {
            let found = u64_at(head, 16);
            if found != expected || u32_at(head, 12) != geometry.segment_bytes {
                return Err(ReadError::OtherLog { file: path, found, expected });
            }
        }
        let body = &bytes[HEAD_BYTES..];
        let count = usize::try_from(u64_at(head, 40)).map_err(|_| damaged())?;
        let text_len = u32_at(head, 60) as usize;
        let table = count.checked_mul(ENTRY_BYTES).filter(|table| *table <= body.len());
        let text_at = body.len().checked_sub(text_len);
        let (Some(table), Some(text_at)) = (table, text_at) else { return Err(damaged()) };
        if u64_at(head, 48) != body.len() as u64 || u32_at(head, 56) != crc32c(body) {
            return Err(damaged());
        }
        let (first, first_sequence) = (u64_at(head, 24), u64_at(head, 32));
        let retained = Retained { first, first_sequence, count, text_at, map };
        let (mut at, mut last) = (table as u64, None);
        for index in 0..count {
            let (position, from) = retained.entry(index);
            if from < at || from > text_at as u64 || last >= Some(position) {
                return Err(damaged());
            }
            (at, last) = (from, Some(position));
        }
        if table > text_at { Err(damaged()) } else { Ok(Some(retained)) }
    }

    fn body(&self) -> &[u8] {
        &self.map.bytes()[HEAD_BYTES..]
    }

    /// Position, and where in the body its bytes begin.
    fn entry(&self, index: usize) -> (u64, u64) {
        let at = index * ENTRY_BYTES;
        (u64_at(self.body(), at), u64_at(self.body(), at + 16))
    }

    /// Segments below this one may be missing.
    #[must_use]
    pub fn first_segment(&self) -> u64 {
        self.first
    }

    /// Sequence of the first turn that begins in it.
    #[must_use]
    pub fn first_sequence(&self) -> u64 {
        self.first_sequence
    }

    /// The folder that segments went to last, `None` if they were removed.
    #[must_use]
    pub fn archive(&self) -> Option<PathBuf> {
        let text = &self.body()[self.text_at..];
        (!text.is_empty()).then(|| PathBuf::from(std::ffi::OsStr::from_bytes(text)))
    }

    /// How many turns it keeps something of.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether it keeps something of no turn.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// What stays of the turn whose first frame was at `position`: its sequence, and bytes.
    #[must_use]
    pub fn kept(&self, position: Position) -> Option<(u64, &[u8])> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low.midpoint(high);
            match self.entry(middle).0.cmp(&position.0) {
                std::cmp::Ordering::Equal => return Some(self.nth(middle)),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    fn nth(&self, index: usize) -> (u64, &[u8]) {
        let sequence = u64_at(self.body(), index * ENTRY_BYTES + 8);
        let end =
            if index + 1 < self.count { self.entry(index + 1).1 } else { self.text_at as u64 };
        let range = |at: u64| usize::try_from(at).unwrap_or(0);
        (sequence, &self.body()[range(self.entry(index).1)..range(end)])
    }

    /// Writes that segments below `first` are not needed, in place of what was written before; durable on
    /// return. `kept` is in the order of its positions.
    pub(crate) fn write(
        storage: &dyn Storage,
        dir: &Path,
        (log_id, geometry): (u64, Geometry),
        (first, first_sequence): (u64, u64),
        kept: &[Kept],
        archive: Option<&Path>,
    ) -> Result<(), JournalError> {
        let text = archive.map_or(&[][..], |archive| archive.as_os_str().as_bytes());
        let mut body = Vec::new();
        let mut at = (kept.len() * ENTRY_BYTES) as u64;
        for Kept { position, sequence, bytes } in kept {
            for word in [position.0, *sequence, at] {
                body.extend_from_slice(&word.to_le_bytes());
            }
            at += bytes.len() as u64;
        }
        kept.iter().for_each(|kept| body.extend_from_slice(&kept.bytes));
        body.extend_from_slice(text);

        let mut head = [0; HEAD_BYTES];
        let mut put = |at: usize, bytes: &[u8]| head[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &MAGIC);
        put(8, &VERSION.to_le_bytes());
        put(12, &geometry.segment_bytes.to_le_bytes());
        let words = [log_id, first, first_sequence, kept.len() as u64, body.len() as u64];
        for (at, word) in (16..).step_by(8).zip(words) {
            put(at, &word.to_le_bytes());
        }
        put(56, &crc32c(&body).to_le_bytes());
        put(60, &u32::try_from(text.len()).unwrap_or(0).to_le_bytes());
        let checksum = crc32c(&head[..CHECKED_BYTES]);
        head[CHECKED_BYTES..].copy_from_slice(&checksum.to_le_bytes());

        let new = dir.join(NEW);
        let io = |doing, error| JournalError::Io { doing, file: new.clone(), error };
        let bytes = (HEAD_BYTES + body.len()) as u64;
        let written = || {
            storage.create(&new, bytes).map_err(|error| io("make", error))?;
            let file = storage.open(&new).map_err(|error| io("open", error))?;
            file.write_at(0, &head).map_err(|error| io("write", error))?;
            file.write_at(HEAD_BYTES as u64, &body).map_err(|error| io("write", error))?;
            file.sync_data().map_err(|error| io("sync", error))
        };
        written().inspect_err(|_| {
            // Gives its space back; if that fails the next one replaces it.
            let _ = storage.remove(&new);
        })?;
        storage.rename(&new, &path(dir)).map_err(|error| io("rename", error))
    }
}

/// The first segment of the log in a folder that has files of `indexes`, in order: the lowest from which on
/// none is missing up to the one that must be there.
///
/// # Errors
///
/// If that one is not there.
pub(crate) fn first_of(
    dir: &Path,
    indexes: &[u64],
    retained: Option<&Retained>,
) -> Result<u64, ReadError> {
    let mut first = retained.map_or(0, Retained::first_segment);
    let Some(mut at) = indexes.iter().position(|index| *index == first) else {
        let file = segment::path(dir, first);
        return Err(match retained {
            Some(_) => ReadError::SegmentMissing { file },
            None => ReadError::FirstSegmentMissing { file },
        });
    };
    // What was put back, or not yet removed, is the log's too.
    let must = first;
    while at > 0 && indexes[at - 1] + 1 == first {
        (at, first) = (at - 1, first - 1);
    }
    // But not the rest of a turn whose beginning is not there.
    while first < must && !begins_a_turn(&segment::path(dir, first), first)? {
        first += 1;
    }
    Ok(first)
}

/// Whether the first frame of a segment is the first one of a turn.
pub(crate) fn begins_a_turn(file: &Path, index: u64) -> Result<bool, ReadError> {
    let (map, header) = map_segment(file, index)?;
    let Some(header) = header else { return Ok(false) };
    let seed = frame::seed(header.log_id, index);
    let first = check_frame(&map, file, segment::HEADER_BYTES, seed)?;
    Ok(first.is_ok_and(|(_, header)| header.kind == KIND_TURN && header.is_first()))
}
