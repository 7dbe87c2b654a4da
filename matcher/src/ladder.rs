//! One side of a book: its price levels, best first.
//!
//! Both sides of a book are the same code: a ladder knows no prices, only keys, and the lowest key is
//! the best. The levels stand in a tree, but for one that came as the best and still is: that is the
//! *front*. A price that betters the market is often gone before another one betters it, and then the
//! tree never hears of it.

use crate::levels::{Level, Levels};
use crate::pool::{Id, Pooled};
use crate::tree::{Branch, Walk};
use crate::types::{InstrumentId, Side};

/// One side of a book.
#[derive(Debug)]
pub(crate) struct Ladder {
    best_key: i64,
    best: Id<Level>,
    /// The best in the tree: if that is not the best of all, `best` is the front.
    first: Id<Level>,
    root: Branch,
    instrument: InstrumentId,
    side: Side,
}

impl Ladder {
    pub(crate) const fn new(instrument: InstrumentId, side: Side) -> Ladder {
        Ladder {
            best_key: 0,
            best: Id::NONE,
            first: Id::NONE,
            root: Branch::NONE,
            instrument,
            side,
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
        // Where there is no level, neither of the two finds one.
        if key <= self.best_key {
            return if key == self.best_key { self.best } else { Id::NONE };
        }
        let level = levels.tree.find(self.root, key);
        // Nothing stands in slot 0, but its key is one.
        if level.is_some() && levels.pool[level].key == key { level } else { Id::NONE }
    }

    /// The best level whose key is not below `key`.
    pub(crate) fn first_from(&self, levels: &Levels, key: i64) -> Id<Level> {
        if self.best.is_some() && self.best_key < key {
            levels.tree.first_from(&levels.pool, self.root, key)
        } else {
            self.best
        }
    }

    /// The level behind `level`.
    #[inline]
    pub(crate) fn next(levels: &Levels, level: Id<Level>) -> Id<Level> {
        levels.tree.next(&levels.pool, level)
    }

    /// The level of `key`, an empty one if there was none; the pool is not full.
    #[inline(always)]
    pub(crate) fn find_or_insert(&mut self, levels: &mut Levels, key: i64) -> Id<Level> {
        let mut walk = Walk::NOWHERE;
        let level = if key <= self.best_key {
            if key == self.best_key { self.best } else { Id::NONE }
        } else {
            walk = levels.tree.walk(self.root, key);
            let level = walk.level();
            // Nothing stands in slot 0, but its key is one.
            if level.is_some() && levels.pool[level].key == key { level } else { Id::NONE }
        };
        if level.is_some() { level } else { self.insert(levels, key, walk) }
    }

    /// Adds an empty level of `key`, which has none, and whose way ended so if it is not the best.
    #[inline(always)]
    fn insert(&mut self, levels: &mut Levels, key: i64, walk: Walk) -> Id<Level> {
        if self.best.is_some() && key > self.best_key {
            return self.insert_behind(levels, key, walk);
        }
        if self.best != self.first {
            self.outdo_front(levels);
        }
        let (instrument, side) = (self.instrument, self.side);
        let (level, slot) = levels.pool.take_slot();
        *slot = Level { key, instrument, side, above: Branch::level(self.first), ..Level::EMPTY };
        self.best = level;
        self.best_key = key;
        level
    }

    /// The front goes into the tree.
    #[inline(never)]
    fn outdo_front(&mut self, levels: &mut Levels) {
        levels.tree.insert(&mut levels.pool, &mut self.root, self.best);
        self.first = self.best;
    }

    #[inline(never)]
    fn insert_behind(&mut self, levels: &mut Levels, key: i64, walk: Walk) -> Id<Level> {
        let (instrument, side) = (self.instrument, self.side);
        let (level, slot) = levels.pool.take_slot();
        *slot = Level { key, instrument, side, ..Level::EMPTY };
        levels.tree.insert_at(&mut levels.pool, &mut self.root, level, walk);
        if self.first.is_none() || key < levels.pool[self.first].key {
            self.set_first(levels, level);
        }
        level
    }

    /// Takes an empty level out.
    #[inline(always)]
    pub(crate) fn remove(&mut self, levels: &mut Levels, level: Id<Level>) {
        if level == self.best && level != self.first {
            self.best = self.first;
            self.best_key = levels.pool[self.first].key;
        } else {
            self.remove_behind(levels, level);
        }
        levels.pool.give_back(level);
    }

    #[inline(never)]
    fn remove_behind(&mut self, levels: &mut Levels, level: Id<Level>) {
        if level == self.first {
            let next = levels.tree.next(&levels.pool, level);
            self.set_first(levels, next);
        }
        levels.tree.remove(&mut levels.pool, &mut self.root, level);
    }

    /// Another level is the best in the tree: tells the front, or it is the best of all.
    fn set_first(&mut self, levels: &mut Levels, first: Id<Level>) {
        if self.best == self.first {
            self.best = first;
            self.best_key = levels.pool[first].key;
        } else {
            levels.pool[self.best].above = Branch::level(first);
        }
        self.first = first;
    }

    /// Where every way to a level begins.
    #[inline]
    pub(crate) const fn root(&self) -> Branch {
        self.root
    }

    /// Walks the ladder; returns its number of levels, and of nodes of the tree.
    ///
    /// # Panics
    ///
    /// If something does not agree.
    pub(crate) fn check(&self, levels: &Levels) -> (u32, u32) {
        let (mut count, mut level) = (0, self.best);
        assert_eq!(levels.tree.first(self.root), self.first);
        let front = u32::from(self.best != self.first);
        assert!(level.is_none() || levels.pool[level].key == self.best_key);
        let mut from = i64::MIN;
        while level.is_some() {
            let node = &levels.pool[level];
            assert!(node.instrument == self.instrument && node.side == self.side);
            assert!(node.key >= from);
            assert_eq!(self.find(levels, node.key), level);
            assert_eq!(self.first_from(levels, from), level);
            count += 1;
            level = Ladder::next(levels, level);
            match node.key.checked_add(1) {
                Some(key) => from = key,
                None => assert!(level.is_none()),
            }
        }
        assert_eq!(levels.tree.check(&levels.pool, self.root, Branch::NONE) + front, count);
        (count, levels.tree.count(self.root))
    }
}
