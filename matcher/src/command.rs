//! What is asked: a Command, and an Input, which is a Command with its place and time.

use crate::event::RejectReason;
use crate::instrument::{Instrument, TradingState};
use crate::types::{
    InstrumentId, MsgSeqNum, OrderNumber, ParticipantId, Price, Qty, Sequence, SessionId, Side,
    TimeInForce, Timestamp,
};

/// A [`Command`] stamped by the core: the only thing that changes the state of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Input {
    /// Place in the total order.
    pub sequence: Sequence,
    /// When the core took it.
    pub timestamp: Timestamp,
    /// Who asked.
    pub session: SessionId,
    /// The number of the session's inbound message that this Input answers for, or
    /// [`MsgSeqNum::NONE`] when no message of the session caused it. After a restart the gateway
    /// expects the number after the highest one in the journal.
    pub inbound: MsgSeqNum,
    /// What is asked.
    pub command: Command,
}

/// What is asked of the engine.
///
/// Everything that changes a book or a session's numbers is one of these; there is no second door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Sets the sizes of the engine's tables. The first Input of every journal.
    Configure(Limits),
    /// Adds an instrument; `id` must be the next dense one.
    DefineInstrument {
        /// The next dense id.
        id: InstrumentId,
        /// The definition; `validate` must hold.
        instrument: Instrument,
    },
    /// Adds a session; `id` must be the next dense one.
    DefineSession {
        /// The next dense id, from 1.
        id: SessionId,
        /// The firm it trades for.
        participant: ParticipantId,
    },
    /// Opens, halts or closes an instrument.
    SetTradingState {
        /// Which one.
        instrument: InstrumentId,
        /// Its state from now on.
        state: TradingState,
    },
    /// Enters an order.
    New(NewOrder),
    /// Takes an order of this session off the book.
    Cancel {
        /// The order; [`OrderNumber::NONE`] if the gateway does not know it.
        target: OrderNumber,
    },
    /// Changes quantity or price of an order of this session. Less quantity at the same price keeps
    /// the place in the queue, anything else loses it.
    Replace(ReplaceOrder),
    /// Takes several orders off at once.
    MassCancel(MassCancelScope),
    /// Asks for the state of an order of this session.
    Status {
        /// The order; [`OrderNumber::NONE`] if the gateway does not know it.
        target: OrderNumber,
    },
    /// A request that the border could not express (off-tick price, duplicate ClOrdID, journal full).
    /// It takes its numbers like any other and is answered by a reasoned event.
    Refuse {
        /// What was refused.
        request: RefusedRequest,
        /// Why.
        reason: RejectReason,
    },
    /// A session-layer message: takes numbers, changes nothing else.
    Note(Numbering),
    /// The trading day ends: every order with [`TimeInForce::Day`] expires.
    ExpireDay,
}

/// Enters an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewOrder {
    /// The session's next dense number.
    pub number: OrderNumber,
    /// [`InstrumentId::NONE`] if the symbol is unknown.
    pub instrument: InstrumentId,
    /// Buy or sell.
    pub side: Side,
    /// Limit or market.
    pub kind: OrderKind,
    /// OrderQty(38).
    pub qty: Qty,
    /// How long it works.
    pub time_in_force: TimeInForce,
    /// Whether it may trade at once.
    pub liquidity: Liquidity,
}

/// Limit or market.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OrderKind {
    /// OrdType(40)=2: trades at this price or better.
    Limit(Price),
    /// OrdType(40)=1: trades at any price; what is left is canceled, never rests.
    Market,
}

/// Whether an order may trade the moment it comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Liquidity {
    /// May take and may rest.
    Any = 0,
    /// ExecInst(18)=6: refused if it would trade at once.
    PostOnly = 1,
}

/// Changes an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplaceOrder {
    /// The session's next dense number: what the order is called if the replace is accepted.
    pub number: OrderNumber,
    /// The order to change; [`OrderNumber::NONE`] if the gateway does not know it.
    pub target: OrderNumber,
    /// Must be the instrument of the order.
    pub instrument: InstrumentId,
    /// Must be the side of the order.
    pub side: Side,
    /// The new limit price.
    pub price: Price,
    /// The new OrderQty(38): what was already executed is included.
    pub qty: Qty,
}

/// Which orders a mass cancel takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MassCancelScope {
    /// Every order of the Input's session, in order of their numbers.
    Session,
    /// Every order of the Input's session in one instrument, in order of their numbers.
    SessionInstrument(InstrumentId),
    /// Every order in one instrument, bids before asks, best first. The venue's own.
    Instrument(InstrumentId),
}

/// What kind of request the border refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedRequest {
    /// An order: takes this number of its session and is answered by [`crate::Event::Rejected`].
    New(OrderNumber),
    /// A cancel of `target`: answered by [`crate::Event::CancelRejected`].
    Cancel {
        /// The order meant.
        target: OrderNumber,
    },
    /// A replace of `target`: takes this number of its session and is answered by
    /// [`crate::Event::CancelRejected`].
    Replace {
        /// The session's next dense number.
        number: OrderNumber,
        /// The order meant.
        target: OrderNumber,
    },
    /// A mass cancel: answered by [`crate::Event::MassCancelRejected`].
    MassCancel,
}

/// What a [`Command::Note`] does to the numbers of its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Numbering {
    /// A message goes out: it takes the next outbound number, told in [`crate::Event::Numbered`].
    Next = 1,
    /// Both directions start again (ResetSeqNumFlag(141)=Y), then a message goes out as number 1.
    Reset = 2,
    /// Nothing goes out; only the inbound number moves.
    InboundOnly = 3,
}

/// Sizes of the engine's tables. Memory is taken for them once; at a bound a command is refused with
/// a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Resting orders over all instruments.
    pub orders_max: u32,
    /// Price levels in use over all instruments.
    pub levels_max: u32,
    /// Instruments.
    pub instruments_max: u32,
    /// Sessions, the venue's own not counted.
    pub sessions_max: u32,
}
