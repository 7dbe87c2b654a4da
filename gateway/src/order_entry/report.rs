//! Event → FIX application message.

mod cancels;
mod changes;
mod entered;
mod exec;
pub(super) mod field;
mod status;
mod words;

use matcher::record::ATTACHMENT_BYTES_MAX;
use matcher::{
    Event, Fill, Notional, OrderId, OrderNumber, Price, Qty, RejectReason, Replaced, Side, TradeId,
    TradeKind, Traded,
};

use super::echo::echo;
use super::quotes::{quote_entry_id, quote_id};
use super::{Directory, Inputs, Told, Unreadable};
use crate::fix::{Header, Identity, Version, tag};
use crate::orders::Orders;

use entered::Entered;
use field::{avg_px, put_price, put_qty};

/// One report that is being written.
pub(super) struct Report<'a, 'o> {
    pub(super) directory: &'a Directory,
    pub(super) orders: &'a Orders,
    pub(super) told: &'a Told<'a>,
    pub(super) original: super::copies::Original,
    pub(super) identity: &'a Identity,
    pub(super) header: &'a Header,
    pub(super) out: &'o mut Vec<u8>,
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
    restatement: Option<u16>,
    exec_ref_id: &'b [u8],
    text: &'static str,
    fill: Option<LastFill>,
}

struct LastFill {
    /// Of a fill in an auction and of one that is undone FIX has nothing to say here.
    liquidity: Option<u8>,
    trade: TradeId,
    price: Price,
    qty: Qty,
    role: Role,
}

/// Which of an Event's two reports; also the last letter of its ExecID(17).
#[derive(Clone, Copy)]
enum Role {
    Maker,
    Taker,
    Bought,
    Sold,
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
            Event::Triggered(triggered) => triggered.number,
            Event::Restated(restated) => restated.number,
            Event::Busted(busted) => self.when_busted(busted).present,
            Event::StatusReported(status) if self.orders.position(status.target).is_none() => {
                self.status_of_nothing(RejectReason::UnknownOrder.text());
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
        let order = match self.entered(number, inputs, &mut buffer) {
            Err(unreadable) if unreadable.is_gone(inputs) => return self.gone(unreadable),
            order => order?,
        };
        match self.told.event {
            Event::Accepted(_) => self.accepted(&order),
            Event::Rejected(rejected) => self.rejected(&order, rejected.reason),
            Event::Traded(traded) => self.traded(&order, traded),
            Event::Canceled(canceled) => self.canceled(&order, canceled),
            Event::Replaced(replaced) => self.replaced(&order, replaced),
            Event::Triggered(triggered) => self.triggered(&order, triggered),
            Event::Restated(restated) => self.restated(&order, restated),
            Event::Busted(busted) => self.busted(&order, busted),
            Event::StatusReported(status) => self.status(&order, status),
            _ => {}
        }
        Ok(())
    }

    /// The fill of the session that is told, the other one, and its role.
    fn own_fill<'t>(&self, traded: &'t Traded) -> (&'t Fill, Role) {
        let maker = &traded.maker;
        if maker.session == self.told.session && maker.msg == self.original.msg {
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
        let liquidity = match (traded.kind, role) {
            (TradeKind::Auction, _) => None,
            (TradeKind::Continuous, Role::Maker) => Some(b'1'),
            (TradeKind::Continuous, _) => Some(b'2'),
        };
        let Traded { id: trade, price, qty, .. } = *traded;
        let last = LastFill { liquidity, trade, price, qty, role };
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

    /// A report of nothing done, to be filled in.
    fn execution<'b>(&self, order: &Entered<'b>, exec_type: u8, ord_status: u8) -> Execution<'b>
    where
        'a: 'b,
    {
        let known = self.orders.cl_ord_id(order.number);
        let cl_ord_id = match echo(order.attachment, tag::CL_ORD_ID) {
            Some(cl_ord_id) if order.number != OrderNumber::NONE => cl_ord_id,
            // That of a quote is its QuoteID.
            _ => quote_id(order.attachment).unwrap_or(known),
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
            restatement: None,
            exec_ref_id: &[],
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
        self.original.mark(&mut message, self.identity.version);
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
        let version = self.identity.version;
        if let Some(entry) = quote_entry_id(attachment).filter(|_| version > Version::Fix42) {
            message.bytes(tag::SECONDARY_CL_ORD_ID, entry);
        }
        if let (Event::StatusReported(_), true) = (told.event, version > Version::Fix42) {
            message
                .bytes(tag::ORD_STATUS_REQ_ID, echo(asked, tag::ORD_STATUS_REQ_ID).unwrap_or(&[]));
        }
        let role = execution.fill.as_ref().map(|fill| fill.role);
        field::put_exec_id(&mut message, told, role);
        message.bytes(tag::EXEC_REF_ID, execution.exec_ref_id);
        let said = words::exec_type(version, execution);
        if let Some(exec_trans_type) = said.exec_trans_type {
            message.char(tag::EXEC_TRANS_TYPE, exec_trans_type);
        }
        message.char(tag::EXEC_TYPE, said.exec_type);
        message.char(tag::ORD_STATUS, execution.ord_status);
        if let Some(restatement) = said.restatement {
            message.uint(tag::EXEC_RESTATEMENT_REASON, restatement.into());
        }
        if let Some(reason) = execution.reason {
            message.uint(tag::ORD_REJ_REASON, words::ord_rej_reason(version, reason).into());
        }
        let account = echo(attachment, tag::ACCOUNT);
        message.bytes(tag::ACCOUNT, account.unwrap_or(self.orders.account(order.number)));
        match instrument {
            Some(instrument) => message.bytes(tag::SYMBOL, instrument.symbol.as_bytes()),
            None => {
                let symbol = echo(attachment, tag::SYMBOL).or(echo(asked, tag::SYMBOL));
                message.bytes(tag::SYMBOL, symbol.unwrap_or(b"[N/A]"))
            }
        };
        match order.side() {
            Some(side) => message.char(tag::SIDE, if side == Side::Buy { b'1' } else { b'2' }),
            None => {
                let asked = echo(attachment, tag::SIDE).or(echo(asked, tag::SIDE));
                let known = asked.filter(|side| version.dictionary().allows(tag::SIDE, side));
                message.bytes(tag::SIDE, known.unwrap_or(b"7"))
            }
        };
        order.write_terms(&mut message, instrument, version);
        if let Some(fill) = &execution.fill {
            put_price(&mut message, tag::LAST_PX, fill.price, instrument);
            put_qty(&mut message, tag::LAST_QTY, fill.qty, instrument);
            if let Some(liquidity) = fill.liquidity.filter(|_| version > Version::Fix42) {
                message.char(tag::LAST_LIQUIDITY_IND, liquidity);
            }
            if let Some(tag) = words::trade_tag(version) {
                message.uint(tag, fill.trade.0);
            }
        }
        put_qty(&mut message, tag::LEAVES_QTY, execution.leaves_qty, instrument);
        put_qty(&mut message, tag::CUM_QTY, execution.cum_qty, instrument);
        let (mantissa, decimals) = avg_px(execution.notional, execution.cum_qty, instrument);
        message.decimal(tag::AVG_PX, mantissa, decimals);
        message.utc(tag::TRANSACT_TIME, told.input.timestamp);
        message.bytes(tag::TEXT, said.text.as_bytes());
        message.finish();
    }
}
