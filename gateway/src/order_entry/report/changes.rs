//! What happens to an order without a request of its owner, and cancels of every kind.

use matcher::{
    Busted, BustedPart, CancelReason, Canceled, Notional, Qty, RestateReason, Restated, Side,
    Triggered,
};

use super::entered::Entered;
use super::field::ord_status;
use super::{Execution, LastFill, Report, Role, exec};
use crate::fix::tag;
use crate::order_entry::echo::{echo, echo_nth};
use crate::orders::{Standing, Terms, WhenBusted};

/// ExecRestatementReason(378).
mod restatement {
    pub(super) const REPRICING_OF_ORDER: u16 = 3;
    pub(super) const PARTIAL_DECLINE_OF_ORDER_QTY: u16 = 5;
    pub(super) const MARKET_OPTION: u16 = 8;
}

impl Report<'_, '_> {
    /// The same of a trade that is undone.
    pub(super) fn own_part<'t>(&self, busted: &'t Busted) -> (&'t BustedPart, Role) {
        let buy = &busted.buy;
        if buy.session == self.told.session && buy.msg == self.original.msg {
            (buy, Role::Bought)
        } else {
            (&busted.sell, Role::Sold)
        }
    }

    /// Where the order stood when its trade was undone.
    pub(super) fn when_busted(&self, busted: &Busted) -> WhenBusted {
        let present = self.own_part(busted).0.number;
        let nothing = WhenBusted { present, cum_qty: Qty::ZERO, notional: Notional::ZERO };
        self.orders.when_busted(present, self.told.position).unwrap_or(nothing)
    }

    /// The order whose trade is undone, without what only its Input tells.
    pub(super) fn undone(&self, busted: &Busted) -> Entered<'static> {
        let side = match self.own_part(busted).1 {
            Role::Sold => Side::Sell,
            _ => Side::Buy,
        };
        Entered {
            number: self.when_busted(busted).present,
            command: self.told.input.command,
            attachment: &[],
            terms: Terms::PLAIN,
            details: matcher::Terms::NONE,
            restated: None,
            bare: Some((busted.instrument, side)),
        }
    }

    pub(super) fn canceled(&mut self, order: &Entered<'_>, canceled: &Canceled) {
        let (code, text) = match canceled.reason {
            CancelReason::Requested => (exec::CANCELED, ""),
            CancelReason::MassCancel => (exec::CANCELED, "mass cancel"),
            CancelReason::Venue => (exec::CANCELED, "canceled by the venue"),
            CancelReason::Ioc => (exec::CANCELED, "immediate or cancel: the rest found no match"),
            CancelReason::Fok => (exec::CANCELED, "fill or kill: could not be filled whole"),
            CancelReason::Market => (exec::CANCELED, "market order: the rest found no match"),
            CancelReason::Expired if order.terms.time_in_force() == b'6' => {
                (exec::EXPIRED, "its ExpireTime is reached")
            }
            CancelReason::Expired => (exec::EXPIRED, "end of the trading day"),
            CancelReason::MinQty => {
                (exec::CANCELED, "minimum quantity: less than that could be traded")
            }
            CancelReason::SelfTrade => (exec::CANCELED, "self-trade prevention"),
            CancelReason::PriceBand => {
                (exec::CANCELED, "the rest would have traded beyond the price band")
            }
            CancelReason::KillSwitch => (exec::CANCELED, "kill switch"),
            CancelReason::AuctionEnd => (exec::CANCELED, "the auction that it was for is over"),
            CancelReason::NoRoom => {
                (exec::CANCELED, "the venue's limit of price levels is reached")
            }
        };
        let restatement = match canceled.reason {
            CancelReason::Venue
            | CancelReason::SelfTrade
            | CancelReason::PriceBand
            | CancelReason::KillSwitch
            | CancelReason::NoRoom => Some(restatement::MARKET_OPTION),
            _ => None,
        };
        let mut execution = Execution {
            order_id: Some(canceled.order_id),
            cum_qty: canceled.cum_qty,
            notional: canceled.notional,
            restatement,
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

    pub(super) fn triggered(&mut self, order: &Entered<'_>, triggered: &Triggered) {
        let execution = Execution {
            order_id: Some(triggered.order_id),
            leaves_qty: triggered.leaves_qty,
            ..self.execution(order, exec::TRIGGERED, exec::NEW)
        };
        self.write(order, &execution);
    }

    pub(super) fn restated(&mut self, order: &Entered<'_>, restated: &Restated) {
        let (reason, text) = match restated.reason {
            RestateReason::SelfTrade => {
                (restatement::PARTIAL_DECLINE_OF_ORDER_QTY, "self-trade prevention")
            }
            RestateReason::MarketToLimit => {
                (restatement::REPRICING_OF_ORDER, "limit at the best price of the other side")
            }
            RestateReason::Slide => {
                (restatement::REPRICING_OF_ORDER, "post-only: one tick behind the other side")
            }
        };
        let ord_status =
            if restated.cum_qty.is_zero() { exec::NEW } else { exec::PARTIALLY_FILLED };
        let execution = Execution {
            order_id: Some(restated.order_id),
            leaves_qty: restated.leaves_qty,
            cum_qty: restated.cum_qty,
            notional: restated.notional,
            restatement: Some(reason),
            text,
            ..self.execution(order, exec::RESTATED, ord_status)
        };
        self.write(order, &execution);
    }

    /// The order stays as it is: what it has done is not turned back, what it leaves does not work again.
    pub(super) fn busted(&mut self, order: &Entered<'_>, busted: &Busted) {
        let (_, role) = self.own_part(busted);
        let WhenBusted { present, cum_qty, notional } = self.when_busted(busted);
        let standing = self.orders.standing_at(present, self.told.position);
        let leaves_qty = match standing {
            Standing::Working { .. } => order.qty().checked_sub(cum_qty),
            _ => None,
        };
        let nth = match role {
            Role::Maker | Role::Bought => 0,
            Role::Taker | Role::Sold => 1,
        };
        let Busted { trade, price, qty, .. } = *busted;
        let last = LastFill { liquidity: None, trade, price, qty, role };
        let execution = Execution {
            order_id: self.orders.order_id(present),
            leaves_qty: leaves_qty.unwrap_or_default(),
            cum_qty,
            notional,
            exec_ref_id: echo_nth(self.told.attachment, tag::EXEC_REF_ID, nth).unwrap_or(&[]),
            fill: Some(last),
            ..self.execution(order, exec::TRADE_CANCEL, ord_status(standing))
        };
        self.write(order, &execution);
    }
}
