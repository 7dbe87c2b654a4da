//! The bytes of an Input and of an Event: fixed, little endian, a multiple of eight.
//!
//! A turn in the journal is one Input record followed by its Event records. The tables are in
//! `journal/FORMAT.md`. Every record begins with the same eight bytes:
//!
//! | off | len | field |
//! |---:|---:|---|
//! | 0 | 2 | length of the record, these eight bytes and padding included |
//! | 2 | 1 | kind: 1 to 63 an Input, 64 and above an Event |
//! | 3 | 1 | a small code of that kind (side, reason, scope …) |
//! | 4 | 4 | session, or instrument where no session is concerned |
//!
//! An Input may carry an *attachment*: bytes of the border (a ClOrdID, fields to echo) that the
//! engine never sees and that its readers need to write the answer.

use std::fmt;
use std::hint::select_unpredictable;

use crate::command::{
    Bust, Command, Input, Limits, Liquidity, MassCancelScope, NewOrder, Numbering, OrderKind, Peg,
    Permission, PermissionScope, ReduceOrder, RefusedRequest, Relay, ReplaceOrder, RiskLimits,
    SelfTradePrevention, Terms, Trigger,
};
use crate::engine::Wanted;
use crate::event::{
    Accepted, Busted, BustedPart, CancelReason, CancelRejected, CancelRequest, Canceled, Event,
    Fill, Held, HeldReason, PhaseReason, Priority, RejectReason, Rejected, Relayed, Replaced,
    Replenished, RestateReason, Restated, Rested, StatusReported, TradeKind, Traded, Triggered,
    Uncrossed, WorkingOrder,
};
use crate::instrument::{BandAction, Bands, Instrument, Phase};
use crate::types::{
    InstrumentId, MsgSeqNum, Notional, OrderId, OrderNumber, OrderRef, ParticipantId, Price, Qty,
    Sequence, SessionId, Side, Text, TimeInForce, Timestamp, TradeId,
};

/// Version of these layouts, written in every segment header of a venue's journal.
pub const RECORD_VERSION: u16 = 2;

/// Bytes of an attachment at most.
pub const ATTACHMENT_BYTES_MAX: usize = 192;

/// Bytes of an Input record at most, its attachment included.
pub const INPUT_BYTES_MAX: usize = INPUT_HEAD + 80 + ATTACHMENT_BYTES_MAX;

/// Bytes of an Event record at most.
pub const EVENT_BYTES_MAX: usize = 144;

/// Bytes of the record of a canceled order.
pub const CANCELED_BYTES: usize = match event_layout(kind::CANCELED) {
    Some(bytes) => bytes,
    None => 0,
};

const INPUT_HEAD: usize = 24;
const TIMESTAMP_AT: usize = 8;

/// Bytes that are not a record. In a journal whose checksums hold this means another version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordError {
    /// The length is not that of the kind, or goes past the end of the bytes.
    Length {
        /// The kind byte, 0 if not even that is there.
        kind: u8,
    },
    /// No record has this kind.
    Kind(u8),
    /// A field holds a code that is not defined.
    Field {
        /// The kind byte.
        kind: u8,
        /// Offset of the field in the record.
        offset: u16,
    },
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecordError::Length { kind } => write!(f, "record of kind {kind} has a wrong length"),
            RecordError::Kind(kind) => write!(f, "unknown record kind {kind}"),
            RecordError::Field { kind, offset } => {
                write!(f, "record of kind {kind} has an undefined code at offset {offset}")
            }
        }
    }
}

impl std::error::Error for RecordError {}

/// One record of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// The first record of a turn.
    Input {
        /// What was asked.
        input: Input,
        /// Bytes of the border.
        attachment: &'a [u8],
    },
    /// The records after it.
    Event(Event),
}

mod kind {
    pub(super) const CONFIGURE: u8 = 1;
    pub(super) const DEFINE_INSTRUMENT: u8 = 2;
    pub(super) const DEFINE_SESSION: u8 = 3;
    pub(super) const SET_PHASE: u8 = 4;
    pub(super) const NEW: u8 = 5;
    pub(super) const CANCEL: u8 = 6;
    pub(super) const REPLACE: u8 = 7;
    pub(super) const MASS_CANCEL: u8 = 8;
    pub(super) const STATUS: u8 = 9;
    pub(super) const REFUSE: u8 = 10;
    pub(super) const NOTE: u8 = 11;
    pub(super) const EXPIRE_DAY: u8 = 12;
    pub(super) const NEW_SPECIAL: u8 = 13;
    pub(super) const REPLACE_STOP: u8 = 14;
    pub(super) const SET_BANDS: u8 = 15;
    pub(super) const SET_REFERENCE: u8 = 16;
    pub(super) const SET_SESSION: u8 = 17;
    pub(super) const SET_RISK: u8 = 18;
    pub(super) const SET_PERMISSION: u8 = 19;
    pub(super) const PUBLISH_INDICATIVE: u8 = 20;
    pub(super) const EXPIRE: u8 = 21;
    pub(super) const BUST: u8 = 22;
    pub(super) const REDUCE: u8 = 23;
    pub(super) const RELAY: u8 = 24;

    pub(super) const EVENTS: u8 = 64;
    pub(super) const CONFIGURED: u8 = 64;
    pub(super) const INSTRUMENT_DEFINED: u8 = 65;
    pub(super) const SESSION_DEFINED: u8 = 66;
    pub(super) const PHASE_CHANGED: u8 = 67;
    pub(super) const COMMAND_REFUSED: u8 = 68;
    pub(super) const ACCEPTED: u8 = 69;
    pub(super) const REJECTED: u8 = 70;
    pub(super) const RESTED: u8 = 71;
    pub(super) const TRADED: u8 = 72;
    pub(super) const CANCELED: u8 = 73;
    pub(super) const REPLACED: u8 = 74;
    pub(super) const CANCEL_REJECTED: u8 = 75;
    pub(super) const MASS_CANCELED: u8 = 76;
    pub(super) const MASS_CANCEL_REJECTED: u8 = 77;
    pub(super) const STATUS_REPORTED: u8 = 78;
    pub(super) const NUMBERED: u8 = 79;
    pub(super) const APPLIED: u8 = 80;
    pub(super) const HELD: u8 = 81;
    pub(super) const TRIGGERED: u8 = 82;
    pub(super) const RESTATED: u8 = 83;
    pub(super) const REPLENISHED: u8 = 84;
    pub(super) const UNCROSSED: u8 = 85;
    pub(super) const INDICATIVE: u8 = 86;
    pub(super) const BUSTED: u8 = 87;
    pub(super) const RELAYED: u8 = 88;
}

/// Writes fields one after another into `N` bytes: offsets are known when this is compiled, so no write
/// is checked when it runs.
struct Put<'a, const N: usize> {
    bytes: &'a mut [u8; N],
    at: usize,
}

impl<'a, const N: usize> Put<'a, N> {
    /// Begins an Event record of `N` bytes, which is all of `out`.
    #[inline(always)]
    fn event(out: &'a mut [u8], kind: u8, code: u8, subject: u32) -> Put<'a, N> {
        let bytes: &mut [u8; N] = out.try_into().expect("exactly `event_bytes` long");
        let mut put = Put { bytes, at: 0 };
        #[allow(clippy::cast_possible_truncation)] // At most EVENT_BYTES_MAX.
        put.u16(N as u16).u8(kind).u8(code).u32(subject);
        put
    }
    #[inline(always)]
    fn raw<const M: usize>(&mut self, value: [u8; M]) -> &mut Self {
        self.bytes[self.at..self.at + M].copy_from_slice(&value);
        self.at += M;
        self
    }
    #[inline(always)]
    fn u8(&mut self, value: u8) -> &mut Self {
        self.raw([value])
    }
    #[inline(always)]
    fn u16(&mut self, value: u16) -> &mut Self {
        self.raw(value.to_le_bytes())
    }
    #[inline(always)]
    fn u32(&mut self, value: u32) -> &mut Self {
        self.raw(value.to_le_bytes())
    }
    #[inline(always)]
    fn u64(&mut self, value: u64) -> &mut Self {
        self.raw(value.to_le_bytes())
    }
    #[inline(always)]
    fn i64(&mut self, value: i64) -> &mut Self {
        self.raw(value.to_le_bytes())
    }
}

/// Reads fields one after another from `N` bytes at offset `from` of a record.
struct Get<'a, const N: usize> {
    bytes: &'a [u8; N],
    from: usize,
    at: usize,
    kind: u8,
}

impl<'a, const N: usize> Get<'a, N> {
    #[inline(always)]
    fn new(record: &'a [u8], from: usize) -> Result<Get<'a, N>, RecordError> {
        let kind = record.get(2).copied().unwrap_or(0);
        let bytes = record.get(from..).and_then(|rest| rest.first_chunk());
        let bytes = bytes.ok_or(RecordError::Length { kind })?;
        Ok(Get { bytes, from, at: 0, kind })
    }
    #[inline(always)]
    fn raw<const M: usize>(&mut self) -> [u8; M] {
        let mut value = [0; M];
        value.copy_from_slice(&self.bytes[self.at..self.at + M]);
        self.at += M;
        value
    }
    #[inline(always)]
    fn u8(&mut self) -> u8 {
        let [value] = self.raw();
        value
    }
    #[inline(always)]
    fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.raw())
    }
    #[inline(always)]
    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.raw())
    }
    #[inline(always)]
    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.raw())
    }
    #[inline(always)]
    fn i64(&mut self) -> i64 {
        i64::from_le_bytes(self.raw())
    }
    /// The value of a code whose last byte was read just now, or the error that names that byte.
    #[inline(always)]
    fn code<T>(&self, value: Option<T>) -> Result<T, RecordError> {
        let offset = u16::try_from(self.from + self.at - 1).unwrap_or(u16::MAX);
        value.ok_or(RecordError::Field { kind: self.kind, offset })
    }
}

const fn body_bytes(kind: u8) -> Option<usize> {
    Some(match kind {
        kind::CONFIGURE => 16,
        kind::DEFINE_INSTRUMENT => 64,
        kind::DEFINE_SESSION => 8,
        kind::SET_PHASE => 8,
        kind::NEW => 32,
        kind::CANCEL => 8,
        kind::REPLACE => 32,
        kind::MASS_CANCEL => 8,
        kind::STATUS | kind::RELAY => 8,
        kind::REFUSE | kind::REDUCE => 16,
        kind::NOTE | kind::EXPIRE_DAY | kind::EXPIRE => 0,
        kind::NEW_SPECIAL => 80,
        kind::REPLACE_STOP => 40,
        kind::SET_BANDS => 24,
        kind::SET_REFERENCE => 16,
        kind::SET_SESSION | kind::SET_PERMISSION | kind::PUBLISH_INDICATIVE => 8,
        kind::SET_RISK => 56,
        kind::BUST => 48,
        _ => return None,
    })
}

const fn command_kind(command: &Command) -> u8 {
    match command {
        Command::Configure(_) => kind::CONFIGURE,
        Command::DefineInstrument { .. } => kind::DEFINE_INSTRUMENT,
        Command::DefineSession { .. } => kind::DEFINE_SESSION,
        Command::SetPhase { .. } => kind::SET_PHASE,
        Command::New(_) => kind::NEW,
        Command::Cancel { .. } => kind::CANCEL,
        Command::Replace(_) => kind::REPLACE,
        Command::MassCancel(_) => kind::MASS_CANCEL,
        Command::Status { .. } => kind::STATUS,
        Command::Refuse { .. } => kind::REFUSE,
        Command::Note(_) => kind::NOTE,
        Command::ExpireDay => kind::EXPIRE_DAY,
        Command::NewSpecial(..) => kind::NEW_SPECIAL,
        Command::ReplaceStop(..) => kind::REPLACE_STOP,
        Command::SetBands { .. } => kind::SET_BANDS,
        Command::SetReference { .. } => kind::SET_REFERENCE,
        Command::SetSession { .. } => kind::SET_SESSION,
        Command::SetRisk { .. } => kind::SET_RISK,
        Command::SetPermission { .. } => kind::SET_PERMISSION,
        Command::PublishIndicative { .. } => kind::PUBLISH_INDICATIVE,
        Command::Expire => kind::EXPIRE,
        Command::Bust(_) => kind::BUST,
        Command::Reduce(_) => kind::REDUCE,
        Command::Relay(_) => kind::RELAY,
    }
}

/// Writes an Input record with its attachment at the start of `out`; returns its length.
///
/// The Sequence is not in the record: the journal's frame carries it.
///
/// # Panics
///
/// If the attachment is longer than [`ATTACHMENT_BYTES_MAX`]: the border bounds it.
pub fn encode_input(input: &Input, attachment: &[u8], out: &mut [u8; INPUT_BYTES_MAX]) -> usize {
    assert!(attachment.len() <= ATTACHMENT_BYTES_MAX);
    let kind = command_kind(&input.command);
    let body = body_bytes(kind).unwrap_or(0);
    let len = (INPUT_HEAD + body + attachment.len()).next_multiple_of(8);
    out[len - 8..len].fill(0);
    #[allow(clippy::cast_possible_truncation)] // Both are below INPUT_BYTES_MAX.
    let (len16, attachment16) = (len as u16, attachment.len() as u16);
    let mut put = Put { bytes: out, at: 0 };
    put.u16(len16).u8(kind).u8(sub_code(&input.command)).u32(input.session.0);
    put.u64(input.timestamp.0).u32(input.inbound.0).u16(attachment16).u16(0);
    match &input.command {
        Command::Configure(limits) => {
            put.u32(limits.orders_max).u32(limits.levels_max);
            put.u32(limits.instruments_max).u32(limits.sessions_max);
        }
        Command::DefineInstrument { id, instrument } => {
            put.u32(id.0).u8(instrument.price_decimals).u8(instrument.qty_decimals).u16(0);
            put.raw(*instrument.symbol.padded());
            put.u32(instrument.tick_size).u32(instrument.lot_size);
            put.u64(instrument.qty_min.lots()).u64(instrument.qty_max.lots());
            put.i64(instrument.price_min.ticks()).i64(instrument.price_max.ticks());
        }
        Command::DefineSession { id, participant } => {
            put.u32(id.0).u32(participant.0);
        }
        Command::SetPhase { instrument, .. } => {
            put.u32(instrument.0).u32(0);
        }
        Command::New(new) => put_new(&mut put, new),
        Command::NewSpecial(new, terms) => {
            put_new(&mut put, new);
            let (trigger, trigger_value) = match terms.trigger {
                Trigger::None => (0, 0),
                Trigger::Stop(price) => (1, price.ticks()),
                Trigger::Trailing(offset) => (2, offset.cast_signed()),
            };
            let (peg, peg_offset) = match terms.peg {
                Peg::None => (0, 0),
                Peg::Primary(offset) => (1, offset),
                Peg::Midpoint(offset) => (2, offset),
            };
            put.u64(terms.display_qty.lots()).u64(terms.min_qty.lots()).u64(terms.expire_at.0);
            put.i64(trigger_value).u64(peg_offset).u8(trigger).u8(peg).u16(0).u32(0);
        }
        Command::Cancel { target } | Command::Status { target } => {
            put.u32(target.0).u32(0);
        }
        Command::Replace(replace) => put_replace(&mut put, replace),
        Command::Reduce(reduce) => {
            put.u32(reduce.target.0).u32(0).u64(reduce.qty.lots());
        }
        Command::Relay(relay) => {
            put.u32(relay.first.0).u32(relay.count);
        }
        Command::ReplaceStop(replace, trigger) => {
            put_replace(&mut put, replace);
            put.i64(trigger.ticks());
        }
        Command::SetBands { instrument, bands } => {
            put.u32(instrument.0).u32(0).u64(bands.static_ticks).u64(bands.dynamic_ticks);
        }
        Command::SetReference { instrument, price } => {
            put.u32(instrument.0).u32(0).i64(price.ticks());
        }
        Command::SetSession { session, group, .. } => {
            put.u32(session.0).u32(*group);
        }
        Command::SetRisk { participant, instrument, limits } => {
            put.u32(participant.0).u32(instrument.0).u64(limits.order_qty_max.lots());
            put.u64(limits.order_notional_max).u64(limits.collar_ticks);
            put.u64(limits.open_notional_max).u64(limits.position_max);
            put.u32(limits.open_orders_max).u32(0);
        }
        Command::SetPermission { scope, .. } => {
            let (kind, id) = match scope {
                PermissionScope::Session(id) => (1, id.0),
                PermissionScope::Participant(id) => (2, id.0),
                PermissionScope::Group(group) => (3, *group),
                PermissionScope::Instrument(id) => (4, id.0),
            };
            put.u32(id).u8(kind).u8(0).u16(0);
        }
        Command::PublishIndicative { instrument } => {
            put.u32(instrument.0).u32(0);
        }
        Command::Bust(bust) => {
            put.u64(bust.trade.0).u32(bust.instrument.0).u32(0);
            put.i64(bust.price.ticks()).u64(bust.qty.lots());
            put.u32(bust.buy.0.0).u32(bust.buy.1.0).u32(bust.sell.0.0).u32(bust.sell.1.0);
        }
        Command::MassCancel(scope) => {
            let instrument = match scope {
                MassCancelScope::Session => InstrumentId::NONE,
                MassCancelScope::SessionInstrument(id) | MassCancelScope::Instrument(id) => *id,
            };
            put.u32(instrument.0).u32(0);
        }
        Command::Refuse { request, reason } => {
            let (number, target) = match request {
                RefusedRequest::New(number) => (*number, OrderNumber::NONE),
                RefusedRequest::Cancel { target } => (OrderNumber::NONE, *target),
                RefusedRequest::Replace { number, target } => (*number, *target),
                RefusedRequest::MassCancel => (OrderNumber::NONE, OrderNumber::NONE),
            };
            put.u32(number.0).u32(target.0).u16(reason.code()).u16(0).u32(0);
        }
        Command::Note(_) | Command::ExpireDay | Command::Expire => {}
    }
    let at = put.at;
    assert!(at == INPUT_HEAD + body);
    out[at..at + attachment.len()].copy_from_slice(attachment);
    len
}

#[inline(always)]
fn put_new<const N: usize>(put: &mut Put<'_, N>, new: &NewOrder) {
    let (order_type, price) = match new.kind {
        OrderKind::Limit(price) => (2, price),
        OrderKind::Market => (1, Price::default()),
        OrderKind::MarketToLimit => (3, Price::default()),
    };
    put.u32(new.number.0).u32(new.instrument.0);
    put.i64(price.ticks()).u64(new.qty.lots());
    put.u8(order_type).u8(new.time_in_force as u8).u8(new.liquidity as u8).u8(0).u32(0);
}

#[inline(always)]
fn put_replace<const N: usize>(put: &mut Put<'_, N>, replace: &ReplaceOrder) {
    put.u32(replace.number.0).u32(replace.instrument.0);
    put.i64(replace.price.ticks()).u64(replace.qty.lots());
    put.u32(replace.target.0).u32(0);
}

const fn sub_code(command: &Command) -> u8 {
    match command {
        Command::New(new) | Command::NewSpecial(new, _) => new.side as u8,
        Command::Replace(replace) | Command::ReplaceStop(replace, _) => replace.side as u8,
        Command::DefineInstrument { instrument, .. } => instrument.phase as u8,
        Command::SetPhase { phase, .. } => *phase as u8,
        Command::SetBands { bands, .. } => bands.action as u8,
        Command::SetSession { self_trade, .. } => *self_trade as u8,
        Command::SetPermission { permission, .. } => *permission as u8,
        Command::MassCancel(MassCancelScope::Session) => 1,
        Command::MassCancel(MassCancelScope::SessionInstrument(_)) => 2,
        Command::MassCancel(MassCancelScope::Instrument(_)) => 3,
        Command::Refuse { request, .. } => match request {
            RefusedRequest::New(_) => 1,
            RefusedRequest::Cancel { .. } => 2,
            RefusedRequest::Replace { .. } => 3,
            RefusedRequest::MassCancel => 4,
        },
        Command::Note(numbering) => *numbering as u8,
        Command::Relay(relay) => relay.shard,
        _ => 0,
    }
}

/// Stamps an encoded Input record. The core does this to the bytes that came through the ring.
pub fn stamp_input(record: &mut [u8], timestamp: Timestamp) {
    record[TIMESTAMP_AT..TIMESTAMP_AT + 8].copy_from_slice(&timestamp.0.to_le_bytes());
}

/// The length of the record at the start of `bytes`.
///
/// # Errors
///
/// If it goes past the end of the bytes, or is no multiple of eight.
pub fn record_bytes(bytes: &[u8]) -> Result<usize, RecordError> {
    if bytes.len() < 8 {
        return Err(RecordError::Length { kind: 0 });
    }
    let len = usize::from(u16::from_le_bytes([bytes[0], bytes[1]]));
    if len < 8 || len % 8 != 0 || len > bytes.len() {
        return Err(RecordError::Length { kind: bytes[2] });
    }
    Ok(len)
}

/// Reads the Input record at the start of `bytes`; returns it, its attachment and its length.
///
/// # Errors
///
/// If the bytes are no Input record.
pub fn decode_input(
    sequence: Sequence,
    bytes: &[u8],
) -> Result<(Input, &[u8], usize), RecordError> {
    let len = record_bytes(bytes)?;
    let bytes = &bytes[..len];
    let kind = bytes[2];
    let body = body_bytes(kind).ok_or(RecordError::Kind(kind))?;
    if len < INPUT_HEAD + body {
        return Err(RecordError::Length { kind });
    }
    let mut get = Get::<INPUT_HEAD>::new(bytes, 0)?;
    get.at = 3;
    let sub = get.u8();
    let session = SessionId(get.u32());
    let timestamp = Timestamp(get.u64());
    let inbound = MsgSeqNum(get.u32());
    let attachment_len = usize::from(get.u16());
    if (INPUT_HEAD + body + attachment_len).next_multiple_of(8) != len
        || attachment_len > ATTACHMENT_BYTES_MAX
    {
        return Err(RecordError::Length { kind });
    }
    let command = decode_command(kind, sub, bytes)?;
    let attachment = &bytes[INPUT_HEAD + body..INPUT_HEAD + body + attachment_len];
    Ok((Input { sequence, timestamp, session, inbound, command }, attachment, len))
}

/// The attachment of the Input record at the start of `bytes`, without decoding the record. `None`: there is no Input
/// record of this version.
#[must_use]
pub fn attachment(bytes: &[u8]) -> Option<&[u8]> {
    let body = body_bytes(*bytes.get(2)?)?;
    let len = usize::from(u16::from_le_bytes([*bytes.get(20)?, *bytes.get(21)?]));
    bytes.get(INPUT_HEAD + body..INPUT_HEAD + body + len)
}

/// Bytes of an Input record in which [`wanted`] finds all that it reads.
pub const WANTED_BYTES: usize = INPUT_HEAD + 32;

/// What the Input record that begins with `head` says of the memory that it will want: what
/// [`Wanted::by`] says of its Command. Of bytes that are no such record it says something, or nothing.
///
/// It asks for the kind without a branch: what comes next cannot be foretold.
#[must_use]
#[inline]
pub fn wanted(head: &[u8; WANTED_BYTES]) -> Wanted {
    let u32_at =
        |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let body = INPUT_HEAD;
    let low = u64::from(u32_at(body + 8));
    let price = (u64::from(u32_at(body + 12)) << 32 | low).cast_signed();
    let kind = head[2];
    let enters = (kind == kind::NEW) | (kind == kind::NEW_SPECIAL);
    let replaces = (kind == kind::REPLACE) | (kind == kind::REPLACE_STOP);
    let stands = enters | replaces;
    let leaves = (kind == kind::CANCEL) | (kind == kind::REDUCE);
    let target = select_unpredictable(replaces, u32_at(body + 24), 0);
    Wanted {
        session: SessionId(u32_at(4)),
        target: OrderNumber(select_unpredictable(leaves, u32_at(body), target)),
        instrument: InstrumentId(select_unpredictable(stands, u32_at(body + 4), 0)),
        side: select_unpredictable(stands & (head[3] == Side::Sell as u8), Side::Sell, Side::Buy),
        price: Price::from_ticks(select_unpredictable(stands, price, 0)),
    }
}

#[inline]
fn decode_command(kind: u8, sub: u8, record: &[u8]) -> Result<Command, RecordError> {
    let sub_error = RecordError::Field { kind, offset: 3 };
    Ok(match kind {
        kind::CONFIGURE => {
            let mut get = Get::<16>::new(record, INPUT_HEAD)?;
            Command::Configure(Limits {
                orders_max: get.u32(),
                levels_max: get.u32(),
                instruments_max: get.u32(),
                sessions_max: get.u32(),
            })
        }
        kind::DEFINE_INSTRUMENT => {
            let mut get = Get::<64>::new(record, INPUT_HEAD)?;
            let id = InstrumentId(get.u32());
            let (price_decimals, qty_decimals) = (get.u8(), get.u8());
            get.at += 2;
            let symbol: [u8; 16] = get.raw();
            let symbol_len = symbol.iter().position(|byte| *byte == 0).unwrap_or(symbol.len());
            let symbol = get.code(Text::new(&symbol[..symbol_len]))?;
            let (tick_size, lot_size) = (get.u32(), get.u32());
            let (qty_min, qty_max) = (Qty::from_lots(get.u64()), Qty::from_lots(get.u64()));
            let price_min = Price::from_ticks(get.i64());
            let price_max = Price::from_ticks(get.i64());
            let phase = phase(sub).ok_or(sub_error)?;
            let instrument = Instrument {
                symbol,
                price_decimals,
                qty_decimals,
                tick_size,
                lot_size,
                qty_min,
                qty_max,
                price_min,
                price_max,
                phase,
            };
            Command::DefineInstrument { id, instrument }
        }
        kind::DEFINE_SESSION => {
            let mut get = Get::<8>::new(record, INPUT_HEAD)?;
            Command::DefineSession {
                id: SessionId(get.u32()),
                participant: ParticipantId(get.u32()),
            }
        }
        kind::SET_PHASE => {
            let mut get = Get::<8>::new(record, INPUT_HEAD)?;
            Command::SetPhase {
                instrument: InstrumentId(get.u32()),
                phase: phase(sub).ok_or(sub_error)?,
            }
        }
        kind::NEW => {
            let mut get = Get::<32>::new(record, INPUT_HEAD)?;
            Command::New(new_order(&mut get, side(sub).ok_or(sub_error)?)?)
        }
        kind::NEW_SPECIAL => {
            let mut get = Get::<80>::new(record, INPUT_HEAD)?;
            let new = new_order(&mut get, side(sub).ok_or(sub_error)?)?;
            let (display_qty, min_qty) = (Qty::from_lots(get.u64()), Qty::from_lots(get.u64()));
            let expire_at = Timestamp(get.u64());
            let (trigger_value, peg_offset) = (get.i64(), get.u64());
            let trigger = get.u8();
            let trigger = get.code(match trigger {
                0 => Some(Trigger::None),
                1 => Some(Trigger::Stop(Price::from_ticks(trigger_value))),
                2 => Some(Trigger::Trailing(trigger_value.cast_unsigned())),
                _ => None,
            })?;
            let peg = get.u8();
            let peg = get.code(match peg {
                0 => Some(Peg::None),
                1 => Some(Peg::Primary(peg_offset)),
                2 => Some(Peg::Midpoint(peg_offset)),
                _ => None,
            })?;
            Command::NewSpecial(new, Terms { display_qty, min_qty, expire_at, trigger, peg })
        }
        kind::CANCEL => {
            let mut get = Get::<8>::new(record, INPUT_HEAD)?;
            Command::Cancel { target: OrderNumber(get.u32()) }
        }
        kind::STATUS => {
            let mut get = Get::<8>::new(record, INPUT_HEAD)?;
            Command::Status { target: OrderNumber(get.u32()) }
        }
        kind::RELAY => {
            let mut get = Get::<8>::new(record, INPUT_HEAD)?;
            Command::Relay(Relay { shard: sub, first: MsgSeqNum(get.u32()), count: get.u32() })
        }
        kind::REPLACE => {
            let mut get = Get::<32>::new(record, INPUT_HEAD)?;
            Command::Replace(replace_order(&mut get, side(sub).ok_or(sub_error)?))
        }
        kind::REDUCE => {
            let mut get = Get::<16>::new(record, INPUT_HEAD)?;
            let target = OrderNumber(get.u32());
            get.at += 4;
            Command::Reduce(ReduceOrder { target, qty: Qty::from_lots(get.u64()) })
        }
        kind::REPLACE_STOP => {
            let mut get = Get::<40>::new(record, INPUT_HEAD)?;
            let replace = replace_order(&mut get, side(sub).ok_or(sub_error)?);
            get.at += 4;
            Command::ReplaceStop(replace, Price::from_ticks(get.i64()))
        }
        kind::SET_BANDS => {
            let mut get = Get::<24>::new(record, INPUT_HEAD)?;
            let instrument = InstrumentId(get.u32());
            get.at += 4;
            let action = match sub {
                1 => BandAction::Reject,
                2 => BandAction::Interrupt,
                _ => return Err(sub_error),
            };
            let (static_ticks, dynamic_ticks) = (get.u64(), get.u64());
            Command::SetBands { instrument, bands: Bands { static_ticks, dynamic_ticks, action } }
        }
        kind::SET_REFERENCE => {
            let mut get = Get::<16>::new(record, INPUT_HEAD)?;
            let instrument = InstrumentId(get.u32());
            get.at += 4;
            Command::SetReference { instrument, price: Price::from_ticks(get.i64()) }
        }
        kind::SET_SESSION => {
            let mut get = Get::<8>::new(record, INPUT_HEAD)?;
            let self_trade = match sub {
                0 => SelfTradePrevention::None,
                1 => SelfTradePrevention::CancelNewest,
                2 => SelfTradePrevention::CancelOldest,
                3 => SelfTradePrevention::CancelBoth,
                4 => SelfTradePrevention::Decrement,
                _ => return Err(sub_error),
            };
            Command::SetSession { session: SessionId(get.u32()), group: get.u32(), self_trade }
        }
        kind::SET_RISK => {
            let mut get = Get::<56>::new(record, INPUT_HEAD)?;
            let (participant, instrument) = (ParticipantId(get.u32()), InstrumentId(get.u32()));
            let limits = RiskLimits {
                order_qty_max: Qty::from_lots(get.u64()),
                order_notional_max: get.u64(),
                collar_ticks: get.u64(),
                open_notional_max: get.u64(),
                position_max: get.u64(),
                open_orders_max: get.u32(),
            };
            Command::SetRisk { participant, instrument, limits }
        }
        kind::SET_PERMISSION => {
            let mut get = Get::<8>::new(record, INPUT_HEAD)?;
            let id = get.u32();
            let scope = get.u8();
            let scope = get.code(match scope {
                1 => Some(PermissionScope::Session(SessionId(id))),
                2 => Some(PermissionScope::Participant(ParticipantId(id))),
                3 => Some(PermissionScope::Group(id)),
                4 => Some(PermissionScope::Instrument(InstrumentId(id))),
                _ => None,
            })?;
            let permission = match sub {
                0 => Permission::Trade,
                1 => Permission::CancelOnly,
                2 => Permission::Killed,
                _ => return Err(sub_error),
            };
            Command::SetPermission { scope, permission }
        }
        kind::PUBLISH_INDICATIVE => {
            let mut get = Get::<8>::new(record, INPUT_HEAD)?;
            Command::PublishIndicative { instrument: InstrumentId(get.u32()) }
        }
        kind::EXPIRE => Command::Expire,
        kind::BUST => {
            let mut get = Get::<48>::new(record, INPUT_HEAD)?;
            let (trade, instrument) = (TradeId(get.u64()), InstrumentId(get.u32()));
            get.at += 4;
            Command::Bust(Bust {
                trade,
                instrument,
                price: Price::from_ticks(get.i64()),
                qty: Qty::from_lots(get.u64()),
                buy: (SessionId(get.u32()), OrderNumber(get.u32())),
                sell: (SessionId(get.u32()), OrderNumber(get.u32())),
            })
        }
        kind::MASS_CANCEL => {
            let mut get = Get::<8>::new(record, INPUT_HEAD)?;
            let instrument = InstrumentId(get.u32());
            Command::MassCancel(match sub {
                1 => MassCancelScope::Session,
                2 => MassCancelScope::SessionInstrument(instrument),
                3 => MassCancelScope::Instrument(instrument),
                _ => return Err(sub_error),
            })
        }
        kind::REFUSE => {
            let mut get = Get::<16>::new(record, INPUT_HEAD)?;
            let (number, target) = (OrderNumber(get.u32()), OrderNumber(get.u32()));
            let reason = get.u16();
            let reason = get.code(RejectReason::from_code(reason))?;
            let request = match sub {
                1 => RefusedRequest::New(number),
                2 => RefusedRequest::Cancel { target },
                3 => RefusedRequest::Replace { number, target },
                4 => RefusedRequest::MassCancel,
                _ => return Err(sub_error),
            };
            Command::Refuse { request, reason }
        }
        kind::NOTE => Command::Note(match sub {
            1 => Numbering::Next,
            2 => Numbering::Reset,
            3 => Numbering::InboundOnly,
            4 => Numbering::Clear,
            _ => return Err(sub_error),
        }),
        kind::EXPIRE_DAY => Command::ExpireDay,
        _ => return Err(RecordError::Kind(kind)),
    })
}

#[inline(always)]
fn new_order<const N: usize>(get: &mut Get<'_, N>, side: Side) -> Result<NewOrder, RecordError> {
    let (number, instrument) = (OrderNumber(get.u32()), InstrumentId(get.u32()));
    let price = Price::from_ticks(get.i64());
    let qty = Qty::from_lots(get.u64());
    let order_type = get.u8();
    let kind = get.code(match order_type {
        1 => Some(OrderKind::Market),
        2 => Some(OrderKind::Limit(price)),
        3 => Some(OrderKind::MarketToLimit),
        _ => None,
    })?;
    let time_in_force = get.u8();
    let time_in_force = get.code(self::time_in_force(time_in_force))?;
    let liquidity = get.u8();
    let liquidity = get.code(match liquidity {
        0 => Some(Liquidity::Any),
        1 => Some(Liquidity::PostOnly),
        2 => Some(Liquidity::Slide),
        _ => None,
    })?;
    get.at += 5;
    Ok(NewOrder { number, instrument, side, kind, qty, time_in_force, liquidity })
}

#[inline(always)]
fn replace_order<const N: usize>(get: &mut Get<'_, N>, side: Side) -> ReplaceOrder {
    ReplaceOrder {
        number: OrderNumber(get.u32()),
        instrument: InstrumentId(get.u32()),
        side,
        price: Price::from_ticks(get.i64()),
        qty: Qty::from_lots(get.u64()),
        target: OrderNumber(get.u32()),
    }
}

const fn side(code: u8) -> Option<Side> {
    match code {
        1 => Some(Side::Buy),
        2 => Some(Side::Sell),
        _ => None,
    }
}

const fn phase(code: u8) -> Option<Phase> {
    match code {
        1 => Some(Phase::Continuous),
        2 => Some(Phase::Halt),
        3 => Some(Phase::Closed),
        4 => Some(Phase::PreOpen),
        5 => Some(Phase::OpeningAuction),
        6 => Some(Phase::VolatilityAuction),
        7 => Some(Phase::ClosingAuction),
        _ => None,
    }
}

const fn time_in_force(code: u8) -> Option<TimeInForce> {
    match code {
        0 => Some(TimeInForce::Day),
        1 => Some(TimeInForce::Gtc),
        3 => Some(TimeInForce::Ioc),
        4 => Some(TimeInForce::Fok),
        2 => Some(TimeInForce::AtOpen),
        6 => Some(TimeInForce::Gtd),
        7 => Some(TimeInForce::AtClose),
        10 => Some(TimeInForce::Gfa),
        _ => None,
    }
}

const fn cancel_reason(code: u8) -> Option<CancelReason> {
    match code {
        1 => Some(CancelReason::Requested),
        2 => Some(CancelReason::MassCancel),
        3 => Some(CancelReason::Venue),
        4 => Some(CancelReason::Ioc),
        5 => Some(CancelReason::Fok),
        6 => Some(CancelReason::Market),
        7 => Some(CancelReason::Expired),
        8 => Some(CancelReason::MinQty),
        9 => Some(CancelReason::SelfTrade),
        10 => Some(CancelReason::PriceBand),
        11 => Some(CancelReason::KillSwitch),
        12 => Some(CancelReason::AuctionEnd),
        13 => Some(CancelReason::NoRoom),
        _ => None,
    }
}

const fn event_layout(kind: u8) -> Option<usize> {
    Some(match kind {
        kind::CONFIGURED
        | kind::INSTRUMENT_DEFINED
        | kind::SESSION_DEFINED
        | kind::PHASE_CHANGED
        | kind::COMMAND_REFUSED => 16,
        kind::ACCEPTED => 16,
        kind::REJECTED | kind::RELAYED => 24,
        kind::RESTED => 40,
        kind::TRADED => 144,
        kind::CANCELED => 64,
        kind::REPLACED => 88,
        kind::CANCEL_REJECTED => 24,
        kind::MASS_CANCELED | kind::MASS_CANCEL_REJECTED => 16,
        kind::STATUS_REPORTED => 48,
        kind::NUMBERED => 16,
        kind::APPLIED => 8,
        kind::HELD => 32,
        kind::TRIGGERED => 40,
        kind::RESTATED => 80,
        kind::REPLENISHED => 40,
        kind::UNCROSSED | kind::INDICATIVE => 40,
        kind::BUSTED => 56,
        _ => return None,
    })
}

const fn event_kind(event: &Event) -> u8 {
    match event {
        Event::Configured => kind::CONFIGURED,
        Event::InstrumentDefined { .. } => kind::INSTRUMENT_DEFINED,
        Event::SessionDefined { .. } => kind::SESSION_DEFINED,
        Event::PhaseChanged { .. } => kind::PHASE_CHANGED,
        Event::CommandRefused { .. } => kind::COMMAND_REFUSED,
        Event::Accepted(_) => kind::ACCEPTED,
        Event::Rejected(_) => kind::REJECTED,
        Event::Rested(_) => kind::RESTED,
        Event::Traded(_) => kind::TRADED,
        Event::Canceled(_) => kind::CANCELED,
        Event::Replaced(_) => kind::REPLACED,
        Event::CancelRejected(_) => kind::CANCEL_REJECTED,
        Event::MassCanceled { .. } => kind::MASS_CANCELED,
        Event::MassCancelRejected { .. } => kind::MASS_CANCEL_REJECTED,
        Event::StatusReported(_) => kind::STATUS_REPORTED,
        Event::Numbered { .. } => kind::NUMBERED,
        Event::Applied => kind::APPLIED,
        Event::Held(_) => kind::HELD,
        Event::Triggered(_) => kind::TRIGGERED,
        Event::Restated(_) => kind::RESTATED,
        Event::Replenished(_) => kind::REPLENISHED,
        Event::Uncrossed(_) => kind::UNCROSSED,
        Event::Indicative { .. } => kind::INDICATIVE,
        Event::Busted(_) => kind::BUSTED,
        Event::Relayed(_) => kind::RELAYED,
    }
}

/// Bytes of the record of `event`: a multiple of eight, at most [`EVENT_BYTES_MAX`].
#[must_use]
#[inline(always)]
pub const fn event_bytes(event: &Event) -> usize {
    match event_layout(event_kind(event)) {
        Some(len) => len,
        None => 0,
    }
}

/// Writes the record of `event`.
///
/// # Panics
///
/// If `out` is not exactly [`event_bytes`] long.
#[inline(always)]
pub fn encode_event(event: &Event, out: &mut [u8]) {
    let kind = event_kind(event);
    match event {
        Event::Configured => {
            let mut put = Put::<16>::event(out, kind, 0, 0);
            put.u64(0);
        }
        Event::InstrumentDefined { id } => {
            let mut put = Put::<16>::event(out, kind, 0, id.0);
            put.u64(0);
        }
        Event::SessionDefined { id } => {
            let mut put = Put::<16>::event(out, kind, 0, id.0);
            put.u64(0);
        }
        Event::PhaseChanged { instrument, phase, reason } => {
            let mut put = Put::<16>::event(out, kind, *phase as u8, instrument.0);
            put.u8(*reason as u8).u8(0).u16(0).u32(0);
        }
        Event::CommandRefused { reason } => {
            let mut put = Put::<16>::event(out, kind, 0, 0);
            put.u16(reason.code()).u16(0).u32(0);
        }
        Event::Accepted(event) => {
            let mut put = Put::<16>::event(out, kind, 0, event.session.0);
            put.u32(event.number.0).u32(event.msg.0);
        }
        Event::Rejected(event) => {
            let mut put = Put::<24>::event(out, kind, 0, event.session.0);
            put.u32(event.number.0).u32(event.msg.0);
            put.u16(event.reason.code()).u16(0).u32(0);
        }
        Event::Rested(event) => {
            let mut put = Put::<40>::event(out, kind, event.side as u8, event.session.0);
            put.u32(event.number.0).u32(event.instrument.0).u64(event.order_ref.0);
            put.i64(event.price.ticks()).u64(event.leaves_qty.lots());
        }
        Event::Traded(event) => {
            // The side in the low half, the kind of trade in the high half.
            let code = event.taker_side as u8 | (event.kind as u8) << 4;
            let mut put = Put::<144>::event(out, kind, code, event.instrument.0);
            put.u64(event.id.0).i64(event.price.ticks()).u64(event.qty.lots());
            put.u64(event.maker_ref.0).u64(event.taker_ref.0);
            put_fill(&mut put, &event.maker);
            put_fill(&mut put, &event.taker);
        }
        Event::Canceled(event) => {
            let mut put = Put::<64>::event(out, kind, event.reason as u8, event.session.0);
            put.u32(event.number.0).u32(event.msg.0).u64(event.order_id.0);
            put.u64(event.order_ref.0);
            put.u32(event.instrument.0).u32(0);
            put.u64(event.canceled_qty.lots()).u64(event.cum_qty.lots());
            put.i64(event.notional.tick_lots());
        }
        Event::Replaced(event) => {
            let mut put = Put::<88>::event(out, kind, event.priority as u8, event.session.0);
            put.u32(event.old_number.0).u32(event.number.0).u32(event.msg.0);
            put.u32(event.instrument.0).u64(event.order_id.0).u64(event.old_ref.0);
            put.i64(event.price.ticks()).u64(event.order_qty.lots());
            put.u64(event.leaves_qty.lots()).u64(event.old_leaves_qty.lots());
            put.u64(event.cut_qty.lots()).i64(event.notional.tick_lots());
        }
        Event::CancelRejected(event) => {
            let mut put = Put::<24>::event(out, kind, event.request as u8, event.session.0);
            put.u32(event.target.0).u32(event.msg.0).u16(event.reason.code()).u16(0).u32(0);
        }
        Event::MassCanceled { session, msg, orders } => {
            let mut put = Put::<16>::event(out, kind, 0, session.0);
            put.u32(msg.0).u32(*orders);
        }
        Event::MassCancelRejected { session, msg, reason } => {
            let mut put = Put::<16>::event(out, kind, 0, session.0);
            put.u32(msg.0).u16(reason.code()).u16(0);
        }
        Event::StatusReported(event) => {
            let mut put =
                Put::<48>::event(out, kind, u8::from(event.working.is_some()), event.session.0);
            put.u32(event.target.0).u32(event.msg.0);
            let none = WorkingOrder {
                order_id: OrderId(0),
                leaves_qty: Qty::ZERO,
                cum_qty: Qty::ZERO,
                notional: Notional::ZERO,
            };
            let working = event.working.unwrap_or(none);
            put.u64(working.order_id.0).u64(working.leaves_qty.lots());
            put.u64(working.cum_qty.lots()).i64(working.notional.tick_lots());
        }
        Event::Numbered { session, msg } => {
            let mut put = Put::<16>::event(out, kind, 0, session.0);
            put.u32(msg.0).u32(0);
        }
        Event::Relayed(event) => {
            let mut put = Put::<24>::event(out, kind, event.shard, event.session.0);
            put.u32(event.first.0).u32(event.msg.0).u32(event.count).u32(0);
        }
        Event::Applied => {
            let _ = Put::<8>::event(out, kind, 0, 0);
        }
        Event::Held(event) => {
            let code = event.side as u8 | (event.reason as u8) << 4;
            let mut put = Put::<32>::event(out, kind, code, event.session.0);
            put.u32(event.number.0).u32(event.instrument.0);
            put.u64(event.order_ref.0).u64(event.leaves_qty.lots());
        }
        Event::Triggered(event) => {
            let mut put = Put::<40>::event(out, kind, 0, event.session.0);
            put.u32(event.number.0).u32(event.msg.0).u64(event.order_id.0);
            put.u32(event.instrument.0).u32(0).u64(event.leaves_qty.lots());
        }
        Event::Restated(event) => {
            let mut put = Put::<80>::event(out, kind, event.reason as u8, event.session.0);
            put.u32(event.number.0).u32(event.msg.0).u64(event.order_id.0);
            put.u32(event.instrument.0).u32(0).u64(event.order_ref.0);
            put.i64(event.price.ticks()).u64(event.cut_qty.lots());
            put.u64(event.leaves_qty.lots()).u64(event.cum_qty.lots());
            put.i64(event.notional.tick_lots());
        }
        Event::Replenished(event) => {
            let mut put = Put::<40>::event(out, kind, event.side as u8, event.session.0);
            put.u32(event.number.0).u32(event.instrument.0).u64(event.order_ref.0);
            put.i64(event.price.ticks()).u64(event.qty.lots());
        }
        Event::Uncrossed(event) => {
            let mut put = Put::<40>::event(out, kind, side_code(event.side), event.instrument.0);
            put.i64(event.price.ticks()).u64(event.qty.lots()).u64(event.imbalance.lots());
            put.u8(event.phase as u8).u8(0).u16(0).u32(0);
        }
        Event::Indicative { instrument, phase, price, qty, imbalance, side } => {
            let code = side_code(*side) | u8::from(price.is_some()) << 4;
            let mut put = Put::<40>::event(out, kind, code, instrument.0);
            put.i64(price.unwrap_or_default().ticks()).u64(qty.lots()).u64(imbalance.lots());
            put.u8(*phase as u8).u8(0).u16(0).u32(0);
        }
        Event::Busted(event) => {
            let mut put = Put::<56>::event(out, kind, 0, event.instrument.0);
            put.u64(event.trade.0).i64(event.price.ticks()).u64(event.qty.lots());
            for part in [&event.buy, &event.sell] {
                put.u32(part.session.0).u32(part.number.0).u32(part.msg.0);
            }
        }
    }
}

/// 0 for none.
fn side_code(side: Option<Side>) -> u8 {
    side.map_or(0, |side| side as u8)
}

#[inline(always)]
fn put_fill<const N: usize>(put: &mut Put<'_, N>, fill: &Fill) {
    put.u32(fill.session.0).u32(fill.number.0).u32(fill.msg.0).u32(0);
    put.u64(fill.order_id.0).u64(fill.leaves_qty.lots()).u64(fill.cum_qty.lots());
    put.i64(fill.notional.tick_lots());
}

/// Reads the Event record at the start of `bytes`; returns it and its length.
///
/// # Errors
///
/// If the bytes are no Event record.
pub fn decode_event(bytes: &[u8]) -> Result<(Event, usize), RecordError> {
    let len = record_bytes(bytes)?;
    let bytes = &bytes[..len];
    let kind = bytes[2];
    let layout = event_layout(kind).ok_or(RecordError::Kind(kind))?;
    if layout != len {
        return Err(RecordError::Length { kind });
    }
    let mut head = Get::<8>::new(bytes, 0)?;
    head.at = 3;
    let sub = head.u8();
    let sub_error = RecordError::Field { kind, offset: 3 };
    let first = head.u32();
    let session = SessionId(first);
    let event = match kind {
        kind::CONFIGURED => Event::Configured,
        kind::INSTRUMENT_DEFINED => Event::InstrumentDefined { id: InstrumentId(first) },
        kind::SESSION_DEFINED => Event::SessionDefined { id: session },
        kind::PHASE_CHANGED => Event::PhaseChanged {
            instrument: InstrumentId(first),
            phase: phase(sub).ok_or(sub_error)?,
            reason: {
                let mut get = Get::<8>::new(bytes, 8)?;
                let reason = get.u8();
                get.code(match reason {
                    1 => Some(PhaseReason::Command),
                    2 => Some(PhaseReason::Volatility),
                    _ => None,
                })?
            },
        },
        kind::APPLIED => Event::Applied,
        kind::COMMAND_REFUSED => {
            let mut get = Get::<8>::new(bytes, 8)?;
            Event::CommandRefused { reason: reason(&mut get)? }
        }
        kind::ACCEPTED => {
            let mut get = Get::<8>::new(bytes, 8)?;
            Event::Accepted(Accepted {
                session,
                number: OrderNumber(get.u32()),
                msg: MsgSeqNum(get.u32()),
            })
        }
        kind::REJECTED => {
            let mut get = Get::<16>::new(bytes, 8)?;
            Event::Rejected(Rejected {
                session,
                number: OrderNumber(get.u32()),
                msg: MsgSeqNum(get.u32()),
                reason: reason(&mut get)?,
            })
        }
        kind::RESTED => {
            let mut get = Get::<32>::new(bytes, 8)?;
            Event::Rested(Rested {
                session,
                number: OrderNumber(get.u32()),
                instrument: InstrumentId(get.u32()),
                side: side(sub).ok_or(sub_error)?,
                order_ref: OrderRef(get.u64()),
                price: Price::from_ticks(get.i64()),
                leaves_qty: Qty::from_lots(get.u64()),
            })
        }
        kind::TRADED => {
            let mut get = Get::<136>::new(bytes, 8)?;
            Event::Traded(Traded {
                instrument: InstrumentId(first),
                taker_side: side(sub & 0xf).ok_or(sub_error)?,
                kind: match sub >> 4 {
                    0 => TradeKind::Continuous,
                    1 => TradeKind::Auction,
                    _ => return Err(sub_error),
                },
                id: TradeId(get.u64()),
                price: Price::from_ticks(get.i64()),
                qty: Qty::from_lots(get.u64()),
                maker_ref: OrderRef(get.u64()),
                taker_ref: OrderRef(get.u64()),
                maker: fill(&mut get),
                taker: fill(&mut get),
            })
        }
        kind::CANCELED => {
            let mut get = Get::<56>::new(bytes, 8)?;
            let (number, msg) = (OrderNumber(get.u32()), MsgSeqNum(get.u32()));
            let order_id = OrderId(get.u64());
            let order_ref = OrderRef(get.u64());
            let instrument = InstrumentId(get.u32());
            get.at += 4;
            Event::Canceled(Canceled {
                session,
                number,
                msg,
                order_id,
                instrument,
                order_ref,
                reason: cancel_reason(sub).ok_or(sub_error)?,
                canceled_qty: Qty::from_lots(get.u64()),
                cum_qty: Qty::from_lots(get.u64()),
                notional: Notional::from_tick_lots(get.i64()),
            })
        }
        kind::REPLACED => {
            let mut get = Get::<80>::new(bytes, 8)?;
            Event::Replaced(Replaced {
                session,
                old_number: OrderNumber(get.u32()),
                number: OrderNumber(get.u32()),
                msg: MsgSeqNum(get.u32()),
                instrument: InstrumentId(get.u32()),
                priority: match sub {
                    1 => Priority::Kept,
                    2 => Priority::Lost,
                    _ => return Err(sub_error),
                },
                order_id: OrderId(get.u64()),
                old_ref: OrderRef(get.u64()),
                price: Price::from_ticks(get.i64()),
                order_qty: Qty::from_lots(get.u64()),
                leaves_qty: Qty::from_lots(get.u64()),
                old_leaves_qty: Qty::from_lots(get.u64()),
                cut_qty: Qty::from_lots(get.u64()),
                notional: Notional::from_tick_lots(get.i64()),
            })
        }
        kind::CANCEL_REJECTED => {
            let mut get = Get::<16>::new(bytes, 8)?;
            Event::CancelRejected(CancelRejected {
                session,
                target: OrderNumber(get.u32()),
                msg: MsgSeqNum(get.u32()),
                reason: reason(&mut get)?,
                request: match sub {
                    1 => CancelRequest::Cancel,
                    2 => CancelRequest::Replace,
                    _ => return Err(sub_error),
                },
            })
        }
        kind::MASS_CANCELED => {
            let mut get = Get::<8>::new(bytes, 8)?;
            Event::MassCanceled { session, msg: MsgSeqNum(get.u32()), orders: get.u32() }
        }
        kind::MASS_CANCEL_REJECTED => {
            let mut get = Get::<8>::new(bytes, 8)?;
            Event::MassCancelRejected {
                session,
                msg: MsgSeqNum(get.u32()),
                reason: reason(&mut get)?,
            }
        }
        kind::STATUS_REPORTED => {
            let mut get = Get::<40>::new(bytes, 8)?;
            let (target, msg) = (OrderNumber(get.u32()), MsgSeqNum(get.u32()));
            let working = WorkingOrder {
                order_id: OrderId(get.u64()),
                leaves_qty: Qty::from_lots(get.u64()),
                cum_qty: Qty::from_lots(get.u64()),
                notional: Notional::from_tick_lots(get.i64()),
            };
            let working = match sub {
                0 => None,
                1 => Some(working),
                _ => return Err(sub_error),
            };
            Event::StatusReported(StatusReported { session, target, msg, working })
        }
        kind::NUMBERED => {
            let mut get = Get::<8>::new(bytes, 8)?;
            Event::Numbered { session, msg: MsgSeqNum(get.u32()) }
        }
        kind::RELAYED => {
            let mut get = Get::<16>::new(bytes, 8)?;
            Event::Relayed(Relayed {
                session,
                shard: sub,
                first: MsgSeqNum(get.u32()),
                msg: MsgSeqNum(get.u32()),
                count: get.u32(),
            })
        }
        kind::HELD => {
            let mut get = Get::<24>::new(bytes, 8)?;
            Event::Held(Held {
                session,
                number: OrderNumber(get.u32()),
                instrument: InstrumentId(get.u32()),
                side: side(sub & 0xf).ok_or(sub_error)?,
                reason: match sub >> 4 {
                    1 => HeldReason::Stop,
                    2 => HeldReason::Peg,
                    3 => HeldReason::Waiting,
                    4 => HeldReason::Auction,
                    _ => return Err(sub_error),
                },
                order_ref: OrderRef(get.u64()),
                leaves_qty: Qty::from_lots(get.u64()),
            })
        }
        kind::TRIGGERED => {
            let mut get = Get::<32>::new(bytes, 8)?;
            let (number, msg) = (OrderNumber(get.u32()), MsgSeqNum(get.u32()));
            let (order_id, instrument) = (OrderId(get.u64()), InstrumentId(get.u32()));
            get.at += 4;
            let leaves_qty = Qty::from_lots(get.u64());
            Event::Triggered(Triggered { session, number, msg, order_id, instrument, leaves_qty })
        }
        kind::RESTATED => {
            let mut get = Get::<72>::new(bytes, 8)?;
            let (number, msg) = (OrderNumber(get.u32()), MsgSeqNum(get.u32()));
            let (order_id, instrument) = (OrderId(get.u64()), InstrumentId(get.u32()));
            get.at += 4;
            Event::Restated(Restated {
                session,
                number,
                msg,
                order_id,
                instrument,
                reason: match sub {
                    1 => RestateReason::SelfTrade,
                    2 => RestateReason::MarketToLimit,
                    3 => RestateReason::Slide,
                    _ => return Err(sub_error),
                },
                order_ref: OrderRef(get.u64()),
                price: Price::from_ticks(get.i64()),
                cut_qty: Qty::from_lots(get.u64()),
                leaves_qty: Qty::from_lots(get.u64()),
                cum_qty: Qty::from_lots(get.u64()),
                notional: Notional::from_tick_lots(get.i64()),
            })
        }
        kind::REPLENISHED => {
            let mut get = Get::<32>::new(bytes, 8)?;
            Event::Replenished(Replenished {
                session,
                number: OrderNumber(get.u32()),
                instrument: InstrumentId(get.u32()),
                side: side(sub).ok_or(sub_error)?,
                order_ref: OrderRef(get.u64()),
                price: Price::from_ticks(get.i64()),
                qty: Qty::from_lots(get.u64()),
            })
        }
        kind::UNCROSSED => {
            let mut get = Get::<32>::new(bytes, 8)?;
            let price = Price::from_ticks(get.i64());
            let (qty, imbalance) = (Qty::from_lots(get.u64()), Qty::from_lots(get.u64()));
            Event::Uncrossed(Uncrossed {
                instrument: InstrumentId(first),
                phase: phase_of(&mut get)?,
                price,
                qty,
                imbalance,
                side: some_side(sub).ok_or(sub_error)?,
            })
        }
        kind::INDICATIVE => {
            let mut get = Get::<32>::new(bytes, 8)?;
            let price = Price::from_ticks(get.i64());
            let (qty, imbalance) = (Qty::from_lots(get.u64()), Qty::from_lots(get.u64()));
            Event::Indicative {
                instrument: InstrumentId(first),
                phase: phase_of(&mut get)?,
                price: match sub >> 4 {
                    0 => None,
                    1 => Some(price),
                    _ => return Err(sub_error),
                },
                qty,
                imbalance,
                side: some_side(sub & 0xf).ok_or(sub_error)?,
            }
        }
        kind::BUSTED => {
            let mut get = Get::<48>::new(bytes, 8)?;
            let trade = TradeId(get.u64());
            let (price, qty) = (Price::from_ticks(get.i64()), Qty::from_lots(get.u64()));
            let mut part = || BustedPart {
                session: SessionId(get.u32()),
                number: OrderNumber(get.u32()),
                msg: MsgSeqNum(get.u32()),
            };
            let (buy, sell) = (part(), part());
            let instrument = InstrumentId(first);
            Event::Busted(Busted { trade, instrument, price, qty, buy, sell })
        }
        _ => return Err(RecordError::Kind(kind)),
    };
    Ok((event, len))
}

/// The outer `None`: no such code.
const fn some_side(code: u8) -> Option<Option<Side>> {
    match code {
        0 => Some(None),
        1 => Some(Some(Side::Buy)),
        2 => Some(Some(Side::Sell)),
        _ => None,
    }
}

#[inline]
fn reason<const N: usize>(get: &mut Get<'_, N>) -> Result<RejectReason, RecordError> {
    let code = get.u16();
    get.code(RejectReason::from_code(code))
}

#[inline]
fn phase_of<const N: usize>(get: &mut Get<'_, N>) -> Result<Phase, RecordError> {
    let code = get.u8();
    get.code(phase(code))
}

#[inline]
fn fill<const N: usize>(get: &mut Get<'_, N>) -> Fill {
    let (session, number) = (SessionId(get.u32()), OrderNumber(get.u32()));
    let msg = MsgSeqNum(get.u32());
    get.at += 4;
    Fill {
        session,
        number,
        msg,
        order_id: OrderId(get.u64()),
        leaves_qty: Qty::from_lots(get.u64()),
        cum_qty: Qty::from_lots(get.u64()),
        notional: Notional::from_tick_lots(get.i64()),
    }
}

/// Reads the record at the start of `bytes`, of either sort; returns it and its length.
///
/// # Errors
///
/// If the bytes are no record.
pub fn decode(sequence: Sequence, bytes: &[u8]) -> Result<(Record<'_>, usize), RecordError> {
    record_bytes(bytes)?;
    if bytes[2] >= kind::EVENTS {
        let (event, len) = decode_event(bytes)?;
        return Ok((Record::Event(event), len));
    }
    let (input, attachment, len) = decode_input(sequence, bytes)?;
    Ok((Record::Input { input, attachment }, len))
}
