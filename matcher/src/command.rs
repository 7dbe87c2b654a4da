//! What is asked: a Command, and an Input, which is a Command with its place and time.

use crate::event::RejectReason;
use crate::instrument::{Bands, Instrument, Phase};
use crate::types::{
    InstrumentId, MsgSeqNum, OrderNumber, ParticipantId, Price, Qty, Sequence, SessionId, Side,
    TimeInForce, Timestamp, TradeId,
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
    /// Opens, halts or closes an instrument, begins or ends an auction.
    SetPhase {
        /// Which one.
        instrument: InstrumentId,
        /// Its phase from now on.
        phase: Phase,
    },
    /// Sets the price bands of an instrument.
    SetBands {
        /// Which one.
        instrument: InstrumentId,
        /// Its bands from now on.
        bands: Bands,
    },
    /// Sets the static reference price of an instrument.
    SetReference {
        /// Which one.
        instrument: InstrumentId,
        /// Its reference price until the next auction.
        price: Price,
    },
    /// Sets the group and the self-trade prevention of a session, for orders from now on.
    SetSession {
        /// Which one.
        session: SessionId,
        /// Sessions of one group are one owner; 0: all of the participant are, those with a group too.
        group: u32,
        /// What happens where two orders of one owner would trade.
        self_trade: SelfTradePrevention,
    },
    /// Sets the pre-trade limits of a participant.
    SetRisk {
        /// Whose.
        participant: ParticipantId,
        /// In which instrument; [`InstrumentId::NONE`]: in all where it has none of its own.
        instrument: InstrumentId,
        /// The limits from now on.
        limits: RiskLimits,
    },
    /// Lets trade, lets only cancel, or kills: RULES.md, section 11.
    SetPermission {
        /// Whom.
        scope: PermissionScope,
        /// What is allowed from now on.
        permission: Permission,
    },
    /// Asks for the indicative price of an auction.
    PublishIndicative {
        /// Of which instrument.
        instrument: InstrumentId,
    },
    /// Does nothing beside what every Input does first: orders with an expiry time at or before its
    /// timestamp expire. Given when one is due, so that it does not wait for the next Input.
    Expire,
    /// Undoes a trade.
    Bust(Bust),
    /// Enters an order.
    New(NewOrder),
    /// Enters an order with terms.
    NewSpecial(NewOrder, Terms),
    /// Changes a pending stop order, its stop price too.
    ReplaceStop(ReplaceOrder, Price),
    /// Takes an order of this session off the book.
    Cancel {
        /// The order; [`OrderNumber::NONE`] if the gateway does not know it.
        target: OrderNumber,
    },
    /// Changes quantity or price of an order of this session. Less quantity at the same price keeps
    /// the place in the queue, anything else loses it.
    Replace(ReplaceOrder),
    /// Makes an order of this session no larger than a quantity, or takes it off.
    Reduce(ReduceOrder),
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
    /// Messages of the session that the journal of another shard holds: takes a number for each of them, changes
    /// nothing else.
    Relay(Relay),
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
    /// Limit, market or market-to-limit.
    pub kind: OrderKind,
    /// OrderQty(38).
    pub qty: Qty,
    /// How long it works.
    pub time_in_force: TimeInForce,
    /// Whether it may trade at once.
    pub liquidity: Liquidity,
}

impl NewOrder {
    /// A limit order for the day, its number still to be given.
    #[must_use]
    pub const fn limit(instrument: InstrumentId, side: Side, price: Price, qty: Qty) -> NewOrder {
        NewOrder {
            number: OrderNumber::NONE,
            instrument,
            side,
            kind: OrderKind::Limit(price),
            qty,
            time_in_force: TimeInForce::Day,
            liquidity: Liquidity::Any,
        }
    }

    /// A market order, its number still to be given.
    #[must_use]
    pub const fn market(instrument: InstrumentId, side: Side, qty: Qty) -> NewOrder {
        let limit = NewOrder::limit(instrument, side, Price::from_ticks(0), qty);
        NewOrder { kind: OrderKind::Market, time_in_force: TimeInForce::Ioc, ..limit }
    }
}

/// What kind of order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OrderKind {
    /// OrdType(40)=2: trades at this price or better.
    Limit(Price),
    /// OrdType(40)=1: trades at any price; what is left is canceled, never rests.
    Market,
    /// OrdType(40)=K: a limit order at the best price of the other side.
    MarketToLimit,
}

/// What a [`Command::NewSpecial`] asks for beside the order. [`Terms::NONE`] asks for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// DisplayQty(1138) of an iceberg, in lots; zero: all is displayed.
    pub display_qty: Qty,
    /// MinQty(110): trades at least this at once or not at all; zero: no minimum.
    pub min_qty: Qty,
    /// ExpireTime(126) of a [`TimeInForce::Gtd`] order; 0: none.
    pub expire_at: Timestamp,
    /// What brings the order to life.
    pub trigger: Trigger,
    /// What its price follows.
    pub peg: Peg,
}

impl Terms {
    /// Nothing asked for.
    pub const NONE: Terms = Terms {
        display_qty: Qty::ZERO,
        min_qty: Qty::ZERO,
        expire_at: Timestamp(0),
        trigger: Trigger::None,
        peg: Peg::None,
    };
}

/// What brings a stop order to life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trigger {
    /// It is no stop order.
    None,
    /// StopPx(99): a trade at this price or beyond.
    Stop(Price),
    /// A trade this many ticks away from the best price since entry.
    Trailing(u64),
}

/// What the price of an order follows. Offsets are ticks away from the market, never towards it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Peg {
    /// Nothing.
    None,
    /// ExecInst(18)=R: the best price of its own side.
    Primary(u64),
    /// ExecInst(18)=M: the middle of the best bid and the best ask.
    Midpoint(u64),
}

/// Whether an order may trade the moment it comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Liquidity {
    /// May take and may rest.
    Any = 0,
    /// ExecInst(18)=6: refused if it would trade at once.
    PostOnly = 1,
    /// Post-only: if it would trade at once it takes the price one tick behind the other side's best.
    Slide = 2,
}

/// Changes an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplaceOrder {
    /// The session's next dense number: what the order is called if the replace is accepted.
    /// [`OrderNumber::NONE`]: it keeps the number it has.
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

/// Makes an order smaller. It keeps its number, its price and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReduceOrder {
    /// The order; [`OrderNumber::NONE`] if the gateway does not know it.
    pub target: OrderNumber,
    /// What it may be at most from now on, what was already executed included. No more than that: it is
    /// taken off. No less than it is: nothing changes, and that is told.
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

/// What happens where two orders of one owner would trade: RULES.md, section 7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum SelfTradePrevention {
    /// They trade.
    None = 0,
    /// The one that came later is canceled.
    CancelNewest = 1,
    /// The one that came first is canceled.
    CancelOldest = 2,
    /// Both are canceled.
    CancelBoth = 3,
    /// Both lose the lesser quantity of the two.
    Decrement = 4,
}

/// Pre-trade limits of a participant in an instrument: RULES.md, section 10.
///
/// A limit of its type's `MAX` is none. Quantities in lots, prices in ticks, notionals in ticks × lots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RiskLimits {
    /// Quantity of an order.
    pub order_qty_max: Qty,
    /// Quantity × price of an order.
    pub order_notional_max: u64,
    /// Ticks by which a limit price may be beyond the last trade.
    pub collar_ticks: u64,
    /// Quantity × price of all working orders.
    pub open_notional_max: u64,
    /// Lots that the net position could reach, long or short, if all working orders of a side traded.
    pub position_max: u64,
    /// Working orders.
    pub open_orders_max: u32,
}

impl RiskLimits {
    /// No limit at all.
    pub const NONE: RiskLimits = RiskLimits {
        order_qty_max: Qty::from_lots(u64::MAX),
        order_notional_max: u64::MAX,
        collar_ticks: u64::MAX,
        open_notional_max: u64::MAX,
        position_max: u64::MAX,
        open_orders_max: u32::MAX,
    };
}

/// Whom a permission concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PermissionScope {
    /// One session.
    Session(SessionId),
    /// All sessions of a participant.
    Participant(ParticipantId),
    /// All sessions of a group, which is not 0.
    Group(u32),
    /// Everybody in one instrument.
    Instrument(InstrumentId),
}

/// What is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Permission {
    /// Everything.
    Trade = 0,
    /// No new orders, no replaces.
    CancelOnly = 1,
    /// The same, and what works is canceled.
    Killed = 2,
}

impl Permission {
    /// The permission with this number.
    pub(crate) const fn from_code(code: u8) -> Option<Permission> {
        match code {
            0 => Some(Permission::Trade),
            1 => Some(Permission::CancelOnly),
            2 => Some(Permission::Killed),
            _ => None,
        }
    }
}

/// A trade to undo, as the journal tells it: RULES.md, section 11.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bust {
    /// Which trade.
    pub trade: TradeId,
    /// In which instrument.
    pub instrument: InstrumentId,
    /// At which price it was.
    pub price: Price,
    /// How much changed hands.
    pub qty: Qty,
    /// Session and number of the order that bought.
    pub buy: (SessionId, OrderNumber),
    /// Session and number of the order that sold.
    pub sell: (SessionId, OrderNumber),
}

/// Messages of a session from the journal of another shard, in the order in which that gave them numbers of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relay {
    /// Which shard.
    pub shard: u8,
    /// The number that it gave the first of them.
    pub first: MsgSeqNum,
    /// How many they are.
    pub count: u32,
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
    /// Both directions start again, and nothing goes out: the next message is number 1.
    Clear = 4,
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

impl Limits {
    /// The largest `qty_max` that an instrument may have: what all orders together work stays below
    /// 2^63 lots, one that is about to come in included. 2^43 lots with a million orders.
    #[must_use]
    pub const fn qty_max(&self) -> Qty {
        // A u64 holds what a u32 holds.
        Qty::from_lots(i64::MAX.unsigned_abs() / (self.orders_max as u64 + 1))
    }
}
