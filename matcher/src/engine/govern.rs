//! The venue's own commands: what there is to trade, who may trade, when, and the end of the day.

use std::collections::TryReserveError;

use super::{Engine, refuse};
use crate::book::Sides;
use crate::command::{Command, Input, Limits, MassCancelScope, Numbering};
use crate::event::{CancelReason, Event, EventSink, RejectReason};
use crate::instrument::Instrument;
use crate::tree;
use crate::types::{InstrumentId, MsgSeqNum, ParticipantId, SessionId};

/// What [`Limits`] can be at most; above, `Configure` is refused with `BadDefinition`.
///
/// Source: ids are 32 bits and an instrument names two ladders; the rest is what no venue needs.
pub const LIMITS_MAX: Limits = Limits {
    orders_max: 1 << 28,
    levels_max: tree::LEVELS_MAX,
    instruments_max: 1 << 20,
    sessions_max: 1 << 20,
};

/// The venue's own commands.
impl Engine {
    #[cold]
    pub(super) fn govern<S: EventSink>(&mut self, input: &Input, events: &mut S) {
        let done = match &input.command {
            Command::Configure(limits) => self.begin(input, limits),
            Command::DefineInstrument { id, instrument } => self.define_instrument(*id, instrument),
            Command::DefineSession { id, participant } => self.define_session(*id, *participant),
            Command::SetPhase { instrument, phase } => {
                return self.set_phase(*instrument, *phase, events);
            }
            Command::SetSession { session, group, self_trade } => {
                return match self.set_session(*session, *group, *self_trade, events) {
                    Ok(()) => {}
                    Err(reason) => refuse(reason, events),
                };
            }
            Command::SetRisk { participant, instrument, limits } => {
                self.set_risk(*participant, *instrument, limits)
            }
            Command::SetPermission { scope, permission } => {
                return match self.set_permission(*scope, *permission, events) {
                    Ok(()) => {}
                    Err(reason) => refuse(reason, events),
                };
            }
            Command::Bust(bust) => self.bust(bust),
            Command::SetBands { instrument, bands } => {
                return self.set_bands(*instrument, *bands, events);
            }
            Command::SetReference { instrument, price } => {
                return self.set_reference(*instrument, *price, events);
            }
            Command::PublishIndicative { instrument } => {
                return self.publish_indicative(*instrument, events);
            }
            // What is due went before it: see `Engine::apply`.
            Command::Expire => return,
            // What the venue notes for whoever reads the journal.
            Command::Note(Numbering::InboundOnly) => return,
            Command::ExpireDay => return self.expire_day(events),
            Command::MassCancel(MassCancelScope::Instrument(id)) => {
                return self.clear(*id, events);
            }
            Command::MassCancel(_)
            | Command::New(_)
            | Command::NewSpecial(..)
            | Command::ReplaceStop(..)
            | Command::Cancel { .. }
            | Command::Replace(_)
            | Command::Reduce(_)
            | Command::Status { .. }
            | Command::Refuse { .. }
            | Command::Relay(_)
            | Command::Note(_) => Err(RejectReason::NotPermitted),
        };
        match done {
            Ok(event) => events.event(&event),
            Err(reason) => refuse(reason, events),
        }
    }

    /// As [`Engine::configure`]; the first of all also begins what the engine counts. The Sequences of each shard's journal
    /// begin elsewhere, and so do trades and places, so that none of them means two things in one venue.
    fn begin(&mut self, input: &Input, limits: &Limits) -> Result<Event, RejectReason> {
        let is_first = self.limits.sessions_max == 0;
        let configured = self.configure(limits)?;
        if is_first {
            let before = input.sequence.before_journal().0;
            (self.store.trades, self.store.places) = (before, before);
        }
        Ok(configured)
    }

    pub(super) fn configure(&mut self, limits: &Limits) -> Result<Event, RejectReason> {
        if !covers(&LIMITS_MAX, limits) {
            return Err(RejectReason::BadDefinition);
        }
        if !covers(limits, &self.limits) {
            return Err(RejectReason::LimitsShrink);
        }
        if self.books.iter().any(|book| book.instrument.qty_max > limits.qty_max()) {
            return Err(RejectReason::BadDefinition);
        }
        if self.take_room(limits).is_err() {
            // What has grown already is as large as it was again: there is memory for that.
            let before = self.limits;
            self.take_room(&before).ok();
            return Err(RejectReason::TableFull);
        }
        self.limits = *limits;
        Ok(Event::Configured)
    }

    /// Lets all tables be as large as `limits` says; on an error those before the one without memory.
    fn take_room(&mut self, limits: &Limits) -> Result<(), TryReserveError> {
        let Limits { orders_max, levels_max, instruments_max, sessions_max } = *limits;
        let room = instruments_max as usize - self.books.len();
        self.books.try_reserve_exact(room)?;
        self.touched.try_reserve_exact(instruments_max as usize)?;
        self.store.orders.grow(orders_max)?;
        self.store.levels.grow(levels_max)?;
        self.store.sessions.grow(sessions_max, orders_max)?;
        self.store.extras.grow(orders_max)?;
        self.store.accounts.grow(sessions_max, instruments_max)
    }

    fn define_instrument(
        &mut self,
        id: InstrumentId,
        instrument: &Instrument,
    ) -> Result<Event, RejectReason> {
        self.admit_instrument(id, instrument)?;
        // All are looked at: defining thousands takes milliseconds, once, and no index has to be kept.
        if self.books.iter().any(|book| book.instrument.symbol == instrument.symbol) {
            return Err(RejectReason::DuplicateSymbol);
        }
        self.books.push(Sides::new(id, *instrument));
        Ok(Event::InstrumentDefined { id })
    }

    /// Decides whether an instrument may be defined, its symbol not looked at.
    pub(super) fn admit_instrument(
        &self,
        id: InstrumentId,
        instrument: &Instrument,
    ) -> Result<(), RejectReason> {
        if id.index() != self.books.len() {
            return Err(RejectReason::IdOutOfOrder);
        }
        if self.books.len() >= self.limits.instruments_max as usize {
            return Err(RejectReason::TableFull);
        }
        instrument.validate().map_err(|_| RejectReason::BadDefinition)?;
        if instrument.qty_max > self.limits.qty_max() {
            return Err(RejectReason::BadDefinition);
        }
        Ok(())
    }

    pub(super) fn define_session(
        &mut self,
        id: SessionId,
        participant: ParticipantId,
    ) -> Result<Event, RejectReason> {
        if id.index() != self.store.sessions.len() + 1 {
            return Err(RejectReason::IdOutOfOrder);
        }
        if self.store.sessions.len() >= self.limits.sessions_max as usize {
            return Err(RejectReason::TableFull);
        }
        let row = self.store.accounts.define(participant).map_err(|_| RejectReason::TableFull)?;
        let permission = self.store.accounts.firm(row).permission;
        self.store.sessions.define_counterparty(participant, row, permission);
        Ok(Event::SessionDefined { id })
    }

    fn clear<S: EventSink>(&mut self, instrument: InstrumentId, events: &mut S) {
        let (session, msg) = (SessionId::VENUE, MsgSeqNum::NONE);
        if instrument.index() >= self.books.len() {
            let reason = RejectReason::UnknownInstrument;
            return events.event(&Event::MassCancelRejected { session, msg, reason });
        }
        let orders = self.clear_book(instrument, CancelReason::Venue, events);
        events.event(&Event::MassCanceled { session, msg, orders });
        self.settle_touched(events);
    }

    /// Takes every working order of an instrument off; returns how many there were.
    pub(super) fn clear_book<S: EventSink>(
        &mut self,
        instrument: InstrumentId,
        reason: CancelReason,
        events: &mut S,
    ) -> u32 {
        self.cancel_in_book(instrument, |_| true, reason, events)
    }
}

/// Whether no limit of `limits` is above that of `room`.
pub(super) const fn covers(room: &Limits, limits: &Limits) -> bool {
    limits.orders_max <= room.orders_max
        && limits.levels_max <= room.levels_max
        && limits.instruments_max <= room.instruments_max
        && limits.sessions_max <= room.sessions_max
}
