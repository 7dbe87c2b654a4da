//! An ordered tree of levels for prices outside the window: an AVL tree whose nodes are the levels.
//!
//! No allocation, no parent links. The depth is at most 1.44 log2(n), 46 for 2^32 levels, which
//! bounds the recursion.

use crate::levels::Level;
use crate::pool::{Id, Pool};

type Nodes = Pool<Level>;

/// A tree after a change: its root, and whether its height is another than before. Where it is not,
/// nothing above has to be looked at, which is the case after two steps on average.
struct Changed {
    root: Id<Level>,
    height: bool,
}

/// The tree of `root` with `level` in it; no node of it has that key. Returns the new root.
pub(crate) fn insert(nodes: &mut Nodes, root: Id<Level>, level: Id<Level>) -> Id<Level> {
    let node = &mut nodes[level];
    node.left = Id::NONE;
    node.right = Id::NONE;
    node.height = 1;
    let key = node.key;
    insert_below(nodes, root, level, key).root
}

fn insert_below(nodes: &mut Nodes, root: Id<Level>, level: Id<Level>, key: i64) -> Changed {
    if root.is_none() {
        return Changed { root: level, height: true };
    }
    let Level { left, right, key: root_key, .. } = nodes[root];
    let changed = if key < root_key {
        let changed = insert_below(nodes, left, level, key);
        nodes[root].left = changed.root;
        changed
    } else {
        let changed = insert_below(nodes, right, level, key);
        nodes[root].right = changed.root;
        changed
    };
    balance_if(nodes, root, &changed)
}

/// The tree of `root` without the node of `key`, which is in it. Returns the new root.
pub(crate) fn remove(nodes: &mut Nodes, root: Id<Level>, key: i64) -> Id<Level> {
    remove_below(nodes, root, key).root
}

fn remove_below(nodes: &mut Nodes, root: Id<Level>, key: i64) -> Changed {
    assert!(root.is_some());
    let Level { left, right, key: root_key, height, .. } = nodes[root];
    if key < root_key {
        let changed = remove_below(nodes, left, key);
        nodes[root].left = changed.root;
        return balance_if(nodes, root, &changed);
    }
    if key > root_key {
        let changed = remove_below(nodes, right, key);
        nodes[root].right = changed.root;
        return balance_if(nodes, root, &changed);
    }
    if left.is_none() || right.is_none() {
        return Changed { root: if left.is_none() { right } else { left }, height: true };
    }
    let heir = first(nodes, right);
    let changed = remove_first(nodes, right);
    nodes[heir].left = left;
    nodes[heir].right = changed.root;
    nodes[heir].height = height;
    balance_if(nodes, heir, &changed)
}

fn remove_first(nodes: &mut Nodes, root: Id<Level>) -> Changed {
    let Level { left, right, .. } = nodes[root];
    if left.is_none() {
        return Changed { root: right, height: true };
    }
    let changed = remove_first(nodes, left);
    nodes[root].left = changed.root;
    balance_if(nodes, root, &changed)
}

/// Balances `root` if the height of a subtree has `changed`.
#[inline]
fn balance_if(nodes: &mut Nodes, root: Id<Level>, changed: &Changed) -> Changed {
    if !changed.height {
        return Changed { root, height: false };
    }
    let before = nodes[root].height;
    let root = balance(nodes, root);
    Changed { root, height: nodes[root].height != before }
}

/// The node with the lowest key.
pub(crate) fn first(nodes: &Nodes, root: Id<Level>) -> Id<Level> {
    let mut at = root;
    while at.is_some() && nodes[at].left.is_some() {
        at = nodes[at].left;
    }
    at
}

/// The node of `key`.
#[inline(never)]
pub(crate) fn find(nodes: &Nodes, root: Id<Level>, key: i64) -> Id<Level> {
    let mut at = root;
    while at.is_some() {
        let node = &nodes[at];
        if key == node.key {
            break;
        }
        at = if key < node.key { node.left } else { node.right };
    }
    at
}

/// The node with the lowest key that is not below `key`.
pub(crate) fn first_from(nodes: &Nodes, root: Id<Level>, key: i64) -> Id<Level> {
    let (mut at, mut best) = (root, Id::NONE);
    while at.is_some() {
        let node = &nodes[at];
        if node.key < key {
            at = node.right;
        } else {
            best = at;
            at = node.left;
        }
    }
    best
}

fn height(nodes: &Nodes, node: Id<Level>) -> u8 {
    if node.is_none() { 0 } else { nodes[node].height }
}

fn measure(nodes: &mut Nodes, node: Id<Level>) {
    let Level { left, right, .. } = nodes[node];
    nodes[node].height = 1 + height(nodes, left).max(height(nodes, right));
}

/// Restores the balance of `root`, whose subtrees are balanced and differ by at most 2 in height.
#[inline(never)]
fn balance(nodes: &mut Nodes, root: Id<Level>) -> Id<Level> {
    let Level { left, right, .. } = nodes[root];
    let (left_height, right_height) = (height(nodes, left), height(nodes, right));
    if left_height > right_height + 1 {
        let Level { left: outer, right: inner, .. } = nodes[left];
        if height(nodes, inner) > height(nodes, outer) {
            nodes[root].left = rotate_left(nodes, left);
        }
        return rotate_right(nodes, root);
    }
    if right_height > left_height + 1 {
        let Level { left: inner, right: outer, .. } = nodes[right];
        if height(nodes, inner) > height(nodes, outer) {
            nodes[root].right = rotate_right(nodes, right);
        }
        return rotate_left(nodes, root);
    }
    nodes[root].height = 1 + left_height.max(right_height);
    root
}

fn rotate_left(nodes: &mut Nodes, root: Id<Level>) -> Id<Level> {
    let up = nodes[root].right;
    nodes[root].right = nodes[up].left;
    nodes[up].left = root;
    measure(nodes, root);
    measure(nodes, up);
    up
}

fn rotate_right(nodes: &mut Nodes, root: Id<Level>) -> Id<Level> {
    let up = nodes[root].left;
    nodes[root].left = nodes[up].right;
    nodes[up].right = root;
    measure(nodes, root);
    measure(nodes, up);
    up
}

/// Counts the nodes.
///
/// # Panics
///
/// If keys are out of order, a height is wrong or two subtrees differ by more than 1 in height.
pub(crate) fn check(nodes: &Nodes, root: Id<Level>) -> u32 {
    if root.is_none() {
        return 0;
    }
    let Level { left, right, key, height: own, .. } = nodes[root];
    assert!(left.is_none() || nodes[left].key < key);
    assert!(right.is_none() || nodes[right].key > key);
    assert!(height(nodes, left).abs_diff(height(nodes, right)) <= 1);
    assert!(own == 1 + height(nodes, left).max(height(nodes, right)));
    check(nodes, left) + 1 + check(nodes, right)
}
