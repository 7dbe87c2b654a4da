//! The ring of requests into the core: Input records in cells of one cache line each.
//!
//! A request is the Input's journal record, not yet stamped. Most fit in two cells; the length in the
//! record's first two bytes says how many. One producer and one consumer; a full ring is the
//! producer's business (it refuses or stops reading sockets), nobody waits in here.

use matcher::record::{INPUT_BYTES_MAX, encode_input};
use matcher::{Command, Input, MsgSeqNum, Sequence, SessionId, Timestamp};

/// One cache line of a request.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub struct Cell([u8; CELL_BYTES]);

impl Default for Cell {
    fn default() -> Self {
        Cell([0; CELL_BYTES])
    }
}

const CELL_BYTES: usize = 64;

/// Cells that the longest request takes.
pub const CELLS_MAX: usize = INPUT_BYTES_MAX.div_ceil(CELL_BYTES);

/// A ring of `cells` cells.
#[must_use]
pub fn ring(cells: usize) -> (Requests, Taken) {
    let (producer, consumer) = rtrb::RingBuffer::new(cells);
    (Requests { producer, record: [0; INPUT_BYTES_MAX] }, Taken { consumer, shown: Shown::NONE })
}

/// The end that asks.
pub struct Requests {
    producer: rtrb::Producer<Cell>,
    record: [u8; INPUT_BYTES_MAX],
}

impl Requests {
    /// How many requests of any size there is room for.
    #[must_use]
    pub fn room(&self) -> usize {
        self.producer.slots() / CELLS_MAX
    }

    /// Puts a request in; `false` if there is no room.
    pub fn push(
        &mut self,
        session: SessionId,
        inbound: MsgSeqNum,
        command: &Command,
        attachment: &[u8],
    ) -> bool {
        let input = Input {
            sequence: Sequence(0),
            timestamp: Timestamp(0),
            session,
            inbound,
            command: *command,
        };
        let len = encode_input(&input, attachment, &mut self.record);
        let cells = len.div_ceil(CELL_BYTES);
        let Ok(chunk) = self.producer.write_chunk_uninit(cells) else { return false };
        chunk.fill_from_iter(self.record[..cells * CELL_BYTES].chunks_exact(CELL_BYTES).map(
            |bytes| {
                let mut cell = Cell::default();
                cell.0.copy_from_slice(bytes);
                cell
            },
        ));
        true
    }
}

/// The end that takes.
pub struct Taken {
    consumer: rtrb::Consumer<Cell>,
    shown: Shown,
}

impl Taken {
    /// Whether a request waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.consumer.is_empty()
    }

    /// Takes the next request: copies its record to the start of `record` and returns its length.
    pub fn pop(&mut self, record: &mut [u8; RECORD_BYTES]) -> Option<usize> {
        let first = self.consumer.peek().ok()?;
        let len = first.len();
        let cells = first.cells();
        // The producer commits all cells of a request at once.
        let chunk = self.consumer.read_chunk(cells).ok()?;
        let (left, right) = chunk.as_slices();
        for (to, cell) in record.chunks_exact_mut(CELL_BYTES).zip(left.iter().chain(right)) {
            to.copy_from_slice(&cell.0);
        }
        chunk.commit_all();
        self.shown.took(cells);
        Some(len)
    }
}

/// A buffer for any request: whole cells.
pub const RECORD_BYTES: usize = CELLS_MAX * CELL_BYTES;

const _: () = assert!(INPUT_BYTES_MAX <= RECORD_BYTES);

mod waiting;

use waiting::Shown;

#[cfg(test)]
mod tests;
