//! The order that a report is about, as it was entered.

use matcher::record::ATTACHMENT_BYTES_MAX;
use matcher::{Command, Instrument, InstrumentId, NewOrder, OrderKind, OrderNumber, Qty, Side};

use super::Report;
use super::field::{put_price, put_qty};
use crate::fix::{Encoder, tag};
use crate::order_entry::echo::echo;
use crate::order_entry::{Inputs, Told, Unreadable, number_of};
use crate::orders::{Terms, terms_of};

/// An order as it was entered under one of its numbers.
pub(super) struct Entered<'b> {
    pub(super) number: OrderNumber,
    pub(super) command: Command,
    pub(super) attachment: &'b [u8],
    pub(super) terms: Terms,
}

impl<'a> Report<'a, '_> {
    /// The order of `number` as it was entered: by this turn, or by an older one.
    pub(super) fn entered<'b>(
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
}

impl Entered<'_> {
    pub(super) fn instrument(&self) -> Option<InstrumentId> {
        match &self.command {
            Command::New(new) => Some(new.instrument),
            Command::Replace(replace) => Some(replace.instrument),
            _ => None,
        }
    }

    pub(super) fn side(&self) -> Option<Side> {
        match &self.command {
            Command::New(new) => Some(new.side),
            Command::Replace(replace) => Some(replace.side),
            _ => None,
        }
    }

    pub(super) fn qty(&self) -> Qty {
        match &self.command {
            Command::New(new) => new.qty,
            Command::Replace(replace) => replace.qty,
            _ => Qty::ZERO,
        }
    }

    /// OrderQty(38), OrdType(40), Price(44), TimeInForce(59), ExecInst(18): from the Command, or as the
    /// counterparty wrote them where no Command could say them.
    pub(super) fn write_terms(&self, message: &mut Encoder<'_>, instrument: Option<&Instrument>) {
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
