//! The latest messages of the feed, kept encoded for everybody who follows.

use std::collections::VecDeque;

/// A bounded ring of encoded messages, numbered without a hole.
///
/// The newest push out the oldest. A subscriber that is further behind is served from the journal
/// until it has caught up.
#[derive(Clone, Debug)]
pub struct Window {
    /// Each message in one piece; one that would reach past the end begins at the start again.
    bytes: Box<[u8]>,
    /// Oldest first. Never longer than `messages_max`.
    index: VecDeque<Entry>,
    messages_max: usize,
    /// Number of the next message.
    next: u64,
    /// Bytes ever taken, unused ends included; its place in the ring is the rest modulo its size.
    taken: u64,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    start: u64,
    len: u32,
}

impl Window {
    /// A window of at most `bytes_max` bytes and `messages_max` messages whose first will be number
    /// `next`. Memory for both is taken at once.
    ///
    /// # Panics
    ///
    /// If either bound is 0 or does not fit 32 bits.
    #[must_use]
    pub fn new(bytes_max: usize, messages_max: usize, next: u64) -> Window {
        assert!(bytes_max > 0 && u32::try_from(bytes_max).is_ok());
        assert!(messages_max > 0 && u32::try_from(messages_max).is_ok());
        Window {
            bytes: vec![0; bytes_max].into_boxed_slice(),
            index: VecDeque::with_capacity(messages_max),
            messages_max,
            next,
            taken: 0,
        }
    }

    /// Number of the oldest message held; that of the next one if none is.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.next - self.index.len() as u64
    }

    /// Number of the next message to come.
    #[must_use]
    pub const fn next(&self) -> u64 {
        self.next
    }

    /// Takes message `sequence`, which must be the next.
    ///
    /// # Panics
    ///
    /// If it is not the next, or larger than the whole window.
    #[inline]
    pub fn push(&mut self, sequence: u64, message: &[u8]) {
        assert!(sequence == self.next);
        let size = self.bytes.len() as u64;
        let len = message.len() as u64;
        assert!(len <= size);

        let at = self.taken % size;
        let start = if at + len <= size { self.taken } else { self.taken + (size - at) };
        let end = start + len;
        while let Some(oldest) = self.index.front() {
            if end - oldest.start <= size && self.index.len() < self.messages_max {
                break;
            }
            self.index.pop_front();
        }
        let entry = Entry { start, len: u32::try_from(len).unwrap_or(u32::MAX) };
        let place = self.place(entry);
        self.bytes[place].copy_from_slice(message);
        self.index.push_back(entry);
        self.taken = end;
        self.next += 1;
    }

    /// The messages from number `from` on, `None` if that one is no longer held or not even the next.
    #[must_use]
    pub fn range(&self, from: u64) -> Option<WindowMessages<'_>> {
        if from < self.first() || from > self.next {
            return None;
        }
        Some(WindowMessages { window: self, next: from })
    }

    /// Message `sequence`, if it is held.
    #[inline]
    #[must_use]
    pub fn get(&self, sequence: u64) -> Option<&[u8]> {
        let at = sequence.checked_sub(self.first())?;
        let entry = *self.index.get(usize::try_from(at).ok()?)?;
        Some(&self.bytes[self.place(entry)])
    }

    fn place(&self, entry: Entry) -> std::ops::Range<usize> {
        #[allow(clippy::cast_possible_truncation)] // Below the size of the ring, which is a usize.
        let start = (entry.start % self.bytes.len() as u64) as usize;
        start..start + entry.len as usize
    }
}

/// Messages of a [`Window`] in order, with their numbers.
#[derive(Clone, Debug)]
pub struct WindowMessages<'a> {
    window: &'a Window,
    next: u64,
}

impl<'a> Iterator for WindowMessages<'a> {
    type Item = (u64, &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<(u64, &'a [u8])> {
        let message = self.window.get(self.next)?;
        self.next += 1;
        Some((self.next - 1, message))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::try_from(self.window.next - self.next).unwrap_or(usize::MAX);
        (left, Some(left))
    }
}

impl ExactSizeIterator for WindowMessages<'_> {}
