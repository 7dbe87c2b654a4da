//! FIX application messages → Commands, and Events → FIX application messages: both directions here.
//!
//! A report is a function of the journal alone: of its turn, of the Inputs that the turn names, and of
//! facts that the journal held by then. [`OrderEntry`] is therefore a fold over the journal that keeps
//! only what never changes again ([`Orders`]); the same report made live, after a restart or for a resend is the same
//! bytes but for PossDupFlag(43), OrigSendingTime(122) and SendingTime(52).
//!
//! The rules a counterparty reads are in `FIX-APP.md`.

use crate::fix::{DecimalError, Encoder, Header, Identity, Message, parse_scaled};
use crate::orders::{Ending, ORDERS_PER_SESSION_MAX, Orders, Standing, Terms, terms_of};
use foldhash::quality::RandomState;
use hashbrown::HashMap;
use matcher::record::ATTACHMENT_BYTES_MAX;
use matcher::{
    CancelReason, CancelRejected, CancelRequest, Canceled, Command, Event, Fill, Input, Instrument,
    InstrumentId, Liquidity, MassCancelScope, NewOrder, Notional, OrderId, OrderKind, OrderNumber,
    Price, Qty, RefusedRequest, RejectReason, ReplaceOrder, Replaced, SessionId, Side,
    StatusReported, Symbol, TimeInForce, TradeId, Traded,
};

/// ClOrdID(11) and OrigClOrdID(41) are 1 to so many printable ASCII characters.
pub const CL_ORD_ID_BYTES_MAX: usize = 48;
/// Account(1) is 1 to so many printable ASCII characters.
pub const ACCOUNT_BYTES_MAX: usize = 32;
/// A Symbol(55) that we answer for, known or not, is 1 to so many printable ASCII characters.
pub const SYMBOL_BYTES_MAX: usize = 32;
/// OrdStatusReqID(790) is 1 to so many printable ASCII characters.
pub const STATUS_ID_BYTES_MAX: usize = 32;
/// OrderID(37) of a request is 1 to so many printable ASCII characters.
pub const ORDER_ID_BYTES_MAX: usize = 20;
/// A number longer than this is not said again in a reject.
const NUMBER_BYTES_ECHOED: usize = 20;

/// Decimals that AvgPx(6) has beyond those of a price, at most.
const AVG_PX_EXTRA_DECIMALS: u8 = 8;

/// SessionRejectReason(373).
mod reject {
    pub(super) const REQUIRED_TAG_MISSING: u16 = 1;
    pub(super) const TAG_WITHOUT_VALUE: u16 = 4;
    pub(super) const INCORRECT_VALUE: u16 = 5;
    pub(super) const INCORRECT_FORMAT: u16 = 6;
}

/// BusinessRejectReason(380).
mod business {
    pub(super) const OTHER: u16 = 0;
    pub(super) const UNSUPPORTED_MESSAGE_TYPE: u16 = 3;
    pub(super) const APPLICATION_NOT_AVAILABLE: u16 = 4;
}

mod tag {
    pub(super) const ACCOUNT: u32 = 1;
    pub(super) const AVG_PX: u32 = 6;
    pub(super) const CL_ORD_ID: u32 = 11;
    pub(super) const CUM_QTY: u32 = 14;
    pub(super) const EXEC_ID: u32 = 17;
    pub(super) const EXEC_INST: u32 = 18;
    pub(super) const LAST_PX: u32 = 31;
    pub(super) const LAST_QTY: u32 = 32;
    pub(super) const ORDER_ID: u32 = 37;
    pub(super) const ORDER_QTY: u32 = 38;
    pub(super) const ORD_STATUS: u32 = 39;
    pub(super) const ORD_TYPE: u32 = 40;
    pub(super) const ORIG_CL_ORD_ID: u32 = 41;
    pub(super) const PRICE: u32 = 44;
    pub(super) const SIDE: u32 = 54;
    pub(super) const SYMBOL: u32 = 55;
    pub(super) const TEXT: u32 = 58;
    pub(super) const TIME_IN_FORCE: u32 = 59;
    pub(super) const TRANSACT_TIME: u32 = 60;
    pub(super) const CXL_REJ_REASON: u32 = 102;
    pub(super) const ORD_REJ_REASON: u32 = 103;
    pub(super) const EXEC_TYPE: u32 = 150;
    pub(super) const LEAVES_QTY: u32 = 151;
    pub(super) const CXL_REJ_RESPONSE_TO: u32 = 434;
    pub(super) const SECONDARY_EXEC_ID: u32 = 527;
    pub(super) const MASS_CANCEL_REQUEST_TYPE: u32 = 530;
    pub(super) const MASS_CANCEL_RESPONSE: u32 = 531;
    pub(super) const MASS_CANCEL_REJECT_REASON: u32 = 532;
    pub(super) const TOTAL_AFFECTED_ORDERS: u32 = 533;
    pub(super) const ORD_STATUS_REQ_ID: u32 = 790;
    pub(super) const LAST_LIQUIDITY_IND: u32 = 851;
}

/// The instruments, by id and by symbol.
#[derive(Default)]
pub struct Directory {
    instruments: Vec<Option<Instrument>>,
    ids: HashMap<Symbol, InstrumentId, RandomState>,
}

impl Directory {
    /// The instrument of an id.
    #[must_use]
    pub fn instrument(&self, id: InstrumentId) -> Option<&Instrument> {
        self.instruments.get(id.index())?.as_ref()
    }

    /// The id of a Symbol(55).
    #[must_use]
    pub fn find(&self, symbol: &[u8]) -> Option<InstrumentId> {
        self.ids.get(&Symbol::new(symbol)?).copied()
    }

    fn define(&mut self, id: InstrumentId, instrument: &Instrument) {
        if self.instruments.len() <= id.index() {
            self.instruments.resize(id.index() + 1, None);
        }
        self.instruments[id.index()] = Some(*instrument);
        self.ids.insert(instrument.symbol, id);
    }
}

/// What a FIX application message asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request<'m> {
    /// Hand this to the core, with the first `attachment_len` bytes of the attachment. It has its order
    /// number, so nothing else of the session may overtake it.
    Submit {
        /// What is asked.
        command: Command,
        /// Bytes of the attachment.
        attachment_len: usize,
    },
    /// A repeat (PossResend(97)=Y) of what was taken before: no answer.
    Ignore,
    /// Answer Reject(3).
    Reject {
        /// RefTagID(371).
        tag: u32,
        /// SessionRejectReason(373).
        reason: u16,
    },
    /// Answer BusinessMessageReject(j).
    BusinessReject {
        /// BusinessRejectReason(380).
        reason: u16,
        /// BusinessRejectRefID(379), empty if the message has none.
        ref_id: &'m [u8],
        /// Text(58).
        text: &'static str,
    },
}

/// One Event, for one of the sessions it tells.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// Who is told.
    pub session: SessionId,
    /// Journal position of the turn.
    pub position: u64,
    /// The turn's Input.
    pub input: &'a Input,
    /// The Input's attachment.
    pub attachment: &'a [u8],
    /// The Event.
    pub event: &'a Event,
    /// Its place among the Events of the turn, from 0.
    pub event_index: u32,
}

/// The journal, read at a turn's position, however old.
pub trait Inputs {
    /// The Input of the turn at `position`; puts its attachment into `attachment` and says how many bytes
    /// it has. `None` if it cannot be read.
    fn input(
        &mut self,
        position: u64,
        attachment: &mut [u8; ATTACHMENT_BYTES_MAX],
    ) -> Option<(Input, usize)>;
}

/// A report needs an Input that cannot be read: the journal is damaged or its disk is. Nothing was written;
/// the session cannot go on past this message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Whose order.
    pub session: SessionId,
    /// Its number.
    pub number: OrderNumber,
    /// Journal position of its Input, `None` if the fold has not seen it.
    pub position: Option<u64>,
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Unreadable { session, number, .. } = self;
        match self.position {
            Some(at) => {
                write!(f, "input of order {number} of session {session} at {at} is unreadable")
            }
            None => write!(f, "input of order {number} of session {session} was not seen"),
        }
    }
}

impl std::error::Error for Unreadable {}

/// The instruments and every session's orders, as far as the journal was followed.
pub struct OrderEntry {
    directory: Directory,
    sessions: Vec<Option<Orders>>,
    orders_per_session_max: u32,
}

impl OrderEntry {
    /// Knows nothing yet. A session may use `orders_per_session_max` order numbers
    /// ([`ORDERS_PER_SESSION_MAX`] at most); what comes after is answered by BusinessMessageReject(j).
    #[must_use]
    pub fn new(orders_per_session_max: u32) -> OrderEntry {
        OrderEntry {
            directory: Directory::default(),
            sessions: Vec::new(),
            orders_per_session_max: orders_per_session_max.min(ORDERS_PER_SESSION_MAX),
        }
    }

    /// The instruments.
    #[must_use]
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// The orders of a session, `None` if it is not defined.
    #[must_use]
    pub fn orders(&self, session: SessionId) -> Option<&Orders> {
        self.sessions.get(session.index())?.as_ref()
    }

    /// Follows an Input of the journal. What [`OrderEntry::request`] entered already stays as it is.
    pub fn input(&mut self, position: u64, input: &Input, attachment: &[u8]) {
        if let Some(orders) = orders_mut(&mut self.sessions, input.session)
            && let Some(number) = number_of(&input.command)
        {
            enter(orders, number, &input.command, attachment);
            orders.journaled(number, position);
        }
    }

    /// Follows an Event of the journal, after its Input and before any report of it.
    pub fn event(&mut self, position: u64, input: &Input, _attachment: &[u8], event: &Event) {
        match event {
            Event::InstrumentDefined { id } => {
                if let Command::DefineInstrument { instrument, .. } = &input.command {
                    self.directory.define(*id, instrument);
                }
            }
            Event::SessionDefined { id } => {
                if self.sessions.len() <= id.index() {
                    self.sessions.resize_with(id.index() + 1, || None);
                }
                self.sessions[id.index()].get_or_insert_with(Orders::new);
            }
            Event::Accepted(accepted) => self.with(accepted.session, |orders| {
                orders.accepted(accepted.number, OrderId(input.sequence.0));
            }),
            Event::Rejected(rejected) if rejected.reason != RejectReason::NumberOutOfOrder => {
                self.with(rejected.session, |orders| orders.refused(rejected.number));
            }
            Event::CancelRejected(rejected)
                if rejected.request == CancelRequest::Replace
                    && rejected.reason != RejectReason::NumberOutOfOrder =>
            {
                if let Some(number) = number_of(&input.command) {
                    self.with(rejected.session, |orders| orders.refused(number));
                }
            }
            Event::Traded(traded) => {
                for fill in [&traded.maker, &traded.taker] {
                    self.with(fill.session, |orders| {
                        let Fill { number, cum_qty, notional, leaves_qty, .. } = *fill;
                        orders.traded(number, position, cum_qty, notional, leaves_qty);
                    });
                }
            }
            Event::Canceled(canceled) => self.with(canceled.session, |orders| {
                let ending = match canceled.reason {
                    CancelReason::Expired => Ending::Expired,
                    _ => Ending::Canceled,
                };
                orders.ended(canceled.number, position, ending);
            }),
            Event::Replaced(replaced) => self.with(replaced.session, |orders| {
                orders.replaced(replaced.old_number, replaced.number);
            }),
            _ => {}
        }
    }

    fn with(&mut self, session: SessionId, change: impl FnOnce(&mut Orders)) {
        if let Some(orders) = orders_mut(&mut self.sessions, session) {
            change(orders);
        }
    }
}

fn orders_mut(sessions: &mut [Option<Orders>], session: SessionId) -> Option<&mut Orders> {
    sessions.get_mut(session.index())?.as_mut()
}

/// The number that a Command enters.
fn number_of(command: &Command) -> Option<OrderNumber> {
    match command {
        Command::New(new) => Some(new.number),
        Command::Replace(replace) => Some(replace.number),
        Command::Refuse { request: RefusedRequest::New(number), .. }
        | Command::Refuse { request: RefusedRequest::Replace { number, .. }, .. } => Some(*number),
        _ => None,
    }
}

/// Enters a number that is the next of its session; the same for a request and for the journal.
fn enter(orders: &mut Orders, number: OrderNumber, command: &Command, attachment: &[u8]) {
    if number.0.checked_sub(1) == Some(orders.last_number().0) {
        let cl_ord_id = echo(attachment, tag::CL_ORD_ID).unwrap_or(&[]);
        let account = echo(attachment, tag::ACCOUNT).unwrap_or(&[]);
        let terms = terms_of(command, orders);
        orders.enter(cl_ord_id, account, terms);
    }
}

/// Fields to remember or to say again, as they travel with an Input: tag u16 little endian, length u8,
/// bytes.
struct Echoes<'a> {
    bytes: &'a mut [u8; ATTACHMENT_BYTES_MAX],
    len: usize,
}

// The longest: an order refused for what it asks, and a status request.
const _: () = assert!(
    (3 + CL_ORD_ID_BYTES_MAX)
        + (3 + ACCOUNT_BYTES_MAX)
        + (3 + SYMBOL_BYTES_MAX)
        + 3 * (3 + 1)
        + 2 * (3 + NUMBER_BYTES_ECHOED)
        <= ATTACHMENT_BYTES_MAX
);
const _: () = assert!(
    (3 + CL_ORD_ID_BYTES_MAX)
        + (3 + SYMBOL_BYTES_MAX)
        + (3 + 1)
        + (3 + STATUS_ID_BYTES_MAX)
        + (3 + ORDER_ID_BYTES_MAX)
        <= ATTACHMENT_BYTES_MAX
);

impl Echoes<'_> {
    fn put(&mut self, tag: u32, value: &[u8]) {
        let tag = u16::try_from(tag).expect("our tags are below 65536").to_le_bytes();
        let len = u8::try_from(value.len()).expect("the border bounds texts");
        let end = self.len + 3 + value.len();
        let field = &mut self.bytes[self.len..end];
        field[..3].copy_from_slice(&[tag[0], tag[1], len]);
        field[3..].copy_from_slice(value);
        self.len = end;
    }

    fn put_if(&mut self, tag: u32, value: Option<&[u8]>) {
        if let Some(value) = value {
            self.put(tag, value);
        }
    }
}

/// The value of a field of an attachment.
fn echo(attachment: &[u8], wanted: u32) -> Option<&[u8]> {
    let mut rest = attachment;
    while let [low, high, len, after @ ..] = rest {
        let value = after.get(..usize::from(*len))?;
        if u32::from(u16::from_le_bytes([*low, *high])) == wanted {
            return Some(value);
        }
        rest = &after[value.len()..];
    }
    None
}

/// A field that makes the whole message invalid: Reject(3).
struct BadField {
    tag: u32,
    reason: u16,
}

impl From<BadField> for Request<'_> {
    fn from(bad: BadField) -> Self {
        Request::Reject { tag: bad.tag, reason: bad.reason }
    }
}

/// A value that is well formed, or the market's reason against it.
type Judged<T> = Result<T, RejectReason>;

/// The fields of a request that we know, as text.
#[derive(Default)]
struct Asked<'m> {
    account: Option<&'m [u8]>,
    cl_ord_id: Option<&'m [u8]>,
    exec_inst: Option<&'m [u8]>,
    order_id: Option<&'m [u8]>,
    order_qty: Option<&'m [u8]>,
    ord_type: Option<&'m [u8]>,
    orig_cl_ord_id: Option<&'m [u8]>,
    price: Option<&'m [u8]>,
    side: Option<&'m [u8]>,
    symbol: Option<&'m [u8]>,
    time_in_force: Option<&'m [u8]>,
    mass_cancel_request_type: Option<&'m [u8]>,
    ord_status_req_id: Option<&'m [u8]>,
    /// A field that would change how the order works, and that we do not do.
    unsupported: bool,
}

impl<'m> Asked<'m> {
    fn new(message: &Message<'m>) -> Asked<'m> {
        let mut asked = Asked::default();
        for (tag, value) in message.iter() {
            let field = match tag {
                tag::ACCOUNT => &mut asked.account,
                tag::CL_ORD_ID => &mut asked.cl_ord_id,
                tag::EXEC_INST => &mut asked.exec_inst,
                tag::ORDER_ID => &mut asked.order_id,
                tag::ORDER_QTY => &mut asked.order_qty,
                tag::ORD_TYPE => &mut asked.ord_type,
                tag::ORIG_CL_ORD_ID => &mut asked.orig_cl_ord_id,
                tag::PRICE => &mut asked.price,
                tag::SIDE => &mut asked.side,
                tag::SYMBOL => &mut asked.symbol,
                tag::TIME_IN_FORCE => &mut asked.time_in_force,
                tag::MASS_CANCEL_REQUEST_TYPE => &mut asked.mass_cancel_request_type,
                tag::ORD_STATUS_REQ_ID => &mut asked.ord_status_req_id,
                _ => {
                    asked.unsupported |= changes_the_order(tag, value);
                    continue;
                }
            };
            field.get_or_insert(value);
        }
        asked
    }
}

/// Whether a field asks for something that we do not do: to ignore it would be to work another order
/// than the one that was meant.
fn changes_the_order(tag: u32, value: &[u8]) -> bool {
    match tag {
        // StopPx, MinQty, MaxFloor, ExpireTime, CashOrderQty, EffectiveTime, OrderQty2, MaxShow,
        // PegOffsetValue, DiscretionInst, DiscretionOffsetValue, ExpireDate, OrderPercent, Price2,
        // TargetStrategy.
        99 | 110 | 111 | 126 | 152 | 168 | 192 | 210 | 211 | 388 | 389 | 432 | 516 | 640 | 847 => {
            true
        }
        // PriceType per unit, QtyType units: what we take a price and a quantity for.
        423 => value != b"2",
        854 => value != b"0",
        _ => false,
    }
}

fn required(value: Option<&[u8]>, tag: u32) -> Result<&[u8], BadField> {
    value.ok_or(BadField { tag, reason: reject::REQUIRED_TAG_MISSING })
}

/// Text of 1 to `bytes_max` printable ASCII characters.
fn text(value: &[u8], tag: u32, bytes_max: usize) -> Result<&[u8], BadField> {
    if value.is_empty() {
        return Err(BadField { tag, reason: reject::TAG_WITHOUT_VALUE });
    }
    let printable = value.iter().all(|byte| matches!(byte, b' '..=b'~'));
    if value.len() > bytes_max || !printable {
        return Err(BadField { tag, reason: reject::INCORRECT_VALUE });
    }
    Ok(value)
}

fn optional_text(
    value: Option<&[u8]>,
    tag: u32,
    bytes_max: usize,
) -> Result<Option<&[u8]>, BadField> {
    value.map(|value| text(value, tag, bytes_max)).transpose()
}

/// A code of one character, one of `known`.
fn code(value: &[u8], tag: u32, known: &[u8]) -> Result<u8, BadField> {
    match value {
        [] => Err(BadField { tag, reason: reject::TAG_WITHOUT_VALUE }),
        [code] if known.contains(code) => Ok(*code),
        [_] => Err(BadField { tag, reason: reject::INCORRECT_VALUE }),
        _ => Err(BadField { tag, reason: reject::INCORRECT_FORMAT }),
    }
}

/// A number in units of the last of `decimals` decimals; `Err` inside: more decimals, or too large.
fn scaled(value: &[u8], tag: u32, decimals: u8) -> Result<Result<i64, DecimalError>, BadField> {
    if value.is_empty() {
        return Err(BadField { tag, reason: reject::TAG_WITHOUT_VALUE });
    }
    match parse_scaled(value, decimals) {
        Err(DecimalError::NotANumber) => Err(BadField { tag, reason: reject::INCORRECT_FORMAT }),
        scaled => Ok(scaled),
    }
}

/// Price(44) in ticks. Without an instrument it is only looked at as text.
fn price(value: &[u8], instrument: Option<&Instrument>) -> Result<Judged<Price>, BadField> {
    let decimals = instrument.map_or(9, |instrument| instrument.price_decimals);
    let scaled = scaled(value, tag::PRICE, decimals)?;
    let Some(instrument) = instrument else { return Ok(Err(RejectReason::UnknownInstrument)) };
    let tick_size = i64::from(instrument.tick_size);
    Ok(match scaled {
        Ok(units) if units % tick_size == 0 => Ok(Price::from_ticks(units / tick_size)),
        Ok(_) | Err(DecimalError::TooPrecise) => Err(RejectReason::PriceOffTick),
        Err(_) => Err(RejectReason::PriceOutOfRange),
    })
}

/// OrderQty(38) in lots. Without an instrument it is only looked at as text.
fn qty(value: &[u8], instrument: Option<&Instrument>) -> Result<Judged<Qty>, BadField> {
    let decimals = instrument.map_or(9, |instrument| instrument.qty_decimals);
    let scaled = scaled(value, tag::ORDER_QTY, decimals)?;
    let Some(instrument) = instrument else { return Ok(Err(RejectReason::UnknownInstrument)) };
    let units = match scaled {
        Ok(units) => u64::try_from(units).map_err(|_| RejectReason::QtyZero),
        Err(DecimalError::TooPrecise) => Err(RejectReason::QtyOffLot),
        Err(_) if value.starts_with(b"-") => Err(RejectReason::QtyZero),
        Err(_) => Err(RejectReason::QtyTooLarge),
    };
    let lot_size = u64::from(instrument.lot_size);
    Ok(units.and_then(|units| match units % lot_size {
        0 => Ok(Qty::from_lots(units / lot_size)),
        _ => Err(RejectReason::QtyOffLot),
    }))
}

/// ExecInst(18): whether it asks for post-only, and nothing else.
fn exec_inst(value: Option<&[u8]>) -> Result<Judged<Liquidity>, BadField> {
    const KNOWN: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSUVWXYZabcde";
    const POST_ONLY: u8 = b'6';
    let Some(value) = value else { return Ok(Ok(Liquidity::Any)) };
    let mut judged = Ok(Liquidity::PostOnly);
    for instruction in value.split(|byte| *byte == b' ') {
        if code(instruction, tag::EXEC_INST, KNOWN)? != POST_ONLY {
            judged = Err(RejectReason::Unsupported);
        }
    }
    Ok(judged)
}

/// What an order and a replace have in common, judged: `Err` inside is an answer of the market.
struct Order<'m> {
    cl_ord_id: &'m [u8],
    account: Option<&'m [u8]>,
    symbol: &'m [u8],
    instrument: Option<InstrumentId>,
    side_code: u8,
    ord_type: u8,
    time_in_force: Option<u8>,
    price: Option<Judged<Price>>,
    qty: Option<Judged<Qty>>,
    liquidity: Judged<Liquidity>,
    unsupported: bool,
}

impl<'m> Order<'m> {
    fn new(asked: &Asked<'m>, directory: &Directory) -> Result<Order<'m>, BadField> {
        const SIDES: &[u8] = b"123456789ABCDEFG";
        const ORD_TYPES: &[u8] = b"12346789DEGIJKLMP";
        const TIMES_IN_FORCE: &[u8] = b"01234567";
        let cl_ord_id = required(asked.cl_ord_id, tag::CL_ORD_ID)?;
        let cl_ord_id = text(cl_ord_id, tag::CL_ORD_ID, CL_ORD_ID_BYTES_MAX)?;
        let account = optional_text(asked.account, tag::ACCOUNT, ACCOUNT_BYTES_MAX)?;
        let symbol = text(required(asked.symbol, tag::SYMBOL)?, tag::SYMBOL, SYMBOL_BYTES_MAX)?;
        let side_code = code(required(asked.side, tag::SIDE)?, tag::SIDE, SIDES)?;
        let ord_type = code(required(asked.ord_type, tag::ORD_TYPE)?, tag::ORD_TYPE, ORD_TYPES)?;
        let time_in_force =
            asked.time_in_force.map(|value| code(value, tag::TIME_IN_FORCE, TIMES_IN_FORCE));
        let time_in_force = time_in_force.transpose()?;
        let liquidity = exec_inst(asked.exec_inst)?;
        let instrument = directory.find(symbol);
        let definition = instrument.and_then(|id| directory.instrument(id));
        let price = asked.price.map(|value| price(value, definition)).transpose()?;
        let qty = asked.order_qty.map(|value| qty(value, definition)).transpose()?;
        let unsupported = asked.unsupported
            || !matches!(ord_type, b'1' | b'2')
            || !matches!(side_code, b'1' | b'2')
            || !matches!(time_in_force, None | Some(b'0' | b'1' | b'3' | b'4'));
        if !unsupported && ord_type == b'2' && price.is_none() {
            return Err(BadField { tag: tag::PRICE, reason: reject::REQUIRED_TAG_MISSING });
        }
        if !unsupported && qty.is_none() {
            return Err(BadField { tag: tag::ORDER_QTY, reason: reject::REQUIRED_TAG_MISSING });
        }
        Ok(Order {
            cl_ord_id,
            account,
            symbol,
            instrument,
            side_code,
            ord_type,
            time_in_force,
            price,
            qty,
            liquidity,
            unsupported,
        })
    }

    fn side(&self) -> Judged<Side> {
        match self.side_code {
            b'1' => Ok(Side::Buy),
            b'2' => Ok(Side::Sell),
            _ => Err(RejectReason::Unsupported),
        }
    }

    fn new_order(&self, number: OrderNumber) -> Judged<NewOrder> {
        if self.unsupported {
            return Err(RejectReason::Unsupported);
        }
        let (side, liquidity) = (self.side()?, self.liquidity?);
        let time_in_force = match self.time_in_force {
            Some(b'1') => TimeInForce::Gtc,
            Some(b'3') => TimeInForce::Ioc,
            Some(b'4') => TimeInForce::Fok,
            _ => TimeInForce::Day,
        };
        let market = self.ord_type == b'1';
        let Some(instrument) = self.instrument else {
            // The core refuses it for its symbol; without one there are neither ticks nor lots.
            let instrument = InstrumentId::NONE;
            let qty = Qty::from_lots(1);
            let kind = if market { OrderKind::Market } else { OrderKind::Limit(Price::default()) };
            return Ok(NewOrder { number, instrument, side, kind, qty, time_in_force, liquidity });
        };
        let qty = self.qty.unwrap_or(Err(RejectReason::QtyZero))?;
        let kind = match self.price {
            _ if market => OrderKind::Market,
            Some(price) => OrderKind::Limit(price?),
            None => return Err(RejectReason::PriceOutOfRange),
        };
        Ok(NewOrder { number, instrument, side, kind, qty, time_in_force, liquidity })
    }

    fn replace(
        &self,
        number: OrderNumber,
        target: OrderNumber,
        orders: &Orders,
    ) -> Judged<ReplaceOrder> {
        if self.unsupported || self.ord_type != b'2' {
            return Err(RejectReason::Unsupported);
        }
        let (side, liquidity) = (self.side()?, self.liquidity?);
        // TimeInForce and post-only stay what they are; to change them takes a new order.
        if let Some(terms) = orders.terms(target) {
            let other_time = self.time_in_force.is_some_and(|code| code != terms.time_in_force());
            if other_time || (liquidity == Liquidity::PostOnly && !terms.is_post_only()) {
                return Err(RejectReason::Unsupported);
            }
        }
        let Some(instrument) = self.instrument else {
            let (instrument, price, qty) =
                (InstrumentId::NONE, Price::default(), Qty::from_lots(1));
            return Ok(ReplaceOrder { number, target, instrument, side, price, qty });
        };
        let qty = self.qty.unwrap_or(Err(RejectReason::QtyZero))?;
        let price = self.price.unwrap_or(Err(RejectReason::PriceOutOfRange))?;
        Ok(ReplaceOrder { number, target, instrument, side, price, qty })
    }
}

impl OrderEntry {
    /// A FIX application message of `session` → what to do with it.
    ///
    /// `throttled`: the way to the core is nearly full, so new orders and replaces are refused with a
    /// reason. Fields to remember go into `attachment`. An order gets its number here.
    pub fn request<'m>(
        &mut self,
        session: SessionId,
        message: &Message<'m>,
        poss_resend: bool,
        throttled: bool,
        attachment: &mut [u8; ATTACHMENT_BYTES_MAX],
    ) -> Request<'m> {
        let asked = Asked::new(message);
        let Some(orders) = orders_mut(&mut self.sessions, session) else {
            let reason = business::APPLICATION_NOT_AVAILABLE;
            let ref_id = asked.cl_ord_id.unwrap_or(&[]);
            return Request::BusinessReject { reason, ref_id, text: "session is not open yet" };
        };
        let mut border = Border {
            directory: &self.directory,
            orders,
            orders_max: self.orders_per_session_max,
            poss_resend,
            throttled,
            echoes: Echoes { bytes: attachment, len: 0 },
        };
        let answer = match message.msg_type() {
            b"D" => border.new_order(&asked),
            b"F" => border.cancel(&asked),
            b"G" => border.replace(&asked),
            b"q" => border.mass_cancel(&asked),
            b"H" => border.status(&asked),
            _ => {
                let reason = business::UNSUPPORTED_MESSAGE_TYPE;
                let ref_id = asked.cl_ord_id.unwrap_or(&[]);
                Ok(Request::BusinessReject { reason, ref_id, text: "unsupported message type" })
            }
        };
        answer.unwrap_or_else(Request::from)
    }
}

/// What one message of one session can reach.
struct Border<'a> {
    directory: &'a Directory,
    orders: &'a mut Orders,
    orders_max: u32,
    poss_resend: bool,
    throttled: bool,
    echoes: Echoes<'a>,
}

type Answer<'m> = Result<Request<'m>, BadField>;

impl Border<'_> {
    /// NewOrderSingle(D).
    fn new_order<'m>(&mut self, asked: &Asked<'m>) -> Answer<'m> {
        let order = Order::new(asked, self.directory)?;
        let number = match self.number(order.cl_ord_id) {
            Ok(number) => number,
            Err(request) => return Ok(request),
        };
        self.echoes.put(tag::CL_ORD_ID, order.cl_ord_id);
        self.echoes.put_if(tag::ACCOUNT, order.account);
        let command = match self.judge(order.cl_ord_id).and_then(|()| order.new_order(number)) {
            Ok(new) => Command::New(new),
            Err(reason) => Command::Refuse { request: RefusedRequest::New(number), reason },
        };
        let told_by_input =
            matches!(&command, Command::New(new) if new.instrument != InstrumentId::NONE);
        if !told_by_input {
            self.echoes.put(tag::SYMBOL, order.symbol);
            self.echoes.put(tag::SIDE, &[order.side_code]);
            self.echoes.put(tag::ORD_TYPE, &[order.ord_type]);
            self.echoes.put_if(tag::TIME_IN_FORCE, asked.time_in_force);
            let short = |value: &&[u8]| value.len() <= NUMBER_BYTES_ECHOED;
            self.echoes.put_if(tag::ORDER_QTY, asked.order_qty.filter(short));
            self.echoes.put_if(tag::PRICE, asked.price.filter(short));
        }
        Ok(self.enter(number, command))
    }

    /// OrderCancelReplaceRequest(G).
    fn replace<'m>(&mut self, asked: &Asked<'m>) -> Answer<'m> {
        let order = Order::new(asked, self.directory)?;
        let orig = orig_cl_ord_id(asked)?;
        let number = match self.number(order.cl_ord_id) {
            Ok(number) => number,
            Err(request) => return Ok(request),
        };
        let target = self.orders.find(orig).unwrap_or(OrderNumber::NONE);
        self.echoes.put(tag::CL_ORD_ID, order.cl_ord_id);
        self.echoes.put(tag::ORIG_CL_ORD_ID, orig);
        let account = order.account.unwrap_or(self.orders.account(target));
        if !account.is_empty() {
            self.echoes.put(tag::ACCOUNT, account);
        }
        let judged = self.judge(order.cl_ord_id);
        let command = match judged.and_then(|()| order.replace(number, target, self.orders)) {
            Ok(replace) => Command::Replace(replace),
            Err(reason) => {
                Command::Refuse { request: RefusedRequest::Replace { number, target }, reason }
            }
        };
        Ok(self.enter(number, command))
    }

    /// OrderCancelRequest(F): taken whatever it says beside its two ids.
    fn cancel<'m>(&mut self, asked: &Asked<'m>) -> Answer<'m> {
        let cl_ord_id = cl_ord_id(asked)?;
        let orig = orig_cl_ord_id(asked)?;
        self.echoes.put(tag::CL_ORD_ID, cl_ord_id);
        self.echoes.put(tag::ORIG_CL_ORD_ID, orig);
        let target = self.orders.find(orig).unwrap_or(OrderNumber::NONE);
        Ok(self.submit(Command::Cancel { target }))
    }

    /// OrderMassCancelRequest(q).
    fn mass_cancel<'m>(&mut self, asked: &Asked<'m>) -> Answer<'m> {
        const INSTRUMENT: u8 = b'1';
        const ALL: u8 = b'7';
        let cl_ord_id = cl_ord_id(asked)?;
        let kind = required(asked.mass_cancel_request_type, tag::MASS_CANCEL_REQUEST_TYPE)?;
        let kind = code(kind, tag::MASS_CANCEL_REQUEST_TYPE, b"1234567")?;
        let symbol = optional_text(asked.symbol, tag::SYMBOL, SYMBOL_BYTES_MAX)?;
        let scope = match kind {
            // Less than all that was asked for cannot be done: one side, other groups of instruments.
            _ if asked.side.is_some() => None,
            INSTRUMENT => {
                let id = self.directory.find(required(symbol, tag::SYMBOL)?);
                Some(MassCancelScope::SessionInstrument(id.unwrap_or(InstrumentId::NONE)))
            }
            ALL => Some(MassCancelScope::Session),
            _ => None,
        };
        let request = RefusedRequest::MassCancel;
        let command = match scope {
            Some(MassCancelScope::SessionInstrument(InstrumentId::NONE)) => {
                Command::Refuse { request, reason: RejectReason::UnknownInstrument }
            }
            Some(scope) => Command::MassCancel(scope),
            None => Command::Refuse { request, reason: RejectReason::Unsupported },
        };
        self.echoes.put(tag::CL_ORD_ID, cl_ord_id);
        self.echoes.put(tag::MASS_CANCEL_REQUEST_TYPE, &[kind]);
        self.echoes.put_if(tag::SYMBOL, symbol);
        Ok(self.submit(command))
    }

    /// OrderStatusRequest(H). An order that was replaced is asked for under its present number.
    fn status<'m>(&mut self, asked: &Asked<'m>) -> Answer<'m> {
        let cl_ord_id = cl_ord_id(asked)?;
        let symbol = text(required(asked.symbol, tag::SYMBOL)?, tag::SYMBOL, SYMBOL_BYTES_MAX)?;
        let side = code(required(asked.side, tag::SIDE)?, tag::SIDE, b"123456789ABCDEFG")?;
        let req_id =
            optional_text(asked.ord_status_req_id, tag::ORD_STATUS_REQ_ID, STATUS_ID_BYTES_MAX)?;
        let order_id = optional_text(asked.order_id, tag::ORDER_ID, ORDER_ID_BYTES_MAX)?;
        self.echoes.put(tag::CL_ORD_ID, cl_ord_id);
        self.echoes.put(tag::SYMBOL, symbol);
        self.echoes.put(tag::SIDE, &[side]);
        self.echoes.put_if(tag::ORD_STATUS_REQ_ID, req_id);
        self.echoes.put_if(tag::ORDER_ID, order_id);
        let target = self.orders.find(cl_ord_id);
        let target = target.map_or(OrderNumber::NONE, |number| self.orders.present(number));
        Ok(self.submit(Command::Status { target }))
    }

    /// The number for a request that names an order anew.
    fn number<'m>(&self, cl_ord_id: &'m [u8]) -> Result<OrderNumber, Request<'m>> {
        if self.poss_resend && self.orders.find(cl_ord_id).is_some() {
            return Err(Request::Ignore);
        }
        let last = self.orders.last_number().0;
        if last >= self.orders_max {
            let text = RejectReason::NumbersExhausted.text();
            let reason = business::OTHER;
            return Err(Request::BusinessReject { reason, ref_id: cl_ord_id, text });
        }
        Ok(OrderNumber(last + 1))
    }

    /// What the border itself has against a request with this ClOrdID.
    fn judge(&self, cl_ord_id: &[u8]) -> Judged<()> {
        if self.orders.find(cl_ord_id).is_some() {
            return Err(RejectReason::DuplicateClOrdId);
        }
        if self.throttled {
            return Err(RejectReason::Throttled);
        }
        Ok(())
    }

    fn enter<'m>(&mut self, number: OrderNumber, command: Command) -> Request<'m> {
        enter(self.orders, number, &command, &self.echoes.bytes[..self.echoes.len]);
        self.submit(command)
    }

    fn submit<'m>(&self, command: Command) -> Request<'m> {
        Request::Submit { command, attachment_len: self.echoes.len }
    }
}

fn cl_ord_id<'m>(asked: &Asked<'m>) -> Result<&'m [u8], BadField> {
    text(required(asked.cl_ord_id, tag::CL_ORD_ID)?, tag::CL_ORD_ID, CL_ORD_ID_BYTES_MAX)
}

fn orig_cl_ord_id<'m>(asked: &Asked<'m>) -> Result<&'m [u8], BadField> {
    let orig = required(asked.orig_cl_ord_id, tag::ORIG_CL_ORD_ID)?;
    text(orig, tag::ORIG_CL_ORD_ID, CL_ORD_ID_BYTES_MAX)
}

impl OrderEntry {
    /// Appends the message that tells `told.session` of `told.event`; nothing for an Event that tells no
    /// one or has a session-layer message.
    ///
    /// The fold must have followed the journal up to this Event at least; how much further does not
    /// matter. `header.msg` says which of the two fills is meant when one session is maker and taker.
    ///
    /// # Errors
    ///
    /// If an Input that the report needs cannot be read.
    pub fn report(
        &self,
        told: &Told<'_>,
        identity: &Identity,
        header: &Header,
        inputs: &mut impl Inputs,
        out: &mut Vec<u8>,
    ) -> Result<(), Unreadable> {
        let none = Orders::new();
        let orders = self.orders(told.session).unwrap_or(&none);
        let mut buffer = [0; ATTACHMENT_BYTES_MAX];
        let mut report = Report { directory: &self.directory, orders, told, identity, header, out };
        let number = match told.event {
            Event::Accepted(accepted) => accepted.number,
            Event::Rejected(rejected) => rejected.number,
            Event::Traded(traded) => report.own_fill(traded).0.number,
            Event::Canceled(canceled) => canceled.number,
            Event::Replaced(replaced) => replaced.number,
            Event::StatusReported(status) => match orders.position(status.target) {
                Some(_) => status.target,
                None => {
                    report.status_of_nothing();
                    return Ok(());
                }
            },
            Event::CancelRejected(rejected) => {
                report.cancel_rejected(rejected);
                return Ok(());
            }
            Event::MassCanceled { orders, .. } => {
                report.mass_cancel(Ok(*orders));
                return Ok(());
            }
            Event::MassCancelRejected { reason, .. } => {
                report.mass_cancel(Err(*reason));
                return Ok(());
            }
            _ => return Ok(()),
        };
        let order = report.entered(number, inputs, &mut buffer)?;
        match told.event {
            Event::Accepted(_) => report.accepted(&order),
            Event::Rejected(rejected) => report.rejected(&order, rejected.reason),
            Event::Traded(traded) => report.traded(&order, traded),
            Event::Canceled(canceled) => report.canceled(&order, canceled),
            Event::Replaced(replaced) => report.replaced(&order, replaced),
            Event::StatusReported(status) => report.status(&order, status),
            _ => {}
        }
        Ok(())
    }
}

/// One report that is being written.
struct Report<'a, 'o> {
    directory: &'a Directory,
    orders: &'a Orders,
    told: &'a Told<'a>,
    identity: &'a Identity,
    header: &'a Header,
    out: &'o mut Vec<u8>,
}

/// An order as it was entered under one of its numbers.
struct Entered<'b> {
    number: OrderNumber,
    command: Command,
    attachment: &'b [u8],
    terms: Terms,
}

/// What one ExecutionReport(8) says beside the order's own fields.
struct Execution<'b> {
    exec_type: u8,
    ord_status: u8,
    order_id: Option<OrderId>,
    cl_ord_id: &'b [u8],
    orig_cl_ord_id: &'b [u8],
    leaves_qty: Qty,
    cum_qty: Qty,
    notional: Notional,
    reason: Option<RejectReason>,
    text: &'static str,
    fill: Option<LastFill>,
}

struct LastFill {
    trade: TradeId,
    price: Price,
    qty: Qty,
    role: Role,
}

#[derive(Clone, Copy)]
enum Role {
    Maker,
    Taker,
}

/// ExecType(150), and the values that it shares with OrdStatus(39).
mod exec {
    pub(super) const NEW: u8 = b'0';
    pub(super) const PARTIALLY_FILLED: u8 = b'1';
    pub(super) const FILLED: u8 = b'2';
    pub(super) const CANCELED: u8 = b'4';
    pub(super) const REPLACED: u8 = b'5';
    pub(super) const REJECTED: u8 = b'8';
    pub(super) const EXPIRED: u8 = b'C';
    pub(super) const TRADE: u8 = b'F';
    pub(super) const STATUS: u8 = b'I';
}

impl<'a> Report<'a, '_> {
    /// The order of `number` as it was entered: by this turn, or by an older one.
    fn entered<'b>(
        &self,
        number: OrderNumber,
        inputs: &mut impl Inputs,
        buffer: &'b mut [u8; ATTACHMENT_BYTES_MAX],
    ) -> Result<Entered<'b>, Unreadable>
    where
        'a: 'b,
    {
        let Told { session, input, attachment, .. } = *self.told;
        let (command, attachment) =
            if input.session == session && number_of(&input.command) == Some(number) {
                (input.command, attachment)
            } else {
                let position = self.orders.position(number);
                let unreadable = Unreadable { session, number, position };
                let position = position.ok_or(unreadable)?;
                let (input, len) = inputs.input(position, buffer).ok_or(unreadable)?;
                (input.command, buffer.get(..len).ok_or(unreadable)?)
            };
        let terms = terms_of(&command, self.orders);
        Ok(Entered { number, command, attachment, terms })
    }

    /// The fill of the session that is told, the other one, and its role.
    fn own_fill<'t>(&self, traded: &'t Traded) -> (&'t Fill, Role) {
        let maker = &traded.maker;
        if maker.session == self.told.session && maker.msg == self.header.msg {
            (maker, Role::Maker)
        } else {
            (&traded.taker, Role::Taker)
        }
    }

    fn accepted(&mut self, order: &Entered<'_>) {
        let execution = Execution {
            order_id: Some(OrderId(self.told.input.sequence.0)),
            leaves_qty: order.qty(),
            ..self.execution(order, exec::NEW, exec::NEW)
        };
        self.write(order, &execution);
    }

    fn rejected(&mut self, order: &Entered<'_>, reason: RejectReason) {
        let execution = Execution {
            reason: Some(reason),
            text: reason.text(),
            ..self.execution(order, exec::REJECTED, exec::REJECTED)
        };
        self.write(order, &execution);
    }

    fn traded(&mut self, order: &Entered<'_>, traded: &Traded) {
        let (fill, role) = self.own_fill(traded);
        let ord_status =
            if fill.leaves_qty.is_zero() { exec::FILLED } else { exec::PARTIALLY_FILLED };
        let last = LastFill { trade: traded.id, price: traded.price, qty: traded.qty, role };
        let execution = Execution {
            order_id: Some(fill.order_id),
            leaves_qty: fill.leaves_qty,
            cum_qty: fill.cum_qty,
            notional: fill.notional,
            fill: Some(last),
            ..self.execution(order, exec::TRADE, ord_status)
        };
        self.write(order, &execution);
    }

    fn canceled(&mut self, order: &Entered<'_>, canceled: &Canceled) {
        let (code, text) = match canceled.reason {
            CancelReason::Requested => (exec::CANCELED, ""),
            CancelReason::MassCancel => (exec::CANCELED, "mass cancel"),
            CancelReason::Venue => (exec::CANCELED, "canceled by the venue"),
            CancelReason::Ioc => (exec::CANCELED, "immediate or cancel: the rest found no match"),
            CancelReason::Fok => (exec::CANCELED, "fill or kill: could not be filled whole"),
            CancelReason::Market => (exec::CANCELED, "market order: the rest found no match"),
            CancelReason::Expired => (exec::EXPIRED, "end of the trading day"),
        };
        let mut execution = Execution {
            order_id: Some(canceled.order_id),
            cum_qty: canceled.cum_qty,
            notional: canceled.notional,
            text,
            ..self.execution(order, code, code)
        };
        let own = self.told.input.session == self.told.session;
        if canceled.reason == CancelReason::Requested && own {
            // A request's report has the request's ClOrdID; the order's is then OrigClOrdID.
            if let Some(request) = echo(self.told.attachment, tag::CL_ORD_ID) {
                execution.orig_cl_ord_id = execution.cl_ord_id;
                execution.cl_ord_id = request;
            }
        }
        self.write(order, &execution);
    }

    fn replaced(&mut self, order: &Entered<'_>, replaced: &Replaced) {
        let cum_qty = replaced.order_qty - replaced.leaves_qty;
        let ord_status = if cum_qty.is_zero() { exec::NEW } else { exec::PARTIALLY_FILLED };
        let execution = Execution {
            order_id: Some(replaced.order_id),
            orig_cl_ord_id: self.orders.cl_ord_id(replaced.old_number),
            leaves_qty: replaced.leaves_qty,
            cum_qty,
            notional: replaced.notional,
            ..self.execution(order, exec::REPLACED, ord_status)
        };
        self.write(order, &execution);
    }

    fn status(&mut self, order: &Entered<'_>, status: &StatusReported) {
        let mut execution = self.execution(order, exec::STATUS, exec::REJECTED);
        let standing = self.orders.standing_at(order.number, self.told.position);
        execution.ord_status = ord_status(standing);
        execution.order_id = self.orders.order_id(order.number);
        match (status.working, standing) {
            (Some(working), _) => {
                execution.ord_status =
                    if working.cum_qty.is_zero() { exec::NEW } else { exec::PARTIALLY_FILLED };
                execution.order_id = Some(working.order_id);
                execution.leaves_qty = working.leaves_qty;
                execution.cum_qty = working.cum_qty;
                execution.notional = working.notional;
            }
            (None, Standing::Done { cum_qty, notional, .. }) => {
                execution.cum_qty = cum_qty;
                execution.notional = notional;
            }
            (None, Standing::Refused) => execution.text = "the order or the replace was rejected",
            (None, Standing::Working { .. } | Standing::Unknown) => {
                // The request and a replace crossed: it named the order by a name it has no longer.
                execution.ord_status = exec::REJECTED;
                execution.reason = Some(RejectReason::UnknownOrder);
                execution.text = "the order was replaced meanwhile: ask for its new ClOrdID";
            }
        }
        let asked = echo(self.told.attachment, tag::CL_ORD_ID).unwrap_or(&[]);
        if asked != execution.cl_ord_id {
            execution.orig_cl_ord_id = asked;
        }
        self.write(order, &execution);
    }

    /// The status of an order that is not known.
    fn status_of_nothing(&mut self) {
        let told = self.told;
        let command = told.input.command;
        let (number, terms) = (OrderNumber::NONE, Terms::PLAIN);
        let order = Entered { number, command, attachment: told.attachment, terms };
        let execution = Execution {
            cl_ord_id: echo(told.attachment, tag::CL_ORD_ID).unwrap_or(&[]),
            reason: Some(RejectReason::UnknownOrder),
            text: RejectReason::UnknownOrder.text(),
            ..self.execution(&order, exec::STATUS, exec::REJECTED)
        };
        self.write(&order, &execution);
    }

    /// A report of nothing done, to be filled in.
    fn execution<'b>(&self, order: &Entered<'b>, exec_type: u8, ord_status: u8) -> Execution<'b>
    where
        'a: 'b,
    {
        let known = self.orders.cl_ord_id(order.number);
        let cl_ord_id = match echo(order.attachment, tag::CL_ORD_ID) {
            Some(cl_ord_id) if order.number != OrderNumber::NONE => cl_ord_id,
            _ => known,
        };
        Execution {
            exec_type,
            ord_status,
            order_id: None,
            cl_ord_id,
            orig_cl_ord_id: &[],
            leaves_qty: Qty::ZERO,
            cum_qty: Qty::ZERO,
            notional: Notional::ZERO,
            reason: None,
            text: "",
            fill: None,
        }
    }

    /// Writes an ExecutionReport(8).
    fn write(&mut self, order: &Entered<'_>, execution: &Execution<'_>) {
        let told = self.told;
        let instrument = order.instrument().and_then(|id| self.directory.instrument(id));
        let (attachment, asked) = (order.attachment, told.attachment);
        let mut message = self.identity.begin(self.out, b"8", self.header);
        match execution.order_id {
            Some(OrderId(id)) => message.uint(tag::ORDER_ID, id),
            None => {
                let claimed = match told.event {
                    Event::StatusReported(_) => echo(asked, tag::ORDER_ID),
                    _ => None,
                };
                message.bytes(tag::ORDER_ID, claimed.unwrap_or(b"NONE"))
            }
        };
        message.bytes(tag::CL_ORD_ID, execution.cl_ord_id);
        message.bytes(tag::ORIG_CL_ORD_ID, execution.orig_cl_ord_id);
        if let Event::StatusReported(_) = told.event {
            message
                .bytes(tag::ORD_STATUS_REQ_ID, echo(asked, tag::ORD_STATUS_REQ_ID).unwrap_or(&[]));
        }
        let role = execution.fill.as_ref().map(|fill| fill.role);
        message.bytes(tag::EXEC_ID, ExecId::new(told, role).as_bytes());
        message.char(tag::EXEC_TYPE, execution.exec_type);
        message.char(tag::ORD_STATUS, execution.ord_status);
        if let Some(reason) = execution.reason {
            message.uint(tag::ORD_REJ_REASON, ord_rej_reason(reason).into());
        }
        message.bytes(tag::ACCOUNT, echo(attachment, tag::ACCOUNT).unwrap_or(&[]));
        let side_asked = echo(attachment, tag::SIDE).or(echo(asked, tag::SIDE)).unwrap_or(b"7");
        match instrument {
            Some(instrument) => message.bytes(tag::SYMBOL, instrument.symbol.as_bytes()),
            None => {
                let symbol = echo(attachment, tag::SYMBOL).or(echo(asked, tag::SYMBOL));
                message.bytes(tag::SYMBOL, symbol.unwrap_or(b"[N/A]"))
            }
        };
        match order.side() {
            Some(side) => message.char(tag::SIDE, if side == Side::Buy { b'1' } else { b'2' }),
            None => message.bytes(tag::SIDE, side_asked),
        };
        order.write_terms(&mut message, instrument);
        if let Some(fill) = &execution.fill {
            put_price(&mut message, tag::LAST_PX, fill.price, instrument);
            put_qty(&mut message, tag::LAST_QTY, fill.qty, instrument);
            let liquidity = match fill.role {
                Role::Maker => b'1',
                Role::Taker => b'2',
            };
            message.char(tag::LAST_LIQUIDITY_IND, liquidity);
            message.uint(tag::SECONDARY_EXEC_ID, fill.trade.0);
        }
        put_qty(&mut message, tag::LEAVES_QTY, execution.leaves_qty, instrument);
        put_qty(&mut message, tag::CUM_QTY, execution.cum_qty, instrument);
        let (mantissa, decimals) = avg_px(execution.notional, execution.cum_qty, instrument);
        message.decimal(tag::AVG_PX, mantissa, decimals);
        message.utc(tag::TRANSACT_TIME, told.input.timestamp);
        message.bytes(tag::TEXT, execution.text.as_bytes());
        message.finish();
    }

    /// Writes an OrderCancelReject(9).
    fn cancel_rejected(&mut self, rejected: &CancelRejected) {
        let (told, target) = (self.told, rejected.target);
        let order_id = self.orders.order_id(target);
        let standing = self.orders.standing_at(target, told.position);
        let known = self.orders.cl_ord_id(target);
        let mut message = self.identity.begin(self.out, b"9", self.header);
        match order_id {
            Some(OrderId(id)) => message.uint(tag::ORDER_ID, id),
            None => message.bytes(tag::ORDER_ID, b"NONE"),
        };
        let request = echo(told.attachment, tag::CL_ORD_ID).unwrap_or(known);
        let orig = echo(told.attachment, tag::ORIG_CL_ORD_ID).unwrap_or(known);
        message.bytes(tag::CL_ORD_ID, if request.is_empty() { b"NONE" } else { request });
        message.bytes(tag::ORIG_CL_ORD_ID, if orig.is_empty() { b"NONE" } else { orig });
        message.char(tag::ORD_STATUS, ord_status(standing));
        message.bytes(tag::ACCOUNT, self.orders.account(target));
        message.char(
            tag::CXL_REJ_RESPONSE_TO,
            match rejected.request {
                CancelRequest::Cancel => b'1',
                CancelRequest::Replace => b'2',
            },
        );
        message.uint(tag::CXL_REJ_REASON, cxl_rej_reason(rejected.reason).into());
        message.utc(tag::TRANSACT_TIME, told.input.timestamp);
        message.bytes(tag::TEXT, rejected.reason.text().as_bytes());
        message.finish();
    }

    /// Writes an OrderMassCancelReport(r): how many orders, or why not.
    fn mass_cancel(&mut self, done: Judged<u32>) {
        let told = self.told;
        let instrument = match told.input.command {
            Command::MassCancel(
                MassCancelScope::SessionInstrument(id) | MassCancelScope::Instrument(id),
            ) => self.directory.instrument(id),
            _ => None,
        };
        let implied: &[u8] = if instrument.is_some() { b"1" } else { b"7" };
        let kind = echo(told.attachment, tag::MASS_CANCEL_REQUEST_TYPE).unwrap_or(implied);
        let mut message = self.identity.begin(self.out, b"r", self.header);
        message.bytes(tag::CL_ORD_ID, echo(told.attachment, tag::CL_ORD_ID).unwrap_or(&[]));
        message.uint(tag::ORDER_ID, told.input.sequence.0);
        message.bytes(tag::MASS_CANCEL_REQUEST_TYPE, kind);
        match done {
            Ok(orders) => {
                message.bytes(tag::MASS_CANCEL_RESPONSE, kind);
                message.uint(tag::TOTAL_AFFECTED_ORDERS, orders.into());
            }
            Err(reason) => {
                message.char(tag::MASS_CANCEL_RESPONSE, b'0');
                message
                    .uint(tag::MASS_CANCEL_REJECT_REASON, mass_cancel_reject_reason(reason).into());
            }
        }
        match instrument {
            Some(instrument) => message.bytes(tag::SYMBOL, instrument.symbol.as_bytes()),
            None => message.bytes(tag::SYMBOL, echo(told.attachment, tag::SYMBOL).unwrap_or(&[])),
        };
        message.utc(tag::TRANSACT_TIME, told.input.timestamp);
        message.bytes(tag::TEXT, done.err().map_or("", RejectReason::text).as_bytes());
        message.finish();
    }
}

impl Entered<'_> {
    fn instrument(&self) -> Option<InstrumentId> {
        match &self.command {
            Command::New(new) => Some(new.instrument),
            Command::Replace(replace) => Some(replace.instrument),
            _ => None,
        }
    }

    fn side(&self) -> Option<Side> {
        match &self.command {
            Command::New(new) => Some(new.side),
            Command::Replace(replace) => Some(replace.side),
            _ => None,
        }
    }

    fn qty(&self) -> Qty {
        match &self.command {
            Command::New(new) => new.qty,
            Command::Replace(replace) => replace.qty,
            _ => Qty::ZERO,
        }
    }

    /// OrderQty(38), OrdType(40), Price(44), TimeInForce(59), ExecInst(18): from the Command, or as the
    /// counterparty wrote them where no Command could say them.
    fn write_terms(&self, message: &mut Encoder<'_>, instrument: Option<&Instrument>) {
        let limit = match &self.command {
            Command::New(NewOrder { kind: OrderKind::Limit(price), .. }) => Some(*price),
            Command::Replace(replace) => Some(replace.price),
            _ => None,
        };
        if instrument.is_none() {
            for tag in [tag::ORDER_QTY, tag::ORD_TYPE, tag::PRICE, tag::TIME_IN_FORCE] {
                message.bytes(tag, echo(self.attachment, tag).unwrap_or(&[]));
            }
            return;
        }
        put_qty(message, tag::ORDER_QTY, self.qty(), instrument);
        message.char(tag::ORD_TYPE, self.terms.ord_type());
        if let Some(price) = limit {
            put_price(message, tag::PRICE, price, instrument);
        }
        message.char(tag::TIME_IN_FORCE, self.terms.time_in_force());
        if self.terms.is_post_only() {
            message.char(tag::EXEC_INST, b'6');
        }
    }
}

/// ExecID(17): Sequence of the turn, place of the Event in it, M or T for the side of a trade. Unique in
/// the venue, and the same whenever the report is made.
struct ExecId {
    bytes: [u8; 34],
    at: usize,
}

impl ExecId {
    fn new(told: &Told<'_>, role: Option<Role>) -> ExecId {
        let mut id = ExecId { bytes: [0; 34], at: 34 };
        match role {
            Some(Role::Maker) => id.byte(b'M'),
            Some(Role::Taker) => id.byte(b'T'),
            None => {}
        }
        id.number(told.event_index.into());
        id.byte(b'-');
        id.number(told.input.sequence.0);
        id
    }

    fn byte(&mut self, byte: u8) {
        self.at -= 1;
        self.bytes[self.at] = byte;
    }

    fn number(&mut self, mut value: u64) {
        loop {
            self.byte(b'0' + u8::try_from(value % 10).unwrap_or(0));
            value /= 10;
            if value == 0 {
                break;
            }
        }
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[self.at..]
    }
}

fn put_price(message: &mut Encoder<'_>, tag: u32, price: Price, instrument: Option<&Instrument>) {
    if let Some(instrument) = instrument {
        // It came from text of 64 bits, so it goes back into them.
        let mantissa = price.ticks().saturating_mul(instrument.tick_size.into());
        message.decimal(tag, mantissa, instrument.price_decimals);
    }
}

/// A quantity; without an instrument there is none but zero.
fn put_qty(message: &mut Encoder<'_>, tag: u32, qty: Qty, instrument: Option<&Instrument>) {
    let (lot_size, decimals) =
        instrument.map_or((0, 0), |instrument| (instrument.lot_size, instrument.qty_decimals));
    let units = qty.lots().saturating_mul(lot_size.into());
    message.decimal(tag, i64::try_from(units).unwrap_or(i64::MAX), decimals);
}

/// AvgPx(6) = notional / quantity as mantissa and decimals: exact if that takes up to
/// [`AVG_PX_EXTRA_DECIMALS`] decimals more than a price has, else rounded to the nearest of the last one.
fn avg_px(notional: Notional, cum_qty: Qty, instrument: Option<&Instrument>) -> (i64, u8) {
    let Some(instrument) = instrument else { return (0, 0) };
    let decimals = instrument.price_decimals;
    if cum_qty.is_zero() {
        return (0, 0);
    }
    let total = i128::from(notional.tick_lots()) * i128::from(instrument.tick_size);
    let qty = u128::from(cum_qty.lots());
    let magnitude = total.unsigned_abs();
    let (whole, rest) = match (u64::try_from(magnitude), cum_qty.lots()) {
        (Ok(magnitude), lots) => (u128::from(magnitude / lots), u128::from(magnitude % lots)),
        (Err(_), _) => (magnitude / qty, magnitude % qty),
    };
    let (mut mantissa, mut extra) = (whole, 0);
    if rest != 0 {
        let mut scale = 10u128.pow(AVG_PX_EXTRA_DECIMALS.into());
        extra = AVG_PX_EXTRA_DECIMALS;
        while (whole + 1) * scale > u128::from(i64::MAX.unsigned_abs()) && extra > 0 {
            scale /= 10;
            extra -= 1;
        }
        mantissa = whole * scale + (rest * scale + qty / 2) / qty;
        while extra > 0 && mantissa % 10 == 0 {
            mantissa /= 10;
            extra -= 1;
        }
    }
    let mantissa = i64::try_from(mantissa).unwrap_or(i64::MAX);
    (if total < 0 { -mantissa } else { mantissa }, decimals + extra)
}

/// OrdStatus(39).
fn ord_status(standing: Standing) -> u8 {
    match standing {
        Standing::Unknown | Standing::Refused => exec::REJECTED,
        Standing::Working { traded: false } => exec::NEW,
        Standing::Working { traded: true } => exec::PARTIALLY_FILLED,
        Standing::Done { ending: Ending::Filled, .. } => exec::FILLED,
        Standing::Done { ending: Ending::Canceled, .. } => exec::CANCELED,
        Standing::Done { ending: Ending::Expired, .. } => exec::EXPIRED,
    }
}

/// OrdRejReason(103) of an ExecutionReport(8).
#[must_use]
pub const fn ord_rej_reason(reason: RejectReason) -> u16 {
    use RejectReason as R;
    match reason {
        R::Throttled | R::JournalFull | R::TooManyOrders | R::TooManyLevels => 0,
        R::NumbersExhausted | R::NotPermitted => 0,
        R::UnknownInstrument => 1,
        R::Halted | R::Closed => 2,
        R::QtyTooLarge => 3,
        R::UnknownOrder => 5,
        R::DuplicateClOrdId => 6,
        R::Unsupported | R::Contradiction => 11,
        R::QtyZero | R::QtyTooSmall | R::QtyOffLot => 13,
        _ => 99,
    }
}

/// CxlRejReason(102) of an OrderCancelReject(9).
#[must_use]
pub const fn cxl_rej_reason(reason: RejectReason) -> u16 {
    use RejectReason as R;
    match reason {
        R::TooLate => 0,
        R::UnknownOrder => 1,
        R::Throttled | R::JournalFull | R::TooManyOrders | R::TooManyLevels => 2,
        R::NumbersExhausted | R::NotPermitted | R::Halted | R::Closed => 2,
        R::DuplicateClOrdId => 6,
        _ => 99,
    }
}

/// MassCancelRejectReason(532) of an OrderMassCancelReport(r).
#[must_use]
pub const fn mass_cancel_reject_reason(reason: RejectReason) -> u16 {
    match reason {
        RejectReason::Unsupported => 0,
        RejectReason::UnknownInstrument => 1,
        _ => 99,
    }
}
