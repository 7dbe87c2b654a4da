//! `vesta book`: a book as it was at any moment of a journal.

use std::collections::BTreeMap;

use clap::Args;
use journal::{Frame, Reader, SnapshotHead, Snapshots};
use matcher::{
    Book, BookLevel, BookOrder, Instrument, InstrumentId, Price, Sequence, Side, Timestamp,
};
use serde_json::{Value, json};
use venue::Names;
use venue::replay::Replay;
use venue::snapshots;
use venue::turns::{FollowError, TurnHead, read_head};

use crate::failure::Failure;
use crate::journal_reader::{JournalArgs, progress_in};
use crate::moment::Moment;
use crate::output::{self, Lines};
use crate::text::{self, Rfc3339};

/// Prints the book of an instrument as it was after a sequence or at a time.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  vesta book journal --symbol BTC-USD --at 09:31:07.123456")]
pub struct BookArgs {
    #[command(flatten)]
    journal: JournalArgs,
    /// Which instrument.
    #[arg(long)]
    symbol: String,
    /// After this sequence, or at this time: HH:MM:SS[.fraction] (UTC) of the day the journal begins,
    /// or 2026-01-02T09:31:07Z. Without it: at the end.
    #[arg(long, value_name = "SEQ|TIME")]
    at: Option<String>,
    /// Every order in its place, not only the levels.
    #[arg(long)]
    orders: bool,
    /// End with one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
///
/// If the journal cannot be read or replayed, or knows no such instrument then.
pub fn run(args: &BookArgs) -> Result<(), Failure> {
    if let Some(at) = &args.at {
        Moment::parse("--at", at, Timestamp(0))?;
    }
    let mut reader = args.journal.open()?;
    let at = match (&args.at, first_turn(&mut reader)?) {
        (Some(at), Some((_, began))) => Some(Moment::parse("--at", at, began)?),
        _ => None,
    };
    Moment::tell_day(&args.journal, [("--at", args.at.as_ref())]);
    let is_past = |sequence, time| at.is_some_and(|at| at.is_before(sequence, time));
    let snapshots = Snapshots::to_read(&args.journal.dir, reader.log_id());
    let fits = |head: &SnapshotHead| !is_past(Sequence(head.sequence), Timestamp(head.time));
    // One that cannot be used only makes this slower.
    let (mut replay, mut names) = match snapshots::index(&mut reader, &snapshots, fits) {
        (Some(index), _) => (index.replay, index.names),
        (None, _) => {
            if let (Some(begins), Some(at)) = (JournalArgs::beginning(&reader), &args.at) {
                return Err(Failure::usage(format!(
                    "--at {at} is before the oldest good snapshot. {begins}; put into one folder with \
                     them it has the book"
                )));
            }
            reader = args.journal.open_to_replay()?;
            (Replay::new(), Names::default())
        }
    };
    let bar = progress_in(&reader);
    while let Some(frame) = reader.next().map_err(Failure::failed)? {
        if frame.first {
            let (sequence, position) = (Sequence(frame.sequence), frame.position);
            if is_past(sequence, head_of(&frame)?.input.timestamp) {
                break;
            }
            if sequence.0.is_multiple_of(1 << 14) {
                bar.set_position(position.0);
            }
        }
        replay.frame(&frame, &mut names).map_err(Failure::failed)?;
    }
    bar.finish_and_clear();
    let place = replay.place();
    if place.0 == Sequence(0) {
        let what = match &args.at {
            Some(at) => format!("--at {at} is before the first turn of the journal{}", begin(args)),
            None => "the journal has no turn yet".into(),
        };
        return Err(Failure::usage(what));
    }
    let engine = replay.engine();
    let found = names.instrument(&args.symbol);
    let book = found.and_then(|(id, _)| engine.book(id));
    let (Some((id, instrument)), Some(book)) = (found, book) else {
        let known: Vec<&str> = names.instruments.iter().map(|it| it.symbol.as_str()).collect();
        let what = format!("no instrument {} there; there are: {}", args.symbol, known.join(" "));
        return Err(Failure::usage(what));
    };
    let shown = Shown { names: &names, id, instrument, book: &book };
    let place = Some(place);
    shown.print(args.orders, place)?;
    if args.json {
        output::json(&shown.json(args.orders, place));
    }
    Ok(())
}

fn head_of(frame: &Frame<'_>) -> Result<TurnHead, Failure> {
    let (sequence, position) = (Sequence(frame.sequence), frame.position);
    let failed = |error| FollowError::Record { sequence, position, error };
    read_head(frame).map_err(|error| Failure::failed(failed(error)))
}

/// Sequence and time of the next turn, `None` if there is none.
fn first_turn(reader: &mut Reader) -> Result<Option<(Sequence, Timestamp)>, Failure> {
    let Some(frame) = reader.next().map_err(Failure::failed)? else { return Ok(None) };
    let head = head_of(&frame)?;
    Ok(Some((head.input.sequence, head.input.timestamp)))
}

/// Where the journal begins, for whoever asked for what was before.
fn begin(args: &BookArgs) -> String {
    let first = args.journal.open().and_then(|mut reader| first_turn(&mut reader));
    first.ok().flatten().map_or(String::new(), |(sequence, time)| {
        format!(", which is sequence {sequence}, {}", Rfc3339(time))
    })
}

struct Shown<'a> {
    names: &'a Names,
    id: InstrumentId,
    instrument: &'a Instrument,
    book: &'a Book<'a>,
}

type Place = Option<(Sequence, Timestamp)>;

impl Shown<'_> {
    fn print(&self, orders: bool, place: Place) -> Result<(), Failure> {
        let mut lines = Lines::new();
        if let Some((sequence, time)) = place {
            let symbol = self.instrument.symbol;
            lines.line(format_args!("{symbol} after sequence {sequence}, {}", Rfc3339(time)))?;
        }
        // As on a screen: the best levels of both sides meet in the middle.
        let mut asks: Vec<BookLevel> = self.book.levels(Side::Sell).collect();
        asks.reverse();
        for (word, side, levels) in
            [("ask", Side::Sell, asks), ("bid", Side::Buy, self.book.levels(Side::Buy).collect())]
        {
            // Once through them: a book may have as many levels as orders.
            let queue: Vec<BookOrder> =
                if orders { self.book.orders(side).collect() } else { Vec::new() };
            let queues = queue.chunk_by(|one, next| one.price == next.price);
            let at: BTreeMap<Price, &[BookOrder]> = queues.map(|it| (it[0].price, it)).collect();
            for level in levels {
                self.level(word, &level, &mut lines)?;
                for order in at.get(&level.price).copied().unwrap_or_default() {
                    lines.line(format_args!("{:>40} {}", "", self.order(order)))?;
                }
            }
        }
        lines.end()
    }

    fn level(&self, word: &str, level: &BookLevel, lines: &mut Lines) -> Result<(), Failure> {
        let price = text::price(level.price, self.instrument);
        let qty = text::qty(level.qty, self.instrument);
        let orders = level.orders;
        lines.line(format_args!("{word} {price:>16} {qty:>16} {orders:>8}"))
    }

    fn order(&self, order: &BookOrder) -> String {
        let qty = text::qty(order.leaves_qty, self.instrument);
        let session = self.names.session(order.session);
        format!(
            "{qty}  {session}/{} order {} ref {}",
            order.number, order.order_id, order.order_ref
        )
    }

    fn json(&self, orders: bool, place: Place) -> Value {
        let price = |price| text::price(price, self.instrument).to_string();
        let qty = |qty| text::qty(qty, self.instrument).to_string();
        let levels = |side| -> Vec<Value> {
            let level = |level: BookLevel| json!({ "price": price(level.price), "qty": qty(level.qty), "orders": level.orders });
            self.book.levels(side).map(level).collect()
        };
        let queue = |side| -> Vec<Value> {
            let order = |order: BookOrder| {
                json!({
                    "price": price(order.price),
                    "qty": qty(order.leaves_qty),
                    "session": self.names.session(order.session),
                    "number": order.number.0,
                    "order_id": order.order_id.0,
                    "order_ref": order.order_ref.0,
                })
            };
            self.book.orders(side).map(order).collect()
        };
        let mut value = json!({
            "symbol": self.instrument.symbol.as_str(),
            "instrument": self.id.0,
            "sequence": place.map(|place| place.0.0),
            "time": place.map(|place| Rfc3339(place.1).to_string()),
            "bids": levels(Side::Buy),
            "asks": levels(Side::Sell),
        });
        if orders {
            value["bid_orders"] = queue(Side::Buy).into();
            value["ask_orders"] = queue(Side::Sell).into();
        }
        value
    }
}
