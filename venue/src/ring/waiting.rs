//! What waits in the ring can be looked at before it is taken.

use matcher::Wanted;
use matcher::record::{WANTED_BYTES, wanted};

use super::{CELL_BYTES, CELLS_MAX, Cell, Taken};

// All that is asked for stands in a request's first cell.
const _: () = assert!(WANTED_BYTES <= CELL_BYTES);

/// Requests that were looked at and not taken yet.
#[derive(Debug)]
pub(super) struct Shown {
    requests: usize,
    /// That they take.
    cells: usize,
}

impl Shown {
    pub(super) const NONE: Shown = Shown { requests: 0, cells: 0 };

    /// A request of so many cells was taken.
    pub(super) fn took(&mut self, cells: usize) {
        if self.requests > 0 {
            self.requests -= 1;
            self.cells -= cells;
        }
    }
}

impl Cell {
    /// The length of the request that begins here.
    pub(super) fn len(&self) -> usize {
        usize::from(u16::from_le_bytes([self.0[0], self.0[1]]))
    }

    /// The cells of the request that begins here.
    pub(super) fn cells(&self) -> usize {
        let cells = self.len().div_ceil(CELL_BYTES);
        assert!((1..=CELLS_MAX).contains(&cells), "a request of {} bytes in the ring", self.len());
        cells
    }
}

impl Taken {
    /// What the first request will want that waits and was not shown yet; none if there is no such, or if
    /// `requests_max` are shown that are not taken yet.
    pub(crate) fn show(&mut self, requests_max: usize) -> Option<Wanted> {
        if self.shown.requests >= requests_max {
            return None;
        }
        // Not committed, so nothing is taken.
        let chunk = self.consumer.read_chunk(self.shown.cells + 1).ok()?;
        let (left, right) = chunk.as_slices();
        let first = right.last().or(left.last())?;
        self.shown.requests += 1;
        self.shown.cells += first.cells();
        first.0.first_chunk().map(wanted)
    }
}
