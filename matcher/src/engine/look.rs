//! The engine, to read: its tables, its books, its sessions, and whether all of them agree.

use super::Engine;
use crate::accounts::AccountState;
use crate::book::{Book, Counted};
use crate::command::{Limits, RiskLimits};
use crate::instrument::Instrument;
use crate::sessions::{SessionSettings, SessionState};
use crate::types::{InstrumentId, OrderRef, ParticipantId, SessionId};

/// What it holds.
impl Engine {
    /// The sizes of the tables.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        self.limits
    }

    /// The instrument of that id.
    #[must_use]
    pub fn instrument(&self, id: InstrumentId) -> Option<&Instrument> {
        self.books.get(id.index()).map(|book| &book.instrument)
    }

    /// All instruments, in order of their ids.
    pub fn instruments(&self) -> impl ExactSizeIterator<Item = (InstrumentId, &Instrument)> {
        self.books.iter().map(|book| (book.id, &book.instrument))
    }

    /// The book of that instrument.
    #[must_use]
    pub fn book(&self, id: InstrumentId) -> Option<Book<'_>> {
        self.books.get(id.index()).map(|book| Book::new(book, &self.store))
    }

    /// The counters of that session. [`SessionId::VENUE`] has one too, which stays at zero.
    #[must_use]
    pub fn session(&self, id: SessionId) -> Option<SessionState> {
        self.store.sessions.state(id).copied()
    }

    /// What the venue has set for that session.
    #[must_use]
    pub fn session_settings(&self, id: SessionId) -> Option<SessionSettings> {
        self.store.sessions.settings(id)
    }

    /// Whether an order of this session rests.
    #[must_use]
    pub fn session_has_orders(&self, id: SessionId) -> bool {
        self.session(id).is_some() && self.store.sessions.first(id).is_some()
    }

    /// Sessions, the venue's own not counted: their ids are 1 to this.
    #[must_use]
    pub fn sessions_len(&self) -> usize {
        self.store.sessions.len()
    }

    /// The account of a participant in an instrument; `None` if there is no such instrument.
    #[must_use]
    pub fn account(&self, of: ParticipantId, id: InstrumentId) -> Option<AccountState> {
        self.books.get(id.index()).map(|_| self.store.accounts.state(of, id))
    }

    /// The limits of a participant in an instrument, its own or else those of the participant; `None` if
    /// there is no such instrument.
    #[must_use]
    pub fn risk_limits(&self, of: ParticipantId, id: InstrumentId) -> Option<RiskLimits> {
        self.books.get(id.index()).map(|_| self.store.accounts.limits(of, id))
    }

    /// The last place in a queue that was given out, [`OrderRef::NONE`] before the first.
    #[must_use]
    pub fn places(&self) -> OrderRef {
        OrderRef(self.store.places)
    }

    /// Resting orders.
    #[must_use]
    pub fn orders_len(&self) -> usize {
        self.store.orders.len() as usize
    }

    /// Price levels in use.
    #[must_use]
    pub fn levels_len(&self) -> usize {
        self.store.levels.pool.len() as usize
    }

    /// Walks everything. For tests, after each command.
    ///
    /// # Panics
    ///
    /// If an invariant does not hold.
    pub fn check(&self) {
        let mut counted = Counted::default();
        for (index, book) in self.books.iter().enumerate() {
            assert_eq!(book.id.index(), index);
            counted += book.check(&self.store);
        }
        assert_eq!(counted, self.store.counted());
        assert!(counted.orders <= self.limits.orders_max);
        assert!(counted.levels <= self.limits.levels_max);
        assert!(self.touched.is_empty());
        self.store.extras.check();
        self.store.sessions.check(&self.store.orders);
        self.store.accounts.check(self.books.iter().flat_map(|book| book.working(&self.store)));
    }
}
