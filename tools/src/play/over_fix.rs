//! A flow over FIX.

use std::time::Duration;

use gateway::fix::decimal::parse_scaled;
use gateway::fix::decode::Message;
use gateway::fix::encode::Encoder;
use gateway::fix::tag;
use matcher::{Side, Timestamp};
use venue::clock;

use super::PlayError;
use super::driver::{OrderEntry, RequestId};
use super::record::{Fill, Record, Report, ReportId, Told};
use crate::fix_conn::{FixError, FixSet, FixTarget, Heard, Login};
use crate::order_flow::Request;

/// Decimals of a flow's prices.
const PRICE_DECIMALS: u8 = 4;

/// SecondaryExecID(527): the venue's number of a trade.
const SECONDARY_EXEC_ID: u32 = 527;

/// Sessions over which a flow is played.
pub(super) struct OverFix<'a> {
    set: FixSet,
    prefix: &'a str,
    symbol: &'a str,
}

impl<'a> OverFix<'a> {
    /// Logs on.
    pub(super) fn connect(
        target: &FixTarget,
        logins: &[Login],
        prefix: &'a str,
        symbol: &'a str,
    ) -> Result<OverFix<'a>, PlayError> {
        let set = FixSet::connect(target.clone(), logins).map_err(PlayError::Fix)?;
        Ok(OverFix { set, prefix, symbol })
    }
}

impl OrderEntry for OverFix<'_> {
    fn ask(&mut self, id: RequestId, session: usize, request: &Request) {
        let OverFix { prefix, symbol, .. } = *self;
        let now = clock::now();
        let text = name(id, prefix);
        let of = |target: usize| name(RequestId { n: target, is_first: false }, prefix);
        let (kind, target): (&[u8], _) = match *request {
            Request::New { .. } => (b"D", None),
            Request::Cancel { target, .. } => (b"F", Some(of(target))),
            Request::Replace { target, .. } => (b"G", Some(of(target))),
        };
        self.set.send(session, now, kind, |message| {
            message.bytes(tag::CL_ORD_ID, text.as_bytes());
            if let Some(target) = &target {
                message.bytes(tag::ORIG_CL_ORD_ID, target.as_bytes());
            }
            message.bytes(tag::SYMBOL, symbol.as_bytes());
            write_terms(message, request, now);
        });
    }

    fn hear(&mut self, timeout: Duration, record: &mut Record) -> Result<usize, PlayError> {
        let OverFix { set, prefix, .. } = self;
        let mut answered = 0;
        let mut heard = |session: usize, heard: Heard<'_>| match heard {
            Heard::Application(message) => {
                answered += usize::from(take(record, session, &message, prefix));
            }
            Heard::Repeated(message) => {
                if message.msg_type() == b"8" {
                    let id = parse(&message, prefix).map(|(id, _)| id);
                    record.repeated(id, told(session, &message));
                }
            }
            Heard::Rejected(message) => record.wrong(format_args!("the venue refused {message:?}")),
        };
        match set.poll(Some(timeout), &mut heard) {
            Ok(()) => {}
            Err(FixError::Lost { .. }) => set.reconnect(&mut heard).map_err(PlayError::Fix)?,
            Err(error) => return Err(PlayError::Fix(error)),
        }
        Ok(answered)
    }

    fn has_gap(&self) -> bool {
        self.set.has_gap()
    }

    fn reconnects(&self) -> u64 {
        self.set.reconnects()
    }

    fn end(mut self, _: &mut Record) -> Result<(), PlayError> {
        self.set.logout(Duration::from_secs(2), &mut |_, _| {});
        Ok(())
    }
}

/// Takes an application message; says whether it is the first answer to a request.
fn take(record: &mut Record, session: usize, message: &Message<'_>, prefix: &str) -> bool {
    if message.msg_type() != b"8" {
        record.wrong(format_args!("the venue answered {message:?}"));
        return message.get(tag::CL_ORD_ID).and_then(|id| parse_name(id, prefix)).is_some();
    }
    let Some((id, report)) = parse(message, prefix) else {
        record.wrong(format_args!("a report cannot be read: {message:?}"));
        return false;
    };
    let is_new = record.report(id, told(session, message), report);
    if is_new && report.exec_type == b'8' {
        record.wrong(format_args!("an order was rejected: {message:?}"));
    }
    is_new && report.exec_type != b'F' && !is_rest_of_ioc(message)
}

/// ClOrdID(11) of a request.
fn name(id: RequestId, prefix: &str) -> String {
    format!("{prefix}{}{}", id.n, if id.is_first { "f" } else { "" })
}

fn parse_name(cl_ord_id: &[u8], prefix: &str) -> Option<RequestId> {
    let text = std::str::from_utf8(cl_ord_id).ok()?.strip_prefix(prefix)?;
    let (digits, is_first) = match text.strip_suffix('f') {
        Some(digits) => (digits, true),
        None => (text, false),
    };
    Some(RequestId { n: digits.parse().ok()?, is_first })
}

fn told(session: usize, message: &Message<'_>) -> Told {
    Told { session, number: message.get(tag::MSG_SEQ_NUM).and_then(uint).unwrap_or(0) }
}

/// The second report of an IOC that did not trade whole: what was left of it is canceled. A cancel that
/// was asked for names the order in OrigClOrdID(41).
fn is_rest_of_ioc(message: &Message<'_>) -> bool {
    message.get(tag::EXEC_TYPE) == Some(b"4") && message.get(tag::ORIG_CL_ORD_ID).is_none()
}

/// Reads an ExecutionReport.
fn parse(message: &Message<'_>, prefix: &str) -> Option<(ReportId, Report)> {
    let (sequence, index, side) = parse_exec_id(message.get(tag::EXEC_ID)?)?;
    let exec_type = *message.get(tag::EXEC_TYPE)?.first()?;
    let request = parse_name(message.get(tag::CL_ORD_ID)?, prefix)?;
    let fill = match exec_type {
        b'F' => Some(Fill {
            id: uint(message.get(SECONDARY_EXEC_ID).or(message.get(tag::TRD_MATCH_ID))?)?,
            is_maker: side == b'M',
            price: parse_scaled(message.get(tag::LAST_PX)?, PRICE_DECIMALS).ok()?,
            qty: parse_scaled(message.get(tag::LAST_QTY)?, 0).ok()?.try_into().ok()?,
        }),
        _ => None,
    };
    let leaves = parse_scaled(message.get(tag::LEAVES_QTY)?, 0).ok()?.try_into().ok()?;
    let (turn, turn_mark) = (sequence, sequence);
    let report = Report { request, turn, turn_mark, index, exec_type, leaves, fill };
    Some((ReportId(sequence, index, side), report))
}

/// Reads `12-0`, `12-1M`, `12-1T`: Sequence of the turn, place of the event in it, side of a trade.
fn parse_exec_id(text: &[u8]) -> Option<(u64, u64, u8)> {
    let dash = text.iter().position(|byte| *byte == b'-')?;
    let (sequence, rest) = (uint(&text[..dash])?, &text[dash + 1..]);
    let (index, side) = match rest {
        [index @ .., side @ (b'M' | b'T')] => (index, *side),
        index => (index, 0),
    };
    Some((sequence, uint(index)?, side))
}

fn uint(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// What a request says beside the names of its orders and the symbol.
pub(crate) fn write_terms(message: &mut Encoder<'_>, request: &Request, now: Timestamp) {
    let (side, terms) = match *request {
        Request::New { side, price, qty, ioc } => {
            (side, Some((price, qty, if ioc { b'3' } else { b'1' })))
        }
        Request::Replace { side, price, order_qty, .. } => (side, Some((price, order_qty, b'1'))),
        Request::Cancel { side, .. } => (side, None),
    };
    message.char(tag::SIDE, if side == Side::Buy { b'1' } else { b'2' });
    message.utc(tag::TRANSACT_TIME, now);
    if let Some((price, qty, time_in_force)) = terms {
        message.uint(tag::ORDER_QTY, qty).char(tag::ORD_TYPE, b'2');
        message.decimal(tag::PRICE, price, 4).char(tag::TIME_IN_FORCE, time_in_force);
    }
}
