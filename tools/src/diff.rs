//! `vesta diff`: the first place where two journals, or a journal and its re-run, are not the same.

mod other;
mod side;
mod told;

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::failure::Failure;
use crate::journal_reader::{JournalArgs, progress};
use crate::output::{self, Lines};
use crate::{say, text};

use side::{Journal, Rerun, Source, Turn};

/// Finds the first difference of two journals, or of a journal and its re-run by this build, and shows
/// request, events and book on both sides of it.
///
/// With --replay the journal may have been recorded by any build that writes the same records: so two
/// builds are compared. With --with the other side is what another build answers to the same requests. Exit code 0:
/// no difference, 1: there is one.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  vesta diff monday-journal rerun-journal\n  \
                        vesta diff monday-journal --replay --json\n  \
                        vesta diff monday-journal --with /opt/vesta-next/vesta")]
pub struct DiffArgs {
    /// Folder of a journal.
    #[arg(value_name = "A")]
    a: PathBuf,
    /// Folder of the other journal.
    #[arg(
        value_name = "B",
        required_unless_present_any = ["replay", "with"],
        conflicts_with_all = ["replay", "with"]
    )]
    b: Option<PathBuf>,
    /// Compare with what this build answers to the requests of A.
    #[arg(long)]
    replay: bool,
    /// Compare with what this binary, another build of vesta, answers to the requests of A.
    #[arg(long, value_name = "BINARY", conflicts_with = "replay")]
    with: Option<PathBuf>,
    /// Two turns that differ in nothing but their time differ. Without it the connection that a
    /// session-layer message is for is not compared either.
    #[arg(long)]
    times: bool,
    /// Price levels of each side of the book to show.
    #[arg(long, value_name = "N", default_value_t = 5)]
    levels: usize,
    /// End with one JSON object.
    #[arg(long)]
    json: bool,
}

/// What the comparison saw.
#[derive(Default)]
struct Compared {
    /// Turns that are the same.
    same: u64,
    /// Of these, turns with another time.
    other_times: u64,
    /// The first turn that is not: of A, of B; `None` where there is none any more.
    first: Option<(Option<Turn>, Option<Turn>)>,
}

/// Runs the command.
///
/// # Errors
///
/// If a journal cannot be read, or they differ.
pub fn run(args: &DiffArgs) -> Result<(), Failure> {
    let journal = |dir: &PathBuf| JournalArgs { dir: dir.clone(), live_dir: None };
    let a = journal(&args.a);
    let b = args.b.as_ref().map(journal);
    let reader = a.open_to_replay()?;
    let bar = progress(reader.bytes_total());
    let mut one = Journal::new(reader);
    let mut word = "B".to_owned();
    let compared = match (&b, &args.with) {
        (Some(b), _) => {
            let mut other = Journal::new(b.open_to_replay()?);
            compare(args, &mut one, &mut other, |at| bar.set_position(at))
        }
        (None, Some(binary)) => {
            let mut one = Rerun::new(a.open_to_replay()?);
            let mut other = other::Other::start(binary, &a)?;
            word.clone_from(&other.name);
            compare(args, &mut one, &mut other, |at| bar.set_position(at))
        }
        (None, None) => {
            let mut other = Rerun::new(a.open_to_replay()?);
            word = "this build".into();
            compare(args, &mut one, &mut other, |at| bar.set_position(at))
        }
    };
    bar.finish_and_clear();
    let Compared { same, other_times, first } = compared?;
    let config = match &b {
        Some(b) => told::config(&a, b)?,
        None => told::Config::default(),
    };
    let Some((one, other)) = first else {
        say!("no difference in {} turns", text::count(same));
        if other_times > 0 {
            say!("{} of them have another time: --times", text::count(other_times));
        }
        if args.json {
            output::json(&json!({ "same": true, "turns": same, "other_times": other_times }));
        }
        return Ok(());
    };
    let words = (if args.with.is_some() { "this build" } else { "A" }, &*word);
    let told = told::tell(&a, b.as_ref(), (one.as_ref(), other.as_ref()), words, args.levels)?;
    let mut lines = Lines::new();
    lines.line(format_args!("{} turns are the same", text::count(same)))?;
    for line in told.lines.iter().chain(&config.lines) {
        lines.line(format_args!("{line}"))?;
    }
    lines.end()?;
    if args.json {
        let mut value = told.json;
        value["same"] = false.into();
        value["turns"] = same.into();
        value["config"] = config.json;
        output::json(&value);
    }
    Err(Failure::Failed(told.short))
}

/// Writes what this build answers to the requests of a journal, for [`DiffArgs`] of another build.
///
/// # Errors
///
/// If the journal cannot be read to its end.
pub fn answer(journal: &JournalArgs) -> Result<(), Failure> {
    other::answer(journal.open_to_replay()?)
}

/// Reads both sides up to the first turn that is not the same.
fn compare(
    args: &DiffArgs,
    a: &mut impl Source,
    b: &mut impl Source,
    mut at: impl FnMut(u64),
) -> Result<Compared, Failure> {
    let mut compared = Compared::default();
    loop {
        let (more_a, more_b) = (a.next()?, b.next()?);
        let (one, other) = (a.turn(), b.turn());
        if !more_a && !more_b {
            return Ok(compared);
        }
        let same = more_a && more_b && one.is_same(other);
        let same_time = one.time() == other.time();
        if !same || args.times && !same_time {
            let kept = |more: bool, turn: &Turn| more.then(|| turn.clone());
            compared.first = Some((kept(more_a, one), kept(more_b, other)));
            return Ok(compared);
        }
        compared.same += 1;
        compared.other_times += u64::from(!same_time);
        if compared.same.is_multiple_of(1 << 14) {
            at(one.position());
        }
    }
}
