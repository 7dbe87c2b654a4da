//! The levels of a ladder in order: a tree of 16 ways over the digits of their keys.
//!
//! A node stands where keys begin to differ, and nowhere else: with two keys that differ in their last
//! digit alone there is one node, whatever the digits before. So the way to a level is as long as keys
//! near it are many: 2 nodes where 256 adjacent prices are in use, one more if somebody bids an absurd
//! price, at most 16 for any prices at all. Nothing is ever rebalanced or moved.
//!
//! ```text
//!   keys 10_850, 10_851, 10_866:  0x2a62, 0x2a63, 0x2a72
//!                         node at digit 1, children 6 and 7
//!                        ╱                                ╲
//!     node at digit 0, children 2 and 3                level 0x2a72
//! ```
//!
//! A [`Branch`] says what it leads to and, of a node, which digit that looks at, so that finding a level
//! reads one line of memory a node. What else a node knows stands apart, in its [`Head`].

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;

use std::collections::TryReserveError;

use crate::levels::Level;
use crate::pool::{Id, Pool, Pooled};
use crate::prefetch::{prefetch_at, select};

const WAYS: usize = 16;
const DIGIT_BITS: u32 = 4;

/// Leads to a level, to a node, or nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Branch(u32);

/// Levels at most, and nodes: what a [`Branch`] has bits for.
pub(crate) const LEVELS_MAX: u32 = 1 << 26;

/// Nodes that there is room for at once, if so many levels are allowed.
const NODES_RESERVED: u32 = 4096;

const NODE: u32 = 1 << 31;
const DIGIT_SHIFT: u32 = 27;
const ID_MASK: u32 = (1 << DIGIT_SHIFT) - 1;

impl Branch {
    pub(crate) const NONE: Branch = Branch(0);

    #[inline]
    pub(crate) const fn level(id: Id<Level>) -> Branch {
        Branch(id.raw())
    }

    #[inline]
    const fn node(id: Id<Node>, digit: u32) -> Branch {
        Branch(NODE | digit << DIGIT_SHIFT | id.raw())
    }

    #[inline]
    const fn is_none(self) -> bool {
        self.0 == 0
    }

    #[inline]
    pub(crate) const fn is_node(self) -> bool {
        self.0 & NODE != 0
    }

    /// Of a branch that leads to no node.
    #[inline]
    pub(crate) const fn level_id(self) -> Id<Level> {
        Id::from_raw(self.0)
    }

    #[inline]
    const fn node_id(self) -> Id<Node> {
        Id::from_raw(self.0 & ID_MASK)
    }

    /// One of two, without a branch.
    #[inline(always)]
    pub(crate) const fn select(first: bool, a: Branch, b: Branch) -> Branch {
        Branch(select(first, a.0, b.0))
    }

    /// Of any branch; none if it leads to no level.
    #[inline(always)]
    pub(crate) const fn some_level_id(self) -> Id<Level> {
        Id::from_raw(select(self.is_node(), 0, self.0))
    }

    /// Of any branch; none if it leads to no node.
    #[inline(always)]
    const fn some_node_id(self) -> Id<Node> {
        Id::from_raw(select(self.is_node(), self.0 & ID_MASK, 0))
    }

    /// The index in [`Tree::heads`] of a branch that leads to a node.
    #[inline]
    const fn head(self) -> usize {
        (self.0 & ID_MASK) as usize
    }

    /// How many bits stand behind the digit that the node looks at.
    #[inline]
    const fn shift(self) -> u32 {
        (self.0 >> DIGIT_SHIFT & 0xf) * DIGIT_BITS
    }

    /// The way of a key through the node.
    #[inline]
    const fn way(self, key: Digits) -> usize {
        (key.0 >> self.shift()) as usize % WAYS
    }
}

/// A key as a number without a sign: digits are in the order of keys then.
#[derive(Clone, Copy)]
struct Digits(u64);

impl Digits {
    #[inline]
    const fn of(key: i64) -> Digits {
        Digits(key.cast_unsigned() ^ 1 << 63)
    }
}

/// Where keys begin to differ.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Node {
    ways: [Branch; WAYS],
}

impl Pooled for Node {
    const EMPTY: Node = Node { ways: [Branch::NONE; WAYS] };

    fn link(&self) -> u32 {
        self.ways[0].0
    }

    fn set_link(&mut self, link: u32) {
        self.ways[0] = Branch(link);
    }
}

/// Where the way of a key ended: a level, which may be another's, or nowhere; and the last node before.
#[derive(Clone, Copy)]
pub(crate) struct Walk {
    parent: Branch,
    at: Branch,
}

impl Walk {
    pub(crate) const NOWHERE: Walk = Walk { parent: Branch::NONE, at: Branch::NONE };

    /// The level of that key, if there is one; if not, none or another.
    #[inline(always)]
    pub(crate) const fn level(self) -> Id<Level> {
        self.at.level_id()
    }
}

/// What is asked of a node when it changes, or when it is walked.
#[derive(Clone, Copy)]
struct Head {
    /// A key below the node: all keys there have its digits before the node's.
    key: Digits,
    /// The node above, or none.
    parent: Branch,
    /// Bit `w` is set if way `w` leads somewhere.
    used: u16,
}

impl Head {
    const EMPTY: Head = Head { key: Digits(0), parent: Branch::NONE, used: 0 };
}

/// The nodes of the trees of all ladders.
pub(crate) struct Tree {
    nodes: Pool<Node>,
    /// By node.
    heads: Vec<Head>,
}

impl Tree {
    pub(crate) const fn new() -> Tree {
        Tree { nodes: Pool::new(), heads: Vec::new() }
    }

    /// Growth: a node has two ways at least, so there are fewer nodes than levels; where prices are near
    /// one another there are 15 levels a node. The table begins with room for one in 32 and doubles.
    pub(crate) fn grow(&mut self, levels_max: u32) -> Result<(), TryReserveError> {
        let reserved = (levels_max / 32).max(levels_max.min(NODES_RESERVED));
        let wanted = reserved as usize + 1;
        self.heads.try_reserve_exact(wanted.saturating_sub(self.heads.len()))?;
        self.nodes.grow(levels_max, reserved)
    }

    /// The level of `key` in the tree of `root`, if there is one; if not, none or another.
    #[inline(always)]
    pub(crate) fn find(&self, root: Branch, key: i64) -> Id<Level> {
        self.walk(root, key).at.level_id()
    }

    /// The same, and the last node on the way.
    #[inline(always)]
    pub(crate) fn walk(&self, root: Branch, key: i64) -> Walk {
        let key = Digits::of(key);
        let (mut parent, mut at) = (Branch::NONE, root);
        while at.is_node() {
            (parent, at) = (at, self.nodes[at.node_id()].ways[at.way(key)]);
        }
        Walk { parent, at }
    }

    /// One node further on the way of `key`; what leads to no node, and nothing, lead on to themselves.
    /// The branch may be one of long ago.
    #[inline(always)]
    pub(crate) fn toward(&self, branch: Branch, key: i64) -> Branch {
        // Slot 0 stands for what is no node, which none of the ways of slot 0 is asked for.
        let node = self.nodes.get(branch.some_node_id()).unwrap_or(&Node::EMPTY);
        let below = node.ways[branch.way(Digits::of(key))];
        Branch(select(branch.is_node(), below.0, branch.0))
    }

    /// Asks for the memory of what `branch` leads to.
    #[inline(always)]
    pub(crate) fn prefetch(&self, levels: &Pool<Level>, branch: Branch) {
        self.nodes.prefetch(branch.some_node_id());
        levels.prefetch(branch.some_level_id());
    }

    /// Asks for the memory of a node that may have to change.
    #[inline(always)]
    pub(crate) fn prefetch_change(&self, branch: Branch) {
        let node = branch.some_node_id();
        self.nodes.prefetch(node);
        prefetch_at(&self.heads, node.raw() as usize);
    }

    /// Adds a level; `root` has none of that key, and that is where its way ended.
    pub(crate) fn insert_at(
        &mut self,
        levels: &mut Pool<Level>,
        root: &mut Branch,
        level: Id<Level>,
        walk: Walk,
    ) {
        let key = Digits::of(levels[level].key);
        // Ways are not asked whether the digits before theirs are those of the key.
        if walk.parent.is_node() && self.is_beside(walk.parent, key) {
            return self.insert(levels, root, level);
        }
        self.insert_below(levels, root, level, walk);
    }

    /// Whether a key differs from those below a node before the digit that it looks at.
    #[inline(always)]
    fn is_beside(&self, node: Branch, key: Digits) -> bool {
        // Two shifts, because the first digit has no bits before it.
        (self.heads[node.head()].key.0 ^ key.0) >> node.shift() >> DIGIT_BITS != 0
    }

    /// Adds a level; `root` has none of that key.
    pub(crate) fn insert(&mut self, levels: &mut Pool<Level>, root: &mut Branch, level: Id<Level>) {
        let key = Digits::of(levels[level].key);
        let (mut parent, mut at) = (Branch::NONE, *root);
        while at.is_node() && !self.is_beside(at, key) {
            (parent, at) = (at, self.nodes[at.node_id()].ways[at.way(key)]);
        }
        self.insert_below(levels, root, level, Walk { parent, at });
    }

    /// Adds a level below `parent`, where `at` is in its way if anything is.
    #[inline(always)]
    fn insert_below(
        &mut self,
        levels: &mut Pool<Level>,
        root: &mut Branch,
        level: Id<Level>,
        Walk { parent, at }: Walk,
    ) {
        let key = Digits::of(levels[level].key);
        let mut new = Branch::level(level);
        levels[level].above = parent;
        if !at.is_none() {
            let other = match at.is_node() {
                true => self.heads[at.head()].key,
                false => Digits::of(levels[at.level_id()].key),
            };
            let digit = (other.0 ^ key.0).ilog2() / DIGIT_BITS;
            new = self.fork(key, digit, parent);
            for (key, branch) in [(key, Branch::level(level)), (other, at)] {
                self.nodes[new.node_id()].ways[new.way(key)] = branch;
                self.heads[new.head()].used |= 1 << new.way(key);
                self.set_above(levels, branch, new);
            }
        }
        self.hang(root, parent, key, new);
    }

    /// A node without ways.
    fn fork(&mut self, key: Digits, digit: u32, parent: Branch) -> Branch {
        let node = Branch::node(self.nodes.take(Node::EMPTY), digit);
        if self.heads.len() <= node.head() {
            self.heads.resize(node.head() + 1, Head::EMPTY);
        }
        self.heads[node.head()] = Head { key, parent, used: 0 };
        node
    }

    fn set_above(&mut self, levels: &mut Pool<Level>, branch: Branch, above: Branch) {
        if branch.is_node() {
            self.heads[branch.head()].parent = above;
        } else {
            levels[branch.level_id()].above = above;
        }
    }

    /// Lets the way of `key` through `parent`, or the root, lead to `branch`.
    fn hang(&mut self, root: &mut Branch, parent: Branch, key: Digits, branch: Branch) {
        if parent.is_none() {
            *root = branch;
        } else {
            let way = parent.way(key);
            self.nodes[parent.node_id()].ways[way] = branch;
            let bit = 1 << way;
            let used = &mut self.heads[parent.head()].used;
            *used = if branch.is_none() { *used & !bit } else { *used | bit };
        }
    }

    /// Takes a level of this tree out.
    pub(crate) fn remove(&mut self, levels: &mut Pool<Level>, root: &mut Branch, level: Id<Level>) {
        let Level { key, above, .. } = levels[level];
        let key = Digits::of(key);
        self.hang(root, above, key, Branch::NONE);
        if above.is_none() {
            return;
        }
        let Head { parent, used, .. } = self.heads[above.head()];
        if used.is_power_of_two() {
            // One way is none: what it leads to takes the node's place.
            let only = self.nodes[above.node_id()].ways[used.trailing_zeros() as usize];
            self.nodes.give_back(above.node_id());
            self.set_above(levels, only, parent);
            self.hang(root, parent, key, only);
        }
    }

    /// The level with the lowest key below a branch.
    #[inline]
    pub(crate) fn first(&self, branch: Branch) -> Id<Level> {
        let mut at = branch;
        while at.is_node() {
            let way = self.heads[at.head()].used.trailing_zeros() as usize;
            at = self.nodes[at.node_id()].ways[way];
        }
        at.level_id()
    }

    /// The level with the lowest key above that of `level`; of a level that stands before a tree, what
    /// it says itself.
    #[inline]
    pub(crate) fn next(&self, levels: &Pool<Level>, level: Id<Level>) -> Id<Level> {
        let Level { key, above, .. } = levels[level];
        if above.is_node() { self.behind(Digits::of(key), above) } else { above.level_id() }
    }

    /// The first level, of those below `above` and of those behind, whose way there is after that of
    /// `key`.
    fn behind(&self, key: Digits, above: Branch) -> Id<Level> {
        let mut at = above;
        while !at.is_none() {
            let Head { parent, used, .. } = self.heads[at.head()];
            let rest = used & (u16::MAX << at.way(key)) & !(1 << at.way(key));
            if rest != 0 {
                return self.first(self.nodes[at.node_id()].ways[rest.trailing_zeros() as usize]);
            }
            at = parent;
        }
        Id::NONE
    }

    /// The level of `root` with the lowest key that is not below `key`.
    pub(crate) fn first_from(&self, levels: &Pool<Level>, root: Branch, key: i64) -> Id<Level> {
        let key = Digits::of(key);
        let (mut above, mut at) = (Branch::NONE, root);
        while at.is_node() {
            let prefix = self.heads[at.head()].key;
            if (prefix.0 ^ key.0) >> at.shift() >> DIGIT_BITS != 0 {
                return if prefix.0 > key.0 { self.first(at) } else { self.behind(key, above) };
            }
            (above, at) = (at, self.nodes[at.node_id()].ways[at.way(key)]);
        }
        if !at.is_none() && Digits::of(levels[at.level_id()].key).0 >= key.0 {
            return at.level_id();
        }
        self.behind(key, above)
    }

    /// Counts the levels below `branch`, which hangs below `above`.
    ///
    /// # Panics
    ///
    /// If something does not agree.
    pub(crate) fn check(&self, levels: &Pool<Level>, branch: Branch, above: Branch) -> u32 {
        if branch.is_none() {
            return 0;
        }
        if !branch.is_node() {
            assert_eq!(levels[branch.level_id()].above, above);
            return 1;
        }
        let Head { key, parent, used } = self.heads[branch.head()];
        assert_eq!(parent, above);
        assert!(used.count_ones() >= 2);
        assert!(above.is_none() || branch.shift() < above.shift());
        let mut count = 0;
        for (way, below) in (0..).zip(self.nodes[branch.node_id()].ways) {
            assert_eq!(below.is_none(), used >> way & 1 == 0);
            let first = self.first(below);
            if first.is_some() {
                let first = Digits::of(levels[first].key);
                assert_eq!(branch.way(first), way);
                assert_eq!((first.0 ^ key.0) >> branch.shift() >> DIGIT_BITS, 0);
            }
            count += self.check(levels, below, branch);
        }
        count
    }

    /// Nodes in use.
    pub(crate) const fn len(&self) -> u32 {
        self.nodes.len()
    }

    /// Nodes below `branch`.
    pub(crate) fn count(&self, branch: Branch) -> u32 {
        if !branch.is_node() {
            return 0;
        }
        1 + self.nodes[branch.node_id()].ways.iter().map(|below| self.count(*below)).sum::<u32>()
    }
}
