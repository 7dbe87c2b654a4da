//! `vesta journal`: what is in a journal, and whether it is sound.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use journal::Reader;
use matcher::{Event, SessionId, Timestamp};
use serde_json::json;
use venue::Names;
use venue::turns::{Cutter, Follower, TurnHead};

use crate::failure::Failure;
use crate::journal_reader::{JournalArgs, progress};
use crate::output::Lines;
use crate::text::{self, Rfc3339, TimeOfDay};
use crate::{describe, output, say};

/// Looks into a journal, of a running venue or of one that is stopped.
#[derive(Args, Debug)]
pub struct JournalCommand {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Counts: segments, sequences, records of each kind, times.
    #[command(after_help = "Example:\n  vesta journal stat journal")]
    Stat(StatArgs),
    /// One line a record, with names and decimals from the journal itself.
    #[command(
        after_help = "Example:\n  vesta journal print journal --symbol BTC-USD --from 1000 --to 2000"
    )]
    Print(PrintArgs),
    /// Checks every checksum and sequence, in both copies of what is live and on disk; exit code 1 names
    /// segment, offset and sequence.
    #[command(after_help = "Example:\n  vesta journal verify journal --json")]
    Verify(VerifyArgs),
}

#[derive(Args, Debug)]
struct StatArgs {
    #[command(flatten)]
    journal: JournalArgs,
    /// End with one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct VerifyArgs {
    #[command(flatten)]
    journal: JournalArgs,
    /// End with one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct PrintArgs {
    #[command(flatten)]
    journal: JournalArgs,
    /// First sequence to print.
    #[arg(long, value_name = "SEQ", default_value_t = 1)]
    from: u64,
    /// Last sequence to print.
    #[arg(long, value_name = "SEQ", default_value_t = u64::MAX, hide_default_value = true)]
    to: u64,
    /// Only turns that this session asked for or is told of.
    #[arg(long, value_name = "COMPID")]
    session: Option<String>,
    /// Only turns of this instrument.
    #[arg(long, value_name = "SYMBOL")]
    symbol: Option<String>,
    /// A JSON object a record.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
///
/// If the journal cannot be read to its end or is not sound.
pub fn run(args: &JournalCommand) -> Result<(), Failure> {
    match &args.what {
        What::Stat(args) => stat(args),
        What::Print(args) => print(args),
        What::Verify(args) => verify(args),
    }
}

/// Gives every record from the reader's place on to `follower`, until `until` says so.
fn follow<F: Follower>(
    reader: &mut Reader,
    follower: &mut F,
    until: impl Fn(&F) -> bool,
) -> Result<(), Failure> {
    let mut cutter = Cutter::default();
    while let Some(frame) = reader.next().map_err(Failure::failed)? {
        cutter.frame(&frame, follower).map_err(Failure::failed)?;
        if until(follower) {
            break;
        }
    }
    Ok(())
}

#[derive(Default)]
struct Counts {
    names: Names,
    turns: u64,
    first: Option<(u64, Timestamp)>,
    last: Option<(u64, Timestamp)>,
    inputs: BTreeMap<&'static str, u64>,
    events: BTreeMap<&'static str, u64>,
}

impl Follower for Counts {
    fn input(&mut self, head: &TurnHead) {
        self.names.input(head);
        let place = (head.input.sequence.0, head.input.timestamp);
        self.turns += 1;
        self.first.get_or_insert(place);
        self.last = Some(place);
        *self.inputs.entry(describe::command_kind(&head.input.command)).or_default() += 1;
    }

    fn event(&mut self, head: &TurnHead, index: u32, event: &Event) {
        self.names.event(head, index, event);
        *self.events.entry(describe::event_kind(event)).or_default() += 1;
    }

    fn end_turn(&mut self, head: &TurnHead) {
        self.names.end_turn(head);
    }
}

fn stat(args: &StatArgs) -> Result<(), Failure> {
    let mut reader = args.journal.open()?;
    let segments = reader.segments().map_err(Failure::failed)?;
    let mut counts = Counts::default();
    follow(&mut reader, &mut counts, |_| false)?;
    let (bytes, cut) = (reader.position().0, reader.tail_cut());
    let begun = segments.iter().filter(|segment| segment.first_sequence.is_some()).count();
    let live = segments.iter().filter(|segment| segment.live).count();
    let (first, last) = (counts.first, counts.last);
    say!("log        {:016x}", reader.log_id());
    say!(
        "segments   {begun} of {} MiB in use, {live} of them live, {} made ahead",
        reader.segment_bytes() >> 20,
        segments.len() - begun
    );
    say!("bytes      {}", text::count(bytes));
    if let (Some(first), Some(last)) = (first, last) {
        say!("sequences  {} to {}", first.0, last.0);
        say!("times      {} to {}", Rfc3339(first.1), Rfc3339(last.1));
    }
    for (what, kinds) in [("inputs", &counts.inputs), ("events", &counts.events)] {
        say!("{what:<10} {}", text::count(kinds.values().sum()));
        for (kind, count) in kinds {
            say!("  {kind:<22} {:>14}", text::count(*count));
        }
    }
    say!(
        "sessions   {}",
        joined(counts.names.sessions.iter().map(|(comp_id, _)| comp_id.as_str()))
    );
    let symbols = counts.names.instruments.iter().map(|instrument| instrument.symbol.as_str());
    say!("traded     {}", joined(symbols));
    if let Some(control) = reader.control() {
        say!("venue      process {}, durable to position {}", control.pid, control.durable);
    }
    if let Some(cut) = cut {
        say!("the end is torn, as after a crash: {cut}");
    }
    if args.json {
        output::json(&json!({
            "log_id": format!("{:016x}", reader.log_id()),
            "segments": begun,
            "segment_bytes": reader.segment_bytes(),
            "bytes": bytes,
            "first_sequence": first.map(|place| place.0),
            "last_sequence": last.map(|place| place.0),
            "first_time": first.map(|place| Rfc3339(place.1).to_string()),
            "last_time": last.map(|place| Rfc3339(place.1).to_string()),
            "turns": counts.turns,
            "inputs": counts.inputs,
            "events": counts.events,
            "torn_tail": cut.map(|cut| cut.to_string()),
        }));
    }
    Ok(())
}

fn joined<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let words: Vec<&str> = words.collect();
    words.join(" ")
}

/// Prints the turns that are asked for.
struct Printer<'a> {
    names: Names,
    args: &'a PrintArgs,
    lines: Lines,
    /// Lines of the present turn.
    turn: Vec<String>,
    session_seen: bool,
    symbol_seen: bool,
    ended: Result<(), Failure>,
    past: bool,
}

impl Printer<'_> {
    fn is_asked(&self, head: &TurnHead) -> bool {
        (self.args.from..=self.args.to).contains(&head.input.sequence.0)
    }

    fn session(&mut self, id: SessionId) {
        let wanted = self.args.session.as_deref();
        self.session_seen |= wanted.is_none_or(|wanted| self.names.session(id) == wanted);
    }

    fn symbol(&mut self, id: Option<matcher::InstrumentId>) {
        let Some(wanted) = self.args.symbol.as_deref() else { return };
        let found = id.and_then(|id| self.names.instruments.get(id.index()));
        self.symbol_seen |= found.is_some_and(|instrument| instrument.symbol.as_str() == wanted);
    }

    fn record(&mut self, head: &TurnHead, event: Option<u32>, what: &str) {
        let (sequence, time) = (head.input.sequence, head.input.timestamp);
        self.turn.push(match (self.args.json, event) {
            (true, event) => json!({
                "sequence": sequence.0,
                "time": Rfc3339(time).to_string(),
                "event": event,
                "text": what,
            })
            .to_string(),
            (false, None) => format!("{sequence:>10} {} {what}", TimeOfDay(time)),
            (false, Some(_)) => format!("{:>10} {:>18} {what}", "", "→"),
        });
    }
}

impl Follower for Printer<'_> {
    fn input(&mut self, head: &TurnHead) {
        self.names.input(head);
        self.turn.clear();
        self.past = head.input.sequence.0 > self.args.to;
        if !self.is_asked(head) {
            return;
        }
        (self.session_seen, self.symbol_seen) = (false, self.args.symbol.is_none());
        self.session(head.input.session);
        self.symbol(describe::command_instrument(&head.input.command));
        let what = describe::input(head, &self.names);
        self.record(head, None, &what);
    }

    fn event(&mut self, head: &TurnHead, index: u32, event: &Event) {
        self.names.event(head, index, event);
        if !self.is_asked(head) {
            return;
        }
        for (session, _) in event.recipients().into_iter().flatten() {
            self.session(session);
        }
        self.symbol(describe::event_instrument(event));
        let what = describe::event(event, &self.names);
        self.record(head, Some(index), &what);
    }

    fn end_turn(&mut self, head: &TurnHead) {
        self.names.end_turn(head);
        if !(self.is_asked(head) && self.session_seen && self.symbol_seen) {
            return;
        }
        for line in &self.turn {
            if self.ended.is_ok() {
                self.ended = self.lines.line(format_args!("{line}"));
            }
        }
    }
}

fn print(args: &PrintArgs) -> Result<(), Failure> {
    let mut reader = args.journal.open()?;
    let mut printer = Printer {
        names: Names::default(),
        args,
        lines: Lines::new(),
        turn: Vec::new(),
        session_seen: false,
        symbol_seen: false,
        ended: Ok(()),
        past: false,
    };
    let result =
        follow(&mut reader, &mut printer, |printer| printer.past || printer.ended.is_err());
    let Printer { lines, ended, names, .. } = printer;
    ended?;
    lines.end()?;
    result?;
    if let Some(symbol) = args.symbol.as_deref().filter(|symbol| names.instrument(symbol).is_none())
    {
        return Err(Failure::usage(format!("the journal knows no instrument {symbol}")));
    }
    let known = |comp_id: &str| names.sessions.iter().any(|(known, _)| known == comp_id);
    match args.session.as_deref() {
        Some(comp_id) if comp_id != "VENUE" && !known(comp_id) => {
            Err(Failure::usage(format!("the journal knows no session {comp_id}")))
        }
        _ => Ok(()),
    }
}

fn verify(args: &VerifyArgs) -> Result<(), Failure> {
    let total = args.journal.open()?.bytes_total();
    let bar = progress(total);
    let live_dir = args.journal.live_dir();
    let result = journal::verify(&args.journal.dir, live_dir.as_deref(), |at| bar.set_position(at));
    bar.finish_and_clear();
    match result {
        Ok(verified) => {
            say!(
                "{} turns in {} segments are sound: sequence {} to {}, {} bytes",
                text::count(verified.turns),
                verified.segments,
                verified.first_sequence,
                verified.last_sequence,
                text::count(verified.bytes)
            );
            if verified.copies > 0 {
                say!("{} of them are live and on disk: both copies are sound", verified.copies);
            }
            if let Some(cut) = verified.torn_tail {
                say!("the end is torn, as after a crash: {cut}");
            }
            if args.json {
                output::json(&json!({
                    "ok": true,
                    "copies": verified.copies,
                    "segments": verified.segments,
                    "frames": verified.frames,
                    "turns": verified.turns,
                    "first_sequence": verified.first_sequence,
                    "last_sequence": verified.last_sequence,
                    "bytes": verified.bytes,
                    "torn_tail": verified.torn_tail.map(|cut| cut.to_string()),
                }));
            }
            Ok(())
        }
        Err(error) => {
            if args.json {
                output::json(&json!({ "ok": false, "why": error.to_string() }));
            }
            Err(Failure::failed(error))
        }
    }
}
