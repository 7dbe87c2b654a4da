//! Drop copy: what a session is told of the trades and orders of others.
//!
//! A copy is a Note: it takes a number of the session that gets it, and its attachment names the Event that it is a copy
//! of. Who reads the journal can say it again from that alone, and the last one in the journal says where to
//! go on after a restart: each Event is copied once.

use matcher::record::ATTACHMENT_BYTES_MAX;
use matcher::{
    Busted, Event, Instrument, MsgSeqNum, OrderId, OrderNumber, Price, Qty, SessionId, Side,
    TradeId, Traded,
};

use super::report::Report;
use super::report::field::{put_price, put_qty};
use super::{Inputs, OrderEntry, Told, Unreadable};
use crate::fix::{CompId, Encoder, Header, Identity, Version, tag};
use crate::orders::Orders;

/// TradeRequestID(568) is 1 to so many printable ASCII characters.
pub const TRADE_REQUEST_ID_BYTES_MAX: usize = 48;

/// Bits of [`Copy::Trade`]: whose side of the trade is told.
pub mod sides {
    /// That of the order that was resting; of a trade that is undone, of the one that bought.
    pub const FIRST: u8 = 1;
    /// That of the order that came in; of a trade that is undone, of the one that sold.
    pub const SECOND: u8 = 2;
}

/// Where an Event stands in the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventAt {
    /// Journal position of its turn.
    pub position: u64,
    /// Its place among the Events of the turn, from 0.
    pub index: u32,
}

/// How far the copies of a session have come: an Event, and how many of the messages that it may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct CopiedTo {
    /// The Event.
    pub at: EventAt,
    /// 1: the trade; 2 and 3: the first and the second report.
    pub part: u32,
}

impl CopiedTo {
    /// Behind everything of the turn at `position`.
    #[must_use]
    pub fn end_of(position: u64) -> CopiedTo {
        CopiedTo { at: EventAt { position, index: u32::MAX }, part: u32::MAX }
    }
}

/// What a Note of drop copy says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copy<'a> {
    /// TradeCaptureReport(AE): a trade, or one that is undone.
    Trade {
        /// The Event.
        of: EventAt,
        /// Some of [`sides`].
        sides: u8,
        /// TradeRequestID(568) that it answers; empty: it is told because it happened.
        request: &'a [u8],
    },
    /// ExecutionReport(8), as another session was told.
    Report {
        /// The Event.
        of: EventAt,
        /// Which of its recipients, from 0.
        recipient: u8,
    },
    /// TradeCaptureReportRequestAck(AQ).
    Ack {
        /// TradeRequestID(568).
        request: &'a [u8],
        /// TradeRequestType(569).
        request_type: u8,
        /// TradeRequestResult(749).
        result: u8,
        /// TradeRequestStatus(750).
        status: u8,
        /// TotNumTradeReports(748), if it is known.
        count: Option<u32>,
        /// Text(58), may be empty.
        text: &'a [u8],
    },
    /// No message: copies begin with what comes behind this turn.
    Begin,
}

mod kind {
    // Those below are of `Note`.
    pub(super) const TRADE: u8 = 32;
    pub(super) const REPORT: u8 = 33;
    pub(super) const ACK: u8 = 34;
    pub(super) const BEGIN: u8 = 35;
}

/// No count of an [`Copy::Ack`].
const NO_COUNT: u32 = u32::MAX;

// The longest has a text behind it.
const _: () = assert!(9 + 2 + TRADE_REQUEST_ID_BYTES_MAX + 100 <= ATTACHMENT_BYTES_MAX);
const _: () = assert!(1 + 12 + 1 + 1 + TRADE_REQUEST_ID_BYTES_MAX <= ATTACHMENT_BYTES_MAX);

impl<'a> Copy<'a> {
    /// The copy of an Event, as far as it has come with it.
    #[must_use]
    pub fn part(&self) -> Option<CopiedTo> {
        match *self {
            Copy::Trade { of, request: b"", .. } => Some(CopiedTo { at: of, part: 1 }),
            Copy::Report { of, recipient } => {
                Some(CopiedTo { at: of, part: 2 + u32::from(recipient) })
            }
            _ => None,
        }
    }

    /// Writes the attachment; returns its length. A text is cut to fit.
    #[must_use]
    pub fn encode(&self, attachment: &mut [u8; ATTACHMENT_BYTES_MAX]) -> usize {
        let mut bytes = Vec::with_capacity(ATTACHMENT_BYTES_MAX);
        let event = |bytes: &mut Vec<u8>, of: EventAt| {
            bytes.extend(of.position.to_le_bytes());
            bytes.extend(of.index.to_le_bytes());
        };
        let text = |bytes: &mut Vec<u8>, text: &[u8]| {
            let text = &text[..text.len().min(ATTACHMENT_BYTES_MAX - bytes.len() - 1)];
            bytes.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
            bytes.extend(text);
        };
        match *self {
            Copy::Trade { of, sides, request } => {
                bytes.push(kind::TRADE);
                event(&mut bytes, of);
                bytes.push(sides);
                text(&mut bytes, request);
            }
            Copy::Report { of, recipient } => {
                bytes.push(kind::REPORT);
                event(&mut bytes, of);
                bytes.push(recipient);
            }
            Copy::Ack { request, request_type, result, status, count, text: why } => {
                bytes.extend([kind::ACK, request_type, result, status]);
                bytes.extend(count.unwrap_or(NO_COUNT).to_le_bytes());
                text(&mut bytes, request);
                text(&mut bytes, why);
            }
            Copy::Begin => bytes.push(kind::BEGIN),
        }
        attachment[..bytes.len()].copy_from_slice(&bytes);
        bytes.len()
    }

    /// Reads an attachment, `None` if it is none of drop copy.
    #[must_use]
    pub fn decode(attachment: &'a [u8]) -> Option<Copy<'a>> {
        let mut rest = attachment;
        let [kind] = take(&mut rest)?;
        let event = |rest: &mut &'a [u8]| {
            let position = u64::from_le_bytes(take(rest)?);
            Some(EventAt { position, index: u32::from_le_bytes(take(rest)?) })
        };
        Some(match kind {
            kind::TRADE => {
                let (of, [sides]) = (event(&mut rest)?, take(&mut rest)?);
                Copy::Trade { of, sides, request: text(&mut rest)? }
            }
            kind::REPORT => {
                let (of, [recipient]) = (event(&mut rest)?, take(&mut rest)?);
                Copy::Report { of, recipient }
            }
            kind::ACK => {
                let [request_type, result, status] = take(&mut rest)?;
                let count = u32::from_le_bytes(take(&mut rest)?);
                Copy::Ack {
                    request_type,
                    result,
                    status,
                    count: (count != NO_COUNT).then_some(count),
                    request: text(&mut rest)?,
                    text: text(&mut rest)?,
                }
            }
            kind::BEGIN => Copy::Begin,
            _ => return None,
        })
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (value, behind) = rest.split_first_chunk::<N>()?;
    *rest = behind;
    Some(*value)
}

fn text<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let [len] = take(rest)?;
    let (text, behind) = rest.split_at_checked(usize::from(len))?;
    *rest = behind;
    Some(text)
}

/// TradeRequestResult(749), TradeRequestStatus(750).
pub mod answer {
    /// Result: successful.
    pub const SUCCESSFUL: u8 = 0;
    /// Result: TradeRequestType(569) is not supported.
    pub const TYPE_NOT_SUPPORTED: u8 = 8;
    /// Result: other.
    pub const OTHER: u8 = 99;
    /// Status: accepted.
    pub const ACCEPTED: u8 = 0;
    /// Status: completed.
    pub const COMPLETED: u8 = 1;
    /// Status: rejected.
    pub const REJECTED: u8 = 2;
}

/// TradeReportTransType(487).
const TRANS_NEW: u8 = b'0';
const TRANS_CANCEL: u8 = b'1';

/// PartyIDSource(447): a code of our own. PartyRole(452): entering trader, which is what a session is.
const PARTY_ID_SOURCE: u8 = b'D';
const PARTY_ROLE: u64 = 36;

/// The report that is made, or that a copy is made of.
pub(super) struct Original {
    /// The number of the message that tells its session: which of two fills is meant.
    pub(super) msg: MsgSeqNum,
    /// Of a copy: whose it was.
    pub(super) owner: Option<CompId>,
}

impl Original {
    /// Says in a copy that it is one.
    #[inline]
    pub(super) fn mark(&self, message: &mut Encoder<'_>, version: Version) {
        let Some(owner) = &self.owner else { return };
        message.bytes(tag::ON_BEHALF_OF_COMP_ID, owner.as_bytes());
        if version > Version::Fix42 {
            message.char(tag::COPY_MSG_INDICATOR, b'Y');
        }
    }
}

/// One side of a trade, as an AE tells it.
struct Part {
    bit: u8,
    side: Side,
    session: SessionId,
    number: OrderNumber,
    order_id: Option<OrderId>,
}

/// A trade, whether it was made or is undone.
struct Captured<'t> {
    id: TradeId,
    instrument: Option<&'t Instrument>,
    price: Price,
    qty: Qty,
    trans_type: u8,
    parts: [Part; 2],
}

impl OrderEntry {
    /// Appends the message of a copy; nothing for what has none. `names` has the CompID of each session. As
    /// [`OrderEntry::report`], the fold must have followed the journal up to the Event that is copied.
    ///
    /// # Errors
    ///
    /// If the Event, or an Input that a report of it needs, cannot be read.
    pub fn copy(
        &self,
        (copy, to): (&Copy<'_>, SessionId),
        names: &dyn Fn(SessionId) -> Option<CompId>,
        identity: &Identity,
        header: &Header,
        inputs: &mut impl Inputs,
        out: &mut Vec<u8>,
    ) -> Result<(), Unreadable> {
        let of = match *copy {
            Copy::Trade { of, .. } | Copy::Report { of, .. } => of,
            Copy::Ack { .. } => {
                ack(copy, identity, header, out);
                return Ok(());
            }
            Copy::Begin => return Ok(()),
        };
        let position = Some(of.position);
        let unreadable = Unreadable { session: to, number: OrderNumber::NONE, position };
        let mut buffer = [0; ATTACHMENT_BYTES_MAX];
        let (input, len, event) = inputs.event(of, &mut buffer).ok_or(unreadable)?;
        let mut told = Told {
            session: to,
            position: of.position,
            input: &input,
            attachment: buffer.get(..len).ok_or(unreadable)?,
            event: &event,
            event_index: of.index,
            rest: &[],
            relayed: None,
        };
        match *copy {
            Copy::Trade { sides, request, .. } => {
                let captured = self.captured(&event).ok_or(unreadable)?;
                let mut message = identity.begin(out, b"AE", header);
                self.capture(&mut message, &captured, &told, (sides, request), names);
                message.finish();
                Ok(())
            }
            Copy::Report { recipient, .. } => {
                let recipients = event.recipients();
                let recipient = recipients.get(usize::from(recipient)).copied().flatten();
                let (session, msg) = recipient.ok_or(unreadable)?;
                told.session = session;
                let none = Orders::new();
                let report = Report {
                    directory: &self.directory,
                    orders: self.orders(session).unwrap_or(&none),
                    told: &told,
                    original: Original { msg, owner: names(session) },
                    identity,
                    header,
                    out,
                };
                report.tell(inputs)
            }
            Copy::Ack { .. } | Copy::Begin => Ok(()),
        }
    }

    fn captured(&self, event: &Event) -> Option<Captured<'_>> {
        Some(match event {
            Event::Traded(Traded {
                id, instrument, taker_side, price, qty, maker, taker, ..
            }) => {
                let part = |bit, side, fill: &matcher::Fill| Part {
                    bit,
                    side,
                    session: fill.session,
                    number: fill.number,
                    order_id: Some(fill.order_id),
                };
                Captured {
                    id: *id,
                    instrument: self.directory.instrument(*instrument),
                    price: *price,
                    qty: *qty,
                    trans_type: TRANS_NEW,
                    parts: [
                        part(sides::FIRST, taker_side.opposite(), maker),
                        part(sides::SECOND, *taker_side, taker),
                    ],
                }
            }
            Event::Busted(Busted { trade, instrument, price, qty, buy, sell }) => {
                let part = |bit, side, part: &matcher::BustedPart| Part {
                    bit,
                    side,
                    session: part.session,
                    number: part.number,
                    order_id: self.orders(part.session).and_then(|it| it.order_id(part.number)),
                };
                Captured {
                    id: *trade,
                    instrument: self.directory.instrument(*instrument),
                    price: *price,
                    qty: *qty,
                    trans_type: TRANS_CANCEL,
                    parts: [
                        part(sides::FIRST, Side::Buy, buy),
                        part(sides::SECOND, Side::Sell, sell),
                    ],
                }
            }
            _ => return None,
        })
    }

    /// The body of a TradeCaptureReport(AE).
    fn capture(
        &self,
        message: &mut Encoder<'_>,
        captured: &Captured<'_>,
        told: &Told<'_>,
        (sides, request): (u8, &[u8]),
        names: &dyn Fn(SessionId) -> Option<CompId>,
    ) {
        let Captured { id, instrument, price, qty, trans_type, .. } = *captured;
        let (sequence, index, trade) = (told.input.sequence.0, told.event_index, id.0);
        let undone = trans_type == TRANS_CANCEL;
        let report_id = if undone { format!("{trade}X") } else { trade.to_string() };
        message.bytes(tag::TRADE_REPORT_ID, report_id.as_bytes());
        message.char(tag::TRADE_REPORT_TRANS_TYPE, trans_type);
        if undone {
            message.uint(tag::TRADE_REPORT_REF_ID, trade);
        }
        message.bytes(tag::TRADE_REQUEST_ID, request);
        message.bytes(tag::EXEC_ID, format!("{sequence}-{index}").as_bytes());
        let again = if request.is_empty() { b'N' } else { b'Y' };
        message.char(tag::PREVIOUSLY_REPORTED, again);
        message.uint(tag::TRD_MATCH_ID, trade);
        message.bytes(tag::SYMBOL, instrument.map_or(b"[N/A]", |it| it.symbol.as_bytes()));
        put_price(message, tag::LAST_PX, price, instrument);
        put_qty(message, tag::LAST_QTY, qty, instrument);
        message.date(tag::TRADE_DATE, told.input.timestamp);
        message.utc(tag::TRANSACT_TIME, told.input.timestamp);
        let parts = || captured.parts.iter().filter(|part| sides & part.bit != 0);
        message.uint(tag::NO_SIDES, parts().count() as u64);
        for part in parts() {
            message.char(tag::SIDE, if part.side == Side::Buy { b'1' } else { b'2' });
            match part.order_id {
                Some(OrderId(id)) => message.uint(tag::ORDER_ID, id),
                None => message.bytes(tag::ORDER_ID, b"NONE"),
            };
            if let Some(orders) = self.orders(part.session) {
                message.bytes(tag::CL_ORD_ID, orders.cl_ord_id(part.number));
                message.bytes(tag::ACCOUNT, orders.account(part.number));
            }
            if let Some(name) = names(part.session) {
                message.uint(tag::NO_PARTY_IDS, 1).bytes(tag::PARTY_ID, name.as_bytes());
                message.char(tag::PARTY_ID_SOURCE, PARTY_ID_SOURCE);
                message.uint(tag::PARTY_ROLE, PARTY_ROLE);
            }
        }
    }
}

/// Appends a TradeCaptureReportRequestAck(AQ).
fn ack(copy: &Copy<'_>, identity: &Identity, header: &Header, out: &mut Vec<u8>) {
    let Copy::Ack { request, request_type, result, status, count, text } = *copy else { return };
    let mut message = identity.begin(out, b"AQ", header);
    message.bytes(tag::TRADE_REQUEST_ID, request);
    message.uint(tag::TRADE_REQUEST_TYPE, request_type.into());
    if let Some(count) = count {
        message.uint(tag::TOT_NUM_TRADE_REPORTS, count.into());
    }
    message.uint(tag::TRADE_REQUEST_RESULT, result.into());
    message.uint(tag::TRADE_REQUEST_STATUS, status.into());
    // FIX 4.4 wants an instrument, and the request was for none.
    message.bytes(tag::SYMBOL, b"[N/A]").bytes(tag::TEXT, text);
    message.finish();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_comes_back_from_its_attachment() {
        let of = EventAt { position: u64::MAX - 7, index: 77 };
        let id = [b'r'; TRADE_REQUEST_ID_BYTES_MAX];
        let ack = |count| Copy::Ack {
            request: &id,
            request_type: 1,
            result: answer::OTHER,
            status: answer::REJECTED,
            count,
            text: b"too many at once",
        };
        for copy in [
            Copy::Trade { of, sides: sides::FIRST | sides::SECOND, request: b"" },
            Copy::Trade { of, sides: sides::SECOND, request: &id },
            Copy::Report { of, recipient: 1 },
            ack(None),
            ack(Some(12)),
            Copy::Begin,
        ] {
            let mut attachment = [0; ATTACHMENT_BYTES_MAX];
            let len = copy.encode(&mut attachment);
            assert_eq!(Copy::decode(&attachment[..len]), Some(copy));
            assert!(crate::fix::Note::decode(&attachment[..len]).is_none());
            for short in 0..len {
                assert_ne!(Copy::decode(&attachment[..short]), Some(copy));
            }
        }
        assert_eq!(Copy::decode(&[1, 0]), None);
        let long = [b'x'; 300];
        let cut = Copy::Ack {
            request: &id,
            request_type: 0,
            result: 0,
            status: 0,
            count: None,
            text: &long,
        };
        let mut attachment = [0; ATTACHMENT_BYTES_MAX];
        let len = cut.encode(&mut attachment);
        assert!(len == ATTACHMENT_BYTES_MAX && Copy::decode(&attachment).is_some());
    }

    #[test]
    fn parts_of_an_event_are_in_order() {
        let of = EventAt { position: 640, index: 1 };
        let parts = [
            Copy::Trade { of, sides: 1, request: b"" },
            Copy::Report { of, recipient: 0 },
            Copy::Report { of, recipient: 1 },
        ];
        let parts = parts.map(|copy| copy.part().unwrap());
        assert!(parts.is_sorted() && parts[2] < CopiedTo::end_of(640));
        assert!(CopiedTo::end_of(639) < parts[0]);
        assert_eq!(Copy::Trade { of, sides: 1, request: b"q" }.part(), None);
    }
}
