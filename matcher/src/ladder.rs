//! One side of a book: its price levels, best first.
//!
//! Levels near the market stand in a window of 256 to a million ticks, found by index; all others stand
//! in an ordered tree. Both sides of a book are the same code: a ladder knows no prices, only keys, and the
//! lowest key is the best.
//!
//! ```text
//!            tree                        window                           tree
//!   ──●───────────────●──│────────▼──●●─●●●─●──●────●──────│───●────●────────────●──▶ key
//!                        base    best (a quarter in when placed)
//! ```
//!
//! When the market has gone elsewhere, or there is too much outside, the window follows and grows: two levels are moved for each level that
//! comes or goes, first out of the old place (`Draining`), then into the new one (`Filling`). No
//! command pays more than that, whatever the prices are.

use crate::levels::{Level, Levels};
use crate::pool::{Id, Pooled};
use crate::tree;
use crate::types::{InstrumentId, Side};
use crate::windows::{SIZES, TICKS_MAX, WindowId, ticks};

/// Levels of a ladder that earn it a window of that size.
const LEVELS_MIN: [u32; SIZES] = [0, 32, 256, 4096];

/// Levels made outside the window, less those made inside, before moving it is considered.
const STRAYS_MAX: u32 = 64;

/// Levels outside the window that make a move worth it: with fewer the tree is as good.
const TREE_LEVELS_MIN: u32 = 8;

/// Levels moved for each level that comes or goes.
const MOVES_PER_STEP: u32 = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No level of the tree has a key inside the window.
    Settled,
    /// Levels of the tree with a key inside the window are being moved there.
    Filling,
    /// The levels of the window are being moved to the tree.
    Draining,
}

/// One side of a book.
#[derive(Debug)]
pub(crate) struct Ladder {
    best_key: i64,
    best: Id<Level>,
    window: WindowId,
    /// Ticks of the window; 0 if there is none.
    ticks: u64,
    /// Key of the window's index 0; at most [`BASE_MAX`].
    base: i64,
    window_levels: u32,
    tree_levels: u32,
    root: Id<Level>,
    tree_first: Id<Level>,
    strays: u32,
    instrument: InstrumentId,
    side: Side,
    phase: Phase,
}

impl Ladder {
    pub(crate) const fn new(instrument: InstrumentId, side: Side) -> Ladder {
        Ladder {
            best_key: 0,
            best: Id::NONE,
            window: WindowId::NONE,
            ticks: 0,
            base: 0,
            window_levels: 0,
            tree_levels: 0,
            root: Id::NONE,
            tree_first: Id::NONE,
            strays: 0,
            instrument,
            side,
            phase: Phase::Settled,
        }
    }

    /// The best level.
    #[inline(always)]
    pub(crate) const fn best(&self) -> Id<Level> {
        self.best
    }

    /// The key of the best level.
    #[inline(always)]
    pub(crate) const fn best_key(&self) -> Option<i64> {
        if self.best.is_some() { Some(self.best_key) } else { None }
    }

    /// Whether the best level, if there is one, has `key` or a better one.
    #[inline(always)]
    pub(crate) const fn reaches(&self, key: i64) -> bool {
        self.best_key <= key
    }

    /// The level of `key`.
    #[inline(always)]
    pub(crate) fn find(&self, levels: &Levels, key: i64) -> Id<Level> {
        if let Some(index) = self.index(key) {
            let level = levels.windows.get(self.window, index);
            if level.is_some() || self.phase == Phase::Settled {
                return level;
            }
        }
        tree::find(&levels.pool, self.root, key)
    }

    /// The level of `key`, if it stands in the window.
    #[inline]
    pub(crate) fn glance(&self, levels: &Levels, key: i64) -> Id<Level> {
        self.index(key).map_or(Id::NONE, |index| levels.window(self.window).get(index))
    }

    /// Asks for the memory of the window where the level of `key` would be.
    #[inline]
    pub(crate) fn prefetch(&self, levels: &Levels, key: i64) {
        if let Some(index) = self.index(key) {
            levels.window(self.window).prefetch(index);
        }
    }

    /// The best level whose key is not below `key`.
    pub(crate) fn first_from(&self, levels: &Levels, key: i64) -> Id<Level> {
        if self.best.is_some() && key <= self.best_key {
            return self.best;
        }
        let in_tree = tree::first_from(&levels.pool, self.root, key);
        let in_window = match (self.index(key), self.window) {
            (_, WindowId::NONE) => Id::NONE,
            (Some(index), window) => levels.windows.first_from(window, index),
            (None, window) if key < self.base => levels.windows.first(window),
            (None, _) => Id::NONE,
        };
        better(levels, in_tree, in_window)
    }

    /// Adds an empty level of `key`, which has none; the pool is not full.
    #[inline(never)]
    pub(crate) fn insert(&mut self, levels: &mut Levels, key: i64) -> Id<Level> {
        let level = levels.pool.take(Level {
            key,
            instrument: self.instrument,
            side: self.side,
            ..Level::EMPTY
        });
        if self.best.is_none() {
            self.place_first(levels, key);
        }
        if let Some(index) = self.index(key) {
            levels.windows.set(self.window, index, level);
            self.window_levels += 1;
            self.strays = self.strays.saturating_sub(1);
        } else {
            self.insert_in_tree(levels, level);
            self.strays += 1;
        }
        if self.best.is_none() || key < self.best_key {
            self.best = level;
            self.best_key = key;
        }
        self.step(levels);
        level
    }

    /// Takes an empty level out.
    #[inline(never)]
    pub(crate) fn remove(&mut self, levels: &mut Levels, level: Id<Level>) {
        let Level { key, height, .. } = levels.pool[level];
        // A level in the tree has a height, a level in the window has none.
        match self.index(key) {
            Some(index) if height == 0 => {
                levels.windows.clear(self.window, index);
                self.window_levels -= 1;
            }
            _ => self.remove_from_tree(levels, level),
        }
        levels.pool.give_back(level);
        if level == self.best {
            self.find_best(levels, key);
        }
        self.step(levels);
    }

    /// Finds the best level again after the one of `key` went.
    #[inline]
    fn find_best(&mut self, levels: &mut Levels, key: i64) {
        // Nothing is left before `key`.
        let in_window = match (self.index(key), self.window) {
            (_, WindowId::NONE) => Id::NONE,
            (Some(index), window) => levels.windows.first_from(window, index),
            (None, window) => levels.windows.first(window),
        };
        self.best = better(levels, self.tree_first, in_window);
        if self.best.is_some() {
            self.best_key = levels.pool[self.best].key;
        } else if self.window != WindowId::NONE {
            // An empty side keeps no window from others.
            levels.windows.give_back(self.window);
            self.window = WindowId::NONE;
            self.ticks = 0;
            self.phase = Phase::Settled;
            self.strays = 0;
        }
    }

    /// The index of `key` in the window, if it is inside.
    #[inline(always)]
    fn index(&self, key: i64) -> Option<usize> {
        let distance = key.wrapping_sub(self.base).cast_unsigned();
        // `base` is at most `BASE_MAX`, so no wrapped distance is below `ticks`, which is 0 without a window.
        if distance < self.ticks { usize::try_from(distance).ok() } else { None }
    }

    fn insert_in_tree(&mut self, levels: &mut Levels, level: Id<Level>) {
        self.root = tree::insert(&mut levels.pool, self.root, level);
        self.tree_levels += 1;
        if self.tree_first.is_none() || levels.pool[level].key < levels.pool[self.tree_first].key {
            self.tree_first = level;
        }
    }

    fn remove_from_tree(&mut self, levels: &mut Levels, level: Id<Level>) {
        let key = levels.pool[level].key;
        self.root = tree::remove(&mut levels.pool, self.root, key);
        self.tree_levels -= 1;
        if level == self.tree_first {
            self.tree_first = tree::first(&levels.pool, self.root);
        }
    }

    /// Lets the window follow the market, a bounded step at a time.
    #[inline]
    fn step(&mut self, levels: &mut Levels) {
        if self.phase != Phase::Settled || self.strays >= STRAYS_MAX {
            self.step_moving(levels);
        }
    }

    #[cold]
    fn step_moving(&mut self, levels: &mut Levels) {
        match self.phase {
            Phase::Settled => self.consider_moving(levels),
            Phase::Filling => self.fill(levels),
            Phase::Draining => self.drain(levels),
        }
    }

    fn consider_moving(&mut self, levels: &mut Levels) {
        self.strays = 0;
        if self.tree_levels < TREE_LEVELS_MIN || self.is_placed_well() && !self.grows(levels) {
            return;
        }
        self.phase = Phase::Draining;
        self.drain(levels);
    }

    /// Whether the best level is in the window, and a good part of the window behind it.
    fn is_placed_well(&self) -> bool {
        let is_early = |index| index < self.ticks / 4 * 3;
        self.best.is_none() || self.index(self.best_key).is_some_and(|index| is_early(index as u64))
    }

    /// The largest size that the ladder's levels earn and that is to be had.
    fn size_earned(&self, levels: &Levels) -> Option<usize> {
        let count = self.tree_levels + self.window_levels;
        let earns = |size: &usize| {
            count >= LEVELS_MIN[*size] && levels.windows.has(*size) && self.fills(levels, *size)
        };
        (0..SIZES).rev().find(earns)
    }

    /// Whether the levels around the market are near enough to one another for a window of that size:
    /// at least two of its eight parts have one.
    fn fills(&self, levels: &Levels, size: usize) -> bool {
        let part = (ticks(size) / 8).cast_signed();
        let base = self.best_key.saturating_sub(2 * part).min(BASE_MAX);
        let filled = (0..8).filter(|n| {
            let from = base + n * part;
            let level = self.first_from(levels, from);
            level.is_some() && levels.pool[level].key.abs_diff(from) < part.cast_unsigned()
        });
        filled.count() >= 2
    }

    /// Whether there is a larger window than the present one for it.
    fn grows(&self, levels: &Levels) -> bool {
        let earned = self.size_earned(levels);
        earned.is_some_and(|size| self.window == WindowId::NONE || size > self.window.size())
    }

    /// Gives an empty ladder a window around its first level.
    #[inline]
    fn place_first(&mut self, levels: &mut Levels, key: i64) {
        self.window = levels.windows.take(0);
        if self.window != WindowId::NONE {
            self.place(key);
        }
    }

    /// Puts the empty window where `best_key` is a quarter in: the rest of it is room for worse prices.
    fn place(&mut self, best_key: i64) {
        self.ticks = ticks(self.window.size());
        self.base = best_key.saturating_sub((self.ticks / 4).cast_signed()).min(BASE_MAX);
    }

    fn drain(&mut self, levels: &mut Levels) {
        if self.window_levels == 0 {
            return self.move_window(levels);
        }
        for _ in 0..MOVES_PER_STEP {
            let level = levels.windows.first(self.window);
            if level.is_none() {
                return;
            }
            if let Some(index) = self.index(levels.pool[level].key) {
                levels.windows.clear(self.window, index);
                self.window_levels -= 1;
                self.insert_in_tree(levels, level);
            }
        }
    }

    /// Puts the empty window, or a larger one for it, where the market is now.
    fn move_window(&mut self, levels: &mut Levels) {
        if self.grows(levels)
            && let Some(size) = self.size_earned(levels)
        {
            if self.window != WindowId::NONE {
                levels.windows.give_back(self.window);
            }
            self.window = levels.windows.take(size);
        }
        if self.window == WindowId::NONE {
            self.phase = Phase::Settled;
            return;
        }
        self.place(self.best_key);
        self.phase = Phase::Filling;
    }

    fn fill(&mut self, levels: &mut Levels) {
        for _ in 0..MOVES_PER_STEP {
            let level = tree::first_from(&levels.pool, self.root, self.base);
            let key = if level.is_some() { levels.pool[level].key } else { i64::MIN };
            let Some(index) = self.index(key).filter(|_| level.is_some()) else {
                self.phase = Phase::Settled;
                return;
            };
            self.remove_from_tree(levels, level);
            levels.pool[level].height = 0;
            levels.windows.set(self.window, index, level);
            self.window_levels += 1;
        }
    }

    /// Walks the ladder; returns its number of levels.
    ///
    /// # Panics
    ///
    /// If something does not agree.
    pub(crate) fn check(&self, levels: &Levels) -> u32 {
        assert_eq!(tree::check(&levels.pool, self.root), self.tree_levels);
        assert_eq!(tree::first(&levels.pool, self.root), self.tree_first);
        let in_window = match self.window {
            WindowId::NONE => 0,
            window => levels.windows.check(window),
        };
        assert_eq!(in_window, self.window_levels);
        assert!(self.window != WindowId::NONE || self.phase == Phase::Settled);
        assert_eq!(self.ticks == 0, self.window == WindowId::NONE);
        let (mut count, mut from) = (0, Some(i64::MIN));
        while let Some(level) =
            from.map(|key| self.first_from(levels, key)).filter(|level| level.is_some())
        {
            let node = &levels.pool[level];
            assert!(count > 0 || (level == self.best && node.key == self.best_key));
            assert!(node.instrument == self.instrument && node.side == self.side);
            assert_eq!(self.find(levels, node.key), level);
            assert!(
                self.phase != Phase::Settled
                    || (node.height == 0) == self.index(node.key).is_some()
            );
            count += 1;
            from = node.key.checked_add(1);
        }
        assert_eq!(count, self.tree_levels + self.window_levels);
        assert!(count > 0 || self.best.is_none());
        count
    }
}

/// No window reaches past the last key.
const BASE_MAX: i64 = i64::MAX - (TICKS_MAX.cast_signed() - 1);

/// The one of two levels, either of which may be none, with the lower key.
#[inline]
fn better(levels: &Levels, a: Id<Level>, b: Id<Level>) -> Id<Level> {
    if a.is_none() || b.is_some() && levels.pool[b].key < levels.pool[a].key { b } else { a }
}
