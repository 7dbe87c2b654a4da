//! Market data over FIX: MarketDataRequest(V), and what answers it: W, X, Y.
//!
//! The books are not here and not in the gateway's thread. Whoever has them ([`MarketData`]) keeps the
//! [`Subscriptions`] beside them, which say what has changed for each connection since it was told last; the gateway gives
//! what is said its number. A connection that has not taken what was said before is told nothing more: what changes
//! meanwhile is one change when it reads on. `FIX-MARKET.md` has what a counterparty reads.

mod request;
mod subscriptions;
mod words;

use matcher::{BookLevel, Instrument, InstrumentId, SessionId, Side};

use crate::fix::Version;
pub(crate) use request::{Parsed, Refusal, parse};
pub use subscriptions::{News, Subscriptions};
pub(crate) use words::refused;

/// Prices of a side that can be asked for: with more, a snapshot would have more fields than we take ourselves.
pub const DEPTH_MAX: usize = 40;

/// Instruments of one request.
pub const INSTRUMENTS_MAX: usize = 64;

/// Messages that a connection may not have taken and is told more.
pub const UNREAD_MAX: u32 = 8;

/// Trades of an instrument that are kept for those who were not told. Who has more to be told is told nothing more.
pub const TRADES_MAX: usize = 1_024;

/// One connection of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Client {
    /// Its session.
    pub session: SessionId,
    /// Which of the connections of that session.
    pub connection: u64,
}

/// How a subscription is told of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Updates {
    /// Not at all.
    Never,
    /// By the whole of what it shows, MDUpdateType(265)=0.
    Full,
    /// By what has changed, MDUpdateType(265)=1.
    Incremental,
}

/// What a MarketDataRequest(V) asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// MDReqID(262).
    pub id: Vec<u8>,
    /// What its answers are written in.
    pub version: Version,
    /// Each once, at least one.
    pub instruments: Vec<InstrumentId>,
    /// Prices of a side, at least one.
    pub depth: usize,
    /// Changes.
    pub updates: Updates,
    /// MDEntryType(269)=0.
    pub bids: bool,
    /// MDEntryType(269)=1.
    pub asks: bool,
    /// MDEntryType(269)=2.
    pub trades: bool,
}

/// What the gateway asks of whoever has the books.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// To be told this. The number is another for each request of a connection; an MDReqID(262) may come again while
    /// something is still under way of the request that had it before.
    Begin(Client, u64, Wanted),
    /// To be told no more of the request with this number.
    End(Client, u64),
    /// So many messages were taken.
    Taken(Client, u32),
    /// The connection is gone.
    Gone(Client),
}

/// A message that needs its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Who is told.
    pub client: Client,
    /// MsgType(35).
    pub msg_type: u8,
    /// The fields behind the header.
    pub body: Vec<u8>,
    /// The request that is over with it.
    pub ends: Option<u64>,
}

/// Whoever has the books. Never waits.
pub trait MarketData {
    /// Asks. `false` if there is no room, which can only be so for [`Ask::Begin`].
    fn ask(&mut self, ask: Ask) -> bool;

    /// The next message, in the order in which they were said.
    fn next(&mut self) -> Option<Said>;

    /// Whether [`MarketData::next`] has one.
    fn has_next(&self) -> bool;
}

/// Nobody has them: no request is granted.
pub struct NoMarketData;

impl MarketData for NoMarketData {
    fn ask(&mut self, ask: Ask) -> bool {
        !matches!(ask, Ask::Begin(..))
    }

    fn next(&mut self) -> Option<Said> {
        None
    }

    fn has_next(&self) -> bool {
        false
    }
}

/// Books, to read.
pub trait Books {
    /// An instrument.
    fn instrument(&self, id: InstrumentId) -> Option<&Instrument>;

    /// Appends the best prices of a side, at most `depth`, best first.
    fn best(&self, id: InstrumentId, side: Side, depth: usize, out: &mut Vec<BookLevel>);
}
