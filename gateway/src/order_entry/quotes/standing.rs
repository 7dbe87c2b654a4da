//! What quotes of a session there are: QuoteStatusRequest(a) → a QuoteStatusReport(AI) for each, and for each change.

use matcher::{
    Command, Event, Input, Instrument, InstrumentId, OrderNumber, Price, Qty, RejectReason,
    SessionId,
};

use super::{LAST, QUOTE_ID_BYTES_MAX, Quoted, Quotes, note};
use crate::fix::note::QuoteStatus;
use crate::fix::{Header, Identity, Message, Note, tag};
use crate::order_entry::request::fields::{BadField, text};
use crate::order_entry::{Directory, OrderEntry, SYMBOL_BYTES_MAX};
use crate::orders::{Orders, Standing};

/// Symbol(55) of a question about all instruments. Source: FIX 4.4, Instrument: what has no symbol.
const ALL: &[u8] = b"[N/A]";

/// QuoteID(117) of an answer, where FIX 4.4 wants one and there is none.
const NO_ID: &[u8] = b"NONE";

/// QuoteStatusReqID(649) is 1 to so many printable ASCII characters.
const REQUEST_ID_BYTES_MAX: usize = 32;

/// QuoteStatus(297).
mod status {
    pub(super) const REJECTED: u8 = 5;
    pub(super) const REMOVED: u8 = 6;
    pub(super) const NOT_FOUND: u8 = 9;
    pub(super) const PENDING: u8 = 10;
    pub(super) const ACTIVE: u8 = 16;
}

/// What is asked.
struct Question<'m> {
    request_id: &'m [u8],
    /// Of quotes with this id only.
    quote_id: Option<&'m [u8]>,
    /// In this instrument only.
    symbol: Option<&'m [u8]>,
}

impl<'m> Question<'m> {
    fn read(message: &Message<'m>) -> Result<Question<'m>, BadField> {
        let field = |tag, most| message.get(tag).map(|it| text(it, tag, most)).transpose();
        let request_id = field(tag::QUOTE_STATUS_REQ_ID, REQUEST_ID_BYTES_MAX)?;
        let symbol = field(tag::SYMBOL, SYMBOL_BYTES_MAX)?.filter(|symbol| *symbol != ALL);
        let quote_id = field(tag::QUOTE_ID, QUOTE_ID_BYTES_MAX)?;
        let request_id = request_id.unwrap_or_default();
        Ok(Question { request_id, quote_id, symbol })
    }

    /// That there is nothing to tell.
    fn none(&self, status: u8, text: &'m [u8]) -> QuoteStatus<'m> {
        let quote_id = self.quote_id.unwrap_or(NO_ID);
        let symbol = self.symbol.unwrap_or(ALL);
        let request_id = self.request_id;
        QuoteStatus { request_id, quote_id, symbol, status, text, ..QuoteStatus::default() }
    }
}

/// What a session has.
struct Known<'o> {
    directory: &'o Directory,
    orders: &'o Orders,
    quotes: &'o Quotes,
}

impl Known<'_> {
    /// The quote in an instrument, with what of it works now. `None`: there never was one by that name.
    fn of<'a>(&'a self, id: InstrumentId, question: &Question<'a>) -> Option<QuoteStatus<'a>> {
        Some(self.of_number(id, question)?.0)
    }

    /// The same, and the number of the newer side.
    fn of_number<'a>(
        &'a self,
        id: InstrumentId,
        question: &Question<'a>,
    ) -> Option<(QuoteStatus<'a>, OrderNumber)> {
        let instrument = self.directory.instrument(id)?;
        let both = [false, true].map(|sells| {
            let quote = self.quotes.last.get(&(id, sells));
            quote.filter(|quote| question.quote_id.is_none_or(|it| it == quote.id))
        });
        let newest = both.into_iter().flatten().max_by_key(|quote| quote.number)?;
        let mut is_pending = false;
        let sides = both.map(|quote| {
            let quote = quote?;
            let traded = match self.orders.standing_at(quote.number, LAST) {
                Standing::Working { .. } => self.orders.cum_qty(quote.number),
                Standing::Unknown => {
                    is_pending = true;
                    Qty::ZERO
                }
                _ => return None,
            };
            let lots = quote.qty.lots().saturating_sub(traded.lots());
            Some(units(quote.price, Qty::from_lots(lots), instrument))
        });
        let status = match sides {
            [None, None] => status::REMOVED,
            _ if is_pending => status::PENDING,
            _ => status::ACTIVE,
        };
        let known = QuoteStatus {
            request_id: question.request_id,
            quote_id: &newest.id,
            symbol: instrument.symbol.as_str().as_bytes(),
            status,
            sides,
            decimals: [instrument.price_decimals, instrument.qty_decimals],
            text: b"",
        };
        Some((known, newest.number))
    }
}

/// Price and quantity without their decimal points.
fn units(price: Price, qty: Qty, instrument: &Instrument) -> (i64, i64) {
    // They came from text of 64 bits, so they go back into them.
    let price = price.ticks().saturating_mul(instrument.tick_size.into());
    let qty = qty.lots().saturating_mul(instrument.lot_size.into());
    (price, i64::try_from(qty).unwrap_or(i64::MAX))
}

/// A subscription to what stands of the quotes of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QuotesWatched {
    /// QuoteStatusReqID(649), which names it.
    pub(crate) request_id: Vec<u8>,
    quote_id: Option<Vec<u8>>,
    /// `None`: all.
    instrument: Option<InstrumentId>,
}

impl QuotesWatched {
    fn question<'a>(&'a self, directory: &'a Directory) -> Question<'a> {
        let instrument = self.instrument.and_then(|id| directory.instrument(id));
        Question {
            request_id: &self.request_id,
            quote_id: self.quote_id.as_deref(),
            symbol: instrument.map(|it| it.symbol.as_bytes()),
        }
    }

    /// Whether it is about an instrument.
    pub(crate) fn has(&self, instrument: InstrumentId) -> bool {
        self.instrument.is_none_or(|id| id == instrument)
    }

    /// Why there will be no such subscription: what to say of it.
    pub(crate) fn refused(&self, directory: &Directory, text: &'static str) -> (Command, Vec<u8>) {
        let question = self.question(directory);
        note(&Note::QuoteStatus(question.none(status::REJECTED, text.as_bytes())))
    }
}

/// What a QuoteStatusRequest(a) with SubscriptionRequestType(263) 1 or 2 asks for.
pub(crate) enum QuotesAsked {
    /// To be told.
    Begin(QuotesWatched),
    /// To be told no more.
    End(QuotesWatched),
    /// What cannot be: this is said.
    Refused(Command, Vec<u8>),
    /// Answer Reject(3).
    Reject {
        /// RefTagID(371).
        tag: u32,
        /// SessionRejectReason(373).
        reason: u16,
    },
}

/// What of a quote works: what a subscriber was told last, and what there is now. `None`: nothing does.
pub(crate) type Standings = Option<(OrderNumber, [Option<(i64, i64)>; 2])>;

/// Where something of a session's quotes may be another after an Event.
#[inline]
pub(crate) fn instrument_of(input: &Input, event: &Event) -> Option<InstrumentId> {
    match (event, &input.command) {
        (Event::Accepted(_) | Event::Rejected(_), Command::New(new)) => Some(new.instrument),
        (Event::Traded(traded), _) => Some(traded.instrument),
        (Event::Canceled(canceled), _) => Some(canceled.instrument),
        _ => None,
    }
}

impl OrderEntry {
    fn known(&self, session: SessionId) -> Option<Known<'_>> {
        let orders = self.sessions.get(session.index())?.as_ref()?;
        let quotes = self.quotes.get(session.index())?;
        Some(Known { directory: &self.directory, orders, quotes })
    }

    /// What a QuoteStatusRequest(a) with SubscriptionRequestType(263) 1 or 2 asks for.
    pub(crate) fn quotes_asked(&self, message: &Message<'_>) -> QuotesAsked {
        let question = match Question::read(message) {
            Ok(question) => question,
            Err(bad) => return QuotesAsked::Reject { tag: bad.tag, reason: bad.reason.code() },
        };
        let refused = |status, text: &'static str| {
            let (command, attachment) =
                note(&Note::QuoteStatus(question.none(status, text.as_bytes())));
            QuotesAsked::Refused(command, attachment)
        };
        if question.request_id.is_empty() {
            return refused(status::REJECTED, "a subscription needs QuoteStatusReqID(649)");
        }
        let (request_id, quote_id) = (question.request_id.to_vec(), question.quote_id);
        let of = |instrument| QuotesWatched {
            request_id,
            quote_id: quote_id.map(<[u8]>::to_vec),
            instrument,
        };
        let found = question.symbol.map(|symbol| self.directory.find(symbol));
        match (message.get(tag::SUBSCRIPTION_REQUEST_TYPE), found) {
            // Only the name counts.
            (Some(b"2"), found) => QuotesAsked::End(of(found.flatten())),
            (_, Some(None)) => refused(status::NOT_FOUND, RejectReason::UnknownInstrument.text()),
            (_, found) => QuotesAsked::Begin(of(found.flatten())),
        }
    }

    /// The instruments that a new subscription is told of at first; empty: that there is nothing.
    pub(crate) fn quotes_at_first(
        &mut self,
        session: SessionId,
        watched: &QuotesWatched,
    ) -> Vec<InstrumentId> {
        if let Some(instrument) = watched.instrument {
            return vec![instrument];
        }
        self.quotes_mut(session);
        let Some(orders) = self.sessions.get(session.index()).and_then(Option::as_ref) else {
            return Vec::new();
        };
        self.quotes[session.index()].prune(0, orders);
        let Some(known) = self.known(session) else { return Vec::new() };
        let question = watched.question(&self.directory);
        let works = |id: &InstrumentId| {
            known.of(*id, &question).is_some_and(|it| it.status != status::REMOVED)
        };
        known.quotes.live.iter().copied().filter(works).collect()
    }

    /// What of a quote works, if the core has answered for all of it: else it will soon.
    pub(crate) fn quote_standings(
        &self,
        session: SessionId,
        watched: &QuotesWatched,
        instrument: InstrumentId,
    ) -> Option<Standings> {
        let question = watched.question(&self.directory);
        let known = self.known(session)?;
        let Some((quote, number)) = known.of_number(instrument, &question) else {
            return Some(None);
        };
        match quote.status {
            status::PENDING => None,
            status::ACTIVE => Some(Some((number, quote.sides))),
            _ => Some(None),
        }
    }

    /// Says what of a quote works; with no instrument, that there is none. `was`: the subscriber knows of a quote there.
    pub(crate) fn say_quote(
        &self,
        (session, watched): (SessionId, &QuotesWatched),
        instrument: Option<InstrumentId>,
        was: bool,
        (identity, header): (&Identity, &Header),
        out: &mut Vec<u8>,
    ) {
        let question = watched.question(&self.directory);
        let known = self.known(session);
        let quote = known.as_ref().zip(instrument).and_then(|(it, id)| it.of(id, &question));
        let symbol = instrument.and_then(|id| self.directory.instrument(id));
        let gone = if was { status::REMOVED } else { status::NOT_FOUND };
        let none = || QuoteStatus {
            symbol: symbol.map_or(ALL, |it| it.symbol.as_bytes()),
            ..question.none(gone, b"")
        };
        Note::QuoteStatus(quote.unwrap_or_else(none)).write(identity, header, out);
    }

    /// A QuoteStatusRequest(a) of `session` → its answers, no more than `room`.
    pub fn quote_status(
        &mut self,
        session: SessionId,
        message: &Message<'_>,
        room: usize,
    ) -> Quoted {
        self.quotes_mut(session);
        let question = match Question::read(message) {
            Ok(question) => question,
            Err(bad) => return Quoted::Reject { tag: bad.tag, reason: bad.reason.code() },
        };
        let unsaid = |status, text: &'static str| question.none(status, text.as_bytes());
        let none = Orders::new();
        let orders = self.sessions.get(session.index()).and_then(Option::as_ref).unwrap_or(&none);
        let quotes = &mut self.quotes[session.index()];
        quotes.prune(0, orders);
        let known = Known { directory: &self.directory, orders, quotes };
        let directory = &self.directory;
        let mut answers = Vec::new();
        if let Some(symbol) = question.symbol {
            answers.push(match directory.find(symbol) {
                Some(id) => {
                    let known = known.of(id, &question);
                    known.unwrap_or_else(|| unsaid(status::NOT_FOUND, ""))
                }
                None => unsaid(status::NOT_FOUND, RejectReason::UnknownInstrument.text()),
            });
        } else {
            // What does not work any more is told of those that are asked for by name.
            let all = known.quotes.live.iter().filter_map(|id| known.of(*id, &question));
            answers.extend(all.filter(|it| it.status != status::REMOVED));
            if answers.is_empty() {
                answers.push(unsaid(status::NOT_FOUND, ""));
            }
            if answers.len() > room {
                answers = vec![unsaid(status::REJECTED, RejectReason::Throttled.text())];
            }
        }
        let notes = answers.into_iter().map(|answer| note(&Note::QuoteStatus(answer)));
        Quoted::Inputs(notes.collect())
    }
}
