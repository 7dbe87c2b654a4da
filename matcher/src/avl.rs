//! Balanced trees whose nodes stand in a pool: how nodes are linked, and what keeps a tree low.
//!
//! Where a node hangs is its caller's affair, and so is what the tree is ordered by. The trees are AVL
//! trees: subtrees of one node differ by at most 1 in height, so that the depth is at most
//! 1.44 log2(n), 41 for [`NODES_MAX`] nodes. Links lead up as well, so a node is taken out without a
//! search, and all work is a loop along one path.

use crate::pool::{Id, Pool, Pooled};

/// The highest id of a node: 29 bits of [`Links`] are for the parent.
pub(crate) const NODES_MAX: u32 = (1 << 29) - 1;

/// The longest path from a root, in nodes.
pub(crate) const DEPTH_MAX: usize = 41;

/// Left is before, right is behind. What is done to one hand is done to the other mirrored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hand {
    Left,
    Right,
}

impl Hand {
    const fn opposite(self) -> Hand {
        match self {
            Hand::Left => Hand::Right,
            Hand::Right => Hand::Left,
        }
    }
}

/// What ties a node into its tree.
#[derive(Debug)]
pub(crate) struct Links<T> {
    left: Id<T>,
    right: Id<T>,
    /// The parent, shifted left by 3, and the last 3 bits of the height. Heights that are compared
    /// differ by at most 2, and 3 bits tell that.
    up: u32,
}

impl<T> Clone for Links<T> {
    fn clone(&self) -> Links<T> {
        *self
    }
}

impl<T> Copy for Links<T> {}

impl<T> Links<T> {
    /// In no tree.
    pub(crate) const NONE: Links<T> = Links { left: Id::NONE, right: Id::NONE, up: 0 };

    #[inline]
    pub(crate) const fn child(&self, hand: Hand) -> Id<T> {
        match hand {
            Hand::Left => self.left,
            Hand::Right => self.right,
        }
    }

    #[inline]
    pub(crate) const fn parent(&self) -> Id<T> {
        Id::from_raw(self.up >> 3)
    }

    const fn height(&self) -> u32 {
        self.up & 7
    }

    const fn set_child(&mut self, hand: Hand, child: Id<T>) {
        match hand {
            Hand::Left => self.left = child,
            Hand::Right => self.right = child,
        }
    }

    const fn set_parent(&mut self, parent: Id<T>) {
        self.up = parent.raw() << 3 | self.height();
    }

    const fn set_height(&mut self, height: u32) {
        self.up = self.up & !7 | height & 7;
    }
}

/// A node of a tree.
pub(crate) trait Linked: Pooled {
    fn links(&self) -> &Links<Self>;

    fn links_mut(&mut self) -> &mut Links<Self>;

    /// Hands to the children of `node` what was said to its whole subtree: they may get other parents.
    #[inline]
    fn push(_nodes: &mut Pool<Self>, _node: Id<Self>) {}

    /// Works out again what `node` says about its subtree. Whether its parent has to as well.
    #[inline]
    fn pull(_nodes: &mut Pool<Self>, _node: Id<Self>) -> bool {
        false
    }
}

/// The tree of `root` with `node` as a child of `at`, which has none there; with `at` none, the tree
/// of `node` alone. Returns the new root.
///
/// From the root to `at` everything has been pushed.
pub(crate) fn hang<T: Linked>(
    nodes: &mut Pool<T>,
    root: Id<T>,
    at: Id<T>,
    hand: Hand,
    node: Id<T>,
) -> Id<T> {
    assert!(node.raw() <= NODES_MAX);
    let links = nodes[node].links_mut();
    *links = Links::NONE;
    links.set_height(1);
    T::pull(nodes, node);
    if at.is_none() {
        return node;
    }
    set_child(nodes, at, hand, node);
    climb(nodes, root, at)
}

/// The tree of `root` without `node`, which is in it. Returns the new root.
///
/// From the root to `node`, and itself, everything has been pushed.
pub(crate) fn unhang<T: Linked>(nodes: &mut Pool<T>, root: Id<T>, node: Id<T>) -> Id<T> {
    let links = *nodes[node].links();
    let Links { left, right, .. } = links;
    if left.is_none() || right.is_none() {
        let heir = if left.is_none() { right } else { left };
        let root = put_in_place(nodes, root, node, heir);
        return climb(nodes, root, links.parent());
    }
    let heir = pushed_first(nodes, right);
    let mut lowest = heir;
    if heir != right {
        lowest = nodes[heir].links().parent();
        let behind = nodes[heir].links().right;
        set_child(nodes, lowest, Hand::Left, behind);
        set_child(nodes, heir, Hand::Right, right);
    }
    set_child(nodes, heir, Hand::Left, left);
    let root = put_in_place(nodes, root, node, heir);
    climb_past(nodes, root, lowest, heir)
}

/// Balances the tree of `root` from `from` upwards, as far as it matters. Returns the new root.
///
/// Outside `hang` and `unhang` it is for a caller who has changed what a node says about its subtree.
pub(crate) fn climb<T: Linked>(nodes: &mut Pool<T>, root: Id<T>, from: Id<T>) -> Id<T> {
    climb_past(nodes, root, from, Id::NONE)
}

/// As `climb`, and at least past `heir`, which may be none: what the nodes above it know of this
/// subtree is what another node said.
fn climb_past<T: Linked>(nodes: &mut Pool<T>, mut root: Id<T>, from: Id<T>, heir: Id<T>) -> Id<T> {
    let (mut at, mut is_below_heir) = (from, heir.is_some());
    while at.is_some() {
        let before = *nodes[at].links();
        let top = balance(nodes, at);
        if top != at {
            root = put_in_place_under(nodes, root, before.parent(), at, top);
        }
        // What another top says anew may be what it said before, and yet not what `at` said.
        let matters = T::pull(nodes, top) || top != at || is_below_heir;
        if !matters && nodes[top].links().height() == before.height() {
            break;
        }
        is_below_heir &= at != heir;
        at = before.parent();
    }
    root
}

/// The first node.
pub(crate) fn first<T: Linked>(nodes: &Pool<T>, root: Id<T>) -> Id<T> {
    let mut at = root;
    while at.is_some() && nodes[at].links().left.is_some() {
        at = nodes[at].links().left;
    }
    at
}

/// The node behind `node`. A walk over a whole tree takes two steps a node.
pub(crate) fn next<T: Linked>(nodes: &Pool<T>, node: Id<T>) -> Id<T> {
    let right = nodes[node].links().right;
    if right.is_some() {
        return first(nodes, right);
    }
    let mut at = node;
    loop {
        let parent = nodes[at].links().parent();
        if parent.is_none() || nodes[parent].links().left == at {
            return parent;
        }
        at = parent;
    }
}

fn pushed_first<T: Linked>(nodes: &mut Pool<T>, root: Id<T>) -> Id<T> {
    let mut at = root;
    loop {
        T::push(nodes, at);
        let left = nodes[at].links().left;
        if left.is_none() {
            return at;
        }
        at = left;
    }
}

fn set_child<T: Linked>(nodes: &mut Pool<T>, parent: Id<T>, hand: Hand, child: Id<T>) {
    nodes[parent].links_mut().set_child(hand, child);
    if child.is_some() {
        nodes[child].links_mut().set_parent(parent);
    }
}

/// Puts `heir`, which may be none, where `node` is.
fn put_in_place<T: Linked>(nodes: &mut Pool<T>, root: Id<T>, node: Id<T>, heir: Id<T>) -> Id<T> {
    let parent = nodes[node].links().parent();
    put_in_place_under(nodes, root, parent, node, heir)
}

fn put_in_place_under<T: Linked>(
    nodes: &mut Pool<T>,
    root: Id<T>,
    parent: Id<T>,
    node: Id<T>,
    heir: Id<T>,
) -> Id<T> {
    if parent.is_some() {
        let is_left = nodes[parent].links().left == node;
        set_child(nodes, parent, if is_left { Hand::Left } else { Hand::Right }, heir);
        return root;
    }
    if heir.is_some() {
        nodes[heir].links_mut().set_parent(Id::NONE);
    }
    heir
}

/// How much higher the subtree at `hand` is than the other: -2 to 2. Slot 0 has a height of 0.
#[inline]
fn lean<T: Linked>(nodes: &Pool<T>, node: Id<T>, hand: Hand) -> i32 {
    let links = nodes[node].links();
    let near = nodes[links.child(hand)].links().height();
    let far = nodes[links.child(hand.opposite())].links().height();
    (near.wrapping_sub(far) << 29).cast_signed() >> 29
}

fn measure<T: Linked>(nodes: &mut Pool<T>, node: Id<T>) {
    let higher = if lean(nodes, node, Hand::Left) < 0 { Hand::Right } else { Hand::Left };
    let below = nodes[node].links().child(higher);
    let height = nodes[below].links().height() + 1;
    nodes[node].links_mut().set_height(height);
}

/// Restores the balance of `node`, whose subtrees are balanced and differ by at most 2 in height.
/// Returns what stands on top now; its parent does not know it yet.
fn balance<T: Linked>(nodes: &mut Pool<T>, node: Id<T>) -> Id<T> {
    for hand in [Hand::Left, Hand::Right] {
        if lean(nodes, node, hand) < 2 {
            continue;
        }
        let child = nodes[node].links().child(hand);
        T::push(nodes, child);
        if lean(nodes, child, hand) < 0 {
            let inner = nodes[child].links().child(hand.opposite());
            T::push(nodes, inner);
            rotate(nodes, child, hand.opposite());
            set_child(nodes, node, hand, inner);
        }
        return rotate(nodes, node, hand);
    }
    measure(nodes, node);
    node
}

/// Lifts the child at `hand` above `node`. Returns it; what it says is not worked out yet.
fn rotate<T: Linked>(nodes: &mut Pool<T>, node: Id<T>, hand: Hand) -> Id<T> {
    let Links { up, .. } = *nodes[node].links();
    let top = nodes[node].links().child(hand);
    let inner = nodes[top].links().child(hand.opposite());
    nodes[top].links_mut().up = up;
    set_child(nodes, node, hand, inner);
    set_child(nodes, top, hand.opposite(), node);
    measure(nodes, node);
    T::pull(nodes, node);
    measure(nodes, top);
    top
}

/// Counts the nodes of a tree and of the longest path in it.
///
/// # Panics
///
/// If a link leads nowhere or a subtree is out of balance.
pub(crate) fn check<T: Linked>(nodes: &Pool<T>, root: Id<T>) -> (u32, u32) {
    assert!(root.is_none() || nodes[root].links().parent().is_none());
    check_below(nodes, root)
}

fn check_below<T: Linked>(nodes: &Pool<T>, node: Id<T>) -> (u32, u32) {
    if node.is_none() {
        return (0, 0);
    }
    let links = nodes[node].links();
    let below = [links.left, links.right].map(|child| {
        assert!(child.is_none() || nodes[child].links().parent() == node);
        check_below(nodes, child)
    });
    let [(left, left_height), (right, right_height)] = below;
    let height = 1 + left_height.max(right_height);
    assert!(left_height.abs_diff(right_height) <= 1);
    assert!(links.height() == height % 8);
    (left + 1 + right, height)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Rng;

    /// A node that says the highest weight of its subtree.
    #[derive(Clone, Copy)]
    struct Weight {
        key: u32,
        weight: u32,
        highest: u32,
        links: Links<Weight>,
    }

    impl Pooled for Weight {
        const EMPTY: Weight = Weight { key: 0, weight: 0, highest: 0, links: Links::NONE };

        fn link(&self) -> u32 {
            self.key
        }

        fn set_link(&mut self, link: u32) {
            self.key = link;
        }
    }

    impl Linked for Weight {
        fn links(&self) -> &Links<Weight> {
            &self.links
        }

        fn links_mut(&mut self) -> &mut Links<Weight> {
            &mut self.links
        }

        fn pull(nodes: &mut Pool<Weight>, node: Id<Weight>) -> bool {
            let Weight { weight, links, highest, .. } = nodes[node];
            let below = nodes[links.left].highest.max(nodes[links.right].highest);
            nodes[node].highest = weight.max(below);
            nodes[node].highest != highest
        }
    }

    fn check_highest(nodes: &Pool<Weight>, node: Id<Weight>) -> u32 {
        if node.is_none() {
            return 0;
        }
        let Weight { weight, links, highest, .. } = nodes[node];
        let below = check_highest(nodes, links.left).max(check_highest(nodes, links.right));
        assert_eq!(highest, weight.max(below));
        highest
    }

    #[test]
    fn what_is_said_of_a_subtree_stays_true() {
        for seed in 0..20 {
            println!("seed {seed}");
            let mut rng = Rng::new(seed);
            let (mut nodes, mut root, mut live) = (Pool::new(), Id::NONE, Vec::new());
            nodes.grow(200, 200).expect("it is small");
            for step in 0..5_000 {
                if live.is_empty() || !nodes.is_full() && rng.percent(52) {
                    let random = |rng: &mut Rng| u32::try_from(rng.below(100)).unwrap();
                    let (key, weight) = (random(&mut rng), random(&mut rng));
                    let node = nodes.take(Weight { key, weight, ..Weight::EMPTY });
                    let (mut at, mut below, mut hand) = (Id::NONE, root, Hand::Left);
                    while below.is_some() {
                        at = below;
                        hand = if key < nodes[at].key { Hand::Left } else { Hand::Right };
                        below = nodes[at].links.child(hand);
                    }
                    root = hang(&mut nodes, root, at, hand, node);
                    live.push(node);
                } else {
                    let node = live.swap_remove(rng.index(live.len()));
                    root = unhang(&mut nodes, root, node);
                    nodes.give_back(node);
                }
                check_highest(&nodes, root);
                if step % 100 == 0 {
                    assert_eq!(check(&nodes, root).0, nodes.len());
                }
            }
        }
    }
}
