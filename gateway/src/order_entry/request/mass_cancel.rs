//! OrderMassCancelRequest(q): which orders it means.

use matcher::{Command, InstrumentId, MassCancelScope, RefusedRequest, RejectReason};

use super::fields::{Asked, cl_ord_id, code, optional_text, required};
use super::{Answer, Border};
use crate::fix::tag;
use crate::order_entry::SYMBOL_BYTES_MAX;

impl Border<'_> {
    /// OrderMassCancelRequest(q).
    pub(super) fn mass_cancel<'m>(&mut self, asked: &Asked<'m>) -> Answer<'m> {
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
}
