//! Looking at the end of a log: where the last whole turn ends, and whether what is wrong behind it is
//! a torn write or damage.

use crate::Position;
use crate::frame::{self, FrameFault, HEADER_BYTES, Header, KIND_SEAL, KIND_TURN};
use crate::mmap::{ReadMap, length_at};
use crate::order::Order;
use crate::segment;

/// Bytes at the end of a log that are not whole turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Where they begin: the end of the log.
    pub position: Position,
    /// From there to the last byte that is not zero.
    pub bytes: u64,
    /// What they are.
    pub why: CutReason,
}

/// What stands behind the last whole turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutReason {
    /// A turn that was never committed.
    Incomplete,
    /// A write that the end of the machine interrupted: what is first bad in it.
    Torn(FrameFault),
}

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Cut { position, bytes, why } = self;
        match why {
            CutReason::Incomplete => {
                write!(f, "incomplete turn of {bytes} bytes at position {position}")
            }
            CutReason::Torn(fault) => {
                write!(f, "torn write of {bytes} bytes at position {position}: {fault}")
            }
        }
    }
}

/// How the frames of a segment end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// By a seal: the log goes on in the next segment, or was about to.
    Sealed,
    /// Because no header has room: go on in the next segment.
    Full,
    /// At this offset something else stands than the frame that comes next.
    Fault(u32, FrameFault),
}

/// Takes frames of `bytes` from `offset` on in `order` and tells `seen` of each: offset behind it and
/// order after it.
pub(crate) fn walk(
    bytes: &[u8],
    segment_bytes: u32,
    mut offset: u32,
    seed: u32,
    order: &mut Order,
    mut seen: impl FnMut(u32, Order),
) -> Stop {
    loop {
        if offset + HEADER_BYTES > segment_bytes {
            return Stop::Full;
        }
        let Some(length) = length_at(bytes, offset) else {
            return Stop::Fault(offset, FrameFault::FileEnds);
        };
        let header = match frame::check(bytes, offset, length, seed) {
            Ok(header) => header,
            Err(why) => return Stop::Fault(offset, why),
        };
        if header.kind == KIND_SEAL {
            return Stop::Sealed;
        }
        if let Err(why) = order.take(header) {
            return Stop::Fault(offset, why);
        }
        offset += length;
        seen(offset, *order);
    }
}

/// What a good frame behind a bad place must say to prove that the place was good once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Proof {
    /// The turn that is expected at the bad place.
    pub(crate) sequence: u64,
    /// The bad place.
    pub(crate) position: u64,
    /// Whether the bytes come from a disk after a crash of the machine: writes of one batch reach it
    /// in any order then, and only a frame written after the place was synced proves anything.
    pub(crate) may_be_torn: bool,
}

impl Proof {
    /// Whether the frame `header` at position `at` proves it.
    ///
    /// Frames that continue the turn expected at the bad place do not: they are written before its
    /// first frame is published.
    fn holds(&self, header: Header, at: u64) -> bool {
        let later = header.kind == KIND_TURN
            && (header.sequence > self.sequence
                || header.sequence == self.sequence && header.is_first());
        later && (!self.may_be_torn || header.durable_before(at) > self.position)
    }

    /// Looks for a proof in `bytes` of the segment whose byte 0 has position `base`, from `offset` on
    /// at every place where a frame can begin.
    pub(crate) fn search(&self, bytes: &[u8], offset: u32, base: u64, seed: u32) -> bool {
        let mut at = offset.next_multiple_of(8);
        while let Some(length) = length_at(bytes, at) {
            // Most of what is behind the end is zero: cheap to pass.
            if length >= HEADER_BYTES
                && let Ok(header) = frame::check(bytes, at, length, seed)
            {
                if self.holds(header, base + u64::from(at)) {
                    return true;
                }
                at += length;
                continue;
            }
            at += 8;
        }
        false
    }
}

/// Whether somebody cut the file of a segment where its frames stop by `why`: files are made at their full
/// length before they are begun.
pub(crate) fn is_cut(bytes: &[u8], segment_bytes: u32, why: FrameFault) -> bool {
    why != FrameFault::Zero && bytes.len() < segment_bytes as usize
}

/// Bytes from `from` to the last one that is not zero.
pub(crate) fn dirty_bytes(bytes: &[u8], from: u32) -> u64 {
    let rest = bytes.get(from as usize..).unwrap_or(&[]);
    // Blocks first: the rest of a segment is zero almost always.
    let mut end = rest.len();
    while let Some(block) = end.checked_sub(4096).map(|start| &rest[start..end]) {
        if block != [0; 4096] {
            break;
        }
        end -= 4096;
    }
    rest[..end].iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1)
}

/// The same of a mapped file: only what is behind the last such byte is got from the disk.
pub(crate) fn dirty(map: &ReadMap, from: u32) -> std::io::Result<u64> {
    let from = from as usize;
    let mut end = map.len();
    while end > from {
        let start = ((end - 1) / LOOK_BYTES * LOOK_BYTES).max(from);
        map.have(start, end)?;
        let used = dirty_bytes(&map.bytes()[start..end], 0);
        if used > 0 {
            return Ok((start - from) as u64 + used);
        }
        end = start;
    }
    Ok(0)
}

/// How much of the disk is looked at at once. Unit: bytes.
const LOOK_BYTES: usize = 1 << 18;

/// Whether only a seal stands at `offset`: the log went on in the next segment, or was about to.
pub(crate) fn only_seal(bytes: &[u8], offset: u32, seed: u32) -> bool {
    let sealed = length_at(bytes, offset)
        .and_then(|length| frame::check(bytes, offset, length, seed).ok())
        .is_some_and(|header| header.kind == KIND_SEAL);
    sealed && dirty_bytes(bytes, offset + HEADER_BYTES) == 0
}

const _: () = assert!(segment::HEADER_BYTES.is_multiple_of(8));
