//! Windows of price levels: found by index, the best one by two or three bit scans.
//!
//! A window holds the levels of adjacent prices of one side of one book. Windows come in four sizes, so
//! that a quiet book of a hundred prices costs one kilobyte and a book that fell by half is still found
//! by index. All windows of a size stand in one table; a slot that nobody touched costs no memory.

use std::collections::TryReserveError;

use crate::levels::Level;
use crate::pool::Id;

/// Names a window; 0 names none. The size is in the two highest bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WindowId(u32);

impl WindowId {
    pub(crate) const NONE: WindowId = WindowId(0);

    #[inline(always)]
    pub(crate) const fn size(self) -> usize {
        (self.0 >> SLOT_BITS) as usize
    }

    #[inline(always)]
    const fn slot(self) -> usize {
        // The lowest slot is 1, so that no window is 0.
        (self.0 & ((1 << SLOT_BITS) - 1)) as usize
    }
}

const SLOT_BITS: u32 = 30;

/// Sizes there are.
pub(crate) const SIZES: usize = 4;

/// log2 of the ticks of the smallest size; each next one has 16 times as many.
const TICKS_LOG2_MIN: u32 = 8;

/// Ticks of the largest window.
pub(crate) const TICKS_MAX: u64 = ticks(SIZES - 1);

/// Ticks of a window of that size.
pub(crate) const fn ticks(size: usize) -> u64 {
    1 << (TICKS_LOG2_MIN as usize + 4 * size)
}

/// All windows of one size.
struct Table {
    ticks_log2: u32,
    /// Slots that there is room for, slot 0 included.
    slots: u32,
    /// Slots that were taken at least once, slot 0 included.
    used: u32,
    idle: Vec<WindowId>,
    /// Bit `w` of a window's summary is set if its word `w` is not zero: a `u64` for each 64 words.
    summaries: Vec<u64>,
    /// Bit `t` of word `w` is set if there is a level at index `64 w + t`.
    words: Vec<u64>,
    /// Raw ids, so that fresh memory is known to be zero and not written.
    levels: Vec<u32>,
}

impl Table {
    const fn new(size: usize) -> Table {
        Table {
            ticks_log2: TICKS_LOG2_MIN + 4 * size as u32,
            slots: 0,
            used: 1,
            idle: Vec::new(),
            summaries: Vec::new(),
            words: Vec::new(),
            levels: Vec::new(),
        }
    }

    #[inline(always)]
    const fn summaries_each(&self) -> usize {
        // 1 for the two small sizes.
        (1 << self.ticks_log2 >> 12) | (self.ticks_log2 < 12) as usize
    }

    fn grow(&mut self, slots: u32) -> Result<(), TryReserveError> {
        if slots <= self.slots {
            return Ok(());
        }
        let each = 1_usize << self.ticks_log2;
        let slots_len = slots as usize;
        grow_zeroed(&mut self.levels, slots_len * each)?;
        grow_zeroed(&mut self.words, slots_len * each / 64)?;
        let summaries = slots_len * self.summaries_each();
        grow_zeroed(&mut self.summaries, summaries)?;
        self.idle.try_reserve_exact(slots_len - self.idle.len())?;
        self.slots = slots;
        Ok(())
    }
}

/// What the allocator hands out as zero without writing it.
trait Zero: Sized {
    fn zeroes(len: usize) -> Vec<Self>;
}

impl Zero for u32 {
    fn zeroes(len: usize) -> Vec<u32> {
        vec![0; len]
    }
}

impl Zero for u64 {
    fn zeroes(len: usize) -> Vec<u64> {
        vec![0; len]
    }
}

/// Makes `table` longer with zeroes that cost nothing until they are written.
fn grow_zeroed<T: Copy + Zero>(table: &mut Vec<T>, len: usize) -> Result<(), TryReserveError> {
    // Asked for first, because the way that leaves untouched memory alone cannot say no.
    Vec::<T>::new().try_reserve_exact(len)?;
    let mut longer = T::zeroes(len);
    longer[..table.len()].copy_from_slice(table);
    *table = longer;
    Ok(())
}

/// The windows of all books.
pub(crate) struct Windows {
    tables: [Table; SIZES],
}

impl Windows {
    pub(crate) const fn new() -> Windows {
        Windows { tables: [Table::new(0), Table::new(1), Table::new(2), Table::new(3)] }
    }

    /// Takes room for windows of each size.
    pub(crate) fn grow(&mut self, windows_max: [u32; SIZES]) -> Result<(), TryReserveError> {
        for (table, windows) in self.tables.iter_mut().zip(windows_max) {
            table.grow(windows + 1)?;
        }
        Ok(())
    }

    /// Whether there is a window of that size to be had.
    pub(crate) fn has(&self, size: usize) -> bool {
        let table = &self.tables[size];
        !table.idle.is_empty() || table.used < table.slots
    }

    /// An empty window of that size, or none if all are taken.
    pub(crate) fn take(&mut self, size: usize) -> WindowId {
        let table = &mut self.tables[size];
        if let Some(id) = table.idle.pop() {
            return id;
        }
        if table.used >= table.slots {
            return WindowId::NONE;
        }
        let slot = table.used;
        table.used += 1;
        WindowId((size as u32) << SLOT_BITS | slot)
    }

    /// Gives an empty window back.
    pub(crate) fn give_back(&mut self, id: WindowId) {
        assert!(self.first(id).is_none());
        self.tables[id.size()].idle.push(id);
    }

    #[inline(always)]
    pub(crate) fn get(&self, id: WindowId, index: usize) -> Id<Level> {
        let table = &self.tables[id.size()];
        Id::from_raw(table.levels[(id.slot() << table.ticks_log2) + index])
    }

    #[inline(always)]
    pub(crate) fn set(&mut self, id: WindowId, index: usize, level: Id<Level>) {
        let table = &mut self.tables[id.size()];
        let at = (id.slot() << table.ticks_log2) + index;
        table.levels[at] = level.raw();
        table.words[at / 64] |= 1 << (at % 64);
        let summary = id.slot() * table.summaries_each() + index / 4096;
        table.summaries[summary] |= 1 << (index / 64 % 64);
    }

    #[inline(always)]
    pub(crate) fn clear(&mut self, id: WindowId, index: usize) {
        let table = &mut self.tables[id.size()];
        let at = (id.slot() << table.ticks_log2) + index;
        table.levels[at] = 0;
        let word = &mut table.words[at / 64];
        *word &= !(1 << (at % 64));
        if *word == 0 {
            let summary = id.slot() * table.summaries_each() + index / 4096;
            table.summaries[summary] &= !(1 << (index / 64 % 64));
        }
    }

    /// The best level.
    #[inline]
    pub(crate) fn first(&self, id: WindowId) -> Id<Level> {
        self.first_from(id, 0)
    }

    /// The best level at `index` or after it.
    #[inline]
    pub(crate) fn first_from(&self, id: WindowId, index: usize) -> Id<Level> {
        let table = &self.tables[id.size()];
        let start = id.slot() << table.ticks_log2;
        let word = index / 64;
        let rest = table.words[start / 64 + word] & (u64::MAX << (index % 64));
        if rest != 0 {
            let bit = rest.trailing_zeros() as usize;
            return Id::from_raw(table.levels[start + word * 64 + bit]);
        }
        // The words after this one, a summary at a time.
        let each = table.summaries_each();
        let summaries = &table.summaries[id.slot() * each..][..each];
        let mut summary = word / 64;
        let mut rest = summaries[summary] & (u64::MAX << (word % 64)) & !(1 << (word % 64));
        while rest == 0 {
            summary += 1;
            match summaries.get(summary) {
                Some(next) => rest = *next,
                None => return Id::NONE,
            }
        }
        let word = summary * 64 + rest.trailing_zeros() as usize;
        let bit = table.words[start / 64 + word].trailing_zeros() as usize;
        Id::from_raw(table.levels[start + word * 64 + bit])
    }

    /// Counts the levels of a window.
    ///
    /// # Panics
    ///
    /// If bits and levels say different things.
    pub(crate) fn check(&self, id: WindowId) -> u32 {
        let table = &self.tables[id.size()];
        let (start, ticks) = (id.slot() << table.ticks_log2, 1 << table.ticks_log2);
        let summaries = &table.summaries[id.slot() * table.summaries_each()..];
        let mut count = 0;
        for (w, word) in table.words[start / 64..][..ticks / 64].iter().enumerate() {
            assert!((*word != 0) == (summaries[w / 64] >> (w % 64) & 1 == 1));
            for (t, level) in table.levels[start + w * 64..][..64].iter().enumerate() {
                assert!((*level != 0) == (*word >> t & 1 == 1));
            }
            count += word.count_ones();
        }
        count
    }
}
