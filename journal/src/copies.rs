//! Segments that are there twice, live and on disk: each copy checked by itself.
//!
//! [`Reader`](crate::Reader) takes the live one where there is one, so it sees nothing of what is wrong
//! with the other. A disk that went bad is found here before the live copy is unlinked.

use std::path::{Path, PathBuf};

use crate::control::Control;
use crate::error::ReadError;
use crate::frame::{self, FrameFault};
use crate::order::Order;
use crate::scan::{Stop, walk};
use crate::segment::{self, Geometry};
use crate::tail::{all, check_header, hold_live, map_begun};

/// Checks both copies of every segment that is in both folders, each as far as it must be whole: the
/// live one to the committed cursor, that on disk to the durable one. Says how many segments had two.
pub(crate) fn check(
    dir: &Path,
    live_dir: &Path,
    control: &Control,
    geometry: Geometry,
) -> Result<u64, ReadError> {
    let mut both = 0;
    for index in segment::list(live_dir)? {
        let base = geometry.base(index);
        if control.durable.0 <= base + u64::from(segment::HEADER_BYTES) {
            break;
        }
        let look =
            |folder, until: u64| Copy { folder, index, until }.look(control.log_id, geometry);
        let held = hold_live(&segment::path(live_dir, index));
        let live = match held.and_then(|held| Ok((held, look(live_dir, control.committed.0)?))) {
            // Taken away just now: it is durable and behind, and the disk has it.
            Err(ReadError::SegmentMissing { .. }) => continue,
            live => live?.1,
        };
        let disk = look(dir, control.durable.0)?;
        both += 1;
        match (disk, live) {
            (None, None) => {}
            (Some(bad), other) => return Err(bad.told(segment::path(live_dir, index), other)),
            (None, Some(bad)) => return Err(bad.told(segment::path(dir, index), None)),
        }
    }
    Ok(both)
}

/// One copy of a segment, good before the position `until`.
struct Copy<'a> {
    folder: &'a Path,
    index: u64,
    until: u64,
}

/// The first bad place of a copy.
struct Bad {
    file: PathBuf,
    offset: u32,
    position: u64,
    sequence: u64,
    why: FrameFault,
}

impl Copy<'_> {
    fn look(&self, log_id: u64, geometry: Geometry) -> Result<Option<Bad>, ReadError> {
        let file = segment::path(self.folder, self.index);
        let (map, header) = map_begun(&file, self.index, log_id)?;
        let Some(header) = header else {
            return Err(ReadError::Header { file, why: crate::HeaderFault::Blank });
        };
        check_header(&file, &header, log_id, geometry.segment_bytes)?;
        // A turn of the segment before may go on in it: its sequence is not known here.
        let (mut order, mut sequence) = (Order::UNKNOWN, header.first_sequence);
        let (bytes, seed) = (all(&map, &file)?, frame::seed(log_id, self.index));
        let from = segment::HEADER_BYTES;
        let stop = walk(bytes, geometry.segment_bytes, from, seed, &mut order, |_, order| {
            sequence = order.next.unwrap_or(sequence);
        });
        let Stop::Fault(offset, why) = stop else { return Ok(None) };
        let position = geometry.base(self.index) + u64::from(offset);
        let bad = Bad { file, offset, position, sequence, why };
        Ok((position < self.until).then_some(bad))
    }
}

impl Bad {
    fn told(self, other: PathBuf, other_bad: Option<Bad>) -> ReadError {
        let Bad { file, offset, position, sequence, why } = self;
        let other_bad = other_bad.map(|bad| (bad.offset, bad.why));
        ReadError::Copy { file, offset, position, sequence, why, other, other_bad }
    }
}
