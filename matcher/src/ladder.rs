//! One side of a book: its price levels, best first.
//!
//! Levels near the market stand in a window of 4096 ticks, found by index; all others stand in an
//! ordered tree. Both sides of a book are the same code: a ladder knows no prices, only keys, and the
//! lowest key is the best.
//!
//! ```text
//!            tree                  window, 4096 ticks                     tree
//!   ──●───────────────●──│────────▼──●●─●●●─●──●────●──────│───●────●────────────●──▶ key
//!                        base    best (at 1024 when placed)
//! ```
//!
//! When the market has gone elsewhere the window follows: two levels are moved for each level that
//! comes or goes, first out of the old place (`Draining`), then into the new one (`Filling`). No
//! command pays more than that, whatever the prices are.

use crate::levels::{Level, Levels, WINDOW_TICKS, WindowId};
use crate::pool::{Id, Pooled};
use crate::tree;
use crate::types::{InstrumentId, Side};

/// Index of the best level in a newly placed window: a quarter is room for better prices.
const BEST_AT: i64 = 1024;

/// While the best level is below this index, a good part of the window is behind it.
const BEST_AT_MAX: usize = 3072;

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
    /// Key of the window's index 0; at most `i64::MAX` - 4095.
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
            let level = levels.window(self.window).get(index);
            if level.is_some() || self.phase == Phase::Settled {
                return level;
            }
        }
        tree::find(&levels.pool, self.root, key)
    }

    /// The best level whose key is not below `key`.
    pub(crate) fn first_from(&self, levels: &Levels, key: i64) -> Id<Level> {
        if self.best.is_some() && key <= self.best_key {
            return self.best;
        }
        let in_tree = tree::first_from(&levels.pool, self.root, key);
        let in_window = match (self.index(key), self.window) {
            (_, WindowId::NONE) => Id::NONE,
            (Some(index), window) => levels.window(window).first_from(index),
            (None, window) if key < self.base => levels.window(window).first(),
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
        if let Some(index) = self.index(key) {
            levels.window_mut(self.window).set(index, level);
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
                levels.window_mut(self.window).clear(index);
                self.window_levels -= 1;
            }
            _ => self.remove_from_tree(levels, level),
        }
        levels.pool.give_back(level);
        if level == self.best {
            self.find_best(levels);
        }
        self.step(levels);
    }

    #[inline]
    fn find_best(&mut self, levels: &mut Levels) {
        let in_window = match self.window {
            WindowId::NONE => Id::NONE,
            window => levels.window(window).first(),
        };
        self.best = better(levels, self.tree_first, in_window);
        if self.best.is_some() {
            self.best_key = levels.pool[self.best].key;
        } else if self.window != WindowId::NONE {
            // An empty side keeps no window from others.
            levels.give_back_window(self.window);
            self.window = WindowId::NONE;
            self.phase = Phase::Settled;
            self.strays = 0;
        }
    }

    /// The index of `key` in the window, if it is inside.
    #[inline(always)]
    fn index(&self, key: i64) -> Option<usize> {
        let distance = key.wrapping_sub(self.base).cast_unsigned();
        // `base` is at most `i64::MAX` - 4095, so no wrapped distance is below 4096.
        if distance < WINDOW_TICKS as u64 && self.window != WindowId::NONE {
            usize::try_from(distance).ok()
        } else {
            None
        }
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
        if self.tree_levels < TREE_LEVELS_MIN || self.is_placed_well() {
            return;
        }
        if self.window == WindowId::NONE {
            self.window = levels.take_window();
        }
        if self.window != WindowId::NONE {
            self.phase = Phase::Draining;
            self.drain(levels);
        }
    }

    fn is_placed_well(&self) -> bool {
        self.best.is_none() || self.index(self.best_key).is_some_and(|index| index < BEST_AT_MAX)
    }

    fn drain(&mut self, levels: &mut Levels) {
        if self.window_levels > 0 && self.is_placed_well() {
            self.phase = Phase::Filling;
            return;
        }
        for _ in 0..MOVES_PER_STEP {
            let level = levels.window(self.window).first();
            if level.is_none() {
                self.base = self.best_key.saturating_sub(BEST_AT).min(BASE_MAX);
                self.phase = Phase::Filling;
                return;
            }
            if let Some(index) = self.index(levels.pool[level].key) {
                levels.window_mut(self.window).clear(index);
                self.window_levels -= 1;
                self.insert_in_tree(levels, level);
            }
        }
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
            levels.window_mut(self.window).set(index, level);
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
            window => levels.window(window).check(),
        };
        assert_eq!(in_window, self.window_levels);
        assert!(self.window != WindowId::NONE || self.phase == Phase::Settled);
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

const BASE_MAX: i64 = i64::MAX - (WINDOW_TICKS as i64 - 1);

/// The one of two levels, either of which may be none, with the lower key.
#[inline]
fn better(levels: &Levels, a: Id<Level>, b: Id<Level>) -> Id<Level> {
    if a.is_none() || b.is_some() && levels.pool[b].key < levels.pool[a].key { b } else { a }
}
