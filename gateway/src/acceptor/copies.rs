//! Drop copy: sessions that are told of the trades and orders of others.
//!
//! The journal is looked at once more for them, by a cursor of its own ([`Acceptor::copy`]). What it finds becomes a
//! request of the session's, so that the core gives it a number. Nothing is kept in between but what one
//! frame of the journal gives: who is slow here is behind in the journal, and orders do not wait for it.

use std::collections::VecDeque;

use matcher::record::ATTACHMENT_BYTES_MAX;
use matcher::{Command, Event, MsgSeqNum, Numbering, OrderId, SessionId};

use super::{Acceptor, ROOM_FOR_ORDERS, ROOM_MIN, Requests, Slot};
use crate::fix::{CompId, Message, Taken, Version, tag};
use crate::network::Network;
use crate::order_entry::copies::{
    CopiedTo, Copy, EventAt, TRADE_REQUEST_ID_BYTES_MAX, answer, sides,
};

/// Room in the ring that copies leave to orders.
const ROOM_LEFT: usize = ROOM_FOR_ORDERS + ROOM_MIN;

/// What a session is told of others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DropCopy {
    /// Of these; empty: of all.
    pub of: Vec<SessionId>,
    /// Trades, as TradeCaptureReport(AE).
    pub trades: bool,
    /// Their ExecutionReports(8), as they get them.
    pub reports: bool,
}

impl DropCopy {
    fn covers(&self, session: SessionId) -> bool {
        self.of.is_empty() || self.of.contains(&session)
    }

    /// Whose sides of a trade are told, as [`sides`].
    fn sides(&self, event: &Event) -> u8 {
        let (first, second) = match event {
            Event::Traded(it) => (it.maker.session, it.taker.session),
            Event::Busted(it) => (it.buy.session, it.sell.session),
            _ => return 0,
        };
        let bit = |session, bit| if self.covers(session) { bit } else { 0 };
        bit(first, sides::FIRST) | bit(second, sides::SECOND)
    }
}

/// The copies of one session.
pub(super) struct Copies {
    what: DropCopy,
    /// What of the journal has become a request or is about to.
    to: CopiedTo,
    /// A TradeCaptureReportRequest(AD) that nobody has begun to answer.
    asked: Option<TradeRequest>,
    /// One that is being answered.
    answers: bool,
}

impl Copies {
    pub(super) fn new(what: DropCopy, to: CopiedTo) -> Copies {
        Copies { what, to, asked: None, answers: false }
    }
}

/// What a session wants to be told again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TradeRequest {
    /// Who asks.
    pub session: SessionId,
    /// TradeRequestID(568).
    pub id: Vec<u8>,
    /// TradeRequestType(569).
    pub request_type: u8,
    /// Only what is behind this Event: the Sequence of its turn and its place there. `None`: everything.
    pub after: Option<(OrderId, u32)>,
}

/// ExecID(17) of a trade: `<Sequence>-<event>`, with a letter for a side or without.
fn exec_id(text: &[u8]) -> Option<(OrderId, u32)> {
    let text = std::str::from_utf8(text).ok()?;
    let text = text.strip_suffix(['M', 'T', 'B', 'S']).unwrap_or(text);
    let (sequence, index) = text.split_once('-')?;
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    if !is_number(sequence) || !is_number(index) {
        return None;
    }
    Some((OrderId(sequence.parse().ok()?), index.parse().ok()?))
}

/// Deals with a TradeCaptureReportRequest(AD) that `inbound` is the number of.
pub(super) fn trade_request<'m>(
    copies: Option<&mut Copies>,
    session: SessionId,
    inbound: MsgSeqNum,
    message: &Message<'m>,
    requests: &mut impl Requests,
) -> Taken<'m> {
    const WRONG_VALUE: u16 = 5;
    const NOT_AUTHORIZED: u16 = 6;
    let id = message.get(tag::TRADE_REQUEST_ID).unwrap_or_default();
    if id.len() > TRADE_REQUEST_ID_BYTES_MAX || !id.iter().all(u8::is_ascii_graphic) {
        return Taken::Reject { tag: tag::TRADE_REQUEST_ID, reason: WRONG_VALUE };
    }
    let Some(copies) = copies.filter(|copies| copies.what.trades) else {
        let text = "this session gets no drop copy of trades";
        return Taken::BusinessReject { reason: NOT_AUTHORIZED, text, ref_id: id };
    };
    let after = match message.get(tag::EXEC_ID) {
        None => None,
        Some(text) => match exec_id(text) {
            Some(after) => Some(after),
            None => return Taken::Reject { tag: tag::EXEC_ID, reason: WRONG_VALUE },
        },
    };
    let request_type = match message.get(tag::TRADE_REQUEST_TYPE) {
        Some([digit @ b'0'..=b'9']) => digit - b'0',
        _ => 0,
    };
    let subscribes = message.get(tag::SUBSCRIPTION_REQUEST_TYPE).is_some_and(|it| it != b"0");
    let (result, text): (u8, &str) = if request_type > 1 {
        (answer::TYPE_NOT_SUPPORTED, "ask for all trades, or for those after an ExecID(17)")
    } else if subscribes {
        (answer::OTHER, "new trades are told without a request")
    } else if copies.asked.is_some() || copies.answers {
        (answer::OTHER, "the request before is not answered yet")
    } else {
        (answer::SUCCESSFUL, "")
    };
    let is_good = result == answer::SUCCESSFUL;
    let status = if is_good { answer::ACCEPTED } else { answer::REJECTED };
    let text = text.as_bytes();
    let ack = Copy::Ack { request: id, request_type, result, status, count: None, text };
    submit(session, inbound, &ack, requests);
    if is_good {
        copies.asked = Some(TradeRequest { session, id: id.to_vec(), request_type, after });
    }
    Taken::Submitted
}

fn submit(session: SessionId, inbound: MsgSeqNum, copy: &Copy<'_>, requests: &mut impl Requests) {
    let mut attachment = [0; ATTACHMENT_BYTES_MAX];
    let len = copy.encode(&mut attachment);
    let command = Command::Note(Numbering::Next);
    requests.submit(session, inbound, &command, &attachment[..len]);
}

/// The CompID of a session.
pub(super) fn name_of(slots: &[Option<CompId>], session: SessionId) -> Option<CompId> {
    slots.get(session.index()).copied().flatten()
}

/// Copies that wait for room in the ring. Bounded: the journal is read on only when there are none.
#[derive(Default)]
pub(super) struct Waiting(VecDeque<(SessionId, Owned)>);

#[derive(Clone, Copy)]
enum Owned {
    Trade { of: EventAt, sides: u8 },
    Report { of: EventAt, recipient: u8 },
}

impl Waiting {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<N: Network> Acceptor<N> {
    /// From which position of the journal on there may be something to copy; `None` if nobody gets copies.
    #[must_use]
    pub fn copied_to(&self) -> Option<u64> {
        let slots = self.slots.iter().flatten().filter_map(|slot| slot.copies.as_ref());
        slots.map(|copies| copies.to.at.position).min()
    }

    /// Whether there are copies to submit before more of the journal is read for them.
    #[must_use]
    pub fn has_copies(&self) -> bool {
        !self.copies.is_empty()
    }

    /// Looks at an Event that may leave, in the order of the journal: what it is to those that get copies.
    pub fn copy(&mut self, position: u64, index: u32, event: &Event) {
        let at = EventAt { position, index };
        for id in self.copying.iter().copied() {
            let version = self.entry.version(id);
            let Some(Some(slot)) = self.slots.get_mut(id.index()) else { continue };
            let Some(copies) = &mut slot.copies else { continue };
            let mut found = |copies: &mut Copies, part: u32, copy: Owned| {
                let to = CopiedTo { at, part };
                if to > copies.to {
                    copies.to = to;
                    self.copies.0.push_back((id, copy));
                }
            };
            let sides = copies.what.sides(event);
            // FIX 4.2 has no word for it.
            if copies.what.trades && sides != 0 && version != Some(Version::Fix42) {
                found(copies, 1, Owned::Trade { of: at, sides });
            }
            if !copies.what.reports || !is_report(event) {
                continue;
            }
            for (recipient, told) in (0..).zip(event.recipients()) {
                if told.is_some_and(|(session, _)| copies.what.covers(session)) {
                    let copy = Owned::Report { of: at, recipient };
                    found(copies, 2 + u32::from(recipient), copy);
                }
            }
        }
    }

    /// Submits what waits, as far as there is room beside orders.
    pub fn submit_copies(&mut self, requests: &mut impl Requests) {
        while requests.room() >= ROOM_LEFT {
            let Some((session, copy)) = self.copies.0.pop_front() else { return };
            let copy = match copy {
                Owned::Trade { of, sides } => Copy::Trade { of, sides, request: b"" },
                Owned::Report { of, recipient } => Copy::Report { of, recipient },
            };
            submit(session, MsgSeqNum::NONE, &copy, requests);
        }
    }

    /// A request for trades of the past that nobody has begun to answer; until [`Acceptor::answered`] its
    /// session has no other.
    pub fn take_trade_request(&mut self) -> Option<TradeRequest> {
        let slots = self.slots.iter_mut().flatten();
        let copies = slots.filter_map(|slot| slot.copies.as_mut()).find(|it| it.asked.is_some())?;
        copies.answers = true;
        copies.asked.take()
    }

    /// Whether there is such a request.
    #[must_use]
    pub fn has_trade_request(&self) -> bool {
        let slots = self.slots.iter().flatten();
        slots.filter_map(|slot| slot.copies.as_ref()).any(|copies| copies.asked.is_some())
    }

    /// Looks at an Event for `request`; says whether it became a report of its session. The caller has looked at
    /// [`Acceptor::room_for_copies`].
    pub fn answer(
        &mut self,
        request: &TradeRequest,
        of: EventAt,
        event: &Event,
        requests: &mut impl Requests,
    ) -> bool {
        let slot = self.slots.get(request.session.index()).and_then(Option::as_ref);
        let copies = slot.and_then(|slot| slot.copies.as_ref());
        let sides = copies.map_or(0, |copies| copies.what.sides(event));
        if sides == 0 {
            return false;
        }
        let copy = Copy::Trade { of, sides, request: &request.id };
        submit(request.session, MsgSeqNum::NONE, &copy, requests);
        true
    }

    /// How many reports there is room for beside orders.
    #[must_use]
    pub fn room_for_copies(requests: &impl Requests) -> usize {
        requests.room().saturating_sub(ROOM_LEFT)
    }

    /// Everything that `request` asked for was submitted, `count` reports, or as far as it could be read.
    pub fn answered(
        &mut self,
        request: &TradeRequest,
        count: u32,
        is_whole: bool,
        requests: &mut impl Requests,
    ) {
        let (result, text) = match is_whole {
            true => (answer::SUCCESSFUL, &b""[..]),
            false => (answer::OTHER, &b"what was before has gone from the journal"[..]),
        };
        let ack = Copy::Ack {
            request: &request.id,
            request_type: request.request_type,
            result,
            status: answer::COMPLETED,
            count: Some(count),
            text,
        };
        submit(request.session, MsgSeqNum::NONE, &ack, requests);
        let slot = self.slots.get_mut(request.session.index()).and_then(Option::as_mut);
        if let Some(copies) = slot.and_then(|slot: &mut Slot| slot.copies.as_mut()) {
            copies.answers = false;
        }
    }
}

/// Whether an Event is told by ExecutionReports(8), and not because somebody asked how an order stands.
fn is_report(event: &Event) -> bool {
    matches!(
        event,
        Event::Accepted(_)
            | Event::Rejected(_)
            | Event::Triggered(_)
            | Event::Restated(_)
            | Event::Traded(_)
            | Event::Busted(_)
            | Event::Canceled(_)
            | Event::Replaced(_)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exec_id_names_an_event() {
        assert_eq!(exec_id(b"17-0"), Some((OrderId(17), 0)));
        assert_eq!(exec_id(b"17-3M"), Some((OrderId(17), 3)));
        assert_eq!(
            exec_id(b"18446744073709551615-4294967295T"),
            Some((OrderId(u64::MAX), u32::MAX))
        );
        for wrong in ["", "17", "-1", "17-", "17-1MM", "+17-1", "17-1X", "18446744073709551616-0"] {
            assert_eq!(exec_id(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
