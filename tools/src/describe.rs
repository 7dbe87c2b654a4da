//! Inputs and Events as a person reads them, with the journal's own names and decimals.

use std::fmt::Write as _;

use gateway::fix::note::{Note, QuoteStatus};
use gateway::order_entry::{Copy, cl_ord_id_of};
use gateway::ouch;
use matcher::{
    BandAction, BustedPart, CancelReason, CancelRequest, Command, Event, Fill, HeldReason, Input,
    Instrument, InstrumentId, Liquidity, MassCancelScope, NewOrder, Numbering, OrderKind,
    OrderNumber, OrderRef, Peg, Permission, PermissionScope, Phase, PhaseReason, Price, Priority,
    Qty, RefusedRequest, ReplaceOrder, RestateReason, RiskLimits, SelfTradePrevention, SessionId,
    Side, Terms, TimeInForce, TradeKind, Trigger,
};
use venue::Names;
use venue::operator::Action;
use venue::turns::TurnHead;

use crate::text::{self, Rfc3339};

/// The Input of a turn in a line: who, which inbound message, what.
#[must_use]
pub fn input(head: &TurnHead, names: &Names) -> String {
    asked(&head.input, head.attachment(), names)
}

/// An Input and its attachment in a line.
#[must_use]
pub fn asked(input: &Input, attachment: &[u8], names: &Names) -> String {
    let mut line = names.session(input.session).into_owned();
    if input.inbound.0 != 0 {
        let _ = write!(line, " in#{}", input.inbound);
    }
    line.push(' ');
    line.push_str(&command(&input.command, names));
    match &input.command {
        Command::Note(_) => {
            if let Some(note) = Note::decode(attachment) {
                let _ = write!(line, " {}", self::note(&note));
            } else if let Some(copy) = Copy::decode(attachment) {
                let _ = write!(line, " {}", self::copy(&copy));
            } else if let Some(note) = ouch::Note::decode(attachment) {
                let _ = write!(line, " {}", self::ouch_note(&note));
            } else if let Some(action) = Action::decode(attachment) {
                let _ = write!(line, " {}", self::action(&action));
            }
        }
        Command::DefineSession { .. } => {
            let text = String::from_utf8_lossy(attachment).replace('\0', " of ");
            let _ = write!(line, " {text}");
        }
        _ => {
            if let Some(cl_ord_id) = cl_ord_id_of(&input.command, attachment) {
                let _ = write!(line, " 11={}", cl_ord_id.escape_ascii());
            }
        }
    }
    line
}

/// What a note of an OUCH session says.
fn ouch_note(note: &ouch::Note) -> String {
    use gateway::ouch::FromVenue;
    match note {
        ouch::Note::Login { .. } => "login".into(),
        ouch::Note::Logout { asked: true, .. } => "logout".into(),
        ouch::Note::Logout { asked: false, .. } => "logout by the venue".into(),
        ouch::Note::Said(FromVenue::Rejected(it)) => {
            let (user_ref, reason) = (it.user_ref_num, ouch::RejectReason::from_code(it.reason));
            let why = reason.map_or(String::new(), |reason| format!(", {reason:?}"));
            format!("ouch rejected {user_ref}, reason {:#04x}{why}", it.reason)
        }
        ouch::Note::Said(FromVenue::SystemEvent(it)) => {
            format!("ouch system event {}", it.event_code.escape_ascii())
        }
        ouch::Note::Said(FromVenue::CancelReject(it)) => {
            format!("ouch cancel of {} refused", it.user_ref_num)
        }
        ouch::Note::Said(FromVenue::DisableResponse(it)) => {
            format!("ouch order entry disabled by {}", it.user_ref_num)
        }
        ouch::Note::Said(FromVenue::EnableResponse(it)) => {
            format!("ouch order entry enabled by {}", it.user_ref_num)
        }
        ouch::Note::Said(FromVenue::Modified(it)) => {
            format!("ouch {} is marked {}", it.user_ref_num, it.side.escape_ascii())
        }
        ouch::Note::Said(FromVenue::AccountQueryResponse(it)) => {
            format!("ouch account query, next is {}", it.next_user_ref_num)
        }
        ouch::Note::Said(_) => "ouch message".into(),
    }
}

fn copy(copy: &Copy<'_>) -> String {
    match copy {
        Copy::Trade { of, request: b"", .. } => format!("drop copy of a trade, event {}", of.index),
        Copy::Trade { of, request, .. } => {
            format!("trade for {}, event {}", request.escape_ascii(), of.index)
        }
        Copy::Report { of, .. } => format!("drop copy of a report, event {}", of.index),
        Copy::Ack { request, status, .. } => {
            format!("trade request {} has status {status}", request.escape_ascii())
        }
        Copy::Begin => "drop copy begins".into(),
    }
}

/// What an operator did.
fn action(action: &Action) -> String {
    format!("operator, user id {}: {}", action.uid, action.what.escape_debug())
}

fn note(note: &Note<'_>) -> String {
    match note {
        Note::Logon { heartbeat_s, reset, password_changed, .. } => {
            let reset = if *reset { ", reset" } else { "" };
            let changed = if *password_changed { ", password changed" } else { "" };
            format!("logon, heartbeat {heartbeat_s} s{reset}{changed}")
        }
        Note::Logout { text, .. } => format!("logout {}", text.escape_ascii()),
        Note::Heartbeat { .. } => "heartbeat".into(),
        Note::Passing => "a message that is not said again".into(),
        Note::QuoteAck { status, text, .. } => {
            format!("mass quote acknowledgement, status {status} {}", text.escape_ascii())
        }
        Note::QuoteStatus(QuoteStatus { symbol, status, .. }) => {
            format!("status of the quote in {}: {status}", symbol.escape_ascii())
        }
        Note::News { headline, .. } => format!("news: {}", headline.escape_ascii()),
        Note::UserResponse { status, text, .. } => {
            format!("user response, status {status} {}", text.escape_ascii())
        }
        Note::TestRequest { id } => format!("test request {id}"),
        Note::ResendRequest { begin, .. } => format!("resend request from {begin}"),
        Note::Reject { ref_msg, reason, .. } => format!("reject of in#{ref_msg}, reason {reason}"),
        Note::BusinessReject { ref_msg, reason, .. } => {
            format!("business reject of in#{ref_msg}, reason {reason}")
        }
    }
}

/// A Command in a line.
pub(crate) fn command(command: &Command, names: &Names) -> String {
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
        Command::SetPhase { instrument, phase } => {
            format!("set-phase {} {}", symbol(*instrument, names), phase_word(*phase))
        }
        Command::New(new) => new_order(new, names),
        Command::NewSpecial(new, terms) => {
            format!("{}{}", new_order(new, names), terms_words(terms, new.instrument, names))
        }
        Command::Cancel { target } => format!("cancel {}", order(*target)),
        Command::Replace(replace) => replace_order(replace, names),
        Command::Reduce(reduce) => {
            format!("reduce {} to {} lots", order(reduce.target), reduce.qty.lots())
        }
        Command::ReplaceStop(replace, trigger) => format!(
            "{} stop {}",
            replace_order(replace, names),
            price(*trigger, replace.instrument, names)
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
        Command::Note(Numbering::Clear) => "note clear".into(),
        Command::Relay(it) => {
            format!("relay shard {} own#{} {}", it.shard, it.first, counted(it.count))
        }
        Command::ExpireDay => "expire-day".into(),
        Command::Expire => "expire".into(),
        Command::SetBands { .. }
        | Command::SetReference { .. }
        | Command::SetSession { .. }
        | Command::SetRisk { .. }
        | Command::SetPermission { .. }
        | Command::PublishIndicative { .. }
        | Command::Bust(_) => rule(command, names),
    }
}

/// So many messages.
fn counted(count: u32) -> String {
    if count == 1 { "1 message".into() } else { format!("{count} messages") }
}

/// What the venue sets beside phases, and what it undoes.
fn rule(command: &Command, names: &Names) -> String {
    match command {
        Command::SetBands { instrument, bands } => {
            let ticks = |ticks: u64| match i64::try_from(ticks) {
                Ok(0) => "off".into(),
                Ok(ticks) => price(Price::from_ticks(ticks), *instrument, names),
                Err(_) => format!("{ticks} ticks"),
            };
            let action = match bands.action {
                BandAction::Reject => "reject",
                BandAction::Interrupt => "interrupt",
            };
            format!(
                "set-bands {} static {} dynamic {} {action}",
                symbol(*instrument, names),
                ticks(bands.static_ticks),
                ticks(bands.dynamic_ticks)
            )
        }
        Command::SetReference { instrument, price: reference } => format!(
            "set-reference {} {}",
            symbol(*instrument, names),
            price(*reference, *instrument, names)
        ),
        Command::SetSession { session, group, self_trade } => format!(
            "set-session {} group {group} self-trade {}",
            names.session(*session),
            self_trade_word(*self_trade)
        ),
        Command::SetRisk { participant, instrument, limits } => {
            let of = match *instrument {
                InstrumentId::NONE => "every instrument",
                id => symbol(id, names),
            };
            format!("set-risk participant {participant} in {of}:{}", risk_words(limits))
        }
        Command::SetPermission { scope, permission } => {
            let scope = match scope {
                PermissionScope::Session(id) => format!("session {}", names.session(*id)),
                PermissionScope::Participant(id) => format!("participant {id}"),
                PermissionScope::Group(group) => format!("group {group}"),
                PermissionScope::Instrument(id) => symbol(*id, names).into(),
            };
            let permission = match permission {
                Permission::Trade => "trade",
                Permission::CancelOnly => "cancel-only",
                Permission::Killed => "killed",
            };
            format!("set-permission {scope} {permission}")
        }
        Command::PublishIndicative { instrument } => {
            format!("publish-indicative {}", symbol(*instrument, names))
        }
        Command::Bust(bust) => format!(
            "bust {} {} {} @ {} buy {} sell {}",
            bust.trade,
            symbol(bust.instrument, names),
            qty(bust.qty, bust.instrument, names),
            price(bust.price, bust.instrument, names),
            who(bust.buy.0, bust.buy.1, names),
            who(bust.sell.0, bust.sell.1, names)
        ),
        _ => String::new(),
    }
}

/// The limits that there are, in lots, ticks and ticks × lots.
fn risk_words(limits: &RiskLimits) -> String {
    let mut words = String::new();
    for (name, limit) in [
        ("order_qty_max", limits.order_qty_max.lots()),
        ("order_notional_max", limits.order_notional_max),
        ("collar_ticks", limits.collar_ticks),
        ("open_notional_max", limits.open_notional_max),
        ("position_max", limits.position_max),
    ] {
        if limit != u64::MAX {
            let _ = write!(words, " {name} {limit}");
        }
    }
    if limits.open_orders_max != u32::MAX {
        let _ = write!(words, " open_orders_max {}", limits.open_orders_max);
    }
    if words.is_empty() { " no limits".into() } else { words }
}

fn replace_order(replace: &ReplaceOrder, names: &Names) -> String {
    format!(
        "replace {} by {} {} {} {} @ {}",
        order(replace.target),
        order(replace.number),
        symbol(replace.instrument, names),
        side(replace.side),
        qty(replace.qty, replace.instrument, names),
        price(replace.price, replace.instrument, names)
    )
}

/// What an order asks for beside the order, each with a blank before it.
pub(crate) fn terms_words(terms: &Terms, instrument: InstrumentId, names: &Names) -> String {
    let mut words = String::new();
    let offset = |offset: u64| match i64::try_from(offset) {
        Ok(ticks) => price(Price::from_ticks(ticks), instrument, names),
        Err(_) => format!("{offset} ticks"),
    };
    if !terms.display_qty.is_zero() {
        let _ = write!(words, " display {}", qty(terms.display_qty, instrument, names));
    }
    if !terms.min_qty.is_zero() {
        let _ = write!(words, " min {}", qty(terms.min_qty, instrument, names));
    }
    if terms.expire_at.0 != 0 {
        let _ = write!(words, " until {}", Rfc3339(terms.expire_at));
    }
    let _ = match terms.trigger {
        Trigger::None => Ok(()),
        Trigger::Stop(at) => write!(words, " stop {}", price(at, instrument, names)),
        Trigger::Trailing(by) => write!(words, " trailing {}", offset(by)),
    };
    let _ = match terms.peg {
        Peg::None => Ok(()),
        Peg::Primary(by) => write!(words, " primary peg {}", offset(by)),
        Peg::Midpoint(by) => write!(words, " midpoint peg {}", offset(by)),
    };
    words
}

fn new_order(new: &NewOrder, names: &Names) -> String {
    let limit = match new.kind {
        OrderKind::Limit(limit) => format!("@ {}", price(limit, new.instrument, names)),
        OrderKind::Market => "market".into(),
        OrderKind::MarketToLimit => "market-to-limit".into(),
    };
    let time_in_force = match new.time_in_force {
        TimeInForce::Day => String::new(),
        other => format!(" {}", time_in_force_word(other)),
    };
    let liquidity = liquidity_word(new.liquidity).map_or(String::new(), |word| format!(" {word}"));
    format!(
        "new {} {} {} {} {limit}{time_in_force}{liquidity}",
        order(new.number),
        symbol(new.instrument, names),
        side(new.side),
        qty(new.qty, new.instrument, names)
    )
}

pub(crate) const fn time_in_force_word(time_in_force: TimeInForce) -> &'static str {
    match time_in_force {
        TimeInForce::Day => "day",
        TimeInForce::Gtc => "gtc",
        TimeInForce::Ioc => "ioc",
        TimeInForce::Fok => "fok",
        TimeInForce::AtOpen => "at-open",
        TimeInForce::Gtd => "gtd",
        TimeInForce::AtClose => "at-close",
        TimeInForce::Gfa => "good-for-auction",
    }
}

pub(crate) const fn liquidity_word(liquidity: Liquidity) -> Option<&'static str> {
    match liquidity {
        Liquidity::Any => None,
        Liquidity::PostOnly => Some("post-only"),
        Liquidity::Slide => Some("post-only-slide"),
    }
}

/// An Event in a line.
#[must_use]
pub fn event(event: &Event, names: &Names) -> String {
    match event {
        Event::Configured => "configured".into(),
        Event::InstrumentDefined { id } => format!("instrument-defined {}", symbol(*id, names)),
        Event::SessionDefined { id } => format!("session-defined {id}"),
        Event::PhaseChanged { instrument, phase, reason } => {
            let why = match reason {
                PhaseReason::Command => "",
                PhaseReason::Volatility => " (volatility)",
            };
            format!("phase {} {}{why}", symbol(*instrument, names), phase_word(*phase))
        }
        Event::Applied => "applied".into(),
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
            "traded {} {} {} @ {}{}  maker {}  taker {}",
            it.id,
            symbol(it.instrument, names),
            qty(it.qty, it.instrument, names),
            price(it.price, it.instrument, names),
            match (it.kind, it.maker_ref) {
                (TradeKind::Auction, _) => " (auction)",
                (TradeKind::Continuous, OrderRef::NONE) => " (hidden)",
                (TradeKind::Continuous, _) => "",
            },
            fill(&it.maker, it.instrument, names),
            fill(&it.taker, it.instrument, names)
        ),
        Event::Held(_)
        | Event::Triggered(_)
        | Event::Restated(_)
        | Event::Replenished(_)
        | Event::Uncrossed(_)
        | Event::Indicative { .. }
        | Event::Busted(_) => by_itself(event, names),
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
            priority(it.priority)
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
        Event::Relayed(it) => format!(
            "relayed {} out#{} {} of shard {} from own#{}",
            names.session(it.session),
            it.msg,
            counted(it.count),
            it.shard,
            it.first
        ),
    }
}

/// What happens to orders and books without a request that names them.
fn by_itself(event: &Event, names: &Names) -> String {
    match event {
        Event::Held(it) => format!(
            "held {} {} {} {} ref {} ({})",
            who(it.session, it.number, names),
            symbol(it.instrument, names),
            side(it.side),
            qty(it.leaves_qty, it.instrument, names),
            it.order_ref,
            held_reason(it.reason)
        ),
        Event::Triggered(it) => format!(
            "triggered {} {} {}",
            told(it.session, it.number, it.msg.0, names),
            symbol(it.instrument, names),
            qty(it.leaves_qty, it.instrument, names)
        ),
        Event::Restated(it) => format!(
            "restated {} {} left {} @ {} less {} ({})",
            told(it.session, it.number, it.msg.0, names),
            symbol(it.instrument, names),
            qty(it.leaves_qty, it.instrument, names),
            price(it.price, it.instrument, names),
            qty(it.cut_qty, it.instrument, names),
            restate_reason(it.reason)
        ),
        Event::Replenished(it) => format!(
            "replenished {} {} {} {} @ {} ref {}",
            who(it.session, it.number, names),
            symbol(it.instrument, names),
            side(it.side),
            qty(it.qty, it.instrument, names),
            price(it.price, it.instrument, names),
            it.order_ref
        ),
        Event::Uncrossed(it) => format!(
            "uncrossed {} {} {} @ {}{}",
            symbol(it.instrument, names),
            phase_word(it.phase),
            qty(it.qty, it.instrument, names),
            price(it.price, it.instrument, names),
            left_over(it.side, it.imbalance, it.instrument, names)
        ),
        Event::Indicative { instrument, price: None, .. } => {
            format!("indicative {} none", symbol(*instrument, names))
        }
        Event::Indicative { instrument, price: Some(at), qty: paired, imbalance, side, .. } => {
            format!(
                "indicative {} {} @ {}{}",
                symbol(*instrument, names),
                qty(*paired, *instrument, names),
                price(*at, *instrument, names),
                left_over(*side, *imbalance, *instrument, names)
            )
        }
        Event::Busted(it) => {
            let part = |part: &BustedPart| told(part.session, part.number, part.msg.0, names);
            format!(
                "busted {} {} {} @ {}  buy {}  sell {}",
                it.trade,
                symbol(it.instrument, names),
                qty(it.qty, it.instrument, names),
                price(it.price, it.instrument, names),
                part(&it.buy),
                part(&it.sell)
            )
        }
        _ => String::new(),
    }
}

fn left_over(more: Option<Side>, imbalance: Qty, id: InstrumentId, names: &Names) -> String {
    more.map_or(String::new(), |more| {
        format!(" left over {} {}", side(more), qty(imbalance, id, names))
    })
}

/// Every kind of Event, as [`event_kind`] says it.
pub const EVENT_KINDS: &[&str] = &[
    "configured",
    "instrument_defined",
    "session_defined",
    "phase_changed",
    "command_refused",
    "accepted",
    "rejected",
    "rested",
    "traded",
    "canceled",
    "replaced",
    "cancel_rejected",
    "mass_canceled",
    "mass_cancel_rejected",
    "status_reported",
    "numbered",
    "applied",
    "held",
    "triggered",
    "restated",
    "replenished",
    "uncrossed",
    "indicative",
    "busted",
    "relayed",
];

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
        Event::Relayed(_) => "relayed",
        Event::Applied => "applied",
        Event::Held(_) => "held",
        Event::Triggered(_) => "triggered",
        Event::Restated(_) => "restated",
        Event::Replenished(_) => "replenished",
        Event::Uncrossed(_) => "uncrossed",
        Event::Indicative { .. } => "indicative",
        Event::Busted(_) => "busted",
    }
}

/// Every kind of Command, as [`command_kind`] says it.
pub const COMMAND_KINDS: &[&str] = &[
    "configure",
    "define_instrument",
    "define_session",
    "set_phase",
    "new",
    "cancel",
    "replace",
    "mass_cancel",
    "status",
    "refuse",
    "note",
    "expire_day",
    "new_special",
    "replace_stop",
    "set_bands",
    "set_reference",
    "set_session",
    "set_risk",
    "set_permission",
    "publish_indicative",
    "expire",
    "bust",
    "relay",
];

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
        Command::Reduce(_) => "reduce",
        Command::MassCancel(_) => "mass_cancel",
        Command::Status { .. } => "status",
        Command::Refuse { .. } => "refuse",
        Command::Note(_) => "note",
        Command::ExpireDay => "expire_day",
        Command::NewSpecial(..) => "new_special",
        Command::ReplaceStop(..) => "replace_stop",
        Command::SetBands { .. } => "set_bands",
        Command::SetReference { .. } => "set_reference",
        Command::SetSession { .. } => "set_session",
        Command::SetRisk { .. } => "set_risk",
        Command::SetPermission { .. } => "set_permission",
        Command::PublishIndicative { .. } => "publish_indicative",
        Command::Expire => "expire",
        Command::Bust(_) => "bust",
        Command::Relay(_) => "relay",
    }
}

/// The instrument that a Command names, if it names one.
#[must_use]
pub const fn command_instrument(command: &Command) -> Option<InstrumentId> {
    match command {
        Command::DefineInstrument { id, .. } => Some(*id),
        Command::SetPhase { instrument, .. }
        | Command::SetBands { instrument, .. }
        | Command::SetReference { instrument, .. }
        | Command::PublishIndicative { instrument }
        | Command::SetPermission { scope: PermissionScope::Instrument(instrument), .. } => {
            Some(*instrument)
        }
        Command::SetRisk { instrument, .. } => match *instrument {
            InstrumentId::NONE => None,
            id => Some(id),
        },
        Command::Bust(bust) => Some(bust.instrument),
        Command::New(new) | Command::NewSpecial(new, _) => Some(new.instrument),
        Command::Replace(replace) | Command::ReplaceStop(replace, _) => Some(replace.instrument),
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
        Event::Held(it) => Some(it.instrument),
        Event::Triggered(it) => Some(it.instrument),
        Event::Restated(it) => Some(it.instrument),
        Event::Replenished(it) => Some(it.instrument),
        Event::Uncrossed(it) => Some(it.instrument),
        Event::Indicative { instrument, .. } => Some(*instrument),
        Event::Busted(it) => Some(it.instrument),
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

/// The configuration's word for a phase.
const fn phase_word(phase: Phase) -> &'static str {
    match phase {
        Phase::PreOpen => "pre-open",
        Phase::OpeningAuction => "opening-auction",
        Phase::Continuous => "continuous",
        Phase::Halt => "halt",
        Phase::VolatilityAuction => "volatility-auction",
        Phase::ClosingAuction => "closing-auction",
        Phase::Closed => "closed",
    }
}

const fn self_trade_word(mode: SelfTradePrevention) -> &'static str {
    match mode {
        SelfTradePrevention::None => "none",
        SelfTradePrevention::CancelNewest => "cancel-newest",
        SelfTradePrevention::CancelOldest => "cancel-oldest",
        SelfTradePrevention::CancelBoth => "cancel-both",
        SelfTradePrevention::Decrement => "decrement",
    }
}

pub(crate) const fn priority(priority: Priority) -> &'static str {
    match priority {
        Priority::Kept => "place kept",
        Priority::Lost => "place lost",
    }
}

pub(crate) const fn held_reason(reason: HeldReason) -> &'static str {
    match reason {
        HeldReason::Stop => "stop",
        HeldReason::Peg => "peg",
        HeldReason::Waiting => "waits for its auction",
        HeldReason::Auction => "market order in a call",
    }
}

pub(crate) const fn restate_reason(reason: RestateReason) -> &'static str {
    match reason {
        RestateReason::SelfTrade => "self-trade prevention",
        RestateReason::MarketToLimit => "market-to-limit",
        RestateReason::Slide => "slide",
    }
}

pub(crate) fn cancel_reason(reason: CancelReason) -> &'static str {
    match reason {
        CancelReason::Requested => "requested",
        CancelReason::MassCancel => "mass cancel",
        CancelReason::Venue => "by the venue",
        CancelReason::Ioc => "rest of ioc",
        CancelReason::Fok => "fok",
        CancelReason::Market => "rest of market",
        CancelReason::Expired => "expired",
        CancelReason::MinQty => "minimum quantity",
        CancelReason::SelfTrade => "self-trade prevention",
        CancelReason::PriceBand => "price band",
        CancelReason::KillSwitch => "kill switch",
        CancelReason::AuctionEnd => "its auction is over",
        CancelReason::NoRoom => "no room for a price level",
    }
}

fn fill(fill: &Fill, instrument: InstrumentId, names: &Names) -> String {
    let left = qty(fill.leaves_qty, instrument, names);
    format!("{} left {left}", told(fill.session, fill.number, fill.msg.0, names))
}

fn told(session: SessionId, number: OrderNumber, msg: u32, names: &Names) -> String {
    format!("{} out#{msg}", who(session, number, names))
}

pub(crate) fn who(session: SessionId, number: OrderNumber, names: &Names) -> String {
    format!("{}/{}", names.session(session), order(number))
}

fn order(number: OrderNumber) -> String {
    match number {
        OrderNumber::NONE => "?".into(),
        OrderNumber(number) => number.to_string(),
    }
}

pub(crate) fn symbol(id: InstrumentId, names: &Names) -> &str {
    names.instruments.get(id.index()).map_or("?", |instrument| instrument.symbol.as_str())
}

pub(crate) fn price(price: Price, id: InstrumentId, names: &Names) -> String {
    in_decimals(names, id, price.ticks(), |instrument| text::price(price, instrument))
}

pub(crate) fn qty(qty: Qty, id: InstrumentId, names: &Names) -> String {
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
