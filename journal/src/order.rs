//! The order of frames: turns follow one another without a gap, the frames of one without another's
//! between them.

use crate::frame::{FrameFault, Header};

/// What comes next, seen from one place of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    /// Sequence of the turn that is open or comes next; `None` before the first frame after a jump.
    pub(crate) next: Option<u64>,
    /// Whether that turn has begun.
    pub(crate) open: bool,
}

impl Order {
    /// After a jump: whatever comes first is believed.
    pub(crate) const UNKNOWN: Order = Order { next: None, open: false };

    /// Between turns.
    pub(crate) const fn before(sequence: u64) -> Order {
        Order { next: Some(sequence), open: false }
    }

    /// Takes the next frame of a turn.
    #[inline]
    pub(crate) fn take(&mut self, header: Header) -> Result<(), FrameFault> {
        let fits = match self.next {
            Some(next) => header.sequence == next && header.is_first() != self.open,
            None => true,
        };
        // No log gets there; a forged one must not overflow.
        if !fits || header.sequence == u64::MAX {
            return Err(FrameFault::Sequence(header.sequence));
        }
        self.open = !header.is_last();
        self.next = Some(if self.open { header.sequence } else { header.sequence + 1 });
        Ok(())
    }

    /// Sequence of the first turn that can begin in the next segment, if it is begun now.
    pub(crate) fn next_beginning(self) -> Option<u64> {
        self.next.map(|next| next + u64::from(self.open))
    }
}
