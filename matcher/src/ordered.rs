//! Small ordered sets, many in one pool: orders by what they wait for.
//!
//! A set is ordered by a key and, where keys are equal, by a sequence: the trigger price and the place
//! of a stop, the time and the place of an order that expires. The lowest is first; who wants the
//! highest first gives `!price`.

use std::iter;

use crate::avl::{self, Hand, Linked, Links};
use crate::pool::{Id, Pool, Pooled};

/// A member of a [`Set`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member {
    key: i64,
    seq: u64,
    /// Whom it stands for: the slot of an order.
    pub(crate) payload: u32,
    links: Links<Member>,
}

const _: () = assert!(size_of::<Member>() == 32);

impl Member {
    #[inline]
    pub(crate) const fn key(&self) -> i64 {
        self.key
    }

    #[inline]
    pub(crate) const fn seq(&self) -> u64 {
        self.seq
    }
}

impl Pooled for Member {
    const EMPTY: Member = Member { key: 0, seq: 0, payload: 0, links: Links::NONE };

    #[inline]
    fn link(&self) -> u32 {
        self.payload
    }

    #[inline]
    fn set_link(&mut self, link: u32) {
        self.payload = link;
    }
}

impl Linked for Member {
    #[inline]
    fn links(&self) -> &Links<Member> {
        &self.links
    }

    #[inline]
    fn links_mut(&mut self) -> &mut Links<Member> {
        &mut self.links
    }
}

type Members = Pool<Member>;

/// A set of [`Member`]s, which stand in a pool of all sets: at most [`avl::NODES_MAX`] there.
#[derive(Debug)]
pub(crate) struct Set {
    root: Id<Member>,
    first: Id<Member>,
    len: u32,
}

impl Set {
    pub(crate) const fn new() -> Set {
        Set { root: Id::NONE, first: Id::NONE, len: 0 }
    }

    #[cfg(test)]
    pub(crate) const fn len(&self) -> u32 {
        self.len
    }

    /// The member with the lowest key and sequence.
    #[inline]
    pub(crate) const fn first(&self) -> Id<Member> {
        self.first
    }

    /// Adds a member; none has that key and sequence, and the pool is not full.
    pub(crate) fn insert(
        &mut self,
        members: &mut Members,
        key: i64,
        seq: u64,
        payload: u32,
    ) -> Id<Member> {
        let member = members.take(Member { key, seq, payload, links: Links::NONE });
        let (mut at, mut below, mut hand) = (Id::NONE, self.root, Hand::Left);
        let mut is_first = true;
        while below.is_some() {
            at = below;
            let node = &members[at];
            hand = if (key, seq) < (node.key, node.seq) { Hand::Left } else { Hand::Right };
            is_first &= hand == Hand::Left;
            below = node.links.child(hand);
        }
        if is_first {
            self.first = member;
        }
        self.root = avl::hang(members, self.root, at, hand, member);
        self.len += 1;
        member
    }

    /// Takes a member of this set out; returns whom it stood for.
    pub(crate) fn remove(&mut self, members: &mut Members, member: Id<Member>) -> u32 {
        if member == self.first {
            self.first = avl::next(members, member);
        }
        self.root = avl::unhang(members, self.root, member);
        self.len -= 1;
        members.give_back(member).payload
    }

    /// Takes all members out.
    pub(crate) fn clear(&mut self, members: &mut Members) {
        let mut at = self.first;
        while at.is_some() {
            // A free member keeps its links, so the way to the next one leads over free ones.
            let next = avl::next(members, at);
            members.give_back(at);
            at = next;
        }
        *self = Set::new();
    }

    /// The member behind `member`, or none.
    #[inline]
    pub(crate) fn next(members: &Members, member: Id<Member>) -> Id<Member> {
        avl::next(members, member)
    }

    /// The members, lowest first.
    pub(crate) fn iter<'a>(
        &self,
        members: &'a Members,
    ) -> impl Iterator<Item = Id<Member>> + use<'a> {
        iter::successors(self.first.some(), |at| avl::next(members, *at).some())
    }

    /// Walks the set; returns its number of members.
    ///
    /// # Panics
    ///
    /// If something does not agree.
    pub(crate) fn check(&self, members: &Members) -> u32 {
        let (len, height) = avl::check(members, self.root);
        assert_eq!(len, self.len);
        assert!(usize::try_from(height).is_ok_and(|height| height <= avl::DEPTH_MAX));
        assert_eq!(avl::first(members, self.root), self.first);
        let (mut count, mut last) = (0, None);
        for member in self.iter(members) {
            let node = &members[member];
            assert!(last < Some((node.key, node.seq)));
            last = Some((node.key, node.seq));
            count += 1;
        }
        assert_eq!(count, len);
        len
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Rng;
    use std::collections::BTreeMap;

    fn pool(max: u32) -> Members {
        let mut members = Pool::new();
        members.grow(max, max).expect("it is small");
        members
    }

    fn keys(set: &Set, members: &Members) -> Vec<(i64, u64)> {
        set.iter(members).map(|id| (members[id].key(), members[id].seq())).collect()
    }

    #[test]
    fn an_empty_set_has_no_first() {
        let members = pool(0);
        let set = Set::new();
        assert_eq!((set.len(), set.first(), set.check(&members)), (0, Id::NONE, 0));
        assert_eq!(set.iter(&members).count(), 0);
    }

    #[test]
    fn equal_keys_are_in_order_of_their_sequence() {
        let mut members = pool(8);
        let mut set = Set::new();
        for (key, seq) in [(7, 5), (7, 2), (i64::MAX, 0), (7, u64::MAX), (i64::MIN, 9), (7, 0)] {
            set.insert(&mut members, key, seq, 0);
        }
        let sorted = [(i64::MIN, 9), (7, 0), (7, 2), (7, 5), (7, u64::MAX), (i64::MAX, 0)];
        assert_eq!(keys(&set, &members), sorted);
    }

    /// Every order in which 7 members can come, then each one taken out, then the first until none is.
    #[test]
    fn every_order_of_seven_members() {
        let mut members = pool(7);
        let mut order = [1_i64, 2, 3, 4, 5, 6, 7];
        permute(&mut order, 7, &mut |order| {
            for gone in 0..7 {
                let mut set = Set::new();
                let ids = order.map(|key| set.insert(&mut members, key, 0, 0));
                set.remove(&mut members, ids[gone]);
                assert_eq!(set.check(&members), 6);
                let left: Vec<i64> = (1..=7).filter(|key| *key != order[gone]).collect();
                for key in left {
                    let first = set.first();
                    assert_eq!(members[first].key(), key);
                    set.remove(&mut members, first);
                    set.check(&members);
                }
                assert_eq!(members.len(), 0);
            }
        });
    }

    fn permute(order: &mut [i64; 7], len: usize, each: &mut impl FnMut(&[i64; 7])) {
        if len == 1 {
            return each(order);
        }
        for at in 0..len {
            order.swap(at, len - 1);
            permute(order, len - 1, each);
            order.swap(at, len - 1);
        }
    }

    #[test]
    fn clearing_a_set_leaves_the_others() {
        let mut members = pool(2_000);
        let (mut set, mut other) = (Set::new(), Set::new());
        let mut rng = Rng::new(7);
        for seq in 0..1_000 {
            set.insert(&mut members, rng.below(50).cast_signed(), seq, 1);
            other.insert(&mut members, rng.below(50).cast_signed(), seq, 2);
        }
        set.clear(&mut members);
        assert_eq!((set.len(), set.first(), set.check(&members)), (0, Id::NONE, 0));
        assert_eq!((other.check(&members), members.len()), (1_000, 1_000));
        for seq in 0..1_000 {
            set.insert(&mut members, 0, seq, 3);
        }
        assert_eq!((set.check(&members), other.check(&members)), (1_000, 1_000));
    }

    #[test]
    fn a_sorted_stream_stays_low() {
        const LEN: u32 = 1 << 16;
        let mut members = pool(LEN);
        for sign in [1, -1] {
            let mut set = Set::new();
            let ids: Vec<_> = (0..LEN)
                .map(|key| set.insert(&mut members, sign * i64::from(key), 0, key))
                .collect();
            assert_eq!(avl::check(&members, set.root), (LEN, 17));
            for (key, id) in (0..).zip(ids) {
                assert_eq!(set.remove(&mut members, id), key);
            }
            assert_eq!((set.len(), set.first(), members.len()), (0, Id::NONE, 0));
        }
    }

    /// Eight sets in one pool against eight ordered maps.
    #[test]
    fn many_sets_in_one_pool_agree_with_ordered_maps() {
        for seed in 0..24 {
            println!("seed {seed}");
            let mut rng = Rng::new(seed);
            let mut members = pool(600);
            let mut sets: [Set; 8] = std::array::from_fn(|_| Set::new());
            let mut maps: [BTreeMap<(i64, u64), Id<Member>>; 8] = Default::default();
            // Few keys make many equal ones; the widest have both extremes of i64.
            let width = [3, 50, 1_000, u64::MAX][rng.index(4)];
            for payload in 0..20_000 {
                let seq = u64::from(payload);
                let which = rng.index(8);
                let (set, map) = (&mut sets[which], &mut maps[which]);
                let grows = rng.percent(if seq / 2_000 % 2 == 0 { 70 } else { 35 });
                if grows && !members.is_full() {
                    let key = match rng.below(100) {
                        0 => i64::MIN,
                        1 => i64::MAX,
                        _ => rng.below(width).cast_signed(),
                    };
                    let id = set.insert(&mut members, key, seq, payload);
                    map.insert((key, seq), id);
                } else if let Some(&key) = map.keys().nth(rng.index(map.len())) {
                    let id = map.remove(&key).expect("its key was just seen");
                    assert_eq!(u64::from(set.remove(&mut members, id)), key.1);
                }
                assert_eq!(set.first(), map.values().next().copied().unwrap_or(Id::NONE));
                assert_eq!(set.len() as usize, map.len());
                if rng.percent(2) {
                    set.check(&members);
                    assert!(set.iter(&members).eq(map.values().copied()));
                    assert!(map.iter().all(|(key, id)| {
                        let behind = map.range((key.0, key.1 + 1)..).next();
                        Set::next(&members, *id) == behind.map_or(Id::NONE, |(_, id)| *id)
                    }));
                }
            }
            assert_eq!(members.len(), sets.iter().map(|set| set.check(&members)).sum::<u32>());
        }
    }
}
