//! What happened: Events, each self-contained enough that a reader needs only the Inputs it names.

use std::fmt;

use crate::instrument::Phase;
use crate::types::{
    InstrumentId, MsgSeqNum, Notional, OrderId, OrderNumber, OrderRef, Price, Qty, SessionId, Side,
    TradeId,
};

/// What happened in answer to an Input, in order.
///
/// `msg` is the number of the message that tells the session so (FIX MsgSeqNum(34) outbound, the
/// SoupBinTCP sequence number): it is given here, where the order of everything is given, so that
/// number N of a session means the same message after any crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The tables have their sizes.
    Configured,
    /// An instrument exists.
    InstrumentDefined {
        /// Its id.
        id: InstrumentId,
    },
    /// A session exists.
    SessionDefined {
        /// Its id.
        id: SessionId,
    },
    /// An instrument is in another phase.
    PhaseChanged {
        /// Which one.
        instrument: InstrumentId,
        /// Its phase from now on.
        phase: Phase,
        /// Why.
        reason: PhaseReason,
    },
    /// The venue's command of this Input is in force.
    Applied,
    /// A command of the venue itself was refused; nothing changed.
    CommandRefused {
        /// Why.
        reason: RejectReason,
    },
    /// The order of this Input works from now on: ExecType(150)=0. Its [`OrderId`] is the Input's
    /// Sequence.
    Accepted(Accepted),
    /// The order of this Input never became one: ExecType(150)=8.
    Rejected(Rejected),
    /// What is left of the order of this Input stands on the book.
    Rested(Rested),
    /// What is left of the order stands beside the book: a stop, a peg, an order that waits.
    Held(Held),
    /// A stop order came to life: ExecType(150)=L.
    Triggered(Triggered),
    /// An order changed without a trade and without being asked: ExecType(150)=D.
    Restated(Restated),
    /// An iceberg shows its next slice.
    Replenished(Replenished),
    /// Two orders traded, at the maker's price.
    Traded(Traded),
    /// An auction has a price.
    Uncrossed(Uncrossed),
    /// What an auction would give now.
    Indicative {
        /// In which book.
        instrument: InstrumentId,
        /// The call it is in.
        phase: Phase,
        /// The price, or `None`: nothing would trade, the rest is zero.
        price: Option<Price>,
        /// How much would trade.
        qty: Qty,
        /// How much would be left over at that price.
        imbalance: Qty,
        /// On which side; `None` if nothing.
        side: Option<Side>,
    },
    /// A trade was undone: ExecType(150)=H.
    Busted(Busted),
    /// An order stopped being one.
    Canceled(Canceled),
    /// An order has a new number, quantity or price: ExecType(150)=5.
    Replaced(Replaced),
    /// A cancel or a replace was refused, the order is as it was.
    CancelRejected(CancelRejected),
    /// A mass cancel is done; its `Canceled` events came before.
    MassCanceled {
        /// Who asked.
        session: SessionId,
        /// The report's number; [`MsgSeqNum::NONE`] if no message of the session asked.
        msg: MsgSeqNum,
        /// How many orders it took off.
        orders: u32,
    },
    /// A mass cancel was refused; nothing changed.
    MassCancelRejected {
        /// Who asked.
        session: SessionId,
        /// The report's number.
        msg: MsgSeqNum,
        /// Why.
        reason: RejectReason,
    },
    /// The answer to a status request.
    StatusReported(StatusReported),
    /// A session-layer message has its number.
    Numbered {
        /// Whose.
        session: SessionId,
        /// The number.
        msg: MsgSeqNum,
    },
    /// Messages of another shard have their numbers.
    Relayed(Relayed),
}

/// See [`Event::Relayed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relayed {
    /// Whose.
    pub session: SessionId,
    /// Which shard's journal holds them.
    pub shard: u8,
    /// The number that the first of them has there.
    pub first: MsgSeqNum,
    /// The number by which the session is told of the first; those of the others follow.
    pub msg: MsgSeqNum,
    /// How many they are.
    pub count: u32,
}

impl Relayed {
    /// The number by which the session is told of the last.
    #[must_use]
    pub const fn last(&self) -> MsgSeqNum {
        MsgSeqNum(self.msg.0.saturating_add(self.count.saturating_sub(1)))
    }
}

/// See [`Event::Accepted`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Whose order.
    pub session: SessionId,
    /// Its number there.
    pub number: OrderNumber,
    /// The report's number.
    pub msg: MsgSeqNum,
}

/// See [`Event::Rejected`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Whose order.
    pub session: SessionId,
    /// Its number there.
    pub number: OrderNumber,
    /// The report's number.
    pub msg: MsgSeqNum,
    /// Why.
    pub reason: RejectReason,
}

/// See [`Event::Rested`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rested {
    /// Whose order.
    pub session: SessionId,
    /// Its number there.
    pub number: OrderNumber,
    /// In which book.
    pub instrument: InstrumentId,
    /// On which side.
    pub side: Side,
    /// Its place in the queue.
    pub order_ref: OrderRef,
    /// At which price.
    pub price: Price,
    /// How much of it is displayed.
    pub leaves_qty: Qty,
}

/// Why an order stands beside the book.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum HeldReason {
    /// A stop that was not triggered yet.
    Stop = 1,
    /// A pegged order.
    Peg = 2,
    /// It waits for its auction.
    Waiting = 3,
    /// A market order in the call of an auction.
    Auction = 4,
}

/// See [`Event::Held`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// Whose order.
    pub session: SessionId,
    /// Its number there.
    pub number: OrderNumber,
    /// Beside which book.
    pub instrument: InstrumentId,
    /// On which side.
    pub side: Side,
    /// Why.
    pub reason: HeldReason,
    /// Its place.
    pub order_ref: OrderRef,
    /// How much.
    pub leaves_qty: Qty,
}

/// See [`Event::Triggered`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Triggered {
    /// Whose order.
    pub session: SessionId,
    /// Its number there.
    pub number: OrderNumber,
    /// The report's number.
    pub msg: MsgSeqNum,
    /// The order.
    pub order_id: OrderId,
    /// In which book.
    pub instrument: InstrumentId,
    /// All of it: a stop has traded nothing before.
    pub leaves_qty: Qty,
}

/// Why an order changed by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RestateReason {
    /// Self-trade prevention took quantity off.
    SelfTrade = 1,
    /// A market-to-limit order has its price.
    MarketToLimit = 2,
    /// A post-only order stepped back.
    Slide = 3,
}

/// See [`Event::Restated`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restated {
    /// Whose order.
    pub session: SessionId,
    /// Its number there.
    pub number: OrderNumber,
    /// The report's number.
    pub msg: MsgSeqNum,
    /// The order.
    pub order_id: OrderId,
    /// In which book.
    pub instrument: InstrumentId,
    /// Why.
    pub reason: RestateReason,
    /// Its place, [`OrderRef::NONE`] if it is not displayed.
    pub order_ref: OrderRef,
    /// Its limit price from now on; of an order without one 0.
    pub price: Price,
    /// How much less works (and, where it has a place, is displayed) than before.
    pub cut_qty: Qty,
    /// Still working.
    pub leaves_qty: Qty,
    /// Done over the life of the order.
    pub cum_qty: Qty,
    /// Price × quantity of all its fills.
    pub notional: Notional,
}

/// See [`Event::Replenished`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replenished {
    /// Whose order.
    pub session: SessionId,
    /// Its number there.
    pub number: OrderNumber,
    /// In which book.
    pub instrument: InstrumentId,
    /// On which side.
    pub side: Side,
    /// The slice's place in the queue.
    pub order_ref: OrderRef,
    /// At which price.
    pub price: Price,
    /// How much of it is displayed.
    pub qty: Qty,
}

/// See [`Event::Uncrossed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uncrossed {
    /// Which book.
    pub instrument: InstrumentId,
    /// The phase that it ends.
    pub phase: Phase,
    /// The price of all its trades.
    pub price: Price,
    /// How much traded.
    pub qty: Qty,
    /// How much that would trade at that price was left over.
    pub imbalance: Qty,
    /// On which side; `None` if nothing.
    pub side: Option<Side>,
}

/// One side's part in a [`Busted`] trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BustedPart {
    /// Whose order.
    pub session: SessionId,
    /// Its number there.
    pub number: OrderNumber,
    /// The report's number.
    pub msg: MsgSeqNum,
}

/// See [`Event::Busted`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busted {
    /// Which trade.
    pub trade: TradeId,
    /// In which book.
    pub instrument: InstrumentId,
    /// At which price it was.
    pub price: Price,
    /// How much changed hands.
    pub qty: Qty,
    /// The order that bought.
    pub buy: BustedPart,
    /// The order that sold.
    pub sell: BustedPart,
}

/// Why an instrument is in another phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum PhaseReason {
    /// The venue's command.
    Command = 1,
    /// A trade would have left the price band.
    Volatility = 2,
}

/// What kind of trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum TradeKind {
    /// In continuous trading.
    Continuous = 0,
    /// In an auction.
    Auction = 1,
}

/// One order's part in a trade.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fill {
    /// Whose order.
    pub session: SessionId,
    /// Its number there.
    pub number: OrderNumber,
    /// The report's number.
    pub msg: MsgSeqNum,
    /// The order.
    pub order_id: OrderId,
    /// Still working after this fill.
    pub leaves_qty: Qty,
    /// Done after this fill, over the life of the order.
    pub cum_qty: Qty,
    /// Price × quantity of all its fills: AvgPx(6) is `notional` / `cum_qty`.
    pub notional: Notional,
}

/// See [`Event::Traded`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traded {
    /// The trade.
    pub id: TradeId,
    /// In which book.
    pub instrument: InstrumentId,
    /// Side of the taker.
    pub taker_side: Side,
    /// In an auction or not.
    pub kind: TradeKind,
    /// The maker's price; in an auction the auction's.
    pub price: Price,
    /// How much changed hands.
    pub qty: Qty,
    /// Place of the maker, [`OrderRef::NONE`] if it was not displayed.
    pub maker_ref: OrderRef,
    /// In an auction the place of the taker; [`OrderRef::NONE`] if it was not displayed.
    pub taker_ref: OrderRef,
    /// The order that was resting; in an auction the one with the earlier place.
    pub maker: Fill,
    /// The order that came in.
    pub taker: Fill,
}

/// Why an order stopped being one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum CancelReason {
    /// Its session asked.
    Requested = 1,
    /// A mass cancel of its session.
    MassCancel = 2,
    /// The venue took all orders of the instrument off.
    Venue = 3,
    /// What was left of an IOC order.
    Ioc = 4,
    /// A FOK order that could not trade whole.
    Fok = 5,
    /// What was left of a market order.
    Market = 6,
    /// The end of the trading day, or of its own time.
    Expired = 7,
    /// Less than its minimum quantity could trade.
    MinQty = 8,
    /// Self-trade prevention.
    SelfTrade = 9,
    /// What was left at the edge of the price band.
    PriceBand = 10,
    /// The kill switch.
    KillSwitch = 11,
    /// The auction that it was for is over.
    AuctionEnd = 12,
    /// No room for a price level when it came to life.
    NoRoom = 13,
}

/// See [`Event::Canceled`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Canceled {
    /// Whose order.
    pub session: SessionId,
    /// Its number there.
    pub number: OrderNumber,
    /// The report's number.
    pub msg: MsgSeqNum,
    /// The order.
    pub order_id: OrderId,
    /// In which book.
    pub instrument: InstrumentId,
    /// Its place in the queue, [`OrderRef::NONE`] if it was not displayed.
    pub order_ref: OrderRef,
    /// Why.
    pub reason: CancelReason,
    /// How much was still working and is canceled.
    pub canceled_qty: Qty,
    /// Done over the life of the order.
    pub cum_qty: Qty,
    /// Price × quantity of all its fills.
    pub notional: Notional,
}

/// What became of the place in the queue on a replace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Priority {
    /// Less quantity at the same price: the place and the [`OrderRef`] are kept.
    Kept = 1,
    /// Taken off the book; it may trade now, and what rests then has a new [`OrderRef`].
    Lost = 2,
}

/// See [`Event::Replaced`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// Whose order.
    pub session: SessionId,
    /// What it was called.
    pub old_number: OrderNumber,
    /// What it is called now.
    pub number: OrderNumber,
    /// The report's number.
    pub msg: MsgSeqNum,
    /// The order.
    pub order_id: OrderId,
    /// In which book.
    pub instrument: InstrumentId,
    /// Whether its place was kept.
    pub priority: Priority,
    /// The place it had, [`OrderRef::NONE`] if it was not displayed.
    pub old_ref: OrderRef,
    /// The limit price from now on.
    pub price: Price,
    /// OrderQty(38) from now on.
    pub order_qty: Qty,
    /// Still working, before any trade of this Input.
    pub leaves_qty: Qty,
    /// How much worked before.
    pub old_leaves_qty: Qty,
    /// Where the place is kept: how much less is displayed than before; zero otherwise.
    pub cut_qty: Qty,
    /// Price × quantity of all its fills before this Input.
    pub notional: Notional,
}

/// See [`Event::CancelRejected`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CancelRejected {
    /// Who asked.
    pub session: SessionId,
    /// The order meant, or [`OrderNumber::NONE`].
    pub target: OrderNumber,
    /// The report's number.
    pub msg: MsgSeqNum,
    /// Which request: CxlRejResponseTo(434).
    pub request: CancelRequest,
    /// Why.
    pub reason: RejectReason,
}

/// Which request a [`CancelRejected`] answers: CxlRejResponseTo(434).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum CancelRequest {
    /// OrderCancelRequest.
    Cancel = 1,
    /// OrderCancelReplaceRequest.
    Replace = 2,
}

/// See [`Event::StatusReported`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusReported {
    /// Who asked.
    pub session: SessionId,
    /// The order meant, or [`OrderNumber::NONE`].
    pub target: OrderNumber,
    /// The report's number.
    pub msg: MsgSeqNum,
    /// The working order, or `None` when no order of that number works: it is done (the reader of the
    /// journal has seen how) or never was.
    pub working: Option<WorkingOrder>,
}

/// A resting order, as told in a status report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkingOrder {
    /// The order.
    pub order_id: OrderId,
    /// Still working.
    pub leaves_qty: Qty,
    /// Done.
    pub cum_qty: Qty,
    /// Price × quantity of all its fills.
    pub notional: Notional,
}

impl Event {
    /// Who is told of this Event, and the number of the message that tells him: nobody, one session, or
    /// the maker's and the taker's (in this order; both may be one session's).
    #[must_use]
    pub fn recipients(&self) -> [Option<(SessionId, MsgSeqNum)>; 2] {
        let one = |session: SessionId, msg: MsgSeqNum| [told(session, msg), None];
        match self {
            Event::Configured
            | Event::InstrumentDefined { .. }
            | Event::SessionDefined { .. }
            | Event::PhaseChanged { .. }
            | Event::CommandRefused { .. }
            | Event::Applied
            | Event::Held(_)
            | Event::Replenished(_)
            | Event::Uncrossed(_)
            | Event::Indicative { .. }
            // Many numbers, and what tells them is elsewhere.
            | Event::Relayed(_)
            | Event::Rested(_) => [None, None],
            Event::Triggered(event) => one(event.session, event.msg),
            Event::Restated(event) => one(event.session, event.msg),
            Event::Busted(event) => {
                [told(event.buy.session, event.buy.msg), told(event.sell.session, event.sell.msg)]
            }
            Event::Accepted(event) => one(event.session, event.msg),
            Event::Rejected(event) => one(event.session, event.msg),
            Event::Traded(event) => [
                told(event.maker.session, event.maker.msg),
                told(event.taker.session, event.taker.msg),
            ],
            Event::Canceled(event) => one(event.session, event.msg),
            Event::Replaced(event) => one(event.session, event.msg),
            Event::CancelRejected(event) => one(event.session, event.msg),
            Event::MassCanceled { session, msg, .. }
            | Event::MassCancelRejected { session, msg, .. }
            | Event::Numbered { session, msg } => one(*session, *msg),
            Event::StatusReported(event) => one(event.session, event.msg),
        }
    }
}

fn told(session: SessionId, msg: MsgSeqNum) -> Option<(SessionId, MsgSeqNum)> {
    (msg != MsgSeqNum::NONE).then_some((session, msg))
}

macro_rules! reject_reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal;)*) => {
        /// Why the market says no. The numbers are part of the journal's format.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum RejectReason { $($(#[$doc])* $name = $code,)* }

        impl RejectReason {
            /// Every reason.
            pub const ALL: &'static [RejectReason] = &[$(RejectReason::$name,)*];

            /// The reason with this number.
            #[must_use]
            pub const fn from_code(code: u16) -> Option<RejectReason> {
                match code {
                    $($code => Some(RejectReason::$name),)*
                    _ => None,
                }
            }

            /// The number in the journal.
            #[must_use]
            pub const fn code(self) -> u16 {
                self as u16
            }

            /// One line for a person.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(RejectReason::$name => $text,)* }
            }
        }
    };
}

impl fmt::Display for RejectReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl std::error::Error for RejectReason {}

reject_reasons! {
    /// The symbol names no instrument.
    UnknownInstrument = 1, "unknown symbol";
    /// The session is not defined.
    UnknownSession = 2, "unknown session";
    /// No working order of that number.
    UnknownOrder = 3, "unknown order";
    /// The order existed and is done.
    TooLate = 4, "too late: the order is filled, canceled or expired";
    /// The order's number is not the session's next.
    NumberOutOfOrder = 5, "order number is not the next of its session";
    /// The instrument is halted.
    Halted = 6, "instrument is halted";
    /// The instrument is closed.
    Closed = 7, "instrument is closed";
    /// Quantity zero.
    QtyZero = 8, "quantity must be above zero";
    /// Below `qty_min`.
    QtyTooSmall = 9, "quantity is below the minimum of the instrument";
    /// Above `qty_max`.
    QtyTooLarge = 10, "quantity is above the maximum of the instrument";
    /// Outside `price_min ..= price_max`.
    PriceOutOfRange = 11, "price is outside the range of the instrument";
    /// Not a multiple of the tick.
    PriceOffTick = 12, "price is not a multiple of the tick size";
    /// Not a multiple of the lot.
    QtyOffLot = 13, "quantity is not a multiple of the lot size";
    /// A post-only order would trade at once.
    WouldTrade = 14, "post-only order would trade at once";
    /// Type, time in force, liquidity and terms do not go together: RULES.md, section 2.
    Contradiction = 15, "order type, time in force and instructions contradict each other";
    /// The replace names another instrument or side than the order has.
    OrderMismatch = 16, "symbol or side is not that of the order";
    /// The new quantity leaves nothing to work.
    QtyBelowCum = 17, "new quantity is not above what is already executed";
    /// `orders_max` reached.
    TooManyOrders = 18, "the venue's limit of resting orders is reached";
    /// `levels_max` reached.
    TooManyLevels = 19, "the venue's limit of price levels is reached";
    /// The client's id was used before.
    DuplicateClOrdId = 20, "duplicate ClOrdID";
    /// The ring to the core is full.
    Throttled = 21, "venue is busy, try again";
    /// The journal has no room left.
    JournalFull = 22, "journal has no room: new orders are refused, cancels are taken";
    /// OrdType, TimeInForce or ExecInst that we do not do.
    Unsupported = 23, "order characteristic is not supported";
    /// The id to define is not the next dense one.
    IdOutOfOrder = 24, "id to define is not the next";
    /// `Instrument::validate` fails.
    BadDefinition = 25, "definition is not valid";
    /// A table of the engine is full.
    TableFull = 26, "table of instruments or sessions is full";
    /// The symbol is defined already.
    DuplicateSymbol = 27, "symbol is defined already";
    /// A limit would get smaller.
    LimitsShrink = 28, "limits can only grow";
    /// The session's order numbers are used up.
    NumbersExhausted = 29, "session has used all its order numbers";
    /// The client's id is empty or too long.
    BadClOrdId = 30, "client order id is missing or too long";
    /// The session may not do this.
    NotPermitted = 31, "session is not permitted to do this";
    /// Not in this phase.
    WrongPhase = 32, "not accepted in the present trading phase";
    /// Beyond the price band.
    PriceBand = 33, "price is beyond the price band";
    /// DisplayQty(1138) below `qty_min`, or the order has more than 10,000 slices.
    DisplayQty = 34, "display quantity is too small";
    /// MinQty(110) above the quantity.
    MinQty = 35, "minimum quantity is above the quantity";
    /// ExpireTime(126) missing, not wanted or past.
    ExpireTime = 36, "expire time is missing, not allowed here, or not in the future";
    /// StopPx(99) out of range, or no trailing offset.
    TriggerPrice = 37, "stop price or trailing offset is out of range";
    /// Peg offset out of range.
    PegOffset = 38, "peg offset is out of range";
    /// A market order under a notional limit, and no price to value it with.
    NoReference = 39, "no last or reference price to value the order with";
    /// `order_qty_max` of the account.
    RiskOrderQty = 40, "quantity is above the participant's limit";
    /// `order_notional_max` of the account.
    RiskOrderNotional = 41, "notional is above the participant's limit";
    /// `collar_ticks` of the account.
    RiskCollar = 42, "price is beyond the participant's collar";
    /// `open_orders_max` of the account.
    RiskOpenOrders = 43, "too many working orders for the participant's limit";
    /// `open_notional_max` of the account.
    RiskOpenNotional = 44, "working notional is above the participant's limit";
    /// `position_max` of the account.
    RiskPosition = 45, "position could exceed the participant's limit";
    /// Only cancels are permitted.
    CancelOnly = 46, "only cancels are permitted";
    /// The kill switch is on.
    KillSwitch = 47, "trading is stopped by the kill switch";
    /// A replace of a stop price, and the order is no pending stop.
    NotAStop = 48, "order is not a pending stop order";
    /// A bust of a trade that never was.
    UnknownTrade = 49, "unknown trade";
    /// A bust of a trade that was busted.
    AlreadyBusted = 50, "trade is busted already";
    /// No session of that participant is defined.
    UnknownParticipant = 51, "unknown participant";
}

/// Where the engine puts its Events. The core's sink writes them into the journal's mapping; a test
/// collects them in a `Vec`.
pub trait EventSink {
    /// Takes the next Event of the present Input.
    fn event(&mut self, event: &Event);
}

impl EventSink for Vec<Event> {
    fn event(&mut self, event: &Event) {
        self.push(*event);
    }
}
