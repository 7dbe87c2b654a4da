//! FIX application message → Command.

use matcher::{
    Command, Instrument, InstrumentId, Liquidity, MassCancelScope, NewOrder, OrderKind,
    OrderNumber, Price, Qty, RefusedRequest, RejectReason, ReplaceOrder, Side, TimeInForce,
};

use super::echo::{Echoes, NUMBER_BYTES_ECHOED};
use super::{
    ACCOUNT_BYTES_MAX, CL_ORD_ID_BYTES_MAX, Directory, ORDER_ID_BYTES_MAX, Request,
    STATUS_ID_BYTES_MAX, SYMBOL_BYTES_MAX, business, enter,
};
use crate::fix::{DecimalError, Message, SessionRejectReason, parse_scaled, tag};
use crate::orders::Orders;

/// A field that makes the whole message invalid: Reject(3).
struct BadField {
    tag: u32,
    reason: SessionRejectReason,
}

impl From<BadField> for Request<'_> {
    fn from(bad: BadField) -> Self {
        Request::Reject { tag: bad.tag, reason: bad.reason.code() }
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
    value.ok_or(BadField { tag, reason: SessionRejectReason::RequiredTagMissing })
}

/// Text of 1 to `bytes_max` printable ASCII characters.
fn text(value: &[u8], tag: u32, bytes_max: usize) -> Result<&[u8], BadField> {
    if value.is_empty() {
        return Err(BadField { tag, reason: SessionRejectReason::TagWithoutValue });
    }
    let printable = value.iter().all(|byte| matches!(byte, b' '..=b'~'));
    if value.len() > bytes_max || !printable {
        return Err(BadField { tag, reason: SessionRejectReason::ValueIncorrect });
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
        [] => Err(BadField { tag, reason: SessionRejectReason::TagWithoutValue }),
        [code] if known.contains(code) => Ok(*code),
        [_] => Err(BadField { tag, reason: SessionRejectReason::ValueIncorrect }),
        _ => Err(BadField { tag, reason: SessionRejectReason::IncorrectDataFormat }),
    }
}

/// A number in units of the last of `decimals` decimals; `Err` inside: more decimals, or too large.
fn scaled(value: &[u8], tag: u32, decimals: u8) -> Result<Result<i64, DecimalError>, BadField> {
    if value.is_empty() {
        return Err(BadField { tag, reason: SessionRejectReason::TagWithoutValue });
    }
    match parse_scaled(value, decimals) {
        Err(DecimalError::NotANumber) => {
            Err(BadField { tag, reason: SessionRejectReason::IncorrectDataFormat })
        }
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
            return Err(BadField {
                tag: tag::PRICE,
                reason: SessionRejectReason::RequiredTagMissing,
            });
        }
        if !unsupported && qty.is_none() {
            return Err(BadField {
                tag: tag::ORDER_QTY,
                reason: SessionRejectReason::RequiredTagMissing,
            });
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

/// What one message of one session can reach.
pub(super) struct Border<'a> {
    pub(super) directory: &'a Directory,
    pub(super) orders: &'a mut Orders,
    pub(super) orders_max: u32,
    pub(super) poss_resend: bool,
    pub(super) throttled: bool,
    pub(super) echoes: Echoes<'a>,
}

type Answer<'m> = Result<Request<'m>, BadField>;

impl Border<'_> {
    /// What to do with the message.
    pub(super) fn answer<'m>(&mut self, message: &Message<'m>) -> Request<'m> {
        let asked = Asked::new(message);
        let answer = match message.msg_type() {
            b"D" => self.new_order(&asked),
            b"F" => self.cancel(&asked),
            b"G" => self.replace(&asked),
            b"q" => self.mass_cancel(&asked),
            b"H" => self.status(&asked),
            _ => {
                let reason = business::UNSUPPORTED_MESSAGE_TYPE;
                let ref_id = asked.cl_ord_id.unwrap_or(&[]);
                Ok(Request::BusinessReject { reason, ref_id, text: "unsupported message type" })
            }
        };
        answer.unwrap_or_else(Request::from)
    }

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
        // Also for an order that the core refuses for want of room, after which no Command says them.
        self.echoes.put(tag::SYMBOL, order.symbol);
        self.echoes.put(tag::SIDE, &[order.side_code]);
        let told_by_command =
            matches!(&command, Command::New(new) if new.instrument != InstrumentId::NONE);
        if !told_by_command {
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
            // One side, or all orders of what is not all: never wider than it was asked for.
            _ if asked.side.is_some() => None,
            INSTRUMENT => {
                let id = self.directory.find(required(symbol, tag::SYMBOL)?);
                Some(MassCancelScope::SessionInstrument(id.unwrap_or(InstrumentId::NONE)))
            }
            ALL if symbol.is_none() => Some(MassCancelScope::Session),
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
        enter(self.orders, number, &command, self.echoes.as_bytes());
        self.submit(command)
    }

    fn submit<'m>(&self, command: Command) -> Request<'m> {
        Request::Submit { command, attachment_len: self.echoes.as_bytes().len() }
    }
}

fn cl_ord_id<'m>(asked: &Asked<'m>) -> Result<&'m [u8], BadField> {
    text(required(asked.cl_ord_id, tag::CL_ORD_ID)?, tag::CL_ORD_ID, CL_ORD_ID_BYTES_MAX)
}

fn orig_cl_ord_id<'m>(asked: &Asked<'m>) -> Result<&'m [u8], BadField> {
    let orig = required(asked.orig_cl_ord_id, tag::ORIG_CL_ORD_ID)?;
    text(orig, tag::ORIG_CL_ORD_ID, CL_ORD_ID_BYTES_MAX)
}
