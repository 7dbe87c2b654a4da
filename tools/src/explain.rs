//! `vesta explain`: the life of one order, in words.

mod find;
mod life;
mod look;
mod queue;
mod seen;
mod words;

use std::time::Instant;

use clap::Args;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::fields::Record;
use crate::journal_reader::{JournalArgs, progress_in};
use crate::order_name::OrderName;
use crate::output::{self, Lines};
use crate::text::Rfc3339;

use look::Found;
use words::{Detail, Told};

/// Tells the life of an order: what was asked and what happened, when, who stood before it in the queue,
/// with whom it traded and why it ended.
///
/// Times are those at which the core took each request: the journal knows no others. What indexes do not
/// say is not about the order is looked through once or twice, on all processors.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  vesta explain journal 4711\n  vesta explain journal CLIENT1:17\n  \
                        vesta explain journal my-order-1 --session CLIENT1"
)]
pub struct ExplainArgs {
    #[command(flatten)]
    journal: JournalArgs,
    /// An OrderID(37), COMPID:NUMBER, or with --session a ClOrdID(11).
    #[arg(value_name = "ORDER")]
    order: String,
    /// ORDER is a ClOrdID of this session.
    #[arg(long, value_name = "COMPID")]
    session: Option<String>,
    /// Every change of the queue before the order, not only the first and the last.
    #[arg(long)]
    queue: bool,
    /// End with one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
///
/// If the journal cannot be read, or has no such order.
pub fn run(args: &ExplainArgs) -> Result<(), Failure> {
    let began = Instant::now();
    let name = match &args.session {
        Some(comp_id) => OrderName::ClOrdId(args.order.clone().into_bytes(), Some(comp_id.clone())),
        None => OrderName::parse(&args.order)?,
    };
    let reader = args.journal.open()?;
    let bar = progress_in(&reader);
    let sequence = find::find(&args.journal, &name)?;
    let found = look::look(&args.journal, sequence, |bytes| bar.inc(bytes));
    bar.finish_and_clear();
    let found = found?;
    let detail = if args.queue { Detail::All } else { Detail::Ends };
    let told = words::tell(&args.journal, &found, detail)?;
    let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let mut lines = Lines::new();
    for line in &told.lines {
        lines.line(format_args!("{line}"))?;
    }
    lines.line(format_args!("looked through {} segments in {ms} ms", found.segments))?;
    lines.end()?;
    if args.json {
        output::json(&as_json(&found, &told, ms));
    }
    Ok(())
}

fn as_json(found: &Found, told: &Told, ms: u64) -> Value {
    let Found { names, life, .. } = found;
    let stops = life.stops.iter().map(|stop| match &stop.event {
        None => Record::input(&stop.head, names).json(),
        Some((index, event)) => Record::event(&stop.head, *index, event, names).json(),
    });
    let qty = |it: &queue::Ahead| {
        names.instruments.get(it.instrument.index()).map_or_else(
            || it.qty.lots().to_string(),
            |instrument| crate::text::qty(it.qty, instrument).to_string(),
        )
    };
    let ahead = found.ahead.iter().map(|it| {
        json!({
            "sequence": it.sequence,
            "event": it.index,
            "time": Rfc3339(it.time).to_string(),
            "orders_ahead": it.orders,
            "qty_ahead": qty(it),
            "why": words::why(it.why, names),
        })
    });
    json!({
        "session": names.session(life.session),
        "numbers": life.numbers.iter().map(|number| number.0).collect::<Vec<_>>(),
        "order_id": life.order_id.map(|id| id.0),
        "end": told.end,
        "stops": stops.collect::<Vec<_>>(),
        "queue": ahead.collect::<Vec<_>>(),
        "later": found.later.iter().map(|(sequence, _)| sequence).collect::<Vec<_>>(),
        "segments": found.segments,
        "elapsed_ms": ms,
    })
}
