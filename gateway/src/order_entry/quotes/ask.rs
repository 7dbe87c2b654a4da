//! What a quote message asks for: its fields, judged.

use matcher::{Instrument, InstrumentId, Price, Qty, RejectReason};

use super::{Fault, QUOTE_ENTRIES_MAX, QUOTE_ID_BYTES_MAX, reject};
use crate::fix::{Message, SessionRejectReason, tag};
use crate::order_entry::request::fields::{BadField, Judged, price, qty, required, text};
use crate::order_entry::{ACCOUNT_BYTES_MAX, Directory, SYMBOL_BYTES_MAX};

/// How a message is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whole {
    /// Quotes, entry by entry.
    Entries,
    /// No more quotes in these instruments.
    Cancel,
    /// No more quotes.
    CancelAll,
}

/// Price and quantity of a side, `None`: none.
type Asked = Option<(Price, Qty)>;

/// A quote in one instrument.
pub(super) struct Entry<'m> {
    pub(super) set: &'m [u8],
    pub(super) id: &'m [u8],
    pub(super) symbol: &'m [u8],
    /// [`InstrumentId::NONE`] if the symbol is unknown.
    pub(super) instrument: InstrumentId,
    /// Bid and offer.
    pub(super) sides: Result<[Asked; 2], Fault>,
}

/// A whole message.
pub(super) struct Asks<'m> {
    pub(super) id: &'m [u8],
    /// QuoteResponseLevel(301).
    pub(super) level: u8,
    pub(super) account: Option<&'m [u8]>,
    pub(super) whole: Whole,
    pub(super) entries: Vec<Entry<'m>>,
    /// Why nothing of it is done.
    pub(super) fault: Option<Fault>,
    /// It may have come before.
    pub(super) again: bool,
}

/// The fields of an entry, as text.
#[derive(Default)]
struct Raw<'m> {
    set: Option<&'m [u8]>,
    id: Option<&'m [u8]>,
    symbol: Option<&'m [u8]>,
    /// Of bid and offer.
    prices: [Option<&'m [u8]>; 2],
    sizes: [Option<&'m [u8]>; 2],
    unsupported: bool,
}

impl<'m> Asks<'m> {
    fn new(message: &Message<'m>, whole: Whole) -> Result<Asks<'m>, BadField> {
        // FIX 5.0 SP2 has another name for it in a cancel.
        let id = message.get(tag::QUOTE_ID).or(message.get(tag::QUOTE_MSG_ID));
        let id = required(id, tag::QUOTE_ID)?;
        let id = text(id, tag::QUOTE_ID, QUOTE_ID_BYTES_MAX)?;
        let account = message.get(tag::ACCOUNT);
        let account =
            account.map(|value| text(value, tag::ACCOUNT, ACCOUNT_BYTES_MAX)).transpose()?;
        let level = match message.get(tag::QUOTE_RESPONSE_LEVEL) {
            None | Some(b"0") => 0,
            Some(b"1") => 1,
            Some(_) => 2,
        };
        Ok(Asks { id, level, account, whole, entries: Vec::new(), fault: None, again: false })
    }

    /// MassQuote(i).
    pub(super) fn mass_quote(
        message: &Message<'m>,
        directory: &Directory,
        may_quote: &dyn Fn(&[u8]) -> bool,
    ) -> Result<Asks<'m>, BadField> {
        let mut asks = Asks::new(message, Whole::Entries)?;
        let defaults = [message.get(tag::DEF_BID_SIZE), message.get(tag::DEF_OFFER_SIZE)];
        let (mut set, mut set_lasts, mut raws): (_, _, Vec<Raw<'m>>) = (None, false, Vec::new());
        for (tag, value) in message.iter() {
            match (tag, raws.last_mut()) {
                (tag::QUOTE_SET_ID, _) => (set, set_lasts) = (Some(value), false),
                (tag::QUOTE_SET_VALID_UNTIL_TIME, _) => set_lasts = true,
                (tag::QUOTE_ENTRY_ID, _) => {
                    let id = Some(value);
                    raws.push(Raw { set, id, unsupported: set_lasts, ..Raw::default() });
                }
                (tag::QUOTE_TYPE, _) if value != b"1" => {
                    asks.fault = Some(RejectReason::Unsupported.into());
                }
                (tag::SYMBOL, Some(raw)) => raw.symbol = Some(value),
                (tag::BID_PX, Some(raw)) => raw.prices[0] = Some(value),
                (tag::OFFER_PX, Some(raw)) => raw.prices[1] = Some(value),
                (tag::BID_SIZE, Some(raw)) => raw.sizes[0] = Some(value),
                (tag::OFFER_SIZE, Some(raw)) => raw.sizes[1] = Some(value),
                // ValidUntilTime, spot rates and forward points, second legs: another quote than ours.
                (62 | 188..=193 | 642 | 643, Some(raw)) => raw.unsupported = true,
                (tag::ORD_TYPE, Some(raw)) => raw.unsupported |= value != b"2",
                _ => {}
            }
        }
        if raws.len() > QUOTE_ENTRIES_MAX {
            let text = "at most 64 entries in a message";
            asks.fault = Some(Fault { code: reject::EXCEEDS_LIMIT, text });
            return Ok(asks);
        }
        for raw in &raws {
            let mut entry = raw.judge(directory, defaults)?;
            let is_twice = |before: &Entry<'_>| before.instrument == entry.instrument;
            if !may_quote(entry.symbol) {
                entry.sides = Err(RejectReason::NotPermitted.into());
            } else if entry.instrument != InstrumentId::NONE && asks.entries.iter().any(is_twice) {
                let text = "one quote in an instrument";
                entry.sides = Err(Fault { code: reject::DUPLICATE, text });
            }
            asks.entries.push(entry);
        }
        Ok(asks)
    }

    /// QuoteCancel(Z).
    pub(super) fn cancel(
        message: &Message<'m>,
        directory: &Directory,
    ) -> Result<Asks<'m>, BadField> {
        let whole = match required(message.get(tag::QUOTE_CANCEL_TYPE), tag::QUOTE_CANCEL_TYPE)? {
            b"1" => Whole::Cancel,
            _ => Whole::CancelAll,
        };
        let mut asks = Asks::new(message, whole)?;
        if whole == Whole::CancelAll {
            if message.get(tag::QUOTE_CANCEL_TYPE) != Some(b"4") {
                asks.fault = Some(RejectReason::Unsupported.into());
            }
            return Ok(asks);
        }
        for symbol in message.iter().filter(|(tag, _)| *tag == tag::SYMBOL).map(|(_, it)| it) {
            let symbol = text(symbol, tag::SYMBOL, SYMBOL_BYTES_MAX)?;
            let Some(instrument) = directory.find(symbol) else {
                asks.fault = Some(RejectReason::UnknownInstrument.into());
                continue;
            };
            let (set, id, sides) = (&b""[..], &b""[..], Ok([None; 2]));
            asks.entries.push(Entry { set, id, symbol, instrument, sides });
        }
        asks.entries.sort_by_key(|entry| entry.instrument);
        asks.entries.dedup_by_key(|entry| entry.instrument);
        Ok(asks)
    }
}

impl<'m> Raw<'m> {
    fn judge(
        &self,
        directory: &Directory,
        defaults: [Option<&'m [u8]>; 2],
    ) -> Result<Entry<'m>, BadField> {
        let id = |value, tag| text(required(value, tag)?, tag, QUOTE_ID_BYTES_MAX);
        let symbol = text(required(self.symbol, tag::SYMBOL)?, tag::SYMBOL, SYMBOL_BYTES_MAX)?;
        let instrument = directory.find(symbol);
        let definition = instrument.and_then(|id| directory.instrument(id));
        let bid = self.side(0, (tag::BID_PX, tag::BID_SIZE), defaults, definition)?;
        let offer = self.side(1, (tag::OFFER_PX, tag::OFFER_SIZE), defaults, definition)?;
        let sides = match (bid, offer) {
            _ if self.unsupported => Err(RejectReason::Unsupported.into()),
            (Err(reason), _) | (_, Err(reason)) => Err(reason.into()),
            (Ok(Some((bid, _))), Ok(Some((offer, _)))) if bid >= offer => {
                Err(Fault { code: reject::CROSSED, text: "the bid is not below the offer" })
            }
            (Ok(bid), Ok(offer)) => Ok([bid, offer]),
        };
        Ok(Entry {
            set: id(self.set, tag::QUOTE_SET_ID)?,
            id: id(self.id, tag::QUOTE_ENTRY_ID)?,
            symbol,
            instrument: instrument.unwrap_or(InstrumentId::NONE),
            sides,
        })
    }

    /// One side: none if it has no price and no size of its own, or its size is 0.
    fn side(
        &self,
        at: usize,
        (price_tag, size_tag): (u32, u32),
        defaults: [Option<&'m [u8]>; 2],
        instrument: Option<&Instrument>,
    ) -> Result<Judged<Asked>, BadField> {
        let missing = |tag| BadField { tag, reason: SessionRejectReason::RequiredTagMissing };
        // A size for all that have none is no side by itself.
        let size = self.sizes[at].or(defaults[at].filter(|_| self.prices[at].is_some()));
        let size = size.map(|value| qty(value, size_tag, instrument)).transpose()?;
        let price = self.prices[at].map(|value| price(value, price_tag, instrument)).transpose()?;
        let (price, size) = match (price, size) {
            (None, None) | (_, Some(Ok(Qty::ZERO))) => return Ok(Ok(None)),
            (Some(_), None) => return Err(missing(size_tag)),
            (None, Some(_)) => return Err(missing(price_tag)),
            (Some(price), Some(size)) => (price, size),
        };
        Ok(price.and_then(|price| size.map(|size| Some((price, size)))))
    }
}
