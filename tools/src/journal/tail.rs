//! `vesta journal tail`: the end of a journal, and what is appended to it by another process.

use std::collections::VecDeque;
use std::time::Duration;

use clap::Args;
use journal::{Reader, Snapshots};
use matcher::Event;
use venue::snapshots;
use venue::turns::TurnHead;

use crate::failure::Failure;
use crate::filter::FilterArgs;
use crate::interrupt::Interrupt;
use crate::journal_reader::JournalArgs;
use crate::select::{Select, Turn, Turns};

use super::print::{Printer, StyleArgs};

/// How often the end of the journal is looked at again. Unit: milliseconds.
const LOOK_MS: u64 = 5;

/// Frames read before what is printed is written out and a signal is looked for: lines come evenly
/// while a venue appends without a pause.
const FRAMES_A_ROUND: u32 = 256;

#[derive(Args, Debug)]
pub(super) struct TailArgs {
    #[command(flatten)]
    journal: JournalArgs,
    /// Turns to show of what is there.
    #[arg(long, short = 'n', value_name = "TURNS", default_value_t = 10)]
    lines: usize,
    /// Go on with what is appended, until SIGINT or until the venue is gone.
    #[arg(long, short)]
    follow: bool,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    style: StyleArgs,
}

/// The last turns, until all that is there is read; from then on straight to the printer.
struct Last {
    turns: VecDeque<(TurnHead, Vec<Event>)>,
    wanted: usize,
}

impl Turns for Last {
    fn turn(&mut self, turn: &Turn<'_>) -> Result<(), Failure> {
        if self.turns.len() == self.wanted {
            self.turns.pop_front();
        }
        if self.wanted > 0 {
            self.turns.push_back((*turn.head, turn.events.to_vec()));
        }
        Ok(())
    }
}

pub(super) fn tail(args: &TailArgs) -> Result<(), Failure> {
    if args.style.conversation().is_some() {
        return Err(Failure::usage(
            "--fix SESSION is for `vesta journal print`: tail has --session",
        ));
    }
    let mut select = Select::new(args.filter.filter()?);
    let interrupt = Interrupt::catch().map_err(Failure::failed)?;
    let mut reader = args.journal.open()?;
    JournalArgs::tell_beginning(&reader);
    args.filter.tell_day(&args.journal);
    select.names = args.journal.names(&reader);
    let mut printer = Printer::new(&args.style);
    let read = last(args, &mut select, &mut reader, &mut printer, &interrupt);
    let followed = match read {
        Ok(()) if args.follow => follow(args, &mut select, &mut reader, &mut printer, &interrupt),
        read => read,
    };
    printer.lines.end()?;
    followed?;
    if args.follow { Ok(()) } else { select.filter.end(&select.names) }
}

/// Shows the end of what is there now.
fn last(
    args: &TailArgs,
    select: &mut Select,
    reader: &mut Reader,
    printer: &mut Printer,
    interrupt: &Interrupt,
) -> Result<(), Failure> {
    // Of a journal that grows: what is appended from now on is followed, not collected.
    let until = reader.bytes_total();
    let beginning = select.names.clone();
    let snapshots = Snapshots::to_read(&args.journal.dir, reader.log_id());
    // Snapshots and indexes to begin at, the last one, then each time as many more again, then the beginning.
    let places = match args.filter.knows_turns_alone() {
        true => snapshots.list_all().unwrap_or_default(),
        false => Vec::new(),
    };
    let mut back = 1;
    let mut last;
    loop {
        let place = places.len().checked_sub(back).map(|at| places[at]);
        if let Some(place) = place {
            back *= 2;
            let Some(names) = snapshots::go_to(reader, &snapshots, place) else { continue };
            *select = Select::new(args.filter.filter()?);
            select.names = names;
        } else {
            reader.seek(reader.start());
            *select = Select::new(args.filter.filter()?);
            select.names.clone_from(&beginning);
        }
        last = Last { turns: VecDeque::new(), wanted: args.lines };
        while reader.position().0 < until && !interrupt.is_set() {
            if !select.step(reader, &mut last, |_| {})? {
                break;
            }
        }
        if place.is_none() || last.turns.len() == args.lines || interrupt.is_set() {
            break;
        }
    }
    for (head, events) in &last.turns {
        let (names, filter) = (&select.names, &select.filter);
        printer.turn(&Turn { head, events, names, filter })?;
    }
    printer.lines.flush()
}

fn follow(
    args: &TailArgs,
    select: &mut Select,
    reader: &mut Reader,
    printer: &mut Printer,
    interrupt: &Interrupt,
) -> Result<(), Failure> {
    while !interrupt.is_set() && !select.filter.is_past() {
        // Asked before the end is looked at: what the venue appended before it went is shown.
        let venue = Venue::look(reader, args);
        let mut frames = 0;
        while frames < FRAMES_A_ROUND && select.step(reader, printer, |_| {})? {
            frames += 1;
        }
        printer.lines.flush()?;
        if frames == FRAMES_A_ROUND {
            continue;
        }
        match venue {
            Venue::Runs => std::thread::park_timeout(Duration::from_millis(LOOK_MS)),
            Venue::Gone(process) => {
                eprintln!("vesta: the venue, process {process}, is gone: this is the end");
                return Ok(());
            }
            Venue::None => {
                eprintln!("vesta: no venue has the journal open: this is the end");
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Whether somebody appends.
enum Venue {
    Runs,
    Gone(u32),
    None,
}

impl Venue {
    fn look(reader: &Reader, args: &TailArgs) -> Venue {
        let Some(control) = reader.control() else { return Venue::None };
        let runs = args.journal.is_in_use();
        // A venue that stops in order removes its live log.
        let live = args.journal.live_dir().is_some_and(|dir| dir.join("control").exists());
        if runs && live { Venue::Runs } else { Venue::Gone(control.pid) }
    }
}
