//! Inputs and Events as a person reads them, with the journal's own names and decimals.

use std::fmt::Write as _;

use gateway::fix::note::Note;
use matcher::{
    CancelReason, CancelRequest, Command, Event, Fill, Instrument, InstrumentId, Liquidity,
    MassCancelScope, NewOrder, Numbering, OrderKind, OrderNumber, Phase, Price, Priority, Qty,
    RefusedRequest, SessionId, Side, TimeInForce,
};
use venue::Names;
use venue::turns::TurnHead;

use crate::text;

/// Tag of ClOrdID in an attachment.
const CL_ORD_ID: u16 = 11;

/// The Input of a turn in a line: who, which inbound message, what.
#[must_use]
pub fn input(head: &TurnHead, names: &Names) -> String {
    let input = &head.input;
    let mut line = names.session(input.session).to_owned();
    if input.inbound.0 != 0 {
        let _ = write!(line, " in#{}", input.inbound);
    }
    line.push(' ');
    line.push_str(&command(&input.command, names));
    match &input.command {
        Command::Note(_) => {
            if let Some(note) = Note::decode(head.attachment()) {
                let _ = write!(line, " {}", self::note(&note));
            }
        }
        Command::DefineSession { .. } => {
            let text = String::from_utf8_lossy(head.attachment()).replace('\0', " of ");
            let _ = write!(line, " {text}");
        }
        _ => {
            if let Some(cl_ord_id) = attached(head.attachment(), CL_ORD_ID) {
                let _ = write!(line, " 11={}", cl_ord_id.escape_ascii());
            }
        }
    }
    line
}

/// A field that the gateway attached: a list of tag (2 bytes), length (1 byte), text.
fn attached(mut attachment: &[u8], wanted: u16) -> Option<&[u8]> {
    while let [low, high, len, rest @ ..] = attachment {
        let text = rest.get(..usize::from(*len))?;
        if u16::from_le_bytes([*low, *high]) == wanted {
            return Some(text);
        }
        attachment = &rest[text.len()..];
    }
    None
}

fn note(note: &Note<'_>) -> String {
    match note {
        Note::Logon { heartbeat_s, reset, .. } => {
            format!("logon, heartbeat {heartbeat_s} s{}", if *reset { ", reset" } else { "" })
        }
        Note::Logout { text, .. } => format!("logout {}", text.escape_ascii()),
        Note::Heartbeat { .. } => "heartbeat".into(),
        Note::TestRequest { id } => format!("test request {id}"),
        Note::ResendRequest { begin, .. } => format!("resend request from {begin}"),
        Note::Reject { ref_msg, reason, .. } => format!("reject of in#{ref_msg}, reason {reason}"),
        Note::BusinessReject { ref_msg, reason, .. } => {
            format!("business reject of in#{ref_msg}, reason {reason}")
        }
    }
}

fn command(command: &Command, names: &Names) -> String {
    match command {
        Command::Configure(limits) => format!(
            "configure orders {} levels {} instruments {} sessions {}",
            limits.orders_max, limits.levels_max, limits.instruments_max, limits.sessions_max
        ),
        Command::DefineInstrument { instrument, .. } => format!(
            "define-instrument {} tick {} lot {}",
            instrument.symbol,
            text::price(Price::from_ticks(1), instrument),
            text::qty(Qty::from_lots(1), instrument)
        ),
        Command::DefineSession { id, .. } => format!("define-session {id}"),
        Command::SetPhase { instrument, state } => {
            format!("set-state {} {}", symbol(*instrument, names), phase(*state))
        }
        Command::New(new) => new_order(new, names),
        Command::Cancel { target } => format!("cancel {}", order(*target)),
        Command::Replace(replace) => format!(
            "replace {} by {} {} {} {} @ {}",
            order(replace.target),
            order(replace.number),
            symbol(replace.instrument, names),
            side(replace.side),
            qty(replace.qty, replace.instrument, names),
            price(replace.price, replace.instrument, names)
        ),
        Command::MassCancel(MassCancelScope::Session) => "mass-cancel".into(),
        Command::MassCancel(
            MassCancelScope::SessionInstrument(id) | MassCancelScope::Instrument(id),
        ) => format!("mass-cancel {}", symbol(*id, names)),
        Command::Status { target } => format!("status {}", order(*target)),
        Command::Refuse { request, reason } => {
            let request = match request {
                RefusedRequest::New(number) => format!("new {}", order(*number)),
                RefusedRequest::Cancel { target } => format!("cancel {}", order(*target)),
                RefusedRequest::Replace { number, target } => {
                    format!("replace {} by {}", order(*target), order(*number))
                }
                RefusedRequest::MassCancel => "mass-cancel".into(),
            };
            format!("refuse {request}: {}", reason.text())
        }
        Command::Note(Numbering::Next) => "note".into(),
        Command::Note(Numbering::Reset) => "note reset".into(),
        Command::Note(Numbering::InboundOnly) => "note inbound".into(),
        Command::ExpireDay => "expire-day".into(),
    }
}

fn new_order(new: &NewOrder, names: &Names) -> String {
    let limit = match new.kind {
        OrderKind::Limit(limit) => format!("@ {}", price(limit, new.instrument, names)),
        OrderKind::Market => "market".into(),
    };
    let how = match (new.time_in_force, new.liquidity) {
        (_, Liquidity::PostOnly) => " post-only",
        (TimeInForce::Day, _) => "",
        (TimeInForce::Gtc, _) => " gtc",
        (TimeInForce::Ioc, _) => " ioc",
        (TimeInForce::Fok, _) => " fok",
    };
    format!(
        "new {} {} {} {} {limit}{how}",
        order(new.number),
        symbol(new.instrument, names),
        side(new.side),
        qty(new.qty, new.instrument, names)
    )
}

/// An Event in a line.
#[must_use]
pub fn event(event: &Event, names: &Names) -> String {
    match event {
        Event::Configured => "configured".into(),
        Event::InstrumentDefined { id } => format!("instrument-defined {}", symbol(*id, names)),
        Event::SessionDefined { id } => format!("session-defined {id}"),
        Event::PhaseChanged { instrument, state } => {
            format!("state {} {}", symbol(*instrument, names), phase(*state))
        }
        Event::CommandRefused { reason } => format!("command-refused: {}", reason.text()),
        Event::Accepted(it) => format!("accepted {}", told(it.session, it.number, it.msg.0, names)),
        Event::Rejected(it) => {
            let who = told(it.session, it.number, it.msg.0, names);
            format!("rejected {who}: {}", it.reason.text())
        }
        Event::Rested(it) => format!(
            "rested {} {} {} {} @ {} ref {}",
            who(it.session, it.number, names),
            symbol(it.instrument, names),
            side(it.side),
            qty(it.leaves_qty, it.instrument, names),
            price(it.price, it.instrument, names),
            it.order_ref
        ),
        Event::Traded(it) => format!(
            "traded {} {} {} @ {}  maker {}  taker {}",
            it.id,
            symbol(it.instrument, names),
            qty(it.qty, it.instrument, names),
            price(it.price, it.instrument, names),
            fill(&it.maker, it.instrument, names),
            fill(&it.taker, it.instrument, names)
        ),
        Event::Canceled(it) => format!(
            "canceled {} {} {} ({})",
            told(it.session, it.number, it.msg.0, names),
            symbol(it.instrument, names),
            qty(it.canceled_qty, it.instrument, names),
            cancel_reason(it.reason)
        ),
        Event::Replaced(it) => format!(
            "replaced {} by {} {} left {} @ {} ({})",
            order(it.old_number),
            told(it.session, it.number, it.msg.0, names),
            symbol(it.instrument, names),
            qty(it.leaves_qty, it.instrument, names),
            price(it.price, it.instrument, names),
            match it.priority {
                Priority::Kept => "place kept",
                Priority::Lost => "place lost",
            }
        ),
        Event::CancelRejected(it) => {
            let request = match it.request {
                CancelRequest::Cancel => "cancel",
                CancelRequest::Replace => "replace",
            };
            let who = told(it.session, it.target, it.msg.0, names);
            format!("{request}-rejected {who}: {}", it.reason.text())
        }
        Event::MassCanceled { session, msg, orders } => {
            format!("mass-canceled {} out#{msg} {orders} orders", names.session(*session))
        }
        Event::MassCancelRejected { session, msg, reason } => {
            format!("mass-cancel-rejected {} out#{msg}: {}", names.session(*session), reason.text())
        }
        Event::StatusReported(it) => {
            let state = if it.working.is_some() { "working" } else { "not working" };
            format!("status {} {state}", told(it.session, it.target, it.msg.0, names))
        }
        Event::Numbered { session, msg } => {
            format!("numbered {} out#{msg}", names.session(*session))
        }
    }
}

/// The kind of an Event, for counts.
#[must_use]
pub const fn event_kind(event: &Event) -> &'static str {
    match event {
        Event::Configured => "configured",
        Event::InstrumentDefined { .. } => "instrument_defined",
        Event::SessionDefined { .. } => "session_defined",
        Event::PhaseChanged { .. } => "phase_changed",
        Event::CommandRefused { .. } => "command_refused",
        Event::Accepted(_) => "accepted",
        Event::Rejected(_) => "rejected",
        Event::Rested(_) => "rested",
        Event::Traded(_) => "traded",
        Event::Canceled(_) => "canceled",
        Event::Replaced(_) => "replaced",
        Event::CancelRejected(_) => "cancel_rejected",
        Event::MassCanceled { .. } => "mass_canceled",
        Event::MassCancelRejected { .. } => "mass_cancel_rejected",
        Event::StatusReported(_) => "status_reported",
        Event::Numbered { .. } => "numbered",
    }
}

/// The kind of a Command, for counts.
#[must_use]
pub const fn command_kind(command: &Command) -> &'static str {
    match command {
        Command::Configure(_) => "configure",
        Command::DefineInstrument { .. } => "define_instrument",
        Command::DefineSession { .. } => "define_session",
        Command::SetPhase { .. } => "set_phase",
        Command::New(_) => "new",
        Command::Cancel { .. } => "cancel",
        Command::Replace(_) => "replace",
        Command::MassCancel(_) => "mass_cancel",
        Command::Status { .. } => "status",
        Command::Refuse { .. } => "refuse",
        Command::Note(_) => "note",
        Command::ExpireDay => "expire_day",
    }
}

/// The instrument that a Command names, if it names one.
#[must_use]
pub const fn command_instrument(command: &Command) -> Option<InstrumentId> {
    match command {
        Command::DefineInstrument { id, .. } => Some(*id),
        Command::SetPhase { instrument, .. } => Some(*instrument),
        Command::New(new) => Some(new.instrument),
        Command::Replace(replace) => Some(replace.instrument),
        Command::MassCancel(
            MassCancelScope::SessionInstrument(id) | MassCancelScope::Instrument(id),
        ) => Some(*id),
        _ => None,
    }
}

/// The instrument that an Event names, if it names one.
#[must_use]
pub const fn event_instrument(event: &Event) -> Option<InstrumentId> {
    match event {
        Event::InstrumentDefined { id } => Some(*id),
        Event::PhaseChanged { instrument, .. } => Some(*instrument),
        Event::Rested(it) => Some(it.instrument),
        Event::Traded(it) => Some(it.instrument),
        Event::Canceled(it) => Some(it.instrument),
        Event::Replaced(it) => Some(it.instrument),
        _ => None,
    }
}

/// The firm's word for a side.
#[must_use]
pub const fn side(side: Side) -> &'static str {
    match side {
        Side::Buy => "buy",
        Side::Sell => "sell",
    }
}

fn phase(state: Phase) -> &'static str {
    match state {
        Phase::Continuous => "open",
        Phase::Halt => "halted",
        Phase::Closed => "closed",
    }
}

fn cancel_reason(reason: CancelReason) -> &'static str {
    match reason {
        CancelReason::Requested => "requested",
        CancelReason::MassCancel => "mass cancel",
        CancelReason::Venue => "by the venue",
        CancelReason::Ioc => "rest of ioc",
        CancelReason::Fok => "fok",
        CancelReason::Market => "rest of market",
        CancelReason::Expired => "expired",
    }
}

fn fill(fill: &Fill, instrument: InstrumentId, names: &Names) -> String {
    let left = qty(fill.leaves_qty, instrument, names);
    format!("{} left {left}", told(fill.session, fill.number, fill.msg.0, names))
}

fn told(session: SessionId, number: OrderNumber, msg: u32, names: &Names) -> String {
    format!("{} out#{msg}", who(session, number, names))
}

fn who(session: SessionId, number: OrderNumber, names: &Names) -> String {
    format!("{}/{}", names.session(session), order(number))
}

fn order(number: OrderNumber) -> String {
    match number {
        OrderNumber::NONE => "?".into(),
        OrderNumber(number) => number.to_string(),
    }
}

fn symbol(id: InstrumentId, names: &Names) -> &str {
    names.instruments.get(id.index()).map_or("?", |instrument| instrument.symbol.as_str())
}

fn price(price: Price, id: InstrumentId, names: &Names) -> String {
    in_decimals(names, id, price.ticks(), |instrument| text::price(price, instrument))
}

fn qty(qty: Qty, id: InstrumentId, names: &Names) -> String {
    in_decimals(names, id, qty.lots(), |instrument| text::qty(qty, instrument))
}

fn in_decimals(
    names: &Names,
    id: InstrumentId,
    raw: impl ToString,
    scale: impl Fn(&Instrument) -> text::Decimal,
) -> String {
    names.instruments.get(id.index()).map_or_else(|| raw.to_string(), |it| scale(it).to_string())
}
