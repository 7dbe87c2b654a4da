//! Answers to cancel requests that are no ExecutionReport(8): cancels refused, and mass cancels.

use matcher::{CancelRejected, CancelRequest, Command, MassCancelScope, OrderId, RejectReason};

use super::Report;
use super::field::ord_status;
use super::words;
use crate::fix::{Version, tag};
use crate::order_entry::echo::echo;
use crate::order_entry::reason::mass_cancel_reject_reason;
use crate::orders::Standing;

impl Report<'_, '_> {
    /// Writes an OrderCancelReject(9).
    pub(super) fn cancel_rejected(&mut self, rejected: &CancelRejected) {
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
        let reason = words::cxl_rej_reason(self.identity.version, reason);
        message.uint(tag::CXL_REJ_REASON, reason.into());
        message.utc(tag::TRANSACT_TIME, told.input.timestamp);
        message.bytes(tag::TEXT, text.as_bytes());
        message.finish();
    }

    /// Writes an OrderMassCancelReport(r): how many orders, or why not.
    pub(super) fn mass_cancel(&mut self, done: Result<u32, RejectReason>) {
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
        if self.identity.version == Version::Fix50Sp2 {
            message.uint(tag::MASS_ACTION_REPORT_ID, told.input.sequence.0);
        }
        message.bytes(tag::MASS_CANCEL_REQUEST_TYPE, kind);
        match done {
            Ok(orders) => {
                message.bytes(tag::MASS_CANCEL_RESPONSE, kind);
                // Those of other shards went before, and were counted.
                let elsewhere = echo(told.attachment, tag::TOTAL_AFFECTED_ORDERS);
                let elsewhere = elsewhere.and_then(|it| std::str::from_utf8(it).ok()?.parse().ok());
                let orders = u64::from(orders) + elsewhere.unwrap_or(0_u64);
                message.uint(tag::TOTAL_AFFECTED_ORDERS, orders);
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
