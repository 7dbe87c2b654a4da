//! Appending: one turn at a time, straight into the mapping.

mod room;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::Position;
use crate::frame::{
    self, FLAG_FIRST, FLAG_LAST, FRAME_BYTES_MAX, HEADER_BYTES, Header, KIND_SEAL, KIND_TURN,
};
use crate::log::Shared;
use crate::mmap::LiveWriter;
use crate::preparer;
use crate::segment::{self, SegmentHeader};

/// The longest record that [`Turn::space`] gives room for. Unit: bytes.
///
/// In segments of the smallest size a little less: a record never spans segments.
pub const RECORD_BYTES_MAX: usize = 64 << 10;

/// The one writer of a log.
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    /// The segment being written; its frontier is where the last turn ended.
    segment: LiveWriter,
    /// Of the checksums in `segment`.
    seed: u32,
    /// Position of byte 0 of `segment`.
    base: u64,
    /// Sequence of the open turn, or of the last one.
    sequence: u64,
    /// Whether a turn is open.
    open: bool,
    /// Where the open frame begins in `segment`.
    frame: u32,
    /// Where its next record goes; past the end of the segment if not even a header has room.
    at: u32,
    /// How far it may go.
    limit: u32,
    /// The turn's first frame, once it is closed: it is published last.
    first_closed: Option<ClosedFrame>,
    /// Segments before `segment` that the open turn has bytes in.
    earlier: Vec<EarlierSegment>,
    /// Where the open turn's bytes begin in the first of its segments.
    turn_from: u32,
    /// Bytes that a turn may need, as they were told last.
    wanted: u64,
    /// What room there can be at most, whatever is wanted.
    room_max: u64,
}

#[derive(Clone, Copy, Debug)]
struct ClosedFrame {
    at: u32,
    length: u32,
}

#[derive(Debug)]
struct EarlierSegment {
    segment: LiveWriter,
    /// Where its used bytes end.
    used: u32,
}

impl Writer {
    /// A writer that goes on after `sequence`, which ended at the frontier of `segment`.
    pub(crate) fn new(shared: Arc<Shared>, segment: LiveWriter, sequence: u64) -> Writer {
        let index = segment.map().index();
        let segment_bytes = shared.geometry.segment_bytes;
        Writer {
            seed: frame::seed(shared.log_id, index),
            base: shared.geometry.base(index),
            frame: 0,
            at: segment.frontier(),
            limit: 0,
            segment,
            sequence,
            open: false,
            first_closed: None,
            earlier: Vec::new(),
            turn_from: 0,
            wanted: 0,
            room_max: u64::from(preparer::ahead_max(segment_bytes) - 1)
                * u64::from(segment_bytes - segment_bytes / 8),
            shared,
        }
    }

    /// Begins the turn `sequence`.
    ///
    /// # Panics
    ///
    /// If it does not follow the last one.
    #[inline]
    pub fn begin(&mut self, sequence: u64) -> Turn<'_> {
        if self.open {
            // A `Turn` that was leaked instead of dropped.
            self.abort();
        }
        assert!(sequence == self.sequence + 1);
        self.sequence = sequence;
        self.open = true;
        self.turn_from = self.segment.frontier().max(segment::HEADER_BYTES);
        self.open_frame(self.turn_from);
        Turn { writer: self }
    }

    /// Sequence of the last committed turn, 0 before the first.
    #[must_use]
    pub fn last_sequence(&self) -> u64 {
        self.sequence - u64::from(self.open)
    }

    /// Bytes of a segment.
    #[must_use]
    pub fn segment_bytes(&self) -> u32 {
        self.shared.geometry.segment_bytes
    }

    /// How far frames of turns go: a seal has room behind them, so that a segment that was left says so.
    #[inline]
    fn frames_end(&self) -> u32 {
        self.segment_bytes() - HEADER_BYTES
    }

    #[inline]
    fn open_frame(&mut self, at: u32) {
        self.frame = at;
        self.at = at + HEADER_BYTES;
        self.limit = self.frames_end().min(at + FRAME_BYTES_MAX);
    }

    /// Closes the open frame if it has records, and opens one with room for a record of `len` bytes.
    #[cold]
    fn next_frame(&mut self, len: u32) {
        let has_records = self.at > self.frame + HEADER_BYTES;
        if !has_records {
            // Nothing of the turn is here yet: leave the segment for good.
            let (ended, used) = self.next_segment(self.frame, self.sequence);
            end_segment(ended, used);
            self.turn_from = segment::HEADER_BYTES;
            return;
        }
        self.close_frame(0);
        if self.at + HEADER_BYTES + len <= self.frames_end() {
            self.open_frame(self.at);
            return;
        }
        let (segment, used) = self.next_segment(self.at, self.sequence + 1);
        self.earlier.push(EarlierSegment { segment, used });
    }

    /// Goes on in the next segment, in which `first_sequence` is the first turn to begin; ends this
    /// one at `at`. Returns it, and where its used bytes end.
    fn next_segment(&mut self, at: u32, first_sequence: u64) -> (LiveWriter, u32) {
        let mut next = self.shared.wait_for_segment();
        let index = next.map().index();
        let base = self.shared.geometry.base(index);
        assert!(base == self.base + u64::from(self.segment_bytes()));
        let header = SegmentHeader {
            record_version: self.shared.record_version,
            segment_bytes: self.segment_bytes(),
            log_id: self.shared.log_id,
            index,
            first_sequence,
        };
        let mut bytes = [0; segment::HEADER_BYTES as usize];
        header.write(&mut bytes);
        // A reader in another process believes the header once its first word is there.
        next.slot(4, segment::HEADER_BYTES).copy_from_slice(&bytes[4..]);
        next.publish(0, frame::u32_at(&bytes, 0));
        let used = self.seal(at);
        let ended = std::mem::replace(&mut self.segment, next);
        self.base = base;
        self.seed = frame::seed(self.shared.log_id, index);
        self.open_frame(segment::HEADER_BYTES);
        (ended, used)
    }

    /// Says in the segment that it ends at `at`; returns where its used bytes end.
    fn seal(&mut self, at: u32) -> u32 {
        // What an older release left full without room for a seal is understood.
        if at + HEADER_BYTES > self.segment_bytes() {
            return at;
        }
        let header = self.header(at, KIND_SEAL, 0);
        let bytes = self.segment.slot(at, at + HEADER_BYTES);
        frame::finish(bytes, at, HEADER_BYTES, self.seed, header);
        self.segment.publish(at, HEADER_BYTES);
        at + HEADER_BYTES
    }

    #[inline]
    fn header(&self, at: u32, kind: u8, flags: u8) -> Header {
        let behind = frame::behind(self.base + u64::from(at), self.shared.durable.get());
        Header { sequence: self.sequence, term: 0, kind, flags, behind }
    }

    /// Fills in the header of the open frame, but for its length.
    #[inline]
    fn finish_frame(&mut self, flags: u8) -> ClosedFrame {
        let closed = ClosedFrame { at: self.frame, length: self.at - self.frame };
        let header = self.header(self.frame, KIND_TURN, flags);
        let bytes = self.segment.slot(self.frame, self.at);
        frame::finish(bytes, closed.at, closed.length, self.seed, header);
        closed
    }

    /// Closes the open frame; publishes its length unless it is the turn's first.
    fn close_frame(&mut self, flags: u8) {
        if self.first_closed.is_none() {
            self.first_closed = Some(self.finish_frame(flags | FLAG_FIRST));
        } else {
            let ClosedFrame { at, length } = self.finish_frame(flags);
            self.segment.publish(at, length);
        }
    }

    #[inline]
    fn commit(&mut self) -> Position {
        if self.at > self.frames_end() {
            self.next_frame(0);
        }
        if self.first_closed.is_none() {
            let (at, upto, seed) = (self.frame, self.at, self.seed);
            let header = self.header(at, KIND_TURN, FLAG_FIRST | FLAG_LAST);
            self.segment.commit_frame(at, upto, |bytes| {
                frame::finish(bytes, at, upto - at, seed, header);
            });
        } else {
            self.publish_frames();
            self.segment.commit(self.at);
        }
        self.open = false;
        let committed = self.base + u64::from(self.at);
        self.shared.control.set_committed(committed);
        Position(committed)
    }

    /// The last of several frames: the length of the first one is published after everything else.
    #[cold]
    fn publish_frames(&mut self) {
        self.close_frame(FLAG_LAST);
        let segment = match self.earlier.first_mut() {
            Some(earlier) => &mut earlier.segment,
            None => &mut self.segment,
        };
        if let Some(ClosedFrame { at, length }) = self.first_closed.take() {
            segment.publish(at, length);
        }
        for earlier in self.earlier.drain(..) {
            end_segment(earlier.segment, earlier.used);
        }
    }

    /// Makes the open turn never have been: its bytes are zero again, its segments ready again.
    #[cold]
    fn abort(&mut self) {
        self.open = false;
        self.sequence -= 1;
        self.first_closed = None;
        let mut used = self.at.min(self.segment_bytes());
        while let Some(earlier) = self.earlier.pop() {
            self.segment.slot(0, used).fill(0);
            used = earlier.used;
            let segment = std::mem::replace(&mut self.segment, earlier.segment);
            self.shared.unread_ready(segment);
        }
        let index = self.segment.map().index();
        self.base = self.shared.geometry.base(index);
        self.seed = frame::seed(self.shared.log_id, index);
        let from = self.turn_from.min(used);
        self.segment.slot(from, used).fill(0);
        self.at = self.segment.frontier();
    }
}

/// Tells the syncer how much of a segment there is to copy.
fn end_segment(segment: LiveWriter, used: u32) {
    // The syncer looks at these only after it saw a `committed` beyond the segment, which is stored
    // later, with Release.
    segment.map().turn_end.store(segment.frontier(), Ordering::Relaxed);
    segment.map().used.store(used, Ordering::Relaxed);
}

/// A turn being written. Dropped without [`Turn::commit`] it never was.
#[derive(Debug)]
#[must_use = "a turn that is not committed is dropped"]
pub struct Turn<'a> {
    writer: &'a mut Writer,
}

impl Turn<'_> {
    /// Room for the next record of `len` bytes, a multiple of eight up to [`RECORD_BYTES_MAX`],
    /// straight in the mapping. Write all of it.
    ///
    /// Opens a further frame or segment where needed; waits, yielding, if no segment is ready.
    ///
    /// # Panics
    ///
    /// If `len` is not as said, or no segment is ready and none will be because the journal failed.
    #[inline]
    pub fn space(&mut self, len: usize) -> &mut [u8] {
        assert!(len.is_multiple_of(8) && len <= RECORD_BYTES_MAX);
        #[allow(clippy::cast_possible_truncation)] // At most RECORD_BYTES_MAX.
        let len = len as u32;
        let writer = &mut *self.writer;
        if writer.at + len > writer.limit {
            writer.next_frame(len);
            assert!(writer.at + len <= writer.limit);
        }
        let from = writer.at;
        writer.at = from + len;
        writer.segment.slot(from, from + len)
    }

    /// Publishes the turn, whole; returns the committed cursor from now on: where the turn ends.
    ///
    /// # Panics
    ///
    /// As [`Turn::space`], if the turn has no record and its segment no room for a header.
    #[inline]
    pub fn commit(self) -> Position {
        // `drop` sees that no turn is open any more.
        self.writer.commit()
    }
}

impl Drop for Turn<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.writer.open {
            self.writer.abort();
        }
    }
}
