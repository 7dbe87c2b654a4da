//! The displayed books as Databento's market by order (MBO), from the events of the journal.
//!
//! `order_id` is the place in the queue: what the feed calls the order reference. A trade is three records, as
//! Databento has them: T with the side of the taker, F of the maker, and a C that takes the quantity
//! off the book; A, M and C change it. `size` is in lots.

use std::collections::BTreeMap;
use std::ffi::c_char;
use std::io::Write;

use ::dbn::encode::{DbnEncoder, EncodeRecord};
use ::dbn::{
    FlagSet, MappingInterval, MboMsg, Metadata, RecordHeader, SType, Schema, SymbolMapping, rtype,
};
use matcher::{Command, Event, Instrument, InstrumentId, OrderRef, Price, Priority, Qty, Side};
use time::{Date, OffsetDateTime};
use venue::turns::TurnHead;

use crate::failure::Failure;
use crate::journal_reader::JournalArgs;
use crate::scan::rules;
use crate::select::{Turn, Turns};

/// Databento's publishers are theirs to number; this is none of them.
const PUBLISHER: u16 = 0;

/// Places of a price in this format.
const DECIMALS: u8 = 9;

/// Writes the books that are asked for.
pub(super) struct Mbo<W: Write> {
    encoder: DbnEncoder<W>,
    /// Displayed orders.
    resting: BTreeMap<OrderRef, Resting>,
    /// What the present turn did.
    changes: Vec<Change>,
    /// Records written.
    pub(super) records: u64,
}

#[derive(Clone, Copy)]
struct Resting {
    instrument: InstrumentId,
    side: Side,
    price: Price,
    qty: Qty,
}

#[derive(Clone, Copy)]
struct Change {
    action: u8,
    order_ref: OrderRef,
    of: Resting,
}

impl<W: Write> Mbo<W> {
    /// Of this journal: its symbols stand in the head of the file.
    pub(super) fn new(out: W, journal: &JournalArgs) -> Result<Mbo<W>, Failure> {
        let (mut symbols, mut mappings, mut start) = (Vec::new(), Vec::new(), None);
        for head in rules(journal)? {
            let time = *start.get_or_insert(head.input.timestamp.0);
            if let Command::DefineInstrument { id, instrument } = head.input.command {
                let raw_symbol = instrument.symbol.as_str().to_owned();
                symbols.push(raw_symbol.clone());
                // From the day the journal begins on, for good.
                let start_date = date(time)?;
                let interval =
                    MappingInterval { start_date, end_date: Date::MAX, symbol: id.0.to_string() };
                mappings.push(SymbolMapping { raw_symbol, intervals: vec![interval] });
            }
        }
        let metadata = Metadata::builder()
            .dataset("VESTA.JOURNAL")
            .schema(Some(Schema::Mbo))
            .start(start.unwrap_or(0))
            .stype_in(Some(SType::RawSymbol))
            .stype_out(SType::InstrumentId)
            .symbols(symbols)
            .mappings(mappings)
            .build();
        let encoder = DbnEncoder::new(out, &metadata).map_err(Failure::failed)?;
        Ok(Mbo { encoder, resting: BTreeMap::new(), changes: Vec::new(), records: 0 })
    }

    pub(super) fn end(mut self) -> Result<(), Failure> {
        self.encoder.get_mut().flush().map_err(Failure::failed)
    }

    fn add(&mut self, order_ref: OrderRef, of: Resting) {
        if order_ref != OrderRef::NONE {
            self.resting.insert(order_ref, of);
            self.changes.push(Change { action: b'A', order_ref, of });
        }
    }

    /// Takes `qty` off a displayed order, or all of it.
    fn take(&mut self, order_ref: OrderRef, qty: Option<Qty>) {
        let Some(resting) = self.resting.get_mut(&order_ref) else { return };
        let taken = qty.map_or(resting.qty, |qty| qty.min(resting.qty));
        resting.qty = Qty::from_lots(resting.qty.lots() - taken.lots());
        let of = Resting { qty: taken, ..*resting };
        if resting.qty.is_zero() {
            self.resting.remove(&order_ref);
        }
        self.changes.push(Change { action: b'C', order_ref, of });
    }

    /// The order keeps its place and has less.
    fn shrink(&mut self, order_ref: OrderRef, cut: Qty) {
        let Some(resting) = self.resting.get_mut(&order_ref) else { return };
        resting.qty = Qty::from_lots(resting.qty.lots().saturating_sub(cut.lots()));
        let of = *resting;
        self.changes.push(Change { action: b'M', order_ref, of });
    }

    fn happened(&mut self, event: &Event) {
        match event {
            Event::Rested(it) => self.add(
                it.order_ref,
                Resting {
                    instrument: it.instrument,
                    side: it.side,
                    price: it.price,
                    qty: it.leaves_qty,
                },
            ),
            Event::Replenished(it) => self.add(
                it.order_ref,
                Resting { instrument: it.instrument, side: it.side, price: it.price, qty: it.qty },
            ),
            Event::Traded(it) => {
                let (instrument, price, qty) = (it.instrument, it.price, it.qty);
                let of = Resting { instrument, side: it.taker_side, price, qty };
                self.changes.push(Change { action: b'T', order_ref: OrderRef::NONE, of });
                for (order_ref, side) in
                    [(it.maker_ref, it.taker_side.opposite()), (it.taker_ref, it.taker_side)]
                {
                    if order_ref != OrderRef::NONE {
                        self.changes.push(Change {
                            action: b'F',
                            order_ref,
                            of: Resting { side, ..of },
                        });
                        self.take(order_ref, Some(qty));
                    }
                }
            }
            Event::Canceled(it) => self.take(it.order_ref, None),
            Event::Replaced(it) => match it.priority {
                Priority::Kept => self.shrink(it.old_ref, it.cut_qty),
                Priority::Lost => self.take(it.old_ref, None),
            },
            Event::Restated(it) if !it.cut_qty.is_zero() => self.shrink(it.order_ref, it.cut_qty),
            _ => {}
        }
    }

    fn write(&mut self, turn: &Turn<'_>, change: Change, last: Last) -> Result<(), Failure> {
        let instrument = turn.names.instruments.get(change.of.instrument.index());
        let Some(instrument) = instrument else { return Ok(()) };
        let time = turn.head.input.timestamp.0;
        let size = u32::try_from(change.of.qty.lots());
        let size = size.map_err(|_| Failure::failed("a quantity is above 4,294,967,295 lots"))?;
        let mut flags = FlagSet::empty();
        if last == Last::Yes {
            flags.set_last();
        }
        let [_, _, _, _, low @ ..] = turn.head.input.sequence.0.to_be_bytes();
        let id = change.of.instrument.0;
        let record = MboMsg {
            hd: RecordHeader::new::<MboMsg>(rtype::MBO, PUBLISHER, id, time),
            order_id: change.order_ref.0,
            price: fixed(change.of.price, instrument)?,
            size,
            flags,
            channel_id: 0,
            action: letter(change.action),
            side: letter(if change.of.side == Side::Buy { b'B' } else { b'A' }),
            ts_recv: time,
            ts_in_delta: 0,
            sequence: u32::from_be_bytes(low),
        };
        self.records += 1;
        self.encoder.encode_record(&record).map_err(Failure::failed)
    }
}

/// Whether a record is the last one of its turn.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    Yes,
    No,
}

fn date(time: u64) -> Result<Date, Failure> {
    let at = OffsetDateTime::from_unix_timestamp_nanos(time.into()).map_err(Failure::failed)?;
    Ok(at.date())
}

fn letter(ascii: u8) -> c_char {
    c_char::try_from(ascii).unwrap_or(0)
}

/// A price in units of the ninth place.
fn fixed(price: Price, instrument: &Instrument) -> Result<i64, Failure> {
    let decimal = crate::text::price(price, instrument);
    let scale = 10_i128.pow(u32::from(DECIMALS.saturating_sub(decimal.decimals)));
    i64::try_from(decimal.mantissa * scale)
        .map_err(|_| Failure::failed(format!("price {decimal} has no room in this format")))
}

impl<W: Write> Turns for Mbo<W> {
    fn every(&mut self, _: &TurnHead, events: &[Event]) {
        self.changes.clear();
        for event in events {
            self.happened(event);
        }
    }

    fn turn(&mut self, turn: &Turn<'_>) -> Result<(), Failure> {
        let mut changes = std::mem::take(&mut self.changes);
        changes.retain(|it| turn.filter.shows_instrument(it.of.instrument, turn.names));
        for (index, change) in changes.iter().enumerate() {
            let last = if index + 1 == changes.len() { Last::Yes } else { Last::No };
            self.write(turn, *change, last)?;
        }
        self.changes = changes;
        Ok(())
    }
}
