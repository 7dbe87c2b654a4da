//! What a gateway knows: which order number is behind a client's id, and what reports must repeat.
//!
//! Ids of the benchmark are dense, as the numbers of a real order entry protocol are, so they index an
//! array. Ids that are not get a *tag* behind the dense ones, up to a bound.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use matcher::{OrderNumber, Side};

/// Ids below this are their own tags.
const DENSE: u32 = 1 << 26;

/// How many ids at and above [`DENSE`] are taken; an order with one more is refused.
pub const WIDE_MAX: u32 = 1 << 16;

/// Entries that both tables have from the start. They double up to 2^27.
const RESERVED: usize = 1 << 21;

const ENTRIES_MAX: usize = 1 << 27;

/// The ids behind tags from [`DENSE`] on. Written once, before a report shows the tag; the drainer's
/// thread gets to know of it through the ring's tail.
static WIDE: [AtomicU64; WIDE_MAX as usize] = [const { AtomicU64::new(0) }; WIDE_MAX as usize];

/// A client's id in 32 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tag(u32);

impl Tag {
    /// The bits, for the ring.
    #[inline]
    #[must_use]
    pub const fn raw(self) -> u32 {
        self.0
    }

    /// The tag with these bits.
    #[inline]
    #[must_use]
    pub const fn from_raw(raw: u32) -> Tag {
        Tag(raw)
    }

    /// The client's id.
    #[inline]
    #[must_use]
    pub fn id(self) -> u64 {
        match self.0.checked_sub(DENSE) {
            None => u64::from(self.0),
            Some(wide) => WIDE[wide as usize].load(Ordering::Relaxed),
        }
    }

    #[inline]
    const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What reports about an order repeat from its request, and what it has done.
#[derive(Clone, Copy, Debug)]
#[repr(align(16))]
pub struct Note {
    /// Whose.
    pub tag: Tag,
    /// Its limit price. The instrument's range makes it fit.
    pub price: i32,
    /// What has traded. The instrument's largest quantity makes it fit.
    pub cum_qty: u32,
    /// Its side.
    pub side: Side,
}

impl Note {
    const EMPTY: Note = Note { tag: Tag(0), price: 0, cum_qty: 0, side: Side::Buy };
}

const _: () = assert!(size_of::<Note>() == 16);

/// Both directions: id to number, number to note.
pub struct Names {
    numbers: Vec<OrderNumber>,
    notes: Vec<Note>,
    wide: BTreeMap<u64, Tag>,
}

impl Default for Names {
    fn default() -> Names {
        Names::new()
    }
}

impl Names {
    /// Takes the memory.
    #[must_use]
    pub fn new() -> Names {
        Names {
            numbers: vec![OrderNumber::NONE; RESERVED],
            notes: vec![Note::EMPTY; RESERVED],
            wide: BTreeMap::new(),
        }
    }

    /// The number behind an id, [`OrderNumber::NONE`] if it was never seen.
    #[inline]
    #[must_use]
    pub fn number(&self, id: u64) -> OrderNumber {
        let index = if id < u64::from(DENSE) { id } else { self.wide_index(id) };
        usize::try_from(index)
            .ok()
            .and_then(|index| self.numbers.get(index))
            .copied()
            .unwrap_or(OrderNumber::NONE)
    }

    #[cold]
    fn wide_index(&self, id: u64) -> u64 {
        self.wide.get(&id).map_or(u64::MAX, |tag| u64::from(tag.raw()))
    }

    /// The tag of an id, which may be new; `None` if no more can be told apart.
    #[inline]
    pub fn tag(&mut self, id: u64) -> Option<Tag> {
        match u32::try_from(id) {
            Ok(tag) if tag < DENSE => Some(Tag(tag)),
            _ => self.wide_tag(id),
        }
    }

    #[cold]
    fn wide_tag(&mut self, id: u64) -> Option<Tag> {
        if let Some(tag) = self.wide.get(&id) {
            return Some(*tag);
        }
        let used = u32::try_from(self.wide.len()).ok().filter(|used| *used < WIDE_MAX)?;
        WIDE[used as usize].store(id, Ordering::Relaxed);
        self.wide.insert(id, Tag(DENSE + used));
        Some(Tag(DENSE + used))
    }

    /// Names an order; `false` if no more can be named.
    #[inline]
    #[must_use]
    pub fn name(&mut self, number: OrderNumber, note: Note) -> bool {
        let (at, noted_at) = (note.tag.index(), number.0 as usize);
        if (at >= self.numbers.len() || noted_at >= self.notes.len()) && !self.grow(at, noted_at) {
            return false;
        }
        self.numbers[at] = number;
        self.notes[noted_at] = note;
        true
    }

    #[cold]
    fn grow(&mut self, at: usize, noted_at: usize) -> bool {
        if at.max(noted_at) >= ENTRIES_MAX {
            return false;
        }
        let len = |now: usize, at: usize| now.max((at + 1).next_power_of_two());
        self.numbers.resize(len(self.numbers.len(), at), OrderNumber::NONE);
        self.notes.resize(len(self.notes.len(), noted_at), Note::EMPTY);
        true
    }

    /// The note of a number that was named.
    #[inline]
    #[must_use]
    pub fn note(&self, number: OrderNumber) -> &Note {
        &self.notes[number.0 as usize]
    }

    /// The note of a number that was named.
    #[inline]
    pub fn note_mut(&mut self, number: OrderNumber) -> &mut Note {
        &mut self.notes[number.0 as usize]
    }
}
