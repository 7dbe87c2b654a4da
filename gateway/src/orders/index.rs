//! Which number a ClOrdID(11) was first used for.

use std::hash::BuildHasher;

use hashbrown::HashTable;
use matcher::OrderNumber;

use super::Orders;

/// Numbers up to which the index is one table.
const ONE_TABLE_MAX: u32 = 4096;

/// Tables of the index above that: each grows alone, so that no order waits for the rehash of all (15 ms
/// at a million orders).
const TABLES: usize = 256;

/// Numbers that are sorted by table at once: eight bytes each.
const SORTED_AT_ONCE: u32 = 1 << 20;

/// Where the number of a ClOrdID is found: half its hash, so that neither a probe nor a growth has to
/// read the text.
#[derive(Clone, Copy)]
struct Slot {
    hash: u32,
    number: u32,
}

const _: () = assert!(size_of::<Slot>() == 8);

impl Orders {
    /// The number that a ClOrdID was first used for.
    #[must_use]
    pub fn find(&self, cl_ord_id: &[u8]) -> Option<OrderNumber> {
        let indexed = self.lookup(self.hash(cl_ord_id), cl_ord_id);
        let rest = || (self.indexed + 1..=self.last).map(OrderNumber);
        indexed.or_else(|| rest().find(|number| self.cl_ord_id(*number) == cl_ord_id))
    }

    /// Puts into the index what [`Orders::append`] left out of it.
    #[inline]
    pub fn index(&mut self) {
        match self.last - self.indexed {
            0 => {}
            1 => {
                self.index_number(self.last);
                self.indexed = self.last;
            }
            _ => self.index_many(),
        }
    }

    fn index_number(&mut self, number: u32) {
        let text = self.cl_ord_id(OrderNumber(number));
        let hash = self.hash(text);
        if self.lookup(hash, text).is_none() {
            self.index.insert(Slot { hash, number });
        }
    }

    /// Table by table, so that each is in the cache while it is filled: in the order of the numbers nearly
    /// every one waits for memory.
    #[cold]
    fn index_many(&mut self) {
        while self.indexed < self.last && self.index.slots < ONE_TABLE_MAX {
            self.indexed += 1;
            self.index_number(self.indexed);
        }
        while self.indexed < self.last {
            let upto = self.last.min(self.indexed.saturating_add(SORTED_AT_ONCE));
            self.index.split();
            let mut sorted: Vec<Vec<Slot>> = vec![Vec::new(); TABLES];
            for number in self.indexed + 1..=upto {
                let hash = self.hash(self.cl_ord_id(OrderNumber(number)));
                sorted[self.index.table_of(hash)].push(Slot { hash, number });
            }
            for (table, slots) in sorted.iter().enumerate() {
                self.index.tables[table].reserve(slots.len(), |slot| spread(slot.hash));
                for slot in slots {
                    let same = |other: &Slot| other.hash == slot.hash;
                    // The text only where it may be there already: it would have to come from memory.
                    match self.index.tables[table].find(spread(slot.hash), same) {
                        None => self.index.insert(*slot),
                        Some(_) => self.index_number(slot.number),
                    }
                }
            }
            self.indexed = upto;
        }
    }

    fn hash(&self, text: &[u8]) -> u32 {
        let hash = self.hasher.hash_one(text).to_le_bytes();
        u32::from_le_bytes([hash[0], hash[1], hash[2], hash[3]])
    }

    fn lookup(&self, hash: u32, cl_ord_id: &[u8]) -> Option<OrderNumber> {
        let same = |slot: &Slot| {
            slot.hash == hash && self.cl_ord_id(OrderNumber(slot.number)) == cl_ord_id
        };
        self.index.table(hash).find(spread(hash), same).map(|slot| OrderNumber(slot.number))
    }
}

/// The numbers by the hash of their ClOrdID: one table, then [`TABLES`] of them by the highest bits.
pub(super) struct Index {
    tables: Vec<HashTable<Slot>>,
    slots: u32,
}

impl Index {
    pub(super) fn new() -> Index {
        Index { tables: Vec::new(), slots: 0 }
    }

    fn table(&self, hash: u32) -> &HashTable<Slot> {
        const EMPTY: &HashTable<Slot> = &HashTable::new();
        self.tables.get(self.table_of(hash)).unwrap_or(EMPTY)
    }

    fn table_of(&self, hash: u32) -> usize {
        match self.tables.len() {
            TABLES => hash as usize / (1 << 24),
            _ => 0,
        }
    }

    fn insert(&mut self, slot: Slot) {
        if self.tables.is_empty() {
            self.tables.push(HashTable::new());
        }
        if self.slots == ONE_TABLE_MAX {
            self.split();
        }
        self.put(slot);
        self.slots += 1;
    }

    /// Makes many tables of one.
    fn split(&mut self) {
        if self.tables.len() < TABLES {
            let all: Vec<Slot> = self.tables.drain(..).flatten().collect();
            self.tables.resize_with(TABLES, HashTable::new);
            all.into_iter().for_each(|slot| self.put(slot));
        }
    }

    fn put(&mut self, slot: Slot) {
        let table = self.table_of(slot.hash);
        self.tables[table].insert_unique(spread(slot.hash), slot, |slot| spread(slot.hash));
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let tables: usize = self.tables.iter().map(HashTable::allocation_size).sum();
        tables + self.tables.capacity() * size_of::<HashTable<Slot>>()
    }
}

/// A table's hash from the half that is kept: its tag and its place, the highest and the lowest bits, depend
/// on all of it.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32)
}
