//! What a gateway knows: which order number is behind a client's id, whose id is behind a number, and
//! what reports must repeat.
//!
//! Ids of the benchmark are dense, as the numbers of a real order entry protocol are, so they index an
//! array. Ids that are not get a *tag* behind the dense ones, up to a bound.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use matcher::{OrderNumber, Side};

use crate::memory::prefetch_to_write;

/// Ids below this are their own tags.
const DENSE: u32 = 1 << 26;

/// How many ids at and above `DENSE` are taken; an order with one more is refused.
pub const WIDE_MAX: u32 = 1 << 16;

/// Order numbers; an order beyond is refused.
pub const NUMBERS_MAX: u32 = 1 << 24;

/// Entries that a table has from the start; it doubles when they are used up.
const RESERVED: usize = 1 << 21;

/// Names that are kept close. A power of two.
const RECENT: usize = 256;

/// So many orders ahead the memory of what is written for each is asked for: some 5 lines.
const NOTES_AHEAD: usize = 24;
const TAGS_AHEAD: usize = 64;

/// A client's id in 32 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tag(u32);

impl Tag {
    #[inline]
    const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Back to the client's ids: written by who names, read by who drains. What a report needs is written
/// before the report is shown.
pub struct Ids {
    tags: Box<[AtomicU32]>,
    wide: Box<[AtomicU64]>,
}

impl Default for Ids {
    fn default() -> Ids {
        Ids::new()
    }
}

impl Ids {
    /// Takes the memory.
    #[must_use]
    pub fn new() -> Ids {
        Ids {
            tags: (0..NUMBERS_MAX).map(|_| AtomicU32::new(0)).collect(),
            wide: (0..WIDE_MAX).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// The id behind the number of an order.
    #[inline]
    #[must_use]
    pub fn of(&self, number: OrderNumber) -> u64 {
        let tag = self.tags[number.0 as usize].load(Ordering::Relaxed);
        match tag.checked_sub(DENSE) {
            None => tag.into(),
            Some(wide) => self.wide[wide as usize].load(Ordering::Relaxed),
        }
    }
}

/// What reports about an order repeat from its request, and what it has done.
#[derive(Clone, Copy, Debug)]
pub struct Note {
    /// Its limit price. The instrument's range makes it fit.
    pub price: i32,
    /// What has traded. The instrument's largest quantity makes it fit.
    pub cum_qty: u32,
    /// Its side.
    pub side: Side,
}

impl Note {
    const EMPTY: Note = Note { price: 0, cum_qty: 0, side: Side::Buy };
}

/// An id that was named, and not yet written into the table.
#[derive(Clone, Copy)]
struct Recent {
    tag: Tag,
    number: OrderNumber,
}

/// Both directions: id to number, number to id and note.
pub struct Names {
    /// In front of `numbers`: most requests are about orders that are young, and a young id's place in
    /// a table of millions is far away. An entry is written back when another takes its place.
    recent: Box<[Recent; RECENT]>,
    numbers: Vec<OrderNumber>,
    notes: Vec<Note>,
    wide: BTreeMap<u64, Tag>,
    ids: Arc<Ids>,
}

impl Names {
    /// Takes the memory.
    #[must_use]
    pub fn new(ids: Arc<Ids>) -> Names {
        Names {
            recent: Box::new(Names::nothing_recent()),
            numbers: vec![OrderNumber::NONE; RESERVED],
            notes: vec![Note::EMPTY; RESERVED],
            wide: BTreeMap::new(),
            ids,
        }
    }

    /// In each place an id that belongs there and names nothing.
    fn nothing_recent() -> [Recent; RECENT] {
        let mut tags = (0..).map(Tag);
        [(); RECENT]
            .map(|()| Recent { tag: tags.next().unwrap_or_default(), number: OrderNumber::NONE })
    }

    /// The number behind an id, [`OrderNumber::NONE`] if it was never seen.
    #[inline]
    #[must_use]
    pub fn number(&self, id: u64) -> OrderNumber {
        let tag = match u32::try_from(id) {
            Ok(tag) if tag < DENSE => Tag(tag),
            _ => match self.wide.get(&id) {
                Some(tag) => *tag,
                None => return OrderNumber::NONE,
            },
        };
        let recent = &self.recent[tag.index() % RECENT];
        if recent.tag == tag { recent.number } else { self.number_in_table(tag) }
    }

    #[inline(never)]
    fn number_in_table(&self, tag: Tag) -> OrderNumber {
        self.numbers.get(tag.index()).copied().unwrap_or(OrderNumber::NONE)
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
        self.ids.wide[used as usize].store(id, Ordering::Relaxed);
        self.wide.insert(id, Tag(DENSE + used));
        Some(Tag(DENSE + used))
    }

    /// Says whose a number is, before any report does; `false` if there is no room. Fetches what is to be
    /// written when the order gets its name.
    #[inline]
    #[must_use]
    pub fn claim(&mut self, tag: Tag, number: OrderNumber) -> bool {
        let (at, noted_at) = (tag.index(), number.0 as usize);
        if (at >= self.numbers.len() || noted_at >= self.notes.len()) && !self.grow(at, noted_at) {
            return false;
        }
        prefetch_to_write(&raw const self.numbers[at], 0);
        prefetch_to_write(&raw const self.notes[noted_at], NOTES_AHEAD);
        prefetch_to_write(&raw const self.ids.tags[noted_at], TAGS_AHEAD);
        self.ids.tags[noted_at].store(tag.0, Ordering::Relaxed);
        true
    }

    #[cold]
    fn grow(&mut self, at: usize, noted_at: usize) -> bool {
        if noted_at >= NUMBERS_MAX as usize {
            return false;
        }
        let len = |now: usize, at: usize| now.max((at + 1).next_power_of_two());
        self.numbers.resize(len(self.numbers.len(), at), OrderNumber::NONE);
        self.notes.resize(len(self.notes.len(), noted_at), Note::EMPTY);
        true
    }

    /// Names an order whose number is claimed.
    #[inline]
    pub fn name(&mut self, tag: Tag, number: OrderNumber, note: Note) {
        let recent = &mut self.recent[tag.index() % RECENT];
        if recent.tag != tag {
            self.numbers[recent.tag.index()] = recent.number;
            recent.tag = tag;
        }
        recent.number = number;
        self.notes[number.0 as usize] = note;
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
