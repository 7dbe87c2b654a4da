//! The order that a report is about, as it was entered.

use matcher::record::ATTACHMENT_BYTES_MAX;
use matcher::{
    Command, Instrument, InstrumentId, NewOrder, OrderKind, OrderNumber, Price, Qty, Side,
    Timestamp, Trigger,
};

use super::Report;
use super::field::{put_price, put_qty};
use super::words;
use crate::fix::{Encoder, Version, tag};
use crate::order_entry::echo::echo;
use crate::order_entry::{Inputs, Told, Unreadable, number_of};
use crate::orders::{Restatement, Terms, peg_offset, terms_of};

/// An order as it was entered under one of its numbers.
pub(super) struct Entered<'b> {
    pub(super) number: OrderNumber,
    pub(super) command: Command,
    pub(super) attachment: &'b [u8],
    pub(super) terms: Terms,
    /// What it was entered with under its first number.
    pub(super) details: matcher::Terms,
    /// What the venue made of its price and quantity since.
    pub(super) restated: Option<Restatement>,
    /// All that is known of an order whose Input has gone.
    pub(super) bare: Option<(InstrumentId, Side)>,
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
        let details = self.details(&command, terms, number, inputs)?;
        let restated = self.restatement(number);
        Ok(Entered { number, command, attachment, terms, details, restated, bare: None })
    }

    /// What the order was entered with, which a replace does not say again.
    fn details(
        &self,
        command: &Command,
        terms: Terms,
        number: OrderNumber,
        inputs: &mut impl Inputs,
    ) -> Result<matcher::Terms, Unreadable> {
        match command {
            Command::NewSpecial(_, details) => return Ok(*details),
            Command::Replace(_) | Command::ReplaceStop(..) if terms.is_detailed() => {}
            _ => return Ok(matcher::Terms::NONE),
        }
        let first = self.orders.first(number);
        let position = self.orders.position(first);
        let unreadable = Unreadable { session: self.told.session, number: first, position };
        let mut attachment = [0; ATTACHMENT_BYTES_MAX];
        let input = inputs.input(position.ok_or(unreadable)?, &mut attachment);
        let details = match input.ok_or(unreadable)?.0.command {
            Command::NewSpecial(_, details) => details,
            _ => return Ok(matcher::Terms::NONE),
        };
        // A stop price is said by the Command that set it; there may have been several.
        let trigger = match (command, details.trigger) {
            (Command::ReplaceStop(_, price), _) => Trigger::Stop(*price),
            (_, Trigger::Stop(_)) => Trigger::None,
            (_, trigger) => trigger,
        };
        Ok(matcher::Terms { trigger, ..details })
    }

    /// What the venue made of the order's price and quantity, as of the Event that is told.
    fn restatement(&self, number: OrderNumber) -> Option<Restatement> {
        let moment = (self.told.position, self.told.event_index);
        self.orders.restatement(number, moment)
    }
}

impl Entered<'_> {
    pub(super) fn instrument(&self) -> Option<InstrumentId> {
        match &self.command {
            Command::New(new) | Command::NewSpecial(new, _) => Some(new.instrument),
            Command::Replace(replace) | Command::ReplaceStop(replace, _) => {
                Some(replace.instrument)
            }
            _ => self.bare.map(|(instrument, _)| instrument),
        }
    }

    pub(super) fn side(&self) -> Option<Side> {
        match &self.command {
            Command::New(new) | Command::NewSpecial(new, _) => Some(new.side),
            Command::Replace(replace) | Command::ReplaceStop(replace, _) => Some(replace.side),
            _ => self.bare.map(|(_, side)| side),
        }
    }

    pub(super) fn qty(&self) -> Qty {
        match (&self.command, self.restated) {
            (_, Some(restated)) => restated.order_qty,
            (Command::New(new) | Command::NewSpecial(new, _), _) => new.qty,
            (Command::Replace(replace) | Command::ReplaceStop(replace, _), _) => replace.qty,
            _ => Qty::ZERO,
        }
    }

    /// The limit price, if it has one.
    fn limit(&self) -> Option<Price> {
        if let Some(restated) = self.restated {
            return restated.price;
        }
        match &self.command {
            Command::New(NewOrder { kind: OrderKind::Limit(price), .. })
            | Command::NewSpecial(NewOrder { kind: OrderKind::Limit(price), .. }, _) => {
                Some(*price)
            }
            Command::Replace(replace) | Command::ReplaceStop(replace, _)
                if self.terms.has_limit() =>
            {
                Some(replace.price)
            }
            _ => None,
        }
    }

    /// OrderQty(38), OrdType(40), Price(44), TimeInForce(59), ExecInst(18) and what else was asked for: from
    /// the Commands, or as the counterparty wrote it where no Command could say it.
    pub(super) fn write_terms(
        &self,
        message: &mut Encoder<'_>,
        instrument: Option<&Instrument>,
        version: Version,
    ) {
        if self.bare.is_some() {
            return;
        }
        if instrument.is_none() {
            for tag in [tag::ORDER_QTY, tag::ORD_TYPE, tag::PRICE, tag::TIME_IN_FORCE] {
                let said = echo(self.attachment, tag).unwrap_or(&[]);
                // Who is told of it may speak an older version than who said it.
                if version.dictionary().allows(tag, said) {
                    message.bytes(tag, said);
                }
            }
            return;
        }
        put_qty(message, tag::ORDER_QTY, self.qty(), instrument);
        let limit = self.limit();
        message
            .char(tag::ORD_TYPE, words::ord_type(version, self.terms.ord_type(), limit.is_some()));
        if let Some(price) = limit {
            put_price(message, tag::PRICE, price, instrument);
        }
        let said = [
            (tag::TIME_IN_FORCE, Some(self.terms.time_in_force())),
            (tag::EXEC_INST, self.terms.exec_inst()),
        ];
        for (tag, code) in said {
            if let Some(code) = code.filter(|code| words::has(version, tag, *code)) {
                message.char(tag, code);
            }
        }
        if self.terms.is_detailed() {
            self.write_details(message, instrument);
        }
    }

    /// StopPx(99), MinQty(110), MaxFloor(111), ExpireTime(126), PegOffsetValue(211).
    fn write_details(&self, message: &mut Encoder<'_>, instrument: Option<&Instrument>) {
        let matcher::Terms { display_qty, min_qty, expire_at, trigger, peg } = self.details;
        if let Trigger::Stop(price) = trigger {
            put_price(message, tag::STOP_PX, price, instrument);
        }
        for (tag, qty) in [(tag::MIN_QTY, min_qty), (tag::MAX_FLOOR, display_qty)] {
            if !qty.is_zero() {
                put_qty(message, tag, qty, instrument);
            }
        }
        if expire_at != Timestamp(0) {
            message.utc(tag::EXPIRE_TIME, expire_at);
        }
        if let Some(offset) = self.side().and_then(|side| peg_offset(side, trigger, peg)) {
            put_price(message, tag::PEG_OFFSET_VALUE, offset, instrument);
        }
    }
}
