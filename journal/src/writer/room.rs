//! What can be appended without waiting, and what should be.

use super::Writer;
use crate::{preparer, segment};

impl Writer {
    /// Bytes that can be appended without waiting for the [`crate::Preparer`]: the rest of this
    /// segment and those made ahead.
    ///
    /// A frame takes 24 bytes more than its records, and the end of each segment may stay unused for
    /// up to one record; leave a margin.
    #[must_use]
    #[inline]
    pub fn room(&self) -> u64 {
        let ahead = u64::from(self.frames_end() - segment::HEADER_BYTES);
        u64::from(self.frames_end().saturating_sub(self.at))
            + u64::from(self.shared.ready_count()) * ahead
    }

    /// Has the [`crate::Preparer`] keep room for a turn of `turn_bytes`, as [`Writer::room`] counts them. Returns
    /// what it can come to, which is less only where the segments are small.
    ///
    /// A turn that is begun without the room waits for it in [`crate::Turn::space`], and for ever if there is none.
    #[inline]
    pub fn want(&mut self, turn_bytes: u64) -> u64 {
        // Looked at again when it has changed by an eighth of a segment.
        let step = u64::from(self.segment_bytes() / 8);
        if turn_bytes.abs_diff(self.wanted) > step {
            self.want_segments(turn_bytes);
        }
        turn_bytes.min(self.room_max)
    }

    #[cold]
    fn want_segments(&mut self, turn_bytes: u64) {
        self.wanted = turn_bytes;
        let step = u64::from(self.segment_bytes() / 8);
        let ahead = preparer::ahead_for(turn_bytes + step, self.segment_bytes());
        if ahead != self.shared.ahead() {
            self.shared.want(ahead);
        }
    }
}
