//! A frame: length, checksum, sequence, term, kind, flags, and then bytes that are not ours.

use crate::Position;
pub(crate) use crate::crc::crc32c;

/// Bytes of a frame's header.
pub(crate) const HEADER_BYTES: u32 = 24;

/// Bytes of a frame at most, its header included.
///
/// A turn goes on in a further frame beyond it. Bounds what one checksum covers, so that looking for
/// a good frame behind a bad one stays cheap.
pub(crate) const FRAME_BYTES_MAX: u32 = 1 << 20;

/// Unit of [`Header::behind`] in bytes.
///
/// 64 × 65,534 = 4 MiB: at 200 MB/s and a sync of 4 ms the durable cursor is 0.8 MiB behind.
pub(crate) const BEHIND_UNIT: u64 = 64;

/// [`Header::behind`] when the durable cursor was that far behind or farther.
pub(crate) const BEHIND_UNKNOWN: u16 = u16::MAX;

/// Bytes of records: a turn or a part of it.
pub(crate) const KIND_TURN: u8 = 1;
/// The rest of the segment is unused.
pub(crate) const KIND_SEAL: u8 = 2;
/// The first frame of a turn.
pub(crate) const FLAG_FIRST: u8 = 1;
/// The last frame of a turn.
pub(crate) const FLAG_LAST: u8 = 2;

/// A frame's header without length and checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) sequence: u64,
    pub(crate) term: u32,
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    /// How far the durable cursor was behind this frame's position when it was written, in units of
    /// [`BEHIND_UNIT`], rounded up. Proves that everything before was on disk: damage there is
    /// corruption, not a torn write.
    pub(crate) behind: u16,
}

const _: () = {
    // length 4, checksum 4, sequence 8, term 4, kind 1, flags 1, behind 2.
    assert!(4 + 4 + 8 + 4 + 1 + 1 + 2 == HEADER_BYTES);
    assert!(HEADER_BYTES.is_multiple_of(8));
    assert!(FRAME_BYTES_MAX.is_multiple_of(8));
};

impl Header {
    pub(crate) const fn is_first(self) -> bool {
        self.flags & FLAG_FIRST != 0
    }

    pub(crate) const fn is_last(self) -> bool {
        self.flags & FLAG_LAST != 0
    }

    /// Everything before this position was on disk when the frame, which begins at `at`, was written.
    pub(crate) const fn durable_before(self, at: u64) -> u64 {
        if self.behind == BEHIND_UNKNOWN {
            return 0;
        }
        at.saturating_sub(self.behind as u64 * BEHIND_UNIT)
    }

    #[inline]
    fn write(self, out: &mut [u8]) {
        // Two whole words: the checksum loads them at once, and bytes from several small stores
        // would have to reach the cache first (27 → 18 ns a turn of 128 bytes).
        let rest = u64::from(self.term)
            | u64::from(self.kind) << 32
            | u64::from(self.flags) << 40
            | u64::from(self.behind) << 48;
        out[8..16].copy_from_slice(&self.sequence.to_le_bytes());
        out[16..24].copy_from_slice(&rest.to_le_bytes());
    }

    #[inline]
    pub(crate) fn read(frame: &[u8]) -> Header {
        Header {
            sequence: u64_at(frame, 8),
            term: u32_at(frame, 16),
            kind: frame[20],
            flags: frame[21],
            behind: u16::from_le_bytes([frame[22], frame[23]]),
        }
    }
}

/// How far `durable` is behind `at`, as [`Header::behind`] says it.
#[inline]
pub(crate) fn behind(at: u64, durable: u64) -> u16 {
    let units = at.saturating_sub(durable).div_ceil(BEHIND_UNIT);
    u16::try_from(units).unwrap_or(BEHIND_UNKNOWN)
}

/// The part of every checksum of a segment that says which segment of which log it is.
pub(crate) fn seed(log_id: u64, segment_index: u64) -> u32 {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&log_id.to_le_bytes());
    bytes[8..].copy_from_slice(&segment_index.to_le_bytes());
    crc32c(&bytes)
}

/// The checksum of `frame`, which begins at `offset` of a segment with this [`seed`].
///
/// Seed, offset and length are folded in by exclusive or: the same bytes at two offsets of a segment
/// never have the same checksum, and the hot path pays no second pass.
#[inline]
fn checksum(frame: &[u8], offset: u32, length: u32, seed: u32) -> u32 {
    crc32c(&frame[8..]) ^ seed ^ offset ^ length.rotate_left(16)
}

/// Writes everything of a frame's header but its length, which is published separately, and last.
///
/// `frame` is the whole frame with its payload in place, `offset` where it begins in its segment.
#[inline]
pub(crate) fn finish(frame: &mut [u8], offset: u32, length: u32, seed: u32, header: Header) {
    header.write(frame);
    let checksum = checksum(frame, offset, length, seed);
    frame[4..8].copy_from_slice(&checksum.to_le_bytes());
}

/// Why bytes are not a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameFault {
    /// The length is zero: nothing was written here.
    Zero,
    /// No frame has this length at this place.
    Length(u32),
    /// The bytes are not those that were written.
    Checksum {
        /// What the frame says.
        stored: u32,
        /// What its bytes give.
        computed: u32,
    },
    /// The checksum holds, but no frame is like this: another version wrote it, or we have a bug.
    Kind {
        /// The kind byte.
        kind: u8,
        /// The flags byte.
        flags: u8,
    },
    /// A good frame, but not the one that comes next.
    Sequence(u64),
    /// The file ends before the segment does.
    FileEnds,
}

impl std::fmt::Display for FrameFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            FrameFault::Zero => write!(f, "nothing is written here"),
            FrameFault::Length(length) => write!(f, "length {length} is impossible here"),
            FrameFault::Checksum { stored, computed } => {
                write!(f, "checksum is {stored:08x}, the bytes give {computed:08x}")
            }
            FrameFault::Kind { kind, flags } => write!(f, "unknown kind {kind} or flags {flags}"),
            FrameFault::Sequence(found) => write!(f, "sequence {found} does not come next"),
            FrameFault::FileEnds => write!(f, "the file ends here"),
        }
    }
}

/// Checks the frame at `offset` of `segment`, given its length as it was loaded; returns its header.
#[inline]
pub(crate) fn check(
    segment: &[u8],
    offset: u32,
    length: u32,
    seed: u32,
) -> Result<Header, FrameFault> {
    if length == 0 {
        return Err(FrameFault::Zero);
    }
    let from = offset as usize;
    let frame = match segment.get(from..from + length as usize) {
        Some(frame)
            if length >= HEADER_BYTES && length.is_multiple_of(8) && length <= FRAME_BYTES_MAX =>
        {
            frame
        }
        _ => return Err(FrameFault::Length(length)),
    };
    let stored = u32_at(frame, 4);
    let computed = checksum(frame, offset, length, seed);
    if stored != computed {
        return Err(FrameFault::Checksum { stored, computed });
    }
    let header = Header::read(frame);
    let known = match header.kind {
        KIND_TURN => header.flags <= FLAG_FIRST | FLAG_LAST,
        KIND_SEAL => header.flags == 0 && length == HEADER_BYTES,
        _ => false,
    };
    if !known {
        return Err(FrameFault::Kind { kind: header.kind, flags: header.flags });
    }
    Ok(header)
}

/// One frame, as a reader sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Where it begins.
    pub position: Position,
    /// Sequence of its turn.
    pub sequence: u64,
    /// The term of the leader that wrote it; 0 without replication.
    pub term: u32,
    /// Whether a turn begins with it.
    pub first: bool,
    /// Whether a turn ends with it.
    pub last: bool,
    /// The records: a multiple of eight bytes.
    pub payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Where the frame ends: where the next one begins, unless that is in the next segment.
    #[must_use]
    pub fn end(&self) -> Position {
        Position(self.position.0 + u64::from(HEADER_BYTES) + self.payload.len() as u64)
    }

    #[inline]
    pub(crate) fn read(position: Position, frame: &'a [u8]) -> Frame<'a> {
        let header = Header::read(frame);
        Frame {
            position,
            sequence: header.sequence,
            term: header.term,
            first: header.is_first(),
            last: header.is_last(),
            payload: &frame[HEADER_BYTES as usize..],
        }
    }
}

#[inline]
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut raw = [0; 4];
    raw.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(raw)
}

#[inline]
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut raw = [0; 8];
    raw.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(raw)
}
