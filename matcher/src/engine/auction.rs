//! The venue's commands for phases, auctions and price bands. RULES.md, section 9.

use super::{Engine, refuse};
use crate::event::{Event, EventSink, PhaseReason, RejectReason};
use crate::instrument::{Bands, Phase};
use crate::types::{InstrumentId, Price};

impl Engine {
    /// Changes the phase of an instrument. A call that ends is uncrossed first.
    pub(super) fn set_phase<S: EventSink>(
        &mut self,
        instrument: InstrumentId,
        phase: Phase,
        events: &mut S,
    ) {
        let Some(book) = self.books.get_mut(instrument.index()) else {
            return refuse(RejectReason::UnknownInstrument, events);
        };
        let old = book.instrument.phase;
        if old == phase {
            return refuse(RejectReason::WrongPhase, events);
        }
        if phase == Phase::Continuous || phase == Phase::Closed && old.is_auction() {
            book.uncross(&mut self.store, events);
        }
        book.begin(&mut self.store, phase, PhaseReason::Command, events);
        self.settle(instrument, events);
    }

    /// The next trade would have left the band: a volatility auction begins.
    pub(super) fn interrupt<S: EventSink>(&mut self, instrument: InstrumentId, events: &mut S) {
        let book = &mut self.books[instrument.index()];
        book.begin(&mut self.store, Phase::VolatilityAuction, PhaseReason::Volatility, events);
    }

    /// Sets the price bands of an instrument.
    pub(super) fn set_bands<S: EventSink>(
        &mut self,
        instrument: InstrumentId,
        bands: Bands,
        events: &mut S,
    ) {
        let Some(book) = self.books.get_mut(instrument.index()) else {
            return refuse(RejectReason::UnknownInstrument, events);
        };
        book.beside.bands = bands;
        book.mark();
        events.event(&Event::Applied);
        self.settle(instrument, events);
    }

    /// Sets the static reference price of an instrument.
    pub(super) fn set_reference<S: EventSink>(
        &mut self,
        instrument: InstrumentId,
        price: Price,
        events: &mut S,
    ) {
        let Some(book) = self.books.get_mut(instrument.index()) else {
            return refuse(RejectReason::UnknownInstrument, events);
        };
        let prices = book.instrument.price_min..=book.instrument.price_max;
        if !prices.contains(&price) {
            return refuse(RejectReason::BadDefinition, events);
        }
        book.reference = Some(price);
        events.event(&Event::Applied);
        self.settle(instrument, events);
    }

    /// Tells what an uncross would give now.
    pub(super) fn publish_indicative<S: EventSink>(
        &mut self,
        instrument: InstrumentId,
        events: &mut S,
    ) {
        let book = self.books.get(instrument.index()).ok_or(RejectReason::UnknownInstrument);
        match book.and_then(|book| book.indicative(&self.store)) {
            Ok(indicative) => events.event(&indicative),
            Err(reason) => refuse(reason, events),
        }
    }
}
