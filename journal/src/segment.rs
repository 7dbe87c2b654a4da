//! A segment: its header, its file name, and arithmetic between positions and offsets.

use std::path::{Path, PathBuf};

use crate::error::{HeaderFault, ReadError};
use crate::frame::{crc32c, u32_at, u64_at};

/// Version of the bytes this crate writes, in every segment and in the control file.
pub const FORMAT_VERSION: u16 = 1;

/// Bytes of a segment's header: the first frame begins behind it.
pub(crate) const HEADER_BYTES: u32 = 64;

/// The smallest segment. Unit: bytes.
pub const SEGMENT_BYTES_MIN: u32 = 64 << 10;

/// The largest segment: offsets and lengths in it are `u32` with room to spare. Unit: bytes.
pub const SEGMENT_BYTES_MAX: u32 = 1 << 30;

/// Segments are whole pages of every usual machine. Unit: bytes.
pub(crate) const SEGMENT_BYTES_STEP: u32 = 4096;

/// Positions up to here fit 63 bits, whatever the size of the segments.
const INDEX_MAX: u64 = (1 << 33) - 1;

const MAGIC: [u8; 8] = *b"VESTAJNL";
const CHECKED_BYTES: usize = HEADER_BYTES as usize - 4;

const _: () = {
    // magic 8, version 2, record version 2, segment bytes 4, log id 8, index 8, sequence 8, zero 20.
    assert!(8 + 2 + 2 + 4 + 8 + 8 + 8 + 20 == CHECKED_BYTES);
    assert!(HEADER_BYTES.is_multiple_of(8));
};

/// What a segment says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) record_version: u16,
    pub(crate) segment_bytes: u32,
    pub(crate) log_id: u64,
    pub(crate) index: u64,
    /// Sequence of the first turn that begins in it.
    pub(crate) first_sequence: u64,
}

impl SegmentHeader {
    pub(crate) fn write(&self, out: &mut [u8]) {
        out[..HEADER_BYTES as usize].fill(0);
        out[..8].copy_from_slice(&MAGIC);
        out[8..10].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        out[10..12].copy_from_slice(&self.record_version.to_le_bytes());
        out[12..16].copy_from_slice(&self.segment_bytes.to_le_bytes());
        out[16..24].copy_from_slice(&self.log_id.to_le_bytes());
        out[24..32].copy_from_slice(&self.index.to_le_bytes());
        out[32..40].copy_from_slice(&self.first_sequence.to_le_bytes());
        let crc = crc32c(&out[..CHECKED_BYTES]);
        out[CHECKED_BYTES..HEADER_BYTES as usize].copy_from_slice(&crc.to_le_bytes());
    }

    /// Reads the header of a segment's bytes; `None` if the segment was made but not begun.
    ///
    /// # Errors
    ///
    /// If it is another format, a newer version, or damaged.
    pub(crate) fn read(segment: &[u8], file: &Path) -> Result<Option<SegmentHeader>, ReadError> {
        let fault = |why| ReadError::Header { file: file.to_path_buf(), why };
        let Some(head) = segment.get(..HEADER_BYTES as usize) else {
            if segment.iter().all(|byte| *byte == 0) {
                return Ok(None);
            }
            return Err(fault(HeaderFault::Short));
        };
        // The first word is written last.
        if head[..4] == [0; 4] {
            return Ok(None);
        }
        if head[..8] != MAGIC {
            return Err(fault(if is_torn(head) { HeaderFault::Torn } else { HeaderFault::Magic }));
        }
        // The version comes before the checksum: a later format may place that elsewhere.
        let version = u16::from_le_bytes([head[8], head[9]]);
        if version > FORMAT_VERSION {
            let file = file.to_path_buf();
            return Err(ReadError::Version { file, found: version, ours: FORMAT_VERSION });
        }
        let (stored, computed) = (u32_at(head, CHECKED_BYTES), crc32c(&head[..CHECKED_BYTES]));
        if stored != computed && is_torn(head) {
            return Err(fault(HeaderFault::Torn));
        }
        if stored != computed || version == 0 {
            return Err(fault(HeaderFault::Checksum { stored, computed }));
        }
        let segment_bytes = u32_at(head, 12);
        if !bytes_are_valid(segment_bytes) {
            return Err(fault(HeaderFault::SegmentBytes(segment_bytes)));
        }
        let first_sequence = u64_at(head, 32);
        if first_sequence == 0 {
            return Err(fault(HeaderFault::FirstSequence { found: 0, expected: 1 }));
        }
        Ok(Some(SegmentHeader {
            record_version: u16::from_le_bytes([head[10], head[11]]),
            segment_bytes,
            log_id: u64_at(head, 16),
            index: u64_at(head, 24),
            first_sequence,
        }))
    }
}

/// Whether `head`, whose checksum does not hold, is the beginning of a header and zeroes: a write that broke
/// off in it.
///
/// Its checksum, the last field, then has none of its bytes or the lower ones. A single bit that turned leaves
/// it whole, but for one that was the last of its bytes: such a header is told from a torn one by what stands behind it.
fn is_torn(head: &[u8]) -> bool {
    let written = head.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    if head[..MAGIC.len()] != MAGIC {
        return written < MAGIC.len() && head[..written] == MAGIC[..written];
    }
    let crc = crc32c(&head[..CHECKED_BYTES]).to_le_bytes();
    let stored = written.saturating_sub(CHECKED_BYTES);
    stored < crc.len() && head[CHECKED_BYTES..CHECKED_BYTES + stored] == crc[..stored]
}

pub(crate) fn bytes_are_valid(segment_bytes: u32) -> bool {
    (SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&segment_bytes)
        && segment_bytes.is_multiple_of(SEGMENT_BYTES_STEP)
}

/// The file of segment `index`.
pub(crate) fn path(dir: &Path, index: u64) -> PathBuf {
    dir.join(format!("{index:016}.seg"))
}

/// The index of the segment that `file` is named after, if it is.
pub(crate) fn index_of(file: &Path) -> Option<u64> {
    let digits = file.file_name()?.to_str()?.strip_suffix(".seg")?;
    let index = Some(digits).filter(|digits| digits.len() == 16)?.parse().ok();
    index.filter(|index| *index <= INDEX_MAX)
}

/// The indexes of the segment files in `dir`, in order. A folder that does not exist has none.
///
/// # Errors
///
/// If the folder cannot be read.
pub(crate) fn list(dir: &Path) -> Result<Vec<u64>, ReadError> {
    let io = |error| ReadError::Io { doing: "read folder", file: dir.to_path_buf(), error };
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io(error)),
    };
    let mut indexes = Vec::new();
    for entry in entries {
        indexes.extend(index_of(Path::new(&entry.map_err(io)?.file_name())));
    }
    indexes.sort_unstable();
    Ok(indexes)
}

/// Where a log's segments lie in the sequence of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub(crate) segment_bytes: u32,
}

impl Geometry {
    /// The position of byte 0 of segment `index`.
    pub(crate) fn base(self, index: u64) -> u64 {
        index * u64::from(self.segment_bytes)
    }

    /// Segment and offset of `position`; never inside a segment's header.
    pub(crate) fn split(self, position: u64) -> (u64, u32) {
        let index = position / u64::from(self.segment_bytes);
        #[allow(clippy::cast_possible_truncation)] // Less than `segment_bytes`.
        let offset = (position - self.base(index)) as u32;
        (index, offset.max(HEADER_BYTES))
    }
}
