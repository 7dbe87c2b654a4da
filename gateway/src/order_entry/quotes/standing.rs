//! What quotes of a session there are: QuoteStatusRequest(a) → a QuoteStatusReport(AI) for each.

use matcher::{Instrument, InstrumentId, Price, Qty, RejectReason, SessionId};

use super::{LAST, QUOTE_ID_BYTES_MAX, Quoted, Quotes, note};
use crate::fix::note::QuoteStatus;
use crate::fix::{Message, Note, tag};
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
    /// It asks to be told of changes.
    subscribes: bool,
}

impl<'m> Question<'m> {
    fn read(message: &Message<'m>) -> Result<Question<'m>, BadField> {
        let field = |tag, most| message.get(tag).map(|it| text(it, tag, most)).transpose();
        let request_id = field(tag::QUOTE_STATUS_REQ_ID, REQUEST_ID_BYTES_MAX)?;
        let symbol = field(tag::SYMBOL, SYMBOL_BYTES_MAX)?.filter(|symbol| *symbol != ALL);
        let subscribes = message.get(tag::SUBSCRIPTION_REQUEST_TYPE).is_some_and(|it| it != b"0");
        let quote_id = field(tag::QUOTE_ID, QUOTE_ID_BYTES_MAX)?;
        let request_id = request_id.unwrap_or_default();
        Ok(Question { request_id, quote_id, symbol, subscribes })
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
        Some(QuoteStatus {
            request_id: question.request_id,
            quote_id: &newest.id,
            symbol: instrument.symbol.as_str().as_bytes(),
            status,
            sides,
            decimals: [instrument.price_decimals, instrument.qty_decimals],
            text: b"",
        })
    }
}

/// Price and quantity without their decimal points.
fn units(price: Price, qty: Qty, instrument: &Instrument) -> (i64, i64) {
    // They came from text of 64 bits, so they go back into them.
    let price = price.ticks().saturating_mul(instrument.tick_size.into());
    let qty = qty.lots().saturating_mul(instrument.lot_size.into());
    (price, i64::try_from(qty).unwrap_or(i64::MAX))
}

impl OrderEntry {
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
        if question.subscribes {
            answers.push(unsaid(status::REJECTED, "changes are not told: ask with 263=0"));
        } else if let Some(symbol) = question.symbol {
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
