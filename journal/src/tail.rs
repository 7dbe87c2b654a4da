//! Following the log: from the live mapping, or from disk for whoever is far behind.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FlockOperation, OFlags};
use rustix::io::Errno;

use crate::error::{HeaderFault, ReadError};
use crate::frame::{self, Frame, FrameFault, HEADER_BYTES, Header, KIND_SEAL, u32_at};
use crate::log::{Position, Shared};
use crate::mmap::{ReadMap, Window};
use crate::order::Order;
use crate::scan::{self, Proof};
use crate::segment::{self, SegmentHeader};

/// A reader in the venue's process, with a cursor of its own. It cannot slow the writer down.
#[derive(Debug)]
pub struct Tail {
    shared: Arc<Shared>,
    source: Source,
    /// Index of the segment that `offset` is in.
    index: u64,
    /// Position of its byte 0.
    base: u64,
    offset: u32,
    order: Order,
}

#[derive(Debug)]
enum Source {
    /// The segment is not looked up yet.
    None,
    Live(Window),
    Disk(DiskSegment),
}

/// A segment on disk, mapped; its header was checked.
#[derive(Debug)]
pub(crate) struct DiskSegment {
    pub(crate) map: ReadMap,
    pub(crate) file: PathBuf,
    pub(crate) seed: u32,
}

impl DiskSegment {
    pub(crate) fn open(shared: &Shared, index: u64) -> Result<DiskSegment, ReadError> {
        let file = segment::path(&shared.dir, index);
        let mapped = map_segment(&file, index).map_err(|error| shared.gone(index, error));
        let (map, header) = mapped?;
        let Some(header) = header else {
            return Err(ReadError::Header { file, why: HeaderFault::Blank });
        };
        check_header(&file, &header, shared.log_id, shared.geometry.segment_bytes)?;
        Ok(DiskSegment { map, file, seed: frame::seed(shared.log_id, index) })
    }

    /// The frame at `offset`: its length and header.
    #[inline]
    pub(crate) fn check(&self, offset: u32) -> Result<Checked, ReadError> {
        check_frame(&self.map, &self.file, offset, self.seed)
    }
}

/// Length and header of a frame, or what is wrong with it.
pub(crate) type Checked = Result<(u32, Header), FrameFault>;

/// Gets and checks the frame at `offset` of a mapped segment.
#[inline]
pub(crate) fn check_frame(
    map: &ReadMap,
    file: &Path,
    offset: u32,
    seed: u32,
) -> Result<Checked, ReadError> {
    let length = map.frame(offset).map_err(|error| unread(file, error))?;
    let Some(length) = length else { return Ok(Err(FrameFault::FileEnds)) };
    Ok(frame::check(map.bytes(), offset, length, seed).map(|header| (length, header)))
}

/// The disk did not give bytes of a file.
#[cold]
pub(crate) fn unread(file: &Path, error: io::Error) -> ReadError {
    ReadError::Io { doing: "read", file: file.to_path_buf(), error }
}

/// Bytes of a mapped segment from `from` to the last one that is not zero.
pub(crate) fn dirty(map: &ReadMap, file: &Path, from: u32) -> Result<u64, ReadError> {
    scan::dirty(map, from).map_err(|error| unread(file, error))
}

/// All bytes of a mapped segment.
pub(crate) fn all<'m>(map: &'m ReadMap, file: &Path) -> Result<&'m [u8], ReadError> {
    map.all().map_err(|error| unread(file, error))
}

/// Maps a segment's file and reads its header, `None` if it was not begun.
pub(crate) fn map_segment(
    file: &Path,
    index: u64,
) -> Result<(ReadMap, Option<SegmentHeader>), ReadError> {
    let mut map = map_file(file)?;
    // Who looks at the heads of all segments does not want megabytes around each from the disk.
    map.read_places();
    let head = segment::HEADER_BYTES as usize;
    map.have(0, head).map_err(|error| unread(file, error))?;
    let header = SegmentHeader::read(&map.bytes()[..head.min(map.len())], file)?;
    map.read_around();
    // A live segment grows while it is made, and may have been begun since it was mapped.
    if header.as_ref().is_some_and(|header| map.len() < header.segment_bytes as usize) {
        map = map_file(file)?;
    }
    if let Some(header) = &header
        && header.index != index
    {
        let (file, why) = (file.to_path_buf(), HeaderFault::Index(header.index));
        return Err(ReadError::Header { file, why });
    }
    Ok((map, header))
}

/// As [`map_segment`], for one of the log `log_id`: where the write that began it broke off in its header,
/// it was not begun, unless a frame in it says that its beginning was synced.
pub(crate) fn map_begun(
    file: &Path,
    index: u64,
    log_id: u64,
) -> Result<(ReadMap, Option<SegmentHeader>), ReadError> {
    let error = match map_segment(file, index) {
        Err(error @ ReadError::Header { why: HeaderFault::Torn, .. }) => error,
        other => return other,
    };
    let map = map_file(file)?;
    // Where the segment lies does not matter: both places are counted from its beginning, one length of it away from 0.
    let base = u64::from(segment::SEGMENT_BYTES_MAX);
    let proof = Proof { sequence: 0, position: base, may_be_torn: true };
    if proof.search(all(&map, file)?, segment::HEADER_BYTES, base, frame::seed(log_id, index)) {
        return Err(error);
    }
    Ok((map, None))
}

/// Keeps the live segment in `file` from being used again for a later one, by a venue in another process, until what is returned is
/// dropped.
pub(crate) fn hold_live(file: &Path) -> Result<File, ReadError> {
    let told = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => ReadError::SegmentMissing { file: file.to_path_buf() },
        _ => ReadError::Io { doing: "hold", file: file.to_path_buf(), error },
    };
    // A pipe of this name would keep us waiting for ever.
    #[allow(clippy::cast_possible_wrap)] // Flags.
    let flags = OFlags::NONBLOCK.bits() as i32;
    let held = OpenOptions::new().read(true).custom_flags(flags).open(file).map_err(told)?;
    match rustix::fs::flock(&held, FlockOperation::NonBlockingLockShared) {
        Ok(()) => {}
        // The venue is taking it away: it is on the disk.
        Err(Errno::WOULDBLOCK) => {
            return Err(ReadError::SegmentMissing { file: file.to_path_buf() });
        }
        Err(error) => return Err(told(error.into())),
    }
    // It may have got another name before it was locked.
    let (named, found) = (std::fs::metadata(file).map_err(told)?, held.metadata().map_err(told)?);
    if (named.dev(), named.ino()) != (found.dev(), found.ino()) {
        return Err(ReadError::SegmentMissing { file: file.to_path_buf() });
    }
    Ok(held)
}

/// Maps a segment's file, whatever is in it.
pub(crate) fn map_file(file: &Path) -> Result<ReadMap, ReadError> {
    let opened = ReadMap::open(file, u64::from(segment::SEGMENT_BYTES_MAX));
    opened.map_err(|error| {
        let file = file.to_path_buf();
        match error.kind() {
            io::ErrorKind::NotFound => ReadError::SegmentMissing { file },
            _ => ReadError::Io { doing: "open", file, error },
        }
    })
}

/// Checks that a segment is of this log.
pub(crate) fn check_header(
    file: &Path,
    header: &SegmentHeader,
    log_id: u64,
    segment_bytes: u32,
) -> Result<(), ReadError> {
    let file = file.to_path_buf();
    if header.log_id != log_id {
        return Err(ReadError::OtherLog { file, found: header.log_id, expected: log_id });
    }
    if header.segment_bytes != segment_bytes {
        let why = HeaderFault::SegmentBytes(header.segment_bytes);
        return Err(ReadError::Header { file, why });
    }
    Ok(())
}

/// An error if segment `index`, which follows a sealed one, has no whole file on disk: a segment is made
/// before the one in front of it is sealed.
pub(crate) fn deny_unmade(dir: &Path, index: u64, segment_bytes: u32) -> Result<(), ReadError> {
    let file = segment::path(dir, index);
    match std::fs::metadata(&file) {
        Ok(found) if found.len() == u64::from(segment_bytes) => Ok(()),
        Ok(_) => Err(ReadError::Header { file, why: HeaderFault::Short }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(ReadError::SegmentMissing { file })
        }
        Err(error) => Err(ReadError::Io { doing: "look at", file, error }),
    }
}

/// Where a frame lies in its segment.
#[derive(Clone, Copy, Debug)]
struct Span {
    from: u32,
    to: u32,
}

impl Tail {
    pub(crate) fn new(shared: Arc<Shared>, from: Position) -> Tail {
        let (index, offset) = shared.geometry.split(from.0);
        let base = shared.geometry.base(index);
        Tail { shared, source: Source::None, index, base, offset, order: Order::UNKNOWN }
    }

    /// Where the next frame begins, or where the last one ended.
    #[must_use]
    #[inline]
    pub fn position(&self) -> Position {
        Position(self.base + u64::from(self.offset))
    }

    /// The next frame, if it is committed and ends at or before `limit`; `None` if there is none yet.
    ///
    /// `limit` is [`Log::committed`](crate::Log::committed), [`Log::durable`](crate::Log::durable) or
    /// another place where a turn ends; the frames of one turn come all or not at all then.
    ///
    /// # Errors
    ///
    /// If the segment has left the live log and cannot be read from disk; [`ReadError::Gone`] if it has left
    /// that too. The same call gives the same error again.
    #[inline]
    pub fn next(&mut self, limit: Position) -> Result<Option<Frame<'_>>, ReadError> {
        let Some(Span { from, to }) = self.advance(limit)? else {
            return Ok(None);
        };
        let bytes = match &self.source {
            Source::Live(window) => window.bytes(from, to),
            Source::Disk(disk) => &disk.map.bytes()[from as usize..to as usize],
            Source::None => &[],
        };
        Ok(Some(Frame::read(Position(self.base + u64::from(from)), bytes)))
    }

    #[inline]
    fn advance(&mut self, limit: Position) -> Result<Option<Span>, ReadError> {
        loop {
            if self.position() >= limit {
                return Ok(None);
            }
            let from = self.offset;
            if from + HEADER_BYTES > self.shared.geometry.segment_bytes {
                if self.position().0 >= self.shared.committed.get() {
                    return Ok(None);
                }
                self.next_segment();
                continue;
            }
            let (length, header) = match &mut self.source {
                Source::Live(window) => {
                    if window.readable(from + HEADER_BYTES) < from + HEADER_BYTES {
                        return Ok(None);
                    }
                    let bytes = window.bytes(from, from + HEADER_BYTES);
                    (u32_at(bytes, 0), Header::read(bytes))
                }
                Source::Disk(disk) => match disk.check(from)? {
                    Ok(found) => found,
                    Err(why) => return Err(self.corrupt(why)),
                },
                Source::None => {
                    if !self.look_up()? {
                        return Ok(None);
                    }
                    continue;
                }
            };
            if header.kind == KIND_SEAL {
                self.next_segment();
                continue;
            }
            let to = from + length;
            if self.base + u64::from(to) > limit.0 {
                return Ok(None);
            }
            if let Source::Live(window) = &mut self.source
                && window.readable(to) < to
            {
                return Ok(None);
            }
            if let Err(why) = self.order.take(header) {
                return Err(self.corrupt(why));
            }
            self.offset = to;
            return Ok(Some(Span { from, to }));
        }
    }

    fn next_segment(&mut self) {
        self.index += 1;
        self.base = self.shared.geometry.base(self.index);
        self.offset = segment::HEADER_BYTES;
        self.source = Source::None;
    }

    /// Finds the bytes of the segment; `false` if nothing is committed in it yet.
    #[cold]
    fn look_up(&mut self) -> Result<bool, ReadError> {
        if self.position().0 >= self.shared.committed.get() {
            return Ok(false);
        }
        self.source = match self.shared.live_segment(self.index) {
            Some(map) => Source::Live(Window::new(map)),
            None => {
                let disk = DiskSegment::open(&self.shared, self.index)?;
                disk.map.read_ahead();
                Source::Disk(disk)
            }
        };
        Ok(true)
    }

    #[cold]
    fn corrupt(&self, why: FrameFault) -> ReadError {
        ReadError::Corrupt {
            file: match &self.source {
                Source::Disk(disk) => disk.file.clone(),
                _ => segment::path(&self.shared.live_dir, self.index),
            },
            offset: self.offset,
            position: self.position().0,
            sequence: self.order.next.unwrap_or(0),
            why,
        }
    }
}
