//! A market to play with: an [`Engine`] that numbers its own Inputs.

use crate::command::{Command, Input, Limits, NewOrder, ReplaceOrder, Terms};
use crate::engine::{Engine, LIMITS_MAX};
use crate::event::{Event, RejectReason};
use crate::instrument::Instrument;
use crate::snapshot::{self, Reader, SnapshotError};
use crate::types::{
    InstrumentId, MsgSeqNum, OrderNumber, ParticipantId, Sequence, SessionId, Timestamp,
};

/// An [`Engine`] for a backtest, a simulator, a notebook: it gives each Input its Sequence, each order
/// its number, and keeps a clock that only you move.
///
/// A venue does not use it: there the core's thread numbers and stamps the Inputs, the gateways number
/// the orders, and the journal keeps both. The books, the rules and the Events are the same.
///
/// Memory is taken for the [`Limits`] once, and for the Events of the largest command.
///
/// ```
/// use matcher::*;
///
/// let limits = Limits { orders_max: 1_000, levels_max: 1_000, instruments_max: 1, sessions_max: 2 };
/// let mut market = Market::new(limits)?;
/// let gold = market.define(Instrument::plain("GOLD").expect("a symbol"))?;
/// let (ann, bob) = (market.session(ParticipantId(1))?, market.session(ParticipantId(2))?);
/// market.enter(ann, NewOrder::limit(gold, Side::Sell, Price::from_ticks(100), Qty::from_lots(5)));
/// let (_, events) =
///     market.enter(bob, NewOrder::limit(gold, Side::Buy, Price::from_ticks(101), Qty::from_lots(3)));
/// let [Event::Accepted(_), Event::Traded(trade)] = events else { panic!("{events:?}") };
/// assert_eq!((trade.price.ticks(), trade.qty.lots(), trade.maker.leaves_qty.lots()), (100, 3, 2));
/// # Ok::<(), RejectReason>(())
/// ```
///
/// What if? A market can be [saved](Market::snapshot) and [restored](Market::restore) as often as you
/// like; each of them goes on as it was.
pub struct Market {
    engine: Engine,
    events: Vec<Event>,
    sequence: Sequence,
    now: Timestamp,
}

impl Market {
    /// An empty market with tables of these sizes.
    ///
    /// # Errors
    ///
    /// [`RejectReason::BadDefinition`] above [`crate::LIMITS_MAX`], [`RejectReason::TableFull`] if there
    /// is not that much memory.
    pub fn new(limits: Limits) -> Result<Market, RejectReason> {
        let mut market = Market {
            engine: Engine::new(),
            events: Vec::new(),
            sequence: Sequence(0),
            now: Timestamp(0),
        };
        refused(market.venue(Command::Configure(limits)))?;
        Ok(market)
    }

    /// Adds an instrument.
    ///
    /// # Errors
    ///
    /// [`RejectReason::BadDefinition`], [`RejectReason::DuplicateSymbol`], [`RejectReason::TableFull`].
    pub fn define(&mut self, instrument: Instrument) -> Result<InstrumentId, RejectReason> {
        let next = u32::try_from(self.engine.instruments().len()).unwrap_or(u32::MAX);
        let id = InstrumentId(next);
        refused(self.venue(Command::DefineInstrument { id, instrument }))?;
        Ok(id)
    }

    /// Adds somebody who trades.
    ///
    /// # Errors
    ///
    /// [`RejectReason::TableFull`].
    pub fn session(&mut self, participant: ParticipantId) -> Result<SessionId, RejectReason> {
        let next = u32::try_from(self.engine.sessions_len() + 1).unwrap_or(u32::MAX);
        let id = SessionId(next);
        refused(self.venue(Command::DefineSession { id, participant }))?;
        Ok(id)
    }

    /// The time of the Inputs from now on, in nanoseconds; it never goes back. Orders that expire by then
    /// do so with the next command, before it; [`Command::Expire`] does nothing else.
    pub fn advance_to(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
    }

    /// Enters an order under the next number of the session; returns that number and what happened.
    pub fn enter(&mut self, session: SessionId, order: NewOrder) -> (OrderNumber, &[Event]) {
        let number = self.next_number(session);
        (number, self.give(session, Command::New(NewOrder { number, ..order })))
    }

    /// The same for an order with terms: a stop, an iceberg, a peg, a minimum quantity, a time to expire.
    pub fn enter_special(
        &mut self,
        session: SessionId,
        order: NewOrder,
        terms: Terms,
    ) -> (OrderNumber, &[Event]) {
        let number = self.next_number(session);
        (number, self.give(session, Command::NewSpecial(NewOrder { number, ..order }, terms)))
    }

    /// Takes an order of the session off the book.
    pub fn cancel(&mut self, session: SessionId, target: OrderNumber) -> &[Event] {
        self.give(session, Command::Cancel { target })
    }

    /// Changes an order of the session under the next number; returns that number and what happened.
    pub fn replace(
        &mut self,
        session: SessionId,
        replace: ReplaceOrder,
    ) -> (OrderNumber, &[Event]) {
        let number = self.next_number(session);
        (number, self.give(session, Command::Replace(ReplaceOrder { number, ..replace })))
    }

    /// Gives any command of the venue: phases, limits, the end of the day.
    pub fn venue(&mut self, command: Command) -> &[Event] {
        self.give(SessionId::VENUE, command)
    }

    /// Gives any command; what happened stays until the next one.
    pub fn give(&mut self, session: SessionId, command: Command) -> &[Event] {
        self.sequence = Sequence(self.sequence.0 + 1);
        self.events.clear();
        let (sequence, timestamp) = (self.sequence, self.now);
        let input = Input { sequence, timestamp, session, inbound: MsgSeqNum::NONE, command };
        self.engine.apply(&input, &mut self.events);
        &self.events
    }

    /// The number that the session's next order must have. [`OrderNumber::NONE`] for an unknown session.
    #[must_use]
    pub fn next_number(&self, session: SessionId) -> OrderNumber {
        let next = |state: crate::SessionState| state.last_number.0.saturating_add(1);
        OrderNumber(self.engine.session(session).map_or(0, next))
    }

    /// All of it as bytes: the engine's snapshot, the sequence of the last Input, the time, and a hash.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.engine.save(&mut |block: &[u8]| bytes.extend_from_slice(block));
        bytes.extend_from_slice(&self.sequence.0.to_le_bytes());
        bytes.extend_from_slice(&self.now.0.to_le_bytes());
        let hash = snapshot::hash_of(&bytes);
        bytes.extend_from_slice(&hash.to_le_bytes());
        bytes
    }

    /// The market that [`Market::snapshot`] gave these bytes: it goes on where that one was.
    ///
    /// # Errors
    ///
    /// If the bytes are not those of a market.
    pub fn restore(bytes: &[u8]) -> Result<Market, SnapshotError> {
        let engine_len = bytes.len().checked_sub(TAIL_BYTES);
        let engine_len = engine_len.ok_or(SnapshotError::Length(bytes.len()))?;
        let (engine, tail) = bytes.split_at(engine_len);
        let engine = Engine::load(engine, &LIMITS_MAX)?;
        snapshot::check_hash(bytes)?;
        let mut reader = Reader::of(tail);
        let (sequence, now) = (Sequence(reader.word()?), Timestamp(reader.word()?));
        Ok(Market { engine, events: Vec::new(), sequence, now })
    }

    /// The engine, to read: its books, its sessions, its counters.
    #[must_use]
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }
}

/// Sequence, time and hash.
const TAIL_BYTES: usize = 24;

fn refused(events: &[Event]) -> Result<(), RejectReason> {
    match events {
        // Orders may have expired before it.
        [.., Event::CommandRefused { reason }] => Err(*reason),
        _ => Ok(()),
    }
}
