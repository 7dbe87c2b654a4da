//! Settlement: what follows from a command once it is answered. RULES.md, section 8.

use super::Engine;
use crate::book::Settled;
use crate::command::Trigger;
use crate::event::{CancelReason, EventSink};
use crate::extras::Extra;
use crate::instrument::Phase;
use crate::types::{InstrumentId, Qty};

impl Engine {
    /// Lets pegged orders that meet trade, and elected stops come to life, until nothing is left.
    pub(super) fn settle<S: EventSink>(&mut self, instrument: InstrumentId, events: &mut S) {
        while self.settle_step(instrument, events) == Settled::Something {}
    }

    fn settle_step<S: EventSink>(&mut self, instrument: InstrumentId, events: &mut S) -> Settled {
        let book = &mut self.books[instrument.index()];
        if book.beside.held.len() == 0 || book.instrument.phase != Phase::Continuous {
            return Settled::Nothing;
        }
        if book.match_pegs(&mut self.store, events) == Settled::Something {
            return Settled::Something;
        }
        let Some(elected) = book.beside.elected.first().some() else { return Settled::Nothing };
        let slot = self.store.extras[elected].order;
        let mut incoming = book.lift(&mut self.store, slot);
        incoming.extra.trigger = Trigger::None;
        self.tell_triggered(&incoming, events);
        let Extra { side, limit, .. } = incoming.extra;
        let book = &self.books[instrument.index()];
        // What an order is refused for on entry; then it was not looked at.
        if limit.is_some_and(|limit| book.refuses(side, limit)) {
            self.cancel_incoming(&incoming, CancelReason::PriceBand, events);
        } else {
            self.handle(incoming, Qty::ZERO, events);
        }
        Settled::Something
    }

    /// Notes that a command over several books touched this one: [`Engine::settle_touched`] follows.
    pub(super) fn touch(&mut self, instrument: InstrumentId) {
        let book = &mut self.books[instrument.index()];
        if book.special != 0 && !book.beside.is_touched {
            book.beside.is_touched = true;
            self.touched.push(instrument);
        }
    }

    /// Settles the books that were touched, in order of instruments.
    pub(super) fn settle_touched<S: EventSink>(&mut self, events: &mut S) {
        self.touched.sort_unstable();
        for at in 0..self.touched.len() {
            let instrument = self.touched[at];
            self.books[instrument.index()].beside.is_touched = false;
            self.settle(instrument, events);
        }
        self.touched.clear();
    }
}
