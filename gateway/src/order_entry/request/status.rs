//! OrderStatusRequest(H): which order it means, and what its report repeats.

use matcher::{Command, OrderNumber};

use super::fields::{Asked, cl_ord_id, code, optional_text, required, text};
use super::{Answer, Border};
use crate::fix::tag;
use crate::order_entry::{ORDER_ID_BYTES_MAX, STATUS_ID_BYTES_MAX, SYMBOL_BYTES_MAX};

impl Border<'_> {
    /// OrderStatusRequest(H). An order that was replaced is asked for under its present number.
    pub(super) fn status<'m>(&mut self, asked: &Asked<'m>) -> Answer<'m> {
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
}
