//! Memory taken once: slots named by 32-bit ids, the one given back last is handed out first.
//!
//! Slots are touched for the first time when they are first used, so a pool sized for a million that
//! holds ten costs the pages of ten.

use std::collections::TryReserveError;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Index, IndexMut};

use crate::prefetch::prefetch_at;

/// Names a slot of a [`Pool`]; 0 names none.
pub(crate) struct Id<T>(u32, PhantomData<fn() -> T>);

impl<T> Id<T> {
    pub(crate) const NONE: Id<T> = Id(0, PhantomData);

    #[inline]
    pub(crate) const fn from_raw(raw: u32) -> Id<T> {
        Id(raw, PhantomData)
    }

    #[inline]
    pub(crate) const fn raw(self) -> u32 {
        self.0
    }

    #[inline]
    pub(crate) const fn is_some(self) -> bool {
        self.0 != 0
    }

    #[inline]
    pub(crate) const fn is_none(self) -> bool {
        self.0 == 0
    }

    /// The id, unless it names none.
    #[inline]
    pub(crate) const fn some(self) -> Option<Id<T>> {
        if self.is_some() { Some(self) } else { None }
    }

    #[inline]
    const fn index(self) -> usize {
        self.0 as usize
    }
}

impl<T> Clone for Id<T> {
    fn clone(&self) -> Id<T> {
        *self
    }
}

impl<T> Copy for Id<T> {}

impl<T> PartialEq for Id<T> {
    fn eq(&self, other: &Id<T>) -> bool {
        self.0 == other.0
    }
}

impl<T> Eq for Id<T> {}

impl<T> fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// What can stand in a [`Pool`].
pub(crate) trait Pooled: Copy {
    /// What slot 0 holds.
    const EMPTY: Self;

    /// What [`Pooled::set_link`] kept.
    fn link(&self) -> u32;

    /// Keeps a link where nobody reads while the slot is free: there the free slots are chained.
    fn set_link(&mut self, link: u32);
}

/// Slots of `T` with a last-in-first-out free list.
pub(crate) struct Pool<T> {
    slots: Vec<T>,
    free: u32,
    live: u32,
    max: u32,
}

impl<T: Pooled> Pool<T> {
    pub(crate) const fn new() -> Pool<T> {
        Pool { slots: Vec::new(), free: 0, live: 0, max: 0 }
    }

    /// Allows `max` slots in use and takes memory for `reserved` of them.
    pub(crate) fn grow(&mut self, max: u32, reserved: u32) -> Result<(), TryReserveError> {
        let wanted = reserved as usize + 1;
        self.slots.try_reserve_exact(wanted.saturating_sub(self.slots.len()))?;
        if self.slots.is_empty() {
            self.slots.push(T::EMPTY);
        }
        self.max = max;
        Ok(())
    }

    pub(crate) const fn len(&self) -> u32 {
        self.live
    }

    #[inline]
    pub(crate) const fn is_full(&self) -> bool {
        self.live >= self.max
    }

    /// How many slots more can be taken.
    pub(crate) const fn room(&self) -> u32 {
        self.max.saturating_sub(self.live)
    }

    /// Puts `value` into a free slot. The caller has seen that the pool is not full.
    #[inline(always)]
    pub(crate) fn take(&mut self, value: T) -> Id<T> {
        let (id, slot) = self.take_slot();
        *slot = value;
        id
    }

    /// A free slot, in which anything may stand. The caller has seen that the pool is not full.
    #[inline(always)]
    pub(crate) fn take_slot(&mut self) -> (Id<T>, &mut T) {
        assert!(!self.is_full());
        self.live += 1;
        if self.free == 0 {
            self.add_slot();
        }
        let id = Id::from_raw(self.free);
        let slot = &mut self.slots[id.index()];
        self.free = slot.link();
        (id, slot)
    }

    /// One slot more, free.
    #[cold]
    #[inline(never)]
    fn add_slot(&mut self) {
        self.free = u32::try_from(self.slots.len()).expect("`max` is a u32");
        let mut slot = T::EMPTY;
        slot.set_link(0);
        self.slots.push(slot);
    }

    /// What stands in that slot, if there is one.
    #[inline(always)]
    pub(crate) fn get(&self, id: Id<T>) -> Option<&T> {
        self.slots.get(id.index())
    }

    /// Asks for the slot's memory.
    #[inline(always)]
    pub(crate) fn prefetch(&self, id: Id<T>) {
        prefetch_at(&self.slots, id.index());
    }

    /// Frees the slot and returns what stood there.
    #[inline(always)]
    pub(crate) fn give_back(&mut self, id: Id<T>) -> T {
        assert!(id.is_some());
        let free = self.free;
        let value = self[id];
        self[id].set_link(free);
        self.free = id.raw();
        self.live -= 1;
        value
    }
}

impl<T> Index<Id<T>> for Pool<T> {
    type Output = T;

    #[inline]
    fn index(&self, id: Id<T>) -> &T {
        &self.slots[id.index()]
    }
}

impl<T> IndexMut<Id<T>> for Pool<T> {
    #[inline]
    fn index_mut(&mut self, id: Id<T>) -> &mut T {
        &mut self.slots[id.index()]
    }
}

#[cfg(test)]
pub(crate) mod tests;
