//! How an order stands: the ExecutionReport(8) that answers OrderStatusRequest(H).

use matcher::{Event, OrderNumber, RejectReason, StatusReported};

use super::entered::Entered;
use super::field::ord_status;
use super::{Execution, Report, exec};
use crate::fix::tag;
use crate::order_entry::Unreadable;
use crate::order_entry::echo::echo;
use crate::orders::{Standing, Terms};

/// Text(58) of a status of an order that was done, or had another name, before the journal begins.
const TOO_OLD: &str = "too long ago: the venue does not keep it any more";

impl Report<'_, '_> {
    /// What is told of an order that worked last before the journal begins.
    pub(super) fn gone(mut self, unreadable: Unreadable) -> Result<(), Unreadable> {
        match self.told.event {
            Event::Busted(busted) => {
                let order = self.undone(busted);
                self.busted(&order, busted);
                Ok(())
            }
            // Whether it was told in full when its Input was still there, nobody knows.
            Event::StatusReported(_) if !self.header.resend => {
                self.status_of_nothing(TOO_OLD);
                Ok(())
            }
            _ => Err(unreadable),
        }
    }

    /// The number that a status is told under: that of the request, or the last one of an order that was done
    /// by then, which it may have got in the meantime.
    pub(super) fn number_to_tell(&self, status: &StatusReported) -> OrderNumber {
        match self.orders.standing_at(status.target, self.told.position) {
            Standing::Done { .. } => self.orders.present(status.target),
            _ => status.target,
        }
    }

    pub(super) fn status(&mut self, order: &Entered<'_>, status: &StatusReported) {
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
    pub(super) fn status_of_nothing(&mut self, text: &'static str) {
        let told = self.told;
        let command = told.input.command;
        let (number, terms) = (OrderNumber::NONE, Terms::PLAIN);
        let (attachment, details) = (told.attachment, matcher::Terms::NONE);
        let (restated, bare) = (None, None);
        let order = Entered { number, command, attachment, terms, details, restated, bare };
        let execution = Execution {
            cl_ord_id: echo(told.attachment, tag::CL_ORD_ID).unwrap_or(&[]),
            reason: Some(RejectReason::UnknownOrder),
            text,
            ..self.execution(&order, exec::STATUS, exec::REJECTED)
        };
        self.write(&order, &execution);
    }
}
