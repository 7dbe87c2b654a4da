//! A market maker's quotes: MassQuote(i) and QuoteCancel(Z) → orders of the session, a bid and an offer in an instrument.
//!
//! Each side of a quote is an order with a number of its own, so the core, recovery and reports know nothing new. What marks it is the
//! QuoteID(117) at the front of its attachment. A side that changes is canceled and entered anew: the new one is as large as
//! it says, whatever the old one traded meanwhile. Both old sides go before a new one comes, so a quote never meets itself.
//!
//! The message's number is with the last Input that it becomes. Should the machine end before that, the message is asked for again,
//! and what it had done by then is known by its ids and not done twice.

mod ask;
mod standing;

use std::collections::{BTreeMap, BTreeSet};

use matcher::{
    CancelReason, Command, Event, InstrumentId, NewOrder, OrderKind, OrderNumber, Price, Qty,
    RejectReason, SessionId, Side,
};

use super::echo::{Echoes, echo, first_attached};
use super::{OrderEntry, Told, append, orders_mut};
use crate::fix::{Message, Note, tag};
use crate::orders::{Orders, Pages, Standing};
use crate::saved::{NotSaved, Saved};
use matcher::record::ATTACHMENT_BYTES_MAX;

use ask::{Asks, Entry, Whole};
pub(crate) use standing::{QuotesAsked, QuotesWatched, Standings, instrument_of};

/// Entries of one MassQuote(i), at most.
pub const QUOTE_ENTRIES_MAX: usize = 64;

/// Instruments that a session quotes at once, at most.
pub const QUOTED_MAX: usize = 256;

/// QuoteID(117), QuoteEntryID(299), QuoteSetID(302) are 1 to so many printable ASCII characters.
pub const QUOTE_ID_BYTES_MAX: usize = 32;

/// After every turn that there is.
const LAST: u64 = u64::MAX - 1;

/// QuoteStatus(297).
mod status {
    pub(super) const ACCEPTED: u8 = 0;
    pub(super) const CANCELED_SYMBOLS: u8 = 1;
    pub(super) const CANCELED_ALL: u8 = 4;
    pub(super) const REJECTED: u8 = 5;
}

/// QuoteRejectReason(300) and QuoteEntryRejectReason(368), which have the same codes.
pub(super) mod reject {
    pub(in crate::order_entry) const NONE: u8 = 0;
    pub(in crate::order_entry) const UNKNOWN_SYMBOL: u8 = 1;
    pub(in crate::order_entry) const EXCEEDS_LIMIT: u8 = 3;
    pub(in crate::order_entry) const DUPLICATE: u8 = 6;
    pub(in crate::order_entry) const CROSSED: u8 = 7;
    pub(in crate::order_entry) const PRICE: u8 = 8;
    pub(in crate::order_entry) const NOT_AUTHORIZED: u8 = 9;
    pub(in crate::order_entry) const OTHER: u8 = 99;
}

/// Why an entry, or all of them, is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) code: u8,
    pub(super) text: &'static str,
}

impl From<RejectReason> for Fault {
    fn from(reason: RejectReason) -> Fault {
        let code = match reason {
            RejectReason::UnknownInstrument => reject::UNKNOWN_SYMBOL,
            RejectReason::NumbersExhausted => reject::EXCEEDS_LIMIT,
            RejectReason::PriceOffTick | RejectReason::PriceOutOfRange => reject::PRICE,
            RejectReason::NotPermitted => reject::NOT_AUTHORIZED,
            _ => reject::OTHER,
        };
        Fault { code, text: reason.text() }
    }
}

/// One side of a quote, as it was entered last.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Quote {
    number: OrderNumber,
    price: Price,
    qty: Qty,
    id: Vec<u8>,
    entry: Vec<u8>,
}

impl Quote {
    /// Whether its order works, as far as is known.
    fn works(&self, orders: &Orders) -> bool {
        let standing = orders.standing_at(self.number, LAST);
        matches!(standing, Standing::Working { .. } | Standing::Unknown)
    }

    /// Whether it is this, whole.
    fn is(&self, (price, qty): (Price, Qty), orders: &Orders) -> bool {
        let standing = orders.standing_at(self.number, LAST);
        let whole = matches!(standing, Standing::Working { traded: false } | Standing::Unknown);
        whole && (self.price, self.qty) == (price, qty)
    }
}

/// The quotes of one session.
#[derive(Clone, Debug, Default)]
pub(super) struct Quotes {
    /// Of each instrument and side the last one that was entered.
    last: BTreeMap<(InstrumentId, bool), Quote>,
    /// Instruments whose quotes may work: all of which one does, and some of which one did. Whoever has quoted much does
    /// not have it all looked through with each message.
    live: BTreeSet<InstrumentId>,
}

impl Quotes {
    /// Follows an order that was entered; one that is none of a quote changes nothing.
    pub(super) fn entered(&mut self, new: &NewOrder, attachment: &[u8]) {
        let (Some(id), OrderKind::Limit(price)) = (quote_id(attachment), new.kind) else { return };
        let key = (new.instrument, new.side == Side::Sell);
        if self.last.get(&key).is_none_or(|known| known.number < new.number) {
            let entry = echo(attachment, tag::QUOTE_ENTRY_ID).unwrap_or_default().to_vec();
            let (number, qty, id) = (new.number, new.qty, id.to_vec());
            self.last.insert(key, Quote { number, price, qty, id, entry });
            self.live.insert(new.instrument);
        }
    }

    /// The sides in an instrument that work.
    fn working_in<'q>(
        &'q self,
        instrument: InstrumentId,
        orders: &'q Orders,
    ) -> impl Iterator<Item = &'q Quote> {
        let sides = [false, true].into_iter();
        let quotes = sides.filter_map(move |sells| self.last.get(&(instrument, sells)));
        quotes.filter(|quote| quote.works(orders))
    }

    fn working<'q>(&'q self, orders: &'q Orders) -> impl Iterator<Item = &'q Quote> {
        self.live.iter().flat_map(|instrument| self.working_in(*instrument, orders))
    }

    /// Forgets of `live` what does not work any more, if that is more than can be looked through: behind a restart it has all that
    /// was ever quoted.
    fn prune(&mut self, more: usize, orders: &Orders) {
        if self.live.len() + more > QUOTED_MAX {
            let mut live = std::mem::take(&mut self.live);
            live.retain(|instrument| self.working_in(*instrument, orders).next().is_some());
            self.live = live;
        }
    }

    /// Whether there may be a quote in `instrument`.
    fn takes(&mut self, instrument: InstrumentId, orders: &Orders) -> bool {
        let more = usize::from(!self.live.contains(&instrument));
        self.prune(more, orders);
        self.live.len() + more <= QUOTED_MAX
    }

    /// 8 bytes, how many; each: 4 instrument, 1 side (0 buy, 1 sell), 4 number, 8 price, 8 quantity, and QuoteID and
    /// QuoteEntryID, each 1 length and bytes.
    pub(super) fn save(&self, out: &mut dyn FnMut(&[u8])) {
        out(&(self.last.len() as u64).to_le_bytes());
        for ((instrument, sells), quote) in &self.last {
            out(&instrument.0.to_le_bytes());
            out(&[u8::from(*sells)]);
            out(&quote.number.0.to_le_bytes());
            out(&quote.price.ticks().to_le_bytes());
            out(&quote.qty.lots().to_le_bytes());
            for text in [&quote.id, &quote.entry] {
                out(&[u8::try_from(text.len()).unwrap_or(u8::MAX)]);
                out(text);
            }
        }
    }

    /// What [`Quotes::save`] gave; takes it from the front.
    pub(super) fn load(saved: &mut Saved<'_>) -> Result<Quotes, NotSaved> {
        let mut quotes = Quotes::default();
        for _ in 0..saved.count(27)? {
            let instrument = InstrumentId(saved.u32()?);
            let sells = match saved.u8()? {
                0 => false,
                1 => true,
                _ => return Err(NotSaved),
            };
            let number = OrderNumber(saved.u32()?);
            let price = Price::from_ticks(saved.i64()?);
            let qty = Qty::from_lots(saved.u64()?);
            let mut text = || {
                let len = usize::from(saved.u8()?);
                saved.bytes(len).map(<[u8]>::to_vec)
            };
            let quote = Quote { number, price, qty, id: text()?, entry: text()? };
            quotes.last.insert((instrument, sells), quote);
            quotes.live.insert(instrument);
        }
        Ok(quotes)
    }
}

/// QuoteID(117) of an Input that is one of a quote.
#[inline]
pub(super) fn quote_id(attachment: &[u8]) -> Option<&[u8]> {
    match first_attached(attachment) {
        Some((tag::QUOTE_ID, id, _)) => Some(id),
        _ => None,
    }
}

/// QuoteEntryID(299) of such an Input.
#[inline]
pub(super) fn quote_entry_id(attachment: &[u8]) -> Option<&[u8]> {
    quote_id(attachment).and_then(|_| echo(attachment, tag::QUOTE_ENTRY_ID))
}

/// Whether a report is not for its session, which knows it from its own message or wants no answers: its number is filled over. A
/// quote is told of its trades, of what was not asked for, and of refusals if QuoteResponseLevel(301) is above 0.
#[must_use]
#[inline]
pub fn is_quiet(told: &Told<'_>) -> bool {
    match told.event {
        Event::Accepted(_) | Event::CancelRejected(_) => quote_id(told.attachment).is_some(),
        Event::Canceled(canceled) if canceled.reason == CancelReason::Requested => {
            quote_id(told.attachment).is_some()
        }
        Event::Rejected(_) => {
            quote_id(told.attachment).is_some()
                && echo(told.attachment, tag::QUOTE_RESPONSE_LEVEL).is_none()
        }
        _ => false,
    }
}

/// What a quote message becomes.
#[derive(Debug)]
pub enum Quoted {
    /// These Inputs in this order, each with its attachment; the message's number is with the last one.
    Inputs(Vec<(Command, Vec<u8>)>),
    /// Answer Reject(3).
    Reject {
        /// RefTagID(371).
        tag: u32,
        /// SessionRejectReason(373).
        reason: u16,
    },
}

/// What goes into the ring for one message.
struct Steps<'o> {
    orders: &'o mut Orders,
    pages: Option<&'o Pages>,
    quotes: &'o mut Quotes,
    inputs: Vec<(Command, Vec<u8>)>,
}

impl Steps<'_> {
    fn cancel(&mut self, number: OrderNumber, id: &[u8]) {
        let mut attachment = [0; ATTACHMENT_BYTES_MAX];
        let mut echoes = Echoes::new(&mut attachment);
        echoes.put(tag::QUOTE_ID, id);
        let bytes = echoes.as_bytes().to_vec();
        self.inputs.push((Command::Cancel { target: number }, bytes));
    }

    /// Takes both sides off, as far as `stays` does not say that one stays.
    fn take_off(&mut self, instrument: InstrumentId, id: &[u8], stays: [bool; 2]) {
        for (sells, stays) in [false, true].into_iter().zip(stays) {
            let quote = self.quotes.last.get(&(instrument, sells));
            let quote = quote.filter(|quote| !stays && quote.works(self.orders));
            if let Some(number) = quote.map(|quote| quote.number) {
                self.cancel(number, id);
            }
        }
    }

    fn enter(
        &mut self,
        asks: &Asks<'_>,
        entry: &Entry<'_>,
        side: Side,
        (price, qty): (Price, Qty),
    ) {
        let number = OrderNumber(self.orders.last_number().0 + 1);
        let limit = NewOrder::limit(entry.instrument, side, price, qty);
        let new = NewOrder { number, ..limit };
        let mut attachment = [0; ATTACHMENT_BYTES_MAX];
        let mut echoes = Echoes::new(&mut attachment);
        echoes.put(tag::QUOTE_ID, asks.id);
        echoes.put(tag::QUOTE_ENTRY_ID, entry.id);
        if asks.level > 0 {
            echoes.put(tag::QUOTE_RESPONSE_LEVEL, &[b'0' + asks.level]);
        }
        echoes.put_if(tag::ACCOUNT, asks.account);
        // For a refusal for want of room, after which no Command says them.
        echoes.put(tag::SYMBOL, entry.symbol);
        echoes.put(tag::SIDE, if side == Side::Buy { b"1" } else { b"2" });
        let (command, bytes) = (Command::New(new), echoes.as_bytes().to_vec());
        append(self.orders, self.pages, number, &command, &bytes);
        self.quotes.entered(&new, &bytes);
        self.inputs.push((command, bytes));
    }

    fn say(&mut self, said: &Note<'_>) {
        self.inputs.push(note(said));
    }

    /// One entry; says why not, if it is refused.
    fn quote(&mut self, asks: &Asks<'_>, entry: &Entry<'_>, orders_max: u32) -> Result<(), Fault> {
        let sides = entry.sides?;
        if sides.iter().any(Option::is_some) {
            if !self.quotes.takes(entry.instrument, self.orders) {
                let text = "quotes in too many instruments";
                return Err(Fault { code: reject::EXCEEDS_LIMIT, text });
            }
            if self.orders.last_number().0.saturating_add(2) > orders_max {
                return Err(RejectReason::NumbersExhausted.into());
            }
        }
        let mut stays = [false; 2];
        for ((sells, side), stays) in [false, true].into_iter().zip(sides).zip(&mut stays) {
            let Some(quote) = self.quotes.last.get(&(entry.instrument, sells)) else { continue };
            // Said again after a crash or a doubt: what it did is done, whatever became of it. Ids alone do not say so:
            // whoever has the same ones in every message means another quote by another price.
            let is_named = asks.again && (&quote.id[..], &quote.entry[..]) == (asks.id, entry.id);
            *stays = side.is_some_and(|side| {
                quote.is(side, self.orders) || (is_named && side == (quote.price, quote.qty))
            });
        }
        self.take_off(entry.instrument, asks.id, stays);
        for ((side, asked), stays) in [Side::Buy, Side::Sell].into_iter().zip(sides).zip(stays) {
            if let Some(asked) = asked.filter(|_| !stays) {
                self.enter(asks, entry, side, asked);
            }
        }
        Ok(())
    }
}

impl OrderEntry {
    pub(super) fn quotes_mut(&mut self, session: SessionId) -> &mut Quotes {
        let index = session.index();
        if self.quotes.len() <= index {
            self.quotes.resize(index + 1, Quotes::default());
        }
        &mut self.quotes[index]
    }

    /// A MassQuote(i) or QuoteCancel(Z) of `session` → what to do with it. `room`: how many Inputs may go into the ring; what needs
    /// more is refused. `may_quote` says in which symbols the session may. `again`: the message may have come before.
    pub fn quote(
        &mut self,
        session: SessionId,
        message: &Message<'_>,
        again: bool,
        room: usize,
        may_quote: &dyn Fn(&[u8]) -> bool,
    ) -> Quoted {
        let orders_max = self.orders_per_session_max;
        self.quotes_mut(session);
        let read = match message.msg_type() {
            b"i" => Asks::mass_quote(message, &self.directory, may_quote),
            _ => Asks::cancel(message, &self.directory),
        };
        let mut asks = match read {
            Ok(asks) => asks,
            Err(bad) => return Quoted::Reject { tag: bad.tag, reason: bad.reason.code() },
        };
        asks.again = again;
        let Some(orders) = orders_mut(&mut self.sessions, session) else {
            return refused(&asks, Fault { code: reject::OTHER, text: "session is not open yet" });
        };
        orders.index();
        let quotes = &mut self.quotes[session.index()];
        quotes.prune(0, orders);
        let pages = self.pages.as_ref();
        let mut steps = Steps { orders, pages, quotes, inputs: Vec::new() };
        let needs = match asks.whole {
            // Two sides off and two on, and why not.
            Whole::Entries => 4 * asks.entries.len() + 2,
            Whole::Cancel => {
                let instruments = asks.entries.iter().map(|entry| entry.instrument);
                let of = |it| steps.quotes.working_in(it, steps.orders).count();
                instruments.map(of).sum::<usize>() + 1
            }
            Whole::CancelAll => steps.quotes.working(steps.orders).count() + 1,
        };
        if let Some(fault) = asks.fault {
            return refused(&asks, fault);
        }
        if needs > room {
            return refused(&asks, RejectReason::Throttled.into());
        }
        let mut taken = 0;
        match asks.whole {
            Whole::Entries => {
                for entry in &asks.entries {
                    match steps.quote(&asks, entry, orders_max) {
                        Ok(()) => taken += 1,
                        // What it was to replace is not left standing.
                        Err(fault) => {
                            steps.take_off(entry.instrument, asks.id, [false; 2]);
                            if asks.level > 0 {
                                steps.say(&refusal(&asks, Some(entry), fault));
                            }
                        }
                    }
                }
            }
            Whole::Cancel => {
                for entry in &asks.entries {
                    steps.take_off(entry.instrument, asks.id, [false; 2]);
                }
            }
            Whole::CancelAll => {
                let working = steps.quotes.working(steps.orders);
                let numbers: Vec<OrderNumber> = working.map(|quote| quote.number).collect();
                numbers.into_iter().for_each(|number| steps.cancel(number, asks.id));
            }
        }
        let status = match asks.whole {
            Whole::Entries if taken == 0 && !asks.entries.is_empty() => status::REJECTED,
            Whole::Entries => status::ACCEPTED,
            Whole::Cancel => status::CANCELED_SYMBOLS,
            Whole::CancelAll => status::CANCELED_ALL,
        };
        if asks.level > 1 || asks.whole != Whole::Entries {
            steps.say(&Note::QuoteAck {
                quote_id: asks.id,
                status,
                reason: if status == status::REJECTED { reject::OTHER } else { reject::NONE },
                level: asks.level,
                entry: None,
                text: b"",
            });
        } else {
            steps.inputs.push((Command::Note(matcher::Numbering::InboundOnly), Vec::new()));
        }
        Quoted::Inputs(steps.inputs)
    }
}

fn refusal<'a>(asks: &Asks<'a>, entry: Option<&Entry<'a>>, fault: Fault) -> Note<'a> {
    Note::QuoteAck {
        quote_id: asks.id,
        status: status::REJECTED,
        reason: fault.code,
        level: asks.level,
        entry: entry.map(|entry| (entry.set, entry.id, fault.code)),
        text: fault.text.as_bytes(),
    }
}

/// All of it is refused: that is told whatever was asked for.
fn refused(asks: &Asks<'_>, fault: Fault) -> Quoted {
    Quoted::Inputs(vec![note(&refusal(asks, None, fault))])
}

/// The Input of an answer.
fn note(note: &Note<'_>) -> (Command, Vec<u8>) {
    let mut attachment = [0; ATTACHMENT_BYTES_MAX];
    let len = note.encode(&mut attachment);
    (Command::Note(matcher::Numbering::Next), attachment[..len].to_vec())
}
