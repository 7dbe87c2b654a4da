//! FIX application message → Command.

pub(super) mod fields;
mod mass_cancel;
mod status;
mod terms;

use matcher::{
    Command, InstrumentId, NewOrder, OrderKind, OrderNumber, Price, Qty, RefusedRequest,
    RejectReason, ReplaceOrder, Side, Terms,
};

use super::echo::{Echoes, NUMBER_BYTES_ECHOED};
use super::{
    ACCOUNT_BYTES_MAX, CL_ORD_ID_BYTES_MAX, DayEnd, Directory, Request, SYMBOL_BYTES_MAX, append,
    business,
};
use crate::fix::{Message, SessionRejectReason, tag};
use crate::orders::{Orders, Pages};

use fields::{
    Asked, BadField, Judged, cl_ord_id, code, optional_text, orig_cl_ord_id, price, qty, required,
    text,
};
use terms::{Asking, Asks};

/// What an order and a replace have in common, judged: `Err` inside is an answer of the market.
struct Order<'m> {
    cl_ord_id: &'m [u8],
    account: Option<&'m [u8]>,
    symbol: &'m [u8],
    instrument: Option<InstrumentId>,
    side_code: u8,
    ord_type: u8,
    price: Option<Judged<Price>>,
    qty: Option<Judged<Qty>>,
    asks: Asks,
    unsupported: bool,
}

impl<'m> Order<'m> {
    fn new(
        asked: &Asked<'m>,
        asking: Asking,
        (directory, day_end): (&Directory, &DayEnd),
    ) -> Result<Order<'m>, BadField> {
        const SIDES: &[u8] = b"123456789ABCDEFG";
        const ORD_TYPES: &[u8] = b"12346789DEGIJKLMP";
        const TIMES_IN_FORCE: &[u8] = b"0123456789";
        let cl_ord_id = required(asked.cl_ord_id, tag::CL_ORD_ID)?;
        let cl_ord_id = text(cl_ord_id, tag::CL_ORD_ID, CL_ORD_ID_BYTES_MAX)?;
        let account = optional_text(asked.account, tag::ACCOUNT, ACCOUNT_BYTES_MAX)?;
        let symbol = text(required(asked.symbol, tag::SYMBOL)?, tag::SYMBOL, SYMBOL_BYTES_MAX)?;
        let side_code = code(required(asked.side, tag::SIDE)?, tag::SIDE, SIDES)?;
        let ord_type = code(required(asked.ord_type, tag::ORD_TYPE)?, tag::ORD_TYPE, ORD_TYPES)?;
        let time_in_force =
            asked.time_in_force.map(|value| code(value, tag::TIME_IN_FORCE, TIMES_IN_FORCE));
        let time_in_force = time_in_force.transpose()?;
        let instrument = directory.find(symbol);
        let definition = instrument.and_then(|id| directory.instrument(id));
        let price = asked.price.map(|value| price(value, tag::PRICE, definition)).transpose()?;
        let qty =
            asked.order_qty.map(|value| qty(value, tag::ORDER_QTY, definition)).transpose()?;
        let asks = Asks::new(asked, (ord_type, time_in_force), definition, day_end)?;
        let unsupported = asked.unsupported
            || !matches!(ord_type, b'1' | b'2' | b'3' | b'4' | b'K' | b'P')
            || !matches!(side_code, b'1' | b'2')
            || matches!(time_in_force, Some(b'5' | b'8'));
        let missing = asks.missing(price.is_some(), asking);
        let missing = missing.or(qty.is_none().then_some(tag::ORDER_QTY));
        match missing.filter(|_| !unsupported) {
            Some(tag) => Err(BadField { tag, reason: SessionRejectReason::RequiredTagMissing }),
            None => Ok(Order {
                cl_ord_id,
                account,
                symbol,
                instrument,
                side_code,
                ord_type,
                price,
                qty,
                asks,
                unsupported,
            }),
        }
    }

    fn side(&self) -> Judged<Side> {
        match self.side_code {
            b'1' => Ok(Side::Buy),
            b'2' => Ok(Side::Sell),
            _ => Err(RejectReason::Unsupported),
        }
    }

    fn new_order(&self, number: OrderNumber) -> Judged<Command> {
        if self.unsupported {
            return Err(RejectReason::Unsupported);
        }
        let (side, asks) = (self.side()?, &self.asks);
        let (liquidity, time_in_force) = (asks.liquidity()?, asks.time_in_force()?);
        let Some(instrument) = self.instrument else {
            // The core refuses it for its symbol; without one there are neither ticks nor lots.
            let instrument = InstrumentId::NONE;
            let qty = Qty::from_lots(1);
            let kind = match self.ord_type {
                b'1' => OrderKind::Market,
                _ => OrderKind::Limit(Price::default()),
            };
            let new = NewOrder { number, instrument, side, kind, qty, time_in_force, liquidity };
            return Ok(Command::New(new));
        };
        let qty = self.qty.unwrap_or(Err(RejectReason::QtyZero))?;
        let (kind, terms) = (asks.kind(self.price)?, asks.terms(side)?);
        let new = NewOrder { number, instrument, side, kind, qty, time_in_force, liquidity };
        Ok(if terms == Terms::NONE { Command::New(new) } else { Command::NewSpecial(new, terms) })
    }

    fn replace(
        &self,
        number: OrderNumber,
        target: OrderNumber,
        orders: &Orders,
    ) -> Judged<Command> {
        if self.unsupported {
            return Err(RejectReason::Unsupported);
        }
        let side = self.side()?;
        let Some(instrument) = self.instrument else {
            let (instrument, price, qty) =
                (InstrumentId::NONE, Price::default(), Qty::from_lots(1));
            let replace = ReplaceOrder { number, target, instrument, side, price, qty };
            return Ok(Command::Replace(replace));
        };
        // What is not quantity, price or stop price stays what it is; to change it takes a new order.
        let terms = orders.terms(target);
        let stop = terms.map_or(Ok(None), |terms| self.asks.replaced_stop(side, terms))?;
        let qty = self.qty.unwrap_or(Err(RejectReason::QtyZero))?;
        let price = match self.price {
            _ if terms.is_some_and(|terms| !terms.has_limit()) => Price::default(),
            price => price.unwrap_or(Err(RejectReason::PriceOutOfRange))?,
        };
        let replace = ReplaceOrder { number, target, instrument, side, price, qty };
        Ok(stop.map_or(Command::Replace(replace), |stop| Command::ReplaceStop(replace, stop)))
    }
}

/// What one message of one session can reach.
pub(super) struct Border<'a> {
    pub(super) directory: &'a Directory,
    pub(super) day_end: &'a DayEnd,
    pub(super) orders: &'a mut Orders,
    pub(super) pages: Option<&'a Pages>,
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
        let order = Order::new(asked, Asking::New, (self.directory, self.day_end))?;
        let number = match self.number(order.cl_ord_id) {
            Ok(number) => number,
            Err(request) => return Ok(request),
        };
        self.echoes.put(tag::CL_ORD_ID, order.cl_ord_id);
        self.echoes.put_if(tag::ACCOUNT, order.account);
        let command = match self.judge(order.cl_ord_id).and_then(|()| order.new_order(number)) {
            Ok(command) => command,
            Err(reason) => Command::Refuse { request: RefusedRequest::New(number), reason },
        };
        // Also for an order that the core refuses for want of room, after which no Command says them.
        self.echoes.put(tag::SYMBOL, order.symbol);
        self.echoes.put(tag::SIDE, &[order.side_code]);
        let told_by_command = matches!(
            &command,
            Command::New(new) | Command::NewSpecial(new, _) if new.instrument != InstrumentId::NONE
        );
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
        let order = Order::new(asked, Asking::Replace, (self.directory, self.day_end))?;
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
            Ok(command) => command,
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
        append(self.orders, self.pages, number, &command, self.echoes.as_bytes());
        self.submit(command)
    }

    fn submit<'m>(&self, command: Command) -> Request<'m> {
        Request::Submit { command, attachment_len: self.echoes.as_bytes().len() }
    }
}
