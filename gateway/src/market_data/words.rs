//! Bodies of W, X and Y.

use matcher::{BookLevel, Instrument, Side, Timestamp};

use super::Wanted;
use super::subscriptions::Print;
use crate::fix::{Encoder, Version, tag, utc_ms};

/// MDUpdateAction(279).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    New,
    Change,
    Delete,
}

impl Action {
    fn code(self) -> u8 {
        match self {
            Action::New => b'0',
            Action::Change => b'1',
            Action::Delete => b'2',
        }
    }
}

fn entry_type(side: Side) -> u8 {
    match side {
        Side::Buy => b'0',
        Side::Sell => b'1',
    }
}

/// Body of a MarketDataRequestReject(Y).
pub(crate) fn refused(id: &[u8], reason: Option<u8>, text: &str) -> Vec<u8> {
    let mut body = Vec::new();
    let mut fields = Encoder::body(&mut body);
    fields.bytes(tag::MD_REQ_ID, id);
    if let Some(reason) = reason {
        fields.char(tag::MD_REQ_REJ_REASON, reason);
    }
    fields.bytes(tag::TEXT, text.as_bytes());
    fields.end();
    body
}

/// Body of a MarketDataSnapshotFullRefresh(W): what is shown of one instrument.
pub(super) fn snapshot(
    wanted: &Wanted,
    instrument: &Instrument,
    sides: [&[BookLevel]; 2],
    last: Option<&Print>,
) -> Vec<u8> {
    let mut body = Vec::new();
    let mut fields = Encoder::body(&mut body);
    fields.bytes(tag::MD_REQ_ID, &wanted.id);
    fields.bytes(tag::SYMBOL, instrument.symbol.as_bytes());
    let entries = sides[0].len() + sides[1].len() + usize::from(last.is_some());
    fields.uint(tag::NO_MD_ENTRIES, entries as u64);
    for (side, levels) in [Side::Buy, Side::Sell].into_iter().zip(sides) {
        for (position, level) in (1..).zip(levels) {
            fields.char(tag::MD_ENTRY_TYPE, entry_type(side));
            put_price(&mut fields, level.price.ticks(), instrument);
            put_size(&mut fields, level.qty.lots(), instrument);
            fields.uint(tag::MD_ENTRY_POSITION_NO, position);
            fields.uint(tag::NUMBER_OF_ORDERS, level.orders.into());
        }
    }
    if let Some(print) = last {
        fields.char(tag::MD_ENTRY_TYPE, b'2');
        put_print(&mut fields, print, instrument);
        // Before, an entry of a snapshot has no id.
        if wanted.version == Version::Fix50Sp2 {
            fields.bytes(tag::MD_ENTRY_ID, print.id.to_string().as_bytes());
        }
    }
    fields.end();
    body
}

/// Entries of MarketDataIncrementalRefresh(X), up to so many a message.
pub(super) struct Entries {
    fields: Vec<u8>,
    count: usize,
}

/// Entries of a message: each has at most eight fields of the 512 that we take ourselves.
pub(super) const ENTRIES_MAX: usize = 60;

impl Entries {
    pub(super) fn new() -> Entries {
        Entries { fields: Vec::new(), count: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn is_full(&self) -> bool {
        self.count >= ENTRIES_MAX
    }

    /// A price has changed.
    pub(super) fn level(
        &mut self,
        action: Action,
        side: Side,
        level: &BookLevel,
        instrument: &Instrument,
    ) {
        self.count += 1;
        let mut fields = Encoder::body(&mut self.fields);
        fields.char(tag::MD_UPDATE_ACTION, action.code());
        fields.char(tag::MD_ENTRY_TYPE, entry_type(side));
        fields.bytes(tag::SYMBOL, instrument.symbol.as_bytes());
        put_price(&mut fields, level.price.ticks(), instrument);
        if action != Action::Delete {
            put_size(&mut fields, level.qty.lots(), instrument);
            fields.uint(tag::NUMBER_OF_ORDERS, level.orders.into());
        }
        fields.end();
    }

    /// A trade, or one that was undone.
    pub(super) fn print(&mut self, print: &Print, instrument: &Instrument) {
        self.count += 1;
        let mut fields = Encoder::body(&mut self.fields);
        let action = if print.is_busted { Action::Delete } else { Action::New };
        fields.char(tag::MD_UPDATE_ACTION, action.code());
        fields.char(tag::MD_ENTRY_TYPE, b'2');
        fields.bytes(tag::MD_ENTRY_ID, print.id.to_string().as_bytes());
        fields.bytes(tag::SYMBOL, instrument.symbol.as_bytes());
        put_print(&mut fields, print, instrument);
        fields.end();
    }

    /// The body with these entries; none is left.
    pub(super) fn take(&mut self, wanted: &Wanted) -> Vec<u8> {
        let mut body = Vec::with_capacity(self.fields.len() + 64);
        let mut fields = Encoder::body(&mut body);
        fields.bytes(tag::MD_REQ_ID, &wanted.id);
        fields.uint(tag::NO_MD_ENTRIES, self.count as u64);
        fields.fields(&self.fields);
        fields.end();
        self.fields.clear();
        self.count = 0;
        body
    }
}

fn put_print(fields: &mut Encoder<'_>, print: &Print, instrument: &Instrument) {
    put_price(fields, print.price.ticks(), instrument);
    put_size(fields, print.qty.lots(), instrument);
    put_time(fields, print.at);
}

fn put_price(fields: &mut Encoder<'_>, ticks: i64, instrument: &Instrument) {
    let mantissa = ticks.saturating_mul(instrument.tick_size.into());
    fields.decimal(tag::MD_ENTRY_PX, mantissa, instrument.price_decimals);
}

/// A sum over many orders may be more than one order can have.
fn put_size(fields: &mut Encoder<'_>, lots: u64, instrument: &Instrument) {
    let units = lots.saturating_mul(instrument.lot_size.into());
    let mantissa = i64::try_from(units).unwrap_or(i64::MAX);
    fields.decimal(tag::MD_ENTRY_SIZE, mantissa, instrument.qty_decimals);
}

/// MDEntryDate(272) and MDEntryTime(273).
fn put_time(fields: &mut Encoder<'_>, at: Timestamp) {
    let text = utc_ms(at);
    let (date, time) = text.split_at(8);
    fields.bytes(tag::MD_ENTRY_DATE, date);
    fields.bytes(tag::MD_ENTRY_TIME, &time[1..]);
}
