//! Pages for the tables of orders, made by another thread before an order needs them.
//!
//! A page that the process never touched costs who touches it first a visit to the kernel, 2 to 9 µs. The tables take
//! one for each forty orders, so the p99 of orders one after another was that visit.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use super::{ENTRIES_PER_PAGE, Entry, TEXT_PAGE_BYTES};

/// So many pages of each kind are ready: for 16,384 orders, in 1.3 MiB.
pub const PAGES_READY: usize = 64;

/// Where [`crate::order_entry::OrderEntry`] takes pages from that a [`PageMaker`] made. If there is none it makes one itself.
#[derive(Debug)]
pub struct Pages {
    entries: Receiver<Vec<Entry>>,
    texts: Receiver<Vec<u8>>,
}

/// Makes pages ahead, on a thread that nobody waits for.
#[derive(Debug)]
pub struct PageMaker {
    entries: Kind<Entry>,
    texts: Kind<u8>,
}

#[derive(Debug)]
struct Kind<T> {
    to: SyncSender<Vec<T>>,
    /// For which there was no room.
    next: Option<Vec<T>>,
}

/// Pages, and who makes them.
#[must_use]
pub fn pages() -> (PageMaker, Pages) {
    let (entries_to, entries) = sync_channel(PAGES_READY);
    let (texts_to, texts) = sync_channel(PAGES_READY);
    let maker = PageMaker {
        entries: Kind { to: entries_to, next: None },
        texts: Kind { to: texts_to, next: None },
    };
    (maker, Pages { entries, texts })
}

impl PageMaker {
    /// Makes pages until [`PAGES_READY`] of each kind are ready. Returns how many it made of the kind of which it made more.
    pub fn fill(&mut self) -> usize {
        let entries = self.entries.fill(|| touched(ENTRIES_PER_PAGE, Entry::blank));
        entries.max(self.texts.fill(|| touched(TEXT_PAGE_BYTES, || 0)))
    }
}

impl<T> Kind<T> {
    fn fill(&mut self, make: impl Fn() -> Vec<T>) -> usize {
        let mut made = 0;
        loop {
            let page = self.next.take().unwrap_or_else(&make);
            match self.to.try_send(page) {
                Ok(()) => made += 1,
                Err(TrySendError::Full(page) | TrySendError::Disconnected(page)) => {
                    self.next = Some(page);
                    return made;
                }
            }
        }
    }
}

/// An empty page with room for `len`, each byte of which was written to.
fn touched<T>(len: usize, value: impl Fn() -> T) -> Vec<T> {
    let mut page = Vec::with_capacity(len);
    page.resize_with(len, value);
    page.clear();
    page
}

impl Pages {
    pub(super) fn entries(pages: Option<&Pages>) -> Vec<Entry> {
        let ready = pages.and_then(|pages| pages.entries.try_recv().ok());
        ready.unwrap_or_else(|| Vec::with_capacity(ENTRIES_PER_PAGE))
    }

    pub(super) fn text(pages: Option<&Pages>) -> Vec<u8> {
        let ready = pages.and_then(|pages| pages.texts.try_recv().ok());
        ready.unwrap_or_else(|| Vec::with_capacity(TEXT_PAGE_BYTES))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Orders, Terms};
    use super::*;

    #[test]
    fn orders_are_on_pages_that_were_ready() {
        let (mut maker, pages) = pages();
        assert_eq!(maker.fill(), PAGES_READY);
        assert_eq!(maker.fill(), 0, "there is no room for more");
        let mut orders = Orders::new();
        orders.append_on(Some(&pages), b"a", b"", Terms::PLAIN);
        assert_eq!(maker.fill(), 1, "a page of entries and one of text");
        for n in 1..=ENTRIES_PER_PAGE {
            orders.append_on(Some(&pages), n.to_string().as_bytes(), b"", Terms::PLAIN);
        }
        assert_eq!(maker.fill(), 1, "the second page of entries; the text has room");
        orders.index();
        assert_eq!(orders.find(b"256").map(|it| it.0), Some(257));
    }

    #[test]
    fn orders_go_on_where_no_page_is_ready() {
        let (mut maker, pages) = pages();
        maker.fill();
        let (mut orders, mut own) = (Orders::new(), Orders::new());
        let count = ENTRIES_PER_PAGE * (PAGES_READY + 3);
        for n in 0..count {
            let text = n.to_string();
            orders.append_on(Some(&pages), text.as_bytes(), b"account", Terms::PLAIN);
            own.append(text.as_bytes(), b"account", Terms::PLAIN);
        }
        assert!(pages.entries.try_recv().is_err());
        drop(maker);
        orders.append_on(Some(&pages), b"last", b"account", Terms::PLAIN);
        own.append(b"last", b"account", Terms::PLAIN);
        orders.index();
        own.index();
        for n in [0, 255, 256, count - 1] {
            let text = n.to_string();
            assert_eq!(orders.find(text.as_bytes()), own.find(text.as_bytes()));
            let number = orders.find(text.as_bytes()).unwrap();
            assert_eq!(orders.cl_ord_id(number), text.as_bytes());
        }
        assert_eq!(orders.find(b"last"), own.find(b"last"));
    }
}
