//! `vesta replay`: the journal through the engine, every event compared.

use std::time::{Duration, Instant};

use clap::Args;
use journal::{Cut, Reader, Snapshots};
use serde_json::json;
use venue::Names;
use venue::replay::{Divergence, Replay, ReplayError};
use venue::snapshots;
use venue::turns::FollowError;

use crate::failure::Failure;
use crate::journal_reader::{JournalArgs, progress};
use crate::starting::Starts;
use crate::{describe, output, say, text};

/// Replays a journal through the engine of this build and compares every event with what is written.
#[derive(Args, Debug)]
///
/// One whose first segments have gone is replayed from its oldest good snapshot on.
/// Where snapshots know the state after a turn, the state of this build is compared with it too.
#[command(after_help = "Example:\n  vesta replay journal --verify --json")]
pub struct ReplayArgs {
    #[command(flatten)]
    journal: JournalArgs,
    /// End with exit code 1 if an event differs, naming the first (a replay always compares; this is
    /// the word for scripts).
    #[arg(long)]
    verify: bool,
    /// Begin with the newest good snapshot: what was before it is neither replayed nor compared.
    #[arg(long)]
    from_snapshot: bool,
    /// Compare nothing and write what this build answers to stdout, as bytes: for `vesta diff --with` of another
    /// build.
    #[arg(long, conflicts_with_all = ["verify", "from_snapshot", "json"])]
    answers: bool,
    /// End with one JSON object.
    #[arg(long)]
    json: bool,
}

/// What a replay saw.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// Inputs applied.
    pub commands: u64,
    /// Events compared.
    pub events: u64,
    /// States compared with those that snapshots have.
    pub states: usize,
    /// Sequence of the last turn, 0 if there is none.
    pub last_sequence: u64,
    /// What stands behind the last whole turn.
    pub torn_tail: Option<Cut>,
    /// How long it took.
    pub elapsed: Duration,
}

impl Replayed {
    /// Commands in a second.
    #[must_use]
    pub fn commands_per_s(&self) -> u64 {
        let ns = self.elapsed.as_nanos().max(1);
        u64::try_from(u128::from(self.commands) * 1_000_000_000 / ns).unwrap_or(u64::MAX)
    }
}

/// Runs the command.
///
/// # Errors
///
/// If the journal cannot be read to its end, or an event differs.
pub fn run(args: &ReplayArgs) -> Result<(), Failure> {
    if args.answers {
        return crate::diff::answer(&args.journal);
    }
    let (reader, begun) = begin(args)?;
    let from = begun.place().0;
    let bar = progress(reader.bytes_total());
    let result = go_on(begun, reader, |position| bar.set_position(position));
    bar.finish_and_clear();
    match result {
        Ok(replayed) => {
            let rate = replayed.commands_per_s();
            say!(
                "{} commands, {} events, all as written; {} commands/s",
                text::count(replayed.commands),
                text::count(replayed.events),
                text::count(rate)
            );
            if replayed.states > 0 {
                say!("{} states, all as snapshots have them", text::count(replayed.states as u64));
            }
            if let Some(cut) = replayed.torn_tail {
                say!("the end is torn, as after a crash: {cut}");
            }
            if args.json {
                output::json(&json!({
                    "ok": true,
                    "commands": replayed.commands,
                    "events": replayed.events,
                    "from_sequence": from.0,
                    "last_sequence": replayed.last_sequence,
                    "states": replayed.states,
                    "torn_tail": replayed.torn_tail.map(|cut| cut.to_string()),
                    "elapsed_ms": u64::try_from(replayed.elapsed.as_millis()).unwrap_or(u64::MAX),
                    "commands_per_s": rate,
                }));
            }
            Ok(())
        }
        Err(error) => {
            let why = explain(&error, &args.journal);
            if args.json {
                let sequence = match &error {
                    ReplayError::Diverged(at) => Some(at.sequence.0),
                    ReplayError::State { sequence, .. } => Some(sequence.0),
                    ReplayError::Gap { .. } | ReplayError::Follow(_) => None,
                };
                output::json(&json!({ "ok": false, "why": why, "sequence": sequence }));
            }
            Err(Failure::Failed(why))
        }
    }
}

/// Applies every turn that `reader` gives; `at` is told where it is, now and then.
///
/// # Errors
///
/// If the journal cannot be read, or an event differs.
pub fn replay(reader: Reader, at: impl FnMut(u64)) -> Result<Replayed, ReplayError> {
    go_on(Replay::new(), reader, at)
}

/// The journal and where its replay begins, with the states that it is to be compared with.
fn begin(args: &ReplayArgs) -> Result<(Reader, Replay), Failure> {
    let (mut reader, mut replay) = (args.journal.open()?, Replay::new());
    let snapshots = Snapshots::to_read(&args.journal.dir, reader.log_id());
    let (hashes, mut refused) = snapshots::state_hashes(&mut reader, &snapshots);
    if args.verify && args.from_snapshot {
        Starts::check(&args.journal)?;
    }
    if args.from_snapshot {
        let (index, passed) = snapshots::index(&mut reader, &snapshots, |_| true);
        refused = passed;
        match index {
            Some(index) => replay = index.replay,
            None => say!("there is no good snapshot: from the start"),
        }
    } else if let Some(begins) = JournalArgs::beginning(&reader) {
        let (index, passed) = snapshots::oldest_index(&mut reader, &snapshots);
        refused = passed;
        let Some(index) = index else {
            let why: String = refused.iter().map(|refused| format!("; {refused}")).collect();
            let what = "there is no good snapshot to begin with: put the older segments back";
            return Err(Failure::failed(format!("{begins}, and {what}{why}")));
        };
        if args.verify {
            // Whoever asks wants to start on it.
            Starts::check(&args.journal)?;
        }
        replay = index.replay;
        say!("{begins}. From the oldest snapshot on, of sequence {}", replay.place().0);
    }
    if replay.place().0.0 == 0 {
        reader = args.journal.open_to_replay()?;
    }
    for refused in refused {
        say!("{refused}");
    }
    replay.expect(&hashes);
    Ok((reader, replay))
}

fn go_on(
    mut replay: Replay,
    mut reader: Reader,
    mut at: impl FnMut(u64),
) -> Result<Replayed, ReplayError> {
    /// How often `at` is told. Unit: frames.
    const TELL: u64 = 16_384;
    let (began, expected) = (Instant::now(), replay.expected());
    let mut frames = 0_u64;
    while let Some(frame) = reader.next().map_err(FollowError::from)? {
        replay.frame(&frame, &mut venue::replay::Nobody)?;
        frames += 1;
        if frames.is_multiple_of(TELL) {
            at(frame.end().0);
        }
    }
    Ok(Replayed {
        commands: replay.turns(),
        events: replay.events(),
        states: expected - replay.expected(),
        last_sequence: replay.place().0.0,
        torn_tail: reader.tail_cut(),
        elapsed: began.elapsed(),
    })
}

/// The error with the names that the journal has for what differs.
fn explain(error: &ReplayError, journal: &JournalArgs) -> String {
    let ReplayError::Diverged(at) = error else { return error.to_string() };
    let names = names_of(journal).unwrap_or_default();
    divergence(at, &names)
}

fn names_of(journal: &JournalArgs) -> Option<Names> {
    let mut reader = journal.open().ok()?;
    let (mut names, mut cutter) = (journal.names(&reader), venue::turns::Cutter::default());
    while let Some(frame) = reader.next().ok()? {
        cutter.frame(&frame, &mut names).ok()?;
    }
    Some(names)
}

fn divergence(at: &Divergence, names: &Names) -> String {
    let event = |event: &Option<matcher::Event>| match event {
        Some(event) => describe::event(event, names),
        None => "no further event".into(),
    };
    format!(
        "differs at sequence {}, event {}: the journal has \"{}\", this build gives \"{}\"",
        at.sequence,
        at.index,
        event(&at.journaled),
        event(&at.replayed)
    )
}
