//! The tree beside an ordered map, over keys of every shape.

use std::collections::BTreeMap;

use super::{Branch, Node, Tree};
use crate::levels::Level;
use crate::pool::tests::go_round;
use crate::pool::{Id, Pool, Pooled};
use crate::testing::flow::Rng;

struct Both {
    tree: Tree,
    levels: Pool<Level>,
    root: Branch,
    map: BTreeMap<i64, Id<Level>>,
}

impl Both {
    fn new() -> Both {
        let (mut tree, mut levels) = (Tree::new(), Pool::new());
        tree.grow(10_000).unwrap();
        levels.grow(10_000, 0).unwrap();
        Both { tree, levels, root: Branch::NONE, map: BTreeMap::new() }
    }

    /// Takes `key` in, or out if it is there.
    fn turn(&mut self, key: i64) {
        let Both { tree, levels, root, map } = self;
        if let Some(level) = map.remove(&key) {
            tree.remove(levels, root, level);
            levels.give_back(level);
        } else {
            let level = levels.take(Level { key, ..Level::EMPTY });
            tree.insert(levels, root, level);
            map.insert(key, level);
        }
    }

    fn find(&self, key: i64) -> Option<Id<Level>> {
        let level = self.tree.find(self.root, key).some();
        level.filter(|level| self.levels[*level].key == key)
    }

    fn check(&self) {
        let Both { tree, levels, root, map } = self;
        let count = tree.check(levels, *root, Branch::NONE);
        assert_eq!(count as usize, map.len());
        assert_eq!(tree.count(*root), tree.len());
        let mut at = tree.first(*root);
        for level in map.values() {
            assert_eq!(at, *level);
            at = tree.next(levels, at);
        }
        assert!(at.is_none());
    }

    fn ask(&self, key: i64) {
        assert_eq!(self.find(key), self.map.get(&key).copied());
        let first = self.tree.first_from(&self.levels, self.root, key).some();
        assert_eq!(first, self.map.range(key..).next().map(|(_, level)| *level));
    }
}

/// Near one another, on both sides of zero and of every digit's end, and anywhere at all.
fn key(rng: &mut Rng) -> i64 {
    let any = rng.below(u64::MAX).cast_signed();
    let small = any % 40;
    match rng.below(6) {
        0 => small,
        1 => (1 << rng.below(63)) + small,
        2 => -(1 << rng.below(63)) + small,
        3 => i64::MAX - small.abs(),
        4 => i64::MIN + small.abs(),
        _ => any,
    }
}

#[test]
fn it_agrees_with_an_ordered_map() {
    for seed in 1..=4 {
        println!("seed {seed}");
        let (mut both, mut rng) = (Both::new(), Rng::new(seed));
        for n in 0..6_000 {
            let next = key(&mut rng);
            both.turn(next);
            // Then the map gets empty again.
            let some = both.map.range(next..).next().map(|(key, _)| *key);
            if let Some(some) = some.filter(|_| n > 2_000 && rng.percent(80)) {
                both.turn(some);
            }
            both.ask(key(&mut rng));
            both.ask(next);
            if n % 16 == 0 {
                both.check();
            }
        }
        for key in both.map.keys().copied().collect::<Vec<_>>() {
            both.turn(key);
        }
        both.check();
        assert_eq!((both.root, both.tree.len()), (Branch::NONE, 0));
    }
}

#[test]
fn adjacent_prices_take_few_nodes() {
    let mut both = Both::new();
    for key in 10_752..10_752 + 256 {
        both.turn(key);
    }
    assert_eq!(both.tree.len(), 17);
    // An absurd one adds one node, above the others.
    both.turn(-1 << 60);
    assert_eq!(both.tree.len(), 18);
    both.check();
}

#[test]
fn nodes_are_handed_out_again() {
    go_round::<Node>();
}
