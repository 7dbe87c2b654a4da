//! Single frames by their position, however old.

use std::sync::Arc;

use crate::error::ReadError;
use crate::frame::{self, Frame, HEADER_BYTES, KIND_TURN, u32_at};
use crate::log::{Position, Shared};
use crate::mmap::Window;
use crate::segment;
use crate::tail::{DiskSegment, unread};

/// Segments on disk that stay mapped. A mapping costs address space, not memory.
const SEGMENTS_MAX: usize = 16;

/// Random access to the frames of a log, in the venue's process.
#[derive(Debug)]
pub struct Archive {
    shared: Arc<Shared>,
    /// The live segment that was read last.
    live: Option<Window>,
    /// Segments on disk, the one used last first.
    disk: Vec<(u64, DiskSegment)>,
}

impl Archive {
    pub(crate) fn new(shared: Arc<Shared>) -> Archive {
        Archive { shared, live: None, disk: Vec::new() }
    }

    /// The frame that begins at `at`. Its checksum is checked.
    ///
    /// # Errors
    ///
    /// [`ReadError::NoFrame`] if none begins there, or none that is committed; [`ReadError::Gone`] if its
    /// segment is not there any more; any other if the segment on disk cannot be read.
    pub fn frame(&mut self, at: Position) -> Result<Frame<'_>, ReadError> {
        let no_frame = ReadError::NoFrame { position: at.0 };
        let (index, offset) = self.shared.geometry.split(at.0);
        let base = self.shared.geometry.base(index);
        let committed = self.shared.committed.get();
        let fits = offset + HEADER_BYTES <= self.shared.geometry.segment_bytes;
        if at.0 != base + u64::from(offset) || !offset.is_multiple_of(8) || !fits {
            return Err(no_frame);
        }
        if at.0 + u64::from(HEADER_BYTES) > committed {
            return Err(no_frame);
        }
        let live = self.shared.live_segment(index);
        let (bytes, seed) = match live {
            Some(map) => {
                let mut window = match self.live.take() {
                    Some(window) if window.map().index() == index => window,
                    _ => Window::new(map),
                };
                let readable = window.readable(self.shared.geometry.segment_bytes);
                let window = self.live.insert(window);
                (window.bytes(0, readable), frame::seed(self.shared.log_id, index))
            }
            None => {
                // Not to keep the memory of a segment that has left the live log.
                self.live = None;
                let disk = self.disk_segment(index)?;
                let length = disk.map.frame(offset).map_err(|error| unread(&disk.file, error))?;
                if length.is_none() {
                    return Err(no_frame);
                }
                (disk.map.bytes(), disk.seed)
            }
        };
        if bytes.len() < (offset + HEADER_BYTES) as usize {
            return Err(no_frame);
        }
        let length = u32_at(bytes, offset as usize);
        match frame::check(bytes, offset, length, seed) {
            Ok(header) if header.kind == KIND_TURN => {
                Ok(Frame::read(at, &bytes[offset as usize..(offset + length) as usize]))
            }
            _ => Err(no_frame),
        }
    }

    fn disk_segment(&mut self, index: u64) -> Result<&DiskSegment, ReadError> {
        match self.disk.iter().position(|(held, _)| *held == index) {
            Some(at) => self.disk[..=at].rotate_right(1),
            None => {
                let segment = DiskSegment::open(&self.shared, index)?;
                self.disk.truncate(SEGMENTS_MAX - 1);
                self.disk.insert(0, (index, segment));
            }
        }
        Ok(&self.disk[0].1)
    }
}

const _: () = assert!(segment::HEADER_BYTES >= HEADER_BYTES);
