//! Event → FIX application message.

use matcher::record::ATTACHMENT_BYTES_MAX;
use matcher::{
    CancelReason, CancelRejected, CancelRequest, Canceled, Command, Event, Fill, Instrument,
    InstrumentId, MassCancelScope, NewOrder, Notional, OrderId, OrderKind, OrderNumber, Price, Qty,
    RejectReason, Replaced, Side, StatusReported, TradeId, Traded,
};

use super::echo::echo;
use super::reason::{cxl_rej_reason, mass_cancel_reject_reason, ord_rej_reason};
use super::{Directory, Inputs, Told, Unreadable, number_of};
use crate::fix::{Encoder, Header, Identity, tag};
use crate::orders::{Ending, Orders, Standing, Terms, terms_of};

/// SecondaryExecID(527): the trade, the same for both sides. FIX 4.4 has no TrdMatchID(880) here.
const SECONDARY_EXEC_ID: u32 = 527;

/// Decimals that AvgPx(6) has beyond those of a price, at most.
const AVG_PX_EXTRA_DECIMALS: u8 = 8;

/// One report that is being written.
pub(super) struct Report<'a, 'o> {
    pub(super) directory: &'a Directory,
    pub(super) orders: &'a Orders,
    pub(super) told: &'a Told<'a>,
    pub(super) identity: &'a Identity,
    pub(super) header: &'a Header,
    pub(super) out: &'o mut Vec<u8>,
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
    /// Writes the message.
    pub(super) fn tell(mut self, inputs: &mut impl Inputs) -> Result<(), Unreadable> {
        let mut buffer = [0; ATTACHMENT_BYTES_MAX];
        let number = match self.told.event {
            Event::Accepted(accepted) => accepted.number,
            Event::Rejected(rejected) => rejected.number,
            Event::Traded(traded) => self.own_fill(traded).0.number,
            Event::Canceled(canceled) => canceled.number,
            Event::Replaced(replaced) => replaced.number,
            Event::StatusReported(status) if self.orders.position(status.target).is_none() => {
                self.status_of_nothing();
                return Ok(());
            }
            Event::StatusReported(status) => self.number_to_tell(status),
            Event::CancelRejected(rejected) => {
                self.cancel_rejected(rejected);
                return Ok(());
            }
            Event::MassCanceled { orders, .. } => {
                self.mass_cancel(Ok(*orders));
                return Ok(());
            }
            Event::MassCancelRejected { reason, .. } => {
                self.mass_cancel(Err(*reason));
                return Ok(());
            }
            _ => return Ok(()),
        };
        let order = self.entered(number, inputs, &mut buffer)?;
        match self.told.event {
            Event::Accepted(_) => self.accepted(&order),
            Event::Rejected(rejected) => self.rejected(&order, rejected.reason),
            Event::Traded(traded) => self.traded(&order, traded),
            Event::Canceled(canceled) => self.canceled(&order, canceled),
            Event::Replaced(replaced) => self.replaced(&order, replaced),
            Event::StatusReported(status) => self.status(&order, status),
            _ => {}
        }
        Ok(())
    }

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

    /// The number that a status is told under: that of the request, or the last one of an order that was done
    /// by then, which it may have got in the meantime.
    fn number_to_tell(&self, status: &StatusReported) -> OrderNumber {
        match self.orders.standing_at(status.target, self.told.position) {
            Standing::Done { .. } => self.orders.present(status.target),
            _ => status.target,
        }
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
            message.uint(SECONDARY_EXEC_ID, fill.trade.0);
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
        // The core knows numbers, not names: what it finds no working order under may never have been one,
        // or may be the former name of one.
        let (reason, text) = match (rejected.reason, standing) {
            (RejectReason::TooLate, Standing::Working { .. }) => {
                (RejectReason::UnknownOrder, "the order was replaced: it has a new ClOrdID")
            }
            (RejectReason::TooLate, Standing::Refused) => {
                (RejectReason::UnknownOrder, "the order or the replace was rejected")
            }
            (reason, _) => (reason, reason.text()),
        };
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
        message.uint(tag::CXL_REJ_REASON, cxl_rej_reason(reason).into());
        message.utc(tag::TRANSACT_TIME, told.input.timestamp);
        message.bytes(tag::TEXT, text.as_bytes());
        message.finish();
    }

    /// Writes an OrderMassCancelReport(r): how many orders, or why not.
    fn mass_cancel(&mut self, done: Result<u32, RejectReason>) {
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
