//! Price levels and windows, pooled across all books.

use std::collections::TryReserveError;

use crate::book::ladder_key;
use crate::orders::{Order, Orders};
use crate::pool::{Id, Pool, Pooled};
use crate::prefetch::prefetch_at;
use crate::types::{InstrumentId, Price, Qty, Side};

/// All orders of one side of one book at one price.
///
/// A level outside its ladder's window is itself the node of the ladder's tree, so that a price costs
/// the same wherever it is.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(crate) struct Level {
    /// Sum of the leaves of its orders, in lots: below 2^63, `Limits::qty_max` sees to it.
    pub(crate) qty: u64,
    /// Price in the order of its ladder: the lower, the better.
    pub(crate) key: i64,
    /// First in the queue.
    pub(crate) head: Id<Order>,
    /// Last in the queue.
    pub(crate) tail: Id<Order>,
    pub(crate) orders: u32,
    pub(crate) instrument: InstrumentId,
    pub(crate) left: Id<Level>,
    pub(crate) right: Id<Level>,
    pub(crate) height: u8,
    pub(crate) side: Side,
    /// Sum of the reserves of its icebergs, in lots; with `qty` below 2^63.
    pub(crate) hidden: u64,
}

const _: () = assert!(size_of::<Level>() == 64);

impl Level {
    #[inline(always)]
    pub(crate) const fn price(&self) -> Price {
        Price::from_ticks(ladder_key(self.side, Price::from_ticks(self.key)))
    }

    /// Puts an order of `qty` at the end of the queue; its `prev` was the level's tail.
    #[inline(always)]
    pub(crate) fn append(&mut self, orders: &mut Orders, slot: Id<Order>, qty: Qty) {
        match self.tail.some() {
            None => self.head = slot,
            Some(tail) => orders[tail].next = slot,
        }
        self.tail = slot;
        self.orders += 1;
        self.qty += qty.lots();
    }

    /// Takes an order of `qty` with these neighbors out of the queue.
    #[inline(always)]
    pub(crate) fn unlink(
        &mut self,
        orders: &mut Orders,
        (prev, next): (Id<Order>, Id<Order>),
        qty: Qty,
    ) {
        match prev.some() {
            None => self.head = next,
            Some(prev) => orders[prev].next = next,
        }
        match next.some() {
            None => self.tail = prev,
            Some(next) => orders[next].prev = prev,
        }
        self.orders -= 1;
        self.qty -= qty.lots();
    }
}

impl Pooled for Level {
    const EMPTY: Level = Level {
        qty: 0,
        key: 0,
        head: Id::NONE,
        tail: Id::NONE,
        orders: 0,
        instrument: InstrumentId::NONE,
        left: Id::NONE,
        right: Id::NONE,
        height: 0,
        side: Side::Buy,
        hidden: 0,
    };

    #[inline]
    fn link(&self) -> u32 {
        self.orders
    }

    #[inline]
    fn set_link(&mut self, link: u32) {
        self.orders = link;
    }
}

/// Ticks of a window: 64 words of 64 bits, so that two bit scans find the best price in it.
pub(crate) const WINDOW_TICKS: usize = 64 * 64;

/// Levels of adjacent prices, indexed by their distance from the window's base.
#[derive(Clone)]
pub(crate) struct Window {
    /// Bit `w` is set if word `w` is not zero.
    top: u64,
    /// Bit `t` of word `w` is set if there is a level at index `64 w + t`.
    words: [u64; 64],
    levels: [Id<Level>; WINDOW_TICKS],
}

impl Window {
    const EMPTY: Window = Window { top: 0, words: [0; 64], levels: [Id::NONE; WINDOW_TICKS] };

    #[inline(always)]
    pub(crate) fn get(&self, index: usize) -> Id<Level> {
        self.levels[index]
    }

    /// Asks for the memory of that index.
    #[inline]
    pub(crate) fn prefetch(&self, index: usize) {
        prefetch_at(&self.levels, index);
    }

    #[inline]
    pub(crate) fn set(&mut self, index: usize, level: Id<Level>) {
        self.levels[index] = level;
        self.words[index / 64] |= 1 << (index % 64);
        self.top |= 1 << (index / 64);
    }

    #[inline]
    pub(crate) fn clear(&mut self, index: usize) {
        self.levels[index] = Id::NONE;
        let word = &mut self.words[index / 64];
        *word &= !(1 << (index % 64));
        if *word == 0 {
            self.top &= !(1 << (index / 64));
        }
    }

    /// The best level.
    #[inline]
    pub(crate) fn first(&self) -> Id<Level> {
        if self.top == 0 {
            return Id::NONE;
        }
        let word = self.top.trailing_zeros() as usize;
        self.levels[word * 64 + self.words[word].trailing_zeros() as usize]
    }

    /// The best level at `index` or after it.
    pub(crate) fn first_from(&self, index: usize) -> Id<Level> {
        let (word, bit) = (index / 64, index % 64);
        let rest = self.words[word] & (u64::MAX << bit);
        if rest != 0 {
            return self.levels[word * 64 + rest.trailing_zeros() as usize];
        }
        let rest = self.top & (u64::MAX << word) & !(1 << word);
        if rest == 0 {
            return Id::NONE;
        }
        let word = rest.trailing_zeros() as usize;
        self.levels[word * 64 + self.words[word].trailing_zeros() as usize]
    }

    /// Counts the levels.
    ///
    /// # Panics
    ///
    /// If bits and levels say different things.
    pub(crate) fn check(&self) -> u32 {
        let mut count = 0;
        for (w, word) in self.words.iter().enumerate() {
            assert!((*word != 0) == (self.top >> w & 1 == 1));
            for (t, level) in self.levels[w * 64..][..64].iter().enumerate() {
                assert!(level.is_some() == (*word >> t & 1 == 1));
            }
            count += word.count_ones();
        }
        count
    }
}

/// Names a [`Window`]; 0 names none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WindowId(u32);

impl WindowId {
    pub(crate) const NONE: WindowId = WindowId(0);
}

/// The levels of all books, and the windows of the ladders that earned one.
pub(crate) struct Levels {
    pub(crate) pool: Pool<Level>,
    windows: Vec<Window>,
    idle: Vec<WindowId>,
    windows_max: u32,
}

impl Levels {
    /// Levels per window: windows are for ladders with many levels, the others do well without.
    const LEVELS_PER_WINDOW: u32 = 256;

    pub(crate) const fn new() -> Levels {
        Levels { pool: Pool::new(), windows: Vec::new(), idle: Vec::new(), windows_max: 0 }
    }

    pub(crate) fn grow(
        &mut self,
        levels_max: u32,
        instruments_max: u32,
    ) -> Result<(), TryReserveError> {
        let windows_max = (levels_max / Levels::LEVELS_PER_WINDOW + 2).min(2 * instruments_max);
        self.pool.grow(levels_max, levels_max)?;
        self.windows.try_reserve_exact(windows_max as usize - self.windows.len())?;
        self.idle.try_reserve_exact(windows_max as usize - self.idle.len())?;
        self.windows_max = windows_max;
        Ok(())
    }

    /// An empty window, or none if all are taken.
    pub(crate) fn take_window(&mut self) -> WindowId {
        if let Some(id) = self.idle.pop() {
            return id;
        }
        let used = u32::try_from(self.windows.len()).unwrap_or(u32::MAX);
        if used >= self.windows_max {
            return WindowId::NONE;
        }
        self.windows.push(Window::EMPTY);
        WindowId(used + 1)
    }

    /// Gives an empty window back.
    pub(crate) fn give_back_window(&mut self, id: WindowId) {
        assert!(self.window(id).top == 0);
        self.idle.push(id);
    }

    #[inline(always)]
    pub(crate) fn window(&self, id: WindowId) -> &Window {
        &self.windows[id.0 as usize - 1]
    }

    #[inline]
    pub(crate) fn window_mut(&mut self, id: WindowId) -> &mut Window {
        &mut self.windows[id.0 as usize - 1]
    }
}
