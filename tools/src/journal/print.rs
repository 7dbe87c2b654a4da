//! `vesta journal print`, and the lines that `tail` shows.

use clap::Args;
use matcher::Event;
use serde_json::json;

use crate::describe;
use crate::failure::Failure;
use crate::fields::Record;
use crate::filter::FilterArgs;
use crate::journal_reader::{JournalArgs, progress_beside_lines};
use crate::output::Lines;
use crate::paint::{ColorWhen, Paint, Tone};
use crate::select::{Select, Turn, Turns};
use crate::text::{Rfc3339, TimeOfDay};

use super::conversation::conversation;

#[derive(Args, Debug)]
pub(super) struct PrintArgs {
    #[command(flatten)]
    journal: JournalArgs,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    style: StyleArgs,
}

/// How a record is shown.
#[derive(Args, Clone, Debug)]
pub(super) struct StyleArgs {
    /// Fields under the names that FIX gives them, instead of words. With a SESSION (`print` only): its conversation as
    /// messages, both ways; what the client sent is put together from what the journal keeps, and marked with ~.
    #[arg(long, value_name = "SESSION", num_args = 0..=1)]
    fix: Option<Option<String>>,
    /// A JSON object a record or message; its `fields` have FIX's names.
    #[arg(long)]
    pub(super) json: bool,
    /// When to colour.
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    color: ColorWhen,
}

impl StyleArgs {
    /// Whose conversation is to be shown.
    pub(super) fn conversation(&self) -> Option<&str> {
        self.fix.as_ref()?.as_deref()
    }
}

pub(super) fn print(args: &PrintArgs) -> Result<(), Failure> {
    if let Some(session) = args.style.conversation() {
        return conversation(&args.journal, &args.filter.of_session(session), &args.style);
    }
    let mut select = Select::new(args.filter.filter()?);
    let mut reader = args.journal.open()?;
    JournalArgs::tell_beginning(&reader);
    args.filter.tell_day(&args.journal);
    select.names = args.journal.names(&reader);
    let mut printer = Printer::new(&args.style);
    let bar = progress_beside_lines(reader.bytes_total());
    let read = select.read(&mut reader, &mut printer, |at| bar.set_position(at));
    bar.finish_and_clear();
    printer.lines.end()?;
    read?;
    select.filter.end(&select.names)
}

/// Writes the records of turns as lines.
pub(super) struct Printer {
    pub(super) lines: Lines,
    style: StyleArgs,
    paint: Paint,
}

impl Printer {
    pub(super) fn new(style: &StyleArgs) -> Printer {
        Printer { lines: Lines::new(), style: style.clone(), paint: Paint::new(style.color) }
    }

    /// One record; `event` is its place in the turn.
    fn record(
        &mut self,
        turn: &Turn<'_>,
        event: Option<(u32, &Event)>,
        first: Place,
    ) -> Result<(), Failure> {
        let (head, names) = (turn.head, turn.names);
        let (sequence, time) = (head.input.sequence, head.input.timestamp);
        let fields = || match event {
            None => Record::input(head, names),
            Some((index, event)) => Record::event(head, index, event, names),
        };
        let words = || match event {
            None => describe::input(head, names),
            Some((_, event)) => describe::event(event, names),
        };
        if self.style.json {
            let line = json!({
                "sequence": sequence.0,
                "time": Rfc3339(time).to_string(),
                "event": event.map(|(index, _)| index),
                "text": words(),
                "fields": fields().json(),
            });
            return self.lines.line(format_args!("{line}"));
        }
        let what = if self.style.fix.is_some() { fields().words() } else { words() };
        let tone = event.map_or(Tone::Asked, |(_, event)| tone(event));
        let what = self.paint.paint(tone, what);
        match (first, event) {
            (Place::First, None) => {
                self.lines.line(format_args!("{sequence:>10} {} {what}", TimeOfDay(time)))
            }
            (Place::First, Some(_)) => {
                self.lines.line(format_args!("{sequence:>10} {} → {what}", TimeOfDay(time)))
            }
            (Place::Later, _) => self.lines.line(format_args!("{:>10} {:>18} {what}", "", "→")),
        }
    }
}

/// Of a record among those of its turn that are shown.
#[derive(Clone, Copy)]
enum Place {
    First,
    Later,
}

impl Turns for Printer {
    fn turn(&mut self, turn: &Turn<'_>) -> Result<(), Failure> {
        let mut place = Place::First;
        if turn.filter.shows_kind(describe::command_kind(&turn.head.input.command)) {
            self.record(turn, None, place)?;
            place = Place::Later;
        }
        for (index, event) in (0..).zip(turn.events) {
            if turn.filter.shows_kind(describe::event_kind(event)) {
                self.record(turn, Some((index, event)), place)?;
                place = Place::Later;
            }
        }
        Ok(())
    }
}

fn tone(event: &Event) -> Tone {
    match event {
        Event::Traded(_) | Event::Uncrossed(_) => Tone::Traded,
        Event::Rejected(_)
        | Event::CancelRejected(_)
        | Event::MassCancelRejected { .. }
        | Event::CommandRefused { .. }
        | Event::Busted(_) => Tone::Refused,
        Event::Canceled(_) => Tone::Gone,
        _ => Tone::Plain,
    }
}
