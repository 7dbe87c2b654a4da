//! The words of the market as types: a value that exists is a value that is valid.

use std::fmt;
use std::ops::{Add, AddAssign, Sub, SubAssign};

/// A price in ticks of its instrument.
///
/// One tick is `Instrument::tick_size`: at a tick of 0.0001, 1.0850 is `Price::from_ticks(10_850)`.
/// Signed, because calendar spreads trade below zero. Text becomes a `Price` in one place,
/// `gateway::order_entry`, which rejects what is off-tick and never rounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Price(i64);

impl Price {
    /// The lowest price that can be written; also the limit of a market order to sell.
    pub const MIN: Price = Price(i64::MIN);
    /// The highest price that can be written; also the limit of a market order to buy.
    pub const MAX: Price = Price(i64::MAX);

    /// A price of `ticks` ticks.
    #[must_use]
    pub const fn from_ticks(ticks: i64) -> Price {
        Price(ticks)
    }

    /// The price in ticks.
    #[must_use]
    pub const fn ticks(self) -> i64 {
        self.0
    }
}

/// A quantity in lots of its instrument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Qty(u64);

impl Qty {
    /// Nothing.
    pub const ZERO: Qty = Qty(0);

    /// A quantity of `lots` lots.
    #[must_use]
    pub const fn from_lots(lots: u64) -> Qty {
        Qty(lots)
    }

    /// The quantity in lots.
    #[must_use]
    pub const fn lots(self) -> u64 {
        self.0
    }

    /// Whether nothing is left.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// `self - other`, or `None` below zero.
    #[must_use]
    pub const fn checked_sub(self, other: Qty) -> Option<Qty> {
        match self.0.checked_sub(other.0) {
            Some(lots) => Some(Qty(lots)),
            None => None,
        }
    }
}

impl Add for Qty {
    type Output = Qty;
    fn add(self, other: Qty) -> Qty {
        Qty(self.0 + other.0)
    }
}

impl Sub for Qty {
    type Output = Qty;
    fn sub(self, other: Qty) -> Qty {
        Qty(self.0 - other.0)
    }
}

impl AddAssign for Qty {
    fn add_assign(&mut self, other: Qty) {
        self.0 += other.0;
    }
}

impl SubAssign for Qty {
    fn sub_assign(&mut self, other: Qty) {
        self.0 -= other.0;
    }
}

/// What an order has traded for so far: the sum of price × quantity over its fills, in ticks × lots.
///
/// Never overflows: `Instrument::validate` bounds `qty_max` × price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Notional(i64);

impl Notional {
    /// Nothing traded yet.
    pub const ZERO: Notional = Notional(0);

    /// A notional of `value` ticks × lots.
    #[must_use]
    pub const fn from_tick_lots(value: i64) -> Notional {
        Notional(value)
    }

    /// The notional in ticks × lots.
    #[must_use]
    pub const fn tick_lots(self) -> i64 {
        self.0
    }
}

/// Side of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Side {
    /// Side(54)=1.
    Buy = 1,
    /// Side(54)=2.
    Sell = 2,
}

impl Side {
    /// The side that an order of this side trades with.
    #[must_use]
    pub const fn opposite(self) -> Side {
        match self {
            Side::Buy => Side::Sell,
            Side::Sell => Side::Buy,
        }
    }

    /// Whether an order of this side with limit `limit` trades at `price`.
    #[must_use]
    pub const fn accepts(self, limit: Price, price: Price) -> bool {
        match self {
            Side::Buy => price.0 <= limit.0,
            Side::Sell => price.0 >= limit.0,
        }
    }
}

/// How long an order works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum TimeInForce {
    /// Until the end of the trading day: TimeInForce(59)=0.
    Day = 0,
    /// Until it is canceled: TimeInForce(59)=1.
    Gtc = 1,
    /// What does not trade at once is canceled: TimeInForce(59)=3.
    Ioc = 3,
    /// Trades whole and at once, or not at all: TimeInForce(59)=4.
    Fok = 4,
    /// For the opening auction only: TimeInForce(59)=2.
    AtOpen = 2,
    /// Until its ExpireTime(126): TimeInForce(59)=6.
    Gtd = 6,
    /// For the closing auction only: TimeInForce(59)=7.
    AtClose = 7,
    /// For the next auction only: TimeInForce(59)=B of FIX 5.0 SP2.
    Gfa = 10,
}

impl TimeInForce {
    /// Whether what is left after matching may rest on the book.
    #[must_use]
    pub const fn rests(self) -> bool {
        !matches!(self, TimeInForce::Ioc | TimeInForce::Fok)
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($raw:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $raw);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    };
}

id! {
    /// A thing traded. Dense from 0: it indexes the engine's books.
    InstrumentId(u32)
}
id! {
    /// The firm: owner of orders.
    ParticipantId(u32)
}
id! {
    /// A counterparty's session (a FIX identity, an OUCH port). Dense from 1: it indexes the engine's
    /// session table. [`SessionId::VENUE`] is the venue itself.
    SessionId(u32)
}
id! {
    /// An order inside its session: dense from 1, given by the gateway, one for each order and one for
    /// each replace (the discipline of OUCH's UserRefNum). It indexes; nothing is hashed.
    OrderNumber(u32)
}
id! {
    /// The venue's id of an order: [`Sequence`] of the command that created it. A replace keeps it.
    OrderId(u64)
}
id! {
    /// A place in a queue: dense from 1 over the life of the engine, the lower the better. The order
    /// reference of the market data feed: a replace that loses priority gets a new one, and so does
    /// each slice of an iceberg.
    OrderRef(u64)
}
id! {
    /// A trade: dense from 1 over the life of the engine.
    TradeId(u64)
}
id! {
    /// Place in the total order of Inputs of a journal, and its key. The first is 1; of the journal of a shard, that above
    /// [`Sequence::before_shard`].
    Sequence(u64)
}
/// Sequences of a shard's journal have the shard above so many bits: no two of a venue are the same.
const SHARD_SHIFT: u32 = 48;

/// Shards that a venue may have, the first included: what is counted from [`Sequence::before_shard`] on stays far
/// below what formats with 53 bits hold.
pub const SHARDS_MAX: u8 = 16;

impl Sequence {
    /// The one before the first of the journal of a shard: 0 where nothing is sharded.
    #[must_use]
    pub const fn before_shard(shard: u8) -> Sequence {
        Sequence((shard as u64) << SHARD_SHIFT)
    }

    /// The one before the first of its journal.
    #[must_use]
    pub const fn before_journal(self) -> Sequence {
        Sequence(self.0 >> SHARD_SHIFT << SHARD_SHIFT)
    }

    /// Whose journal it is of.
    #[must_use]
    pub const fn shard(self) -> u64 {
        self.0 >> SHARD_SHIFT
    }

    /// Whether it is the first of its journal.
    #[must_use]
    pub const fn is_first(self) -> bool {
        self.0 == self.before_journal().0 + 1
    }
}

id! {
    /// Nanoseconds since 1970 UTC, read once per Input by the core's thread.
    Timestamp(u64)
}
id! {
    /// Counter of one direction of a session: FIX MsgSeqNum(34), SoupBinTCP's sequence number.
    /// The first is 1; 0 where there is no message.
    MsgSeqNum(u32)
}

impl InstrumentId {
    /// No instrument: what the gateway writes when the symbol is unknown.
    pub const NONE: InstrumentId = InstrumentId(u32::MAX);

    /// The index of its book.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl SessionId {
    /// The venue itself: operator, schedule, configuration. It is sent nothing.
    pub const VENUE: SessionId = SessionId(0);

    /// The index in the session table.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl MsgSeqNum {
    /// No message.
    pub const NONE: MsgSeqNum = MsgSeqNum(0);
}

impl OrderRef {
    /// No place that anybody was shown.
    pub const NONE: OrderRef = OrderRef(0);
}

impl OrderNumber {
    /// No order: what the gateway writes when the client's id is unknown to it. In a replace: the
    /// order keeps its number.
    pub const NONE: OrderNumber = OrderNumber(0);
}

/// Text of up to `N` bytes, stored in place, padded with zeroes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text<const N: usize>([u8; N]);

/// Symbol(55) of an instrument: 1 to 16 printable ASCII characters without a space.
pub type Symbol = Text<16>;

impl<const N: usize> Text<N> {
    /// `text` stored in place, or `None` if it is empty, too long, or not printable ASCII.
    #[must_use]
    pub fn new(text: &[u8]) -> Option<Text<N>> {
        if text.is_empty() || text.len() > N || !text.iter().all(u8::is_ascii_graphic) {
            return None;
        }
        let mut bytes = [0; N];
        bytes[..text.len()].copy_from_slice(text);
        Some(Text(bytes))
    }

    /// The text without its padding.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        let len = self.0.iter().position(|byte| *byte == 0).unwrap_or(N);
        &self.0[..len]
    }

    /// The text without its padding.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or("?")
    }

    /// The bytes with their padding.
    #[must_use]
    pub const fn padded(&self) -> &[u8; N] {
        &self.0
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
