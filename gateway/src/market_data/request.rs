//! MarketDataRequest(V) → what it asks for, or why it is refused.

use matcher::InstrumentId;

use super::{DEPTH_MAX, INSTRUMENTS_MAX, Updates, Wanted};
use crate::fix::{Message, SessionRejectReason, Version, tag};
use crate::order_entry::{Directory, SYMBOL_BYTES_MAX};
use crate::reference::{self, REQUEST_ID_BYTES_MAX, TRADING_SESSION_ID};

/// MDReqRejReason(281).
pub(super) mod reason {
    pub(in crate::market_data) const UNKNOWN_SYMBOL: u8 = b'0';
    pub(in crate::market_data) const BANDWIDTH: u8 = b'2';
    pub(in crate::market_data) const DEPTH: u8 = b'5';
    pub(in crate::market_data) const UPDATE_TYPE: u8 = b'6';
    pub(in crate::market_data) const AGGREGATED_BOOK: u8 = b'7';
    pub(in crate::market_data) const ENTRY_TYPE: u8 = b'8';
    pub(in crate::market_data) const TRADING_SESSION: u8 = b'9';
    pub(in crate::market_data) const SCOPE: u8 = b'A';
    pub(in crate::market_data) const OPEN_CLOSE: u8 = b'B';
    pub(in crate::market_data) const IMPLICIT_DELETE: u8 = b'C';
}

/// What a well-formed request is.
#[derive(Debug)]
pub(crate) enum Parsed {
    /// It asks for this.
    Begin(Wanted),
    /// It ends what this MDReqID(262) names.
    End(Vec<u8>),
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Reject(3).
    Field {
        /// RefTagID(371).
        tag: u32,
        /// SessionRejectReason(373).
        reason: SessionRejectReason,
    },
    /// MarketDataRequestReject(Y).
    Request {
        /// MDReqRejReason(281), if FIX has one.
        reason: Option<u8>,
        /// Text(58).
        text: &'static str,
    },
}

impl Refusal {
    const fn of(reason: u8, text: &'static str) -> Refusal {
        Refusal::Request { reason: Some(reason), text }
    }
}

pub(crate) fn parse(
    message: &Message<'_>,
    version: Version,
    directory: &Directory,
) -> Result<Parsed, Refusal> {
    let field = |refused| match refused {
        reference::Refused::Field { tag, reason } => Refusal::Field { tag, reason },
        reference::Refused::Business { text, .. } => Refusal::Request { reason: None, text },
    };
    let id = reference::text(message, tag::MD_REQ_ID, REQUEST_ID_BYTES_MAX).map_err(field)?;
    let request_type = message.get(tag::SUBSCRIPTION_REQUEST_TYPE);
    if request_type == Some(b"2") {
        return Ok(Parsed::End(id.to_vec()));
    }
    let updates = match (request_type, message.get(tag::MD_UPDATE_TYPE)) {
        (Some(b"0"), _) => Updates::Never,
        (_, Some(b"0")) => Updates::Full,
        (_, Some(b"1")) => Updates::Incremental,
        _ => {
            let text = "say MDUpdateType(265): 0 for the whole each time, 1 for what has changed";
            return Err(Refusal::of(reason::UPDATE_TYPE, text));
        }
    };
    let depth = message.get(tag::MARKET_DEPTH).and_then(crate::fix::parse_uint);
    let depth = depth.and_then(|depth| usize::try_from(depth).ok());
    let depth = depth.filter(|depth| (1..=DEPTH_MAX).contains(depth)).ok_or(Refusal::of(
        reason::DEPTH,
        "MarketDepth(264) is 1 to 40; every order is on the ITCH feed",
    ))?;
    let mut wanted = Wanted {
        id: id.to_vec(),
        version,
        instruments: Vec::new(),
        depth,
        updates,
        bids: false,
        asks: false,
        trades: false,
    };
    for (tag, value) in message.iter() {
        field_of(&mut wanted, directory, tag, value)?;
    }
    if wanted.instruments.is_empty() {
        return Err(Refusal::of(reason::UNKNOWN_SYMBOL, "no instrument is named"));
    }
    if !(wanted.bids || wanted.asks || wanted.trades) {
        return Err(Refusal::of(reason::ENTRY_TYPE, "no MDEntryType(269) is named"));
    }
    Ok(Parsed::Begin(wanted))
}

/// What one field adds to a request.
fn field_of(
    wanted: &mut Wanted,
    directory: &Directory,
    tag: u32,
    value: &[u8],
) -> Result<(), Refusal> {
    let refused = match (tag, value) {
        (tag::MD_ENTRY_TYPE, b"0") => {
            wanted.bids = true;
            return Ok(());
        }
        (tag::MD_ENTRY_TYPE, b"1") => {
            wanted.asks = true;
            return Ok(());
        }
        (tag::MD_ENTRY_TYPE, b"2") => {
            wanted.trades = true;
            return Ok(());
        }
        (tag::SYMBOL, symbol) => return instrument(wanted, directory, symbol),
        (tag::MD_ENTRY_TYPE, _) => {
            (reason::ENTRY_TYPE, "MDEntryType(269) is 0 bid, 1 offer or 2 trade")
        }
        (tag::AGGREGATED_BOOK, b"N") => {
            (reason::AGGREGATED_BOOK, "one entry a price; every order is on the ITCH feed")
        }
        (tag::TRADING_SESSION_ID, id) if id != TRADING_SESSION_ID => {
            (reason::TRADING_SESSION, "unknown TradingSessionID: there is one, 1")
        }
        (tag::SCOPE, _) => (reason::SCOPE, "Scope(546) is not supported"),
        (tag::OPEN_CLOSE_SETTL_FLAG, _) => {
            (reason::OPEN_CLOSE, "OpenCloseSettlFlag(286) is not supported")
        }
        (tag::MD_IMPLICIT_DELETE, b"Y") => {
            (reason::IMPLICIT_DELETE, "what leaves the depth is deleted by an entry of its own")
        }
        (tag::APPL_QUEUE_ACTION, action) if action != b"0" => {
            let text = "ApplQueueAction(815) is not supported: what waits becomes one change";
            return Err(Refusal::Request { reason: None, text });
        }
        _ => return Ok(()),
    };
    Err(Refusal::of(refused.0, refused.1))
}

fn instrument(wanted: &mut Wanted, directory: &Directory, symbol: &[u8]) -> Result<(), Refusal> {
    let known = Some(symbol).filter(|symbol| symbol.len() <= SYMBOL_BYTES_MAX);
    let id = known.and_then(|symbol| directory.find(symbol));
    let id: InstrumentId = id.ok_or(Refusal::of(reason::UNKNOWN_SYMBOL, "unknown symbol"))?;
    if !wanted.instruments.contains(&id) {
        wanted.instruments.push(id);
    }
    if wanted.instruments.len() > INSTRUMENTS_MAX {
        let text = "a request names at most 64 instruments";
        return Err(Refusal::of(reason::BANDWIDTH, text));
    }
    Ok(())
}
