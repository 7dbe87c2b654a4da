//! Which ClOrdIDs the requests of a stretch of turns have, and where in it turns begin: who looks for a name, or for a
//! turn, reads a few megabytes of the stretch instead of all.
//!
//! A stretch is cut into blocks. Each has a filter of its names that says "not here", or "perhaps": a split block Bloom
//! filter, a cache line for each name. Nothing in it is the truth: the journal confirms what is found.

use gateway::order_entry::cl_ord_id_of;
use gateway::saved::{NotSaved, Saved};
use journal::Position;
use matcher::Sequence;

use crate::turns::TurnHead;

const VERSION: u64 = 1;

/// Names of a block at most: some 10 MiB of a journal of plain orders.
const NAMES_MAX: usize = 1 << 16;

/// A block is not longer, whatever is in it: a turn in it is found by reading it from its start. Unit: bytes.
const BLOCK_BYTES: u64 = 16 << 20;

/// Bits of a filter for each name: then a name that is not there is "perhaps" once in 200 blocks.
const BITS_PER_NAME: usize = 12;

/// Words of a cell of a filter; a name sets one bit in each.
const WORDS: usize = 8;
const CELL_BYTES: usize = WORDS * 4;

/// Bytes in front of the filter of a block.
const HEAD_BYTES: usize = 24;

/// Odd numbers that choose a name's bits: those of Parquet's filters.
const SALTS: [u32; WORDS] = [
    0x47b6_137b,
    0x4497_4d91,
    0x8824_ad5b,
    0xa2b7_289d,
    0x7054_95c7,
    0x2df1_424b,
    0x9efc_4947,
    0x5c6b_fb31,
];

/// 64 bits of a name: FNV-1a, and the finalizer of MurmurHash3 for its high bits.
fn hash(name: &[u8]) -> u64 {
    let fnv = name.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mixed = (fnv ^ (fnv >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    mixed ^ (mixed >> 33)
}

/// Which of `cells` is a name's, and its bits there.
fn bits(hash: u64, cells: usize) -> (usize, [u32; WORDS]) {
    let (high, low) = (hash >> 32, hash & u64::from(u32::MAX));
    // Below `cells`, as `high` is below 2^32.
    let cell = usize::try_from((high * cells as u64) >> 32).unwrap_or(0);
    let low = u32::try_from(low).unwrap_or(0);
    (cell, SALTS.map(|salt| 1 << (low.wrapping_mul(salt) >> 27)))
}

/// The names of a stretch, as it goes on.
pub(crate) struct Called {
    /// The last turn before the stretch.
    after: Sequence,
    /// Blocks that are whole, as they are saved.
    blocks: Vec<u8>,
    count: u64,
    /// Where the block at hand begins, and its first turn; `None` before its first turn.
    begins: Option<(Position, Sequence)>,
    /// Its names.
    hashes: Vec<u64>,
}

impl Called {
    /// Of what follows the turn `after`.
    pub(crate) fn new(after: Sequence) -> Called {
        Called { after, blocks: Vec::new(), count: 0, begins: None, hashes: Vec::new() }
    }

    /// The next turn of the stretch.
    #[inline]
    pub(crate) fn turn(&mut self, head: &TurnHead) {
        let (begins, _) = *self.begins.get_or_insert((head.position, head.input.sequence));
        if self.hashes.len() >= NAMES_MAX || head.position.0 - begins.0 >= BLOCK_BYTES {
            self.end_block();
            self.begins = Some((head.position, head.input.sequence));
        }
        self.hashes.extend(cl_ord_id_of(&head.input.command, head.attachment()).map(hash));
    }

    fn end_block(&mut self) {
        let Some((position, sequence)) = self.begins.take() else { return };
        let cells = (self.hashes.len() * BITS_PER_NAME).div_ceil(CELL_BYTES * 8);
        for word in [position.0, sequence.0, cells as u64] {
            self.blocks.extend_from_slice(&word.to_le_bytes());
        }
        let from = self.blocks.len();
        self.blocks.resize(from + cells * CELL_BYTES, 0);
        let (filter, _) = self.blocks[from..].as_chunks_mut::<4>();
        for hash in self.hashes.drain(..) {
            let (cell, bits) = bits(hash, cells);
            for (word, bit) in filter[cell * WORDS..].iter_mut().zip(bits) {
                *word = (u32::from_le_bytes(*word) | bit).to_le_bytes();
            }
        }
        self.count += 1;
    }

    /// About so many bytes it is saved as.
    pub(crate) fn bytes(&self) -> u64 {
        (self.blocks.len() + self.hashes.len() * BITS_PER_NAME / 8) as u64
    }

    /// 8 bytes version, 8 the last turn before the stretch, 8 how many blocks, and each: 8 position of its first turn, 8 the
    /// sequence of that, 8 how many cells, and each 32: 8 words of 4.
    pub(crate) fn save(&mut self, out: &mut dyn FnMut(&[u8])) {
        self.end_block();
        for word in [VERSION, self.after.0, self.count] {
            out(&word.to_le_bytes());
        }
        out(&self.blocks);
    }
}

/// A block, as saved.
#[derive(Clone, Copy)]
struct Block<'a> {
    begins: (Position, Sequence),
    cells: &'a [[u8; CELL_BYTES]],
}

impl Block<'_> {
    fn may_have(&self, hash: u64) -> bool {
        if self.cells.is_empty() {
            return false;
        }
        let (cell, bits) = bits(hash, self.cells.len());
        let (words, _) = self.cells[cell].as_chunks::<4>();
        words.iter().zip(bits).all(|(word, bit)| u32::from_le_bytes(*word) & bit != 0)
    }
}

/// The names of a stretch, as saved.
pub(crate) struct SavedCalled<'a> {
    /// The last turn before the stretch.
    pub(crate) after: Sequence,
    blocks: Vec<Block<'a>>,
}

impl<'a> SavedCalled<'a> {
    /// What [`Called::save`] gave these bytes.
    ///
    /// # Errors
    ///
    /// If the bytes are not as long as they say, of another version, or their blocks are not in order.
    pub(crate) fn load(bytes: &'a [u8]) -> Result<SavedCalled<'a>, NotSaved> {
        let saved = &mut Saved::new(bytes);
        if saved.u64()? != VERSION {
            return Err(NotSaved);
        }
        let after = Sequence(saved.u64()?);
        let mut blocks: Vec<Block<'_>> = Vec::new();
        for _ in 0..saved.count(HEAD_BYTES)? {
            let begins = (Position(saved.u64()?), Sequence(saved.u64()?));
            let count = saved.count(CELL_BYTES)?;
            let (cells, _) = saved.bytes(count * CELL_BYTES)?.as_chunks();
            let is_next = blocks
                .last()
                .is_none_or(|last| last.begins.0 < begins.0 && last.begins.1 < begins.1);
            if !is_next || begins.1 <= after {
                return Err(NotSaved);
            }
            blocks.push(Block { begins, cells });
        }
        saved.end()?;
        Ok(SavedCalled { after, blocks })
    }

    /// Where requests of this name may be, each from a turn to before another one; the stretch ends at `end`.
    pub(crate) fn places(&self, name: &[u8], end: Position) -> Vec<(Position, Position)> {
        let (hash, mut places) = (hash(name), Vec::new());
        for (at, block) in self.blocks.iter().enumerate() {
            if block.may_have(hash) {
                let next = self.blocks.get(at + 1).map_or(end, |next| next.begins.0);
                places.push((block.begins.0, next));
            }
        }
        places
    }

    /// The last turn up to `sequence` whose place is known.
    pub(crate) fn before(&self, sequence: Sequence) -> Option<(Position, Sequence)> {
        let behind = self.blocks.partition_point(|block| block.begins.1 <= sequence);
        Some(self.blocks.get(behind.checked_sub(1)?)?.begins)
    }
}

#[cfg(test)]
mod tests {
    use matcher::{Command, Input, MsgSeqNum, OrderNumber, SessionId, Timestamp};

    use super::*;
    use crate::turns::read_head;

    /// A cancel with this name, as the turn `sequence` at `position`.
    fn head(position: u64, sequence: u64, name: &[u8]) -> TurnHead {
        let input = Input {
            sequence: Sequence(sequence),
            timestamp: Timestamp(0),
            session: SessionId(1),
            inbound: MsgSeqNum::NONE,
            command: Command::Cancel { target: OrderNumber(1) },
        };
        let attachment = [&[11, 0, u8::try_from(name.len()).unwrap()], name].concat();
        let mut record = [0; matcher::record::INPUT_BYTES_MAX];
        let len = matcher::record::encode_input(&input, &attachment, &mut record);
        let (first, last, term) = (true, true, 0);
        let (position, payload) = (Position(position), &record[..len]);
        read_head(&journal::Frame { position, sequence, term, first, last, payload }).unwrap()
    }

    fn saved(called: &mut Called) -> Vec<u8> {
        let mut bytes = Vec::new();
        called.save(&mut |some| bytes.extend_from_slice(some));
        bytes
    }

    #[test]
    fn a_name_is_found_where_it_is_and_others_hardly_ever() {
        let names = 150_000;
        let mut called = Called::new(Sequence(7));
        let name = |n: u64| format!("{n:08}-A").into_bytes();
        for n in 0..names {
            called.turn(&head(n * 100, 8 + n, &name(n)));
        }
        let end = names * 100;
        let bytes = saved(&mut called);
        assert!(bytes.len() < names as usize * 8 / 5);
        let called = SavedCalled::load(&bytes).unwrap();
        assert_eq!((called.after, called.blocks.len()), (Sequence(7), 3));
        for n in (0..names).step_by(7) {
            let places = called.places(&name(n), Position(end));
            let is_in = |(from, to): &(Position, Position)| (from.0..to.0).contains(&(n * 100));
            assert!(places.iter().any(is_in), "{n}: {places:?}");
        }
        let wrong: usize =
            (names..2 * names).map(|n| called.places(&name(n), Position(end)).len()).sum();
        assert!(wrong < names as usize * 3 / 100, "{wrong}");
        let max = NAMES_MAX as u64;
        for (sequence, found) in [
            (7, None),
            (8, Some(0)),
            (7 + max, Some(0)),
            (8 + max, Some(max)),
            (u64::MAX, Some(2 * max)),
        ] {
            let begins = found.map(|n| (Position(n * 100), Sequence(8 + n)));
            assert_eq!(called.before(Sequence(sequence)), begins, "{sequence}");
        }
    }

    #[test]
    fn a_block_is_not_long_and_bytes_that_are_not_saved_are_refused() {
        let mut called = Called::new(Sequence(0));
        for n in 0..4 {
            called.turn(&head(n * (BLOCK_BYTES / 2 + 8), n + 1, b""));
        }
        called.turn(&head(1 << 40, 9, b"last"));
        let bytes = saved(&mut called);
        let loaded = SavedCalled::load(&bytes).unwrap();
        assert_eq!(loaded.blocks.len(), 3);
        assert_eq!(
            loaded.places(b"last", Position(1 << 41)),
            [(Position(1 << 40), Position(1 << 41))]
        );
        for len in 0..bytes.len() {
            assert!(SavedCalled::load(&bytes[..len]).is_err(), "{len} bytes");
        }
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut wrong = bytes.clone();
                wrong[at] ^= 1 << bit;
                if let Ok(called) = SavedCalled::load(&wrong) {
                    called.places(b"last", Position(0));
                    called.before(Sequence(3));
                }
            }
        }
    }

    #[test]
    fn what_a_stretch_before_had_is_not_in_the_next() {
        let mut called = Called::new(Sequence(0));
        called.turn(&head(0, 1, b"one"));
        saved(&mut called);
        called = Called::new(Sequence(1));
        called.turn(&head(200, 2, b"two"));
        let bytes = saved(&mut called);
        let called = SavedCalled::load(&bytes).unwrap();
        assert!(called.places(b"one", Position(300)).is_empty());
        assert_eq!(called.places(b"two", Position(300)), [(Position(200), Position(300))]);
    }
}
